"""Requests, the plan that packs them into batches, their outcomes and prices."""

import difflib
import hashlib
import json
import re
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum, unique

from pydantic import BaseModel, ConfigDict, Field

from batch_action.models.ledger import RequestKey, Usage

CREATE_TIMEOUT = timedelta(minutes=10)
"""How long one create may take before its response counts as lost (the SDK's default)."""

SYNCHRONOUS_TIMEOUT = timedelta(minutes=10)
"""How long one attempt of a synchronous request may take."""
SYNCHRONOUS_WINDOW = timedelta(hours=1)
"""How long a run sends synchronous requests; the rest stays in the backlog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """About one file, or a part of one: what it asks for is in the run's request file."""

    request_key: RequestKey
    model: str
    """The model that it is sent to."""
    max_tokens: int
    """The largest number of output tokens."""
    size_bytes: int
    """Bytes of its JSON in the batch, with the separator."""
    input_tokens: int
    """Of its prompt, counted or estimated."""
    offset: int
    """Where it begins in the request file, without the system prompt that all requests share."""
    head_bytes: int
    """How many bytes come before the system prompt."""
    tail_bytes: int
    """How many bytes come after it."""
    is_excerpt: bool = False
    """Whether it leaves out lines of the file, or of its part."""

    @property
    def may_be_cached(self) -> bool:
        """Whether it reads the prompt cache where there is one: reviews by the first model do."""
        return self.request_key.model is None and self.request_key.purpose == "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEstimate:
    """How many tokens a plan needs, and how they were counted."""

    input: int
    output_max: int
    method: str
    """`offline-estimate`, `sampled` or `counted`."""
    error: float = 0.0
    """Relative error of the sample, e.g. 0.08 for ±8 %; 0 when counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost in US dollars by way of sending; None when the model's price is unknown."""

    interactive_usd: float | None
    batch_usd: float | None
    batch_cached_usd: float | None

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            interactive_usd=_sum_known(self.interactive_usd, other.interactive_usd),
            batch_usd=_sum_known(self.batch_usd, other.batch_usd),
            batch_cached_usd=_sum_known(self.batch_cached_usd, other.batch_cached_usd),
        )

    @property
    def is_priced(self) -> bool:
        """Whether the model's price is known."""
        return self.batch_usd is not None


