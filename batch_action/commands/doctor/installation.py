"""How the action is installed: permissions, storage, history, trust, schedule, double reviews."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import PurePosixPath

from batch_action.clients.git import GitRepo
from batch_action.clients.github.clients import GitHubClients
from batch_action.clients.github.errors import RefusedError
from batch_action.commands.doctor.check import Check, fail, not_checkable, ok, warn
from batch_action.commands.doctor.workflows import EXPRESSION, ActionJob
from batch_action.config.loading import Assignment, assign_tasks
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import ConfigError, full_history
from batch_action.ledger import trust
from batch_action.ledger.trust import TRUSTED_EVENTS
from batch_action.models.github_context import PULL_REQUEST_EVENT
from batch_action.selection.patterns import PathRules
from batch_action.text import task_title

INACTIVITY = timedelta(days=60)
"""After so long without activity GitHub disables the schedules of a public repository."""
INACTIVITY_NOTICE = timedelta(days=10)
SENDING_MODES = ("run", "submit")
BASIC = {"contents": "read", "actions": "read"}
"""What every mode needs."""
BY_DESTINATION: Mapping[str, Mapping[str, str]] = {
    "issue": {"issues": "write"},
    "issue-per-finding": {"issues": "write"},
    "pr-review": {"pull-requests": "write"},
    "draft-pr": {"contents": "write", "pull-requests": "write"},
    "sarif": {"security-events": "write"},
}
ENABLE = "Enable it on its page in the Actions tab, or with `gh workflow enable`."
_STOPPED = {
    "disabled_inactivity": "GitHub has disabled {path}: the repository had no activity for 60 days",
    "disabled_manually": "{path} is disabled",
    "disabled_fork": "{path} is disabled, because the repository is a fork",
}


@dataclass(frozen=True, slots=True)
class Installation:
    """The jobs that run the action, and the one in which this is run."""

    jobs: tuple[ActionJob, ...]
    running: tuple[ActionJob, ...]
    """Of this run's job; empty outside of Actions, or when its workflow cannot be read."""


def needed_permissions(settings: Settings, mode: str) -> dict[str, str]:
    """Return the scopes, with their levels, that a mode needs with these settings."""
    needed = dict(BASIC)
    if mode == "propose":
        return {**needed, **BY_DESTINATION["draft-pr"]}
    for destination in settings.report:
        for scope, level in BY_DESTINATION.get(destination, {}).items():
            # A submit reads what the issues hold; code scanning it asks before it spends.
            only_reads = mode in ("submit", "plan", "status") and destination != "sarif"
            needed[scope] = needed.get(scope, "read") if only_reads else level
    if settings.pull_requests:
        needed["pull-requests"] = "write"
    if settings.anthropic_federation_rule_id:
        needed["id-token"] = "write"
    return needed


def check_permissions(ctx: RunContext, installation: Installation) -> Iterator[Check]:
    """Compare the `permissions:` of the workflow file with what the run needs to write."""
    jobs = installation.running if ctx.runner.actions else installation.jobs
    if not jobs:
        yield not_checkable(
            "permissions",
            "The workflow file of this run is not in this clone, or calls another one."
            if ctx.runner.actions
            else "No workflow of this commit uses the action.",
            "" if ctx.runner.actions else "`batch-action init` writes one.",
        )
    for job in jobs:
        yield from _check_permissions_of(ctx, job)


def _check_permissions_of(ctx: RunContext, job: ActionJob) -> Iterator[Check]:
    try:
        settings = ctx.settings if ctx.runner.actions else job.settings
    except ConfigError as error:
        yield fail("permissions", f"The inputs of {job.title}: {error.problem}", error.fix)
        return
    needed = needed_permissions(settings, job.mode)
    if ctx.github_context.private is False:
        # Everybody may read a public repository, but for its alerts.
        needed = {scope: level for scope, level in needed.items() if level == "write"}
    lines = ", ".join(f"`{scope}: {level}`" for scope, level in sorted(needed.items()))
    if job.permissions is None:
        yield not_checkable(
            "permissions",
            f"{job.title} declares no `permissions:`, so the repository's setting decides.",
            f"Declare them in the job: {lines}.",
        )
        return
    missing = [s for s, level in needed.items() if not job.has_permission(s, level)]
    if missing:
        lacking = ", ".join(f"`{scope}: {needed[scope]}`" for scope in missing)
        yield fail(
            "permissions", f"{job.title} lacks {lacking}.", f"Its `permissions:` need {lines}."
        )
    else:
        yield ok("permissions", f"{job.title} has {lines or 'what it needs'}.")


