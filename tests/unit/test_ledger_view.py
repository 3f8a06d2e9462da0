"""Queries on a ledger: small cases by hand, then one invariant over generated histories."""

from datetime import timedelta

import pytest
from hypothesis import given, settings

from batch_action.ledger import merge, pull_requests, view
from batch_action.ledger.view import ADOPTION_SLACK
from batch_action.models.ledger import (
    Closed,
    Collected,
    Dismissed,
    FileEntry,
    Intended,
    Recheck,
    Rejected,
    RequestKey,
    Selected,
    Sent,
    Usage,
    Withdrawn,
)
from tests.harness.replayed_runs import ReplayedRuns, hours, ledger, replay, sha, states_of, steps

ONE, TWO, THREE, FOUR = (sha(str(n)) for n in range(1, 5))
INTENT = "00000000000000aa"


def request_key(path="a.py", blob=ONE, *, part=1, of=1, model=""):
    name = f"{path.replace('.', '_').replace('/', '_')}-{blob[:8]}-{part}of{of}{model}"
    return RequestKey(id=name, path=path, blob=blob, part=part, parts=of)


def intended(*groups, intent=INTENT, at=1, worst=1.0):
    return Intended(
        intent=intent,
        at=hours(at),
        run="1.1",
        head=ONE,
        base=None,
        model="m",
        effort=None,
        batches=groups,
        worst_case_usd=worst,
    )


def sent(index=0, *, intent=INTENT, batch=None, at=1):
    return Sent(
        intent=intent,
        index=index,
        batch=batch or f"msgbatch_{intent[-2:]}_{index}",
        created_at=hours(at),
        expires_at=hours(at + 24),
    )


def collected(batch="msgbatch_aa_0", *, at=5, cost=0.25, **failed):
    return Collected(batch=batch, at=hours(at), usage=Usage(), cost_usd=cost, failed=failed)


def answered_batch(*group, n=1, failed=None, cost=0.25):
    """A batch that was sent and collected."""
    intent = f"{n:016x}"
    return (
        intended(group, intent=intent, at=n),
        sent(intent=intent, batch=f"b{n}", at=n),
        collected(f"b{n}", at=n, cost=cost, **(failed or {})),
    )


def selected(at, *entries, gone=(), head=None):
    return Selected(
        head=head or sha(f"head {at}"),
        base=None,
        branch="main",
        at=hours(at),
        files=tuple(FileEntry(path=p, blob=b, old_blob=old) for p, b, old in entries),
        removed=gone,
    )


def backlog(*facts, most=3):
    return {
        path: item.old_blob
        for path, item in view.backlog(ledger(*facts), max_attempts=most).items()
    }


