"""The ledger: grow-only facts about all runs of one task in one repository.

Every fact has a key, and two ledgers merge by the union of their facts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from operator import add, not_
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from batch_action.models.explanation import Explained, ExplanationRequested, Unexplainable
from batch_action.models.fact import (
    ENTRY_CONFIG,
    MAX_WARM_MINUTES,
    BaseFact,
    BatchId,
    CompactableFact,
    Count,
    CustomId,
    Ending,
    Fingerprint,
    IntentId,
    LedgerModel,
    LineRanges,
    Number,
    Path,
    Purpose,
    Rule,
    Sha,
    Timestamp,
    Usd,
    UsdDifference,
    in_both,
)
from batch_action.models.findings import DismissalReason, Severity
from batch_action.models.spend_facts import Charged, Noted, Reserved
from batch_action.models.verification_facts import Deleted, VerificationDue, Verified


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A selected file and the blob that it is compared with."""

    __pydantic_config__ = ENTRY_CONFIG

    path: Path
    blob: Sha
    old_blob: Sha | None = None
    """The blob at base; None for a new file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """Identifies one request of a batch: joins its answer to a file, without any text of it."""

    __pydantic_config__ = ENTRY_CONFIG

    id: CustomId
    path: Path
    blob: Sha
    part: Number = 1
    """1-based."""
    parts: Number = 1
    """How many parts the file has."""
    model: str | None = None
    """None: the intent's model; else `fallback-model`, after a refusal."""
    old_blob: Sha | None = None
    """The blob that the request compares with."""
    shown: LineRanges | None = None
    """The lines that the request shows around what changed, empty if unknown; None: the file."""
    purpose: Annotated[Purpose, Field(exclude_if=lambda purpose: purpose == "review")] = "review"
    findings: Annotated[tuple[Fingerprint, ...], Field(exclude_if=not_)] = ()
    """The findings that the request is about, in the order of its claims; none in a review."""


def reviews_in(keys: Iterable[RequestKey]) -> tuple[RequestKey, ...]:
    """Return the requests that are reviews; the others are about findings, not about files."""
    return tuple(key for key in keys if key.purpose == "review")


