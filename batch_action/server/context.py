"""Everything `serve` works with, built by the door: the store, the repositories, the journal."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import SecretStr

from batch_action.clients.anthropic.client import AnthropicApi
from batch_action.clients.github.actions import Actions, Dispatches
from batch_action.clients.github.client import GitHubClient
from batch_action.config.server import RepositoryConfig
from batch_action.server.log import JsonLog
from batch_action.server.signatures import Keys
from batch_action.server.store import Store

STUCK = 300.0
"""Seconds of one round after which a loop counts as stuck: no call waits that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryClient:
    """One repository: how it is to be woken, and the edges to do it."""

    place: RepositoryConfig
    client: GitHubClient
    actions: Actions
    dispatches: Dispatches
    anthropic: AnthropicApi | None
    """The workspace its batches are in; None without a watcher."""
    state_secret: SecretStr | None = None
    state_secret_previous: SecretStr | None = None


@dataclass(slots=True)
class LoopHealth:
    """Whether a loop is alive, for `/healthz` and the page."""

    name: str
    busy_since: float | None = None
    ended: bool = False
    looked_at: datetime | None = None
    """When it last did what it is for."""
    problem: str = ""
    """Why it did not, since then."""

    def stuck(self, now: float) -> bool:
        """Whether a person should start the service again."""
        return self.ended or (self.busy_since is not None and now - self.busy_since > STUCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerContext:
    """The service's world."""

    store: Store
    posts: tuple[RepositoryClient, ...]
    keys: Keys
    log: JsonLog
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    """A number from 0 to 1, for pauses that differ."""
    watch: bool
    settle: timedelta
    """How long GitHub may take to list a run that it has started."""
    dispatching: LoopHealth = field(default_factory=lambda: LoopHealth("dispatcher"))
    watching: LoopHealth = field(default_factory=lambda: LoopHealth("watcher"))
    arrived: threading.Event = field(default_factory=threading.Event)
    """Rung when a batch was told to have ended."""
    learnt: threading.Event = field(default_factory=threading.Event)
    """Rung when a ledger named a batch that nobody waited for before."""
    ticks: Callable[[], float] = time.monotonic
