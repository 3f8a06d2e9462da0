"""Choose the commits that a submit compares: head and base, with or without an earlier run."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from batch_action.clients.git import GitRepo
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import ConfigError, full_history
from batch_action.ledger.view import LedgerView
from batch_action.models.github_context import PullRequestRun

RELATIVE_TIME = re.compile(r"(\d{1,4})\s*([hdw])")
"""A value of `first-run` such as `24h`."""
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

MAX_HEADS_COMPARED = 20
"""How many recorded heads are checked for being later than this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRange:
    """The commits that one submit compares."""

    head: str
    base: str | None
    """None: there is nothing to compare with, and all files count as added."""
    all_files: bool = False
    """`select: all`: select unchanged files, too."""
    explanation: str
    """How the base was found, for the plan and the summary."""
    partial: bool = False
    """The range skips changes since the last run, so this head cannot be a later run's base."""
    fork_unknown: bool = False
    """`base` is a branch's tip: this clone cannot tell where `head` forked from that branch."""
    first: bool = False
    """No earlier run has left a trace."""
    behind: bool = False
    """An earlier run reviewed a later commit (this is a re-run of an old run)."""


def choose_range(
    ctx: RunContext, view: LedgerView, last_reported_head: str | None = None
) -> CommitRange:
    """Choose the range of this submit.

    The base is the nearest recorded head that is an ancestor of head; without one the newest head
    that this repository still has (a force push), then *last_reported_head* (the commit that our
    latest report names), then `first-run`.

    Raises ConfigError: a revision is unknown, or a shallow clone lacks the history.
    """
    settings = ctx.settings
    if isinstance(ctx.run, PullRequestRun) and not settings.patch_file:
        return _pull_request_range(ctx.git, ctx.run)
    head = find_head(ctx)
    recorded = list(view.recorded_heads(ctx.scope))
    is_first = not (recorded or last_reported_head)
    if (explicit := _explicit_range(ctx.git, settings, head, recorded)) is not None:
        return replace(explicit, first=is_first)
    if recorded:
        return _range_since(ctx, head, recorded)
    if last_reported_head and ctx.git.has_commit(last_reported_head):
        ctx.warn(
            f"No trusted ledger was found, but our report names commit {last_reported_head[:12]}: "
            "the review continues from there. If a clean-up job deletes artifacts, exclude "
            "batch-action-*."
        )
        return CommitRange(
            head=head, base=last_reported_head, explanation="the commit named in our report"
        )
    base, explanation = _first_run_base(ctx, head), f"first run: {settings.first_run}"
    return CommitRange(head=head, base=base, explanation=explanation, first=is_first)


def find_head(ctx: RunContext) -> str:
    """Return the commit that a submit of a branch is about. Raises ConfigError: it is unknown."""
    return _resolve(ctx.git, "head", ctx.settings.head or ctx.github_context.sha or "HEAD")


def _explicit_range(
    git: GitRepo, settings: Settings, head: str, recorded: list[str]
) -> CommitRange | None:
    """Return the range that an input names."""
    if settings.patch_file:
        # Only the patch is reviewed, and its temporary commit cannot be a later run's base.
        return CommitRange(head=head, base=settings.base, explanation="`patch-file`", partial=True)
    if settings.select == "all":
        return CommitRange(head=head, base=None, all_files=True, explanation="`select: all`")
    if not settings.base:
        return None
    base = _resolve(git, "base", settings.base)
    nearest = git.nearest_ancestor(recorded, head) if recorded else base
    partial = nearest != base and (nearest is None or not git.is_ancestor(base, nearest))
    return CommitRange(head=head, base=base, explanation="`base`", partial=partial)


def _pull_request_range(git: GitRepo, run: PullRequestRun) -> CommitRange:
    """Return the range of everything that a pull request changes, from its fork point.

    Every push is compared from there again; requests that have a verdict are not sent again. In a
    shallow clone the base is the target branch's commit, and the caller may ask the compare API.
    Raises ConfigError: the pull request's head is not in this clone.
    """
    if not git.has_commit(run.head):
        raise ConfigError(
            f"The head of pull request #{run.pull_number}, {run.head[:12]}, is not in this shallow "
            "clone.",
            fix=full_history(),
        )
    fork = fork_point(git, run.head, into=run.base_ref, base=run.base)
    return CommitRange(
        head=run.head,
        base=fork or run.base,
        explanation=f"the fork point of pull request #{run.pull_number}",
        fork_unknown=fork is None,
    )


def fork_point(git: GitRepo, head: str, *, into: str, base: str) -> str | None:
    """Return where a pull request forked from the branch *into*; None when git cannot tell.

    GitHub's *base* may be older than what was merged from that branch since, so the branch's tip is
    tried first: other people's changes do not count as this pull request's.
    """
    tip = git.branch_tip(into) if into else None
    candidates = (git.merge_base(commit, head) for commit in (tip, base) if commit)
    return next((fork for fork in candidates if fork), None)


def _range_since(ctx: RunContext, head: str, recorded: list[str]) -> CommitRange:
    """Return the range from the best of the recorded heads, newest first in *recorded*."""
    git = ctx.git
    nearest = git.nearest_ancestor(recorded, head)
    later = (commit for commit in recorded[:MAX_HEADS_COMPARED] if commit != head)
    if any(git.is_ancestor(head, commit) for commit in later):
        explanation = "a later commit was already reviewed"
        return CommitRange(head=head, base=nearest or head, explanation=explanation, behind=True)
    if nearest is not None:
        same = "the last run was on this commit" if nearest == head else "the last run's commit"
        return CommitRange(head=head, base=nearest, explanation=same)
    available = next((commit for commit in recorded if git.has_commit(commit)), None)
    if available is not None:
        if not git.is_shallow():
            ctx.warn(
                f"Commit {available[:12]} of the last run is not an ancestor of {head[:12]} (force "
                "push?): the two trees are compared."
            )
        return CommitRange(head=head, base=available, explanation="the last run's tree")
    if git.is_shallow():
        # Its objects are not here, so neither are the hunks: the caller may ask the compare API.
        return CommitRange(head=head, base=recorded[0], explanation="the last run's commit")
    ctx.warn(
        f"Commit {recorded[0][:12]} of the last run is gone from this repository (force push?): "
        f"`first-run: {ctx.settings.first_run}` decides instead."
    )
    return CommitRange(head=head, base=_first_run_base(ctx, head), explanation="first run again")


def _first_run_base(ctx: RunContext, head: str) -> str | None:
    """Return the base of the first run, by `first-run`; None means all files.

    Raises ConfigError: the revision is unknown, or a shallow clone lacks the history.
    """
    value, git = ctx.settings.first_run.strip(), ctx.git
    if value == "all":
        return None
    if value == "none":
        return head
    if value == "last-commit":
        base = git.parent(head)
    elif when := _parse_time(value, ctx.now()):
        base = git.commit_before(head, when)
    else:
        return _resolve(git, "first-run", value)
    if base is None and git.is_shallow():
        raise ConfigError(
            f"`first-run: {value}` needs history that this shallow clone does not have.",
            fix=full_history(),
        )
    return base


def _resolve(git: GitRepo, name: str, rev: str) -> str:
    try:
        return git.resolve(rev)
    except ConfigError as error:
        raise ConfigError(f"`{name}`: {error.problem}", fix=error.fix) from None


def _parse_time(value: str, now: datetime) -> datetime | None:
    """Return the time of `24h`, `7d`, `2w` or an ISO date, UTC without a zone; None otherwise."""
    if match := RELATIVE_TIME.fullmatch(value):
        return now - int(match[1]) * UNITS[match[2]]
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
