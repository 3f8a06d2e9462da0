"""The life of a finding, over small histories of plain files."""

import difflib
import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.findings.anchoring import anchor_all
from batch_action.findings.lifecycle import reconcile
from batch_action.findings.line_map import estimate_lines, build_line_map, map_lines
from batch_action.models.files import Hunk
from batch_action.models.findings import (
    BatchAnswers,
    Confidence,
    Finding,
    FindingState,
    LineMap,
    RawFinding,
    Reconciliation,
    ReviewedFile,
    Severity,
    Thresholds,
    TrackedFinding,
)

LIVE = (FindingState.NEW, FindingState.OPEN, FindingState.RECHECKING, FindingState.BACK)


def blob_of(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def hunks(old: str, new: str) -> LineMap:
    a, b = old.splitlines(), new.splitlines()
    found = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            # As git counts: an empty side names the line before it.
            found.append(
                Hunk(
                    old_start=i + (j > i),
                    old_lines=j - i,
                    new_start=k + (m > k),
                    new_lines=m - k,
                )
            )
    return build_line_map(found)


@dataclass
class World:
    """Commits of plain files, and what a review of them says."""

    commits: list[dict[str, str]] = field(default_factory=list)

    def commit(self, files: Mapping[str, str]) -> str:
        self.commits.append(dict(files))
        return f"{len(self.commits):040x}"

    def files(self, commit: str) -> dict[str, str]:
        return self.commits[int(commit, 16) - 1]

    def findings(
        self, commit: str, path: str, remarks: Iterable[RawFinding]
    ) -> tuple[Finding, ...]:
        text = self.files(commit)[path]
        found, discarded = anchor_all(
            remarks, task="t", path=path, text=text, blob=blob_of(text), commit=commit
        )
        assert discarded == 0
        return found

    def batch_answers(
        self,
        commit: str,
        reviewed: Mapping[str, Sequence[RawFinding]],
        known: Sequence[TrackedFinding] = (),
        *,
        head: str | None = None,
        renamed: Mapping[str, str] | None = None,
        **more,
    ) -> BatchAnswers:
        """What `steps.placing` makes of it: all maps between all blobs of all commits."""
        now = self.files(head or commit)
        texts = {blob_of(t): t for files in self.commits for t in files.values()}
        count = len(self.commits)
        ids = [f"{n + 1:040x}" for n in range(count)]
        return BatchAnswers(
            task="t",
            commit=head or commit,
            reviewed=tuple(
                ReviewedFile(path=p, blob=blob_of(self.files(commit)[p]), commit=commit)
                for p in reviewed
            ),
            findings=tuple(f for p, r in reviewed.items() for f in self.findings(commit, p, r)),
            current_blobs={path: blob_of(text) for path, text in now.items()},
            renames=dict(renamed or {}),
            line_maps={(a, b): hunks(texts[a], texts[b]) for a in texts for b in texts if a != b},
            descendants=frozenset((a, b) for a in ids for b in ids if a < b),
            **more,
        )

    def report(
        self, commit, reviewed, known: Sequence[TrackedFinding] = (), **more
    ) -> Reconciliation:
        return check(known, self.batch_answers(commit, reviewed, known, **more))


def check(known: Sequence[TrackedFinding], batch_answers: BatchAnswers) -> Reconciliation:
    """Reconciles and asserts the laws that hold for every night."""
    result = reconcile(known, batch_answers)
    prints = [s.tracked.fingerprint for s in result.statuses]
    assert len(prints) == len(set(prints))
    assert {k.fingerprint for k in known} <= set(prints)
    spoken = [s.finding for s in result.statuses if s.finding] + list(result.dropped)
    assert len(spoken) + sum(count for _, count in result.below_threshold) == len(batch_answers.findings)
    again = reconcile(after(result), batch_answers)
    assert {s.tracked.fingerprint for s in again.statuses} == set(prints)
    assert not any(s.changed for s in again.statuses)
    assert [s.tracked.anchor for s in again.statuses] == [s.tracked.anchor for s in result.statuses]
    told = reconcile(after(result), replace(batch_answers, republished=True))
    if not {k.state for k in known} & {FindingState.NEW, FindingState.BACK, FindingState.FIXED}:
        assert [(s.tracked, s.changed) for s in told.statuses] == [
            (s.tracked, s.changed) for s in result.statuses
        ]
    return result


def after(result: Reconciliation) -> tuple[TrackedFinding, ...]:
    return tuple(s.tracked for s in result.statuses)


def states(result: Reconciliation) -> list[str]:
    return [s.tracked.state.name for s in result.statuses]


def says(evidence: str, line: int = 1, category: str = "bug", **more) -> RawFinding:
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
    text: str = BAD + FAR, *remarks: RawFinding
) -> tuple[World, tuple[TrackedFinding, ...], str]:
    ctx = World()
    first = ctx.commit({"a.py": text})
    result = ctx.report(first, {"a.py": remarks or [says("crash(a)")]})
    assert set(states(result)) == {"NEW"}
    return ctx, after(result), first