def check_storage(ctx: RunContext) -> Iterator[Check]:
    """Check that there is a place for the ledger."""
    try:
        trust.refusal_of_this_run(ctx)
    except ConfigError as error:
        yield fail("storage", error.problem, error.fix)
        return
    place = "an artifact of each run" if ctx.artifacts else f"a file in {ctx.state_dir}"
    is_local = not (ctx.artifacts or ctx.runner.actions)
    note = "; that of a workflow is in its artifacts" if is_local else ""
    yield ok("storage", f"The ledger is {place}{note}.")


def check_trust(ctx: RunContext, installation: Installation) -> Iterator[Check]:
    """Check that later runs would believe the ledger of this event, or of the workflows'."""
    if ctx.runner.actions:
        try:
            reason = trust.refusal_of_this_run(ctx)
        except ConfigError:
            return  # `check_storage` reports it.
        context = ctx.github_context
        if reason:
            events = ", ".join(sorted(TRUSTED_EVENTS))
            yield fail("trust", reason, f"Start it by {events}, on the default branch.")
        else:
            yield ok("trust", f"Later runs believe a `{context.event}` run on {context.branch}.")
        return
    yield not_checkable("trust", "Whether an event's ledger is believed shows in its own run.")
    accepted = TRUSTED_EVENTS | {PULL_REQUEST_EVENT}
    for job in installation.jobs:
        refused = sorted(job.triggers - accepted - {"workflow_call"})
        if job.mode in SENDING_MODES and refused:
            yield warn(
                "trust",
                f"{job.title} also runs on {', '.join(refused)}, whose ledgers no run believes: "
                "such a run sends nothing.",
                f"Remove it from `on:`; {', '.join(sorted(accepted))} count.",
            )


def check_history(git: GitRepo) -> Iterator[Check]:
    """Check that the clone has the commits that a run compares."""
    if git.is_shallow():
        yield warn(
            "history",
            "This clone is shallow: an older base, and renames, are not in it.",
            full_history(),
        )
    else:
        yield ok("history", "The clone has its whole history.")


def check_schedule(ctx: RunContext, installation: Installation, head: str) -> Iterator[Check]:
    """Check that a schedule starts the runs, and that GitHub will not soon disable it."""
    jobs = [job for job in installation.jobs if job.mode in ("run", "collect")]
    paths = sorted({job.path for job in jobs if "schedule" in job.triggers})
    if not paths:
        found = "No workflow of this commit that collects has a schedule."
        yield warn("schedule", found, "Add `on: schedule`, or run `batch-action serve`.")
        return
    stopped = [check for path in paths if (check := _check_workflow(ctx.github, path)) is not None]
    yield from stopped
    idle = ctx.now() - _last_activity(ctx.git, ctx.github, head)
    if not stopped and ctx.github_context.private is not True and idle > _NOTICE_AFTER:
        yield warn(
            "schedule",
            f"Nothing was pushed for {idle.days} days: after 60 days without activity GitHub "
            "disables the schedules of a public repository.",
            f"Push something before, or afterwards: {ENABLE[0].lower()}{ENABLE[1:]}",
        )
    elif not stopped and ctx.github is None:
        yield not_checkable("schedule", "Without a token GitHub does not say if it is enabled.")
    elif not stopped:
        yield ok("schedule", f"{', '.join(paths)} has a schedule.")


_NOTICE_AFTER = INACTIVITY - INACTIVITY_NOTICE


