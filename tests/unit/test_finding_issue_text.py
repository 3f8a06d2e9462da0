"""An issue of one finding: whole texts by example, what it keeps by property."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from batch_action.errors import GitHubError
from batch_action.models.findings import FindingState
from batch_action.models.github import IssueComment
from batch_action.publishers import finding_block, markers
from batch_action.publishers.issue_per_finding import render
from batch_action.publishers.markers import Block
from tests.harness.reports import about_code
from tests.unit.test_issue_text import BLOCK, HOSTILE, LINK, REPORT, A, C, reported_status

KEY = render.run_key_of(REPORT)
ONE = replace(reported_status(), tracked=replace(reported_status().tracked, opened_on="2026-03-02"))
BODY = f"""\
<!-- batch-action v1 task=code-review repository=42 id=0000000000000001 opened-by={KEY} \
head={C} batches=msgbatch_1 -->
<!-- batch-action:status v1 -->
**🟠 high** · 🆕 new · [<code>src/db.py:10-12</code>]({LINK}) · since 2026-03-02 · `00000000`
<!-- /batch-action:status -->

{BLOCK.replace("<details>", "<details open>")}

<sub>Advice from a language model: check before you act. What you write here is preserved. Close \
this issue as *not planned*, label it `wontfix` or comment `/batch wontfix <reason>` to dismiss \
the finding for good; `/batch confirm` confirms it, `/batch explain` has it explained, \
`/batch recheck` has its file reviewed again.</sub>"""
BOX = "- [ ] dismiss this finding for good <!-- batch-action:checkbox id=0000000000000001 -->\n\n"


def test_a_new_issue():
    assert render.format_title(ONE.tracked) == "SQL from `name` (src/db.py)"
    assert render.render_body(ONE, None, REPORT) == BODY.replace(BOX, "")


def test_it_is_read_back():
    read = render.parse(render.render_body(ONE, None, REPORT).replace("\n", "\r\n"))
    assert (read.fingerprint, read.head, read.batches) == ("0" * 15 + "1", C, ("msgbatch_1",))
    assert (read.tracked, read.opened_by) == (ONE.tracked, KEY)
    assert read.block.startswith("<details><summary>🟠 high")
    assert render.parse("Something else") is None
    with pytest.raises(GitHubError, match="later version"):
        render.parse(BODY.replace("batch-action v1", "batch-action v2"))


def test_only_what_changed_is_rewritten():
    body = render.render_body(ONE, None, REPORT)
    later = replace(REPORT, batch_ids=("msgbatch_2",), commit=A, date="2026-03-09")
    assert render.update_body(body, ONE, later) == body
    fixed = replace(
        ONE,
        tracked=replace(
            ONE.tracked, state=FindingState.FIXED, closed_on="2026-03-09", closing_commit=A
        ),
        note="fixed in aaaaaaa",
    )
    now = render.update_body(f"My words.\r\n{body}\r\nMore.", fixed, later)
    changed = [
        n
        for n, (a, b) in enumerate(zip(now.split("\n")[1:], body.split("\n"), strict=False))
        if a != b
    ]
    assert changed == [0, 2, 5]
    assert now.startswith("My words.\n<!-- batch-action v1")
    assert now.endswith("</sub>\nMore.")
    assert f"opened-by={KEY} head={A} batches=msgbatch_2" in now
    assert "✅ fixed (in aaaaaaa)" in now
    assert render.update_body(now, fixed, REPORT) == now


def test_lines_of_ours_that_people_removed_come_back():
    body = render.render_body(ONE, None, REPORT)
    status = body.index("<!-- batch-action:status"), body.index("<!-- batch-action:finding")
    without = body[: status[0]] + body[status[1] :]
    assert render.update_body(without, ONE, REPORT).count("**🟠 high** · 🆕 new") == 1
    end = body.index("<!-- batch-action:finding")
    damaged = body[:end] + "Mine."
    assert render.parse(damaged).tracked is None
    assert render.parse(render.update_body(damaged, ONE, REPORT)).tracked == ONE.tracked


def test_words_of_another_destination_are_taken_over():
    body = render.render_body(ONE, "<details><summary>x</summary>\n\ntheirs\n\n</details>", REPORT)
    assert "<details open><summary>x</summary>\n\ntheirs" in body
    assert render.parse(body).block == "<details><summary>x</summary>\n\ntheirs\n\n</details>"


@pytest.mark.parametrize(
    ("title", "path", "shown"),
    [
        ("Ask @octo about #1", "a.py", "Ask @\u200bocto about #\u200b1 (a.py)"),
        ("two\nlines\u202e", "a\n@b.py", "two lines (a @\u200bb.py)"),
        ("", "a.py", "Untitled finding (a.py)"),
        ("x" * 300, "a.py", "x" * 199 + "…"),
    ],
)
def test_titles(title, path, shown):
    anchor = replace(ONE.tracked.anchor, path=path)
    assert render.format_title(replace(ONE.tracked, title=title, anchor=anchor)) == shown


@settings(deadline=None, max_examples=50)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, st.sampled_from(list(FindingState)))
def test_any_text_of_the_model_stays_one_finding(title, text, code, path, state):
    one = reported_status(
        1, state, title=title, explanation=text, remediation=text, rule=text, suggestion=code
    )
    anchor = replace(one.tracked.anchor, path=path or "a")
    known = replace(
        one.tracked, anchor=anchor, title=title, opened_on="2026-01-01", closed_on="2026-01-02"
    )
    finding = replace(about_code(one.finding, code), anchor=anchor)
    hostile = replace(one, tracked=known, finding=finding, note=text)
    body = render.render_body(hostile, None, REPORT)
    read = render.parse(body)
    names = {"rule": known.rule[: markers.MAX_NAME_CHARS], "title": read.tracked.title}
    assert read.tracked == replace(known, **names)
    assert render.update_body(body, replace(hostile, tracked=read.tracked), REPORT) == body
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    assert html.count("<details") == html.count("</details>") == 1
    assert html.rstrip().endswith("</sub></p>")


def page(text: str, id: int = 1) -> IssueComment:
    return IssueComment(id=id, url="", body=text, author="us", trusted=True)


def written(*numbers: int) -> list[Block]:
    found = (reported_status(n, explanation="why " * 500) for n in numbers)
    return [
        finding_block.wrap_block(
            s.tracked, finding_block.render_block(s.tracked, s.finding, REPORT), 9_000
        )
        for s in found
    ]


def test_pages_of_waiting_findings_keep_their_places():
    first = render.build_pages(written(*range(60)), [], 10)
    assert [one.comment for one in first] == [None] * len(first)
    assert all(len(one.text) < 60_000 for one in first)
    assert len(first) > 2
    comments = [page(one.text, n) for n, one in enumerate(first)]
    held = [list(render.parse_queue([comment])) for comment in comments]
    assert sorted(f for one in held for f in one) == [f"{n:016x}" for n in range(60)]
    again = render.build_pages(written(*range(60)), comments, 10)
    assert [one.text for one in again] == [one.text for one in first]
    gone = [int(f, 16) for f in held[1]]
    left = [n for n in range(61) if n not in gone and n != int(held[0][0], 16)]
    now = render.build_pages(written(*left), comments, 10)
    assert (now[1].text, now[1].comment) == ("", comments[1])
    assert f"{60:016x}" in render.parse_queue([page(now[0].text)])
    assert [one.text for one in now[2:]] == [one.text for one in first[2:]]


def test_other_comments_are_no_pages():
    text = render.build_pages(written(1), [], 10)[0].text
    assert not render.is_queue_page(replace(page(text), trusted=False))
    assert render.parse_queue([page("other"), replace(page(text), trusted=False)]) == {}
