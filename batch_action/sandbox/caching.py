"""Prompt caching as batches see it: written by all of a cold batch, read by a later one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .catalogue import find
from .params import breakpoints, texts, tokens

TTL = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class Prefix:
    """The start of a prompt, up to a cache mark."""

    key: str
    tokens: int
    ttl: str


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What one request wrote to the cache and read from it."""

    written: Mapping[str, int]
    """Tokens written for each lifetime."""
    read: int


class PrefixCache:
    """Remembers which prefixes were ready when."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[str, datetime, str]]] = {}

    def note(self, owner: str, workspace: str, params: Mapping[str, Any], at: datetime) -> None:
        """Remember the prefixes of a request that ended."""
        for prefix in prefixes(workspace, params):
            entry = (owner, at, prefix.ttl)
            entries = self._entries.setdefault(prefix.key, [])
            if entry not in entries:
                entries.append(entry)

    def use(self, owner: str, workspace: str, params: Mapping[str, Any], at: datetime) -> CacheUse:
        """Tell what a request costs that began at this time.

        The requests of one batch run side by side, so none can read what another wrote.
        """
        marked = prefixes(workspace, params)
        warm = [p.tokens for p in marked if self._warm(p.key, owner, at)]
        read = max(warm, default=0)
        written = dict.fromkeys(TTL, 0)
        known = read
        for prefix in marked:
            if prefix.tokens > known:
                written[prefix.ttl] += prefix.tokens - known
                known = prefix.tokens
        return CacheUse(written, read)

    def _warm(self, key: str, owner: str, at: datetime) -> bool:
        return any(
            other != owner and ready <= at <= ready + TTL[ttl]
            for other, ready, ttl in self._entries.get(key, ())
        )


def prefixes(workspace: str, params: Mapping[str, Any]) -> list[Prefix]:
    """List the marked prefixes of a prompt that are long enough to be cached."""
    model = find(params.get("model"))
    if model is None or not any(breakpoints(params)):
        return []
    shape = [params.get("thinking"), params.get("output_config")]
    digest = hashlib.sha256(json.dumps([workspace, model.id, shape]).encode())
    found, size = [], 0
    for block in _blocks(params):
        fields = block if isinstance(block, Mapping) else {}
        mark = fields.get("cache_control")
        bare = {k: v for k, v in fields.items() if k != "cache_control"} or block
        digest.update(json.dumps(bare).encode())
        size += sum(tokens(text) for text in texts([block]))
        if mark and size >= model.cache_minimum:
            found.append(Prefix(digest.hexdigest(), size, str(mark.get("ttl", "5m"))))
    return found


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
