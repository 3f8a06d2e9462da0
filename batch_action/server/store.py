"""The state of `serve`: one SQLite file that survives any death of the process.

One row a delivery, one row a batch. A delivery is stored before it is acknowledged. A workflow run
is started first and recorded afterwards, so a death in between starts it twice: `collect` finds
nothing to do the second time.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, NoReturn, Self

from batch_action.errors import ConfigError

VERSION = 1
LOCK_SECONDS = 5.0
"""How long to wait for the lock of a process that is just stopping."""
SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE delivery (
  id TEXT PRIMARY KEY, source TEXT NOT NULL, type TEXT NOT NULL, batch TEXT,
  received_at REAL NOT NULL, times INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE batch (
  id TEXT PRIMARY KEY, status TEXT NOT NULL, ledger TEXT NOT NULL, repository TEXT NOT NULL,
  requests INTEGER NOT NULL, created_at REAL NOT NULL, expires_at REAL NOT NULL, ended_at REAL,
  due_at REAL, tries INTEGER NOT NULL, changed_at REAL NOT NULL, run TEXT NOT NULL,
  url TEXT NOT NULL, note TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE heartbeat (at REAL NOT NULL);
INSERT INTO heartbeat VALUES (0);
PRAGMA user_version = 1;
COMMIT;
"""


@unique
class BatchStatus(StrEnum):
    """What `serve` knows of a batch."""

    PENDING = "pending"
    """A ledger names it; it has not ended as far as we know."""
    ENDED = "ended"
    """It has ended; its workflow is to be started."""
    STARTED = "started"
    """Its workflow was started."""
    COLLECTED = "collected"
    """Its ledger says so."""
    FAILED = "failed"
    """No workflow was started; a person has to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook delivery, or what the watcher saw."""

    id: str
    """Equal for equal deliveries: the second one has no effect."""
    source: str
    """`webhook`, `hex-signature` or `watcher`."""
    type: str
    """The event's type, e.g. `batch.completed`."""
    batch: str | None
    """The batch that has ended; None for an event that is not about that."""
    received_at: datetime
    times: int = 1
    """How often it was delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """One batch."""

    id: str
    status: BatchStatus
    ledger: str = ""
    """The name of the ledger that names it; empty while none in the file does."""
    repository: str = ""
    """`owner/name`; empty until a ledger names the batch."""
    requests: int = 0
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    """When we learned that it has ended."""
    due_at: datetime | None = None
    """When it is looked at next; None unless it is `ended`."""
    tries: int = 0
    """How many dispatches, or searches for its ledger, have failed."""
    changed_at: datetime
    run: str = ""
    """GitHub's id of the run that was started, where it is known."""
    url: str = ""
    note: str = ""
    """What went wrong, in a sentence with the fix."""

    def end(self, now: datetime) -> Self:
        """Return the record of the ended batch, to be dispatched now."""
        status = BatchStatus.ENDED
        return replace(
            self, status=status, ended_at=now, due_at=now, tries=0, note="", changed_at=now
        )


_COLUMNS = tuple(field.name for field in fields(BatchRecord))


