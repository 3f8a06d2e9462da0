"""The prompt cache: requests of one batch write to it, later batches read from it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from batch_action.sandbox.anthropic.models import find_model
from batch_action.sandbox.anthropic.params import cache_breakpoints, content_texts, estimate_tokens

TTL = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class Prefix:
    """The start of a prompt, up to a cache breakpoint."""

    key: str
    tokens: int
    ttl: str


@dataclass(frozen=True, slots=True)
class CacheUse:
    """The tokens that one request wrote to the cache and read from it."""

    written: Mapping[str, int]
    """Tokens written for each lifetime."""
    read: int


class PrefixCache:
    """Stores when each prefix became available."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[str, datetime, str]]] = {}

    def record(self, owner: str, workspace: str, params: Mapping[str, Any], at: datetime) -> None:
        """Record the prefixes of a request that ended."""
        for prefix in cacheable_prefixes(workspace, params):
            entry = (owner, at, prefix.ttl)
            entries = self._entries.setdefault(prefix.key, [])
            if entry not in entries:
                entries.append(entry)

    def use(self, owner: str, workspace: str, params: Mapping[str, Any], at: datetime) -> CacheUse:
        """Return the cache usage of a request that started at this time.

        The requests of one batch run in parallel, so none can read what another one wrote.
        """
        marked = cacheable_prefixes(workspace, params)
        available = [p.tokens for p in marked if self._is_warm(p.key, owner, at)]
        read = max(available, default=0)
        written = dict.fromkeys(TTL, 0)
        cached = read
        for prefix in marked:
            if prefix.tokens > cached:
                written[prefix.ttl] += prefix.tokens - cached
                cached = prefix.tokens
        return CacheUse(written, read)

    def _is_warm(self, key: str, owner: str, at: datetime) -> bool:
        return any(
            other != owner and ready <= at <= ready + TTL[ttl]
            for other, ready, ttl in self._entries.get(key, ())
        )


def cacheable_prefixes(workspace: str, params: Mapping[str, Any]) -> list[Prefix]:
    """List the prefixes up to a breakpoint that are long enough to be cached."""
    model = find_model(params.get("model"))
    if model is None or not any(cache_breakpoints(params)):
        return []
    shape = [params.get("thinking"), params.get("output_config")]
    digest = hashlib.sha256(json.dumps([workspace, model.id, shape]).encode())
    prefixes, size = [], 0
    for block in _blocks(params):
        fields = block if isinstance(block, Mapping) else {}
        mark = fields.get("cache_control")
        unmarked = {k: v for k, v in fields.items() if k != "cache_control"} or block
        digest.update(json.dumps(unmarked).encode())
        size += sum(estimate_tokens(text) for text in content_texts([block]))
        if mark and size >= model.cache_minimum:
            prefixes.append(Prefix(digest.hexdigest(), size, str(mark.get("ttl", "5m"))))
    return prefixes


def _blocks(params: Mapping[str, Any]) -> list[Any]:
    contents = [params.get("tools"), params.get("system")]
    contents += [message.get("content") for message in params.get("messages", ())]
    blocks: list[Any] = []
    for content in contents:
        if isinstance(content, str):
            blocks.append({"type": "text", "text": content})
        else:
            blocks += content or []
    return blocks