def test_untouched_stays_open_whatever_the_model_forgets():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": BAD + FAR + GOOD})
    result = ctx.report(head, {"a.py": []}, known)
    assert states(result) == ["OPEN"]
    assert result.statuses[0].tracked.anchor.commit == head


def test_untouched_and_unreviewed_moves_with_its_lines():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": "import os\n\n" + BAD + FAR})
    (standing,) = ctx.report(head, {}, known).statuses
    assert standing.tracked.state is FindingState.OPEN
    assert standing.tracked.anchor.start_line == known[0].anchor.start_line + 2


def test_touched_is_being_rechecked_until_a_verdict():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": FIXED + FAR})
    result = ctx.report(head, {}, known)
    assert states(result) == ["RECHECKING"]
    later = ctx.report(head, {"a.py": []}, after(result))
    assert states(later) == ["FIXED"]
    assert later.statuses[0].note == f"fixed in {head[:7]}"
    assert later.statuses[0].changed


def test_an_earlier_verdict_on_the_same_content_counts():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": FIXED + FAR})
    verdicts = frozenset({("a.py", blob_of(FIXED + FAR))})
    assert states(ctx.report(head, {}, known, reviewed_before=verdicts)) == ["FIXED"]


@pytest.mark.parametrize(
    "text",
    [
        BAD.replace("crash(a)", "crash(a, 1)") + FAR,
        "import os\n" + BAD.replace("a = 1", "a = 2") + FAR,
        BAD.replace("    crash(a)", "    if a:\n        crash( a )") + FAR,
    ],
)
def test_touched_and_reported_again_is_the_same_finding(text):
    ctx, known, _ = start()
    head = ctx.commit({"a.py": text})
    evidence = next(line for line in text.splitlines() if "crash" in line)
    again = says(evidence, title="worded anew", rule="other")
    (standing,) = ctx.report(head, {"a.py": [again]}, known).statuses
    assert standing.tracked.fingerprint == known[0].fingerprint
    assert standing.tracked.state is FindingState.OPEN
    assert standing.tracked.title == "t"
    assert standing.tracked.anchor.commit == head


def test_a_fix_that_only_adds_code_is_noticed():
    ctx, known, _ = start(function("leak", "h = open()", "use(h)") + FAR, says("h = open()"))
    text = function("leak", "h = open()", "use(h)", "h.close()") + FAR
    assert states(ctx.report(ctx.commit({"a.py": text}), {"a.py": []}, known)) == ["FIXED"]


def test_deleted_files_fix_and_moved_code_moves():
    ctx, known, _ = start()
    gone = ctx.commit({"b.py": GOOD})
    assert states(ctx.report(gone, {}, known)) == ["FIXED"]
    ctx, known, _ = start()
    head = ctx.commit({"a.py": FAR, "b.py": GOOD + BAD})
    reviewed = {"a.py": [], "b.py": [says("crash(a)")]}
    (standing,) = ctx.report(head, reviewed, known).statuses
    assert (standing.tracked.state, standing.tracked.anchor.path) == (FindingState.OPEN, "b.py")
    assert standing.tracked.fingerprint == known[0].fingerprint


