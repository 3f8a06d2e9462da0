"""From memory and repository to a plan: what `plan` shows and `submit` sends."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from batch_action.edges.secrets import mask
from batch_action.history import files
from batch_action.history.files import Owed
from batch_action.models.files import Change, Reason, Selection, Skipped
from batch_action.models.requests import ModelFacts, Plan
from batch_action.selection.rules import Rules
from batch_action.steps import asking, choosing, planning, reading, span, suiting
from batch_action.steps import memory as memories
from batch_action.steps.delivery import issue, sarif, singles
from batch_action.steps.memory import Memory
from batch_action.steps.span import Span
from batch_action.steps.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan with the selection it came from."""

    selection: Selection
    why: str
    """How the base was found."""
    partial: bool
    """Whether the base leaves something out."""
    behind: bool
    """Whether a later commit was looked at before."""
    plan: Plan


def prepare(
    world: World,
    memory: Memory,
    *,
    model: ModelFacts | None = None,
    clock: datetime | None = None,
    exact: bool = False,
) -> Prepared:
    """Select, read, ask and price; nothing is sent or saved. Raises ConfigError.

    *model* and *clock*: what Anthropic says of the model, and its time, where they were asked.
    """
    settings = world.settings
    ledger = memories.scope(world, memory.ledger)
    chosen = span.choose(world, ledger, _trace(world, memory))
    # A pull request is looked at as a whole each time, as is a patch: what is owed is among what it
    # changes.
    alone = chosen.behind or world.pull or settings.patch_file
    owed = {} if alone else files.unsettled(ledger, world.scope)
    with world.screen.progress("Reading files", 1) as progress:
        selection = reading.read(
            world.git,
            head=chosen.head,
            base=chosen.base,
            everything=chosen.everything,
            owed={path: item.old for path, item in owed.items()},
            rules=Rules(settings.paths, settings.paths_ignore, elsewhere=world.elsewhere),
            max_file_bytes=settings.max_file_bytes,
            attributes_from=world.rules_at(chosen.head),
            mask=mask,
            progress=progress,
            changes=_compared(world, chosen),
        )
    if chosen.behind:
        selection = _without_newer(selection, files.newest(ledger))
    selection = suiting.suit(world, selection)
    asked = asking.ask(world, ledger, selection, model.max_tokens if model else None)
    choice = choosing.choose(world, asked, ledger, clock or world.now())
    return Prepared(
        selection=asked.selection,
        why=chosen.why,
        partial=chosen.partial or chosen.behind,
        behind=chosen.behind,
        plan=planning.plan(world, asked, memories.spending(world, memory), choice, exact=exact),
    )


def _without_newer(selection: Selection, newest: Mapping[str, Owed]) -> Selection:
    """An older commit's selection without the files of which a later version is known."""
    late = [file for file in selection.files if file.path in newest]
    skipped = [
        Skipped(path=file.path, reason=Reason.SAME_AS_BEFORE, detail="a later version is known")
        for file in late
    ]
    return replace(
        selection,
        files=tuple(file for file in selection.files if file.path not in newest),
        skipped=(*selection.skipped, *skipped),
    )


def _compared(world: World, chosen: Span) -> list[Change] | None:
    """What changed, asked of GitHub where a shallow clone does not reach back to the base.

    The API tells no modes and no old blobs: modes come from head's tree, and the files are
    reviewed whole. Raises GitHubError naming `fetch-depth: 0` where its answer is not complete.
    """
    git = world.git
    if chosen.base is None or (git.has_commit(chosen.base) and not chosen.forked):
        return None
    if world.github is None or not git.is_shallow():
        return None
    lacking = f"This shallow clone does not hold {chosen.base[:12]}, the commit of the last run: "
    if chosen.forked:
        lacking = "This shallow clone does not hold the place where this pull request begins: "
    world.warn(
        f"{lacking}GitHub tells what changed, and those files are reviewed whole. "
        "`fetch-depth: 0` is better."
    )
    changes = world.github.client.compare(chosen.base, chosen.head, forked=chosen.forked)
    tree = {entry.path: entry for entry in git.tree(chosen.head)}
    return [
        replace(change, mode=tree[change.path].mode) if change.path in tree else change
        for change in changes
    ]


def _trace(world: World, memory: Memory) -> str | None:
    """The head our issues or alerts name, asked for only when there is no ledger to ask."""
    if world.pull or world.github is None or files.heads(memory.ledger):
        return None
    edge, key = world.github.issues, world.settings.state_key
    name, repository = world.task.name, world.context.repository_id
    head = ""
    if "issue" in world.settings.report:
        rolling = issue.remember(edge, name, repository, key)
        head = rolling.memory.head if rolling else ""
    if not head and "issue-per-finding" in world.settings.report:
        told = singles.remember(edge, name, key, repository)
        head = singles.newest_head(told, world.git)
    if not head and "sarif" in world.settings.report:
        head = sarif.analysed_head(world)
    return head or None
