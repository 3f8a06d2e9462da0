"""Resolve with git where the code of tracked findings is now."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from batch_action.clients.git import GitRepo
from batch_action.context import RunContext
from batch_action.findings import first_run
from batch_action.ledger import trust
from batch_action.ledger.view import LedgerView
from batch_action.models.files import Hunk
from batch_action.models.findings import (
    Anchor,
    BatchAnswers,
    CodePositions,
    PublishedState,
    ReviewedFile,
    TrackedFinding,
)
from batch_action.models.github import PullRequest
from batch_action.selection.commit_range import fork_point
from batch_action.selection.content import cells_of, decode, is_wide, mark_outputs


def resolve(
    answers: BatchAnswers,
    tracked: Sequence[TrackedFinding],
    repo: GitRepo,
    *,
    head: str | None = None,
    baselined: dict[str, str] | None = None,
) -> CodePositions:
    """Resolve blobs, renames, line maps and descendants with git.

    Args:
        answers: the answers of this collect.
        tracked: the findings that the destinations hold.
        repo: the repository with its objects.
        head: the newest commit that was published. When it descends from the reviewed commit, an
            older batch came late, and the content at `head` decides.
        baselined: the first run's findings that were not reported: fingerprint to reviewed blob.
    """
    commit = newest_commit(answers.commit, head, repo)
    anchors = [t.anchor for t in tracked] + [f.anchor for f in answers.findings]
    # The other reviewed files have nothing to locate, and there may be tens of thousands of them.
    moved = (path for r in answers.reviewed if r.old_path for path in (r.path, r.old_path))
    paths = dict.fromkeys(moved, "") | {anchor.path: anchor.blob for anchor in anchors}
    if repo.has_commit(commit):
        current = _share_blobs(repo.tree_blobs(commit, paths), paths)
        renamed = _find_renames(anchors, answers.reviewed, current, commit, repo)
        current |= repo.tree_blobs(commit, set(renamed.values()))
    else:
        # A shallow clone lacks the commit: files that were not reviewed count as unchanged.
        current = {a.path: a.blob for a in anchors} | {r.path: r.blob for r in answers.reviewed}
        renamed = {r.old_path: r.path for r in answers.reviewed if r.old_path}
    now = _CurrentPaths({old: new for old, new in renamed.items() if old not in current})
    pairs = dict.fromkeys(_list_blob_pairs(anchors, answers.reviewed, now, current))
    if baselined:
        blobs = {path: current[new] for path in paths if (new := now[path]) in current}
        pairs |= dict.fromkeys(first_run.content_pairs(answers.findings, baselined, blobs))
    return CodePositions(
        commit=commit,
        current_blobs=current,
        renames=renamed,
        line_maps=dict(_line_maps(list(pairs), repo)),
        descendants=_find_descendants(answers, tracked, now, current, repo),
        emptied=_find_emptied(tracked, now, current, repo),
    )


def _share_blobs(blobs: dict[str, str], reported: Mapping[str, str]) -> dict[str, str]:
    """Return the blobs by path, most of which are the reported strings then, not equal ones."""
    for path, blob in blobs.items():
        if reported.get(path) == blob:
            blobs[path] = reported[path]
    return blobs


class _CurrentPaths(dict[str, str]):
    """The current path by the old one; a path that is not in it has stayed."""

    def __missing__(self, path: str) -> str:
        return path


def _line_maps(
    pairs: Sequence[tuple[str, str]], repo: GitRepo
) -> Iterator[tuple[tuple[str, str], tuple[Hunk, ...]]]:
    """Yield the hunks of each pair of blobs, as far as they count the lines that are reviewed."""
    maps = repo.hunks_of(pairs)
    wide: set[str] = set()
    cells: dict[str, str] = {}
    for blob, data in repo.blobs(sorted({blob for pair in maps if maps[pair] for blob in pair})):
        if is_wide(data):
            wide.add(blob)
        elif shown := cells_of(decode(data)):
            cells[blob] = shown
    for pair, hunks in maps.items():
        if cells.keys() >= set(pair):
            yield pair, mark_outputs(hunks, *(cells[blob] for blob in pair))
        elif wide.isdisjoint(pair):  # Git counts the bytes of such a file, not its lines.
            yield pair, hunks


def _find_emptied(
    tracked: Sequence[TrackedFinding],
    now: dict[str, str],
    current: dict[str, str],
    repo: GitRepo,
) -> frozenset[str]:
    """Find the changed files of tracked findings that have no text any more."""
    anchors = [(now[t.anchor.path], t.anchor.blob) for t in tracked]
    changed = {current[path]: path for path, blob in anchors if current.get(path, blob) != blob}
    contents = repo.blobs(sorted(changed))
    blank = {blob for blob, data in contents if not decode(data).strip("\ufeff \t\r\n\f\v")}
    return frozenset(path for path, blob in current.items() if blob in blank)


def sort_newest_first(states: Sequence[PublishedState], repo: GitRepo) -> list[PublishedState]:
    """Sort states by the commit they are about, the newest first; unknown commits come last."""
    heads = {s.head for s in states if s.head and repo.has_commit(s.head)}
    later = {
        head: sum(head != other and bool(repo.is_ancestor(head, other)) for other in heads)
        for head in heads
    }
    return sorted(states, key=lambda s: later.get(s.head, len(states)))


def newest_commit(commit: str, head: str | None, repo: GitRepo) -> str:
    """Return *head* if it descends from *commit*, else *commit*; if that is empty, *head*."""
    if not commit:
        return head or commit
    if not head or head == commit or not (repo.has_commit(head) and repo.has_commit(commit)):
        return commit
    return head if repo.is_ancestor(commit, head) else commit


def newest_head(ctx: RunContext, view: LedgerView) -> str | None:
    """Return this run's commit, or a later one that the ledger records.

    None when this run is not on the branch that the findings are about.
    """
    context, settings = ctx.github_context, ctx.settings
    commit, branch = context.sha, settings.state_branch or context.default_branch
    is_stored = ctx.artifacts is not None or settings.state_dir is not None
    if commit is None or branch != context.branch or not is_stored:
        return None
    if not ctx.git.has_commit(commit) or trust.refusal_of_this_run(ctx):
        return None
    return newest_commit(commit, next(iter(view.recorded_heads()), None), ctx.git)


def find_reverted_files(
    git: GitRepo, findings: Iterable[TrackedFinding], pull: PullRequest, head: str
) -> frozenset[tuple[str, str]]:
    """Find the (path, blob) of tracked findings that are as before an open pull request."""
    fork = fork_point(git, head, into=pull.base_ref, base=pull.base) if pull.open else None
    if fork is None:
        return frozenset()
    paths = {tracked.anchor.path for tracked in findings}
    before, now = (git.tree_blobs(commit, paths) for commit in (fork, head))
    return frozenset((path, blob) for path, blob in now.items() if before.get(path) == blob)


def _find_renames(
    anchors: Iterable[Anchor],
    reviewed: Iterable[ReviewedFile],
    current: dict[str, str],
    commit: str,
    repo: GitRepo,
) -> dict[str, str]:
    """Map the paths that are missing at *commit* to their new names."""
    renamed: dict[str, str] = {}
    missing = [anchor for anchor in anchors if anchor.path not in current]
    for old in sorted({anchor.commit for anchor in missing} - {commit}):
        if repo.has_commit(old):
            moves = repo.renames(old, commit)
            gone = {anchor.path for anchor in missing if anchor.commit == old}
            renamed |= {path: moves[path] for path in gone if path in moves}
    for file in reviewed:
        if file.old_path and file.old_path not in current and file.path in current:
            renamed.setdefault(file.old_path, file.path)
    # A shallow clone, or one of a rewritten branch, lacks the old commit: equal blobs are left.
    unknown = {a.path: a.blob for a in missing if not repo.has_commit(a.commit)}
    paths = {e.blob: e.path for e in repo.tree(commit)} if unknown.keys() - renamed.keys() else {}
    return {path: paths[blob] for path, blob in unknown.items() if blob in paths} | renamed


def _list_blob_pairs(
    anchors: Sequence[Anchor],
    reviewed: Iterable[ReviewedFile],
    now: dict[str, str],
    current: dict[str, str],
) -> list[tuple[str, str]]:
    """List each (old blob, new blob) whose line map the lifecycle needs."""
    # Most of tens of thousands of files have one blob, which needs no map.
    blob_of = {now[anchor.path]: anchor.blob for anchor in anchors}
    several = {path for a in anchors if a.blob != blob_of[path := now[a.path]]}
    blobs: defaultdict[str, set[str]] = defaultdict(set)
    answered = ((now[file.path], file.blob) for file in reviewed)
    for path, blob in chain(current.items(), answered):
        if blob != blob_of.get(path, blob) or path in several:
            blobs[path].add(blob)
    pairs: dict[tuple[str, str], None] = {}
    for anchor in anchors if blobs else ():
        for blob in sorted(blobs.get(now[anchor.path], set()) - {anchor.blob}):
            pairs[anchor.blob, blob] = None
    return list(pairs)


def _find_descendants(
    answers: BatchAnswers,
    tracked: Sequence[TrackedFinding],
    now: dict[str, str],
    current: dict[str, str],
    repo: GitRepo,
) -> frozenset[tuple[str, str]]:
    """Find the pairs (older, newer) of commits where the newer one descends from the older one.

    Only for files that have answers, because each pair costs one git process.
    """
    paths = {now[tracked_finding.anchor.path] for tracked_finding in tracked}
    reviewed_at: dict[str, set[str]] = defaultdict(set)
    reported_at: dict[str, set[str]] = defaultdict(set)
    for reviewed in answers.reviewed:
        if (path := now[reviewed.path]) in paths:
            reviewed_at[path].add(reviewed.commit)
    for finding in answers.findings:
        if (path := now[finding.anchor.path]) in paths:
            reported_at[path].add(finding.anchor.commit)
    pairs: set[tuple[str, str]] = set()
    for tracked_finding in tracked:
        path = now[tracked_finding.anchor.path]
        if current.get(path) != tracked_finding.anchor.blob:
            pairs |= {(tracked_finding.anchor.commit, commit) for commit in reviewed_at[path]}
        if tracked_finding.closing_commit:
            pairs |= {(commit, tracked_finding.closing_commit) for commit in reported_at[path]}
    pairs = {(older, newer) for older, newer in pairs if older != newer}
    present = {commit for commit in {c for pair in pairs for c in pair} if repo.has_commit(commit)}
    candidates = sorted(pair for pair in pairs if present.issuperset(pair))
    return frozenset(pair for pair in candidates if repo.is_ancestor(*pair))