def test_moved_inside_its_file():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": FAR + BAD})
    (standing,) = ctx.report(head, {"a.py": [says("crash(a)")]}, known).statuses
    assert standing.tracked.state is FindingState.OPEN


def test_functions_that_change_places_keep_their_findings():
    other = function("other", "b = 2", "break_it(b)", "return b")
    ctx, known, _ = start(BAD + FAR + other)
    head = ctx.commit({"a.py": other + FAR + BAD})
    reviewed = {"a.py": [says("break_it(b)"), says("crash(a)")]}
    result = ctx.report(head, reviewed, known)
    found = {s.tracked.fingerprint: s.finding.evidence.strip() for s in result.statuses}
    assert sorted(states(result)) == ["NEW", "OPEN"]
    assert found[known[0].fingerprint] == "crash(a)"


def test_what_stands_where_moved_code_was_is_another_finding():
    ctx, known, _ = start()
    other = function("other", "b = 2", "break_it(b)", "return b")
    head = ctx.commit({"a.py": other + FAR, "b.py": BAD})
    reviewed = {"a.py": [says("break_it(b)")], "b.py": [says("crash(a)")]}
    result = ctx.report(head, reviewed, known)
    (moved,) = (s for s in result.statuses if s.tracked.fingerprint == known[0].fingerprint)
    assert sorted(states(result)) == ["NEW", "OPEN"]
    assert moved.tracked.anchor.path == "b.py"


def test_an_older_batch_does_not_bear_again_what_a_newer_one_closed_elsewhere_in_its_file():
    ctx, known, _ = start()
    old = ctx.commit({"a.py": FAR + BAD.replace("a = 1", "a = 7")})
    newer = ctx.commit({"a.py": FAR + BAD.replace("a = 1", "a = 7") + GOOD})
    closed = after(ctx.report(newer, {"a.py": []}, known))
    assert [k.state for k in closed] == [FindingState.FIXED]
    late = ctx.report(old, {"a.py": [says("crash(a)")]}, closed, head=newer)
    assert states(late) == ["FIXED"]
    again = ctx.report(newer, {"a.py": [says("crash(a)")]}, after(late))
    assert states(again) == ["BACK"]


def test_an_older_batch_speaks_for_content_that_is_back():
    ctx, known, _ = start()
    old = ctx.commit({"a.py": BAD.replace("a = 1", "a = 7") + FAR})
    middle = ctx.commit({"a.py": BAD.replace("a = 1", "a = 8") + FAR})
    closed = after(ctx.report(middle, {"a.py": []}, known))
    assert [k.state for k in closed] == [FindingState.FIXED]
    # An edit is taken back: what the older batch has seen is what is there.
    head = ctx.commit({"a.py": BAD.replace("a = 1", "a = 7") + FAR})
    late = ctx.report(old, {"a.py": [says("crash(a)")]}, closed, head=head)
    assert states(late) == ["BACK"]


