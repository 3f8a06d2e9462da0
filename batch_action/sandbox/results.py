"""The result lines of a batch, and what they cost."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from .batches import Batch, Fate
from .caching import PrefixCache
from .errors import error_body, new_id
from .messages import Speaker, compose

WORKERS = 4
MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Billed:
    """One request that costs money."""

    batch_id: str | None
    """None for a message that was asked for directly."""
    custom_id: str
    model: str
    usage: Mapping[str, Any]


def settle(batch: Batch, cache: PrefixCache, speaker: Speaker | None) -> list[dict[str, Any]]:
    """Give the result lines of an ended batch, computed once, also the ones nobody will see."""
    with batch.settling:
        if batch.lines is None:
            with ThreadPoolExecutor(WORKERS) as pool:
                line = partial(_line, batch, cache, speaker)
                batch.lines = list(pool.map(line, batch.requests, batch.fates))
        return batch.lines


def visible(batch: Batch, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the lines that were told to be missing."""
    pairs = zip(lines, batch.fates, strict=True)
    return [line for line, fate in pairs if fate.twist != MISSING]


def bill(batch: Batch, lines: list[dict[str, Any]]) -> list[Billed]:
    """List what a settled batch costs: only success is paid, and no refusal before output."""
    messages = [(line["custom_id"], line["result"].get("message")) for line in lines]
    return [
        Billed(batch_id=batch.id, custom_id=name, model=message["model"], usage=message["usage"])
        for name, message in messages
        if message and message["stop_reason"] != "refusal"
    ]


def _line(
    batch: Batch,
    cache: PrefixCache,
    speaker: Speaker | None,
    request: Mapping[str, Any],
    fate: Fate,
) -> dict[str, Any]:
    result: dict[str, Any] = {"type": fate.status}
    if fate.status == "errored":
        result["error"] = error_body(fate.twist, fate.message, new_id("req"))
    if fate.status == "succeeded":
        params = request["params"]
        use = cache.use(batch.id, batch.workspace, params, batch.created)
        result["message"] = compose(params, use, tier="batch", twist=fate.twist, speaker=speaker)
    return {"custom_id": request["custom_id"], "result": result}
