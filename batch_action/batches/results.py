"""Fetch the results of batches that have ended: an outcome, and an answer, for each request."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from batch_action.batches import lost_creates, verification
from batch_action.clients.git import GitRepo
from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.errors import AnthropicError, ConfigError, TransientError
from batch_action.ledger import explanations, store
from batch_action.ledger import verification as recorded
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import PendingBatch
from batch_action.models.findings import RawFinding, TaskResponse
from batch_action.models.generated import FileDraft
from batch_action.models.ledger import Collected, Fact, RequestKey, Usage, Withdrawn
from batch_action.models.requests import Outcome, OutcomeKind, Prices, Usages
from batch_action.models.verification import VerificationResult
from batch_action.models.verification_facts import Deleted
from batch_action.requests import pricing
from batch_action.tasks.registry import ABOUT_FINDINGS
from batch_action.tasks.task import Task, UnreadableAnswerError
from batch_action.text import format_age, format_time, plural

if TYPE_CHECKING:  # the SDK takes long to import
    from batch_action.clients.anthropic.results_file import ResultsFile

LISTING_LAG = timedelta(minutes=15)
"""How long after a create Anthropic may not know a batch (anthropic-sdk-python issue 1432)."""

RETENTION = timedelta(days=29)
"""Anthropic keeps results for 29 days after the create (its page on batch processing)."""

EXPIRY_NOTICE = timedelta(hours=2)
DELETION_NOTICE = timedelta(days=3)
"""How long before a batch expires, or its results are deleted, to warn."""

FIRST_POLL_SECONDS = 5.0
MAX_POLL_SECONDS = 60.0

REQUEST_ERRORS = frozenset({"invalid_request_error", "request_too_large"})
"""Error types that may be about the file; all others are about account, model or service."""
_NOT_THE_FILE = re.compile(
    r"\b(?:credits?|balance|quota|billing|payment|subscription|spend(?:ing)?|usage|organi[sz]ation"
    r"|workspace|account|api key|(?:your|current) plan|region|country)\b"
    r"|\A(?!.*\b(?:long|length|exceed|context)).*\bmodel\b",
    re.IGNORECASE | re.DOTALL,
)
"""Messages of such errors that are about account or model nevertheless."""
ANSWERS_FOLDER = "answers"
MAX_FAILURE_CHARS = 240
INTERACTIVE_PREFIX = "interactive-"
"""No id of Anthropic's begins with it: such requests went through the Messages API."""
NO_RESPONSE = TaskResponse()
"""One for all answers that say nothing, which most of them do."""
SERVICE = "service:"
"""What a failure begins with that is about account, model or service: it counts no attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswer:
    """One request of an ended batch with its outcome."""

    pending: PendingBatch
    request_key: RequestKey
    response: TaskResponse
    """Without its findings and drafts, and empty when there is a failure."""
    has_findings: bool
    has_drafts: bool
    outcomes: Mapping[str, Outcome]
    """Where findings and drafts are read from: they stay on disk until their turn."""
    failure: str | None
    """None for a verdict; else the kind of failure, as the ledger records it."""

    def read_drafts(self, task: Task) -> tuple[FileDraft, ...]:
        """Read the drafts of the answer."""
        return self._read(task).drafts if self.has_drafts else ()

    def read_findings(self, task: Task) -> tuple[RawFinding, ...]:
        """Read the findings of the answer."""
        return self._read(task).raw_findings if self.has_findings else ()

    def _read(self, task: Task) -> TaskResponse:
        return task.parse_answer(self.outcomes[self.request_key.id].text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAnswers:
    """The answers to the reviews of one batch, each put together when its turn comes.

    There may be tens of thousands, and most have findings and say nothing else.
    """

    pending: PendingBatch
    outcomes: Mapping[str, Outcome]
    keys: tuple[RequestKey, ...]
    has_findings: bytes
    has_drafts: bytes
    """One byte for each key, here and above."""
    responses: Mapping[str, TaskResponse]
    """Those that say something, by custom id."""
    failures: Mapping[str, str]
    """By custom id."""

    @classmethod
    def of(cls, answers: Sequence[RequestAnswer]) -> "ReviewAnswers":
        """Return these answers, at least one."""
        return cls(
            pending=answers[0].pending,
            outcomes=answers[0].outcomes,
            keys=tuple(a.request_key for a in answers),
            has_findings=bytes(a.has_findings for a in answers),
            has_drafts=bytes(a.has_drafts for a in answers),
            responses={a.request_key.id: a.response for a in answers if a.response != NO_RESPONSE},
            failures={a.request_key.id: a.failure for a in answers if a.failure is not None},
        )

    def __iter__(self) -> Iterator[RequestAnswer]:
        flags = self.has_findings, self.has_drafts
        for key, has_findings, has_drafts in zip(self.keys, *flags, strict=True):
            yield RequestAnswer(
                pending=self.pending,
                request_key=key,
                response=self.responses.get(key.id, NO_RESPONSE),
                has_findings=bool(has_findings),
                has_drafts=bool(has_drafts),
                outcomes=self.outcomes,
                failure=self.failures.get(key.id),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResults:
    """The results of all batches that have ended, and the batches that have not."""

    ended: tuple[PendingBatch, ...] = ()
    waiting: tuple[PendingBatch, ...] = ()
    failed: tuple[str, ...] = ()
    """Ids of the waiting batches that could not be fetched."""
    reviews: tuple[ReviewAnswers, ...] = ()
    """The answers to reviews."""
    about_findings: tuple[RequestAnswer, ...] = ()
    """Those to the other requests."""
    verifications: tuple[VerificationResult, ...] = ()
    facts: tuple[Fact, ...] = ()
    """To be saved once the answers are published."""
    usages: Usages = field(default_factory=Usages)
    """Model and tokens of each billed request, for comparing prices."""
    batched: bool = True
    """Paid at the batch price; else sent through the Messages API at full price."""
    failure: AnthropicError | None = None
    """Why no request of a batch was answered, when it is not the files' fault."""

    @property
    def answers(self) -> Iterator[RequestAnswer]:
        """The answers to reviews, oldest batch first."""
        return chain.from_iterable(self.reviews)

    def __add__(self, other: "BatchResults") -> "BatchResults":
        return BatchResults(
            ended=self.ended + other.ended,
            waiting=self.waiting + other.waiting,
            failed=self.failed + other.failed,
            reviews=self.reviews + other.reviews,
            about_findings=self.about_findings + other.about_findings,
            verifications=self.verifications + other.verifications,
            facts=self.facts + other.facts,
            usages=self.usages + other.usages,
            batched=self.batched and other.batched,
            failure=self.failure or other.failure,
        )