class TestBatches:
    def test_pending_is_what_was_sent_and_not_collected_oldest_first(self):
        q = request_key()
        known = ledger(
            intended((q,), (q,), (q,)),
            sent(0, at=3),
            sent(1, at=1),
            sent(2, at=2),
            collected("msgbatch_aa_2"),
            Withdrawn(batch="msgbatch_aa_0", actor="ada", at=hours(4)),
        )
        found = [(p.sent.batch, p.withdrawn, p.request_keys) for p in view.pending_batches(known)]
        assert found == [("msgbatch_aa_1", False, (q,)), ("msgbatch_aa_0", True, (q,))]

    @pytest.mark.parametrize("stray", [sent(intent="00000000000000bb"), sent(1)])
    def test_a_fact_without_its_intent_is_ignored(self, stray):
        known = ledger(intended((request_key(),)), stray, collected(stray.batch))
        assert view.pending_batches(known) == ()
        assert view.answered_ids(known) == frozenset()

    def test_an_intent_is_open_for_the_batches_that_have_no_answer(self):
        q = request_key()
        known = ledger(
            intended((q,), (q,), (q,)),
            sent(1),
            Rejected(intent=INTENT, batch="msgbatch_other"),
            intended((q,), intent="00000000000000bb", at=0),
        )
        found = [(o.intended.intent[-2:], o.indexes, o.rejected) for o in view.open_intents(known)]
        assert found == [
            ("bb", (0,), frozenset()),
            ("aa", (0, 2), frozenset({"msgbatch_other"})),
        ]

    def test_an_intent_is_closed_by_its_last_answer_or_by_a_person(self):
        q = request_key()
        assert not view.open_intents(ledger(intended((q,)), sent()))
        assert not view.open_intents(ledger(intended((q,)), Rejected(intent=INTENT, batch=None)))
        assert view.known_batch_ids(ledger(intended((q,)), sent())) == {"msgbatch_aa_0"}

    def test_the_window_grows_with_the_number_of_creates(self):
        q, minute = request_key(), timedelta(minutes=1)
        start, end = view.create_window(intended((q,), (q,), (q,)), 10 * minute)
        assert (start, end) == (hours(1), hours(1) + 30 * minute + ADOPTION_SLACK)

    def test_in_flight_includes_open_intents(self):
        a, b, c, d = (request_key(f"{n}.py") for n in "abcd")
        known = ledger(
            intended((a,), (b,), (c,)), sent(0), sent(1), collected(), *answered_batch(d, n=9)
        )
        assert view.in_flight_ids(known) == {b.id, c.id}
        assert view.answered_ids(known) == {a.id, d.id}

    @pytest.mark.parametrize(
        ("kind", "counts"),
        [
            ("errored:api_error", True),
            ("errored:invalid_request_error", True),
            ("expired", True),
            ("truncated", True),
            ("refused:cyber", True),
            ("unreadable", True),
            ("missing", True),
            ("billing", False),
            ("billing:billing_error", False),
            ("canceled", False),
        ],
    )
    def test_which_failures_count_as_attempts(self, kind, counts):
        q = request_key()
        known = ledger(
            *answered_batch(q, n=1, failed={q.id: kind}),
            *answered_batch(q, n=2, failed={q.id: kind}),
        )
        assert view.count_attempts(known)[q.id] == (2 if counts else 0)
        assert view.count_failures(known, kind.split(":")[0])[q.id] == 2
        assert view.last_failures(known) == {q.id: kind}
        assert q.id not in view.answered_ids(known)

    def test_the_last_failure_is_the_newest_one_until_there_is_a_verdict(self):
        q = request_key()
        twice = (
            *answered_batch(q, n=1, failed={q.id: "expired"}),
            *answered_batch(q, n=2, failed={q.id: "truncated"}),
        )
        assert view.last_failures(ledger(*twice)) == {q.id: "truncated"}
        assert view.last_failures(ledger(*twice, *answered_batch(q, n=3))) == {}
        assert view.count_failures(ledger(*twice), "truncated") == {q.id: 1}


class TestFiles:
    def test_a_file_of_several_parts_is_reviewed_when_all_of_them_are(self):
        first, second = (request_key(part=n, of=2) for n in (1, 2))
        half = answered_batch(first, second, failed={second.id: "expired"})
        assert view.reviewed_files(ledger(*half)) == set()
        assert view.reviewed_files(ledger(*half, *answered_batch(second, n=2))) == {("a.py", ONE)}
        # Of three parts in the next run, one does not complete the two of before.
        other = request_key(part=2, of=3)
        assert view.reviewed_files(ledger(*half, *answered_batch(other, n=2))) == set()

    def test_a_removed_path_is_dropped_until_it_is_selected_again(self):
        selections = (selected(1, ("a.py", ONE, None)), selected(2, gone=("a.py",)))
        assert view.newest_files(ledger(*selections)) == {}
        again = selected(3, ("a.py", TWO, None))
        assert view.newest_files(ledger(*selections, again))["a.py"].blob == TWO

    def test_a_file_in_the_backlog_for_several_selectionsis_compared_with_its_last_verdict(self):
        reviewed = (selected(1, ("a.py", ONE, None)), *answered_batch(request_key(blob=ONE)))
        selections = (selected(2, ("a.py", TWO, ONE)), selected(3, ("a.py", THREE, TWO)))
        assert backlog(*reviewed, *selections) == {"a.py": ONE}
        # The verdict of the second night moves the start of the comparison.
        between = answered_batch(request_key(blob=TWO), n=2)
        assert backlog(*reviewed, *selections, *between) == {"a.py": TWO}

    def test_a_new_file_in_the_backlog_for_several_selectionshas_nothing_to_compare_with(self):
        selections = (selected(1, ("a.py", ONE, None)), selected(2, ("a.py", TWO, ONE)))
        assert backlog(*selections) == {"a.py": None}

    def test_a_file_that_went_back_to_a_reviewed_blob_is_not_in_the_backlog(self):
        known = (
            selected(1, ("a.py", ONE, None)),
            *answered_batch(request_key(blob=ONE)),
            selected(2, ("a.py", TWO, ONE)),
            selected(3, ("a.py", ONE, TWO)),
        )
        assert backlog(*known) == {}

    def test_the_backlog_is_what_was_selected_and_not_answered_or_in_flight(self):
        report = selected(1, *((f"{n}.py", ONE, None) for n in "abcdefg"))
        q = {n: request_key(f"{n}.py") for n in "abcdefg"}
        facts = (
            report,
            *answered_batch(q["a"], n=1),
            *answered_batch(q["b"], n=2, failed={q["b"].id: "expired"}),
            *answered_batch(q["c"], n=3, failed={q["c"].id: "billing"}),
            intended((q["d"],), (q["e"],), (q["f"],)),
            sent(0),
            sent(1),
            Withdrawn(batch="msgbatch_aa_1", actor="ada", at=hours(3)),
            collected("msgbatch_aa_1", **{q["e"].id: "canceled"}),
        )
        assert sorted(backlog(*facts, most=2)) == ["b.py", "c.py", "g.py"]
        assert sorted(backlog(*facts, most=1)) == ["c.py", "g.py"]
        assert view.given_up_files(ledger(*facts), 1) == {("b.py", ONE)}

    def test_the_answers_of_a_canceled_batch_are_verdicts(self):
        q = request_key()
        known = ledger(*answered_batch(q, n=1), Withdrawn(batch="b1", actor="ada", at=hours(2)))
        assert view.reviewed_files(known) == {("a.py", ONE)}

    def test_heads_are_newest_first_and_unique(self):
        selections = [selected(n, head=head) for n, head in ((1, ONE), (2, TWO), (3, ONE))]
        assert view.recorded_heads(ledger(*selections)) == (ONE, TWO)
        assert view.recorded_heads(ledger()) == ()

    def test_dismissed(self):
        fact = Dismissed(fingerprint="0" * 16, actor="ada", source="issue", at=hours(1))
        assert view.dismissed_fingerprints(ledger(fact)) == {"0" * 16}


