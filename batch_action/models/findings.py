"""A task's results: findings, from the raw to the tracked ones, generated files and verdicts."""

import re
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Literal, Protocol

from batch_action.models.explanation import Explanation
from batch_action.models.files import Hunk
from batch_action.models.generated import FileDraft, GeneratedFile, RefusedFile
from batch_action.models.verification import CheckedClaim, Verification, VerificationResult

HIDDEN_SUMMARY = "About security: not shown on a public repository."


@unique
class Verdict(StrEnum):
    """Whether a file passes a validation task."""

    VALID = "VALID"
    INVALID = "INVALID"
    UNCERTAIN = "UNCERTAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVerdict:
    """The verdict on one file; its problems are reported as findings."""

    path: str
    blob: str
    old_blob: str | None
    commit: str
    verdict: Verdict
    summary: str
    """A few sentences, written by the model."""


@unique
class Severity(StrEnum):
    """How bad a finding is, worst first; each task's prompt defines the levels."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Position in the order: 0 for critical … 3 for low."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@unique
class Confidence(StrEnum):
    """How sure the model is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def can_be_muted(severity: Severity, *, security: bool) -> bool:
    """Whether people may mute findings of such a kind."""
    return severity.rank > Severity.HIGH.rank and not security


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFinding:
    """A finding as a model's answer, or a check without it, reports it, not yet located."""

    rule: str
    """Kebab-case slug, e.g. `sql-injection`."""
    category: str
    severity: Severity
    confidence: Confidence
    start_line: int
    end_line: int
    evidence: str
    """The code as the model quoted it; empty for whole-file categories."""
    trigger: str = ""
    """What makes it go wrong, what happens and what should; empty where nothing does."""
    title: str
    explanation: str
    remediation: str
    suggestion: str | None = None
    """Replacement for exactly the lines of `evidence`."""
    cwe: str | None = None
    pre_existing: bool = False
    whole_file: bool = False
    """Whether its category needs no evidence; it is then anchored at line 1."""
    security: bool = False
    """Whether its category is about security; such findings are hidden on public repositories."""
    is_computed: bool = False
    """Whether it was found without the model; it is then not verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The location of a finding: lines of one blob in one commit."""

    path: str
    blob: str
    commit: str
    start_line: int
    end_line: int
    scope_start: int
    scope_end: int
    """First and last line of the neighborhood: the enclosing definition, else ten lines around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingTexts:
    """The texts of a finding, for destinations and second requests only."""

    raw: RawFinding
    evidence: str
    """The lines as they are in the (masked) blob, not as the model quoted them."""
    quoted: str = ""
    """The quoted characters of these lines, without white space: a part of a line may be quoted."""
    quotes_lines: bool = False
    """Whether the model quoted exactly these lines."""
    replacement: str | None = None
    """The suggestion, if it can replace exactly the lines of `evidence`; see `suggestions`."""

    def read(self) -> "FindingTexts":
        """Return itself: these texts are in memory."""
        return self


class KeptTexts(Protocol):
    """The texts of a finding, in memory or on disk."""

    def read(self) -> FindingTexts:
        """Return the texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A raw finding located in a file, with its fingerprint.

    There may be tens of thousands: its texts are read when their turn comes.
    """

    fingerprint: str
    """16 hex digits, fixed when the finding is first reported."""
    anchor: Anchor
    reported: Anchor
    """Where it was reported; `anchor` follows the code to the newest content."""
    rule: str
    category: str
    severity: Severity
    confidence: Confidence
    title: str
    pre_existing: bool = False
    whole_file: bool = False
    security: bool = False
    is_computed: bool = False
    """As are all fields from `rule` on: see `RawFinding`."""
    evidence_digest: str
    """12 hex digits of the normalized evidence; matches a finding whose code moved."""
    ignore_reason: str | None = None
    """The reason given in the `batch-action: ignore[category]` comment that covers the code; empty
    when the comment gives none, None when there is no such comment."""
    texts: KeptTexts

    @classmethod
    def of(
        cls,
        texts: FindingTexts,
        *,
        fingerprint: str,
        anchor: Anchor,
        evidence_digest: str,
        ignore_reason: str | None = None,
    ) -> "Finding":
        """Return the finding with these texts, reported where it is now."""
        raw = texts.raw
        return cls(
            fingerprint=fingerprint,
            anchor=anchor,
            reported=anchor,
            rule=raw.rule,
            category=raw.category,
            severity=raw.severity,
            confidence=raw.confidence,
            title=raw.title,
            pre_existing=raw.pre_existing,
            whole_file=raw.whole_file,
            security=raw.security,
            is_computed=raw.is_computed,
            evidence_digest=evidence_digest,
            ignore_reason=ignore_reason,
            texts=texts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingClaim:
    """A finding that is to be verified or explained, as its review worded it."""

    fingerprint: str
    anchor: Anchor
    """Where it was reported."""
    raw: RawFinding
    shown: str | None
    """The lines that its review was shown, as in the request's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBackFinding:
    """A reported finding that is not tracked: counted and listed with its reason."""

    reason: str
    """`repeated`, `outdated`, `discarded`, or the threshold that it misses: `min-severity`,
    `min-confidence`, `first-run-limit` or `muted`."""
    path: str
    line: int
    rule: str
    severity: Severity
    title: str
    security: bool
    texts: KeptTexts

    @classmethod
    def of(
        cls, found: Finding | RawFinding, reason: str, *, path: str, line: int, texts: KeptTexts
    ) -> "HeldBackFinding":
        """Return a finding as it is counted and listed."""
        return cls(
            reason=reason,
            path=path,
            line=line,
            rule=found.rule,
            severity=found.severity,
            title=found.title,
            security=found.security,
            texts=texts,
        )


