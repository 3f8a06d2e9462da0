"""The emulated code scanning: what it refuses, stores and returns."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from github import GithubException

MAY = {"security-events": "write"}
SHA = "a" * 40


def result(number: int, path: str = "a.py", **fields: Any) -> dict[str, Any]:
    location = {"artifactLocation": {"uri": path}, "region": {"startLine": 15, "endLine": 16}}
    return {
        "ruleId": "rule",
        "level": "warning",
        "message": {"text": f"bad {number}", "markdown": "*bad*"},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"primaryLocationLineHash": str(number), "other/v1": "x"},
        "properties": {"ours": 1},
        **fields,
    }


def run_of(*results: dict[str, Any], category: str = "batch/code-review", **rule: Any) -> Any:
    named = {"id": "rule", "shortDescription": {"text": "A bad thing"}, **rule}
    return {
        "tool": {"driver": {"name": "batch", "rules": [named]}},
        "automationDetails": {"id": f"{category}/"},
        "results": list(results),
        "properties": {"ours": 2},
    }


def packed(*runs: Any) -> str:
    text = json.dumps({"version": "2.1.0", "runs": list(runs)})
    return base64.b64encode(gzip.compress(text.encode())).decode()


@pytest.fixture
def ask(hub, client) -> Callable[..., Any]:
    """A function: one request of a workflow that may upload, below `code-scanning/`."""
    hub.repository("octo/demo").code_scanning = True
    repo = client(hub.start_run("octo/demo", event="schedule", permissions=MAY).token)

    def asked(method: str, path: str, **more: Any) -> Any:
        url = f"{repo.url}/code-scanning/{path}"
        return repo.requester.requestJsonAndCheck(method, url, **more)[1]

    return asked


def upload(ask: Callable[..., Any], *runs: Any, **fields: Any) -> str:
    body = {"commit_sha": SHA, "ref": "refs/heads/main", "sarif": packed(*runs)} | fields
    number: str = ask("POST", "sarifs", input=body)["id"]
    return number


def refused(act: Callable[[], Any]) -> int:
    with pytest.raises(GithubException) as error:
        act()
    status: int = error.value.status
    return status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"ref": "main"}, 422),
        ({"ref": "refs/pull/1"}, 422),
        ({"commit_sha": "abc"}, 422),
        ({"category": "x"}, 422),
        ({"sarif": "no base64!"}, 400),
        ({"sarif": base64.b64encode(b"no gzip").decode()}, 400),
    ],
)
def test_an_invalid_upload_is_refused(ask, fields, status):
    assert refused(lambda: upload(ask, run_of(), **fields)) == status


def test_an_empty_upload_shows_the_permissions(hub, client, ask):
    assert refused(lambda: ask("POST", "sarifs", input={})) == 422
    other = client(hub.start_run("octo/demo", event="schedule").token)
    url = f"{other.url}/code-scanning/sarifs"
    assert refused(lambda: other.requester.requestJsonAndCheck("POST", url, input={})) == 403


def test_before_the_first_upload_there_is_no_analysis(ask):
    assert refused(lambda: ask("GET", "analyses")) == 404
    assert refused(lambda: ask("GET", "alerts")) == 404


@pytest.mark.parametrize(
    "runs",
    [
        [run_of(result(1)), run_of(result(2))],
        [run_of(category=str(n)) for n in range(21)],
        [run_of(result(1, locations=[]))],
        [run_of(result(1, message={}))],
        [run_of(result(1), properties={"tags": [str(n) for n in range(21)]})],
        [run_of(*[result(1)] * 25_001)],
    ],
    ids=["category twice", "runs", "no place", "no message", "tags", "results"],
)
def test_the_reasons_why_processing_fails(ask, runs):
    number = upload(ask, *runs)
    assert ask("GET", f"sarifs/{number}")["processing_status"] == "pending"
    status = ask("GET", f"sarifs/{number}")
    assert (status["processing_status"], status["analyses_url"]) == ("failed", None)
    assert status["errors"]
    assert refused(lambda: ask("GET", "analyses")) == 404


def test_processing_takes_time(hub, ask, clock):
    hub.scanning_lag = 10.0
    number = upload(ask, run_of(result(1)))
    for _ in range(2):
        assert ask("GET", f"sarifs/{number}")["processing_status"] == "pending"
    assert refused(lambda: ask("GET", "analyses")) == 404
    clock.advance(11)
    assert ask("GET", f"sarifs/{number}")["processing_status"] == "complete"
    assert ask("GET", f"analyses?sarif_id={number}")[0]["results_count"] == 1


def test_of_one_commit_and_category_the_last_upload_is_kept(ask):
    first = upload(ask, run_of(result(1)))
    upload(ask, run_of(result(1)), commit_sha="b" * 40)
    upload(ask, run_of(result(2)), ref="refs/pull/3/head")
    upload(ask, run_of(result(1), result(2)), run_of(result(3), category="other"))
    listed = [(analysis["commit_sha"][0], analysis["ref"]) for analysis in ask("GET", "analyses")]
    assert listed == [
        ("a", "refs/heads/main"),
        ("a", "refs/heads/main"),
        ("a", "refs/pull/3/head"),
        ("b", "refs/heads/main"),
    ]
    assert refused(lambda: ask("GET", f"analyses?sarif_id={first}")) == 404


def test_the_worst_5000_results_are_stored(ask):
    many = [result(n, level="note") for n in range(5000)]
    number = upload(ask, run_of(*many, result(5000, level="error")))
    [analysis] = ask("GET", f"analyses?sarif_id={number}")
    assert (analysis["results_count"], analysis["warning"]) == (5000, "1 results were ignored")
    first = ask("GET", "alerts?per_page=1&sort=created&direction=asc")[0]
    assert first["rule"]["severity"] == "error"


def test_a_subset_of_an_analysis_is_returned(hub, ask):
    number = upload(ask, run_of(result(1, path="a%20b.py")))
    [analysis] = ask("GET", f"analyses?sarif_id={number}")
    accept = {"Accept": "application/sarif+json"}
    [run] = ask("GET", f"analyses/{analysis['id']}", headers=accept)["runs"]
    assert "properties" not in run
    [back] = run["results"]
    assert back["message"] == {"text": "bad 1"}
    assert back["partialFingerprints"] == {"primaryLocationLineHash": "1"}
    assert back["properties"]["github/alertNumber"] == 1
    assert back["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "a%20b.py"}
    assert ask("GET", "alerts/1")["most_recent_instance"]["location"]["path"] == "a b.py"
    hub.repository("octo/demo").returns_full_sarif = True
    [run] = ask("GET", f"analyses/{analysis['id']}", headers=accept)["runs"]
    assert run["properties"] == {"ours": 2}


def test_people_dismiss_with_a_reason(hub, client, ask):
    upload(ask, run_of(result(1)))
    body = {"state": "dismissed", "dismissed_reason": "won't fix", "dismissed_comment": "c" * 281}
    assert refused(lambda: ask("PATCH", "alerts/1", input=body)) == 422
    assert refused(lambda: ask("PATCH", "alerts/1", input=body | {"dismissed_reason": "no"})) == 422
    assert refused(lambda: ask("PATCH", "alerts/1", input={"state": "gone"})) == 422
    person = client(hub.token_for("octo"))
    url = f"{person.url}/code-scanning/alerts/1"
    good = body | {"dismissed_comment": "fine"}
    dismissed = person.requester.requestJsonAndCheck("PATCH", url, input=good)[1]
    assert (dismissed["state"], dismissed["dismissed_by"]["login"]) == ("dismissed", "octo")
    assert [alert["number"] for alert in ask("GET", "alerts?state=dismissed")] == [1]
    ask("PATCH", "alerts/1", input={"state": "open"})
    assert ask("GET", "alerts/1")["dismissed_reason"] is None


def test_the_page_of_an_alert(hub, client, http, ask):
    sha = client(hub.token_for("octo")).get_branch("main").commit.sha
    rule = {
        "fullDescription": {"text": "It is <bad>."},
        "help": {"text": "x", "markdown": "**Do not.**"},
        "properties": {"tags": ["security", "external/cwe/cwe-89"], "security-severity": "9.5"},
    }
    upload(ask, run_of(result(1), result(2, path="gone.py"), **rule), commit_sha=sha)
    url = f"{hub.instance.origin}/octo/demo/security/code-scanning"
    listed = http.get(url).text
    assert "<b>2 Open</b>" in listed
    assert "A bad thing</a>" in listed
    assert "Detected by batch in a.py:15" in listed
    html = http.get(f"{url}/1").text
    assert '<tr class="hit"><td class="number">15</td><td class="code">line fifteen</td>' in html
    assert '<tr class="hit"><td class="number">16</td>' in html
    assert '<tr><td class="number">17</td>' in html
    assert '<div class="critical">bad 1' in html
    assert "<strong>Do not.</strong>" in html
    assert "It is &lt;bad&gt;." in html
    assert "CWE-89" in html
    assert "http" not in html
    assert "bad 2" in http.get(f"{url}/2").text
    ask("PATCH", "alerts/1", input={"state": "dismissed", "dismissed_reason": "used in tests"})
    upload(ask, run_of(result(1), **rule), commit_sha=sha)
    assert "closed this as used in tests" in http.get(f"{url}/1").text
    assert "Closed as fixed in <b>main</b>" in http.get(f"{url}/2").text
    assert "<b>0 Open</b> · <a>2 Closed</a>" in http.get(url).text
    assert http.get(f"{url}/3").status_code == 404
