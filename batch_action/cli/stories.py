"""How a command becomes a story: its flags from the inputs, its worlds opened, its end told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from batch_action.cli.wiring import Door, open_worlds
from batch_action.config.gathering import inputs
from batch_action.errors import Interrupted
from batch_action.steps import telling
from batch_action.steps.world import World
from batch_action.verbs.every import Verb, Whose, every


def verb(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command the flags of these inputs, `--repo`, and the door."""

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        for name in reversed(names):
            function = _option(name)(function)
        return click.option(
            "--repo",
            type=click.Path(exists=True, file_okay=False),
            help="The repository's folder; the current one if not given.",
        )(click.pass_obj(function))

    return decorate


def _option(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    field, declared = inputs()[name]
    text = declared.help
    kind: dict[str, Any] = {"default": None, "help": text, "metavar": "VALUE"}
    if field.annotation is bool:
        kind = {"default": None, "help": text, "is_flag": True, "flag_value": True}
    elif "tuple" in str(field.annotation):
        kind["multiple"] = True
    return click.option(f"--{name}", **kind)


def _flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """Click's values under the inputs' names; a repeated flag becomes lines."""
    return {
        key.replace("_", "-"): "\n".join(value) if isinstance(value, tuple) else value
        for key, value in values.items()
    }


@contextmanager
def opened(door: Door, repo: str | None, values: Mapping[str, Any]) -> Iterator[tuple[World, ...]]:
    """A world for each task; at the end what needs attention is told, and where it stopped."""
    with open_worlds(door, flags=_flags(values), repo=repo) as worlds:
        try:
            yield worlds
        except Interrupted:
            telling.interrupted(worlds[0])
            raise
        finally:
            telling.attention(*worlds)


def told(
    door: Door,
    repo: str | None,
    values: Mapping[str, Any],
    story: Verb,
    whose: Whose | None = None,
) -> int:
    """The exit code of a verb that is done for every task."""
    with opened(door, repo, values) as worlds:
        return every(worlds, (story,), door.tell, whose=whose)
