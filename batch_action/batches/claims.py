"""The claims of a submit: findings that a collect has reported and that are to be verified.

Their wording is in no ledger. In `run` the collect hands it on; else the results of the batch that
reported them are fetched again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from batch_action.batches.results import RETENTION, BatchResults, RequestAnswer, is_batch_id
from batch_action.clients.git import GitRepo
from batch_action.context import RunContext
from batch_action.errors import AnthropicError
from batch_action.findings.anchoring import SourceText, find_quotation
from batch_action.ledger import verification
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import Anchor, FindingClaim, FindingStatus, RawFinding
from batch_action.models.ledger import Intended, RequestKey, Sent
from batch_action.models.verification import Verification, VerificationResult
from batch_action.models.verification_facts import VerificationDue, Verified
from batch_action.selection.content import reviewed_text
from batch_action.tasks.task import Task, UnreadableAnswerError
from batch_action.text import plural

Due = tuple[VerificationDue, FindingClaim]


def reported_claims(
    statuses: Iterable[FindingStatus], answers: Iterable[RequestAnswer]
) -> Iterator[Due]:
    """Yield the findings that these answers report and that are to be verified."""
    by_file: dict[tuple[str, str], list[RequestAnswer]] = {}
    for answer in answers:
        by_file.setdefault((answer.request_key.path, answer.request_key.blob), []).append(answer)
    for status in statuses:
        finding, name = status.finding, status.tracked.fingerprint
        if finding is None or status.tracked.verification is not Verification.UNCONFIRMED:
            continue
        place = finding.reported
        for answer in by_file.get((place.path, place.blob), ()):
            # Of several answers about a file one reports it.
            if finding.raw in answer.response.raw_findings:
                due = VerificationDue(
                    fingerprint=name,
                    batch=answer.pending.sent.batch,
                    request=answer.request_key.id,
                    number=answer.response.raw_findings.index(finding.raw),
                )
                shown = answer.request_key.shown
                claim = FindingClaim(fingerprint=name, anchor=place, raw=finding.raw, shown=shown)
                yield due, claim
                break


def gather(
    ctx: RunContext, view: LedgerView, known: Sequence[FindingClaim]
) -> tuple[tuple[FindingClaim, ...], tuple[Verified, ...]]:
    """Return the claims of all findings that wait, and which are undecided for want of wording.

    *known*: the claims that this run has collected. What Anthropic cannot tell at the moment waits
    for the next run.
    """
    if ctx.run.pull_number is not None:
        return (), ()
    at_hand = {claim.fingerprint: claim for claim in known}
    claims: list[FindingClaim] = []
    gone: list[VerificationDue] = []
    missing: dict[str, list[VerificationDue]] = {}
    for due in verification.waiting(view, ctx.settings.verify):
        if claim := at_hand.get(due.fingerprint):
            claims.append(claim)
        else:
            missing.setdefault(due.batch, []).append(due)
    batches = {sent.batch: (sent, intended) for sent, intended in view.sent_batches}
    for batch, wanted in missing.items():
        try:
            found = _fetch(ctx, view, *batches[batch], wanted) if batch in batches else []
        except AnthropicError as error:
            ctx.warn(f"What {batch} reported is verified later: {error}")
            continue
        claims += found
        names = {claim.fingerprint for claim in found}
        gone += (due for due in wanted if due.fingerprint not in names)
    undecided = tuple(
        Verified(fingerprint=due.fingerprint, batch=due.batch, result=Verification.UNDECIDED)
        for due in gone
    )
    return tuple(sorted(claims, key=lambda claim: claim.fingerprint)), undecided


def _fetch(
    ctx: RunContext,
    view: LedgerView,
    sent: Sent,
    intended: Intended,
    wanted: Sequence[VerificationDue],
) -> list[FindingClaim]:
    """Read again what a collected batch reported; what it does not have is left out.

    Raises AnthropicError: it cannot be read at the moment.
    """
    # We know of these that there is nothing, and why: it is no loss.
    if not is_batch_id(sent.batch) or verification.is_deleted(view, sent.batch):
        return []
    api, state = ctx.require_anthropic(), None
    if ctx.now() - sent.created_at < RETENTION:
        state = api.retrieve(sent.batch)
        if state is None:
            raise AnthropicError("Anthropic does not know this batch with this key.")
    if state is None or state.archived_at is not None:
        ctx.warn(
            f"{plural(len(wanted), 'finding')} of batch {sent.batch} cannot be verified any more, "
            "because Anthropic has deleted its results (29 days): undecided."
        )
        return []
    keys = {key.id: key for key in intended.batches[sent.index]}
    outcomes = api.outcomes(state, {due.request for due in wanted})
    claims: list[FindingClaim] = []
    for due in wanted:
        key, outcome = keys.get(due.request), outcomes.get(due.request)
        raw = _finding(ctx.task, outcome.text, due.number) if key and outcome else None
        if key is not None and raw is not None:
            anchor = _anchor(ctx.git, key, intended.head, raw)
            claims.append(
                FindingClaim(fingerprint=due.fingerprint, anchor=anchor, raw=raw, shown=key.shown)
            )
    return claims


def _finding(task: Task, text: str, number: int) -> RawFinding | None:
    try:
        findings = task.parse_answer(text).raw_findings
    except UnreadableAnswerError:
        return None
    return findings[number] if number < len(findings) else None


def _anchor(git: GitRepo, key: RequestKey, commit: str, raw: RawFinding) -> Anchor:
    """Locate a finding again in the reviewed text, as the collect did that reported it."""
    first, last = (1, 1) if raw.whole_file else (raw.start_line, raw.end_line)
    for _, data in git.blobs([key.blob]) if not raw.whole_file else ():
        source = SourceText(reviewed_text(data, key.path))
        if match := find_quotation(raw.evidence, source, (first, last)):
            first, last = match.first, match.last
    return Anchor(
        path=key.path,
        blob=key.blob,
        commit=commit,
        start_line=first,
        end_line=last,
        scope=(first, last),
    )


def with_given_up(batch_results: BatchResults, view: LedgerView, max_attempts: int) -> BatchResults:
    """Return the results with the findings that are undecided, because no request is sent again.

    *view*: the facts before this run's results.
    """
    if not batch_results.ended:
        return batch_results
    undecided = verification.given_up(view.add(*batch_results.facts), max_attempts)
    results = tuple(
        VerificationResult(fingerprint=fact.fingerprint, result=Verification.UNDECIDED)
        for fact in undecided
    )
    return replace(
        batch_results,
        facts=(*batch_results.facts, *undecided),
        verifications=(*batch_results.verifications, *results),
    )
