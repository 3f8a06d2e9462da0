"""What `conftest.py` files keep pytest from collecting, as far as it is written as literals."""

import ast
import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from batch_action.syntax import python
from batch_action.tasks.testing.frameworks import join_path, parent_folders

NAME = "conftest.py"
_LISTS = ("collect_ignore", "collect_ignore_glob")


@dataclass(frozen=True, slots=True)
class _Ignored:
    """What one `conftest.py` ignores."""

    values: Mapping[str, tuple[str, ...]]
    """Of the variables that it sets, `collect_ignore` and `collect_ignore_glob`."""
    is_static: bool


def ignores(path: str, manifests: Mapping[str, str]) -> bool:
    """Return whether pytest ignores a file, or a folder that it is in.

    https://docs.pytest.org/en/stable/reference/reference.html#globalvar-collect_ignore
    """
    return any(
        join_path(folder, value) == place
        if name == "collect_ignore"
        else fnmatch.fnmatchcase(f"/{place}", f"/{join_path(folder, value)}")
        for place in (path, *parent_folders(path))
        if place
        for name in _LISTS
        for folder, values in [_nearest(place, name, manifests)]
        for value in values
    )


def unreadable_above(path: str, manifests: Mapping[str, str]) -> str | None:
    """Return the `conftest.py` above a file that decides by code what is ignored; None if none."""
    return next((f for f, found in _above(path, manifests) if not found.is_static), None)


def _nearest(place: str, name: str, manifests: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return folder and value of a variable in the nearest file that sets it."""
    for file, found in _above(place, manifests):
        if name in found.values:
            return next(parent_folders(file)), found.values[name]
    return "", ()


def _above(path: str, manifests: Mapping[str, str]) -> Iterator[tuple[str, _Ignored]]:
    for folder in parent_folders(path):
        file = join_path(folder, NAME)
        if file in manifests:
            yield file, _read(manifests[file])


@lru_cache(maxsize=256)
def _read(text: str) -> _Ignored:
    if not any(name in text for name in (*_LISTS, "pytest_ignore_collect")):
        return _Ignored({}, is_static=True)
    values: dict[str, tuple[str, ...]] = {}
    is_static = True
    tree = python.parse(text)
    todo: list[ast.stmt] = list(tree.body) if tree else []
    while todo:
        node = todo.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_static &= node.name != "pytest_ignore_collect"
        elif isinstance(node, ast.If | ast.Try | ast.With):
            # Whether the condition holds is unknown: what may be ignored counts as ignored.
            branches = (getattr(node, name, []) for name in ("body", "orelse", "finalbody"))
            todo = [*(each for branch in branches for each in branch), *todo]
        else:
            name, value = _assignment(node)
            if name and value is None:
                is_static = False
            elif name:
                values[name] = (*values.get(name, ()), *(value or ()))
    return _Ignored(values, is_static)


def _assignment(node: ast.stmt) -> tuple[str, tuple[str, ...] | None]:
    """Return the variable that a statement sets or extends, and its texts: None if unreadable."""
    target, value = _target_and_value(node)
    if target not in _LISTS:
        return "", None
    texts = value.elts if isinstance(value, ast.List | ast.Tuple | ast.Set) else [None]
    values = [t.value for t in texts if isinstance(t, ast.Constant) and isinstance(t.value, str)]
    if len(values) < len(texts):
        return target, None
    return target, tuple(value.removeprefix("./").rstrip("/") for value in values)


def _target_and_value(node: ast.stmt) -> tuple[str, ast.expr | None]:
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=target)], value=value)
            | ast.AnnAssign(target=ast.Name(id=target), value=value)
            | ast.AugAssign(target=ast.Name(id=target), op=ast.Add(), value=value)
        ):
            return target, value
        case ast.Expr(
            ast.Call(ast.Attribute(ast.Name(id=target), "append" | "extend" as verb), [value])
        ):
            return target, ast.List([value], ast.Load()) if verb == "append" else value
    # Any other statement that uses the name may change it.
    names = (each.id for each in ast.walk(node) if isinstance(each, ast.Name))
    return next((name for name in names if name in _LISTS), ""), None
