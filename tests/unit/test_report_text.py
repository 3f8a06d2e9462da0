"""What all destinations share: rows of findings, paths, permalinks, and the texts of a finding."""

import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.models.findings import Anchor, FindingState, Reconciliation, Severity
from batch_action.publishers import finding_block, job_summary, links, report_text, slack
from batch_action.publishers.files.publisher import render_document
from batch_action.publishers.issue import render as issue
from batch_action.publishers.issue_per_finding import render as finding_issue
from batch_action.publishers.prose import cut
from batch_action.publishers.pull_request import review_comments
from batch_action.text import shorten_path
from tests.harness.hostile_text import GFM
from tests.harness.reports import A, B, C, finding_status, published, publisher_options, report

LONG = (
    "packages/services/payments/src/main/java/com/example/payments/internal/adapters/"
    "persistence/repositories/PaymentTransactionRepository.java"
)
STRUCTURED = (
    "It fails in two ways:\n\n1. the loop:\n\n```py\nfor x in y:\n    pass\n```\n\n- once\n- twice"
)


def anchor(path: str, first: int = 3, last: int = 3) -> Anchor:
    return Anchor(
        path=path, blob=B, commit=A, start_line=first, end_line=last, scope_start=1, scope_end=9
    )


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "notes.MARKDOWN", "guide.rst", "manual.adoc", "old.asciidoc", "plot.ipynb"),
        *("page.mdx", "data.csv", "a.svg", "index.org", "help.textile", "graph.mmd"),
    ],
)
def test_a_rendered_file_is_linked_in_its_plain_view(name):
    link = links.build_permalink(anchor(f"docs/{name}"), report())
    assert link == f"https://github.com/octo/demo/blob/{A}/docs/{name}?plain=1#L3"


@pytest.mark.parametrize("name", ["a.py", "md", "a.md.py", "Makefile", "a.txt", "rst.c"])
def test_another_file_is_linked_by_its_lines(name):
    link = links.build_permalink(anchor(name, 3, 5), report())
    assert link == f"https://github.com/octo/demo/blob/{A}/{name}#L3-L5"


@pytest.mark.parametrize(
    ("path", "limit", "expected"),
    [
        ("src/db.py", 28, "src/db.py"),
        ("src/services/payments/handlers.py", 28, "…/payments/handlers.py"),
        ("a/" * 40 + "name.py", 12, "…/a/name.py"),
        ("src/" + "x" * 40 + ".py", 12, "…xxxxxxxx.py"),
        ("x" * 40 + ".py", 12, "…xxxxxxxx.py"),
    ],
)
def test_a_long_path_keeps_its_end(path, limit, expected):
    assert shorten_path(path, limit) == expected


@given(st.text(st.sampled_from("ab/.é"), min_size=1), st.integers(2, 40))
def test_a_shortened_path_fits_and_is_the_end_of_the_path(path, limit):
    short = shorten_path(path, limit)
    assert len(short) <= limit
    assert path.endswith(short.removeprefix("…"))


def texts_of_all_destinations(**fields) -> dict[str, str]:
    status = finding_status(1, **fields)
    assert status.finding
    whole = published(status)
    draft = issue.render(
        report(), Reconciliation(statuses=(status,), commit=C), None, publisher_options()
    )
    return {
        "issue": draft.body,
        "issue-per-finding": finding_issue.render_body(status, None, report()),
        "files": "".join(render_document(whole)),
        "summary": job_summary.render_collected(whole, running=()),
        "inline": review_comments.minimized(
            status.tracked, review_comments.render(status.tracked, status.finding, suggestion=None)
        ),
    }


@pytest.mark.parametrize("state", [FindingState.NEW, FindingState.BACK])
def test_a_long_path_shows_the_file_name_everywhere(state):
    for name, text in texts_of_all_destinations(state=state, path=LONG).items():
        shown = unescape(re.sub(r"<wbr>|\]\([^)]*\)|<!--.*?-->", "", text))
        assert "PaymentTransactionRepository.java" in shown, name
        assert LONG.partition("/")[0] not in shown, name


