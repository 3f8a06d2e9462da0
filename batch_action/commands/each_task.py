"""Run a command for every task; the failure of one step does not stop the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger import spend, store
from batch_action.ledger.store import LedgerSession

Command = Callable[[RunContext, LedgerSession], int]
ErrorReporter = Callable[[BatchActionError], None]


@dataclass(slots=True)
class ExitCodes:
    """The exit codes of several steps; the first failure's is the exit code of the run."""

    report_error: ErrorReporter
    names_tasks: bool
    """Whether an error names its task: there are several."""
    codes: list[int] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)
    bug: Exception | None = None

    def run(self, ctx: RunContext, step: Callable[[], int]) -> None:
        """Run a step of a task and report its error, once."""
        try:
            self.codes.append(step())
        except BatchActionError as error:
            if str(error) not in self.reported:
                self.reported.add(str(error))
                self.report_error(_with_title(error, ctx.title) if self.names_tasks else error)
                # Only here: the destinations take long to import.
                from batch_action.publishers import notifiers  # noqa: PLC0415

                notifiers.notify_failure(ctx, error)
            self.codes.append(error.exit_code)
        except Exception as error:  # noqa: BLE001 - a bug in one step must not stop the others
            self.bug = self.bug or error

    def exit_code(self) -> int:
        """Return the exit code of the first failure; raise a bug's exception after all steps."""
        if self.bug is not None:
            raise self.bug
        return next((code for code in self.codes if code), 0)


@dataclass(slots=True)
class LedgerSet:
    """The ledgers of a run, by title."""

    sessions: dict[str, LedgerSession] = field(default_factory=dict)

    def load(self, ctx: RunContext) -> int:
        """Load the ledger of a task; return 0, the exit code of the step."""
        self.sessions[ctx.title] = store.load(ctx)
        return 0

    def update_budget(self, contexts: Sequence[RunContext]) -> None:
        """Gather what each ledger says about spend."""
        for ctx in contexts:
            views = (self.sessions[each.title].view_of(each.run) for each in contexts)
            ctx.budget.facts = tuple(chain.from_iterable(map(spend.facts_of, views)))


FindOwner = Callable[[Sequence[RunContext], LedgerSet], RunContext]


def run_for_each_task(
    contexts: Sequence[RunContext],
    commands: Sequence[Command],
    report_error: ErrorReporter,
    *,
    find_owner: FindOwner | None = None,
    other_commands: Sequence[Command] = (),
) -> int:
    """Run *commands* for every task; return the first failure's exit code.

    All ledgers are loaded first, because the tasks share the budget. With `batch-id` and
    *find_owner*, only the task that owns that batch runs *commands*; the others run
    *other_commands*.
    """
    codes, ledgers = ExitCodes(report_error, len(contexts) > 1), LedgerSet()
    for ctx in contexts:
        codes.run(ctx, partial(ledgers.load, ctx))
    loaded = [ctx for ctx in contexts if ctx.title in ledgers.sessions]
    owner = (
        find_owner(loaded, ledgers)
        if find_owner and loaded and loaded[0].settings.batch_id
        else None
    )
    for ctx in loaded:
        for step in commands if owner in (None, ctx) else other_commands:
            ledgers.update_budget(loaded)
            session = ledgers.sessions[ctx.title]
            codes.run(ctx, partial(step, ctx, session))
    return codes.exit_code()


def run_without_ledger(
    contexts: Sequence[RunContext],
    command: Callable[[RunContext], int],
    report_error: ErrorReporter,
) -> int:
    """Run a command that needs no ledger for every task; return the first failure's code."""
    codes = ExitCodes(report_error, len(contexts) > 1)
    for ctx in contexts:
        codes.run(ctx, partial(command, ctx))
    return codes.exit_code()


def _with_title(error: BatchActionError, title: str) -> BatchActionError:
    reported = BatchActionError(f"{title}: {error.problem}", fix=error.fix)
    reported.exit_code = error.exit_code
    return reported
