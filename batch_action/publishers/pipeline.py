"""Tonight's answers go to their destinations; what each says is computed before it is written.

Every destination that remembers is read first. What they know is joined and meets tonight's
verdicts once, and each is then brought to the same result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from batch_action.batches.results import BatchResults
from batch_action.clients.github.errors import RefusedError
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, GitHubError
from batch_action.findings import baseline
from batch_action.findings.lifecycle import reconcile
from batch_action.ledger import view
from batch_action.models.file_results import FileVerdict, Verdict
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    Dismissal,
    FindingState,
    FindingStatus,
    PublishedState,
    Reconciliation,
    Thresholds,
)
from batch_action.models.ledger import Dismissed, Fact, Ledger, Recheck
from batch_action.models.report import DestinationResult, PublishResult, RunReport
from batch_action.publishers import run_report
from batch_action.publishers.base import Publisher
from batch_action.publishers.draft_pr import publisher as draft_pr
from batch_action.publishers.issue import publisher as issue
from batch_action.publishers.issue_per_finding import publisher as issue_per_finding
from batch_action.publishers.positions import locate, newest_first
from batch_action.publishers.sarif import publisher as sarif

PUBLISHERS: Mapping[str, Callable[[RunContext, BatchAnswers], Publisher]] = {
    "issue": issue.create_publisher,
    "issue-per-finding": issue_per_finding.create_publisher,
    "sarif": sarif.create_publisher,
    "draft-pr": draft_pr.create_publisher,
}
"""The destinations that remember, in the order in which they are told."""

UNDELIVERED = ("refused", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedStates:
    """The open desks with what each of them remembers."""

    publishers: Mapping[str, Publisher]
    recollections: tuple[PublishedState, ...]
    """The one that told about the newest commit first."""
    refused: tuple[DestinationResult, ...] = ()
    """Destinations that GitHub does not let us read, and will not tomorrow either."""

    def wishes(self, ledger: Ledger, ctx: RunContext) -> tuple[Fact, ...]:
        """What people asked for since, as facts the ledger does not hold yet."""
        have = {fact.key() for fact in ledger.facts}
        paths = {k.fingerprint: k.anchor.path for r in self.recollections for k in r.tracked}
        dismissed: list[Fact] = [
            Dismissed(fingerprint=d.fingerprint, by=d.by, where=d.where, at=ctx.now())
            for d in self.dismissals
        ]
        rechecks: list[Fact] = [
            Recheck(
                fingerprint=wish.fingerprint,
                path=paths[wish.fingerprint],
                by=wish.by,
                where=wish.where,
                seen=view.asking(ledger, paths[wish.fingerprint]),
                at=ctx.now(),
            )
            for recollection in self.recollections
            for wish in recollection.rechecks
            if wish.fingerprint in paths
        ]
        return tuple(fact for fact in (*dismissed, *rechecks) if fact.key() not in have)

    @property
    def pending(self) -> bool:
        """Whether a destination has something to say though nothing ended."""
        return any(recollection.pending for recollection in self.recollections)

    @property
    def dismissals(self) -> tuple[Dismissal, ...]:
        """What people dismissed, whatever the destination."""
        return tuple(d for r in self.recollections for d in r.dismissals)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """What publishing came to."""

    published: PublishResult
    problem: BatchActionError | None = None
    """Something could not be delivered and is to be tried again: nothing counts as collected."""


def read_states(
    ctx: RunContext,
    batch_answers: BatchAnswers,
    publishers: Mapping[str, Publisher] | None = None,
    inherited: Sequence[PublishedState] = (),
) -> PublishedStates:
    """Read every destination that remembers. Raises GitHubError, ConfigError; writes nothing.

    *publishers*: other ones than those of `report`. *inherited*: what is known from elsewhere, such as
    a merged pull request.
    """
    ctx.console.doing = "reading the destinations"
    if publishers is None:
        publishers = {
            name: PUBLISHERS[name](ctx, batch_answers) for name in PUBLISHERS if _wanted(name, ctx)
        }
    found = list(inherited)
    refused: dict[str, DestinationResult] = {}
    for name, publisher in publishers.items():
        try:
            found.append(publisher.read_state())
        except RefusedError as error:
            if not error.lasting:
                raise
            refused[name] = _undelivered(name, error)
    return PublishedStates(
        publishers={
            name: publisher for name, publisher in publishers.items() if name not in refused
        },
        recollections=tuple(newest_first(found, ctx.git)),
        refused=tuple(refused.values()),
    )


def publish(
    ctx: RunContext,
    ledger: Ledger,
    found: BatchResults,
    batch_answers: BatchAnswers,
    states: PublishedStates,
    *,
    pull: int | None = None,
    spent: Ledger | None = None,
) -> PipelineResult:
    """Bring every destination to what tonight says.

    *ledger* holds the collected facts and people's wishes; they are saved only when this has no
    problem. What one destination cannot take does not keep the others from theirs. *spent*: all
    that counts for the month, if that is more.
    """
    ctx.console.doing = "publishing the findings"
    report = run_report.night_of(ctx, ledger, found, batch_answers, pull=pull, spent=spent)
    reconciled = _reconciled(ctx, ledger, batch_answers, states, report)
    delivered = list(states.refused)
    problem: BatchActionError | None = None
    for name, publisher in states.publishers.items():
        if ctx.settings.dry_run:
            break
        try:
            delivered.append(publisher.publish(reconciled, report))
        except GitHubError as error:
            delivered.append(_undelivered(name, error))
            if delivered[-1].action == "failed":
                problem = problem or error
    published = PublishResult(
        report=replace(report, commit=reconciled.commit),
        reconciled=reconciled,
        results=tuple(delivered),
        warnings=tuple(f"{d.destination}: {d.note}" for d in delivered if d.action == "refused"),
    )
    return PipelineResult(
        published=published,
        problem=problem or undelivered(published, files_too="files" in ctx.settings.report),
    )


def too_severe(ctx: RunContext, published: PublishResult) -> list[FindingStatus]:
    """New findings at or over `fail-on-severity`; empty when it is not set."""
    limit = ctx.settings.fail_on_severity
    if limit is None:
        return []
    return [
        standing
        for standing in published.statuses
        if standing.changed
        and standing.tracked.state in (FindingState.NEW, FindingState.BACK)
        and standing.tracked.severity.rank <= limit.rank
    ]


def too_doubtful(ctx: RunContext, published: PublishResult) -> list[FileVerdict]:
    """Tonight's rulings at or over `fail-on-verdict`; empty when it is not set."""
    failing = {
        None: (),
        "invalid": (Verdict.INVALID,),
        "uncertain": (Verdict.INVALID, Verdict.UNCERTAIN),
    }[ctx.settings.fail_on_verdict]
    return [
        judgement for judgement in published.report.file_verdicts if judgement.verdict in failing
    ]


