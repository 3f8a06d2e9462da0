"""Build a run context as the CLI does, on a real repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batch_action.cli.bootstrap import build_context
from batch_action.cli.invocation import Invocation
from batch_action.context import RunContext

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""Test repositories have one commit per hour, starting on 1 January 2026 at 01:00."""


@contextmanager
def context_of(
    path: Path,
    *,
    environ: dict[str, str] | None = None,
    now: datetime = NOW,
    write_interval: float = 1.0,
    **flags: Any,
) -> Iterator[RunContext]:
    """Yield the context of a run in `path`; `flags` are the inputs, with underscores."""
    inputs = {name.replace("_", "-"): value for name, value in flags.items()}
    invocation = Invocation(
        environ=environ or {},
        clock=lambda: now,
        sleep=lambda _seconds: None,
        write_interval=write_interval,
    )
    with build_context(invocation, flags=inputs, repo=str(path)) as ctx:
        yield ctx
