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
from batch_action.cli.task_loader import Library, fitted, patched
from batch_action.clients.actions_runner.commands import Runner
from batch_action.clients.actions_runner.environment import context_from, payload_from
from batch_action.clients.artifacts import ArtifactService, why_not
from batch_action.clients.console import Screen
from batch_action.clients.git import GitRepo
from batch_action.clients.github.actions import Actions
from batch_action.clients.github.client import BOT, GitHubClient
from batch_action.clients.github.code_scanning import Scanning
from batch_action.clients.github.issues import Issues
from batch_action.clients.github.pulls import Pulls
from batch_action.clients.webhooks import Webhooks
from batch_action.config.assignments import assignments
from batch_action.config.loading import gather
from batch_action.config.settings import Settings
from batch_action.context import GitHub, World
from batch_action.errors import BatchActionError, ConfigError
from batch_action.models.github_context import Context
from batch_action.models.prices import Prices
from batch_action.requests import pricing
from batch_action.tasks.task import Task

MAX_CONFIG = 1_000_000


def rules_of_pull(context: Context, git: GitRepo) -> str | None:
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


def reviewed(flags: Mapping[str, Any], context: Context, git: GitRepo) -> str:
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


class Hands(TypedDict, total=False):
    """How time passes: real, unless somebody who tests says otherwise."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    write_interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
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
def open_world(door: Door, *, flags: Mapping[str, Any], repo: str | None) -> Iterator[World]:
    """The world of the first task; see `open_worlds`."""
    with open_worlds(door, flags=flags, repo=repo) as worlds:
        yield worlds[0]


@contextmanager
def open_worlds(
    door: Door, *, flags: Mapping[str, Any], repo: str | None
) -> Iterator[tuple[World, ...]]:
    """A world for each assignment: settings and ledger of its own, the edges of all.

    Everything is closed at the end. A task that is named as a flag is the only one. Raises
    ConfigError.
    """
    workspace = door.workspace(repo)
    runner = door.runner(workspace)
    context = replace(
        context_from(door.environ, payload_from(_path(door.environ.get("GITHUB_EVENT_PATH")))),
        workspace=workspace,
    )
    git = GitRepo(workspace)
    rules = rules_of_pull(context, git)
    # A fork's pull request is left alone: whatever its checkout holds is not even looked at.
    source = None if context.fork else rules or reviewed(flags, context, git)
    settings = _settings(door, flags, git, source)
    for secret in settings.secrets():
        runner.mask(secret)
    library = Library(git=git, commit=source)
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
            patch = patched(settings.patch_file, git, head, workspace, stack)
            rules = rules or head
        github = _github(door, settings, context, runner, stack)
        context = _completed(context, github, git)
        world = World(
            settings=settings,
            context=context,
            task=tasks[given[0].task],
            prices=_prices(settings),
            git=git,
            anthropic=anthropic_api(door.environ, settings, runner, stack, door.sleep),
            github=github,
            artifacts=_artifacts(door, runner, stack),
            state_dir=settings.state_dir or workspace / ".batch-action" / "state",
            runner=runner,
            screen=Screen(plain=runner.actions),
            webhooks=Webhooks(sleep=door.sleep),
            clock=door.clock,
            rules=rules,
            started=door.clock(),
        )
        yield tuple(
            replace(
                world,
                settings=fitted(one.settings, tasks[one.task], patch),
                task=tasks[one.task],
                elsewhere=one.elsewhere,
                alone=len(given) == 1,
                runner=runner.part(),
            )
            for one in given
        )


def _settings(door: Door, flags: Mapping[str, Any], git: GitRepo, source: str | None) -> Settings:
    name = str(
        flags.get("config-file")
        or door.action_inputs.get("config-file")
        or door.environ.get("BATCH_ACTION_CONFIG_FILE")
        or ".github/batch-action.yml"
    )
    file = {} if source is None else config_file(git, source, name)
    return gather(
        flags=flags,
        action_inputs=door.action_inputs,
        environ=door.environ,
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
    door: Door, settings: Settings, context: Context, runner: Runner, stack: ExitStack
) -> GitHub | None:
    if settings.github_token is None or context.repository is None:
        return None
    client = stack.enter_context(
        GitHubClient(
            header("github-token", settings.github_token),
            api_url=context.api_url,
            repository=context.repository,
            graphql_url=door.environ.get("GITHUB_GRAPHQL_URL"),
            write_interval=door.write_interval,
        )
    )
    # What the nightly workflow wrote is ours on a person's machine, too: only its bot is believed
    # there, which nobody can be who cannot run workflows of this repository.
    bot = () if runner.actions else (BOT,)
    issues = Issues(client, (*settings.trusted_authors, *bot))
    return GitHub(
        client=client,
        issues=issues,
        actions=Actions(client),
        pulls=Pulls(client, issues.trusts),
        scanning=Scanning(client, sleep=door.sleep),
    )


def _completed(context: Context, github: GitHub | None, git: GitRepo) -> Context:
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


def _artifacts(door: Door, runner: Runner, stack: ExitStack) -> ArtifactService | None:
    """The artifact service, where this is a step of a GitHub action; it says when it is not."""
    environ = door.environ
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
            sleep=door.sleep,
            now=door.clock,
        )
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
