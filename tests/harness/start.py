"""CPU time of a process, as a ratio to that of a Python that imports what any command needs."""

import os
import resource
import subprocess
import sys
from collections.abc import Mapping

FLOOR = "import click\nfrom pydantic import BaseModel\nclass Model(BaseModel):\n    field: int\n"
"""The floor: the two libraries, and one model."""
STARTS: Mapping[tuple[str, ...], float] = {
    ("--version",): 1.0,
    ("--help",): 1.0,
    ("plan", "--help"): 2.0,
    ("run", "--help-all"): 2.0,
    ("plam",): 2.0,
    ("plan", "--modle", "x"): 2.0,
}
"""Command lines, and how many times the floor each may take."""
COMPLETIONS: Mapping[str, float] = {"plan --se": 2.0, "pl": 2.0, "plan --effort ": 2.0}
ATTEMPTS = 5


def cpu_seconds(argv: list[str], variables: Mapping[str, str]) -> float:
    """Run a process to its end, and return its CPU time with that of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)} | variables
    subprocess.run(argv, env=environ, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ratio_to_floor(argv: list[str], variables: Mapping[str, str] | None = None) -> float:
    """Return the best CPU time of a command line over the best of the floor, run alternately."""
    program = [sys.executable, "-m", "batch_action", *argv]
    floor = [sys.executable, "-c", FLOOR]
    pairs = [
        (cpu_seconds(program, variables or {}), cpu_seconds(floor, {})) for _ in range(ATTEMPTS)
    ]
    return min(ours for ours, _ in pairs) / min(floors for _, floors in pairs)


def completion_variables(line: str) -> dict[str, str]:
    """Return the variables that bash sets to complete `batch-action <line>`."""
    words = f"batch-action {line}"
    return {
        "_BATCH_ACTION_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
