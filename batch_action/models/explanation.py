"""Explanations of findings: who asked for one, what a model answers, and what people are told."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Literal

from batch_action.models.fact import BaseFact, Fingerprint, Lines, Path, Sha, Timestamp


@unique
class Assessment(StrEnum):
    """Whether the finding is right; the prompt defines each."""

    RIGHT = "right"
    WRONG = "wrong"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An explanation in the model's words: not escaped, and secrets in it not masked."""

    example: str
    """An input or an order of events, step by step."""
    why: str
    assessment: Assessment
    check: str
    """How to see that it happens."""
    fix: str
    security: bool
    """Whether an attacker could use what it says."""


@unique
class ExplanationResult(StrEnum):
    """What a request for an explanation resulted in."""

    ANSWERED = "answered"
    FAILED = "failed"
    """The requests failed as often as `max-attempts` says, or were canceled."""
    UNAVAILABLE = "unavailable"
    """Anthropic has no results any more that have the wording of the finding."""


class ExplanationRequested(BaseFact, key=("fingerprint", "source")):
    """A person with write access asked to have a finding explained."""

    kind: Literal["explanation-requested"] = "explanation-requested"
    fingerprint: Fingerprint
    path: Path
    blob: Sha
    """The content in which the finding was when it was asked about."""
    lines: Lines
    """Where it was in there: a review of that content may word it under another fingerprint."""
    actor: str
    source: str
    """The URL of the comment, which is where the answer goes."""
    at: Timestamp


class Unexplainable(BaseFact, key=("fingerprint", "blob", "source")):
    """A submit found nothing to ask with: the next collect says so."""

    kind: Literal["unexplainable"] = "unexplainable"
    fingerprint: Fingerprint
    blob: Sha
    source: str
    at: Timestamp


class Explained(BaseFact, key=("fingerprint", "blob", "source")):
    """A request for an explanation was answered, if only by why there is none."""

    kind: Literal["explained"] = "explained"
    fingerprint: Fingerprint
    blob: Sha
    source: str
    result: ExplanationResult
    at: Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationReply:
    """What a person who asked for an explanation is told."""

    fingerprint: str
    blob: str
    """The content that the finding was in."""
    source: str
    """The URL of the comment that asked for it."""
    result: ExplanationResult
    explanation: Explanation | None = None
    """Only of one that was answered."""
    model: str = ""
    """The model that was asked; only of one that was answered."""

    def fact(self, at: datetime) -> Explained:
        """Return the fact that the person was told so."""
        return Explained(
            fingerprint=self.fingerprint,
            blob=self.blob,
            source=self.source,
            result=self.result,
            at=at,
        )
