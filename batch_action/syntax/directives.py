"""Recognize comments that tools read, such as linter directives, and license notices."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_PYTHON = re.compile(
    r"#!|#.*?coding[:=]|#\s*(?:type|fmt|yapf|isort|pylint|flake8|mypy|pyright|pytype|ruff|pragma|"
    r"cython|distutils|lint|doctest|pants|sourcery|batch-action|vim?)\s*:"
    r"|#\s*(?:noqa|nosec|nosemgrep|nosonar|pyre-|nopycln|codeql|lgtm)"
    r"|#\s*%%|#\s*///|#\s*-\*-",
    re.IGNORECASE,
)
_SCRIPT = re.compile(
    r"@ts-(?:ignore|expect-error|nocheck|check)|@(?:jest|vitest)-\w+|@jsx\w*|@vite-ignore"
    r"|@(?:license|preserve|cc_on|flow|noflow|generated|internal|__PURE__)\b|[#@]__\w+__"
    r"|\beslint\b|eslint-|tslint:|prettier-ignore|biome-ignore|deno-|oxlint-|rome-ignore"
    r"|istanbul|[cv]8 ignore|webpack[A-Z]\w*\s*:|turbopack\w*\s*:|sourceMappingURL|sourceURL"
    r"|\$Flow\w+|nosemgrep|nosonar|codeql|lgtm|batch-action\s*:"
    r"|^/\*!|^///\s*<",
    re.IGNORECASE,
)
_GO = re.compile(
    r"//[a-z0-9]+:[a-z0-9]"  # go:build, nolint:…, lint:… and those of any other tool
    r"|/[/*]line |//(?:export|extern|sysnb?|nolint)\b|//\s*\+|//\s*@\w|//\s*#?nosec\b"
    r"|//\s*Code generated .* DO NOT EDIT\.$"
)
"""https://go.dev/doc/comment#syntax, https://pkg.go.dev/cmd/compile#hdr-Compiler_Directives."""
_DOC_TAGS = (
    "param|arg|argument|returns?|throws|exception|example|see|since|remarks|summary|description|"
    "desc|typeParam|property|prop|module|file|fileoverview|overview|author|version|todo|async|"
    "generator|yields?|fires|emits|event|listens|link|default|defaultValue|privateRemarks"
)
_SHAPE = re.compile(
    rf"@(?!(?:{_DOC_TAGS})\b)[\w-]"
    r"|[a-z][\w.-]*:[\w-]"  # gitleaks:allow, swagger:route
    r"|[a-z][\w.-]*(?: [a-z]+)?:\s*[\w-]+(?: [\w-]+)?(?:[=,(\[][^.]*)?$"  # ty: ignore, sourcery skip: all
    r"|\[/?[A-Z]{3,}\b"  # [START x]
    r"|(?i:no(?:inspection|lint|sec|semgrep|qa|sonar|cov|check|format))\b"
    r"|(?:globals?|exported)\s|#?\s*(?:end)?region\b"
    r"|[a-z][\w-]*[-_](?:ignore|disable|enable|skip)\b|skipcq\b|ggignore\b|no mutate\b"
    r"|[a-z][\w-]+ (?:ignore|disable|enable|off|skip)(?:-[a-z]+)*(?:\s*$|=|\s+[A-Z]+\d)"
    r"|[A-Z]{3,}_[A-Z_]{4,}$",  # LCOV_EXCL_LINE
)
"""How comments for tools begin, whichever the tool; tags of documentation are for people."""
_ANYWHERE = re.compile(
    r"@(?:not-)?generated\b|\bnoinspection\b|\bDO NOT EDIT\b|\bDeprecated:|\bLocal Variables:"
    r"|\bswagger:\w+|\b(?:vim?|ex): *set?\b"
    r"|\b[\w-]+: ?(?:allow|ignore|disable|enable|off|skip)\b",
    re.IGNORECASE,
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
_TYPED_TAG = re.compile(r"@\w+\s*\{[^}\n]*\}+(?:\s*\[?[\w.$]+)?")
"""A tag with a type, and the name that has it: `@param {string} name`, `@returns {number}`."""


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
    words = comment.text.strip("# \t")
    match = _PYTHON.match(comment.text) or _LEGAL.search(comment.text) or _SHAPE.match(words)
    return _to_directive(comment, comment.text.strip()) if match else None


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


def drops_typed_tag(old: str, new: str) -> bool:
    """Return whether a type, or the name it is for, changes in the comments of a script.

    Type checkers and editors read both.
    """
    before, after = (
        Counter(" ".join(tag.split()) for tag in _TYPED_TAG.findall(text)) for text in (old, new)
    )
    return bool(before - after)


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
            is_directive = match[0].startswith("#!") or any(of_language([comment]))
        end = match.end() if is_directive else end
    return text[:end]


def _to_directive(comment: CodeComment, text: str) -> CodeComment:
    """Return what may not change: the text, and the position as far as it matters."""
    position_matters = _APPLIES_TO_NEXT.search(text) is not None
    return comment._replace(
        text=text, precedes_code_line=comment.precedes_code_line or not position_matters
    )


def _directive_lines(comment: str) -> tuple[str, ...]:
    if comment.startswith("/*!") or re.match(r"///\s*<", comment):
        return (comment,)
    return tuple(
        _strip_marks(line)
        for line in comment.split("\n")
        if _SCRIPT.search(line.strip()) or _LEGAL.search(line) or _SHAPE.match(_strip_marks(line))
    )


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
            lines = map(_strip_marks, comment.text.split("\n"))
            found = (line for line in lines if _LEGAL.search(line) or _SHAPE.match(line))
            yield from (_to_directive(comment, line) for line in found)
