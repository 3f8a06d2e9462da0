"""Which commits are read: the reviewed one, and the one whose config and rules hold for it."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import yaml
from pydantic import ValidationError

from batch_action import escape
from batch_action.cli.anthropic_access import anthropic_api, header
from batch_action.cli.task_loader import TaskLoader, apply_patch, with_task_defaults
from batch_action.clients.actions_runner.commands import Runner
from batch_action.clients.actions_runner.environment import context_from, payload_from
from batch_action.clients.artifacts import ArtifactService, why_not
from batch_action.clients.console import Console
from batch_action.clients.git import GitRepo
from batch_action.clients.github.actions import Actions
from batch_action.clients.github.client import BOT, GitHubClient
from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.github.issues import Issues
from batch_action.clients.github.pulls import PullRequests
from batch_action.clients.webhooks import Webhooks
from batch_action.config.assignments import assignments
from batch_action.config.loading import gather
from batch_action.config.settings import Settings
from batch_action.context import GitHubClients, RunContext
from batch_action.errors import BatchActionError, ConfigError
from batch_action.models.github_context import GitHubContext
from batch_action.models.prices import Prices
from batch_action.requests import pricing
from batch_action.tasks.task import Task

MAX_CONFIG = 1_000_000


def rules_of_pull(context: GitHubContext, git: GitRepo) -> str | None:
    """The commit by whose rules a pull request is reviewed: the default branch's, never its own."""
    pull = context.pull
    if pull is None or context.fork:
        return None
    name = context.default_branch or git.default_branch_guess() or "main"
    tip = git.branch_tip(name)
    if tip is None and pull.into == name and git.has_commit(pull.base):
        tip = pull.base
    if tip is None:
        raise ConfigError(
            f"The branch {name}, whose config and house rules hold for a pull request, is not in "
            "this shallow clone.",
            fix="Set `fetch-depth: 0` at actions/checkout.",
        )
    return tip


def reviewed(flags: Mapping[str, Any], context: GitHubContext, git: GitRepo) -> str:
    """The commit that is reviewed. Raises ConfigError."""
    head = flags.get("head") or context.sha or "HEAD"
    return _commit(git, head, given="head" in flags and bool(flags["head"]))


def _commit(git: GitRepo, rev: str, *, given: bool) -> str:
    try:
        return git.resolve(rev)
    except ConfigError as error:
        if not given:
            raise
        raise ConfigError(f"`head`: {error.problem}", fix=error.fix) from None


def config_file(git: GitRepo, commit: str, name: str) -> Mapping[str, Any]:
    """The config file of a commit, never of the work tree."""
    data = git.file_at(commit, name)
    if data is None:
        return {}
    if len(data) > MAX_CONFIG:
        raise ConfigError(f"{name} is larger than a config file can be.")
    try:
        parsed = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is no valid YAML: {' '.join(str(error).split())}.") from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise ConfigError(f"{name} must hold `input: value` lines.")
    return parsed


class TestHooks(TypedDict, total=False):
    """How time passes: real, unless somebody who tests says otherwise."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    write_interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What came in from outside."""

    environ: Mapping[str, str]
    action_inputs: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    """How retries wait."""
    write_interval: float = 1.0
    """Seconds between two writes to GitHub, as its documentation asks."""

    def workspace(self, repo: str | None) -> Path:
        """The repository's folder."""
        return Path(repo or self.environ.get("GITHUB_WORKSPACE") or ".").resolve()

    def tell(self, error: BatchActionError) -> None:
        """One failure, as an annotation in Actions and as a line elsewhere."""
        runner = self.runner(self.workspace(None))
        runner.annotate("error", str(error))
        with suppress(OSError):
            lines = (escape.markdown(line) for line in str(error).splitlines())
            runner.summary("\n".join(["**Failed**", "", *(f"> {line}  " for line in lines), ""]))

    def runner(self, workspace: Path) -> Runner:
        """The runner's file commands, or plain lines outside of Actions."""
        environ = self.environ
        return Runner(
            workspace,
            output_path=_path(environ.get("GITHUB_OUTPUT")),
            summary_path=_path(environ.get("GITHUB_STEP_SUMMARY")),
            actions=environ.get("GITHUB_ACTIONS") == "true",
            # Standard output is for data (`--json`); the runner reads commands from both.
            stream=sys.stderr,
        )


@contextmanager
def build_context(
    invocation: Invocation, *, flags: Mapping[str, Any], repo: str | None
) -> Iterator[RunContext]:
    """The world of the first task; see `open_worlds`."""
    with build_contexts(invocation, flags=flags, repo=repo) as contexts:
        yield contexts[0]


