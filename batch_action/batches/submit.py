"""Before money is spent: a place where somebody may read the findings."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from batch_action.clients.github.errors import RefusedError
from batch_action.context import RunContext
from batch_action.errors import (
    AmbiguousCreateError,
    BatchActionError,
    ConfigError,
    GitHubError,
    TransientError,
)
from batch_action.ledger import pull_requests, view
from batch_action.ledger import store as sessions
from batch_action.ledger.store import LedgerSession
from batch_action.models.files import Selection, SkipReason
from batch_action.models.ledger import FileEntry, Intended, Ledger, Rejected, Selected, Sent
from batch_action.models.requests import (
    CREATE_TIMEOUT,
    BatchState,
    ModelCapabilities,
    Plan,
    SubmissionMode,
)
from batch_action.requests import packing
from batch_action.text import plural


def check_destinations(ctx: RunContext) -> None:
    """Ask whether code scanning would take findings, and say what a public repository hides.

    Raises ConfigError when findings of this task may go to code scanning only and it would refuse
    them: then a review would be paid for that nobody can read.
    """
    wanted = "sarif" in ctx.settings.report and ctx.pull is None
    refused = _refusal(ctx) if wanted else None
    if not _hidden(ctx):
        if refused is not None:
            ctx.warn(f"Code scanning will not take the findings. {refused}")
        return
    if refused is not None:
        raise ConfigError(
            f"{ctx.task.name} finds security problems only, which a public repository shows in "
            f"code scanning alone, and that would not take them: nothing was sent. {refused}",
            fix="The permission is needed by the job that submits too, because it asks before it "
            "spends. `allow-public-security-findings` shows them elsewhere, to everybody.",
        )
    if not wanted:
        ctx.warn(
            f"{ctx.task.name} finds security problems only, and on a public repository those are "
            "shown nowhere: add `sarif` to `report`, or set `allow-public-security-findings`."
        )


def _hidden(ctx: RunContext) -> bool:
    """Whether nothing but code scanning may tell what this task finds."""
    shown = ctx.context.private is True or ctx.settings.allow_public_security_findings
    return ctx.task.security_only and not shown


def _refusal(ctx: RunContext) -> RefusedError | None:
    """Why code scanning would refuse; None when it would not, or when nobody says."""
    if ctx.github is None or ctx.settings.dry_run:
        return None
    try:
        ctx.github.scanning.may_upload()
    except RefusedError as refused:
        return refused if refused.lasting else None
    except GitHubError:
        return None
    return None


RETIRES_SOON = timedelta(days=60)
ROUNDING = timedelta(seconds=2)
STILL_THERE = frozenset(
    {
        SkipReason.SAME_AS_BEFORE,
        SkipReason.IN_FLIGHT,
        SkipReason.GIVEN_UP,
        SkipReason.WITHDRAWN,
        SkipReason.NOT_HERE,
        SkipReason.MODE_ONLY,
    }
)
"""Skipped tonight, but not gone: what an earlier night recorded about them stays true."""

SPARE = 8_192
SPARE_PER_QUESTION = 40
"""Zipped bytes that the answers' facts may need on top: an intent that leaves no room is refused
before it is paid for."""

WAYS: Mapping[SubmissionMode, Literal["warm-up", "warmed", "interactive"]] = {
    SubmissionMode.WARM_UP: "warm-up",
    SubmissionMode.WARMED: "warmed",
    SubmissionMode.INTERACTIVE: "interactive",
}
"""How the ledger calls what is no plain batch."""

BY_PATTERN = frozenset({SkipReason.NOT_IN_PATHS, SkipReason.PATHS_IGNORE})
"""Left out by the user's patterns: gone for runs with the same patterns only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """What was asked before anything is spent."""

    model: ModelCapabilities | None
    clock: datetime
    """Anthropic's clock."""
    ours: datetime
    """Our clock at that moment."""


