"""How large a ledger grows and how long it takes to read: `make bench`.

A year of nightly runs on 200 files each, and one run on 25,000 files; sizes in MiB, times also as
multiples of the smallest case, because seconds differ between machines.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from batch_action.ledger import codec
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import (
    Collected,
    Fact,
    FileEntry,
    Intended,
    Ledger,
    RequestKey,
    Selected,
    Sent,
    Usage,
    merge,
)
from batch_action.models.requests import digest
from batch_action.requests import packing

T = TypeVar("T")
START = datetime(2026, 1, 1, 2, 17, tzinfo=UTC)
MIB = 2**20


def sha(*parts: object) -> str:
    """Return a made-up object id."""
    return hashlib.sha1("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def facts_of_run(number: int, paths: list[str]) -> tuple[Fact, ...]:
    """Return all facts of one run whose batch was collected."""
    at = START + timedelta(days=number)
    head, base = sha("head", number), sha("head", number - 1)
    entries = tuple(
        FileEntry(path=path, blob=sha(path, number), old_blob=sha(path, number - 1))
        for path in paths
    )
    request_keys = tuple(
        RequestKey(
            id=packing.custom_id("code-review", e.path, e.blob, digest(e.path, e.blob)),
            path=e.path,
            blob=e.blob,
        )
        for e in entries
    )
    intent, batch = sha("intent", number)[:16], f"msgbatch_{sha('batch', number)[:24]}"
    return (
        Selected(head=head, base=base, branch="main", at=at, files=entries),
        Intended(
            intent=intent,
            at=at,
            run=f"{number}.1",
            head=head,
            base=base,
            model="claude-sonnet-5-5",
            effort="medium",
            batches=(request_keys,),
            worst_case_usd=1.0,
        ),
        Sent(
            intent=intent,
            index=0,
            batch=batch,
            created_at=at,
            expires_at=at + timedelta(days=1),
        ),
        Collected(
            batch=batch,
            at=at + timedelta(hours=4),
            usage=Usage(input_tokens=10**6, output_tokens=10**5),
            cost_usd=1.5,
            failed={},
        ),
    )


def measure(name: str, runs: int, files_per_run: int) -> float:
    """Measure and print a case; return the seconds of reading and evaluating the ledger."""
    paths = [f"src/package_{n % 40}/module_{n}.py" for n in range(files_per_run * 5)]
    facts: list[Fact] = []
    for number in range(runs):
        start = number * files_per_run % len(paths)
        facts += facts_of_run(number, (paths + paths)[start : start + files_per_run])
    empty = Ledger(repository="1", task="code-review")
    ledger = empty.model_copy(update={"facts": tuple(facts)})
    data, encode_seconds = time_call(lambda: codec.encode(ledger, None))
    decoded, decode_seconds = time_call(
        lambda: codec.decode(data, repository="1", task="code-review", secrets=[])
    )
    _, merge_seconds = time_call(lambda: merge(empty, decoded, decoded))
    _, query_seconds = time_call(
        lambda: (LedgerView(decoded).backlog(max_attempts=3), LedgerView(decoded).answered_ids)
    )
    total = decode_seconds + merge_seconds + query_seconds
    print(
        f"{name:<32} {len(data) / MIB:7.2f} MiB zipped"
        f" of {codec.MAX_ZIPPED_BYTES / MIB:.0f}   encode {encode_seconds:6.2f} s"
        f"   decode {decode_seconds:6.2f} s   merge {merge_seconds:6.2f} s"
        f"   backlog {query_seconds:6.2f} s"
    )
    return total


def time_call(function: Callable[[], T]) -> tuple[T, float]:
    """Call a function; return its result and the seconds it took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def main() -> int:
    """Run all cases."""
    month = measure("30 runs of 20 files", 30, 20)
    year = measure("365 runs of 200 files", 365, 200)
    large = measure("one run of 25,000 files", 1, 25_000)
    print(
        f"decode, merge and backlog: a year takes {year / month:.0f} times as long as a month, "
        f"25,000 files {large / month:.0f} times"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
