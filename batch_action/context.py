"""The context of a run: settings, GitHub context, task and clients, for one task of the run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from batch_action.clients.actions_runner import Runner
from batch_action.clients.console import Console
from batch_action.clients.git import GitRepo
from batch_action.config.settings import Settings
from batch_action.errors import ConfigError, advice
from batch_action.models.github_context import GitHubContext, Run
from batch_action.models.ledger import Fact
from batch_action.models.requests import Prices, digest
from batch_action.tasks.task import Task
from batch_action.text import task_slug, task_title

if TYPE_CHECKING:  # these take long to import, and not every run needs them
    from batch_action.clients.anthropic.client import AnthropicClient
    from batch_action.clients.artifacts import ArtifactService
    from batch_action.clients.github.clients import GitHubClients
    from batch_action.models.report import SavingsByPeriod


@dataclass(slots=True)
class Budget:
    """What the tasks of one run spend together, in dollars; it is updated in place."""

    sent_usd: float = 0.0
    """The worst case of everything that this run has sent."""
    facts: tuple[Fact, ...] = ()
    """What the ledgers of all tasks of this run say about spend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What the commands need for one task of a run; a client that is None is not configured."""

    settings: Settings
    github_context: GitHubContext
    task: Task
    prices: Prices
    git: GitRepo
    anthropic: "Callable[[], AnthropicClient] | None"
    """Opens the client at its first call: to import its SDK takes longer than a quiet run."""
    github: "GitHubClients | None"
    artifacts: "ArtifactService | None"
    """None outside of Actions and on GitHub Enterprise Server: the ledger is a file then."""
    artifacts_problem: str
    """Why there is no artifact service; empty when there is one."""
    state_dir: Path
    runner: Runner
    console: Console
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    """Waits for a number of seconds."""
    run: Run
    """What it reviews: a branch or a pull request."""
    started_at: datetime | None = None
    """When the run started: its tasks share one deadline."""
    other_tasks_patterns: tuple[tuple[str, ...], ...] = ()
    """Patterns of the `rules` (monorepo) whose files are excluded here."""
    is_only_task: bool = True
    """Whether the run has one task only; else names in the workspace contain the task's."""
    budget: Budget = field(default_factory=Budget)
    savings: "dict[str, SavingsByPeriod]" = field(default_factory=dict)
    """By title: what the collects of this run report about a task's savings."""
    warnings: list[str] = field(default_factory=list)
    """Messages for the job summary, in their order."""

    @property
    def scope(self) -> str:
        """The digest of the patterns that decide which files are selected."""
        excluded = (text for patterns in self.other_tasks_patterns for text in (None, *patterns))
        settings = self.settings
        return digest(*settings.paths, None, *settings.paths_ignore, *excluded)

    @property
    def title(self) -> str:
        """The task and, in parentheses, the state key, as in `code-review (web)`."""
        return task_title(self.task.name, self.settings.state_key)

    def output_name(self, name: str) -> str:
        """Return the name for a file or folder of this task in the workspace."""
        if self.is_only_task:
            return name
        return f"{name}-{task_slug(self.task.name, self.settings.state_key)}"

    @property
    def hides_security_findings(self) -> bool:
        """Whether everybody could read the security findings, and the settings do not allow it."""
        # A repository of unknown visibility counts as public: not every event names it.
        is_public = self.github_context.private is not True
        return is_public and not self.settings.allow_public_security_findings

    @property
    def writes_summary(self) -> bool:
        """Whether there is a job summary, and it is a destination."""
        return self.runner.has_summary and "summary" in self.settings.report

    @property
    def has_budget(self) -> bool:
        """Whether all runs of the repository share a budget, whose spend is recorded."""
        settings = self.settings
        return settings.daily_budget_usd is not None or settings.monthly_budget_usd is not None

    @property
    def deadline(self) -> datetime:
        """The time, in whole seconds, until which the run waits for batches (`wait-minutes`)."""
        started_at = (self.started_at or self.clock()).replace(microsecond=0)
        return started_at + timedelta(minutes=self.settings.wait_minutes)

    def rules_commit_for(self, commit: str) -> str:
        """Return the commit whose rules apply to a review of *commit*."""
        return self.run.rules_commit or commit

    def now(self) -> datetime:
        """Return the time in UTC and whole seconds, as facts record it."""
        return self.clock().replace(microsecond=0)

    def add_savings(self, new: "SavingsByPeriod") -> None:
        """Record what a collect reports: it adds to the run, and is the newest about the rest."""
        before = self.savings.get(self.title)
        self.savings[self.title] = replace(new, run=before.run + new.run) if before else new

    def warn(self, message: str) -> None:
        """Report a warning once, in the log and in the job summary."""
        if message not in self.warnings:
            self.warnings.append(message)
            self.runner.annotate("warning", message)

    def require_anthropic(self) -> "AnthropicClient":
        """Return the Anthropic client. Raises ConfigError when none is configured."""
        return self.require_anthropic_opener()()

    def require_anthropic_opener(self) -> "Callable[[], AnthropicClient]":
        """Return what opens the Anthropic client. Raises ConfigError when none is configured."""
        if self.anthropic is None:
            raise ConfigError(
                "`anthropic-api-key` is not set.",
                fix=advice(
                    "Store the key as the secret ANTHROPIC_API_KEY and pass it with "
                    "`anthropic-api-key: ${{ secrets.ANTHROPIC_API_KEY }}`, or use the federation "
                    "ids.",
                    "Set it in this shell with: export ANTHROPIC_API_KEY=sk-ant-… (`plan` needs no "
                    "key).",
                ),
            )
        return self.anthropic

    def require_github(self) -> "GitHubClients":
        """Return the GitHub clients. Raises ConfigError when none are configured."""
        if self.github is None:
            raise ConfigError(
                "`github-token` or the repository's name is not set.",
                fix=advice(
                    "Leave the input out to use the workflow's own token, or set it to a token.",
                    "Set both in this shell with: export GITHUB_REPOSITORY=owner/name "
                    'GITHUB_TOKEN="$(gh auth token)"',
                ),
            )
        return self.github
