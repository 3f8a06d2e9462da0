"""The benchmarks run, count what children use, and say when a bound is broken."""

from pathlib import Path

import pytest

import benchmarks.__main__ as benchmarks
from benchmarks import calls, harness
from benchmarks.harness import Row, python


@pytest.mark.parametrize("name", benchmarks.MODULES)
def test_each_row_can_be_measured(name: str) -> None:
    rows = list(benchmarks.rows([name], quick=True))
    assert rows
    assert all(row.bound > 0 or name == "calls" for row in rows)
    assert all(row.value > 0 or name == "calls" for row in rows)


def test_the_time_of_children_counts() -> None:
    busy = "sum(range(20_000_000))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{busy}'], check=True)"
    idle = "import subprocess, sys"
    assert harness.cpu_seconds(python("-c", child)) > 2 * harness.cpu_seconds(python("-c", idle))


def test_a_broken_bound_is_marked_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "table.md"
    document.write_text(f"before\n{benchmarks.BEGIN}\nold\n{benchmarks.END}\nafter\n")
    fast, slow = Row("fast", 2.0, 4.0), Row("slow", 9.0, 8.0)
    monkeypatch.setattr(calls, "rows", lambda *, quick: [fast])
    assert benchmarks.main(["calls"]) == 0
    monkeypatch.setattr(calls, "rows", lambda *, quick: [fast, slow])
    assert benchmarks.main(["calls", "--write", str(document)]) == 1
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "over" in line)
    assert "slow" in line
    text = document.read_text()
    assert line in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith(f"{benchmarks.END}\nafter\n")


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        harness.cpu_seconds(python("-c", "raise SystemExit(3)"))
