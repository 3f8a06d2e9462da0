"""What all queries on a year's ledger cost, as a multiple of one loop over its facts.

365 runs of 40 files each, 20 open recheck requests; CPU time of this thread, the best of seven.
The loop visits every fact, file entry and request key once and adds it to a dictionary.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Fact, Intended, Ledger, Recheck, Selected
from benchmarks.harness import Row
from benchmarks.ledger import START, History, module_paths

BOUND = 5.0
ROUNDS = 7
RECHECKS = 20


def year(runs: int) -> Ledger:
    """Return the ledger of so many daily runs."""
    paths = module_paths(200)
    history = History(paths)
    facts: list[Fact] = [fact for _ in range(runs) for fact in history.run(40)]
    facts += [
        Recheck(
            fingerprint=f"{n:016x}",
            path=paths[n],
            actor="ada",
            source=f"https://github.com/octo/demo/issues/1#issuecomment-{n}",
            batches_before=tuple(fact.batch for fact in facts if fact.kind == "sent"),
            at=START + timedelta(days=366),
        )
        for n in range(RECHECKS)
    ]
    return Ledger(repository="1", task="code-review").model_copy(update={"facts": tuple(facts)})


def loop(ledger: Ledger) -> dict[tuple[str, str], Fact]:
    """Visit everything once."""
    seen: dict[tuple[str, str], Fact] = {}
    for fact in ledger.facts:
        if isinstance(fact, Selected):
            for entry in fact.files:
                seen[entry.path, entry.blob] = fact
        elif isinstance(fact, Intended):
            for batch in fact.batches:
                for key in batch:
                    seen[key.path, key.id] = fact
        else:
            seen[fact.kind, str(fact.key())] = fact
    return seen


def all_queries(ledger: Ledger) -> LedgerView:
    """Ask everything that a run asks."""
    view = LedgerView(ledger)
    since = START + timedelta(days=330)
    batches = frozenset(list(view.known_batch_ids)[:3])
    _ = (
        view.sent_batches, view.pending_batches, view.open_intents, view.failed_requests,
        view.answered_ids, view.verdicts, view.in_flight_ids, view.attempts, view.last_failures,
        view.open_recheck_requests, view.dismissed_fingerprints, view.reviewed_files,
        view.withdrawn_files, view.in_flight_files, view.excluded_paths, view.committed_usd,
        view.batches_of_path("src/package_0/module_0.py"),
        view.failures,
        view.answered_recheck_requests(batches), view.given_up_files(3), view.newest_files(),
        view.unreviewed_files(), view.backlog(max_attempts=3), view.recorded_heads(),
        view.spend_usd(since), view.known_spend_usd(since),
    )  # fmt: skip
    return view


def cpu_seconds(action: Callable[[], object]) -> float:
    """Return the CPU time of one call."""
    start = time.thread_time()
    action()
    return time.thread_time() - start


def rows(*, quick: bool = False) -> list[Row]:
    """Measure the row; *quick*: with a tenth of the runs."""
    runs = 37 if quick else 365
    ledger = year(runs)
    assert len(LedgerView(ledger).open_recheck_requests) == RECHECKS
    # Alternating, so that a change of the clock rate hits both.
    pairs = [
        (cpu_seconds(lambda: all_queries(ledger)), cpu_seconds(lambda: loop(ledger)))
        for _ in range(ROUNDS)
    ]
    ours, floor = (min(times) for times in zip(*pairs, strict=True))
    name = f"all queries on {runs} runs of 40 files"
    return [Row(name, ours / floor, BOUND, unit="times one loop over the facts")]
