"""The facts about the verification of findings, and about what it needs at Anthropic."""

from typing import Literal

from batch_action.models.fact import BaseFact, BatchId, Count, CustomId, Fingerprint
from batch_action.models.verification import Verification


class VerificationDue(BaseFact, key=("fingerprint", "batch")):
    """A collect reported this finding, which is to be verified: the batch has its wording."""

    kind: Literal["verification-due"] = "verification-due"
    fingerprint: Fingerprint
    batch: BatchId
    request: CustomId
    number: Count
    """Its position among the findings of that answer, from 0."""


class Verified(BaseFact, key=("fingerprint", "batch")):
    """What the verification of a finding resulted in."""

    kind: Literal["verified"] = "verified"
    fingerprint: Fingerprint
    batch: BatchId
    """The batch that answered it; of one that could not be asked, the one that reported it."""
    result: Literal[Verification.CONFIRMED, Verification.DISPUTED, Verification.UNDECIDED]


class Deleted(BaseFact, key=("batch",)):
    """A batch was deleted at Anthropic later than it was collected: nothing needs it any more."""

    kind: Literal["deleted"] = "deleted"
    batch: BatchId
