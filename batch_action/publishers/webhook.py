"""The destination `webhook`: the results as JSON, signed as Standard Webhooks specifies.

Results are never sent unsigned: a receiver could not tell them from forged ones.
"""

from batch_action.clients.webhooks import UndeliveredError, Webhooks, signature_headers
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers import results

DESTINATION = "webhook"
NO_URL = "`webhook-url` is not set: set it, or remove `webhook` from `report`."
NO_SIGNATURE = (
    "`webhook-secret` is not set, and results are never sent unsigned: store a secret "
    "(`whsec_` and base64) here and at the receiver."
)


def notify(ctx: RunContext, published: PublishResult) -> DestinationResult:
    """Post the results; a repeated post of the same run has the same `webhook-id`."""
    body = b"".join(results.encode_results(published, ctx.now()))
    return _send(ctx, results.build_id(published), body)


def notify_failure(ctx: RunContext, error: BatchActionError) -> DestinationResult:
    """Post the error that ended a run; the `webhook-id` is one per run and error."""
    context = ctx.github_context
    failure = results.build_failure(error, ctx.now(), ctx.task.name, context)
    parts = (context.repository_id, ctx.task.name, context.run, str(error))
    return _send(ctx, results.hash_id(parts), results.encode(failure))


def _send(ctx: RunContext, id: str, body: bytes) -> DestinationResult:
    url, secret = ctx.settings.webhook_url, ctx.settings.webhook_secret
    if url is None or secret is None:
        note = NO_URL if url is None else NO_SIGNATURE
        return DestinationResult(destination=DESTINATION, action="refused", note=note)
    if ctx.settings.dry_run:
        return DestinationResult(destination=DESTINATION, action="skipped", note="a dry run")
    body = ctx.runner.hide(body.decode()).encode()
    headers = signature_headers(secret.get_secret_value(), f"batch-action_{id}", ctx.now(), body)
    try:
        Webhooks(sleep=ctx.sleep).post(url.get_secret_value(), body, headers, repeatable=True)
    except UndeliveredError as error:
        note = f"The receiver at `webhook-url` did not accept the results: {error}."
        return DestinationResult(destination=DESTINATION, action="failed", note=note)
    return DestinationResult(destination=DESTINATION, action="sent", ids=(headers["webhook-id"],))
