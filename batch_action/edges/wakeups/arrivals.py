"""What came through the door, remembered so that it counts once; and the ended batches."""

from datetime import datetime

from batch_action.edges.wakeups.base import Base, moment, stamp
from batch_action.models.waking import Delivery, Ended, Event, Notice, Source


class Arrivals:
    """Deliveries, and the ended batches they told of."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def accept(self, notice: Notice, now: datetime) -> bool:
        """Remember a notice and the batch that it says has ended; False for a repeated one."""
        event, at = notice.event, stamp(now)
        with self._base.writing() as base:
            (times,) = base.execute(
                "INSERT INTO delivery (id, source, kind, batch, at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times",
                (notice.id, notice.source, event.kind, event.batch, at),
            ).fetchone()
            if times > 1:
                return False
            if event.batch is not None:
                base.execute(
                    "INSERT INTO ended (batch, at, due) VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                    " SET at = excluded.at, due = excluded.due, tries = 0, state = 'open'",
                    (event.batch, at, at),
                )
        return True

    def newest(self, most: int) -> list[Delivery]:
        """The newest deliveries."""
        return [
            Delivery(
                notice=Notice(
                    id=row["id"],
                    source=Source(row["source"]),
                    event=Event(kind=row["kind"], batch=row["batch"]),
                ),
                at=moment(row["at"]),
                times=row["times"],
            )
            for row in self._base.all("SELECT * FROM delivery ORDER BY at DESC, id LIMIT ?", most)
        ]

    def ended(self, now: datetime) -> list[Ended]:
        """Ended batches whose repository is to be looked for now, oldest first."""
        rows = self._base.all(
            "SELECT * FROM ended WHERE state = 'open' AND due <= ? ORDER BY at, batch", stamp(now)
        )
        return [Ended(batch=r["batch"], at=moment(r["at"]), tries=r["tries"]) for r in rows]

    def lost(self) -> frozenset[str]:
        """Ended batches that no ledger names; a ledger that does so later brings them back."""
        rows = self._base.all("SELECT batch FROM ended WHERE state = 'lost'")
        return frozenset(row["batch"] for row in rows)

    def heard_of(self) -> frozenset[str]:
        """Every batch of whose end we know."""
        return frozenset(row["batch"] for row in self._base.all("SELECT batch FROM ended"))

    def look_again(self, batch: str, due: datetime) -> None:
        """Look for this batch's repository again at that time."""
        self._base.write(
            "UPDATE ended SET due = ?, tries = tries + 1 WHERE batch = ?", stamp(due), batch
        )

    def placed(self, batch: str) -> None:
        """Its repository was found."""
        self._base.write("UPDATE ended SET state = 'placed' WHERE batch = ?", batch)

    def give_up(self, batch: str) -> None:
        """Its repository is not looked for any more."""
        self._base.write("UPDATE ended SET state = 'lost' WHERE batch = ?", batch)

    def prune(self, before: datetime) -> None:
        """Forget what is older."""
        with self._base.writing() as base:
            base.execute("DELETE FROM delivery WHERE at < ?", (stamp(before),))
            base.execute("DELETE FROM ended WHERE at < ?", (stamp(before),))
