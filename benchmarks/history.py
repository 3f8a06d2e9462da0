"""How large a ledger grows and how long it takes to read: `make bench`.

Facts as real runs write them: random files, ids, amounts and microseconds; one request in fifty
fails. The ten years are compacted at every twentieth write instead of at each, to save time.
Sizes in MiB; times also as multiples of the smallest case, because seconds differ between machines.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from batch_action.ledger import codec
from batch_action.ledger.compaction import compact
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
EMPTY = Ledger(repository="1", task="code-review")
COMPACTED_EVERY = 20
FAILED_EVERY = 50
YEARS = 10


class History:
    """A repository and its runs; the same one in each process."""

    def __init__(self, paths: list[str], every: timedelta = timedelta(days=1)) -> None:
        self.paths = paths
        self.every = every
        self.blobs: dict[str, str] = {}
        self.head: str | None = None
        self.number = 0
        self.random = random.Random(1)

    def sha(self) -> str:
        """Return a made-up object id."""
        return f"{self.random.getrandbits(160):040x}"

    def run(self, files: int) -> tuple[Fact, ...]:
        """Return all facts of one run that reviews so many files, and whose batch was collected."""
        at = START + self.number * self.every
        at += timedelta(microseconds=self.random.randrange(10**9))
        changed = self.random.sample(self.paths, files)
        entries = []
        for path in sorted(changed):
            blob = self.sha()
            entries.append(FileEntry(path=path, blob=blob, old_blob=self.blobs.get(path)))
            self.blobs[path] = blob
        base, self.head = self.head, self.sha()
        keys = tuple(
            RequestKey(
                id=packing.custom_id("code-review", x.path, x.blob, digest(x.path, x.blob)),
                path=x.path,
                blob=x.blob,
            )
            for x in entries
        )
        self.number += 1
        return (
            Selected(
                head=self.head,
                base=base,
                branch="main",
                at=at,
                files=tuple(entries),
                scope=digest("**"),
                skipped={"binary": self.random.randrange(5), "ignored": self.random.randrange(99)},
            ),
            *self._batch(keys, at + timedelta(seconds=9), base),
        )

    def _batch(
        self, keys: tuple[RequestKey, ...], at: datetime, base: str | None
    ) -> Iterator[Fact]:
        intent, batch = self.sha()[:16], f"msgbatch_01{self.sha()[:22]}"
        created = at + timedelta(microseconds=self.random.randrange(10**7))
        failed = {key.id: "expired" for key in keys if self.random.randrange(FAILED_EVERY) == 0}
        yield Intended(
            intent=intent,
            at=at,
            run=f"{15_000_000_000 + self.number * 1_234_567}.1",
            head=self.head or "",
            base=base,
            model="claude-sonnet-5-5",
            effort="medium",
            batches=(keys,),
            worst_case_usd=self.random.uniform(1, 9),
            shared_tokens=2345,
        )
        yield Sent(
            intent=intent,
            index=0,
            batch=batch,
            created_at=created,
            expires_at=created + timedelta(days=1),
        )
        yield Collected(
            batch=batch,
            at=created + timedelta(microseconds=self.random.randrange(4 * 10**9)),
            usage=Usage(
                input_tokens=self.random.randrange(10**6),
                output_tokens=self.random.randrange(10**5),
            ),
            cost_usd=(cost := self.random.uniform(0.1, 2)),
            interactive_usd=2 * cost,
            failed=failed,
        )


def module_paths(count: int) -> list[str]:
    """Return paths like those of a real repository."""
    return [f"src/package_{n % 40}/module_{n}.py" for n in range(count)]


def uncompacted(runs: int, files: int) -> Ledger:
    """Return a ledger as it is without compaction."""
    history = History(module_paths(files * 5))
    return EMPTY.add(*(fact for _ in range(runs) for fact in history.run(files)))


def compacted(paths: int, files: int = 200) -> Ledger:
    """Return the ledger of ten years of two runs a day."""
    history = History(module_paths(paths), every=timedelta(hours=12))
    ledger, new = EMPTY, list[Fact]()
    for number in range(1, YEARS * 365 * 2 + 1):
        new += history.run(files)
        if number % COMPACTED_EVERY == 0:
            ledger, new = compact(ledger.add(*new), START + number * history.every), []
    return ledger


def measure(name: str, ledger: Ledger) -> float:
    """Measure and print a case; return the seconds of reading and evaluating the ledger."""
    now = max(fact.at for fact in LedgerView(ledger).facts(Selected))
    data, encode_seconds = time_call(lambda: codec.encode(ledger, None))
    decoded, decode_seconds = time_call(
        lambda: codec.decode(data, repository="1", task="code-review", secrets=[])
    )
    _, merge_seconds = time_call(lambda: merge(EMPTY, decoded, decoded))
    _, query_seconds = time_call(
        lambda: (LedgerView(decoded).backlog(max_attempts=3), LedgerView(decoded).answered_ids)
    )
    _, compact_seconds = time_call(lambda: compact(decoded, now))
    total = decode_seconds + merge_seconds + query_seconds
    print(
        f"{name:<48} {len(data) / MIB:6.2f} MiB zipped"
        f" of {codec.MAX_ZIPPED_BYTES / MIB:.0f}   compact {compact_seconds:5.2f} s"
        f"   encode {encode_seconds:5.2f} s   decode {decode_seconds:5.2f} s"
        f"   merge {merge_seconds:5.2f} s   backlog {query_seconds:5.2f} s"
    )
    return total


def time_call(function: Callable[[], T]) -> tuple[T, float]:
    """Call a function; return its result and the seconds it took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def main() -> int:
    """Run all cases."""
    month = measure("30 runs of 20 files", uncompacted(30, 20))
    year = measure("365 runs of 200 files, not compacted", uncompacted(365, 200))
    large = measure("one run of 25,000 files", uncompacted(1, 25_000))
    for paths in (1_000, 20_000):
        name = f"{YEARS} years, 2 runs a day, 200 of {paths:,} files"
        measure(name, compacted(paths))
    print(
        f"decode, merge and backlog: a year takes {year / month:.0f} times as long as a month, "
        f"25,000 files {large / month:.0f} times"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
