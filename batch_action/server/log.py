"""The log of `serve`: one JSON object a line on standard error, never a secret."""

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partialmethod
from typing import Any, TextIO

from batch_action.errors import BatchActionError

NAME = "batch_action.serve"
MAX_VALUE_CHARS = 2_000
"""Of one value: what comes from outside may be long."""
MAX_TRACE_CHARS = 20_000
HIDDEN = "•••"
MIN_SECRET_CHARS = 8
"""Shorter ones would hide half of the text."""


class JsonLog:
    """Structured log lines; the libraries' own warnings in the same form."""

    def __init__(self, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
        self._handler = logging.StreamHandler(stream or sys.stderr)
        self._handler.setFormatter(_JsonFormatter(secrets))
        self._log = logging.getLogger(NAME)
        self._log.propagate = False
        self._log.setLevel(logging.INFO)
        self._log.addHandler(self._handler)
        logging.getLogger().addHandler(self._handler)
        # It warns of every retry; the caller reports what comes of them.
        logging.getLogger("urllib3").setLevel(logging.ERROR)

    def close(self) -> None:
        """Stop logging."""
        self._log.removeHandler(self._handler)
        logging.getLogger().removeHandler(self._handler)

    def _write(self, level: int, event: str, **fields: Any) -> None:
        self._log.log(level, event, extra={"fields": fields})

    info = partialmethod(_write, logging.INFO)
    """Log something that went as it should."""
    warning = partialmethod(_write, logging.WARNING)
    """Log a failure that will be tried again."""
    error = partialmethod(_write, logging.ERROR)
    """Log a failure that needs a person."""

    def bug(self, event: str, error: BaseException) -> None:
        """Log an unexpected failure with its trace."""
        self.error(event, problem=repr(error), trace="".join(traceback.format_exception(error)))


def problem(error: BatchActionError) -> dict[str, str]:
    """Return an expected failure as fields."""
    return {"problem": error.problem, "fix": error.fix} if error.fix else {"problem": error.problem}


class _JsonFormatter(logging.Formatter):
    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        hidden = {secret for secret in secrets if len(secret) >= MIN_SECRET_CHARS}
        self._secrets = sorted(hidden, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", None)
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if fields is None:
            line |= {"event": "library", "logger": record.name, "message": record.getMessage()}
            if record.exc_info:
                line["trace"] = self.formatException(record.exc_info)
        else:
            line |= {"event": record.msg, **fields}
        return json.dumps({k: self._mask(k, v) for k, v in line.items() if v not in (None, "")})

    def _mask(self, key: str, value: Any) -> Any:
        if isinstance(value, bool | int | float):
            return value
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        limit = MAX_TRACE_CHARS if key == "trace" else MAX_VALUE_CHARS
        return text if len(text) <= limit else text[: limit - 1] + "…"
