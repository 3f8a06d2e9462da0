"""How long the command line takes to start, as a ratio of CPU times; see tests/harness/start.py."""

from benchmarks.harness import Row
from tests.harness.start import COMPLETIONS, STARTS, completion_variables, ratio_to_floor


def rows(*, quick: bool = False) -> list[Row]:
    """Measure all command lines; *quick*: the first one."""
    starts = [*STARTS.items()][: 1 if quick else None]
    completions = [] if quick else COMPLETIONS.items()
    return [
        Row(f"start, `{' '.join(argv)}`", ratio_to_floor([*argv]), bound) for argv, bound in starts
    ] + [
        Row(f"completion, `{line}`", ratio_to_floor([], completion_variables(line)), bound)
        for line, bound in completions
    ]
