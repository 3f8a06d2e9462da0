"""Submit a plan: check destinations and model, save the intent, create the batches."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from batch_action.clients.github.errors import RefusedError
from batch_action.context import RunContext
from batch_action.errors import (
    AmbiguousCreateError,
    AnthropicError,
    BatchActionError,
    ConfigError,
    GitHubError,
    Interrupted,
    TransientError,
)
from batch_action.ledger import pull_requests, spend, store, verification
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import ADOPTION_SLACK, LedgerView
from batch_action.models.files import Selection, SkipReason, unrecordable
from batch_action.models.ledger import FileEntry, Intended, Rejected, Selected, Sent, Usage
from batch_action.models.requests import (
    CREATE_TIMEOUT,
    BatchState,
    ModelCheck,
    SubmissionMode,
)
from batch_action.requests import packing
from batch_action.requests.planner import Plan
from batch_action.text import plural

if TYPE_CHECKING:  # the SDK takes long to import
    from batch_action.clients.anthropic.client import AnthropicClient
    from batch_action.clients.github.clients import GitHubClients

RETIREMENT_NOTICE = timedelta(days=60)
"""How long before a model's retirement to warn."""
CLOCK_ROUNDING = timedelta(seconds=2)
"""Both clocks report whole seconds."""
STILL_PRESENT = frozenset(
    {
        SkipReason.ALREADY_REVIEWED,
        SkipReason.IN_FLIGHT,
        SkipReason.GIVEN_UP,
        SkipReason.WITHDRAWN,
        SkipReason.NOT_IN_CLONE,
        SkipReason.MODE_ONLY,
        SkipReason.SAME_CONTENT,
    }
)
"""Skipped in this run, but still in the repository: what earlier runs recorded remains valid."""
PATTERN_REASONS = frozenset({SkipReason.NOT_IN_PATHS, SkipReason.PATHS_IGNORE})
"""Excluded by the user's patterns, for runs with the same patterns only."""

REMEMBERING = frozenset({"issue", "issue-per-finding"})
"""Destinations besides `sarif` that hold a branch's findings from run to run."""
RESERVED_BYTES = 8_192
RESERVED_BYTES_PER_REQUEST = 40
"""Zipped bytes for the facts about the answers: without that space nothing is sent."""

FIRST_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 30.0

INTENT_MODES: Mapping[SubmissionMode, Literal["warm-up", "interactive"]] = {
    SubmissionMode.WARM_UP: "warm-up",
    SubmissionMode.INTERACTIVE: "interactive",
}
"""The ledger's `mode` of submissions other than a plain batch."""


def check_destinations(ctx: RunContext) -> None:
    """Check that code scanning accepts uploads, and warn of findings that nothing will show.

    Raises ConfigError: code scanning would refuse the findings, and no other destination of
    `report` would remember them, or may show them: nobody could read the review that is paid for.
    """
    report = set(ctx.settings.report)
    wanted = "sarif" in report and ctx.run.pull_number is None
    hidden = ctx.task.security_only and ctx.hides_security_findings
    refused = None
    if wanted and ctx.github is not None and not ctx.settings.dry_run:
        refused = _code_scanning_refusal(ctx.github)
    if refused is not None and hidden:
        raise ConfigError(
            f"{ctx.task.name} reports security problems only, which a public repository shows only "
            f"in code scanning, and code scanning would refuse them: nothing was sent. {refused}",
            fix="Submitting needs the permission, too: it is checked before anything is spent. Or "
            "set `allow-public-security-findings` to show the findings elsewhere, to everybody.",
        )
    if refused is not None and not report & REMEMBERING:
        raise ConfigError(
            f"Code scanning would refuse the findings, and no other destination of `report` "
            f"remembers them: nothing was sent. {refused}",
            fix="Submitting needs the permission, too. Or add `issue` to `report`, or "
            "remove `sarif`.",
        )
    if refused is not None:
        ctx.warn(f"Code scanning will not accept the findings. {refused}")
    if hidden and not wanted:
        ctx.warn(
            f"{ctx.task.name} reports security problems only, and a public repository does not "
            "show them: add `sarif` to `report`, or set `allow-public-security-findings`."
        )


