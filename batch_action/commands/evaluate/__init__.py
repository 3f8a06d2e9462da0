"""`evaluate`: run a task on commits whose defects are known, and score what it finds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from batch_action.batches import kept_answers
from batch_action.batches import submit as batch_submit
from batch_action.batches.results import FIRST_POLL_SECONDS, MAX_POLL_SECONDS
from batch_action.clients.console import Console
from batch_action.commands.evaluate import cases, report, runs, scores
from batch_action.commands.evaluate.cases import LabelledCommit
from batch_action.commands.evaluate.runs import CaseRun
from batch_action.commands.evaluate.scores import Evaluation
from batch_action.context import RunContext
from batch_action.errors import BudgetError, ConfigError
from batch_action.models.requests import ModelCheck, Outcome, digest
from batch_action.text import plural

RESULT, VERDICTS = "evaluation.json", "verdicts.yml"


def evaluate(
    ctx: RunContext,
    *,
    cases_file: Path,
    out: Path,
    answers: Path | None = None,
    compare: Path | None = None,
    data: dict[str, object] | None = None,
) -> int:
    """Ask about each case what has no answer yet, and report the scores; return the exit code.

    Batches that have not ended are read by the next call with the same *out*. With *answers*
    nothing is sent: kept result lines are read instead. *compare*: the folder of another
    evaluation of the same cases. *data*: gets the report instead of the console.

    Raises ConfigError; AnthropicError; BudgetError: nothing could be sent.
    """
    if ctx.task.generates_files:
        raise ConfigError(
            f"`task` {ctx.task.name} writes files: `evaluate` counts findings.",
            fix="Choose a task that reports findings.",
        )
    other = _read_result(compare / RESULT, missing_ok=False) if compare else None
    labelled = cases.read_cases(cases_file)
    if answers is not None:
        ctx = replace(ctx, anthropic=None)
    empty = Evaluation(
        task=ctx.task.name,
        model=ctx.settings.model,
        effort=ctx.settings.effort,
        prompt=digest(ctx.task.digest, ctx.settings.context),
        cases=(),
    )
    opened = _open_cases(ctx, empty, labelled, cases_file, out)
    problem = None
    if answers is not None:
        kept = _read_answers(answers, ctx.warn)
        for run in opened:
            run.read_kept(kept)
    else:
        problem = _send_and_collect(ctx, empty, opened, out)
    for run in opened:
        run.describe_unanswered()
    evaluation = _with_results(empty, opened)
    cases.write_text(out / RESULT, evaluation.model_dump_json(indent=1) + "\n")
    waiting = sum(len(run.session.view.pending_batches) for run in opened) if not answers else 0
    _report(ctx.console, evaluation, other, out, data, waiting=waiting)
    if problem is not None:
        raise problem
    return 0


def _report(
    console: Console,
    evaluation: Evaluation,
    other: Evaluation | None,
    out: Path,
    data: dict[str, object] | None,
    *,
    waiting: int,
) -> None:
    """Write the findings to be judged, and print the scores or add them to *data*."""
    verdicts = cases.read_verdicts(out / VERDICTS)
    unlabelled = [(case, claim) for case in evaluation.cases for claim in case.unlabelled()]
    cases.write_verdicts(out / VERDICTS, verdicts, unlabelled)
    found = scores.score(evaluation.cases, {key: row.verdict for key, row in verdicts.items()})
    compared = scores.compare(evaluation.cases, other.cases) if other else None
    if data is not None:
        data |= report.describe(evaluation, found, compared, other, waiting=waiting)
        return
    report.show(console, evaluation, found, compared, other)
    if unlabelled:
        console.print(f"Judge what no label names in {out / VERDICTS}.")
    if waiting:
        batches = plural(waiting, "batch", "batches")
        console.print(f"{batches} in flight: run this command again to read the answers.")


def _open_cases(
    ctx: RunContext,
    empty: Evaluation,
    labelled: Iterable[LabelledCommit],
    cases_file: Path,
    out: Path,
) -> list[CaseRun]:
    known = _read_result(out / RESULT, missing_ok=True)
    if known and known != empty.model_copy(update={"cases": known.cases}):
        raise ConfigError(
            f"{out} holds an evaluation of {known.task} with {known.model}, effort {known.effort}, "
            "or another prompt or `context`.",
            fix="Give each combination a folder of its own with `--out`.",
        )
    # Kept answers are read anew each time.
    by_name = {case.name: case for case in known.cases} if known and ctx.anthropic else {}
    return [
        runs.open_case(ctx, case, cases_file, out, by_name.get(case.title)) for case in labelled
    ]


def _with_results(empty: Evaluation, opened: Iterable[CaseRun]) -> Evaluation:
    return empty.model_copy(update={"cases": tuple(run.result for run in opened)})


def _send_and_collect(
    ctx: RunContext, empty: Evaluation, opened: list[CaseRun], out: Path
) -> BudgetError | None:
    """Collect, send what has no answer, and wait as long as `wait-minutes` allows.

    Returns the error that not even one file fitted the budget, if nothing at all was sent.
    """
    check_model = _checked_once(ctx)
    _collect(empty, opened, out)
    # The cap holds for all calls on this folder together.
    ctx.budget.sent_usd = sum(run.spent_usd for run in opened)
    sent, problem = 0, None
    for run in opened:
        if not run.is_waiting:
            try:
                sent += run.submit(check_model)
            except BudgetError as error:
                problem = problem or error
    _wait(ctx, empty, opened, out)
    answered = any(run.result.answered for run in opened)
    return None if sent or answered or any(run.is_waiting for run in opened) else problem


def _wait(ctx: RunContext, empty: Evaluation, opened: list[CaseRun], out: Path) -> None:
    """Read the answers as they come, at most for `wait-minutes`."""
    pause = FIRST_POLL_SECONDS
    while any(run.is_waiting for run in opened):
        left = (ctx.deadline - ctx.now()).total_seconds()
        if left <= 0:
            return
        ctx.sleep(min(pause, left))
        pause = min(MAX_POLL_SECONDS, pause * 2)
        _collect(empty, opened, out)


def _checked_once(ctx: RunContext) -> Callable[[], ModelCheck]:
    @cache
    def check() -> ModelCheck:
        return batch_submit.check_models(ctx)

    return check


def _collect(empty: Evaluation, opened: list[CaseRun], out: Path) -> None:
    """Read what has ended; the result is stored before the ledger says that it was read."""
    ended = [run for run in opened if run.is_waiting and run.collect()]
    if ended:
        evaluation = _with_results(empty, opened)
        cases.write_text(out / RESULT, evaluation.model_dump_json(indent=1) + "\n")
    for run in ended:
        run.save()


def _read_result(path: Path, *, missing_ok: bool) -> Evaluation | None:
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        if missing_ok:
            return None
        raise ConfigError(
            f"{path} does not exist.", fix="Give the folder of another evaluation (its `--out`)."
        ) from None
    except (OSError, ValidationError):
        raise ConfigError(
            f"{path} is not the result of an evaluation.", fix="Give another folder, or delete it."
        ) from None


def _read_answers(folder: Path, warn: Callable[[str], None]) -> Mapping[str, Outcome]:
    """Read the answers in all `.jsonl` files of a folder; warn of lines that are none."""
    files = sorted(folder.rglob("*.jsonl"))
    if not files:
        raise ConfigError(
            f"{folder} contains no answers (`.jsonl` files).",
            fix="`keep-answers: true` makes collect keep them.",
        )
    kept = kept_answers.read_files(files)
    for problem in kept.problems:
        warn(problem)
    return kept.outcomes