@dataclass(frozen=True, slots=True)
class Usage:
    """Billed tokens, as the API reports them, of a request or summed over a batch."""

    __pydantic_config__ = ENTRY_CONFIG

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_write_5m_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    cache_read_tokens: Count = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*map(add, self.tokens, other.tokens))

    @property
    def tokens(self) -> tuple[int, ...]:
        """All counts, in the order of the fields."""
        return (
            self.input_tokens,
            self.output_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
            self.cache_read_tokens,
        )

    @property
    def prompt_tokens(self) -> int:
        """All input tokens, including cached ones (which `input_tokens` excludes)."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + written + self.cache_read_tokens


class Selected(CompactableFact, key=("head", "at", "pull_request")):
    """A submit selected these files at `head`."""

    kind: Literal["selected"] = "selected"
    head: Sha
    base: Sha | None = None
    branch: str
    at: Timestamp
    files: tuple[FileEntry, ...]
    removed: tuple[Path, ...] = ()
    """Paths deleted, renamed or excluded since: they leave the backlog."""
    excluded: tuple[Path, ...] = ()
    """Paths that the patterns of `scope` exclude; other patterns may include them again."""
    scope: str = ""
    """Digest of `paths` and `paths-ignore`: a run with other patterns does not move the base."""
    partial: bool = False
    """Whether an explicit `base` left out commits: `head` must not become a base."""
    first: bool = False
    """Whether no earlier run has left a trace: `first-run-limit` holds for these files."""
    skipped: dict[str, int] = Field(default_factory=dict)
    """Skip reason to number of files."""
    pull_request: Number | None = None
    """Number of the pull request; only in the ledger of pull requests."""
    _lists: ClassVar = frozenset({"compacted", "files", "removed", "excluded", "skipped", "base"})

    def in_common(self, other: "Selected") -> "Selected":
        """Return the version with what this one and another one of the same original list."""
        return self.reduce(
            files=in_both(self.files, other.files),
            removed=in_both(self.removed, other.removed),
            excluded=in_both(self.excluded, other.excluded),
            skipped=dict(in_both(self.skipped.items(), other.skipped.items())),
            base=other.base and self.base,
        )


class Intended(CompactableFact, key=("intent",)):
    """A submit is about to create these batches; saved before the first create."""

    kind: Literal["intended"] = "intended"
    intent: IntentId
    at: Timestamp
    """By Anthropic's clock (its `date` header), because it is compared with batches' times."""
    run: str
    """`<run id>.<attempt>`, or `local`."""
    head: Sha
    base: Sha | None = None
    model: str
    effort: str | None = None
    batches: tuple[tuple[RequestKey, ...], ...]
    worst_case_usd: Usd | None = None
    """None when the model has no known price."""
    pull_request: Number | None = None
    """Number of the pull request; only in the ledger of pull requests."""
    patched: bool = False
    """Whether `head` is a commit made of `patch-file`, which is not in the repository."""
    shared_tokens: Count | None = None
    """Tokens of the instructions that all requests share; None when they are not known."""
    mode: Literal["warm-up", "interactive"] | None = None
    warm_minutes: float = Field(default=0, ge=0, le=MAX_WARM_MINUTES)
    """How long the other batches wait for the first one, which writes the prompt cache."""
    """How the requests were sent; None for plain batches."""
    sizes: tuple[Count, ...] | None = None
    """The number of requests in each batch, if some are not listed any more."""
    _lists: ClassVar = frozenset({"compacted", "batches", "base", "sizes"})

    @property
    def request_counts(self) -> tuple[int, ...]:
        """The number of requests in each batch, listed or not."""
        listed = tuple(len(batch) for batch in self.batches)
        return self.sizes if self.sizes and len(self.sizes) == len(listed) else listed

    @property
    def worst_case_shares(self) -> tuple[float, ...]:
        """The worst case of each batch, by its number of requests; 0 when it is not known."""
        counts, usd = self.request_counts, self.worst_case_usd or 0.0
        return tuple(usd * count / (sum(counts) or 1) for count in counts)

    def in_common(self, other: "Intended") -> "Intended":
        """Return the version with what this one and another one of the same original list."""
        return self.reduce(
            batches=tuple(map(in_both, self.batches, other.batches)),
            base=other.base and self.base,
            sizes=min(self.request_counts, other.request_counts),
        )


class Sent(BaseFact, key=("batch",)):
    """A batch of an intent was created: the create was answered, or the batch was found later."""

    kind: Literal["sent"] = "sent"
    intent: IntentId
    index: Count
    """Index into the intent's `batches`."""
    batch: BatchId
    created_at: Timestamp
    expires_at: Timestamp


class Rejected(BaseFact, key=("intent", "batch")):
    """A candidate batch is not the intent's; without a batch: no more batches are expected."""

    kind: Literal["rejected"] = "rejected"
    intent: IntentId
    batch: BatchId | None = None
    """None: the create was refused, or its time window passed without a candidate."""


class Collected(CompactableFact, key=("batch",)):
    """A batch ended and its results were published."""

    kind: Literal["collected"] = "collected"
    batch: BatchId
    at: Timestamp
    usage: Usage
    cost_usd: Usd | None = None
    """What is billed; None when it is not known."""
    interactive_usd: Usd | None = None
    """What the same tokens would have cost one by one, without batch and prompt cache."""
    cache_saved_usd: UsdDifference | None = None
    """What the prompt cache saved, negative when it cost more; None where it was not used."""
    failed: dict[CustomId, str]
    """Request id to kind of failure, for the requests without a usable answer."""
    failed_count: Count | None = None
    """The number of requests without a usable answer, if some are not listed any more."""
    _lists: ClassVar = frozenset({"compacted", "failed", "failed_count"})

    @property
    def failures(self) -> int:
        """The number of requests without a usable answer, listed or not."""
        return len(self.failed) if self.failed_count is None else self.failed_count

    def in_common(self, other: "Collected") -> "Collected":
        """Return the version with what this one and another one of the same original list."""
        return self.reduce(
            failed=dict(in_both(self.failed.items(), other.failed.items())),
            failed_count=min(self.failures, other.failures),
        )


