"""What `serve` writes down as it goes: one JSON object a line, and never a secret."""

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from batch_action.errors import BatchActionError

NAME = "batch_action.serve"
LONGEST = 2_000
"""Characters of one value: what comes from outside may be long."""
LONGEST_TRACE = 20_000
HIDDEN = "•••"
SHORTEST_SECRET = 8
"""Shorter ones would hide half the words."""


class JsonLog:
    """Structured log lines on standard error; the libraries' own warnings in the same form."""

    def __init__(self, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
        self._handler = logging.StreamHandler(stream or sys.stderr)
        self._handler.setFormatter(_Lines(secrets))
        self._log = logging.getLogger(NAME)
        self._log.propagate = False
        self._log.setLevel(logging.INFO)
        self._log.addHandler(self._handler)
        logging.getLogger().addHandler(self._handler)
        # It warns of every retry; what comes of them is told by who asked.
        logging.getLogger("urllib3").setLevel(logging.ERROR)

    def close(self) -> None:
        """Write nothing any more."""
        self._log.removeHandler(self._handler)
        logging.getLogger().removeHandler(self._handler)

    def info(self, event: str, **fields: Any) -> None:
        """Something happened as it should."""
        self._log.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: Any) -> None:
        """Something did not work and will be tried again."""
        self._log.warning(event, extra={"fields": fields})

    def error(self, event: str, **fields: Any) -> None:
        """Something needs a person."""
        self._log.error(event, extra={"fields": fields})

    def bug(self, event: str, error: BaseException) -> None:
        """A failure nobody expected, with its trace."""
        trace = "".join(traceback.format_exception(error))
        self._log.error(event, extra={"fields": {"problem": repr(error), "trace": trace}})


def problem(error: BatchActionError) -> dict[str, str]:
    """An expected failure as fields."""
    return {"problem": error.problem, "fix": error.fix} if error.fix else {"problem": error.problem}


class _Lines(logging.Formatter):
    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        hidden = {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}
        self._secrets = sorted(hidden, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", None)
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if fields is None:
            told |= {"event": "library", "logger": record.name, "message": record.getMessage()}
            if record.exc_info:
                told["trace"] = self.formatException(record.exc_info)
        else:
            told |= {"event": record.msg, **fields}
        return json.dumps(
            {k: self._safe(v, _longest(k)) for k, v in told.items() if v not in (None, "")}
        )

    def _safe(self, value: Any, longest: int) -> Any:
        if isinstance(value, bool | int | float):
            return value
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text if len(text) <= longest else text[: longest - 1] + "…"


def _longest(key: str) -> int:
    return LONGEST_TRACE if key == "trace" else LONGEST
