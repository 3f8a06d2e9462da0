"""The destinations that keep no state: each is sent the results once, after the facts are saved."""

from dataclasses import replace

from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, TransientError
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers import pipeline
from batch_action.publishers.pipeline import PipelineResult

NOTIFIERS = ("files", "annotations", "webhook", "slack")
"""In the order in which they run; the job summary comes last and lists all results."""


def notify_first(ctx: RunContext, result: PipelineResult) -> PipelineResult:
    """Notify before the batches count as collected, if no other destination has the findings.

    When none of these accepts them, the next run notifies again.
    """
    others = {*pipeline.PUBLISHERS, "pr-review", "summary"}
    if result.problem is not None or others & set(ctx.settings.report):
        return result
    published = notify(ctx, result.published)
    problem = pipeline.find_delivery_error(published, writes_files="files" in ctx.settings.report)
    return PipelineResult(published=published, problem=problem, notified=True)


def notify(ctx: RunContext, published: PublishResult) -> PublishResult:
    """Notify every configured destination; return *published* with their results added.

    A destination that fails adds a warning to the run and raises nothing. The results of a pull
    request are not sent to `webhook` and `slack`, which many people read.
    """
    many_readers = () if ctx.run.pull_number is None else ("webhook", "slack")
    for name in NOTIFIERS:
        if not _is_enabled(ctx.settings, name) or name in many_readers:
            continue
        ctx.console.activity = f"notifying {name}"
        try:
            result = _send(name, ctx, published)
        except BatchActionError as error:
            result = DestinationResult(destination=name, action="failed", note=str(error))
        if result.is_undelivered:
            ctx.warn(f"{name}: {result.note}")
        published = replace(published, results=(*published.results, result))
    return published


def notify_failure(ctx: RunContext, error: BatchActionError) -> None:
    """Send a failed run's error to the webhook and to Slack.

    Only from a workflow, because at a command line the user sees the error, and only for errors
    that the next run does not repair.
    """
    in_workflow = ctx.runner.actions and ctx.settings.mode in ("run", "submit", "collect")
    if not in_workflow or ctx.settings.dry_run or isinstance(error, TransientError):
        return
    for name in ("webhook", "slack"):
        if (
            _is_enabled(ctx.settings, name)
            and (r := _send_failure(name, ctx, error)).is_undelivered
        ):
            ctx.warn(f"{name}: {r.note}")


# Only what is enabled is imported here.
def _send(name: str, ctx: RunContext, published: PublishResult) -> DestinationResult:
    match name:
        case "files":
            from batch_action.publishers.files import publisher as files  # noqa: PLC0415

            return files.notify(ctx, published)
        case "annotations":
            from batch_action.publishers import annotations  # noqa: PLC0415

            return annotations.notify(ctx.runner, published)
        case "webhook":
            from batch_action.publishers import webhook  # noqa: PLC0415

            return webhook.notify(ctx, published)
        case _:
            from batch_action.publishers import slack  # noqa: PLC0415

            return slack.notify(ctx, published)


def _send_failure(name: str, ctx: RunContext, error: BatchActionError) -> DestinationResult:
    if name == "webhook":
        from batch_action.publishers import webhook  # noqa: PLC0415

        return webhook.notify_failure(ctx, error)
    from batch_action.publishers import slack  # noqa: PLC0415

    return slack.notify_failure(ctx, error)


def _is_enabled(settings: Settings, name: str) -> bool:
    """Whether *name* is listed in `report`, or its URL is set."""
    urls = {"slack": settings.slack_webhook_url, "webhook": settings.webhook_url}
    return name in settings.report or urls.get(name) is not None