class TestMoney:
    def test_spend_counts_from_its_time_on(self):
        q = request_key()
        known = ledger(
            *answered_batch(q, n=1, cost=1.0),
            *answered_batch(q, n=2, cost=2.0),
            *answered_batch(q, n=3, cost=4.0),
        )
        assert view.spend_usd(known, hours(2)) == 6.0
        assert view.spend_usd(known, hours(4)) == 0

    def test_spend_is_unknown_with_an_unpriced_batch_of_the_period(self):
        q = request_key()
        known = ledger(*answered_batch(q, n=1, cost=None), *answered_batch(q, n=2, cost=2.0))
        assert view.spend_usd(known, hours(1)) is None
        assert view.spend_usd(known, hours(2)) == 2.0

    def test_committed_is_the_share_of_the_worst_case_that_is_in_flight(self):
        a, b, c, d = (request_key(f"{n}.py") for n in "abcd")
        intent = intended((a, b), (c,), (d,), worst=4.0)
        assert view.committed_usd(ledger(intent)) == 4.0
        assert view.committed_usd(ledger(intent, sent(0), sent(1), sent(2))) == 4.0
        assert view.committed_usd(ledger(intent, sent(0), sent(1), sent(2), collected())) == 2.0
        assert view.committed_usd(ledger(intent, sent(0), collected(), sent(1))) == 2.0
        closed = Rejected(intent=INTENT, batch=None)
        assert view.committed_usd(ledger(intent, sent(1), closed)) == 1.0

    def test_unpriced_batches_commit_nothing(self):
        assert view.committed_usd(ledger(intended((request_key(),), worst=None), sent())) == 0


