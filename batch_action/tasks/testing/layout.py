"""Find the tests of a source file, and the path for new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from batch_action.tasks.testing import names, placement
from batch_action.tasks.testing.frameworks import SCRIPT_LANGUAGES, Framework, framework_of
from batch_action.tasks.testing.suites import Suites


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTests:
    """The tests of one source file."""

    framework: Framework
    tests: tuple[str, ...]
    """Existing tests, the nearest first."""
    target: str
    """Where new tests belong: the nearest test that is only for this file, or a new file."""
    new_path: str
    """A new file, for when the nearest test cannot be extended."""


@dataclass(frozen=True, kw_only=True)
class SuiteLayout:
    """The test suites of a commit, by convention and by configuration."""

    paths: frozenset[str]
    manifests: Mapping[str, str]
    """The texts of the manifests by path."""
    preferred: str = "auto"
    """`test-framework`."""
    roots: tuple[str, ...] = ()
    """`test-paths`."""

    @cached_property
    def suites(self) -> Suites:
        """What the frameworks collect."""
        return Suites(paths=self.paths, manifests=self.manifests)

    def locate_tests(self, path: str, language: str) -> FileTests | str:
        """Return the tests of a file, or the reason why it gets none."""
        framework = framework_of(path, language, self.manifests, self.preferred)
        if framework is None and language in SCRIPT_LANGUAGES:
            return "no jest, vitest or mocha in the package.json above it: set `test-framework`"
        if framework is None:
            return f"tests in {language or 'this language'} are not supported"
        index = self.suites.index(framework)
        if path in index.tests or self.suites.is_test_support(path, framework):
            return "it is part of the tests"
        stems = names.source_stems(path)
        candidates = {
            (stem, test): None for stem in stems for test in index.tests_by_stem.get(stem, ())
        }
        tests = names.tests_of(path, candidates, framework)
        own = [test for test in tests if self._is_only_for(test, path, framework)]
        candidates_for_new = placement.new_test_paths(path, framework, self.suites, self.roots)
        free = [new for new in candidates_for_new if new not in self.paths]
        new_path = next((new for new in free if self.accepts(new, framework)), None)
        if new_path is None:
            return self._why_there_is_no_place(free, framework)
        target = own[0] if own else new_path
        return FileTests(framework=framework, tests=tests, target=target, new_path=new_path)

    def accepts(self, path: str, framework: Framework) -> bool:
        """Return whether a new file would run as a test at this path, and stop no other one."""
        return (
            path not in self.paths
            and self.suites.collects(path, framework)
            and self.suites.undecided_by(path, framework) is None
            and not self.suites.breaks_session(path, framework)
        )

    def _why_there_is_no_place(self, free: Sequence[str], framework: Framework) -> str:
        collected = [path for path in free if self.suites.collects(path, framework)]
        if free and not collected:
            return f"{framework} is configured to run no test that could be placed for it"
        undecided = (self.suites.undecided_by(path, framework) for path in collected)
        if file := next(filter(None, undecided), None):
            return f"what {file} keeps pytest from collecting is not written as literals"
        return "every name for a new test of it is taken"

    def _is_only_for(self, test: str, path: str, framework: Framework) -> bool:
        if framework == "go":
            return True
        index = self.suites.index(framework)
        stem = index.tests[test]
        is_ambiguous = names.is_ambiguous((stem, test), path, index.sources_by_stem.get(stem, ()))
        return not is_ambiguous and self.suites.collects(test, framework)
