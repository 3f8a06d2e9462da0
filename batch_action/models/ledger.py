"""The ledger: grow-only facts about all nights of one task in one repository.

The format is read back by later versions and by other runs, so it is closed: unknown fields are
refused, every fact has a key, and two ledgers merge by union of their facts.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
CustomId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
BatchId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
IntentId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Path = Annotated[str, Field(min_length=1, max_length=4096)]


def _utc(moment: datetime) -> datetime:
    # Far from both ends of the calendar, so that windows can be added to it.
    if not 2000 < moment.year < 3000:  # noqa: PLR2004 - any year of ours
        raise ValueError("no year of this service")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""Always UTC, whatever zone it was told in; written with `Z`."""
Count = Annotated[int, Field(ge=0, le=2**53)]
"""Small enough for every reader of JSON, and for arithmetic with dollars."""


class Record(BaseModel):
    """A frozen, closed piece of the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BaseFact(Record):
    """A fact that is never changed, only added; its key tells it from all others."""

    kind: str
    key_fields: ClassVar[tuple[str, ...]] = ()

    def key(self) -> tuple[str, ...]:
        """The kind and the values that make this fact this fact."""
        values = (getattr(self, name) for name in self.key_fields)
        parts = (v.isoformat() if isinstance(v, datetime) else str(v or "") for v in values)
        return (self.kind, *parts)


class FileEntry(Record):
    """One selected file: what it was, and what it is compared with."""

    path: Path
    blob: Sha
    old: Sha | None = None
    """The blob the change is counted from, None for a new file."""


class RequestKey(Record):
    """One request of a batch: enough to join its answer to a file, nothing of its text."""

    id: CustomId
    path: Path
    blob: Sha
    part: int = Field(default=1, ge=1)
    of: int = Field(default=1, ge=1)
    model: str | None = None
    """None: the intent's own; else `fallback-model`, after a refusal."""
    old: Sha | None = None
    """The version that it asks to compare with."""


class Usage(Record):
    """Tokens the API says it billed, summed over a batch."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_write_5m_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    cache_read_tokens: Count = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_write_5m_tokens=self.cache_write_5m_tokens + other.cache_write_5m_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
        )


class Selected(BaseFact):
    """A submit looked at `head` and chose these files."""

    kind: Literal["selected"] = "selected"
    head: Sha
    base: Sha | None = None
    branch: str
    at: Moment
    files: tuple[FileEntry, ...]
    gone: tuple[Path, ...] = ()
    """Paths deleted, renamed away or excluded since: nothing is owed for them any more."""
    excluded: tuple[Path, ...] = ()
    """Paths that the patterns of `scope` leave out; with other patterns they may be back."""
    scope: str = ""
    """Digest of `paths` and `paths-ignore`: a run narrowed by hand moves nobody else's base."""
    partial: bool = False
    """`base` was given and left something out: its head is nobody's base."""
    skipped: dict[str, int] = {}
    """How many files were skipped for each reason."""
    pull: int | None = Field(default=None, ge=1)
    """The pull request that was looked at; in the ledger of pull requests only."""

    key_fields: ClassVar[tuple[str, ...]] = (
        "head",
        "at",
        "pull",
    )


class Intended(BaseFact):
    """Saved before the first create of a submit: what is about to be sent, and when."""

    kind: Literal["intended"] = "intended"
    intent: IntentId
    at: Moment
    """Anthropic's clock (its `date` header), so that candidates are compared with one clock."""
    run: str
    """`<run id>.<attempt>`, or `local`."""
    head: Sha
    base: Sha | None = None
    model: str
    effort: str | None = None
    batches: tuple[tuple[RequestKey, ...], ...]
    worst_case_usd: float | None = Field(default=None, ge=0)
    """None when the model has no known price."""
    pull: int | None = Field(default=None, ge=1)
    """The pull request that was reviewed; in the ledger of pull requests only."""
    patched: bool = False
    """`head` is no commit of the repository: it exists while `patch-file` is given."""
    mode: Literal["warm-up", "warmed", "interactive"] | None = None
    """How it was asked, where not as a plain batch."""

    key_fields: ClassVar[tuple[str, ...]] = ("intent",)


class Sent(BaseFact):
    """The create of one batch of an intent was answered, or confirmed later."""

    kind: Literal["sent"] = "sent"
    intent: IntentId
    index: int = Field(ge=0)
    """Which of the intent's batches."""
    batch: BatchId
    created_at: Moment
    expires_at: Moment

    key_fields: ClassVar[tuple[str, ...]] = ("batch",)


class Rejected(BaseFact):
    """A candidate turned out to be somebody else's; without a batch: nothing more is coming."""

    kind: Literal["rejected"] = "rejected"
    intent: IntentId
    batch: BatchId | None = None
    """None: the create was refused, or its window passed and no candidate is left."""

    key_fields: ClassVar[tuple[str, ...]] = (
        "intent",
        "batch",
    )


class Collected(BaseFact):
    """A batch ended and its answers were delivered."""

    kind: Literal["collected"] = "collected"
    batch: BatchId
    at: Moment
    usage: Usage
    cost_usd: float | None = Field(default=None, ge=0)
    failed: dict[CustomId, str]
    """The questions without a verdict, each with its kind of failure."""

    key_fields: ClassVar[tuple[str, ...]] = ("batch",)


class Withdrawn(BaseFact):
    """A person canceled this batch: what it held is not asked again by itself."""

    kind: Literal["withdrawn"] = "withdrawn"
    batch: BatchId
    by: str
    at: Moment

    key_fields: ClassVar[tuple[str, ...]] = ("batch",)


class Dismissed(BaseFact):
    """A person with write access dismissed a finding for good."""

    kind: Literal["dismissed"] = "dismissed"
    fingerprint: Fingerprint
    by: str
    where: str
    """A URL or a destination's name."""
    at: Moment

    key_fields: ClassVar[tuple[str, ...]] = ("fingerprint",)


class Recheck(BaseFact):
    """A person with write access wants this file asked about again, whatever is known of it."""

    kind: Literal["recheck"] = "recheck"
    fingerprint: Fingerprint
    path: Path
    by: str
    where: str
    """The URL of the comment that asks: one fact for one wish."""
    seen: tuple[BatchId, ...] = ()
    """The batches that had asked about the file by then: a verdict of another one answers."""
    at: Moment

    key_fields: ClassVar[tuple[str, ...]] = (
        "fingerprint",
        "where",
    )


class Closed(BaseFact):
    """A pull request has ended and what was open on it has been dealt with."""

    kind: Literal["closed"] = "closed"
    pull: int = Field(ge=1)
    merged: bool
    at: Moment

    key_fields: ClassVar[tuple[str, ...]] = (
        "pull",
        "at",
    )


Fact = Annotated[
    Selected | Intended | Sent | Rejected | Collected | Withdrawn | Dismissed | Recheck | Closed,
    Field(discriminator="kind"),
]


class Ledger(Record):
    """All facts of one task in one repository, sorted by key."""

    schema_version: Literal[1] = 1
    repository: str
    """GitHub's numeric repository id as text, or `local`."""
    task: str
    written_at: Moment | None = None
    absorbed: tuple[int, ...] = ()
    """Ids of the artifacts whose facts are in here: readers need not open those."""
    facts: tuple[Fact, ...] = ()