def test_two_that_came_to_be_about_the_same_lines_are_one():
    # Moved code, quoted otherwise where it arrived, was told twice while its old file waited.
    ctx, known, _ = start(BAD, says("    a = 1\n    crash(a)"))
    head = ctx.commit({"a.py": GOOD, "b.py": BAD})
    twice = after(ctx.report(head, {"b.py": [says("crash(a)")]}, known))
    assert sorted(k.state.name for k in twice) == ["NEW", "RECHECKING"]
    # Then the new file takes the old one's name.
    head = ctx.commit({"a.py": BAD})
    renamed = {"b.py": "a.py"}
    result = ctx.report(head, {}, twice, renamed=renamed)
    assert sorted(states(result)) == ["FIXED", "OPEN"]
    (closed,) = (s for s in result.statuses if s.tracked.state is FindingState.FIXED)
    (told,) = (s for s in result.statuses if s.tracked.state is FindingState.OPEN)
    assert (closed.note, closed.changed) == (f"reported as {told.tracked.fingerprint[:8]}", False)
    later = ctx.report(head, {"a.py": [says("crash(a)")]}, after(result))
    assert sorted(states(later)) == ["FIXED", "OPEN"]
    # Nor does the other one come back when this one is closed while the code stays as it is.
    seen = ctx.report(head, {"a.py": [says("crash(a)")]}, twice, renamed=renamed)
    assert sorted(states(seen)) == ["FIXED", "OPEN"]
    asked = frozenset(
        s.tracked.fingerprint for s in seen.statuses if s.tracked.state is FindingState.OPEN
    )
    closed_too = ctx.report(head, {"a.py": []}, after(seen), recheck_answered=asked)
    assert states(closed_too) == ["FIXED", "FIXED"]
    assert states(ctx.report(head, {}, after(closed_too))) == ["FIXED", "FIXED"]
    # What a person dismissed is not told under the other's name.
    for one in twice:
        dismissed = frozenset({one.fingerprint})
        result = ctx.report(head, {}, twice, renamed=renamed, dismissed=dismissed)
        found = {s.tracked.fingerprint: s.tracked.state for s in result.statuses}
        assert found.pop(one.fingerprint) is FindingState.DISMISSED
        assert [*found.values()] == [FindingState.FIXED]


def test_moved_away_beside_an_edit():
    body = function("near", "b = 2", "return b") + BAD
    ctx, known, _ = start(body + FAR)
    head = ctx.commit({"a.py": function("near", "b = 2", "return b, 1") + FAR, "b.py": BAD})
    (standing,) = ctx.report(head, {"b.py": [says("crash(a)")]}, known).statuses
    assert (standing.tracked.state, standing.tracked.anchor.path) == (FindingState.OPEN, "b.py")


def test_a_twin_that_is_put_in_between_is_another_finding():
    # As a differ may see it: the new function begins in the middle of the old one.
    twin = BAD.replace("bad", "bad2")
    at = len(FAR.splitlines())
    quoted, otherwise = "    a = 1\n    crash(a)", "    crash(a)\n    return a"
    ctx, known, _ = start(FAR + BAD, says(quoted, at + 2))
    head = ctx.commit({"a.py": FAR + twin + BAD})
    batch_answers = ctx.batch_answers(
        head,
        {"a.py": [says(otherwise, at + 3), says(quoted, at + 2 + len(twin.splitlines()))]},
        known,
    )
    blobs = blob_of(FAR + BAD), blob_of(FAR + twin + BAD)
    split = LineMap(hunks=((at + 2, 0, at + 3, len(twin.splitlines())),))
    result = check(known, replace(batch_answers, line_maps={**batch_answers.line_maps, blobs: split}))
    found = {s.tracked.state: s.tracked.anchor.start_line for s in result.statuses}
    assert found == {FindingState.NEW: at + 3, FindingState.OPEN: at + 2 + len(twin.splitlines())}


def test_renames_carry_the_finding():
    ctx, known, _ = start()
    head = ctx.commit({"new.py": BAD + FAR})
    renamed = {"a.py": "new.py"}
    (standing,) = ctx.report(head, {}, known, renamed=renamed).statuses
    assert (standing.tracked.state, standing.tracked.anchor.path) == (FindingState.OPEN, "new.py")


def test_excluded_and_given_up_stay_open_marked_so():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": FIXED + FAR})
    excluded = {"a.py": "given up"}
    (standing,) = ctx.report(head, {}, known, excluded=excluded).statuses
    assert (standing.tracked.state, standing.note) == (FindingState.OPEN, "given up")


def test_twins_are_told_apart_by_place():
    twins = BAD + FAR + BAD.replace("bad", "bad2")
    ctx, known, _ = start(twins, says("crash(a)", 3), says("crash(a)", 30))
    assert len(known) == 2
    head = ctx.commit({"a.py": FIXED + FAR + BAD.replace("bad", "bad2")})
    result = ctx.report(head, {"a.py": [says("crash(a)", 30)]}, known)
    assert sorted(states(result)) == ["FIXED", "OPEN"]


