"""The results of a batch that has ended, or what is told of one that has not."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from batch_action.batches import generated_files
from batch_action.batches.generated_files import Source
from batch_action.clients.secrets import mask
from batch_action.context import World
from batch_action.errors import ConfigError, TransientError
from batch_action.findings.anchoring import anchor_all
from batch_action.ledger import view
from batch_action.ledger.store import Memory
from batch_action.ledger.view import Pending
from batch_action.models.file_results import Judgement
from batch_action.models.findings import Finding, Reviewed, Tonight
from batch_action.models.ledger import Collected, Fact, Ledger, Question, Usage, Withdrawn
from batch_action.models.requests import Outcome, OutcomeKind
from batch_action.models.responses import Reading
from batch_action.requests import pricing
from batch_action.requests.license_context import Checker
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


def _is_here(world: World, pending: Pending) -> bool:
    """Whether what was asked about is here, where it was a patch's and no commit's."""
    if not pending.intended.patched or world.git.has_commit(pending.intended.head):
        return True
    world.warn(
        f"Batch {pending.sent.batch} is about a patch: give the same `patch-file`, on the same "
        "commit, to collect it."
    )
    return False


def fetch(world: World, pending: Pending) -> Fetched | None:
    """What came back; None while there is nothing to fetch; empty when it is lost for good."""
    if not _is_here(world, pending):
        return None
    api, sent = world.need_anthropic(), pending.sent
    state = api.retrieve(sent.batch)
    age = world.now() - sent.created_at
    if state is None or state.archived_at is not None:
        unknown = state is None and age < RETENTION and not pending.withdrawn
        return _lost(world, pending, unknown=unknown)
    if state.status != "ended":
        world.screen.say(f"Batch {sent.batch} is {state.status}, {_hours(age)} old.")
        if sent.expires_at - world.now() < SOON:
            world.warn(
                f"Batch {sent.batch} expires at {sent.expires_at:%H:%M} UTC: what is not answered "
                "by then costs nothing and is owed to the next submit."
            )
        return None
    if state.results_url is None:
        world.warn(f"Batch {sent.batch} has ended, but its results are not there yet.")
        return None
    if age > RETENTION - LAST_DAYS:
        until = sent.created_at + RETENTION
        world.warn(f"Anthropic deletes the results of {sent.batch} on {until:%Y-%m-%d}.")
    want = frozenset(question.id for question in pending.questions)
    world.screen.say(f"Batch {sent.batch} has ended: fetching {plural(len(want), 'answer')}.")
    with (
        tempfile.TemporaryDirectory(prefix="batch-action-") as folder,
        world.screen.progress("Downloading answers", len(want)) as tick,
    ):
        return Fetched(api.outcomes(sent.batch, want, Path(folder), tick), state.canceled)


def _lost(world: World, pending: Pending, *, unknown: bool) -> Fetched | None:
    """Nothing, for good; None while a batch that is *unknown* may still turn up."""
    batch = pending.sent.batch
    if not unknown:
        if not pending.withdrawn:
            world.warn(f"The results of batch {batch} are gone (29 days): its files are owed.")
        return Fetched({})
    if world.now() - pending.sent.created_at > LAG:
        world.warn(
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

    pending: Pending
    question: Question
    outcome: Outcome
    reading: Reading
    failure: str | None
    """None for a verdict; else the kind of failure, as the ledger records it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """Everything that had ended when we looked."""

    ended: tuple[Pending, ...] = ()
    waiting: tuple[Pending, ...] = ()
    answers: tuple[Answer, ...] = ()
    facts: tuple[Fact, ...] = ()
    """To be saved once the answers are delivered."""
    usages: tuple[tuple[str, Usage], ...] = ()
    """Model and tokens of each billed request, for the counterfactual columns."""
    batched: bool = True
    """Paid at the batch price; else asked at once, through the Messages API."""


def harvest(world: World, memory: Memory) -> Harvest:
    """Fetch every pending batch that has ended; with `batch-id` only that one.

    What has not ended is told with its age. Raises TransientError when results cannot be had now.
    """
    ended: list[Pending] = []
    waiting: list[Pending] = []
    answers: list[Answer] = []
    facts: list[Fact] = []
    usages: list[tuple[str, Usage]] = []
    problem: TransientError | None = None
    for pending in view.pending(memory.ledger):
        wanted = world.settings.batch_id in (None, pending.sent.batch)
        try:
            fetched = fetch(world, pending) if wanted else None
        except TransientError as error:
            # The other batches' answers need not wait for this one's.
            world.warn(str(error))
            fetched, problem = None, error
        if fetched is None:
            waiting.append(pending)
            continue
        ended.append(pending)
        if fetched.canceled and not pending.withdrawn:
            facts.append(Withdrawn(batch=pending.sent.batch, by="", at=world.now()))
        one = gathered(world, pending, fetched.outcomes, batched=True)
        answers += one.answers
        usages += one.usages
        facts += one.facts
    if problem is not None and not ended:
        raise problem
    return Harvest(
        ended=tuple(ended),
        waiting=tuple(waiting),
        answers=tuple(answers),
        facts=tuple(facts),
        usages=tuple(usages),
    )


