"""The store as its users get it: one file, three tables of their own."""

from datetime import datetime
from pathlib import Path
from typing import Self

from batch_action.edges.wakeups.arrivals import Arrivals
from batch_action.edges.wakeups.base import Base
from batch_action.edges.wakeups.errands import Errands
from batch_action.edges.wakeups.waiting import Waiting


class Store:
    """The memory of `serve`. Use as a context manager, or `close()`."""

    def __init__(self, path: Path) -> None:
        """Raise ConfigError where the file cannot be used, or another process does."""
        self._base = Base(path)
        self.arrivals = Arrivals(self._base)
        self.waiting = Waiting(self._base)
        self.errands = Errands(self._base)

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
        self.arrivals.prune(before)
        self.errands.prune(before)
