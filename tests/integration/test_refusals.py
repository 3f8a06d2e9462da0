"""What GitHub, Anthropic, the artifact service and proxies refuse: the right advice, nothing lost.

A new refusal is one row of `REFUSALS`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from batch_action.clients.network import connection_fix
from tests.harness.hostile_server import HostileServer, Reply
from tests.harness.workflow import GOOD, WORSE, WorkflowHarness

PAGE = "<!doctype html><title>Blocked</title>"
LOCKED = "Unable to create comment because issue is locked."
ARCHIVED = "Repository was archived so is read-only."


def said(message: str, **more: object) -> str:
    return json.dumps({"message": message, "documentation_url": "https://docs.github.com", **more})


def said_by_anthropic(kind: str, message: str) -> str:
    error = {"type": kind, "message": message}
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"})


def has_issue(workflow: WorkflowHarness) -> bool:
    return "zz.js" in workflow.issue.body


def is_kept(workflow: WorkflowHarness) -> bool:
    return len(workflow.billed_ids) > 0


def is_unpaid(workflow: WorkflowHarness) -> bool:
    return not workflow.billed_ids


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A reply to a call of a run that reports a second file, `zz.js`, and what must follow."""

    method: str
    path: str
    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    service: str = "github"
    advice: str
    exit: int = 5
    report: str = "issue"
    mode: str = "collect"
    delivered: Callable[[WorkflowHarness], bool] = is_kept
    """What is there all the same."""


NO_BUG = ("please report", "bug of batch-action", "Request id None", "Traceback", "<title>")

REFUSALS = {
    "archived repository": Refusal(
        method="POST", path="/issues$", status=403, body=said(ARCHIVED),
        advice="unarchive it",
    ),
    "archived repository, SARIF": Refusal(
        method="POST", path="/sarifs$", status=403, body=said(ARCHIVED),
        advice="unarchive it", report="issue,sarif", exit=0, delivered=has_issue,
    ),
    "locked issue": Refusal(
        method="POST", path=r"/issues/\d+/comments$", status=403, body=said(LOCKED),
        advice="", exit=0, delivered=has_issue,
    ),
    "edit of a locked issue": Refusal(
        method="PATCH", path=r"/issues/\d+$", status=403, body=said("The issue is locked."),
        advice="Unlock the conversation",
    ),
    "issues turned off": Refusal(
        method="GET", path=r"/issues\?", status=410,
        body=said("Issues has been disabled in this repository."),
        advice="Settings > General > Features",
    ),
    "deleted while it is written": Refusal(
        method="PATCH", path=r"/issues/\d+$", status=410, body=said("This issue was deleted"),
        advice="the next run opens a new one",
    ),
    "blocked repository": Refusal(
        method="PATCH", path=r"/issues/\d+$", status=451, body=said("Repository access blocked"),
        advice="for legal reasons",
    ),
    "blocked for its content": Refusal(
        method="PATCH", path=r"/issues/\d+$", status=403, body=said("Repository access blocked"),
        advice="GitHub's support",
    ),
    "secondary limit as a validation error": Refusal(
        method="POST", path="/issues$", status=422,
        body=said("Validation Failed", errors=[{"message": "was submitted too quickly"}]),
        headers={"retry-after": "900"}, advice="the next run goes on",
    ),
    "secondary limit": Refusal(
        method="POST", path="/issues$", status=403,
        body=said("You have exceeded a secondary rate limit"),
        headers={"retry-after": "900"}, advice="the next run goes on",
    ),
    "proxy wants a password": Refusal(
        method="POST", path="/issues$", status=407, body="Proxy Authentication Required",
        advice="write both into HTTPS_PROXY",
    ),
    "gateway with an object of its own": Refusal(
        method="POST", path="/issues$", status=400, body='{"error": "no route"}',
        advice="check GITHUB_API_URL",
    ),
    "SARIF too large": Refusal(
        method="POST", path="/sarifs$", status=413, body=said("Too large"),
        advice="raise `min-severity`", report="issue,sarif", exit=0, delivered=has_issue,
    ),
    "SARIF too large for a proxy": Refusal(
        method="POST", path="/sarifs$", status=413, body=PAGE,
        advice="HTTPS_PROXY", report="issue,sarif", delivered=has_issue,
    ),
    "artifact service behind a firewall": Refusal(
        method="POST", path="/CreateArtifact$", status=403, body=PAGE,
        advice="ACTIONS_RESULTS_URL", delivered=has_issue,
    ),
    "artifact service with an object of somebody": Refusal(
        method="POST", path="/CreateArtifact$", status=403, body='{"error": "forbidden"}',
        advice="ACTIONS_RESULTS_URL", delivered=has_issue,
    ),
    "runtime token of an ended job": Refusal(
        method="POST", path="/CreateArtifact$", status=401,
        body='{"code": "unauthenticated", "msg": "token is expired"}',
        advice="a job that has ended", delivered=has_issue,
    ),
    "expired upload address": Refusal(
        method="PUT", path=r"comp=block", status=403,
        body='<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code></Error>',
        advice="has expired, or the runner's clock is off", delivered=has_issue,
    ),
    "firewall before the upload": Refusal(
        method="PUT", path=r"comp=block", status=403, body=PAGE,
        advice="*.blob.core.windows.net", delivered=has_issue,
    ),
    "no credit": Refusal(
        service="anthropic", method="POST", path="/batches$", status=400,
        body=said_by_anthropic("invalid_request_error", "Your credit balance is too low."),
        advice="add credit", mode="submit", exit=4, delivered=is_unpaid,
    ),
    "gateway before Anthropic": Refusal(
        service="anthropic", method="POST", path="/batches$", status=400,
        body='{"detail": "model not allowed"}',
        advice="`anthropic-base-url`", mode="submit", exit=4, delivered=is_unpaid,
    ),
    "proxy before Anthropic": Refusal(
        service="anthropic", method="POST", path="/batches$", status=407,
        body='{"message": "Proxy Authentication Required"}',
        advice="write both into HTTPS_PROXY", mode="submit", exit=4, delivered=is_unpaid,
    ),
    "blocked before Anthropic": Refusal(
        service="anthropic", method="POST", path="/batches$", status=451,
        body='{"error": {"type": "blocked", "message": "Unavailable For Legal Reasons"}}',
        advice="`anthropic-base-url`", mode="submit", exit=4, delivered=is_unpaid,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_named_with_what_to_do(workflow: WorkflowHarness, name: str) -> None:
    refusal = REFUSALS[name]
    reports = {"report": refusal.report, "min_confidence": "low"}
    permissions = {"contents": "read", "actions": "read", "issues": "write"}
    options = {"permissions": {**permissions, "security-events": "write"}}
    workflow.github_repository.code_scanning = True
    if "comments" in refusal.path or "PATCH" in refusal.method:
        workflow.commit({"a.js": WORSE})
        workflow.start("submit", options, **reports)
        workflow.start("collect", options, **reports)
    workflow.commit({"zz.js": WORSE})
    if refusal.mode == "collect":
        workflow.start("submit", options, **reports)
    upstreams = {
        "github": workflow.sandbox.github_url,
        "anthropic": workflow.sandbox.anthropic_url,
    }
    reply = Reply(
        body=refusal.body.encode(),
        status=refusal.status,
        headers=refusal.headers,
        content_type="text/html" if refusal.body == PAGE else "application/json",
    )
    with HostileServer(upstreams[refusal.service]) as server:
        environ = {
            "github": {
                "GITHUB_API_URL": f"{server.url}/api/v3",
                "ACTIONS_RESULTS_URL": server.url,
            },
            "anthropic": {"ANTHROPIC_BASE_URL": server.url},
        }[refusal.service]
        if refusal.method == "PUT":
            # The signed address names the sandbox itself.
            workflow.sandbox.faults.add(
                "status", method="PUT", path="", status=refusal.status, body=refusal.body, times=99
            )
        else:
            server.replace(reply, refusal.method, refusal.path)
        result = workflow.start(refusal.mode, options, environ=environ, **reports)
    text = result.log + result.summary
    assert result.exit == refusal.exit, text
    told = "\n".join(result.annotations("error") + result.annotations("warning"))
    assert refusal.advice in told
    assert [words for words in NO_BUG if words in text] == []
    assert refusal.delivered(workflow)
    # What was refused arrives when nothing is refused any more.
    workflow.sandbox.faults.clear()
    workflow.start("run", options, **reports)
    workflow.start("collect", options, **reports)
    assert has_issue(workflow)
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids))