class TestInvariant:
    """Every selected (path, blob) is in exactly one state, whatever the runs did."""

    @settings(max_examples=150)
    @given(steps)
    def test_every_selected_file_is_in_exactly_one_state(self, taken):
        runs = ReplayedRuns()
        for step in taken:
            replay(runs, [step])
            states = {file: states_of(runs.ledger, file) for file in runs.selected}
            assert states == {file: [runs.state(file)] for file in runs.selected}
        assert not +runs.sent_twice, "a request was sent although it was answered or in flight"

    @given(steps)
    def test_selectionswithout_failures_empty_the_backlog(self, taken):
        runs = replay(ReplayedRuns(), taken)
        steps_without_failures = [
            ("resolve", False),
            *[("collect", 0, [])] * 4,
            ("submit", 3, False),
        ]
        replay(runs, steps_without_failures * 8)
        while runs.in_flight:
            replay(runs, steps_without_failures)
        assert view.backlog(runs.ledger, max_attempts=2) == {}
        assert view.in_flight_ids(runs.ledger) == frozenset()
        assert view.committed_usd(runs.ledger) == 0
        for path, blob in runs.tree.items():
            assert runs.state((path, blob)) in {"verdict", "withdrawn", "given up"}

    @given(steps, steps, steps)
    def test_the_invariant_holds_after_merging_branches(self, before, one, two):
        trunk = replay(ReplayedRuns(), before)
        left = replay(trunk.branch("l"), one)
        right = replay(trunk.branch("r"), two)
        both, conflicts = merge.merge(left.ledger, right.ledger)
        selected_by_any = left.selected | right.selected
        for file in selected_by_any:
            assert len(states_of(both, file)) == 1, (file, states_of(both, file), conflicts)
        for part in (trunk.ledger, left.ledger, right.ledger):
            if not conflicts:  # one batch has one outcome, whoever collects it
                assert view.reviewed_files(part) <= view.reviewed_files(both)
                assert view.answered_ids(part) <= view.answered_ids(both)
            assert set(view.recorded_heads(part)) <= set(view.recorded_heads(both))
        # A prefix adds nothing.
        assert merge.merge(both, trunk.ledger)[0] == both


def selected_in(pull_request, *files, at, head=ONE):
    entries = tuple(FileEntry(path=path, blob=blob) for path, blob in files)
    return Selected(head=head, branch="b", at=hours(at), files=entries, pull_request=pull_request)


def intended_for(pull_request, *groups, intent):
    return intended(*groups, intent=intent).model_copy(update={"pull_request": pull_request})


def closing(pull_request, at):
    return Closed(pull_request=pull_request, merged=False, at=hours(at))


class TestPullRequests:
    A, B = f"{10:016x}", f"{11:016x}"
    LEDGER = ledger(
        selected_in(5, ("a.py", ONE), ("gone.py", ONE), at=1),
        selected_in(5, ("a.py", TWO), at=2, head=TWO),
        selected_in(6, ("a.py", ONE), at=1),
        intended_for(5, (request_key(),), intent=A),
        intended_for(6, (request_key(),), intent=B),
        sent(intent=A),
        sent(intent=B),
        collected(f"msgbatch_{A[-2:]}_0"),
        Dismissed(fingerprint="f" * 16, actor="ada", source="pr-review", at=hours(3)),
        *(
            Recheck(fingerprint="e" * 16, path="a.py", actor="ada", source=where, at=hours(3))
            for where in ("https://github.com/o/r/pull/5#issuecomment-1", "x/pull/55#issue-1")
        ),
    )

    def test_each_has_its_own_requests_and_the_newest_selection(self):
        five, six = (pull_requests.ledger_of(self.LEDGER, number) for number in (5, 6))
        assert view.answered_ids(five) == {request_key().id}
        assert view.in_flight_ids(five) == frozenset()
        assert (view.answered_ids(six), view.in_flight_ids(six)) == (set(), {request_key().id})
        assert view.newest_files(five).keys() == {"a.py"}
        assert view.recorded_heads(five) == (TWO,)
        assert view.dismissed_fingerprints(five) == view.dismissed_fingerprints(six) == {"f" * 16}
        assert [len([*view.facts_of(v, Recheck)]) for v in (five, six)] == [1, 0]

    def test_two_pull_requests_with_equal_commit_and_time_are_two_facts(self):
        both = ledger(selected_in(5, at=1), selected_in(6, at=1))
        assert len(both.facts) == 2

    def test_unfinished_pull_requests(self):
        assert pull_requests.unfinished_pull_requests(self.LEDGER) == (5, 6)
        closed = merge.add(self.LEDGER, closing(5, 3), closing(6, 3))
        assert pull_requests.unfinished_pull_requests(closed) == (6,), "its batch was not collected"
        assert [pull_requests.is_closed(closed, number) for number in (5, 6, 7)] == [
            True,
            True,
            False,
        ]
        again = merge.add(closed, selected_in(5, at=4))
        assert pull_requests.unfinished_pull_requests(again) == (5, 6)
        assert not pull_requests.is_closed(again, 5)

    def test_what_was_answered_too_late_is_sent_again(self):
        late = collected(f"msgbatch_{self.B[-2:]}_0", **{request_key().id: pull_requests.CLOSED})
        six = pull_requests.ledger_of(merge.add(self.LEDGER, late), 6)
        assert (view.answered_ids(six), view.count_attempts(six)[request_key().id]) == (set(), 0)

    def test_untrusted_intents_are_removed(self):
        left = pull_requests.remove_intents(self.LEDGER, frozenset({self.B}))
        assert [p.intended.pull_request for p in view.pending_batches(left)] == []
        assert view.answered_ids(left) == {request_key().id}


