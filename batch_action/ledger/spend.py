"""What the whole repository spends, for `daily-budget-usd` and `monthly-budget-usd`.

Artifacts can be listed by their exact name only, so no run finds the ledgers of all tasks. All
tasks, state keys and pull requests therefore also record in one ledger of its own name what a
submit may cost, before it sends, and what each batch has cost, when it is collected. A batch counts
on the UTC day and in the month in which it was sent, and until it is collected on later ones, too.

Runs of pull requests write to a second ledger, because whoever opens one could forge its facts.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, TypeGuard

from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, GitHubError
from batch_action.ledger import store, trust
from batch_action.ledger.artifacts import ArtifactReader
from batch_action.ledger.names import RunArtifacts
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.trust import LedgerAccess
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import (
    Collected,
    Fact,
    Intended,
    Ledger,
    Rejected,
    Sent,
)
from batch_action.models.spend_facts import Charged, Noted, Reserved
from batch_action.text import format_dollars

if TYPE_CHECKING:  # the SDK takes long to import
    from batch_action.clients.anthropic.client import AnthropicClient

TASK = "spend"
"""Stands for a task in the ledger's name: no task may have this name."""
SLOTS = "abcdefgh"
"""All jobs of a workflow run write to this ledger, each under a name of its own."""
MEMORY = timedelta(days=62)
"""How long a fact is kept: the results of a batch are deleted after 29 days."""
NOTICES = (50, 75, 90)
"""Percent of the monthly budget at which to say so."""
MAX_BATCHES = 20
"""Batches of one run of a pull request that are looked up; a submit rarely has more than one."""
ROUNDING_USD = 1e-9


@dataclass(slots=True)
class Spend:
    """The facts about spend as this run knows them; they change in place."""

    own: LedgerSession
    """The ledger to which this run writes."""
    branch: LedgerSession
    """The one of branches: the same, unless this is a pull request's run."""
    pulls: ArtifactReader | None
    """Reads the one of pull requests; None without GitHub."""
    others: tuple[Fact, ...] = ()
    """Facts that count, too, for a pull request's run."""

    def add(self, facts: Iterable[Fact]) -> None:
        """Add facts that no other run has saved."""
        known = set(self.others)
        self.own.add(*(fact for fact in facts if fact not in known))

    def used_usd(self, since: datetime, *, sent: bool = True) -> float:
        """Return the US dollars of what was sent since, and of what is not collected yet.

        What is not collected counts with its worst case, or not at all unless *sent*; so does a
        batch whose cost is not known.
        """
        charges: dict[tuple[str, int], Charged] = {}
        reserved: dict[str, Reserved] = {}
        for fact in chain(self.others, self.own.ledger.facts):
            if isinstance(fact, Charged):
                charges[fact.intent, fact.index] = fact
            elif isinstance(fact, Reserved):
                reserved[fact.intent] = fact
        total = 0.0
        for fact in reserved.values():
            for index, worst in enumerate(fact.usd):
                charge = charges.get((fact.intent, index))
                if charge is None:
                    total += worst if sent else 0.0
                elif fact.at >= since:
                    total += worst if charge.usd is None else charge.usd
        return total

    def left_usd(self, settings: Settings, now: datetime) -> float:
        """Return what may still be sent; infinite without a budget, negative when it is over."""
        return min(
            (limit - self.used_usd(since) for limit, since in _budgets(settings, now)),
            default=float("inf"),
        )

    def describe(self, settings: Settings, now: datetime) -> str:
        """Return one line about the budgets: what is spent, in flight, and to be expected."""
        daily, monthly = settings.daily_budget_usd, settings.monthly_budget_usd
        texts = []
        if daily is not None:
            today = self.used_usd(day_start(now), sent=False)
            texts.append(f"{format_dollars(today)} of {format_dollars(daily)} today")
        if monthly is not None:
            month = self.used_usd(month_start(now), sent=False)
            texts.append(_forecast(month, monthly, now))
        in_flight = self.used_usd(now) - self.used_usd(now, sent=False)
        return f"Budget: {'; '.join(texts)}; in flight at most {format_dollars(in_flight)}."


