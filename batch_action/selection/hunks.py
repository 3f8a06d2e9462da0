"""Changed hunks: rendered as a unified diff, counted, and the lines they add."""

from collections.abc import Collection, Iterator, Sequence

from batch_action.clients.git import GitRepo
from batch_action.ledger.view import LedgerView
from batch_action.models.files import Hunk
from batch_action.models.github_context import PullRequestRun, Run
from batch_action.models.ledger import Selected
from batch_action.selection.commit_range import fork_point
from batch_action.selection.content import lines_of

CONTEXT_LINES = 3
"""Unchanged lines before and after a change, as `diff -u` shows."""
MAX_CHARS = 30_000
"""A longer diff is cut: the whole file follows in the request anyway."""

ALL_LINES = range(1, 2**31)

AddedLines = dict[tuple[str, str], Collection[int]]
"""(path, blob) → numbers of the added lines."""


def render_hunks(old: str, new: str, hunks: Sequence[Hunk], *, max_chars: int = MAX_CHARS) -> str:
    r"""Return the hunks as a unified diff without file headers; empty without hunks.

    Args:
        old: the masked text at base; empty to leave the removed lines out.
        new: the masked text at head.
        hunks: in order, as `git diff -U0` counts lines.
        max_chars: the limit of the result; a last line counts the places that are left out.
    """
    old_lines, new_lines = lines_of(old), lines_of(new)
    groups = list(_group_hunks(hunks))
    shown: list[str] = []
    remaining = max_chars
    for number, group in enumerate(groups):
        lines = list(_lines(group, old_lines, new_lines))
        remaining -= sum(len(line) + 1 for line in lines)
        if remaining < 0:
            shown.append(f"… {len(groups) - number} more changed places are not shown here")
            break
        shown.extend(lines)
    return "\n".join(shown)


def count_changed_lines(hunks: Sequence[Hunk]) -> int:
    """Return how many lines were added or removed; a replaced line counts once."""
    return sum(max(hunk.old_lines, hunk.new_lines) for hunk in hunks)


def _group_hunks(hunks: Sequence[Hunk]) -> Iterator[list[Hunk]]:
    """Yield groups of hunks whose context lines touch."""
    group: list[Hunk] = []
    for hunk in hunks:
        if group and _start(hunk) - _end(group[-1]) > 2 * CONTEXT_LINES:
            yield group
            group = []
        group.append(hunk)
    if group:
        yield group


def _start(hunk: Hunk) -> int:
    """Return how many lines at head are before the change."""
    return hunk.new_start - 1 if hunk.new_lines else hunk.new_start


def _end(hunk: Hunk) -> int:
    return _start(hunk) + hunk.new_lines


def _lines(group: Sequence[Hunk], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    first = max(_start(group[0]) - CONTEXT_LINES, 0)
    last = min(_end(group[-1]) + CONTEXT_LINES, len(new))
    before = _start(group[0]) - first
    old_starts = [hunk.old_start - (hunk.old_lines > 0) for hunk in group]
    old_first = old_starts[0] - before
    shift = sum(hunk.new_lines - hunk.old_lines for hunk in group)
    yield f"@@ -{_range(old_first, last - first - shift)} +{_range(first, last - first)} @@"
    at = first
    for hunk, old_start in zip(group, old_starts, strict=True):
        yield from (f" {line}" for line in new[at : _start(hunk)])
        yield from (f"-{line}" for line in old[old_start:][: hunk.old_lines])
        at = _end(hunk)
        yield from (f"+{line}" for line in new[_start(hunk) : at])
    yield from (f" {line}" for line in new[at:last])


def _range(start: int, length: int) -> str:
    return f"{start + 1 if length else start},{length}"


def find_added_lines(
    git: GitRepo, view: LedgerView, commits: Collection[str], run: Run
) -> AddedLines:
    """Return the lines added, white space aside, to every file selected at these commits.

    All lines of a new file are added; none where there was no base to compare with, or where the
    old blob is not in this clone. What a pull request added is read from git: the facts about it
    are from its own runs.
    """
    compared = [
        (entry.path, entry.blob, entry.old_blob)
        for fact in view.facts(Selected)
        if fact.head in commits and fact.base is not None
        for entry in fact.files
    ]
    if isinstance(run, PullRequestRun):
        forks = {c: fork_point(git, c, into=run.base_ref, base=run.base) for c in commits}
        compared = [
            (change.path, change.blob, change.old_blob)
            for commit, fork in forks.items()
            if fork is not None
            for change in git.changes(fork, commit)
        ]
    pairs = {(old, blob) for _, blob, old in compared if old and old != blob}
    hunks = git.hunks_of(sorted(pairs), ignore_space=True)
    return {
        (path, blob): ALL_LINES if old is None else _added_by(hunks.get((old, blob), ()))
        for path, blob, old in compared
    }


def _added_by(hunks: Collection[Hunk]) -> frozenset[int]:
    return frozenset(line for h in hunks for line in range(h.new_start, h.new_start + h.new_lines))
