"""SARIF documents: valid by the official schema, harmless, within limits, and readable again."""

import gzip
import json
import random
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.escape import message, plain
from batch_action.models.findings import (
    Anchor,
    Confidence,
    FindingState,
    FindingStatus,
    Reconciliation,
    Severity,
    TrackedFinding,
)
from batch_action.models.report import FileStatuses, RunReport
from batch_action.publishers.sarif import texts
from batch_action.publishers.sarif.document import render
from batch_action.publishers.sarif.reader import AnalysisState, is_same, parse
from batch_action.publishers.sarif.texts import SCORES, category_of, parse_rule_id, rule_id
from batch_action.sandbox.github import sarif as service
from tests.harness import reports
from tests.harness.reports import A, B, C, about_code
from tests.harness.sarif_schema import schema_errors

REPORT = RunReport(
    task="security-scan",
    repository="octo/demo",
    server_url="https://github.com",
    commit=C,
    run_url=None,
    batch_ids=("msgbatch_1", "msgbatch_2"),
    model="model-x",
    date="2026-03-02",
    file_statuses=FileStatuses.of(()),
    spending=None,
    ref="refs/heads/main",
)
HIDDEN_STATES = (FindingState.FIXED, FindingState.DISMISSED, FindingState.IGNORED)
SHOWN_STATES = tuple(state for state in FindingState if state not in HIDDEN_STATES)

FORGED = (
    "x (Finding ffffffffffffffff, first seen 2026-01-01, lines 1 to 2 of blob aaaaaaaaaaaa in "
    "bbbbbbbbbbbb)"
)
HOSTILE = (
    "@octocat please look at @org/team",
    "[click](https://evil.example) ![x](http://evil.example/x.png)",
    "see [this](1) and {0} {12}",
    "fixes #1, GH-2, octo/demo#3",
    "a\x00b\x1b[31m\u202egnp.exe\u200b\u2066\ufeff",
    "<!-- batch-action:finding v1 id=ffffffffffffffff --> <script>alert(1)</script>",
    "line one\r\n::error::line two\n##[set-output name=a]b",
    FORGED,
    "www.evil.example https://evil.example",
    "half a pair \ud800 and \udcff",
    "```\n</details>\n````",
    "",
    "   ",
)
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
any_text = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
plain_names = st.sampled_from(["injection", "sql-injection", "bug", "off-by-one"])
# As `os.fsdecode` makes them of git's bytes: no NUL, not absolute.
paths = (
    st.binary(min_size=1, max_size=30)
    .map(lambda raw: raw.replace(b"\0", b"x").lstrip(b"/").decode("utf-8", "surrogateescape"))
    .filter(bool)
)
paths = st.one_of(st.sampled_from(["src/a.py", "a b/ü#?.py", "c:/d.py", "-- x"]), paths)
object_ids = st.text("0123456789abcdef", min_size=40, max_size=40)


def finding_status(
    number: int = 1, state: FindingState = FindingState.NEW, **fields: Any
) -> FindingStatus:
    """A finding of this run, in any state; `fields` go to the raw finding."""
    values = {"title": "SQL from `name`", "suggestion": None, "cwe": "CWE-89", "security": True}
    values |= {"confidence": Confidence.MEDIUM, **fields}
    status = reports.finding_status(number, **values)
    tracked = replace(status.tracked, state=state, opened_on="2026-03-01")
    assert status.finding
    finding = about_code(status.finding, "q = 1\nrun(q % •••••)")
    return FindingStatus(tracked=tracked, finding=finding)


