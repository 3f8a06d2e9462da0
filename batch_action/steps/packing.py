"""Requests in their batches, one model each, marked for the cache; and what they can cost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from batch_action import batching, pricing
from batch_action.models.ledger import Usage
from batch_action.models.requests import Request, Way
from batch_action.steps.world import World
from batch_action.tasks import prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What requests can cost at the very most, asked this way."""

    world: World
    way: Way
    shared: int
    """Tokens of the prefix that all of them share."""

    def groups(self, requests: Iterable[Request]) -> dict[str, list[Usage]]:
        """The worst usage of each request, by model."""
        return pricing.by_model((model_of(self.world, r), self._usage(r)) for r in requests)

    def worst(self, requests: Iterable[Request]) -> float | None:
        """The worst case in US dollars; None when a model has no known price."""
        now = self.way is Way.INTERACTIVE
        price = pricing.interactive_usd if now else pricing.batch_usd
        groups = self.groups(requests).items()
        costs = [price(self.world.prices, model, found) for model, found in groups]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def marked(self, requests: Iterable[Request]) -> list[Request]:
        """Those of them that share one cache: another model has one of its own."""
        return [r for r in requests if r.question.model is None]

    def _usage(self, request: Request) -> Usage:
        """In the worst case every request writes the cache, and none reads it."""
        cached = self.way.marked and request.question.model is None
        written = min(self.shared, request.input_tokens) if cached else 0
        return Usage(
            input_tokens=request.input_tokens - written,
            cache_write_1h_tokens=written,
            output_tokens=request.max_tokens,
        )


def model_of(world: World, request: Request) -> str:
    """The model a request goes to."""
    return request.question.model or world.settings.model


def packed(world: World, requests: Sequence[Request], way: Way) -> tuple[tuple[Request, ...], ...]:
    """One model a batch, files by risk in each; a warm-up stands alone in the first."""
    made = [_marked(r) if way.marked and r.question.model is None else r for r in requests]
    first = _first(made) if way is Way.WARM_UP else None
    by_model: dict[str, list[Request]] = {}
    for request in made:
        if request is not first:
            by_model.setdefault(model_of(world, request), []).append(request)
    most = world.settings.max_requests_per_batch
    if way is Way.INTERACTIVE:
        # Asked one by one: no batch holds them, and one intent does.
        return (tuple(made),) if made else ()
    rest = [batch for group in by_model.values() for batch in batching.pack(group, most=most)]
    return ((first,), *rest) if first else tuple(rest)


def _first(requests: Sequence[Request]) -> Request:
    """The request that warms the cache up: a small one ends soon, a whole file needs no other."""
    own = [r for r in requests if r.question.model is None]
    return min(own, key=lambda r: (r.question.of, r.input_tokens))


def _marked(request: Request) -> Request:
    params = prompt.marked(request.params)
    return replace(request, params=params, size=batching.size_of(request.question.id, params))
