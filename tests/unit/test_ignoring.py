"""`batch-action: ignore[…]` in the code: what it hides, and what it may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.findings.inline_suppressions import LONGEST_LINE, LONGEST_REASON, ignored
from batch_action.models.findings import Confidence, RawFinding, Severity


def remark(**fields) -> RawFinding:
    values = {
        "rule": "sql-injection",
        "category": "bug",
        "severity": Severity.HIGH,
        "confidence": Confidence.HIGH,
        "start_line": 1,
        "end_line": 1,
        "evidence": "",
        "title": "t",
        "explanation": "w",
        "remediation": "m",
    }
    return RawFinding(**{**values, **fields})


def reason(text: str, at: int | tuple[int, int] = 2, added=(), **fields) -> str | None:
    """What accepts a finding on these lines of a text."""
    first, last = at if isinstance(at, tuple) else (at, at)
    return ignored(remark(**fields), text.split("\n"), first, last, frozenset(added))


@pytest.mark.parametrize(
    ("comment", "told"),
    [
        ("# batch-action: ignore[bug] it is tested", "it is tested"),
        ("#batch-action:ignore[bug]", ""),
        ("# batch-action: ignore[bug]: it is tested", "it is tested"),
        ("# Batch-Action: IGNORE[ Bug ]  why not ", "why not"),
        ("# batch-action: ignore[style, bug] both", "both"),
        ("# batch-action: ignore[sql-injection] by its rule", "by its rule"),
        ("# batch-action: ignore everything here", "everything here"),
        ("// batch-action: ignore[bug] why", "why"),
        ("/* batch-action: ignore[bug] why */", "why"),
        ("/** batch-action: ignore[bug] why */", "why"),
        (" * batch-action: ignore[bug] why", "why"),
        ("-- batch-action: ignore[bug] why", "why"),
        ("<!-- batch-action: ignore[bug] why -->", "why"),
        ("; batch-action: ignore[bug] why", "why"),
        ("% batch-action: ignore[bug] why", "why"),
        ('"""batch-action: ignore[bug] why"""', "why"),
        ("# batch-action: ignore[style] other", None),
        ("# batch-action: ignore[] nothing is named", None),
        ("# batch-action: ignored[bug]", None),
        ("batch-action: ignore[bug] no comment", None),
        ("# please do not batch-action: ignore[bug]", None),
        ("# batch-action: ignore", ""),
    ],
)
def test_what_a_comment_says(comment: str, told: str | None):
    assert reason(f"{comment}\nrun(q)") == told
    assert reason(f"\nrun(q)  {comment}") == told


@pytest.mark.parametrize(
    ("text", "at", "told"),
    [
        ("# batch-action: ignore above\nrun(q)", 2, "above"),
        ("run(q)  # batch-action: ignore here", 1, "here"),
        ("run(\n  q,  # batch-action: ignore inside\n)", (1, 3), "inside"),
        ("run(\n  q,\n)  # batch-action: ignore at its end", (1, 3), "at its end"),
        # Neither one that belongs to the line above, nor one that is further away,
        ("run(p)  # batch-action: ignore only p\nrun(q)", 2, None),
        ("# batch-action: ignore far\n\nrun(q)", 3, None),
        # nor one below.
        ("run(q)\n# batch-action: ignore below", 1, None),
        ("    # batch-action: ignore indented\n    run(q)", 2, "indented"),
    ],
)
def test_which_lines_a_comment_covers(text, at, told):
    assert reason(text, at) == told


@pytest.mark.parametrize(
    ("comment", "added", "told"),
    [
        ("# batch-action: ignore[bug] known", (), "known"),
        ("# batch-action: ignore[sql-injection] known", (), "known"),
        # Security has to be named,
        ("# batch-action: ignore known", (), None),
        # and no change vouches for itself.
        ("# batch-action: ignore[bug] trust me", (1,), None),
        ("# batch-action: ignore[bug] older than the change below it", (2,), "older than the"),
    ],
)
def test_security_is_hidden_by_name_and_never_by_the_change_itself(comment, added, told):
    found = reason(f"{comment}\nrun(q)", added=added, security=True)
    assert found is None if told is None else (found or "").startswith(told)
    # What is no matter of security may be accepted along with the change that brings it.
    assert reason("# batch-action: ignore[bug]\nrun(q)", added=(1, 2)) == ""


def test_an_older_comment_counts_although_the_change_adds_another():
    text = "# batch-action: ignore[bug] old\nrun(q)  # batch-action: ignore[bug] new"
    assert reason(text, added=(2,), security=True) == "old"


@given(st.text(max_size=400), st.integers(1, 5), st.integers(0, 3))
def test_whatever_stands_there_is_read_and_short(words: str, first: int, more: int):
    lines = f"# batch-action: ignore[bug] {words}".split("\n")
    found = ignored(remark(), lines, first, first + more, frozenset())
    assert found is None or (len(found) <= LONGEST_REASON and "\n" not in found)
    assert (found is None) <= (first > 2)


def test_a_minified_line_is_not_searched_to_its_end():
    far = " " * LONGEST_LINE + "# batch-action: ignore[bug] far"
    assert reason(far, 1) is None
