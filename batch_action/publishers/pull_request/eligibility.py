"""Which pull requests are reviewed in their own runs, and why others are skipped."""

from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger.view import LedgerView
from batch_action.models.files import Selection
from batch_action.models.github import PullRequest
from batch_action.models.github_context import PullRequestRun
from batch_action.requests import planner

DESTINATION = "pr-review"
DEPENDABOT = "dependabot[bot]"


def run_of(ctx: RunContext, pull: PullRequest) -> PullRequestRun:
    """Return the run that reviews a pull request, by the rules of the branch of this run."""
    return PullRequestRun(
        pull_number=pull.number,
        head=pull.head,
        base=pull.base,
        base_ref=pull.base_ref,
        rules_commit=ctx.git.resolve(ctx.github_context.sha or "HEAD"),
    )


def skip_reason(ctx: RunContext) -> str | None:
    """Return why the run of a pull request does nothing, as a sentence; None if it reviews it."""
    pull = ctx.github_context.pull_request
    if ctx.github_context.from_fork:
        return (
            "This pull request is from a fork, whose runs get no secrets: nothing was done. Once "
            "it is merged the nightly run reviews it."
        )
    if ctx.run.pull_number is None or pull is None:
        return (
            "batch-action reviews branches; this is a pull request: nothing was done. With "
            "`report: pr-review` it is reviewed on the event `pull_request`."
        )
    if ctx.task.security_only and ctx.hides_security_findings:
        return (
            f"{ctx.task.name} finds security problems only, which a pull request of a public "
            "repository must not show: nothing was done."
        )
    if ctx.anthropic is None and pull.author == DEPENDABOT:
        return "Runs of Dependabot's pull requests get no secrets: nothing was done."
    if not ctx.require_github().pulls.get(pull.number).open:
        return f"Pull request #{pull.number} is closed: nothing was done."
    return None


def account_for(ctx: RunContext, view: LedgerView) -> Selection | None:
    """Account for every file of a pull request, as git and the default branch's rules say.

    What its own runs recorded about the selection is not believed. None where git cannot tell.
    """
    try:
        return planner.account_for(ctx, view)
    except BatchActionError as error:
        ctx.warn(f"Which files of pull request #{ctx.run.pull_number} are reviewed: {error}")
        return None
