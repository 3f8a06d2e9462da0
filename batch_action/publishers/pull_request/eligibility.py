"""Which pull requests are reviewed, and which run is one's own."""

from dataclasses import replace

from batch_action.context import World
from batch_action.ledger.trust import PULL

REPORT = "pr-review"
ROBOT = "dependabot[bot]"


def entered(world: World) -> World:
    """The world of a run that is about a pull request, if `report` says so: with its ledger."""
    about = world.context.event == PULL and world.context.pull is not None
    if not about or REPORT not in world.settings.report:
        return world
    return replace(world, context=replace(world.context, pulls=True))


def why_not(world: World) -> str | None:
    """Why a run of a pull request has nothing to do; None when it reviews it."""
    context, pull = world.context, world.context.pull
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
    shown = context.private is True or world.settings.allow_public_security_findings
    if world.task.security_only and not shown:
        return (
            f"{world.task.name} finds security problems only, which a pull request of a public "
            "repository must not tell: nothing was done."
        )
    if world.anthropic is None and pull.author == ROBOT:
        return "Runs of Dependabot's pull requests get no secrets: nothing was done."
    if not world.need_github().pulls.get(pull.number).open:
        return f"Pull request #{pull.number} is closed: nothing was done."
    return None