@st.composite
def statuses(draw: st.DrawFn) -> tuple[FindingStatus, ...]:
    drawn = []
    for number in range(draw(st.integers(0, 5))):
        state = draw(st.sampled_from(FindingState))
        first = draw(st.integers(1, 5000))
        status = finding_status(
            number,
            state,
            rule=draw(st.one_of(plain_names, any_text)),
            category=draw(st.one_of(plain_names, any_text)),
            severity=draw(st.sampled_from(Severity)),
            confidence=draw(st.sampled_from(Confidence)),
            title=draw(any_text),
            explanation=draw(any_text),
            remediation=draw(any_text),
            cwe=draw(st.sampled_from([None, "CWE-89", "cwe 79: XSS", "CWE-0", "no", "CWE-00007"])),
            security=draw(st.booleans()),
            pre_existing=draw(st.booleans()),
        )
        anchor = Anchor(
            path=draw(paths),
            blob=draw(object_ids),
            commit=draw(object_ids),
            start_line=first,
            end_line=first + draw(st.integers(0, 9)),
            scope_start=1,
            scope_end=first + 20,
        )
        tracked = replace(
            status.tracked,
            anchor=anchor,
            opened_on=draw(st.sampled_from(["", "2026-02-03"])),
            closed_on=draw(st.sampled_from(["", "2026-02-04"]))
            if state is FindingState.FIXED
            else "",
            closing_commit=draw(object_ids) if state is FindingState.FIXED else "",
            ignored_by=draw(st.sampled_from(["comment", "baseline"]))
            if state is FindingState.IGNORED
            else "",
        )
        assert status.finding
        finding = replace(about_code(status.finding, draw(any_text)), anchor=anchor)
        has_finding = draw(st.booleans())
        drawn.append(replace(status, tracked=tracked, finding=finding if has_finding else None))
    return tuple(drawn)


def render_statuses(*statuses: FindingStatus, previous: AnalysisState | None = None, **report: Any):
    reconciled = Reconciliation(statuses=statuses, commit=C)
    return render(replace(REPORT, **report), reconciled, previous or AnalysisState())


def run_of(draft: Any) -> dict[str, Any]:
    return draft.document["runs"][0]


def stored(tracked: TrackedFinding) -> TrackedFinding:
    """A finding as the document stores it: dated, with a title on one line of limited length."""
    return replace(
        tracked,
        opened_on=tracked.opened_on or REPORT.date,
        closed_on=(tracked.closed_on or REPORT.date) if tracked.state is FindingState.FIXED else "",
        title=plain(tracked.title, 120),
    )


