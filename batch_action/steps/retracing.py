"""Findings of which a service kept only what people see: git tells the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from batch_action.edges.git_repo import GitRepo
from batch_action.edges.secrets import mask
from batch_action.errors import ConfigError
from batch_action.findings.anchoring import Page
from batch_action.findings.identity import NO_EVIDENCE, evidence_digest
from batch_action.findings.scope import AROUND, neighbourhood
from batch_action.models.findings import Anchor, Known, State
from batch_action.report.sarif.reading import Half
from batch_action.selection.content import decode
from batch_action.tasks.task import Task

ID_LENGTH = 40


def retrace(
    halves: Sequence[Half], fixed: Mapping[str, str], head: str, repo: GitRepo, task: Task
) -> dict[str, Known]:
    """The findings behind what was shown of them at a commit, by their fingerprints.

    A blob that is not here any more (a shallow clone) has surely changed: then an id that is nobody
    else's stands for it, and ten lines around for its neighbourhood. *fixed*: when, by fingerprint.
    """
    blobs = _blobs(halves, head, repo)
    commits = {short: _commit(short, head, repo) for short in {h.trace.commit for h in halves}}
    pages = {blob: Page(mask(decode(data))[0]) for blob, data in repo.blobs(sorted(blobs.values()))}
    found = {}
    for half in halves:
        trace = half.trace
        blob = blobs.get(trace.blob) or trace.blob.ljust(ID_LENGTH, "0")
        known = _known(half, blob, commits[trace.commit], pages.get(blob), task)
        if closed := fixed.get(trace.fingerprint):
            known = replace(known, state=State.FIXED, closed=closed, closed_by=head)
        found[trace.fingerprint] = known
    return found


def _commit(short: str, head: str, repo: GitRepo) -> str:
    """The commit that an abbreviated id means; the one that was analysed if there is none."""
    if head.startswith(short):
        return head
    try:
        found = repo.resolve(short)
    except ConfigError:
        return head
    return found if found.startswith(short) else head


def _blobs(halves: Sequence[Half], head: str, repo: GitRepo) -> dict[str, str]:
    """The full id for each abbreviated one that means a blob of this clone."""
    found: dict[str, str] = {}
    if repo.has_commit(head):
        there = repo.tree_blobs(head, {half.path for half in halves})
        for half in halves:
            if there.get(half.path, "").startswith(half.trace.blob):
                found[half.trace.blob] = there[half.path]
    others = sorted({half.trace.blob for half in halves} - found.keys())
    full = repo.sizes(others)
    for short in others:
        fitting = [blob for blob in full if blob.startswith(short)]
        found |= {short: fitting[0]} if len(fitting) == 1 else {}
    return found


def _known(half: Half, blob: str, commit: str, page: Page | None, task: Task) -> Known:
    trace = half.trace
    whole = half.category in task.whole_file
    first, last = trace.start_line, trace.end_line
    scope, digest = (max(1, first - AROUND), last + AROUND), ""
    if page is not None and last <= len(page.lines):
        scope = (1, len(page.lines)) if whole else neighbourhood(page.lines, first, last)
        digest = evidence_digest("\n".join(page.lines[first - 1 : last]))
    return Known(
        fingerprint=trace.fingerprint,
        anchor=Anchor(
            path=half.path,
            blob=blob,
            commit=commit,
            start_line=first,
            end_line=last,
            scope=scope,
        ),
        state=State.OPEN,
        severity=half.severity,
        category=half.category,
        rule=half.rule,
        title=half.title,
        evidence_digest=NO_EVIDENCE if whole else digest,
        security=half.category in task.security if half.security is None else half.security,
        pre_existing=trace.pre_existing,
        since=trace.since,
    )
