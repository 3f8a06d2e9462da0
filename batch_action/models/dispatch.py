"""Workflow runs that `serve` has started."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRun:
    """A workflow run as GitHub reports it when it is started."""

    id: str
    url: str
