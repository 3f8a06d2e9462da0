"""License headers, checked by plain reading: missing, contradicting, denied or unknown.

No model is asked: the same text under the same rules gives the same remarks.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from batch_action.models.findings import Confidence, RawFinding, Severity
from batch_action.models.licenses import Licensing, licenses_in, spdx_expression
from batch_action.tasks.license.comments import LONGEST_LINE, bare, has_comments, opening
from batch_action.tasks.license.notices import licenses_noticed

MISSING = "missing-header"
CONTRADICTING = "contradicting-header"
DENIED = "denied-license"
UNKNOWN = "unknown-license"

_TAG = re.compile(r"SPDX-License-Identifier:\s*(.+)", re.IGNORECASE)
_NOTICE = re.compile(
    r"SPDX-(?:License-Identifier|FileCopyrightText):|\bcopyright\b.{0,40}(?:\(c\)|©|\b(?:19|20)\d\d)"
    r"|©|\ball rights reserved\b|\blicen[cs]ed (?:under|to)\b|\blicen[cs]e that can be found\b"
    r"|\bpermission is hereby granted\b|\b(?:released|distributed) under\b|\bis free software\b"
    r"|\bunder the terms of\b|\bfree and unencumbered software\b",
    re.IGNORECASE,
)
_YEAR = r"(?:19|20)\d\d(?:\s*[-\u2013,]\s*(?:(?:19|20)\d\d|present))*"
_CUSTOM = re.compile(r"(?:DocumentRef-[\w.-]+:)?LicenseRef-[\w.-]+")
_CHOICE = re.compile(r"\beither of\b|\bdual[- ]licen[cs]ed\b", re.IGNORECASE)
_NAMED = 3
_SHOWN = 80
"""Characters of an identifier that is none; more of it helps nobody."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the comments above a text's first code say about its license."""

    lines: tuple[tuple[int, str], ...]

    @property
    def blocks(self) -> str:
        """All of it, a line each."""
        return "\n".join(words for _, words in self.lines)

    @property
    def tags(self) -> tuple[tuple[int, str], ...]:
        """The SPDX identifiers it carries: line and what stands there."""
        found = ((number, _TAG.search(words)) for number, words in self.lines)
        return tuple((number, tag[1].strip()) for number, tag in found if tag)

    def has(self, expected: Sequence[str]) -> bool:
        """Whether it is a license header: with the *expected* lines, or any if there are none."""
        return _NOTICE.search(self.blocks) is not None if not expected else not self.lacks(expected)

    def lacks(self, expected: Sequence[str]) -> str:
        """The first *expected* line that does not stand there in its order; empty when all do."""
        rest = iter(words for _, words in self.lines)
        for line in expected:
            wanted = _pieces(line)
            if bare(line) and not any(_stands(wanted, words) for words in rest):
                return bare(line)
        return ""


def header_of(text: str, language: str) -> Header:
    """The header of a text; empty where its language has no comments."""
    return Header(opening(text, language))


def check(
    text: str, language: str, licensing: Licensing, *, wanted: bool
) -> tuple[RawFinding, ...]:
    """What is wrong with the header of one text. *wanted*: whether it must have one at all."""
    header = header_of(text, language)
    remarks = list(_named(text, header, licensing))
    if wanted and has_comments(language) and not header.has(licensing.header):
        remarks.append(_missing(header, licensing))
    return tuple(remarks)


def most_have_one(headers: Iterable[Header], expected: Sequence[str]) -> bool:
    """Whether more than half of these have a header."""
    have = [header.has(expected) for header in headers]
    return sum(have) * 2 > len(have)


@dataclass(slots=True)
class _Claims:
    """What a header says of licenses that cannot stand as it is; one finding for each kind."""

    unknown: list[tuple[int, str]] = field(default_factory=list)
    denied: list[tuple[int, str, Confidence]] = field(default_factory=list)
    strange: list[tuple[str, Confidence]] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    """The licenses that its identifiers name."""


def _named(text: str, header: Header, licensing: Licensing) -> Iterator[RawFinding]:
    """Remarks on the licenses that a header names, in an identifier or in words."""
    claims = _Claims()
    for number, said in header.tags:
        _tagged(number, said, licensing, claims)
    _worded(header, licensing, claims)
    lines = text.split("\n")
    for number, _ in claims.unknown[:1]:
        yield _unknown(number, lines[number - 1], [said for _, said in claims.unknown])
    for number, _, sure in claims.denied[:1]:
        yield _denied(number, lines[number - 1], [name for _, name, _ in claims.denied], sure)
    if claims.strange:
        yield _contradicting(claims.strange, licensing)


def _tagged(number: int, said: str, licensing: Licensing, claims: _Claims) -> None:
    """What one SPDX identifier claims."""
    expression = spdx_expression(said)
    if _CUSTOM.search(said):
        if not _fits(said, licensing):
            claims.strange.append((said, Confidence.HIGH))
        return
    if expression is None:
        claims.unknown.append((number, said))
        return
    claims.told |= {expression, *licenses_in(expression)}
    if licensing.denies(expression):
        claims.denied.append((number, expression, Confidence.HIGH))
    elif not licensing.permits(expression):
        claims.strange.append((expression, Confidence.HIGH))


