"""Find the tests of a source file, and the path for new ones."""

import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from batch_action.tasks.testing.frameworks import (
    SCRIPT_LANGUAGES,
    Framework,
    PytestConfig,
    framework_of,
    join_path,
    parent_folders,
    project_of,
    pytest_config_of,
)

_SCRIPT_SUFFIXES = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
SUFFIXES: Mapping[Framework, tuple[str, ...]] = {
    "pytest": (".py",),
    "jest": _SCRIPT_SUFFIXES,
    "vitest": _SCRIPT_SUFFIXES,
    "go": (".go",),
}
TEST_FOLDERS = frozenset(
    {"tests", "test", "testing", "__tests__", "spec", "specs", "unit", "integration", "e2e"}
)
"""Folders of tests, whose names say nothing about what is tested."""
SOURCE_FOLDERS = frozenset({"src", "lib", "app", "source", "python"})
"""Folders of code that the paths of tests often leave out."""
_SCRIPT = r"[cm]?[jt]sx?"
_SCRIPT_TEST = re.compile(rf"(?P<stem>.+)\.(?P<kind>test|spec)\.(?P<ext>{_SCRIPT})")
_SCRIPT_SOURCE = re.compile(rf"(?P<stem>.+)\.(?P<ext>{_SCRIPT})")


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


@dataclass(frozen=True, slots=True)
class SuiteIndex:
    """The tests and the source files of one framework, by name."""

    framework: Framework
    tests: frozenset[str]
    tests_by_stem: Mapping[str, Sequence[str]]
    sources_by_stem: Mapping[str, Sequence[str]]

    @classmethod
    def create(
        cls, framework: Framework, paths: Sequence[str], layout: "SuiteLayout"
    ) -> "SuiteIndex":
        """Sort the files of the framework's languages."""
        tests = frozenset(
            path for path in paths if is_test(path, framework, layout.pytest_config(path))
        )
        return cls(
            framework,
            tests,
            _group((test_stem(path, framework), path) for path in paths if path in tests),
            _group(
                (stem, path) for path in paths if path not in tests for stem in source_stems(path)
            ),
        )

    def candidates(self, path: str) -> frozenset[str]:
        """Return the tests whose names fit a source file."""
        if self.framework == "go":
            return self.tests
        stems = source_stems(path)
        return frozenset(test for stem in stems for test in self.tests_by_stem.get(stem, ()))

    def possible_sources(self, test: str) -> Sequence[str]:
        """Return the source files whose names fit a test."""
        return self.sources_by_stem.get(test_stem(test, self.framework), ())


