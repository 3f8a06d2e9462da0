"""The comments at the top of a text, in all languages that have comments."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