def preflight(ctx: RunContext) -> ModelCheck:
    """Check the key, the model and its fallback. Raises ConfigError, AnthropicError."""
    if ctx.settings.fallback_model:
        _checked(ctx, ctx.settings.fallback_model)
    return _checked(ctx, ctx.settings.model)


def _checked(ctx: RunContext, name: str) -> ModelCheck:
    model, clock = ctx.require_anthropic().model(name)
    if model is None:
        if name not in ctx.prices.models:
            raise ConfigError(
                f"`model` {name!r} does not exist at Anthropic.",
                fix="Anthropic's documentation lists the models.",
            )
        ctx.warn(f"Anthropic's models list does not know {name}; it is tried all the same.")
        return ModelCheck(model=None, clock=clock, ours=ctx.now())
    if model.lifecycle == "retired":
        raise ConfigError(f"`model` {name} is retired.", fix="Choose a current one.")
    if not (model.batch and model.structured_outputs):
        missing = "message batches" if not model.batch else "structured outputs"
        raise ConfigError(f"`model` {name} does not support {missing}.", fix="Choose another one.")
    if not model.effort and ctx.settings.effort != "none":
        raise ConfigError(f"`model` {name} takes no effort.", fix="Set `effort: none`.")
    if model.retires_at and model.retires_at - clock < RETIRES_SOON:
        ctx.warn(f"The model {name} retires on {model.retires_at:%Y-%m-%d}: choose another one.")
    return ModelCheck(model=model, clock=clock, ours=ctx.now())


def selected(
    ctx: RunContext, selection: Selection, *, partial: bool = False, behind: bool = False
) -> Selected:
    """The fact that a submit looked at head and chose these files.

    A run *behind*, on an older commit than one that was looked at, says nothing about what is gone:
    by now it may be there.
    """
    entries = [
        FileEntry(path=file.path, blob=file.blob, old=file.old_blob) for file in selection.files
    ]
    entries += [
        FileEntry(path=s.path, blob=s.blob)
        for s in selection.skipped
        if s.blob and s.reason in STILL_THERE and not behind
    ]
    kept = {entry.path for entry in entries}
    absent = [s for s in selection.skipped if s.reason not in STILL_THERE and not behind]
    gone = {s.path for s in absent if s.reason not in BY_PATTERN}
    excluded = {s.path for s in absent if s.reason in BY_PATTERN}
    renamed = {file.old_path for file in selection.files if file.old_path}
    if ctx.settings.patch_file:
        # What is not applied yet is owed by nobody, and nothing is gone by it.
        entries, gone, excluded, renamed = [], set(), set(), set()
    counts: dict[str, int] = {}
    for skipped in selection.skipped:
        counts[skipped.reason.value] = counts.get(skipped.reason.value, 0) + 1
    return Selected(
        head=selection.head,
        base=selection.base,
        branch=ctx.context.branch or "",
        at=ctx.now(),
        files=tuple(entries),
        gone=() if behind else _named((gone | renamed) - kept),
        excluded=_named(excluded - kept),
        scope=ctx.scope,
        partial=partial,
        skipped=counts,
        pull=ctx.pull,
    )


def is_news(ledger: Ledger, chosen: Selected) -> bool:
    """Whether this selection tells something: a head that was not looked at, or a file not owed.

    Or that a pull request, which had ended, is open again.
    """
    if chosen.pull and pull_requests.is_closed(ledger, chosen.pull):
        return True
    known = view.newest(ledger, chosen.scope)
    there = {(path, item.blob) for path, item in known.items()}
    looked_at = chosen.head in view.heads(ledger, chosen.scope)
    return not looked_at or any((f.path, f.blob) not in there for f in chosen.files)


