"""The published schema of the config file accepts what the code accepts, and refuses the rest."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from batch_action.commands import init
from batch_action.config.loading import declared_inputs, load_settings
from batch_action.errors import ConfigError
from tests.documents import tables
from tests.documents.texts import read

NAME = "docs/config.schema.json"
SCHEMA = json.loads(read(NAME))


def problems(config: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(config)]


def is_accepted(config: dict[str, Any]) -> bool:
    try:
        load_settings(flags={}, action_inputs={}, environ={}, file=config, file_name="x.yml")
    except ConfigError:
        return False
    return True


def test_it_is_generated_from_the_settings():
    assert tables.config_schema() == read(NAME)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_it_has_every_input_of_the_file_and_no_other():
    assert set(SCHEMA["properties"]) == {n for n, (_, d) in declared_inputs().items() if d.file}


def test_the_examples_and_the_defaults_are_valid():
    assert problems(yaml.safe_load(read("docs/monorepo.config.yml"))) == []
    text = init.config_text()
    assert text.startswith("# yaml-language-server: $schema=https://")
    assert text.splitlines()[0].endswith(f"/{NAME}")
    settings = [line.removeprefix("# ") for line in text.splitlines() if _is_setting(line)]
    config = yaml.safe_load("\n".join(settings))
    assert len(config) == len(SCHEMA["properties"])
    assert problems({k: v for k, v in config.items() if v is not False}) == []
    assert is_accepted(config)


def _is_setting(line: str) -> bool:
    return line.removeprefix("# ").partition(":")[0] in SCHEMA["properties"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model: claude-opus-5-5",
        "task: code-review, security-scan",
        "task: [code-review]",
        "task: []",
        "tasks: code-review",
        "paths: ['*.py', '!x/']",
        "paths: |\n  *.py\n  src/",
        "paths: {a: b}",
        "max-cost-usd: 2.5",
        "max-cost-usd: '2.5'",
        "max-cost-usd: much",
        "max-cost-usd: -1",
        "max-cost-usd:",
        "min-requests: 0",
        "min-requests: 1.5",
        "max-findings: 501",
        "effort: heroic",
        "effort: high",
        "min-severity: high",
        "min-severity: dire",
        "report: [issue, pigeon]",
        "report: [issue, sarif]",
        "labels: [a, b]",
        f"labels: [{'x' * 51}]",
        "delete-batches: true",
        "delete-batches: maybe",
        "rules: [{paths: web/, task: code-review}]",
        "rules: [{task: code-review}]",
        "rules: [{paths: web/, modle: x}]",
        "rules: [{paths: []}]",
        "rules: web/",
        "anthropic-api-key: x",
        "mode: run",
        "allow-public-security-findings: true",
        "state-key: a/b",
        "prices: {m: {input: 1, output: 2, write_5m: 1, write_1h: 1, read: 1}}",
        "prices: 5",
    ],
)
def test_it_agrees_with_the_code(text: str) -> None:
    config = yaml.safe_load(text) or {}
    assert (problems(config) == []) is is_accepted(config), problems(config)
