"""Find the test framework of a file in the manifests of its parent folders, nearest first."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Literal

Framework = Literal["pytest", "jest", "vitest", "mocha", "go"]
ScriptFramework = Literal["jest", "vitest", "mocha"]

SCRIPT_LANGUAGES = frozenset({"javascript", "jsx", "typescript", "tsx"})
LANGUAGES: Mapping[str, frozenset[str]] = {
    "pytest": frozenset({"python"}),
    "jest": SCRIPT_LANGUAGES,
    "vitest": SCRIPT_LANGUAGES,
    "mocha": SCRIPT_LANGUAGES,
    "go": frozenset({"go"}),
}
PYTHON_MANIFESTS = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"),
    *("pyproject.toml", "tox.ini", "setup.cfg"),
)
"""In the order in which pytest looks for its configuration."""
CONFIG_NAMES: Mapping[str, re.Pattern[str]] = {
    "vitest": re.compile(
        r"vi(?:test|te)\.config\.[cm]?[jt]s|vitest\.workspace\.(?:[cm]?[jt]s|json)"
    ),
    "jest": re.compile(r"jest\.config\.(?:[cm]?[jt]s|json)"),
    "mocha": re.compile(r"\.mocharc\.(?:[cm]?js|jsonc?|ya?ml)"),
}
"""Names of configuration files; those of Vite configure Vitest, too, but do not show its use."""
_NAMED_CONFIG = re.compile(r"(?:jest|vitest|mocha)[\w.-]*\.(?:[cm]?[jt]s|json)")
"""Names that a command's `--config` may give."""
RUNNING_JEST = frozenset(
    {"react-scripts", "react-app-rewired", "@craco/craco", "@wordpress/scripts", "jest-expo"}
    | {"kcd-scripts", "tsdx", "dts-cli", "@vue/cli-plugin-unit-jest", "jest-preset-angular"}
)
"""Packages whose test command runs Jest, by their documentation."""
PROJECT_FILES = frozenset({*PYTHON_MANIFESTS, "setup.py", "package.json", "go.mod"})
"""A folder with one of these is a project."""


def parent_folders(path: str) -> Iterator[str]:
    """Yield the folders that a file is in, nearest first; the root is the empty string."""
    for folder in PurePosixPath(path).parents:
        yield "" if str(folder) == "." else str(folder)


def join_path(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return f"{folder}/{name}" if folder else name


def is_manifest(path: str) -> bool:
    """Return whether a file may configure a test framework, or what it collects."""
    name = PurePosixPath(path).name
    patterns = (_NAMED_CONFIG, *CONFIG_NAMES.values())
    is_named = name in (*PYTHON_MANIFESTS, "conftest.py", "package.json")
    return is_named or any(pattern.fullmatch(name) for pattern in patterns)


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
    for name in ("pytest", "jest", "vitest", "mocha", "go"):
        if preferred == name and language in LANGUAGES[name]:
            return name
    if language == "python":
        return "pytest"
    if language == "go":
        return "go"
    if language not in SCRIPT_LANGUAGES:
        return None
    for folder in parent_folders(path):
        if framework := framework_of_package(folder, manifests):
            return framework
    return None


def framework_of_package(folder: str, manifests: Mapping[str, str]) -> ScriptFramework | None:
    """Return the framework that a folder's package.json or configuration files name, if any."""
    package = parse_package(manifests.get(join_path(folder, "package.json"), ""))
    scripts = package.get("scripts")
    commands = " ".join(map(str, scripts.values())) if isinstance(scripts, dict) else ""
    dependencies = dependencies_of(package)
    here = [PurePosixPath(path).name for path in manifests if next(parent_folders(path)) == folder]
    configs = {
        name
        for name, pattern in CONFIG_NAMES.items()
        if any(pattern.fullmatch(file) and not file.startswith("vite.") for file in here)
    }
    names: tuple[ScriptFramework, ...] = ("vitest", "jest", "mocha")
    evidences: tuple[list[ScriptFramework], ...] = (
        [name for name in names if re.search(rf"\b{name}\b", commands)],
        [name for name in names if name in configs or name in package],
        [name for name in names if name in dependencies or f"ts-{name}" in dependencies],
        ["jest" for _ in dependencies & RUNNING_JEST],
    )
    return next((evidence[0] for evidence in evidences if evidence), None)


def dependencies_of(package: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of all packages that a package.json depends on."""
    keys = ("dependencies", "devDependencies", "peerDependencies")
    return frozenset(
        name for key in keys if isinstance(package.get(key), dict) for name in package[key]
    )


@lru_cache(maxsize=256)
def parse_package(text: str) -> Mapping[str, Any]:
    """Return a package.json; empty if it cannot be read."""
    try:
        parsed = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
