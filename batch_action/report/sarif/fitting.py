"""A document that GitHub takes: words go first, then the least severe results."""

import gzip
import json
from dataclasses import dataclass
from typing import Any, Protocol


class Build(Protocol):
    """A document with so many results, with their blocks or without."""

    def __call__(self, most: int, *, words: bool) -> dict[str, Any]:
        """Give it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A document that is small enough."""

    document: dict[str, Any]
    data: bytes
    packed: bytes
    most: int
    """How many results it shows at most."""


def fitted(build: Build, *, most: int, limit: int) -> Fit:
    """The fullest document of at most `limit` compressed bytes; an empty one is never too large."""
    words = True
    while True:
        document = build(most, words=words)
        told = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        data = told.encode("utf-8", "replace")
        # No time in the header: equal documents are equal bytes.
        packed = gzip.compress(data, mtime=0)
        if len(packed) <= limit or (most == 0 and not words):
            return Fit(document=document, data=data, packed=packed, most=most)
        if words:
            words = False
        else:
            most = most * 3 // 4
