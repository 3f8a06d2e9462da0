"""The part of the rolling issue about what the first run found and does not list.

No later run has these findings, so it is written once and then kept as it is.
"""

import re
from collections import Counter
from collections.abc import Sequence

from batch_action.escape import html_code
from batch_action.findings import first_run
from batch_action.models.findings import HeldBackFinding, Reconciliation, Severity
from batch_action.models.report import RunReport
from batch_action.publishers import markers
from batch_action.publishers.report_text import SEVERITY_ICONS, format_table, render_template
from batch_action.text import plural, shorten_path

MAX_TABLE_BYTES = 2_500
MAX_PARTS = 4
"""A first run whose batches end in several collects has several of them."""
_PART = re.compile(
    r"^<!-- batch-action:first-run v\d+ ([^\n]*?) ?-->\n(.*?)\n<!-- /batch-action:first-run -->$",
    re.MULTILINE | re.DOTALL,
)


def parse(body: str) -> tuple[str, ...]:
    """Return the parts in an issue's body, each with its markers."""
    return tuple(match[0] for match in _PART.finditer(body))


def render(
    before: Sequence[str], reconciliation: Reconciliation, report: RunReport
) -> tuple[str, ...]:
    """Return the parts of *before*, and that of this run if it leaves out findings."""
    if not reconciliation.baselined:
        return tuple(before)
    kept = [part for part in before if _batches_of(part).isdisjoint(report.batch_ids)]
    found = [h for h in reconciliation.visible_held_back if h.reason == first_run.REASON]
    part = render_template(
        "issue/left_out.md.j2",
        fields=f"batches={markers.encode_list(report.batch_ids)}",
        count=plural(len(found), "more finding"),
        date=report.date,
        table=_format_folders(found),
    )
    return (*kept, part.strip("\n"))[-MAX_PARTS:]


def _batches_of(part: str) -> frozenset[str]:
    match = _PART.match(part)
    fields = markers.parse_fields(match[1]) if match else {}
    return frozenset(markers.decode_list(fields, "batches"))


def _format_folders(found: Sequence[HeldBackFinding]) -> str:
    """Format the number of findings by folder and severity, most findings first."""
    levels = [s for s in Severity if any(held.severity is s for held in found)]
    counts: dict[str, Counter[Severity]] = {}
    for held in found:
        counts.setdefault(held.path.rpartition("/")[0], Counter())[held.severity] += 1
    rows = [
        (html_code(shorten_path(folder or ".")), *(str(count[level]) for level in levels))
        for folder, count in sorted(counts.items(), key=lambda x: (-x[1].total(), x[0]))
    ]
    head = ("Folder", *(f"{SEVERITY_ICONS[level]} {level.value}" for level in levels))
    return format_table(head, rows, MAX_TABLE_BYTES)
