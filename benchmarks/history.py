"""How large a ledger grows and how long it takes to read: `make bench`.

A year of nightly runs on 200 files each, and one night of 25,000 files; sizes in MiB, times as
multiples of the smallest case, because seconds differ from machine to machine.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from batch_action.ledger import codec, merge, view
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
)
from batch_action.requests import packing

T = TypeVar("T")
START = datetime(2026, 1, 1, 2, 17, tzinfo=UTC)
MIB = 2**20


def sha(*parts: object) -> str:
    """A fake object id."""
    return hashlib.sha1("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def night(number: int, paths: list[str]) -> tuple[Fact, ...]:
    """All facts of one night whose answers came back."""
    at = START + timedelta(days=number)
    head, base = sha("head", number), sha("head", number - 1)
    entries = tuple(
        FileEntry(path=path, blob=sha(path, number), old=sha(path, number - 1)) for path in paths
    )
    asked = tuple(
        RequestKey(
            id=packing.custom_id("code-review", e.path, e.blob, packing.digest(e.path, e.blob)),
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
            batches=(asked,),
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


def measure(name: str, nights: int, per_night: int) -> float:
    """Print a case; returns the seconds of one whole load."""
    paths = [f"src/package_{n % 40}/module_{n}.py" for n in range(per_night * 5)]
    facts: list[Fact] = []
    for number in range(nights):
        start = number * per_night % len(paths)
        facts += night(number, (paths + paths)[start : start + per_night])
    empty = Ledger(repository="1", task="code-review")
    ledger = empty.model_copy(update={"facts": tuple(facts)})
    data, writing = timed(lambda: codec.seal(ledger, None))
    read, reading = timed(
        lambda: codec.unseal(data, repository="1", task="code-review", secrets=[])
    )
    _, merged = timed(lambda: merge.merge(empty, read, read))
    _, implied = timed(lambda: (view.backlog(read, max_attempts=3), view.answered(read)))
    total = reading + merged + implied
    print(
        f"{name:<32} {len(data) / MIB:7.2f} MiB zipped"
        f" of {codec.MAX_ZIPPED / MIB:.0f}   write {writing:6.2f} s   read {reading:6.2f} s"
        f"   merge {merged:6.2f} s   owed {implied:6.2f} s"
    )
    return total


def timed(act: Callable[[], T]) -> tuple[T, float]:
    """A result and its seconds."""
    start = time.perf_counter()
    result = act()
    return result, time.perf_counter() - start


def main() -> int:
    """Run all cases."""
    small = measure("30 nights of 20 files", 30, 20)
    year = measure("365 nights of 200 files", 365, 200)
    big = measure("one night of 25,000 files", 1, 25_000)
    print(
        f"loading: a year is {year / small:.0f} times a month, 25,000 files {big / small:.0f} times"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
