"""Inputs that have an effect only together with another one: said once where they have none.

A new one is a row of `DEPENDENT`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_action.config.inputs import BUILT_IN_TASKS
from batch_action.config.loading import declared_inputs, variables_of
from batch_action.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """Inputs that have an effect only under a condition."""

    names: tuple[str, ...]
    unless: str
    """Ends the sentence "`name` has no effect …"."""
    has_effect: Callable[[Settings], bool] = lambda _settings: True
    commands: frozenset[str] = frozenset()
    """The only commands on which it has an effect; empty for all."""
    in_file: bool = True
    """Reported also when the config file sets it, which other workflows may share."""


def _alternatives(values: Sequence[str]) -> str:
    *others, last = (f"`{value}`" for value in values)
    return " or ".join(filter(None, (", ".join(others), last)))


def _for_report(*names: str, destinations: Sequence[str]) -> Dependent:
    return Dependent(
        names=names,
        unless=f"without {_alternatives(destinations)} in `report`",
        has_effect=lambda settings: not set(destinations).isdisjoint(settings.report),
    )


def _for_tasks(*names: str, tasks: Sequence[str]) -> Dependent:
    return Dependent(
        names=names,
        unless=f"without the task {_alternatives(tasks)}",
        # Of a repository's own task it is not known here what has an effect on it.
        has_effect=lambda settings: not (BUILT_IN_TASKS - set(tasks)).issuperset(settings.task),
        in_file=False,
    )


DEPENDENT = (
    Dependent(
        names=(
            "anthropic-organization-id",
            "anthropic-service-account-id",
            "anthropic-workspace-id",
        ),
        unless="without `anthropic-federation-rule-id`",
        has_effect=lambda settings: settings.anthropic_federation_rule_id is not None,
    ),
    Dependent(
        names=("anthropic-federation-rule-id",),
        unless="without `anthropic-organization-id`",
        has_effect=lambda settings: settings.anthropic_organization_id is not None,
    ),
    Dependent(
        names=("anthropic-federation-rule-id",),
        unless="beside `anthropic-api-key`, which is used",
        has_effect=lambda settings: settings.anthropic_api_key is None,
    ),
    Dependent(
        names=("base",),
        unless="with `select: all`",
        has_effect=lambda settings: settings.select != "all",
    ),
    Dependent(
        names=("warm-minutes",),
        unless="without `prompt-cache: warm`",
        has_effect=lambda settings: settings.prompt_cache == "warm",
    ),
    Dependent(
        names=("min-requests",),
        unless="with `small-workload: submit`, the default",
        has_effect=lambda settings: settings.small_workload != "submit",
    ),
    Dependent(
        names=("max-wait-days",),
        unless="without `small-workload: accumulate`",
        has_effect=lambda settings: settings.small_workload == "accumulate",
    ),
    Dependent(
        names=("state-secret-previous",),
        unless="without `state-secret`",
        has_effect=lambda settings: settings.state_secret is not None,
    ),
    Dependent(
        names=("webhook-secret",),
        unless="without `webhook-url`",
        has_effect=lambda settings: settings.webhook_url is not None,
    ),
    Dependent(
        names=("license-header",),
        unless="with `license-headers: off`",
        has_effect=lambda settings: settings.license_headers != "off",
    ),
    _for_report("max-findings", destinations=("issue", "pr-review")),
    _for_report("max-issues", destinations=("issue-per-finding",)),
    _for_report("labels", destinations=("issue", "issue-per-finding", "draft-pr")),
    _for_report("assignees", destinations=("issue", "issue-per-finding")),
    _for_tasks("refactor-description", "fail-on-verdict", tasks=("refactor-validation",)),
    _for_tasks("test-framework", "test-paths", tasks=("test-generation",)),
    _for_tasks("documentation-style", tasks=("documentation",)),
    _for_tasks(
        *("license-headers", "license-header", "allowed-licenses", "denied-licenses"),
        tasks=("license-check",),
    ),
    _for_tasks(
        *("fail-on-severity", "min-severity", "min-confidence"),
        tasks=("code-review", "security-scan", "refactor-validation", "license-check"),
    ),
    _for_tasks("verify", tasks=("code-review", "security-scan", "license-check")),
    Dependent(
        names=("batch-id", "wait-minutes"),
        unless="on a command that collects nothing",
        commands=frozenset({"collect", "run", "cancel"}),
        in_file=False,
    ),
    Dependent(
        names=("propose-from", "propose-only"),
        unless="without `mode: propose`",
        commands=frozenset({"propose"}),
        in_file=False,
    ),
)


def names_given(
    flags: Mapping[str, Any], action_inputs: Mapping[str, str], environ: Mapping[str, str]
) -> frozenset[str]:
    """Return the inputs that this run was given, by a flag, an input or a variable."""
    return frozenset(
        name
        for name in declared_inputs()
        if flags.get(name) or action_inputs.get(name) or any(map(environ.get, variables_of(name)))
    )


def without_effect(
    settings: Sequence[Settings], given: Collection[str], command: str = ""
) -> Iterator[str]:
    """Yield a sentence about each input that was set and changes nothing.

    *settings*: those of each task of the run; *given*: the names that the config file does not set;
    *command*: what runs, or empty when it is not known.
    """
    for row in DEPENDENT:
        is_wrong_command = bool(row.commands and command and command not in row.commands)
        if any(map(row.has_effect, settings)) and not is_wrong_command:
            continue
        for name in row.names:
            if any(_is_set(each, name) for each in settings) and (row.in_file or name in given):
                yield f"`{name}` has no effect {row.unless}."


def _is_set(settings: Settings, name: str) -> bool:
    field = name.replace("-", "_")
    default = Settings.model_fields[field].default
    return field in settings.model_fields_set and getattr(settings, field) != default