def _wanted(name: str, ctx: RunContext) -> bool:
    return name in ctx.settings.report


def _undelivered(name: str, error: GitHubError) -> DestinationResult:
    """Refused for good, or failed for now."""
    refused = isinstance(error, RefusedError) and error.lasting
    return DestinationResult(
        destination=name, action="refused" if refused else "failed", note=str(error)
    )


def _reconciled(
    ctx: RunContext,
    ledger: Ledger,
    batch_answers: BatchAnswers,
    states: PublishedStates,
    report: RunReport,
) -> Reconciliation:
    """What all destinations know meets tonight's verdicts."""
    known = {k.fingerprint: k for r in reversed(states.recollections) for k in r.tracked}
    words = {f: text for r in reversed(states.recollections) for f, text in r.blocks.items()}
    told = {batch for r in states.recollections for batch in r.batches}
    heads = [r.head for r in states.recollections if r.head]
    settings = ctx.settings
    complete = replace(
        batch_answers,
        dismissed=view.dismissed(ledger) | {d.fingerprint for d in states.dismissals},
        # A batch comes twice only when the run died, or failed, after it had written somewhere.
        redelivered=not told.isdisjoint(report.batch_ids),
        thresholds=Thresholds(severity=settings.min_severity, confidence=settings.min_confidence),
        baseline=_baseline(ctx, ctx.rules_at(batch_answers.commit)),
        recheck_requested=frozenset(
            wish.fingerprint for wish in view.open_recheck_requests(ledger)
        ),
        recheck_answered=frozenset(
            wish.fingerprint
            for wish in view.answered_recheck_requests(ledger, frozenset(report.batch_ids))
        ),
    )
    # A pull request's newest head is the one GitHub names, wherever it was pushed to.
    head = heads[0] if heads and report.pull is None else None
    placed = locate(complete, tuple(known.values()), ctx.git, head=head)
    return replace(reconcile(tuple(known.values()), placed), blocks=words)


def _baseline(ctx: RunContext, commit: str) -> frozenset[str]:
    """The accepted fingerprints. Raises ConfigError: an unreadable file must not flood people."""
    name = ctx.settings.baseline_file
    data = ctx.git.file_at(commit, name) if ctx.git.has_commit(commit) else None
    if data is None:
        return frozenset()
    return frozenset(one.fingerprint for one in baseline.parsed(data, name).findings)


def undelivered(published: PublishResult, *, files_too: bool) -> GitHubError | None:
    """An error when there is something to tell and every destination refused it: never green.

    *files_too*: generated files are also written into the workspace.
    """
    delivered = published.results
    live = [s for s in published.statuses if s.tracked.state in OPEN_STATES]
    lost = [d for d in delivered if d.action in UNDELIVERED]
    nowhere = bool(live) and len(lost) == len(delivered) > 0
    unproposed = bool(published.report.generated) and any(d.destination == "draft-pr" for d in lost)
    if not (nowhere or (unproposed and not files_too)):
        return None
    reasons = " ".join(f"{d.destination}: {d.note}" for d in lost)
    return GitHubError(
        f"{len(live) if nowhere else len(published.report.generated)} "
        f"{'findings' if nowhere else 'generated files'} could not be delivered. {reasons}",
        fix="Mend one of these and run collect again: the answers are kept for 29 days.",
    )
