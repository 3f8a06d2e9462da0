"""Recognize comments that tools read, such as linter directives, and license notices."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_DOC_TAGS = (
    "param|arg|argument|returns?|throws|exception|example|see|since|remarks|summary|description|"
    "desc|typeParam|property|prop|module|file|fileoverview|overview|author|version|todo|async|"
    "generator|yields?|fires|emits|event|listens|link|default|defaultValue|privateRemarks"
)
_WORDS_OF_PEOPLE = (
    "TODO|FIXME|NOTE|XXX|HACK|BUG|WARN(?:ING)?|IMPORTANT|CAUTION|TIP|INFO|NONE|NOTICE|NOTHING"
    "|NORMAL"
)
_OFF = "ignore|disable|enable|off|skip"
_VALUE = r"[\w-]+(?: [\w-]+)?(?:(?:[,(][^.]*)?$| ?[=\[])|[\"'{]|\[\"|/(?!/)|[+-]+[\w-]|\d+,"
_SHAPES = (
    rf"@(?!(?:{_DOC_TAGS})\b)[\w-]",
    # gitleaks:allow, swagger:route, snippet-start:[x], tag::x, :nocov:
    r"[a-z][\w.-]*::?[\w\[-]|:\w+:$",
    # ty: ignore, fmt: off, sourcery skip: all, IWYU pragma: keep, and whatever takes a value
    rf"(?:[a-z][\w.-]*|[A-Za-z]+ pragma)(?: [@a-z][\w/@-]*)?:\s*(?:{_VALUE})",
    # deno-types=, # sourceMappingURL=, #__PURE__, $FlowFixMe
    r"[a-z]+(?:-[a-z]+)+=\S|[#@$] ?\w+=|[#@]__\w+__|\$[A-Z]\w+",
    # [START x], [!code highlight], coverity[leaked_storage], lgtm[py/x], /// <reference
    r"\[/?[A-Z]{3,}\b|\[!|[a-z]+ ?\[[a-z]+[_/-][\w/-]+\](?:$|:|\s+-)|/\s*<",
    r"(?i:no(?:inspection|lint|sec|semgrep|qa|sonar|cov|check|format))\b",
    # NOPMD, CHECKSTYLE:OFF, LINT.IfChange, LCOV_EXCL_LINE
    rf"(?!(?:{_WORDS_OF_PEOPLE})\b)(?:NO[A-Z]{{3,}}\b|[A-Z]{{3,}}(?:_[A-Z]+)*: ?[\w-]+$)",
    r"[A-Z]{3,}\.[A-Z]\w+(?:\([^)]*\))?(?:$|:)|[A-Z]{3,}_[A-Z_]{4,}$",
    r"#?\s*(?:end)?(?:doc)?region\b",
    # deno-lint-ignore-file, cppcheck-suppress x, highlight-next-line, keep-sorted start
    r"[a-z][\w-]*[-_](?:ignore|disable|enable|skip|suppress|fixme)\b",
    r"[a-z][\w-]*[- ](?:on|off|start|end|stop|strict|unsafe)$|[a-z]+(?:-[a-z]+){2,}$",
    # hadolint ignore=DL3006, jshint ignore:line, Stryker disable all
    rf"[A-Za-z][\w-]+ (?:{_OFF})(?:-[a-z]+)*(?:\s*$|[=:]|\s+(?:[A-Z]+\d|(?:all|next|file)(?:$|:)))",
)
_TAG = re.compile(_SHAPES[0])
_SHAPE = re.compile("|".join(_SHAPES))
"""How comments for tools begin, whichever the tool; tags of documentation are for people."""
_LIKE_PROSE = re.compile(
    r"(?i:pragma|lgtm|(?:else,? )?falls?[ -]?thr(?:ough|u))\b|(?:istanbul|[cv]8) ignore\b"
    r"|(?:eslint|eslint-env|jshint|shellcheck|globals?|exported)\s"
    r"|(?:skipcq|ggignore|no mutate)\b|pyre-",
)
"""Comments for tools that by their shape could be for people."""
_PYTHON = re.compile(
    r"#!|#.*?coding[:=]"  # the interpreter; PEP 263
    r"|#\s*type:"  # PEP 484: any type may follow; then cells, PEP 723, Emacs, snippets
    r"|#\s*(?:%%|///(?!/)|-\*-|--8<--)|#\s[+-](?:$|\s*\[|\s\w+=)",
    re.IGNORECASE,
)
_SCRIPT = re.compile(
    r"@(?:license|preserve|cc_on|(?:no)?flow|jsx\w*)\b|[#@]__\w+__"  # found anywhere in a comment
    r"|^/\*!|^///\s*<",
    re.IGNORECASE,
)
_GO = re.compile(
    r"//[a-z0-9]+:[a-z0-9]"  # go:build, nolint:…, lint:… and those of any other tool
    r"|/[/*]line |//(?:export|extern|sysnb?)\b|//\s*\+|//\s*@\w"
    r"|//\s*Code generated .* DO NOT EDIT\.$"
)
"""https://go.dev/doc/comment#syntax, https://pkg.go.dev/cmd/compile#hdr-Compiler_Directives."""
_ANYWHERE = re.compile(
    r"@(?:not-)?generated\b|\bnoinspection\b|\bDO NOT EDIT\b|(?-i:\bDeprecated:(?!:))"
    r"|\bLocal Variables:"
    r"|\bswagger:\w+|\b(?:vim?|ex): *set?\b"
    # `force: Skip the check.` is for people.
    r"|\b[\w-]+:(?:allow|ignore|disable|enable|off|skip)\b"
    r"|\b[\w-]+: (?:allow|ignore|disable|enable|off|skip)(?:-\w+)*\s*(?:$|[\[=(])"
    r"|\bpragma: ?(?:allow|white)list\b",
    re.IGNORECASE | re.MULTILINE,
)
"""What tools look for in the whole text of a file, docstrings included."""
_OLD_BUILD_CONSTRAINT = re.compile(r"//\s*\+build\b")
_EXAMPLE_OUTPUT = re.compile(r"/[/*]\s*(?:unordered )?output:", re.IGNORECASE)
_LEGAL = re.compile(r"copyright|\(c\)|©|SPDX-|\blicen[sc]ed?\b", re.IGNORECASE)
_APPLIES_TO_NEXT = re.compile(
    r"next-line|disable-next|ignore next|ignore-next|@ts-(?:ignore|expect-error)"
    r"|(?:prettier|biome|rome|oxlint|deno-lint|deno-fmt)-ignore(?!-)",
    re.IGNORECASE,
)
"""Directives about the next line or statement: nothing may be inserted between."""


