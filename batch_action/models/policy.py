"""What decides about the findings of a run besides the answers: settings, people, earlier runs."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from batch_action.models.findings import Confidence, Severity
from batch_action.models.verification import Verification, VerificationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The minimum of a new finding; findings that are already tracked stay."""

    severity: Severity = Severity.LOW
    confidence: Confidence = Confidence.LOW
    muted_rules: frozenset[str] = frozenset()
    """Slugs of rules that people muted: of these only what is severe or about security counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRunPolicy:
    """What the first run of a ledger may report."""

    limit: int = 0
    """`first-run-limit`; 0 for none."""
    find_files: Callable[[], AbstractSet[tuple[str, str]]] = frozenset
    """Returns the (path, blob) of the first run that had no verdict before this run."""
    baselined: dict[str, str] = field(default_factory=dict)
    """The findings that it did not report: fingerprint to reviewed blob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationPolicy:
    """Which findings are to be verified, and what is known of those that were."""

    severity: Severity | None = None
    """New findings at or over it are to be verified; None for `verify: off`."""
    recorded: Mapping[str, Verification] = field(default_factory=dict)
    """Fingerprint to what the ledger says, which has no wording."""
    due: frozenset[str] | None = None
    """The findings that the ledger knows to be verified; None while a batch may add some."""
    results: Mapping[str, VerificationResult] = field(default_factory=dict)
    """Fingerprint to the result that came in with this run, with its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPolicy:
    """What settings, people and earlier runs decide about the findings of a run."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    baseline: frozenset[str] = frozenset()
    """Fingerprints that the baseline file accepts."""
    first_run: FirstRunPolicy = field(default_factory=FirstRunPolicy)
    dismissed: frozenset[str] = frozenset()
    """Fingerprints that people dismissed for good."""
    confirmed: Mapping[str, str] = field(default_factory=dict)
    """Fingerprint to the login of the person who confirmed the finding."""
    recheck_requested: frozenset[str] = frozenset()
    """Fingerprints whose re-check was requested and not answered yet."""
    recheck_answered: frozenset[str] = frozenset()
    """Fingerprints whose re-check this run answers: not reported again means fixed."""
    excluded: dict[str, str] = field(default_factory=dict)
    """Path to the reason why it is no longer reviewed, e.g. `file excluded`, `given up`."""
    reviewed_before: AbstractSet[tuple[str, str]] = frozenset()
    """(path, blob) that have a verdict or need none: they are not sent again."""
    shown_lines: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The lines that the answers about a (path, blob) were shown, such as `1-30,45-80`; those about
    other files were shown all."""
    verification: VerificationPolicy = field(default_factory=VerificationPolicy)
    republished: bool = False
    """Whether this run was published before: what was new then is still called new."""
    hides_security: bool = False
    """Whether security findings are left out of every destination but code scanning."""