def gathered(
    world: World, pending: Pending, outcomes: Mapping[str, Outcome], *, batched: bool
) -> Harvest:
    """The answers of one batch; not *batched*: of what was asked at once, at full price."""
    read = [_answer(world, pending, q, outcomes.get(q.id)) for q in pending.questions]
    billed = [(_model(a), a.outcome.usage) for a in read if a.outcome.usage != Usage()]
    return Harvest(
        ended=(pending,),
        answers=tuple(read),
        facts=(_collected(world, pending, read, billed, batched=batched),),
        usages=tuple(billed),
        batched=batched,
    )


def tonight(world: World, ledger: Ledger, found: Harvest) -> Tonight:
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
            by_file.setdefault((answer.question.path, answer.question.blob), []).append(answer)
    texts = _texts(world, {blob for _, blob in by_file})
    added = added_lines(world, ledger, {p.intended.head for p in found.ended})
    reviewed: list[Reviewed] = []
    findings: list[Finding] = []
    judgements: list[Judgement] = []
    sources: list[Source] = []
    discarded = 0
    checker = Checker(world)
    for (path, blob), answers in by_file.items():
        commit = answers[-1].pending.intended.head
        if blob not in texts:
            continue
        remarks = [remark for answer in answers for remark in answer.reading.remarks]
        anchored, lost = anchor_all(
            [*remarks, *checker.remarks(path, texts[blob], commit)],
            task=world.task.name,
            path=path,
            text=texts[blob],
            blob=blob,
            commit=commit,
            added=added.get((path, blob), ()),
        )
        findings += anchored
        discarded += lost
        judgements += _judgements(path, blob, commit, answers)
        drafts = tuple(draft for answer in answers for draft in answer.reading.drafts)
        sources.append(Source(path=path, blob=blob, commit=commit, text=texts[blob], drafts=drafts))
        if (path, blob) in settled:
            reviewed.append(Reviewed(path=path, blob=blob, commit=commit))
    generated, refused = generated_files.settle(world, sources)
    return Tonight(
        task=world.task.name,
        commit=newest,
        reviewed=tuple(reviewed),
        findings=tuple(findings),
        discarded=discarded,
        dismissed=view.dismissed(ledger),
        verdicts=settled,
        excluded=_excluded(world, ledger),
        judgements=tuple(judgements),
        generated=generated,
        refused=refused,
    )


def _judgements(path: str, blob: str, commit: str, answers: list[Answer]) -> list[Judgement]:
    """The rulings on one file, if the task gives any."""
    return [
        Judgement(
            path=path,
            blob=blob,
            old_blob=answer.question.old,
            commit=commit,
            ruling=answer.reading.opinion.ruling,
            summary=answer.reading.opinion.summary,
        )
        for answer in answers
        if answer.reading.opinion is not None
    ]


def _excluded(world: World, ledger: Ledger) -> dict[str, str]:
    """Why a path is not reviewed any more: its findings stay open, and say so."""
    given_up = view.given_up_files(ledger, world.settings.max_attempts)
    newest = view.newest(ledger)
    stuck = {p: "given up" for p, blob in given_up if p in newest and newest[p].blob == blob}
    return dict.fromkeys(view.left_out(ledger), "file excluded") | stuck


def _model(answer: Answer) -> str:
    return answer.question.model or answer.pending.intended.model


def _answer(world: World, pending: Pending, question: Question, outcome: Outcome | None) -> Answer:
    found = outcome or Outcome(custom_id=question.id, kind=OutcomeKind.MISSING)
    reading = Reading()
    failure = _failure(found)
    if failure is None:
        try:
            reading = world.task.read(found.text)
        except UnreadableAnswerError:
            failure = OutcomeKind.UNREADABLE.value
    return Answer(
        pending=pending, question=question, outcome=found, reading=reading, failure=failure
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
    world: World,
    pending: Pending,
    read: list[Answer],
    billed: list[tuple[str, Usage]],
    *,
    batched: bool,
) -> Collected:
    price = pricing.batch_usd if batched else pricing.interactive_usd
    groups = pricing.by_model(billed).items()
    costs = [price(world.prices, model, usages) for model, usages in groups]
    return Collected(
        batch=pending.sent.batch,
        at=world.now(),
        usage=sum((usage for _, usage in billed), Usage()),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        failed={answer.question.id: answer.failure for answer in read if answer.failure},
    )


def _texts(world: World, blobs: set[str]) -> dict[str, str]:
    """The reviewed texts as the model saw them: decoded and masked. Missing blobs are absent."""
    have = {blob for blob in blobs if world.git.has_blob(blob)}
    if lost := len(blobs - have):
        if world.git.is_shallow():
            raise ConfigError(
                f"{lost} reviewed files are not in this shallow clone.",
                fix="Set `fetch-depth: 0` at actions/checkout; the answers wait for the next run.",
            )
        world.warn(f"{lost} reviewed files are not in this repository any more: dropped.")
    return {blob: mask(decode(data))[0] for blob, data in world.git.blobs(sorted(have))}