def day_start(now: datetime) -> datetime:
    """Return the start of the day, UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def month_start(now: datetime) -> datetime:
    """Return the start of the calendar month, UTC."""
    return day_start(now).replace(day=1)


def _budgets(settings: Settings, now: datetime) -> list[tuple[float, datetime]]:
    daily, monthly = settings.daily_budget_usd, settings.monthly_budget_usd
    limits = ((daily, day_start(now)), (monthly, month_start(now)))
    return [(limit, since) for limit, since in limits if limit is not None]


def facts_of(view: LedgerView) -> Iterator[Fact]:
    """Yield what a task's ledger says about spend: the same facts whenever it is asked."""
    closed = {fact.intent for fact in view.facts(Rejected) if fact.batch is None}
    sent = {(fact.intent, fact.index): fact for fact in view.facts(Sent)}
    collected = {fact.batch: fact for fact in view.facts(Collected)}
    for intended in view.facts(Intended):
        intent = intended.intent
        yield reserved_fact(intended)
        for index in range(len(intended.batches)):
            create = sent.get((intent, index))
            if create is None:
                if intent in closed:
                    yield Charged(intent=intent, index=index, usd=0.0)
                continue
            yield create
            if fact := collected.get(create.batch):
                yield Charged(intent=intent, index=index, batch=create.batch, usd=fact.cost_usd)


def reserved_fact(intended: Intended) -> Reserved:
    """Return the fact that an intent may cost this much."""
    return Reserved(
        intent=intended.intent,
        at=intended.at,
        run=intended.run,
        usd=intended.worst_case_shares,
        in_pull_request=intended.pull_request is not None,
    )


def load(ctx: RunContext, view: LedgerView, pulls_view: LedgerView | None = None) -> Spend:
    """Return what is known about spend, for a run with a budget.

    *view*: the task's facts, of this run's branch or pull request; *pulls_view*: those of all pull
    requests, which a branch's run has collected. Nothing is saved. Raises GitHubError;
    AnthropicError.
    """
    own = branch = store.load(ctx, access=_access(ctx, pull_requests=False))
    access = _access(ctx, pull_requests=True)
    pulls = (
        ArtifactReader(access=access, actions=ctx.github.actions, clock=ctx.clock)
        if ctx.github
        else None
    )
    if ctx.run.pull_number is not None:
        empty = Ledger.empty(access.repository_id, TASK)
        own = LedgerSession(
            access=access, ledger=empty, saved=empty, artifacts=RunArtifacts(access.names)
        )
    elif pulls is not None:
        pulls.known |= {int(x.name) for x in _noted(branch.ledger, "artifact")}
    spend = Spend(own=own, branch=branch, pulls=pulls)
    _read_pull_requests(ctx, spend)
    if own is not branch:
        own.saved = own.ledger
    spend.add(ctx.budget.facts)
    spend.add(facts_of(view))
    if pulls_view is not None:
        facts = list(facts_of(pulls_view))
        claims = _capped(((None, facts),), ctx.settings.max_cost_usd)
        _add_verified(ctx.anthropic, own, list(claims))
    own.ledger = _forget(own.ledger, ctx.now())
    return spend


def record(ctx: RunContext, view: LedgerView, pulls_view: LedgerView | None = None) -> None:
    """Save what a task's ledger says about spend; warn when that fails: a later run does it."""
    if not ctx.has_budget:
        return
    try:
        settle(ctx, load(ctx, view, pulls_view), view)
    except BatchActionError as error:
        ctx.warn(f"What the batches cost could not be recorded: {error}")


def reserve(ctx: RunContext, spend: Spend, intended: Intended) -> bool:
    """Save what an intent may cost, and return whether it is within every budget.

    The other runs' facts are read again in between: of two runs that reserve at the same time, the
    one that has saved later finds the other one's. If they are over a budget together, both may
    step back, but never both send. Raises GitHubError.
    """
    fact = reserved_fact(intended)
    spend.own.add(fact)
    store.save(ctx, spend.own)
    store.refresh(ctx, spend.branch)
    _read_pull_requests(ctx, spend)
    if spend.left_usd(ctx.settings, intended.at) >= -ROUNDING_USD:
        return True
    spend.own.add(*(Charged(intent=fact.intent, index=i, usd=0.0) for i in range(len(fact.usd))))
    _save(ctx, spend)
    return False


