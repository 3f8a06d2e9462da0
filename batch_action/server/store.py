"""The file itself: opened by one process, written in whole transactions, flushed to the disk."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, Self

from batch_action.errors import ConfigError
from batch_action.models.dispatch import (
    BatchNotification,
    Delivery,
    DeliverySource,
    Dispatch,
    DispatchStatus,
    EndedBatch,
    PendingBatchRecord,
    StartedRun,
    WebhookEvent,
)

VERSION = 1
LOCK_SECONDS = 5.0
"""How long the lock of a predecessor that is just stopping is waited for."""
SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE delivery (
  id TEXT PRIMARY KEY, source TEXT NOT NULL, kind TEXT NOT NULL, batch TEXT, at REAL NOT NULL,
  times INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID;
CREATE TABLE ended (
  batch TEXT PRIMARY KEY, at REAL NOT NULL, due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'open') WITHOUT ROWID;
CREATE TABLE awaited (
  shelf TEXT NOT NULL, batch TEXT NOT NULL, repository TEXT NOT NULL, requests INTEGER NOT NULL,
  created REAL NOT NULL, expires REAL NOT NULL, PRIMARY KEY (shelf, batch)) WITHOUT ROWID;
CREATE TABLE dispatch (
  batch TEXT NOT NULL, repository TEXT NOT NULL COLLATE NOCASE, shelf TEXT NOT NULL,
  status TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, born REAL NOT NULL, due REAL NOT NULL,
  claimed REAL, changed REAL NOT NULL, run TEXT NOT NULL DEFAULT '', url TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '', PRIMARY KEY (batch, repository)) WITHOUT ROWID;
CREATE TABLE beat (at REAL NOT NULL);
INSERT INTO beat VALUES (0);
PRAGMA user_version = 1;
COMMIT;
"""


class Base:
    """One SQLite file; any thread may call, each call is one transaction."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, and keep others out. Raises ConfigError where that cannot be."""
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(
                path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            _refuse(path, error)
        self._base.row_factory = sqlite3.Row
        try:
            version = self._prepared()
        except sqlite3.Error as error:
            self._base.close()
            _refuse(path, error)
        if version != VERSION:
            self._base.close()
            raise ConfigError(
                f"The store {path} was written by another version of batch-action ({version}).",
                fix="Update batch-action, or start with a fresh file.",
            )

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._base.close()

    def beat(self, now: datetime) -> None:
        """Write something, to see whether the file can be written. Raises sqlite3.Error."""
        self.write("UPDATE beat SET at = ?", now.timestamp())

    def all(self, request_key: str, *values: Any) -> list[sqlite3.Row]:
        """Every row of an answer."""
        with self._lock:
            return self._base.execute(request_key, values).fetchall()

    def write(self, order: str, *values: Any) -> int:
        """One change; how many rows it touched."""
        with self.writing() as base:
            return base.execute(order, values).rowcount

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Several changes that are made together, or not at all."""
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def _prepared(self) -> int:
        # Exclusive: a second process would send what this one is sending. The kernel gives the lock
        # back however this process ends, and no file of shared memory is needed for the log.
        self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        if self._version() == 0:
            self._base.executescript(SCHEMA)
        else:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.execute("COMMIT")
        return self._version()

    def _version(self) -> int:
        return int(self._base.execute("PRAGMA user_version").fetchone()[0])


def stamp(moment: datetime) -> float:
    """How a moment is stored."""
    return moment.timestamp()


def moment(stamped: float) -> datetime:
    """A stored moment."""
    return datetime.fromtimestamp(stamped, UTC)


def _refuse(path: Path, error: Exception) -> NoReturn:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        raise ConfigError(
            f"Another process uses the store {path}.",
            fix="Stop the other one, or give this one a `--store` of its own.",
        ) from None
    raise ConfigError(
        f"The store {path} cannot be used: {error}.",
        fix="Give `--store` a file on a disk that can be written.",
    ) from None


class Deliveries:
    """Deliveries, and the ended batches they told of."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def accept(self, notice: BatchNotification, now: datetime) -> bool:
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
                notice=BatchNotification(
                    id=row["id"],
                    source=DeliverySource(row["source"]),
                    event=WebhookEvent(kind=row["kind"], batch=row["batch"]),
                ),
                at=moment(row["at"]),
                times=row["times"],
            )
            for row in self._base.all("SELECT * FROM delivery ORDER BY at DESC, id LIMIT ?", most)
        ]

    def ended(self, now: datetime) -> list[EndedBatch]:
        """Ended batches whose repository is to be looked for now, oldest first."""
        rows = self._base.all(
            "SELECT * FROM ended WHERE state = 'open' AND due <= ? ORDER BY at, batch", stamp(now)
        )
        return [EndedBatch(batch=r["batch"], at=moment(r["at"]), tries=r["tries"]) for r in rows]

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


