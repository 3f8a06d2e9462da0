"""The state of `serve`: one SQLite file that survives any death of the process.

One row a delivery, one row a batch. A delivery is stored before it is acknowledged. A workflow run
is started first and recorded afterwards, so a death in between starts it twice: `collect` finds
nothing to do the second time.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
  id TEXT PRIMARY KEY, source TEXT NOT NULL, type TEXT NOT NULL, batch TEXT, at REAL NOT NULL,
  times INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID;
CREATE TABLE batch (
  id TEXT PRIMARY KEY, status TEXT NOT NULL, ledger TEXT NOT NULL DEFAULT '',
  repository TEXT NOT NULL DEFAULT '', requests INTEGER NOT NULL DEFAULT 0,
  created_at REAL NOT NULL, expires_at REAL NOT NULL, ended_at REAL, due_at REAL,
  tries INTEGER NOT NULL DEFAULT 0, changed_at REAL NOT NULL, run TEXT NOT NULL DEFAULT '',
  url TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
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
    """Given up; a person has to look."""


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
    at: datetime
    times: int = 1
    """How often it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """One batch."""

    id: str
    status: BatchStatus
    ledger: str
    """The name of the ledger that names it; empty while none does."""
    repository: str
    """`owner/name`; empty while no ledger names the batch."""
    requests: int
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    """When we learned that it has ended."""
    tries: int
    """How many dispatches have failed."""
    changed_at: datetime
    run: str
    """GitHub's id of the run that was started, where it is known."""
    url: str
    note: str
    """What went wrong, in a sentence with the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInLedger:
    """A batch as a ledger names it: sent, not collected."""

    id: str
    requests: int
    created_at: datetime
    expires_at: datetime


class Store:
    """One SQLite file; any thread may call, each call is one transaction."""

    def __init__(self, path: Path) -> None:
        """Open or create the file and lock it. Raises ConfigError if it is unusable or in use."""
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
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
        self._write("UPDATE heartbeat SET at = ?", now.timestamp())

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery and that its batch has ended; False for a repeated one."""
        at = delivery.at.timestamp()
        with self._transaction() as db:
            (times,) = db.execute(
                "INSERT INTO delivery (id, source, type, batch, at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times",
                (delivery.id, delivery.source, delivery.type, delivery.batch, at),
            ).fetchone()
            if times > 1:
                return False
            if delivery.batch is not None:
                # A batch that was started or collected stays so; one that failed is tried again.
                db.execute(
                    "INSERT INTO batch"
                    " (id, status, created_at, expires_at, ended_at, due_at, changed_at)"
                    " VALUES (:id, 'ended', :at, :at, :at, :at, :at) ON CONFLICT DO UPDATE SET"
                    " status = 'ended', ended_at = :at, due_at = :at, changed_at = :at, tries = 0,"
                    " note = '' WHERE status IN ('pending', 'failed')",
                    {"id": delivery.batch, "at": at},
                )
        return True

    def deliveries(self, limit: int) -> list[Delivery]:
        """Return the newest deliveries."""
        rows = self._rows("SELECT * FROM delivery ORDER BY at DESC, id LIMIT ?", limit)
        return [Delivery(**{**dict(row), "at": _datetime(row["at"])}) for row in rows]

    def set_pending(
        self, ledger: str, repository: str, pending: Iterable[PendingInLedger], now: datetime
    ) -> list[str]:
        """Record what a ledger names as pending; return the ids that are new.

        What it does not name any more was collected. A batch that was given up because no ledger
        named it is dispatched now.
        """
        at, new = now.timestamp(), []
        with self._transaction() as db:
            known = {row["id"] for row in db.execute("SELECT id FROM batch")}
            names = []
            for batch in pending:
                names.append(batch.id)
                if batch.id not in known:
                    new.append(batch.id)
                db.execute(
                    "INSERT INTO batch (id, status, ledger, repository, requests, created_at,"
                    " expires_at, changed_at) VALUES (:id, 'pending', :ledger, :repository,"
                    " :requests, :created, :expires, :at) ON CONFLICT DO UPDATE SET"
                    " ledger = :ledger, repository = :repository, requests = :requests,"
                    " created_at = :created, expires_at = :expires,"
                    " due_at = CASE WHEN ledger = '' THEN :at ELSE due_at END,"
                    " note = CASE WHEN ledger = '' THEN '' ELSE note END,"
                    " changed_at = CASE WHEN ledger = '' OR status = 'collected' THEN :at"
                    " ELSE changed_at END,"
                    " status = CASE WHEN ledger = '' AND status = 'failed' THEN 'ended'"
                    " WHEN status = 'collected' THEN 'pending' ELSE status END"
                    " WHERE ledger IN ('', :ledger)",
                    {
                        "id": batch.id,
                        "ledger": ledger,
                        "repository": repository,
                        "requests": batch.requests,
                        "created": batch.created_at.timestamp(),
                        "expires": batch.expires_at.timestamp(),
                        "at": at,
                    },
                )
            db.execute(
                "UPDATE batch SET status = 'collected', changed_at = ?, due_at = NULL"
                " WHERE ledger = ? AND status IN ('pending', 'ended', 'started')"
                " AND id NOT IN (SELECT value FROM json_each(?))",
                (at, ledger, json.dumps(names)),
            )
        return new

    def keep_ledgers(self, ledgers: Iterable[str], now: datetime) -> None:
        """Drop what other ledgers named: they are not in the file any more."""
        names = json.dumps(list(ledgers))
        with self._transaction() as db:
            db.execute(
                "DELETE FROM batch WHERE status = 'pending' AND ledger != ''"
                " AND ledger NOT IN (SELECT value FROM json_each(?))",
                (names,),
            )
            db.execute(
                "UPDATE batch SET status = 'failed', due_at = NULL, changed_at = :at,"
                " note = 'Its ledger is not in the file any more.'"
                " WHERE status = 'ended' AND ledger != ''"
                " AND ledger NOT IN (SELECT value FROM json_each(:names))",
                {"names": names, "at": now.timestamp()},
            )

    def batches(self, *statuses: BatchStatus, limit: int = -1) -> list[BatchRecord]:
        """Return the batches in these states, what changed last first."""
        return self._records(
            "status IN (SELECT value FROM json_each(?)) ORDER BY changed_at DESC, id LIMIT ?",
            *(json.dumps(statuses), limit),
        )

    def batch(self, batch_id: str) -> BatchRecord | None:
        """Return one batch; None if it is unknown."""
        return next(iter(self._records("id = ?", batch_id)), None)

    def due(self, now: datetime) -> list[BatchRecord]:
        """Return the ended batches whose turn has come, the most overdue first."""
        return self._records(
            "status = 'ended' AND due_at <= ? ORDER BY due_at, id", now.timestamp()
        )

    def next_due(self) -> datetime | None:
        """Return when the next ended batch is due."""
        (row,) = self._rows("SELECT min(due_at) AS due FROM batch WHERE status = 'ended'")
        return None if row["due"] is None else _datetime(row["due"])

    def postpone(self, batch: BatchRecord, due: datetime, now: datetime, note: str = "") -> None:
        """Count a failed try and try this batch again later."""
        self._write(
            "UPDATE batch SET due_at = ?, tries = tries + 1, note = ?, changed_at = ?"
            " WHERE id = ? AND status = 'ended'",
            *(due.timestamp(), note, now.timestamp(), batch.id),
        )

    def finish(
        self,
        batch: BatchRecord,
        status: BatchStatus,
        now: datetime,
        *,
        note: str = "",
        run: str = "",
        url: str = "",
    ) -> None:
        """Record the last state of a batch; nothing more is done about it."""
        self._write(
            "UPDATE batch SET status = ?, due_at = NULL, note = ?, run = ?, url = ?, tries = ?,"
            " changed_at = ? WHERE id = ?",
            *(status, note, run, url, batch.tries, now.timestamp(), batch.id),
        )

    def prune(self, before: datetime) -> None:
        """Forget what is older."""
        with self._transaction() as db:
            db.execute("DELETE FROM delivery WHERE at < ?", (before.timestamp(),))
            db.execute("DELETE FROM batch WHERE changed_at < ?", (before.timestamp(),))

    def _records(self, where: str, *values: Any) -> list[BatchRecord]:
        rows = self._rows(f"SELECT * FROM batch WHERE {where}", *values)  # noqa: S608 - ours
        return [
            BatchRecord(
                id=row["id"],
                status=BatchStatus(row["status"]),
                ledger=row["ledger"],
                repository=row["repository"],
                requests=row["requests"],
                created_at=_datetime(row["created_at"]),
                expires_at=_datetime(row["expires_at"]),
                ended_at=None if row["ended_at"] is None else _datetime(row["ended_at"]),
                tries=row["tries"],
                changed_at=_datetime(row["changed_at"]),
                run=row["run"],
                url=row["url"],
                note=row["note"],
            )
            for row in rows
        ]

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _write(self, statement: str, *values: Any) -> None:
        with self._transaction() as db:
            db.execute(statement, values)

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
        # Exclusive: a second process would send what this one is sending. The kernel releases the
        # lock however this process ends, and no file of shared memory is needed for the log.
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


def _datetime(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


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
