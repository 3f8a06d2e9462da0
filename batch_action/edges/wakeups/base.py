"""The file itself: opened by one process, written in whole transactions, flushed to the disk."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from batch_action.errors import ConfigError

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
  fate TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, born REAL NOT NULL, due REAL NOT NULL,
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

    def all(self, question: str, *values: Any) -> list[sqlite3.Row]:
        """Every row of an answer."""
        with self._lock:
            return self._base.execute(question, values).fetchall()

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
