"""A World as the door builds it, on a real repository, without any service unless one is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batch_action.cli.bootstrap import Invocation, build_context
from batch_action.context import RunContext

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""Test repositories have one commit an hour, from 1 January 2026, 01:00."""


@contextmanager
def context_of(
    path: Path,
    *,
    environ: dict[str, str] | None = None,
    now: datetime = NOW,
    write_interval: float = 1.0,
    **flags: Any,
) -> Iterator[RunContext]:
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    invocation = Invocation(
        environ=environ or {},
        clock=lambda: now,
        sleep=lambda _seconds: None,
        write_interval=write_interval,
    )
    with build_context(invocation, flags=named, repo=str(path)) as ctx:
        yield ctx
