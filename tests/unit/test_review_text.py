"""What a pull request is told: where, in which words, and what is remembered of it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.errors import GitHubError
from batch_action.models.findings import FindingState, FindingStatus, Reconciliation
from batch_action.publishers import markers
from batch_action.publishers.pull_request import render, review_comments
from batch_action.publishers.pull_request.review_comments import hunks, within
from tests.harness.hostile_text import TEXTS, assert_inert
from tests.harness.hostile_text import texts as hostile
from tests.harness.reports import generated, judgement, refused
from tests.unit.test_issue_text import NIGHT, B, C, standing

PULL = replace(NIGHT, pull=7)
NOBODY = render.Comments(urls={}, ids={})
HOME = "https://github.com"

PATCH = """\
@@ -1,4 +1,5 @@ def a():
 one
+two
 three
 @@ -1 +1 @@ is what a line may say
 four
@@ -20,3 +21,0 @@
-gone
@@ -40 +39 @@
-old
+new"""


@pytest.mark.parametrize(
    ("lines", "at"),
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
def test_a_comment_stands_on_lines_that_one_hunk_shows(lines, at) -> None:
    shown = hunks(PATCH)
    assert shown == ((1, 5), (39, 39))
    assert within(lines, shown) == at


def told(*statuses: FindingStatus, session=None, comments=NOBODY, **report) -> render.Draft:
    done = Reconciliation(statuses=statuses, commit=C)
    return render.render(replace(PULL, **report), done, session, comments)


def suggestion(new: str | None, old: str = "  run(q)", evidence: str | None = None) -> str | None:
    finding = standing(suggestion=new).finding
    assert finding
    evidence = old if evidence is None else evidence
    return review_comments.suggested(replace(finding, evidence=evidence), old.split("\n"))


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
def test_what_does_not_apply_cleanly_is_no_suggestion(new, old, evidence) -> None:
    assert suggestion(new, old, evidence) is None


def test_a_clean_suggestion_replaces_all_lines_of_the_finding() -> None:
    assert suggestion("  a()\n  b()\n", "  run(q)\n  run(r)") == "  a()\n  b()"
    one = standing()
    assert one.finding
    words = review_comments.write(one.tracked, one.finding, suggestion="x\n````\ny")
    assert "`````suggestion\nx\n````\ny\n`````" in words


def test_a_comment_says_what_became_of_its_finding() -> None:
    one = standing()
    assert one.finding
    words = review_comments.write(one.tracked, one.finding, suggestion=None)
    fixed = replace(
        one, tracked=replace(one.tracked, state=FindingState.FIXED), note="fixed in abc1234"
    )
    line = review_comments.state_line(fixed)
    assert line == "✅ **Fixed in abc1234.**"
    for state, said in ((fixed, line), (one, "")):
        parsed = review_comments.parse(review_comments.comment_body(state.tracked, words, said))
        assert parsed
        block, there = parsed
        assert (block.tracked, block.text, there) == (state.tracked, words, said)
    assert review_comments.state_line(one) == ""
    assert review_comments.parse("just words") is None


@settings(max_examples=60)
@given(title=hostile, text=hostile, code=hostile, path=hostile)
def test_nothing_a_model_says_acts_or_forges(title: str, text: str, code: str, path: str) -> None:
    one = standing(
        title=title, explanation=text, remediation=text, suggestion=code, rule=title, category=text
    )
    known = replace(one.tracked, anchor=replace(one.tracked.anchor, path=path or "x"))
    finding = replace(one.finding, anchor=known.anchor, evidence=code)  # type: ignore[type-var]
    new = review_comments.suggested(finding, code.split("\n"))
    body = review_comments.comment_body(
        known, review_comments.write(known, finding, suggestion=new)
    )
    assert_inert(body, HOME)
    parsed = review_comments.parse(body)
    assert parsed
    assert parsed[0].tracked.fingerprint == known.fingerprint
    assert parsed[0].tracked.anchor == known.anchor
    draft = told(replace(one, tracked=known, finding=finding))
    assert_inert(draft.text, HOME)
    session = render.parse(draft.text)
    assert [k.fingerprint for k in session.tracked] == [known.fingerprint]
    assert [k.anchor for k in session.tracked] == [known.anchor]


def test_the_summary_is_read_back_as_it_was_written() -> None:
    first = told(standing(1), standing(2), comments=render.Comments(urls={}, ids={"f" * 16: 9}))
    session = render.parse(first.text.replace("\n", "\r\n"))
    assert (session.head, session.batches) == (C, ("msgbatch_1",))
    assert session.comments == {"f" * 16: 9}
    assert session.blocks.keys() == {k.fingerprint for k in session.tracked} == first.fingerprints
    quiet = told(standing(1), standing(2), session=session, quiet=True, batch_ids=(), spending=None)
    assert render.parse(quiet.text).batches == ("msgbatch_1",)
    assert render.parse(quiet.text).status == session.status
    assert "this run $0.10" in quiet.text


def test_rulings_and_files_are_told_though_nothing_is_open() -> None:
    report = {"file_verdicts": (judgement("It sorts @octo no more."),)}
    first = told(**report)
    assert first.open
    assert_inert(first.text, HOME)
    assert "❌ INVALID" in first.text
    session = render.parse(first.text)
    later = told(session=session, quiet=True, batch_ids=(), spending=None)
    assert "❌ INVALID" in later.text
    files = told(generated=(generated("Tests."),), refused=(refused("b.py", "does not parse"),))
    assert files.open
    assert "refused: does not parse" in files.text
    assert not told().open


@settings(max_examples=30)
@given(text=hostile, path=hostile)
def test_hostile_rulings_and_files_do_not_act(text: str, path: str) -> None:
    many = 200
    draft = told(
        standing(1),
        file_verdicts=(judgement(text, path),) * many,
        generated=(generated(text, path),) * many,
        refused=(refused(path, text),),
    )
    assert_inert(draft.text, HOME)
    assert len(draft.text) < 65_536
    assert len(render.parse(draft.text).tracked) == 1


def test_a_finding_with_a_comment_is_only_listed() -> None:
    name = standing(1).tracked.fingerprint
    urls = {name: "https://github.com/octo/demo/pull/7#discussion_r9"}
    draft = told(standing(1), standing(2), comments=render.Comments(urls=urls, ids={name: 9}))
    session = render.parse(draft.text)
    assert name not in session.blocks
    assert len(session.tracked) == 2
    assert f"]({urls[name]})" in draft.text


def test_hundreds_of_findings_are_all_remembered_while_there_is_room() -> None:
    many = [standing(n, pre_existing=n % 5 == 0) for n in range(1, 101)]
    draft = told(*many)
    session = render.parse(draft.text)
    assert len(draft.text) <= render.LIMIT
    assert (len(session.tracked), len(session.blocks)) == (100, NIGHT.max_findings)
    assert dict(draft.suppressed)["max-findings"] == 75
    more = told(*[standing(n) for n in range(1, 1001)])
    assert len(more.text) <= render.LIMIT
    assert 100 < len(more.fingerprints) < 200


def test_whose_summary_it_is() -> None:
    text = told(standing(), state_key="web").text
    mine = render.identity("code-review", "42", "web", 7)
    assert render.is_ours(text, mine)
    for other in (
        render.identity("code-review", "42", "", 7),
        render.identity("code-review", "42", "web", 70),
        render.identity("security-scan", "42", "web", 7),
        render.identity("code-review", "43", "web", 7),
    ):
        assert not render.is_ours(text, other)
    assert not render.is_ours(f"> {text}", mine)
    with pytest.raises(GitHubError, match="later version"):
        render.is_ours(text.replace("review v1", "review v2", 1), mine)


def test_a_public_pull_request_remembers_no_secret() -> None:
    draft = told(standing(1, security=True), standing(2), public=True)
    assert draft.fingerprints == {standing(2).tracked.fingerprint}
    assert "are not shown on pull requests of public repositories" in draft.text


@given(st.lists(st.sampled_from(["msgbatch_1", "a,b", "x --> y", ""]), max_size=3))
def test_a_night_is_read_back(batches: list[str]) -> None:
    told = tuple(batch for batch in batches if batch and "," not in batch)
    assert markers.read_night(f"{markers.report(told, B)}\nwords") == told
    assert markers.read_night("words") == ()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_words_for_other_destinations_are_inert(text: str) -> None:
    one = standing(title=text, explanation=text)
    assert one.finding
    words = review_comments.write(one.tracked, one.finding, suggestion=None)
    assert_inert(review_comments.folded(one.tracked, words), HOME)
