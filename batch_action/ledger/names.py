"""Which artifact name a run saves its ledger under next, and which artifact it deletes for that.

GitHub gives no snapshot over several names, and a name can be used once in a run, re-runs included.
So an artifact is deleted late: a look that lists every name once, in their order, within
`LONGEST_LOOK`, finds everything that was saved before it began.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

KEPT = timedelta(seconds=10)
"""How long an artifact stays after another one with all of its facts was finished."""
LONGEST_LOOK = timedelta(seconds=8)
"""From the first request of a look to its last answer; after a longer one, look again."""
ENOUGH = 2
"""Artifacts of one run: one that is whole while the other is replaced."""


@dataclass(frozen=True, slots=True)
class OwnArtifact:
    """An artifact of this run, all of whose facts are known."""

    id: int
    covered_by: int | None = None
    """The first artifact that has all of its facts, too; None when there is none."""
    covered_at: datetime | None = None
    """When that one was finished, at the latest, by the clock of this machine."""


class Save(NamedTuple):
    """What to do to save the ledger."""

    name: str
    """The name to upload under."""
    wait: timedelta = timedelta()
    """How long to wait first."""
    replaces: bool = False
    """Whether this run's artifact of that name is deleted before."""


@dataclass(slots=True)
class RunArtifacts:
    """The ledger's artifacts of this run; they change in place."""

    names: tuple[str, ...]
    """In the order in which they are listed."""
    held: dict[str, OwnArtifact] = field(default_factory=dict)
    """By name."""
    taken: set[str] = field(default_factory=set)
    """Names under which something is stored that is in no list: an upload was interrupted."""
    listed: set[int] = field(default_factory=set)
    """Artifacts that were seen in a list."""

    def next_save(self, now: datetime) -> Save | None:
        """Return how to save the ledger next; None when that would leave a moment without it."""
        times = ((self._deletable_at(name), name) for name in self.held)
        deletable = sorted((at, name) for at, name in times if at is not None)
        if len(self.held) >= ENOUGH and deletable and deletable[0][0] <= now:
            return Save(deletable[0][1], replaces=True)
        free = (name for name in self.names if name not in self.held and name not in self.taken)
        if (name := next(free, None)) is not None:
            return Save(name)
        if not deletable:
            return None
        at, name = deletable[0]
        # A clock that was set back must not make it wait for long.
        return Save(name, wait=min(at - now, KEPT), replaces=True)

    def allows_another(self, save: Save) -> bool:
        """Return whether the ledger can be saved once more after this."""
        return any(name != save.name and name not in self.taken for name in self.names)

    def record_upload(self, name: str, artifact_id: int, now: datetime) -> None:
        """Record a finished upload, which has the facts of all others."""
        for other, own in self.held.items():
            if own.covered_by is None:
                self.held[other] = replace(own, covered_by=artifact_id, covered_at=now)
        self.held[name] = OwnArtifact(artifact_id)

    def record_deleted(self, name: str) -> None:
        """Record that this run's artifact of that name is gone."""
        self.held.pop(name, None)

    def record_taken(self, name: str) -> None:
        """Record that the service refuses this name, though no list shows an artifact."""
        self.held.pop(name, None)
        self.taken.add(name)

    def record_look(self, found: "RunArtifacts", listed: Iterable[int]) -> None:
        """Record what a look has found: artifacts of this run, and all that were listed."""
        self.listed |= set(listed)
        for name, own in found.held.items():
            mine = self.held.get(name)
            if mine is None or mine.id < own.id:
                self.held[name] = own
                self.taken.discard(name)

    def _deletable_at(self, name: str) -> datetime | None:
        """Return from when on the artifact of a name is not needed any more; None: not yet known.

        Where the one with its facts has a later name, a look that does not find this one lists that
        name afterwards: it can go as soon as the other is listed.
        """
        own = self.held[name]
        if own.covered_by is None or own.covered_at is None:
            return None
        cover = next((n for n, x in self.held.items() if x.id == own.covered_by), "")
        if own.covered_by in self.listed and cover > name:
            return own.covered_at
        return own.covered_at + KEPT
