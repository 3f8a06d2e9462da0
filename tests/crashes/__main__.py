"""`make crashes`: every outside call of every scenario, two crashes each, three recoveries each.

Prints the matrix with its number of cells, then one real SIGKILL and one real SIGTERM for each
distinct call. Exits with 1 when a cell fails.
"""

import sys
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context

from batch_action.sandbox.server import Sandbox
from tests.crashes import cells, signals, workers
from tests.crashes.cells import MOMENTS, RECOVERIES, SCENARIOS, SUBMISSION_INPUTS, Cell

WORKERS = 2
EVERY = 5
"""Of the scenarios in `SUBMISSION_INPUTS` one cell in so many runs, unless `--all` is given: they
share most of their calls with `run`."""


def main() -> int:
    """Run all cells. Returns the exit code."""
    warnings.simplefilter("ignore")
    with Sandbox() as sandbox:
        calls = {scenario: cells.calls_of(sandbox, scenario) for scenario in SCENARIOS}
    every = [
        Cell(scenario=scenario, call=number, label=label, moment=moment, recovery=recovery)
        for scenario in SCENARIOS
        for number, label in enumerate(calls[scenario])
        for moment, recovery in product(MOMENTS, RECOVERIES)
    ]
    if "--all" not in sys.argv:
        every = [
            cell
            for at, cell in enumerate(every)
            if cell.scenario not in SUBMISSION_INPUTS or at % EVERY == 0
        ]
    with ProcessPoolExecutor(
        WORKERS, get_context("spawn"), initializer=workers.start_sandbox
    ) as pool:
        results = dict(zip(every, pool.map(workers.run_cell, every, chunksize=6), strict=True))
        _print_matrix(calls, results)
        killed = signals.signal_cases(calls)
        ends = dict(zip(killed, pool.map(workers.run_signal_case, killed), strict=True))
    _print_signals(ends)
    failed = [(str(k), v) for k, v in [*results.items(), *ends.items()] if v]
    for name, problems in failed:
        print(f"FAILED {name}: {'; '.join(problems)}")
    print(f"crash table: {len(results)} cells in process, {len(ends)} by signal")
    print(f"{len(results) + len(ends) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _print_matrix(calls: dict[str, list[str]], results: dict[Cell, list[str]]) -> None:
    columns = list(product(MOMENTS, RECOVERIES))
    print("Columns: crash before the call is sent, then after it was done but before its response;")
    print(f"each followed by {', '.join(RECOVERIES)}.  + passed   X failed   . not run\n")
    for scenario in SCENARIOS:
        print(f"{scenario}: {len(calls[scenario])} outside calls")
        for number, label in enumerate(calls[scenario]):
            marks = [
                _mark(
                    results, Cell(scenario=scenario, call=number, label=label, moment=d, recovery=t)
                )
                for d, t in columns
            ]
            print(f"  {number:>3}  {label:<58.58} {' '.join(marks[:3])}   {' '.join(marks[3:])}")
        print()


def _mark(results: dict[Cell, list[str]], cell: Cell) -> str:
    if cell not in results:
        return "."
    return "X" if results[cell] else "+"


def _print_signals(ends: dict[signals.SignalCase, list[str]]) -> None:
    for scenario, rows in _by_scenario(ends):
        print(f"{scenario}: signals at distinct calls")
        for label, marks in rows:
            print(f"       {label:<58.58} {marks}")
        print()


def _by_scenario(
    ends: dict[signals.SignalCase, list[str]],
) -> Iterable[tuple[str, list[tuple[str, str]]]]:
    for scenario in SCENARIOS:
        rows: dict[str, str] = {}
        for end, problems in ends.items():
            if end.scenario == scenario:
                mark = f"{end.signal} {'X' if problems else '+'}"
                rows[end.label] = f"{rows.get(end.label, '')}  {mark}".strip()
        yield scenario, list(rows.items())


if __name__ == "__main__":
    sys.exit(main())
