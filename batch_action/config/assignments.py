"""Which task looks at which files: one assignment for each task, and for each task of each rule."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.config.rules import Rule
from batch_action.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One task on some of the files, with its settings as for a run of its own."""

    settings: Settings
    other_tasks_patterns: tuple[tuple[str, ...], ...] = ()
    """Patterns of the rules whose files are not this one's."""

    @property
    def task(self) -> str:
        """The one task it is about."""
        return self.settings.task[0]


def assignments(settings: Settings, only: Sequence[str] = ()) -> tuple[Assignment, ...]:
    """The tasks of `task` in their order, then those of the rules in theirs.

    A file that a rule matches is not looked at by the same task elsewhere: not by a later rule, and
    not in general. *only*: leave out all other tasks.
    """
    general = [
        Assignment(
            settings=settings.model_copy(update={"task": (task,), "rules": ()}),
            other_tasks_patterns=_claimed(settings, settings.rules, task),
        )
        for task in dict.fromkeys(settings.task)
    ]
    ruled = [
        Assignment(
            settings=_ruled(settings, rule, task),
            other_tasks_patterns=_claimed(settings, settings.rules[:number], task),
        )
        for number, rule in enumerate(settings.rules)
        for task in _tasks(settings, rule)
    ]
    return tuple(a for a in (*general, *ruled) if not only or a.task in only)


def _tasks(settings: Settings, rule: Rule) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule.task or settings.task))


def _claimed(settings: Settings, rules: Sequence[Rule], task: str) -> tuple[tuple[str, ...], ...]:
    return tuple(rule.paths for rule in rules if task in _tasks(settings, rule))


def _ruled(settings: Settings, rule: Rule, task: str) -> Settings:
    """The rule's own values in place of the general ones; a ledger, issue and branch of its own."""
    own = {
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
            **{name: value for name, value in own.items() if value is not None},
        }
    )
