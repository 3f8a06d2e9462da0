"""The scores of an evaluation: labels, findings and verdicts of known cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.commands.evaluate.scores import (
    CaseResult,
    Claim,
    Defect,
    compare,
    score,
)


def defect(line: int = 10, file: str = "a.py", last: int | None = None) -> Defect:
    return Defect(file=file, start_line=line, end_line=last or line, problem="wrong")


def claim(
    line: int, file: str = "a.py", *, name: str | None = None, anchored: bool = True
) -> Claim:
    return Claim(
        id=name or f"{file}:{line}",
        file=file,
        start_line=line,
        end_line=line,
        anchored=anchored,
        severity="high",
        rule="r",
        title="t",
        explanation="e",
    )


def case(name: str = "one", **values: object) -> CaseResult:
    return CaseResult(**({"name": name, "defects": (), "answered": ("a.py",)} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "at", "is_at"),
    [
        pytest.param((10, 10), (10, 10), True, id="the same line"),
        pytest.param((7, 7), (10, 12), True, id="three lines before"),
        pytest.param((6, 6), (10, 12), False, id="four lines before"),
        pytest.param((15, 15), (10, 12), True, id="three lines behind"),
        pytest.param((16, 20), (10, 12), False, id="four lines behind"),
        pytest.param((1, 99), (10, 12), True, id="around it"),
    ],
)
def test_a_finding_is_at_a_defect(found: tuple[int, int], at: tuple[int, int], is_at: bool) -> None:
    lines = {"start_line": found[0], "end_line": found[1]}
    assert claim(1).model_copy(update=lines).is_at(defect(at[0], last=at[1])) is is_at
    assert not claim(1, "b.py").model_copy(update=lines).is_at(defect(at[0], last=at[1]))


def test_all_numbers() -> None:
    cases = (
        case("two defects", defects=(defect(10), defect(50)), claims=(claim(11), claim(90))),
        case(
            "quoted what is not there",
            defects=(defect(10),),
            claims=(claim(10, anchored=False),),
            cost_usd=0.5,
        ),
        case("clean", claims=(claim(5), claim(6)), cost_usd=0.25),
        case("not answered", defects=(defect(1),), answered=(), cost_usd=0.0),
        case("clean, not answered", answered=()),
    )
    verdicts = {("clean", "a.py:5"): True, ("clean", "a.py:6"): False, ("gone", "a.py:1"): True}
    found = score(cases, verdicts)
    assert (found.found, found.defects, found.unanswered_defects) == (1, 3, 1)
    assert (found.anchored, found.findings) == (4, 5)
    assert (found.unlabelled, found.judged, found.right) == (3, 2, 1)
    assert (found.clean_cases, found.clean_findings) == (1, 1)
    assert found.cost_usd == found.usd_per_found == 0.75
    assert found.recall == pytest.approx(1 / 3)
    assert found.findings_per_clean_case == 1.0
    assert found.precision is None, "one has no verdict yet"
    judged = score(cases, verdicts | {("two defects", "a.py:90"): False})
    assert judged.precision == 0.5, "of four: one at a label, one that a person calls right"


def test_nothing_is_divided_by_zero_and_unknown_stays_unknown() -> None:
    empty = score([], {})
    assert (empty.recall, empty.anchored_share, empty.precision) == (None, None, None)
    assert (empty.usd_per_found, empty.findings_per_clean_case, empty.cost_usd) == (None, None, 0)
    assert score([case(cost_usd=None), case("two", cost_usd=1.0)], {}).cost_usd is None


def test_two_evaluations_are_paired_by_defect() -> None:
    defects = (defect(10), defect(50), defect(90), defect(130), defect(7, "other.py"))
    first = case(defects=defects, claims=(claim(10), claim(50)), answered=("a.py", "other.py"))
    second = case(defects=defects, claims=(claim(10), claim(90)))
    found = compare([first], [second])
    assert (found.both, found.neither) == (1, 1)
    assert (found.only_first, found.only_second) == (("one a.py:50",), ("one a.py:90",))
    assert found.p_value == 1.0


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (9, 1, 0.021484375), (3, 3, 1.0)]
)
def test_the_sign_test_is_exact(first: int, second: int, p: float) -> None:
    lines = range(10, 10 + 20 * (first + second), 20)
    defects = tuple(map(defect, lines))
    ours = case(defects=defects, claims=tuple(map(claim, lines[:first])))
    theirs = case(defects=defects, claims=tuple(map(claim, lines[first:])))
    assert compare([ours], [theirs]).p_value == p


@given(
    st.lists(st.integers(1, 200), max_size=5, unique=True),
    st.lists(st.tuples(st.integers(1, 200), st.booleans()), max_size=8),
)
def test_shares_are_shares_and_parts_add_up(
    labels: list[int], found: list[tuple[int, bool]]
) -> None:
    claims = tuple(claim(n, name=str(i), anchored=a) for i, (n, a) in enumerate(found))
    result = case(defects=tuple(map(defect, labels)), claims=claims)
    scores = score([result], {("one", str(i)): True for i in range(len(found))})
    assert scores.found <= scores.defects == len(labels)
    assert scores.unlabelled <= scores.anchored <= scores.findings == len(found)
    assert scores.judged == scores.right == scores.unlabelled
    assert scores.precision in (None, 1.0)
    same = compare([result], [result])
    assert (same.only_first, same.only_second) == ((), ())
    assert same.both + same.neither == len(labels)
