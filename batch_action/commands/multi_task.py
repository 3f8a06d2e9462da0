"""One verb over every task of a run: one that fails never stops the others."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from batch_action.batches import recover
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, ConfigError
from batch_action.ledger import store as sessions
from batch_action.ledger import view
from batch_action.ledger.store import LedgerSession
from batch_action.publishers import notifiers
from batch_action.publishers.pull_request import collect
from batch_action.requests.planner import month_start

Verb = Callable[[RunContext, LedgerSession], int]
Tell = Callable[[BatchActionError], None]


@dataclass(slots=True)
class ExitCodes:
    """The exit codes of several steps, of which the first failure's counts."""

    tell: Tell
    codes: list[int] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    bug: Exception | None = None

    def run(self, ctx: RunContext, step: Callable[[], int], title: str = "") -> None:
        """Do one step; its failure is told once, under the title of its task."""
        try:
            self.codes.append(step())
        except BatchActionError as error:
            if str(error) not in self.told:
                self.told.add(str(error))
                self.tell(_titled(error, title) if title else error)
                notifiers.failure(ctx, error)
            self.codes.append(error.exit_code)
        except Exception as error:  # noqa: BLE001 - a bug in one step must not stop the others
            self.bug = self.bug or error

    def first(self) -> int:
        """The first failure's exit code; a bug is raised only now."""
        if self.bug is not None:
            raise self.bug
        return next((code for code in self.codes if code), 0)


@dataclass(slots=True)
class LedgerSet:
    """The ledgers of a run by their tasks' titles."""

    sessions: dict[str, LedgerSession] = field(default_factory=dict)

    def load(self, ctx: RunContext) -> int:
        """Read one; 0, as a step that went well."""
        self.sessions[ctx.title] = sessions.load(ctx)
        return 0

    def reckon(self, contexts: Sequence[RunContext]) -> None:
        """Note what every ledger knows to be spent this month or in flight."""
        for ctx in contexts:
            ledger = self.sessions[ctx.title].ledger
            spent = view.known_spend(ledger, month_start(ctx.now()))
            ctx.budget.ledgers[ctx.title] = spent + view.committed(ledger)


Whose = Callable[[Sequence[RunContext], LedgerSet], RunContext]


def run_for_each_task(
    contexts: Sequence[RunContext],
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
    codes, shelf = ExitCodes(tell), LedgerSet()
    for ctx in contexts:
        codes.run(ctx, partial(shelf.load, ctx), _name(ctx, contexts))
    there = [ctx for ctx in contexts if ctx.title in shelf.sessions]
    owner = whose(there, shelf) if whose and there and there[0].settings.batch_id else None
    for steps in (verbs, then):
        for ctx in there:
            mine = owner in (None, ctx)
            for act in steps if mine else others if steps is verbs else ():
                shelf.reckon(there)
                session = shelf.sessions[ctx.title]
                codes.run(ctx, partial(act, ctx, session), _name(ctx, contexts))
    return codes.first()


def each(contexts: Sequence[RunContext], verb: Callable[[RunContext], int], tell: Tell) -> int:
    """Do a verb that needs no ledger for every task."""
    codes = ExitCodes(tell)
    for ctx in contexts:
        codes.run(ctx, partial(verb, ctx), _name(ctx, contexts))
    return codes.first()


def remembered(contexts: Sequence[RunContext], shelf: LedgerSet) -> RunContext:
    """The task whose ledger knows `batch-id`; else the first one, which says what is wrong."""
    batch = contexts[0].settings.batch_id
    known = (w for w in contexts if batch in view.known_batches(shelf.sessions[w.title].ledger))
    beside = (w for w in contexts if collect.holds(w, batch))
    return next(chain(known, beside), contexts[0])


def recovered(contexts: Sequence[RunContext], shelf: LedgerSet) -> RunContext:
    """The same; a batch that no ledger knows is the first task's that can have asked for it."""
    for ctx in (remembered(contexts, shelf), *contexts):
        with suppress(ConfigError):
            if collect.holds(ctx, ctx.settings.batch_id):
                return ctx
            recover.recover(ctx, shelf.sessions[ctx.title])
            return ctx
    return contexts[0]


def _name(ctx: RunContext, contexts: Sequence[RunContext]) -> str:
    """What a failure is told under: nothing where there is only one task."""
    return ctx.title if len(contexts) > 1 else ""


def _titled(error: BatchActionError, title: str) -> BatchActionError:
    told = BatchActionError(f"{title}: {error.problem}", fix=error.fix)
    told.exit_code = error.exit_code
    return told
