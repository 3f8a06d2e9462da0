"""Mermaid charts of the job summary: open findings by severity, and what a run cost."""

from collections.abc import Iterable

from batch_action.models.findings import FindingStatus, Severity
from batch_action.models.requests import Cost

SEVERITY_COLORS = {
    Severity.CRITICAL: "#d1242f",
    Severity.HIGH: "#fb8f44",
    Severity.MEDIUM: "#eac54f",
    Severity.LOW: "#54aeff",
}
BAR_CHART_CONFIG = (
    "'xyChart': {'width': 640, 'height': 280}, "
    "'themeVariables': {'xyChart': {'plotColorPalette': '#8250df'}}"
)
AXIS_MARGIN = 1.1
"""Length of the y axis as a multiple of the highest bar."""


def render_severity_chart(statuses: Iterable[FindingStatus]) -> str:
    """Render a pie of the open findings by severity; empty when nothing is open."""
    open_severities = [s.tracked.severity for s in statuses if s.tracked.counts_as_open]
    counts = {s: open_severities.count(s) for s in Severity if s in open_severities}
    if not counts:
        return ""
    # Mermaid assigns its colors in the order of the entries.
    colors = ", ".join(
        f"'pie{number}': '{SEVERITY_COLORS[severity]}'"
        for number, severity in enumerate(counts, start=1)
    )
    return _wrap_mermaid(
        # No theme is set, so that GitHub can apply the reader's light or dark one.
        f"%%{{init: {{'themeVariables': {{{colors}}}}}}}%%",
        "pie showData title Open findings by severity",
        *(f'    "{severity.value}" : {count}' for severity, count in counts.items()),
    )


def render_cost_chart(cost: Cost) -> str:
    """Render bars of what the run cost and would have cost; empty when no price is known."""
    columns = {
        "interactive": cost.interactive_usd,
        "batch": cost.batch_usd,
        "batch + cache": cost.batch_cached_usd,
    }
    priced = {name: amount for name, amount in columns.items() if amount is not None}
    if cost.batch_usd is None or not any(priced.values()):
        return ""
    names = ", ".join(f'"{name}"' for name in priced)
    return _wrap_mermaid(
        f"%%{{init: {{{BAR_CHART_CONFIG}}}}}%%",
        "xychart-beta",
        '    title "The same requests in US dollars"',
        f"    x-axis [{names}]",
        f"    y-axis 0 --> {_format_number(max(priced.values()) * AXIS_MARGIN)}",
        f"    bar [{', '.join(_format_number(amount) for amount in priced.values())}]",
    )


def _format_number(amount: float) -> str:
    """Format without scientific notation, which Mermaid does not parse."""
    return f"{amount:.6f}".rstrip("0").rstrip(".")


def _wrap_mermaid(*lines: str) -> str:
    return "\n".join(("```mermaid", *lines, "```"))
