"""Which license a text is, and which one a manifest names."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from batch_action.models.licenses import spdx_expression

_TEXT = re.compile(r"(?:licen[sc]e|copying|unlicense)(?:[-.].*)?", re.IGNORECASE)
MANIFESTS = frozenset({"pyproject.toml", "package.json", "Cargo.toml"})

# The title stands in the first lines: many licenses name others further down.
_TITLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AGPL-3.0-only", ("gnu affero general public license", "version 3")),
    ("LGPL-3.0-only", ("gnu lesser general public license", "version 3")),
    ("LGPL-2.1-only", ("gnu lesser general public license", "version 2.1")),
    ("GPL-3.0-only", ("gnu general public license", "version 3")),
    ("GPL-2.0-only", ("gnu general public license", "version 2")),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("MPL-2.0", ("mozilla public license", "2.0")),
    ("EPL-2.0", ("eclipse public license", "2.0")),
    ("EUPL-1.2", ("european union public licence", "1.2")),
    ("BSL-1.0", ("boost software license", "version 1.0")),
    ("CC0-1.0", ("cc0 1.0 universal",)),
)
# Words that stand in no other license's text; the first row that fits decides.
_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Unlicense", ("free and unencumbered software released into the public domain",)),
    ("Zlib", ("altered source versions must be plainly marked",)),
    ("BSD-4-Clause", ("redistribution and use in source and binary forms", "all advertising")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "neither the name")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms",)),
    ("MIT", ("to deal in the software without restriction", "above copyright notice and this")),
    ("MIT-0", ("to deal in the software without restriction",)),
    ("ISC", ("distribute this software for any purpose", "provided that the above copyright")),
    ("0BSD", ("distribute this software for any purpose",)),
)
TITLE_CHARS = 600


def is_license_text(path: str) -> bool:
    """Whether a file is the license of the folder it is in, by its name."""
    return bool(_TEXT.fullmatch(PurePosixPath(path).name))


def identify(text: str) -> str | None:
    """The SPDX identifier of a license's text; None when it is none of the well-known ones."""
    plain = " ".join(text[:20_000].lower().split())
    return _fitting(_TITLES, plain[:TITLE_CHARS]) or _fitting(_WORDS, plain)


def _fitting(rows: Sequence[tuple[str, Sequence[str]]], plain: str) -> str | None:
    found = (name for name, words in rows if all(word in plain for word in words))
    return next(found, None)


def declared(path: str, text: str) -> str | None:
    """The expression that a manifest names, in SPDX's terms."""
    name = PurePosixPath(path).name
    data = _json(text) if name == "package.json" else _toml(text)
    if name == "pyproject.toml":
        data = _table(data.get("project"))
    elif name == "Cargo.toml":
        data = _table(data.get("package"))
    value = data.get("license")
    if isinstance(value, Mapping):
        value = value.get("text") or value.get("type")
    return spdx_expression(value) if isinstance(value, str) else None


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _toml(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _json(text: str) -> Mapping[str, Any]:
    try:
        return _table(json.loads(text))
    except (ValueError, RecursionError):
        return {}
