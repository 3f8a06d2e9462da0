"""Build the report of a run: the status of every file, the cost, and where the run happened."""

from collections import Counter
from collections.abc import Mapping

from batch_action.batches import explanations
from batch_action.batches.results import SERVICE, BatchResults, RequestAnswer
from batch_action.context import RunContext
from batch_action.ledger import savings, statistics
from batch_action.ledger.spend import month_start
from batch_action.ledger.view import LedgerView
from batch_action.models.files import Selection, SkipKind, SkipReason
from batch_action.models.findings import BatchAnswers
from batch_action.models.ledger import Collected, Selected, Usage, Withdrawn, reviews_in
from batch_action.models.report import (
    FileStatus,
    FileStatusEntry,
    FileStatuses,
    RunReport,
    SavingsByPeriod,
    Spending,
)
from batch_action.models.requests import Prices, Usages
from batch_action.requests import pricing

STATUS_OF_REASON = {
    SkipReason.ALREADY_REVIEWED: FileStatus.REVIEWED,
    SkipReason.IN_FLIGHT: FileStatus.IN_FLIGHT,
    SkipReason.GIVEN_UP: FileStatus.GIVEN_UP,
    SkipReason.WITHDRAWN: FileStatus.WITHDRAWN,
    SkipReason.NOT_IN_CLONE: FileStatus.BACKLOG,
}
"""The status of a file without an open request; the others have nothing to review."""
STATUS_ORDER = [*FileStatus]
"""From the best to the worst: the worst status of its parts is the status of a file."""


def build(
    ctx: RunContext,
    view: LedgerView,
    results: BatchResults,
    batch_answers: BatchAnswers,
    *,
    spend_view: LedgerView | None = None,
    account: Selection | None = None,
) -> RunReport:
    """Build the report of a run.

    *account*: every file of a pull request, also of those that this run does not answer.
    *spend_view*: all facts that count for the month's spending, if not *view*.
    """
    context, settings = ctx.github_context, ctx.settings
    ended, pull_number = results.ended, ctx.run.pull_number
    shows_statistics = settings.statistics and pull_number is None
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
        file_statuses=_build_file_statuses(
            view, results, settings.max_attempts, ctx.scope, account
        ),
        spending=_compute_spending(
            ctx.prices,
            view,
            results,
            month_usd=(spend_view or view).spend_usd(month_start(ctx.now())),
            saved=savings.by_period(spend_view or view, results.facts, ctx.now()),
        )
        if ended
        else None,
        ref=f"refs/pull/{pull_number}/head" if pull_number else context.branch_ref,
        pull_request=pull_number,
        is_on_github=settings.patch_file is None,
        state_key=settings.state_key,
        last_month=statistics.last_month(view, ctx.now()) if shows_statistics else None,
        judged_rules=statistics.judge_rules(view) if shows_statistics else (),
        file_verdicts=batch_answers.file_verdicts,
        generated=batch_answers.generated,
        refused=batch_answers.refused,
        explanations=explanations.replies_of(view, results, settings.max_attempts),
    )


def _build_file_statuses(
    view: LedgerView,
    results: BatchResults,
    max_attempts: int,
    scope: str,
    account: Selection | None,
) -> FileStatuses:
    """Build one entry for each file that was sent or is in the backlog, or is in *account*."""
    given_up = view.given_up_files(max_attempts)
    if account is not None:
        return statuses_of(account, _answered(view, results, given_up))
    pending = (batch.request_keys for batch in view.pending_batches)
    in_flight = {key.path for keys in pending for key in reviews_in(keys)}
    backlog = view.backlog(max_attempts=max_attempts, scope=scope)
    is_about_findings = results.ended and not results.reviews
    entries = (
        _last_reviewed(view, given_up) if is_about_findings else _answered(view, results, given_up)
    )
    for path in in_flight:
        entries.setdefault(path, FileStatusEntry(path=path, status=FileStatus.IN_FLIGHT))
    for path in backlog:
        entries.setdefault(path, FileStatusEntry(path=path, status=FileStatus.BACKLOG))
    heads = {batch.intended.head for batch in results.ended}
    return FileStatuses.of(entries.values(), _count_skipped(view, heads))


def _answered(
    view: LedgerView, results: BatchResults, given_up: frozenset[tuple[str, str]]
) -> dict[str, FileStatusEntry]:
    """Return by path what became of the files with an answer; of several answers the worst."""
    withdrawn = {fact.batch for fact in view.facts(Withdrawn)}
    entries: dict[str, FileStatusEntry] = {}
    for answer in results.answers:
        entry = _build_entry(answer, given_up, withdrawn=answer.pending.sent.batch in withdrawn)
        before = entries.get(entry.path)
        if before is None or STATUS_ORDER.index(entry.status) > STATUS_ORDER.index(before.status):
            entries[entry.path] = entry
    return entries


