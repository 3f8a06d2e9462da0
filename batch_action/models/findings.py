"""A finding from the model's remark to the thing people read."""

from dataclasses import dataclass, field
from enum import StrEnum, unique

from batch_action.models.file_results import FileVerdict, GeneratedFile, RefusedFile


@unique
class Severity(StrEnum):
    """How bad, worst first; the definitions stand in each task's prompt."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for critical … 3 for low."""
        return list(Severity).index(self)


@unique
class Confidence(StrEnum):
    """How sure the reviewer is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFinding:
    """What a task read out of one answer: claimed, not yet checked against the file."""

    rule: str
    """A short kebab-case slug, e.g. `sql-injection`."""
    category: str
    severity: Severity
    confidence: Confidence
    start_line: int
    end_line: int
    evidence: str
    """The quoted code; empty for whole-file categories."""
    title: str
    explanation: str
    remediation: str
    suggestion: str | None = None
    """Replacement for exactly the lines of the evidence."""
    cwe: str | None = None
    pre_existing: bool = False
    whole_file: bool = False
    """Its category needs no evidence and is anchored at line 1."""
    security: bool = False
    """Its category is a security category: guarded on public repositories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where a finding stands: a place in one blob of one commit."""

    path: str
    blob: str
    commit: str
    start_line: int
    end_line: int
    scope: tuple[int, int]
    """First and last line of its neighbourhood: the enclosing part, else ten lines around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A located remark with its identity."""

    fingerprint: str
    """16 hex digits, fixed at birth."""
    anchor: Anchor
    raw: RawFinding
    evidence: str
    """The lines as they stand in the (masked) blob, not as the model quoted them."""
    evidence_digest: str
    """12 hex digits of the normalised evidence: finds a finding again that moved."""
    ignored: str | None = None
    """The reason beside a `batch-action: ignore[category]` comment in the code that covers it;
    empty when the comment gives none, None when there is no such comment."""


@unique
class FindingState(StrEnum):
    """Where a finding is in its life."""

    NEW = "new"
    OPEN = "open"
    RECHECKING = "being re-checked"
    FIXED = "fixed"
    BACK = "back"
    DISMISSED = "dismissed"
    IGNORED = "ignored"
    """Accepted by the code itself (an inline comment) or by the baseline file: listed, not told."""


OPEN_STATES = (FindingState.NEW, FindingState.OPEN, FindingState.RECHECKING, FindingState.BACK)
"""The states of a finding that is told as open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedFinding:
    """A finding as a destination remembers it; its wording stays there as opaque text."""

    fingerprint: str
    anchor: Anchor
    state: FindingState
    severity: Severity
    category: str
    rule: str
    title: str
    evidence_digest: str
    security: bool = False
    pre_existing: bool = False
    since: str = ""
    """ISO date of birth; empty until a destination has written it down."""
    closed: str = ""
    """ISO date of the fix; empty while open, or until written down."""
    closed_by: str = ""
    """The commit at which it was found fixed."""
    suppressed: str = ""
    """Why it is IGNORED: `comment` or `baseline`; one that was mended meanwhile keeps it, because
    nobody was told of it."""
    reason: str = ""
    """What the comment in the code says for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedFile:
    """A file that has a verdict tonight."""

    path: str
    blob: str
    commit: str
    old_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMap:
    """How the lines of one blob moved into another, from `git diff -U0`."""

    hunks: tuple[tuple[int, int, int, int], ...]
    """(old start, old lines, new start, new lines) in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """A person with write access dismissed a finding, somewhere people read."""

    fingerprint: str
    by: str
    where: str
    """The URL of the comment, issue or alert; else the destination's name."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckRequest:
    """A person with write access asks to have a finding's file asked about again."""

    fingerprint: str
    by: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedState:
    """What one destination remembers: the same shape whatever it is written in."""

    destination: str
    head: str = ""
    """The newest commit it told about; empty when unknown."""
    batches: tuple[str, ...] = ()
    """The batches of the night it told about last."""
    tracked: tuple[TrackedFinding, ...] = ()
    dismissals: tuple[Dismissal, ...] = ()
    """What people dismissed there since."""
    rechecks: tuple[RecheckRequest, ...] = ()
    blocks: dict[str, str] = field(default_factory=dict)
    """Fingerprint to the Markdown of its block as it stands there, people's words included: a
    destination that does not know a finding yet takes over this wording."""
    pending: bool = False
    """Somebody waits for an answer there, or a finding for its turn: to be delivered to even when
    no batch has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a finding must reach to be born; what is known already lives on."""

    severity: Severity = Severity.LOW
    confidence: Confidence = Confidence.LOW


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAnswers:
    """All that one collect has to say about the code, destination by destination the same."""

    task: str
    commit: str
    """The newest reviewed head."""
    reviewed: tuple[ReviewedFile, ...]
    """Oldest batch first."""
    findings: tuple[Finding, ...]
    discarded: int = 0
    """Remarks whose evidence is not in the file."""
    current: dict[str, str] = field(default_factory=dict)
    """Path to blob at `commit` for every path a known finding or a reviewed file names; a path
    that is missing was deleted."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Old path to new path, since the known findings were anchored."""
    maps: dict[tuple[str, str], LineMap] = field(default_factory=dict)
    """(old blob, new blob) to the line map, for every pair a known finding needs."""
    dismissed: frozenset[str] = frozenset()
    """Fingerprints, from the ledger."""
    verdicts: frozenset[tuple[str, str]] = frozenset()
    """(path, blob) that had a verdict on an earlier night: they are not asked again."""
    excluded: dict[str, str] = field(default_factory=dict)
    """Path to the reason why it is no longer reviewed, e.g. `file excluded`, `given up`."""
    after: frozenset[tuple[str, str]] = frozenset()
    """(older, newer) commits: the newer one descends from the older one."""
    redelivered: bool = False
    """This very night was delivered here before: what was new then is still called new."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    baseline: frozenset[str] = frozenset()
    """Fingerprints that the baseline file accepts."""
    recheck_requested: frozenset[str] = frozenset()
    """Fingerprints a person wants re-checked, and no verdict has come since."""
    recheck_answered: frozenset[str] = frozenset()
    """Fingerprints whose re-check tonight's verdicts answer: not reported again means fixed."""
    generated: tuple[GeneratedFile, ...] = ()
    """What tasks that write files wrote tonight, already checked."""
    file_verdicts: tuple[FileVerdict, ...] = ()
    """What refactor-validation (or an own task of kind `verdict`) says of each file."""
    refused: tuple[RefusedFile, ...] = ()
    """Generated files that failed a check: told in the receipt, never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingStatus:
    """One finding after tonight: what changed about it and why."""

    tracked: TrackedFinding
    """With its new anchor and state."""
    finding: Finding | None
    """Tonight's finding, when it was reported tonight: fresh wording for a new block."""
    note: str = ""
    """E.g. `fixed in 1a2b3c4`, `file excluded`, `given up`."""
    changed: bool = False
    """It became new, fixed or back tonight: worth a notification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Every finding's standing, in the order people should read them: worst first."""

    statuses: tuple[FindingStatus, ...]
    commit: str
    """The newest commit known: the one the anchors were carried to."""
    suppressed: tuple[Finding, ...] = ()
    """Tonight's findings that say nothing more: doubles, and those about code that has changed."""
    below: tuple[tuple[str, int], ...] = ()
    """`min-severity` and `min-confidence`, each with how many findings it held back tonight."""
    blocks: dict[str, str] = field(default_factory=dict)
    """Fingerprint to its block as some destination worded it, from all recollections."""

    def in_state(self, *states: FindingState) -> tuple[FindingStatus, ...]:
        """The standings in any of these states, order kept."""
        return tuple(s for s in self.statuses if s.tracked.state in states)
