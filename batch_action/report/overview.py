"""Several tasks in one run, as one table: what each of them sent, found and cost."""

from collections.abc import Mapping, Sequence

from batch_action.escape import markdown
from batch_action.report import tables

ROOM = 20_000
COLUMNS = {
    "Status": "status",
    "Requests": "requests-count",
    "Owed": "owed-count",
    "Open": "findings-count",
    "New": "new-findings-count",
    "Fixed": "fixed-findings-count",
    "Cost ($)": "cost-usd",
}


def overview(told: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """A row for each task, from the outputs it has set; empty where nobody has set any."""
    if not any("status" in outputs for _, outputs in told):
        return ""
    rows = [
        (markdown(title, 60), *(_cell(outputs, name) for name in COLUMNS.values()))
        for title, outputs in told
    ]
    return "\n".join(["### All tasks", "", tables.table(("Task", *COLUMNS), rows, ROOM)])


def _cell(outputs: Mapping[str, str], name: str) -> str:
    return outputs.get(name, "failed" if name == "status" else "")
