"""The destinations without a memory: told once, after the facts are saved; they fail no run."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from batch_action.context import World
from batch_action.errors import BatchActionError, TransientError
from batch_action.models.report import Delivered, Published
from batch_action.publishers import annotations, slack, webhook
from batch_action.publishers.files import publisher as files

TELLERS: Mapping[str, Callable[[World, Published], Delivered]] = {
    "files": files.tell,
    "annotations": annotations.tell,
    "webhook": webhook.tell,
    "slack": slack.tell,
}
"""In the order in which they are told; the job summary comes after them and names them all."""


def told(world: World, published: Published) -> Published:
    """Tell every configured one; the same night with what became of them.

    Never raises for what a destination cannot do: that is a warning of the run. What comes back for
    a pull request is no news for a whole channel.
    """
    for name, tell in TELLERS.items():
        if not _wanted(world, name) or (world.pull and name in ("webhook", "slack")):
            continue
        world.screen.doing = f"telling {name}"
        try:
            delivered = tell(world, published)
        except BatchActionError as error:
            delivered = Delivered(destination=name, action="failed", note=str(error))
        _warn(world, delivered)
        published = replace(published, delivered=(*published.delivered, delivered))
    return published


def failure(world: World, error: BatchActionError) -> None:
    """Tell Slack and the webhook of a run that failed, unless the next run makes it good.

    Only of a workflow's run: at a command line somebody reads the failure.
    """
    nightly = world.runner.actions and world.settings.mode in ("run", "submit", "collect")
    if not nightly or world.settings.dry_run or isinstance(error, TransientError):
        return
    for name, tell in (("webhook", webhook.failed), ("slack", slack.failed)):
        if _wanted(world, name):
            _warn(world, tell(world, error))


def _wanted(world: World, name: str) -> bool:
    """Named in `report`, or turned on by its address."""
    settings = world.settings
    addresses = {"slack": settings.slack_webhook_url, "webhook": settings.webhook_url}
    return name in settings.report or addresses.get(name) is not None


def _warn(world: World, delivered: Delivered) -> None:
    if delivered.action in ("refused", "failed"):
        world.warn(f"{delivered.destination}: {delivered.note}")