class Dispatches:
    """One dispatch at most for a batch and a repository."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def plan(
        self, owner: PendingBatchRecord, now: datetime, fate: DispatchStatus = DispatchStatus.DUE
    ) -> None:
        """One dispatch for this batch and repository; one that failed gets another chance."""
        at = stamp(now)
        self._base.write(
            "INSERT INTO dispatch (batch, repository, shelf, status, born, due, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET shelf = excluded.shelf,"
            " status = excluded.status, tries = 0, born = excluded.born, due = excluded.due,"
            " changed = excluded.changed, note = '' WHERE status = 'failed'",
            *(owner.batch, owner.repository, owner.ledger_name, fate, at, at, at),
        )

    def due(self, now: datetime) -> list[Dispatch]:
        """What is to be sent, or looked for, now; the most overdue first."""
        return self._found(
            "status IN (?, ?) AND due <= ? ORDER BY due, batch",
            DispatchStatus.DUE,
            DispatchStatus.SENDING,
            stamp(now),
        )

    def newest(self, most: int) -> list[Dispatch]:
        """What changed last."""
        return self._found("1 ORDER BY changed DESC, batch LIMIT ?", most)

    def of(self, status: DispatchStatus) -> list[Dispatch]:
        """All with this status, the newest first."""
        return self._found("status = ? ORDER BY changed DESC, batch", status)

    def known_runs(self, repository: str) -> frozenset[str]:
        """The runs we know to be ours."""
        mine = self._found("repository = ? AND run != ''", repository)
        return frozenset(one.run for one in mine)

    def nameless(self, repository: str, since: datetime) -> int:
        """How many runs we have started there since then without being told which."""
        return len(
            self._found(
                "repository = ? AND claimed >= ? AND status = ? AND run = ''",
                *(repository, stamp(since), DispatchStatus.STARTED),
            )
        )

    def claim(self, one: Dispatch, now: datetime) -> bool:
        """Say that it is being sent now; False when that is not ours to do."""
        at = stamp(now)
        return (
            self._base.write(
                "UPDATE dispatch SET status = ?, claimed = ?, changed = ?"
                " WHERE batch = ? AND repository = ? AND status = ?",
                *(DispatchStatus.SENDING, at, at, one.batch, one.repository, DispatchStatus.DUE),
            )
            == 1
        )

    def started(self, one: Dispatch, run: StartedRun | None, now: datetime) -> None:
        """Its run exists, whether or not we were told which it is."""
        found = {"run": run.id, "url": run.url} if run else {}
        self._set(one, now, status=DispatchStatus.STARTED, note="", **found)

    def put_off(self, later: Dispatch, now: datetime) -> None:
        """Not now: when it says itself."""
        self._set(
            later,
            now,
            status=later.status,
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

    def end(self, one: Dispatch, fate: DispatchStatus, note: str, now: datetime) -> None:
        """Nothing more will be done about it."""
        self._set(one, now, status=fate, tries=one.tries, note=note)

    def next_due(self) -> datetime | None:
        """When something is to be done next, about a dispatch or an ended batch."""
        (row,) = self._base.all(
            "SELECT min(due) AS due FROM (SELECT due FROM dispatch WHERE status IN (?, ?)"
            " UNION ALL SELECT due FROM ended WHERE state = 'open')",
            *(DispatchStatus.DUE, DispatchStatus.SENDING),
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
                ledger_name=row["shelf"],
                status=DispatchStatus(row["status"]),
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


class PendingBatches:
    """Pending batches by ledger; known again right after a restart."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def shelve(self, shelf: str, awaited: Iterable[PendingBatchRecord]) -> None:
        """Replace what one ledger waits for; what was given up as nobody's may be among it."""
        rows = [
            (
                a.ledger_name,
                a.batch,
                a.repository,
                a.requests,
                stamp(a.created_at),
                stamp(a.expires_at),
            )
            for a in awaited
        ]
        with self._base.writing() as base:
            base.execute("DELETE FROM awaited WHERE shelf = ?", (shelf,))
            base.executemany("INSERT INTO awaited VALUES (?, ?, ?, ?, ?, ?)", rows)
            base.executemany(
                "UPDATE ended SET state = 'open' WHERE state = 'lost' AND batch = ?",
                [(row[1],) for row in rows],
            )

    def keep_only(self, ledgers: Iterable[str]) -> None:
        """Drop what is waited for by ledgers that are not listed any more."""
        known = {row["shelf"] for row in self._base.all("SELECT DISTINCT shelf FROM awaited")}
        for gone in known - set(ledgers):
            self._base.write("DELETE FROM awaited WHERE shelf = ?", gone)

    def all(self) -> list[PendingBatchRecord]:
        """Every pending batch, oldest first."""
        return [
            PendingBatchRecord(
                ledger_name=row["shelf"],
                repository=row["repository"],
                batch=row["batch"],
                requests=row["requests"],
                created_at=moment(row["created"]),
                expires_at=moment(row["expires"]),
            )
            for row in self._base.all("SELECT * FROM awaited ORDER BY created, batch, shelf")
        ]

    def owners(self, batch: str) -> list[PendingBatchRecord]:
        """Who waits for this batch: one ledger, unless somebody copied another's."""
        return [one for one in self.all() if one.batch == batch]


class Store:
    """The memory of `serve`. Use as a context manager, or `close()`."""

    def __init__(self, path: Path) -> None:
        """Raise ConfigError where the file cannot be used, or another process does."""
        self._base = Base(path)
        self.deliveries = Deliveries(self._base)
        self.waiting = PendingBatches(self._base)
        self.dispatches = Dispatches(self._base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._base.close()

    def beat(self, now: datetime) -> None:
        """Raise sqlite3.Error unless the file can be written."""
        self._base.beat(now)

    def prune(self, before: datetime) -> None:
        """Forget what is older."""
        self.deliveries.prune(before)
        self.dispatches.prune(before)
