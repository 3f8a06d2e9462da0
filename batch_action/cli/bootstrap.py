"""Build the contexts of a run: settings, tasks and clients, from flags, environment and commits."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from batch_action.cli import config_file
from batch_action.cli.connections import anthropic_opener, configure_network, header_value
from batch_action.cli.invocation import Invocation, path_of
from batch_action.cli.task_loader import PatchCommit, TaskLoader, apply_patch, with_task_defaults
from batch_action.clients.actions_runner import Runner, github_context, read_event
from batch_action.clients.console import Console
from batch_action.clients.git import GitRepo
from batch_action.clients.network import no_artifacts_reason
from batch_action.config.loading import Assignment, assign_tasks, load_settings, requirement_of
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import ConfigError, GitHubError, full_history
from batch_action.models.github_context import (
    PULL_REQUEST_EVENT,
    BranchRun,
    GitHubContext,
    PullRequestRun,
    Run,
)
from batch_action.models.requests import Prices
from batch_action.requests import pricing
from batch_action.tasks.task import Task

if TYPE_CHECKING:
    from batch_action.clients.artifacts import ArtifactService
    from batch_action.clients.github.clients import GitHubClients

JOB_TOKENS = ("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")


@contextmanager
def build_context(
    invocation: Invocation, *, flags: Mapping[str, Any], repo: str | None
) -> Iterator[RunContext]:
    """Build the contexts and yield the first task's; see `build_contexts`."""
    with build_contexts(invocation, flags=flags, repo=repo) as contexts:
        yield contexts[0]


@contextmanager
def build_contexts(
    invocation: Invocation, *, flags: Mapping[str, Any], repo: str | None, offline: bool = False
) -> Iterator[tuple[RunContext, ...]]:
    """Yield a context for each assignment, with its own settings; the clients are shared.

    *offline*: nothing is connected to, and no webhook is known. A task given as a flag is
    the only one. All clients are closed at the end. Raises ConfigError.
    """
    workspace = invocation.workspace(repo)
    runner = invocation.runner(workspace)
    context = _read_github_context(invocation, workspace)
    git = GitRepo(workspace)
    rules_commit = pull_request_rules_commit(context, git)
    # The pull request of a fork is not reviewed, and its config and tasks are not trusted.
    config_commit = None
    if not context.from_fork:
        config_commit = rules_commit or reviewed_commit(flags, context, git)
    settings = _load_settings(invocation, flags, context, git, config_commit)
    if offline:
        settings = settings.model_copy(update={"slack_webhook_url": None, "webhook_url": None})
    job_tokens = [invocation.environ.get(name, "") for name in JOB_TOKENS]
    for secret in (*settings.secrets(), *job_tokens):
        runner.mask(secret)
    assignments, tasks = _assign_tasks(
        settings, flags, TaskLoader(git=git, commit=config_commit), workspace
    )
    configure_network(invocation.environ)
    with ExitStack() as stack:
        patch = None
        if settings.patch_file:
            head = reviewed_commit(flags, context, git)
            patch = apply_patch(settings.patch_file, git, head, workspace, stack)
            rules_commit = rules_commit or head
        github, api, artifacts, problem = None, None, None, ""
        if not offline:
            github = _open_github(invocation, settings, context, runner, stack)
            api = anthropic_opener(invocation.environ, settings, runner, stack, invocation.sleep)
            artifacts, problem = _open_artifacts(invocation, runner, stack)
        ctx = RunContext(
            settings=settings,
            github_context=_complete_github_context(context, github, git),
            task=tasks[assignments[0].task],
            prices=_load_prices(settings),
            git=git,
            anthropic=api,
            github=github,
            artifacts=artifacts,
            artifacts_problem=problem,
            state_dir=settings.state_dir or workspace / ".batch-action" / "state",
            runner=runner,
            console=Console(plain=runner.actions, quiet=invocation.output.quiet, hide=runner.hide),
            sleep=invocation.sleep,
            clock=invocation.clock,
            run=BranchRun(rules_commit=rules_commit),
            started_at=invocation.clock(),
            is_only_task=len(assignments) == 1,
        )
        yield tuple(_context_of_task(ctx, a, tasks[a.task], patch) for a in assignments)


