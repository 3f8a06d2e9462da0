"""What pytest collects, by its configuration."""

import configparser
import fnmatch
import shlex
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from batch_action.tasks.testing.frameworks import PYTHON_MANIFESTS, join_path, parent_folders

_IGNORED_FOLDERS = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv")


@dataclass(frozen=True, slots=True, kw_only=True)
class PytestConfig:
    """Where pytest looks for tests.

    https://docs.pytest.org/en/stable/reference/reference.html#configuration-options
    """

    folder: str = ""
    """The folder of the configuration file, relative to the repository."""
    roots: tuple[str, ...] = ()
    """`testpaths`, relative to the repository; they may hold wildcards."""
    patterns: tuple[str, ...] = ("test_*.py", "*_test.py")
    ignored_folders: tuple[str, ...] = _IGNORED_FOLDERS
    """`norecursedirs`."""
    ignored: tuple[str, ...] = ()
    """`--ignore` of `addopts`, relative to the repository."""
    functions: tuple[str, ...] = ("test",)
    """`python_functions`: beginnings of names, or patterns."""
    classes: tuple[str, ...] = ("Test",)
    """`python_classes`."""
    imports_by_path: bool = False
    """`--import-mode=importlib`: two tests may have the same name."""

    def has_test_name(self, path: str) -> bool:
        """Return whether the name of a file is that of a test, and of nothing else."""
        return self.matches(path, "*.py")

    def unusual_names(self) -> dict[str, tuple[str, ...]]:
        """Return the names that tests must have, by kind, where they are not pytest's defaults."""
        usual = PytestConfig()
        names = {"functions": self.functions, "classes": self.classes}
        return {kind: own for kind, own in names.items() if own != getattr(usual, kind)}

    def matches(self, path: str, but: str = "") -> bool:
        """Return whether the name of a file matches `python_files`, one pattern left out."""
        name = PurePosixPath(path).name
        return any(
            fnmatch.fnmatchcase(
                *((f"/{path}", f"*/{pattern}") if "/" in pattern else (name, pattern))
            )
            for pattern in self.patterns
            if pattern != but
        )

    def collects(self, path: str, folders: Collection[str]) -> bool:
        """Return whether pytest runs this file when it is given no path.

        *folders* are all folders of the repository: `testpaths` of which none exists do not count.
        """
        roots = self.existing_roots(folders) or (self.folder,)
        return (
            self.matches(path)
            and not any(f"{path}/".startswith(f"{place}/") for place in self.ignored)
            and any(
                f"{path}/".startswith(f"{root}/" if root else "")
                and not self._is_in_ignored_folder(path, root)
                for root in roots
            )
        )

    def _is_in_ignored_folder(self, path: str, root: str) -> bool:
        """Return whether `norecursedirs` keeps pytest from a file below a folder it starts in."""
        between = (f for f in parent_folders(path) if len(f) > len(root))
        return any(
            fnmatch.fnmatchcase(f"/{folder}", f"*/{pattern}")
            if "/" in pattern
            else fnmatch.fnmatchcase(PurePosixPath(folder).name, pattern)
            for folder in between
            for pattern in self.ignored_folders
        )

    def existing_roots(self, folders: Collection[str]) -> tuple[str, ...]:
        """Return the folders that `testpaths` names, in its order."""
        return tuple(
            folder
            for root in self.roots
            for folder in (
                [root]
                if root in folders
                else sorted(
                    f
                    for f in folders
                    if f.count("/") == root.count("/") and fnmatch.fnmatchcase(f, root)
                )
            )
        )


def pytest_config_of(path: str, manifests: Mapping[str, str]) -> PytestConfig:
    """Return the pytest configuration of a file: the nearest one that has options."""
    for folder in parent_folders(path):
        for name in PYTHON_MANIFESTS:
            text = manifests.get(join_path(folder, name))
            options = _options(name, text) if text else {}
            if options:
                return _config(folder, options)
    return PytestConfig()


def _config(folder: str, options: Mapping[str, Any]) -> PytestConfig:
    arguments = _arguments(options.get("addopts"))
    roots = (root.removeprefix("./").strip("/") for root in _values(options, "testpaths"))
    ignored = [a.partition("=")[2] for a in arguments if a.startswith("--ignore=")]
    ignored += [b for a, b in pairwise(arguments) if a == "--ignore"]
    default = PytestConfig()
    return PytestConfig(
        folder=folder,
        roots=tuple(folder if root in ("", ".") else join_path(folder, root) for root in roots),
        patterns=_values(options, "python_files") or default.patterns,
        ignored_folders=_values(options, "norecursedirs") or default.ignored_folders,
        ignored=tuple(join_path(folder, i.removeprefix("./").strip("/")) for i in ignored),
        functions=_values(options, "python_functions") or default.functions,
        classes=_values(options, "python_classes") or default.classes,
        imports_by_path="--import-mode=importlib" in arguments
        or ("--import-mode", "importlib") in pairwise(arguments),
    )


@lru_cache(maxsize=64)
def _options(name: str, text: str) -> Mapping[str, Any]:
    if name.endswith(".toml"):
        try:
            tool = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}
        tool = tool.get("tool", {}) if name == "pyproject.toml" else tool
        table = tool.get("pytest", {}) if isinstance(tool, dict) else {}
        options = table.get("ini_options", table) if isinstance(table, dict) else {}
        return options if isinstance(options, dict) else {}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    section = "tool:pytest" if name == "setup.cfg" else "pytest"
    return dict(parser[section]) if parser.has_section(section) else {}


def _values(options: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = options.get(name, ())
    return tuple(value.split()) if isinstance(value, str) else tuple(map(str, _list(value)))


def _arguments(value: Any) -> list[str]:
    if not isinstance(value, str):
        return list(map(str, _list(value)))
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
