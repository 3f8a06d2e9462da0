"""Recognize common licenses by their texts and by notices that name them."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from batch_action.models.licenses import spdx_expression

_GNU = re.compile(
    r"gnu (?P<kind>affero |lesser |library )?general public licen[cs]e"
    r"(?:[^.]{0,100}?\bv(?:ersion|\.)? ?(?P<version>[123](?:\.\d)?))?"
)
_OR_LATER = re.compile(
    r"\(?at your option\)?,? any later version|or \(?at your option\)? any later"
)
_KINDS = {"": "GPL", "affero": "AGPL", "lesser": "LGPL", "library": "LGPL"}
_VERSIONS = {
    *("GPL-1.0", "GPL-2.0", "GPL-3.0", "LGPL-2.0", "LGPL-2.1", "LGPL-3.0", "AGPL-1.0", "AGPL-3.0")
}
_MIT = "permission is hereby granted, free of charge, to any person obtaining a copy"
_BSD = "redistribution and use in source and binary forms, with or without modification"
_ISC = "permission to use, copy, modify, and/or distribute this software for any purpose"
_TEXTS: tuple[tuple[str, str, str], ...] = (
    # The opening sentence, another sentence that must be there, and the license of both.
    (_MIT, "permission notice shall be included in all copies", "MIT"),
    (_MIT, "subject to the following conditions", "MIT"),
    (_MIT, "", "MIT-0"),
    (_BSD, "all advertising materials mentioning", "BSD-4-Clause"),
    (_BSD, "may be used to endorse or promote products", "BSD-3-Clause"),
    (_BSD, "", "BSD-2-Clause"),
    (_ISC, "permission notice appear in all copies", "ISC"),
    (_ISC, "", "0BSD"),
    (_ISC.replace("and/or", "and"), "permission notice appear in all copies", "ISC"),
    ("apache license", "version 2.0", "Apache-2.0"),
    ("mozilla public license", "2.0", "MPL-2.0"),
    ("this is free and unencumbered software released into the public domain", "", "Unlicense"),
)
_NAMES = tuple(
    (re.compile(rf"\b(?:{name})\b"), spdx)
    for name, spdx in (
        (r"mit(?:[- ]style)?(?: open source)?(?: licen[cs]e)?", "MIT"),
        (r"apache(?: software)? licen[cs]e,? ?(?:version |v\.? ?)?2(?:\.0)?", "Apache-2.0"),
        (r"(?:3-clause|new|modified|revised) bsd(?: licen[cs]e)?", "BSD-3-Clause"),
        (r"bsd[- ]3(?:[- ]clause)?(?: licen[cs]e)?", "BSD-3-Clause"),
        (r"(?:2-clause|simplified|freebsd) bsd(?: licen[cs]e)?", "BSD-2-Clause"),
        (r"bsd[- ]2(?:[- ]clause)?(?: licen[cs]e)?", "BSD-2-Clause"),
        (r"mozilla public licen[cs]e,? ?(?:version |v\.? ?)?2\.0", "MPL-2.0"),
        (r"isc licen[cs]e", "ISC"),
        (r"eclipse public licen[cs]e(?: -)?,? ?(?:v\.? ?|version )?2\.0", "EPL-2.0"),
    )
)
_GRANT = re.compile(
    r"\b(?:licen[cs]ed|distributed|released|available|provided|redistribute)\b[^.]{0,90}?\bunder "
    r"|\b(?:covered|governed|protected) by |\bsubject to "
)
_GRANT_CHARS = 100
"""Characters after a grant that are searched for the name of a license."""
_PUNCTUATION = re.compile(r"[\s*#/;\"“”]+")
MAX_CHARS = 40_000


def normalize(text: str) -> str:
    """Return the text in lower case, with single spaces, without quotes and comment marks."""
    return _PUNCTUATION.sub(" ", text[:MAX_CHARS]).casefold().strip()


def identify_license(text: str) -> str | None:
    """Return the license whose full text this is, as an SPDX expression; None if it is unknown.

    The license that begins first counts: some texts name other licenses further down. A text of
    the GNU family does not say whether later versions are included, so the expression has both.
    """
    words = normalize(text).replace("and or", "and/or")
    found = [
        (words.find(first), rank, spdx)
        for rank, (first, second, spdx) in enumerate(_TEXTS)
        if first in words and second in words
    ]
    gnu = _GNU.search(words)
    if gnu and (name := _gnu_license(gnu)):
        found.append((gnu.start(), 0, f"{name}-only OR {name}-or-later"))
    return min(found)[2] if found else None


def licenses_granted(text: str) -> tuple[str, ...]:
    """Return the SPDX identifiers of the licenses that a header grants in words, each once.

    A license that is only mentioned does not count.
    """
    words = normalize(text).replace("and or", "and/or")
    found: list[str] = []
    for rest in _texts_after_grants(words):
        found += [spdx for regex, spdx in _NAMES if regex.search(rest[:_GRANT_CHARS])]
        gnu = _GNU.search(rest)
        if gnu and gnu.start() < _GRANT_CHARS and (name := _gnu_license(gnu)):
            later = _OR_LATER.search(rest, gnu.end())
            found.append(f"{name}-or-later" if later else f"{name}-only")
    lines = [normalize(line).strip(" .").removeprefix("the ") for line in text.split("\n")[:100]]
    found += [spdx for regex, spdx in _NAMES if any(map(regex.fullmatch, lines))]
    whole = identify_license(text) if any(start in words for start in (_MIT, _BSD, _ISC)) else None
    found += [whole] if whole and " OR " not in whole else []
    return tuple(dict.fromkeys(found))


def _texts_after_grants(words: str) -> Iterator[str]:
    for grant in _GRANT.finditer(words):
        yield words[grant.end() : grant.end() + 3 * _GRANT_CHARS]


def _gnu_license(match: re.Match[str]) -> str | None:
    kind = _KINDS[(match["kind"] or "").strip()]
    version = match["version"]
    if version is None:
        return None
    name = f"{kind}-{version if '.' in version else version + '.0'}"
    return name if name in _VERSIONS else None


_LICENSE_FILE = re.compile(
    r"(?:un)?licen[cs]e(?:[-.][\w.-]*)?|copying(?:[-.][\w.-]*)?", re.IGNORECASE
)
MAX_MANIFEST_CHARS = 200_000


def may_name_license(path: str) -> bool:
    """Return whether a file at the root is a license file or a manifest."""
    return path in _MANIFESTS or _LICENSE_FILE.fullmatch(path) is not None


def license_in(path: str, text: str) -> str | None:
    """Return the license in such a file as an SPDX expression; None if there is none."""
    if len(text) > MAX_MANIFEST_CHARS:
        return None
    read = _MANIFESTS.get(path)
    if read is None:
        return identify_license(text)
    try:
        value = read(text)
    except (ValueError, RecursionError):
        return None
    return spdx_expression(value) if isinstance(value, str) else None


def _license_in_pyproject(text: str) -> Any:
    """Read the expression of PEP 639, the table of PEP 621, or Poetry's field."""
    data = tomllib.loads(text)
    value = _value_at(data, "project", "license")
    if isinstance(value, Mapping):
        return value.get("text")
    return value or _value_at(data, "tool", "poetry", "license")


def _license_in_package_json(text: str) -> Any:
    value = _value_at(json.loads(text), "license")
    return value.get("type") if isinstance(value, Mapping) else value


def _license_in_cargo(text: str) -> Any:
    data = tomllib.loads(text)
    value = _value_at(data, "package", "license")
    if not isinstance(value, str):
        value = _value_at(data, "workspace", "package", "license")
    # Cargo's deprecated separator: https://doc.rust-lang.org/cargo/reference/manifest.html
    return value.replace("/", " OR ") if isinstance(value, str) else None


def _value_at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


_MANIFESTS: Mapping[str, Callable[[str], Any]] = {
    "pyproject.toml": _license_in_pyproject,
    "package.json": _license_in_package_json,
    "Cargo.toml": _license_in_cargo,
}