@contextmanager
def build_contexts(
    invocation: Invocation, *, flags: Mapping[str, Any], repo: str | None
) -> Iterator[tuple[RunContext, ...]]:
    """A world for each assignment: settings and ledger of its own, the edges of all.

    Everything is closed at the end. A task that is named as a flag is the only one. Raises
    ConfigError.
    """
    workspace = invocation.workspace(repo)
    runner = invocation.runner(workspace)
    context = replace(
        context_from(
            invocation.environ, payload_from(_path(invocation.environ.get("GITHUB_EVENT_PATH")))
        ),
        workspace=workspace,
    )
    git = GitRepo(workspace)
    rules = rules_of_pull(context, git)
    # A fork's pull request is left alone: whatever its checkout holds is not even looked at.
    source = None if context.fork else rules or reviewed(flags, context, git)
    settings = _settings(invocation, flags, git, source)
    for secret in settings.secrets():
        runner.mask(secret)
    library = TaskLoader(git=git, commit=source)
    tasks: dict[str, Task] = {}
    if settings.prompt_file:
        typed = workspace if flags.get("prompt-file") else None
        task = library.prompted(settings.prompt_file, typed)
        tasks = {task.name: task}
        settings = settings.model_copy(update={"task": (task.name,), "rules": ()})
    given = assignments(settings, settings.task if flags.get("task") else ())
    tasks = tasks or library.chosen(one.task for one in given)
    with ExitStack() as stack:
        patch = None
        if settings.patch_file:
            head = reviewed(flags, context, git)
            patch = apply_patch(settings.patch_file, git, head, workspace, stack)
            rules = rules or head
        github = _github(invocation, settings, context, runner, stack)
        context = _completed(context, github, git)
        ctx = RunContext(
            settings=settings,
            context=context,
            task=tasks[given[0].task],
            prices=_prices(settings),
            git=git,
            anthropic=anthropic_api(invocation.environ, settings, runner, stack, invocation.sleep),
            github=github,
            artifacts=_artifacts(invocation, runner, stack),
            state_dir=settings.state_dir or workspace / ".batch-action" / "state",
            runner=runner,
            console=Console(plain=runner.actions),
            webhooks=Webhooks(sleep=invocation.sleep),
            clock=invocation.clock,
            rules=rules,
            started=invocation.clock(),
        )
        yield tuple(
            replace(
                ctx,
                settings=with_task_defaults(one.settings, tasks[one.task], patch),
                task=tasks[one.task],
                other_tasks_patterns=one.other_tasks_patterns,
                alone=len(given) == 1,
                runner=runner.part(),
            )
            for one in given
        )


def _settings(
    invocation: Invocation, flags: Mapping[str, Any], git: GitRepo, source: str | None
) -> Settings:
    name = str(
        flags.get("config-file")
        or invocation.action_inputs.get("config-file")
        or invocation.environ.get("BATCH_ACTION_CONFIG_FILE")
        or ".github/batch-action.yml"
    )
    file = {} if source is None else config_file(git, source, name)
    return gather(
        flags=flags,
        action_inputs=invocation.action_inputs,
        environ=invocation.environ,
        file=file,
        file_name=name,
    )


def _prices(settings: Settings) -> Prices:
    try:
        return pricing.load(settings.prices)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(x) for x in first["loc"])
        raise ConfigError(f"`prices` {place}: {first['msg']}.") from None


def _github(
    invocation: Invocation,
    settings: Settings,
    context: GitHubContext,
    runner: Runner,
    stack: ExitStack,
) -> GitHubClients | None:
    if settings.github_token is None or context.repository is None:
        return None
    client = stack.enter_context(
        GitHubClient(
            header("github-token", settings.github_token),
            api_url=context.api_url,
            repository=context.repository,
            graphql_url=invocation.environ.get("GITHUB_GRAPHQL_URL"),
            write_interval=invocation.write_interval,
        )
    )
    # What the nightly workflow wrote is ours on a person's machine, too: only its bot is believed
    # there, which nobody can be who cannot run workflows of this repository.
    bot = () if runner.actions else (BOT,)
    issues = Issues(client, (*settings.trusted_authors, *bot))
    return GitHubClients(
        client=client,
        issues=issues,
        actions=Actions(client),
        pulls=PullRequests(client, issues.trusts),
        scanning=CodeScanning(client, sleep=invocation.sleep),
    )


def _completed(context: GitHubContext, github: GitHubClients | None, git: GitRepo) -> GitHubContext:
    """What neither the environment nor the event told, from git and GitHub."""
    known = context.default_branch and context.private is not None
    if github is not None and not (known and context.repository_id != "local"):
        facts = github.client.repository_facts()
        context = replace(
            context,
            repository_id=facts.id,
            private=facts.private,
            default_branch=facts.default_branch,
        )
    return context if context.branch else replace(context, branch=git.current_branch())


def _artifacts(invocation: Invocation, runner: Runner, stack: ExitStack) -> ArtifactService | None:
    """The artifact service, where this is a step of a GitHub action; it says when it is not."""
    environ = invocation.environ
    values = (
        environ.get("ACTIONS_RESULTS_URL", ""),
        environ.get("ACTIONS_RUNTIME_TOKEN", ""),
        environ.get("GITHUB_SERVER_URL", ""),
    )
    reason = why_not(*values)
    if reason:
        if runner.actions:
            runner.annotate("notice", f"The ledger is kept in a file: {reason}")
        return None
    days = environ.get("GITHUB_RETENTION_DAYS", "")
    return stack.enter_context(
        ArtifactService(
            *values,
            max_days=int(days) if days.isdecimal() else None,
            mask=runner.mask,
            sleep=invocation.sleep,
            now=invocation.clock,
        )
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