def _check_workflow(github: GitHubClients | None, path: str) -> Check | None:
    """Return what keeps a workflow from running; None when nothing does, or nobody knows."""
    if github is None:
        return None
    try:
        state = github.actions.workflow_state(PurePosixPath(path).name)
    except RefusedError as error:
        return not_checkable("schedule", f"The state of {path}: {error.problem}", error.fix)
    if state is None:
        return warn(
            "schedule",
            f"GitHub does not know {path}.",
            "A schedule counts once the file is on the default branch.",
        )
    text = _STOPPED.get(state)
    return fail("schedule", text.format(path=path) + ".", ENABLE) if text else None


def _last_activity(git: GitRepo, github: GitHubClients | None, head: str) -> datetime:
    committed = git.commit_time(head)
    pushed = github.client.repository_info().pushed_at if github else None
    return max(committed, pushed or committed)


def check_double_reviews(git: GitRepo, installation: Installation, head: str) -> Iterator[Check]:
    """Check that no two jobs review the same files for the same task."""
    senders = [
        job
        for job in installation.jobs
        if job.mode in SENDING_MODES and job.triggers - {PULL_REQUEST_EVENT}
    ]
    known, findings = [], []
    for job in senders:
        if unknown := job.unknown_inputs:
            names = ", ".join(f"`{name}`" for name in unknown)
            findings.append(not_checkable("reviews", f"{job.title}: {names} is an expression."))
        else:
            known.append(job)
        if job.is_matrix and not job.inputs.get("state-key"):
            findings.append(
                fail(
                    "reviews",
                    f"The jobs of the matrix of {job.title} share one ledger.",
                    "Give each its own `state-key`, and its own `paths` or `task`.",
                )
            )
        if not job.concurrency:
            findings.append(
                warn(
                    "reviews",
                    f"{job.title} has no `concurrency:`, so two of its runs may send at once.",
                    "Add `concurrency: {group: batch-action, cancel-in-progress: false}`.",
                )
            )
    paths = [entry.path for entry in git.tree(head)]
    for pair in combinations(known, 2):
        findings += _compare(pair, paths)
    yield from findings or [ok("reviews", "No two jobs review the same files.")]


def _compare(pair: tuple[ActionJob, ActionJob], paths: Sequence[str]) -> Iterator[Check]:
    try:
        first, second = (assign_tasks(job.settings) for job in pair)
    except ConfigError:
        return  # `check_permissions` reports it.
    for one in first:
        for other in second:
            shared = one.task == other.task and _first_shared(one, other, paths)
            if not shared:
                continue
            title = task_title(one.task, one.settings.state_key)
            where = f"{pair[0].title} and {pair[1].title}"
            if one.settings.state_key != other.settings.state_key:
                yield warn(
                    "reviews",
                    f"{where} both review {shared} for {one.task}, each with its own ledger: it is "
                    "paid for twice.",
                    "Give them `paths` that do not overlap, or the same `state-key`.",
                )
            elif _exclude_each_other(*pair):
                yield warn(
                    "reviews",
                    f"{where} review the same files for {title} with one ledger: what one has "
                    "sent, the other does not send again.",
                    "Remove one, unless you want both.",
                )
            else:
                yield warn(
                    "reviews",
                    f"{where} review the same files for {title} with one ledger, and may run at "
                    "the same time.",
                    "Remove one, or give both the same `concurrency:` group.",
                )


def _exclude_each_other(one: ActionJob, other: ActionJob) -> bool:
    # An expression such as `github.workflow` has another value in each file.
    is_same_value = one.path == other.path or EXPRESSION not in one.concurrency
    return bool(one.concurrency) and one.concurrency == other.concurrency and is_same_value


def _first_shared(one: Assignment, other: Assignment, paths: Sequence[str]) -> str | None:
    rules = [
        PathRules(
            each.settings.paths,
            each.settings.paths_ignore,
            other_tasks_patterns=each.other_tasks_patterns,
        )
        for each in (one, other)
    ]
    return next((p for p in paths if all(r.skip(p) is None for r in rules)), None)
