"""Where the tests of one file are, and where new ones belong."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from batch_action.tasks.testing import naming
from batch_action.tasks.testing.frameworks import (
    SCRIPTS,
    Framework,
    Pytest,
    above,
    framework_of,
    inside,
    project_of,
    pytest_of,
)

_SCRIPT = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
SUFFIXES: Mapping[Framework, tuple[str, ...]] = {
    "pytest": (".py",),
    "jest": _SCRIPT,
    "vitest": _SCRIPT,
    "go": (".go",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The tests of one source file."""

    framework: Framework
    tests: tuple[str, ...]
    """Those that are there, the nearest first."""
    target: str
    """Where new tests belong: in the nearest test that is this file's alone, or in a new file."""
    spare: str
    """A new file, for when the nearest test cannot be extended."""


@dataclass(frozen=True, slots=True)
class Index:
    """The tests and the sources of one framework, by the words they are named with."""

    framework: Framework
    tests: frozenset[str]
    by_name: Mapping[str, Sequence[str]]
    sources: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, framework: Framework, paths: Sequence[str], grounds: "SuiteLayout") -> "Index":
        """Sort the files of a language."""
        tests = [p for p in paths if naming.is_test(p, framework, grounds.pytest(p))]
        there = frozenset(tests)
        sources = [path for path in paths if path not in there]
        return cls(
            framework,
            there,
            _grouped((naming.test_stem(path, framework), path) for path in tests),
            _grouped((stem, path) for path in sources for stem in naming.stems(path)),
        )

    def near(self, path: str) -> frozenset[str]:
        """Tests that may be of this file, by their names."""
        if self.framework == "go":
            return self.tests
        return frozenset(t for stem in naming.stems(path) for t in self.by_name.get(stem, ()))

    def rivals(self, test: str) -> Sequence[str]:
        """Files that a test may be of, by its name."""
        return self.sources.get(naming.test_stem(test, self.framework), ())


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    groups: dict[str, list[str]] = {}
    for name, path in pairs:
        groups.setdefault(name, []).append(path)
    return groups


@dataclass(frozen=True, kw_only=True)
class SuiteLayout:
    """What a commit holds, and what its owner says of tests."""

    paths: frozenset[str]
    manifests: Mapping[str, str]
    """The texts of its manifests by path."""
    wished: str = "auto"
    roots: tuple[str, ...] = ()
    """`test-paths`."""

    @cached_property
    def index(self) -> Mapping[Framework, Index]:
        """Tests and sources by what runs them."""
        return {
            name: Index.of(name, [p for p in self.paths if p.endswith(SUFFIXES[name])], self)
            for name in SUFFIXES
        }

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder of the commit."""
        return frozenset(folder for path in self.paths for folder in above(path))

    def pytest(self, path: str) -> Pytest:
        """What pytest's configuration says for a file."""
        return pytest_of(path, self.manifests)

    def layout(self, path: str, language: str) -> Layout | str:
        """The tests of a file, or why it gets none."""
        framework = framework_of(path, language, self.manifests, self.wished)
        if framework is None and language in SCRIPTS:
            return "no jest or vitest in the package.json above it: set `test-framework`"
        if framework is None:
            return f"no tests are written for {language or 'this language'}"
        index = self.index[framework]
        if path in index.tests or naming.helps_tests(path):
            return "it is part of the tests"
        there = naming.tests_of(path, index.near(path), framework)
        own = [t for t in there if not naming.is_ambiguous(t, path, index.rivals(t), framework)]
        spare = self._new(path, framework, index.tests)
        if spare is None:
            return "every name for a new test of it is taken"
        target = own[0] if own else spare
        return Layout(framework=framework, tests=there, target=target, spare=spare)

    def _new(self, path: str, framework: Framework, known: frozenset[str]) -> str | None:
        """The first free place for a new test file."""
        if framework == "go":
            stem = str(PurePosixPath(path).with_suffix(""))
            candidates = [f"{stem}_test.go", f"{stem}_more_test.go"]
        elif framework == "pytest":
            candidates = self._pytest_places(path, known)
        else:
            candidates = self._script_places(path, known)
        return next((one for one in candidates if one not in self.paths), None)

    def _pytest_places(self, path: str, known: frozenset[str]) -> list[str]:
        stem, *longer = naming.stems(path)
        project = project_of(path, self.paths)
        beside = str(PurePosixPath(path).parent)
        names = [f"test_{name}.py" for name in (stem, *longer, f"{stem}_more")]
        roots = self._roots(project, self.pytest(path).roots)
        if not roots and any(next(above(test)) == beside for test in known):
            return [inside("" if beside == "." else beside, name) for name in names]
        root = roots[0] if roots else inside(project, "tests")
        folder = self._mirrored(path, root, project)
        return [inside(folder, name) for name in names]

    def _script_places(self, path: str, known: frozenset[str]) -> list[str]:
        pure = PurePosixPath(path)
        project = project_of(path, self.paths)
        mine = [test for test in known if not project or test.startswith(f"{project}/")]
        kind = "spec" if _more(mine, ".spec.", ".test.") else "test"
        beside = "" if str(pure.parent) == "." else str(pure.parent)
        if self.roots or _more(mine, "/test", "/__tests__/"):
            roots = self._roots(project, ())
            folder = self._mirrored(path, roots[0], project) if roots else beside
        else:
            folder = inside(beside, "__tests__") if _in_folders(mine) else beside
        names = (pure.stem, f"{pure.stem}.more")
        return [inside(folder, f"{name}.{kind}{pure.suffix}") for name in names]

    def _roots(self, project: str, configured: Sequence[str]) -> list[str]:
        """Folders of tests of this package: as its owner says, as configured, or as is usual."""
        told = [root.strip("/") for root in self.roots]
        mine = [root for root in told if not project or f"{root}/".startswith(f"{project}/")]
        usual = [inside(project, name) for name in ("tests", "test")]
        there = [root for root in (*configured, *usual) if root in self.folders]
        return [*mine, *([] if mine else told), *there]

    def _mirrored(self, path: str, root: str, project: str) -> str:
        """The deepest folder of tests that follows the folders of the source."""
        inner = path.removeprefix(f"{project}/") if project else path
        parts = [p for p in PurePosixPath(inner).parts[:-1] if p not in naming.PLAIN]
        best = root
        for start in range(len(parts)):
            folder = root
            for part in parts[start:]:
                if inside(folder, part) not in self.folders:
                    break
                folder = inside(folder, part)
            best = max(best, folder, key=len)
        return best


def _more(paths: Collection[str], one: str, other: str) -> bool:
    counts = Counter(word for path in paths for word in (one, other) if word in f"/{path}")
    return counts[one] > counts[other]


def _in_folders(tests: Collection[str]) -> bool:
    """Whether most tests stand in `__tests__`."""
    return 2 * sum("__tests__/" in test for test in tests) > len(tests)
