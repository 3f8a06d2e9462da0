"""Match paths against `paths`, `paths-ignore` and the default ignores, in gitignore syntax."""

from collections.abc import Sequence
from functools import cache

from pathspec import GitIgnoreSpec

from batch_action.errors import ConfigError
from batch_action.models.files import SkippedFile, SkipReason
from batch_action.selection.ignores import DEFAULTS


class PathRules:
    """Which paths a task reviews.

    The last matching pattern decides, as in a `.gitignore`. `paths` narrows; a pattern with `!` in
    `paths-ignore` re-includes what another pattern or a default ignore excludes.
    """

    def __init__(
        self,
        paths: Sequence[str] = (),
        paths_ignore: Sequence[str] = (),
        *,
        other_tasks_patterns: Sequence[Sequence[str]] = (),
        default_ignores: bool = True,
    ) -> None:
        """Compile the patterns. Raises ConfigError, which names the input and the invalid pattern.

        *other_tasks_patterns*: `paths` of the monorepo's other rules, whose files are not ours.
        """
        self.paths = tuple(paths)
        self.paths_ignore = tuple(paths_ignore)
        self.default_ignores = default_ignores
        self._included = _compile("paths", self.paths)
        self._ignored = _compile("paths-ignore", self.paths_ignore)
        self._other_tasks_patterns = [
            (_compile("rules", lines), tuple(lines)) for lines in other_tasks_patterns
        ]

    def skip(self, path: str) -> SkippedFile | None:
        """Return why a path is not reviewed, naming the pattern; None when it is."""
        if any(pattern.strip() for pattern in self.paths):
            included, pattern = self._last_match(self._included, self.paths, path)
            if not included:
                return SkippedFile(path=path, reason=SkipReason.NOT_IN_PATHS, detail=pattern)
        for spec, lines in self._other_tasks_patterns:
            claimed, pattern = self._last_match(spec, lines, path)
            if claimed:
                detail = f"matched by the rule with {pattern}"
                return SkippedFile(path=path, reason=SkipReason.NOT_IN_PATHS, detail=detail)
        ignored, pattern = self._last_match(self._ignored, self.paths_ignore, path)
        if ignored:
            return SkippedFile(path=path, reason=SkipReason.PATHS_IGNORE, detail=pattern)
        return None if ignored is False else self._skip_by_default(path)

    def reincludes(self, path: str) -> bool:
        """Return whether `paths-ignore` names this path with `!`, so no default ignore applies."""
        return self._ignored.check_file(path).include is False

    def _skip_by_default(self, path: str) -> SkippedFile | None:
        if not self.default_ignores:
            return None
        for reason, spec in _default_specs().items():
            index = spec.check_file(path).index
            if index is not None:
                return SkippedFile(path=path, reason=reason, detail=DEFAULTS[reason][index])
        return None

    @staticmethod
    def _last_match(
        spec: GitIgnoreSpec, lines: Sequence[str], path: str
    ) -> tuple[bool | None, str]:
        result = spec.check_file(path)
        return result.include, "" if result.index is None else lines[result.index]


@cache
def _default_specs() -> dict[SkipReason, GitIgnoreSpec]:
    return {reason: GitIgnoreSpec.from_lines(lines) for reason, lines in DEFAULTS.items()}


def _compile(name: str, patterns: Sequence[str]) -> GitIgnoreSpec:
    for pattern in patterns:
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError as error:
            raise ConfigError(
                f"{name}: {pattern!r} is not a valid pattern.",
                fix="Write it as in a .gitignore file.",
            ) from error
    return GitIgnoreSpec.from_lines(patterns)
