"""Resolve with git where the code of tracked findings is now."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from batch_action.clients.git import GitRepo
from batch_action.findings.line_map import build_line_map
from batch_action.models.findings import Anchor, BatchAnswers, PublishedState, TrackedFinding


def resolve(
    batch_answers: BatchAnswers,
    tracked: Sequence[TrackedFinding],
    repo: GitRepo,
    *,
    head: str | None = None,
) -> BatchAnswers:
    """Complete *batch_answers* with what git knows: blobs, renames, line maps and descendants.

    Args:
        batch_answers: the answers of this collect.
        tracked: the findings that the destinations hold.
        repo: the repository with its objects.
        head: the newest commit that was published. When it descends from the reviewed commit, an
            older batch came late, and the content at `head` decides.
    """
    commit = _newest_commit(batch_answers.commit, head, repo)
    anchors = [t.anchor for t in tracked] + [f.anchor for f in batch_answers.findings]
    paths = {a.path for a in anchors} | {r.path for r in batch_answers.reviewed}
    if repo.has_commit(commit):
        current = repo.tree_blobs(commit, paths)
        renamed = _find_renames(anchors, batch_answers, current, commit, repo)
        current |= repo.tree_blobs(commit, set(renamed.values()))
    else:
        # A shallow clone lacks the commit: files that were not reviewed count as unchanged.
        current = {a.path: a.blob for a in anchors} | {
            r.path: r.blob for r in batch_answers.reviewed
        }
        renamed = {r.old_path: r.path for r in batch_answers.reviewed if r.old_path}
    resolved = replace(batch_answers, commit=commit, current_blobs=current, renames=renamed)
    maps = {
        pair: build_line_map(hunks)
        for pair, hunks in repo.hunks_of(_list_blob_pairs(resolved, tracked)).items()
    }
    return replace(resolved, line_maps=maps, descendants=_find_descendants(resolved, tracked, repo))


def sort_newest_first(states: Sequence[PublishedState], repo: GitRepo) -> list[PublishedState]:
    """Sort states by the commit they are about, the newest first; unknown commits come last."""
    heads = {s.head for s in states if s.head and repo.has_commit(s.head)}
    later = {
        head: sum(head != other and bool(repo.is_ancestor(head, other)) for other in heads)
        for head in heads
    }
    return sorted(states, key=lambda s: later.get(s.head, len(states)))


def _newest_commit(commit: str, head: str | None, repo: GitRepo) -> str:
    if not commit:
        return head or commit
    if not head or head == commit or not (repo.has_commit(head) and repo.has_commit(commit)):
        return commit
    return head if repo.is_ancestor(commit, head) else commit


def _find_renames(
    anchors: Iterable[Anchor],
    batch_answers: BatchAnswers,
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
    for reviewed in batch_answers.reviewed:
        old_path = reviewed.old_path
        if old_path and old_path not in current and reviewed.path in current:
            renamed.setdefault(old_path, reviewed.path)
    return renamed


def _list_blob_pairs(
    batch_answers: BatchAnswers, tracked: Sequence[TrackedFinding]
) -> list[tuple[str, str]]:
    """List each (old blob, new blob) whose line map the lifecycle needs."""
    pairs: dict[tuple[str, str], None] = {}
    for anchor in (*(t.anchor for t in tracked), *(f.anchor for f in batch_answers.findings)):
        path = _current_path(anchor.path, batch_answers)
        targets = {batch_answers.current_blobs.get(path)}
        targets |= {
            r.blob for r in batch_answers.reviewed if _current_path(r.path, batch_answers) == path
        }
        for blob in sorted(target for target in targets if target and target != anchor.blob):
            pairs[anchor.blob, blob] = None
    return list(pairs)


def _current_path(path: str, batch_answers: BatchAnswers) -> str:
    return path if path in batch_answers.current_blobs else batch_answers.renames.get(path, path)


def _find_descendants(
    batch_answers: BatchAnswers, tracked: Sequence[TrackedFinding], repo: GitRepo
) -> frozenset[tuple[str, str]]:
    """Find the pairs (older, newer) of commits where the newer one descends from the older one.

    Only for files that have answers, because each pair costs one git process.
    """
    reviewed_at: dict[str, set[str]] = defaultdict(set)
    reported_at: dict[str, set[str]] = defaultdict(set)
    for reviewed in batch_answers.reviewed:
        reviewed_at[_current_path(reviewed.path, batch_answers)].add(reviewed.commit)
    for finding in batch_answers.findings:
        reported_at[_current_path(finding.anchor.path, batch_answers)].add(finding.anchor.commit)
    pairs: set[tuple[str, str]] = set()
    for tracked_finding in tracked:
        path = _current_path(tracked_finding.anchor.path, batch_answers)
        if batch_answers.current_blobs.get(path) != tracked_finding.anchor.blob:
            pairs |= {(tracked_finding.anchor.commit, commit) for commit in reviewed_at[path]}
        if tracked_finding.closing_commit:
            pairs |= {(commit, tracked_finding.closing_commit) for commit in reported_at[path]}
    pairs = {(older, newer) for older, newer in pairs if older != newer}
    present = {commit for commit in {c for pair in pairs for c in pair} if repo.has_commit(commit)}
    candidates = sorted(pair for pair in pairs if present.issuperset(pair))
    return frozenset(pair for pair in candidates if repo.is_ancestor(*pair))
