"""One verb over every task of a run: one that fails never stops the others."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from batch_action.batches import recover
from batch_action.context import World
from batch_action.errors import BatchActionError, ConfigError
from batch_action.ledger import store as memories
from batch_action.ledger import view
from batch_action.ledger.store import Memory
from batch_action.publishers import notifiers
from batch_action.publishers.pull_request import collect
from batch_action.requests.planner import month_start

Verb = Callable[[World, Memory], int]
Tell = Callable[[BatchActionError], None]


@dataclass(slots=True)
class Codes:
    """The exit codes of several steps, of which the first failure's counts."""

    tell: Tell
    codes: list[int] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    bug: Exception | None = None

    def run(self, world: World, step: Callable[[], int], title: str = "") -> None:
        """Do one step; its failure is told once, under the title of its task."""
        try:
            self.codes.append(step())
        except BatchActionError as error:
            if str(error) not in self.told:
                self.told.add(str(error))
                self.tell(_titled(error, title) if title else error)
                notifiers.failure(world, error)
            self.codes.append(error.exit_code)
        except Exception as error:  # noqa: BLE001 - a bug in one step must not stop the others
            self.bug = self.bug or error

    def first(self) -> int:
        """The first failure's exit code; a bug is raised only now."""
        if self.bug is not None:
            raise self.bug
        return next((code for code in self.codes if code), 0)


@dataclass(slots=True)
class Shelf:
    """The ledgers of a run by their tasks' titles."""

    memories: dict[str, Memory] = field(default_factory=dict)

    def load(self, world: World) -> int:
        """Read one; 0, as a step that went well."""
        self.memories[world.title] = memories.load(world)
        return 0

    def reckon(self, worlds: Sequence[World]) -> None:
        """Note what every ledger knows to be spent this month or in flight."""
        for world in worlds:
            ledger = self.memories[world.title].ledger
            spent = view.known_spend(ledger, month_start(world.now()))
            world.purse.ledgers[world.title] = spent + view.committed(ledger)


Whose = Callable[[Sequence[World], Shelf], World]


def every(
    worlds: Sequence[World],
    verbs: Sequence[Verb],
    tell: Tell,
    *,
    then: Sequence[Verb] = (),
    whose: Whose | None = None,
    others: Sequence[Verb] = (),
) -> int:
    """Do *verbs* for every task, then *then*. Returns the first failure's exit code.

    The ledgers of several tasks are read first: what one has spent counts for all. With `batch-id`
    and *whose*, only the task that the batch belongs to does *verbs*; the others do *others*.
    """
    codes, shelf = Codes(tell), Shelf()
    for world in worlds:
        codes.run(world, partial(shelf.load, world), _name(world, worlds))
    there = [world for world in worlds if world.title in shelf.memories]
    owner = whose(there, shelf) if whose and there and there[0].settings.batch_id else None
    for steps in (verbs, then):
        for world in there:
            mine = owner in (None, world)
            for act in steps if mine else others if steps is verbs else ():
                shelf.reckon(there)
                memory = shelf.memories[world.title]
                codes.run(world, partial(act, world, memory), _name(world, worlds))
    return codes.first()


def each(worlds: Sequence[World], verb: Callable[[World], int], tell: Tell) -> int:
    """Do a verb that needs no ledger for every task."""
    codes = Codes(tell)
    for world in worlds:
        codes.run(world, partial(verb, world), _name(world, worlds))
    return codes.first()


def remembered(worlds: Sequence[World], shelf: Shelf) -> World:
    """The task whose ledger knows `batch-id`; else the first one, which says what is wrong."""
    batch = worlds[0].settings.batch_id
    known = (w for w in worlds if batch in view.known_batches(shelf.memories[w.title].ledger))
    beside = (w for w in worlds if collect.holds(w, batch))
    return next(chain(known, beside), worlds[0])


def recovered(worlds: Sequence[World], shelf: Shelf) -> World:
    """The same; a batch that no ledger knows is the first task's that can have asked for it."""
    for world in (remembered(worlds, shelf), *worlds):
        with suppress(ConfigError):
            if collect.holds(world, world.settings.batch_id):
                return world
            recover.recover(world, shelf.memories[world.title])
            return world
    return worlds[0]


def _name(world: World, worlds: Sequence[World]) -> str:
    """What a failure is told under: nothing where there is only one task."""
    return world.title if len(worlds) > 1 else ""


def _titled(error: BatchActionError, title: str) -> BatchActionError:
    told = BatchActionError(f"{title}: {error.problem}", fix=error.fix)
    told.exit_code = error.exit_code
    return told
