"""Recognize test files by name, and the source file that each tests."""

import fnmatch
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from batch_action.tasks.testing.frameworks import Framework, PytestConfig

TEST_FOLDERS = frozenset(
    {"tests", "test", "testing", "__tests__", "spec", "specs", "unit", "integration", "e2e"}
)
"""Folders of tests, whose names say nothing about what is tested."""
SOURCE_FOLDERS = frozenset({"src", "lib", "app", "source", "python"})
"""Folders of code that the paths of tests often leave out."""
_SCRIPT = r"[cm]?[jt]sx?"
_SCRIPT_TEST = re.compile(rf"(?P<stem>.+)\.(?P<kind>test|spec)\.(?P<ext>{_SCRIPT})")
_SCRIPT_SOURCE = re.compile(rf"(?P<stem>.+)\.(?P<ext>{_SCRIPT})")


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
