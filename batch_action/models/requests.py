"""Requests, plans and what comes back for them."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Any

from batch_action.models.files import SelectedFile
from batch_action.models.ledger import RequestKey, Usage

CREATE_TIMEOUT = timedelta(minutes=10)
"""How long one create may take before its answer counts as lost (the SDK's own default)."""

ASK_TIMEOUT = timedelta(minutes=10)
"""How long one try of a request that is asked at once may take."""
ASK_WINDOW = timedelta(hours=1)
"""After this time nothing is asked any more that one run asks at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One file, or one part of a large file, ready to be sent."""

    request_key: RequestKey
    params: dict[str, Any]
    """Message params as the API takes them."""
    size: int
    """Bytes of its JSON inside the batch, separator included."""
    input_tokens: int
    max_tokens: int
    risk: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEstimate:
    """How many tokens a plan needs, and how we know."""

    input: int
    output_max: int
    method: str
    """`offline-estimate`, `sampled` or `counted`."""
    error: float = 0.0
    """Relative spread of the sample, e.g. 0.08 for ±8 %; 0 when counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Three columns in US dollars; None when the model has no known price."""

    interactive_usd: float | None
    batch_usd: float | None
    batch_cached_usd: float | None

    @property
    def priced(self) -> bool:
        """Whether the model's price is known."""
        return self.batch_usd is not None


@unique
class SubmissionMode(StrEnum):
    """How tonight's requests are asked."""

    BATCH = "batch"
    WARM_UP = "warm-up"
    """One request goes first, as a batch of its own, and fills the prompt cache."""
    AWAIT = "await"
    """Nothing goes out while that one is running."""
    WARMED = "warmed"
    """The others, which read what it has left in the cache."""
    ACCUMULATE = "accumulate"
    """Too few: they wait for more."""
    INTERACTIVE = "interactive"
    """Too few: asked at once through the Messages API, at full price."""

    @property
    def marked(self) -> bool:
        """Whether the shared instructions end in a cache breakpoint."""
        return self in (SubmissionMode.WARM_UP, SubmissionMode.WARMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The requests packed into batches, with tokens and dollars."""

    batches: tuple[tuple[Request, ...], ...]
    backlog: tuple[SelectedFile, ...]
    """Selected, but over the cap: they wait for a later night."""
    tokens: TokenEstimate
    cost: Cost
    """The worst case: every answer as long as it may be."""
    mode: SubmissionMode = SubmissionMode.BATCH
    note: str = ""
    """One sentence for people: why this way, where it is not the usual one."""
    worst_usd: float | None = None
    """What is due now can cost this much at the very most, asked this way."""

    @property
    def due(self) -> tuple[tuple[Request, ...], ...]:
        """The batches that go out now."""
        match self.mode:
            case SubmissionMode.ACCUMULATE | SubmissionMode.AWAIT:
                return ()
            case SubmissionMode.WARM_UP:
                return self.batches[:1]
            case SubmissionMode.BATCH | SubmissionMode.WARMED | SubmissionMode.INTERACTIVE:
                return self.batches

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests in sending order."""
        return tuple(request for batch in self.batches for request in batch)


@unique
class OutcomeKind(StrEnum):
    """What became of one request: the API's four words, refined by ours."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    UNANSWERED = "unanswered"
    """Asked at once, and no answer came: nobody knows whether it was worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back for one request."""

    custom_id: str
    kind: OutcomeKind
    text: str = ""
    """The answer's text blocks joined; empty unless succeeded."""
    detail: str = ""
    """The error type, stop reason or refusal category."""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """A batch as the API shows it."""

    id: str
    status: str
    """`in_progress`, `canceling` or `ended`: Anthropic's words."""
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    archived_at: datetime | None
    total: int
    """Sum of all request counts."""
    results_url: str | None
    canceled: bool = False
    """Somebody asked to cancel it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCapabilities:
    """What the Models API says of a model."""

    id: str
    lifecycle: str
    """`active`, `deprecated` or `retired`."""
    retires_at: datetime | None
    max_input_tokens: int | None
    max_tokens: int | None
    batch: bool
    structured_outputs: bool
    effort: bool


def digest(*fields: str | None) -> str:
    """14 hex digits of the question's fields; None and "" differ, and so do their borders."""
    data = json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()
    return hashlib.sha256(data).hexdigest()[:14]
