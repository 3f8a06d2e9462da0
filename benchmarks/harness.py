"""What the benchmarks share: the CPU time of whole processes, ours and the floor's in turn."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the table, and the bound that it must not pass."""

    name: str
    value: float
    bound: float
    unit: str = "times the floor"
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the number is within its bound."""
        return self.value <= self.bound


def _environ() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)}


def cpu_seconds(argv: Sequence[str | Path]) -> float:
    """Run a process to its end; return the CPU time of it and of those that it waited for.

    Raises RuntimeError: it failed.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(argv, env=_environ(), stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(
                f"{argv[:4]} ended with {process.returncode}: {errors.read()[-500:]}"
            )
    return used.ru_utime + used.ru_stime


def peak_bytes(argv: Sequence[str | Path]) -> int:
    """Run a process to its end; return the memory of its largest moment, in bytes.

    Raises RuntimeError: it failed.
    """
    # A process begins with the peak of the one that forked it: a small one does that.
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=2, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        python("-c", script, *argv), env=_environ(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{argv[:4]} failed: {done.stderr[-500:]}")
    return int(done.stdout) * 1024


def ratio(
    ours: Sequence[str | Path], floor: Sequence[str | Path], rounds: int = ROUNDS
) -> tuple[float, str]:
    """Run both in turn; return the median of ours over the floor's, and both in CPU seconds.

    In turn, so that a busy machine or another clock rate hits both.
    """
    pairs = [(cpu_seconds(ours), cpu_seconds(floor)) for _ in range(rounds)]
    medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
    return medians[0] / medians[1], f"{medians[0]:.2f} s of {medians[1]:.2f} s"


def table(rows: Sequence[Row]) -> str:
    """Return a table in Markdown; a number over its bound is marked."""
    lines = ["| Measured | Value | Bound | |", "|---|---:|---:|---|"]
    for row in rows:
        mark = "" if row.holds else "**over** "
        value, bound = _number(row.value), _number(row.bound)
        lines.append(f"| {row.name} | {value} | {bound} {row.unit} | {mark}{row.note} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def python(*args: str | Path) -> list[str | Path]:
    """Return a command line of this Python."""
    return [sys.executable, *args]