def _last_reviewed(
    view: LedgerView, given_up: frozenset[tuple[str, str]]
) -> dict[str, FileStatusEntry]:
    """Return what became of the last selection, for a run whose batches are about findings only."""
    statuses = {
        FileStatus.REVIEWED: view.reviewed_files,
        FileStatus.WITHDRAWN: view.withdrawn_files,
        FileStatus.GIVEN_UP: given_up,
    }
    last = next((fact.files for fact in reversed(view.selections) if fact.files), ())
    return {
        file.path: FileStatusEntry(path=file.path, status=status)
        for file in last
        for status in [s for s, files in statuses.items() if (file.path, file.blob) in files][:1]
    }


def statuses_of(
    account: Selection, answered: Mapping[str, FileStatusEntry] | None = None
) -> FileStatuses:
    """Build an entry for each file of *account*, with the reasons of those *answered* now."""
    entries = {
        file.path: FileStatusEntry(path=file.path, status=FileStatus.BACKLOG)
        for file in account.files
    }
    counts: Counter[str] = Counter()
    for file in account.skipped:
        status = STATUS_OF_REASON.get(file.reason)
        if status is None and file.kind is SkipKind.CONTENT:
            status = FileStatus.NOT_REVIEWABLE
        elif status is None and file.kind is SkipKind.NAME and file.is_new:
            status = FileStatus.SKIPPED
        if status is None:
            counts[file.reason.value] += 1
            continue
        is_reviewed = status is FileStatus.REVIEWED
        reason = f"{file.reason.value}: {file.detail}" if file.detail else file.reason.value
        entries[file.path] = FileStatusEntry(
            path=file.path, status=status, reason="" if is_reviewed else reason
        )
    for path, entry in (answered or {}).items():
        if path in entries and entry.status is entries[path].status:
            entries[path] = entry
    return FileStatuses.of(entries.values(), tuple(sorted(counts.items())))


def _count_skipped(view: LedgerView, heads: set[str]) -> tuple[tuple[str, int], ...]:
    """Count by reason the files that the last submit of each head skipped."""
    last = {
        fact.head: fact.skipped
        for fact in sorted(view.facts(Selected), key=lambda fact: fact.at)
        if fact.head in heads
    }
    counts: Counter[str] = Counter()
    for skipped in last.values():
        counts.update(skipped)
    return tuple(sorted(counts.items()))


def _build_entry(
    answer: RequestAnswer, given_up: frozenset[tuple[str, str]], *, withdrawn: bool
) -> FileStatusEntry:
    path, blob, failure = answer.request_key.path, answer.request_key.blob, answer.failure
    if failure is None:
        return FileStatusEntry(path=path, status=FileStatus.REVIEWED)
    if (path, blob) in given_up:
        reason = f"{failure}; it is sent again when the file or the model changes"
        return FileStatusEntry(path=path, status=FileStatus.GIVEN_UP, reason=reason)
    if withdrawn:
        reason = "its batch was canceled; it is sent again when the file changes"
        return FileStatusEntry(path=path, status=FileStatus.WITHDRAWN, reason=reason)
    if failure.startswith(SERVICE):
        words = failure.removeprefix(SERVICE)
        reason = f"Anthropic answered {words}; this does not count as an attempt"
        return FileStatusEntry(path=path, status=FileStatus.BACKLOG, reason=reason)
    if failure == "refused":
        reason = "it is sent again with the next submit"
        return FileStatusEntry(path=path, status=FileStatus.REFUSED, reason=reason)
    return FileStatusEntry(path=path, status=FileStatus.BACKLOG, reason=failure)


def _compute_spending(
    prices: Prices,
    view: LedgerView,
    results: BatchResults,
    *,
    month_usd: float | None,
    saved: SavingsByPeriod,
) -> Spending:
    usage = sum((usage for _, usage in results.usages), Usage())
    prompt = usage.prompt_tokens
    shared = results.ended[-1].intended.shared_tokens
    return Spending(
        usage=usage,
        cost=pricing.actual_cost(prices, results.usages, shared),
        month_to_date_usd=month_usd,
        cache_share=usage.cache_read_tokens / prompt if prompt else 0.0,
        cache_saved_usd=(
            pricing.cache_saving(prices, results.usages + _find_warm_ups(view, results))
            if usage != pricing.without_cache(usage)
            else None
        ),
        batched=results.batched,
        savings=saved,
    )


def _find_warm_ups(view: LedgerView, results: BatchResults) -> Usages:
    """Find the model and usage of the warm-ups, collected before, of this run's batches."""
    ended = {batch.sent.batch for batch in results.ended}
    collected = {fact.batch: fact.usage for fact in view.facts(Collected)}
    intents = {batch.intended.intent for batch in results.ended}
    return Usages(
        (intended.model, collected.get(sent.batch, Usage()))
        for sent, intended in view.sent_batches
        if intended.mode == "warm-up"
        and intended.intent in intents
        and sent.index == 0
        and sent.batch not in ended
    )
