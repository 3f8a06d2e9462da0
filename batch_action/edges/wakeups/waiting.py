"""What is waited for: the pending batches that the repositories' ledgers named last."""

from collections.abc import Iterable

from batch_action.edges.wakeups.base import Base, moment, stamp
from batch_action.models.waking import Awaited


class Waiting:
    """Pending batches by ledger; known again right after a restart."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def shelve(self, shelf: str, awaited: Iterable[Awaited]) -> None:
        """Replace what one ledger waits for; what was given up as nobody's may be among it."""
        rows = [
            (a.shelf, a.batch, a.repository, a.requests, stamp(a.created_at), stamp(a.expires_at))
            for a in awaited
        ]
        with self._base.writing() as base:
            base.execute("DELETE FROM awaited WHERE shelf = ?", (shelf,))
            base.executemany("INSERT INTO awaited VALUES (?, ?, ?, ?, ?, ?)", rows)
            base.executemany(
                "UPDATE ended SET state = 'open' WHERE state = 'lost' AND batch = ?",
                [(row[1],) for row in rows],
            )

    def keep_only(self, shelves: Iterable[str]) -> None:
        """Drop what is waited for by ledgers that are not listed any more."""
        known = {row["shelf"] for row in self._base.all("SELECT DISTINCT shelf FROM awaited")}
        for gone in known - set(shelves):
            self._base.write("DELETE FROM awaited WHERE shelf = ?", gone)

    def all(self) -> list[Awaited]:
        """Every pending batch, oldest first."""
        return [
            Awaited(
                shelf=row["shelf"],
                repository=row["repository"],
                batch=row["batch"],
                requests=row["requests"],
                created_at=moment(row["created"]),
                expires_at=moment(row["expires"]),
            )
            for row in self._base.all("SELECT * FROM awaited ORDER BY created, batch, shelf")
        ]

    def owners(self, batch: str) -> list[Awaited]:
        """Who waits for this batch: one ledger, unless somebody copied another's."""
        return [one for one in self.all() if one.batch == batch]
