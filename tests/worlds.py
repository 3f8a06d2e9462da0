"""A World as the door builds it, on a real repository, without any service unless one is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batch_action.cli.bootstrap import Door, open_world
from batch_action.context import World

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""Test repositories have one commit an hour, from 1 January 2026, 01:00."""


@contextmanager
def world_of(
    path: Path,
    *,
    environ: dict[str, str] | None = None,
    now: datetime = NOW,
    write_interval: float = 1.0,
    **flags: Any,
) -> Iterator[World]:
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    door = Door(
        environ=environ or {},
        clock=lambda: now,
        sleep=lambda _seconds: None,
        write_interval=write_interval,
    )
    with open_world(door, flags=named, repo=str(path)) as world:
        yield world
