"""What runs the tests of a file: read from the manifests above it, the nearest first."""

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

SCRIPTS = frozenset({"javascript", "jsx", "typescript", "tsx"})
LANGUAGES: Mapping[str, frozenset[str]] = {
    "pytest": frozenset({"python"}),
    "jest": SCRIPTS,
    "vitest": SCRIPTS,
    "go": frozenset({"go"}),
}
PYTHON_MANIFESTS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""In pytest's own order."""
_CONFIG = re.compile(r"(jest|vitest)\.config\.\w+")
PROJECTS = frozenset({*PYTHON_MANIFESTS, "setup.py", "package.json", "go.mod"})
"""A folder with one of these is a package of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pytest:
    """What a pytest configuration says of test files."""

    roots: tuple[str, ...] = ()
    """`testpaths`, from the repository's root."""
    patterns: tuple[str, ...] = ("test_*.py", "*_test.py")


def above(path: str) -> Iterator[str]:
    """The folders a file is in, the nearest first; the root is empty."""
    for folder in PurePosixPath(path).parents:
        yield "" if str(folder) == "." else str(folder)


def inside(folder: str, name: str) -> str:
    """The path of a name in a folder."""
    return f"{folder}/{name}" if folder else name


def is_manifest(path: str) -> bool:
    """Whether a file tells what runs the tests around it."""
    name = PurePosixPath(path).name
    return name in PYTHON_MANIFESTS or name == "package.json" or bool(_CONFIG.fullmatch(name))


def project_of(path: str, paths: Collection[str]) -> str:
    """The nearest folder above a file that is a package of its own; the root if there is none."""
    found = (f for f in above(path) if any(inside(f, name) in paths for name in PROJECTS))
    return next(found, "")


def framework_of(
    path: str, language: str, manifests: Mapping[str, str], wished: str = "auto"
) -> Framework | None:
    """What runs the tests of a file in this language; None when nothing tells.

    *manifests*: the texts of those manifests that are there. *wished*: counts where it can run the
    language.
    """
    for name in ("pytest", "jest", "vitest", "go"):
        if wished == name and language in LANGUAGES[name]:
            return name
    if language == "python":
        return "pytest"
    if language == "go":
        return "go"
    if language not in SCRIPTS:
        return None
    for folder in above(path):
        if found := _of_package(folder, manifests):
            return found
    return None


def _of_package(folder: str, manifests: Mapping[str, str]) -> Literal["jest", "vitest"] | None:
    package = _json(manifests.get(inside(folder, "package.json"), ""))
    scripts = package.get("scripts")
    told = " ".join(str(x) for x in scripts.values()) if isinstance(scripts, dict) else ""
    needs = {
        name
        for key in ("dependencies", "devDependencies", "peerDependencies")
        if isinstance(package.get(key), dict)
        for name in package[key]
    }
    configs = {
        match[1]
        for one in manifests
        if (match := _CONFIG.fullmatch(PurePosixPath(one).name)) and next(above(one)) == folder
    }
    names: tuple[Literal["vitest", "jest"], ...] = ("vitest", "jest")
    for evidence in (
        [name for name in names if re.search(rf"\b{name}\b", told)],
        [name for name in names if name in configs or name in package],
        [name for name in names if name in needs or f"ts-{name}" in needs],
    ):
        if evidence:
            return evidence[0]
    return None


def pytest_of(path: str, manifests: Mapping[str, str]) -> Pytest:
    """The configuration that holds for a file: the nearest that says something of tests."""
    for folder in above(path):
        for name in PYTHON_MANIFESTS:
            text = manifests.get(inside(folder, name))
            options = _options(name, text) if text else {}
            if options:
                roots = (inside(folder, root.strip("/")) for root in _words(options, "testpaths"))
                patterns = _words(options, "python_files") or Pytest().patterns
                return Pytest(roots=tuple(roots), patterns=patterns)
    return Pytest()


@lru_cache(maxsize=64)
def _options(name: str, text: str) -> Mapping[str, Any]:
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


def _words(options: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = options.get(name, ())
    found = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
    return tuple(str(word) for word in found if "*" not in str(word) or name == "python_files")


def _json(text: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