class Withdrawn(BaseFact, key=("batch",)):
    """A person canceled this batch: its files are not sent again until they change."""

    kind: Literal["withdrawn"] = "withdrawn"
    batch: BatchId
    actor: str
    at: Timestamp


class Dismissed(BaseFact, key=("fingerprint",)):
    """A person with write access dismissed a finding permanently."""

    kind: Literal["dismissed"] = "dismissed"
    fingerprint: Fingerprint
    actor: str
    source: str
    """A URL, or a destination's name."""
    reason: DismissalReason | None = None
    """None: the person gave none."""
    at: Timestamp


class Confirmed(BaseFact, key=("fingerprint",)):
    """A person with write access confirmed a finding; a dismissal of it counts before this."""

    kind: Literal["confirmed"] = "confirmed"
    fingerprint: Fingerprint
    actor: str
    source: str
    """The URL of the comment."""
    at: Timestamp


PersonsVerdict = Dismissed | Confirmed
"""What people have decided about a finding: it holds in every destination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFinding:
    """A finding as the statistics count it: without its place and its wording."""

    __pydantic_config__ = ENTRY_CONFIG

    fingerprint: Fingerprint
    rule: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,60}$")]
    category: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]
    severity: Severity
    security: bool = False


class HiddenFindings(LedgerModel):
    """Numbers of the security findings that are hidden: a fingerprint would give away the code."""

    found: Count = 0
    fixed: Count = 0
    closed: Count = 0
    back: Count = 0
    """Open again after they were fixed or closed."""
    open: Count = 0
    """How many are open after the run; the others are events of it."""


class Changed(BaseFact, key=("at", "run")):
    """Findings were new in this run, or became something else."""

    kind: Literal["changed"] = "changed"
    at: Timestamp
    run: str
    """`<run id>.<attempt>`, or `local`."""
    found: tuple[FoundFinding, ...] = ()
    hidden: HiddenFindings | None = None
    became: dict[Ending, tuple[Fingerprint, ...]] = Field(default_factory=dict)


class Muted(BaseFact, key=("rule", "at")):
    """A person with write access muted a rule, or had it reported again; the newest fact counts."""

    kind: Literal["muted"] = "muted"
    rule: Rule
    muted: bool
    actor: str
    source: str
    """The URL of the text with the ticked box."""
    at: Timestamp


class Baselined(BaseFact, key=("fingerprint",)):
    """A finding of the first run that was not reported: only its count was."""

    kind: Literal["baselined"] = "baselined"
    fingerprint: Fingerprint
    blob: Sha
    """The reviewed content: while the finding's code is as in there, it is not reported."""


class Recheck(BaseFact, key=("fingerprint", "source")):
    """A person with write access requested another review of a finding's file."""

    kind: Literal["recheck"] = "recheck"
    fingerprint: Fingerprint
    path: Path
    actor: str
    source: str
    """URL of the comment with the request; one fact per request."""
    batches_before: tuple[BatchId, ...] = ()
    """The batches that had this file before the request: only a later one answers it."""
    at: Timestamp


class Closed(BaseFact, key=("pull_request", "at")):
    """A pull request was closed and its pending work was completed."""

    kind: Literal["closed"] = "closed"
    pull_request: Number
    merged: bool
    at: Timestamp


class Reported(BaseFact, key=("issue", "at")):
    """The rolling issue was written: the next run asks for it by its number first."""

    kind: Literal["reported"] = "reported"
    issue: Number
    at: Timestamp


