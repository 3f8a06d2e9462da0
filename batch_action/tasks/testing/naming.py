"""What tests are called, and whose tests they are."""

import fnmatch
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from batch_action.tasks.testing.frameworks import Framework, Pytest

FOLDERS = frozenset(
    {"tests", "test", "testing", "__tests__", "spec", "specs", "unit", "integration", "e2e"}
)
"""Folders that hold tests: they say nothing of what is tested."""
PLAIN = frozenset({"src", "lib", "app", "source", "python"})
"""Folders of code that tests often leave out of their own path."""
_SCRIPT = r"[cm]?[jt]sx?"
_SCRIPT_TEST = re.compile(rf"(?P<stem>.+)\.(?P<kind>test|spec)\.(?P<ext>{_SCRIPT})")
_SCRIPT_SOURCE = re.compile(rf"(?P<stem>.+)\.(?P<ext>{_SCRIPT})")


def is_test(path: str, framework: str, pytest: Pytest) -> bool:
    """Whether what runs the tests would take this file for one."""
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


def helps_tests(path: str) -> bool:
    """Whether a file is there for tests without being one: not to be tested itself."""
    pure = PurePosixPath(path)
    beside = {"conftest.py", "setupTests.ts", "setupTests.js", "jest.setup.js", "vitest.setup.ts"}
    folders = FOLDERS | {"testdata", "fixtures", "__mocks__", "mocks"}
    return pure.name in beside or any(part in folders for part in pure.parts[:-1])


def stems(path: str) -> tuple[str, ...]:
    """What a test of this file may be named after, the most telling first."""
    pure = PurePosixPath(path)
    stem, parent = pure.stem.removesuffix(".d"), pure.parent.name
    if stem in ("__init__", "index", "mod", "main") and parent:
        return (parent, f"{parent}_{stem}", stem)
    return (stem, f"{parent}_{stem}") if parent else (stem,)


def test_stem(path: str, framework: Framework) -> str:
    """What a test is named after."""
    name = PurePosixPath(path).name
    match framework:
        case "pytest":
            plain = name.removesuffix(".py")
            return plain.removeprefix("test_") if plain.startswith("test_") else plain[:-5]
        case "go":
            return name.removesuffix("_test.go")
        case "jest" | "vitest":
            found = _SCRIPT_TEST.fullmatch(name) or _SCRIPT_SOURCE.fullmatch(name)
            return found["stem"] if found else name


def tests_of(path: str, tests: Collection[str], framework: Framework) -> tuple[str, ...]:
    """The tests of one file among all *tests*, those that are nearest to it first."""
    mine = stems(path)
    if framework == "go":
        beside = str(PurePosixPath(path).with_suffix("")) + "_test.go"
        return (beside,) if beside in tests else ()
    folders = _telling(path)
    found: list[tuple[int, int, str]] = []
    for test in tests:
        stem = test_stem(test, framework)
        theirs = _telling(test)
        if stem in mine and _in_order(theirs, folders):
            found.append((-len(theirs), mine.index(stem), test))
    return tuple(test for _, _, test in sorted(found))


def is_ambiguous(test: str, path: str, sources: Iterable[str], framework: Framework) -> bool:
    """Whether another file has as good a claim to this test: it tells no more of one's folders."""
    if framework == "go":
        return False
    stem, theirs = test_stem(test, framework), _telling(test)
    untold = len(_telling(path)) - len(theirs)
    return any(
        stem in stems(other)
        and _in_order(theirs, _telling(other))
        and len(_telling(other)) - len(theirs) <= untold
        for other in sources
        if other != path
    )


def _telling(path: str) -> tuple[str, ...]:
    """The folders of a path that say what is in it."""
    parts = PurePosixPath(path).parts[:-1]
    return tuple(part for part in parts if part not in FOLDERS | PLAIN)


def _in_order(few: Sequence[str], many: Sequence[str]) -> bool:
    """Whether all of the few stand among the many, in their order."""
    rest = iter(many)
    return all(one in rest for one in few)