@unique
class FindingState(StrEnum):
    """The state of a finding in its lifecycle."""

    NEW = "new"
    OPEN = "open"
    RECHECKING = "being re-checked"
    FIXED = "fixed"
    BACK = "back"
    DISMISSED = "dismissed"
    IGNORED = "ignored"
    """Accepted by an inline comment or by the baseline file: listed, not reported."""


OPEN_STATES = (FindingState.NEW, FindingState.OPEN, FindingState.RECHECKING, FindingState.BACK)
"""The states of a finding that is neither closed nor accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedFinding:
    """A finding as a destination stores it; its wording stays there as opaque text."""

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
    opened_on: str = ""
    """ISO date of the first report; empty until a destination has stored it."""
    closed_on: str = ""
    """ISO date on which it was closed; empty while open, or until a destination has stored it."""
    closing_commit: str = ""
    """The commit at which it was fixed."""
    ignored_by: str = ""
    """Why it is IGNORED: `comment` or `baseline`. A fixed one keeps the value, because it was never
    reported."""
    ignore_reason: str = ""
    """The reason given in the inline comment."""
    verification: Verification | None = None
    """None: it is not to be verified."""
    confirmed_by: str = ""
    """The login of the person who confirmed it, which counts before any other result."""

    @property
    def is_unconfirmed(self) -> bool:
        """Whether its verification has no result yet."""
        return self.verification is Verification.UNCONFIRMED

    @property
    def is_disputed(self) -> bool:
        """Whether it is open, but disputed: then it is listed apart, unless it is about security.

        Findings about security are only marked.
        """
        is_open = self.state in OPEN_STATES
        return is_open and self.verification is Verification.DISPUTED and not self.security

    @property
    def counts_as_open(self) -> bool:
        """Whether it counts as an open finding: neither closed nor listed apart as disputed."""
        return self.state in OPEN_STATES and not self.is_disputed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedFile:
    """A file that was reviewed in this run."""

    path: str
    blob: str
    commit: str
    old_path: str | None = None


DismissalReason = Literal["false-positive", "used-in-tests", "other"]
"""A person's own words may say what is hidden, so the ledger has these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """A person with write access dismissed a finding at some destination."""

    fingerprint: str
    actor: str
    source: str
    """URL of the comment, issue or alert; else the destination's name."""
    reason: str = ""

    @property
    def kind_of_reason(self) -> DismissalReason | None:
        """What the reason says, given in a command or to code scanning; None without one."""
        words = re.sub(r"[^a-z]+", " ", self.reason.lower()).strip()
        if re.search(r"\bfalse (positive|alarm)\b", words):
            return "false-positive"
        if words == "used in tests":
            return "used-in-tests"
        return "other" if self.reason.strip() else None


