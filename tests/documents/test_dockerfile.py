"""What the Dockerfile says about git, and what it leaves out."""

import ast
import re
import subprocess

from tests.documents.texts import ROOT, project_files, read

OBJECT_TYPES = {"commit"}
"""Builtins of git that are also types of objects: our code means these."""


def builtins_of_git() -> set[str]:
    command = ["git", "--list-cmds=builtins"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def first_texts(tree: ast.AST) -> set[str]:
    """Return the texts that are the first element of a tuple or list, or argument of a call."""
    found = set()
    for node in ast.walk(tree):
        elements = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
        if elements and isinstance(elements[0], ast.Constant):
            found.add(elements[0].value)
    return found


def verbs_called() -> set[str]:
    """Return the commands of git that our client calls, and the one that GitPython calls."""
    texts = set()
    for path in (ROOT / "batch_action" / "clients" / "git").glob("*.py"):
        texts |= first_texts(ast.parse(path.read_text("utf-8")))
    return (texts & builtins_of_git()) - OBJECT_TYPES | {"version"}


def test_the_build_checks_every_command_of_git_that_we_call_and_no_other():
    match = re.search(r"for verb in ([a-z\s\\-]+); do", read("Dockerfile"))
    assert match
    assert set(match[1].replace("\\", " ").split()) == verbs_called()


def test_nothing_but_the_client_starts_git():
    calls = re.compile(r"""subprocess|GitCommandWrapperType|os\.(?:system|exec|spawn|popen)""")
    callers = {
        name
        for name in project_files()
        if name.startswith("batch_action/")
        and not name.startswith(("batch_action/sandbox/", "batch_action/commands/demo/"))
        and name.endswith(".py")
        and calls.search(read(name))
    }
    assert callers == {"batch_action/clients/git/runner.py"}


def test_what_is_for_laptops_is_no_part_of_the_image():
    ignored = read(".dockerignore").splitlines()
    assert {"batch_action/sandbox", "batch_action/commands/demo"} <= set(ignored)
