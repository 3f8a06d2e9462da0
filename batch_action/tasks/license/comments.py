"""The comment a text opens with, in the languages that have one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LOOKED = 8_192
"""Characters of a text in which a header is looked for."""
LONGEST_LINE = 500


@dataclass(frozen=True, slots=True)
class _Signs:
    line: tuple[str, ...] = ()
    block: tuple[tuple[str, str], ...] = ()


_C = _Signs(("//",), (("/*", "*/"),))
_HASH = _Signs(("#",))
_DASH = _Signs(("--",))
_SEMI = _Signs((";",))
_TAGS = _Signs((), (("<!--", "-->"),))
_DOC = _Signs(("#",), (('"""', '"""'), ("'''", "'''")))
_BY_LANGUAGE: tuple[tuple[str, _Signs], ...] = (
    ("javascript jsx typescript tsx go rust java kotlin scala groovy c cpp cuda csharp swift", _C),
    ("objectivec dart scss less sass d v verilog thrift protobuf zig solidity move wgsl glsl", _C),
    ("hlsl gleam cue jsonnet qml bicep apex", _C),
    ("python starlark cairo", _DOC),
    ("bash fish perl raku r julia nim crystal elixir awk makefile dockerfile cmake", _HASH),
    ("yaml toml graphql gdscript just rego", _HASH),
    ("ruby", _Signs(("#",), (("=begin", "=end"),))),
    ("php", _Signs(("//", "#"), (("/*", "*/"),))),
    ("terraform hcl nix", _Signs(("#", "//"), (("/*", "*/"),))),
    ("css", _Signs((), (("/*", "*/"),))),
    ("sql", _Signs(("--",), (("/*", "*/"),))),
    ("lua luau", _Signs(("--",), (("--[[", "]]"),))),
    ("haskell elm purescript", _Signs(("--",), (("{-", "-}"),))),
    ("ada vhdl", _DASH),
    ("clojure lisp scheme emacs-lisp", _SEMI),
    ("asm", _Signs((";", "#", "//"), (("/*", "*/"),))),
    ("erlang", _Signs(("%",))),
    ("fortran", _Signs(("!",))),
    ("vbnet", _Signs(("'",))),
    ("vim", _Signs(('"',))),
    ("bat", _Signs(("::", "rem ", "REM ", "Rem ", "@rem ", "@REM "))),
    ("powershell", _Signs(("#",), (("<#", "#>"),))),
    ("fsharp", _Signs(("//",), (("(*", "*)"),))),
    ("ocaml", _Signs((), (("(*", "*)"),))),
    ("pascal", _Signs(("//",), (("(*", "*)"), ("{", "}")))),
    ("html vue svelte astro xml", _TAGS),
)
_SIGNS = {word: signs for words, signs in _BY_LANGUAGE for word in words.split()}
_AHEAD = (
    *("#!", "#lang", "<?xml", "<?php", "<!doctype", '"use strict"', "'use strict'", "@charset"),
    *("@echo", "---", "%yaml"),
)
"""What may stand before the opening comment."""
_DECORATION = " \t*#/;%!|=-_~\"'"


def has_comments(language: str) -> bool:
    """Whether headers can be written in it. Prose and mere data need none."""
    return language in _SIGNS


def opening(text: str, language: str) -> tuple[tuple[int, str], ...]:
    """The lines of all comments above the first code: number and words, without decoration.

    Empty for languages without comments. Of a hostile text only the beginning is looked at.
    """
    signs = _SIGNS.get(language)
    if signs is None:
        return ()
    lines = text[:LOOKED].removeprefix("\ufeff").split("\n")
    if len(text) > LOOKED:
        # Half a line could say something else than the whole one.
        lines.pop()
    return tuple((n, words) for n, line in _comments(lines, signs) if (words := bare(line)))


def bare(line: str) -> str:
    """A line without the signs and frames of comments, one space between its words."""
    return " ".join(line[:LONGEST_LINE].strip(_DECORATION).split())


def _comments(lines: Iterable[str], signs: _Signs) -> Iterator[tuple[int, str]]:
    end = ""
    for number, line in enumerate(lines, 1):
        told = line.strip()
        if not end:
            begin, end = _block(told, signs)
            if not begin:
                if told.startswith(signs.line) and not told.startswith("#!"):
                    yield number, told
                elif told and not told.casefold().startswith(_AHEAD):
                    return
                continue
            told = told[told.index(begin) + len(begin) :]
        words, closed, rest = told.partition(end)
        yield number, words
        if closed:
            end = ""
            if rest.strip() and not rest.strip().startswith(signs.line):
                return


def _block(told: str, signs: _Signs) -> tuple[str, str]:
    """The beginning and the end of the block comment that opens here; empty when none does."""
    # A docstring may be raw; `<?php /*` opens one as well.
    for begin, end in signs.block:
        lead, found, _ = told.partition(begin)
        if found and (not lead or lead.casefold() in ("r", "u") or lead.strip() == "<?php"):
            return begin, end
    return "", ""
