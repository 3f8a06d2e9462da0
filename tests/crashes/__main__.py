"""`make crashes`: every outside call of every verb, two deaths, three ways to go on.

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
from tests.crashes.cells import DEATHS, NEXTS, VERBS, WAYS, Cell

WORKERS = 2
EVERY = 5
"""Of the other ways of sending one cell in so many is played, unless `--all` is given: they share
most of their calls with `run`."""


def main() -> int:
    """Run all cells. Returns the exit code."""
    warnings.simplefilter("ignore")
    with Sandbox() as sandbox:
        calls = {verb: cells.calls_of(sandbox, verb) for verb in VERBS}
    every = [
        Cell(verb=verb, call=number, label=label, death=death, then=then)
        for verb in VERBS
        for number, label in enumerate(calls[verb])
        for death, then in product(DEATHS, NEXTS)
    ]
    if "--all" not in sys.argv:
        every = [cell for at, cell in enumerate(every) if cell.verb not in WAYS or at % EVERY == 0]
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), initializer=workers.begin) as pool:
        results = dict(zip(every, pool.map(workers.play, every, chunksize=6), strict=True))
        _print_matrix(calls, results)
        killed = signals.every(calls)
        ends = dict(zip(killed, pool.map(workers.kill, killed), strict=True))
    _print_signals(ends)
    failed = [(str(k), v) for k, v in [*results.items(), *ends.items()] if v]
    for name, problems in failed:
        print(f"FAILED {name}: {'; '.join(problems)}")
    print(f"crash table: {len(results)} cells in process, {len(ends)} by signal")
    print(f"{len(results) + len(ends) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _print_matrix(calls: dict[str, list[str]], results: dict[Cell, list[str]]) -> None:
    columns = list(product(DEATHS, NEXTS))
    print("Columns: death before the call is sent, then after it was done but not answered;")
    print(f"each followed by {', '.join(NEXTS)}.  + in order   X not   . not played\n")
    for verb in VERBS:
        print(f"{verb}: {len(calls[verb])} outside calls")
        for number, label in enumerate(calls[verb]):
            marks = [
                _mark(results, Cell(verb=verb, call=number, label=label, death=d, then=t))
                for d, t in columns
            ]
            print(f"  {number:>3}  {label:<58.58} {' '.join(marks[:3])}   {' '.join(marks[3:])}")
        print()


def _mark(results: dict[Cell, list[str]], cell: Cell) -> str:
    if cell not in results:
        return "."
    return "X" if results[cell] else "+"


def _print_signals(ends: dict[signals.End, list[str]]) -> None:
    for verb, rows in _by_verb(ends):
        print(f"{verb}: signals at distinct calls")
        for label, marks in rows:
            print(f"       {label:<58.58} {marks}")
        print()


def _by_verb(ends: dict[signals.End, list[str]]) -> Iterable[tuple[str, list[tuple[str, str]]]]:
    for verb in VERBS:
        rows: dict[str, str] = {}
        for end, problems in ends.items():
            if end.verb == verb:
                mark = f"{end.signal} {'X' if problems else '+'}"
                rows[end.label] = f"{rows.get(end.label, '')}  {mark}".strip()
        yield verb, list(rows.items())


if __name__ == "__main__":
    sys.exit(main())