def transfer(workflow: WorkflowHarness) -> None:
    """Move the issue to another repository, where a later one of the same number may be ours."""
    other = workflow.sandbox.github.add_repository(f"octo/other{workflow.name}")
    location = (
        f"{workflow.sandbox.github_url}/api/v3/repositories/{other.id}/issues/{gone(workflow)}"
    )
    workflow.sandbox.faults.add(
        "status", path="/issues/1$", status=301, headers={"location": location}, times=99
    )


def gone(workflow: WorkflowHarness) -> int:
    """Delete the issue; a later one of somebody else keeps its number from being used again."""
    issues = workflow.github_repository.issues
    issue = issues.pop(1)
    issues[2] = replace(issue, number=2, body="", labels=[])
    return 2


def answer_410(workflow: WorkflowHarness) -> None:
    gone(workflow)
    workflow.sandbox.faults.add(
        "status", path="/issues/1$", status=410, body=said("This issue was deleted"), times=99
    )


@pytest.mark.parametrize("lose", [gone, answer_410, transfer])
def test_an_issue_that_is_gone_is_opened_again_once(
    workflow: WorkflowHarness, lose: Callable[[WorkflowHarness], object]
) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    workflow.run("collect")
    lose(workflow)
    for number in range(2):
        workflow.commit({f"b{number}.js": WORSE})
        workflow.run("submit")
        result = workflow.run("collect")
        assert result.exit == 0, result.log
    _, opened = workflow.issues
    assert "b0.js" in opened.body
    assert "b1.js" in opened.body


def test_a_locked_issue_is_closed_without_a_comment(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    workflow.run("collect")
    workflow.sandbox.faults.add(
        "status", method="POST", path="/comments$", status=403, body=said(LOCKED), times=99
    )
    workflow.commit({"a.js": GOOD})
    workflow.run("submit")
    assert workflow.run("collect").exit == 0
    assert workflow.issue.state == "closed"


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("Tunnel connection failed: 407 Proxy Authentication Required", "user and a password"),
        ("Cannot connect to proxy.", "HTTPS_PROXY and NO_PROXY"),
        ("CERTIFICATE_VERIFY_FAILED", "SSL_CERT_FILE"),
        ("timed out", "otherwise"),
    ],
)
def test_a_failed_connection_names_its_variable(error: str, advice: str) -> None:
    assert advice in connection_fix(OSError(error), "otherwise")
