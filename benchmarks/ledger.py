"""How large a ledger grows, and whether reading it stays linear.

Facts as real runs write them: random files, ids, amounts and microseconds; one request in fifty
fails. The ten years are compacted twice a year instead of at each write, to save time.
"""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from batch_action.ledger import codec, statistics
from batch_action.ledger.compaction import compact
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import Severity
from batch_action.models.ledger import (
    Changed,
    Collected,
    Fact,
    FileEntry,
    FoundFinding,
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
from benchmarks.harness import Row

START = datetime(2026, 1, 1, 2, 17, tzinfo=UTC)
MIB = 2**20
EMPTY = Ledger(repository="1", task="code-review")
COMPACTED_EVERY = 365
FAILED_EVERY = 50
YEARS = 10
FOUND_IN_A_RUN = 3
OPEN_FINDINGS = 60
RULES = 300
LINEAR = 2.0
"""How many times as much a file may cost in a large ledger as in a small one."""


class History:
    """A repository and its runs; the same one in each process."""

    def __init__(self, paths: list[str], every: timedelta = timedelta(days=1)) -> None:
        self.paths = paths
        self.every = every
        self.blobs: dict[str, str] = {}
        self.head: str | None = None
        self.open: list[str] = []
        self.number = 0
        self.random = random.Random(1)

    def sha(self) -> str:
        """Return a made-up object id."""
        return f"{self.random.getrandbits(160):040x}"

    def _shown(self) -> str:
        """Return two ranges of lines, as most excerpts have at most."""
        first, second = sorted(self.random.sample(range(1, 900), 2))
        return f"{first}-{first + 20},{second + 30}-{second + 60}"

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
                shown=self._shown(),
            )
            for x in entries
        )
        self.number += 1
        return (
            self._changed(at + timedelta(seconds=8)),
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

    def _changed(self, at: datetime) -> Changed:
        """Return what a run says of findings: three are new, and the oldest three are fixed."""
        found = tuple(
            FoundFinding(
                fingerprint=self.sha()[:16],
                rule=f"rule-{self.random.randrange(RULES)}",
                category="bug",
                severity=self.random.choice(list(Severity)),
            )
            for _ in range(FOUND_IN_A_RUN)
        )
        self.open += [finding.fingerprint for finding in found]
        fixed, self.open = self.open[:-OPEN_FINDINGS], self.open[-OPEN_FINDINGS:]
        run = f"{15_000_000_000 + self.number * 1_234_567}.1"
        return Changed(at=at, run=run, found=found, became={"fixed": tuple(fixed)})

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


def compacted(paths: int, runs: int, files: int = 200) -> Ledger:
    """Return the ledger of so many runs, two a day."""
    history = History(module_paths(paths), every=timedelta(hours=12))
    ledger, new = EMPTY, list[Fact]()
    for number in range(1, runs + 1):
        new += history.run(files)
        if number % COMPACTED_EVERY == 0 or number == runs:
            ledger, new = compact(ledger.add(*new), START + number * history.every), []
    return ledger


def seconds_to_use(ledger: Ledger) -> float:
    """Return the CPU seconds of reading a ledger, merging it and asking for its backlog."""
    data = codec.encode(ledger, None)
    start = time.thread_time()
    decoded = codec.decode(data, repository="1", task="code-review", secrets=[])
    merge(EMPTY, decoded, decoded)
    view = LedgerView(decoded)
    _ = view.backlog(max_attempts=3), view.answered_ids
    statistics.compute(view)
    return time.thread_time() - start


def size_row(name: str, ledger: Ledger, bound: float) -> Row:
    """Measure how large a ledger is when it is stored, and how long it takes to use it."""
    size = len(codec.encode(ledger, None)) / MIB
    note = f"{seconds_to_use(ledger):.1f} s to read, merge and evaluate"
    return Row(f"ledger, {name}", size, bound, unit="MiB zipped", note=note)


def rows(*, quick: bool = False) -> list[Row]:
    """Measure all rows; *quick*: a hundredth of the history."""
    part = 100 if quick else 1
    month, year = uncompacted(30, 20), uncompacted(365 // part, 200)
    runs_of_year = seconds_to_use(year) / (365 // part * 200)
    linear = Row(
        "ledger, a file of a year's 200 a run over one of a month's 20",
        runs_of_year / (seconds_to_use(month) / (30 * 20)),
        LINEAR,
        unit="times",
        note="not compacted",
    )
    sizes = [size_row("one run of 25,000 files", uncompacted(1, 25_000 // part), 16)]
    for paths, bound in ((1_000, 4), (20_000, 10)):
        name = f"ten years of two runs a day, each on 200 of {paths:,} files"
        sizes.append(size_row(name, compacted(paths, YEARS * 365 * 2 // part), bound))
    return [linear, *sizes]