def _sum_known(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


@unique
class SubmissionMode(StrEnum):
    """How the requests of a run are sent."""

    BATCH = "batch"
    WARM_UP = "warm-up"
    """One request is sent first, in its own batch, and writes the prompt cache for the others."""
    ACCUMULATE = "accumulate"
    """Too few requests: they wait for more."""
    INTERACTIVE = "interactive"
    """Too few requests: sent one by one through the Messages API, at full price."""

    @property
    def has_cache_breakpoint(self) -> bool:
        """Whether the shared instructions end with a cache breakpoint."""
        return self is SubmissionMode.WARM_UP


@unique
class OutcomeKind(StrEnum):
    """The outcome of one request: the API's four result types, and refinements of them."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    UNANSWERED = "unanswered"
    """Sent synchronously without a response: it may have been processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of one request."""

    custom_id: str
    kind: OutcomeKind
    text: str = ""
    """The joined text blocks of the answer; empty unless succeeded."""
    detail: str = ""
    """Error type, stop reason or refusal category."""
    message: str = ""
    """Anthropic's words about an error."""
    usage: Usage | None = field(default_factory=Usage)
    """None: unknown, but not free."""
    model: str = ""
    """The model that answered; empty: not named."""
    tier: str = ""
    """The service tier that is billed; empty: not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """A message batch as the API returns it."""

    id: str
    status: str
    """`in_progress`, `canceling` or `ended`, as the API spells it."""
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    archived_at: datetime | None
    total: int
    """Number of its requests."""
    results_url: str | None
    canceled: bool = False
    """Whether its cancellation was requested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCapabilities:
    """The capabilities of a model, from the Models API."""

    id: str
    lifecycle: str
    """`active`, `deprecated` or `retired`."""
    retires_at: datetime | None
    max_tokens: int | None
    batch: bool
    structured_outputs: bool
    effort: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """The model's capabilities, checked before anything is spent, and the time of the check."""

    model: ModelCapabilities | None
    """None: the models API does not list it."""
    clock: datetime
    """By Anthropic's clock."""
    local_clock: datetime
    """By this machine's clock."""
    warnings: tuple[str, ...] = ()
    """What the user should know about the model."""


class Usages(Iterable[tuple[str, Usage]]):
    """Model and tokens of billed requests, in some 50 bytes each: there may be 100,000 of them.

    They are not summed up: a price may depend on how long a prompt is.
    """

    def __init__(self, usages: Iterable[tuple[str, Usage]] = ()) -> None:
        self._models: list[str] = []
        self._tokens = array("q")
        for model, usage in usages:
            self.append(model, usage)

    def append(self, model: str, usage: Usage) -> None:
        """Add one request."""
        self._models.append(sys.intern(model))
        self._tokens.extend(usage.tokens)

    def __iter__(self) -> Iterator[tuple[str, Usage]]:
        tokens = iter(self._tokens)
        counts = zip(*[tokens] * len(Usage.__slots__), strict=True)
        return zip(self._models, (Usage(*each) for each in counts), strict=True)

    def __add__(self, other: "Usages") -> "Usages":
        added = Usages()
        added._models = self._models + other._models
        added._tokens = self._tokens + other._tokens
        return added


class Rates(BaseModel):
    """US dollars per million tokens at the interactive price."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    write_5m: float = Field(ge=0)
    write_1h: float = Field(ge=0)
    read: float = Field(ge=0)

    def usd(self, usage: Usage) -> float:
        """Return the cost of this usage at the interactive price."""
        return (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_write_5m_tokens * self.write_5m
            + usage.cache_write_1h_tokens * self.write_1h
            + usage.cache_read_tokens * self.read
        ) / 1e6


class LongRates(Rates):
    """The rates of a request whose prompt is longer than `tokens`."""

    tokens: int = Field(gt=0)


class ModelRates(Rates):
    """A model's rates, and its rates for long prompts if they differ."""

    long_context: LongRates | None = None
    cache_minimum: int | None = Field(default=None, gt=0)
    """Shorter prefixes (in tokens) are silently not cached; None when unknown."""

    def rates_for(self, usage: Usage) -> Rates:
        """Return the rates for one request with this usage."""
        long_context = self.long_context
        return long_context if long_context and usage.prompt_tokens > long_context.tokens else self


class Prices(BaseModel):
    """The price table: `prices.yaml`, overridden by the config file's `prices`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: date
    batch_discount: float = Field(gt=0, le=1)
    models: dict[str, ModelRates]
    """By id, the newest of a family first."""
    retires: dict[str, date]
    """When models retire, as far as it is announced."""
    without_effort: frozenset[str]
    """Models that refuse `effort`."""

    def similar_model(self, name: str) -> str | None:
        """Return the listed model that a mistyped or shortened *name* most likely means."""
        current = [model for model in self.models if model not in self.retires]
        close = difflib.get_close_matches(name.lower(), current, n=1, cutoff=0.85)
        words = set(re.findall("[a-z]{3,}", name.lower())) - {"claude"}
        family = [
            model
            for model in current
            if words and all(difflib.get_close_matches(w, model.split("-"), 1, 0.8) for w in words)
        ]
        candidates = [*close, *family] if re.search(r"\d", name) else [*family, *close]
        return next(iter(candidates), None)


_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def digest(*fields: str | None) -> str:
    """Return 14 hex digits that identify the fields; None differs from ""."""
    return hashlib.sha256(_ENCODER.encode(fields).encode()).hexdigest()[:14]