def settle(ctx: RunContext, spend: Spend, view: LedgerView) -> None:
    """Save what has become of reservations; warn when that fails: a later run does it."""
    spend.add(facts_of(view))
    try:
        _save(ctx, spend)
    except GitHubError as error:
        ctx.warn(f"What the batches cost could not be recorded: {error}")


def _access(ctx: RunContext, *, pull_requests: bool) -> LedgerAccess:
    """Return the access to a ledger of spend.

    Each run of a pull request records its own facts only, and none can hide those of others.
    """
    return replace(
        trust.access_of(ctx, pull_requests=pull_requests),
        task=TASK,
        state_key="",
        slots="abc" if pull_requests else SLOTS,
        absorbs=not pull_requests,
        own_pull=None,
    )


def _forget(ledger: Ledger, now: datetime) -> Ledger:
    """Return the ledger without what is older than `MEMORY`."""
    kept = {x.intent for x in ledger.facts if isinstance(x, Reserved) and now - x.at < MEMORY}

    def is_kept(fact: Fact) -> bool:
        if isinstance(fact, Reserved | Charged | Sent):
            return fact.intent in kept
        return isinstance(fact, Noted) and now - fact.at < MEMORY

    return ledger.keep(is_kept)


def _noted(ledger: Ledger, what: str) -> list[Noted]:
    return [x for x in ledger.facts if isinstance(x, Noted) and x.what == what]


def _read_pull_requests(ctx: RunContext, spend: Spend) -> None:
    """Add the facts about pull requests, as far as they count for this run."""
    reader, own = spend.pulls, spend.own
    claims: list[Fact] = []
    if reader is not None:
        reader.read()
        pairs = zip(reader.artifacts, reader.ledgers, strict=True)
        sources = ((artifact.run_id, ledger.facts) for artifact, ledger in pairs)
        claims = list(_capped(sources, ctx.settings.max_cost_usd))
    if own is spend.branch:
        _add_verified(ctx.anthropic, own, claims)
        if reader is not None:
            own.add(*_note_settled(own.ledger, reader, ctx.now()))
        return
    run_id = own.access.run_id
    mine = {x.intent for x in claims if _is_of_run(x, run_id)}
    known = mine | {x.intent for x in spend.branch.ledger.facts if isinstance(x, Reserved)}
    own.add(*(x for x in claims if isinstance(x, Reserved | Sent | Charged) and x.intent in mine))
    if reader is not None:
        own.artifacts.record_look(reader.own, reader.listed)
    others = (x for x in claims if isinstance(x, Reserved | Charged) and x.intent not in known)
    spend.others = (*spend.branch.ledger.facts, *others)


def _capped(
    sources: Iterable[tuple[str | None, Iterable[Fact]]], max_cost_usd: float
) -> Iterator[Fact]:
    """Yield the facts of pull requests' runs: what a run reserved itself, up to the cap of a run.

    Anybody who can open a pull request from a branch of this repository can write these facts.
    *sources*: the run that wrote them, if it is known, and the facts.
    """
    left: dict[str, float] = {}
    count: Counter[str] = Counter()
    seen: dict[str, int] = {}
    facts = [(run_id, fact) for run_id, facts in sources for fact in facts]
    for run_id, fact in facts:
        if not _is_of_run(fact, run_id) or fact.intent in seen:
            continue
        run, usd = fact.run.partition(".")[0], []
        count[run] += len(fact.usd)
        if count[run] > MAX_BATCHES:
            continue
        seen[fact.intent] = len(fact.usd)
        for amount in fact.usd:
            usd.append(min(amount, left.get(run, max_cost_usd)))
            left[run] = left.get(run, max_cost_usd) - usd[-1]
        yield fact.model_copy(update={"usd": tuple(usd), "in_pull_request": True})
    known: set[tuple[type[Fact], str, int]] = set()
    for _, fact in facts:
        if isinstance(fact, Sent | Charged) and fact.index < seen.get(fact.intent, 0):
            key = type(fact), fact.intent, fact.index
            if key not in known:
                known.add(key)
                yield fact


def _is_of_run(fact: Fact, run_id: str | None) -> TypeGuard[Reserved]:
    return isinstance(fact, Reserved) and run_id in (None, fact.run.partition(".")[0])


def _add_verified(
    anthropic: "Callable[[], AnthropicClient] | None", own: LedgerSession, claims: Sequence[Fact]
) -> None:
    """Add those of the claims whose batch Anthropic shows; a cost once the batch has ended."""
    if anthropic is not None:
        own.add(*_verify_batches(anthropic, own.ledger, claims))
        own.add(*_verify_costs(anthropic, own.ledger, claims))


