"""What the test frameworks collect in a commit, and what is a source file."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from batch_action.tasks.testing import conftest, names
from batch_action.tasks.testing.frameworks import Framework, parent_folders, project_of
from batch_action.tasks.testing.pytest_config import PytestConfig, pytest_config_of
from batch_action.tasks.testing.script_config import ScriptSuite, suites_of

SCRIPT_SUFFIXES = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
SUFFIXES: Mapping[Framework, tuple[str, ...]] = {
    "pytest": (".py",),
    "jest": SCRIPT_SUFFIXES,
    "vitest": SCRIPT_SUFFIXES,
    "mocha": SCRIPT_SUFFIXES,
    "go": (".go",),
}
_ONLY_FOR_TESTS = frozenset(
    {"tests", "__tests__", "testdata", "__mocks__", "__fixtures__", "__snapshots__"}
)


@dataclass(frozen=True, slots=True)
class SuiteIndex:
    """The tests and the source files of one framework, by name."""

    tests: Mapping[str, str]
    """Path to the name of what is tested."""
    tests_by_stem: Mapping[str, Sequence[str]]
    sources_by_stem: Mapping[str, Sequence[str]]
    counts: Mapping[str, tuple[int, int]]
    """Folder to how many tests and how many source files are below it."""


@dataclass(frozen=True, kw_only=True)
class Suites:
    """The test suites of a commit, by configuration and by the defaults of the frameworks."""

    paths: frozenset[str]
    manifests: Mapping[str, str]
    """The texts of the manifests by path."""
    _configs: dict[tuple[Framework, str], PytestConfig | tuple[ScriptSuite, ...]] = field(
        default_factory=dict, repr=False
    )

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder of the commit."""
        return frozenset(folder for path in self.paths for folder in parent_folders(path))

    @cached_property
    def _indexes(self) -> dict[Framework, SuiteIndex]:
        return {}

    def index(self, framework: Framework) -> SuiteIndex:
        """Return the tests and source files of a framework."""
        if framework not in self._indexes:
            self._indexes[framework] = self._create_index(framework)
        return self._indexes[framework]

    def _create_index(self, framework: Framework) -> SuiteIndex:
        files = sorted(path for path in self.paths if path.endswith(SUFFIXES[framework]))
        tests = {p: self._stem(p, framework) for p in files if self.is_test(p, framework)}
        sources = [path for path in files if path not in tests]
        test_counts = Counter(folder for path in tests for folder in parent_folders(path))
        source_counts = Counter(
            folder
            for path in sources
            if PurePosixPath(path).name not in ("__init__.py", "conftest.py")
            for folder in parent_folders(path)
        )
        return SuiteIndex(
            tests,
            _group((stem, path) for path, stem in tests.items()),
            _group((stem, path) for path in sources for stem in names.source_stems(path)),
            {folder: (n, source_counts[folder]) for folder, n in test_counts.items()},
        )

    def _stem(self, path: str, framework: Framework) -> str:
        patterns = self.pytest_config(path).patterns if framework == "pytest" else ()
        return names.test_stem(path, framework, patterns)

    def pytest_config(self, path: str) -> PytestConfig:
        """Return the pytest configuration of a file."""
        key: tuple[Framework, str] = ("pytest", next(parent_folders(path)))
        config = self._configs.get(key) or pytest_config_of(path, self.manifests)
        self._configs[key] = config
        return config if isinstance(config, PytestConfig) else PytestConfig()

    def script_suites(self, path: str, framework: Framework) -> tuple[ScriptSuite, ...]:
        """Return the suites of the configuration above a script."""
        key = (framework, next(parent_folders(path)))
        suites = self._configs.get(key) or suites_of(path, framework, self.manifests)
        self._configs[key] = suites
        return suites if isinstance(suites, tuple) else ()

    def is_test(self, path: str, framework: Framework) -> bool:
        """Return whether the framework takes a file for a test, by its name and place."""
        match framework:
            case "pytest":
                config = self.pytest_config(path)
                is_root = bool(config.existing_roots(self.folders)) and self.collects(
                    path, "pytest"
                )
                return config.has_test_name(path) or is_root
            case "go":
                return path.endswith("_test.go")
            case "jest" | "vitest" | "mocha":
                return self.collects(path, framework) or bool(
                    names.SCRIPT_TEST.fullmatch(PurePosixPath(path).name)
                )

    def collects(self, path: str, framework: Framework) -> bool:
        """Return whether the framework runs a file at this path when it is given no path."""
        match framework:
            case "pytest":
                collects = self.pytest_config(path).collects(path, self.folders)
                return collects and not conftest.ignores(path, self.manifests)
            case "go":
                return path.endswith("_test.go")
            case "jest" | "vitest" | "mocha":
                suites = self.script_suites(path, framework)
                return any(suite.collects(path) for suite in suites)

    def undecided_by(self, path: str, framework: Framework) -> str | None:
        """Return the file whose code decides whether a test is collected; None if there is none."""
        return conftest.unreadable_above(path, self.manifests) if framework == "pytest" else None

    def breaks_session(self, path: str, framework: Framework) -> bool:
        """Return whether a new test at this path would stop pytest.

        It imports tests by name: of two files with one name, outside of packages, it refuses the
        second, and runs none.
        https://docs.pytest.org/en/stable/explanation/pythonpath.html#import-modes
        """
        if framework != "pytest" or self.pytest_config(path).imports_by_path:
            return False
        return self._module_name(path) in self._test_modules

    @cached_property
    def _test_modules(self) -> frozenset[str]:
        return frozenset(map(self._module_name, self.index("pytest").tests))

    def _module_name(self, path: str) -> str:
        """Return the name under which pytest imports a test by default."""
        parts = [PurePosixPath(path).stem]
        for folder in parent_folders(path):
            if not folder or f"{folder}/__init__.py" not in self.paths:
                break
            parts.append(PurePosixPath(folder).name)
        return ".".join(reversed(parts))

    def is_test_support(self, path: str, framework: Framework) -> bool:
        """Return whether a file supports tests, so that it is not tested itself.

        A folder such as `unit`, `spec` or `testing` holds tests only if most of its files are.
        """
        counts, project = self.index(framework).counts, project_of(path, self.paths)
        configured = (
            self.pytest_config(path).existing_roots(self.folders) if framework == "pytest" else ()
        )
        for folder in parent_folders(path):
            name, (tests, sources) = PurePosixPath(folder).name, counts.get(folder, (0, 0))
            is_top = folder == (f"{project}/test" if project else "test")
            may_hold_tests = name in names.TEST_FOLDERS or folder in configured
            if name in _ONLY_FOR_TESTS or is_top or (may_hold_tests and tests > sources):
                return True
        return names.is_support_name(path)


def _group(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    groups: dict[str, list[str]] = {}
    for name, path in pairs:
        groups.setdefault(name, []).append(path)
    return groups
