"""The state of `serve`: one SQLite file that survives any death of the process.

One row a delivery, one row a batch. A delivery is stored before it is acknowledged. A workflow run
is started first and recorded afterwards, so a death in between starts it twice: `collect` finds
nothing to do the second time.
"""

import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, NoReturn, Self

from pydantic import TypeAdapter

from batch_action.errors import ConfigError

VERSION = 1
LOCK_SECONDS = 5.0
"""How long to wait for the lock of a process that is just stopping."""
SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE delivery (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batch (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
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


_BATCH, _DELIVERY = TypeAdapter(BatchRecord), TypeAdapter(Delivery)


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
            rows = self._rows("SELECT record FROM delivery WHERE id = ?", delivery.id)
            known = _DELIVERY.validate_json(rows[0][0]) if rows else None
            stored = replace(known, times=known.times + 1) if known else delivery
            text = _DELIVERY.dump_json(stored).decode()
            db.execute("INSERT OR REPLACE INTO delivery VALUES (?, ?)", (stored.id, text))
            if known is None and delivery.batch is not None:
                batch = self.batch(delivery.batch) or BatchRecord(
                    id=delivery.batch,
                    status=BatchStatus.PENDING,
                    created_at=now,
                    expires_at=now,
                    changed_at=now,
                )
                is_open = batch.status in (BatchStatus.PENDING, BatchStatus.FAILED)
                self._save(batch.end(now) if is_open else replace(batch, ended_at=now))
        return known is None

    def set_pending(self, ledger: str, pending: Sequence[BatchRecord], now: datetime) -> list[str]:
        """Record all batches that a ledger names as pending; return the ids that are new.

        What it does not name any more was collected.
        """
        with self._transaction():
            known = {batch.id: batch for batch in self._batches()}
            for batch in pending:
                old = known.get(batch.id)
                self._save(_merge(old, batch, now) if old else batch)
            new = [batch.id for batch in pending if batch.id not in known]
            ids = {batch.id for batch in pending}
            for batch in known.values():
                is_gone = batch.ledger == ledger and batch.id not in ids
                if is_gone and batch.status is not BatchStatus.COLLECTED:
                    status = BatchStatus.COLLECTED
                    self._save(replace(batch, status=status, due_at=None, changed_at=now))
        return new

    def release_other_ledgers(self, ledgers: Collection[str]) -> None:
        """Release what ledgers named that are not in the file any more: another one may name it."""
        with self._transaction() as db:
            for batch in self._batches():
                if batch.ledger not in ledgers and batch.status is BatchStatus.PENDING:
                    db.execute("DELETE FROM batch WHERE id = ?", (batch.id,))
                elif batch.ledger not in ledgers:
                    self._save(replace(batch, ledger=""))

    def update(self, batch_id: str, now: datetime, **changes: Any) -> None:
        """Change these fields of a batch."""
        with self._transaction():
            batch = self.batch(batch_id)
            if batch is not None:
                self._save(replace(batch, changed_at=now, **changes))

    def prune(self, before: datetime) -> None:
        """Delete what is older, except for pending batches."""
        old = [(delivery.id,) for delivery in self.deliveries() if delivery.received_at < before]
        done = set(BatchStatus) - {BatchStatus.PENDING}
        batches = [(batch.id,) for batch in self.batches(*done) if batch.changed_at < before]
        with self._transaction() as db:
            db.executemany("DELETE FROM delivery WHERE id = ?", old)
            db.executemany("DELETE FROM batch WHERE id = ?", batches)

    def batch(self, batch_id: str) -> BatchRecord | None:
        """Return one batch; None if it is unknown."""
        return next(iter(self._batches("WHERE id = ?", batch_id)), None)

    def batches(self, *statuses: BatchStatus, limit: int | None = None) -> list[BatchRecord]:
        """Return the batches with these statuses, what changed last first."""
        found = [batch for batch in self._batches() if batch.status in statuses]
        return sorted(found, key=lambda batch: batch.changed_at, reverse=True)[:limit]

    def due(self, now: datetime) -> list[BatchRecord]:
        """Return the ended batches whose turn has come, the most overdue first."""
        found = [(batch.due_at, batch) for batch in self._batches() if batch.due_at]
        return [batch for at, batch in sorted(found, key=lambda pair: pair[0]) if at <= now]

    def next_due(self) -> datetime | None:
        """Return when the next ended batch is due."""
        return min((batch.due_at for batch in self._batches() if batch.due_at), default=None)

    def deliveries(self, limit: int | None = None) -> list[Delivery]:
        """Return the newest deliveries."""
        rows = self._rows("SELECT record FROM delivery ORDER BY id")
        found = [_DELIVERY.validate_json(record) for (record,) in rows]
        return sorted(found, key=lambda delivery: delivery.received_at, reverse=True)[:limit]

    def _batches(self, where: str = "ORDER BY id", *values: str) -> list[BatchRecord]:
        rows = self._rows(f"SELECT record FROM batch {where}", *values)  # noqa: S608 - ours
        return [_BATCH.validate_json(record) for (record,) in rows]

    def _save(self, batch: BatchRecord) -> None:
        text = _BATCH.dump_json(batch).decode()
        self._db.execute("INSERT OR REPLACE INTO batch VALUES (?, ?)", (batch.id, text))

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
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