def _verify_batches(
    anthropic: "Callable[[], AnthropicClient]", ledger: Ledger, claims: Sequence[Fact]
) -> Iterator[Fact]:
    known = {x.intent for x in ledger.facts if isinstance(x, Reserved)}
    batches = {x.batch for x in ledger.facts if isinstance(x, Sent)}
    shown: defaultdict[str, dict[int, datetime]] = defaultdict(dict)
    for fact in claims:
        # A batch that belongs to something else already says nothing about this claim.
        if isinstance(fact, Sent) and fact.intent not in known and fact.batch not in batches:
            state = anthropic().retrieve(fact.batch)
            if state is not None:
                batches.add(fact.batch)
                shown[fact.intent][fact.index] = state.created_at
                yield fact
    for fact in claims:
        if isinstance(fact, Reserved) and (times := shown.get(fact.intent)):
            usd = tuple(amount if i in times else 0.0 for i, amount in enumerate(fact.usd))
            yield fact.model_copy(update={"usd": usd, "at": min(times.values())})


def _verify_costs(
    anthropic: "Callable[[], AnthropicClient]", ledger: Ledger, claims: Sequence[Fact]
) -> Iterator[Fact]:
    pulls = {x.intent for x in ledger.facts if isinstance(x, Reserved) and x.in_pull_request}
    settled = {(x.intent, x.index) for x in ledger.facts if isinstance(x, Charged)}
    owned = {
        (x.intent, x.index, x.batch)
        for x in ledger.facts
        if isinstance(x, Sent) and x.intent in pulls and (x.intent, x.index) not in settled
    }
    for fact in claims:
        if isinstance(fact, Charged) and (fact.intent, fact.index, fact.batch) in owned:
            state = anthropic().retrieve(fact.batch or "")
            if state is not None and state.status == "ended":
                yield fact


def _note_settled(ledger: Ledger, reader: ArtifactReader, now: datetime) -> Iterator[Noted]:
    """Yield a fact for each artifact that says nothing more: it need not be opened again."""
    settled = {(x.intent, x.index) for x in ledger.facts if isinstance(x, Charged)}
    for artifact, claims in zip(reader.artifacts, reader.ledgers, strict=True):
        released = {
            (x.intent, x.index) for x in claims.facts if isinstance(x, Charged) and x.batch is None
        }
        wanted = {
            (x.intent, index)
            for x in claims.facts
            if _is_of_run(x, artifact.run_id)
            for index in range(len(x.usd))
        }
        wanted |= {(x.intent, x.index) for x in claims.facts if isinstance(x, Charged)}
        if wanted <= settled | released:
            yield Noted(what="artifact", name=str(artifact.id), at=now)


def _forecast(month_usd: float, budget_usd: float, now: datetime) -> str:
    """Return the month's spend, and what it will be when it goes on like this."""
    start = month_start(now)
    end = month_start(start + timedelta(days=31))
    # The first day says little about a month.
    pace = month_usd * ((end - start) / max(now - start, timedelta(days=1)))
    last = (end - timedelta(days=1)).day
    day = "31st" if last == 31 else f"{last}th"  # noqa: PLR2004 - the longest month
    spent, forecast, budget = map(format_dollars, (month_usd, pace, budget_usd))
    return f"{spent} of {budget} this month, at this pace {forecast} of {budget} by the {day}"


def _save(ctx: RunContext, spend: Spend) -> None:
    """Save the facts, after a notice about the monthly budget that is due, once a month each."""
    budget, now = ctx.settings.monthly_budget_usd, ctx.now()
    month = spend.used_usd(month_start(now), sent=False)
    noted = {x.name for x in _noted(spend.own.ledger, "notice")}
    names = {n: f"{now:%Y-%m} {n}" for n in NOTICES if budget and month >= budget * n / 100}
    if budget and (due := [n for n, name in names.items() if name not in noted]):
        ctx.warn(
            f"{max(due)} % of `monthly-budget-usd` are spent: {_forecast(month, budget, now)}."
        )
        spend.own.add(*(Noted(what="notice", name=names[n], at=now) for n in due))
    store.save(ctx, spend.own)
