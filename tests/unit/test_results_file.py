"""Results stay on disk: what memory holds of each, and what a full disk says."""

import json
import subprocess
import sys
import textwrap

import pytest

from batch_action.clients.anthropic.responses import outcome_of_line
from batch_action.clients.anthropic.results_file import ResultsFile
from batch_action.models.requests import OutcomeKind

_PRELUDE = """
import json, resource
from batch_action.clients.anthropic.responses import outcome_of_line
from batch_action.clients.anthropic.results_file import ResultsFile

def line_of(number):
    content = [{"type": "text", "text": str(number) * 500}]
    message = {"stop_reason": "end_turn", "content": content}
    result = {"type": "succeeded", "message": message}
    return json.dumps({"custom_id": f"r-{number:06}", "result": result}).encode()

def fill(count):
    results = ResultsFile([f"r-{number:06}" for number in range(count)])
    for number in range(count):
        line = line_of(number)
        results.add(outcome_of_line(line), line)
    return results

def peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""


def _printed(script: str) -> str:
    """Run a script in a process of its own; return what it prints."""
    program = _PRELUDE + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _line(custom_id: str, kind: str, text: str = "") -> bytes:
    result: dict[str, object] = {"type": kind}
    if kind == "succeeded":
        content = [{"type": "text", "text": text}]
        result["message"] = {"stop_reason": "end_turn", "content": content}
    return json.dumps({"custom_id": custom_id, "result": result}).encode()


def test_memory_holds_only_where_each_result_is() -> None:
    script = """
        fill(1_000)
        before = peak_kb()
        results = fill(20_000)
        assert len(results) == 20_000 and results.is_complete
        assert results["r-012345"].text == "12345" * 500
        print(peak_kb() - before)
    """
    # 47 MB of answers; 200 bytes a result are 20 MB for 100,000.
    assert int(_printed(script)) * 1024 <= 19_000 * 200


def test_a_full_disk_is_a_sentence_that_says_what_to_do() -> None:
    script = """
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
        try:
            fill(10)
        except Exception as error:
            print(type(error).__name__, error)
    """
    printed = _printed(script)
    assert printed.startswith("ConfigError")
    assert "File too large" in printed
    assert "TMPDIR" in printed


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ([("a", "errored", ""), ("a", "succeeded", "x")], {"a": (OutcomeKind.SUCCEEDED, "x")}),
        ([("a", "succeeded", "x"), ("a", "errored", "")], {"a": (OutcomeKind.SUCCEEDED, "x")}),
        ([("a", "succeeded", "x"), ("a", "succeeded", "y")], {"a": (OutcomeKind.SUCCEEDED, "x")}),
        ([("c", "succeeded", "x")], {}),
        ([("b", "expired", "")], {"b": (OutcomeKind.EXPIRED, "")}),
    ],
)
def test_of_several_lines_the_best_is_kept(
    lines: list[tuple[str, str, str]], kept: dict[str, tuple[OutcomeKind, str]]
) -> None:
    results = ResultsFile(["b", "a", "a"])
    for custom_id, kind, text in lines:
        line = _line(custom_id, kind, text)
        results.add(outcome_of_line(line), line)
    assert {name: (o.kind, o.text) for name, o in results.items()} == kept
    assert results.count == 1
    assert not results.is_complete
    assert "c" not in results
