"""The destination `slack`: a brief on every morning there is news, and on every failure."""

import json
from collections.abc import Iterable
from typing import Any

from batch_action.edges.webhooks import UndeliveredError
from batch_action.errors import BatchActionError
from batch_action.models.findings import Standing, State
from batch_action.models.report import Delivered, Published
from batch_action.report import slack
from batch_action.report.guard import shown
from batch_action.steps.world import World

DESTINATION = "slack"
MOST_LOOKED_UP = 20
UNSET = "`slack-webhook-url` is not set: give the secret, or take `slack` out of `report`."


def tell(world: World, published: Published) -> Delivered:
    """Send the brief of a night with news; a quiet one stays quiet."""
    news = [s for s in shown(published.standings, published.night) if s.changed]
    message = slack.brief(published, fixers(world, news))
    if message is None:
        return Delivered(destination=DESTINATION, action="skipped", note="a quiet night")
    return _send(world, message)


def failed(world: World, error: BatchActionError) -> Delivered:
    """Tell that a run could not do its work."""
    message = slack.failure(
        str(error),
        task=world.task.name,
        repository=world.context.repository,
        run_url=world.context.run_url,
    )
    return _send(world, message)


def fixers(world: World, standings: Iterable[Standing]) -> dict[str, str]:
    """Who fixed what: the author of the last commit that touched the file, else the commit."""
    fixed = [s.known for s in standings if s.known.state is State.FIXED and s.known.closed_by]
    found = {known.fingerprint: known.closed_by[:7] for known in fixed}
    for known in fixed[:MOST_LOOKED_UP]:
        author = world.git.last_author(known.closed_by, known.anchor.path)
        if author:
            found[known.fingerprint] = author
    return found


def _send(world: World, message: dict[str, Any]) -> Delivered:
    url = world.settings.slack_webhook_url
    if url is None:
        return Delivered(destination=DESTINATION, action="refused", note=UNSET)
    if world.settings.dry_run:
        return Delivered(destination=DESTINATION, action="skipped", note="a dry run")
    body = json.dumps(message).encode()
    try:
        # Slack knows no ids: what it may have shown already is not sent again.
        world.webhooks.post(url.get_secret_value(), body, {}, repeatable=False)
    except UndeliveredError as error:
        note = f"Slack did not take the message: {error}. Check `slack-webhook-url`."
        return Delivered(destination=DESTINATION, action="failed", note=note)
    return Delivered(destination=DESTINATION, action="sent")
