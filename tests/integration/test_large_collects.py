"""Collects of many results: their memory, which `make bench` measures for more of them."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from batch_action.clients.anthropic.responses import outcome_of_line
from batch_action.clients.anthropic.results_file import ResultsFile
from benchmarks.collect import Submitted, submitted

TRACED = """
import os, sys, tracemalloc
import batch_action.clients.anthropic.client, batch_action.commands.collect
from batch_action.cli.main import enter
tracemalloc.start()
code = enter(sys.argv[1:], dict(os.environ))
print("peak", tracemalloc.get_traced_memory()[1], file=sys.stderr)
sys.exit(code)
"""
FEW, MANY = 50, 350


def peak_of_collect(sent: Submitted) -> int:
    """Collect all batches; return the peak of Python's own memory, in bytes."""
    command = [*map(str, sent.collect())]
    at = command.index(sys.executable)
    command[at + 1 : at + 3] = ["-c", TRACED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1])


@pytest.mark.parametrize(("findings", "allowed"), [(0, 3_500), (1, 8_000)])
def test_a_result_takes_little_memory(tmp_path: Path, findings: int, allowed: int) -> None:
    peaks = {}
    for count in (FEW, MANY):
        with submitted(tmp_path / str(count), count, findings) as sent:
            peaks[count] = peak_of_collect(sent)
            sent.check(count * findings)
    assert peaks[MANY] - peaks[FEW] < allowed * (MANY - FEW)


def traced(action: Callable[[], object]) -> int:
    """Return the bytes that the result of an action takes."""
    tracemalloc.start()
    try:
        kept = action()
        return tracemalloc.get_traced_memory()[0]
    finally:
        del kept
        tracemalloc.stop()


def test_the_client_keeps_the_answers_on_disk() -> None:
    ids = [f"code-review-{number:052d}" for number in range(2_000)]
    message = {"stop_reason": "end_turn", "content": [{"type": "text", "text": "x" * 2_000}]}
    result = {"type": "succeeded", "message": message}
    lines = [json.dumps({"custom_id": name, "result": result}).encode() for name in ids]

    def keep() -> ResultsFile:
        outcomes = ResultsFile(ids)
        for line in lines:
            outcomes.add(outcome_of_line(line), line)
        return outcomes

    assert traced(keep) < 100 * len(ids)
    assert [outcome.text for outcome in keep().values()] == ["x" * 2_000] * len(ids)
