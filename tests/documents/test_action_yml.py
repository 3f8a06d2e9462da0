"""action.yml against the code: every input, every default, every output."""

import ast
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from batch_action.config.gathering import inputs
from batch_action.config.reporting import Destination
from tests.documents.texts import ROOT, read

ACTION: dict[str, Any] = yaml.safe_load(read("action.yml"))
DECLARED = {name: both for name, both in inputs().items() if both[1].action}
OWN_TOKEN = "the workflow's own token"


def default_of(name: str) -> str:
    """The default in words, as action.yml and the README write it."""
    value = inputs()[name][0].default
    match value:
        case _ if name == "github-token":
            return OWN_TOKEN
        case None | "" | () | {}:
            return "none"
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


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
            case ast.Call(func=ast.Attribute(attr="set_output"), args=[name, *_]):
                names |= spelled(name)
    return names


def spelled(name: ast.expr) -> set[str]:
    """A literal name, or one for each destination that delivers: `f"{….destination}-number"`."""
    match name:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(
            values=[
                ast.FormattedValue(value=ast.Attribute(attr="destination")),
                ast.Constant(value=str(tail)),
            ]
        ):
            return {where + tail for where in get_args(Destination) if where != "summary"}
    pytest.fail(f"line {name.lineno}: an output's name that this test cannot read")


def test_every_action_input_is_declared_and_no_other():
    assert set(ACTION["inputs"]) == set(DECLARED)


def test_inputs_stand_in_the_order_of_the_settings():
    assert list(ACTION["inputs"]) == list(DECLARED)


def test_only_the_token_declares_a_default():
    declared = {name: i["default"] for name, i in ACTION["inputs"].items() if "default" in i}
    assert declared == {"github-token": "${{ github.token }}"}
    assert all(one["required"] is False for one in ACTION["inputs"].values())


@pytest.mark.parametrize("name", DECLARED)
def test_a_description_is_the_help_and_the_default(name: str):
    expected = f"{DECLARED[name][1].help} Default: {default_of(name)}."
    assert ACTION["inputs"][name]["description"] == expected


def test_outputs_are_what_the_code_can_set():
    assert set(ACTION["outputs"]) == outputs_in_code()


def test_the_status_words_are_those_of_the_code():
    described = ACTION["outputs"]["status"]["description"]
    words = set(re.findall(r"[a-z-]+", described.partition("(")[2]))
    assert words == status_words()


def status_words() -> set[str]:
    """The string constants of every value that `status` is set to, variables followed."""
    tree = ast.parse(read("batch_action/steps/telling.py"))
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