def test_a_twin_added_above_is_new_and_the_old_one_stays():
    ctx, known, _ = start(FAR + BAD, says("crash(a)"))
    head = ctx.commit({"a.py": BAD.replace("bad", "bad0") + FAR + BAD})
    reviewed = {"a.py": [says("crash(a)", 3), says("crash(a)", 33)]}
    result = ctx.report(head, reviewed, known)
    assert sorted(states(result)) == ["NEW", "OPEN"]


def test_an_older_batch_changes_nothing_a_newer_one_set():
    ctx, _, old = start()
    middle = ctx.commit({"a.py": FAR})
    head = ctx.commit({"a.py": BAD + FAR + GOOD})
    known = after(ctx.report(head, {"a.py": [says("crash(a)")]}))
    late = ctx.report(middle, {"a.py": []}, known, head=head)
    assert states(late) == ["OPEN"]
    late = ctx.report(old, {"a.py": [says("crash(a)")]}, known, head=head)
    assert states(late) == ["OPEN"]
    fixed_at = ctx.commit({"a.py": FIXED + FAR})
    fixed = after(ctx.report(fixed_at, {"a.py": []}, known))
    late = ctx.report(old, {"a.py": [says("crash(a)")]}, fixed, head=fixed_at)
    assert states(late) == ["FIXED"]


def test_a_finding_on_content_that_changed_since_is_held():
    ctx = World()
    old = ctx.commit({"a.py": BAD + FAR})
    head = ctx.commit({"a.py": FIXED + FAR})
    result = ctx.report(
        old, {"a.py": [says("crash(a)"), says("return x5", category="x")]}, head=head
    )
    assert [s.tracked.category for s in result.statuses] == ["x"]
    assert len(result.dropped) == 1


def test_a_verdict_in_between_settles_what_is_touched_again():
    ctx, known, _ = start()
    middle = ctx.commit({"a.py": FIXED + FAR})
    head = ctx.commit({"a.py": FIXED.replace("check", "check2") + FAR})
    (standing,) = ctx.report(middle, {"a.py": []}, known, head=head).statuses
    assert (standing.tracked.state, standing.tracked.closing_commit) == (FindingState.FIXED, middle)


def test_a_verdict_in_between_settles_although_a_twin_stands_by():
    twin = BAD.replace("bad", "twin")
    ctx, known, _ = start(BAD + FAR + twin, says("crash(a)", 3), says("crash(a)", 32))
    assert len(known) == 2
    middle = ctx.commit({"a.py": FIXED + FAR + twin})
    head = ctx.commit({"a.py": FIXED.replace("check", "check2") + FAR + twin})
    result = ctx.report(middle, {"a.py": [says("crash(a)", 32)]}, known, head=head)
    assert sorted(states(result)) == ["FIXED", "OPEN"]


def test_wrongly_closed_comes_back():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": BAD.replace("a = 1", "a = 2") + FAR})
    fixed = after(ctx.report(head, {"a.py": []}, known))
    assert fixed[0].state is FindingState.FIXED
    later = ctx.commit({"a.py": BAD.replace("a = 1", "a = 3") + FAR})
    (standing,) = ctx.report(later, {"a.py": [says("crash(a)")]}, fixed).statuses
    assert (standing.tracked.state, standing.changed) == (FindingState.BACK, True)
    assert (standing.tracked.closed_on, standing.tracked.closing_commit) == ("", "")
    assert states(ctx.report(later, {}, (standing.tracked,))) == ["OPEN"]


def test_a_reverted_fix_is_back_without_a_new_verdict():
    ctx, known, _ = start()
    fixed = after(ctx.report(ctx.commit({"a.py": FIXED + FAR}), {"a.py": []}, known))
    assert states(ctx.report(ctx.commit({"a.py": BAD + FAR}), {}, fixed)) == ["BACK"]


