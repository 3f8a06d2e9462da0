"""The facts that are only in the ledger of the repository's spend."""

from typing import Literal

from batch_action.models.fact import BaseFact, BatchId, Count, IntentId, Timestamp, Usd


class Reserved(BaseFact, key=("intent",)):
    """A submit may cost this much."""

    kind: Literal["reserved"] = "reserved"
    intent: IntentId
    at: Timestamp
    """By Anthropic's clock: the day and month to which it belongs."""
    run: str
    usd: tuple[Usd, ...]
    """The worst case of each batch of the intent."""
    in_pull_request: bool = False
    """Whether a run of a pull request may have written what is known of it."""


class Charged(BaseFact, key=("intent", "index")):
    """What a batch of a reservation has cost."""

    kind: Literal["charged"] = "charged"
    intent: IntentId
    index: Count
    batch: BatchId | None = None
    """None: it was not created."""
    usd: Usd | None
    """None: not known, so that the reserved amount stays."""


class Noted(BaseFact, key=("what", "name")):
    """What is done once."""

    kind: Literal["noted"] = "noted"
    what: Literal["notice", "artifact"]
    """A notice about the budget, or an artifact of a pull request that has nothing new to say."""
    name: str
    at: Timestamp
