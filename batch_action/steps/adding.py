"""Which lines of a reviewed file the change itself brought in."""

from collections.abc import Collection

from batch_action.history.batches import facts_of
from batch_action.models.files import Hunk
from batch_action.models.ledger import Ledger, Selected
from batch_action.steps.world import World

EVERY = range(1, 2**31)

Added = dict[tuple[str, str], Collection[int]]
"""(path, blob) to line numbers."""


def added_lines(world: World, ledger: Ledger, commits: Collection[str]) -> Added:
    """The added lines of every file that was selected at these commits; a new file's are all.

    Where there was nothing to compare with, or the old version is out of reach, none were added.
    """
    compared = [
        (entry.path, entry.blob, entry.old)
        for fact in facts_of(ledger, Selected)
        if fact.head in commits and fact.base is not None
        for entry in fact.files
    ]
    pairs = {(old, blob) for _, blob, old in compared if old and old != blob}
    here = {old for old, _ in pairs if world.git.has_blob(old)}
    hunks = world.git.hunks_of(sorted(pair for pair in pairs if pair[0] in here))
    found: Added = {}
    for path, blob, old in compared:
        found[path, blob] = EVERY if old is None else _lines(hunks.get((old, blob), ()))
    return found


def _lines(hunks: Collection[Hunk]) -> frozenset[int]:
    return frozenset(line for h in hunks for line in range(h.new_start, h.new_start + h.new_lines))