def _context_of_task(
    ctx: RunContext, assignment: Assignment, task: Task, patch: PatchCommit | None
) -> RunContext:
    settings = with_task_defaults(assignment.settings, task, patch)
    if settings.documentation_style == "complete":
        task = task.with_complete_prompts()
    return replace(
        ctx,
        settings=settings,
        run=_choose_run(ctx.github_context, settings, ctx.run.rules_commit),
        task=task,
        other_tasks_patterns=assignment.other_tasks_patterns,
        runner=ctx.runner.for_task(),
    )


def _choose_run(context: GitHubContext, settings: Settings, rules_commit: str | None) -> Run:
    """Return what is reviewed: a pull request of this repository, on its event, or the branch."""
    pull = context.pull_request
    is_own_run = context.event == PULL_REQUEST_EVENT and not context.from_fork
    if pull is None or not is_own_run or "pr-review" not in settings.report:
        return BranchRun(rules_commit=rules_commit)
    return PullRequestRun(
        pull_number=pull.number,
        head=pull.head,
        base=pull.base,
        base_ref=pull.base_ref,
        rules_commit=rules_commit,
    )


def pull_request_rules_commit(context: GitHubContext, git: GitRepo) -> str | None:
    """Return the commit whose config and guidelines apply to a pull request.

    It is the tip of the default branch: a pull request must not change the rules of its own review.
    None outside of pull requests, and for a fork's. Raises ConfigError in a shallow clone.
    """
    pull = context.pull_request
    if pull is None or context.from_fork:
        return None
    name = context.default_branch or git.default_branch_guess() or "main"
    tip = git.branch_tip(name)
    if tip is None and pull.base_ref == name and git.has_commit(pull.base):
        tip = pull.base
    if tip is None:
        raise ConfigError(
            f"The branch {name}, whose config and guidelines apply to a pull request, is not in "
            "this shallow clone.",
            fix=full_history(),
        )
    return tip


def reviewed_commit(flags: Mapping[str, Any], context: GitHubContext, git: GitRepo) -> str:
    """Return the id of the reviewed commit. Raises ConfigError when there is none."""
    try:
        return git.resolve(flags.get("head") or context.sha or "HEAD")
    except ConfigError as error:
        if not flags.get("head"):
            raise
        raise ConfigError(f"`head`: {error.problem}", fix=error.fix) from None


def _load_settings(
    invocation: Invocation,
    flags: Mapping[str, Any],
    context: GitHubContext,
    git: GitRepo,
    commit: str | None,
) -> Settings:
    """Load the settings; without a *commit* no config file is read.

    Raises ConfigError, also when a file that was named is not in the commit.
    """
    runner, is_chosen = invocation.runner(context.workspace), bool(flags.get("head"))
    sources = (
        flags.get("config-file"),
        invocation.action_inputs.get("config-file"),
        invocation.environ.get("BATCH_ACTION_CONFIG_FILE"),
    )
    named = next(filter(None, map(str.strip, filter(None, sources))), None)
    name = config_file.normalize_name(named or config_file.DEFAULT_NAME, context.workspace)
    file: Mapping[str, Any] = {}
    if commit is not None:
        found = config_file.read_config_file(git, commit, name)
        if found is None and named:
            raise config_file.missing_file_error(name, commit, context.workspace)
        file = found or {}
        if not (runner.actions or is_chosen):
            config_file.warn_of_uncommitted_file(git, commit, name, runner)
        elif context.pull_request is None:
            other = config_file.reference_commit(context, git, commit, is_chosen=is_chosen)
            if other != commit:
                reference = config_file.read_config_file(git, other, name) if other else {}
                file = config_file.guard_config_file(file, name, reference or {}, runner)
    return load_settings(
        flags=flags,
        action_inputs=invocation.action_inputs,
        environ=invocation.environ,
        file=file,
        file_name=name,
    )


