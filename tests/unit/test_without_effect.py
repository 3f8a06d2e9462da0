"""Inputs that change nothing: each is named once, and none that somebody else may need."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from batch_action import tasks
from batch_action.config.inputs import BUILT_IN_TASKS
from batch_action.config.loading import declared_inputs, load_settings
from batch_action.config.without_effect import (
    DEPENDENT,
    names_given,
    without_effect,
)

KEY, RULE = "anthropic-api-key", "anthropic-federation-rule-id"


def said(
    given: dict[str, Any], file: dict[str, Any] | None = None, command: str = "run"
) -> list[str]:
    """Return what is said about settings of a run and of the config file."""
    settings = load_settings(
        flags=given, action_inputs={}, environ={}, file=file or {}, file_name="f"
    )
    return [*without_effect([settings], names_given(given, {}, {}), command)]


@pytest.mark.parametrize(
    ("given", "file", "command", "sentences"),
    [
        pytest.param({}, {}, "run", [], id="nothing"),
        pytest.param(
            {}, {"warm-minutes": 5}, "run",
            ["`warm-minutes` has no effect without `prompt-cache: warm`."], id="warm",
        ),
        pytest.param({}, {"warm-minutes": 5, "prompt-cache": "warm"}, "run", [], id="is warm"),
        pytest.param({}, {"warm-minutes": 10}, "run", [], id="the default"),
        pytest.param(
            {}, {"min-requests": 3, "max-wait-days": 1}, "run",
            [
                "`min-requests` has no effect with `small-workload: submit`, the default.",
                "`max-wait-days` has no effect without `small-workload: accumulate`.",
            ],
            id="two of one kind",
        ),
        pytest.param(
            {"select": "all", "base": "main"}, {}, "run",
            ["`base` has no effect with `select: all`."], id="base",
        ),
        pytest.param(
            {KEY: "sk", RULE: "fdrl_1", "anthropic-organization-id": "o"}, {}, "run",
            [f"`{RULE}` has no effect beside `{KEY}`, which is used."], id="key and federation",
        ),
        pytest.param(
            {"anthropic-workspace-id": "w"}, {}, "run",
            [f"`anthropic-workspace-id` has no effect without `{RULE}`."], id="workspace",
        ),
        pytest.param(
            {"fail-on-verdict": "invalid"}, {}, "run",
            ["`fail-on-verdict` has no effect without the task `refactor-validation`."],
            id="verdict of a review",
        ),
        pytest.param(
            {"fail-on-verdict": "invalid", "task": "code-review,refactor-validation"}, {}, "run",
            [], id="verdict of one task of two",
        ),
        pytest.param(
            {"fail-on-verdict": "invalid", "task": "mine"}, {}, "run", [], id="a task of one's own"
        ),
        # Another workflow that shares the file may have the task, or collect.
        pytest.param(
            {}, {"documentation-style": "complete", "fail-on-verdict": "invalid"}, "run", [],
            id="tasks of the file",
        ),
        pytest.param({}, {"wait-minutes": 5}, "submit", [], id="wait in the file"),
        pytest.param(
            {"wait-minutes": 5, "batch-id": "msgbatch_1"}, {}, "submit",
            [
                "`batch-id` has no effect on a command that collects nothing.",
                "`wait-minutes` has no effect on a command that collects nothing.",
            ],
            id="wait at submit",
        ),
        pytest.param({"wait-minutes": 5}, {}, "collect", [], id="wait at collect"),
        pytest.param({"wait-minutes": 5}, {}, "", [], id="wait at an unknown command"),
        pytest.param(
            {"report": "summary", "labels": "x", "max-issues": 3}, {}, "run",
            [
                "`max-issues` has no effect without `issue-per-finding` in `report`.",
                (
                    "`labels` has no effect without `issue`, `issue-per-finding` or `draft-pr` "
                    "in `report`."
                ),
            ],
            id="reports",
        ),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_named(given, file, command, sentences):
    assert said(given, file, command) == sentences


def test_an_input_is_of_use_if_one_task_uses_it():
    both = [
        load_settings(
            flags={"max-issues": 3, "report": r},
            action_inputs={},
            environ={},
            file={},
            file_name="f",
        )
        for r in ("summary", "issue-per-finding")
    ]
    assert [*without_effect(both, ())] == []
    assert len([*without_effect(both[:1], ())]) == 1


@pytest.mark.parametrize("source", ["flags", "action_inputs", "environ"])
def test_where_an_input_was_given(source):
    name = "BATCH_ACTION_WAIT_MINUTES" if source == "environ" else "wait-minutes"
    sources = {"flags": {}, "action_inputs": {}, "environ": {}, source: {name: "5"}}
    assert names_given(**sources) == {"wait-minutes"}


def test_the_table_names_inputs_and_tasks_that_exist():
    assert {name for row in DEPENDENT for name in row.names} <= declared_inputs().keys()
    modules = (import_module(f"{tasks.__name__}.{m.name}") for m in iter_modules(tasks.__path__))
    assert {m.TASK.name for m in modules if hasattr(m, "TASK")} == BUILT_IN_TASKS