def test_dismissed_is_never_reported_again():
    ctx, known, first = start()
    dismissed = frozenset({known[0].fingerprint})
    result = ctx.report(first, {"a.py": [says("crash(a)")]}, known, dismissed=dismissed)
    assert states(result) == ["DISMISSED"]
    known = after(result)
    for text in (BAD.replace("crash(a)", "crash(a, 2)") + FAR, FAR + BAD, FIXED + FAR):
        head = ctx.commit({"a.py": text})
        evidence = [line for line in text.splitlines() if "crash" in line]
        reviewed = {"a.py": [says(line) for line in evidence]}
        assert states(ctx.report(head, reviewed, known)) == ["DISMISSED"]
    head = ctx.commit({"b.py": BAD})
    assert states(ctx.report(head, {"b.py": [says("crash(a)")]}, known)) == ["DISMISSED"]


def test_dismissed_in_another_destination_is_not_even_born():
    ctx = World()
    head = ctx.commit({"a.py": BAD})
    (finding,) = ctx.findings(head, "a.py", [says("crash(a)")])
    dismissed = frozenset({finding.fingerprint})
    result = ctx.report(head, {"a.py": [says("crash(a)")]}, dismissed=dismissed)
    assert states(result) == ["DISMISSED"]


# Noise: what is held back, what is accepted, what a person wants to be looked at again.


@pytest.mark.parametrize(
    ("bar", "said", "below"),
    [
        (Thresholds(), {}, ()),
        (Thresholds(severity=Severity.HIGH), {}, ()),
        (Thresholds(severity=Severity.CRITICAL), {}, (("min-severity", 1),)),
        (Thresholds(severity=Severity.MEDIUM), {"severity": Severity.LOW}, (("min-severity", 1),)),
        (Thresholds(confidence=Confidence.HIGH), {}, ()),
        (
            Thresholds(confidence=Confidence.MEDIUM),
            {"confidence": Confidence.LOW},
            (("min-confidence", 1),),
        ),
        # Counted once, by what holds it back first.
        (
            Thresholds(severity=Severity.HIGH, confidence=Confidence.HIGH),
            {"severity": Severity.LOW, "confidence": Confidence.LOW},
            (("min-severity", 1),),
        ),
    ],
)
def test_what_is_under_the_bar_is_counted_and_not_born(bar, said, below):
    ctx = World()
    first = ctx.commit({"a.py": BAD})
    result = ctx.report(first, {"a.py": [says("crash(a)", **said)]}, thresholds=bar)
    assert result.below_threshold == below
    assert states(result) == ([] if below else ["NEW"])


def test_what_is_known_lives_on_under_a_bar_that_was_raised():
    ctx, known, first = start()
    bar = Thresholds(severity=Severity.CRITICAL)
    result = ctx.report(first, {"a.py": [says("crash(a)")]}, known, thresholds=bar)
    assert (states(result), result.below_threshold) == (["OPEN"], ())
    fixed = ctx.report(ctx.commit({"a.py": FIXED}), {"a.py": []}, known, thresholds=bar)
    assert states(fixed) == ["FIXED"]


def test_the_baseline_accepts_until_it_is_taken_back():
    ctx, known, first = start()
    baseline = frozenset({known[0].fingerprint})
    result = ctx.report(first, {"a.py": [says("crash(a)")]}, known, baseline=baseline)
    assert (states(result), result.statuses[0].tracked.ignored_by) == (["IGNORED"], "baseline")
    assert not result.statuses[0].changed
    # It is the same one after an edit around it, and elsewhere too.
    for text in ("import os\n\n" + BAD, FAR + BAD.replace("crash(a)", "crash(a, 1)")):
        head = ctx.commit({"a.py": text})
        line = next(line for line in text.splitlines() if "crash" in line)
        result = ctx.report(head, {"a.py": [says(line)]}, after(result), baseline=baseline)
        assert states(result) == ["IGNORED"]
    (standing,) = ctx.report(head, {}, after(result)).statuses
    assert (standing.tracked.state, standing.changed) == (FindingState.NEW, True)


