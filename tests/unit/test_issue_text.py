"""The rolling issue: complete drafts by example, and the parsed state by property."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from batch_action.errors import GitHubError
from batch_action.models.findings import (
    OPEN_STATES,
    FindingState,
    FindingStatus,
    Reconciliation,
    Severity,
)
from batch_action.models.ledger import Usage
from batch_action.models.report import Savings, SavingsByPeriod, Spending
from batch_action.models.requests import Cost
from batch_action.publishers import finding_block, markers, user_commands
from batch_action.publishers.issue.render import parse, render
from tests.harness import reports
from tests.harness.hostile_text import assert_inert
from tests.harness.reports import A, B, C, about_code, file_verdict, generated, publisher_options

COST = Cost(interactive_usd=0.2, batch_usd=0.1, batch_cached_usd=0.08)
REPORT = reports.report(
    spending=replace(reports.SPENDING, cost=COST),
    file_statuses=replace(reports.FILE_STATUSES, skipped=()),
)
OPTIONS = publisher_options()


def reported_status(
    number: int = 1, state: FindingState = FindingState.NEW, **fields
) -> FindingStatus:
    """A finding that was reported, whatever its state; `fields` go to the raw finding."""
    values = {"title": "SQL from `name`", "category": "security", **fields}
    reported = reports.finding_status(number, **values)
    return replace(reports.finding_status(number, state, **values), finding=reported.finding)


def draft(*statuses: FindingStatus, before=None, hides_security=False, **report):
    reconciled = Reconciliation(
        statuses=statuses,
        commit=C,
        held_back=reports.held_back("discarded"),
        hides_security=hides_security,
    )
    return render(replace(REPORT, **report), reconciled, before, OPTIONS)


def parse_draft(written):
    return parse(written.body, written.overflow)


LINK = f"https://github.com/octo/demo/blob/{A}/src/db.py#L10-L12"
BLOCK = f"""\
<!-- batch-action:finding v1 id=0000000000000001 state=new severity=high category=security \
rule=sql-injection path=src/db.py blob={B} commit={A} lines=10-12 scope=5-20 digest=dddddddddddd \
opened-on=2026-03-02 closed-on= closing-commit= ignored-by= security=0 pre-existing=0 \
title=SQL%20from%20%60name%60 -->
<details><summary>🟠 high · <b>SQL from <code>name</code></b> · <code>src/db.py</code> · \
<code>00000000</code></summary>

First seen 2026-03-02 at [<code>src/db.py:10-12</code>]({LINK}) · category security · \
rule `sql-injection` · confidence high

```py
run(q % name)
```

**Trigger.** The name `' OR 1=1 --` returns every row, not one.

**Why.** The name comes from outside.

**Fix.** Use parameters.

**Suggestion**

```diff
-run(q % name)
+run(q, name)
```

- [ ] dismiss this finding for good <!-- batch-action:checkbox id=0000000000000001 -->

</details>
<!-- /batch-action:finding id=0000000000000001 -->"""
END = """\
---

<details><summary>Files reviewed: 1 of 2 (1 in the backlog)</summary>

| File | Status | Reason |
|---|---|---|
| <code>src/x.py</code> | in the backlog | over the cap |
| <code>src/db.py</code> | reviewed |  |

