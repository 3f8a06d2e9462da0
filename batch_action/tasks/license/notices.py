"""Well-known licenses, recognised by the sentences that tell them from each other."""

import re
from collections.abc import Iterator

_GNU = re.compile(
    r"gnu (?P<kind>affero |lesser |library )?general public licen[cs]e"
    r"(?:[^.]{0,100}?\bv(?:ersion|\.)? ?(?P<version>[123](?:\.\d)?))?"
)
_LATER = re.compile(r"\(?at your option\)?,? any later version|or \(?at your option\)? any later")
_KINDS = {"": "GPL", "affero": "AGPL", "lesser": "LGPL", "library": "LGPL"}
_VERSIONS = {
    *("GPL-1.0", "GPL-2.0", "GPL-3.0", "LGPL-2.0", "LGPL-2.1", "LGPL-3.0", "AGPL-1.0", "AGPL-3.0")
}
_MIT = "permission is hereby granted, free of charge, to any person obtaining a copy"
_BSD = "redistribution and use in source and binary forms, with or without modification"
_ISC = "permission to use, copy, modify, and/or distribute this software for any purpose"
_TEXTS: tuple[tuple[str, str, str], ...] = (
    # The opening sentence, one that must follow, and what the two make together.
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
_UNDER = re.compile(
    r"\b(?:licen[cs]ed|distributed|released|available|provided|redistribute)\b[^.]{0,90}?\bunder "
    r"|\b(?:covered|governed|protected) by |\bsubject to "
)
_AFTER = 100
"""How many characters after the words of a grant are read for the license's name."""
_SIGNS = re.compile(r"[\s*#/;\"“”]+")
LOOKED = 40_000


def plain(text: str) -> str:
    """Lower case, one space between words, without quotes and the signs of comments."""
    return _SIGNS.sub(" ", text[:LOOKED]).casefold().strip()


def license_of_text(text: str) -> str | None:
    """The license whose own text this is, as an expression; None when it is none we know.

    The license that begins first decides: some name others further down. A text of the GNU family
    does not say whether later versions are meant, so both readings are given.
    """
    told = plain(text).replace("and or", "and/or")
    found = [
        (told.find(first), rank, spdx)
        for rank, (first, second, spdx) in enumerate(_TEXTS)
        if first in told and second in told
    ]
    gnu = _GNU.search(told)
    if gnu and (name := _gnu(gnu)):
        found.append((gnu.start(), 0, f"{name}-only OR {name}-or-later"))
    return min(found)[2] if found else None


def licenses_noticed(text: str) -> tuple[str, ...]:
    """The licenses that a header grants in words, as identifiers; without doubles.

    Only what reads like a grant counts: a comment may talk about licenses.
    """
    told = plain(text).replace("and or", "and/or")
    found: list[str] = []
    for rest in _grants(told):
        found += [spdx for regex, spdx in _NAMES if regex.search(rest[:_AFTER])]
        gnu = _GNU.search(rest)
        if gnu and gnu.start() < _AFTER and (name := _gnu(gnu)):
            later = _LATER.search(rest, gnu.end())
            found.append(f"{name}-or-later" if later else f"{name}-only")
    lines = [plain(line).strip(" .").removeprefix("the ") for line in text.split("\n")[:100]]
    found += [spdx for regex, spdx in _NAMES if any(map(regex.fullmatch, lines))]
    whole = license_of_text(text) if any(sign in told for sign in (_MIT, _BSD, _ISC)) else None
    found += [whole] if whole and " OR " not in whole else []
    return tuple(dict.fromkeys(found))


def _grants(told: str) -> Iterator[str]:
    """What follows the words of each grant."""
    for under in _UNDER.finditer(told):
        yield told[under.end() : under.end() + 3 * _AFTER]


def _gnu(found: re.Match[str]) -> str | None:
    kind = _KINDS[(found["kind"] or "").strip()]
    version = found["version"]
    if version is None:
        return None
    name = f"{kind}-{version if '.' in version else version + '.0'}"
    return name if name in _VERSIONS else None
