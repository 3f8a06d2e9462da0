"""How a command becomes a story: its flags, its worlds opened, and its end told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from batch_action.cli.flags import given, option
from batch_action.cli.wiring import Door, open_worlds
from batch_action.errors import Interrupted
from batch_action.steps import telling
from batch_action.steps.world import World
from batch_action.verbs.every import Verb, Whose, every


def verb(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command the flags of these inputs, `--repo`, and the door."""

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        for name in reversed(names):
            function = option(name)(function)
        return click.option(
            "--repo",
            type=click.Path(exists=True, file_okay=False),
            help="The repository's folder; the current one if not given.",
        )(click.pass_obj(function))

    return decorate


@contextmanager
def opened(door: Door, repo: str | None, values: Mapping[str, Any]) -> Iterator[tuple[World, ...]]:
    """A world for each task; at the end what needs attention is told, and where it stopped."""
    with open_worlds(door, flags=given(values), repo=repo) as worlds:
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
