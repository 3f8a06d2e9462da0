"""5,000 findings in one file over 1,000: located, reconciled twice, rendered for issue and SARIF.

In one process. The file grows with its findings. In the second run each of them is known, some of
the lines have changed, and the answer reports all of them again.
"""

import statistics
import sys
import time
from collections.abc import Sequence

from batch_action.findings.anchoring import anchor_all
from batch_action.findings.lifecycle import reconcile
from batch_action.models.files import Hunk
from batch_action.models.findings import (
    BatchAnswers,
    CodePositions,
    Confidence,
    RawFinding,
    Reconciliation,
    ReviewedFile,
    Severity,
    TrackedFinding,
)
from batch_action.models.policy import FindingPolicy
from batch_action.models.report import FileStatuses, RunReport
from batch_action.publishers.base import PublisherOptions
from batch_action.publishers.issue import render as issue
from batch_action.publishers.sarif import document as sarif
from batch_action.publishers.sarif.reader import AnalysisState
from benchmarks import harness
from benchmarks.harness import Row

FINDINGS, MANY_FINDINGS = 1_000, 5_000
QUICK_FINDINGS, QUICK_MANY_FINDINGS = 20, 100
BOUND = 6.0
LINES = 4
"""Lines of the file for each finding."""
CHANGED_EVERY = 10
PATH, TASK = "src/table.py", "code-review"
COMMITS = ("a" * 40, "b" * 40)
OPTIONS = PublisherOptions(max_findings=50, max_issues=10, labels=(), assignees=())


def locate_and_reconcile(findings: int) -> Reconciliation:
    """Return the findings of one file after the second run."""
    return _runs(findings)[1]


def render(reconciliation: Reconciliation) -> None:
    """Render the findings for the issue and for code scanning."""
    report = RunReport(
        task=TASK,
        repository="octo/demo",
        server_url="https://github.com",
        commit=reconciliation.commit,
        run_url=None,
        batch_ids=("msgbatch_1",),
        model="model",
        date="2026-11-30",
        file_statuses=FileStatuses.of(()),
        spending=None,
    )
    issue.render(report, reconciliation, None, OPTIONS)
    sarif.render(report, reconciliation, AnalysisState())


def _runs(findings: int) -> tuple[Reconciliation, Reconciliation]:
    text = "".join(
        f"def read_{n}(row):\n    value = row[{n}]\n    return value / {n}\n\n"
        for n in range(findings)
    )
    lines = text.split("\n")
    changed = range(1, len(lines), LINES * CHANGED_EVERY)
    for number in changed:
        lines[number] += "  # changed"
    hunks = tuple(
        Hunk(old_start=number + 1, old_lines=1, new_start=number + 1, new_lines=1)
        for number in changed
    )
    raw = [_finding(n) for n in range(findings)]
    first = _run((), text, 0, raw, ())
    known = [status.tracked for status in first.statuses]
    return first, _run(known, "\n".join(lines), 1, raw, hunks)


def _run(
    known: Sequence[TrackedFinding],
    text: str,
    run: int,
    raw: Sequence[RawFinding],
    hunks: tuple[Hunk, ...],
) -> Reconciliation:
    commit, blob = COMMITS[run], str(run) * 40
    found, held_back = anchor_all([raw], task=TASK, path=PATH, text=text, blob=blob, commit=commit)
    return reconcile(
        known,
        BatchAnswers(
            task=TASK,
            commit=commit,
            reviewed=(ReviewedFile(path=PATH, blob=blob, commit=commit),),
            findings=found,
            held_back=held_back,
        ),
        CodePositions(
            commit=commit,
            current_blobs={PATH: blob},
            renames={},
            line_maps={("0" * 40, blob): hunks},
            descendants=frozenset([COMMITS]),
        ),
        FindingPolicy(),
    )


def _finding(number: int) -> RawFinding:
    return RawFinding(
        rule="division-by-zero",
        category="bug",
        severity=Severity.MEDIUM,
        confidence=Confidence.HIGH,
        start_line=LINES * number + 3,
        end_line=LINES * number + 3,
        evidence=f"    return value / {number}",
        title=f"The value of row {number} is divided without a check",
        explanation="The divisor comes from the caller, and nothing refuses a zero.",
        remediation="Check it first.",
    )


def _cpu_seconds(findings: int) -> float:
    start = time.process_time()
    for reconciliation in _runs(findings):
        render(reconciliation)
        if len(reconciliation.statuses) != findings:
            raise RuntimeError(f"{len(reconciliation.statuses)} of {findings} findings are left")
    return time.process_time() - start


def rows(*, quick: bool = False) -> list[Row]:
    """Measure the row; *quick*: with few findings, to see that it can be measured."""
    few, many = (QUICK_FINDINGS, QUICK_MANY_FINDINGS) if quick else (FINDINGS, MANY_FINDINGS)
    # In turn, so that a busy machine or another clock rate hits both.
    pairs = [(_cpu_seconds(few), _cpu_seconds(many)) for _ in range(1 if quick else harness.ROUNDS)]
    small, large = (statistics.median(times) for times in zip(*pairs, strict=True))
    return [
        Row(
            f"collect, {many:,} findings in one file over {few:,}",
            large / small,
            BOUND,
            unit="times",
            note=f"{large:.2f} s of {small:.2f} s",
        )
    ]


if __name__ == "__main__":
    print(harness.table(measured := rows(quick="--quick" in sys.argv)))
    sys.exit(not all(row.holds for row in measured))
