"""Compaction changes no answer of a ledger, whatever it is merged with before or after."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.ledger import pull_requests, spend, verification
from batch_action.ledger.compaction import BLOBS_KEPT, MIN_AGE, compact
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import Severity
from batch_action.models.ledger import (
    Changed,
    Closed,
    Collected,
    Dismissed,
    FileEntry,
    FoundFinding,
    Intended,
    Ledger,
    Recheck,
    Rejected,
    Reported,
    RequestKey,
    Selected,
    Sent,
    Usage,
    Withdrawn,
    merge,
)
from batch_action.models.verification_facts import VerificationDue, Verified
from batch_action.requests.pricing import read_history
from tests.harness.replayed_runs import (
    MAX_ATTEMPTS,
    PATHS,
    START,
    ReplayedRuns,
    ledger,
    replay,
    sha,
    steps,
)

SCOPES = (None, "", "narrow")


class Runs(ReplayedRuns):
    """Also with what people do, other patterns, and long pauses."""

    def __init__(self):
        super().__init__()
        self.days = 0

    def now(self):
        return super().now() + timedelta(days=self.days)

    def wait(self, days):
        self.days += days

    def recheck(self, path):
        before = LedgerView(self.ledger).batches_of_path(path)
        source = f"issues/1#{self.name}{self.steps}"
        self.add(
            Recheck(
                fingerprint=sha(path)[:16],
                path=path,
                actor="ada",
                source=source,
                batches_before=before,
                at=self.now(),
            )
        )

    def dismiss(self, path):
        self.add(
            Dismissed(fingerprint=sha(path)[:16], actor="ada", source="issue", at=self.now()),
            Reported(issue=self.steps, at=self.now()),
        )

    def verify(self, path, content, stage):
        """Report a finding that is to be verified; ask; fail, or answer."""
        fingerprint, batch = sha(f"{path} {content}")[:16], f"{self.name}v{content}{path[0]}"
        key = RequestKey(
            id=f"verification-{path[0]}-{content}",
            path=path,
            blob=sha(f"{path} {content}"),
            purpose="verification",
            findings=(fingerprint,),
        )
        finding = FoundFinding(
            fingerprint=fingerprint, rule="a", category="bug", severity=Severity.HIGH
        )
        self.add(
            Changed(at=self.now(), run="1.1", found=(finding,)),
            VerificationDue(fingerprint=fingerprint, batch=f"r{batch}", request=key.id, number=0),
        )
        if stage == "due":
            return
        intent = sha(f"{batch} {self.steps}")[:16]
        self.add(
            Intended(
                intent=intent,
                at=self.now(),
                run="1.1",
                head=key.blob,
                model="claude-sonnet-5-5",
                effort=None,
                batches=((key,),),
                worst_case_usd=1.0,
            )
        )
        name = f"{batch}{self.steps}"
        times = {"created_at": self.now(), "expires_at": self.now() + timedelta(days=1)}
        self.add(Sent(intent=intent, index=0, batch=name, **times))
        failed = {} if stage == "answered" else {key.id: "expired"}
        if stage != "asked":
            usage = Usage(output_tokens=7)
            self.add(Collected(batch=name, at=self.now(), usage=usage, cost_usd=0.5, failed=failed))
        if stage == "answered":
            self.add(Verified(fingerprint=fingerprint, batch=name, result="disputed"))

    def exclude(self, path):
        head = sha(f"narrow {self.name} {self.steps}")
        self.add(
            Selected(
                head=head,
                branch="main",
                at=self.now(),
                files=(),
                excluded=(path,),
                scope="narrow",
                partial=True,
                skipped={"binary": 1},
            )
        )


_paths = st.sampled_from(PATHS)
_more = st.one_of(
    st.tuples(st.just("change"), _paths, st.integers(0, 30)),
    st.tuples(st.just("change"), _paths, st.integers(0, 30)),
    st.tuples(st.just("submit"), st.just(3), st.just(False)),
    st.tuples(st.just("collect"), st.integers(0, 2), st.just([])),
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("recheck"), _paths),
    st.tuples(st.just("dismiss"), _paths),
    st.tuples(st.just("exclude"), _paths),
    st.tuples(
        st.just("verify"),
        _paths,
        st.integers(0, 3),
        st.sampled_from(["due", "asked", "failed", "answered"]),
    ),
)
histories = st.builds(
    lambda groups: [step for group in groups for step in group],
    st.lists(st.one_of(steps, st.lists(_more, max_size=25)), max_size=4),
)
pauses = st.sampled_from([0, 20, 40, 400])


def answers(known: Ledger, without=frozenset()) -> dict:
    """Return all that a ledger implies, but for what it says about some paths."""
    view = LedgerView(known)
    newest = {path: file for path, file in view.newest_files().items() if path not in without}
    current = {(path, file.blob) for path, file in newest.items()}
    ids = {
        key.id
        for fact in view.facts(Intended)
        for keys in fact.batches
        for key in keys
        if (key.path, key.blob) in current
    }
    since = [START + timedelta(days=days) for days in (0, 10, 45)]

    def of_paths(files):
        return {path: file for path, file in files.items() if path not in without}

    return {
        "pending": view.pending_batches,
        "open": view.open_intents,
        "in flight": (view.in_flight_ids, view.in_flight_files),
        "known": view.known_batch_ids,
        "heads": [view.recorded_heads(scope) for scope in SCOPES],
        "newest": [of_paths(view.newest_files(scope)) for scope in SCOPES],
        "unreviewed": [of_paths(view.unreviewed_files(scope)) for scope in SCOPES],
        "bases": [of_paths(view.first_bases(scope)) for scope in SCOPES],
        "backlog": [of_paths(view.backlog(max_attempts=n)) for n in (1, MAX_ATTEMPTS)],
        "gone": view.excluded_paths,
        "reviewed": current & view.reviewed_files,
        "given up": current & view.given_up_files(MAX_ATTEMPTS),
        "withdrawn": current & view.withdrawn_files,
        "answered": ids & view.answered_ids,
        "attempts": {key: view.attempts[key] for key in ids},
        "failures": {key: kind for key, kind in view.last_failures.items() if key in ids},
        "dismissed": view.dismissed_fingerprints,
        "rechecks": view.open_recheck_requests,
        "issue": view.last_issue,
        "spend": [(view.spend_usd(at), view.known_spend_usd(at)) for at in since],
        "committed": view.committed_usd,
        "verified": verification.results(view),
        "to be verified": verification.waiting(view, "high"),
        "asked": verification.in_flight(view),
        "undecided": [verification.given_up(view, n) for n in (1, MAX_ATTEMPTS)],
        "budget": set(spend.facts_of(view)),
        "history": read_history(view, "claude-sonnet-5-5", "none", since[-1]),
    }


def forgotten(known: Ledger, short: Ledger) -> set[tuple[str, str]]:
    """Return the contents about which no request is listed any more."""

    def files(one):
        facts = LedgerView(one).facts(Intended)
        return {(key.path, key.blob) for fact in facts for keys in fact.batches for key in keys}

    return files(known) - files(short)


def paths_that_went_back(to: set[tuple[str, str]], later: Ledger, before: Ledger) -> set[str]:
    """Return the paths with a forgotten content that a fact of *later* selects again."""
    known = {fact.key() for fact in before.facts}
    new = (fact for fact in LedgerView(later).facts(Selected) if fact.key() not in known)
    return {x.path for fact in new for x in fact.files if (x.path, x.blob) in to}


@given(histories, pauses)
def test_compaction_changes_no_answer(taken, days):
    runs = replay(Runs(), taken)
    short = compact(runs.ledger, runs.now() + timedelta(days=days))
    assert answers(short) == answers(runs.ledger)
    assert [fact.key() for fact in short.facts] == [fact.key() for fact in runs.ledger.facts]


@given(histories, pauses, pauses)
def test_compacting_twice_is_compacting_once(taken, days, more):
    runs = replay(Runs(), taken)
    first, second = (runs.now() + timedelta(days=n) for n in (days, days + more))
    short = compact(runs.ledger, first)
    assert compact(short, first) == short
    assert answers(compact(short, second)) == answers(runs.ledger)


@given(histories, pauses)
def test_a_union_with_an_uncompacted_ledger_brings_nothing_back(taken, days):
    runs = replay(Runs(), taken)
    short = compact(runs.ledger, runs.now() + timedelta(days=days))
    assert merge(short, runs.ledger) == merge(runs.ledger, short) == (short, [])


@given(histories, st.integers(0, 60), pauses)
def test_a_union_with_an_earlier_ledger_brings_nothing_back(taken, length, days):
    earlier = replay(Runs(), taken[:length])
    old = compact(earlier.ledger, earlier.now() + timedelta(days=days))
    runs = replay(earlier.branch(""), taken[length:])
    short = compact(runs.ledger, runs.now() + timedelta(days=days))
    for copy in (earlier.ledger, old):
        both, warnings = merge(short, copy)
        assert answers(both) == answers(runs.ledger)
        assert warnings == []


@settings(max_examples=200)
@given(histories, histories, histories, pauses)
def test_runs_of_two_machines_meet_whichever_has_compacted(before, one, two, days):
    trunk = replay(Runs(), before)
    left, right = replay(trunk.branch("l"), one), replay(trunk.branch("r"), two)
    now = max(left.now(), right.now()) + timedelta(days=days)
    whole, conflicts = merge(left.ledger, right.ledger)
    short = [compact(x.ledger, now) for x in (left, right)]
    went_back = paths_that_went_back(
        forgotten(left.ledger, short[0]), right.ledger, left.ledger
    ) | paths_that_went_back(forgotten(right.ledger, short[1]), left.ledger, right.ledger)
    if conflicts:  # one batch has one outcome, whoever collects it
        return
    expected = answers(whole, went_back)
    for pair in [(short[0], right.ledger), (left.ledger, short[1]), tuple(short)]:
        both, warnings = merge(*pair)
        assert warnings == []
        assert answers(both, went_back) == expected
        assert answers(compact(both, now), went_back) == expected


# What is removed, by hand.


def key(path="a.py", content=0, part=1):
    blob = sha(f"{path} {content}")
    return RequestKey(id=f"q-{path[0]}-{blob[:12]}-{part}", path=path, blob=blob, part=part)


def day(number):
    return START + timedelta(days=number)


def answered(number, *keys, pull_request=None, failed=None):
    """One run on a day, whose batch was collected."""
    intent, batch = f"{number:016x}", f"b{number}"
    entries = tuple(FileEntry(path=x.path, blob=x.blob) for x in keys)
    return (
        Selected(
            head=sha(f"head {number}"),
            base=sha(f"head {number - 1}"),
            branch="main",
            at=day(number),
            files=entries,
            skipped={"binary": 2},
            pull_request=pull_request,
        ),
        Intended(
            intent=intent,
            at=day(number),
            run="1.1",
            head=sha(f"head {number}"),
            model="m",
            batches=(keys,),
            worst_case_usd=1.0,
            pull_request=pull_request,
        ),
        Sent(
            intent=intent,
            index=0,
            batch=batch,
            created_at=day(number),
            expires_at=day(number + 1),
        ),
        Collected(
            batch=batch, at=day(number), usage=Usage(), cost_usd=0.5, failed=dict(failed or {})
        ),
    )


def listed(known):
    """Return the contents of a file, in the order of the runs that list a request about them."""
    facts = sorted(LedgerView(known).facts(Intended), key=lambda x: x.at)
    return [x.blob for fact in facts for keys in fact.batches for x in keys]


def blobs(*contents):
    return [key(content=n).blob for n in contents]


NEVER = day(400)


class TestRequests:
    SIX = tuple(fact for n in range(6) for fact in answered(n, key(content=n)))

    def test_of_each_path_the_newest_ones_stay(self):
        assert BLOBS_KEPT == 3
        assert listed(compact(ledger(*self.SIX), NEVER)) == blobs(3, 4, 5)

    @pytest.mark.parametrize(("at", "first"), [(MIN_AGE, 0), (MIN_AGE + timedelta(days=2), 2)])
    def test_results_that_anthropic_still_has_keep_their_requests(self, at, first):
        short = compact(ledger(*self.SIX), START + at)
        assert listed(short) == blobs(*range(first, 6))

    def test_what_is_selected_stays(self):
        facts = (*self.SIX, *answered(6, key("b.py")), *answered(9, key(content=0))[:1])
        assert set(listed(compact(ledger(*facts), NEVER))) >= {*blobs(0, 3, 4, 5), key("b.py").blob}

    @pytest.mark.parametrize(
        "open_fact",
        [
            lambda facts: facts[:2],
            lambda facts: facts[:3],
            lambda facts: (*facts[:2], Rejected(intent=facts[1].intent, batch="b99")),
            lambda facts: (*facts[:3], Withdrawn(batch="b0", actor="ada", at=day(9))),
        ],
        ids=["create without a response", "pending", "a candidate rejected", "canceled"],
    )
    def test_what_is_not_settled_stays(self, open_fact):
        facts = (*open_fact(self.SIX[:4]), *self.SIX[4:])
        known = ledger(*facts)
        short = compact(known, NEVER)
        assert listed(short) == blobs(0, 3, 4, 5)
        (first,) = (x for x in LedgerView(short).facts(Selected) if x.at == day(0))
        assert first in known.facts, "the report of its batch needs the whole selection"

    def test_the_first_answer_to_a_recheck_request_stays(self):
        recheck = Recheck(
            fingerprint="e" * 16,
            path="a.py",
            actor="ada",
            source="issues/1#1",
            batches_before=("b0",),
            at=day(0),
        )
        short = compact(ledger(*self.SIX, recheck), NEVER)
        assert listed(short) == blobs(1, 3, 4, 5)
        view = LedgerView(short)
        assert view.open_recheck_requests == ()
        assert view.answered_recheck_requests(frozenset({"b5"})) == ()

    def test_numbers_of_requests_and_failures_stay(self):
        first = answered(
            0, key(content=0), key(content=0, part=2), failed={key(content=0).id: "expired"}
        )
        short = LedgerView(compact(ledger(*first, *self.SIX[4:]), NEVER))
        fact = next(x for x in short.facts(Collected) if x.batch == "b0")
        assert (fact.failed, fact.failures) == ({}, 1)
        assert read_history(short, "m", "none", day(5)).answers == 6


class TestSelections:
    def files_of(self, known):
        return {
            (x.at - START).days: [*(e.path for e in x.files), *x.removed]
            for x in LedgerView(compact(known, START)).selections
            if x.files or x.removed
        }

    def selected(self, number, *paths, removed=()):
        entries = tuple(FileEntry(path=p, blob=key(p, number).blob) for p in paths)
        return Selected(
            head=sha(f"s{number}"), branch="main", at=day(number), files=entries, removed=removed
        )

    def test_an_entry_before_a_later_verdict_is_removed(self):
        facts = [fact for n in range(5) for fact in answered(n, key(content=n))]
        # The newest, and the reviewed one with which it starts.
        assert self.files_of(ledger(*facts)) == {3: ["a.py"], 4: ["a.py"]}

    def test_entries_in_the_backlog_stay(self):
        facts = [self.selected(n, "a.py") for n in range(3)]
        assert self.files_of(ledger(*facts)) == {0: ["a.py"], 1: ["a.py"], 2: ["a.py"]}

    def test_of_a_removed_path_the_removal_stays(self):
        facts = (
            self.selected(1, "a.py", "b.py"),
            self.selected(2, "a.py"),
            self.selected(3, removed=("a.py",)),
        )
        assert self.files_of(ledger(*facts)) == {1: ["b.py"], 3: ["a.py"]}
        assert self.files_of(ledger(*facts, self.selected(4, "a.py"))) == {
            1: ["b.py"],
            3: ["a.py"],
            4: ["a.py"],
        }

    def test_nothing_before_a_removal_counts(self):
        facts = (
            *answered(1, key()),
            self.selected(2, removed=("a.py",)),
            self.selected(3, "a.py"),
            *answered(4, key("b.py")),
        )
        assert self.files_of(ledger(*facts)) == {2: ["a.py"], 3: ["a.py"], 4: ["b.py"]}


class TestPullRequests:
    FACTS = (
        *answered(1, key(content=1), pull_request=5),
        *answered(2, key(content=2), pull_request=5),
        *answered(3, key(content=1), pull_request=6),
    )

    @pytest.mark.parametrize(
        ("more", "days", "kept"),
        [
            ((), 400, [1, 2, 1]),
            ((Closed(pull_request=5, merged=True, at=day(4)),), 400, [1]),
            ((Closed(pull_request=5, merged=True, at=day(4)),), 20, [1, 2, 1]),
            (
                (
                    Closed(pull_request=5, merged=False, at=day(4)),
                    *answered(7, key(content=2), pull_request=5)[:1],
                ),
                400,
                [1, 2, 1],
            ),
            (
                (
                    Closed(pull_request=5, merged=False, at=day(4)),
                    *answered(8, key(content=2), pull_request=5)[1:3],
                ),
                400,
                [1, 2, 1, 2],
            ),
        ],
        ids=["open", "closed", "just closed", "open again", "closed with a pending batch"],
    )
    def test_an_ended_one_keeps_no_files(self, more, days, kept):
        known = ledger(*self.FACTS, *more)
        short = compact(known, day(days))
        assert listed(short) == blobs(*kept)
        views = LedgerView(known), LedgerView(short)
        for number in (6, 5) if len(kept) > 1 else (6,):
            before, after = (answers(pull_requests.view_of(view, number).ledger) for view in views)
            assert before == after
        for query in (pull_requests.unfinished_pull_requests, pull_requests.numbers_in):
            assert query(views[0]) == query(views[1])
        assert pull_requests.is_closed(views[0], 5) == pull_requests.is_closed(views[1], 5)
