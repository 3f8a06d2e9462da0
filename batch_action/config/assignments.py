"""Assignments of files to tasks: one per task, and one per task of each rule."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.config.inputs import Rule
from batch_action.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One task with the settings for its files."""

    settings: Settings
    other_tasks_patterns: tuple[tuple[str, ...], ...] = ()
    """Patterns of the rules that assign their files to this task elsewhere: not selected here."""

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.settings.task[0]


def assign_tasks(settings: Settings, only: Sequence[str] = ()) -> tuple[Assignment, ...]:
    """Return the assignments of `task` in order, then those of the rules in order.

    A task gets a file once: from the first rule that matches it, else from the general settings.
    *only* limits the result to these tasks; empty means all.
    """
    general = [
        Assignment(
            settings=settings.model_copy(update={"task": (task,), "rules": ()}),
            other_tasks_patterns=_claimed_patterns(settings, settings.rules, task),
        )
        for task in dict.fromkeys(settings.task)
    ]
    by_rule = [
        Assignment(
            settings=_settings_for_rule(settings, rule, task),
            other_tasks_patterns=_claimed_patterns(settings, settings.rules[:number], task),
        )
        for number, rule in enumerate(settings.rules)
        for task in _tasks_of(settings, rule)
    ]
    return tuple(a for a in (*general, *by_rule) if not only or a.task in only)


def _tasks_of(settings: Settings, rule: Rule) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule.task or settings.task))


def _claimed_patterns(
    settings: Settings, rules: Sequence[Rule], task: str
) -> tuple[tuple[str, ...], ...]:
    return tuple(rule.paths for rule in rules if task in _tasks_of(settings, rule))


def _settings_for_rule(settings: Settings, rule: Rule, task: str) -> Settings:
    """Override the general settings with the rule's, and its ledger, issue and branch names."""
    overrides = {
        "model": rule.model,
        "effort": rule.effort,
        "labels": rule.labels,
        "assignees": rule.assignees,
    }
    key = f"{settings.state_key}.{rule.slug}" if settings.state_key else rule.slug
    return settings.model_copy(
        update={
            "task": (task,),
            "rules": (),
            "paths": rule.paths,
            "state_key": key,
            **{name: value for name, value in overrides.items() if value is not None},
        }
    )
