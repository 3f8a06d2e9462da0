"""Generated histories: single facts for merging, and runs with a tracked expected state."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from batch_action.ledger.view import LedgerView
from batch_action.models.explanation import (
    Explained,
    ExplanationRequested,
    ExplanationResult,
    Unexplainable,
)
from batch_action.models.ledger import (
    Baselined,
    Changed,
    Collected,
    Confirmed,
    Dismissed,
    Fact,
    FileEntry,
    Intended,
    Ledger,
    Muted,
    Rejected,
    RequestKey,
    Selected,
    Sent,
    Usage,
    Withdrawn,
)
from batch_action.models.verification import Verification
from batch_action.models.verification_facts import Deleted, VerificationDue, Verified

START = datetime(2026, 11, 1, 2, 17, tzinfo=UTC)
EMPTY = Ledger(repository="42", task="code-review")
MAX_ATTEMPTS = 2
"""`max-attempts` of the made-up histories: small, so that files are given up."""
COUNTED_FAILURES = ("errored:api_error", "expired", "truncated", "refused", "unreadable", "missing")
UNCOUNTED_FAILURES = ("service:overloaded_error: Overloaded", "canceled")


def sha(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def hours(number: int) -> datetime:
    return START + timedelta(hours=number)


def ledger(*facts: Fact) -> Ledger:
    return EMPTY.add(*facts)


# Single facts from small pools, so that equal keys with unequal values are common.

_numbers = st.integers(0, 3)
_moments = _numbers.map(hours)
_paths = st.sampled_from(["a.py", "b.js", "dir/c ü.go"])
_shas = _numbers.map(lambda n: sha(str(n)))
_intents = _numbers.map(lambda n: f"{n:016x}")
_batches = _numbers.map(lambda n: f"msgbatch_{n}")
_ids = _numbers.map(lambda n: f"code-review-a_py-{n}")
_request_keys = st.builds(RequestKey, id=_ids, path=_paths, blob=_shas) | st.builds(
    RequestKey,
    id=_ids,
    path=_paths,
    blob=_shas,
    purpose=st.sampled_from(["verification", "explanation"]),
    findings=st.lists(_intents, min_size=1, max_size=2).map(tuple),
)
_money = st.none() | st.sampled_from([0.0, 0.25, 1.5])
_entries = st.builds(FileEntry, path=_paths, blob=_shas, old_blob=st.none() | _shas)

originals = st.one_of(
    st.builds(
        Selected,
        head=_shas,
        base=st.none() | _shas,
        branch=st.just("main"),
        at=_moments,
        files=st.lists(_entries, max_size=2).map(tuple),
        removed=st.lists(_paths, max_size=1).map(tuple),
    ),
    st.builds(
        Intended,
        intent=_intents,
        at=_moments,
        run=st.just("1.1"),
        head=_shas,
        base=st.none(),
        model=st.just("claude-sonnet-5-5"),
        effort=st.just("medium"),
        batches=st.lists(
            st.lists(_request_keys, min_size=1, max_size=2).map(tuple), max_size=2
        ).map(tuple),
        worst_case_usd=_money,
    ),
    st.builds(
        Sent,
        intent=_intents,
        index=st.integers(0, 2),
        batch=_batches,
        created_at=_moments,
        expires_at=_moments,
    ),
    st.builds(Rejected, intent=_intents, batch=st.none() | _batches),
    st.builds(
        Collected,
        batch=_batches,
        at=_moments,
        usage=st.builds(Usage, input_tokens=st.integers(0, 9)),
        cost_usd=_money,
        failed=st.dictionaries(
            _ids, st.sampled_from(COUNTED_FAILURES + UNCOUNTED_FAILURES), max_size=2
        ),
    ),
    st.builds(Withdrawn, batch=_batches, actor=st.sampled_from(["ada", "bo"]), at=_moments),
    st.builds(
        Dismissed,
        fingerprint=_intents,
        actor=st.sampled_from(["ada", "bo"]),
        source=st.just("issue"),
        at=_moments,
    ),
    st.builds(
        Confirmed,
        fingerprint=_intents,
        actor=st.sampled_from(["ada", "bo"]),
        source=st.just("issue"),
        at=_moments,
    ),
    st.builds(
        ExplanationRequested,
        fingerprint=_intents,
        path=_paths,
        blob=_shas,
        lines=st.just("1-2"),
        actor=st.just("ada"),
        source=st.sampled_from(["issues/1#1", "issues/1#2"]),
        at=_moments,
    ),
    st.builds(
        Unexplainable, fingerprint=_intents, blob=_shas, source=st.just("issues/1#1"), at=_moments
    ),
    st.builds(
        Explained,
        fingerprint=_intents,
        blob=_shas,
        source=st.just("issues/1#1"),
        result=st.sampled_from(ExplanationResult),
        at=_moments,
    ),
    st.builds(Baselined, fingerprint=_intents, blob=_shas),
    st.builds(
        Muted,
        rule=st.sampled_from(["a", "b"]),
        muted=st.booleans(),
        actor=st.just("ada"),
        source=st.just("issue"),
        at=_moments,
    ),
    st.builds(VerificationDue, fingerprint=_intents, batch=_batches, request=_ids, number=_numbers),
    st.builds(Deleted, batch=_batches),
    st.builds(
        Verified,
        fingerprint=_intents,
        batch=_batches,
        result=st.sampled_from([Verification.CONFIRMED, Verification.DISPUTED]),
    ),
    st.builds(
        Changed,
        at=_moments,
        run=st.sampled_from(["1.1", "2.1"]),
        became=st.dictionaries(
            st.sampled_from(["fixed", "open"]),
            st.lists(_intents, max_size=1).map(tuple),
            max_size=1,
        ),
    ),
)


@st.composite
def versions(draw: st.DrawFn, fact: Fact) -> Fact:
    """Return the fact, or what compaction may make of it."""

    def some_of(items: Iterable) -> list:
        return [x for x in items if draw(st.booleans())]

    base = st.sampled_from([None, getattr(fact, "base", None)])
    match fact:
        case Selected() if draw(st.booleans()):
            files, removed = tuple(some_of(fact.files)), tuple(some_of(fact.removed))
            return fact.reduce(files=files, removed=removed, skipped={}, base=draw(base))
        case Intended() if draw(st.booleans()):
            batches = tuple(tuple(some_of(keys)) for keys in fact.batches)
            return fact.reduce(batches=batches, sizes=fact.request_counts, base=draw(base))
        case Collected() if draw(st.booleans()):
            failed = dict(some_of(fact.failed.items()))
            return fact.reduce(failed=failed, failed_count=fact.failures)
    return fact


facts = originals.flatmap(versions)

ledgers = st.builds(
    lambda some, written_at, merged: ledger(*some).model_copy(
        update={"written_at": written_at, "merged_artifacts": tuple(sorted(merged))}
    ),
    st.lists(facts, max_size=8),
    st.none() | _moments,
    st.sets(st.integers(1, 5), max_size=2),
)


# Whole histories.

File = tuple[str, str]
PATHS = ("a.py", "b.py", "c.py")


def request_keys(path: str, blob: str) -> tuple[RequestKey, ...]:
    """Return the requests of a file; every second blob has two parts."""
    of = 1 + int(blob, 16) % 2
    return tuple(
        RequestKey(
            id=f"q-{path.replace('.', '_')}-{blob[:12]}-{part}",
            path=path,
            blob=blob,
            part=part,
            parts=of,
        )
        for part in range(1, of + 1)
    )


@dataclass
class ReplayedRuns:
    """A repository and its runs; the state is tracked step by step, never derived from facts."""

    ledger: Ledger = EMPTY
    name: str = ""
    tree: dict[str, str] = field(default_factory=dict)
    last_tree: dict[str, str] = field(default_factory=dict)
    """The tree of the last run."""
    steps: int = 0
    selected_paths: dict[str, str] = field(default_factory=dict)
    """Paths that were selected and still exist, with the blob of the last run."""
    selected: set[File] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    in_flight: dict[str, tuple[RequestKey, ...]] = field(default_factory=dict)
    """Batch, or `intent/index` of a create whose response was lost → its requests."""
    failed: Counter[str] = field(default_factory=Counter)
    withdrawn: set[File] = field(default_factory=set)
    sent_twice: Counter[str] = field(default_factory=Counter)
    """How often each request was sent although it had a verdict or was in flight."""

    def branch(self, name: str) -> "ReplayedRuns":
        """Return a copy that continues on its own: a concurrent series of runs."""
        other = deepcopy(self)
        other.name = self.name + name
        return other

    def now(self) -> datetime:
        return START + timedelta(minutes=self.steps)

    def add(self, *new: Fact) -> None:
        self.ledger = self.ledger.add(*new)

    # What a person does to the repository.

    def change(self, path: str, content: int) -> None:
        self.tree[path] = sha(f"{path} {content}")

    def delete(self, path: str) -> None:
        self.tree.pop(path, None)

    def rename(self, old: str, new: str) -> None:
        if old in self.tree and old != new:
            self.tree[new] = self.tree.pop(old)

    # What a run does.

    def submit(self, max_files: int, lost: bool) -> None:
        """Select the changes and the backlog; send at most *max_files* of them."""
        backlog = LedgerView(self.ledger).backlog(max_attempts=MAX_ATTEMPTS)
        wanted = {p for p, b in self.tree.items() if self.last_tree.get(p) != b or p in backlog}
        known = LedgerView(self.ledger).newest_files()
        in_flight = {q.id for group in self.in_flight.values() for q in group}
        to_send, reverted = [], []
        for path in sorted(wanted):
            blob = self.tree[path]
            keys = request_keys(path, blob)
            unanswered = [q for q in keys if q.id not in self.answered | in_flight]
            if unanswered and all(self.failed[q.id] < MAX_ATTEMPTS for q in unanswered):
                to_send.append((path, unanswered))
            elif path in known and known[path].blob != blob:
                reverted.append(path)
        removed = sorted((set(self.last_tree) | set(known)) - set(self.tree))
        entries = [
            FileEntry(path=p, blob=self.tree[p], old_blob=self.last_tree.get(p))
            for p in sorted([path for path, _ in to_send] + reverted)
        ]
        head = sha(f"head {self.name} {self.steps}")
        self.add(
            Selected(
                head=head,
                base=None,
                branch="main",
                at=self.now(),
                files=tuple(entries),
                removed=tuple(removed),
            )
        )
        self.last_tree = dict(self.tree)
        for path in removed:
            self.selected_paths.pop(path, None)
        for entry in entries:
            self.selected_paths[entry.path] = entry.blob
            self.selected.add((entry.path, entry.blob))
        self._send([keys for _, keys in to_send[:max_files]], head, lost=lost)

    def _send(self, groups: list[list[RequestKey]], head: str, *, lost: bool) -> None:
        if not groups:
            return
        intent = sha(f"intent {self.name} {self.steps}")[:16]
        packed = tuple(tuple(group) for group in groups)
        self.add(
            Intended(
                intent=intent,
                at=self.now(),
                run="1.1",
                head=head,
                base=None,
                model="claude-sonnet-5-5",
                effort=None,
                batches=packed,
                worst_case_usd=0.5 * len(packed),
            )
        )
        in_flight = {q.id for group in self.in_flight.values() for q in group}
        for index, group in enumerate(packed):
            for request_key in group:
                self.sent_twice[request_key.id] += request_key.id in self.answered | in_flight
            if lost and index == len(packed) - 1:
                self.in_flight[f"{intent}/{index}"] = group
            else:
                self.in_flight[self._sent(intent, index)] = group

    def _sent(self, intent: str, index: int) -> str:
        batch = f"msgbatch_{intent}_{index}"
        self.add(
            Sent(
                intent=intent,
                index=index,
                batch=batch,
                created_at=self.now(),
                expires_at=self.now() + timedelta(days=1),
            )
        )
        return batch

    def resolve(self, adopt: bool) -> None:
        """Find the batch of the oldest lost create, or find that there is none."""
        lost = next((key for key in self.in_flight if "/" in key), None)
        if lost is None:
            return
        group = self.in_flight.pop(lost)
        intent, index = lost.split("/")
        if adopt:
            self.in_flight[self._sent(intent, int(index))] = group
        else:
            self.add(Rejected(intent=intent, batch=None))

    def collect(self, which: int, failures: list[str | None]) -> None:
        """Collect one batch; the n-th request fails with the n-th failure."""
        known = sorted(key for key in self.in_flight if "/" not in key)
        if not known:
            return
        batch = known[which % len(known)]
        group = self.in_flight.pop(batch)
        failed = {q.id: kind for q, kind in zip(group, failures, strict=False) if kind}
        self.add(Collected(batch=batch, at=self.now(), usage=Usage(), cost_usd=0.25, failed=failed))
        for request_key in group:
            if request_key.id not in failed:
                self.answered.add(request_key.id)
            elif failed[request_key.id] not in UNCOUNTED_FAILURES:
                self.failed[request_key.id] += 1

    def cancel(self, which: int) -> None:
        """Cancel a batch; its requests are not sent again on their own."""
        known = sorted(key for key in self.in_flight if "/" not in key)
        if known:
            batch = known[which % len(known)]
            self.add(Withdrawn(batch=batch, actor="ada", at=self.now()))
            self.withdrawn |= {(q.path, q.blob) for q in self.in_flight[batch]}

    # The expected state.

    def state(self, file: File) -> str:
        """Return the state of a selected file, from the tracked state alone."""
        path, blob = file
        keys = request_keys(path, blob)
        ids = {q.id for q in keys}
        cases = (
            ("verdict", ids <= self.answered),
            ("removed", path not in self.selected_paths),
            ("superseded", self.selected_paths.get(path) != blob),
            ("in flight", any(q.id in ids for group in self.in_flight.values() for q in group)),
            ("withdrawn", file in self.withdrawn),
            ("given up", any(self.failed[name] >= MAX_ATTEMPTS for name in ids)),
        )
        return next((name for name, true in cases if true), "backlog")


def states_of(known: Ledger, file: File) -> list[str]:
    """Return every state that a selected file is in, by the ledger; exactly one is expected."""
    path, blob = file
    newest = LedgerView(known).newest_files()
    reviewed = file in LedgerView(known).reviewed_files
    here = path in newest and newest[path].blob == blob
    keys = {q.id for q in request_keys(path, blob)}
    in_flight = bool(keys & LedgerView(known).in_flight_ids)
    withdrawn = any(
        fact.batch == sent.batch and keys & {q.id for q in intended.batches[sent.index]}
        for fact in LedgerView(known).facts(Withdrawn)
        for sent, intended in LedgerView(known).sent_batches
    )
    given_up = file in LedgerView(known).given_up_files(MAX_ATTEMPTS)
    backlog = LedgerView(known).backlog(max_attempts=MAX_ATTEMPTS)
    is_open = here and not reviewed
    found = {
        "verdict": reviewed,
        "removed": not reviewed and path not in newest,
        "superseded": not reviewed and path in newest and not here,
        "in flight": is_open and in_flight,
        "withdrawn": is_open and not in_flight and withdrawn,
        "given up": is_open and not in_flight and not withdrawn and given_up,
        "backlog": path in backlog and backlog[path].blob == blob,
    }
    return [name for name, true in found.items() if true]


_step = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(PATHS), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.sampled_from(PATHS)),
    st.tuples(st.just("rename"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
    st.tuples(st.just("submit"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("submit"), st.just(3), st.just(False)),
    st.tuples(st.just("resolve"), st.booleans()),
    st.tuples(
        st.just("collect"),
        st.integers(0, 2),
        st.lists(st.none() | st.sampled_from(COUNTED_FAILURES + UNCOUNTED_FAILURES), max_size=2),
    ),
    st.tuples(st.just("collect"), st.integers(0, 2), st.just([])),
    st.tuples(st.just("cancel"), st.integers(0, 2)),
)
steps = st.lists(_step, max_size=25)


def replay(runs: ReplayedRuns, steps: Iterable[tuple]) -> ReplayedRuns:
    """Apply the steps, one minute each."""
    for name, *arguments in steps:
        runs.steps += 1
        getattr(runs, name)(*arguments)
    return runs