_HEAD = {
    "python": re.compile(r"\A(?:[ \t\f]*(?:#[^\n]*)?\n)*"),
    "script": re.compile(r"\A(?:\s+|//[^\n]*|#![^\n]*|/\*.*?\*/)*", re.DOTALL),
}
"""The comments before the first code of a file."""
_HEAD_COMMENT = {
    "python": re.compile(r"#[^\n]*"),
    "script": re.compile(r"//[^\n]*|#![^\n]*|/\*.*?\*/", re.DOTALL),
}
_READ_WHOLE = re.compile(r"\A///\s*<|@(?:swagger|openapi|asyncapi)\b")
"""Comments of which each line counts: references, and YAML of an interface."""
_TYPED_TAG = re.compile(r"@\w+\s*(?=\{)")
_ABOUT_NEXT_CODE = re.compile(r"[\w{}]|@(?:typedef|type|template|callback|import|overload|this)\b")
"""Lines of a doc comment that are not about the whole file."""
_NAME_OF_TYPE = re.compile(r"\s*\[?[\w.$]+")


class CodeComment(NamedTuple):
    """A comment and its position."""

    token_index: int
    """How many code tokens come before it."""
    text: str
    own_line: bool
    """Nothing comes before it on its line."""
    precedes_code_line: bool = False
    """Code follows it on the next line."""


def python_directive(comment: CodeComment) -> CodeComment | None:
    """Return the comment if it is a directive or a license notice, else None."""
    is_read = (
        _PYTHON.match(comment.text)
        or _LEGAL.search(comment.text)
        # Several comments behind each other, on one line.
        or any(map(_is_for_tools, re.split(r"\s#+", comment.text.lstrip("#"))))
    )
    return _to_directive(comment, comment.text.strip()) if is_read else None


def script_directives(comments: Iterable[CodeComment]) -> Iterator[CodeComment]:
    """Yield the lines of JavaScript comments that are directives or license notices."""
    return (
        _to_directive(comment, line)
        for comment in comments
        for line in _directive_lines(comment.text)
    )


def changes_markers(old: str, new: str) -> bool:
    """Return whether the texts differ in what tools look for anywhere in a file."""
    before, after = (Counter(map(str.lower, _ANYWHERE.findall(text))) for text in (old, new))
    return before != after


