"""Verification of findings: what a request is told, what it answers, and what that results in."""

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Verification(StrEnum):
    """Whether a second request, which had to refute a finding, has refuted it."""

    UNCONFIRMED = "unconfirmed"
    """It was not asked yet, or its answer is still to come."""
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    """It was refuted by code that is in the file; the finding stays open."""
    UNDECIDED = "undecided"
    """There was a doubt, no usable answer, or nothing to ask with any more."""


@unique
class ClaimResult(StrEnum):
    """What checking a claim resulted in; the prompt defines each."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedClaim:
    """The answer about one claim as a model gave it, not yet compared with the file."""

    number: int
    """1-based, as in the request."""
    evidence: str
    reason: str
    result: ClaimResult


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """What the verification of one finding resulted in."""

    fingerprint: str
    result: Verification
    reason: str = ""
    """Why it was refuted or confirmed, in the model's words: not escaped."""
