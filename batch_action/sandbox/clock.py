"""The clock of all emulated services."""

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime


class Clock:
    """Real time plus an offset that tests may advance."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time of the sandbox, in UTC."""
        with self._lock:
            return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Advance the time of all services."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)

    def http_date(self) -> str:
        """Return the time in the format of the HTTP `date` header."""
        return format_datetime(self.now(), usegmt=True)


def rfc3339(moment: datetime | None) -> str | None:
    """Format a time as the services do; None stays None."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
