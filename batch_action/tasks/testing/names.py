"""Which test belongs to which source file, by their names and folders."""

import fnmatch
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from batch_action.tasks.testing.frameworks import Framework

TEST_FOLDERS = frozenset(
    {"tests", "test", "testing", "__tests__", "spec", "specs", "unit", "integration", "e2e"}
)
"""Folders whose names say nothing about what is tested. Not each file in them is a test."""
SOURCE_FOLDERS = frozenset({"src", "lib", "app", "source", "python"})
"""Folders of code that the paths of tests often leave out."""
SCRIPT_TEST = re.compile(
    r"(?:test[_-])?(?P<stem>.+?)"
    r"(?P<kind>(?:[._-](?:unit|int|integration|e2e|it))?[._-](?:tests?|specs?|unit|cy|e2e))"
    r"(?P<ext>\.[cm]?[jt]sx?)"
)
"""Names that only tests of scripts have, whatever a configuration says."""
_SUPPORT = re.compile(
    r"conftest\.py|(?:setup[-_.]?tests?|(?:jest|vitest|mocha|tests?)[-_.](?:setup|teardown|globals?)[\w.-]*)"
    r"\.[cm]?[jt]sx?",
    re.IGNORECASE,
)
_INDEX_NAMES = frozenset({"__init__", "__main__", "index", "mod", "main"})


def is_support_name(path: str) -> bool:
    """Return whether a file's name says that it sets tests up."""
    return bool(_SUPPORT.fullmatch(PurePosixPath(path).name))


def source_stems(path: str) -> tuple[str, ...]:
    """Return the names that a test of this file may have, the most specific first."""
    pure = PurePosixPath(path)
    stem, parent = pure.stem, pure.parent.name
    if stem in _INDEX_NAMES and parent:
        return (parent, f"{parent}_{stem}", stem)
    stems = (stem, f"{parent}_{stem}") if parent else (stem,)
    return (*stems, stem.strip("_")) if stem.strip("_") not in ("", stem) else stems


def test_stem(path: str, framework: Framework, patterns: Iterable[str]) -> str:
    """Return the name of a test without what makes it a test.

    *patterns*: pytest's names of test files.
    """
    name = PurePosixPath(path).name
    match framework:
        case "pytest":
            for pattern in patterns:
                before, star, after = PurePosixPath(pattern).name.partition("*")
                if star and fnmatch.fnmatchcase(name, f"{before}*{after}"):
                    return name.removeprefix(before).removesuffix(after).removesuffix(".py")
            return name.removesuffix(".py")
        case "go":
            return name.removesuffix("_test.go")
        case "jest" | "vitest" | "mocha":
            match = SCRIPT_TEST.fullmatch(name)
            return match["stem"] if match else PurePosixPath(name).stem


def tests_of(path: str, tests: Iterable[tuple[str, str]], framework: Framework) -> tuple[str, ...]:
    """Return the tests of one file among all *tests*, (stem, path) each, the nearest first."""
    stems = source_stems(path)
    if framework == "go":
        own = str(PurePosixPath(path).with_suffix("")) + "_test.go"
        return tuple(test for _, test in tests if test == own)
    folders = _distinctive_folders(path)
    found: list[tuple[int, int, str]] = []
    for stem, test in tests:
        test_folders = _distinctive_folders(test)
        if stem in stems and _is_subsequence(test_folders, folders):
            found.append((-len(test_folders), stems.index(stem), test))
    return tuple(test for _, _, test in sorted(found))


def is_ambiguous(test: tuple[str, str], path: str, sources: Iterable[str]) -> bool:
    """Return whether a test (stem, path) fits another source file at least as well as *path*."""
    stem, test_folders = test[0], _distinctive_folders(test[1])
    unmatched = len(_distinctive_folders(path)) - len(test_folders)
    return any(
        stem in source_stems(other)
        and _is_subsequence(test_folders, _distinctive_folders(other))
        and len(_distinctive_folders(other)) - len(test_folders) <= unmatched
        for other in sources
        if other != path
    )


def mirrored_folder(relative: str, root: str, folders: Collection[str]) -> str:
    """Return the deepest existing folder below *root* that mirrors the folders of a source file.

    *relative* is the source file's path in its project, *folders* are those that exist.
    """
    parts = [part for part in PurePosixPath(relative).parts[:-1] if part not in SOURCE_FOLDERS]
    deepest = root
    for start in range(len(parts)):
        folder = root
        for part in parts[start:]:
            inner = f"{folder}/{part}" if folder else part
            if inner not in folders:
                break
            folder = inner
        deepest = max(deepest, folder, key=len)
    return deepest


def _distinctive_folders(path: str) -> tuple[str, ...]:
    """Return the folders of a path that say what the file is about."""
    parts = PurePosixPath(path).parts[:-1]
    return tuple(part for part in parts if part not in TEST_FOLDERS | SOURCE_FOLDERS)


def _is_subsequence(items: Sequence[str], sequence: Sequence[str]) -> bool:
    """Return whether all items are in the sequence, in the same order."""
    rest = iter(sequence)
    return all(item in rest for item in items)
