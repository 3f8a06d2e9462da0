"""Publish the answers of a run: read all destinations, reconcile once, then write each of them.

The states of all destinations are joined, and reconciled with the answers once, before anything
is written. So every destination shows the same findings in the same states.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from batch_action.clients.git import GitRepo
from batch_action.clients.github.errors import RefusedError
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, GitHubError
from batch_action.findings.lifecycle import reconcile
from batch_action.ledger import statistics
from batch_action.ledger.view import LedgerView
from batch_action.models.explanation import ExplanationRequested
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    CommandName,
    Dismissal,
    FindingCommand,
    PublishedState,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.ledger import (
    Baselined,
    Confirmed,
    Dismissed,
    Fact,
    Recheck,
)
from batch_action.models.policy import FindingPolicy
from batch_action.models.report import DestinationResult, PublishResult, RunReport
from batch_action.publishers.base import Publisher
from batch_action.publishers.positions import resolve, sort_newest_first

PUBLISHERS = ("issue", "issue-per-finding", "sarif", "draft-pr")
"""The destinations that keep findings between runs, in the order in which they are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedStates:
    """The publishers of a run, and the states that they read."""

    publishers: Mapping[str, Publisher]
    newest_first: tuple[PublishedState, ...]
    """The state about the newest commit comes first."""
    unreadable: tuple[DestinationResult, ...] = ()
    """Destinations that GitHub refuses to let us read, permanently."""

    def requested_facts(
        self, view: LedgerView, now: datetime, *, hides_security: bool
    ) -> tuple[Fact, ...]:
        """Return what people decided or asked for that *view* does not contain.

        *hides_security*: a hidden finding is neither confirmed nor explained, because its
        fingerprint would give away the code.
        """
        recorded = {fact.key() for fact in view.ledger.facts}
        tracked = self.tracked
        dismissals, muted = statistics.read_rule_ticks(view, self.dismissals, now)
        dismissed: list[Fact] = [
            Dismissed(
                fingerprint=d.fingerprint,
                actor=d.actor,
                source=d.source,
                reason=d.kind_of_reason,
                at=now,
            )
            for d in dismissals
        ]
        requested = [
            fact
            for state in self.newest_first
            for command in state.commands
            if (finding := tracked.get(command.fingerprint)) is not None
            for fact in _facts_of(
                command, finding, view, now, is_hidden=hides_security and finding.security
            )
        ]
        facts = (*dismissed, *muted, *requested)
        return tuple(fact for fact in facts if fact.key() not in recorded)

    @property
    def tracked(self) -> dict[str, TrackedFinding]:
        """The findings of all destinations by fingerprint, each in its newest state."""
        oldest_first = self.newest_first[::-1]
        return {f.fingerprint: f for state in oldest_first for f in state.tracked}

    def is_behind(self, commit: str, verified: Collection[str]) -> bool:
        """Whether a destination holds findings and is about another commit, or lacks a result.

        *verified*: the fingerprints of the findings whose verification has a result.
        """
        return any(
            (state.tracked and state.head != commit)
            or any(x.is_unconfirmed and x.fingerprint in verified for x in state.tracked)
            for state in self.newest_first
        )

    def is_outdated_by(self, reconciliation: Reconciliation) -> bool:
        """Whether a finding is open, verified or in a file, but is not shown like that yet."""
        before = self.tracked
        return any(
            (status.tracked.state in OPEN_STATES) is not (known.state in OPEN_STATES)
            or status.tracked.anchor.path != known.anchor.path
            or (
                status.tracked.state in OPEN_STATES
                and status.tracked.verification is not known.verification
            )
            for status in reconciliation.statuses
            if (known := before[status.tracked.fingerprint])
        )

    @property
    def has_pending_work(self) -> bool:
        """Whether a destination is to be written even if no batch has ended."""
        return any(state.has_pending_work for state in self.newest_first)

    @property
    def dismissals(self) -> tuple[Dismissal, ...]:
        """People's dismissals, over all destinations."""
        return tuple(d for state in self.newest_first for d in state.dismissals)


