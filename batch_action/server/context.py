"""What the parts of `serve` share: store, clients, keys, log, clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.clients.github.actions import Actions
from batch_action.clients.github.client import GitHubClient
from batch_action.config.server import RepositoryConfig
from batch_action.server.log import JsonLog
from batch_action.server.loop import Loop
from batch_action.server.signatures import Keys
from batch_action.server.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryClient:
    """One repository of the file, with the clients to reach it."""

    config: RepositoryConfig
    client: GitHubClient
    actions: Actions
    anthropic: AnthropicClient | None
    """The workspace its batches are in; None without a watcher."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """`state-secret` and the previous one."""


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
    dispatching: Loop
    """Woken when a batch has ended."""
    watching: Loop
    """Woken when a ledger names a new batch."""
