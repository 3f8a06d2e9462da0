"""SARIF documents: valid by the official schema, harmless, within limits, and remembered."""

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
from batch_action.publishers.sarif import messages
from batch_action.publishers.sarif.document import category, render
from batch_action.publishers.sarif.reader import Memory, parse, same
from batch_action.publishers.sarif.rules import SCORES, identify, read_id
from batch_action.sandbox.github import sarif as service
from tests.harness import reports
from tests.harness.reports import A, B, C
from tests.harness.sarif_schema import complaints

NIGHT = RunReport(
    task="security-scan",
    repository="octo/demo",
    server_url="https://github.com",
    commit=C,
    run_url=None,
    batch_ids=("msgbatch_1", "msgbatch_2"),
    model="model-x",
    date="2026-03-02",
    file_statuses=FileStatuses(entries=()),
    spending=None,
    discarded=0,
    public=True,
    allow_public_security=False,
    max_findings=25,
    ref="refs/heads/main",
)
BACKGROUND = (FindingState.FIXED, FindingState.DISMISSED, FindingState.IGNORED)
LIVE = tuple(state for state in FindingState if state not in BACKGROUND)

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
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
plain_names = st.sampled_from(["injection", "sql-injection", "bug", "off-by-one"])
# As `os.fsdecode` makes them of git's bytes: no NUL, not absolute.
paths = (
    st.binary(min_size=1, max_size=30)
    .map(lambda raw: raw.replace(b"\0", b"x").lstrip(b"/").decode("utf-8", "surrogateescape"))
    .filter(bool)
)
paths = st.one_of(st.sampled_from(["src/a.py", "a b/ü#?.py", "c:/d.py", "-- x"]), paths)
hexes = st.text("0123456789abcdef", min_size=40, max_size=40)


def standing(
    number: int = 1, state: FindingState = FindingState.NEW, **fields: Any
) -> FindingStatus:
    """A finding that was reported tonight, whatever its state; `fields` go to the remark."""
    values = {"title": "SQL from `name`", "suggestion": None, "cwe": "CWE-89", "security": True}
    values |= {"confidence": Confidence.MEDIUM, **fields}
    one = reports.standing(number, **values)
    known = replace(one.tracked, state=state, since="2026-03-01")
    assert one.finding
    finding = replace(one.finding, evidence="q = 1\nrun(q % •••••)")
    return FindingStatus(tracked=known, finding=finding)


@st.composite
def statuses(draw: st.DrawFn) -> tuple[FindingStatus, ...]:
    found = []
    for number in range(draw(st.integers(0, 5))):
        state = draw(st.sampled_from(FindingState))
        first = draw(st.integers(1, 5000))
        one = standing(
            number,
            state,
            rule=draw(st.one_of(plain_names, texts)),
            category=draw(st.one_of(plain_names, texts)),
            severity=draw(st.sampled_from(Severity)),
            confidence=draw(st.sampled_from(Confidence)),
            title=draw(texts),
            explanation=draw(texts),
            remediation=draw(texts),
            cwe=draw(st.sampled_from([None, "CWE-89", "cwe 79: XSS", "CWE-0", "no", "CWE-00007"])),
            security=draw(st.booleans()),
            pre_existing=draw(st.booleans()),
        )
        anchor = Anchor(
            path=draw(paths),
            blob=draw(hexes),
            commit=draw(hexes),
            start_line=first,
            end_line=first + draw(st.integers(0, 9)),
            scope=(1, first + 20),
        )
        known = replace(
            one.tracked,
            anchor=anchor,
            since=draw(st.sampled_from(["", "2026-02-03"])),
            closed=draw(st.sampled_from(["", "2026-02-04"])) if state is FindingState.FIXED else "",
            closed_by=draw(hexes) if state is FindingState.FIXED else "",
            suppressed=draw(st.sampled_from(["comment", "baseline"]))
            if state is FindingState.IGNORED
            else "",
        )
        assert one.finding
        finding = replace(one.finding, anchor=anchor, evidence=draw(texts))
        found.append(replace(one, tracked=known, finding=finding if draw(st.booleans()) else None))
    return tuple(found)


