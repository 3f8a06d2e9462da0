"""Inline suppressions: `batch-action: ignore[…]` in the code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.findings.inline_suppressions import (
    MAX_LINE_CHARS,
    MAX_REASON_CHARS,
    suppression_reason,
)
from batch_action.models.findings import Confidence, RawFinding, Severity


def raw_finding(**fields) -> RawFinding:
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
    """Return the suppression reason of a finding on these lines of a text."""
    first, last = at if isinstance(at, tuple) else (at, at)
    return suppression_reason(
        raw_finding(**fields), text.split("\n"), first, last, frozenset(added)
    )


@pytest.mark.parametrize(
    ("comment", "expected"),
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
def test_reasons_of_comments(comment: str, expected: str | None):
    assert reason(f"{comment}\nrun(q)") == expected
    assert reason(f"\nrun(q)  {comment}") == expected


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("# batch-action: ignore above\nrun(q)", 2, "above"),
        ("run(q)  # batch-action: ignore here", 1, "here"),
        ("run(\n  q,  # batch-action: ignore inside\n)", (1, 3), "inside"),
        ("run(\n  q,\n)  # batch-action: ignore at its end", (1, 3), "at its end"),
        # Not one that belongs to the line above, nor one that is further away,
        ("run(p)  # batch-action: ignore only p\nrun(q)", 2, None),
        ("# batch-action: ignore far\n\nrun(q)", 3, None),
        # nor one below.
        ("run(q)\n# batch-action: ignore below", 1, None),
        ("    # batch-action: ignore indented\n    run(q)", 2, "indented"),
    ],
)
def test_the_lines_a_comment_applies_to(text, at, expected):
    assert reason(text, at) == expected


@pytest.mark.parametrize(
    ("comment", "added", "expected"),
    [
        ("# batch-action: ignore[bug] known", (), "known"),
        ("# batch-action: ignore[sql-injection] known", (), "known"),
        # Security must be named,
        ("# batch-action: ignore known", (), None),
        # and a change cannot suppress findings about itself.
        ("# batch-action: ignore[bug] trust me", (1,), None),
        # Nor did its author see code that was added later.
        ("# batch-action: ignore[bug] older than the change below it", (2,), None),
        ("# batch-action: ignore[bug] elsewhere in the file", (3,), "elsewhere"),
    ],
)
def test_security_must_be_named_and_comment_and_code_must_be_older_than_the_change(
    comment, added, expected
):
    found = reason(f"{comment}\nrun(q)", added=added, security=True)
    assert found is None if expected is None else (found or "").startswith(expected)
    # Other findings may be suppressed by the change that adds them.
    assert reason("# batch-action: ignore[bug]\nrun(q)", added=(1, 2)) == ""


def test_an_older_comment_counts_although_the_change_adds_another():
    text = "# batch-action: ignore[bug] old\nrun(q)  # batch-action: ignore[bug] new"
    assert reason(text, added=(2,), security=True) is None
    text = "# batch-action: ignore[bug] old\nrun(q)\n# batch-action: ignore[bug] new\n"
    assert reason(text, added=(3,), security=True) == "old"
    assert reason("(\n)  # batch-action: ignore[bug] old", (1, 2), (1,), security=True) is None


@given(st.text(max_size=400), st.integers(1, 5), st.integers(0, 3))
def test_any_reason_is_one_short_line(words: str, first: int, more: int):
    lines = f"# batch-action: ignore[bug] {words}".split("\n")
    found = suppression_reason(raw_finding(), lines, first, first + more, frozenset())
    assert found is None or (len(found) <= MAX_REASON_CHARS and "\n" not in found)
    assert (found is None) <= (first > 2)


def test_a_minified_line_is_not_searched_to_its_end():
    far = " " * MAX_LINE_CHARS + "# batch-action: ignore[bug] far"
    assert reason(far, 1) is None
