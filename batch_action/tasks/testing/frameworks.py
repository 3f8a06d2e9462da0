"""Find the test framework of a file in the manifests of its parent folders, nearest first."""

import configparser
import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Literal

Framework = Literal["pytest", "jest", "vitest", "go"]

SCRIPT_LANGUAGES = frozenset({"javascript", "jsx", "typescript", "tsx"})
LANGUAGES: Mapping[str, frozenset[str]] = {
    "pytest": frozenset({"python"}),
    "jest": SCRIPT_LANGUAGES,
    "vitest": SCRIPT_LANGUAGES,
    "go": frozenset({"go"}),
}
PYTHON_MANIFESTS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""In the order in which pytest looks for its configuration."""
_CONFIG_FILE = re.compile(r"(jest|vitest)\.config\.\w+")
PROJECT_FILES = frozenset({*PYTHON_MANIFESTS, "setup.py", "package.json", "go.mod"})
"""A folder with one of these is a project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PytestConfig:
    """Where pytest looks for tests."""

    roots: tuple[str, ...] = ()
    """`testpaths`, relative to the repository."""
    patterns: tuple[str, ...] = ("test_*.py", "*_test.py")


def parent_folders(path: str) -> Iterator[str]:
    """Yield the folders that a file is in, nearest first; the root is the empty string."""
    for folder in PurePosixPath(path).parents:
        yield "" if str(folder) == "." else str(folder)


def join_path(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return f"{folder}/{name}" if folder else name


def is_manifest(path: str) -> bool:
    """Return whether a file may configure a test framework."""
    name = PurePosixPath(path).name
    return name in PYTHON_MANIFESTS or name == "package.json" or bool(_CONFIG_FILE.fullmatch(name))


def project_of(path: str, paths: Collection[str]) -> str:
    """Return the nearest parent folder that is a project; the root if there is none."""
    projects = (
        folder
        for folder in parent_folders(path)
        if any(join_path(folder, name) in paths for name in PROJECT_FILES)
    )
    return next(projects, "")


def framework_of(
    path: str, language: str, manifests: Mapping[str, str], preferred: str = "auto"
) -> Framework | None:
    """Return the test framework of a file; None if it is unknown.

    *manifests* are the texts of the existing manifests by path. *preferred* is used if it supports
    the language.
    """
    for name in ("pytest", "jest", "vitest", "go"):
        if preferred == name and language in LANGUAGES[name]:
            return name
    if language == "python":
        return "pytest"
    if language == "go":
        return "go"
    if language not in SCRIPT_LANGUAGES:
        return None
    for folder in parent_folders(path):
        if framework := _framework_of_package(folder, manifests):
            return framework
    return None


def _framework_of_package(
    folder: str, manifests: Mapping[str, str]
) -> Literal["jest", "vitest"] | None:
    package = _parse_json(manifests.get(join_path(folder, "package.json"), ""))
    scripts = package.get("scripts")
    commands = " ".join(map(str, scripts.values())) if isinstance(scripts, dict) else ""
    dependencies = {
        name
        for key in ("dependencies", "devDependencies", "peerDependencies")
        if isinstance(package.get(key), dict)
        for name in package[key]
    }
    configs = {
        match[1]
        for path in manifests
        if (match := _CONFIG_FILE.fullmatch(PurePosixPath(path).name))
        and next(parent_folders(path)) == folder
    }
    names: tuple[Literal["vitest", "jest"], ...] = ("vitest", "jest")
    for evidence in (
        [name for name in names if re.search(rf"\b{name}\b", commands)],
        [name for name in names if name in configs or name in package],
        [name for name in names if name in dependencies or f"ts-{name}" in dependencies],
    ):
        if evidence:
            return evidence[0]
    return None


def pytest_config_of(path: str, manifests: Mapping[str, str]) -> PytestConfig:
    """Return the pytest configuration of a file: the nearest one that has options."""
    for folder in parent_folders(path):
        for name in PYTHON_MANIFESTS:
            text = manifests.get(join_path(folder, name))
            options = _pytest_options(name, text) if text else {}
            if options:
                roots = (
                    join_path(folder, root.strip("/"))
                    for root in _option_values(options, "testpaths")
                )
                patterns = _option_values(options, "python_files") or PytestConfig().patterns
                return PytestConfig(roots=tuple(roots), patterns=patterns)
    return PytestConfig()


@lru_cache(maxsize=64)
def _pytest_options(name: str, text: str) -> Mapping[str, Any]:
    if name == "pyproject.toml":
        try:
            tool = tomllib.loads(text).get("tool", {})
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}
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


def _option_values(options: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = options.get(name, ())
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
    return tuple(str(word) for word in words if "*" not in str(word) or name == "python_files")


def _parse_json(text: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