def _has_reviewed_commit(git: GitRepo, pending: PendingBatch) -> bool:
    """Return whether the reviewed commit exists; that of a patch only with `patch-file`."""
    return not pending.intended.patched or git.has_commit(pending.intended.head)


def _fetch_batch(ctx: RunContext, pending: PendingBatch) -> BatchResults | None:
    """Return the results; None while there are none to fetch; failures when they are lost."""
    if not _has_reviewed_commit(ctx.git, pending):
        ctx.warn(
            f"Batch {pending.sent.batch} is about a patch: to collect it, run with the same "
            "`patch-file` on the same commit."
        )
        return None
    api, sent = ctx.require_anthropic(), pending.sent
    state = api.retrieve(sent.batch)
    age = ctx.now() - sent.created_at
    if state is None or state.archived_at is not None:
        unknown = state is None and age < RETENTION and not pending.withdrawn
        return _report_missing(ctx, pending, unknown=unknown)
    if state.status != "ended":
        hours, expires = age.total_seconds() / 3600, format_time(sent.expires_at)
        ctx.console.print(f"Batch {sent.batch} is {state.status}, {format_age(hours)} old.")
        if is_overdue(sent.expires_at, ctx.now()):
            advice = overdue_advice(sent.batch, expires)
            ctx.warn(f"Batch {sent.batch} is {state.status} and {advice}.")
        elif sent.expires_at - ctx.now() < EXPIRY_NOTICE:
            ctx.warn(
                f"Batch {sent.batch} expires at {expires}: what is not answered by then costs "
                "nothing and stays in the backlog."
            )
        return None
    if age > RETENTION - DELETION_NOTICE:
        until = sent.created_at + RETENTION
        ctx.warn(f"Anthropic deletes the results of {sent.batch} on {until:%Y-%m-%d}.")
    ids = tuple(key.id for key in pending.request_keys)
    ctx.console.print(f"Batch {sent.batch} has ended: fetching {plural(len(ids), 'answer')}.")
    with ctx.console.progress("Downloading answers", len(ids)) as progress:
        outcomes = api.outcomes(state, ids, progress)
    _keep(ctx, sent.batch, outcomes)
    batch_results = read_batch(ctx, pending, outcomes)
    if state.canceled and not pending.withdrawn:
        canceled = Withdrawn(batch=sent.batch, actor="", at=ctx.now())
        batch_results = replace(batch_results, facts=(canceled, *batch_results.facts))
    return batch_results


