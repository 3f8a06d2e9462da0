"""The exit code of a run that has published: 1 for what the settings say a run fails for."""

from batch_action.clients.actions_runner import Runner
from batch_action.config.settings import Settings
from batch_action.errors import BatchActionError
from batch_action.models.findings import FindingState, Verdict
from batch_action.models.report import PublishResult
from batch_action.text import plural


def exit_code(
    runner: Runner,
    settings: Settings,
    published: PublishResult | None,
    problem: BatchActionError | None,
) -> int:
    """Return 1 for what `fail-on-severity` or `fail-on-verdict` names, else 0; raise a problem."""
    if problem is not None:
        raise problem
    if published is None:
        return 0
    reasons = list_failures(settings, published)
    if reasons:
        runner.annotate("error", f"The run fails: {'; '.join(reasons)}.")
    return 1 if reasons else 0


def list_failures(settings: Settings, published: PublishResult) -> list[str]:
    """List why the run fails: findings over `fail-on-severity`, verdicts over `fail-on-verdict`.

    Of security findings that are hidden it says that there are some, and where they are.
    """
    reasons = []
    if (limit := settings.fail_on_severity) is not None:
        severe = [
            status
            for status in published.statuses
            if status.changed
            and status.tracked.state in (FindingState.NEW, FindingState.BACK)
            and status.tracked.severity.rank <= limit.rank
        ]
        shown = [status for status in severe if status in published.visible]
        threshold = f"at or over `fail-on-severity: {limit.value}`"
        if shown:
            reasons.append(f"{plural(len(shown), 'new finding')} {threshold}")
        if len(shown) < len(severe):
            where = "in code scanning only" if "sarif" in settings.report else "nowhere in public"
            reasons.append(f"new findings about security {threshold}, which are shown {where}")
    failing = {
        None: (),
        "invalid": (Verdict.INVALID,),
        "uncertain": (Verdict.INVALID, Verdict.UNCERTAIN),
    }[settings.fail_on_verdict]
    count = sum(verdict.verdict in failing for verdict in published.report.file_verdicts)
    if count:
        verdicts = plural(count, "verdict")
        reasons.append(f"{verdicts} at or over `fail-on-verdict: {settings.fail_on_verdict}`")
    return reasons