def _facts_of(
    command: FindingCommand,
    finding: TrackedFinding,
    view: LedgerView,
    now: datetime,
    *,
    is_hidden: bool,
) -> Iterator[Fact]:
    """Yield what a command about a finding asks to record."""
    anchor, fingerprint = finding.anchor, finding.fingerprint
    actor, source = command.actor, command.source
    match command.name:
        case CommandName.RECHECK:
            yield Recheck(
                fingerprint=fingerprint,
                path=anchor.path,
                actor=actor,
                source=source,
                batches_before=view.batches_of_path(anchor.path),
                at=now,
            )
        case CommandName.CONFIRM if not is_hidden:
            yield Confirmed(fingerprint=fingerprint, actor=actor, source=source, at=now)
        case CommandName.EXPLAIN if not is_hidden:
            yield ExplanationRequested(
                fingerprint=fingerprint,
                path=anchor.path,
                blob=anchor.blob,
                lines=f"{anchor.start_line}-{anchor.end_line}",
                actor=actor,
                source=source,
                at=now,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """The result of publishing."""

    published: PublishResult
    problem: BatchActionError | None = None
    """A delivery failed and is to be repeated: the batches do not count as collected."""
    notified: bool = False
    """Whether the destinations that keep no state have been notified."""

    def changes(self, view: LedgerView, *, at: datetime, run: str) -> tuple[Fact, ...]:
        """Return what the first run leaves out, who was told what, and what findings became.

        *run*: `<run id>.<attempt>`, or `local`.
        """
        found = self.published.reconciliation
        left_out = (Baselined(fingerprint=f, blob=b) for f, b in found.baselined.items())
        hides = found.hides_security
        told = (reply.fact(at) for reply in self.published.report.explanations)
        return (
            *left_out,
            *told,
            *statistics.changes_of(view, found.statuses, at=at, run=run, hides=hides),
        )


Reconciled = tuple[RunReport, Reconciliation, PublishedStates]
"""What there is to publish, and what is there already."""


def _create_publisher(
    name: str, ctx: RunContext, dismissed: frozenset[str], last_issue: int | None
) -> Publisher:
    """Create the publisher of one of `PUBLISHERS`; only its own modules are imported."""
    match name:
        case "issue":
            from batch_action.publishers.issue import publisher as issue  # noqa: PLC0415

            return issue.create_publisher(ctx, last_issue)
        case "issue-per-finding":
            from batch_action.publishers.issue_per_finding import publisher  # noqa: PLC0415

            return publisher.create_publisher(ctx)
        case "sarif":
            from batch_action.publishers.sarif import publisher as sarif  # noqa: PLC0415

            return sarif.create_publisher(ctx, dismissed)
        case _:
            from batch_action.publishers.draft_pr import publisher as draft_pr  # noqa: PLC0415

            return draft_pr.create_publisher(ctx)


def read_states(
    ctx: RunContext,
    dismissed: frozenset[str] = frozenset(),
    publishers: Mapping[str, Publisher] | None = None,
    inherited: Sequence[PublishedState] = (),
    last_issue: int | None = None,
) -> PublishedStates:
    """Read the states of all publishers, without writing anything.

    *dismissed*: the fingerprints whose dismissal the ledger has; *publishers*: used instead of
    those that `report` names; *inherited*: states from elsewhere, such as a merged pull request;
    *last_issue*: the number of the rolling issue that the ledger has.

    Raises:
        ConfigError: when a destination is not configured completely.
        GitHubError: when a destination cannot be read; a permanent refusal is returned instead.
    """
    ctx.console.activity = "reading the destinations"
    if publishers is None:
        publishers = {
            name: _create_publisher(name, ctx, dismissed, last_issue)
            for name in PUBLISHERS
            if name in ctx.settings.report
        }
    states = list(inherited)
    unreadable: dict[str, DestinationResult] = {}
    for name, publisher in publishers.items():
        try:
            states.append(publisher.read_state())
        except RefusedError as error:
            if not error.permanent:
                raise
            unreadable[name] = _failed_result(name, error)
    for warning in (text for state in states for text in state.warnings):
        ctx.warn(warning)
    return PublishedStates(
        publishers={
            name: publisher for name, publisher in publishers.items() if name not in unreadable
        },
        newest_first=tuple(sort_newest_first(states, ctx.git)),
        unreadable=tuple(unreadable.values()),
    )


def publish(
    report: RunReport,
    reconciliation: Reconciliation,
    states: PublishedStates,
    settings: Settings,
) -> PipelineResult:
    """Publish the findings to every destination; one that fails does not stop the others."""
    delivered = list(states.unreadable)
    problem: BatchActionError | None = None
    for name, publisher in states.publishers.items():
        if settings.dry_run:
            break
        try:
            delivered.append(publisher.publish(reconciliation, report))
        except GitHubError as error:
            delivered.append(_failed_result(name, error))
            if delivered[-1].action == "failed":
                problem = problem or error
    published = PublishResult(
        report=replace(report, commit=reconciliation.commit),
        reconciliation=reconciliation,
        results=tuple(delivered),
        warnings=tuple(
            f"{d.destination}: {text}"
            for d in delivered
            for text in (d.note if d.action == "refused" else "", d.warning)
            if text
        ),
    )
    return PipelineResult(
        published=published,
        problem=problem or find_delivery_error(published, writes_files="files" in settings.report),
    )


def _failed_result(name: str, error: GitHubError) -> DestinationResult:
    """Describe an error: `refused` if it is permanent, else `failed`."""
    refused = isinstance(error, RefusedError) and error.permanent
    return DestinationResult(
        destination=name, action="refused" if refused else "failed", note=str(error)
    )


def reconcile_states(
    git: GitRepo,
    report: RunReport,
    answers: BatchAnswers,
    states: PublishedStates,
    policy: FindingPolicy,
) -> Reconciliation:
    """Join the states of all destinations, and reconcile them with the answers."""
    tracked = tuple(states.tracked.values())
    blocks = {f: block for state in states.newest_first[::-1] for f, block in state.blocks.items()}
    heads = [state.head for state in states.newest_first if state.head]
    # The newest head of a pull request is the one that GitHub names, even after a force push.
    head = heads[0] if heads and report.pull_request is None else None
    positions = resolve(answers, tracked, git, head=head, baselined=policy.first_run.baselined)
    return replace(reconcile(tracked, answers, positions, policy), blocks=blocks)


def find_delivery_error(published: PublishResult, *, writes_files: bool) -> GitHubError | None:
    """Build the error of a run whose findings, or generated files, no destination accepted.

    Such a run must not succeed. *writes_files*: generated files are also written to the workspace.
    """
    open_count = sum(s.tracked.state in OPEN_STATES for s in published.statuses)
    generated_count = len(published.report.generated)
    undelivered = [r for r in published.results if r.is_undelivered]
    findings_lost = open_count > 0 and len(undelivered) == len(published.results) > 0
    files_lost = generated_count > 0 and any(r.destination == "draft-pr" for r in undelivered)
    if not (findings_lost or (files_lost and not writes_files)):
        return None
    lost = f"{open_count} findings" if findings_lost else f"{generated_count} generated files"
    reasons = " ".join(f"{r.destination}: {r.note}" for r in undelivered)
    return GitHubError(
        f"{lost} could not be delivered. {reasons}",
        fix="Fix one of these and run collect again: the answers are kept for 29 days.",
    )