def _keep(ctx: RunContext, batch: str, outcomes: "ResultsFile") -> None:
    """Write the result lines of a batch to the folder of kept answers, if the settings say so.

    Raises ConfigError: they cannot be written; the next run fetches them again.
    """
    if not ctx.settings.keep_answers:
        return
    try:
        folder = ctx.runner.write_lines(ANSWERS_FOLDER, f"{batch}.jsonl", outcomes.lines())
    except OSError as error:
        raise ConfigError(
            f"The answers of batch {batch} cannot be kept in the workspace: {error.strerror}.",
            fix="Check the free disk space and the owner of the workspace.",
        ) from None
    ctx.runner.set_output("answers-folder", folder)
    if ctx.github_context.private is not True:
        ctx.warn(
            f"`keep-answers`: the files in {folder} quote code and hold all findings, those about "
            "security too. On a public repository, do not upload them as an artifact."
        )


def _report_missing(
    ctx: RunContext, pending: PendingBatch, *, unknown: bool
) -> BatchResults | None:
    """Warn and return failures; None while a batch that is *unknown* may still appear."""
    batch = pending.sent.batch
    if not unknown:
        if not pending.withdrawn:
            ctx.warn(
                f"The results of batch {batch} were deleted (29 days): its files are back in the "
                "backlog."
            )
        return read_batch(ctx, pending, {})
    if ctx.now() - pending.sent.created_at > LISTING_LAG:
        ctx.warn(
            f"Anthropic does not know batch {batch} with this key. Was it sent by another "
            "workspace? It stays pending."
        )
    return None


def is_overdue(expires_at: datetime, now: datetime) -> bool:
    """Return whether a batch should have ended: Anthropic ends it when it expires."""
    return now - expires_at > EXPIRY_NOTICE


def overdue_advice(batch: str, expires: str) -> str:
    """Return the rest of a sentence about a batch that has not ended although it has expired."""
    return (
        f"should have ended by {expires}. If it does not end, `batch-action cancel --batch-id "
        f"{batch}` gives it up: what it has answered is still reported, and its other files are "
        "sent again when they change, or with `recheck`"
    )


def wait_for_results(ctx: RunContext, session: LedgerSession) -> BatchResults:
    """Fetch the results of ended batches, polling up to `wait-minutes` with growing pauses.

    A transient error is raised only after that time.
    """
    if not (session.view.pending_batches or session.view.open_intents):
        return BatchResults()
    until = ctx.deadline
    pause = FIRST_POLL_SECONDS
    while True:
        try:
            lost_creates.resolve_open_intents(ctx.require_anthropic(), session, ctx.warn)
            batch_results = fetch_results(ctx, session.view.pending_batches)
        except TransientError:
            if ctx.now() >= until:
                raise
        else:
            if batch_results.ended or not batch_results.waiting or ctx.now() >= until:
                return batch_results
        ctx.sleep(min(pause, max(0.0, (until - ctx.now()).total_seconds())))
        pause = min(MAX_POLL_SECONDS, pause * 2)