@unique
class CommandName(StrEnum):
    """What a command does: the word after `/batch`."""

    WONTFIX = "wontfix"
    RECHECK = "recheck"
    CONFIRM = "confirm"
    EXPLAIN = "explain"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingCommand:
    """A command of a person with write access about a finding; dismissals are apart."""

    name: CommandName
    fingerprint: str
    actor: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedState:
    """The state read from one destination, in the same shape for all of them."""

    destination: str
    head: str = ""
    """The newest commit that was reported there; empty when unknown."""
    batches: tuple[str, ...] = ()
    """The batches of the last run that was reported there."""
    tracked: tuple[TrackedFinding, ...] = ()
    dismissals: tuple[Dismissal, ...] = ()
    """What people dismissed there since."""
    commands: tuple[FindingCommand, ...] = ()
    blocks: dict[str, str] = field(default_factory=dict)
    """Fingerprint to its block there in Markdown, with people's edits, for other destinations."""
    warnings: tuple[str, ...] = ()
    """Sentences for people about what was found there and is not used."""
    has_pending_work: bool = False
    """Whether a user command needs an answer there or a finding waits to be published: publish even
    when no batch has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAnswers:
    """What the answers of one collect say about the code, the same for every destination."""

    task: str
    commit: str
    """The newest reviewed commit; of a pull request its head."""
    reviewed: tuple[ReviewedFile, ...] = ()
    """Oldest batch first."""
    findings: tuple[Finding, ...] = ()
    held_back: tuple[HeldBackFinding, ...] = ()
    """What the answers report twice, or about code that is not in the file."""
    generated: tuple[GeneratedFile, ...] = ()
    """Files generated in this run that passed their checks."""
    file_verdicts: tuple[FileVerdict, ...] = ()
    """Verdicts of refactor-validation or of a custom task of kind `verdict`."""
    refused: tuple[RefusedFile, ...] = ()
    """Generated files that failed a check: reported, never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePositions:
    """Where the code of tracked and reported findings is in the newest content."""

    commit: str
    """The newest known commit."""
    current_blobs: dict[str, str]
    """Path to blob at `commit`, for every path of a tracked or reported finding; a missing path was
    deleted."""
    renames: dict[str, str]
    """Old path to new path, since the tracked findings were anchored."""
    line_maps: dict[tuple[str, str], tuple[Hunk, ...]]
    """(old blob, new blob) to the changes in order, for every pair that a tracked finding needs."""
    descendants: frozenset[tuple[str, str]]
    """Pairs (older, newer) of commits of which the newer one descends from the older one."""
    emptied: frozenset[str] = frozenset()
    """The paths in `current_blobs` that have no text any more."""

    def current_path(self, path: str) -> str:
        """Return the path at `commit`: the new name after a rename, else *path* itself."""
        return path if path in self.current_blobs else self.renames.get(path, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingStatus:
    """One finding after this run: what changed about it and why."""

    tracked: TrackedFinding
    """With its new anchor and state."""
    finding: Finding | None
    """The finding with the wording for a new block; None when this run did not report it."""
    note: str = ""
    """Why it changed, e.g. `fixed in 1a2b3c4`, `file excluded`, `given up`."""
    verified: VerificationResult | None = None
    """The result of its verification with the reason; None when none came in with this run."""
    changed: bool = False
    """Whether it became new, fixed or back in this run: worth a notification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The status of every finding: worst first, but those that share lines are neighbors."""

    statuses: tuple[FindingStatus, ...]
    commit: str
    """The newest known commit, to which the anchors were moved."""
    held_back: tuple[HeldBackFinding, ...] = ()
    """The findings of this run that are not reported."""
    baselined: dict[str, str] = field(default_factory=dict)
    """Those that the first run leaves out now: fingerprint to reviewed blob."""
    blocks: dict[str, str] = field(default_factory=dict)
    """Fingerprint to its block as a destination has it, from all published states."""
    hides_security: bool = False
    """See `FindingPolicy`."""

    @property
    def visible(self) -> tuple[FindingStatus, ...]:
        """The statuses that every destination may show; code scanning shows all.

        On a public repository, findings of a security category are left out, whatever their task.
        """
        return tuple(s for s in self.statuses if not (self.hides_security and s.tracked.security))

    @property
    def visible_held_back(self) -> tuple[HeldBackFinding, ...]:
        """The findings held back that every destination may show."""
        return tuple(h for h in self.held_back if not (self.hides_security and h.security))

    def in_state(self, *states: FindingState) -> tuple[FindingStatus, ...]:
        """Return the statuses in any of these states, in order."""
        return tuple(s for s in self.statuses if s.tracked.state in states)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAssessment:
    """The model's assessment of a whole file."""

    verdict: Verdict
    summary: str
    security: bool
    """Whether an attacker could use what the summary says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResponse:
    """An answer about one file: findings, drafts, an assessment, or what is said of claims."""

    raw_findings: tuple[RawFinding, ...] = ()
    drafts: tuple[FileDraft, ...] = ()
    assessment: FileAssessment | None = None
    claims: tuple[CheckedClaim, ...] = ()
    explanation: Explanation | None = None
