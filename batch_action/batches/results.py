"""The results of a batch that has ended, or what is told of one that has not."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from batch_action.batches import generated_files
from batch_action.batches.generated_files import GeneratedSource
from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.errors import ConfigError, TransientError
from batch_action.findings.anchoring import anchor_all
from batch_action.ledger import view
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import PendingBatch
from batch_action.models.file_results import FileVerdict
from batch_action.models.findings import BatchAnswers, Finding, ReviewedFile
from batch_action.models.ledger import Collected, Fact, Ledger, RequestKey, Usage, Withdrawn
from batch_action.models.requests import Outcome, OutcomeKind
from batch_action.models.responses import TaskResponse
from batch_action.requests import pricing
from batch_action.requests.license_context import LicenseChecker
from batch_action.selection.content import decode
from batch_action.selection.hunks import added_lines
from batch_action.tasks.task import UnreadableAnswerError
from batch_action.text import plural

LAG = timedelta(minutes=15)
"""How long after a create Anthropic may not know a batch (anthropic-sdk-python issue 1432)."""

RETENTION = timedelta(days=29)
"""Results are kept for 29 days after the batch was created (Anthropic's batch-processing page)."""

SOON = timedelta(hours=2)
LAST_DAYS = timedelta(days=3)
"""When to tell that a batch, or its results, will not be there much longer."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back by custom id, and whether somebody had canceled the batch."""

    outcomes: dict[str, Outcome]
    canceled: bool = False


def _is_here(ctx: RunContext, pending: PendingBatch) -> bool:
    """Whether what was asked about is here, where it was a patch's and no commit's."""
    if not pending.intended.patched or ctx.git.has_commit(pending.intended.head):
        return True
    ctx.warn(
        f"Batch {pending.sent.batch} is about a patch: give the same `patch-file`, on the same "
        "commit, to collect it."
    )
    return False


def fetch(ctx: RunContext, pending: PendingBatch) -> Fetched | None:
    """What came back; None while there is nothing to fetch; empty when it is lost for good."""
    if not _is_here(ctx, pending):
        return None
    api, sent = ctx.require_anthropic(), pending.sent
    state = api.retrieve(sent.batch)
    age = ctx.now() - sent.created_at
    if state is None or state.archived_at is not None:
        unknown = state is None and age < RETENTION and not pending.withdrawn
        return _lost(ctx, pending, unknown=unknown)
    if state.status != "ended":
        ctx.console.say(f"Batch {sent.batch} is {state.status}, {_hours(age)} old.")
        if sent.expires_at - ctx.now() < SOON:
            ctx.warn(
                f"Batch {sent.batch} expires at {sent.expires_at:%H:%M} UTC: what is not answered "
                "by then costs nothing and is owed to the next submit."
            )
        return None
    if state.results_url is None:
        ctx.warn(f"Batch {sent.batch} has ended, but its results are not there yet.")
        return None
    if age > RETENTION - LAST_DAYS:
        until = sent.created_at + RETENTION
        ctx.warn(f"Anthropic deletes the results of {sent.batch} on {until:%Y-%m-%d}.")
    want = frozenset(request_key.id for request_key in pending.request_keys)
    ctx.console.say(f"Batch {sent.batch} has ended: fetching {plural(len(want), 'answer')}.")
    with (
        tempfile.TemporaryDirectory(prefix="batch-action-") as folder,
        ctx.console.progress("Downloading answers", len(want)) as tick,
    ):
        return Fetched(api.outcomes(sent.batch, want, Path(folder), tick), state.canceled)


def _lost(ctx: RunContext, pending: PendingBatch, *, unknown: bool) -> Fetched | None:
    """Nothing, for good; None while a batch that is *unknown* may still turn up."""
    batch = pending.sent.batch
    if not unknown:
        if not pending.withdrawn:
            ctx.warn(f"The results of batch {batch} are gone (29 days): its files are owed.")
        return Fetched({})
    if ctx.now() - pending.sent.created_at > LAG:
        ctx.warn(
            f"Anthropic does not know batch {batch} with this key: is it for another workspace? "
            "It stays pending."
        )
    return None


def _hours(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004


BILLING = frozenset({"billing_error", "rate_limit_error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question of an ended batch with what came back for it."""

    pending: PendingBatch
    request_key: RequestKey
    outcome: Outcome
    response: TaskResponse
    failure: str | None
    """None for a verdict; else the kind of failure, as the ledger records it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResults:
    """Everything that had ended when we looked."""

    ended: tuple[PendingBatch, ...] = ()
    waiting: tuple[PendingBatch, ...] = ()
    answers: tuple[Answer, ...] = ()
    facts: tuple[Fact, ...] = ()
    """To be saved once the answers are delivered."""
    usages: tuple[tuple[str, Usage], ...] = ()
    """Model and tokens of each billed request, for the counterfactual columns."""
    batched: bool = True
    """Paid at the batch price; else asked at once, through the Messages API."""


def fetch_results(ctx: RunContext, session: LedgerSession) -> BatchResults:
    """Fetch every pending batch that has ended; with `batch-id` only that one.

    What has not ended is told with its age. Raises TransientError when results cannot be had now.
    """
    ended: list[PendingBatch] = []
    waiting: list[PendingBatch] = []
    answers: list[Answer] = []
    facts: list[Fact] = []
    usages: list[tuple[str, Usage]] = []
    problem: TransientError | None = None
    for pending in view.pending(session.ledger):
        wanted = ctx.settings.batch_id in (None, pending.sent.batch)
        try:
            fetched = fetch(ctx, pending) if wanted else None
        except TransientError as error:
            # The other batches' answers need not wait for this one's.
            ctx.warn(str(error))
            fetched, problem = None, error
        if fetched is None:
            waiting.append(pending)
            continue
        ended.append(pending)
        if fetched.canceled and not pending.withdrawn:
            facts.append(Withdrawn(batch=pending.sent.batch, by="", at=ctx.now()))
        one = read_batch(ctx, pending, fetched.outcomes, batched=True)
        answers += one.answers
        usages += one.usages
        facts += one.facts
    if problem is not None and not ended:
        raise problem
    return BatchResults(
        ended=tuple(ended),
        waiting=tuple(waiting),
        answers=tuple(answers),
        facts=tuple(facts),
        usages=tuple(usages),
    )


def read_batch(
    ctx: RunContext, pending: PendingBatch, outcomes: Mapping[str, Outcome], *, batched: bool
) -> BatchResults:
    """The answers of one batch; not *batched*: of what was asked at once, at full price."""
    read = [_answer(ctx, pending, q, outcomes.get(q.id)) for q in pending.request_keys]
    billed = [(_model(a), a.outcome.usage) for a in read if a.outcome.usage != Usage()]
    return BatchResults(
        ended=(pending,),
        answers=tuple(read),
        facts=(_collected(ctx, pending, read, billed, batched=batched),),
        usages=tuple(billed),
        batched=batched,
    )


def batch_answers(ctx: RunContext, ledger: Ledger, found: BatchResults) -> BatchAnswers:
    """The verdicts and findings of these answers, oldest batch first.

    *ledger* must already hold the collected facts, so that a file counts as reviewed only when all
    its parts have a verdict. When nothing has ended, it is about the newest commit looked at.
    """
    heads = view.heads(ledger)
    newest = found.ended[-1].intended.head if found.ended else next(iter(heads), "")
    settled = view.settled_files(ledger)
    by_file: dict[tuple[str, str], list[Answer]] = {}
    for answer in found.answers:
        if answer.failure is None:
            by_file.setdefault((answer.request_key.path, answer.request_key.blob), []).append(
                answer
            )
    texts = _texts(ctx, {blob for _, blob in by_file})
    added = added_lines(ctx, ledger, {p.intended.head for p in found.ended})
    reviewed: list[ReviewedFile] = []
    findings: list[Finding] = []
    judgements: list[FileVerdict] = []
    sources: list[GeneratedSource] = []
    discarded = 0
    checker = LicenseChecker(ctx)
    for (path, blob), answers in by_file.items():
        commit = answers[-1].pending.intended.head
        if blob not in texts:
            continue
        remarks = [remark for answer in answers for remark in answer.response.raw_findings]
        anchored, lost = anchor_all(
            [*remarks, *checker.raw_findings(path, texts[blob], commit)],
            task=ctx.task.name,
            path=path,
            text=texts[blob],
            blob=blob,
            commit=commit,
            added=added.get((path, blob), ()),
        )
        findings += anchored
        discarded += lost
        judgements += _judgements(path, blob, commit, answers)
        drafts = tuple(draft for answer in answers for draft in answer.response.drafts)
        sources.append(
            GeneratedSource(path=path, blob=blob, commit=commit, text=texts[blob], drafts=drafts)
        )
        if (path, blob) in settled:
            reviewed.append(ReviewedFile(path=path, blob=blob, commit=commit))
    generated, refused = generated_files.settle(ctx, sources)
    return BatchAnswers(
        task=ctx.task.name,
        commit=newest,
        reviewed=tuple(reviewed),
        findings=tuple(findings),
        discarded=discarded,
        dismissed=view.dismissed(ledger),
        verdicts=settled,
        excluded=_excluded(ctx, ledger),
        file_verdicts=tuple(judgements),
        generated=generated,
        refused=refused,
    )


def _judgements(path: str, blob: str, commit: str, answers: list[Answer]) -> list[FileVerdict]:
    """The rulings on one file, if the task gives any."""
    return [
        FileVerdict(
            path=path,
            blob=blob,
            old_blob=answer.request_key.old,
            commit=commit,
            verdict=answer.response.assessment.verdict,
            summary=answer.response.assessment.summary,
        )
        for answer in answers
        if answer.response.assessment is not None
    ]


def _excluded(ctx: RunContext, ledger: Ledger) -> dict[str, str]:
    """Why a path is not reviewed any more: its findings stay open, and say so."""
    given_up = view.given_up_files(ledger, ctx.settings.max_attempts)
    newest = view.newest(ledger)
    stuck = {p: "given up" for p, blob in given_up if p in newest and newest[p].blob == blob}
    return dict.fromkeys(view.left_out(ledger), "file excluded") | stuck


def _model(answer: Answer) -> str:
    return answer.request_key.model or answer.pending.intended.model


def _answer(
    ctx: RunContext, pending: PendingBatch, request_key: RequestKey, outcome: Outcome | None
) -> Answer:
    found = outcome or Outcome(custom_id=request_key.id, kind=OutcomeKind.MISSING)
    reading = TaskResponse()
    failure = _failure(found)
    if failure is None:
        try:
            reading = ctx.task.read(found.text)
        except UnreadableAnswerError:
            failure = OutcomeKind.UNREADABLE.value
    return Answer(
        pending=pending, request_key=request_key, outcome=found, response=reading, failure=failure
    )


def _failure(outcome: Outcome) -> str | None:
    match outcome.kind:
        case OutcomeKind.SUCCEEDED:
            return None
        case OutcomeKind.ERRORED if outcome.detail in BILLING:
            return f"billing:{outcome.detail}"
        case OutcomeKind.ERRORED:
            return f"errored:{outcome.detail}"[:80]
        case kind:
            return kind.value


def _collected(
    ctx: RunContext,
    pending: PendingBatch,
    read: list[Answer],
    billed: list[tuple[str, Usage]],
    *,
    batched: bool,
) -> Collected:
    price = pricing.batch_usd if batched else pricing.interactive_usd
    groups = pricing.by_model(billed).items()
    costs = [price(ctx.prices, model, usages) for model, usages in groups]
    return Collected(
        batch=pending.sent.batch,
        at=ctx.now(),
        usage=sum((usage for _, usage in billed), Usage()),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        failed={answer.request_key.id: answer.failure for answer in read if answer.failure},
    )


def _texts(ctx: RunContext, blobs: set[str]) -> dict[str, str]:
    """The reviewed texts as the model saw them: decoded and masked. Missing blobs are absent."""
    have = {blob for blob in blobs if ctx.git.has_blob(blob)}
    if lost := len(blobs - have):
        if ctx.git.is_shallow():
            raise ConfigError(
                f"{lost} reviewed files are not in this shallow clone.",
                fix="Set `fetch-depth: 0` at actions/checkout; the answers wait for the next run.",
            )
        ctx.warn(f"{lost} reviewed files are not in this repository any more: dropped.")
    return {blob: mask(decode(data))[0] for blob, data in ctx.git.blobs(sorted(have))}