class Store:
    """One SQLite file; any thread may call, each call is one transaction."""

    def __init__(self, path: Path) -> None:
        """Open or create the file and lock it. Raises ConfigError if it is unusable or in use."""
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _restrict(path)
            self._db = sqlite3.connect(
                path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            _refuse(path, error)
        self._db.row_factory = sqlite3.Row
        try:
            version = self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            _refuse(path, error)
        if version != VERSION:
            self._db.close()
            raise ConfigError(
                f"The store {path} was written by another version of batch-action ({version}).",
                fix="Update batch-action, or start with a fresh file.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def check(self, now: datetime) -> None:
        """Write something, to see whether the file can be written. Raises sqlite3.Error."""
        with self._transaction() as db:
            db.execute("UPDATE heartbeat SET at = ?", (now.timestamp(),))

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery and that its batch has ended; False for a repeated one.

        A batch that was started or collected stays so; one that failed is tried again.
        """
        now = delivery.received_at
        with self._transaction() as db:
            (times,) = db.execute(
                "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times",
                (delivery.id, delivery.source, delivery.type, delivery.batch, now.timestamp()),
            ).fetchone()
            if times == 1 and delivery.batch is not None:
                batch = self.batch(delivery.batch) or BatchRecord(
                    id=delivery.batch,
                    status=BatchStatus.PENDING,
                    created_at=now,
                    expires_at=now,
                    changed_at=now,
                )
                is_open = batch.status in (BatchStatus.PENDING, BatchStatus.FAILED)
                self._save(batch.end(now) if is_open else replace(batch, ended_at=now))
        return bool(times == 1)

    def set_pending(self, ledger: str, pending: Sequence[BatchRecord], now: datetime) -> list[str]:
        """Record all batches that a ledger names as pending; return the ids that are new.

        What it does not name any more was collected.
        """
        new = []
        with self._transaction():
            for batch in pending:
                known = self.batch(batch.id)
                if known is None:
                    new.append(batch.id)
                self._save(_merge(known, batch, now) if known else batch)
            ids = {batch.id for batch in pending}
            for batch in self._batches("ledger = ? AND status != 'collected'", ledger):
                if batch.id not in ids:
                    status = BatchStatus.COLLECTED
                    self._save(replace(batch, status=status, due_at=None, changed_at=now))
        return new

    def release_other_ledgers(self, ledgers: Iterable[str]) -> None:
        """Release what ledgers named that are not in the file any more: another one may name it."""
        names = json.dumps(list(ledgers))
        others = "ledger NOT IN (SELECT value FROM json_each(?))"
        with self._transaction() as db:
            db.execute(f"DELETE FROM batch WHERE status = 'pending' AND {others}", (names,))  # noqa: S608
            db.execute(f"UPDATE batch SET ledger = '' WHERE {others}", (names,))  # noqa: S608

    def update(self, batch_id: str, now: datetime, **changes: Any) -> None:
        """Change these fields of a batch."""
        with self._transaction():
            batch = self.batch(batch_id)
            if batch is not None:
                self._save(replace(batch, changed_at=now, **changes))

    def prune(self, before: datetime) -> None:
        """Delete what is older, except for pending batches."""
        with self._transaction() as db:
            db.execute("DELETE FROM delivery WHERE received_at < ?", (before.timestamp(),))
            db.execute(
                "DELETE FROM batch WHERE changed_at < ? AND status != 'pending'",
                (before.timestamp(),),
            )

    def batch(self, batch_id: str) -> BatchRecord | None:
        """Return one batch; None if it is unknown."""
        return next(iter(self._batches("id = ?", batch_id)), None)

    def batches(self, *statuses: BatchStatus, limit: int = -1) -> list[BatchRecord]:
        """Return the batches with these statuses, what changed last first."""
        return self._batches(
            "status IN (SELECT value FROM json_each(?)) ORDER BY changed_at DESC, id LIMIT ?",
            *(json.dumps(statuses), limit),
        )

    def due(self, now: datetime) -> list[BatchRecord]:
        """Return the ended batches whose turn has come, the most overdue first."""
        return self._batches("due_at <= ? ORDER BY due_at, id", now.timestamp())

    def next_due(self) -> datetime | None:
        """Return when the next ended batch is due."""
        due = self._batches("due_at NOT NULL ORDER BY due_at LIMIT 1")
        return due[0].due_at if due else None

    def deliveries(self, limit: int) -> list[Delivery]:
        """Return the newest deliveries."""
        rows = self._rows("SELECT * FROM delivery ORDER BY received_at DESC, id LIMIT ?", limit)
        return [Delivery(**_values(row)) for row in rows]

    def _batches(self, where: str, *values: Any) -> list[BatchRecord]:
        rows = self._rows(f"SELECT * FROM batch WHERE {where}", *values)  # noqa: S608 - ours
        return [
            BatchRecord(**{**_values(row), "status": BatchStatus(row["status"])}) for row in rows
        ]

    def _save(self, batch: BatchRecord) -> None:
        values = [getattr(batch, name) for name in _COLUMNS]
        self._db.execute(
            f"INSERT OR REPLACE INTO batch ({', '.join(_COLUMNS)})"  # noqa: S608 - ours
            f" VALUES ({', '.join('?' * len(values))})",
            [value.timestamp() if isinstance(value, datetime) else value for value in values],
        )

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _prepare(self) -> int:
        # Exclusive: a second process would start the same runs again. The kernel releases the lock
        # however this process ends, and no file of shared memory is needed for the log.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if self._version() == 0:
            self._db.executescript(SCHEMA)
        else:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("COMMIT")
        return self._version()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])


def _restrict(path: Path) -> None:
    """Create the file for its owner alone, or make it so; raises OSError.

    It contains names of private repositories. SQLite creates the files of its log with the
    permissions of the database.
    """
    if not path.exists():
        path.touch(mode=0o600)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        # Another owner of the volume decides about its files.
        with suppress(FileNotFoundError, PermissionError):
            path.with_name(name).chmod(0o600)


def _merge(known: BatchRecord, pending: BatchRecord, now: datetime) -> BatchRecord:
    """Return the record of a known batch that a ledger names as pending."""
    was_collected = known.status is BatchStatus.COLLECTED
    if known.ledger not in ("", pending.ledger) and not was_collected:
        return known  # Another ledger named it first.
    batch = replace(
        known,
        ledger=pending.ledger,
        repository=pending.repository,
        requests=pending.requests,
        created_at=pending.created_at,
        expires_at=pending.expires_at,
    )
    is_waiting = not known.ledger and known.status in (BatchStatus.ENDED, BatchStatus.FAILED)
    if not (was_collected or is_waiting):
        return batch
    if known.ended_at is None:
        return replace(batch, status=BatchStatus.PENDING, changed_at=now)
    return batch.end(now)


def _values(row: sqlite3.Row) -> dict[str, Any]:
    return {
        name: datetime.fromtimestamp(row[name], UTC)
        if name.endswith("_at") and row[name]
        else row[name]
        for name in row.keys()  # noqa: SIM118 - iterating a row gives its values
    }


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