def fetch_results(ctx: RunContext, pending_batches: Iterable[PendingBatch]) -> BatchResults:
    """Fetch every pending batch that has ended; with `batch-id` only that one.

    The age of those that have not ended is printed. Raises AnthropicError: nothing was fetched.
    """
    batch_results = BatchResults()
    problem: AnthropicError | None = None
    for pending in pending_batches:
        waiting = BatchResults(waiting=(pending,))
        fetched = None
        try:
            if ctx.settings.batch_id in (None, pending.sent.batch):
                fetched = _fetch_batch(ctx, pending)
        except AnthropicError as error:
            # The answers of other batches can still be fetched.
            ctx.warn(str(error))
            problem = problem or error
            waiting = replace(waiting, failed=(pending.sent.batch,))
        batch_results += fetched or waiting
    if problem is not None and not batch_results.ended:
        raise problem
    return batch_results


def read_batch(
    ctx: RunContext, pending: PendingBatch, outcomes: Mapping[str, Outcome], *, batched: bool = True
) -> BatchResults:
    """Return the answers of one batch; if not *batched*, priced as the Messages API."""
    answers: list[RequestAnswer] = []
    failed: list[tuple[int, Outcome]] = []
    billed = Usages()
    # Results that could not be read say nothing about what they cost.
    usage = Usage() if outcomes else None
    for key in pending.request_keys:
        outcome = outcomes.get(key.id) or Outcome(
            custom_id=key.id, kind=OutcomeKind.MISSING, usage=usage
        )
        if outcome.usage != Usage():
            model = _billed_as(ctx.prices, pending, key, outcome, batched=batched)
            billed.append(model, outcome.usage or Usage())
        if outcome.kind is not OutcomeKind.SUCCEEDED:
            failed.append((len(answers), outcome))
        task = ABOUT_FINDINGS.get(key.purpose, ctx.task)
        answers.append(_read_answer(task, pending, key, outcomes, outcome))
    words = {(outcome.kind, outcome.detail, outcome.message) for _, outcome in failed}
    alike = len(answers) > 1 and len(failed) == len(answers) and len(words) == 1
    for number, outcome in failed:
        answers[number] = replace(answers[number], failure=_failure_of(outcome, fails_alike=alike))
    failures = [a.failure for a in answers if a.failure and a.failure.startswith(SERVICE)]
    failure = None
    if failures and len(failures) == len(answers):
        failure = AnthropicError(
            f"Anthropic answered none of the {plural(len(answers), 'request')} of batch "
            f"{pending.sent.batch}: {failures[0].removeprefix(SERVICE).rstrip('.')}.",
            fix="It cost nothing and counts as no attempt: the next submit sends them again.",
        )
    reviews = [a for a in answers if a.request_key.purpose == "review"]
    about_findings = [a for a in answers if a.request_key.purpose != "review"]
    verifications = verification.results_of(
        ctx.git, [(a.request_key, a.response.claims) for a in about_findings if not a.failure]
    )
    return BatchResults(
        ended=(pending,),
        reviews=(ReviewAnswers.of(reviews),) if reviews else (),
        about_findings=tuple(about_findings),
        verifications=verifications,
        facts=(
            _collected_fact(ctx.prices, ctx.now(), pending, answers, billed, batched=batched),
            *verification.facts_of(pending.sent.batch, verifications),
        ),
        usages=billed,
        batched=batched,
        failure=failure,
    )


def is_batch_id(name: str) -> bool:
    """Return whether this is the id of a batch at Anthropic."""
    return not name.startswith(INTERACTIVE_PREFIX)


