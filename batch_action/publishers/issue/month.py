"""The part of the rolling issue about the last month's findings, and the rules to mute."""

from collections.abc import Collection
from datetime import datetime

from batch_action.models.report import JudgedRule, MonthOfFindings, RunReport
from batch_action.publishers.report_text import render_template
from batch_action.publishers.user_commands import format_checkbox
from batch_action.text import format_dollars, plural

MAX_RULES = 20


def render(report: RunReport, ticked: Collection[str]) -> str:
    """Render the line and the boxes; empty when there is nothing to say.

    *ticked*: the ids of boxes that stay ticked, because they were not processed yet.
    """
    return render_template(
        "issue/month.md.j2",
        month=_format(report.last_month) if report.last_month else "",
        boxes=[
            format_checkbox(_label(rule), rule.checkbox_id, ticked=rule.checkbox_id in ticked)
            for rule in report.judged_rules[:MAX_RULES]
        ],
    )


def _format(month: MonthOfFindings) -> str:
    name = f"{datetime.strptime(month.month, '%Y-%m'):%B %Y}"  # noqa: DTZ007 - only the name
    parts = [
        f"{plural(month.found, 'new finding')}, {month.fixed} fixed, {month.dismissed} dismissed"
    ]
    if month.median_days_to_fix is not None:
        parts.append(f"median {month.median_days_to_fix:.1f} days to the fix")
    if month.fixed:
        parts.append(f"{format_dollars(month.usd / month.fixed)} per fixed finding")
    return f"{name}: {'; '.join(parts)}."


def _label(judged: JudgedRule) -> str:
    if judged.muted:
        return f"report the muted rule `{judged.rule}` again"
    upheld = f"{judged.upheld} of {judged.verdicts} were fixed or confirmed"
    return f"mute the rule `{judged.rule}`: {upheld}"
