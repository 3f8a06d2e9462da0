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
from batch_action.steps import asking, planning, reading, span
from batch_action.steps.delivery import issue
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
    chosen = span.choose(world, memory.ledger, _trace(world, memory))
    owed = {} if chosen.behind else files.unsettled(memory.ledger, world.scope)
    with world.screen.progress("Reading files", 1) as progress:
        selection = reading.read(
            world.git,
            head=chosen.head,
            base=chosen.base,
            everything=chosen.everything,
            owed={path: item.old for path, item in owed.items()},
            rules=Rules(settings.paths, settings.paths_ignore, elsewhere=world.elsewhere),
            max_file_bytes=settings.max_file_bytes,
            attributes_from=chosen.head,
            mask=mask,
            progress=progress,
            changes=_compared(world, chosen),
        )
    if chosen.behind:
        selection = _without_newer(selection, files.newest(memory.ledger))
    asked = asking.ask(world, memory.ledger, selection, model.max_tokens if model else None)
    return Prepared(
        selection=asked.selection,
        why=chosen.why,
        partial=chosen.partial or chosen.behind,
        behind=chosen.behind,
        plan=planning.plan(world, asked, memory.ledger, exact=exact, clock=clock),
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
    if chosen.base is None or git.has_commit(chosen.base):
        return None
    if world.github is None or not git.is_shallow():
        return None
    world.warn(
        f"This shallow clone does not hold {chosen.base[:12]}, the commit of the last run: GitHub "
        "tells what changed, and those files are reviewed whole. `fetch-depth: 0` is better."
    )
    changes = world.github.client.compare(chosen.base, chosen.head)
    tree = {entry.path: entry for entry in git.tree(chosen.head)}
    return [
        replace(change, mode=tree[change.path].mode) if change.path in tree else change
        for change in changes
    ]


def _trace(world: World, memory: Memory) -> str | None:
    """The head our issue names, asked for only when there is no ledger to ask."""
    if files.heads(memory.ledger) or world.github is None or "issue" not in world.settings.report:
        return None
    found = issue.remember(world.github.issues, world.task.name, world.context.repository_id)
    return found.memory.head or None if found else None
