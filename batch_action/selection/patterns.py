"""Match paths against `paths`, `paths-ignore` and the default ignores, in gitignore syntax."""

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from importlib import resources

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from batch_action.clients.secret_triggers import finder
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.models.files import Selection, SkipKind, SkippedFile, SkipReason
from batch_action.selection.paths import is_prose, is_test_path, language_of
from batch_action.tasks.task import ContextNeeds
from batch_action.text import plural

ABOUT_NO_CODE = (SkipReason.DATA, SkipReason.PROSE)
"""These ignores hold for the tasks about code only."""

DEFAULT_GUIDELINES = Settings.model_fields["guidelines"].default
MAX_NAMED_FILES = 5
"""How many files one warning names."""


_WILDCARDS = re.compile(r"[*?/]+|\[.*")
"""What a literal text of a pattern ends at; of a class the end is not looked for."""
_NEGATED_CLASS = re.compile(r"(?<![\[\\])\[\^(?!/)")
"""pathspec lets `[!a]` match the `/` before a name; git does not."""
_STAR, _FOLDERS_BEFORE, _FOLDERS = "[^/]*", "^(?:.+/)?", "(?:/.+)?"
"""How pathspec writes `*`, a `**/` at the beginning, and `/**` in the middle."""


def without_backtracking(regex: str) -> str:
    """Return a pattern's regular expression that finds the same without trying every combination.

    After the first place at which the text between two wildcards fits, no later place is better:
    the second wildcard matches whatever the first leaves. So that choice is final, an atomic group.
    Without it, `*a*a*a*a*b` on a long name takes hours.
    """
    before = regex.startswith(_FOLDERS_BEFORE)
    first, *others = (
        _without_backtracking_in_names(part)
        for part in regex.removeprefix(_FOLDERS_BEFORE if before else "").split(_FOLDERS)
    )
    if not others:
        return (_FOLDERS_BEFORE if before else "") + first
    start = f"^(?>(?:.+?/)??{first}(?=/))" if before else first
    middle = "".join(f"(?>(?:/.+?)??{part}(?=/))" for part in others[:-1])
    return start + middle + _FOLDERS + others[-1]


def _without_backtracking_in_names(regex: str) -> str:
    first, *others = regex.split(_STAR)
    if not others:
        return first
    fixed = "".join(f"(?>{_STAR}?{text})" for text in others[:-1])
    return first + fixed + _STAR + others[-1]


class Patterns:
    """Patterns of one setting in gitignore syntax; the last that matches a path decides.

    Unlike git, `!folder/` excludes the folder's files from an earlier `*.py`, too.
    """

    def __init__(self, name: str, lines: Sequence[str], *, is_checked: bool = True) -> None:
        """Check the patterns. Raises ConfigError, which names the setting and the pattern.

        Without *is_checked* each is compiled only when a path has its literal text.
        """
        self.lines = tuple(lines)
        for line in self.lines if is_checked else ():
            try:
                _compile(line)
            except ValueError as error:
                raise ConfigError(
                    f"{name}: {line!r} is not a valid pattern.",
                    fix="Write it as in a .gitignore file.",
                ) from error
        self._rules = tuple((longest_literal(line), line) for line in reversed(self.lines))

    def match(self, path: str) -> tuple[bool | None, str]:
        """Return the deciding pattern, and False if it has `!`, None if there is none."""
        path = path[1:] if path.startswith("/") else path.removeprefix("./")
        for literal, line in self._rules:
            # Thousands of paths meet hundreds of patterns: most end here.
            if literal in path:
                regex, include = _compile(line)
                if regex is not None and regex.search(path):
                    return include, line
        return None, ""


@cache
def _compile(line: str) -> tuple[re.Pattern[str] | None, bool | None]:
    """Return a pattern's expression, None for a comment or an empty line, and False with `!`.

    Raises ValueError: the pattern is invalid.
    """
    pattern = GitIgnoreSpecPattern(line)
    if pattern.regex is None:
        return None, pattern.include
    regex = _NEGATED_CLASS.sub("[^/", pattern.regex.pattern)
    return re.compile(without_backtracking(regex)), pattern.include


def longest_literal(line: str) -> str:
    """Return the longest text that each path that a pattern matches contains."""
    pattern = line.strip().removeprefix("!").strip("/")
    # What is escaped, or in brackets that are no class, is not worth more than no text.
    return "" if "\\" in pattern else max(_WILDCARDS.split(pattern), key=len)