def _group(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    groups: dict[str, list[str]] = {}
    for name, path in pairs:
        groups.setdefault(name, []).append(path)
    return groups


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
    def index(self) -> Mapping[Framework, SuiteIndex]:
        """Tests and source files by framework."""
        return {
            name: SuiteIndex.create(name, [p for p in self.paths if p.endswith(suffixes)], self)
            for name, suffixes in SUFFIXES.items()
        }

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder of the commit."""
        return frozenset(folder for path in self.paths for folder in parent_folders(path))

    def pytest_config(self, path: str) -> PytestConfig:
        """Return the pytest configuration of a file."""
        return pytest_config_of(path, self.manifests)

    def locate_tests(self, path: str, language: str) -> FileTests | str:
        """Return the tests of a file, or the reason why it gets none."""
        framework = framework_of(path, language, self.manifests, self.preferred)
        if framework is None and language in SCRIPT_LANGUAGES:
            return "no jest or vitest in the package.json above it: set `test-framework`"
        if framework is None:
            return f"tests in {language or 'this language'} are not supported"
        index = self.index[framework]
        if path in index.tests or is_test_support(path):
            return "it is part of the tests"
        tests = tests_of(path, index.candidates(path), framework)
        own = [
            test
            for test in tests
            if not is_ambiguous(test, path, index.possible_sources(test), framework)
        ]
        new_path = self._new_test_path(path, framework, index.tests)
        if new_path is None:
            return "every name for a new test of it is taken"
        target = own[0] if own else new_path
        return FileTests(framework=framework, tests=tests, target=target, new_path=new_path)

    def _new_test_path(self, path: str, framework: Framework, tests: frozenset[str]) -> str | None:
        """Return the first free path for a new test file."""
        if framework == "go":
            stem = str(PurePosixPath(path).with_suffix(""))
            candidates = [f"{stem}_test.go", f"{stem}_more_test.go"]
        elif framework == "pytest":
            candidates = self._pytest_paths(path, tests)
        else:
            candidates = self._script_paths(path, tests)
        return next((path for path in candidates if path not in self.paths), None)

    def _pytest_paths(self, path: str, tests: frozenset[str]) -> list[str]:
        stem, *longer = source_stems(path)
        project = project_of(path, self.paths)
        folder = next(parent_folders(path))
        names = [f"test_{name}.py" for name in (stem, *longer, f"{stem}_more")]
        roots = self._test_roots(project, self.pytest_config(path).roots)
        if roots or not any(next(parent_folders(test)) == folder for test in tests):
            root = roots[0] if roots else join_path(project, "tests")
            folder = self._mirror_folders(path, root, project)
        return [join_path(folder, name) for name in names]

    def _script_paths(self, path: str, tests: frozenset[str]) -> list[str]:
        pure = PurePosixPath(path)
        project = project_of(path, self.paths)
        own_tests = [test for test in tests if not project or test.startswith(f"{project}/")]
        kind = "spec" if _is_more_common(".spec.", ".test.", own_tests) else "test"
        folder = next(parent_folders(path))
        if self.roots or _is_more_common("/test", "/__tests__/", own_tests):
            roots = self._test_roots(project, ())
            folder = self._mirror_folders(path, roots[0], project) if roots else folder
        elif 2 * sum("__tests__/" in test for test in own_tests) > len(own_tests):
            folder = join_path(folder, "__tests__")
        names = (pure.stem, f"{pure.stem}.more")
        return [join_path(folder, f"{name}.{kind}{pure.suffix}") for name in names]

    def _test_roots(self, project: str, configured: Sequence[str]) -> list[str]:
        """Return the test folders of a project: from `test-paths`, configured, or the usual ones.

        The folders of `test-paths` outside of the project count only if none is inside.
        """
        set_by_user = [root.strip("/") for root in self.roots]
        inside = [
            root for root in set_by_user if not project or f"{root}/".startswith(f"{project}/")
        ]
        usual = [join_path(project, name) for name in ("tests", "test")]
        existing = [root for root in (*configured, *usual) if root in self.folders]
        return [*(inside or set_by_user), *existing]

    def _mirror_folders(self, path: str, root: str, project: str) -> str:
        """Return the deepest folder below *root* that mirrors the folders of a source file."""
        relative = path.removeprefix(f"{project}/") if project else path
        parts = [part for part in PurePosixPath(relative).parts[:-1] if part not in SOURCE_FOLDERS]
        deepest = root
        for start in range(len(parts)):
            folder = root
            for part in parts[start:]:
                if join_path(folder, part) not in self.folders:
                    break
                folder = join_path(folder, part)
            deepest = max(deepest, folder, key=len)
        return deepest


def _is_more_common(text: str, other: str, paths: Collection[str]) -> bool:
    """Return whether more paths contain the one text than the other."""
    return sum(text in f"/{path}" for path in paths) > sum(other in f"/{path}" for path in paths)


def is_test(path: str, framework: str, pytest: PytestConfig) -> bool:
    """Return whether the framework would run this file as a test."""
    pure = PurePosixPath(path)
    match framework:
        case "pytest":
            return any(fnmatch.fnmatchcase(pure.name, pattern) for pattern in pytest.patterns)
        case "go":
            return pure.name.endswith("_test.go")
        case "jest" | "vitest":
            in_folder = "__tests__" in pure.parts and bool(_SCRIPT_SOURCE.fullmatch(pure.name))
            return in_folder or bool(_SCRIPT_TEST.fullmatch(pure.name))
        case _:
            return False


def is_test_support(path: str) -> bool:
    """Return whether a file supports tests, so that it is not tested itself."""
    pure = PurePosixPath(path)
    names = {"conftest.py", "setupTests.ts", "setupTests.js", "jest.setup.js", "vitest.setup.ts"}
    folders = TEST_FOLDERS | {"testdata", "fixtures", "__mocks__", "mocks"}
    return pure.name in names or any(part in folders for part in pure.parts[:-1])


def source_stems(path: str) -> tuple[str, ...]:
    """Return the names that a test of this file may have, the most specific first."""
    pure = PurePosixPath(path)
    stem, parent = pure.stem.removesuffix(".d"), pure.parent.name
    if stem in ("__init__", "index", "mod", "main") and parent:
        return (parent, f"{parent}_{stem}", stem)
    return (stem, f"{parent}_{stem}") if parent else (stem,)


def test_stem(path: str, framework: Framework) -> str:
    """Return the name of a test without the prefix or suffix that makes it a test."""
    name = PurePosixPath(path).name
    match framework:
        case "pytest":
            stem = name.removesuffix(".py")
            return stem.removeprefix("test_") if stem.startswith("test_") else stem[:-5]
        case "go":
            return name.removesuffix("_test.go")
        case "jest" | "vitest":
            match = _SCRIPT_TEST.fullmatch(name) or _SCRIPT_SOURCE.fullmatch(name)
            return match["stem"] if match else name


def tests_of(path: str, tests: Collection[str], framework: Framework) -> tuple[str, ...]:
    """Return the tests of one file among all *tests*, the nearest first."""
    stems = source_stems(path)
    if framework == "go":
        test = str(PurePosixPath(path).with_suffix("")) + "_test.go"
        return (test,) if test in tests else ()
    folders = _distinctive_folders(path)
    found: list[tuple[int, int, str]] = []
    for test in tests:
        stem = test_stem(test, framework)
        test_folders = _distinctive_folders(test)
        if stem in stems and _is_subsequence(test_folders, folders):
            found.append((-len(test_folders), stems.index(stem), test))
    return tuple(test for _, _, test in sorted(found))


def is_ambiguous(test: str, path: str, sources: Iterable[str], framework: Framework) -> bool:
    """Return whether a test matches another source file at least as well as the one at *path*."""
    if framework == "go":
        return False
    stem, test_folders = test_stem(test, framework), _distinctive_folders(test)
    unmatched = len(_distinctive_folders(path)) - len(test_folders)
    return any(
        stem in source_stems(other)
        and _is_subsequence(test_folders, _distinctive_folders(other))
        and len(_distinctive_folders(other)) - len(test_folders) <= unmatched
        for other in sources
        if other != path
    )


def _distinctive_folders(path: str) -> tuple[str, ...]:
    """Return the folders of a path that say what the file is about."""
    parts = PurePosixPath(path).parts[:-1]
    return tuple(part for part in parts if part not in TEST_FOLDERS | SOURCE_FOLDERS)


def _is_subsequence(items: Sequence[str], sequence: Sequence[str]) -> bool:
    """Return whether all items are in the sequence, in the same order."""
    rest = iter(sequence)
    return all(item in rest for item in items)