def test_slack_shows_the_file_name_of_a_long_path():
    message = str(slack.build_message(published(finding_status(1, path=LONG)), {}))
    assert "PaymentTransactionRepository.java" in message


@pytest.mark.parametrize("name", ["issue", "issue-per-finding", "files", "inline"])
def test_code_and_lists_of_an_explanation_stay(name):
    text = texts_of_all_destinations(explanation=STRUCTURED, remediation="- a\n- b")[name]
    assert (
        "**Why.** It fails in two ways:\n\n1. the loop:\n\n```py\nfor x in y:\n    pass\n" in text
    )
    assert "\n\n- once\n- twice\n" in text
    assert "**Fix.**\n\n- a\n- b\n" in text


def test_a_row_has_three_short_cells():
    status = finding_status(
        1, title="It `parses` " + "words " * 40, severity=Severity.MEDIUM, path=LONG
    )
    severity, title, where = report_text.format_table_row(status, report())
    assert severity == "🟡\N{NO-BREAK SPACE}medium"
    shown = unescape(re.sub(r"<[^>]*>|\*\*", "", title))
    assert len(shown) <= report_text.MAX_TITLE_CELL_CHARS
    label = unescape(re.sub(r"<[^>]*>", "", where)).partition("](")[0].strip("[")
    assert label == "PaymentTransactionRepository.java:10"
    assert len(report_text.FINDING_COLUMNS) == 3


@pytest.mark.parametrize(
    ("state", "note", "fields", "cell"),
    [
        (FindingState.OPEN, "", {}, "T"),
        (FindingState.NEW, "", {}, "🆕 T"),
        (FindingState.NEW, "", {"pre_existing": True}, "**🆕 new, pre-existing** · T"),
        (FindingState.BACK, "", {}, "**↩️ back** · T"),
        (FindingState.RECHECKING, "", {}, "**🔁 being re-checked** · T"),
        (FindingState.OPEN, "file excluded", {}, "**open (file excluded)** · T"),
        (FindingState.OPEN, "", {"pre_existing": True}, "**pre-existing** · T"),
    ],
)
def test_a_state_other_than_open_is_beside_the_title(state, note, fields, cell):
    status = replace(finding_status(1, state, title="T", **fields), note=note)
    assert report_text.format_table_row(status, report())[1] == cell


def longest_word(cell: str) -> int:
    text = unescape(re.sub(r"</?code>|<b>|</b>|\*\*|\]\([^)]*\)|\[", "", cell))
    words = re.split(r"[\s\u200b]+|<wbr>", text.replace("\N{NO-BREAK SPACE}", "_"))
    return max(map(len, words), default=0)


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("`PaymentTransactionRepositoryImplementationFactoryBean` leaks", LONG),
        ("x" * 200, "y" * 200 + ".py"),
        ("a_very_long_snake_case_name_of_a_function is not called", "src/" + "z" * 90),
    ],
)
def test_every_column_can_become_narrow_for_a_phone(title, path):
    status = finding_status(1, title=title, path=path)
    row = report_text.format_table_row(status, report())
    assert [longest_word(cell) <= 16 for cell in row] == [True] * 3


def test_a_cut_closes_the_code_block_and_the_details():
    block = "<details><summary>a</summary>\n\n````py\n```\n" + "x\n" * 300 + "````\n\n</details>"
    text = cut(block, 200, "a comment")
    assert len(text) <= 200
    tokens = GFM.parse(text)
    assert [t.type for t in tokens if t.type in ("fence", "html_block")] == [
        "html_block",
        "fence",
        "html_block",
    ]
    assert text.endswith("… (cut: too long for a comment)\n\n</details>")
    assert cut(block, len(block), "a comment") == block


def test_the_facts_say_since_when():
    status = finding_block.set_dates(finding_status(1), report())
    assert "First seen 2026-03-02 at " in finding_block.render_block(status.tracked, None, report())
