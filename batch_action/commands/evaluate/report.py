"""How an evaluation is shown: tables for people, data for `--json`."""

from collections.abc import Iterator
from dataclasses import asdict

from batch_action.clients.console import Console
from batch_action.commands.evaluate.scores import Comparison, Evaluation, Scores
from batch_action.text import format_dollars

SHARES = ("recall", "anchored_share", "precision", "findings_per_clean_case", "usd_per_found")
MAX_ROWS = 50


def describe(
    evaluation: Evaluation,
    found: Scores,
    compared: Comparison | None,
    other: Evaluation | None,
    *,
    waiting: int,
) -> dict[str, object]:
    """Return the report as JSON data; shares are fractions, amounts US dollars."""
    shares = {name: getattr(found, name) for name in SHARES}
    cases = [
        {
            "name": case.name,
            "answered": list(case.answered),
            "unanswered": case.unanswered,
            "defects": [
                {"file": d.file, "lines": [d.start_line, d.end_line], "found": is_found}
                for d, is_found in case.outcomes()
            ],
            "findings": len(case.anchored),
            "unlabelled": [claim.id for claim in case.unlabelled()],
            "cost_usd": case.cost_usd,
        }
        for case in evaluation.cases
    ]
    data: dict[str, object] = {
        "task": evaluation.task,
        "model": evaluation.model,
        "effort": evaluation.effort,
        "waiting_batches": waiting,
        "scores": asdict(found) | shares,
        "cases": cases,
    }
    if compared is not None and other is not None:
        names = {"task": other.task, "model": other.model, "effort": other.effort}
        data["comparison"] = names | asdict(compared) | {"p_value": compared.p_value}
    return {"evaluation": data}


def show(
    console: Console,
    evaluation: Evaluation,
    found: Scores,
    compared: Comparison | None,
    other: Evaluation | None,
) -> None:
    """Print the scores, what was missed, and the comparison."""
    console.table(["", _title(evaluation)], list(_score_rows(found)))
    missed = [
        (case.name, defect.place, "missed", defect.problem)
        for case in evaluation.cases
        for defect, is_found in case.outcomes()
        if not is_found
    ]
    unanswered = [
        (case.name, path, "no answer", reason)
        for case in evaluation.cases
        for path, reason in case.unanswered.items()
        if any(defect.file == path for defect in case.defects)
    ]
    rows = [*missed, *unanswered]
    if rows:
        console.table(["Case", "Defect", "", ""], rows[:MAX_ROWS], paths=[1])
    if len(rows) > MAX_ROWS:
        console.print(f"… and {len(rows) - MAX_ROWS} more.")
    if compared is not None and other is not None:
        _show_comparison(console, evaluation, other, compared)


def _show_comparison(
    console: Console, evaluation: Evaluation, other: Evaluation, compared: Comparison
) -> None:
    first, second = _title(evaluation), _title(other)
    rows = [
        ("found by both", str(compared.both)),
        (f"only by the first: {first}", str(len(compared.only_first))),
        (f"only by the second: {second}", str(len(compared.only_second))),
        ("by neither", str(compared.neither)),
        ("p of the sign test", f"{compared.p_value:.3f}"),
    ]
    console.table(["Defects with two answers", ""], rows, right=[1])
    sides = (("first", compared.only_first), ("second", compared.only_second))
    details = [(side, name) for side, names in sides for name in names]
    if details:
        console.table(["Only found by the", "Defect"], details[:MAX_ROWS])


def _title(evaluation: Evaluation) -> str:
    return f"{evaluation.task}, {evaluation.model}, effort {evaluation.effort}"


def _score_rows(found: Scores) -> Iterator[tuple[str, str]]:
    yield "labelled defects found", _count(found.found, found.defects, found.recall)
    if found.unanswered_defects:
        yield "labelled defects without an answer", str(found.unanswered_defects)
    yield "findings anchored", _count(found.anchored, found.findings, found.anchored_share)
    yield "findings at no label", f"{found.unlabelled}, of which {found.judged} have a verdict"
    precision = "known when each of them has a verdict"
    if found.precision is not None:
        precision = f"{found.precision:.0%}"
    elif not found.anchored:
        precision = "no findings"
    yield "precision", precision
    if found.findings_per_clean_case is not None:
        number = f"{found.findings_per_clean_case:.2f} in {found.clean_cases}"
        yield "findings per clean case", number
    yield "cost", "unknown" if found.cost_usd is None else format_dollars(found.cost_usd)
    if found.usd_per_found is not None:
        yield "cost per labelled defect found", format_dollars(found.usd_per_found)


def _count(part: int, whole: int, share: float | None) -> str:
    return f"{part} of {whole}" + (f" ({share:.0%})" if share is not None else "")
