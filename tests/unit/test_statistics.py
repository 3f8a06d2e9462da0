"""The statistics of a ledger: exact numbers, however its parts were merged."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.ledger import codec, statistics
from batch_action.ledger.compaction import compact
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import (
    Anchor,
    Dismissal,
    FindingState,
    FindingStatus,
    Severity,
    TrackedFinding,
)
from batch_action.models.ledger import (
    Changed,
    Collected,
    Confirmed,
    Dismissed,
    FoundFinding,
    HiddenFindings,
    Ledger,
    Muted,
    Usage,
    merge,
)
from batch_action.models.verification import Verification
from batch_action.models.verification_facts import Verified
from tests.harness.replayed_runs import EMPTY, START, ledger, sha

RULES = {
    "loose-equality": ("bug", Severity.MEDIUM, False),
    "magic-number": ("style", Severity.LOW, False),
    "SQL injection": ("security", Severity.CRITICAL, True),
}


def tracked(name: str, rule: str, state: FindingState = FindingState.NEW) -> TrackedFinding:
    category, severity, security = RULES[rule]
    return TrackedFinding(
        fingerprint=hashlib.sha256(name.encode()).hexdigest()[:16],
        anchor=Anchor(
            path=f"{name}.js",
            blob=sha(name),
            commit=sha("1"),
            start_line=1,
            end_line=1,
            scope_start=1,
            scope_end=9,
        ),
        state=state,
        severity=severity,
        category=category,
        rule=rule,
        title="Secret wording",
        evidence_digest="0" * 12,
        security=security,
    )


def closed(finding: TrackedFinding, *, changed: bool) -> TrackedFinding:
    commit = sha("2") if changed else finding.anchor.commit
    return replace(finding, state=FindingState.FIXED, closing_commit=commit)


def statuses(findings: Iterable[TrackedFinding]) -> list[FindingStatus]:
    return [FindingStatus(tracked=finding, finding=None) for finding in findings]


@dataclass
class Replay:
    """Runs of one repository, of whose issue only the ledger remembers everything."""

    ledger: Ledger = EMPTY
    issue: dict[str, TrackedFinding] = field(default_factory=dict)
    older: list[Ledger] = field(default_factory=list)

    def run(self, day: int, changed: Mapping[str, TrackedFinding], *dismissed: Dismissed) -> None:
        """Collect one batch of half a dollar, and merge what an older run has saved."""
        self.issue |= changed
        at = START + timedelta(days=day)
        facts = statistics.changes_of(
            LedgerView(self.ledger),
            statuses(self.issue.values()),
            at=at,
            run=f"{day}.1",
            hides=False,
        )
        batch = Collected(batch=f"b{day}", at=at, usage=Usage(), cost_usd=0.5, failed={})
        self.older.append(self.ledger)
        both = merge(self.ledger.add(*facts, *dismissed, batch), self.older[day // 2])[0]
        self.ledger = compact(both, at)
        again = changes(self.ledger, self.issue.values(), 24 * day + 1)
        assert again == (), "a run that is repeated counts nothing twice"


def ending(**numbers: int) -> dict[str, int]:
    return dict.fromkeys(statistics.ENDINGS, 0) | numbers


def dismissal(finding: TrackedFinding, day: int, reason: str | None) -> Dismissed:
    at = START + timedelta(days=day)
    return Dismissed(
        fingerprint=finding.fingerprint, actor="ada", source="issue", reason=reason, at=at
    )


def test_ninety_runs_are_counted_exactly_also_after_the_issue_was_deleted():
    """One finding of each rule a day. People fix the first after three days, dismiss the second
    after two (each third one as a false positive), and fix the third after ten, but every tenth
    of those comes back for good.
    """
    replay = Replay()
    for day in range(90):
        if day == 60:
            replay.issue.clear()
        found = {f"{rule}{day}": tracked(f"{rule}{day}", rule) for rule in RULES}
        fixed = [f"loose-equality{day - 3}", f"SQL injection{day - 10}"]
        back = {
            name: replace(finding, state=FindingState.BACK, closing_commit="")
            for name in [f"SQL injection{day - 15}"]
            if (finding := replay.issue.get(name)) and (day - 15) % 10 == 0
        }
        known = {
            name: closed(replay.issue[name], changed=True) for name in fixed if name in replay.issue
        }
        name = f"magic-number{day - 2}"
        people = []
        if name in replay.issue:
            known[name] = replace(replay.issue[name], state=FindingState.DISMISSED)
            reason = "false-positive" if (day - 2) % 3 == 0 else "other"
            people.append(dismissal(known[name], day, reason))
        replay.run(day, {**found, **known, **back}, *people)
    computed = statistics.compute(LedgerView(replay.ledger))
    by_rule = {rule: counts for (_, rule), counts in computed.by_rule.items()}
    # Open: of the last days, and what was open in the issue that was deleted.
    assert by_rule["loose-equality"].now == ending(fixed=84, dismissed=0, open=3 + 3)
    assert by_rule["loose-equality"].median_days_to_fix == 3
    assert by_rule["magic-number"].now == ending(fixed=0, dismissed=86, open=2 + 2)
    assert by_rule["magic-number"].reasons == {"false-positive": 30, "other": 56}
    # Back: those of days 0, 10 … 40 before the deletion, and 60, 70 after it.
    assert by_rule["sql-injection"].now == ending(fixed=70 - 7, dismissed=0, open=10 + 10 + 7)
    assert computed.total.found == sum(computed.total.now.values()) == 270
    assert {name: counts.found for name, counts in computed.by_category.items()} == dict.fromkeys(
        ("bug", "security", "style"), 90
    )
    assert [(m.month, m.found, m.usd) for m in computed.months] == [
        ("2026-11", 90, 15.0),
        ("2026-12", 93, 15.5),
        ("2027-01", 87, 14.5),
    ]
    assert sum(m.fixed for m in computed.months) == computed.total.now["fixed"] == 147
    assert computed.usd_per_fixed == pytest.approx(45 / 147)
    assert "wording" not in replay.ledger.model_dump_json()
    assert ".js" not in replay.ledger.model_dump_json()


@pytest.mark.parametrize(
    ("state", "is_changed", "expected"),
    [
        pytest.param(FindingState.FIXED, True, "fixed", id="fixed"),
        pytest.param(FindingState.FIXED, False, "closed", id="closed-without-a-change"),
        pytest.param(FindingState.IGNORED, False, "accepted", id="accepted"),
        pytest.param(FindingState.RECHECKING, False, None, id="still-open"),
        pytest.param(FindingState.DISMISSED, False, None, id="dismissed-has-its-own-fact"),
    ],
)
def test_what_a_finding_becomes(state, is_changed, expected):
    new = tracked("a", "magic-number")
    known = ledger(*changes(EMPTY, [new], 1))
    later = closed(new, changed=is_changed) if state is FindingState.FIXED else new
    facts = changes(known, [replace(later, state=state)], 2)
    became = {name for fact in facts for name in fact.became}
    assert became == ({expected} if expected else set())
    # What was never reported is not found.
    assert changes(EMPTY, [replace(later, state=state)], 1) == (
        () if state is not FindingState.RECHECKING else changes(EMPTY, [new], 1)
    )


def changes(
    known: Ledger, findings: Iterable[TrackedFinding], hour: int, *, hides: bool = False
) -> tuple[Changed, ...]:
    at = START + timedelta(hours=hour)
    view = LedgerView(known)
    return statistics.changes_of(view, statuses(findings), at=at, run="1.1", hides=hides)


def test_hidden_security_findings_are_counted_and_never_named():
    """A fingerprint is a hash of public code: anybody could find out what it is about."""
    known, findings = EMPTY, {}

    def run(day: int, changed: bool = True, **states: FindingState) -> None:
        nonlocal known
        for name, state in states.items():
            new = tracked(name, "SQL injection", state)
            fixed = closed(new, changed=True) if state is FindingState.FIXED else new
            findings[name] = FindingStatus(tracked=fixed, finding=None, changed=changed)
        at = START + timedelta(days=day)
        view = LedgerView(known)
        facts = statistics.changes_of(view, findings.values(), at=at, run="1.1", hides=True)
        known = known.add(*facts)
        for name, status in findings.items():
            findings[name] = replace(status, changed=False)

    visible = tracked("visible", "magic-number")
    known = known.add(*changes(known, [visible, tracked("x", "loose-equality")], 1, hides=True))
    run(1, a=FindingState.NEW, b=FindingState.NEW, c=FindingState.NEW, d=FindingState.NEW)
    before = known
    run(2)
    assert known == before, "nothing has changed"
    run(3, a=FindingState.FIXED, b=FindingState.FIXED)
    run(4, changed=False, c=FindingState.DISMISSED)
    run(5, b=FindingState.BACK, e=FindingState.NEW)
    text = known.model_dump_json()
    assert "sql" not in text.lower()
    assert not any(status.tracked.fingerprint in text for status in findings.values())
    computed = statistics.compute(LedgerView(known))
    counts = computed.by_category[statistics.HIDDEN]
    assert (counts.found, counts.now) == (5, ending(fixed=1, dismissed=1, open=3))
    assert counts.median_days_to_fix is None
    assert [rule for _, rule in computed.by_rule] == ["loose-equality", "magic-number"]
    assert computed.total.found == 7
    assert statistics.judge_rules(LedgerView(known)) == ()


_names = st.sampled_from([f"{n:016x}" for n in range(4)])
_found = st.builds(
    FoundFinding,
    fingerprint=_names,
    rule=st.sampled_from(["a", "b"]),
    category=st.just("bug"),
    severity=st.sampled_from(Severity),
)
_changed = st.builds(
    Changed,
    at=st.integers(0, 5).map(lambda n: START + timedelta(hours=n)),
    run=st.sampled_from(["1.1", "2.1"]),
    found=st.lists(_found, max_size=2).map(tuple),
    hidden=st.none()
    | st.builds(HiddenFindings, **dict.fromkeys(HiddenFindings.model_fields, st.integers(0, 3))),
    became=st.dictionaries(
        st.sampled_from(["open", "fixed", "closed", "accepted"]),
        st.lists(_names, max_size=2).map(tuple),
        max_size=2,
    ),
)


@given(st.lists(_changed, max_size=6), st.integers(0, 6), st.randoms())
def test_each_finding_counts_once_in_whatever_order_ledgers_are_merged(facts, cut, chance):
    whole = ledger(*facts)
    parts = [ledger(*whole.facts[:cut]), ledger(*whole.facts[max(0, cut - 2) :])]
    chance.shuffle(parts)
    computed = statistics.compute(LedgerView(merge(*parts)[0]))
    assert computed == statistics.compute(LedgerView(whole))
    assert sum(computed.total.now.values()) == computed.total.found
    named = {f.fingerprint for x in whole.facts for f in x.found}
    hidden = computed.by_category.get(statistics.HIDDEN)
    assert computed.total.found == len(named) + (hidden.found if hidden else 0)


def decided(
    rule: str,
    fixed: int,
    dismissed: int,
    accepted: int = 0,
    *,
    first: int = 0,
    still_open: int = 0,
    **more,
) -> Ledger:
    """A ledger in which people have decided about so many findings of a rule, an hour each."""
    count = fixed + dismissed + accepted + still_open
    names = [hashlib.sha256(f"{rule}{n + first}".encode()).hexdigest()[:16] for n in range(count)]
    values = {"category": "bug", "severity": Severity.LOW} | more
    found = tuple(FoundFinding(fingerprint=name, rule=rule, **values) for name in names)
    at = START + timedelta(hours=first)
    became = {
        "fixed": tuple(names[:fixed]),
        "accepted": tuple(names[fixed + dismissed : count - still_open]),
    }
    return ledger(
        Changed(at=at, run="1.1", found=found),
        Changed(at=at + timedelta(minutes=1), run="1.1", became=became),
        *(
            Dismissed(fingerprint=name, actor="ada", source="issue", at=at + timedelta(minutes=2))
            for name in names[fixed : fixed + dismissed]
        ),
    )


def confirmed(rule: str, *numbers: int, hour: int = 1) -> Ledger:
    """Findings of `decided`, by their numbers, that a person has confirmed."""
    at = START + timedelta(hours=hour)
    names = [hashlib.sha256(f"{rule}{n}".encode()).hexdigest()[:16] for n in numbers]
    return ledger(
        *(Confirmed(fingerprint=name, actor="ada", source="issue", at=at) for name in names)
    )


def verified(rule: str, result: Verification, *numbers: int) -> Ledger:
    """Findings of `decided`, by their numbers, with the result of a second request."""
    names = [hashlib.sha256(f"{rule}{n}".encode()).hexdigest()[:16] for n in numbers]
    return ledger(
        *(Verified(fingerprint=name, batch="msgbatch_v", result=result) for name in names)
    )


def muted(rule: str, hour: int, *, again: bool = False) -> Ledger:
    at = START + timedelta(hours=hour)
    return ledger(Muted(rule=rule, muted=not again, actor="ada", source="issue", at=at))


@pytest.mark.parametrize(
    ("parts", "judged"),
    [
        pytest.param([decided("r", 1, 9)], [("r", 1, 10, False)], id="one-of-ten"),
        pytest.param([decided("r", 0, 6, 4)], [("r", 0, 10, False)], id="accepted-counts"),
        pytest.param([decided("r", 2, 8)], [], id="a-fifth-is-enough"),
        pytest.param(
            [decided("r", 0, 9, still_open=2), confirmed("r", 9)],
            [("r", 1, 10, False)],
            id="confirmed-counts",
        ),
        pytest.param(
            [decided("r", 0, 8, still_open=2), confirmed("r", 8, 9)],
            [],
            id="confirmed-is-in-favour",
        ),
        pytest.param(
            [decided("r", 1, 9), confirmed("r", 0, 1, 2)],
            [("r", 1, 10, False)],
            id="fixed-and-dismissed-count-before-confirmed",
        ),
        pytest.param(
            [
                decided("r", 0, 9, still_open=1),
                confirmed("r", 9),
                muted("r", 6, again=True),
            ],
            [],
            id="confirmed-before-it-was-reported-again",
        ),
        pytest.param([decided("r", 0, 9)], [], id="too-few"),
        pytest.param(
            [decided("r", 0, 9, still_open=3), verified("r", Verification.DISPUTED, 9, 10, 11)],
            [],
            id="disputed-is-no-decision",
        ),
        pytest.param([decided("r", 0, 20, severity=Severity.HIGH)], [], id="severe"),
        pytest.param([decided("r", 0, 20, security=True)], [], id="security"),
        pytest.param(
            [decided("r", 0, 5), decided("r", 0, 5, first=7, category="style")],
            [("r", 0, 10, False)],
            id="in-two-categories",
        ),
        pytest.param([decided("r", 0, 12), muted("r", 5)], [("r", 0, 12, True)], id="muted"),
        pytest.param([muted("r", 5)], [("r", 0, 0, True)], id="muted-without-verdicts"),
        pytest.param(
            [decided("r", 0, 12), muted("r", 5), muted("r", 6, again=True)], [], id="again"
        ),
        pytest.param(
            [decided("r", 0, 12), muted("r", 6, again=True), decided("r", 1, 9, first=12)],
            [("r", 1, 10, False)],
            id="only-later-verdicts",
        ),
        pytest.param(
            [muted("r", 7, again=True), muted("r", 8)], [("r", 0, 0, True)], id="muted-again"
        ),
    ],
)
def test_which_rules_are_proposed_for_muting(parts, judged):
    view = LedgerView(merge(*parts)[0])
    found = statistics.judge_rules(view)
    assert [(x.rule, x.upheld, x.verdicts, x.muted) for x in found] == judged
    assert statistics.muted_rules(view) == {rule for rule, *_, is_muted in judged if is_muted}


def test_a_tick_counts_once_and_other_ticks_are_about_findings():
    def tick(name: str) -> Dismissal:
        return Dismissal(fingerprint=name, actor="ada", source="url")

    known = decided("r", 0, 12)
    (proposed,) = statistics.judge_rules(LedgerView(known))
    ticks = [tick(proposed.checkbox_id), tick("0" * 16)]
    rest, facts = statistics.read_rule_ticks(LedgerView(known), ticks, START + timedelta(hours=1))
    assert rest == ticks[1:]
    assert [(fact.rule, fact.muted, fact.actor) for fact in facts] == [("r", True, "ada")]
    # Its text could not be written: the box is still ticked in the next run.
    known = known.add(*facts)
    later = START + timedelta(hours=2)
    assert statistics.read_rule_ticks(LedgerView(known), ticks, later) == (rest, [])
    (judged,) = statistics.judge_rules(LedgerView(known))
    assert judged.checkbox_id != proposed.checkbox_id
    _, facts = statistics.read_rule_ticks(LedgerView(known), [tick(judged.checkbox_id)], later)
    assert [fact.muted for fact in facts] == [False]


def test_ten_years_of_findings_fit_into_the_ledger():
    """Two runs a day, and twenty thousand findings that are all fixed."""
    facts = []
    rules = [f"rule-{n}" for n in range(200)]

    def name(number: int) -> str:
        return hashlib.sha256(str(number).encode()).hexdigest()[:16]

    for run in range(2 * 3650):
        numbers = range(run * 20_000 // 7300, (run + 1) * 20_000 // 7300)
        found = tuple(
            FoundFinding(
                fingerprint=name(n), rule=rules[n % 200], category="bug", severity=Severity.LOW
            )
            for n in numbers
        )
        before = tuple(name(n - 100) for n in numbers if n >= 100)
        at = START + timedelta(hours=12 * run)
        facts.append(Changed(at=at, run=f"{run}.1", found=found, became={"fixed": before}))
    whole = EMPTY.model_copy(update={"facts": tuple(facts)})
    data = codec.encode(whole, None)
    assert len(data) < 1.5 * 2**20
    assert statistics.compute(LedgerView(whole)).total.now["fixed"] == 19_900


def test_disputed_findings_are_counted_per_rule_and_category_whatever_they_are_now():
    parts = [
        decided("r", 1, 1, still_open=3),
        decided("s", 0, 1, first=7, still_open=1),
        verified("r", Verification.DISPUTED, 0, 1, 2),
        verified("r", Verification.CONFIRMED, 3),
        verified("s", Verification.UNDECIDED, 7),
        verified("s", Verification.DISPUTED, 8),
        verified("gone", Verification.DISPUTED, 0),
    ]
    computed = statistics.compute(LedgerView(merge(*parts)[0]))
    assert {rule: c.disputed for (_, rule), c in computed.by_rule.items()} == {"r": 3, "s": 1}
    assert [c.disputed for c in computed.by_category.values()] == [4]
    assert computed.total.disputed == 4
    assert sum(computed.total.now.values()) == computed.total.found == 7
