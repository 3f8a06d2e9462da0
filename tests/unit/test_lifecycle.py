"""The lifecycle of findings, over small histories of plain files."""

import difflib
import hashlib
import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.findings.anchoring import anchor_all
from batch_action.findings.lifecycle import reconcile
from batch_action.findings.lines import estimate_lines, map_lines
from batch_action.models.files import Hunk
from batch_action.models.findings import (
    BatchAnswers,
    CodePositions,
    Confidence,
    Finding,
    FindingState,
    RawFinding,
    Reconciliation,
    ReviewedFile,
    Severity,
    TrackedFinding,
)
from batch_action.models.policy import FindingPolicy, FirstRunPolicy, Thresholds
from batch_action.requests.excerpt import choose_lines
from batch_action.text import format_ranges

OPEN_STATES = (FindingState.NEW, FindingState.OPEN, FindingState.RECHECKING, FindingState.BACK)


def blob_of(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def hunk(old_start: int, old_lines: int, new_start: int, new_lines: int) -> Hunk:
    return Hunk(old_start=old_start, old_lines=old_lines, new_start=new_start, new_lines=new_lines)


def hunks(old: str, new: str) -> tuple[Hunk, ...]:
    a, b = old.splitlines(), new.splitlines()
    found = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            # As git counts: an empty side names the line before it.
            found.append(hunk(i + (j > i), j - i, k + (m > k), m - k))
    return tuple(found)


@dataclass
class History:
    """Commits of plain files, and the answers of a review of them."""

    commits: list[dict[str, str]] = field(default_factory=list)

    def commit(self, files: Mapping[str, str]) -> str:
        self.commits.append(dict(files))
        return f"{len(self.commits):040x}"

    def files(self, commit: str) -> dict[str, str]:
        return self.commits[int(commit, 16) - 1]

    def findings(
        self, commit: str, path: str, raw_findings: Iterable[RawFinding]
    ) -> tuple[Finding, ...]:
        text = self.files(commit)[path]
        found, held_back = anchor_all(
            [raw_findings], task="t", path=path, text=text, blob=blob_of(text), commit=commit
        )
        assert not held_back
        return found

    def answers(self, commit: str, reviewed: Mapping[str, Sequence[RawFinding]]) -> BatchAnswers:
        return BatchAnswers(
            task="t",
            commit=commit,
            reviewed=tuple(
                ReviewedFile(path=p, blob=blob_of(self.files(commit)[p]), commit=commit)
                for p in reviewed
            ),
            findings=tuple(f for p, r in reviewed.items() for f in self.findings(commit, p, r)),
        )

    def positions(self, head: str, renamed: Mapping[str, str] | None = None) -> CodePositions:
        """Build the positions at `head`, with line maps between all blobs of all commits."""
        now = self.files(head)
        texts = {blob_of(t): t for files in self.commits for t in files.values()}
        count = len(self.commits)
        ids = [f"{n + 1:040x}" for n in range(count)]
        return CodePositions(
            commit=head,
            current_blobs={path: blob_of(text) for path, text in now.items()},
            renames=dict(renamed or {}),
            line_maps={(a, b): hunks(texts[a], texts[b]) for a in texts for b in texts if a != b},
            descendants=frozenset((a, b) for a in ids for b in ids if a < b),
        )

    def report(
        self,
        commit: str,
        reviewed: Mapping[str, Sequence[RawFinding]],
        known: Sequence[TrackedFinding] = (),
        *,
        head: str | None = None,
        renamed: Mapping[str, str] | None = None,
        **policy,
    ) -> Reconciliation:
        positions = self.positions(head or commit, renamed)
        return check(known, self.answers(commit, reviewed), positions, FindingPolicy(**policy))


def check(
    known: Sequence[TrackedFinding],
    answers: BatchAnswers,
    positions: CodePositions,
    policy: FindingPolicy,
) -> Reconciliation:
    """Reconcile, and assert the invariants of every run."""
    result = reconcile(known, answers, positions, policy)
    prints = [s.tracked.fingerprint for s in result.statuses]
    assert len(prints) == len(set(prints))
    assert {k.fingerprint for k in known} <= set(prints)
    spoken = [s.finding for s in result.statuses if s.finding]
    assert len(spoken) + len(result.held_back) == len(answers.findings)
    again = reconcile(after(result), answers, positions, policy)
    assert {s.tracked.fingerprint for s in again.statuses} == set(prints)
    assert not any(s.changed for s in again.statuses)
    assert [s.tracked.anchor for s in again.statuses] == [s.tracked.anchor for s in result.statuses]
    reported = reconcile(after(result), answers, positions, replace(policy, republished=True))
    if not {k.state for k in known} & {FindingState.NEW, FindingState.BACK, FindingState.FIXED}:
        assert [(s.tracked, s.changed) for s in reported.statuses] == [
            (s.tracked, s.changed) for s in result.statuses
        ]
    return result


def after(result: Reconciliation) -> tuple[TrackedFinding, ...]:
    return tuple(s.tracked for s in result.statuses)


def states(result: Reconciliation) -> list[str]:
    return [s.tracked.state.name for s in result.statuses]


def raw(evidence: str, line: int = 1, category: str = "bug", **more) -> RawFinding:
    values = {
        "severity": Severity.HIGH,
        "rule": "r",
        "title": "t",
        "explanation": "w",
        "remediation": "m",
    }
    values["confidence"] = Confidence.HIGH
    return RawFinding(
        category=category,
        start_line=line,
        end_line=line,
        evidence=evidence,
        **{**values, **more},
    )


def function(name: str, *body: str) -> str:
    return "\n".join([f"def {name}():", *(f"    {line}" for line in body), "", ""])


BAD = function("bad", "a = 1", "crash(a)", "return a")
GOOD = function("good", "a = 1", "return a")
FIXED = function("bad", "a = 1", "check(a)", "return a")
FAR = "".join(function(f"f{n}", f"x{n} = {n}", f"return x{n}") for n in range(6))


def start(
    text: str = BAD + FAR, *raw_findings: RawFinding
) -> tuple[History, tuple[TrackedFinding, ...], str]:
    history = History()
    first = history.commit({"a.py": text})
    result = history.report(first, {"a.py": raw_findings or [raw("crash(a)")]})
    assert set(states(result)) == {"NEW"}
    return history, after(result), first


def test_an_unchanged_finding_stays_open_when_it_is_not_reported():
    history, known, _ = start()
    head = history.commit({"a.py": BAD + FAR + GOOD})
    result = history.report(head, {"a.py": []}, known)
    assert states(result) == ["OPEN"]
    assert result.statuses[0].tracked.anchor.commit == head


def test_an_unchanged_finding_moves_with_its_lines():
    history, known, _ = start()
    head = history.commit({"a.py": "import os\n\n" + BAD + FAR})
    (status,) = history.report(head, {}, known).statuses
    assert status.tracked.state is FindingState.OPEN
    assert status.tracked.anchor.start_line == known[0].anchor.start_line + 2


def test_a_changed_finding_is_rechecked_until_a_verdict():
    history, known, _ = start()
    head = history.commit({"a.py": FIXED + FAR})
    result = history.report(head, {}, known)
    assert states(result) == ["RECHECKING"]
    later = history.report(head, {"a.py": []}, after(result))
    assert states(later) == ["FIXED"]
    assert later.statuses[0].note == f"fixed in {head[:7]}"
    assert later.statuses[0].changed


def test_an_earlier_verdict_on_the_same_content_counts():
    history, known, _ = start()
    head = history.commit({"a.py": FIXED + FAR})
    verdicts = frozenset({("a.py", blob_of(FIXED + FAR))})
    assert states(history.report(head, {}, known, reviewed_before=verdicts)) == ["FIXED"]


@pytest.mark.parametrize(
    "text",
    [
        BAD.replace("crash(a)", "crash(a, 1)") + FAR,
        "import os\n" + BAD.replace("a = 1", "a = 2") + FAR,
        BAD.replace("    crash(a)", "    if a:\n        crash( a )") + FAR,
    ],
)
def test_a_changed_finding_that_is_reported_again_stays_the_same(text):
    history, known, _ = start()
    head = history.commit({"a.py": text})
    evidence = next(line for line in text.splitlines() if "crash" in line)
    again = raw(evidence, title="worded anew", rule="other")
    (status,) = history.report(head, {"a.py": [again]}, known).statuses
    assert status.tracked.fingerprint == known[0].fingerprint
    assert status.tracked.state is FindingState.OPEN
    assert status.tracked.title == "t"
    assert status.tracked.anchor.commit == head


def test_a_fix_that_only_adds_code_is_noticed():
    history, known, _ = start(function("leak", "h = open()", "use(h)") + FAR, raw("h = open()"))
    text = function("leak", "h = open()", "use(h)", "h.close()") + FAR
    assert states(history.report(history.commit({"a.py": text}), {"a.py": []}, known)) == ["FIXED"]


def test_deleted_files_fix_and_moved_code_moves():
    history, known, _ = start()
    gone = history.commit({"b.py": GOOD})
    assert states(history.report(gone, {}, known)) == ["FIXED"]
    history, known, _ = start()
    head = history.commit({"a.py": FAR, "b.py": GOOD + BAD})
    reviewed = {"a.py": [], "b.py": [raw("crash(a)")]}
    (status,) = history.report(head, reviewed, known).statuses
    assert (status.tracked.state, status.tracked.anchor.path) == (FindingState.OPEN, "b.py")
    assert status.tracked.fingerprint == known[0].fingerprint


def test_an_emptied_file_fixes_although_it_is_excluded():
    history, known, _ = start()
    head = history.commit({"a.py": "\n"})
    positions = replace(history.positions(head), emptied=frozenset({"a.py"}))
    policy = FindingPolicy(excluded={"a.py": "file excluded"})
    (status,) = check(known, history.answers(head, {}), positions, policy).statuses
    assert status.tracked.state is FindingState.FIXED
    assert (status.note, status.changed) == (f"file emptied in {head[:7]}", True)
    back = history.commit({"a.py": BAD + FAR})
    assert states(history.report(back, {}, (status.tracked,))) == ["BACK"]


def test_moved_inside_its_file():
    history, known, _ = start()
    head = history.commit({"a.py": FAR + BAD})
    (status,) = history.report(head, {"a.py": [raw("crash(a)")]}, known).statuses
    assert status.tracked.state is FindingState.OPEN


def test_functions_that_change_places_keep_their_findings():
    other = function("other", "b = 2", "break_it(b)", "return b")
    history, known, _ = start(BAD + FAR + other)
    head = history.commit({"a.py": other + FAR + BAD})
    reviewed = {"a.py": [raw("break_it(b)"), raw("crash(a)")]}
    result = history.report(head, reviewed, known)
    found = {
        s.tracked.fingerprint: s.finding.texts.read().evidence.strip() for s in result.statuses
    }
    assert sorted(states(result)) == ["NEW", "OPEN"]
    assert found[known[0].fingerprint] == "crash(a)"


def test_a_finding_where_moved_code_was_is_another_one():
    history, known, _ = start()
    other = function("other", "b = 2", "break_it(b)", "return b")
    head = history.commit({"a.py": other + FAR, "b.py": BAD})
    reviewed = {"a.py": [raw("break_it(b)")], "b.py": [raw("crash(a)")]}
    result = history.report(head, reviewed, known)
    (moved,) = (s for s in result.statuses if s.tracked.fingerprint == known[0].fingerprint)
    assert sorted(states(result)) == ["NEW", "OPEN"]
    assert moved.tracked.anchor.path == "b.py"


def test_an_older_batch_does_not_reopen_what_a_newer_one_closed_elsewhere_in_its_file():
    history, known, _ = start()
    old = history.commit({"a.py": FAR + BAD.replace("a = 1", "a = 7")})
    newer = history.commit({"a.py": FAR + BAD.replace("a = 1", "a = 7") + GOOD})
    closed = after(history.report(newer, {"a.py": []}, known))
    assert [k.state for k in closed] == [FindingState.FIXED]
    late = history.report(old, {"a.py": [raw("crash(a)")]}, closed, head=newer)
    assert states(late) == ["FIXED"]
    again = history.report(newer, {"a.py": [raw("crash(a)")]}, after(late))
    assert states(again) == ["BACK"]


def test_an_older_batch_counts_for_content_that_is_back():
    history, known, _ = start()
    old = history.commit({"a.py": BAD.replace("a = 1", "a = 7") + FAR})
    middle = history.commit({"a.py": BAD.replace("a = 1", "a = 8") + FAR})
    closed = after(history.report(middle, {"a.py": []}, known))
    assert [k.state for k in closed] == [FindingState.FIXED]
    # The edit is reverted: the older batch has seen the content that is there now.
    head = history.commit({"a.py": BAD.replace("a = 1", "a = 7") + FAR})
    late = history.report(old, {"a.py": [raw("crash(a)")]}, closed, head=head)
    assert states(late) == ["BACK"]


def test_two_findings_that_share_lines_by_now_become_one():
    # Moved code, quoted differently in its new file: two findings until the old file's verdict.
    history, known, _ = start(BAD, raw("    a = 1\n    crash(a)"))
    head = history.commit({"a.py": GOOD, "b.py": BAD})
    twice = after(history.report(head, {"b.py": [raw("crash(a)")]}, known))
    assert sorted(k.state.name for k in twice) == ["NEW", "RECHECKING"]
    # Then the new file takes the old one's name.
    head = history.commit({"a.py": BAD})
    renamed = {"b.py": "a.py"}
    result = history.report(head, {}, twice, renamed=renamed)
    assert sorted(states(result)) == ["FIXED", "OPEN"]
    (closed,) = (s for s in result.statuses if s.tracked.state is FindingState.FIXED)
    (reported,) = (s for s in result.statuses if s.tracked.state is FindingState.OPEN)
    assert (closed.note, closed.changed) == (
        f"reported as {reported.tracked.fingerprint[:8]}",
        False,
    )
    later = history.report(head, {"a.py": [raw("crash(a)")]}, after(result))
    assert sorted(states(later)) == ["FIXED", "OPEN"]
    # The other one does not come back either when this one is closed and the code is unchanged.
    seen = history.report(head, {"a.py": [raw("crash(a)")]}, twice, renamed=renamed)
    assert sorted(states(seen)) == ["FIXED", "OPEN"]
    asked = frozenset(
        s.tracked.fingerprint for s in seen.statuses if s.tracked.state is FindingState.OPEN
    )
    closed_too = history.report(head, {"a.py": []}, after(seen), recheck_answered=asked)
    assert states(closed_too) == ["FIXED", "FIXED"]
    assert states(history.report(head, {}, after(closed_too))) == ["FIXED", "FIXED"]
    # A dismissed finding is not reported under the other's fingerprint.
    for one in twice:
        dismissed = frozenset({one.fingerprint})
        result = history.report(head, {}, twice, renamed=renamed, dismissed=dismissed)
        found = {s.tracked.fingerprint: s.tracked.state for s in result.statuses}
        assert found.pop(one.fingerprint) is FindingState.DISMISSED
        assert [*found.values()] == [FindingState.FIXED]


def test_moved_to_another_file_next_to_an_edit():
    body = function("near", "b = 2", "return b") + BAD
    history, known, _ = start(body + FAR)
    head = history.commit({"a.py": function("near", "b = 2", "return b, 1") + FAR, "b.py": BAD})
    (status,) = history.report(head, {"b.py": [raw("crash(a)")]}, known).statuses
    assert (status.tracked.state, status.tracked.anchor.path) == (FindingState.OPEN, "b.py")


def test_a_copy_added_in_between_is_another_finding():
    # As a diff may show it: the new function begins in the middle of the old one.
    copy_ = BAD.replace("bad", "bad2")
    at = len(FAR.splitlines())
    quoted, otherwise = "    a = 1\n    crash(a)", "    crash(a)\n    return a"
    history, known, _ = start(FAR + BAD, raw(quoted, at + 2))
    head = history.commit({"a.py": FAR + copy_ + BAD})
    answers = history.answers(
        head, {"a.py": [raw(otherwise, at + 3), raw(quoted, at + 2 + len(copy_.splitlines()))]}
    )
    positions = history.positions(head)
    blobs = blob_of(FAR + BAD), blob_of(FAR + copy_ + BAD)
    split = (hunk(at + 2, 0, at + 3, len(copy_.splitlines())),)
    positions = replace(positions, line_maps={**positions.line_maps, blobs: split})
    result = check(known, answers, positions, FindingPolicy())
    found = {s.tracked.state: s.tracked.anchor.start_line for s in result.statuses}
    assert found == {FindingState.NEW: at + 3, FindingState.OPEN: at + 2 + len(copy_.splitlines())}


def test_renames_carry_the_finding():
    history, known, _ = start()
    head = history.commit({"new.py": BAD + FAR})
    renamed = {"a.py": "new.py"}
    (status,) = history.report(head, {}, known, renamed=renamed).statuses
    assert (status.tracked.state, status.tracked.anchor.path) == (FindingState.OPEN, "new.py")


def test_excluded_and_given_up_findings_stay_open_with_a_note():
    history, known, _ = start()
    head = history.commit({"a.py": FIXED + FAR})
    excluded = {"a.py": "given up"}
    (status,) = history.report(head, {}, known, excluded=excluded).statuses
    assert (status.tracked.state, status.note) == (FindingState.OPEN, "given up")


def test_copies_are_distinguished_by_position():
    copies = BAD + FAR + BAD.replace("bad", "bad2")
    history, known, _ = start(copies, raw("crash(a)", 3), raw("crash(a)", 30))
    assert len(known) == 2
    head = history.commit({"a.py": FIXED + FAR + BAD.replace("bad", "bad2")})
    result = history.report(head, {"a.py": [raw("crash(a)", 30)]}, known)
    assert sorted(states(result)) == ["FIXED", "OPEN"]


def test_a_copy_added_above_is_new_and_the_old_one_stays():
    history, known, _ = start(FAR + BAD, raw("crash(a)"))
    head = history.commit({"a.py": BAD.replace("bad", "bad0") + FAR + BAD})
    reviewed = {"a.py": [raw("crash(a)", 3), raw("crash(a)", 33)]}
    result = history.report(head, reviewed, known)
    assert sorted(states(result)) == ["NEW", "OPEN"]


def test_an_older_batch_does_not_change_what_a_newer_one_set():
    history, _, old = start()
    middle = history.commit({"a.py": FAR})
    head = history.commit({"a.py": BAD + FAR + GOOD})
    known = after(history.report(head, {"a.py": [raw("crash(a)")]}))
    late = history.report(middle, {"a.py": []}, known, head=head)
    assert states(late) == ["OPEN"]
    late = history.report(old, {"a.py": [raw("crash(a)")]}, known, head=head)
    assert states(late) == ["OPEN"]
    fixed_at = history.commit({"a.py": FIXED + FAR})
    fixed = after(history.report(fixed_at, {"a.py": []}, known))
    late = history.report(old, {"a.py": [raw("crash(a)")]}, fixed, head=fixed_at)
    assert states(late) == ["FIXED"]


def test_a_finding_on_content_that_has_changed_is_dropped():
    history = History()
    old = history.commit({"a.py": BAD + FAR})
    head = history.commit({"a.py": FIXED + FAR})
    result = history.report(
        old, {"a.py": [raw("crash(a)"), raw("return x5", category="x")]}, head=head
    )
    assert [s.tracked.category for s in result.statuses] == ["x"]
    assert [held.reason for held in result.held_back] == ["outdated"]


def test_a_verdict_in_between_closes_what_has_changed_again():
    history, known, _ = start()
    middle = history.commit({"a.py": FIXED + FAR})
    head = history.commit({"a.py": FIXED.replace("check", "check2") + FAR})
    (status,) = history.report(middle, {"a.py": []}, known, head=head).statuses
    assert (status.tracked.state, status.tracked.closing_commit) == (FindingState.FIXED, middle)


def test_a_verdict_in_between_closes_although_there_is_a_copy():
    copy_ = BAD.replace("bad", "copy_")
    history, known, _ = start(BAD + FAR + copy_, raw("crash(a)", 3), raw("crash(a)", 32))
    assert len(known) == 2
    middle = history.commit({"a.py": FIXED + FAR + copy_})
    head = history.commit({"a.py": FIXED.replace("check", "check2") + FAR + copy_})
    result = history.report(middle, {"a.py": [raw("crash(a)", 32)]}, known, head=head)
    assert sorted(states(result)) == ["FIXED", "OPEN"]


def test_a_wrongly_closed_finding_comes_back():
    history, known, _ = start()
    head = history.commit({"a.py": BAD.replace("a = 1", "a = 2") + FAR})
    fixed = after(history.report(head, {"a.py": []}, known))
    assert fixed[0].state is FindingState.FIXED
    later = history.commit({"a.py": BAD.replace("a = 1", "a = 3") + FAR})
    (status,) = history.report(later, {"a.py": [raw("crash(a)")]}, fixed).statuses
    assert (status.tracked.state, status.changed) == (FindingState.BACK, True)
    assert (status.tracked.closed_on, status.tracked.closing_commit) == ("", "")
    assert states(history.report(later, {}, (status.tracked,))) == ["OPEN"]


def test_a_reverted_fix_is_back_without_a_new_verdict():
    history, known, _ = start()
    fixed = after(history.report(history.commit({"a.py": FIXED + FAR}), {"a.py": []}, known))
    assert states(history.report(history.commit({"a.py": BAD + FAR}), {}, fixed)) == ["BACK"]


def test_dismissed_is_never_reported_again():
    history, known, first = start()
    dismissed = frozenset({known[0].fingerprint})
    result = history.report(first, {"a.py": [raw("crash(a)")]}, known, dismissed=dismissed)
    assert states(result) == ["DISMISSED"]
    known = after(result)
    for text in (BAD.replace("crash(a)", "crash(a, 2)") + FAR, FAR + BAD, FIXED + FAR):
        head = history.commit({"a.py": text})
        evidence = [line for line in text.splitlines() if "crash" in line]
        reviewed = {"a.py": [raw(line) for line in evidence]}
        assert states(history.report(head, reviewed, known)) == ["DISMISSED"]
    head = history.commit({"b.py": BAD})
    assert states(history.report(head, {"b.py": [raw("crash(a)")]}, known)) == ["DISMISSED"]


def test_dismissed_in_another_destination_is_never_new():
    history = History()
    head = history.commit({"a.py": BAD})
    (finding,) = history.findings(head, "a.py", [raw("crash(a)")])
    dismissed = frozenset({finding.fingerprint})
    result = history.report(head, {"a.py": [raw("crash(a)")]}, dismissed=dismissed)
    assert states(result) == ["DISMISSED"]


# Thresholds, suppressions and requested re-checks.


@pytest.mark.parametrize(
    ("thresholds", "said", "below"),
    [
        (Thresholds(), {}, []),
        (Thresholds(severity=Severity.HIGH), {}, []),
        (Thresholds(severity=Severity.CRITICAL), {}, ["min-severity"]),
        (Thresholds(severity=Severity.MEDIUM), {"severity": Severity.LOW}, ["min-severity"]),
        (Thresholds(confidence=Confidence.HIGH), {}, []),
        (
            Thresholds(confidence=Confidence.MEDIUM),
            {"confidence": Confidence.LOW},
            ["min-confidence"],
        ),
        # Counted once, at the first threshold it misses.
        (
            Thresholds(severity=Severity.HIGH, confidence=Confidence.HIGH),
            {"severity": Severity.LOW, "confidence": Confidence.LOW},
            ["min-severity"],
        ),
    ],
)
def test_a_finding_below_a_threshold_is_counted_and_not_new(thresholds, said, below):
    history = History()
    first = history.commit({"a.py": BAD})
    result = history.report(first, {"a.py": [raw("crash(a)", **said)]}, thresholds=thresholds)
    assert [held.reason for held in result.held_back] == below
    assert states(result) == ([] if below else ["NEW"])


def test_a_known_finding_stays_open_below_a_raised_threshold():
    history, known, first = start()
    thresholds = Thresholds(severity=Severity.CRITICAL)
    result = history.report(first, {"a.py": [raw("crash(a)")]}, known, thresholds=thresholds)
    assert (states(result), result.held_back) == (["OPEN"], ())
    fixed = history.report(
        history.commit({"a.py": FIXED}), {"a.py": []}, known, thresholds=thresholds
    )
    assert states(fixed) == ["FIXED"]


def test_the_baseline_accepts_a_finding_until_it_is_removed_from_it():
    history, known, first = start()
    baseline = frozenset({known[0].fingerprint})
    result = history.report(first, {"a.py": [raw("crash(a)")]}, known, baseline=baseline)
    assert (states(result), result.statuses[0].tracked.ignored_by) == (["IGNORED"], "baseline")
    assert not result.statuses[0].changed
    # It is the same one after an edit around it, and in another file.
    for text in ("import os\n\n" + BAD, FAR + BAD.replace("crash(a)", "crash(a, 1)")):
        head = history.commit({"a.py": text})
        line = next(line for line in text.splitlines() if "crash" in line)
        result = history.report(head, {"a.py": [raw(line)]}, after(result), baseline=baseline)
        assert states(result) == ["IGNORED"]
    (status,) = history.report(head, {}, after(result)).statuses
    assert (status.tracked.state, status.changed) == (FindingState.NEW, True)


def test_what_the_baseline_accepts_is_never_new():
    history = History()
    head = history.commit({"a.py": BAD})
    (finding,) = history.findings(head, "a.py", [raw("crash(a)")])
    baseline = frozenset({finding.fingerprint})
    result = history.report(head, {"a.py": [raw("crash(a)")]}, baseline=baseline)
    assert states(result) == ["IGNORED"]
    fixed = history.report(history.commit({"a.py": FIXED}), {"a.py": []}, after(result))
    assert states(fixed) == ["FIXED"]
    assert not fixed.statuses[0].changed, "nobody was reported of it"


COMMENT = function("bad", "a = 1", "# batch-action: ignore[bug] it must", "crash(a)", "return a")


def test_a_comment_accepts_a_finding_while_it_is_there():
    history, known, _ = start()
    head = history.commit({"a.py": COMMENT + FAR})
    assert states(history.report(head, {}, known)) == ["RECHECKING"]
    result = history.report(head, {"a.py": [raw("crash(a)")]}, known)
    (status,) = result.statuses
    assert (status.tracked.state, status.tracked.ignored_by) == (
        FindingState.IGNORED,
        "comment",
    )
    assert (status.tracked.ignore_reason, status.changed) == ("it must", False)
    # A verdict that misses it, and one on other lines, leave it accepted.
    quiet = history.report(history.commit({"a.py": COMMENT + GOOD}), {"a.py": []}, after(result))
    assert [(s.tracked.state, s.tracked.ignore_reason) for s in quiet.statuses] == [
        (FindingState.IGNORED, "it must")
    ]
    taken_back = history.commit({"a.py": BAD + GOOD})
    waiting = history.report(taken_back, {}, after(quiet))
    assert states(waiting) == ["IGNORED"]
    (status,) = history.report(taken_back, {"a.py": [raw("crash(a)")]}, after(waiting)).statuses
    assert (status.tracked.state, status.changed) == (FindingState.NEW, True)
    mended = history.report(history.commit({"a.py": GOOD}), {"a.py": []}, after(quiet))
    assert [(s.tracked.state, s.changed) for s in mended.statuses] == [(FindingState.FIXED, False)]


def test_a_requested_recheck_waits_for_its_answer():
    history, known, first = start()
    asked = frozenset({known[0].fingerprint})
    waiting = history.report(first, {}, known, recheck_requested=asked)
    assert states(waiting) == ["RECHECKING"]
    assert waiting.statuses[0].note == "requested by a person"
    # Reported again it is open; not reported it is fixed, although nothing has changed.
    still = history.report(
        first, {"a.py": [raw("crash(a)")]}, after(waiting), recheck_answered=asked
    )
    assert (states(still), still.statuses[0].changed) == (["OPEN"], False)
    gone = history.report(first, {"a.py": []}, after(waiting), recheck_answered=asked)
    assert (states(gone), gone.statuses[0].changed) == (["FIXED"], True)
    assert gone.statuses[0].note.startswith("not reported again when re-checked in")
    quiet = history.report(first, {}, after(gone))
    assert (states(quiet), quiet.statuses[0].changed) == (["FIXED"], False)
    back = history.report(first, {"a.py": [raw("crash(a)")]}, after(quiet))
    assert states(back) == ["BACK"]


def test_a_requested_recheck_does_not_delay_what_is_known():
    history, known, _ = start()
    asked = frozenset({known[0].fingerprint})
    head = history.commit({"a.py": FIXED + FAR})
    assert states(history.report(head, {"a.py": []}, known, recheck_requested=asked)) == ["FIXED"]
    deleted = history.commit({"b.py": GOOD})
    (status,) = history.report(deleted, {}, known, recheck_answered=asked).statuses
    assert (status.tracked.state, status.note) == (
        FindingState.FIXED,
        f"file deleted in {deleted[:7]}",
    )
    dismissed = history.report(head, {}, known, dismissed=asked, recheck_requested=asked)
    assert states(dismissed) == ["DISMISSED"]


def test_two_categories_on_the_same_lines_are_two_findings():
    history, known, first = start(BAD, raw("crash(a)"), raw("crash(a)", category="style"))
    assert len({k.fingerprint for k in known}) == 2
    result = history.report(
        first, {"a.py": [raw("crash(a)"), raw("crash(a)", category="style")]}, known
    )
    assert states(result) == ["OPEN", "OPEN"]


def test_two_findings_on_the_same_lines_live_on_their_own():
    first, second = raw("crash(a)", rule="one"), raw("crash(a)", rule="two", severity=Severity.LOW)
    history, known, head = start(BAD + FAR, first, second)
    names = {k.rule: k.fingerprint for k in known}
    # The order and the words of a later answer do not swap them; one that it forgets stays.
    for reported in ([second, first], [replace(second, title="said anew")], []):
        result = history.report(head, {"a.py": reported}, known)
        assert states(result) == ["OPEN", "OPEN"]
        assert {s.tracked.rule: s.tracked.fingerprint for s in result.statuses} == names
        assert all(s.finding is None or s.finding.rule == s.tracked.rule for s in result.statuses)
    # Each is fixed, dismissed and moved on its own.
    dismissed = frozenset({names["one"]})
    result = history.report(head, {"a.py": [first, second]}, known, dismissed=dismissed)
    assert {s.tracked.rule: s.tracked.state.name for s in result.statuses} == {
        "one": "DISMISSED",
        "two": "OPEN",
    }
    moved = history.commit({"a.py": BAD.replace("a = 1", "a = 2") + FAR})
    result = history.report(moved, {"a.py": [second]}, known)
    assert {s.tracked.rule: s.tracked.state.name for s in result.statuses} == {
        "one": "FIXED",
        "two": "OPEN",
    }


def test_a_second_finding_on_the_lines_of_a_known_one_is_new():
    history, known, head = start()
    reported = [raw("crash(a)"), raw("crash(a)", rule="other")]
    result = history.report(head, {"a.py": reported}, known)
    assert sorted(states(result)) == ["NEW", "OPEN"]
    assert not result.held_back


@pytest.mark.parametrize(("old", "new", "count"), [(1, 1, 1), (2, 1, 2), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("is_known", [False, True])
def test_two_batches_about_the_same_lines_are_joined_one_to_one(old, new, count, is_known):
    history, known, first = start()
    head = history.commit({"a.py": BAD + FAR + GOOD})
    answers = [
        history.answers(
            commit, {"a.py": [raw("crash(a)", rule=f"{commit}{n}") for n in range(size)]}
        )
        for commit, size in ((first, old), (head, new))
    ]
    both = replace(
        answers[1],
        reviewed=answers[0].reviewed + answers[1].reviewed,
        findings=answers[0].findings + answers[1].findings,
    )
    result = check(known if is_known else (), both, history.positions(head), FindingPolicy())
    assert len(result.statuses) == count
    assert {held.reason for held in result.held_back} == {"repeated"}


def test_findings_that_share_lines_are_neighbors():
    bad = raw("crash(a)", rule="worst")
    _, known, _ = start(
        BAD + FAR,
        raw("    crash(a)\n    return a", rule="least", severity=Severity.LOW),
        raw("return x5", 21, severity=Severity.MEDIUM, rule="elsewhere"),
        bad,
    )
    assert [k.rule for k in known] == ["worst", "least", "elsewhere"]


def test_whole_file_findings_are_rechecked_when_anything_changes():
    license_ = raw("", category="license", whole_file=True)
    history, known, _ = start(BAD + FAR, license_)
    head = history.commit({"a.py": BAD + FAR + GOOD})
    assert states(history.report(head, {}, known)) == ["RECHECKING"]
    assert states(history.report(head, {"a.py": [license_]}, known)) == ["OPEN"]
    assert states(history.report(head, {"a.py": []}, known)) == ["FIXED"]


LONG = "".join(f"def f{n}():\n" + "    x = 1\n" * 20 + "\n\n" for n in range(9))


@pytest.mark.parametrize(
    ("change", "shown", "state", "moves"),
    [
        pytest.param(("a = 1", "a = 2"), "150-195", "OPEN", True, id="near, not shown"),
        pytest.param(("a = 1", "a = 2"), "1-4,150-195", "FIXED", False, id="near, shown"),
        pytest.param(("a = 1", "a = 2"), "1-2,4-195", "OPEN", True, id="near, shown in part"),
        pytest.param(("crash(a)", "fine(a)"), "150-195", "RECHECKING", False, id="it, not shown"),
        pytest.param(("crash(a)", "fine(a)"), "3-3", "FIXED", False, id="it, shown"),
        pytest.param(("f8", "g8"), "", "OPEN", True, id="far, unknown"),
    ],
)
def test_an_answer_decides_nothing_about_lines_that_it_was_not_shown(change, shown, state, moves):
    history, known, _ = start(BAD + "\n\n" + LONG)
    text = (BAD + "\n\n" + LONG).replace(*change, 1)
    head = history.commit({"a.py": text})
    policy = {"shown_lines": {("a.py", blob_of(text)): shown}}
    result = history.report(head, {"a.py": []}, known, **policy)
    assert states(result) == [state]
    anchor = after(result)[0].anchor
    assert (anchor.blob == blob_of(text)) is moves
    # A request of a person is not answered by it either.
    asked = frozenset({known[0].fingerprint})
    result = history.report(head, {"a.py": []}, known, recheck_answered=asked, **policy)
    assert states(result) == ["FIXED" if state == "FIXED" else state]
    # It is decided by the next answer that is shown the lines.
    again = history.commit({"a.py": text.replace("a = ", "a  = ", 1)})
    assert states(history.report(again, {"a.py": []}, after(result))) == ["FIXED"]


def test_content_that_was_reviewed_before_without_the_lines_decides_nothing():
    history, known, _ = start(BAD + FAR)
    old = (BAD + FAR).replace("crash(a)", "fine(a)")
    back = history.commit({"a.py": old})
    file = ("a.py", blob_of(old))
    policy = {"reviewed_before": frozenset({file}), "shown_lines": {file: "9-12"}}
    result = history.report(back, {}, known, **policy)
    assert states(result) == ["RECHECKING"]
    assert states(history.report(back, {"a.py": []}, after(result))) == ["FIXED"]


def test_a_missing_line_map_counts_as_changed():
    history, known, _ = start()
    head = history.commit({"a.py": BAD + FAR + GOOD})
    positions = replace(history.positions(head), line_maps={})
    result = reconcile(known, history.answers(head, {}), positions, FindingPolicy())
    assert states(result) == ["RECHECKING"]


@pytest.mark.parametrize(
    ("changed", "lines", "carried", "about"),
    [
        ([(3, 1, 3, 1)], (5, 6), (5, 6), (5, 6)),
        ([(3, 0, 4, 2)], (5, 6), (7, 8), (7, 8)),
        ([(4, 0, 5, 2)], (5, 6), (7, 8), (7, 8)),
        ([(5, 0, 6, 2)], (5, 6), None, (5, 8)),
        ([(6, 0, 7, 2)], (5, 6), (5, 6), (5, 6)),
        ([(1, 2, 0, 0)], (5, 6), (3, 4), (3, 4)),
        ([(6, 1, 5, 0)], (5, 6), None, (5, 5)),
        ([(1, 10, 1, 20)], (5, 6), None, (9, 11)),
        ([], (5, 6), (5, 6), (5, 6)),
    ],
)
def test_line_maps(changed, lines, carried, about):
    moved = [hunk(*numbers) for numbers in changed]
    assert map_lines(moved, lines) == carried
    assert estimate_lines(moved, lines) == about


texts = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=12)


@given(texts, texts, st.data())
def test_mapped_lines_are_equal(old, new, data):
    if not old:
        return
    first = data.draw(st.integers(1, len(old)))
    last = data.draw(st.integers(first, len(old)))
    moved = hunks("".join(f"{x}\n" for x in old), "".join(f"{x}\n" for x in new))
    now = map_lines(moved, (first, last))
    if now is not None:
        assert old[first - 1 : last] == new[now[0] - 1 : now[1]]
    low, high = estimate_lines(moved, (first, last))
    assert 1 <= low <= high


class Reviewer:
    """Reports the lines that contain BUG: always in other words, sometimes not at all."""

    def __init__(self, dice: random.Random, misses: float) -> None:
        self.dice, self.misses = dice, misses

    def __call__(self, text: str, shown: Collection[int]) -> list[RawFinding]:
        return [
            raw(line, number, title=f"t{self.dice.random()}", rule=f"r{self.dice.random()}")
            for number, line in enumerate(text.splitlines(), start=1)
            if "BUG" in line and number in shown and self.dice.random() >= self.misses
        ]


def edit(dice: random.Random, files: dict[str, str], report: int) -> tuple[dict[str, str], dict]:
    """The commit of one run: bugs added, fixed, moved; functions added above; files renamed."""
    files = dict(files)
    renamed = {}
    for path in sorted(files):
        parts = files[path].split("\n\n\n")
        roll = dice.random()
        at = dice.randrange(len(parts))
        fresh = f"def n{report}_{path[0]}():\n    a = {report}\n    b = a\n    return b"
        if roll < 0.2:
            parts.insert(at, fresh)
        elif roll < 0.35:
            parts.insert(at, fresh.replace("b = a", f"BUG({report})"))
        elif roll < 0.5:
            parts[at] = parts[at].replace("BUG", "OK")
        elif roll < 0.6:
            parts[at] = parts[at].replace("    a =", "    if True:\n        pass\n    a  =")
        elif roll < 0.68:
            other = dice.choice(sorted(files))
            if other != path and len(parts) > 1:
                files[other] += "\n\n\n" + parts.pop(at)
        elif roll < 0.72:
            renamed[path] = f"{path[0]}{report}.py"
        files[path] = "\n\n\n".join(parts)
    for old, new in renamed.items():
        files[new] = files.pop(old)
    return files, renamed


def open_places(known: Iterable[TrackedFinding]) -> Counter:
    # A finding that is being re-checked is anchored in older content.
    settled = [
        k for k in known if k.state in OPEN_STATES and k.state is not FindingState.RECHECKING
    ]
    return Counter((k.anchor.path, k.anchor.start_line) for k in settled)


def bugs(files: Mapping[str, str]) -> set[tuple[str, int]]:
    return {
        (path, number)
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if "BUG" in line
    }


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([0.0, 0.3]), st.sampled_from([0, 16]))
def test_random_histories(seed, misses, length):
    """No duplicates, no stale findings; with a reviewer that misses nothing exactly the bugs.

    Of functions of some *length* the reviewer is shown excerpts.
    """
    dice = random.Random(seed)
    body = "def {0}():\n    a = 1\n    {1}\n" + "    a += 1\n" * length + "    return a"
    files = {
        f"{p}.py": "\n\n\n".join(
            body.format(f"{p}{n}", "BUG(0)" if n % 3 == 0 else "c = a") for n in range(6)
        )
        for p in "abc"
    }
    reviewer, history, known = Reviewer(dice, misses), History(), ()
    before: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for report in range(10):
        head = history.commit(files)
        changed = [p for p in files if before.get(p) != files[p]]
        skip = {p for p in changed if dice.random() < 0.2}
        shown = {
            p: choose_lines(files[p], "python", hunks(before[p], files[p]))
            if length and p in before
            else range(1, 10**6)
            for p in changed
            if p not in skip
        }
        reviewed = {p: reviewer(files[p], lines) for p, lines in shown.items()}
        ranges = {
            (p, blob_of(files[p])): format_ranges(lines)
            for p, lines in shown.items()
            if isinstance(lines, set)
        }
        result = history.report(head, reviewed, known, renamed=renamed, shown_lines=ranges)
        known = after(result)
        assert max(open_places(known).values(), default=1) == 1
        open_now = {
            (k.anchor.path, k.anchor.start_line)
            for k in known
            if k.state in OPEN_STATES
            and k.state is not FindingState.RECHECKING
            and k.anchor.path not in skip
        }
        assert open_now <= bugs(files)
        if not misses:
            assert {b for b in bugs(files) if b[0] in reviewed} <= open_now
        before = {p: t for p, t in files.items() if p not in skip}
        files, renamed = edit(dice, files, report + 1)
        before = {renamed.get(p, p): t for p, t in before.items()}


# The first run: over `first-run-limit` the worst is reported.

MANY = [function(f"f{n}", f"x = {n}", f"crash({n})", "return x") for n in range(60)]
LEVELS = list(Severity)


def crashes(parts: Sequence[str], severities: Sequence[Severity]) -> list[RawFinding]:
    lines = "".join(parts).splitlines()
    return [
        raw(f"crash({n})", lines.index(f"    crash({n})") + 1, severity=severity)
        for n, severity in enumerate(severities)
    ]


def first_run(text: str, **values) -> FirstRunPolicy:
    return FirstRunPolicy(find_files=lambda: frozenset({("a.py", blob_of(text))}), **values)


@given(
    st.lists(st.sampled_from(LEVELS), max_size=60),
    st.integers(0, 70),
    st.integers(0, 70),
    st.booleans(),
)
def test_a_first_run_over_the_limit_reports_ten_and_all_severe_ones(
    severities, limit, before, is_first
):
    history = History()
    text = "".join(MANY)
    commit = history.commit({"a.py": text})
    baselined = {f"{n:016x}": blob_of("old") for n in range(before)}
    policy = first_run(text if is_first else "", limit=limit, baselined=baselined)
    result = history.report(commit, {"a.py": crashes(MANY, severities)}, first_run=policy)
    shown = [s.tracked.severity for s in result.statuses]
    left_out = [h.severity for h in result.held_back]
    if not (limit and is_first) or len(severities) + before <= limit:
        assert (len(shown), left_out) == (len(severities), [])
        return
    severe = [s for s in severities if s in (Severity.CRITICAL, Severity.HIGH)]
    assert [s for s in shown if s in severe] == sorted(severe, key=LEVELS.index)
    assert len(shown) == max(min(10, len(severities)), len(severe))
    assert all(LEVELS.index(a) <= LEVELS.index(b) for a in shown for b in left_out)
    assert {h.reason for h in result.held_back} <= {"first-run-limit"}
    assert set(result.baselined.values()) <= {blob_of(text)}
    assert len(result.baselined) == len(left_out)


@pytest.mark.parametrize(
    ("change", "severity", "shown"),
    [
        pytest.param(lambda t: t, "low", [], id="same-content"),
        pytest.param(lambda t: "# new\n\n" + t, "low", [], id="lines-above"),
        pytest.param(lambda t: t.replace("x = 5\n", "x = 50\n"), "low", [5], id="its-function"),
        pytest.param(lambda t: t.replace("return x", "return 0", 1), "low", [0], id="first"),
        pytest.param(lambda t: "# new\n" + t.replace("x = 7\n", "y = 7\n"), "low", [7], id="both"),
        pytest.param(lambda t: t.replace("    x = 5\n", ""), "low", [5], id="line-removed"),
        pytest.param(lambda t: t, "high", list(range(12)), id="severe-now"),
    ],
)
def test_what_a_first_run_left_out_is_new_once_its_code_changes(change, severity, shown):
    history = History()
    parts = MANY[:12]
    text = "".join(parts)
    commit = history.commit({"a.py": text})
    low = [Severity.LOW] * 12
    policy = first_run(text, limit=1, baselined={"0" * 16: blob_of("")})
    known = [f.tracked for f in history.report(commit, {"a.py": crashes(parts, low)}).statuses]
    first = history.report(commit, {"a.py": crashes(parts, low)}, first_run=policy)
    assert len(first.baselined) == 2
    everything = {tracked.fingerprint: blob_of(text) for tracked in known}
    later = history.commit({"a.py": change(text)})
    lines = change(text).splitlines(keepends=True)
    answers = {"a.py": crashes(lines, [Severity(severity)] * 12)}
    policy = FirstRunPolicy(limit=1, baselined=everything)
    result = history.report(later, answers, first_run=policy)
    reported = {s.finding.texts.read().evidence.strip() for s in result.statuses if s.finding}
    assert reported == {f"crash({n})" for n in shown}
    assert all(s.tracked.state is FindingState.NEW for s in result.statuses)
    assert len(result.held_back) == 12 - len(shown)
    # Without a limit nothing is held back.
    assert len(history.report(later, answers).statuses) == 12


def test_hidden_security_findings_neither_count_nor_are_left_out():
    history = History()
    text = "".join(MANY)
    commit = history.commit({"a.py": text})
    found = [replace(f, security=n % 2 == 0) for n, f in enumerate(crashes(MANY, LEVELS[3:] * 60))]
    for hides_security, limit, left_out in ((True, 30, 0), (True, 29, 20), (False, 30, 50)):
        policy = first_run(text, limit=limit)
        result = history.report(
            commit, {"a.py": found}, first_run=policy, hides_security=hides_security
        )
        assert len(result.baselined) == left_out
        assert not (hides_security and any(held.security for held in result.held_back))


def test_a_muted_rule_keeps_what_is_open_and_what_is_severe_or_about_security():
    history = History()
    commit = history.commit({"a.py": "".join(MANY)})
    low = [replace(f, rule="Bad Rule") for f in crashes(MANY, [Severity.LOW] * 4)]
    severe = replace(low[1], severity=Severity.HIGH)
    secret = replace(low[2], security=True)
    other = replace(low[3], rule="another")
    first = history.report(commit, {"a.py": low[:1]})
    known = [status.tracked for status in first.statuses]
    for muted, count in ((frozenset({"bad-rule"}), 3), (frozenset(), 4)):
        thresholds = Thresholds(muted_rules=muted)
        for before, answers in (
            (known, [low[0], severe, secret]),
            ((), [low[0], severe, secret, other]),
        ):
            result = history.report(commit, {"a.py": answers}, before, thresholds=thresholds)
            assert len(result.statuses) == (3 if before else count)
            assert {held.reason for held in result.held_back} <= {"muted"}
