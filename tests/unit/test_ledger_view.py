"""Queries on a ledger: small cases by hand, then one invariant over generated histories."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from batch_action.ledger import pull_requests
from batch_action.ledger.view import ADOPTION_SLACK, LedgerView, create_window
from batch_action.models.ledger import (
    Closed,
    Collected,
    Confirmed,
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
    merge,
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
        for path, item in LedgerView(ledger(*facts)).backlog(max_attempts=most).items()
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
        found = [
            (p.sent.batch, p.withdrawn, p.request_keys) for p in LedgerView(known).pending_batches
        ]
        assert found == [("msgbatch_aa_1", False, (q,)), ("msgbatch_aa_0", True, (q,))]

    @pytest.mark.parametrize("stray", [sent(intent="00000000000000bb"), sent(1)])
    def test_a_fact_without_its_intent_is_ignored(self, stray):
        known = ledger(intended((request_key(),)), stray, collected(stray.batch))
        assert LedgerView(known).pending_batches == ()
        assert LedgerView(known).answered_ids == frozenset()

    def test_an_intent_is_open_for_the_batches_that_have_no_answer(self):
        q = request_key()
        known = ledger(
            intended((q,), (q,), (q,)),
            sent(1),
            Rejected(intent=INTENT, batch="msgbatch_other"),
            intended((q,), intent="00000000000000bb", at=0),
        )
        found = [
            (o.intended.intent[-2:], o.indexes, o.rejected) for o in LedgerView(known).open_intents
        ]
        assert found == [
            ("bb", (0,), frozenset()),
            ("aa", (0, 2), frozenset({"msgbatch_other"})),
        ]

    def test_an_intent_is_closed_by_its_last_answer_or_by_a_person(self):
        q = request_key()
        assert not LedgerView(ledger(intended((q,)), sent())).open_intents
        assert not LedgerView(
            ledger(intended((q,)), Rejected(intent=INTENT, batch=None))
        ).open_intents
        assert LedgerView(ledger(intended((q,)), sent())).known_batch_ids == {"msgbatch_aa_0"}

    def test_the_window_grows_with_the_number_of_creates(self):
        q, minute = request_key(), timedelta(minutes=1)
        start, end = create_window(intended((q,), (q,), (q,)), 10 * minute)
        assert (start, end) == (hours(1), hours(1) + 30 * minute + ADOPTION_SLACK)

    @pytest.mark.parametrize("purpose", ["verification", "explanation"])
    def test_a_request_about_findings_is_in_flight_and_counted_but_no_review(self, purpose):
        about = replace(request_key("a.py", part=9), purpose=purpose, findings=("f" * 16,))
        start = (selected(0, ("a.py", ONE, None)), intended((about,)))
        waiting = LedgerView(ledger(*start, sent()))
        assert waiting.in_flight_ids == {about.id}
        assert waiting.known_batch_ids == {"msgbatch_aa_0"}
        assert waiting.committed_usd == 1.0
        assert set(waiting.backlog(max_attempts=1)) == {"a.py"}

        for facts in ((collected(),), (collected(**{about.id: "truncated"}),)):
            ended = LedgerView(ledger(*start, sent(), *facts))
            assert set(ended.backlog(max_attempts=1)) == {"a.py"}
            assert not ended.answered_ids
            assert not ended.verdicts
            assert not ended.shown_lines
            assert not ended.batches_of_path("a.py")
            assert not ended.given_up_files(1)
            assert ended.known_spend_usd(hours(0)) == 0.25
        assert ended.attempts == {about.id: 1}

        person = Withdrawn(batch="msgbatch_aa_0", actor="ada", at=hours(2))
        assert not LedgerView(ledger(*start, sent(), person)).withdrawn_files

    def test_in_flight_includes_open_intents(self):
        a, b, c, d = (request_key(f"{n}.py") for n in "abcd")
        known = ledger(
            intended((a,), (b,), (c,)), sent(0), sent(1), collected(), *answered_batch(d, n=9)
        )
        assert LedgerView(known).in_flight_ids == {b.id, c.id}
        assert LedgerView(known).answered_ids == {a.id, d.id}

    @pytest.mark.parametrize(
        ("kind", "counts"),
        [
            ("errored:request_too_large: too large", True),
            ("errored:invalid_request_error", True),
            ("expired", True),
            ("truncated", True),
            ("refused:cyber", True),
            ("unreadable", True),
            ("missing", True),
            ("service", False),
            ("service:billing_error: Your credit balance is too low", False),
            ("canceled", False),
        ],
    )
    def test_which_failures_count_as_attempts(self, kind, counts):
        q = request_key()
        known = ledger(
            *answered_batch(q, n=1, failed={q.id: kind}),
            *answered_batch(q, n=2, failed={q.id: kind}),
        )
        assert LedgerView(known).attempts[q.id] == (2 if counts else 0)
        assert LedgerView(known).failures[q.id, kind.split(":")[0]] == 2
        assert LedgerView(known).last_failures == {q.id: kind}
        assert q.id not in LedgerView(known).answered_ids

    def test_the_last_failure_is_the_newest_one_until_there_is_a_verdict(self):
        q = request_key()
        twice = (
            *answered_batch(q, n=1, failed={q.id: "expired"}),
            *answered_batch(q, n=2, failed={q.id: "truncated"}),
        )
        assert LedgerView(ledger(*twice)).last_failures == {q.id: "truncated"}
        assert LedgerView(ledger(*twice, *answered_batch(q, n=3))).last_failures == {}
        assert LedgerView(ledger(*twice)).failures == {
            (q.id, "expired"): 1,
            (q.id, "truncated"): 1,
        }


class TestFiles:
    def test_a_file_of_several_parts_is_reviewed_when_all_of_them_are(self):
        first, second = (request_key(part=n, of=2) for n in (1, 2))
        half = answered_batch(first, second, failed={second.id: "expired"})
        assert LedgerView(ledger(*half)).reviewed_files == set()
        assert LedgerView(ledger(*half, *answered_batch(second, n=2))).reviewed_files == {
            ("a.py", ONE)
        }
        # Of three parts in the next run, one does not complete the two of before.
        other = request_key(part=2, of=3)
        assert LedgerView(ledger(*half, *answered_batch(other, n=2))).reviewed_files == set()

    def test_the_lines_of_a_file_that_were_shown_are_those_of_all_its_answers(self):
        def part(number, shown):
            return replace(request_key(part=number, of=2), shown=shown)

        first, second = part(1, "1-90"), part(2, "120-130,190-200")
        one = answered_batch(first, second, failed={second.id: "expired"})
        assert LedgerView(ledger(*one)).shown_lines == {("a.py", ONE): "1-90"}
        both = (*one, *answered_batch(part(2, "120-130"), n=2))
        assert LedgerView(ledger(*both)).shown_lines == {("a.py", ONE): "1-90,120-130"}
        # Later it was shown whole.
        whole = (*both, *answered_batch(request_key(), n=3))
        assert LedgerView(ledger(*whole)).shown_lines == {}

    def test_a_removed_path_is_dropped_until_it_is_selected_again(self):
        selections = (selected(1, ("a.py", ONE, None)), selected(2, gone=("a.py",)))
        assert LedgerView(ledger(*selections)).newest_files() == {}
        again = selected(3, ("a.py", TWO, None))
        assert LedgerView(ledger(*selections, again)).newest_files()["a.py"].blob == TWO

    def test_a_file_in_the_backlog_for_several_selectionsis_compared_with_its_last_verdict(self):
        reviewed = (selected(1, ("a.py", ONE, None)), *answered_batch(request_key(blob=ONE)))
        selections = (selected(2, ("a.py", TWO, ONE)), selected(3, ("a.py", THREE, TWO)))
        assert backlog(*reviewed, *selections) == {"a.py": ONE}
        # The verdict of the second run moves the start of the comparison.
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
            *answered_batch(q["c"], n=3, failed={q["c"].id: "service"}),
            intended((q["d"],), (q["e"],), (q["f"],)),
            sent(0),
            sent(1),
            Withdrawn(batch="msgbatch_aa_1", actor="ada", at=hours(3)),
            collected("msgbatch_aa_1", **{q["e"].id: "canceled"}),
        )
        assert sorted(backlog(*facts, most=2)) == ["b.py", "c.py", "g.py"]
        assert sorted(backlog(*facts, most=1)) == ["c.py", "g.py"]
        assert LedgerView(ledger(*facts)).given_up_files(1) == {("b.py", ONE)}

    def test_the_answers_of_a_canceled_batch_are_verdicts(self):
        q = request_key()
        known = ledger(*answered_batch(q, n=1), Withdrawn(batch="b1", actor="ada", at=hours(2)))
        assert LedgerView(known).reviewed_files == {("a.py", ONE)}

    def test_heads_are_newest_first_and_unique(self):
        selections = [selected(n, head=head) for n, head in ((1, ONE), (2, TWO), (3, ONE))]
        assert LedgerView(ledger(*selections)).recorded_heads() == (ONE, TWO)
        assert LedgerView(ledger()).recorded_heads() == ()

    def test_dismissed(self):
        fact = Dismissed(fingerprint="0" * 16, actor="ada", source="issue", at=hours(1))
        assert LedgerView(ledger(fact)).dismissed_fingerprints == {"0" * 16}


class TestMoney:
    def test_spend_counts_from_its_time_on(self):
        q = request_key()
        known = ledger(
            *answered_batch(q, n=1, cost=1.0),
            *answered_batch(q, n=2, cost=2.0),
            *answered_batch(q, n=3, cost=4.0),
        )
        assert LedgerView(known).spend_usd(hours(2)) == 6.0
        assert LedgerView(known).spend_usd(hours(4)) == 0

    def test_spend_is_unknown_with_an_unpriced_batch_of_the_period(self):
        q = request_key()
        known = ledger(*answered_batch(q, n=1, cost=None), *answered_batch(q, n=2, cost=2.0))
        assert LedgerView(known).spend_usd(hours(1)) is None
        assert LedgerView(known).spend_usd(hours(2)) == 2.0

    def test_committed_is_the_share_of_the_worst_case_that_is_in_flight(self):
        a, b, c, d = (request_key(f"{n}.py") for n in "abcd")
        intent = intended((a, b), (c,), (d,), worst=4.0)
        assert LedgerView(ledger(intent)).committed_usd == 4.0
        assert LedgerView(ledger(intent, sent(0), sent(1), sent(2))).committed_usd == 4.0
        assert (
            LedgerView(ledger(intent, sent(0), sent(1), sent(2), collected())).committed_usd == 2.0
        )
        assert LedgerView(ledger(intent, sent(0), collected(), sent(1))).committed_usd == 2.0
        closed = Rejected(intent=INTENT, batch=None)
        assert LedgerView(ledger(intent, sent(1), closed)).committed_usd == 1.0

    def test_unpriced_batches_commit_nothing(self):
        assert LedgerView(ledger(intended((request_key(),), worst=None), sent())).committed_usd == 0


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
        assert LedgerView(runs.ledger).backlog(max_attempts=2) == {}
        assert LedgerView(runs.ledger).in_flight_ids == frozenset()
        assert LedgerView(runs.ledger).committed_usd == 0
        for path, blob in runs.tree.items():
            assert runs.state((path, blob)) in {"verdict", "withdrawn", "given up"}

    @given(steps, steps, steps)
    def test_the_invariant_holds_after_merging_branches(self, before, one, two):
        trunk = replay(ReplayedRuns(), before)
        left = replay(trunk.branch("l"), one)
        right = replay(trunk.branch("r"), two)
        both, conflicts = merge(left.ledger, right.ledger)
        selected_by_any = left.selected | right.selected
        for file in selected_by_any:
            assert len(states_of(both, file)) == 1, (file, states_of(both, file), conflicts)
        for part in (trunk.ledger, left.ledger, right.ledger):
            if not conflicts:  # one batch has one outcome, whoever collects it
                assert LedgerView(part).reviewed_files <= LedgerView(both).reviewed_files
                assert LedgerView(part).answered_ids <= LedgerView(both).answered_ids
            assert set(LedgerView(part).recorded_heads()) <= set(LedgerView(both).recorded_heads())
        # A prefix adds nothing.
        assert merge(both, trunk.ledger)[0] == both


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
        Confirmed(fingerprint="c" * 16, actor="ada", source="pr-review", at=hours(3)),
        *(
            Recheck(fingerprint="e" * 16, path="a.py", actor="ada", source=where, at=hours(3))
            for where in ("https://github.com/o/r/pull/5#issuecomment-1", "x/pull/55#issue-1")
        ),
    )

    def test_each_has_its_own_requests_and_the_newest_selection(self):
        five, six = (pull_requests.view_of(LedgerView(self.LEDGER), number) for number in (5, 6))
        assert five.answered_ids == {request_key().id}
        assert five.in_flight_ids == frozenset()
        assert (six.answered_ids, six.in_flight_ids) == (
            set(),
            {request_key().id},
        )
        assert five.newest_files().keys() == {"a.py"}
        assert five.recorded_heads() == (TWO,)
        assert five.dismissed_fingerprints == six.dismissed_fingerprints == {"f" * 16}
        assert [len(v.facts(Confirmed)) for v in (five, six)] == [1, 1]
        assert [len([*v.facts(Recheck)]) for v in (five, six)] == [1, 0]

    def test_two_pull_requests_with_equal_commit_and_time_are_two_facts(self):
        both = ledger(selected_in(5, at=1), selected_in(6, at=1))
        assert len(both.facts) == 2

    def test_unfinished_pull_requests(self):
        assert pull_requests.unfinished_pull_requests(LedgerView(self.LEDGER)) == (5, 6)
        closed = self.LEDGER.add(closing(5, 3), closing(6, 3))
        assert pull_requests.unfinished_pull_requests(LedgerView(closed)) == (6,), (
            "its batch was not collected"
        )
        assert [pull_requests.is_closed(LedgerView(closed), number) for number in (5, 6, 7)] == [
            True,
            True,
            False,
        ]
        again = closed.add(selected_in(5, at=4))
        assert pull_requests.unfinished_pull_requests(LedgerView(again)) == (5, 6)
        assert not pull_requests.is_closed(LedgerView(again), 5)

    def test_what_was_answered_too_late_is_sent_again(self):
        late = collected(f"msgbatch_{self.B[-2:]}_0", **{request_key().id: pull_requests.CLOSED})
        six = pull_requests.view_of(LedgerView(self.LEDGER.add(late)), 6)
        assert (six.answered_ids, six.attempts[request_key().id]) == (
            set(),
            0,
        )

    def test_untrusted_intents_are_removed(self):
        left = pull_requests.remove_intents(LedgerView(self.LEDGER), frozenset({self.B}))
        assert [p.intended.pull_request for p in left.pending_batches] == []
        assert left.answered_ids == {request_key().id}


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
            LedgerView(known).open_recheck_requests,
            LedgerView(known).answered_recheck_requests(frozenset({"b1"})),
        ) == ((recheck,), ())
        answered = ledger(*known.facts, *answered_batch(request_key(), n=3))
        assert LedgerView(answered).open_recheck_requests == ()
        assert LedgerView(answered).answered_recheck_requests(frozenset({"b3"})) == (recheck,)

    def test_it_is_answered_once(self):
        recheck = self.recheck("b1")
        facts = [
            *answered_batch(request_key(), n=1),
            recheck,
            *answered_batch(request_key(), n=3),
            *answered_batch(request_key(), n=4),
        ]
        known = ledger(*facts)
        assert LedgerView(known).answered_recheck_requests(frozenset({"b4"})) == ()
        assert LedgerView(known).answered_recheck_requests(frozenset({"b3", "b4"})) == (recheck,)

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
        assert LedgerView(known).open_recheck_requests == (recheck,)
        assert LedgerView(known).answered_recheck_requests(frozenset({"b1", "b3"})) == ()

    def test_a_batch_in_flight_at_its_time_does_not_answer_it(self):
        flying = (
            intended((request_key(),), intent=f"{1:016x}"),
            sent(intent=f"{1:016x}", batch="b1"),
        )
        seen = LedgerView(ledger(*flying)).batches_of_path("a.py")
        assert seen == ("b1",)
        known = ledger(*flying, self.recheck(*seen), collected("b1", at=9))
        assert len(LedgerView(known).open_recheck_requests) == 1
        assert LedgerView(known).batches_of_path("b.py") == ()

    def test_a_verdict_needs_all_parts(self):
        one, two = request_key(part=1, of=2), request_key(part=2, of=2)
        half = answered_batch(one, n=1)
        assert LedgerView(ledger(*half)).verdicts == {}
        whole = ledger(
            *half, *answered_batch(two, n=2), *answered_batch(request_key("b.py", TWO), n=3)
        )
        assert LedgerView(whole).verdicts == {("a.py", ONE): {"b1", "b2"}, ("b.py", TWO): {"b3"}}


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
    assert LedgerView(ledger(*facts)).newest_files()["a.py"].since == hours(since)


@pytest.mark.parametrize("failure", ["unanswered", "undelivered"])
def test_unanswered_synchronous_requests_count_no_attempt(failure):
    key = request_key()
    facts = (intended((key,)), sent(), collected(**{key.id: failure}))
    known = ledger(selected(0, ("a.py", ONE, None)), *facts)
    assert not LedgerView(known).attempts
    assert "a.py" in LedgerView(known).backlog(max_attempts=1)
