"""The commit of the last report, for a ledger that records none."""

from typing import TYPE_CHECKING

from batch_action.clients.github.errors import RefusedError
from batch_action.context import RunContext
from batch_action.ledger.view import LedgerView
from batch_action.publishers import markers

if TYPE_CHECKING:
    from batch_action.clients.github.clients import GitHubClients


def read_last_reported_head(ctx: RunContext, view: LedgerView) -> str | None:
    """Return the head that the published issues or alerts name, when the ledger records none.

    None for a pull request, and when nothing was published. Raises GitHubError.
    """
    if ctx.run.pull_number or ctx.github is None or view.recorded_heads():
        return None
    head = ""
    for name in markers.DESTINATIONS:
        if not head and name in ctx.settings.report:
            found = markers.find_issues(
                ctx.github.issues,
                name,
                ctx.task.name,
                ctx.settings.state_key,
                ctx.github_context.repository_id,
            )
            head = markers.find_newest_head(found, ctx.git)
    if not head and "sarif" in ctx.settings.report:
        # Only here: the texts of alerts need a Markdown parser.
        from batch_action.publishers.sarif.texts import category_of  # noqa: PLC0415

        category = category_of(ctx.task.name, ctx.settings.state_key)
        head = _last_analyzed_commit(ctx.github, ctx.github_context.branch_ref, category)
    return head or None


def _last_analyzed_commit(github: "GitHubClients", ref: str, category: str) -> str:
    """Return the commit of the last analysis of a branch; empty when there is none."""
    try:
        analysis = github.scanning.latest_analysis(ref, category)
    except RefusedError as refused:
        if not refused.permanent:
            raise
        return ""
    return analysis.commit if analysis else ""
