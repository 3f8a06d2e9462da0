"""Made-up histories: single facts for merging, and whole years of nights with their own books."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from batch_action.ledger import merge, view
from batch_action.models.ledger import (
    Collected,
    Dismissed,
    Fact,
    FileEntry,
    Intended,
    Ledger,
    Rejected,
    RequestKey,
    Selected,
    Sent,
    Usage,
    Withdrawn,
)

START = datetime(2026, 11, 1, 2, 17, tzinfo=UTC)
EMPTY = Ledger(repository="42", task="code-review")
MOST = 2
"""`max-attempts` of the made-up histories: small, so that giving up happens."""
COUNTED = ("errored:api_error", "expired", "truncated", "refused", "unreadable", "missing")
FREE = ("billing", "canceled")


def sha(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def hours(number: int) -> datetime:
    return START + timedelta(hours=number)


def ledger(*facts: Fact) -> Ledger:
    return merge.add(EMPTY, *facts)


# Single facts, from small pools: equal keys with unequal values must be common.

_numbers = st.integers(0, 3)
_moments = _numbers.map(hours)
_paths = st.sampled_from(["a.py", "b.js", "dir/c ü.go"])
_shas = _numbers.map(lambda n: sha(str(n)))
_intents = _numbers.map(lambda n: f"{n:016x}")
_batches = _numbers.map(lambda n: f"msgbatch_{n}")
_ids = _numbers.map(lambda n: f"code-review-a_py-{n}")
_questions = st.builds(RequestKey, id=_ids, path=_paths, blob=_shas)
_money = st.none() | st.sampled_from([0.0, 0.25, 1.5])
_entries = st.builds(FileEntry, path=_paths, blob=_shas, old_blob=st.none() | _shas)

facts = st.one_of(
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
        batches=st.lists(st.lists(_questions, min_size=1, max_size=2).map(tuple), max_size=2).map(
            tuple
        ),
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
        failed=st.dictionaries(_ids, st.sampled_from(COUNTED + FREE), max_size=2),
    ),
    st.builds(Withdrawn, batch=_batches, actor=st.sampled_from(["ada", "bo"]), at=_moments),
    st.builds(
        Dismissed,
        fingerprint=_intents,
        actor=st.sampled_from(["ada", "bo"]),
        source=st.just("issue"),
        at=_moments,
    ),
)

ledgers = st.builds(
    lambda found, written, absorbed: ledger(*found).model_copy(
        update={"written_at": written, "merged_artifacts": tuple(sorted(absorbed))}
    ),
    st.lists(facts, max_size=8),
    st.none() | _moments,
    st.sets(st.integers(1, 5), max_size=2),
)


# Whole histories.

File = tuple[str, str]
PATHS = ("a.py", "b.py", "c.py")


def request_keys(path: str, blob: str) -> tuple[RequestKey, ...]:
    """Every second blob is so large that it travels in two parts."""
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
class Diary:
    """A repository and its nights; the books are kept step by step, never derived from facts."""

    ledger: Ledger = EMPTY
    name: str = ""
    tree: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    """The tree of the last night."""
    steps: int = 0
    care: dict[str, str] = field(default_factory=dict)
    """Paths that were ever selected and are still there, with the blob of the last night."""
    selected: set[File] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    flying: dict[str, tuple[RequestKey, ...]] = field(default_factory=dict)
    """Batch, or `intent/index` of a create without an answer, to its questions."""
    failed: Counter[str] = field(default_factory=Counter)
    withdrawn: set[File] = field(default_factory=set)
    paid: Counter[str] = field(default_factory=Counter)
    """How often each question was sent while it had a verdict or was in flight."""

    def branch(self, name: str) -> "Diary":
        """A copy that goes its own way from here: a second run of the same history."""
        other = deepcopy(self)
        other.name = self.name + name
        return other

    def now(self) -> datetime:
        return START + timedelta(minutes=self.steps)

    def add(self, *new: Fact) -> None:
        self.ledger = merge.add(self.ledger, *new)

    # What a person does to the repository.

    def change(self, path: str, content: int) -> None:
        self.tree[path] = sha(f"{path} {content}")

    def delete(self, path: str) -> None:
        self.tree.pop(path, None)

    def rename(self, old: str, new: str) -> None:
        if old in self.tree and old != new:
            self.tree[new] = self.tree.pop(old)

    # What a night does.

    def submit(self, room: int, lost: bool) -> None:
        """Select what changed or is owed; send as many files as there is room for."""
        backlog = view.backlog(self.ledger, max_attempts=MOST)
        wanted = {p for p, b in self.tree.items() if self.seen.get(p) != b or p in backlog}
        known = view.newest_files(self.ledger)
        in_flight = {q.id for group in self.flying.values() for q in group}
        kept, back = [], []
        for path in sorted(wanted):
            blob = self.tree[path]
            asked = request_keys(path, blob)
            open_ = [q for q in asked if q.id not in self.answered | in_flight]
            if open_ and all(self.failed[q.id] < MOST for q in open_):
                kept.append((path, open_))
            elif path in known and known[path].blob != blob:
                back.append(path)
        gone = sorted((set(self.seen) | set(known)) - set(self.tree))
        entries = [
            FileEntry(path=p, blob=self.tree[p], old_blob=self.seen.get(p))
            for p in sorted([path for path, _ in kept] + back)
        ]
        head = sha(f"head {self.name} {self.steps}")
        self.add(
            Selected(
                head=head,
                base=None,
                branch="main",
                at=self.now(),
                files=tuple(entries),
                removed=tuple(gone),
            )
        )
        self.seen = dict(self.tree)
        for path in gone:
            self.care.pop(path, None)
        for entry in entries:
            self.care[entry.path] = entry.blob
            self.selected.add((entry.path, entry.blob))
        self._send([open_ for _, open_ in kept[:room]], head, lost=lost)

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
        in_flight = {q.id for group in self.flying.values() for q in group}
        for index, group in enumerate(packed):
            for request_key in group:
                self.paid[request_key.id] += request_key.id in self.answered | in_flight
            if lost and index == len(packed) - 1:
                self.flying[f"{intent}/{index}"] = group
            else:
                self.flying[self._sent(intent, index)] = group

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

    def settle(self, adopt: bool) -> None:
        """Find the batch of the oldest lost create, or find that there is none."""
        open_ = next((key for key in self.flying if "/" in key), None)
        if open_ is None:
            return
        group = self.flying.pop(open_)
        intent, index = open_.split("/")
        if adopt:
            self.flying[self._sent(intent, int(index))] = group
        else:
            self.add(Rejected(intent=intent, batch=None))

    def collect(self, which: int, failures: list[str | None]) -> None:
        """One batch comes back; the n-th question fails as the n-th failure says."""
        known = sorted(key for key in self.flying if "/" not in key)
        if not known:
            return
        batch = known[which % len(known)]
        group = self.flying.pop(batch)
        failed = {q.id: kind for q, kind in zip(group, failures, strict=False) if kind}
        self.add(Collected(batch=batch, at=self.now(), usage=Usage(), cost_usd=0.25, failed=failed))
        for request_key in group:
            if request_key.id not in failed:
                self.answered.add(request_key.id)
            elif failed[request_key.id] not in FREE:
                self.failed[request_key.id] += 1

    def cancel(self, which: int) -> None:
        """A person cancels a batch; what it held is not asked again by itself."""
        known = sorted(key for key in self.flying if "/" not in key)
        if known:
            batch = known[which % len(known)]
            self.add(Withdrawn(batch=batch, actor="ada", at=self.now()))
            self.withdrawn |= {(q.path, q.blob) for q in self.flying[batch]}

    # What the books say.

    def state(self, file: File) -> str:
        """The one place where a selected file stands, from the books alone."""
        path, blob = file
        asked = request_keys(path, blob)
        ids = {q.id for q in asked}
        cases = (
            ("verdict", ids <= self.answered),
            ("removed", path not in self.care),
            ("superseded", self.care.get(path) != blob),
            ("in flight", any(q.id in ids for group in self.flying.values() for q in group)),
            ("withdrawn", file in self.withdrawn),
            ("given up", any(self.failed[name] >= MOST for name in ids)),
        )
        return next((name for name, true in cases if true), "owed")


def state_of(known: Ledger, file: File) -> list[str]:
    """Every state a selected file is in, by the history; the law wants exactly one."""
    path, blob = file
    newest = view.newest_files(known)
    settled = file in view.reviewed_files(known)
    here = path in newest and newest[path].blob == blob
    asked = {q.id for q in request_keys(path, blob)}
    flying = bool(asked & view.in_flight_ids(known))
    withdrawn = any(
        fact.batch == sent.batch and asked & {q.id for q in intended.batches[sent.index]}
        for fact in view.facts_of(known, Withdrawn)
        for sent, intended in view.sent_batches(known)
    )
    given_up = file in view.given_up_files(known, MOST)
    backlog = view.backlog(known, max_attempts=MOST)
    open_ = here and not settled
    found = {
        "verdict": settled,
        "removed": not settled and path not in newest,
        "superseded": not settled and path in newest and not here,
        "in flight": open_ and flying,
        "withdrawn": open_ and not flying and withdrawn,
        "given up": open_ and not flying and not withdrawn and given_up,
        "owed": path in backlog and backlog[path].blob == blob,
    }
    return [name for name, true in found.items() if true]


_step = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(PATHS), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.sampled_from(PATHS)),
    st.tuples(st.just("rename"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
    st.tuples(st.just("submit"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("submit"), st.just(3), st.just(False)),
    st.tuples(st.just("settle"), st.booleans()),
    st.tuples(
        st.just("collect"),
        st.integers(0, 2),
        st.lists(st.none() | st.sampled_from(COUNTED + FREE), max_size=2),
    ),
    st.tuples(st.just("collect"), st.integers(0, 2), st.just([])),
    st.tuples(st.just("cancel"), st.integers(0, 2)),
)
steps = st.lists(_step, max_size=25)


def live(diary: Diary, taken: Iterable[tuple]) -> Diary:
    """Go through the steps, one minute each."""
    for name, *arguments in taken:
        diary.steps += 1
        getattr(diary, name)(*arguments)
    return diary
