"""action.yml against the code: inputs, defaults and outputs."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents import tables
from tests.documents.texts import ROOT, read

ACTION: dict[str, Any] = yaml.safe_load(read("action.yml"))


def outputs_in_code() -> set[str]:
    """Every name that some `set_output(name, …)` of the package can be called with."""
    names: set[str] = set()
    for path in (ROOT / "batch_action").rglob("*.py"):
        if "sandbox" not in path.parts and path.name != "commands.py":
            names |= outputs_in(path)
    return names


def outputs_in(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="set_output"), args=[ast.Constant(value=str(name)), *_]
            ):
                names.add(name)
            case ast.Call(func=ast.Attribute(attr="set_output")):
                pytest.fail(f"line {node.lineno}: the name of an output is not a constant")
    return names


def test_the_inputs_are_those_of_the_code():
    assert tables.action_inputs(read("action.yml")) == read("action.yml")


def test_only_the_token_declares_a_default():
    declared = {name: i["default"] for name, i in ACTION["inputs"].items() if "default" in i}
    assert declared == {"github-token": "${{ github.token }}"}
    assert all(item["required"] is False for item in ACTION["inputs"].values())


def test_outputs_are_what_the_code_can_set():
    assert set(ACTION["outputs"]) == outputs_in_code()


def test_the_status_words_are_those_of_the_code():
    described = ACTION["outputs"]["status"]["description"]
    words = set(re.findall(r"[a-z-]+", described.partition("(")[2]))
    assert words == status_words()


def status_words() -> set[str]:
    """The string constants of every value that `status` is set to.

    Variables and functions of the modules are followed.
    """
    modules = ("submit_report", "job_summary")
    tree = ast.parse("\n".join(read(f"batch_action/publishers/{name}.py") for name in modules))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    words: set[str] = set()
    for function in functions.values():
        variables = {
            node.targets[0].id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(function):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="set_output"),
                    args=[ast.Constant(value="status"), value],
                ):
                    words |= constants_in(value, variables, functions)
    return words


def constants_in(
    value: ast.expr, variables: dict[str, ast.expr], functions: dict[str, ast.FunctionDef]
) -> set[str]:
    match value:
        case ast.Constant(value=str(word)):
            return {word}
        case ast.IfExp(body=body, orelse=orelse):
            branches = [body, orelse]
        case ast.Name(id=name) if name in variables:
            branches = [variables[name]]
        case ast.Call(func=ast.Name(id=name)) if name in functions:
            branches = [
                node.value
                for node in ast.walk(functions[name])
                if isinstance(node, ast.Return) and node.value
            ]
            variables = {}
        case _:
            pytest.fail(f"line {value.lineno}: the status is not a constant")
    return set().union(*(constants_in(branch, variables, functions) for branch in branches))


def test_it_is_a_docker_action_with_a_name_and_a_short_description():
    assert ACTION["runs"] == {"using": "docker", "image": "Dockerfile"}
    assert ACTION["name"] == "batch-action"
    assert len(ACTION["description"]) <= 125
