"""The end of a run in the job summary: all its tasks, and the warnings."""

from collections.abc import Iterator, Mapping, Sequence

from batch_action.context import RunContext
from batch_action.escape import markdown, markdown_with_commits
from batch_action.ledger import store
from batch_action.ledger.trust import access_of

MAX_OVERVIEW_BYTES = 20_000
OVERVIEW_COLUMNS = ("Task", "Status", "Requests", "Backlog", "Findings", "Cost ($)")
OVERVIEW_FINDINGS = {
    "open": "findings-count",
    "new": "new-findings-count",
    "fixed": "fixed-findings-count",
}
"""Word to the output that counts it."""


def report_interrupted(ctx: RunContext) -> None:
    """Report in which activity the run was interrupted; its state is saved already."""
    activity = ctx.console.activity or "starting"
    text = f"**Interrupted while {activity}.** The state is saved; the next run continues."
    if ctx.writes_summary:
        ctx.runner.summary(text)


def report_run_end(*contexts: RunContext) -> None:
    """Write the overview of all tasks and the warnings to the summary, at the end of the run."""
    for ctx in contexts:
        _set_state_file(ctx)
    first = contexts[0]
    if not first.writes_summary:
        return
    if len(contexts) > 1 and any("status" in ctx.runner.outputs for ctx in contexts):
        table = render_overview([(ctx.title, ctx.runner.outputs) for ctx in contexts])
        first.runner.summary(f"### All tasks\n\n{table}")
        _report_total_savings(contexts)
    if first.warnings:
        lines = (f"- {markdown_with_commits(warning)}" for warning in first.warnings)
        first.runner.summary("\n".join(["**Warnings**", "", *lines]))


def _report_total_savings(contexts: Sequence[RunContext]) -> None:
    """Write the savings of all tasks together."""
    savings = {title: x for ctx in contexts for title, x in ctx.savings.items()}
    if not savings:
        return
    others = ", ".join(markdown(ctx.title, 60) for ctx in contexts if ctx.title not in savings)
    # Only here, as below: a run of one task has no such tables.
    from batch_action.models.report import SavingsByPeriod  # noqa: PLC0415
    from batch_action.publishers import report_text  # noqa: PLC0415

    note = f"\n\nWithout {others}, which collected nothing." if others else ""
    table = report_text.format_savings_table(SavingsByPeriod.sum(savings.values()))
    contexts[0].runner.summary(f"**Savings of all tasks**\n\n{table}{note}")


def render_overview(tasks: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Render a row for each title with its outputs, without the columns that are all zero."""
    from batch_action.publishers import report_text  # noqa: PLC0415

    rows = [(markdown(title, 60), *_overview_cells(outputs)) for title, outputs in tasks]
    shown = [n for n in range(len(OVERVIEW_COLUMNS)) if any(row[n].strip("0.") for row in rows)]
    head, *cells = [[row[n] for n in shown] for row in (OVERVIEW_COLUMNS, *rows)]
    return report_text.format_table(head, cells, MAX_OVERVIEW_BYTES)


def _overview_cells(outputs: Mapping[str, str]) -> Iterator[str]:
    yield outputs.get("status", "failed")
    yield outputs.get("requests-count", "")
    yield outputs.get("backlog-count", "")
    counts = {word: outputs.get(name, "") for word, name in OVERVIEW_FINDINGS.items()}
    yield ", ".join(f"{count} {word}" for word, count in counts.items() if count.strip("0"))
    yield outputs.get("cost-usd", "")


def _set_state_file(ctx: RunContext) -> None:
    path = store.state_file_of(ctx.state_dir, access_of(ctx))
    if ctx.artifacts is None and path.is_file():
        if path.is_relative_to(ctx.github_context.workspace):
            path = path.relative_to(ctx.github_context.workspace)
        ctx.runner.set_output("state-file", str(path))