def delete_batches(ctx: RunContext, session: LedgerSession, saved: Iterable[Fact]) -> None:
    """Delete the batches that these facts record as collected, and those that were needed longer.

    Only after the facts are saved: else the results would be lost. A batch whose findings wait to
    be verified or explained is kept until they are: a request about them that fails is sent again.
    A failure is only reported.
    """
    if not ctx.settings.delete_batches:
        return
    view = session.view
    attempts, since = ctx.settings.max_attempts, ctx.now() - RETENTION
    kept = {due.batch for due in recorded.needed(view, ctx.settings.verify)}
    kept |= explanations.needed_batches(view, attempts)
    collected = {fact.batch for fact in saved if isinstance(fact, Collected)}
    postponed = recorded.kept_batches(view) | explanations.deletable(view, attempts, since)
    for batch in sorted((collected | postponed) - kept):
        if not is_batch_id(batch):
            continue
        try:
            ctx.require_anthropic().delete(batch)
        except AnthropicError as error:
            ctx.warn(f"Batch {batch} was not deleted at Anthropic: {error}")
        else:
            if batch in postponed:
                session.add(Deleted(batch=batch))
    store.save(ctx, session)


def _billed_as(
    prices: Prices, pending: PendingBatch, key: RequestKey, outcome: Outcome, *, batched: bool
) -> str:
    """Return the model by whose price an answer is billed; without a known price: unknown.

    The model that answered counts; the date behind its name does not matter.
    """
    asked = key.model or pending.intended.model
    if outcome.usage is None or outcome.tier not in ("", "batch" if batched else "standard"):
        return f"{asked}, {outcome.tier or 'usage unknown'}"
    short, long = sorted((asked, outcome.model), key=len)
    same = not short or re.fullmatch(rf"{re.escape(short)}(?:[-@]\d{{8}}|-latest)?", long)
    return asked if same and outcome.model not in prices.models else outcome.model


def _read_answer(
    task: Task,
    pending: PendingBatch,
    key: RequestKey,
    outcomes: Mapping[str, Outcome],
    outcome: Outcome,
) -> RequestAnswer:
    """Return the answer to one request, as yet without the failure of one that did not succeed."""
    response, failure = NO_RESPONSE, None
    if outcome.kind is OutcomeKind.SUCCEEDED:
        try:
            response = task.parse_answer(outcome.text)
        except UnreadableAnswerError:
            failure = OutcomeKind.UNREADABLE.value
    kept = NO_RESPONSE
    if response.assessment or response.claims or response.explanation:
        kept = replace(response, raw_findings=(), drafts=())
    return RequestAnswer(
        pending=pending,
        request_key=key,
        response=kept,
        has_findings=bool(response.raw_findings),
        has_drafts=bool(response.drafts),
        outcomes=outcomes,
        failure=failure,
    )


def _failure_of(outcome: Outcome, *, fails_alike: bool) -> str:
    """Return the failure as the ledger records it: `service` is not about the file.

    *fails_alike*: all requests of the batch failed with the same words.
    """
    match outcome.kind:
        case OutcomeKind.ERRORED:
            about_file = outcome.detail in REQUEST_ERRORS and not (
                fails_alike or _NOT_THE_FILE.search(outcome.message)
            )
            words = f"{outcome.detail}: {outcome.message}" if outcome.message else outcome.detail
            # It may quote the request, and the ledger may be public.
            words = "".join(filter(str.isprintable, mask(words)[0]))
            return f"{'errored:' if about_file else SERVICE}{words}"[:MAX_FAILURE_CHARS]
        case kind:
            return kind.value


def _collected_fact(
    prices: Prices,
    now: datetime,
    pending: PendingBatch,
    answers: list[RequestAnswer],
    billed: Usages,
    *,
    batched: bool,
) -> Collected:
    usage = sum((usage for _, usage in billed), Usage())
    plain = ((model, pricing.without_cache(usage)) for model, usage in billed)
    is_cached = usage != pricing.without_cache(usage)
    return Collected(
        batch=pending.sent.batch,
        at=now,
        usage=usage,
        cost_usd=pricing.total_usd(prices, billed, batched=batched),
        interactive_usd=pricing.total_usd(prices, plain, batched=False),
        cache_saved_usd=pricing.cache_saving(prices, billed) if is_cached else None,
        failed={answer.request_key.id: answer.failure for answer in answers if answer.failure},
    )