def _code_scanning_refusal(github: "GitHubClients") -> RefusedError | None:
    """Return why code scanning would refuse an upload; None when it would not, or is unknown."""
    try:
        github.scanning.check_upload_permission()
    except RefusedError as refused:
        return refused if refused.permanent else None
    except GitHubError:
        return None
    return None


def check_models(ctx: RunContext) -> ModelCheck:
    """Check the key, the model and its fallback; without a key, by the price table only.

    Raises ConfigError: a model does not exist, is retired or lacks a feature; AnthropicError.
    """
    checks = examine_models(ctx)
    for warning in (text for check in checks for text in check.warnings):
        ctx.warn(warning)
    return checks[-1]


def examine_models(ctx: RunContext) -> list[ModelCheck]:
    """Do what `check_models` does, without a warning; the model is the last one."""
    names = {"fallback-model": ctx.settings.fallback_model, "model": ctx.settings.model}
    return [_check_model(ctx, key, name) for key, name in names.items() if name]


def _check_model(ctx: RunContext, key: str, name: str) -> ModelCheck:
    model, clock, prices = None, ctx.now(), ctx.prices
    if ctx.anthropic is not None:
        model, clock = ctx.anthropic().model(name)
    if model is None and name not in {*prices.models, *prices.retires}:
        similar = prices.similar_model(name)
        place = "in the price table" if ctx.anthropic is None else "at Anthropic"
        raise ConfigError(
            f"`{key}` {name!r} does not exist {place}.",
            fix=f"Did you mean `{similar}`?"
            if similar
            else "Anthropic's documentation lists the models; `prices` adds one to the table.",
        )
    retires = prices.retires.get(name)
    if model is not None and model.retires_at:
        retires = model.retires_at.date()
    is_over = model.lifecycle == "retired" if model else retires and retires <= clock.date()
    if is_over:
        raise ConfigError(f"`{key}` {name} is retired.", fix="Choose a current one.")
    if model is not None and not (model.batch and model.structured_outputs):
        missing = "message batches" if not model.batch else "structured outputs"
        raise ConfigError(f"`{key}` {name} does not support {missing}.", fix="Choose another one.")
    has_effort = model.effort if model else name not in prices.without_effort
    if not has_effort and ctx.settings.effort != "none":
        raise ConfigError(f"`{key}` {name} does not support effort.", fix="Set `effort: none`.")
    warnings = []
    if model is None and ctx.anthropic is not None:
        warnings.append(f"Anthropic's list of models does not contain {name}; it is used anyway.")
    if ctx.settings.anthropic_provider == "aws" and name not in ctx.settings.prices:
        warnings.append(
            f"The price of {name} on Claude Platform on AWS is assumed to be that of Anthropic's "
            "own API: compare it with your contract, and set it in `prices`."
        )
    if retires and retires - clock.date() < RETIREMENT_NOTICE:
        warnings.append(f"The model {name} retires on {retires}: choose another one.")
    return ModelCheck(model=model, clock=clock, local_clock=ctx.now(), warnings=tuple(warnings))


def selected_fact(
    ctx: RunContext,
    selection: Selection,
    *,
    partial: bool = False,
    first: bool = False,
    behind: bool = False,
) -> Selected:
    """Return the fact that a submit selected these files at head.

    *partial*, *first*: see `Selected`. A run that is *behind*, on an older commit than an earlier
    run, records nothing as removed: the newer commit may have those files.
    """
    entries = [
        FileEntry(path=file.path, blob=file.blob, old_blob=file.old_blob)
        for file in selection.files
    ]
    entries += [
        FileEntry(path=s.path, blob=s.blob)
        for s in selection.skipped
        if s.blob and s.reason in STILL_PRESENT and not behind
    ]
    recorded = {entry.path for entry in entries}
    absent = [s for s in selection.skipped if s.reason not in STILL_PRESENT and not behind]
    removed = {s.path for s in absent if s.reason not in PATTERN_REASONS}
    excluded = {s.path for s in absent if s.reason in PATTERN_REASONS}
    renamed = {file.old_path for file in selection.files if file.old_path}
    if ctx.settings.patch_file:
        # A patch is not part of the branch: it adds nothing to the backlog, and removes nothing.
        entries, removed, excluded, renamed = [], set(), set(), set()
    counts: dict[str, int] = {}
    for skipped in selection.skipped:
        counts[skipped.reason.value] = counts.get(skipped.reason.value, 0) + 1
    return Selected(
        head=selection.head,
        base=selection.base,
        branch=ctx.github_context.branch or "",
        at=ctx.now(),
        files=tuple(entries),
        removed=() if behind else _sort_recordable((removed | renamed) - recorded),
        excluded=_sort_recordable(excluded - recorded),
        scope=ctx.scope,
        partial=partial,
        first=first,
        skipped=counts,
        pull_request=ctx.run.pull_number,
    )


