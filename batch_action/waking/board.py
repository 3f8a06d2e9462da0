"""What the status page shows, as values: gathered by a step, drawn by `page`."""

from dataclasses import dataclass
from datetime import datetime

from batch_action.models.waking import Awaited, Delivery, Dispatch, Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One ledger: read when, and what was wrong."""

    name: str
    looked_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One pending batch and how far it is."""

    awaited: Awaited
    ended: bool
    dispatch: Dispatch | None

    @property
    def state(self) -> str:
        """In a word: what it waits for."""
        if self.dispatch is not None:
            return self.dispatch.fate.value
        return "ended" if self.ended else "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything on the page."""

    now: datetime
    version: str
    door_open: bool
    """Whether webhooks are accepted."""
    watched: bool
    """Whether there is a watcher."""
    watched_at: datetime | None
    stuck: tuple[str, ...]
    """Loops that need a restart."""
    troubles: tuple[str, ...]
    """What does not work at the moment and is tried again."""
    ledgers: tuple[Line, ...]
    batches: tuple[Batch, ...]
    dispatches: tuple[Dispatch, ...]
    deliveries: tuple[Delivery, ...]
    lost: tuple[str, ...]
    """Ended batches that no ledger names."""

    @property
    def failed(self) -> tuple[Dispatch, ...]:
        """What was given up."""
        return tuple(one for one in self.dispatches if one.fate is Fate.FAILED)

    @property
    def mood(self) -> str:
        """`bad`, `trouble`, `new` or `well`."""
        if self.stuck or self.failed:
            return "bad"
        if self.troubles:
            return "trouble"
        return "well" if all(line.looked_at for line in self.ledgers) else "new"