Fact = Annotated[
    Selected
    | Intended
    | Sent
    | Rejected
    | Collected
    | Withdrawn
    | Dismissed
    | Confirmed
    | Baselined
    | Changed
    | Muted
    | VerificationDue
    | Verified
    | Deleted
    | Recheck
    | ExplanationRequested
    | Unexplainable
    | Explained
    | Closed
    | Reported
    | Reserved
    | Charged
    | Noted,
    Field(discriminator="kind"),
]


SCHEMA: Literal[2] = 2
"""Number of the ledger's schema; a ledger with a higher one is from a newer version."""


class Ledger(LedgerModel):
    """All facts of one task in one repository, sorted by key."""

    schema_version: Literal[2] = SCHEMA
    repository: str
    """GitHub's numeric repository id as text, or `local`."""
    task: str
    written_at: Timestamp | None = None
    merged_artifacts: tuple[int, ...] = ()
    """Ids of the artifacts whose facts are in this ledger: readers need not open them."""
    refused_artifacts: tuple[tuple[int, str], ...] = ()
    """Ids of artifacts refused for their origin, each with the digest of what they were refused by:
    they are not looked up again."""
    facts: tuple[Fact, ...] = ()

    @classmethod
    def empty(cls, repository: str, task: str) -> "Ledger":
        """Return a ledger without facts, without the time that it takes to prepare validation."""
        return cls.model_construct(repository=repository, task=task)

    def add(self, *facts: Fact) -> "Ledger":
        """Return the ledger with these facts added."""
        return merge(self, self.model_copy(update={"facts": facts}))[0]

    def keep(self, predicate: Callable[[Fact], bool]) -> "Ledger":
        """Return the ledger with those of its facts that satisfy *predicate*."""
        return self.model_copy(update={"facts": tuple(x for x in self.facts if predicate(x))})


def disagree(one: Fact, other: Fact) -> bool:
    """Return whether two facts with one key are unequal, and not versions of one original."""
    return one != other and _rank(one) != _rank(other)


def _rank(fact: Fact) -> tuple[str, ...]:
    return fact.rank() if isinstance(fact, CompactableFact) else (fact.model_dump_json(),)


def _unite(one: Fact, other: Fact) -> tuple[Fact, bool]:
    """Return what stays of two unequal facts with one key, and whether they disagree."""
    ranks = _rank(one), _rank(other)
    if ranks[0] == ranks[1]:
        return one.in_common(other), False  # type: ignore[union-attr, arg-type]
    return (one if ranks[0] < ranks[1] else other), True


def merge(*ledgers: Ledger) -> tuple[Ledger, list[str]]:
    """Return the union of all facts, and a warning for every key with two values.

    Commutative, associative and idempotent. Of two versions of one fact what both list stays; of
    two others with one key the one with the smaller digest (or JSON, where facts have none).
    Raises ValueError: the ledgers are of different tasks or repositories.
    """
    first = ledgers[0]
    if any((x.repository, x.task) != (first.repository, first.task) for x in ledgers):
        raise ValueError("ledgers of different tasks or repositories cannot be merged")
    facts: dict[tuple[str, ...], Fact] = {}
    warnings = set()
    for fact in chain.from_iterable(x.facts for x in ledgers):
        known = facts.setdefault(fact.key(), fact)
        if known != fact:
            facts[fact.key()], is_conflict = _unite(known, fact)
            if is_conflict:
                warnings.add(f"two unequal facts for {' '.join(fact.key())}")
    merged = first.model_copy(
        update={
            "facts": tuple(facts[key] for key in sorted(facts)),
            "merged_artifacts": tuple(sorted({i for x in ledgers for i in x.merged_artifacts})),
            "refused_artifacts": tuple(sorted({x for y in ledgers for x in y.refused_artifacts})),
            "written_at": max((x.written_at for x in ledgers if x.written_at), default=None),
        }
    )
    return merged, sorted(warnings)