def adds_selection(view: LedgerView, selected: Selected) -> bool:
    """Return whether this selection is new: a new head, a new file, or a reopened pull request."""
    if selected.pull_request and pull_requests.is_closed(view, selected.pull_request):
        return True
    known = view.newest_files(selected.scope)
    files = {(path, file.blob) for path, file in known.items()}
    is_recorded = selected.head in view.recorded_heads(selected.scope)
    return not is_recorded or any((f.path, f.blob) not in files for f in selected.files)


def send_batches(
    ctx: RunContext, session: LedgerSession, plan: Plan, selected: Selected
) -> list[BatchState]:
    """Save the intent, create every batch of the plan, and save the ids.

    The first batch of a warm-up is waited for before the others are sent. After a create with a
    lost response nothing more is sent: the intent stays open and its requests
    count as in flight. After a refusal the intent is closed and the rest stays in the backlog. In
    each case the facts known so far are saved before an error is raised.
    """
    started = ctx.now()
    intended = save_intent(ctx, session, plan, selected)
    sent: list[BatchState] = []
    if intended is None:
        return sent
    cached = plan.mode.has_cache_breakpoint
    waited = timedelta(minutes=intended.warm_minutes)
    try:
        for index, batch in enumerate(plan.due):
            if ctx.now() - started > CREATE_TIMEOUT * index + waited + ADOPTION_SLACK:
                raise TransientError(
                    "Saving the intent took so long that a batch could not be found again if the "
                    "response to its create were lost: the rest is not sent.",
                    fix="It goes out with the next submit.",
                )
            ctx.console.activity = "creating the batch"
            body = plan.request_file.body(batch, cached=cached)
            state = ctx.require_anthropic().create(body, body.size)
            sent.append(state)
            session.sent.append(state)
            session.add(sent_fact(intended, index, state))
            ctx.console.print(f"Batch {state.id} created: {plural(len(batch), 'request')}.")
            if plan.mode is SubmissionMode.WARM_UP and index == 0:
                store.save(ctx, session)
                cached = _wait_for_cache(ctx, session, intended, state)
    except AmbiguousCreateError:
        raise
    except BatchActionError:
        session.add(Rejected(intent=intended.intent, batch=None))
        raise
    finally:
        store.save(ctx, session)
        if plan.spend:
            spend.settle(ctx, plan.spend, session.view_of(ctx.run))
    return sent


def _wait_for_cache(
    ctx: RunContext, session: LedgerSession, intended: Intended, warm_up: BatchState
) -> bool:
    """Return whether the first request has filled the prompt cache within `warm-minutes`.

    An interrupt closes the intent, because no create is under way: the rest is in the backlog.
    """
    api, limit = ctx.require_anthropic(), timedelta(minutes=intended.warm_minutes)
    until, left, pause = ctx.now() + limit, limit.total_seconds(), FIRST_PAUSE_SECONDS
    ctx.console.activity = "waiting until the first request has filled the prompt cache"
    try:
        while True:
            with suppress(TransientError):
                state = api.retrieve(warm_up.id)
                if state is not None and state.status == "ended":
                    is_filled = _has_filled_cache(api, intended, state)
                    words = "is warm" if is_filled else "was not filled"
                    ctx.console.print(f"The prompt cache {words}.")
                    return is_filled
            if left <= 0 or ctx.now() >= until:
                ctx.console.print(f"Batch {warm_up.id} is still running: sent without the cache.")
                return False
            ctx.sleep(min(pause, left))
            left, pause = left - pause, min(MAX_PAUSE_SECONDS, pause * 2)
    except Interrupted:
        session.add(Rejected(intent=intended.intent, batch=None))
        raise
    except AnthropicError:
        return False


