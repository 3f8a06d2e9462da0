"""The destination `webhook`: the results as JSON, signed by Standard Webhooks.

It is never sent unsigned: a receiver could not tell our results from anybody else's.
"""

from batch_action.clients.webhooks import UndeliveredError, signature
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers import results_builder, results_schema

DESTINATION = "webhook"
UNSET = "`webhook-url` is not set: give it, or take `webhook` out of `report`."
UNSIGNED = (
    "`webhook-secret` is not set, and results are never sent unsigned: store a secret "
    "(`whsec_` and base64) here and at the receiver."
)


def tell(ctx: RunContext, published: PublishResult) -> DestinationResult:
    """Post the night; the same night has the same `webhook-id`, whatever happens."""
    body = results_builder.results_of(published, ctx.now())
    return _send(ctx, results_builder.night_id(published), body)


def failed(ctx: RunContext, error: BatchActionError) -> DestinationResult:
    """Post that a run could not do its work; once for each run and problem."""
    context = ctx.context
    body = results_builder.failure_of(
        error,
        ctx.now(),
        task=ctx.task.name,
        repository=context.repository,
        repository_id=context.repository_id,
        run_url=context.run_url,
    )
    seeds = (context.repository_id, ctx.task.name, context.run, str(error))
    return _send(ctx, results_builder.digest(seeds), body)


def _send(ctx: RunContext, id: str, value: results_schema.Value) -> DestinationResult:
    url, secret = ctx.settings.webhook_url, ctx.settings.webhook_secret
    if url is None or secret is None:
        note = UNSET if url is None else UNSIGNED
        return DestinationResult(destination=DESTINATION, action="refused", note=note)
    if ctx.settings.dry_run:
        return DestinationResult(destination=DESTINATION, action="skipped", note="a dry run")
    body = results_schema.encoded(value)
    signed = signature(secret.get_secret_value(), f"batch-action_{id}", ctx.now(), body)
    try:
        ctx.webhooks.post(url.get_secret_value(), body, signed, repeatable=True)
    except UndeliveredError as error:
        note = f"The receiver of `webhook-url` did not take the results: {error}."
        return DestinationResult(destination=DESTINATION, action="failed", note=note)
    return DestinationResult(destination=DESTINATION, action="sent", ids=(signed["webhook-id"],))