Suppressed: 1 finding discarded, because the quoted code is not in the file \
([list](https://github.com/octo/demo/actions/runs/7)).

</details>

**Cost:** this run $0.10 · would have cost: interactive $0.20, batch + cache \
$0.08 · month so far $7.10 · 25% of input from cache

<sub>[run](https://github.com/octo/demo/actions/runs/7) · batch <code>msgbatch&#95;1</code> · \
model <code>model-x</code> · 2026-03-02</sub>

<sub>Advice from a language model: check before you act. What you write inside a finding's details \
is preserved; close this issue as *not planned* to mute it. To dismiss a finding for good, tick \
its checkbox or comment `/batch wontfix <id> <reason>`; `/batch confirm <id>` confirms it, \
`/batch explain <id>` has it explained in a comment, `/batch recheck <id>` has its file reviewed \
again.</sub>"""
HEAD = (
    f"<!-- batch-action v1 task=code-review repository=42 head={C} batches=msgbatch_1 "
    "just-opened=1 -->"
)
FINDING = "<!-- batch-action:finding"
BEFORE = parse(f"<!-- batch-action v1 task=code-review repository=42 head={A} batches=x -->", ())


def test_a_new_issue():
    written = draft(reported_status())
    assert written.title == "Nightly code review"
    assert written.labels == ("batch-action", "batch-action:code-review")
    assert written.overflow == ()
    assert written.open
    assert written.body == (
        f"{HEAD}\n**1 open finding, 1 high; 1 new in this run.**\n\n"
        "| Severity | Finding | Where |\n|---|---|---|\n"
        "| 🟠\N{NO-BREAK SPACE}high | 🆕 SQL from <code>name</code> "
        f"| [<code>src/db.py:10</code>]({LINK}) |\n\n{BLOCK}\n\n{END}"
    ).replace("msgbatch&#95;1", "msgbatch_1")
    assert written.comment is None


def test_one_comment_when_something_is_new():
    written = draft(reported_status(), before=BEFORE)
    assert written.comment == (
        f"<!-- batch-action:notification v1 batches=msgbatch_1 head={C} -->\n"
        "**1 new** in code review.\n\n"
        f"- 🆕 new: 🟠 high · SQL from <code>name</code> · [<code>src/db.py:10-12</code>]({LINK})"
        "\n\n<sub>[run](https://github.com/octo/demo/actions/runs/7)</sub>"
    )


def test_a_run_without_findings():
    written = draft()
    assert (written.open, written.comment) == (False, None)
    expected = f"{HEAD}\n**Nothing open.**\n\n{END}".replace("msgbatch&#95;1", "msgbatch_1")
    assert written.body == expected


def test_fixed_dismissed_and_older_ones_are_folded():
    fixed = reported_status(1, FindingState.FIXED)
    fixed = replace(fixed, note="fixed in 1a2b3c4")
    older = reported_status(2, FindingState.OPEN, pre_existing=True, severity=Severity.CRITICAL)
    gone = reported_status(3, FindingState.DISMISSED)
    written = draft(fixed, older, gone, before=BEFORE)
    body = written.body
    assert "**1 open finding, 1 critical; 1 fixed in this run.**" in body
    assert "<summary>1 finding older than the reviewed changes</summary>" in body
    assert "<summary>✅ Fixed: 1</summary>\n\n- 🟠 high · SQL from <code>name</code> · " in body
    assert " · fixed in 1a2b3c4 · 2026-" in body
    assert "<summary>Dismissed: 1</summary>" in body
    assert "| **pre-existing** · SQL from" in body
    assert "- ✅ fixed: 🟠 high · SQL from <code>name</code> · fixed in 1a2b3c4" in written.comment
    states = {k.state for k in parse_draft(written).tracked}
    assert states == {FindingState.FIXED, FindingState.OPEN, FindingState.DISMISSED}


def test_only_fixed_ones_close_the_issue():
    assert not draft(reported_status(1, FindingState.FIXED)).open


def test_a_fixed_finding_is_listed_for_a_month():
    known = replace(
        reported_status(1, FindingState.FIXED).tracked,
        opened_on="2026-01-01",
        closed_on="2026-03-02",
    )
    for days, there in ((0, True), (30, True), (31, False)):
        today = (date(2026, 3, 2) + timedelta(days)).isoformat()
        written = draft(FindingStatus(tracked=known, finding=None), date=today)
        assert bool(parse_draft(written).tracked) is there


def test_blocks_are_preserved_with_what_people_wrote():
    first = draft(reported_status())
    edited = first.body.replace("**Why.**", "I am on it, @me.\r\n\r\n**Why.**")
    before = parse(edited, ())
    changed = reported_status(1, FindingState.OPEN, title="other words", explanation="other")
    again = render(REPORT, Reconciliation(statuses=(changed,), commit=C), before, OPTIONS)
    assert "I am on it, @me.\n\n**Why.** The name comes from outside." in again.body
    assert parse(again.body, ()).blocks == before.blocks
    third = render(
        REPORT, Reconciliation(statuses=(changed,), commit=C), parse(again.body, ()), OPTIONS
    )
    assert third.body == again.body


def test_security_findings_are_hidden_on_public_repositories():
    secret, plain = (
        reported_status(1, security=True, title="hole"),
        reported_status(2, title="slow"),
    )
    written = draft(secret, plain, hides_security=True, before=BEFORE)
    whole = written.body + written.comment
    assert "hole" not in whole
    assert "0000000000000001" not in whole
    assert "**1 open finding, 1 high; 1 new in this run.**" in written.body
    assert "Security findings are not shown in public issues." in written.body
    assert not draft(secret, hides_security=True).open
    assert draft(secret, hides_security=True, before=BEFORE).comment is None
    assert "hole" in draft(secret, hides_security=False).body


def test_the_last_line_is_what_was_saved():
    saved = SavingsByPeriod(
        month=Savings(batches=1, interactive_usd=0.8, paid_usd=0.3),
        total=Savings(batches=9, interactive_usd=1200, paid_usd=599.5),
    )
    body = draft(spending=replace(reports.SPENDING, savings=saved)).body
    assert body.splitlines()[-1] == (
        "<sub>Saved this month $0.50 of $0.80, since the beginning $600.50 of $1,200.00.</sub>"
    )


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (Cost(interactive_usd=None, batch_usd=None, batch_cached_usd=None), "this run unpriced"),
        (Cost(interactive_usd=0.004, batch_usd=0.002, batch_cached_usd=None), "$0.0020"),
        (Cost(interactive_usd=0, batch_usd=0.0, batch_cached_usd=0), "this run $0.00"),
        (Cost(interactive_usd=1e-5, batch_usd=5e-6, batch_cached_usd=0), "less than $0.0001"),
    ],
)
def test_the_cost_line(cost, words):
    spending = Spending(usage=Usage(), cost=cost, month_to_date_usd=None, cache_share=0)
    body = draft(spending=spending).body
    assert words in body
    assert cost.is_priced or "$" not in body


def test_400_findings_stay_one_readable_issue():
    many = [reported_status(n, explanation="why " * 200) for n in range(1, 401)]
    written = draft(*many, before=BEFORE)
    assert len(written.body) <= 60_000
    assert all(len(text) <= 30_000 for text in written.overflow)
    assert "The table shows the worst 25 of 400." in written.body
    assert written.body.count("<!-- batch-action:finding") == 25
    assert [markers.parse_continuation(text) for text in written.overflow] == list(
        range(1, len(written.overflow) + 1)
    )
    assert {k.fingerprint for k in parse_draft(written).tracked} == written.fingerprints
    assert len(written.fingerprints) == 400
    assert len(written.comment) < 10_000


def test_3000_findings_stay_readable_and_parsable():
    many = [
        reported_status(n, explanation="why " * 700, remediation="do " * 900)
        for n in range(1, 3001)
    ]
    written = draft(*many, before=BEFORE)
    assert len(written.body) <= 60_000
    assert all(len(text) <= 30_000 for text in written.overflow)
    assert sum(map(len, written.overflow)) < 3_000_000
    before = parse_draft(written)
    assert len(before.tracked) == 3000
    brief = [f for f, words in before.blocks.items() if finding_block.BRIEF_MARKER in words]
    assert 2800 < len(brief) < 3000
    assert "why why" in before.blocks[f"{1:016x}"]
    assert dict(written.suppressed)["max-findings"] == 3000 - written.body.count(FINDING)
    later = [replace(s, tracked=known) for s, known in zip(many, before.tracked, strict=True)]
    again = parse_draft(draft(*later, before=before))
    some = [f for f in brief if finding_block.BRIEF_MARKER not in again.blocks[f]]
    assert 50 < len(some) < 200
    assert again.blocks[some[0]].replace("**Why.**", "").count("\n\n") > 3


def test_a_brief_block_is_completed_later():
    ignored = reported_status(1, FindingState.IGNORED)
    ignored = replace(ignored, tracked=replace(ignored.tracked, ignored_by="baseline"))
    written = draft(ignored, before=BEFORE)
    assert "<summary>Ignored: 1 by the baseline</summary>" in written.body
    assert ", 1 accepted by the baseline file (" in written.body
    assert "**Why.**" not in written.body
    before = parse_draft(written)
    assert before.tracked[0].ignored_by == "baseline"
    (block,) = before.blocks.values()
    edited = block.replace("</details>", "Mine.\n\n</details>")
    before = replace(before, blocks={before.tracked[0].fingerprint: edited})
    (now,) = parse_draft(draft(reported_status(1), before=before)).blocks.values()
    assert now.index("**Why.** The name") < now.index("Mine.")
    assert finding_block.BRIEF_MARKER not in now


def test_verdicts_and_files_stay_until_the_next_answers():
    first = draft(
        reported_status(),
        file_verdicts=(file_verdict("It sorts @octo no more."),),
        generated=(generated("Tests."),),
    )
    assert "| ❌ INVALID | It sorts" in first.body
    assert "| Generated file |" in first.body
    assert_inert(first.body, "https://github.com")
    quiet = draft(
        reported_status(state=FindingState.OPEN),
        before=parse_draft(first),
        batch_ids=(),
    )
    assert "| ❌ INVALID | It sorts" in quiet.body
    later = draft(reported_status(state=FindingState.OPEN), before=parse_draft(first))
    assert "INVALID" not in later.body


def test_suppressed_findings_are_counted():
    written = render(
        REPORT,
        Reconciliation(
            hides_security=True,
            statuses=(reported_status(1), reported_status(2), reported_status(3, security=True)),
            commit=C,
            held_back=(
                *reports.held_back("min-severity", 3),
                *reports.held_back("repeated", security=True),
            ),
        ),
        BEFORE,
        publisher_options(max_findings=1),
    )
    assert written.suppressed == (("min-severity", 3), ("max-findings", 1), ("public", 1))
    assert (
        "Suppressed: 3 findings below `min-severity`, 1 in comments because of `max-findings`"
        " ([list](https://github.com/octo/demo/actions/runs/7)).\n"
    ) in written.body


def test_blocks_of_another_destination_are_reused_safely():
    forged = f"theirs\n<!-- /batch-action:finding -->\n{HEAD}\nmore"
    known = {f"{1:016x}": forged, f"{2:016x}": "unused"}
    reconciled = Reconciliation(
        statuses=(reported_status(1), reported_status(2)), commit=C, blocks=known
    )
    written = render(REPORT, reconciled, None, OPTIONS)
    before = parse_draft(written)
    assert len(before.tracked) == 2
    assert before.blocks[f"{1:016x}"].startswith("theirs\n")
    assert before.blocks[f"{1:016x}"].endswith("\nmore")
    assert before.blocks[f"{2:016x}"] == "unused"


def test_markers_without_newer_fields_are_parsed():
    body = draft(reported_status()).body.replace(" ignored-by=", "")
    before = parse(body, ())
    assert (len(before.tracked), before.tracked[0].ignored_by) == (1, "")


def test_each_state_key_has_an_issue_of_its_own():
    written = draft(reported_status(), state_key="b")
    assert written.title == "Nightly code review (b)"
    assert "task=code-review%40b repository=42" in written.body
    assert "task=code-review repository=42" not in written.body


@given(st.text(alphabet="ab\n<>/details -", max_size=60), st.booleans())
def test_a_checkbox_does_not_change_the_block(words, tick):
    own = "0123456789abcdef"
    for text in (words, f"<details>\n\n{words}\n\n</details>"):
        now = user_commands.add_checkbox(text, own, ticked=tick)
        assert user_commands.remove_checkbox(now) == text.rstrip("\n")
        assert user_commands.parse_ticked(now) == ({own} if tick else set())
        assert user_commands.parse_ticked(now.replace("[ ]", "[X]").replace("\n", "\r\n")) == {own}


def test_the_issue_of_a_later_version_is_not_changed():
    with pytest.raises(GitHubError, match="later version"):
        parse(draft().body.replace("batch-action v1", "batch-action v2"), ())


def test_a_body_without_a_marker_has_no_state():
    assert parse("Something else", ()) is None


def test_a_damaged_block_affects_no_other_block():
    written = draft(reported_status(1), reported_status(2), reported_status(3))
    body = written.body.replace("<!-- /batch-action:finding id=0000000000000001 -->", "")
    body = body.replace("id=0000000000000002 state=new", "id=broken state=new")
    assert {k.fingerprint for k in parse(body, ()).tracked} == {f"{n:016x}" for n in (1, 3)}


def test_a_damaged_head_is_read_as_far_as_possible():
    before = parse("<!-- batch-action v1 task=code-review head=%FF batches=a,b -->", ())
    assert (before.head, before.batches) == ("", ("a", "b"))


HOSTILE = st.lists(
    st.sampled_from(
        [
            *("<!-- batch-action:finding v1 id=00000000000000ff -->", "<!-- /batch-action:finding"),
            *(
                "<!-- batch-action v1 task=x repository=42 head=y -->",
                "\n",
                "-->",
                "```",
                "</details>",
            ),
            *(
                "~~~",
                "````\n",
                "@me",
                "#1",
                "|",
                "`",
                "<b>",
                "\r\n",
                "\u202e",
                "\ud800",
                "x",
                "%2D",
            ),
            "<!-- /batch-action:finding id=0000000000000001 -->",
        ]
    ),
    max_size=8,
).map("".join) | st.text(max_size=40)


@settings(deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, st.sampled_from(list(FindingState)))
def test_rendered_issues_are_parsed_back(title, text, code, path, state):
    base = reported_status(
        1, state, title=title, explanation=text, remediation=text, rule=text, suggestion=code
    )
    anchor = replace(base.tracked.anchor, path=path or "a")
    known = replace(base.tracked, anchor=anchor, title=title, opened_on="2026-01-01")
    finding = replace(about_code(base.finding, code), anchor=anchor)
    hostile = FindingStatus(tracked=known, finding=finding, note=text, changed=base.changed)
    written = draft(hostile, reported_status(2))
    before = parse_draft(written)
    assert before.head == C
    assert [k.fingerprint[-1] for k in before.tracked if k.fingerprint.startswith("0" * 15)] == (
        ["1", "2"] if state in OPEN_STATES else ["2", "1"]
    )
    (read,) = (k for k in before.tracked if k.fingerprint == known.fingerprint)
    closed = "2026-03-02" if state is FindingState.FIXED else ""
    names = {"rule": known.rule[: markers.MAX_NAME_CHARS], "title": read.title}
    assert read == replace(known, closed_on=closed, **names)
    (other,) = (k for k in before.tracked if k is not read)
    later = (replace(hostile, tracked=read), replace(reported_status(2), tracked=other))
    again = draft(*later, before=before)
    assert parse_draft(again).blocks == before.blocks
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(written.body)
    assert sum(t.type == "fence" and t.info == "diff" for t in tokens) == 1 + (state in OPEN_STATES)
    opened = sum(t.content.count("<details>") for t in tokens if t.type == "html_block")
    assert opened == sum(t.content.count("</details>") for t in tokens if t.type == "html_block")