def _has_filled_cache(api: "AnthropicClient", intended: Intended, warm_up: BatchState) -> bool:
    """Return whether an ended warm-up wrote the cache, or read one that was there."""
    ids = frozenset(key.id for key in intended.batches[0])
    usages = [outcome.usage or Usage() for outcome in api.outcomes(warm_up, ids).values()]
    return any(usage.prompt_tokens > usage.input_tokens for usage in usages)


def save_intent(
    ctx: RunContext, session: LedgerSession, plan: Plan, selected: Selected
) -> Intended | None:
    """Save the intent to send the plan's batches, and what it may cost.

    None when another run is sending the same, or has used up the budget. Of two such runs both may
    give up, but never both send. Raises ConfigError, GitHubError.
    """
    for batch in plan.due:
        packing.check_batch(batch)
    intended = _intended_fact(ctx, plan, selected)
    session.add(selected, intended)
    store.save(
        ctx,
        session,
        reserved_bytes=RESERVED_BYTES + RESERVED_BYTES_PER_REQUEST * len(plan.requests),
    )
    problem = "Another run has reserved the rest of the repository's budget at this moment"
    try:
        if store.refresh(ctx, session) and _overlaps_other_run(
            session.view_of(ctx.run), intended, recheck=ctx.settings.recheck
        ):
            problem = "Another run is sending the same files at this moment"
        elif plan.spend is None or spend.reserve(ctx, plan.spend, intended):
            problem = ""
    except BatchActionError:
        session.add(Rejected(intent=intended.intent, batch=None))
        store.save(ctx, session)
        raise
    if problem:
        session.add(Rejected(intent=intended.intent, batch=None))
        store.save(ctx, session)
        ctx.warn(f"{problem}: this run sends nothing.")
        return None
    ctx.budget.sent_usd += plan.worst_case_usd or 0.0
    return intended


def _overlaps_other_run(view: LedgerView, intended: Intended, *, recheck: bool) -> bool:
    """Return whether another run is sending one of our requests, or already has its answer."""
    ids = {key.id for batch in intended.batches for key in batch}
    others = LedgerView(view.ledger.keep(lambda fact: fact.key() != intended.key()))
    known = others.in_flight_ids | (frozenset() if recheck else others.answered_ids)
    findings = {
        name
        for batch in intended.batches
        for key in verification.requests_in(batch)
        for name in key.findings
    }
    asked = verification.in_flight(others) | verification.results(others).keys()
    return not (ids.isdisjoint(known) and findings.isdisjoint(asked))


def _intended_fact(ctx: RunContext, plan: Plan, selected: Selected) -> Intended:
    batches = tuple(tuple(request.request_key for request in batch) for batch in plan.due)
    name = (
        f"{ctx.github_context.run} {selected.at.isoformat()} {[q.id for b in batches for q in b]}"
    )
    return Intended(
        intent=hashlib.sha256(name.encode()).hexdigest()[:16],
        # Reading and counting may have taken long since the check.
        at=plan.check.clock + (selected.at - plan.check.local_clock) - CLOCK_ROUNDING,
        run=ctx.github_context.run,
        head=selected.head,
        base=selected.base,
        model=ctx.settings.model,
        effort=None if ctx.settings.effort == "none" else ctx.settings.effort,
        batches=batches,
        worst_case_usd=plan.worst_case_usd,
        shared_tokens=plan.shared_tokens,
        mode=INTENT_MODES.get(plan.mode),
        warm_minutes=ctx.settings.warm_minutes if plan.mode is SubmissionMode.WARM_UP else 0,
        pull_request=ctx.run.pull_number,
        patched=bool(ctx.settings.patch_file),
    )


def sent_fact(intended: Intended, index: int, state: BatchState) -> Sent:
    """Return the fact that batch *index* of an intent was created."""
    return Sent(
        intent=intended.intent,
        index=index,
        batch=state.id,
        created_at=state.created_at,
        expires_at=state.expires_at,
    )


def _sort_recordable(paths: set[str]) -> tuple[str, ...]:
    """Sort the paths, without those that cannot be in a fact."""
    return tuple(sorted(path for path in paths if not unrecordable(path)))
