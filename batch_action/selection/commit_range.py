"""From where to where a submit looks: head, base, and what the first run does."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from batch_action.clients.git import GitRepo
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.ledger import view
from batch_action.models.github_context import PullRequestContext
from batch_action.models.ledger import Ledger

AGO = re.compile(r"(\d{1,4})\s*([hdw])")
LATEST = 20
"""Recorded heads that are asked whether they come after this one."""

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRange:
    """The range of one submit."""

    head: str
    base: str | None
    """None: there is nothing to compare with, the whole tree counts as added."""
    everything: bool
    """`select: all`: the whole tree, changed or not."""
    explanation: str
    """How the base was found, for the plan and the summary."""
    partial: bool = False
    """`base` leaves out what the last run's commit would not: this head is no later base."""
    forked: bool = False
    """`base` is a branch's tip, and this clone cannot tell where `head` left that branch."""
    behind: bool = False
    """A later commit was looked at before (an old run, run again): it knows better what is owed."""


def choose(ctx: RunContext, ledger: Ledger, trace: str | None = None) -> CommitRange:
    """The range of tonight's submit.

    The base is the nearest recorded head that is an ancestor of head; without one the newest head
    that this repository still has (a force push), then the *trace* that an earlier run left in its
    issue, then `first-run`. Raises ConfigError, in a shallow clone with the cure.
    """
    settings, git = ctx.settings, ctx.git
    if ctx.context.pulls and ctx.context.pull and not settings.patch_file:
        return of_pull(ctx, ctx.context.pull)
    head = _resolved(ctx, "head", settings.head or ctx.context.sha or "HEAD")
    if (wished := _wished(ctx, head, ledger)) is not None:
        return wished
    recorded = list(view.heads(ledger, ctx.scope))
    if recorded:
        return _since(ctx, head, recorded)
    if trace and git.has_commit(trace):
        ctx.warn(
            f"No trusted ledger was found, but our report names commit {trace[:12]}: the review "
            "goes on from there. If a clean-up job deletes artifacts, let it keep batch-action-*."
        )
        return CommitRange(
            head=head, base=trace, everything=False, explanation="the head named in our report"
        )
    base = first_base(ctx, head)
    return CommitRange(
        head=head, base=base, everything=False, explanation=f"first run: {settings.first_run}"
    )


def _wished(ctx: RunContext, head: str, ledger: Ledger) -> CommitRange | None:
    """The range that an input names."""
    settings = ctx.settings
    if settings.patch_file:
        # Nothing but the patch is looked at, and its commit is nobody's base.
        why = "`patch-file`"
        return CommitRange(
            head=head, base=settings.base, everything=False, explanation=why, partial=True
        )
    if settings.select == "all":
        return CommitRange(head=head, base=None, everything=True, explanation="`select: all`")
    if settings.base:
        given = _resolved(ctx, "base", settings.base)
        partial = _leaves_out(ctx, head, given, view.heads(ledger, ctx.scope))
        return CommitRange(
            head=head, base=given, everything=False, explanation="`base`", partial=partial
        )
    return None


def of_pull(ctx: RunContext, pull: PullRequestContext) -> CommitRange:
    """All that a pull request changes, from where its branch left the other one.

    Every push looks at all of it again: what has its verdict is not asked again. In a shallow clone
    the base stands for that place, and the caller may ask the compare API. Raises ConfigError.
    """
    if not ctx.git.has_commit(pull.head):
        raise ConfigError(
            f"The head of pull request #{pull.number}, {pull.head[:12]}, is not in this shallow "
            "clone.",
            fix="Set `fetch-depth: 0` at actions/checkout.",
        )
    fork = fork_of(ctx.git, pull.head, into=pull.into, base=pull.base)
    why = f"where pull request #{pull.number} begins"
    base = fork or pull.base
    return CommitRange(
        head=pull.head, base=base, everything=False, explanation=why, forked=fork is None
    )


def fork_of(git: GitRepo, head: str, *, into: str, base: str) -> str | None:
    """Where a pull request left the branch it is to be merged into; None when git cannot tell.

    GitHub's *base* may be older than what was merged from that branch since: its tip is asked
    first, so that other people's changes do not count as this pull request's.
    """
    tip = git.branch_tip(into) if into else None
    found = (git.merge_base(one, head) for one in (tip, base) if one)
    return next((fork for fork in found if fork), None)


def _leaves_out(ctx: RunContext, head: str, given: str, recorded: tuple[str, ...]) -> bool:
    """Whether counting from *given* skips changes since the last run."""
    if not recorded:
        return False
    nearest = ctx.git.nearest_ancestor(list(recorded), head)
    return nearest is None or not ctx.git.is_ancestor(given, nearest)


def _since(ctx: RunContext, head: str, recorded: list[str]) -> CommitRange:
    git = ctx.git
    if any(git.is_ancestor(head, later) for later in recorded[:LATEST] if later != head):
        base = head if head in recorded else git.nearest_ancestor(recorded, head) or head
        why = "a later commit was reviewed before"
        return CommitRange(head=head, base=base, everything=False, explanation=why, behind=True)
    if head in recorded:
        return CommitRange(
            head=head, base=head, everything=False, explanation="the last run was on this commit"
        )
    nearest = git.nearest_ancestor(recorded, head)
    if nearest is not None:
        return CommitRange(
            head=head, base=nearest, everything=False, explanation="the last run's commit"
        )
    there = next((commit for commit in recorded if git.has_commit(commit)), None)
    if there is not None:
        if not git.is_shallow():
            ctx.warn(
                f"Commit {there[:12]} of the last run is no ancestor of {head[:12]} (force push?): "
                "the two trees are compared."
            )
        return CommitRange(
            head=head, base=there, everything=False, explanation="the last run's tree"
        )
    if git.is_shallow():
        # Its objects are not here, so neither are the hunks: the caller may ask the compare API.
        return CommitRange(
            head=head, base=recorded[0], everything=False, explanation="the last run's commit"
        )
    ctx.warn(
        f"Commit {recorded[0][:12]} of the last run is gone from this repository (force push?): "
        f"`first-run: {ctx.settings.first_run}` decides instead."
    )
    return CommitRange(
        head=head, base=first_base(ctx, head), everything=False, explanation="first run again"
    )


def first_base(ctx: RunContext, head: str) -> str | None:
    """Where the first run counts from. Raises ConfigError naming the input."""
    wish, git = ctx.settings.first_run.strip(), ctx.git
    if wish == "all":
        return None
    if wish == "none":
        return head
    if wish == "last-commit":
        found = git.parent(head)
    elif when := _moment(wish, ctx.now()):
        found = git.commit_before(head, when)
    else:
        return _resolved(ctx, "first-run", wish)
    if found is None and git.is_shallow():
        raise ConfigError(
            f"`first-run: {wish}` needs history that this shallow clone does not have.",
            fix="Set `fetch-depth: 0` at actions/checkout.",
        )
    return found


def _resolved(ctx: RunContext, name: str, rev: str) -> str:
    try:
        return ctx.git.resolve(rev)
    except ConfigError as error:
        raise ConfigError(f"`{name}`: {error.problem}", fix=error.fix) from None


def _moment(wish: str, now: datetime) -> datetime | None:
    if match := AGO.fullmatch(wish):
        return now - int(match[1]) * UNITS[match[2]]
    try:
        when = datetime.fromisoformat(wish)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
