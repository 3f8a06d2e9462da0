"""What people ask to have explained: its wording in earlier results, and the replies."""

from dataclasses import dataclass, replace
from itertools import chain

from batch_action.batches.earlier_answers import EarlierAnswers, UnknownBatchError
from batch_action.batches.results import BatchResults
from batch_action.context import RunContext
from batch_action.errors import AnthropicError
from batch_action.findings.anchoring import SourceText, anchor_all, find_quotation
from batch_action.ledger import explanations
from batch_action.ledger.view import LedgerView
from batch_action.models.explanation import (
    ExplanationReply,
    ExplanationRequested,
    ExplanationResult,
    Unexplainable,
)
from batch_action.models.findings import Finding, FindingClaim
from batch_action.models.ledger import Collected, Intended, RequestKey, Sent
from batch_action.selection.content import reviewed_text


@dataclass(frozen=True, slots=True)
class _Review:
    """What one batch was asked about one content of a file."""

    sent: Sent
    intended: Intended
    path: str
    blob: str
    keys: tuple[RequestKey, ...]


def find_claims(
    ctx: RunContext, earlier: EarlierAnswers
) -> tuple[tuple[FindingClaim, ...], tuple[Unexplainable, ...]]:
    """Find what people want to have explained in Anthropic's results, and what is not there.

    Without a key nothing is found; what could not be looked up is neither found nor gone.
    """
    waiting = explanations.waiting(earlier.view, ctx.settings.max_attempts)
    if not waiting or ctx.anthropic is None:
        return (), ()
    reader = _Reader(ctx, earlier)
    claims, gone = [], []
    for fact in waiting:
        text = reader.text_of(fact.path, fact.blob)
        if text is None and ctx.git.is_shallow():
            continue
        try:
            claim = reader.find_claim(fact, text) if text is not None else None
        except AnthropicError as error:
            ctx.warn(f"A finding that is to be explained could not be looked up: {error}")
            continue
        if claim is not None:
            claims.append(claim)
        else:
            gone.append(
                Unexplainable(
                    fingerprint=fact.fingerprint, blob=fact.blob, source=fact.source, at=ctx.now()
                )
            )
    return tuple(claims), tuple(gone)


def _reviews_of(view: LedgerView, fact: ExplanationRequested) -> list[_Review]:
    """Return the reviews that may have reported a finding: of its content first, then newest first.

    Whether Anthropic still has their results is another question.
    """
    collected = {x.batch: x.failed for x in view.facts(Collected)}
    reviews: list[_Review] = []
    for sent, intended in view.sent_batches:
        failed = collected.get(sent.batch)
        if failed is None:
            continue
        keys: dict[tuple[str, str], list[RequestKey]] = {}
        for key in intended.batches[sent.index]:
            is_same = key.path == fact.path or key.blob == fact.blob
            if key.purpose == "review" and is_same and key.id not in failed:
                keys.setdefault((key.path, key.blob), []).append(key)
        reviews += [_Review(sent, intended, *file, tuple(found)) for file, found in keys.items()]
    newest_first = sorted(reviews, key=lambda x: (x.sent.created_at, x.sent.batch), reverse=True)
    return sorted(newest_first, key=lambda x: x.blob != fact.blob)


@dataclass(frozen=True)
class _Reader:
    """Looks for findings in what earlier reviews have reported."""

    ctx: RunContext
    earlier: EarlierAnswers

    def text_of(self, path: str, blob: str) -> str | None:
        """Return a content as reviews are shown it; None when it is not in this clone."""
        contents = dict(self.ctx.git.blobs([blob])) if self.ctx.git.sizes([blob]) else {}
        return reviewed_text(contents[blob], path) if contents else None

    def find_claim(self, fact: ExplanationRequested, text: str) -> FindingClaim | None:
        """Return a finding as it was reported; None when no review that is left has reported it.

        *text*: the content that was asked about. Raises AnthropicError: that is not known now.
        """
        unknown = ""
        for review in _reviews_of(self.earlier.view, fact):
            try:
                claim = self._find_in(fact, text, review)
            except UnknownBatchError:
                unknown = unknown or review.sent.batch
                continue
            if claim is not None:
                return claim
        # With `delete-batches` we have deleted it when it was collected: nobody had asked by then.
        if unknown and not self.ctx.settings.delete_batches:
            raise AnthropicError(f"Anthropic does not know batch {unknown} with this key.")
        return None

    def _find_in(
        self, fact: ExplanationRequested, text: str, review: _Review
    ) -> FindingClaim | None:
        """Return a finding as this review words it, at its place in the text."""
        finding = self._find_reported(fact, review)
        if finding is None:
            return None
        raw = finding.texts.read().raw
        anchor = replace(finding.anchor, path=fact.path, blob=fact.blob)
        if review.blob != fact.blob and not raw.whole_file:
            lines = anchor.start_line, anchor.end_line
            match = find_quotation(raw.evidence, SourceText(text), lines)
            if match is None:
                return None
            anchor = replace(anchor, start_line=match.first, end_line=match.last)
        return FindingClaim(fingerprint=fact.fingerprint, anchor=anchor, raw=raw, shown=None)

    def _find_reported(self, fact: ExplanationRequested, review: _Review) -> Finding | None:
        """Return the finding with the fingerprint; of the content asked about also by its place."""
        batch = review.sent.batch
        answers = [self.earlier.findings(batch, key.id) or () for key in review.keys]
        text = self.text_of(review.path, review.blob) if any(answers) else None
        if text is None:
            return None
        findings, _ = anchor_all(
            answers,
            task=self.ctx.task.name,
            path=review.path,
            text=text,
            blob=review.blob,
            commit=review.intended.head,
        )
        first, last = map(int, fact.lines.split("-"))
        by_place = (
            x
            for x in findings
            if review.blob == fact.blob
            and (x.anchor.start_line <= last and first <= x.anchor.end_line)
        )
        named = (x for x in findings if x.fingerprint == fact.fingerprint)
        return next(chain(named, by_place), None)


def replies_of(
    view: LedgerView, batch_results: BatchResults, max_attempts: int
) -> tuple[ExplanationReply, ...]:
    """Return what people are told now: what was answered, and what ends without an answer.

    *view*: with the facts of these results.
    """
    requests = explanations.open_requests(view)
    answered = {
        subject: answer
        for answer in batch_results.about_findings
        if answer.failure is None
        for subject in explanations.subjects_of(answer.request_key)
    }
    ended = explanations.ended_without(view, max_attempts)
    replies = []
    for subject, fact in requests.items():
        answer, result = answered.get(subject), ended.get(subject)
        if answer is not None:
            result = ExplanationResult.ANSWERED
        if result is not None:
            replies.append(
                ExplanationReply(
                    fingerprint=fact.fingerprint,
                    blob=fact.blob,
                    source=fact.source,
                    result=result,
                    explanation=answer.response.explanation if answer else None,
                    model=(answer.request_key.model or answer.pending.intended.model)
                    if answer
                    else "",
                )
            )
    return tuple(replies)
