"""The destination `webhook`: the results as JSON, signed by Standard Webhooks.

It is never sent unsigned: a receiver could not tell our results from anybody else's.
"""

from batch_action.clients.webhooks import UndeliveredError, signature
from batch_action.context import World
from batch_action.errors import BatchActionError
from batch_action.models.report import Delivered, Published
from batch_action.publishers import results_builder, results_schema

DESTINATION = "webhook"
UNSET = "`webhook-url` is not set: give it, or take `webhook` out of `report`."
UNSIGNED = (
    "`webhook-secret` is not set, and results are never sent unsigned: store a secret "
    "(`whsec_` and base64) here and at the receiver."
)


def tell(world: World, published: Published) -> Delivered:
    """Post the night; the same night has the same `webhook-id`, whatever happens."""
    body = results_builder.results_of(published, world.now())
    return _send(world, results_builder.night_id(published), body)


def failed(world: World, error: BatchActionError) -> Delivered:
    """Post that a run could not do its work; once for each run and problem."""
    context = world.context
    body = results_builder.failure_of(
        error,
        world.now(),
        task=world.task.name,
        repository=context.repository,
        repository_id=context.repository_id,
        run_url=context.run_url,
    )
    seeds = (context.repository_id, world.task.name, context.run, str(error))
    return _send(world, results_builder.digest(seeds), body)


def _send(world: World, id: str, value: results_schema.Value) -> Delivered:
    url, secret = world.settings.webhook_url, world.settings.webhook_secret
    if url is None or secret is None:
        note = UNSET if url is None else UNSIGNED
        return Delivered(destination=DESTINATION, action="refused", note=note)
    if world.settings.dry_run:
        return Delivered(destination=DESTINATION, action="skipped", note="a dry run")
    body = results_schema.encoded(value)
    signed = signature(secret.get_secret_value(), f"batch-action_{id}", world.now(), body)
    try:
        world.webhooks.post(url.get_secret_value(), body, signed, repeatable=True)
    except UndeliveredError as error:
        note = f"The receiver of `webhook-url` did not take the results: {error}."
        return Delivered(destination=DESTINATION, action="failed", note=note)
    return Delivered(destination=DESTINATION, action="sent", ids=(signed["webhook-id"],))