def _worded(header: Header, licensing: Licensing, claims: _Claims) -> None:
    """What its words claim besides: with less confidence, and only where nothing fits."""
    noticed = [name for name in licenses_noticed(header.blocks) if name not in claims.told]
    refused = [name for name in noticed if licensing.denies(name)]
    if refused and not (_CHOICE.search(header.blocks) and len(refused) < len(noticed)):
        number = next((n for n, line in header.lines if _NOTICE.search(line)), header.lines[0][0])
        claims.denied += [(number, name, Confidence.MEDIUM) for name in refused]
    elif noticed and not any(licensing.permits(name) for name in noticed):
        claims.strange += [(name, Confidence.MEDIUM) for name in noticed]


def _fits(said: str, licensing: Licensing) -> bool:
    """Whether the parts of a custom expression that the list has are permitted here."""
    choices = [_CUSTOM.sub("", one).strip(" ()") for one in re.split(r"\bOR\b", said[:400])]
    known = [spdx_expression(one) for one in choices if one]
    if not licensing.own and not licensing.allowed:
        return True
    return any(one is not None and licensing.permits(one) for one in known)


def _missing(header: Header, licensing: Licensing) -> RawFinding:
    lacks = header.lacks(licensing.header)
    partly = bool(lacks and header.has(()))
    wish = f" This repository asks for the line “{lacks}”." if lacks else ""
    own = licensing.own[0][1] if licensing.own else ""
    tag = f", for example `SPDX-License-Identifier: {own}`" if own and not lacks else ""
    return RawFinding(
        rule="incomplete-license-header" if partly else "missing-license-header",
        category=MISSING,
        severity=Severity.LOW,
        confidence=Confidence.HIGH,
        start_line=1,
        end_line=1,
        evidence="",
        title="The license header lacks a line" if partly else "The license header is missing",
        explanation=f"Whoever gets this file alone cannot tell under which license it is.{wish}",
        remediation=f"Put the header above the first code{tag}.",
        whole_file=True,
    )


def _contradicting(strange: list[tuple[str, Confidence]], licensing: Licensing) -> RawFinding:
    names = _list(name for name, _ in strange)
    own = ", ".join(f"`{name}` ({source})" for source, name in licensing.own)
    may = ", ".join(f"`{name}`" for name in licensing.allowed)
    told = [
        f"The header names {names}.",
        f"The repository is under {own}." if own else "",
        f"Allowed besides: {may}." if may else "",
    ]
    return RawFinding(
        rule="header-names-another-license",
        category=CONTRADICTING,
        severity=Severity.MEDIUM,
        confidence=min((sure for _, sure in strange), key=list(Confidence).index),
        start_line=1,
        end_line=1,
        evidence="",
        title="The license header contradicts the repository's license",
        explanation=" ".join(one for one in told if one),
        remediation="Correct the header if it is wrong. If the code comes from elsewhere, keep its "
        "notice, and add its license to `allowed-licenses` or take the code out.",
        whole_file=True,
    )


def _unknown(number: int, line: str, said: Sequence[str]) -> RawFinding:
    return _located(
        number,
        line,
        rule="unknown-spdx-identifier",
        category=UNKNOWN,
        severity=Severity.MEDIUM,
        confidence=Confidence.HIGH,
        title="The SPDX list has no such license",
        explanation=f"No identifier or expression of the SPDX list: {_list(said)}. No tool can tell what "
        "that allows.",
        remediation="Write the identifier as the SPDX list has it, or `LicenseRef-…` for a license of "
        "your own.",
    )


def _denied(number: int, line: str, names: Sequence[str], sure: Confidence) -> RawFinding:
    return _located(
        number,
        line,
        rule="denied-license",
        category=DENIED,
        severity=Severity.HIGH,
        confidence=sure,
        title=f"The header names {_short(names[0])}, which is denied here",
        explanation=f"`denied-licenses` forbids {_list(names)}: nothing here may be under it.",
        remediation="Take the code out, or find out whether its owner offers it under another license.",
    )


def _located(
    number: int,
    line: str,
    *,
    rule: str,
    category: str,
    severity: Severity,
    confidence: Confidence,
    title: str,
    explanation: str,
    remediation: str,
) -> RawFinding:
    return RawFinding(
        rule=rule,
        category=category,
        severity=severity,
        confidence=confidence,
        start_line=number,
        end_line=number,
        evidence=line[:LONGEST_LINE],
        title=title,
        explanation=explanation,
        remediation=remediation,
    )


def _list(names: Iterable[str]) -> str:
    told = list(dict.fromkeys(f"`{_short(name)}`" for name in names))
    more = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return ", ".join(told[:_NAMED]) + more


def _short(said: str) -> str:
    plain = said.replace("`", "'")
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"


def _pieces(line: str) -> list[re.Pattern[str]]:
    """The solid parts of an expected line, between its `{name}`s."""
    return [
        re.compile(_YEAR.join(map(re.escape, part.split("{year}"))))
        for part in bare(line).split("{name}")
    ]


def _stands(pieces: list[re.Pattern[str]], words: str) -> bool:
    """Whether the line fits: every part as far left as it goes, something between two of them."""
    first = pieces[0].match(words)
    if first is None:
        return False
    end = first.end()
    for piece in pieces[1:-1]:
        found = piece.search(words, end + 1)
        if found is None:
            return False
        end = found.end()
    if len(pieces) == 1:
        return end == len(words)
    last = re.compile(rf"(?:{pieces[-1].pattern})\Z")
    return end < len(words) and last.search(words, end + 1) is not None
