"""Tell code from comments and strings in any language, by what begins and ends them.

It does not parse. Where it errs, code counts as text more often than text as code.
"""

import re
from collections.abc import Mapping, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SLASH = _words(
    "c cpp cuda csharp d dart glsl go go-mod groovy hlsl java javascript jsonc jsonnet jsx kotlin "
    "less move objectivec php protobuf qml razor rust scala scss solidity swift tsx typescript v "
    "verilog zig fsharp hcl bicep cue gleam cairo apex astro svelte vue css thrift wgsl terraform"
)
_HASH = _words(
    "awk bash bicep cmake crystal cue dockerfile dotenv elixir fish gdscript go-mod graphql hcl "
    "just julia jupyter makefile nginx nim nix perl php powershell python r raku rego ruby toml "
    "yaml caddyfile jsonnet ini terraform starlark sass tcl"
)
_DASH = _words("ada elm haskell lua luau purescript sql vhdl")
_SEMICOLON = _words("asm clojure emacs-lisp lisp scheme racket ini")
_PERCENT = _words("erlang latex prolog matlab")
_ANGLE = _words("html xml vue svelte astro razor markdown handlebars eex erb")
PROSE = frozenset(("markdown", "rst", "asciidoc", "latex", "text"))
"""In these all is text."""

_ONE_LINE = _words(
    "python javascript jsx typescript tsx go java c cpp csharp kotlin scala swift dart groovy "
    "objectivec lua elixir haskell protobuf solidity"
)
"""Languages whose plain strings end with their line."""
_CHARACTER = _words(
    "ada apex c cpp cuda csharp d fsharp go haskell java kotlin objectivec ocaml rust scala swift "
    "zig lisp clojure emacs-lisp scheme racket purescript elm nim v verilog"
)
"""Languages in which single quotes, if anything, hold one character."""
_BACKTICK = _words("javascript jsx typescript tsx vue svelte astro go v")

_COMMENTS: Mapping[str, tuple[frozenset[str], ...]] = {
    r"/\*.*?(?:\*/|\Z)": (_SLASH, frozenset({"sql", "css", "less", "scss"})),
    r"//[^\n]*": (_SLASH - {"css"},),
    r"\#[^\n]*": (_HASH,),
    r"--[^\n]*": (_DASH,),
    r";[^\n]*": (_SEMICOLON,),
    r"%[^\n]*": (_PERCENT,),
    r"<!--.*?(?:-->|\Z)": (_ANGLE,),
    r"\(\*.*?(?:\*\)|\Z)": (frozenset({"ocaml", "fsharp", "pascal"}),),
    r"\{-.*?(?:-\}|\Z)": (frozenset({"haskell", "elm", "purescript"}),),
    r"^=begin\b.*?(?:^=end\b|\Z)": (frozenset({"ruby", "perl", "raku"}),),
    r"--\[\[.*?(?:\]\]|\Z)": (frozenset({"lua", "luau"}),),
}
_KNOWN = _SLASH | _HASH | _DASH | _SEMICOLON | _PERCENT | _ANGLE | {"ocaml", "pascal", "json"}
_LOOSE = (
    r"/\*.*?(?:\*/|\Z)",
    r"<!--.*?(?:-->|\Z)",
    r"^\s*(?://|\#|--|;|%)[^\n]*",
    r"\s(?://|\#)\s[^\n]*",
)
"""Comments of unknown languages."""
_TRIPLE = r'"{3}(?:\\.|.)*?(?:"{3}|\Z)', r"'{3}(?:\\.|.)*?(?:'{3}|\Z)"
_WORD = re.compile(r"[\w$@]+(?:(?:\.|::|->)[\w$@]+)*")
_OF_DECLARATIONS = _words(
    "const let var final static public private protected readonly val def auto string char str "
    "return export default my our set local print println printf puts echo"
)
"""Words that may stand beside a string although nothing is done but to keep or show it."""
MIN_WORDS_WITH_STRING = 2


def _pattern(language: str) -> re.Pattern[str]:
    comments = [p for p, languages in _COMMENTS.items() if any(language in x for x in languages)]
    if language not in _KNOWN:
        comments = [*_LOOSE]
    # The longer beginning first: `--[[` is no comment of one line.
    comments.sort(key=len, reverse=True)
    plain = r"[^{0}\\\n]" if language in _ONE_LINE else r"[^{0}\\]"
    ends = r"(?:{0}|$)" if language in _ONE_LINE else r"(?:{0}|\Z)"
    quotes = ['"', "'"] if language not in _CHARACTER else ['"']
    strings = [f"{q}(?>(?:\\\\.|{plain.format(q)})*){ends.format(q)}" for q in quotes]
    if language in _CHARACTER:
        strings.append(r"'(?:\\[^'\n]{1,8}|[^'\\\n])'")
    if language in _BACKTICK:
        strings.append(r"`(?>(?:\\.|[^`\\])*)(?:`|\Z)")
    text = "|".join(
        [f"(?P<comment>{'|'.join(comments)})"] * bool(comments)
        + [f"(?P<string>{'|'.join([*_TRIPLE, *strings])})"]
    )
    return re.compile(text, re.DOTALL | re.MULTILINE)


def code_lines(text: str, language: str) -> list[str]:
    r"""Return the lines of a text without comments, and with `""` for each string.

    Only `\n` ends a line. *language*: as `selection.paths` names it; empty if unknown.
    """
    if language in PROSE:
        return [""] * (text.count("\n") + 1)

    def blank(match: re.Match[str]) -> str:
        breaks = "\n" * match[0].count("\n")
        return breaks if match.groupdict().get("comment") is not None else f'""{breaks}'

    return _pattern(language).sub(blank, text).split("\n")


def has_code(lines: Sequence[str]) -> bool:
    """Return whether some of these lines of `code_lines` do more than to keep or show a string."""
    for line in lines:
        words = [word for word in _WORD.findall(line) if word not in _OF_DECLARATIONS]
        if len(words) >= (MIN_WORDS_WITH_STRING if '""' in line else 1):
            return True
    return False