def _load_prices(settings: Settings) -> Prices:
    try:
        return pricing.load(settings.prices)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"][1:])
        raise ConfigError(f"`prices`, `{path}` {requirement_of(first)}") from None


def _assign_tasks(
    settings: Settings, flags: Mapping[str, Any], loader: TaskLoader, workspace: Path
) -> tuple[tuple[Assignment, ...], dict[str, Task]]:
    """Return the assignments, and the tasks by name; `prompt-file` replaces all other tasks."""
    if settings.prompt_file:
        # A path given as a flag comes from the user: it may be any file, not only a committed one.
        folder = workspace if flags.get("prompt-file") else None
        task = loader.load_prompt_file(settings.prompt_file, folder)
        settings = settings.model_copy(update={"task": (task.name,), "rules": ()})
        return assign_tasks(settings), {task.name: task}
    assignments = assign_tasks(settings, settings.task if flags.get("task") else ())
    return assignments, loader.load_tasks(a.task for a in assignments)


def _read_github_context(invocation: Invocation, workspace: Path) -> GitHubContext:
    event = read_event(path_of(invocation.environ.get("GITHUB_EVENT_PATH")))
    return replace(github_context(invocation.environ, event), workspace=workspace)


def _complete_github_context(
    context: GitHubContext, github: "GitHubClients | None", git: GitRepo
) -> GitHubContext:
    """Add what the environment and the event did not contain, from GitHub and git."""
    known = context.default_branch and context.private is not None
    if github is not None and not (known and context.repository_id != "local"):
        info = github.client.repository_info()
        context = replace(
            context,
            repository_id=info.id,
            private=info.private,
            default_branch=info.default_branch,
        )
    is_known = context.branch or context.event != "local"
    return context if is_known else replace(context, branch=git.current_branch())


def _open_github(
    invocation: Invocation,
    settings: Settings,
    context: GitHubContext,
    runner: Runner,
    stack: ExitStack,
) -> "GitHubClients | None":
    """Open the GitHub clients; None without a token or without the repository's name."""
    if settings.github_token is None or context.repository is None:
        return None
    from batch_action.clients.github.clients import open_github_clients
    from batch_action.models.github import ACTIONS_BOT

    # On a laptop the token is a person's, but the reports were written by the workflow. Only
    # workflows of this repository can write there as its bot, so the bot is trusted.
    bot = () if runner.actions else (ACTIONS_BOT,)
    return stack.enter_context(
        open_github_clients(
            header_value("github-token", settings.github_token),
            repository=context.repository,
            api_url=context.api_url,
            trusted_authors=(*settings.trusted_authors, *bot),
            write_interval=invocation.write_interval,
            sleep=invocation.sleep,
            hide=runner.hide,
        )
    )


def _open_artifacts(
    invocation: Invocation, runner: Runner, stack: ExitStack
) -> "tuple[ArtifactService | None, str]":
    """Open the artifact service; where there is none, return the reason."""
    environ = invocation.environ
    days = environ.get("GITHUB_RETENTION_DAYS", "")
    place = (
        environ.get("ACTIONS_RESULTS_URL", ""),
        environ.get("ACTIONS_RUNTIME_TOKEN", ""),
        environ.get("GITHUB_SERVER_URL", ""),
    )
    reason = no_artifacts_reason(*place)
    if reason is None:
        from batch_action.clients.artifacts import ArtifactService

        try:
            service = ArtifactService(
                *place,
                max_days=int(days) if days.isdecimal() else None,
                mask=runner.mask,
                sleep=invocation.sleep,
                now=invocation.clock,
            )
            return stack.enter_context(service), ""
        except GitHubError as error:
            reason = error.problem
    if runner.actions:
        runner.annotate("notice", f"The ledger is stored in a file: {reason}")
    return None, reason