def send(
    ctx: RunContext, session: LedgerSession, plan: Plan, chosen: Selected, ready: ModelCheck
) -> list[BatchState]:
    """Save the intent, create every batch that is due, save the answers.

    After an ambiguous create nothing more is sent: the intent stays open and its questions count as
    in flight. After a certain refusal the intent is closed and the rest is owed. Whatever ends
    this, the facts known so far are saved before it goes on.
    """
    begun = ctx.now()
    intended = claim(ctx, session, plan, chosen, ready)
    sent: list[BatchState] = []
    if intended is None:
        return sent
    try:
        for index, batch in enumerate(plan.due):
            if ctx.now() - begun > CREATE_TIMEOUT * index + view.ADOPTION_SLACK:
                raise TransientError(
                    "Saving the intent took so long that a lost answer could not be placed any "
                    "more: the rest is not sent.",
                    fix="It goes out with the next submit.",
                )
            ctx.console.doing = "creating the batch"
            state = ctx.require_anthropic().create(batch)
            sent.append(state)
            session.sent.append(state)
            session.add(_sent(intended, index, state))
            ctx.console.say(f"Batch {state.id} created: {plural(len(batch), 'request')}.")
    except AmbiguousCreateError:
        raise
    except BatchActionError:
        session.add(Rejected(intent=intended.intent, batch=None))
        raise
    finally:
        sessions.save(ctx, session)
    return sent


def claim(
    ctx: RunContext, session: LedgerSession, plan: Plan, chosen: Selected, ready: ModelCheck
) -> Intended | None:
    """Save the intent to ask what is due; None when another run turns out to ask the same.

    Then nothing is sent: both may step back, never both send.
    """
    for batch in plan.due:
        packing.check(batch)
    intended = _intended(ctx, plan, chosen, ready)
    session.add(chosen, intended)
    sessions.save(ctx, session, room=SPARE + SPARE_PER_QUESTION * len(plan.requests))
    recheck = ctx.settings.recheck
    fresh = sessions.refresh(ctx, session)
    if fresh and _rivalled(sessions.scope(ctx, session.ledger), intended, recheck=recheck):
        session.add(Rejected(intent=intended.intent, batch=None))
        sessions.save(ctx, session)
        ctx.warn("Another run is sending the same files right now: this one sends nothing.")
        return None
    ctx.budget.sent_usd += plan.worst_usd or 0.0
    return intended


def _rivalled(ledger: Ledger, ours: Intended, *, recheck: bool) -> bool:
    """Whether another run asks one of our questions, or has its answer by now."""
    asked = {request_key.id for batch in ours.batches for request_key in batch}
    without = [fact for fact in ledger.facts if fact.key() != ours.key()]
    others = ledger.model_copy(update={"facts": tuple(without)})
    known = view.in_flight(others) | (frozenset() if recheck else view.answered(others))
    return not asked.isdisjoint(known)


def _intended(ctx: RunContext, plan: Plan, chosen: Selected, ready: ModelCheck) -> Intended:
    asked = tuple(tuple(request.request_key for request in batch) for batch in plan.due)
    name = f"{ctx.context.run} {chosen.at.isoformat()} {[q.id for b in asked for q in b]}"
    return Intended(
        intent=hashlib.sha256(name.encode()).hexdigest()[:16],
        # Reading and counting may have taken long, and both clocks tell whole seconds.
        at=ready.clock + (chosen.at - ready.ours) - ROUNDING,
        run=ctx.context.run,
        head=chosen.head,
        base=chosen.base,
        model=ctx.settings.model,
        effort=None if ctx.settings.effort == "none" else ctx.settings.effort,
        batches=asked,
        worst_case_usd=plan.worst_usd,
        mode=WAYS.get(plan.mode),
        pull=ctx.pull,
        patched=bool(ctx.settings.patch_file),
    )


def _sent(intended: Intended, index: int, state: BatchState) -> Sent:
    return Sent(
        intent=intended.intent,
        index=index,
        batch=state.id,
        created_at=state.created_at,
        expires_at=state.expires_at,
    )


def _named(paths: set[str]) -> tuple[str, ...]:
    """Sorted, without what the ledger cannot carry: lone surrogates cannot be written as JSON."""
    return tuple(sorted(p for p in paths if not any("\ud800" <= c <= "\udfff" for c in p)))
