"""Which workflow runs are to be started, are perhaps being started, and were."""

from datetime import datetime
from typing import Any

from batch_action.edges.wakeups.base import Base, moment, stamp
from batch_action.models.waking import Awaited, Dispatch, Fate, StartedRun


class Errands:
    """One dispatch at most for a batch and a repository."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def plan(self, owner: Awaited, now: datetime, fate: Fate = Fate.DUE) -> None:
        """One dispatch for this batch and repository; one that failed gets another chance."""
        at = stamp(now)
        self._base.write(
            "INSERT INTO dispatch (batch, repository, shelf, fate, born, due, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET shelf = excluded.shelf,"
            " fate = excluded.fate, tries = 0, born = excluded.born, due = excluded.due,"
            " changed = excluded.changed, note = '' WHERE fate = 'failed'",
            *(owner.batch, owner.repository, owner.shelf, fate, at, at, at),
        )

    def due(self, now: datetime) -> list[Dispatch]:
        """What is to be sent, or looked for, now; the most overdue first."""
        return self._found(
            "fate IN (?, ?) AND due <= ? ORDER BY due, batch", Fate.DUE, Fate.SENDING, stamp(now)
        )

    def newest(self, most: int) -> list[Dispatch]:
        """What changed last."""
        return self._found("1 ORDER BY changed DESC, batch LIMIT ?", most)

    def of(self, fate: Fate) -> list[Dispatch]:
        """All with this fate, the newest first."""
        return self._found("fate = ? ORDER BY changed DESC, batch", fate)

    def known_runs(self, repository: str) -> frozenset[str]:
        """The runs we know to be ours."""
        mine = self._found("repository = ? AND run != ''", repository)
        return frozenset(one.run for one in mine)

    def nameless(self, repository: str, since: datetime) -> int:
        """How many runs we have started there since then without being told which."""
        return len(
            self._found(
                "repository = ? AND claimed >= ? AND fate = ? AND run = ''",
                *(repository, stamp(since), Fate.STARTED),
            )
        )

    def claim(self, one: Dispatch, now: datetime) -> bool:
        """Say that it is being sent now; False when that is not ours to do."""
        at = stamp(now)
        return (
            self._base.write(
                "UPDATE dispatch SET fate = ?, claimed = ?, changed = ?"
                " WHERE batch = ? AND repository = ? AND fate = ?",
                *(Fate.SENDING, at, at, one.batch, one.repository, Fate.DUE),
            )
            == 1
        )

    def started(self, one: Dispatch, run: StartedRun | None, now: datetime) -> None:
        """Its run exists, whether or not we were told which it is."""
        found = {"run": run.id, "url": run.url} if run else {}
        self._set(one, now, fate=Fate.STARTED, note="", **found)

    def put_off(self, later: Dispatch, now: datetime) -> None:
        """Not now: when it says itself."""
        self._set(
            later,
            now,
            fate=later.fate,
            due=stamp(later.due_at),
            tries=later.tries,
            note=later.note,
        )

    def postpone(self, one: Dispatch, due: datetime) -> None:
        """Leave all as it stands, but for the time of the next try."""
        self._base.write(
            "UPDATE dispatch SET due = ? WHERE batch = ? AND repository = ?",
            *(stamp(due), one.batch, one.repository),
        )

    def end(self, one: Dispatch, fate: Fate, note: str, now: datetime) -> None:
        """Nothing more will be done about it."""
        self._set(one, now, fate=fate, tries=one.tries, note=note)

    def next_due(self) -> datetime | None:
        """When something is to be done next, about a dispatch or an ended batch."""
        (row,) = self._base.all(
            "SELECT min(due) AS due FROM (SELECT due FROM dispatch WHERE fate IN (?, ?)"
            " UNION ALL SELECT due FROM ended WHERE state = 'open')",
            *(Fate.DUE, Fate.SENDING),
        )
        return None if row["due"] is None else moment(row["due"])

    def prune(self, before: datetime) -> None:
        """Forget what has not changed since."""
        self._base.write("DELETE FROM dispatch WHERE changed < ?", stamp(before))

    def _set(self, one: Dispatch, now: datetime, **columns: Any) -> None:
        columns |= {"changed": stamp(now)}
        marks = ", ".join(f"{name} = ?" for name in columns)
        self._base.write(
            f"UPDATE dispatch SET {marks} WHERE batch = ? AND repository = ?",  # noqa: S608 - names of ours
            *(*columns.values(), one.batch, one.repository),
        )

    def _found(self, where: str, *values: Any) -> list[Dispatch]:
        return [
            Dispatch(
                batch=row["batch"],
                repository=row["repository"],
                shelf=row["shelf"],
                fate=Fate(row["fate"]),
                tries=row["tries"],
                born_at=moment(row["born"]),
                due_at=moment(row["due"]),
                claimed_at=None if row["claimed"] is None else moment(row["claimed"]),
                changed_at=moment(row["changed"]),
                run=row["run"],
                url=row["url"],
                note=row["note"],
            )
            for row in self._base.all(f"SELECT * FROM dispatch WHERE {where}", *values)  # noqa: S608 - ours
        ]
