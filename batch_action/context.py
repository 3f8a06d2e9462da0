"""Everything a verb is handed: settings, circumstances and the edges, built by the door."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from batch_action.clients.actions_runner.commands import Runner
from batch_action.clients.anthropic.client import AnthropicApi
from batch_action.clients.artifacts import ArtifactService
from batch_action.clients.console import Console
from batch_action.clients.git import GitRepo
from batch_action.clients.github.actions import Actions
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.github.issues import Issues
from batch_action.clients.github.pulls import PullRequests
from batch_action.clients.webhooks import Webhooks
from batch_action.config.settings import Settings
from batch_action.errors import ConfigError
from batch_action.models.github_context import GitHubContext
from batch_action.models.prices import Prices
from batch_action.models.requests import digest
from batch_action.tasks.task import Task


@dataclass(frozen=True, slots=True)
class GitHubClients:
    """GitHub's API: one client, the families of calls on it."""

    client: GitHubClient
    issues: Issues
    actions: Actions
    pulls: PullRequests
    scanning: CodeScanning


@dataclass(slots=True)
class Budget:
    """What the tasks of one run spend together; it changes in place."""

    sent_usd: float = 0.0
    """The worst case of everything that this run has sent."""
    ledgers: dict[str, float] = field(default_factory=dict)
    """By title: what a ledger knows as spent this month or still in flight."""

    def other_tasks_patterns(self, title: str) -> float:
        """What all other ledgers of this run know."""
        return sum(usd for name, usd in self.ledgers.items() if name != title)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What a verb needs of the world. An edge that is None was not configured."""

    settings: Settings
    context: GitHubContext
    task: Task
    prices: Prices
    git: GitRepo
    anthropic: AnthropicApi | None
    github: GitHubClients | None
    artifacts: ArtifactService | None
    """None where there is no artifact service: the ledger is then a file in `state_dir`."""
    state_dir: Path
    runner: Runner
    console: Console
    webhooks: Webhooks
    clock: Callable[[], datetime]
    rules: str | None = None
    """The commit whose house rules, attributes and baseline hold, where it is not the reviewed one:
    a pull request must not change the rules it is reviewed by."""
    started: datetime | None = None
    """When the run began: all its tasks wait until the same moment."""
    other_tasks_patterns: tuple[tuple[str, ...], ...] = ()
    """Patterns of the monorepo's rules whose files are not this task's here."""
    alone: bool = True
    """Whether this is the run's only task: else what it leaves in the workspace bears its name."""
    budget: Budget = field(default_factory=Budget)
    warnings: list[str] = field(default_factory=list)
    """Sentences for the summary; filled along the way."""

    @property
    def scope(self) -> str:
        """Digest of the patterns that decide what is looked at."""
        claimed = (text for patterns in self.other_tasks_patterns for text in (None, *patterns))
        chosen = self.settings
        return digest(*chosen.paths, None, *chosen.paths_ignore, *claimed)

    @property
    def title(self) -> str:
        """The task, and what tells its ledger from others of it: `code-review (web)`."""
        key = self.settings.state_key
        return f"{self.task.name} ({key})" if key else self.task.name

    def workspace_name(self, name: str) -> str:
        """The name of something this task leaves in the workspace."""
        key = self.settings.state_key
        own = f"-{self.task.name}" + (f"-{key}" if key else "")
        return name if self.alone else f"{name}{own}"

    @property
    def deadline(self) -> datetime:
        """Until when batches are waited for; whole seconds, as `now` tells them."""
        begun = (self.started or self.clock()).replace(microsecond=0)
        return begun + timedelta(minutes=self.settings.wait_minutes)

    @property
    def pull(self) -> int | None:
        """The pull request whose facts this run writes; None for a branch."""
        about = self.context.pull
        return about.number if about and self.context.pulls else None

    def rules_at(self, commit: str) -> str:
        """The commit whose rules hold for what is reviewed at *commit*."""
        return self.rules or commit

    def now(self) -> datetime:
        """The time, UTC, whole seconds: what facts carry."""
        return self.clock().replace(microsecond=0)

    def warn(self, sentence: str) -> None:
        """Tell it once, now and in the summary."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            self.runner.annotate("warning", sentence)

    def require_anthropic(self) -> AnthropicApi:
        """The Anthropic edge, or ConfigError."""
        if self.anthropic is None:
            raise ConfigError(
                "`anthropic-api-key` is not set.",
                fix="Store the key as the secret ANTHROPIC_API_KEY and pass it with "
                "`anthropic-api-key: ${{ secrets.ANTHROPIC_API_KEY }}`, or use the federation "
                "ids.",
            )
        return self.anthropic

    def require_github(self) -> GitHubClients:
        """The GitHub edge, or ConfigError."""
        if self.github is None:
            raise ConfigError(
                "`github-token` or the repository's name is not set.",
                fix="In a workflow the token's default is `${{ github.token }}`; on the command "
                "line set GITHUB_TOKEN and GITHUB_REPOSITORY=owner/name.",
            )
        return self.github
