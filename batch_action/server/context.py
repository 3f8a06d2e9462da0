"""What the parts of `serve` share: store, clients, keys, log, clock."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import SecretStr

from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.clients.github.actions import Actions, WorkflowDispatcher
from batch_action.clients.github.client import GitHubClient
from batch_action.config.server import RepositoryConfig
from batch_action.server.log import JsonLog
from batch_action.server.signatures import Keys
from batch_action.server.store import Store

STUCK_SECONDS = 300.0
"""Of one round, after which a loop counts as stuck: no call waits that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryClient:
    """One repository of the file, with the clients to reach it."""

    config: RepositoryConfig
    client: GitHubClient
    actions: Actions
    dispatcher: WorkflowDispatcher
    anthropic: AnthropicClient | None
    """The workspace its batches are in; None without a watcher."""
    state_secret: SecretStr | None = None
    state_secret_previous: SecretStr | None = None


@dataclass(slots=True)
class LoopHealth:
    """Whether a loop is alive, for `/healthz` and the status page."""

    name: str
    busy_since: float | None = None
    """Monotonic seconds; None between two rounds."""
    dead: bool = False
    last_success_at: datetime | None = None
    problem: str = ""
    """Why it has not succeeded since."""

    def is_stuck(self, now: float) -> bool:
        """Return whether the service has to be restarted."""
        return self.dead or (self.busy_since is not None and now - self.busy_since > STUCK_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerContext:
    """Configuration, clients and state of the service."""

    store: Store
    repositories: tuple[RepositoryClient, ...]
    keys: Keys
    log: JsonLog
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    """A random number from 0 to 1."""
    watch: bool
    """Whether Anthropic is asked about pending batches."""
    dispatching: LoopHealth = field(default_factory=lambda: LoopHealth("dispatcher"))
    watching: LoopHealth = field(default_factory=lambda: LoopHealth("watcher"))
    batch_ended: threading.Event = field(default_factory=threading.Event)
    """Starts a round of the dispatcher."""
    batch_added: threading.Event = field(default_factory=threading.Event)
    """Starts a round of the watcher."""
    monotonic: Callable[[], float] = time.monotonic
