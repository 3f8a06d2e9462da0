"""The one clock of all emulated services."""

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime


class Clock:
    """Real time plus an offset that tests may advance."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Tell the sandbox's time, in UTC."""
        with self._lock:
            return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Let time pass for all services at once."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)

    def http_date(self) -> str:
        """Give the time in the form of an HTTP `date` header."""
        return format_datetime(self.now(), usegmt=True)


def rfc3339(moment: datetime | None) -> str | None:
    """Write a moment as the services do, or nothing for no moment."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
