"""License notices beside their files: `.license` files and `REUSE.toml`.

Source: https://reuse.software/spec-3.3/
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SIDECAR = ".license"
REUSE_TOML = "REUSE.toml"
_NO_NOTICE = re.compile(r"(?:.*/)?(?:REUSE\.toml|[^/]+\.(?:license|spdx(?:\.\w+)?))|LICENSES/.*")
_GLOB = re.compile(r"\\.|\*\*|\*|[^\\*]+", re.DOTALL)


def notices_beside(path: str, files: Mapping[str, str]) -> Iterator[str]:
    """Yield the notices about a file that stand in other files.

    Args:
        path: the file.
        files: the texts of its sidecar and of the `REUSE.toml` of its folders, by path.
    """
    for place, text in files.items():
        folder = place.removesuffix(REUSE_TOML)
        if place == path + SIDECAR:
            yield text
        elif place.endswith(REUSE_TOML) and path.startswith(folder):
            yield from _annotations(text, path.removeprefix(folder))


def needs_no_notice(path: str) -> bool:
    """Return whether a file is itself about licensing, so that it needs no notice."""
    return _NO_NOTICE.fullmatch(path) is not None


def places_beside(path: str) -> list[str]:
    """Return the paths that may hold notices about a file."""
    parts = path.split("/")[:-1]
    folders = ["/".join([*parts[:depth], REUSE_TOML]) for depth in range(len(parts) + 1)]
    return [path + SIDECAR, *folders]


def _annotations(text: str, path: str) -> Iterator[str]:
    try:
        tables = tomllib.loads(text).get("annotations")
    except (ValueError, RecursionError):
        return
    for table in tables if isinstance(tables, list) else ():
        if isinstance(table, dict) and any(
            _covers(glob, path) for glob in _words(table.get("path"))
        ):
            yield "\n".join(
                f"{tag}: {value}"
                for tag in ("SPDX-FileCopyrightText", "SPDX-License-Identifier")
                for value in _words(table.get(tag))
            )


def _words(value: Any) -> Iterable[str]:
    values = value if isinstance(value, list) else [value]
    return (word for word in values if isinstance(word, str))


def _covers(glob: str, path: str) -> bool:
    """Return whether a pattern matches; the time is bounded, since anyone may write one."""
    reached = {0}
    for part in _GLOB.findall(glob):
        if part.strip("*"):
            literal = part.removeprefix("\\")
            reached = {n + len(literal) for n in reached if path.startswith(literal, n)}
        else:
            reached = _reach(reached, path, stop="/" if part == "*" else "")
    return len(path) in reached


def _reach(starts: set[int], path: str, *, stop: str) -> set[int]:
    reached = set()
    is_open = False
    for position in range(len(path) + 1):
        is_open = is_open or position in starts
        if is_open:
            reached.add(position)
        if path[position : position + 1] == stop:
            is_open = False
    return reached