class PathRules:
    """Which paths a task reviews.

    `paths` narrows; a pattern with `!` in `paths-ignore` re-includes what another pattern or a
    default ignore excludes.
    """

    def __init__(
        self,
        paths: Sequence[str] = (),
        paths_ignore: Sequence[str] = (),
        *,
        other_tasks_patterns: Sequence[Sequence[str]] = (),
        also_reads: Sequence[str] = (),
    ) -> None:
        """Compile the patterns. Raises ConfigError, which names the input and the invalid pattern.

        *other_tasks_patterns*: `paths` of the monorepo's other rules, whose files are not ours.
        *also_reads*: the prose and data that the task reads.
        """
        self._also_reads = Patterns("also-reads", also_reads)
        self._included = _including("paths", paths) if any(map(str.strip, paths)) else None
        self._ignored = Patterns("paths-ignore", paths_ignore)
        self._other_tasks = [_including("rules", lines) for lines in other_tasks_patterns]

    def skip(self, path: str) -> SkippedFile | None:
        """Return why a path is not reviewed, naming the pattern; None when it is."""

        def skipped(
            reason: SkipReason, detail: str, kind: SkipKind = SkipKind.CONFIG
        ) -> SkippedFile:
            return SkippedFile(path=path, reason=reason, kind=kind, detail=detail)

        chosen = ""
        if self._included:
            included, chosen = self._included.match(path)
            if not included:
                return skipped(SkipReason.NOT_IN_PATHS, chosen)
        for patterns in self._other_tasks:
            claimed, pattern = patterns.match(path)
            if claimed:
                return skipped(SkipReason.NOT_IN_PATHS, f"matched by the rule with {pattern}")
        ignored, pattern = self._ignored.match(path)
        if ignored:
            return skipped(SkipReason.PATHS_IGNORE, pattern)
        if ignored is not None or not _has_default_literal()(path):
            return None
        for reason, defaults in _default_ignores().items():
            matches, pattern = defaults.match(path)
            if matches and not (reason in ABOUT_NO_CODE and self._reads(reason, path, chosen)):
                return skipped(reason, pattern, SkipKind.NAME)
        return None

    def _reads(self, reason: SkipReason, path: str, chosen: str) -> bool:
        """Return whether prose or data is read, because of its task or as `paths` names its kind.

        *chosen*: the pattern of `paths` that matches.
        """
        name, dot, extension = path.rpartition("/")[2].rpartition(".")
        return bool(
            chosen.endswith(dot + extension if name else extension)
            or (reason is SkipReason.PROSE and language_of(path) and not is_prose(path))
            or self._also_reads.match(path)[0]
        )

    def reincludes(self, path: str) -> bool:
        """Return whether `paths-ignore` names this path with `!`, so no default ignore applies."""
        return self._ignored.match(path)[0] is False


def _including(name: str, lines: Sequence[str]) -> Patterns:
    """Compile patterns that narrow; only negations narrow from all files."""
    only_negations = all(line.startswith("!") for line in lines if line.strip())
    return Patterns(name, ["**", *lines] if only_negations else lines)


def find_useless_patterns(lines: Sequence[str], paths: Collection[str]) -> list[str]:
    """Return the patterns that match no path at all: most likely typing errors."""
    positive = [(line, Patterns("paths", [line.removeprefix("!")])) for line in lines if line]
    return [line for line, pattern in positive if not any(pattern.match(p)[0] for p in paths)]


def path_rules(ctx: RunContext) -> PathRules:
    """Return the rules of one task of a run."""
    return PathRules(
        ctx.settings.paths,
        ctx.settings.paths_ignore,
        other_tasks_patterns=ctx.other_tasks_patterns,
        also_reads=ctx.task.also_reads,
    )


def selection_warnings(ctx: RunContext, selection: Selection) -> Iterator[str]:
    """Yield what is most likely not as the user thinks."""
    settings = ctx.settings
    rules = (pattern for patterns in ctx.other_tasks_patterns for pattern in patterns)
    needs_tests = ctx.task.context_needs is ContextNeeds.TESTS
    by_task = settings.paths and settings.paths == ctx.task.default_settings.get("paths")
    given = {
        f"`paths` of {ctx.task.source_path}" if by_task else "`paths`": settings.paths,
        "`paths-ignore`": settings.paths_ignore,
        "`rules`": tuple(dict.fromkeys(rules)),
        "`test-paths`": settings.test_paths if needs_tests else (),
    }
    has_own_guidelines = settings.guidelines != DEFAULT_GUIDELINES
    if any(given.values()) or has_own_guidelines:
        paths = {entry.path for entry in ctx.git.tree(selection.head)}
        for name, lines in given.items():
            if useless := find_useless_patterns(lines, paths):
                yield (
                    f"{name}: no file matches {', '.join(map(repr, useless))}. Patterns are "
                    "those of .gitignore, from the root of the repository."
                )
        missing = [name for name in settings.guidelines if name not in paths]
        if has_own_guidelines and missing:
            yield f"`guidelines`: there is no file {', '.join(map(repr, missing))}."
    if ctx.task.security_only:
        yield from _name_secret_files(selection, hidden=ctx.hides_security_findings)


def _name_secret_files(selection: Selection, *, hidden: bool) -> Iterator[str]:
    """Yield one line about the key and environment files that were not sent, if there are any.

    A password of no known format could not be masked in them.
    """
    reasons = (SkipReason.KEY, SkipReason.ENVIRONMENT)
    paths = [f.path for f in selection.skipped if f.reason in reasons and not is_test_path(f.path)]
    if not paths:
        return
    more = " …" if len(paths) > MAX_NAMED_FILES else ""
    names = "" if hidden else f" ({', '.join(paths[:MAX_NAMED_FILES])}{more})"
    yield (
        f"{plural(len(paths), 'key or environment file')}{names} changed. They are not sent: check "
        "that the repository holds no secret."
    )


@cache
def _default_ignores() -> dict[SkipReason, Patterns]:
    data = (resources.files("batch_action.selection") / "default_ignores.toml").read_text("utf-8")
    patterns = tomllib.loads(data).items()
    return {
        SkipReason(reason): Patterns("default", text.split(), is_checked=False)
        for reason, text in patterns
    }


@cache
def _has_default_literal() -> Callable[[str], bool]:
    """Return what tells whether a path has the literal text of a default ignore: most have none."""
    lines = [line for patterns in _default_ignores().values() for line in patterns.lines]
    return finder("|".join(map(re.escape, map(longest_literal, lines))))
