"""The benchmarks run, count what children use, and say when a bound is broken."""

import pytest

from benchmarks import harness, plan
from benchmarks.harness import Row, python


def test_the_benchmark_of_plan_can_be_measured() -> None:
    rows = plan.rows(quick=True)
    assert [row.value > 0 for row in rows] == [True, True]


def test_the_time_of_children_counts() -> None:
    busy = "sum(range(20_000_000))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{busy}'], check=True)"
    idle = "import subprocess, sys"
    assert harness.cpu_seconds(python("-c", child)) > 2 * harness.cpu_seconds(python("-c", idle))


def test_a_broken_bound_is_marked_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.report([Row("fast", 2.0, 4.0)]) == 0
    assert harness.report([Row("fast", 2.0, 4.0), Row("slow", 9.0, 8.0)]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "over" in line]
    assert len(lines) == 1
    assert "slow" in lines[0]


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        harness.cpu_seconds(python("-c", "raise SystemExit(3)"))