def drawn(*these: FindingStatus, before: Memory | None = None, **report: Any):
    told = Reconciliation(statuses=these, commit=C)
    return render(replace(NIGHT, **report), told, before or Memory())


def run_of(draft: Any) -> dict[str, Any]:
    return draft.document["runs"][0]


def remembered(known: TrackedFinding) -> TrackedFinding:
    """As it is remembered: dated, its title on one line and not too long."""
    return replace(
        known,
        since=known.since or NIGHT.date,
        closed=(known.closed or NIGHT.date) if known.state is FindingState.FIXED else "",
        title=plain(known.title, 120),
    )


def strings(data: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a document with the name it stands under."""
    if isinstance(data, dict):
        for key, value in data.items():
            # Quoted code is shown as code, and nothing in it is looked for.
            yield from strings(value.get("text") if key == "snippet" else value, key)
    elif isinstance(data, list):
        for value in data:
            yield from strings(value, name)
    elif isinstance(data, str):
        yield name, data


class TestTheDocument:
    @given(statuses(), st.sampled_from(["", "night-2"]), st.sampled_from([None, "octo/demo"]))
    @settings(max_examples=60)
    def test_is_valid_and_remembers_all_it_was_told(self, these, key, repository):
        draft = drawn(*these, state_key=key, repository=repository)
        document = json.loads(draft.data)
        assert complaints(document) == []
        assert service.problems(document) == []
        assert gzip.decompress(draft.packed) == draft.data
        session = parse(document)
        assert session.exact
        assert session.batches == NIGHT.batch_ids
        expected = {s.tracked.fingerprint: remembered(s.tracked) for s in these}
        assert {known.fingerprint: known for known in session.tracked} == expected
        assert draft.live == len(session.told) == sum(s.tracked.state in LIVE for s in these)

    @given(statuses())
    @settings(max_examples=60)
    def test_is_the_same_when_it_is_carried_forward(self, these):
        first = parse(json.loads(drawn(*these).data))
        later = [replace(s, finding=None) for s in these]
        second = parse(json.loads(drawn(*later, before=first).data))
        assert same(first, second)
        assert first.told == second.told

    @given(statuses())
    @settings(max_examples=60)
    def test_acts_on_nothing(self, these):
        for name, text in strings(drawn(*these).document):
            if name in ("text", "markdown", "snippet"):
                assert not HIDDEN.search(text)
            if name == "text":
                assert not re.search(r"[\n\u200b-\u200d]", text)
                assert not re.search(r"\]\(|\{\d+\}|(?<!\w)@\w|://|#\d", text), text

    def test_names_the_place_and_the_commit(self):
        run = run_of(drawn(standing(), state_key="eu"))
        assert run["automationDetails"] == {"id": "batch-action/security-scan-eu/"}
        assert run["automationDetails"]["id"] == f"{category('security-scan', 'eu')}/"
        assert run["versionControlProvenance"] == [
            {
                "repositoryUri": "https://github.com/octo/demo",
                "revisionId": C,
                "branch": "refs/heads/main",
            }
        ]
        [result] = run["results"]
        assert result["partialFingerprints"]["primaryLocationLineHash"] == f"{1:016x}"
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "src/db.py"}
        assert place["region"] == {
            "startLine": 10,
            "startColumn": 1,
            "endLine": 12,
            "endColumn": 15,
            "snippet": {"text": "q = 1\nrun(q % •••••)"},
        }

    @given(paths)
    @settings(max_examples=60)
    def test_a_path_is_a_relative_address_and_comes_back(self, path: str):
        one = standing()
        moved = replace(
            one, tracked=replace(one.tracked, anchor=replace(one.tracked.anchor, path=path))
        )
        draft = drawn(moved)
        place = run_of(draft)["results"][0]["locations"][0]["physicalLocation"]
        address = urlsplit(place["artifactLocation"]["uri"])
        assert (address.scheme, address.netloc, address.query, address.fragment) == ("",) * 4
        assert address.path.isascii()
        assert parse(json.loads(draft.data)).tracked[0].anchor.path == path


class TestRules:
    def test_a_rule_says_what_code_scanning_shows(self):
        [rule] = run_of(drawn(standing()))["tool"]["driver"]["rules"]
        assert rule["id"] == "injection/sql-injection/high"
        assert rule["name"] == "sql-injection"
        assert rule["shortDescription"]["text"] == "SQL injection"
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
        run = run_of(drawn(standing(severity=severity)))
        [rule] = run["tool"]["driver"]["rules"]
        assert run["results"][0]["level"] == level == rule["defaultConfiguration"]["level"]
        assert score[0] < float(rule["properties"]["security-severity"]) <= score[1]
        assert rule["properties"]["problem.severity"] == problem
        assert set(SCORES) == set(Severity)

    def test_only_security_has_a_security_severity(self):
        [rule] = run_of(drawn(standing(security=False, category="bug", cwe=None)))["tool"][
            "driver"
        ]["rules"]
        assert rule["properties"]["tags"] == ["bug"]
        assert "security-severity" not in rule["properties"]

    def test_each_result_points_at_its_rule(self):
        run = run_of(
            drawn(
                standing(1, severity=Severity.CRITICAL),
                standing(2),
                standing(3, rule="xss", category="injection"),
                standing(4),
            )
        )
        rules = run["tool"]["driver"]["rules"]
        assert len(rules) == 3
        assert [r["ruleId"] for r in run["results"]] == [
            rules[r["ruleIndex"]]["id"] for r in run["results"]
        ]

    def test_what_was_known_of_a_rule_stays(self):
        first = parse(drawn(standing(cwe="CWE-89"), standing(2, cwe="CWE-564")).document)
        [rule] = run_of(drawn(replace(standing(), finding=None), before=first))["tool"]["driver"][
            "rules"
        ]
        assert rule["properties"]["tags"][2:] == ["external/cwe/cwe-89", "external/cwe/cwe-564"]
        assert rule["properties"]["precision"] == "medium"

    @given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(Severity))
    def test_an_id_can_be_read_back(self, rule, kind, severity):
        known = replace(standing().tracked, rule=rule, category=kind, severity=severity)
        read = read_id(identify(known))
        assert read is not None
        assert read[2] is severity
        if re.fullmatch(r"[!-~]{1,60}", rule):
            assert read[1] == rule


class TestWhatComesBack:
    """Code scanning returns a part of the document: ids, places, messages and rules."""

    def test_a_finding_is_known_again_from_what_people_see(self):
        one, two = standing(1), standing(2, FindingState.OPEN, security=False, category="bug")
        draft = drawn(one, two, standing(3, FindingState.FIXED))
        run = json.loads(draft.data)["runs"][0]
        part = service.returned(run, {0: (7, "u"), 1: (8, "u")}, "refs/heads/main", C)
        assert complaints({"version": "2.1.0", "runs": [part]}) == []
        session = parse({"version": "2.1.0", "runs": [part]})
        assert not session.exact
        assert session.tracked == ()
        first, second = session.halves
        assert (first.path, first.category, first.rule) == (
            "src/db.py",
            "injection",
            "sql-injection",
        )
        assert (first.severity, first.security, second.security) == (Severity.HIGH, True, False)
        assert first.title == "SQL from `name`"
        assert first.trace == messages.Trace(
            fingerprint=f"{1:016x}",
            since="2026-03-01",
            start_line=10,
            end_line=12,
            blob=B[:12],
            commit=A[:12],
            pre_existing=False,
        )
        assert same(session, parse(draft.document))
        told = session.told[f"{1:016x}"]
        assert told.blocks == (
            "SQL from `name`. The name comes from outside. Remedy: Use parameters."
        )

    @pytest.mark.parametrize("spoil", range(12))
    def test_damage_costs_no_more_than_itself(self, spoil):
        document = json.loads(drawn(standing(1), standing(2)).data)
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
        changes[spoil]()
        session = parse(document)
        assert f"{2:016x}" in session.told
        known = {one.fingerprint for one in session.tracked}
        assert f"{2:016x}" in known

    @pytest.mark.parametrize(
        "document", [None, [], "x", {}, {"runs": None}, {"runs": [None]}, {"runs": [{"tool": []}]}]
    )
    def test_what_is_no_document_remembers_nothing(self, document):
        assert parse(document) == Memory()

    def test_a_forged_last_line_does_not_count(self):
        assert messages.trace(FORGED)
        run = run_of(drawn(standing(title=FORGED, explanation=FORGED, remediation=FORGED)))
        trace = messages.trace(run["results"][0]["message"]["text"])
        assert trace is not None
        assert trace.fingerprint == f"{1:016x}"


class TestDismissed:
    def test_only_what_has_an_alert_stays_a_result(self):
        told = Reconciliation(
            statuses=(
                standing(1, FindingState.DISMISSED),
                standing(2, FindingState.DISMISSED),
                standing(3, FindingState.IGNORED),
            ),
            commit=C,
        )
        draft = render(NIGHT, told, Memory(), kept={f"{1:016x}": "won't fix: by @me [x](1)"})
        [result] = run_of(draft)["results"]
        assert result["partialFingerprints"]["primaryLocationLineHash"] == f"{1:016x}"
        assert result["suppressions"] == [
            {
                "kind": "external",
                "status": "accepted",
                "justification": "won't fix: by @ me [x] (1)",
            }
        ]
        assert draft.live == 0
        assert complaints(draft.document) == []
        assert {k.fingerprint for k in parse(draft.document).tracked} == {
            f"{n:016x}" for n in (1, 2, 3)
        }


class TestLimits:
    def test_the_worst_five_thousand_are_shown(self):
        many = tuple(
            replace(standing(n, severity=list(Severity)[n * 4 // 5100]), finding=None)
            for n in range(5100)
        )
        draft = drawn(*many)
        results = run_of(draft)["results"]
        assert (len(results), draft.live, draft.suppressed) == (5000, 5000, 100)
        assert service.problems(draft.document) == []
        shown = {r["partialFingerprints"]["primaryLocationLineHash"] for r in results}
        assert shown == {f"{n:016x}" for n in range(5000)}
        assert len(parse(draft.document).tracked) == 5100

    def test_what_is_too_large_loses_its_words_first_then_its_least_results(self):
        letters = random.Random(7)  # incompressible, and the same every time

        def noise() -> str:
            return "".join(letters.choices(string.ascii_letters, k=400))

        many = tuple(standing(n, explanation=noise(), remediation=noise()) for n in range(40))
        told = Reconciliation(statuses=many, commit=C)
        whole = len(render(NIGHT, told, Memory()).packed)
        less = render(NIGHT, told, Memory(), limit=whole - 1)
        assert (less.live, less.suppressed) == (40, 0)
        assert "markdown" not in run_of(less)["results"][0]["message"]
        least = render(NIGHT, told, Memory(), limit=whole // 4)
        assert len(least.packed) <= whole // 4
        assert 0 < least.live < 40
        assert least.live + least.suppressed == 40
        assert complaints(least.document) == []
        assert run_of(least)["results"][0]["ruleId"] == run_of(less)["results"][0]["ruleId"]

    def test_long_texts_are_cut(self):
        long = "word " * 5000
        run = run_of(
            drawn(standing(rule="r" * 500, title=long, explanation=long, remediation=long))
        )
        [rule] = run["tool"]["driver"]["rules"]
        assert len(rule["name"]) <= 255
        assert len(rule["shortDescription"]["text"]) <= 1024
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert len(run["results"][0]["message"]["text"]) < 8000
        many = [standing(1, cwe=" ".join(f"CWE-{n}" for n in range(1, 40)))]
        [rule] = run_of(drawn(*many))["tool"]["driver"]["rules"]
        assert len(rule["properties"]["tags"]) == 10


@given(texts, st.integers(0, 60))
def test_a_message_made_so_stays_as_it_is(text: str, limit: int):
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
def test_what_would_act_in_a_message_is_parted(text: str, shown: str):
    assert message(text) == shown
