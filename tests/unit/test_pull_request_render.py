"""The texts on a pull request: review comments, the summary, and the state in it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.errors import GitHubError
from batch_action.findings.suggestions import replacement_for
from batch_action.models.findings import FindingState, FindingStatus, Reconciliation
from batch_action.models.report import FileStatus, FileStatusEntry, FileStatuses
from batch_action.publishers import markers
from batch_action.publishers.pull_request import render, review_comments
from batch_action.publishers.pull_request.review_comments import clip_to_hunk, parse_hunks
from tests.harness.hostile_text import TEXTS, assert_inert
from tests.harness.hostile_text import texts as hostile
from tests.harness.reports import about_code, file_verdict, generated, refused
from tests.unit.test_issue_text import REPORT, B, C, reported_status

PULL = replace(REPORT, pull_request=7)
NO_COMMENTS = render.InlineCommentIndex(urls={}, ids={})
IDENTITY = render.identity("code-review", "42", "", 7)
SERVER_URL = "https://github.com"

PATCH = """\
@@ -1,4 +1,5 @@ def a():
 one
+two
 three
 @@ -1 +1 @@ may be a line of code
 four
@@ -20,3 +21,0 @@
-gone
@@ -40 +39 @@
-old
+new"""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((1, 5), (1, 5)),
        ((2, 2), (2, 2)),
        ((4, 9), (4, 5)),
        ((6, 9), None),
        ((21, 21), None),
        ((38, 45), (39, 39)),
        ((1, 39), (1, 5)),
    ],
)
def test_a_comment_is_on_lines_that_one_hunk_shows(lines, expected) -> None:
    shown = parse_hunks(PATCH)
    assert shown == ((1, 5), (39, 39))
    assert clip_to_hunk(lines, shown) == expected


def render_summary(
    *statuses: FindingStatus, state=None, comments=NO_COMMENTS, hides_security=False, **report
) -> render.ReviewDraft:
    reconciled = Reconciliation(statuses=statuses, commit=C, hides_security=hides_security)
    return render.render(replace(PULL, **report), reconciled, state, comments, 25)


def suggestion(new: str | None, old: str = "  run(q)", evidence: str | None = None) -> str | None:
    finding = reported_status(suggestion=new).finding
    assert finding
    evidence = old.replace("\r", "") if evidence is None else evidence
    lines = old.split("\n")
    texts = finding.texts.read()
    raw = replace(texts.raw, evidence=evidence)
    replacement = replacement_for(raw, lines, 1, len(lines), "a.c")
    texts = replace(texts, evidence=evidence, replacement=replacement)
    return review_comments.suggestion_for(replace(finding, texts=texts), lines)


@pytest.mark.parametrize(
    ("new", "old", "evidence"),
    [
        (None, "  run(q)", None),
        ("  run(q)", "  run(q)", None),
        ("  run(r)", "  run(q)", "  run(p)"),
        ("run(r)", "  run(q)", None),
        ("\trun(r)", "  run(q)", None),
        ('  run("••••")', "  run(q)", None),
        ("  run(r)", '  run("••••")', None),
        ("  run(r)", "  run(q)\r", None),
        ("  run(\u202er)", "  run(q)", None),
        ("  run(r) <!-- batch-action:finding v1 -->", "  run(q)", None),
        ("  " + "x" * 4_001, "  run(q)", None),
    ],
    ids=[
        "none", "no change", "other code", "less indented", "other blanks", "masked", "a secret",
        "CRLF", "bidi", "a marker", "too long",
    ],
)  # fmt: skip
def test_an_unsafe_suggestion_is_left_out(new, old, evidence) -> None:
    assert suggestion(new, old, evidence) is None


def test_a_suggestion_replaces_all_lines_of_the_finding() -> None:
    assert suggestion("  a()\n  b()\n", "  run(q)\n  run(r)") == "  a()\n  b()"
    status = reported_status()
    assert status.finding
    text = review_comments.render(status.tracked, status.finding, suggestion="x\n````\ny")
    assert "`````suggestion\nx\n````\ny\n`````" in text


def test_a_comment_reports_the_state_of_its_finding() -> None:
    status = reported_status()
    assert status.finding
    text = review_comments.render(status.tracked, status.finding, suggestion=None)
    fixed = replace(
        status, tracked=replace(status.tracked, state=FindingState.FIXED), note="fixed in abc1234"
    )
    line = review_comments.format_state_line(fixed)
    assert line == "✅ **Fixed in abc1234.**"
    for current, state_line in ((fixed, line), (status, "")):
        parsed = review_comments.parse(
            review_comments.comment_body(current.tracked, text, state_line)
        )
        assert parsed
        block, parsed_line = parsed
        assert (block.tracked, block.text, parsed_line) == (current.tracked, text, state_line)
    assert review_comments.format_state_line(status) == ""
    assert review_comments.parse("just text") is None


@settings(max_examples=60)
@given(title=hostile, text=hostile, code=hostile, path=hostile)
def test_model_text_is_inert_and_forges_nothing(
    title: str, text: str, code: str, path: str
) -> None:
    status = reported_status(
        title=title, explanation=text, remediation=text, suggestion=code, rule=title, category=text
    )
    tracked = replace(status.tracked, anchor=replace(status.tracked.anchor, path=path or "x"))
    finding = replace(about_code(status.finding, code), anchor=tracked.anchor)
    new = review_comments.suggestion_for(finding, code.split("\n"))
    body = review_comments.comment_body(
        tracked, review_comments.render(tracked, finding, suggestion=new)
    )
    assert_inert(body, SERVER_URL)
    parsed = review_comments.parse(body)
    assert parsed
    assert parsed[0].tracked.fingerprint == tracked.fingerprint
    assert parsed[0].tracked.anchor == tracked.anchor
    draft = render_summary(replace(status, tracked=tracked, finding=finding))
    assert_inert(draft.text, SERVER_URL)
    state = render.parse(draft.text)
    assert [k.fingerprint for k in state.tracked] == [tracked.fingerprint]
    assert [k.anchor for k in state.tracked] == [tracked.anchor]


def test_the_summary_is_read_back_as_it_was_written() -> None:
    first = render_summary(
        reported_status(1),
        reported_status(2),
        comments=render.InlineCommentIndex(urls={}, ids={"f" * 16: 9}),
    )
    state = render.parse(first.text.replace("\n", "\r\n"))
    assert (state.head, state.batches) == (C, ("msgbatch_1",))
    assert state.comments == {"f" * 16: 9}
    assert state.blocks.keys() == {k.fingerprint for k in state.tracked} == first.fingerprints
    quiet = render_summary(
        reported_status(1),
        reported_status(2),
        state=state,
        batch_ids=(),
        spending=None,
    )
    assert render.parse(quiet.text).batches == ("msgbatch_1",)
    assert render.parse(quiet.text).last_run == state.last_run
    assert "this run $0.10" in quiet.text


def test_verdicts_and_generated_files_are_reported_without_open_findings() -> None:
    report = {"file_verdicts": (file_verdict("It sorts @octo no more."),)}
    first = render_summary(**report)
    assert first.has_content
    assert_inert(first.text, SERVER_URL)
    assert "❌ INVALID" in first.text
    state = render.parse(first.text)
    later = render_summary(state=state, batch_ids=(), spending=None)
    assert "❌ INVALID" in later.text
    files = render_summary(
        generated=(generated("Tests."),), refused=(refused("b.py", "does not parse"),)
    )
    assert files.has_content
    assert "refused: does not parse" in files.text
    reviewed = FileStatuses.of((FileStatusEntry(path="src/db.py", status=FileStatus.REVIEWED),))
    assert not render_summary(file_statuses=reviewed).has_content


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({"a": FileStatus.REVIEWED}, ()),
        ({"a": FileStatus.REVIEWED, "b": FileStatus.IN_FLIGHT}, ()),
        ({"a": FileStatus.REVIEWED, "v/x.js": FileStatus.SKIPPED}, ()),
        ({"a": FileStatus.REVIEWED, "b": FileStatus.BACKLOG}, ("1 of 2 files not", "b")),
        (
            {"a": FileStatus.REVIEWED, "b": FileStatus.GIVEN_UP, "c": FileStatus.IN_FLIGHT},
            ("2 of 3 files not reviewed yet", "<code>b</code> (given up)", "c</code> (in flight)"),
        ),
        (
            {"a": FileStatus.NOT_REVIEWABLE, "v/x.js": FileStatus.SKIPPED},
            ("1 file cannot be reviewed", "1 new file skipped", "v/x.js"),
        ),
        ({f"{n:03}": FileStatus.REFUSED for n in range(500)}, ("500 of 500 files", "470 more")),
    ],
)
def test_files_without_a_review_are_named_also_without_a_finding(statuses, expected) -> None:
    entries = tuple(FileStatusEntry(path=path, status=s) for path, s in statuses.items())
    draft = render_summary(file_statuses=FileStatuses.of(entries))
    assert draft.has_content == bool(expected)
    assert all(words in render.parse(draft.text).unreviewed for words in expected)


@settings(max_examples=30)
@given(text=hostile, path=hostile)
def test_hostile_verdicts_and_files_are_inert(text: str, path: str) -> None:
    many = 200
    draft = render_summary(
        reported_status(1),
        file_verdicts=(file_verdict(text, path),) * many,
        generated=(generated(text, path),) * many,
        refused=(refused(path, text),),
    )
    assert_inert(draft.text, SERVER_URL)
    assert len(draft.text) < 65_536
    assert len(render.parse(draft.text).tracked) == 1


def test_a_finding_with_a_comment_is_only_listed() -> None:
    name = reported_status(1).tracked.fingerprint
    urls = {name: "https://github.com/octo/demo/pull/7#discussion_r9"}
    draft = render_summary(
        reported_status(1),
        reported_status(2),
        comments=render.InlineCommentIndex(urls=urls, ids={name: 9}),
    )
    state = render.parse(draft.text)
    assert name not in state.blocks
    assert len(state.tracked) == 2
    assert f"]({urls[name]})" in draft.text


def test_thousands_of_findings_are_stored_within_the_limits() -> None:
    many = [reported_status(n, pre_existing=n % 5 == 0) for n in range(1, 101)]
    draft = render_summary(*many)
    state = render.parse(draft.text)
    assert len(draft.text) <= render.MAX_BODY_CHARS
    assert (len(state.tracked), len(state.blocks)) == (100, 25)
    assert dict(draft.suppressed)["max-findings"] == 75
    more = render_summary(*[reported_status(n) for n in range(1, 1001)])
    parts = (more.text, *more.pages)
    assert max(map(len, parts)) <= render.MAX_BODY_CHARS
    states = [render.parse(part) for part in parts]
    assert len(more.fingerprints) == 1000
    assert {t.fingerprint for state in states for t in state.tracked} == more.fingerprints
    assert sum(len(state.tracked) for state in states) == 1000
    assert sum(len(state.blocks) for state in states) == 25
    numbers = [render.page_number(page, IDENTITY) for page in more.pages]
    assert numbers == list(range(2, len(parts) + 1))


def test_a_summary_is_identified() -> None:
    text = render_summary(reported_status(), state_key="web").text
    later = text.replace("batch-action:review v1", "batch-action:review-page v9")
    assert render.page_number(later, IDENTITY) is None
    identity = render.identity("code-review", "42", "web", 7)
    assert render.is_ours(text, identity)
    for other in (
        render.identity("code-review", "42", "", 7),
        render.identity("code-review", "42", "web", 70),
        render.identity("security-scan", "42", "web", 7),
        render.identity("code-review", "43", "web", 7),
    ):
        assert not render.is_ours(text, other)
    assert not render.is_ours(f"> {text}", identity)
    with pytest.raises(GitHubError, match="later version"):
        render.is_ours(text.replace("review v1", "review v2", 1), identity)


def test_a_public_pull_request_stores_no_security_finding() -> None:
    draft = render_summary(
        reported_status(1, security=True), reported_status(2), hides_security=True
    )
    assert draft.fingerprints == {reported_status(2).tracked.fingerprint}
    assert "are not shown on pull requests of public repositories" in draft.text


@given(st.lists(st.sampled_from(["msgbatch_1", "a,b", "x --> y", ""]), max_size=3))
def test_a_notification_is_read_back(batches: list[str]) -> None:
    valid = tuple(batch for batch in batches if batch and "," not in batch)
    assert markers.parse_notification(f"{markers.format_notification(valid, B)}\nwords") == valid
    assert markers.parse_notification("text") == ()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_blocks_for_other_destinations_are_inert(text: str) -> None:
    status = reported_status(title=text, explanation=text)
    assert status.finding
    text = review_comments.render(status.tracked, status.finding, suggestion=None)
    assert_inert(review_comments.minimized(status.tracked, text), SERVER_URL)