def moves_head(old: str, new: str, language: str) -> bool:
    """Return whether anything changes above a directive at the top of a file.

    An interpreter is read in the first line only, an encoding in the first two, and settings of a
    whole file only before its first code or docstring.
    """
    head = _head(old.replace("\r\n", "\n"), language)
    return not new.replace("\r\n", "\n").startswith(head)


def typed_tags(comment: CodeComment) -> Iterator[tuple[int, str]]:
    """Yield the tags with a type, and the name that has it: `@param {string} name`, `@type {A}`.

    Type checkers and editors read both, for the code that the comment is at.
    """
    text = re.sub(r"\n\s*\*?", "\n", comment.text)
    for tag in _TYPED_TAG.finditer(text):
        end, depth = tag.end(), 0
        for end in range(tag.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if not depth:
                break
        name = _NAME_OF_TYPE.match(text, end + 1)
        yield (
            comment.token_index,
            " ".join(text[tag.start() : name.end() if name else end + 1].split()),
        )


def _head(text: str, language: str) -> str:
    """Return the beginning of a text, up to its last directive before any code."""
    kind = "python" if language == "python" else "script"
    found = _HEAD[kind].match(text)
    end = 0
    for match in _HEAD_COMMENT[kind].finditer(found[0] if found else ""):
        comment = CodeComment(0, match[0], own_line=True)
        if kind == "python":
            is_directive = python_directive(comment) is not None
        else:
            of_language = go_directives if language == "go" else script_directives
            found_in = of_language([comment])
            is_directive = match[0].startswith("#!") or any(
                not match[0].startswith("/**")
                or not _ABOUT_NEXT_CODE.match(each.text)
                or _LEGAL.search(each.text)
                for each in found_in
            )
        end = match.end() if is_directive else end
    return text[:end]


def _is_for_tools(words: str) -> bool:
    """Return whether a comment without its marks is for a tool."""
    words = words.strip()
    return bool(_SHAPE.match(words) or _LIKE_PROSE.match(words.removeprefix("#")))


def _to_directive(comment: CodeComment, text: str) -> CodeComment:
    """Return what may not change: the text, and the position as far as it matters."""
    position_matters = _APPLIES_TO_NEXT.search(text) is not None
    return comment._replace(
        text=text, precedes_code_line=comment.precedes_code_line or not position_matters
    )


def _directive_lines(comment: str) -> tuple[str, ...]:
    if comment.startswith("/*!") or _READ_WHOLE.search(comment):
        return (comment,)
    is_doc = comment.startswith("/**") and "\n" in comment
    is_read = _is_tag_or_marker if is_doc else _is_for_tools
    return tuple(
        _strip_marks(line)
        for line in comment.split("\n")
        if _SCRIPT.search(line.strip()) or _LEGAL.search(line) or is_read(_strip_marks(line))
    )


def _is_tag_or_marker(words: str) -> bool:
    """Return whether a tool reads a line inside of a doc comment: not its examples and prose."""
    return bool(_TAG.match(words) or _ANYWHERE.search(words))


def _strip_marks(line: str) -> str:
    return line.strip().strip("/*").strip()


def go_directives(comments: Sequence[CodeComment], cgo_tokens: int = 0) -> Iterator[CodeComment]:
    """Yield the Go comments, or lines of them, that are directives or license notices.

    *cgo_tokens* is how many tokens there are up to the end of `import "C"`, whose comment is C
    code: all comments until there count. With an old build constraint all comments before the
    package clause count, because it needs the blank line after it
    (https://pkg.go.dev/go/build/constraint).
    """
    if any(_OLD_BUILD_CONSTRAINT.match(comment.text) for comment in comments):
        cgo_tokens = max(cgo_tokens, 1)
    output_index = -1
    for comment in comments:
        # The expected output of an example is all comments from `// Output:` to its end.
        if _EXAMPLE_OUTPUT.match(comment.text):
            output_index = comment.token_index
        is_output = comment.token_index == output_index
        if comment.token_index < cgo_tokens or is_output or _GO.match(comment.text):
            yield _to_directive(comment, comment.text)
        else:
            # After a tab is an example: https://go.dev/doc/comment#code
            is_read = _is_tag_or_marker if comment.text.startswith("//\t") else _is_for_tools
            lines = map(_strip_marks, comment.text.split("\n"))
            found = (line for line in lines if _LEGAL.search(line) or is_read(line))
            yield from (_to_directive(comment, line) for line in found)