def test_what_the_baseline_accepts_is_not_even_born():
    ctx = World()
    head = ctx.commit({"a.py": BAD})
    (finding,) = ctx.findings(head, "a.py", [says("crash(a)")])
    baseline = frozenset({finding.fingerprint})
    result = ctx.report(head, {"a.py": [says("crash(a)")]}, baseline=baseline)
    assert states(result) == ["IGNORED"]
    fixed = ctx.report(ctx.commit({"a.py": FIXED}), {"a.py": []}, after(result))
    assert states(fixed) == ["FIXED"]
    assert not fixed.statuses[0].changed, "nobody was told of it"


COMMENT = function("bad", "a = 1", "# batch-action: ignore[bug] it must", "crash(a)", "return a")


def test_a_comment_accepts_while_it_stands():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": COMMENT + FAR})
    assert states(ctx.report(head, {}, known)) == ["RECHECKING"]
    result = ctx.report(head, {"a.py": [says("crash(a)")]}, known)
    (standing,) = result.statuses
    assert (standing.tracked.state, standing.tracked.ignored_by) == (
        FindingState.IGNORED,
        "comment",
    )
    assert (standing.tracked.ignore_reason, standing.changed) == ("it must", False)
    # A verdict that forgets it, and one on other lines, leave it accepted.
    quiet = ctx.report(ctx.commit({"a.py": COMMENT + GOOD}), {"a.py": []}, after(result))
    assert [(s.tracked.state, s.tracked.ignore_reason) for s in quiet.statuses] == [
        (FindingState.IGNORED, "it must")
    ]
    taken_back = ctx.commit({"a.py": BAD + GOOD})
    waiting = ctx.report(taken_back, {}, after(quiet))
    assert states(waiting) == ["IGNORED"]
    (standing,) = ctx.report(taken_back, {"a.py": [says("crash(a)")]}, after(waiting)).statuses
    assert (standing.tracked.state, standing.changed) == (FindingState.NEW, True)
    mended = ctx.report(ctx.commit({"a.py": GOOD}), {"a.py": []}, after(quiet))
    assert [(s.tracked.state, s.changed) for s in mended.statuses] == [(FindingState.FIXED, False)]


def test_what_a_person_asks_to_look_at_waits_for_its_answer():
    ctx, known, first = start()
    asked = frozenset({known[0].fingerprint})
    waiting = ctx.report(first, {}, known, recheck_requested=asked)
    assert states(waiting) == ["RECHECKING"]
    assert waiting.statuses[0].note == "requested by a person"
    # Reported again it is open; not reported it is fixed, though nothing has changed.
    still = ctx.report(first, {"a.py": [says("crash(a)")]}, after(waiting), recheck_answered=asked)
    assert (states(still), still.statuses[0].changed) == (["OPEN"], False)
    gone = ctx.report(first, {"a.py": []}, after(waiting), recheck_answered=asked)
    assert (states(gone), gone.statuses[0].changed) == (["FIXED"], True)
    assert gone.statuses[0].note.startswith("not reported again when re-checked in")
    quiet = ctx.report(first, {}, after(gone))
    assert (states(quiet), quiet.statuses[0].changed) == (["FIXED"], False)
    back = ctx.report(first, {"a.py": [says("crash(a)")]}, after(quiet))
    assert states(back) == ["BACK"]


def test_a_wish_does_not_hold_up_what_is_known_already():
    ctx, known, _ = start()
    asked = frozenset({known[0].fingerprint})
    head = ctx.commit({"a.py": FIXED + FAR})
    assert states(ctx.report(head, {"a.py": []}, known, recheck_requested=asked)) == ["FIXED"]
    deleted = ctx.commit({"b.py": GOOD})
    (standing,) = ctx.report(deleted, {}, known, recheck_answered=asked).statuses
    assert (standing.tracked.state, standing.note) == (
        FindingState.FIXED,
        f"file deleted in {deleted[:7]}",
    )
    dismissed = ctx.report(head, {}, known, dismissed=asked, recheck_requested=asked)
    assert states(dismissed) == ["DISMISSED"]


