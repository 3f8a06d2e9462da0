"""The rules of this code base that no linter checks."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.documents.texts import ROOT, project_files

MODULES = [n for n in project_files() if n.startswith("batch_action/") and n.endswith(".py")]
OURS = [n for n in MODULES if not n.startswith("batch_action/sandbox/")]
TESTS = [n for n in project_files() if n.startswith("tests/") and n.endswith(".py")]
MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 7
MAX_IMPORTS = 20
"""Modules of ours that one module may import."""
CONTEXTS = ("RunContext", "ServerContext")
MAX_MEMBERS_TAKEN_SINGLY = 2

# Concatenated, so that this file does not contain them.
REGISTRIES = ("pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js", "crates" + ".io")
MACHINES = r"(?<![\w.$}~-])/(?:work|root|Users|home)/\w"
RUNNER = re.compile(r"/home/runner\b|/github/home\b")
"""Paths of GitHub's runner are allowed."""
POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{\d*,?\d*\})\+")


def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text("utf-8"))


def lines_of(name: str) -> int:
    return len((ROOT / name).read_text("utf-8").splitlines())


def module_of(name: str) -> str:
    """Return the dotted name of a module."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


KNOWN = {module_of(name) for name in MODULES}


def functions_of(name: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree_of(name)) if isinstance(node, kinds)]


def test_no_module_is_too_long():
    long = {name: lines_of(name) for name in MODULES if lines_of(name) > MAX_MODULE_LINES}
    assert long == {}


def test_no_function_is_too_long():
    long = {
        f"{name}:{node.name}": length
        for name in MODULES
        for node in functions_of(name)
        if (length := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}


def parameters_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """List the parameters of a function, without `self` and `cls`."""
    args = node.args
    names = [argument.arg for argument in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def test_no_function_has_too_many_parameters():
    functions = {
        f"{name}:{node.name}": len(parameters_of(node))
        for name in MODULES
        for node in functions_of(name)
        if len(parameters_of(node)) > MAX_PARAMETERS
    }
    assert functions == {}


def uses_of(scope: ast.AST, is_context: Callable[[ast.AST], bool]) -> tuple[set[str], bool]:
    """Return which members of a context a function or class uses, and whether it hands it on."""
    members = [n for n in ast.walk(scope) if isinstance(n, ast.Attribute) and is_context(n.value)]
    taken = {id(node.value) for node in members}
    whole = any(
        is_context(node) and id(node) not in taken and isinstance(node.ctx, ast.Load)
        for node in ast.walk(scope)
    )
    return {node.attr for node in members}, whole


def is_name(name: str) -> Callable[[ast.AST], bool]:
    return lambda node: isinstance(node, ast.Name) and node.id == name


def is_field(name: str) -> Callable[[ast.AST], bool]:
    return lambda node: (
        isinstance(node, ast.Attribute) and node.attr == name and is_name("self")(node.value)
    )


def holders_of_a_context(name: str) -> Iterator[tuple[str, ast.AST, Callable[[ast.AST], bool]]]:
    """Yield the functions that take a context, and the classes that keep one."""
    for node in functions_of(name):
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            if argument.annotation and ast.unparse(argument.annotation) in CONTEXTS:
                yield node.name, node, is_name(argument.arg)
    for node in classes_of(name):
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.annotation) in (
                CONTEXTS
            ):
                yield node.name, node, is_field(statement.target.id)


def test_a_context_is_taken_only_where_most_of_it_is_used():
    """What uses one or two members and hands it to nobody takes these members instead."""
    few = {
        f"{name}:{holder}": sorted(members)
        for name in OURS
        for holder, scope, is_context in holders_of_a_context(name)
        for members, whole in [uses_of(scope, is_context)]
        if len(members) <= MAX_MEMBERS_TAKEN_SINGLY and not whole
    }
    assert few == {}


def imported_by(name: str) -> set[str]:
    """Return the modules of ours that a module imports, except for annotations."""
    tree, found = tree_of(name), set()
    annotations = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    package = (
        module_of(name) if name.endswith("/__init__.py") else module_of(name).rpartition(".")[0]
    )
    for node in ast.walk(tree):
        if id(node) in annotations:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(up if node.level else []), *filter(None, [node.module])])
            found |= {
                inner if (inner := f"{base}.{alias.name}") in KNOWN else base
                for alias in node.names
            }
    return (found & KNOWN) - {module_of(name)}


IMPORTS = {module_of(name): imported_by(name) for name in MODULES}


def test_no_module_imports_too_many_of_ours():
    many = {name: len(to) for name, to in IMPORTS.items() if len(to) > MAX_IMPORTS}
    assert many == {}


def test_imports_have_no_cycle():
    order = TopologicalSorter(IMPORTS)
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def classes_of(name: str) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.ClassDef)]


def test_no_public_class_name_is_used_twice():
    files_by_class: dict[str, list[str]] = {}
    for name in OURS:
        for node in classes_of(name):
            if not node.name.startswith("_"):
                files_by_class.setdefault(node.name, []).append(name)
    assert {name: files for name, files in files_by_class.items() if len(files) > 1} == {}


def test_no_class_is_cut_into_mixins():
    """A base class of ours has several subclasses, or is used by itself."""
    uses: Counter[str] = Counter()
    bases: dict[str, list[str]] = {}
    for name in MODULES:
        tree = tree_of(name)
        uses.update(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        uses.update(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
        for node in classes_of(name):
            for base in node.bases:
                if isinstance(base, ast.Name):
                    bases.setdefault(base.id, []).append(node.name)
    ours = {node.name for name in MODULES for node in classes_of(name)}
    cut = {base: of for base, of in bases.items() if base in ours and uses[base] == len(of) == 1}
    assert cut == {}


def reads_the_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv"):
            return True
        case ast.Attribute(value=ast.Name(id="sys"), attr="argv"):
            return True
        case ast.ImportFrom(module="os" | "sys", names=names):
            return any(alias.name in ("environ", "environb", "getenv", "argv") for alias in names)
    return False


@pytest.mark.parametrize("name", [n for n in OURS if not n.startswith("batch_action/cli/")])
def test_only_the_command_line_reads_environment_and_arguments(name: str):
    found = [n.lineno for n in ast.walk(tree_of(name)) if reads_the_environment(n)]
    assert found == [], name


def imports(name: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree_of(name)):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module} | {f"{module}.{alias.name}" for alias in names}
    return found


def test_tests_use_no_mocks():
    assert [n for n in TESTS if any("unittest" in i or i == "mock" for i in imports(n))] == []


def text_of(name: str) -> str:
    try:
        return (ROOT / name).read_text("utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("name", MODULES)
def test_no_group_is_repeated_possessively(name: str):
    """Before Python 3.11.5 `(?:…)*+` matches wrongly (gh-106052); write `(?>(?:…)*)`."""
    constants = (n for n in ast.walk(tree_of(name)) if isinstance(n, ast.Constant))
    texts = [n.value for n in constants if isinstance(n.value, str)]
    assert [text for text in texts if POSSESSIVE_GROUP.search(text)] == []


def test_a_possessive_group_is_recognized():
    for pattern in (r"(?:ab)*+", r"(a|b)++c", r"(?:a)?+", "(a){2,}+"):
        assert POSSESSIVE_GROUP.search(pattern), pattern
    for pattern in (r"[^x]++", r"\)++", r"(?>(?:ab)*)", r"(?:ab)*c+"):
        assert not POSSESSIVE_GROUP.search(pattern), pattern


def test_no_file_contains_the_host_of_a_package_registry():
    files = [n for n in project_files() for host in REGISTRIES if host in text_of(n)]
    assert files == []


def test_no_file_contains_a_path_of_a_developers_machine():
    found = {
        name: match[0]
        for name in project_files()
        if (match := re.search(MACHINES, RUNNER.sub("", text_of(name))))
    }
    assert found == {}


def test_every_module_begins_with_a_docstring():
    missing = [
        name
        for name in MODULES
        if (ROOT / name).stat().st_size and not ast.get_docstring(tree_of(name))
    ]
    assert missing == []


def test_every_task_has_a_prompt():
    for module in Path(ROOT, "batch_action/tasks").glob("*.py"):
        if re.search(r"^TASK = ", module.read_text("utf-8"), re.MULTILINE):
            assert module.with_suffix(".md").is_file(), module.name
