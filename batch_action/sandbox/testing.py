"""Tests that a plain rule can write: they run, and prove little more than that the names exist."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from .prompts import Prompt, SourceFile
from .publicity import Name, names

SIGNED = "Written by the sandbox, not by Claude: plain, but it runs."


def tests(prompt: Prompt) -> tuple[str, str, int] | None:
    """Write a test file: its path, its text, and how many tests; none where there is nothing."""
    told = dict(line.split(": ", 1) for line in prompt.notes["target"].splitlines() if ": " in line)
    path, framework = told.get("path", ""), told.get("framework", "")
    file = next((file for file in prompt.files if file.complete), None)
    write = WRITERS.get(framework)
    if file is None or write is None or not path:
        return None
    there = next((test.text for test in prompt.tests if test.path == path and test.whole), "")
    public = [name for name in names(file) if "." not in name.name]
    fresh = [name for name in public if _test_name(name, framework) not in there]
    if not fresh or not _extendable(framework, there):
        return None
    return path, write(file, path, fresh, there), len(fresh)


def _extendable(framework: str, there: str) -> bool:
    """Whether tests can be put behind what is there."""
    return framework != "go" or not re.search(r"^package \w+_test\b", there, re.MULTILINE)


def _test_name(name: Name, framework: str = "") -> str:
    if framework == "go":
        return f"Test{name.name}IsThere("
    return "test_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.name).lower() + "_is_there"


def _python(file: SourceFile, path: str, public: Sequence[Name], there: str) -> str:
    folder, module = _module(file.path, path)
    imported = re.search(
        rf"^(?:from|import) ([\w.]*\b{module.split('.')[-1]})\b", there, re.MULTILINE
    )
    up = f"parents[{len(PurePosixPath(path).parts) - 1}]"
    where = " / ".join([up, *(f'"{part}"' for part in folder)])
    head = (
        f'"""{SIGNED}"""\n\nimport importlib\nimport sys\nfrom pathlib import Path\n\n'
        f"sys.path.insert(0, str(Path(__file__).resolve().{where}))\n"
    )
    if there:
        head = f"{there.rstrip()}\n"
    name = imported[1] if imported else module
    bodies = [
        f"\n\ndef {_test_name(one)}():\n"
        f'    """{one.name} can be used as a {one.kind}: the sandbox knows no more of it."""\n'
        + ("    import importlib\n\n" if there else "")
        + f'    found = getattr(importlib.import_module("{name}"), "{one.name}")\n'
        f"    assert {'isinstance(found, type)' if one.kind == 'class' else 'callable(found)'}\n"
        for one in public
    ]
    return head + "".join(bodies)


def _module(source: str, test: str) -> tuple[tuple[str, ...], str]:
    """From which folder a test can import a source, and as what: from where their ways part."""
    parts = PurePosixPath(source).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
    folder = PurePosixPath(test).parent.parts
    shared = 0
    while shared < min(len(parts) - 1, len(folder)) and parts[shared] == folder[shared]:
        shared += 1
    if folder == PurePosixPath(source).parent.parts:
        shared = 0
    if parts[shared] == "src" and len(parts) > shared + 1:
        shared += 1
    return parts[:shared], ".".join(parts[shared:])


def _jest(file: SourceFile, path: str, public: Sequence[Name], there: str) -> str:
    where = _relative(file.path, path)
    common = "require(" in there or re.search(r"^(module\.)?exports\b", file.text, re.MULTILINE)
    load = (
        f'const sandboxed = require("{where}");'
        if common
        else f'import * as sandboxed from "{where}";'
    )
    head = f"{there.rstrip()}\n\n{load}\n" if there else f"// {SIGNED}\n{load}\n"
    typed = path.endswith((".ts", ".tsx", ".mts", ".cts"))
    all_ = "(sandboxed as Record<string, unknown>)" if typed else "sandboxed"
    return head + "".join(
        f'\ntest("{_test_name(name)}", () => {{\n'
        f'  expect(typeof {all_}["{name.name}"]).not.toBe("undefined");\n}});\n'
        for name in public
    )


def _vitest(file: SourceFile, path: str, public: Sequence[Name], there: str) -> str:
    text = _jest(file, path, public, there)
    return text if "vitest" in there else f'import {{ expect, test }} from "vitest";\n{text}'


def _relative(source: str, test: str) -> str:
    target = PurePosixPath(source).with_suffix("").parts
    folder = PurePosixPath(test).parent.parts
    shared = 0
    while shared < min(len(target) - 1, len(folder)) and target[shared] == folder[shared]:
        shared += 1
    ups = "../" * (len(folder) - shared) or "./"
    return ups + "/".join(target[shared:])


def _go(file: SourceFile, _path: str, public: Sequence[Name], there: str) -> str:
    package = re.search(r"^package (\w+)", file.text, re.MULTILINE)
    head = f'// {SIGNED}\n\npackage {package[1] if package else "main"}\n\nimport "testing"\n'
    if there:
        head = f"{there.rstrip()}\n"
    return head + "".join(
        f"\n// It fails to compile when {name.name} is gone: the sandbox knows no more of it.\n"
        f"func {_test_name(name, 'go')}t *testing.T) {{\n\t_ = {name.name}\n}}\n"
        for name in public
    )


Writer = Callable[[SourceFile, str, Sequence[Name], str], str]
WRITERS: Mapping[str, Writer] = {
    "pytest": _python,
    "jest": _jest,
    "vitest": _vitest,
    "go": _go,
}
