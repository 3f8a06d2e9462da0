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

_SPDX_TAG = re.compile(r"SPDX-License-Identifier:\s*(.+)", re.IGNORECASE)
_NOTICE = re.compile(
    r"SPDX-(?:License-Identifier|FileCopyrightText):|\bcopyright\b.{0,40}(?:\(c\)|©|\b(?:19|20)\d\d)"
    r"|©|\ball rights reserved\b|\blicen[cs]ed (?:under|to)\b|\blicen[cs]e that can be found\b"
    r"|\bpermission is hereby granted\b|\b(?:released|distributed) under\b|\bis free software\b"
    r"|\bunder the terms of\b|\bfree and unencumbered software\b",
    re.IGNORECASE,
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


@dataclass(frozen=True, slots=True)
class _CommentSyntax:
    """How a language marks comments."""

    line: tuple[str, ...] = ()
    block: tuple[tuple[str, str], ...] = ()


_C = _CommentSyntax(("//",), (("/*", "*/"),))
_HASH = _CommentSyntax(("#",))
_DASH = _CommentSyntax(("--",))
_SEMI = _CommentSyntax((";",))
_TAGS = _CommentSyntax((), (("<!--", "-->"),))
_DOC = _CommentSyntax(("#",), (('"""', '"""'), ("'''", "'''")))
_BY_LANGUAGE: tuple[tuple[str, _CommentSyntax], ...] = (
    ("javascript jsx typescript tsx go rust java kotlin scala groovy c cpp cuda csharp swift", _C),
    ("objectivec dart scss less sass d v verilog thrift protobuf zig solidity move wgsl glsl", _C),
    ("hlsl gleam cue jsonnet qml bicep apex", _C),
    ("python starlark cairo", _DOC),
    ("bash fish perl raku r julia nim crystal elixir awk makefile dockerfile cmake", _HASH),
    ("yaml toml graphql gdscript just rego", _HASH),
    ("ruby", _CommentSyntax(("#",), (("=begin", "=end"),))),
    ("php", _CommentSyntax(("//", "#"), (("/*", "*/"),))),
    ("terraform hcl nix", _CommentSyntax(("#", "//"), (("/*", "*/"),))),
    ("css", _CommentSyntax((), (("/*", "*/"),))),
    ("sql", _CommentSyntax(("--",), (("/*", "*/"),))),
    ("lua luau", _CommentSyntax(("--",), (("--[[", "]]"),))),
    ("haskell elm purescript", _CommentSyntax(("--",), (("{-", "-}"),))),
    ("ada vhdl", _DASH),
    ("clojure lisp scheme emacs-lisp", _SEMI),
    ("asm", _CommentSyntax((";", "#", "//"), (("/*", "*/"),))),
    ("erlang", _CommentSyntax(("%",))),
    ("fortran", _CommentSyntax(("!",))),
    ("vbnet", _CommentSyntax(("'",))),
    ("vim", _CommentSyntax(('"',))),
    ("bat", _CommentSyntax(("::", "rem ", "REM ", "Rem ", "@rem ", "@REM "))),
    ("powershell", _CommentSyntax(("#",), (("<#", "#>"),))),
    ("fsharp", _CommentSyntax(("//",), (("(*", "*)"),))),
    ("ocaml", _CommentSyntax((), (("(*", "*)"),))),
    ("pascal", _CommentSyntax(("//",), (("(*", "*)"), ("{", "}")))),
    ("html vue svelte astro xml", _TAGS),
)
_SYNTAX = {word: syntax for words, syntax in _BY_LANGUAGE for word in words.split()}
_PREAMBLES = (
    *("#!", "#lang", "<?xml", "<?php", "<!doctype", '"use strict"', "'use strict'", "@charset"),
    *("@echo", "---", "%yaml"),
)
"""Lines that may come before the first comment."""
_DECORATION = " \t*#/;%!|=-_~\"'"


def has_comments(language: str) -> bool:
    """Return whether files in a language can have a header; prose and data formats cannot."""
    return language in _SYNTAX


def opening_comments(text: str, language: str) -> tuple[tuple[int, str], ...]:
    """Return the lines of all comments above the first code, as (line number, undecorated text).

    Empty for languages without comments. Only the first `MAX_CHARS` are read.
    """
    syntax = _SYNTAX.get(language)
    if syntax is None:
        return ()
    lines = text[:MAX_CHARS].removeprefix("\ufeff").split("\n")
    if len(text) > MAX_CHARS:
        # The last line may be cut off and mean something else than the whole line.
        lines.pop()
    return tuple(
        (number, words)
        for number, line in _comment_lines(lines, syntax)
        if (words := strip_decoration(line))
    )


def strip_decoration(line: str) -> str:
    """Return a line without comment marks and frames, with single spaces."""
    return " ".join(line[:MAX_LINE_CHARS].strip(_DECORATION).split())


def _comment_lines(lines: Iterable[str], syntax: _CommentSyntax) -> Iterator[tuple[int, str]]:
    end = ""
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not end:
            begin, end = _opened_block(stripped, syntax)
            if not begin:
                if stripped.startswith(syntax.line) and not stripped.startswith("#!"):
                    yield number, stripped
                elif stripped and not stripped.casefold().startswith(_PREAMBLES):
                    return
                continue
            stripped = stripped[stripped.index(begin) + len(begin) :]
        words, closed, rest = stripped.partition(end)
        yield number, words
        if closed:
            end = ""
            if rest.strip() and not rest.strip().startswith(syntax.line):
                return


def _opened_block(line: str, syntax: _CommentSyntax) -> tuple[str, str]:
    """Return the marks of the block comment that begins on a line; empty strings if none does."""
    # A docstring may have a prefix, and `<?php /*` begins a comment as well.
    for begin, end in syntax.block:
        before, mark, _ = line.partition(begin)
        if mark and (not before or before.casefold() in ("r", "u") or before.strip() == "<?php"):
            return begin, end
    return "", ""


@dataclass(frozen=True, slots=True)
class Header:
    """The comments above the first code of a text."""

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
            return _NOTICE.search(self.text) is not None
        return not self.first_missing_line(expected)

    def first_missing_line(self, expected: Sequence[str]) -> str:
        """Return the first *expected* line that is not there in its order; empty if none is."""
        rest = iter(words for _, words in self.lines)
        for line in expected:
            patterns = _line_patterns(line)
            if strip_decoration(line) and not any(_matches(patterns, words) for words in rest):
                return strip_decoration(line)
        return ""


def header_of(text: str, language: str) -> Header:
    """Return the header of a text; it is empty if the language has no comments."""
    return Header(opening_comments(text, language))


def check_header(
    text: str, language: str, licensing: LicensePolicy, *, required: bool
) -> tuple[RawFinding, ...]:
    """Return what is wrong with the header of a text; a missing one only if it is *required*."""
    header = header_of(text, language)
    findings = list(_check_names(text, header, licensing))
    if required and has_comments(language) and not header.satisfies(licensing.header):
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
        remediation=f"Put the header above the first code{example}.",
        whole_file=True,
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
