"""The account of a night: what became of every file, what it cost, and its circumstances."""

from collections import Counter

from batch_action.batches.results import Answer, BatchResults
from batch_action.context import RunContext
from batch_action.ledger import view
from batch_action.models.findings import BatchAnswers
from batch_action.models.ledger import Collected, Ledger, Selected, Usage, Withdrawn
from batch_action.models.prices import prompt_tokens
from batch_action.models.report import (
    FileStatus,
    FileStatusEntry,
    FileStatuses,
    RunReport,
    Spending,
)
from batch_action.requests import pricing
from batch_action.requests.builder import shared_text
from batch_action.requests.planner import month_start

ORDER = [*FileStatus]


def night_of(
    ctx: RunContext,
    ledger: Ledger,
    found: BatchResults,
    batch_answers: BatchAnswers,
    *,
    pull: int | None = None,
    spent: Ledger | None = None,
) -> RunReport:
    """The circumstances that every report names.

    *pull*: the pull request it is about; *spent*: all that counts for the month, if that is more
    than this ledger.
    """
    context, settings = ctx.context, ctx.settings
    ended = found.ended
    return RunReport(
        task=ctx.task.name,
        repository=context.repository,
        repository_id=context.repository_id,
        server_url=context.server_url,
        commit=batch_answers.commit,
        run_url=context.run_url,
        batch_ids=tuple(pending.sent.batch for pending in ended),
        model=ended[-1].intended.model if ended else settings.model,
        date=f"{ctx.now():%Y-%m-%d}",
        file_statuses=_receipt(ctx, ledger, found),
        spending=_spending(ctx, ledger, found, spent or ledger) if ended else None,
        discarded=batch_answers.discarded,
        # Unknown counts as public: the guard must not depend on what an event happens to carry.
        public=context.private is not True,
        allow_public_security=settings.allow_public_security_findings,
        max_findings=settings.max_findings,
        max_issues=settings.max_issues,
        labels=settings.labels,
        assignees=settings.assignees,
        ref=f"refs/pull/{pull}/head" if pull else f"refs/heads/{context.branch or 'main'}",
        pull=pull,
        state_key=settings.state_key,
        quiet=not ended,
        file_verdicts=batch_answers.file_verdicts,
        generated=batch_answers.generated,
        refused=batch_answers.refused,
    )


def _receipt(ctx: RunContext, ledger: Ledger, found: BatchResults) -> FileStatuses:
    """One entry a file that was asked about or waits; its least settled part speaks for it."""
    given_up = view.given_up_files(ledger, ctx.settings.max_attempts)
    withdrawn = {fact.batch for fact in view.facts_of(ledger, Withdrawn)}
    entries: dict[str, FileStatusEntry] = {}
    for answer in found.answers:
        entry = _entry(answer, given_up, withdrawn=answer.pending.sent.batch in withdrawn)
        before = entries.get(entry.path)
        if before is None or ORDER.index(entry.status) > ORDER.index(before.status):
            entries[entry.path] = entry
    flying = {q.path for pending in view.pending(ledger) for q in pending.request_keys}
    backlog = view.backlog(ledger, max_attempts=ctx.settings.max_attempts, scope=ctx.scope)
    for path in flying:
        entries.setdefault(path, FileStatusEntry(path=path, status=FileStatus.IN_FLIGHT))
    for path in backlog:
        entries.setdefault(path, FileStatusEntry(path=path, status=FileStatus.BACKLOG))
    return FileStatuses(
        entries=tuple(sorted(entries.values(), key=lambda e: e.path)),
        skipped=_skipped(ledger, {pending.intended.head for pending in found.ended}),
    )


def _skipped(ledger: Ledger, heads: set[str]) -> tuple[tuple[str, int], ...]:
    """What the submits of these heads left out, by reason; the last one of a head speaks."""
    last = {
        fact.head: fact.skipped
        for fact in sorted(view.facts_of(ledger, Selected), key=lambda fact: fact.at)
        if fact.head in heads
    }
    counts: Counter[str] = Counter()
    for skipped in last.values():
        counts.update(skipped)
    return tuple(sorted(counts.items()))


def _entry(
    answer: Answer, given_up: frozenset[tuple[str, str]], *, withdrawn: bool
) -> FileStatusEntry:
    request_key, failure = answer.request_key, answer.failure
    if failure is None:
        return FileStatusEntry(path=request_key.path, status=FileStatus.REVIEWED)
    if (request_key.path, request_key.blob) in given_up:
        reason = f"{failure}; change the file or the model to have it asked again"
        return FileStatusEntry(path=request_key.path, status=FileStatus.GIVEN_UP, reason=reason)
    if withdrawn:
        reason = "its batch was canceled; asked again when it changes"
        return FileStatusEntry(path=request_key.path, status=FileStatus.WITHDRAWN, reason=reason)
    if failure.startswith("billing"):
        reason = f"{failure}: add credit or raise the limit; this counts no attempt"
        return FileStatusEntry(path=request_key.path, status=FileStatus.BACKLOG, reason=reason)
    if failure == "refused":
        reason = "asked again with the next submit"
        return FileStatusEntry(path=request_key.path, status=FileStatus.REFUSED, reason=reason)
    return FileStatusEntry(path=request_key.path, status=FileStatus.BACKLOG, reason=failure)


def _spending(ctx: RunContext, ledger: Ledger, found: BatchResults, spent: Ledger) -> Spending:
    usage = sum((usage for _, usage in found.usages), Usage())
    prompt = prompt_tokens(usage)
    now = ctx.now()
    system = shared_text(ctx, found.ended[-1].intended.head)
    shared = pricing.estimate(len(system.encode()))
    return Spending(
        usage=usage,
        cost=pricing.together(
            pricing.actual_cost(ctx.prices, model, usages, shared)
            for model, usages in pricing.by_model(found.usages).items()
        ),
        month_usd=view.spend(spent, month_start(now)),
        cache_share=usage.cache_read_tokens / prompt if prompt else 0.0,
        cache_saved_usd=_cache_saved(ctx, ledger, found)
        if usage != pricing.uncached(usage)
        else None,
        batched=found.batched,
    )


def _cache_saved(ctx: RunContext, ledger: Ledger, found: BatchResults) -> float | None:
    """What the prompt cache saved tonight, less what the warm-up before it had cost more."""
    groups = pricing.by_model([*found.usages, *_warm_ups(ledger, found)])
    saved = [pricing.cache_saving(ctx.prices, model, used) for model, used in groups.items()]
    return None if None in saved else sum(usd for usd in saved if usd is not None)


def _warm_ups(ledger: Ledger, found: BatchResults) -> list[tuple[str, Usage]]:
    """Model and usage of the warm-ups that tonight's batches have read from."""
    ended = {pending.sent.batch for pending in found.ended}
    collected = {fact.batch: fact.usage for fact in view.facts_of(ledger, Collected)}
    before = [
        (intended.at, intended.model, sent.batch)
        for sent, intended in view.sent_batches(ledger)
        if intended.mode == "warm-up" and sent.batch not in ended
    ]
    warmed = [pending.intended.at for pending in found.ended if pending.intended.mode == "warmed"]
    read = {max((x for x in before if x[0] < at), default=None) for at in warmed}
    return [(one[1], collected.get(one[2], Usage())) for one in read if one is not None]
