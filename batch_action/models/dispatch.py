"""Waking up: what was delivered, what is waited for, and which workflow runs were started."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique


@unique
class DispatchStatus(StrEnum):
    """What has become of one dispatch."""

    DUE = "due"
    """To be sent when its time has come."""
    SENDING = "sending"
    """Claimed: it may have been sent, or not. Whoever finds it so looks before sending."""
    STARTED = "started"
    COLLECTED = "collected"
    """Somebody else had collected the batch before we sent anything."""
    FAILED = "failed"
    """Given up; a person has to look."""


@unique
class DeliverySource(StrEnum):
    """Who told that a batch has ended."""

    WEBHOOK = "webhook"
    """Signed as Standard Webhooks are."""
    HEX = "hex-signature"
    """Signed by `anthropic-signature`: the body's HMAC as hexadecimal digits."""
    WATCHER = "watcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """What a body says."""

    kind: str
    batch: str | None
    """The batch that has ended; None for an event that is not about that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNotification:
    """One event that came through the door, whoever brought it."""

    id: str
    """Equal for equal deliveries: the second one has no effect."""
    source: DeliverySource
    event: WebhookEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notice as it is remembered."""

    notice: BatchNotification
    at: datetime
    times: int
    """How often it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedBatch:
    """A batch that has ended and has not found its repository yet."""

    batch: str
    at: datetime
    """When we heard of it."""
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingBatchRecord:
    """A pending batch, as a repository's ledger names it."""

    ledger_name: str
    """The ledger's name here: `owner/name/task` with the state key, if there is one."""
    repository: str
    batch: str
    requests: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """One workflow run to be started: at most one for a batch and a repository."""

    batch: str
    repository: str
    ledger_name: str
    status: DispatchStatus
    tries: int
    """How many have failed."""
    born_at: datetime
    due_at: datetime
    claimed_at: datetime | None = None
    """When the newest try was begun."""
    changed_at: datetime
    run: str = ""
    """GitHub's id of the run, where it is known."""
    url: str = ""
    note: str = ""
    """What went wrong, in a sentence with the cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRun:
    """A workflow run as GitHub lists it."""

    id: str
    title: str
    url: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResponse:
    """What the sender of a delivery is answered."""

    status: int
    told: dict[str, str]
