"""Write unit tests that check no more than that the public names exist."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from batch_action.sandbox.reviewer.prompts import Prompt, SourceFile
from batch_action.sandbox.reviewer.public_names import PublicName, public_names

SIGNATURE = "Each public name exists."
_CHECKS = {"class": "isinstance(found, type)"}


def write_tests(prompt: Prompt) -> tuple[str, str, int] | None:
    """Return the path, text and number of tests of a test file; None if there is none to write."""
    target = dict(
        line.split(": ", 1) for line in prompt.sections["target"].splitlines() if ": " in line
    )
    path, framework = target.get("path", ""), target.get("framework", "")
    file = next((file for file in prompt.files if file.complete), None)
    write = WRITERS.get(framework)
    if file is None or write is None or not path:
        return None
    existing = next((test.text for test in prompt.tests if test.path == path and test.whole), "")
    public = [name for name in public_names(file) if "." not in name.name]
    untested = [name for name in public if _test_name(name, framework) not in existing]
    if not untested or not _can_append(framework, existing):
        return None
    return path, write(file, path, untested, existing), len(untested)


def _can_append(framework: str, existing: str) -> bool:
    """Return whether tests can be appended to the existing file."""
    return framework != "go" or not re.search(r"^package \w+_test\b", existing, re.MULTILINE)


def _test_name(name: PublicName, framework: str = "") -> str:
    if framework == "go":
        return f"Test{name.name}Exists("
    return "test_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.name).lower() + "_exists"


def _write_pytest(file: SourceFile, path: str, public: Sequence[PublicName], existing: str) -> str:
    folder, module = _import_path(file.path, path)
    imported = re.search(
        rf"^(?:from|import) ([\w.]*\b{module.split('.')[-1]})\b", existing, re.MULTILINE
    )
    up = f"parents[{len(PurePosixPath(path).parts) - 1}]"
    root = " / ".join([up, *(f'"{part}"' for part in folder)])
    head = (
        f'"""{SIGNATURE}"""\n\nimport importlib\nimport sys\nfrom pathlib import Path\n\n'
        f"sys.path.insert(0, str(Path(__file__).resolve().{root}))\n"
    )
    if existing:
        head = f"{existing.rstrip()}\n"
    name = imported[1] if imported else module
    bodies = [
        f"\n\ndef {_test_name(public_name)}():\n"
        f'    """{public_name.name} exists and is a {public_name.kind}."""\n'
        + ("    import importlib\n\n" if existing else "")
        + f'    found = getattr(importlib.import_module("{name}"), "{public_name.name}")\n'
        f"    assert {_CHECKS.get(public_name.kind, 'callable(found)')}\n"
        for public_name in public
    ]
    return head + "".join(bodies)


def _import_path(source: str, test: str) -> tuple[tuple[str, ...], str]:
    """Return the folder to import a source from in a test, and its module name there."""
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


def _write_jest(file: SourceFile, path: str, public: Sequence[PublicName], existing: str) -> str:
    source_path = _relative_import(file.path, path)
    common = "require(" in existing or re.search(r"^(module\.)?exports\b", file.text, re.MULTILINE)
    load = (
        f'const sandboxed = require("{source_path}");'
        if common
        else f'import * as sandboxed from "{source_path}";'
    )
    head = f"{existing.rstrip()}\n\n{load}\n" if existing else f"// {SIGNATURE}\n{load}\n"
    typed = path.endswith((".ts", ".tsx", ".mts", ".cts"))
    all_ = "(sandboxed as Record<string, unknown>)" if typed else "sandboxed"
    return head + "".join(
        f'\ntest("{_test_name(name)}", () => {{\n'
        f'  expect(typeof {all_}["{name.name}"]).not.toBe("undefined");\n}});\n'
        for name in public
    )


def _write_vitest(file: SourceFile, path: str, public: Sequence[PublicName], existing: str) -> str:
    text = _write_jest(file, path, public, existing)
    return text if "vitest" in existing else f'import {{ expect, test }} from "vitest";\n{text}'


def _relative_import(source: str, test: str) -> str:
    target = PurePosixPath(source).with_suffix("").parts
    folder = PurePosixPath(test).parent.parts
    shared = 0
    while shared < min(len(target) - 1, len(folder)) and target[shared] == folder[shared]:
        shared += 1
    ups = "../" * (len(folder) - shared) or "./"
    return ups + "/".join(target[shared:])


def _write_go(file: SourceFile, _path: str, public: Sequence[PublicName], existing: str) -> str:
    package = re.search(r"^package (\w+)", file.text, re.MULTILINE)
    head = f'// {SIGNATURE}\n\npackage {package[1] if package else "main"}\n\nimport "testing"\n'
    if existing:
        head = f"{existing.rstrip()}\n"
    return head + "".join(
        f"\n// This does not compile without {name.name}.\n"
        f"func {_test_name(name, 'go')}t *testing.T) {{\n\t_ = {name.name}\n}}\n"
        for name in public
    )


Writer = Callable[[SourceFile, str, Sequence[PublicName], str], str]
WRITERS: Mapping[str, Writer] = {
    "pytest": _write_pytest,
    "jest": _write_jest,
    "vitest": _write_vitest,
    "go": _write_go,
}
