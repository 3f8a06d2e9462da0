"""Check license headers without the model: missing, contradicting, denied or unknown licenses.

The same text with the same settings always has the same findings.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from batch_action.models.findings import Confidence, RawFinding, Severity
from batch_action.models.licenses import LicensePolicy, licenses_in, spdx_expression
from batch_action.tasks.license.notices import licenses_granted

MISSING_HEADER = "missing-header"
CONTRADICTING_HEADER = "contradicting-header"
DENIED_LICENSE = "denied-license"
UNKNOWN_LICENSE = "unknown-license"

_SPDX_TAG = re.compile(
    r"SPDX-License-Identifier:\s*+(?!\(\.)([^][<*$%{}\\]+)(?=<|$)", re.IGNORECASE
)
_NOTICE = re.compile(
    r"SPDX-(?:License-Identifier|FileCopyrightText):|\bcopyright\b.{0,40}(?:\(c\)|©|\b(?:19|20)\d\d)"
    r"|©|\ball rights reserved\b|\blicen[cs]ed (?:under|to)\b|\blicen[cs]e that can be found\b"
    r"|\bpermission is hereby granted\b|\b(?:released|distributed) under\b|\bis free software\b"
    r"|\bunder the terms of\b|\bfree and unencumbered software\b|^@licen[cs]e\b"
    r"|\bcopyright (?:by |of )?(?:the )?[^.;\n]{0,60}?\b(?:authors?|contributors|developers|team"
    r"|project|foundation|inc|llc|ltd|gmbh|corp(?:oration)?|university)\b|\bpublic domain\b"
    r"|\bsee\b.{0,30}(?-i:\bLICEN[CS]E|\bCOPYING)\b",
    re.IGNORECASE | re.MULTILINE,
)
_YEAR = r"(?:19|20)\d\d(?:\s*[-\u2013,]\s*(?:(?:19|20)\d\d|present))*"
_LICENSE_REF = re.compile(r"(?:DocumentRef-[\w.-]+:)?LicenseRef-[\w.-]+")
_CHOICE = re.compile(r"\beither of\b|\bdual[- ]licen[cs]ed\b", re.IGNORECASE)
_MAX_NAMES = 3
_MAX_NAME_CHARS = 80
_MAX_EXPRESSION_CHARS = 400
MAX_CHARS = 8_192
"""Characters of a text that are searched for a header."""
MAX_LINE_CHARS = 500


MAX_HEADER_LINES = 40
_WITHOUT_HEADER = frozenset(
    {"", "json", "jupyter", "go-mod", "dotenv", "ini"}
    | {"markdown", "rst", "asciidoc", "latex", "text"}
)
"""Languages that are data or prose."""
_STRING = re.compile(
    r"(?:[=(\[{,:+]|\breturn)[ \t]*[rRbBuUfF]{0,2}"
    r"(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|`[^`]*`|\"[^\"\n]*\"|'[^'\n]*')"
    r"|^[ \t]*(?:\"[^\"\n]*\"|'[^'\n]*')[ \t]*(?:[,)\]:]|=>)"
    r"|^[ \t]*[\w$@(][^\"'\n]*(?:\"[^\"\n]*(?:SPDX-|[Cc]opyright|[Ll]icen[cs]ed)[^\"\n]*\""
    r"|'[^'\n]*(?:SPDX-|[Cc]opyright|[Ll]icen[cs]ed)[^'\n]*')",
    re.MULTILINE,
)
"""A value in code: a notice in it is about something else."""
_COMMENT_MARK = re.compile(
    r"/\*|\*/|<!-+|-+->|\(\*|\*\)|\[\[|\]\]|<#|#>|<%-*|-*%>|\{[%#-]|[%#-]\}|\?>|@\*|\*@"
    r"|\"{3}|'{3}|(?:^|(?<=\s))(?:@?rem|dnl|#\s*region|<\?php)\b",
    re.IGNORECASE,
)
_DECORATION = " \t\r*#/;%!|=-_~\"':\\"


def has_header(language: str) -> bool:
    """Return whether files in a language can have a header; prose and data formats cannot."""
    return language not in _WITHOUT_HEADER


def first_lines(text: str) -> tuple[tuple[int, str], ...]:
    """Return the lines that may hold a header, as (line number, undecorated text).

    Their comment marks are of any language: extensions do not tell which one it is. Values in code
    are left out, and a line with several comments is several lines. Only the first `MAX_CHARS` and
    `MAX_HEADER_LINES` are read.
    """
    head = text[:MAX_CHARS].removeprefix("\ufeff")
    lines = head.split("\n")
    if len(text) > MAX_CHARS:
        # The last line may be cut off and mean something else than the whole line.
        lines.pop()
    head = "\n".join(line[:MAX_LINE_CHARS] for line in lines[:MAX_HEADER_LINES])
    head = _STRING.sub(lambda match: "\n" * match[0].count("\n"), head)
    return tuple(
        (number, words)
        for number, line in enumerate(head.split("\n"), 1)
        for part in _COMMENT_MARK.split(line)
        if (words := strip_decoration(part.strip(" {}")))
    )


def strip_decoration(line: str) -> str:
    """Return a line without comment marks and frames, with single spaces."""
    return " ".join(line[:MAX_LINE_CHARS].strip(_DECORATION).split())


@dataclass(frozen=True, slots=True)
class Header:
    """The first lines of a text, where notices are."""

    lines: tuple[tuple[int, str], ...]
    """Line number and undecorated text."""

    @property
    def text(self) -> str:
        """All lines in one text."""
        return "\n".join(words for _, words in self.lines)

    @property
    def tags(self) -> tuple[tuple[int, str], ...]:
        """The line number and value of each SPDX tag."""
        matches = ((number, _SPDX_TAG.search(words)) for number, words in self.lines)
        return tuple((number, match[1].strip()) for number, match in matches if match)

    def satisfies(self, expected: Sequence[str]) -> bool:
        """Return whether it has all *expected* lines, or any license notice if none is given."""
        if not expected:
            return bool(_NOTICE.search(self.text) or licenses_granted(self.text))
        return not self.first_missing_line(expected)

    def first_missing_line(self, expected: Sequence[str]) -> str:
        """Return the first *expected* line that is not there in its order; empty if none is."""
        rest = iter(words for _, words in self.lines)
        for line in expected:
            patterns = _line_patterns(line)
            if strip_decoration(line) and not any(_matches(patterns, words) for words in rest):
                return strip_decoration(line)
        return ""


def header_of(text: str) -> Header:
    """Return the header of a text."""
    return Header(first_lines(text))


def check_header(
    text: str, language: str, licensing: LicensePolicy, *, required: bool
) -> tuple[RawFinding, ...]:
    """Return what is wrong with the header of a text; a missing one only if it is *required*."""
    header = header_of(text)
    findings = list(_check_names(text, header, licensing))
    if required and has_header(language) and not header.satisfies(licensing.header):
        findings.append(_missing_header(header, licensing))
    return tuple(findings)


def is_header_common(headers: Iterable[Header], expected: Sequence[str]) -> bool:
    """Return whether more than half of the headers satisfy the *expected* lines."""
    satisfied = [header.satisfies(expected) for header in headers]
    return sum(satisfied) * 2 > len(satisfied)


@dataclass(slots=True)
class _Claims:
    """The licenses that a header names and that are a problem; one finding is made of each kind."""

    unknown: list[tuple[int, str]] = field(default_factory=list)
    denied: list[tuple[int, str, Confidence]] = field(default_factory=list)
    contradicting: list[tuple[str, Confidence]] = field(default_factory=list)
    identifiers: set[str] = field(default_factory=set)
    """All licenses named by SPDX tags."""


def _check_names(text: str, header: Header, licensing: LicensePolicy) -> Iterator[RawFinding]:
    """Yield findings about the licenses that a header names in a tag or in words."""
    claims = _Claims()
    for number, value in header.tags:
        _add_tag(number, value, licensing, claims)
    _add_notices(header, licensing, claims)
    lines = text.split("\n")
    for number, _ in claims.unknown[:1]:
        yield _unknown_license(number, lines[number - 1], [name for _, name in claims.unknown])
    for number, _, confidence in claims.denied[:1]:
        names = [name for _, name, _ in claims.denied]
        yield _denied_license(number, lines[number - 1], names, confidence)
    if claims.contradicting:
        yield _contradicting_header(claims.contradicting, licensing)


def _add_tag(number: int, value: str, licensing: LicensePolicy, claims: _Claims) -> None:
    expression = spdx_expression(value)
    if _LICENSE_REF.search(value):
        if not _is_license_ref_permitted(value, licensing):
            claims.contradicting.append((value, Confidence.HIGH))
        return
    if expression is None:
        claims.unknown.append((number, value))
        return
    claims.identifiers |= {expression, *licenses_in(expression)}
    if licensing.denies(expression):
        claims.denied.append((number, expression, Confidence.HIGH))
    elif not licensing.permits(expression):
        claims.contradicting.append((expression, Confidence.HIGH))


def _add_notices(header: Header, licensing: LicensePolicy, claims: _Claims) -> None:
    """Add licenses that are named in words, unless one of several choices is permitted."""
    names = [name for name in licenses_granted(header.text) if name not in claims.identifiers]
    denied = [name for name in names if licensing.denies(name)]
    if denied and not (_CHOICE.search(header.text) and len(denied) < len(names)):
        number = next((n for n, line in header.lines if _NOTICE.search(line)), header.lines[0][0])
        claims.denied += [(number, name, Confidence.MEDIUM) for name in denied]
    elif names and not any(licensing.permits(name) for name in names):
        claims.contradicting += [(name, Confidence.MEDIUM) for name in names]


def _is_license_ref_permitted(value: str, licensing: LicensePolicy) -> bool:
    """Return whether one choice of an expression with `LicenseRef-…` has a permitted license."""
    if not licensing.repository_licenses and not licensing.allowed:
        return True
    choices = re.split(r"\bOR\b", value[:_MAX_EXPRESSION_CHARS])
    names = (_LICENSE_REF.sub("", choice).strip(" ()") for choice in choices)
    expressions = (spdx_expression(name) for name in names if name)
    return any(expression and licensing.permits(expression) for expression in expressions)


def _missing_header(header: Header, licensing: LicensePolicy) -> RawFinding:
    line = header.first_missing_line(licensing.header)
    incomplete = bool(line and header.satisfies(()))
    requirement = f" This repository requires the line “{line}”." if line else ""
    own = licensing.repository_licenses[0][1] if licensing.repository_licenses else ""
    example = f", for example `SPDX-License-Identifier: {own}`" if own and not line else ""
    return RawFinding(
        rule="incomplete-license-header" if incomplete else "missing-license-header",
        category=MISSING_HEADER,
        severity=Severity.LOW,
        confidence=Confidence.HIGH,
        start_line=1,
        end_line=1,
        evidence="",
        title="The license header lacks a line" if incomplete else "The license header is missing",
        explanation=f"The file alone does not show which license it is under.{requirement}",
        remediation=f"Put the header at the beginning of the file{example}.",
        whole_file=True,
        is_computed=True,
    )


def _contradicting_header(
    claims: Sequence[tuple[str, Confidence]], licensing: LicensePolicy
) -> RawFinding:
    names = _join_names(name for name, _ in claims)
    own = ", ".join(f"`{name}` ({source})" for source, name in licensing.repository_licenses)
    allowed = ", ".join(f"`{name}`" for name in licensing.allowed)
    sentences = [
        f"The header names {names}.",
        f"The repository is under {own}." if own else "",
        f"Also allowed: {allowed}." if allowed else "",
    ]
    return RawFinding(
        rule="header-names-another-license",
        category=CONTRADICTING_HEADER,
        severity=Severity.MEDIUM,
        confidence=min((confidence for _, confidence in claims), key=list(Confidence).index),
        start_line=1,
        end_line=1,
        evidence="",
        title="The license header contradicts the repository's license",
        explanation=" ".join(sentence for sentence in sentences if sentence),
        remediation="Correct the header if it is wrong. If the code comes from elsewhere, keep its "
        "notice, and add its license to `allowed-licenses` or remove the code.",
        whole_file=True,
        is_computed=True,
    )


def _unknown_license(number: int, line: str, names: Sequence[str]) -> RawFinding:
    return RawFinding(
        rule="unknown-spdx-identifier",
        category=UNKNOWN_LICENSE,
        severity=Severity.MEDIUM,
        confidence=Confidence.HIGH,
        start_line=number,
        end_line=number,
        evidence=line[:MAX_LINE_CHARS],
        title="The license is not on the SPDX list",
        explanation=f"Not an identifier or expression of the SPDX list: {_join_names(names)}. "
        "No tool can tell what it permits.",
        remediation="Write the identifier as on the SPDX list, or `LicenseRef-…` for a license of "
        "your own.",
        is_computed=True,
    )


def _denied_license(
    number: int, line: str, names: Sequence[str], confidence: Confidence
) -> RawFinding:
    return RawFinding(
        rule="denied-license",
        category=DENIED_LICENSE,
        severity=Severity.HIGH,
        confidence=confidence,
        start_line=number,
        end_line=number,
        evidence=line[:MAX_LINE_CHARS],
        title=f"The header names {_shorten(names[0])}, which is denied here",
        explanation=f"`denied-licenses` forbids code under {_join_names(names)}.",
        remediation="Remove the code, or ask its owner for another license.",
        is_computed=True,
    )


def _join_names(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(f"`{_shorten(name)}`" for name in names))
    more = f" and {len(unique) - _MAX_NAMES} more" if len(unique) > _MAX_NAMES else ""
    return ", ".join(unique[:_MAX_NAMES]) + more


def _shorten(name: str) -> str:
    plain = name.replace("`", "'")
    return plain if len(plain) <= _MAX_NAME_CHARS else f"{plain[:_MAX_NAME_CHARS]}…"


def _line_patterns(line: str) -> list[re.Pattern[str]]:
    """Return patterns of the parts of an expected line between its `{name}` placeholders."""
    return [
        re.compile(_YEAR.join(map(re.escape, part.split("{year}"))))
        for part in strip_decoration(line).split("{name}")
    ]


def _matches(patterns: list[re.Pattern[str]], words: str) -> bool:
    """Return whether a line consists of the parts in order, with some text between each two."""
    first = patterns[0].match(words)
    if first is None:
        return False
    end = first.end()
    for pattern in patterns[1:-1]:
        match = pattern.search(words, end + 1)
        if match is None:
            return False
        end = match.end()
    if len(patterns) == 1:
        return end == len(words)
    last = re.compile(rf"(?:{patterns[-1].pattern})\Z")
    return end < len(words) and last.search(words, end + 1) is not None
