"""Before money is spent: a place where somebody may read the findings."""

from batch_action.edges.github_api.refusals import RefusedError
from batch_action.errors import ConfigError, GitHubError
from batch_action.steps.world import World


def check_destinations(world: World) -> None:
    """Ask whether code scanning would take findings, and say what a public repository hides.

    Raises ConfigError when findings of this task may go to code scanning only and it would refuse
    them: then a review would be paid for that nobody can read.
    """
    wanted = "sarif" in world.settings.report and world.pull is None
    refused = _refusal(world) if wanted else None
    if not _hidden(world):
        if refused is not None:
            world.warn(f"Code scanning will not take the findings. {refused}")
        return
    if refused is not None:
        raise ConfigError(
            f"{world.task.name} finds security problems only, which a public repository shows in "
            f"code scanning alone, and that would not take them: nothing was sent. {refused}",
            fix="The permission is needed by the job that submits too, because it asks before it "
            "spends. `allow-public-security-findings` shows them elsewhere, to everybody.",
        )
    if not wanted:
        world.warn(
            f"{world.task.name} finds security problems only, and on a public repository those are "
            "shown nowhere: add `sarif` to `report`, or set `allow-public-security-findings`."
        )


def _hidden(world: World) -> bool:
    """Whether nothing but code scanning may tell what this task finds."""
    shown = world.context.private is True or world.settings.allow_public_security_findings
    return world.task.security_only and not shown


def _refusal(world: World) -> RefusedError | None:
    """Why code scanning would refuse; None when it would not, or when nobody says."""
    if world.github is None or world.settings.dry_run:
        return None
    try:
        world.github.scanning.may_upload()
    except RefusedError as refused:
        return refused if refused.lasting else None
    except GitHubError:
        return None
    return None
