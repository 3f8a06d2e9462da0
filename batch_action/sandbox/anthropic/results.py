"""The result lines of a batch, and the requests to bill."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from batch_action.sandbox.anthropic.batches import Batch, RequestOutcome
from batch_action.sandbox.anthropic.errors import error_body, new_id
from batch_action.sandbox.anthropic.messages import AnswerFunction, create_message
from batch_action.sandbox.anthropic.prompt_cache import PrefixCache

WORKERS = 4
MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class BilledRequest:
    """One request that is billed."""

    batch_id: str | None
    """None for a request to the Messages API."""
    custom_id: str
    model: str
    usage: Mapping[str, Any]


def compute_results(
    batch: Batch, cache: PrefixCache, answer_function: AnswerFunction | None
) -> list[dict[str, Any]]:
    """Return all result lines of an ended batch, missing ones included; they are computed once."""
    with batch.results_lock:
        if batch.lines is None:
            with ThreadPoolExecutor(WORKERS) as pool:
                line = partial(_result_line, batch, cache, answer_function)
                batch.lines = list(pool.map(line, batch.requests, batch.outcomes))
        return batch.lines


def drop_missing(batch: Batch, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the lines whose outcome is `missing`."""
    pairs = zip(lines, batch.outcomes, strict=True)
    return [line for line, outcome in pairs if outcome.variant != MISSING]


def billed_requests(batch: Batch, lines: list[dict[str, Any]]) -> list[BilledRequest]:
    """List the billed requests of a batch: the successful ones, without refusals."""
    messages = [(line["custom_id"], line["result"].get("message")) for line in lines]
    return [
        BilledRequest(
            batch_id=batch.id, custom_id=name, model=message["model"], usage=message["usage"]
        )
        for name, message in messages
        if message and message["stop_reason"] != "refusal"
    ]


def _result_line(
    batch: Batch,
    cache: PrefixCache,
    answer_function: AnswerFunction | None,
    request: Mapping[str, Any],
    outcome: RequestOutcome,
) -> dict[str, Any]:
    result: dict[str, Any] = {"type": outcome.status}
    if outcome.status == "errored":
        result["error"] = error_body(outcome.variant, outcome.message, new_id("req"))
    if outcome.status == "succeeded":
        params = request["params"]
        use = cache.use(batch.id, batch.workspace, params, batch.created)
        result["message"] = create_message(
            params, use, tier="batch", variant=outcome.variant, answer_function=answer_function
        )
    return {"custom_id": request["custom_id"], "result": result}
