"""The user's `paths` and `paths-ignore` and our default ignores, in gitignore's own language."""

from collections.abc import Sequence
from functools import cached_property, lru_cache

from pathspec import GitIgnoreSpec

from batch_action.errors import ConfigError
from batch_action.models.files import SkippedFile, SkipReason
from batch_action.selection.ignores import DEFAULTS


class PathRules:
    """Which paths are wanted at all.

    The last matching pattern decides, as in a `.gitignore`. `paths` narrows; a pattern with `!` in
    `paths-ignore` brings back what another pattern or a default ignore took away.
    """

    def __init__(
        self,
        paths: Sequence[str] = (),
        paths_ignore: Sequence[str] = (),
        *,
        other_tasks_patterns: Sequence[Sequence[str]] = (),
        default_ignores: bool = True,
    ) -> None:
        """Compile the patterns.

        Args:
            paths: the input.
            paths_ignore: the input.
            other_tasks_patterns: `paths` of the rules of a monorepo that have their files for themselves.
            default_ignores: whether ours hold.

        Raises:
            ConfigError: a pattern is none; the sentence names the input and the pattern.

        """
        self.paths = tuple(paths)
        self.paths_ignore = tuple(paths_ignore)
        self.default_ignores = default_ignores
        self._wanted = _compile("paths", self.paths)
        self._unwanted = _compile("paths-ignore", self.paths_ignore)
        self._other_tasks_patterns = [
            (_compile("rules", lines), tuple(lines)) for lines in other_tasks_patterns
        ]

    def skip(self, path: str) -> SkippedFile | None:
        """Return why a path is not wanted, naming the pattern; None when it is."""
        if any(pattern.strip() for pattern in self.paths):
            wanted, pattern = self._last(self._wanted, self.paths, path)
            if not wanted:
                return SkippedFile(path=path, reason=SkipReason.NOT_IN_PATHS, detail=pattern)
        for spec, lines in self._other_tasks_patterns:
            claimed, pattern = self._last(spec, lines, path)
            if claimed:
                detail = f"the rule of {pattern} has it"
                return SkippedFile(path=path, reason=SkipReason.NOT_IN_PATHS, detail=detail)
        unwanted, pattern = self._last(self._unwanted, self.paths_ignore, path)
        if unwanted:
            return SkippedFile(path=path, reason=SkipReason.PATHS_IGNORE, detail=pattern)
        if unwanted is False:
            return None
        return self._by_default(path)

    def rescues(self, path: str) -> bool:
        """Tell whether the user named this path with `!`: then the default ignores keep quiet."""
        return self._unwanted.check_file(path).include is False

    def _by_default(self, path: str) -> SkippedFile | None:
        if not self.default_ignores:
            return None
        for reason, spec in self._defaults.items():
            index = spec.check_file(path).index
            if index is not None:
                return SkippedFile(path=path, reason=reason, detail=DEFAULTS[reason][index])
        return None

    @cached_property
    def _defaults(self) -> dict[SkipReason, GitIgnoreSpec]:
        return _default_specs()

    @staticmethod
    def _last(spec: GitIgnoreSpec, lines: Sequence[str], path: str) -> tuple[bool | None, str]:
        found = spec.check_file(path)
        return found.include, "" if found.index is None else lines[found.index]


@lru_cache(maxsize=1)
def _default_specs() -> dict[SkipReason, GitIgnoreSpec]:
    return {reason: GitIgnoreSpec.from_lines(lines) for reason, lines in DEFAULTS.items()}


def _compile(name: str, patterns: Sequence[str]) -> GitIgnoreSpec:
    for pattern in patterns:
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError as error:
            raise ConfigError(
                f"{name}: {pattern!r} is no pattern.", fix="Write it as in a .gitignore file."
            ) from error
    return GitIgnoreSpec.from_lines(patterns)
