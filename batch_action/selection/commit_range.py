"""From where to where a submit looks: head, base, and what the first run does."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from batch_action.clients.git import GitRepo
from batch_action.context import World
from batch_action.errors import ConfigError
from batch_action.ledger import view
from batch_action.models.github_context import Pull
from batch_action.models.ledger import Ledger

AGO = re.compile(r"(\d{1,4})\s*([hdw])")
LATEST = 20
"""Recorded heads that are asked whether they come after this one."""

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The range of one submit."""

    head: str
    base: str | None
    """None: there is nothing to compare with, the whole tree counts as added."""
    everything: bool
    """`select: all`: the whole tree, changed or not."""
    why: str
    """How the base was found, for the plan and the summary."""
    partial: bool = False
    """`base` leaves out what the last run's commit would not: this head is no later base."""
    forked: bool = False
    """`base` is a branch's tip, and this clone cannot tell where `head` left that branch."""
    behind: bool = False
    """A later commit was looked at before (an old run, run again): it knows better what is owed."""


def choose(world: World, ledger: Ledger, trace: str | None = None) -> Span:
    """The range of tonight's submit.

    The base is the nearest recorded head that is an ancestor of head; without one the newest head
    that this repository still has (a force push), then the *trace* that an earlier run left in its
    issue, then `first-run`. Raises ConfigError, in a shallow clone with the cure.
    """
    settings, git = world.settings, world.git
    if world.context.pulls and world.context.pull and not settings.patch_file:
        return of_pull(world, world.context.pull)
    head = _resolved(world, "head", settings.head or world.context.sha or "HEAD")
    if (wished := _wished(world, head, ledger)) is not None:
        return wished
    recorded = list(view.heads(ledger, world.scope))
    if recorded:
        return _since(world, head, recorded)
    if trace and git.has_commit(trace):
        world.warn(
            f"No trusted ledger was found, but our report names commit {trace[:12]}: the review "
            "goes on from there. If a clean-up job deletes artifacts, let it keep batch-action-*."
        )
        return Span(head=head, base=trace, everything=False, why="the head named in our report")
    base = first_base(world, head)
    return Span(head=head, base=base, everything=False, why=f"first run: {settings.first_run}")


def _wished(world: World, head: str, ledger: Ledger) -> Span | None:
    """The range that an input names."""
    settings = world.settings
    if settings.patch_file:
        # Nothing but the patch is looked at, and its commit is nobody's base.
        why = "`patch-file`"
        return Span(head=head, base=settings.base, everything=False, why=why, partial=True)
    if settings.select == "all":
        return Span(head=head, base=None, everything=True, why="`select: all`")
    if settings.base:
        given = _resolved(world, "base", settings.base)
        partial = _leaves_out(world, head, given, view.heads(ledger, world.scope))
        return Span(head=head, base=given, everything=False, why="`base`", partial=partial)
    return None


def of_pull(world: World, pull: Pull) -> Span:
    """All that a pull request changes, from where its branch left the other one.

    Every push looks at all of it again: what has its verdict is not asked again. In a shallow clone
    the base stands for that place, and the caller may ask the compare API. Raises ConfigError.
    """
    if not world.git.has_commit(pull.head):
        raise ConfigError(
            f"The head of pull request #{pull.number}, {pull.head[:12]}, is not in this shallow "
            "clone.",
            fix="Set `fetch-depth: 0` at actions/checkout.",
        )
    fork = fork_of(world.git, pull.head, into=pull.into, base=pull.base)
    why = f"where pull request #{pull.number} begins"
    base = fork or pull.base
    return Span(head=pull.head, base=base, everything=False, why=why, forked=fork is None)


def fork_of(git: GitRepo, head: str, *, into: str, base: str) -> str | None:
    """Where a pull request left the branch it is to be merged into; None when git cannot tell.

    GitHub's *base* may be older than what was merged from that branch since: its tip is asked
    first, so that other people's changes do not count as this pull request's.
    """
    tip = git.branch_tip(into) if into else None
    found = (git.merge_base(one, head) for one in (tip, base) if one)
    return next((fork for fork in found if fork), None)


def _leaves_out(world: World, head: str, given: str, recorded: tuple[str, ...]) -> bool:
    """Whether counting from *given* skips changes since the last run."""
    if not recorded:
        return False
    nearest = world.git.nearest_ancestor(list(recorded), head)
    return nearest is None or not world.git.is_ancestor(given, nearest)


def _since(world: World, head: str, recorded: list[str]) -> Span:
    git = world.git
    if any(git.is_ancestor(head, later) for later in recorded[:LATEST] if later != head):
        base = head if head in recorded else git.nearest_ancestor(recorded, head) or head
        why = "a later commit was reviewed before"
        return Span(head=head, base=base, everything=False, why=why, behind=True)
    if head in recorded:
        return Span(head=head, base=head, everything=False, why="the last run was on this commit")
    nearest = git.nearest_ancestor(recorded, head)
    if nearest is not None:
        return Span(head=head, base=nearest, everything=False, why="the last run's commit")
    there = next((commit for commit in recorded if git.has_commit(commit)), None)
    if there is not None:
        if not git.is_shallow():
            world.warn(
                f"Commit {there[:12]} of the last run is no ancestor of {head[:12]} (force push?): "
                "the two trees are compared."
            )
        return Span(head=head, base=there, everything=False, why="the last run's tree")
    if git.is_shallow():
        # Its objects are not here, so neither are the hunks: the caller may ask the compare API.
        return Span(head=head, base=recorded[0], everything=False, why="the last run's commit")
    world.warn(
        f"Commit {recorded[0][:12]} of the last run is gone from this repository (force push?): "
        f"`first-run: {world.settings.first_run}` decides instead."
    )
    return Span(head=head, base=first_base(world, head), everything=False, why="first run again")


def first_base(world: World, head: str) -> str | None:
    """Where the first run counts from. Raises ConfigError naming the input."""
    wish, git = world.settings.first_run.strip(), world.git
    if wish == "all":
        return None
    if wish == "none":
        return head
    if wish == "last-commit":
        found = git.parent(head)
    elif when := _moment(wish, world.now()):
        found = git.commit_before(head, when)
    else:
        return _resolved(world, "first-run", wish)
    if found is None and git.is_shallow():
        raise ConfigError(
            f"`first-run: {wish}` needs history that this shallow clone does not have.",
            fix="Set `fetch-depth: 0` at actions/checkout.",
        )
    return found


def _resolved(world: World, name: str, rev: str) -> str:
    try:
        return world.git.resolve(rev)
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
