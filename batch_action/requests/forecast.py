"""What requests cost at most, and what they will probably cost, from this repository's answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Collected, Usage
from batch_action.models.requests import Prices, Request, SubmissionMode
from batch_action.requests import pricing
from batch_action.requests.builder import RequestSet
from batch_action.text import plural

ASSUMED_SHARE = 0.25
"""The share of `max_tokens` that an answer is assumed to use while there are none to learn from."""
MONTH = timedelta(days=30)
MIN_HISTORY = timedelta(days=7)
"""After how long the collected batches say what a month costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a ledger says about past answers to requests of one model and effort, and about cost."""

    answers: int = 0
    output_tokens: float = 0.0
    """Of one answer, on average."""
    month_usd: float = 0.0
    """The cost of 30 days like the last ones, with any model."""
    days: int = 0
    """How many days it was computed from; 0: there are too few."""

    def usage_of(self, request: Request) -> Usage:
        """Return the usage to expect of a request, without the prompt cache."""
        tokens = self.output_tokens if self.answers else request.max_tokens * ASSUMED_SHARE
        output = min(request.max_tokens, round(tokens))
        return Usage(input_tokens=request.input_tokens, output_tokens=output)


NO_HISTORY = History()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCost:
    """The cost of one file in US dollars; None when its model has no known price."""

    expected_usd: float | None
    at_most_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan will probably cost in US dollars; None when the model has no known price."""

    expected_usd: float | None
    """Of what is sent in this run."""
    basis: str
    files: Mapping[str, FileCost]
    """By path, those over the cap included."""
    month_usd: float | None
    """A month at this pace; None while there is no pace."""
    month_basis: str


def read_history(view: LedgerView, model: str, effort: str, now: datetime) -> History:
    """Return what a ledger knows about the answers of a model at this effort, and about cost."""
    collected = {fact.batch: fact for fact in view.facts(Collected)}
    answers = tokens = 0
    for sent, intended in view.sent_batches:
        fact = collected.get(sent.batch)
        if fact is not None and (intended.model, intended.effort or "none") == (model, effort):
            answered = len(intended.batches[sent.index]) - len(fact.failed)
            answers += answered
            tokens += fact.usage.output_tokens if answered else 0
    past = min(now - min((fact.at for fact in collected.values()), default=now), MONTH)
    is_long = past >= MIN_HISTORY
    return History(
        answers=answers,
        output_tokens=tokens / answers if answers else 0.0,
        month_usd=view.known_spend_usd(now - past) * (MONTH / past) if is_long else 0.0,
        days=past.days if is_long else 0,
    )


def make_forecast(
    prices: Prices,
    request_set: RequestSet,
    due: Sequence[Request],
    mode: SubmissionMode,
    history: History,
) -> Forecast:
    """Estimate the cost of the *due* requests, of each file of the set, and of a month."""
    shared, batched = request_set.shared_tokens, mode is not SubmissionMode.INTERACTIVE
    cost = pricing.estimate_cost(prices, ((r.model, history.usage_of(r)) for r in due), shared)
    expected = cost.batch_usd if batched else cost.interactive_usd
    if mode.has_cache_breakpoint:
        expected = cost.batch_cached_usd
    files = {
        path: FileCost(
            expected_usd=pricing.total_usd(
                prices, ((r.model, history.usage_of(r)) for r in requests), batched=batched
            ),
            at_most_usd=worst_usd(prices, requests, mode, shared),
        )
        for path, requests in request_set.requests.items()
    }
    month_usd: float | None = history.month_usd
    month_basis = f"as in the last {history.days} days"
    if not history.days:
        # The first review of a whole repository says nothing about the next runs.
        known = None if request_set.selection.base is None else expected
        month_usd = None if known is None else known * MONTH.days
        month_basis = f"{MONTH.days} runs like this one"
        if month_usd is None:
            month_basis = "not known before the first week is over"
    basis = f"assuming that an answer uses {ASSUMED_SHARE:.0%} of its limit"
    if history.answers:
        basis = f"from {plural(history.answers, 'answer')} to this repository"
    return Forecast(
        expected_usd=expected,
        basis=basis,
        files=files,
        month_usd=month_usd,
        month_basis=month_basis,
    )


def worst_usages(
    requests: Iterable[Request], mode: SubmissionMode, shared: int
) -> Iterator[tuple[str, Usage]]:
    """Yield the model and the largest possible usage of each request.

    In the worst case every request writes the cache, and none reads it. *shared*: the tokens of the
    prefix that all requests share.
    """
    for request in requests:
        cached = mode.has_cache_breakpoint and request.request_key.model is None
        written = min(shared, request.input_tokens) if cached else 0
        yield (
            request.model,
            Usage(
                input_tokens=request.input_tokens - written,
                cache_write_1h_tokens=written,
                output_tokens=request.max_tokens,
            ),
        )


def worst_usd(
    prices: Prices, requests: Iterable[Request], mode: SubmissionMode, shared: int
) -> float | None:
    """Return the worst case in US dollars; None when a model has no known price."""
    batched = mode is not SubmissionMode.INTERACTIVE
    return pricing.total_usd(prices, worst_usages(requests, mode, shared), batched=batched)
