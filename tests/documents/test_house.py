"""The house rules that no linter knows."""

import ast
import re
from pathlib import Path
from statistics import median

import pytest

from tests.documents.texts import ROOT, project_files

MODULES = [n for n in project_files() if n.startswith("batch_action/") and n.endswith(".py")]
OURS = [n for n in MODULES if not n.startswith("batch_action/sandbox/")]
TESTS = [n for n in project_files() if n.startswith("tests/") and n.endswith(".py")]
MOST_LINES = 300

# In pieces, so that this file does not name them either.
REGISTRIES = ("pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js", "crates" + ".io")
MACHINES = r"(?<![\w.$}~-])/(?:work|root|Users|home)/\w"
RUNNER = re.compile(r"/home/runner\b|/github/home\b")
"""A path of GitHub's runner is nobody's machine."""


def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text("utf-8"))


def lines_of(name: str) -> int:
    return len((ROOT / name).read_text("utf-8").splitlines())


def test_no_module_is_long():
    assert {name: lines_of(name) for name in MODULES if lines_of(name) > MOST_LINES} == {}


def test_the_median_module_is_a_page():
    assert median(lines_of(name) for name in MODULES) <= 100
    assert median(lines_of(name) for name in OURS) <= 100


def reads_the_world(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv"):
            return True
        case ast.Attribute(value=ast.Name(id="sys"), attr="argv"):
            return True
        case ast.ImportFrom(module="os" | "sys", names=names):
            return any(one.name in ("environ", "environb", "getenv", "argv") for one in names)
    return False


@pytest.mark.parametrize("name", [n for n in OURS if not n.startswith("batch_action/cli/")])
def test_only_the_door_reads_environment_and_arguments(name: str):
    found = [n.lineno for n in ast.walk(tree_of(name)) if reads_the_world(n)]
    assert found == [], name


def imports(name: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree_of(name)):
        match node:
            case ast.Import(names=names):
                found |= {one.name for one in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module} | {f"{module}.{one.name}" for one in names}
    return found


def test_tests_use_no_mocks():
    assert [n for n in TESTS if any("unittest" in i or i == "mock" for i in imports(n))] == []


def text_of(name: str) -> str:
    try:
        return (ROOT / name).read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_names_a_package_registry():
    named = [n for n in project_files() for host in REGISTRIES if host in text_of(n)]
    assert named == []


def test_no_file_names_a_place_on_somebodys_machine():
    found = {
        name: match[0]
        for name in project_files()
        if (match := re.search(MACHINES, RUNNER.sub("", text_of(name))))
    }
    assert found == {}


def test_every_module_begins_with_its_sentence():
    silent = [
        name
        for name in MODULES
        if (ROOT / name).stat().st_size and not ast.get_docstring(tree_of(name))
    ]
    assert silent == []


def test_a_prompt_stands_beside_every_task():
    for module in Path(ROOT, "batch_action/tasks").glob("*.py"):
        if re.search(r"^TASK = ", module.read_text("utf-8"), re.MULTILINE):
            assert module.with_suffix(".md").is_file(), module.name
