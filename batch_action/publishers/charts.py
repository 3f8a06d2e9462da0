"""Mermaid charts as GitHub draws them: severities and the three costs. No text from outside."""

from collections.abc import Iterable

from batch_action.escape import mermaid
from batch_action.models.findings import OPEN_STATES, FindingStatus, Severity
from batch_action.models.requests import Cost

COLORS = {
    Severity.CRITICAL: "#d1242f",
    Severity.HIGH: "#fb8f44",
    Severity.MEDIUM: "#eac54f",
    Severity.LOW: "#54aeff",
}
BARS = (
    "'xyChart': {'width': 640, 'height': 280}, "
    "'themeVariables': {'xyChart': {'plotColorPalette': '#8250df'}}"
)
HEADROOM = 1.1
"""The axis ends a little over the highest bar."""


def severities(statuses: Iterable[FindingStatus]) -> str:
    """A pie of the open findings by severity; empty when nothing is open."""
    live = [s.tracked.severity for s in statuses if s.tracked.state in OPEN_STATES]
    counts = {severity: live.count(severity) for severity in Severity if severity in live}
    if not counts:
        return ""
    # Mermaid hands its colors out in the order of the entries.
    colors = ", ".join(
        f"'pie{number}': '{COLORS[severity]}'" for number, severity in enumerate(counts, start=1)
    )
    return _drawn(
        # No theme of ours: GitHub takes a dark one for who wants it dark.
        f"%%{{init: {{'themeVariables': {{{colors}}}}}}}%%",
        "pie showData title Open findings by severity",
        *(f'    "{_label(severity.value)}" : {count}' for severity, count in counts.items()),
    )


def costs(cost: Cost) -> str:
    """Bars of what the run cost and would have cost; empty when no price is known."""
    columns = {
        "interactive": cost.interactive_usd,
        "batch": cost.batch_usd,
        "batch + cache": cost.batch_cached_usd,
    }
    known = {name: amount for name, amount in columns.items() if amount is not None}
    if cost.batch_usd is None or not any(known.values()):
        return ""
    names = ", ".join(f'"{_label(name)}"' for name in known)
    return _drawn(
        f"%%{{init: {{{BARS}}}}}%%",
        "xychart-beta",
        '    title "The same requests in US dollars"',
        f"    x-axis [{names}]",
        f"    y-axis 0 --> {_number(max(known.values()) * HEADROOM)}",
        f"    bar [{', '.join(_number(amount) for amount in known.values())}]",
    )


def _label(text: str) -> str:
    return mermaid(text, 40)


def _number(amount: float) -> str:
    """Never in scientific notation, which Mermaid does not read."""
    return f"{amount:.6f}".rstrip("0").rstrip(".")


def _drawn(*lines: str) -> str:
    return "\n".join(("```mermaid", *lines, "```"))
