"""Flags: which inputs a verb shows, and how one becomes click's option."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from batch_action.config.gathering import inputs

STATE = [
    "task",
    "prompt-file",
    "patch-file",
    "config-file",
    "state-dir",
    "state-key",
    "state-branch",
]
CHOICE = [
    "model",
    "effort",
    "paths",
    "paths-ignore",
    "select",
    "base",
    "head",
    "first-run",
    "max-cost-usd",
    "monthly-budget-usd",
    "on-over-budget",
    "min-requests",
    "small-workload",
    "max-wait-days",
    "prompt-cache",
    "max-requests-per-batch",
    "max-file-bytes",
    "max-attempts",
    "recheck",
    "refactor-description",
    "test-framework",
    "test-paths",
]
REPORT = [
    "report",
    "min-severity",
    "min-confidence",
    "fail-on-severity",
    "fail-on-verdict",
    "max-findings",
    "labels",
    "assignees",
    "allow-public-security-findings",
    "wait-minutes",
    "batch-id",
]
SENDING = ["dry-run", "retention-days", "anthropic-base-url"]


def option(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """The option of one input."""
    field, declared = inputs()[name]
    text = declared.help
    kind: dict[str, Any] = {"default": None, "help": text, "metavar": "VALUE"}
    if field.annotation is bool:
        kind = {"default": None, "help": text, "is_flag": True, "flag_value": True}
    elif "tuple" in str(field.annotation):
        kind["multiple"] = True
    return click.option(f"--{name}", **kind)


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Click's values under the inputs' names; a repeated flag becomes lines."""
    return {
        key.replace("_", "-"): "\n".join(value) if isinstance(value, tuple) else value
        for key, value in values.items()
    }
