"""New findings as comments on the lines of a pull request, posted as one review."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from batch_action.edges.git_repo import GitRepo
from batch_action.edges.github_api.pulls import Pulls
from batch_action.edges.github_api.refusals import LostAnswerError, RefusedError
from batch_action.edges.secrets import mask
from batch_action.models.findings import Standing
from batch_action.models.github import InlineDraft, PullFacts
from batch_action.report import review_inline, review_lines
from batch_action.report.review_lines import Lines
from batch_action.selection.content import decode

MOST = 30
"""Comments of one review; what is more stands in the summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A finding and the comment that tells it."""

    fingerprint: str
    draft: InlineDraft


def placed(fresh: Sequence[Standing], edge: Pulls, number: int, git: GitRepo) -> list[Remark]:
    """Comments on the lines that the diff of the newest head shows; the other findings have none.

    A longer finding is told on as many of its lines as one hunk shows.
    """
    reported = [s for s in fresh if s.finding is not None]
    if not reported:
        return []
    patches = edge.patches(number)
    shown = {path: review_lines.hunks(patch) for path, patch in patches.items()}
    texts = _texts(git, {s.known.anchor.blob for s in reported})
    remarks = []
    for standing in reported:
        anchor = standing.known.anchor
        at = review_lines.within((anchor.start_line, anchor.end_line), shown.get(anchor.path, ()))
        if at is not None:
            remarks.append(_remark(standing, at, texts.get(anchor.blob, [])))
    return remarks[:MOST]


def _texts(git: GitRepo, blobs: set[str]) -> dict[str, list[str]]:
    """The lines of the newest content, secrets masked as everywhere we show code."""
    return {
        blob: mask(decode(data))[0].removesuffix("\n").split("\n")
        for blob, data in git.blobs(sorted(blobs))
    }


def _remark(standing: Standing, at: Lines, lines: Sequence[str]) -> Remark:
    known, finding = standing.known, standing.finding
    assert finding is not None  # noqa: S101 - for the type checker: `placed` has looked
    whole = at == (known.anchor.start_line, known.anchor.end_line)
    new = review_inline.suggested(finding, lines[at[0] - 1 : at[1]]) if whole else None
    body = review_inline.body(known, review_inline.write(known, finding, suggestion=new))
    draft = InlineDraft(path=known.anchor.path, first=at[0], last=at[1], body=body)
    return Remark(fingerprint=known.fingerprint, draft=draft)


def post(remarks: Sequence[Remark], body: str, edge: Pulls, pull: PullFacts) -> frozenset[str]:
    """Post one review; comment by comment where GitHub refuses one of them.

    The fingerprints of those that are to be there now: what GitHub refuses by itself too is not.
    """
    drafts = [remark.draft for remark in remarks]
    try:
        edge.review(pull.number, pull.head, body, drafts)
    except LostAnswerError:
        pass  # it is read back whether it was done
    except RefusedError as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        remarks = [remark for remark in remarks if _alone(remark, edge, pull)]
    return frozenset(remark.fingerprint for remark in remarks)


def _alone(remark: Remark, edge: Pulls, pull: PullFacts) -> bool:
    try:
        edge.comment(pull.number, pull.head, remark.draft)
    except RefusedError as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return False
    return True
