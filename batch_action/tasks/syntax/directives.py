"""Comments that are more than words: tools read them, so they stay where they are."""

import re

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
_LEGAL = re.compile(r"copyright|\(c\)|©|SPDX-|\blicen[sc]ed?\b", re.IGNORECASE)


def in_python(comment: str) -> str | None:
    """The comment, when it is a directive or names rights; None when it is only words."""
    found = _PYTHON.match(comment) or _LEGAL.search(comment)
    return comment.strip() if found else None


def in_script(comment: str) -> tuple[str, ...]:
    """The lines of a comment that are directives or name rights, without the comment's frame."""
    if comment.startswith("/*!") or re.match(r"///\s*<", comment):
        return (comment,)
    lines = comment.split("\n")
    return tuple(
        line.strip().strip("/*").strip()
        for line in lines
        if _SCRIPT.search(line.strip()) or _LEGAL.search(line)
    )
