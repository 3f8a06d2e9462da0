"""`run`: collect what has ended, then submit what is new; one failing never stops the other."""

from collections.abc import Callable

from batch_action.errors import BatchActionError
from batch_action.steps import briefing
from batch_action.steps import memory as memories
from batch_action.steps.world import World
from batch_action.verbs.collect import collect
from batch_action.verbs.submit import submit


def run(world: World, tell: Callable[[BatchActionError], None]) -> int:
    """Both halves on one memory. Returns the first failure's exit code; *tell* shows each."""
    memory = memories.load(world)
    codes: list[int] = []
    told: set[str] = set()
    bug: Exception | None = None
    for half in (collect, submit):
        try:
            codes.append(half(world, memory))
        except BatchActionError as error:
            if str(error) not in told:
                tell(error)
                briefing.failure(world, error)
            told.add(str(error))
            codes.append(error.exit_code)
        except Exception as error:  # noqa: BLE001 - a bug in one half must not stop the other
            bug = bug or error
    if bug is not None:
        raise bug
    return next((code for code in codes if code), 0)
