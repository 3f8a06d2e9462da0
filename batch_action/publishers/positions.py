"""Where the code of known findings stands now, from git."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from batch_action.clients.git import GitRepo
from batch_action.findings.line_map import line_map
from batch_action.models.findings import Anchor, BatchAnswers, PublishedState, TrackedFinding


def locate(
    batch_answers: BatchAnswers,
    known: Sequence[TrackedFinding],
    repo: GitRepo,
    *,
    head: str | None = None,
) -> BatchAnswers:
    """Tonight with `commit`, `current`, `renamed`, `maps` and `after` filled in.

    Args:
        tonight: what this collect has to say.
        known: what the destination remembers.
        repo: the repository with its objects.
        head: the newest commit the destination has told about. When it descends from tonight's,
            an older batch came late: the content at `head` decides.

    """
    commit = _newest(batch_answers.commit, head, repo)
    anchors = [k.anchor for k in known] + [f.anchor for f in batch_answers.findings]
    paths = {a.path for a in anchors} | {r.path for r in batch_answers.reviewed}
    if repo.has_commit(commit):
        current = repo.tree_blobs(commit, paths)
        renamed = _renames(anchors, batch_answers, current, commit, repo)
        current |= repo.tree_blobs(commit, set(renamed.values()))
    else:
        # A shallow clone without that commit: what was not reviewed counts as unchanged.
        current = {a.path: a.blob for a in anchors} | {
            r.path: r.blob for r in batch_answers.reviewed
        }
        renamed = {r.old_path: r.path for r in batch_answers.reviewed if r.old_path}
    placed = replace(batch_answers, commit=commit, current=current, renamed=renamed)
    maps = {pair: line_map(hunks) for pair, hunks in repo.hunks_of(_pairs(placed, known)).items()}
    return replace(placed, maps=maps, after=_after(placed, known, repo))


def newest_first(found: Sequence[PublishedState], repo: GitRepo) -> list[PublishedState]:
    """Recollections by the commit they told about last: what a newer one says of a finding wins."""
    heads = {r.head for r in found if r.head and repo.has_commit(r.head)}
    later = {
        head: sum(head != other and bool(repo.is_ancestor(head, other)) for other in heads)
        for head in heads
    }
    return sorted(found, key=lambda r: later.get(r.head, len(found)))


def _newest(commit: str, head: str | None, repo: GitRepo) -> str:
    if not commit:
        return head or commit
    if not head or head == commit or not (repo.has_commit(head) and repo.has_commit(commit)):
        return commit
    return head if repo.is_ancestor(commit, head) else commit


def _renames(
    anchors: Iterable[Anchor],
    batch_answers: BatchAnswers,
    current: dict[str, str],
    commit: str,
    repo: GitRepo,
) -> dict[str, str]:
    """New names of the paths that are no longer there."""
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


def _pairs(batch_answers: BatchAnswers, known: Sequence[TrackedFinding]) -> list[tuple[str, str]]:
    """(old blob, new blob) for every question the life of a finding asks."""
    pairs: dict[tuple[str, str], None] = {}
    for anchor in (*(k.anchor for k in known), *(f.anchor for f in batch_answers.findings)):
        path = _now(anchor.path, batch_answers)
        targets = {batch_answers.current.get(path)}
        targets |= {r.blob for r in batch_answers.reviewed if _now(r.path, batch_answers) == path}
        for blob in sorted(target for target in targets if target and target != anchor.blob):
            pairs[anchor.blob, blob] = None
    return list(pairs)


def _now(path: str, batch_answers: BatchAnswers) -> str:
    return path if path in batch_answers.current else batch_answers.renamed.get(path, path)


def _after(
    batch_answers: BatchAnswers, known: Sequence[TrackedFinding], repo: GitRepo
) -> frozenset[tuple[str, str]]:
    """Which commit comes from which: only of files that tonight has something to say about.

    Each pair costs a process, and a ledger of years remembers many commits.
    """
    judged: dict[str, set[str]] = defaultdict(set)
    told: dict[str, set[str]] = defaultdict(set)
    for reviewed in batch_answers.reviewed:
        judged[_now(reviewed.path, batch_answers)].add(reviewed.commit)
    for finding in batch_answers.findings:
        told[_now(finding.anchor.path, batch_answers)].add(finding.anchor.commit)
    pairs: set[tuple[str, str]] = set()
    for one in known:
        path = _now(one.anchor.path, batch_answers)
        if batch_answers.current.get(path) != one.anchor.blob:
            pairs |= {(one.anchor.commit, commit) for commit in judged[path]}
        if one.closed_by:
            pairs |= {(commit, one.closed_by) for commit in told[path]}
    pairs = {(older, newer) for older, newer in pairs if older != newer}
    here = {commit for commit in {c for pair in pairs for c in pair} if repo.has_commit(commit)}
    asked = sorted(pair for pair in pairs if here.issuperset(pair))
    return frozenset(pair for pair in asked if repo.is_ancestor(*pair))
