"""Count finding statuses, and complete them for a destination that keeps dates and states."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from batch_action.models.findings import OPEN_STATES, FindingState, FindingStatus
from batch_action.models.report import RunReport
from batch_action.publishers.results_schema import FindingCounts


def count_findings(statuses: Iterable[FindingStatus]) -> FindingCounts:
    """Count the findings by state; `new`, `fixed` and `back` only if this run changed them."""
    statuses = tuple(statuses)
    changed = Counter(s.tracked.state for s in statuses if s.changed)
    total = Counter(s.tracked.state for s in statuses)
    return FindingCounts(
        new=changed[FindingState.NEW],
        fixed=changed[FindingState.FIXED],
        back=changed[FindingState.BACK],
        open=sum(total[state] for state in OPEN_STATES),
        dismissed=total[FindingState.DISMISSED],
        ignored=total[FindingState.IGNORED],
    )


def set_dates(status: FindingStatus, report: RunReport) -> FindingStatus:
    """Set the dates on which a finding was opened and closed, where empty, to this run's date."""
    tracked = status.tracked
    is_fixed = tracked.state is FindingState.FIXED
    tracked = replace(
        tracked,
        opened_on=tracked.opened_on or report.date,
        closed_on=(tracked.closed_on or report.date) if is_fixed else "",
    )
    return replace(status, tracked=tracked)


def keep_reported_state(status: FindingStatus, reported: FindingState | None) -> FindingStatus:
    """Keep an open finding `new` or `back`, as last reported, in a run that reviewed nothing."""
    if status.tracked.state is FindingState.OPEN and reported in (
        FindingState.NEW,
        FindingState.BACK,
    ):
        return replace(status, tracked=replace(status.tracked, state=reported))
    return status
