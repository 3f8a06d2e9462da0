"""Comments that are more than words: tools read them, so they stay where they are."""

import re
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
    r"//[a-z0-9]+:[a-z0-9]"  # go:build, nolint:…, lint:… and whatever a tool calls its own
    r"|/[/*]line |//(?:export|extern|sysnb?|nolint)\b|//\s*\+|//\s*@\w|//\s*#?nosec\b"
    r"|//\s*Code generated .* DO NOT EDIT\.$"
)
"""https://go.dev/doc/comment#syntax, https://pkg.go.dev/cmd/compile#hdr-Compiler_Directives."""
_OLD_BUILD = re.compile(r"//\s*\+build\b")
_OUTPUT = re.compile(r"/[/*]\s*(?:unordered )?output:", re.IGNORECASE)
_LEGAL = re.compile(r"copyright|\(c\)|©|SPDX-|\blicen[sc]ed?\b", re.IGNORECASE)
_NEXT = re.compile(
    r"next-line|ignore next|ignore-next|@ts-(?:ignore|expect-error)"
    r"|(?:prettier|biome|rome|oxlint|deno-lint|deno-fmt)-ignore(?!-)",
    re.IGNORECASE,
)
"""Those that speak of what comes next: nothing may come between."""


class Comment(NamedTuple):
    """A comment, and where it stands."""

    before: int
    """How many tokens of the code stand before it."""
    text: str
    alone: bool
    """Nothing stands before it on its line."""
    leads: bool = False
    """What comes next is code, on a line of its own."""


def in_python(comment: Comment) -> Comment | None:
    """The comment, when it is a directive or names rights; None when it is only words."""
    found = _PYTHON.match(comment.text) or _LEGAL.search(comment.text)
    return _kept(comment, comment.text.strip()) if found else None


def in_scripts(comments: Iterable[Comment]) -> Iterator[Comment]:
    """The lines of comments that are directives or name rights, without the comment's frame."""
    return (_kept(one, line) for one in comments for line in _in_script(one.text))


def _kept(comment: Comment, text: str) -> Comment:
    """What must stay as it is: these words, and where they stand."""
    return comment._replace(text=text, leads=comment.leads or not _NEXT.search(text))


def _in_script(comment: str) -> tuple[str, ...]:
    if comment.startswith("/*!") or re.match(r"///\s*<", comment):
        return (comment,)
    lines = comment.split("\n")
    return tuple(
        line.strip().strip("/*").strip()
        for line in lines
        if _SCRIPT.search(line.strip()) or _LEGAL.search(line)
    )


def in_go(comments: Sequence[Comment], foreign: int = 0) -> Iterator[Comment]:
    """As of scripts; *foreign*: how many tokens end with the import of cgo, whose comment is C.

    Until there each comment counts, and before the package also below an old build constraint: it
    is none any more without the blank line after it (https://pkg.go.dev/go/build/constraint).
    """
    if any(_OLD_BUILD.match(one.text) for one in comments):
        foreign = max(foreign, 1)
    printed = -1
    for one in comments:
        # What an example prints stands in the comments from `// Output:` to the end of its body.
        if _OUTPUT.match(one.text):
            printed = one.before
        if one.before < foreign or one.before == printed or _GO.match(one.text):
            yield _kept(one, one.text)
        else:
            lines = (line.strip().strip("/*").strip() for line in one.text.split("\n"))
            yield from (_kept(one, line) for line in lines if _LEGAL.search(line))
