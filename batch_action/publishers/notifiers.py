"""The destinations without a memory: told once, after the facts are saved; they fail no run."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from batch_action.context import RunContext
from batch_action.errors import BatchActionError, TransientError
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers import annotations, slack, webhook
from batch_action.publishers.files import publisher as files

NOTIFIERS: Mapping[str, Callable[[RunContext, PublishResult], DestinationResult]] = {
    "files": files.tell,
    "annotations": annotations.tell,
    "webhook": webhook.tell,
    "slack": slack.tell,
}
"""In the order in which they are told; the job summary comes after them and names them all."""


def notify(ctx: RunContext, published: PublishResult) -> PublishResult:
    """Tell every configured one; the same night with what became of them.

    Never raises for what a destination cannot do: that is a warning of the run. What comes back for
    a pull request is no news for a whole channel.
    """
    for name, tell in NOTIFIERS.items():
        if not _wanted(ctx, name) or (ctx.pull and name in ("webhook", "slack")):
            continue
        ctx.console.doing = f"telling {name}"
        try:
            delivered = tell(ctx, published)
        except BatchActionError as error:
            delivered = DestinationResult(destination=name, action="failed", note=str(error))
        _warn(ctx, delivered)
        published = replace(published, results=(*published.results, delivered))
    return published


def failure(ctx: RunContext, error: BatchActionError) -> None:
    """Tell Slack and the webhook of a run that failed, unless the next run makes it good.

    Only of a workflow's run: at a command line somebody reads the failure.
    """
    nightly = ctx.runner.actions and ctx.settings.mode in ("run", "submit", "collect")
    if not nightly or ctx.settings.dry_run or isinstance(error, TransientError):
        return
    for name, tell in (("webhook", webhook.failed), ("slack", slack.failed)):
        if _wanted(ctx, name):
            _warn(ctx, tell(ctx, error))


def _wanted(ctx: RunContext, name: str) -> bool:
    """Named in `report`, or turned on by its address."""
    settings = ctx.settings
    addresses = {"slack": settings.slack_webhook_url, "webhook": settings.webhook_url}
    return name in settings.report or addresses.get(name) is not None


def _warn(ctx: RunContext, delivered: DestinationResult) -> None:
    if delivered.action in ("refused", "failed"):
        ctx.warn(f"{delivered.destination}: {delivered.note}")
