"""What a repository's own files say of its license: license texts and package manifests."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from batch_action.models.licenses import spdx_expression
from batch_action.tasks.license.notices import license_of_text

TEXTS = re.compile(r"(?:un)?licen[cs]e(?:[-.][\w.-]*)?|copying(?:[-.][\w.-]*)?", re.IGNORECASE)
LONGEST = 200_000


def tells(path: str) -> bool:
    """Whether a file of this name, at the root, may tell the repository's license."""
    return path in _MANIFESTS or TEXTS.fullmatch(path) is not None


def license_in(path: str, text: str) -> str | None:
    """The license that one of those files names, as a valid expression; None when it names none."""
    if len(text) > LONGEST:
        return None
    read = _MANIFESTS.get(path)
    if read is None:
        return license_of_text(text)
    try:
        said = read(text)
    except (ValueError, RecursionError):
        return None
    return spdx_expression(said) if isinstance(said, str) else None


def _pyproject(text: str) -> Any:
    """PEP 639's expression, the table that came before it, or poetry's word."""
    data = tomllib.loads(text)
    said = _at(data, "project", "license")
    if isinstance(said, Mapping):
        return said.get("text")
    return said or _at(data, "tool", "poetry", "license")


def _package(text: str) -> Any:
    said = _at(json.loads(text), "license")
    return said.get("type") if isinstance(said, Mapping) else said


def _cargo(text: str) -> Any:
    data = tomllib.loads(text)
    said = _at(data, "package", "license")
    if not isinstance(said, str):
        said = _at(data, "workspace", "package", "license")
    # Cargo took a slash for OR once, and many manifests still have it.
    return said.replace("/", " OR ") if isinstance(said, str) else None


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


_MANIFESTS: Mapping[str, Callable[[str], Any]] = {
    "pyproject.toml": _pyproject,
    "package.json": _package,
    "Cargo.toml": _cargo,
}
