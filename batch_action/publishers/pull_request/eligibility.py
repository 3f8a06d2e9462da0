"""Which pull requests are reviewed, and which run is one's own."""

from dataclasses import replace

from batch_action.context import RunContext
from batch_action.ledger.trust import PULL

REPORT = "pr-review"
ROBOT = "dependabot[bot]"


def entered(ctx: RunContext) -> RunContext:
    """The world of a run that is about a pull request, if `report` says so: with its ledger."""
    about = ctx.context.event == PULL and ctx.context.pull is not None
    if not about or REPORT not in ctx.settings.report:
        return ctx
    return replace(ctx, context=replace(ctx.context, pulls=True))


def why_not(ctx: RunContext) -> str | None:
    """Why a run of a pull request has nothing to do; None when it reviews it."""
    context, pull = ctx.context, ctx.context.pull
    if context.fork:
        return (
            "This pull request is from a fork, whose runs get no secrets: nothing was done. Once "
            "it is merged the nightly run reviews it."
        )
    if not context.pulls or pull is None:
        return (
            "batch-action reviews branches; this is a pull request: nothing was done. With "
            "`report: pr-review` it is reviewed on the event `pull_request`."
        )
    shown = context.private is True or ctx.settings.allow_public_security_findings
    if ctx.task.security_only and not shown:
        return (
            f"{ctx.task.name} finds security problems only, which a pull request of a public "
            "repository must not tell: nothing was done."
        )
    if ctx.anthropic is None and pull.author == ROBOT:
        return "Runs of Dependabot's pull requests get no secrets: nothing was done."
    if not ctx.require_github().pulls.get(pull.number).open:
        return f"Pull request #{pull.number} is closed: nothing was done."
    return None
