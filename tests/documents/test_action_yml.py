"""action.yml against the code: every input, every default, every output."""

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
                pytest.fail(f"line {node.lineno}: an output's name that this test cannot read")
    return names


def test_the_inputs_are_those_of_the_code():
    assert tables.action_inputs(read("action.yml")) == read("action.yml")


def test_only_the_token_declares_a_default():
    declared = {name: i["default"] for name, i in ACTION["inputs"].items() if "default" in i}
    assert declared == {"github-token": "${{ github.token }}"}
    assert all(one["required"] is False for one in ACTION["inputs"].values())


def test_outputs_are_what_the_code_can_set():
    assert set(ACTION["outputs"]) == outputs_in_code()


def test_the_status_words_are_those_of_the_code():
    described = ACTION["outputs"]["status"]["description"]
    words = set(re.findall(r"[a-z-]+", described.partition("(")[2]))
    assert words == status_words()


def status_words() -> set[str]:
    """The string constants of every value that `status` is set to, variables followed."""
    tree = ast.parse(read("batch_action/publishers/job_summary.py"))
    words: set[str] = set()
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        given = {
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
                    words |= outcomes(given.get(value.id, value) if is_name(value) else value)
    return words


def is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


def outcomes(value: ast.expr) -> set[str]:
    match value:
        case ast.Constant(value=str(word)):
            return {word}
        case ast.IfExp(body=one, orelse=other):
            return outcomes(one) | outcomes(other)
    pytest.fail(f"line {value.lineno}: a status that this test cannot read")


def test_it_is_a_docker_action_with_a_name_and_a_short_description():
    assert ACTION["runs"] == {"using": "docker", "image": "Dockerfile"}
    assert ACTION["name"] == "batch-action"
    assert len(ACTION["description"]) <= 125
