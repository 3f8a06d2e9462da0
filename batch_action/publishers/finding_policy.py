"""Build the policy of a run from its settings, the ledger, and what people request."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from batch_action.clients.git import GitRepo, OpenObjects
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.findings import baseline
from batch_action.ledger import statistics
from batch_action.ledger import verification as recorded
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import Severity
from batch_action.models.github_context import Run
from batch_action.models.ledger import Confirmed
from batch_action.models.policy import FindingPolicy, FirstRunPolicy, Thresholds, VerificationPolicy
from batch_action.models.report import RunReport
from batch_action.models.verification import VerificationResult
from batch_action.publishers.pipeline import PublishedStates
from batch_action.tasks.task import Task


def build(
    ctx: RunContext,
    view: LedgerView,
    states: PublishedStates,
    report: RunReport,
    *,
    reviewed_before: AbstractSet[tuple[str, str]],
    before_run: LedgerView | None = None,
    verified: Mapping[str, VerificationResult] | None = None,
) -> FindingPolicy:
    """Build the policy of a run.

    *view*: with the collected facts and people's requests; *reviewed_before*: (path, blob) with a
    verdict before people's requests in *states*; *before_run*: the ledger as it was
    loaded, if it may have the files of a first run; *verified*: fingerprint to the result that came
    in with this run.

    Raises ConfigError: when the baseline file cannot be parsed.
    """
    settings, batch_ids = ctx.settings, frozenset(report.batch_ids)
    published = {batch for state in states.newest_first for batch in state.batches}
    return FindingPolicy(
        thresholds=Thresholds(
            severity=settings.min_severity,
            confidence=settings.min_confidence,
            muted_rules=statistics.muted_rules(view),
        ),
        baseline=_load_baseline(
            ctx.git, ctx.rules_commit_for(report.commit), settings.baseline_file
        ),
        first_run=FirstRunPolicy(
            limit=settings.first_run_limit,
            find_files=before_run.unreviewed_first_files if before_run else frozenset,
            baselined=view.baselined,
        )
        if settings.first_run_limit and ctx.run.pull_number is None
        else FirstRunPolicy(),
        dismissed=view.dismissed_fingerprints | {d.fingerprint for d in states.dismissals},
        confirmed={fact.fingerprint: fact.actor for fact in view.facts(Confirmed)},
        recheck_requested=frozenset(request.fingerprint for request in view.open_recheck_requests),
        recheck_answered=frozenset(
            request.fingerprint for request in view.answered_recheck_requests(batch_ids)
        )
        | _satisfied_headers(ctx, states, report.commit),
        excluded=_list_excluded_paths(view, settings.max_attempts),
        reviewed_before=reviewed_before,
        # Those of tens of thousands of files, and only findings from before are looked up in them.
        shown_lines=view.shown_lines if any(s.tracked for s in states.newest_first) else {},
        verification=VerificationPolicy(
            severity=_verified_severity(settings, ctx.task, ctx.run),
            recorded=recorded.results(view),
            due=None
            if view.pending_batches or view.open_intents
            else frozenset(recorded.states(view)),
            results=verified or {},
        ),
        # A batch is published again only after a run that wrote somewhere died or failed.
        republished=not published.isdisjoint(batch_ids),
        hides_security=ctx.hides_security_findings,
    )


def _verified_severity(settings: Settings, task: Task, run: Run) -> Severity | None:
    """Return `verify`, where findings can be verified: those that a run of a branch reports."""
    is_off = settings.verify == "off" or run.pull_number is not None or not task.can_be_verified
    return None if is_off else Severity(settings.verify)


def _satisfied_headers(ctx: RunContext, states: PublishedStates, commit: str) -> frozenset[str]:
    """Return the findings about missing license headers that a commit gives in another file."""
    if not ctx.task.checks_licenses:
        return frozenset()
    # Only here: other tasks need no forms of license notices.
    from batch_action.requests.licenses import LicenseChecker  # noqa: PLC0415

    with OpenObjects(ctx.git.runner) as objects:
        return LicenseChecker(ctx, objects).satisfied(states.tracked.values(), commit)


def _list_excluded_paths(view: LedgerView, max_attempts: int) -> dict[str, str]:
    """Return why paths are not reviewed any more; their findings stay open, with the reason."""
    files = view.given_up_files(max_attempts)
    newest = view.newest_files() if files else {}
    given_up = {
        path: "given up" for path, blob in files if path in newest and newest[path].blob == blob
    }
    return dict.fromkeys(view.excluded_paths, "file excluded") | given_up


def _load_baseline(git: GitRepo, commit: str, name: str) -> frozenset[str]:
    """Load the fingerprints that the baseline file accepts.

    Raises ConfigError: without the file, people would be notified of every accepted finding.
    """
    data = git.file_at(commit, name) if git.has_commit(commit) else None
    findings = baseline.parse(data, name).findings if data is not None else ()
    return frozenset(entry.fingerprint for entry in findings)