def strings(data: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a document, with its key."""
    if isinstance(data, dict):
        for key, value in data.items():
            # Quoted code is shown as code, so nothing in it can act.
            yield from strings(value.get("text") if key == "snippet" else value, key)
    elif isinstance(data, list):
        for value in data:
            yield from strings(value, name)
    elif isinstance(data, str):
        yield name, data


class TestDocument:
    @given(statuses(), st.sampled_from(["", "weekly"]), st.sampled_from([None, "octo/demo"]))
    @settings(max_examples=60)
    def test_is_valid_and_stores_every_finding(self, statuses, key, repository):
        draft = render_statuses(*statuses, state_key=key, repository=repository)
        document = json.loads(draft.data)
        assert schema_errors(document) == []
        assert service.processing_errors(document) == []
        assert gzip.decompress(draft.compressed) == draft.data
        assert draft.compressed[4:10] == bytes([0, 0, 0, 0, 2, 3]), "the same on each Python"
        state = parse(document)
        assert state.has_properties
        assert state.batches == REPORT.batch_ids
        expected = {s.tracked.fingerprint: stored(s.tracked) for s in statuses}
        assert {tracked.fingerprint: tracked for tracked in state.tracked} == expected
        assert (
            draft.open == len(state.texts) == sum(s.tracked.state in SHOWN_STATES for s in statuses)
        )

    @given(statuses())
    @settings(max_examples=60)
    def test_is_unchanged_when_it_is_carried_forward(self, statuses):
        first = parse(json.loads(render_statuses(*statuses).data))
        later = [replace(s, finding=None) for s in statuses]
        second = parse(json.loads(render_statuses(*later, previous=first).data))
        assert is_same(first, second)
        assert first.texts == second.texts

    @given(statuses())
    @settings(max_examples=60)
    def test_contains_no_active_text(self, statuses):
        for name, text in strings(render_statuses(*statuses).document):
            if name in ("text", "markdown", "snippet"):
                assert not HIDDEN.search(text)
            if name == "text":
                assert not re.search(r"[\n\u200b-\u200d]", text)
                assert not re.search(r"\]\(|\{\d+\}|(?<!\w)@\w|://|#\d", text), text

    def test_has_location_and_commit(self):
        run = run_of(render_statuses(finding_status(), state_key="eu"))
        assert run["automationDetails"] == {"id": "batch-action/security-scan-eu/"}
        assert run["automationDetails"]["id"] == f"{category_of('security-scan', 'eu')}/"
        assert run["versionControlProvenance"] == [
            {
                "repositoryUri": "https://github.com/octo/demo",
                "revisionId": C,
                "branch": "refs/heads/main",
            }
        ]
        [result] = run["results"]
        assert result["partialFingerprints"]["primaryLocationLineHash"] == f"{1:016x}"
        location = result["locations"][0]["physicalLocation"]
        assert location["artifactLocation"] == {"uri": "src/db.py"}
        assert location["region"] == {
            "startLine": 10,
            "startColumn": 1,
            "endLine": 12,
            "endColumn": 15,
            "snippet": {"text": "q = 1\nrun(q % •••••)"},
        }

    @given(paths)
    @settings(max_examples=60)
    def test_a_path_is_a_relative_uri_and_is_read_back(self, path: str):
        status = finding_status()
        anchor = replace(status.tracked.anchor, path=path)
        draft = render_statuses(replace(status, tracked=replace(status.tracked, anchor=anchor)))
        location = run_of(draft)["results"][0]["locations"][0]["physicalLocation"]
        uri = urlsplit(location["artifactLocation"]["uri"])
        assert (uri.scheme, uri.netloc, uri.query, uri.fragment) == ("",) * 4
        assert uri.path.isascii()
        assert parse(json.loads(draft.data)).tracked[0].anchor.path == path


class TestRules:
    def test_alerts_are_named_by_what_is_wrong_or_by_the_rule_that_several_share(self):
        one, two = finding_status(1), finding_status(2, title="SQL from `id`")
        [rule] = run_of(render_statuses(one, two))["tool"]["driver"]["rules"]
        assert rule["shortDescription"]["text"] == "SQL injection"
        [rule] = run_of(render_statuses(two))["tool"]["driver"]["rules"]
        assert rule["shortDescription"]["text"] == "SQL from id"

    def test_a_rule_has_what_code_scanning_shows(self):
        [rule] = run_of(render_statuses(finding_status()))["tool"]["driver"]["rules"]
        assert rule["id"] == "injection/sql-injection/high"
        assert rule["name"] == "sql-injection"
        assert rule["shortDescription"]["text"] == "SQL from name"
        assert rule["defaultConfiguration"] == {"level": "error"}
        assert rule["properties"] == {
            "tags": ["security", "injection", "external/cwe/cwe-89"],
            "precision": "medium",
            "problem.severity": "error",
            "security-severity": "8.0",
        }
        assert "definitions/89.html" in rule["help"]["markdown"]
        assert "CWE-89" in rule["help"]["text"]
        assert "(https" not in rule["help"]["text"]

    @pytest.mark.parametrize(
        ("severity", "level", "score", "problem"),
        [
            (Severity.CRITICAL, "error", (9.0, 10.0), "error"),
            (Severity.HIGH, "error", (6.9, 8.9), "error"),
            (Severity.MEDIUM, "warning", (3.9, 6.9), "warning"),
            (Severity.LOW, "note", (0.0, 3.9), "recommendation"),
        ],
    )
    def test_severities(self, severity, level, score, problem):
        run = run_of(render_statuses(finding_status(severity=severity)))
        [rule] = run["tool"]["driver"]["rules"]
        assert run["results"][0]["level"] == level == rule["defaultConfiguration"]["level"]
        assert score[0] < float(rule["properties"]["security-severity"]) <= score[1]
        assert rule["properties"]["problem.severity"] == problem
        assert set(SCORES) == set(Severity)

    def test_only_security_has_a_security_severity(self):
        [rule] = run_of(render_statuses(finding_status(security=False, category="bug", cwe=None)))[
            "tool"
        ]["driver"]["rules"]
        assert rule["properties"]["tags"] == ["bug"]
        assert "security-severity" not in rule["properties"]

    def test_each_result_points_at_its_rule(self):
        run = run_of(
            render_statuses(
                finding_status(1, severity=Severity.CRITICAL),
                finding_status(2),
                finding_status(3, rule="xss", category="injection"),
                finding_status(4),
            )
        )
        rules = run["tool"]["driver"]["rules"]
        assert len(rules) == 3
        assert [r["ruleId"] for r in run["results"]] == [
            rules[r["ruleIndex"]]["id"] for r in run["results"]
        ]

    def test_tags_of_the_last_analysis_stay(self):
        first = parse(
            render_statuses(finding_status(cwe="CWE-89"), finding_status(2, cwe="CWE-564")).document
        )
        [rule] = run_of(render_statuses(replace(finding_status(), finding=None), previous=first))[
            "tool"
        ]["driver"]["rules"]
        assert rule["properties"]["tags"][2:] == ["external/cwe/cwe-89", "external/cwe/cwe-564"]
        assert rule["properties"]["precision"] == "medium"

    @given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(Severity))
    def test_an_id_can_be_read_back(self, rule, kind, severity):
        tracked = replace(finding_status().tracked, rule=rule, category=kind, severity=severity)
        read = parse_rule_id(rule_id(tracked))
        assert read is not None
        assert read[2] is severity
        if re.fullmatch(r"[!-~]{1,60}", rule):
            assert read[1] == rule


class TestReturnedDocument:
    """Code scanning returns a part of the document: ids, locations, messages and rules."""

    def test_a_finding_is_recognized_by_its_visible_part(self):
        first_status, second_status = (
            finding_status(1),
            finding_status(2, FindingState.OPEN, security=False, category="bug"),
        )
        draft = render_statuses(first_status, second_status, finding_status(3, FindingState.FIXED))
        run = json.loads(draft.data)["runs"][0]
        part = service.returned_run(run, {0: (7, "u"), 1: (8, "u")}, "refs/heads/main", C)
        assert schema_errors({"version": "2.1.0", "runs": [part]}) == []
        state = parse({"version": "2.1.0", "runs": [part]})
        assert not state.has_properties
        assert state.tracked == ()
        first, second = state.partial
        assert (first.path, first.category, first.rule) == (
            "src/db.py",
            "injection",
            "sql-injection",
        )
        assert (first.severity, first.security, second.security) == (Severity.HIGH, True, False)
        assert first.title == "SQL from `name`"
        assert first.footer == texts.Footer(
            fingerprint=f"{1:016x}",
            since="2026-03-01",
            start_line=10,
            end_line=12,
            blob=B[:12],
            commit=A[:12],
            pre_existing=False,
            verification=None,
            confirmed_by="",
        )
        assert is_same(state, parse(draft.document))
        text = state.texts[f"{1:016x}"]
        assert text.block == (
            "SQL from `name`. The name `' OR 1=1 --` returns every row, not one. "
            "The name comes from outside. Fix: Use parameters."
        )

    @pytest.mark.parametrize("damage", range(12))
    def test_damage_affects_one_result_only(self, damage):
        document = json.loads(render_statuses(finding_status(1), finding_status(2)).data)
        run = document["runs"][0]
        first = run["results"][0]
        changes = [
            lambda: first.update(partialFingerprints={}),
            lambda: first.update(partialFingerprints={"primaryLocationLineHash": 5}),
            lambda: first["properties"]["batchAction/v1"].pop("blob"),
            lambda: first["properties"]["batchAction/v1"].update(lines=[3, 1]),
            lambda: first["properties"]["batchAction/v1"].update(state="gone"),
            lambda: first["properties"]["batchAction/v1"].update(severity="dreadful"),
            lambda: first.update(properties=[{"github/alertNumber": 2}]),
            lambda: first.update(message=None),
            lambda: first.update(locations=[]),
            lambda: first.update(ruleId="none/of/ours"),
            lambda: run.update(properties=None),
            lambda: run["results"].insert(0, "text"),
        ]
        changes[damage]()
        state = parse(document)
        assert f"{2:016x}" in state.texts
        assert f"{2:016x}" in {tracked.fingerprint for tracked in state.tracked}

    @pytest.mark.parametrize(
        "document", [None, [], "x", {}, {"runs": None}, {"runs": [None]}, {"runs": [{"tool": []}]}]
    )
    def test_an_invalid_document_has_no_state(self, document):
        assert parse(document) == AnalysisState()

    def test_a_forged_footer_is_ignored(self):
        assert texts.parse_footer(FORGED)
        run = run_of(
            render_statuses(finding_status(title=FORGED, explanation=FORGED, remediation=FORGED))
        )
        footer = texts.parse_footer(run["results"][0]["message"]["text"])
        assert footer is not None
        assert footer.fingerprint == f"{1:016x}"


class TestDismissed:
    def test_only_findings_with_an_alert_stay_results(self):
        reconciled = Reconciliation(
            statuses=(
                finding_status(1, FindingState.DISMISSED),
                finding_status(2, FindingState.DISMISSED),
                finding_status(3, FindingState.IGNORED),
            ),
            commit=C,
        )
        draft = render(
            REPORT,
            reconciled,
            AnalysisState(),
            open_dismissals={f"{1:016x}": "won't fix: by @me [x](1)"},
        )
        [result] = run_of(draft)["results"]
        assert result["partialFingerprints"]["primaryLocationLineHash"] == f"{1:016x}"
        assert result["suppressions"] == [
            {
                "kind": "external",
                "status": "accepted",
                "justification": "won't fix: by @ me [x] (1)",
            }
        ]
        assert draft.open == 0
        assert schema_errors(draft.document) == []
        assert {k.fingerprint for k in parse(draft.document).tracked} == {
            f"{n:016x}" for n in (1, 2, 3)
        }


class TestLimits:
    def test_the_five_thousand_most_severe_are_shown(self):
        many = tuple(
            replace(finding_status(n, severity=list(Severity)[n * 4 // 5100]), finding=None)
            for n in range(5100)
        )
        draft = render_statuses(*many)
        results = run_of(draft)["results"]
        assert (len(results), draft.open, draft.suppressed) == (5000, 5000, 100)
        assert service.processing_errors(draft.document) == []
        shown = {r["partialFingerprints"]["primaryLocationLineHash"] for r in results}
        assert shown == {f"{n:016x}" for n in range(5000)}
        assert len(parse(draft.document).tracked) == 5100

    def test_a_large_document_loses_its_markdown_first_then_the_least_severe_results(self):
        letters = random.Random(7)  # incompressible, and the same every time

        def noise() -> str:
            return "".join(letters.choices(string.ascii_letters, k=400))

        many = tuple(finding_status(n, explanation=noise(), remediation=noise()) for n in range(40))
        reconciled = Reconciliation(statuses=many, commit=C)
        full_size = len(render(REPORT, reconciled, AnalysisState()).compressed)
        smaller = render(REPORT, reconciled, AnalysisState(), limit=full_size - 1)
        assert (smaller.open, smaller.suppressed) == (40, 0)
        assert "markdown" not in run_of(smaller)["results"][0]["message"]
        smallest = render(REPORT, reconciled, AnalysisState(), limit=full_size // 4)
        assert len(smallest.compressed) <= full_size // 4
        assert 0 < smallest.open < 40
        assert smallest.open + smallest.suppressed == 40
        assert schema_errors(smallest.document) == []
        assert run_of(smallest)["results"][0]["ruleId"] == run_of(smaller)["results"][0]["ruleId"]

    def test_long_texts_are_truncated(self):
        long = "word " * 5000
        run = run_of(
            render_statuses(
                finding_status(rule="r" * 500, title=long, explanation=long, remediation=long)
            )
        )
        [rule] = run["tool"]["driver"]["rules"]
        assert len(rule["name"]) <= 255
        assert len(rule["shortDescription"]["text"]) <= 1024
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert len(run["results"][0]["message"]["text"]) < 8000
        many = [finding_status(1, cwe=" ".join(f"CWE-{n}" for n in range(1, 40)))]
        [rule] = run_of(render_statuses(*many))["tool"]["driver"]["rules"]
        assert len(rule["properties"]["tags"]) == 10


@given(any_text, st.integers(0, 60))
def test_escaping_a_message_twice_changes_nothing(text: str, limit: int):
    made = message(text, limit)
    assert message(made) == made


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a@b.example", "a@b.example"),
        ("@user and @org/team", "@ user and @ org/team"),
        ("arr[i](x)", "arr[i] (x)"),
        ("{0} {name} {12}", "{ 0} {name} { 12}"),
        ("https://x.example", "https: //x.example"),
        ("www.x.example", "www .x.example"),
        ("#12 and C# 8, GH-7", "# 12 and C# 8, GH- 7"),
        ("a\u200bb\u202ec\x00d\ne", "abcd e"),
    ],
)
def test_active_text_in_a_message_is_broken_up(text: str, shown: str):
    assert message(text) == shown
