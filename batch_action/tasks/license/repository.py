"""Find the license of a repository in its license files and package manifests."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from batch_action.models.licenses import spdx_expression
from batch_action.tasks.license.notices import identify_license

_LICENSE_FILE = re.compile(
    r"(?:un)?licen[cs]e(?:[-.][\w.-]*)?|copying(?:[-.][\w.-]*)?", re.IGNORECASE
)
MAX_CHARS = 200_000


def may_name_license(path: str) -> bool:
    """Return whether a file at the root is a license file or a manifest."""
    return path in _MANIFESTS or _LICENSE_FILE.fullmatch(path) is not None


def license_in(path: str, text: str) -> str | None:
    """Return the license in such a file as an SPDX expression; None if there is none."""
    if len(text) > MAX_CHARS:
        return None
    read = _MANIFESTS.get(path)
    if read is None:
        return identify_license(text)
    try:
        value = read(text)
    except (ValueError, RecursionError):
        return None
    return spdx_expression(value) if isinstance(value, str) else None


def _license_in_pyproject(text: str) -> Any:
    """Read the expression of PEP 639, the table of PEP 621, or Poetry's field."""
    data = tomllib.loads(text)
    value = _value_at(data, "project", "license")
    if isinstance(value, Mapping):
        return value.get("text")
    return value or _value_at(data, "tool", "poetry", "license")


def _license_in_package_json(text: str) -> Any:
    value = _value_at(json.loads(text), "license")
    return value.get("type") if isinstance(value, Mapping) else value


def _license_in_cargo(text: str) -> Any:
    data = tomllib.loads(text)
    value = _value_at(data, "package", "license")
    if not isinstance(value, str):
        value = _value_at(data, "workspace", "package", "license")
    # Cargo's deprecated separator: https://doc.rust-lang.org/cargo/reference/manifest.html
    return value.replace("/", " OR ") if isinstance(value, str) else None


def _value_at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


_MANIFESTS: Mapping[str, Callable[[str], Any]] = {
    "pyproject.toml": _license_in_pyproject,
    "package.json": _license_in_package_json,
    "Cargo.toml": _license_in_cargo,
}
