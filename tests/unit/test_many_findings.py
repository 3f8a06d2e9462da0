"""Many findings in one file: merged and matched as by a plain comparison of all with all."""

from hypothesis import given
from hypothesis import strategies as st

from batch_action.findings.lines import LineIndex, overlap
from batch_action.findings.positions import merge_answers
from batch_action.models.findings import (
    Anchor,
    Confidence,
    Finding,
    FindingTexts,
    RawFinding,
    Severity,
)
from benchmarks import lifecycle
from tests.harness.cpu import assert_at_most

ranges = st.tuples(st.integers(1, 40), st.integers(0, 40)).map(lambda x: (x[0], x[0] + x[1]))


@st.composite
def findings(draw) -> Finding:
    first, last = draw(st.sampled_from([(1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (20, 40)]))
    path = draw(st.sampled_from(["a.py", "b.py"]))
    anchor = Anchor(
        path=path,
        blob="b" * 40,
        commit="c" * 40,
        start_line=first,
        end_line=last,
        scope_start=1,
        scope_end=50,
    )
    raw = RawFinding(
        rule=draw(st.sampled_from(["leak", "race"])),
        category=draw(st.sampled_from(["bug", "style"])),
        severity=draw(st.sampled_from(Severity)),
        confidence=Confidence.HIGH,
        start_line=first,
        end_line=last,
        evidence="",
        title=draw(st.text("ab", max_size=2)),
        explanation="",
        remediation="",
        whole_file=draw(st.booleans()),
    )
    texts = FindingTexts(raw=raw, evidence="", quoted=draw(st.sampled_from(["x=1", "y"])))
    return Finding.of(texts, fingerprint="f" * 16, anchor=anchor, evidence_digest="d" * 12)


def quoted(finding: Finding) -> str:
    return finding.texts.read().quoted


def severity(finding: Finding):
    rest = finding.anchor.start_line, finding.category, finding.rule, quoted(finding)
    return finding.severity.rank, list(Confidence).index(finding.confidence), *rest


def lines(finding: Finding) -> tuple[int, int]:
    return finding.anchor.start_line, finding.anchor.end_line


def place(finding: Finding):
    return finding.anchor.path, finding.category, finding.whole_file


def report(finding: Finding):
    return place(finding), finding.rule, quoted(finding), finding.anchor


def merged_plainly(answers: list[list[Finding]]) -> list[tuple[Finding, ...]]:
    """Compare each finding with all groups that there are."""
    groups: list[list[tuple[int, Finding]]] = []
    for number, answer in enumerate(answers):
        for finding in sorted(answer, key=severity):
            same = [
                group
                for group in groups
                if report(group[0][1]) == report(finding)
                or (
                    all(other != number for other, _ in group)
                    and place(group[0][1]) == place(finding)
                    and any(overlap(lines(x), lines(finding)) > 0 for _, x in group)
                )
            ]
            if same:
                max(
                    same,
                    key=lambda group, finding=finding: (
                        group[0][1].rule == finding.rule,
                        quoted(group[0][1]) == quoted(finding),
                        overlap(lines(group[0][1]), lines(finding)),
                    ),
                ).append((number, finding))
            else:
                groups.append([(number, finding)])
    merged = [tuple(sorted((x for _, x in group), key=severity)) for group in groups]
    return sorted(merged, key=lambda group: (*lines(group[0])[:1], severity(group[0])))


@given(st.lists(st.lists(findings(), max_size=5), max_size=4))
def test_answers_are_merged_as_by_comparing_all_with_all(answers):
    merged = merge_answers(answers)
    for path in ("a.py", "b.py"):
        own = [[x for x in answer if x.anchor.path == path] for answer in answers]
        found = [group for group in merged if group[0].anchor.path == path]
        assert sorted(found, key=repr) == sorted(merged_plainly(own), key=repr)


@given(st.lists(findings(), max_size=6))
def test_two_findings_of_one_answer_stay_two_unless_they_say_the_same(answer):
    assert len(merge_answers([answer])) == len(set(map(report, answer)))


@given(st.lists(st.tuples(st.sampled_from("ab"), ranges), max_size=12), ranges)
def test_values_are_found_by_any_line_that_they_share(entries, wanted):
    index: LineIndex[int] = LineIndex()
    for number, (where, about) in enumerate(entries):
        index.add(where, about, number)
    for where in "ab":
        expected = [
            n for n, (x, about) in enumerate(entries) if x == where and overlap(about, wanted) > 0
        ]
        assert index.at(where, wanted) == expected


def test_five_times_the_findings_in_one_file_cost_about_five_times():
    many, few = (
        (lambda: lifecycle.locate_and_reconcile(1_000)),
        (lambda: lifecycle.locate_and_reconcile(200)),
    )
    assert len(many().statuses) == 1_000
    assert_at_most(8, many, floor=few)