def test_two_categories_on_the_same_lines_are_two_findings():
    ctx, known, first = start(BAD, says("crash(a)"), says("crash(a)", category="style"))
    assert len({k.fingerprint for k in known}) == 2
    result = ctx.report(
        first, {"a.py": [says("crash(a)"), says("crash(a)", category="style")]}, known
    )
    assert states(result) == ["OPEN", "OPEN"]


def test_whole_file_findings_are_rechecked_when_anything_changes():
    license_ = says("", category="license", whole_file=True)
    ctx, known, _ = start(BAD + FAR, license_)
    head = ctx.commit({"a.py": BAD + FAR + GOOD})
    assert states(ctx.report(head, {}, known)) == ["RECHECKING"]
    assert states(ctx.report(head, {"a.py": [license_]}, known)) == ["OPEN"]
    assert states(ctx.report(head, {"a.py": []}, known)) == ["FIXED"]


def test_a_map_that_cannot_be_had_counts_as_touched():
    ctx, known, _ = start()
    head = ctx.commit({"a.py": BAD + FAR + GOOD})
    batch_answers = replace(ctx.batch_answers(head, {}, known), line_maps={})
    assert states(reconcile(known, batch_answers)) == ["RECHECKING"]


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
    moved = LineMap(hunks=tuple(changed))
    assert map_lines(moved, lines) == carried
    assert estimate_lines(moved, lines) == about


texts = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=12)


@given(texts, texts, st.data())
def test_what_is_carried_reads_the_same(old, new, data):
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
    """Reports the lines that say BUG: rewords always, forgets sometimes."""

    def __init__(self, dice: random.Random, forgets: float) -> None:
        self.dice, self.forgets = dice, forgets

    def __call__(self, text: str) -> list[RawFinding]:
        return [
            says(line, number, title=f"t{self.dice.random()}", rule=f"r{self.dice.random()}")
            for number, line in enumerate(text.splitlines(), start=1)
            if "BUG" in line and self.dice.random() >= self.forgets
        ]


def edit(dice: random.Random, files: dict[str, str], report: int) -> tuple[dict[str, str], dict]:
    """One night's commit: bugs added, fixed, moved; functions added above; files renamed."""
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


def live_places(known: Iterable[TrackedFinding]) -> Counter:
    # The place of one that is being re-checked is that of older content.
    settled = [k for k in known if k.state in LIVE and k.state is not FindingState.RECHECKING]
    return Counter((k.anchor.path, k.anchor.start_line) for k in settled)


def bugs(files: Mapping[str, str]) -> set[tuple[str, int]]:
    return {
        (path, number)
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if "BUG" in line
    }


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([0.0, 0.3]))
def test_nights(seed, forgets):
    """No duplicates, no zombies; with an honest reviewer exactly the bugs there are."""
    dice = random.Random(seed)
    body = "def {0}():\n    a = 1\n    {1}\n    return a"
    files = {
        f"{p}.py": "\n\n\n".join(
            body.format(f"{p}{n}", "BUG(0)" if n % 3 == 0 else "c = a") for n in range(6)
        )
        for p in "abc"
    }
    reviewer, ctx, known = Reviewer(dice, forgets), World(), ()
    before: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for report in range(10):
        head = ctx.commit(files)
        changed = [p for p in files if before.get(p) != files[p]]
        skip = {p for p in changed if dice.random() < 0.2}
        reviewed = {p: reviewer(files[p]) for p in changed if p not in skip}
        result = ctx.report(head, reviewed, known, renamed=renamed)
        known = after(result)
        assert max(live_places(known).values(), default=1) == 1
        open_now = {
            (k.anchor.path, k.anchor.start_line)
            for k in known
            if k.state in LIVE
            and k.state is not FindingState.RECHECKING
            and k.anchor.path not in skip
        }
        assert open_now <= bugs(files)
        if not forgets:
            assert {b for b in bugs(files) if b[0] in reviewed} <= open_now
        before = {p: t for p, t in files.items() if p not in skip}
        files, renamed = edit(dice, files, report + 1)
        before = {renamed.get(p, p): t for p, t in before.items()}