class TestRecheckRequests:
    """A person asks for a recheck of a finding's file."""

    def recheck(self, *before, path="a.py", where="issues/1#1", at=2):
        return Recheck(
            fingerprint="e" * 16,
            path=path,
            actor="ada",
            source=where,
            batches_before=before,
            at=hours(at),
        )

    def test_only_a_later_verdict_answers_it(self):
        recheck = self.recheck("b1")
        known = ledger(*answered_batch(request_key(), n=1), recheck)
        assert (
            view.open_recheck_requests(known),
            view.answered_recheck_requests(known, frozenset({"b1"})),
        ) == ((recheck,), ())
        answered = ledger(*known.facts, *answered_batch(request_key(), n=3))
        assert view.open_recheck_requests(answered) == ()
        assert view.answered_recheck_requests(answered, frozenset({"b3"})) == (recheck,)

    def test_it_is_answered_once(self):
        recheck = self.recheck("b1")
        facts = [
            *answered_batch(request_key(), n=1),
            recheck,
            *answered_batch(request_key(), n=3),
            *answered_batch(request_key(), n=4),
        ]
        known = ledger(*facts)
        assert view.answered_recheck_requests(known, frozenset({"b4"})) == ()
        assert view.answered_recheck_requests(known, frozenset({"b3", "b4"})) == (recheck,)

    @pytest.mark.parametrize(
        "later",
        [
            answered_batch(request_key("b.py"), n=3),
            answered_batch(request_key(), n=3, failed={request_key().id: "errored"}),
            answered_batch(request_key(part=1, of=2), n=3),
            (intended((request_key(),), intent=f"{3:016x}"), sent(intent=f"{3:016x}", batch="b3")),
        ],
        ids=["another file", "failed", "one of two parts", "not collected"],
    )
    def test_what_does_not_answer_it(self, later):
        recheck = self.recheck("b1")
        known = ledger(*answered_batch(request_key(), n=1), recheck, *later)
        assert view.open_recheck_requests(known) == (recheck,)
        assert view.answered_recheck_requests(known, frozenset({"b1", "b3"})) == ()

    def test_a_batch_in_flight_at_its_time_does_not_answer_it(self):
        flying = (
            intended((request_key(),), intent=f"{1:016x}"),
            sent(intent=f"{1:016x}", batch="b1"),
        )
        seen = view.batches_of_path(ledger(*flying), "a.py")
        assert seen == ("b1",)
        known = ledger(*flying, self.recheck(*seen), collected("b1", at=9))
        assert len(view.open_recheck_requests(known)) == 1
        assert view.batches_of_path(known, "b.py") == ()

    def test_a_verdict_needs_all_parts(self):
        one, two = request_key(part=1, of=2), request_key(part=2, of=2)
        half = answered_batch(one, n=1)
        assert [*view.verdicts(ledger(*half))] == []
        whole = ledger(
            *half, *answered_batch(two, n=2), *answered_batch(request_key("b.py", TWO), n=3)
        )
        assert sorted(view.verdicts(whole)) == [
            ("a.py", ONE, frozenset({"b1", "b2"})),
            ("b.py", TWO, frozenset({"b3"})),
        ]


@pytest.mark.parametrize(
    ("facts", "since"),
    [
        ([], 0),
        # A change in the backlog does not send it to the end of the queue,
        ([selected(3, ("a.py", TWO, None))], 0),
        # nor does a batch that is in flight or has failed,
        ([intended((request_key(),)), sent(), selected(3, ("a.py", TWO, None))], 0),
        # but a verdict does.
        ([intended((request_key(),)), sent(), collected(), selected(6, ("a.py", TWO, None))], 6),
    ],
    ids=["new", "changed", "in flight", "answered"],
)
def test_how_long_a_file_has_waited(facts, since):
    facts = [selected(0, ("a.py", ONE, None)), *facts]
    assert view.newest_files(ledger(*facts))["a.py"].since == hours(since)


@pytest.mark.parametrize("failure", ["unanswered", "undelivered"])
def test_unanswered_synchronous_requests_count_no_attempt(failure):
    key = request_key()
    facts = (intended((key,)), sent(), collected(**{key.id: failure}))
    known = ledger(selected(0, ("a.py", ONE, None)), *facts)
    assert not view.count_attempts(known)
    assert "a.py" in view.backlog(known, max_attempts=1)
