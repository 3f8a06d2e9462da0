"""The destinations without a state: annotations, files, Slack, the webhook; and failures."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from standardwebhooks import Webhook

from batch_action.publishers import markers, notifiers
from batch_action.publishers.issue_per_finding import render as issue_per_finding
from tests.documents.texts import ROOT
from tests.harness.contexts import context_of
from tests.harness.hostile_text import FILE_NAMES, TEXTS, answer, assert_inert
from tests.harness.reports import file_verdict, finding_status, generated, published, refused
from tests.harness.webhook_receiver import ReceivedRequest, WebhookReceiver, webhook_receiver
from tests.harness.workflow import (
    BAD,
    GOOD,
    HOUR,
    WORSE,
    Result,
    WorkflowHarness,
    log_commands,
    unexpected_commands,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def hooks() -> Iterator[tuple[WebhookReceiver, WebhookReceiver]]:
    with webhook_receiver() as slack, webhook_receiver() as webhook:
        yield slack, webhook


@pytest.fixture
def slack(
    workflow: WorkflowHarness, hooks: tuple[WebhookReceiver, WebhookReceiver]
) -> WebhookReceiver:
    """Slack, notified by every run."""
    workflow.inputs["slack_webhook_url"] = hooks[0].url
    hooks[0].requests.clear()
    hooks[0].answers.clear()
    return hooks[0]


@pytest.fixture
def webhook(
    workflow: WorkflowHarness, hooks: tuple[WebhookReceiver, WebhookReceiver]
) -> WebhookReceiver:
    """The user's own receiver, notified by every run."""
    workflow.environ |= {
        "BATCH_ACTION_WEBHOOK_URL": hooks[1].url,
        "BATCH_ACTION_WEBHOOK_SECRET": SECRET,
    }
    hooks[1].requests.clear()
    hooks[1].answers.clear()
    return hooks[1]


def collected(workflow: WorkflowHarness, files: dict[str, str | None], **inputs: Any) -> Result:
    workflow.commit(files)
    assert workflow.run("submit").exit == 0
    return workflow.run("collect", **inputs)


def valid(value: Any, name: str) -> None:
    schema = json.loads((ROOT / f"docs/{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(value)


def signed(message: ReceivedRequest) -> str:
    """Return the message's id after checking its signature and its time."""
    headers = message.headers
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    made = Webhook(SECRET).sign(headers["webhook-id"], at, message.body.decode())
    assert headers["webhook-signature"] == made
    return headers["webhook-id"]


def blocks_of(message: ReceivedRequest) -> str:
    """Return all text of the blocks."""
    found = []
    for block in message.json["blocks"]:
        found += [block["text"]] if "text" in block else block["elements"]
    return "\n".join(text["text"] for text in found)


# Slack.


def test_a_message_is_sent_only_for_changes(
    workflow: WorkflowHarness, slack: WebhookReceiver
) -> None:
    result = collected(workflow, {"a.js": WORSE})
    assert slack.last.json["text"].startswith("code-review: 2 new, $")
    assert "(saved $" in slack.last.json["text"]
    assert ", month $" in slack.last.json["text"]
    assert f"<{result.outputs['issue-url']}|issue #1>" in blocks_of(slack.last)
    assert "/actions/runs/" in blocks_of(slack.last)
    assert "slack: sent" in result.summary
    assert collected(workflow, {"b.js": GOOD}).exit == 0
    assert workflow.run("collect").exit == 0
    assert len(slack.requests) == 1
    collected(workflow, {"a.js": GOOD})
    assert slack.last.json["text"].startswith("code-review: 2 fixed by A, $")


def test_an_expired_batch_is_reported(workflow: WorkflowHarness, slack: WebhookReceiver) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    workflow.advance(25 * HOUR)
    workflow.sandbox.anthropic.hold = False
    assert workflow.run("collect").exit == 0
    assert "1 file expired without an answer" in blocks_of(slack.last)


def test_failures_are_reported(
    workflow: WorkflowHarness, slack: WebhookReceiver, webhook: WebhookReceiver
) -> None:
    workflow.commit({"a.js": WORSE})
    assert workflow.run("run", max_cost_usd="0.000001").exit == 3
    assert "code-review failed" in slack.last.json["text"]
    assert "fits the budget" in blocks_of(slack.last)
    assert webhook.last.json["kind"] == "over-budget"
    valid(webhook.last.json, "failure")
    first = signed(webhook.last)
    workflow.sandbox.faults.add(
        "status", service="anthropic", method="POST", path="/batches$", status=400
    )
    assert workflow.run("submit").exit == 4
    assert webhook.last.json["kind"] == "anthropic"
    workflow.sandbox.faults.clear()
    assert workflow.run("submit").exit == 0
    workflow.github_repository.has_issues = False
    assert workflow.run("collect").exit == 5
    assert "could not be delivered" in blocks_of(slack.last)
    assert (webhook.last.json["kind"], webhook.last.json["exit_code"]) == ("github", 5)
    assert signed(webhook.last) != first
    assert len(slack.requests) == len(webhook.requests) == 3


def test_transient_failures_are_not_reported(
    workflow: WorkflowHarness, slack: WebhookReceiver
) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    workflow.sandbox.faults.add("truncate", service="anthropic", path="/results$", times=4)
    assert workflow.run("collect").exit == 4
    assert slack.requests == []
    assert workflow.run("plan", base="nowhere").exit == 2
    assert slack.requests == []


@pytest.mark.parametrize("answer", [(404, {}, "no_service"), None])
def test_slack_never_blocks_a_run(
    workflow: WorkflowHarness, slack: WebhookReceiver, answer: Any
) -> None:
    slack.answers = [answer]
    result = collected(workflow, {"a.js": WORSE})
    assert (result.exit, result.outputs["status"]) == (0, "collected")
    (sentence,) = result.annotations("warning")
    assert sentence.startswith("slack: Slack did not accept the message: it")
    assert "Slack did not accept the message" in result.summary
    assert len(slack.requests) == 1
    assert workflow.run("collect").outputs == {"status": "nothing-to-do"}


def test_urls_and_secrets_are_masked(
    workflow: WorkflowHarness, slack: WebhookReceiver, webhook: WebhookReceiver
) -> None:
    slack.answers = [(404, {}, "no_service")]
    webhook.answers = [(410, {}, "")]
    result = collected(workflow, {"a.js": WORSE})
    masks = [data for name, data in log_commands(result.log) if name == "add-mask"]
    assert {slack.url, webhook.url, SECRET} <= set(masks)
    rest = "\n".join(line for line in result.log.splitlines() if "::add-mask::" not in line)
    for text in (rest, result.summary, workflow.public_text, json.dumps(result.outputs)):
        assert "secretsecret" not in text
        assert SECRET.removeprefix("whsec_") not in text


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"slack_webhook_url": "hooks.slack.com/services/x"}, "`slack-webhook-url`"),
        ({"slack_webhook_url": "http://hooks.slack.com/services/x"}, "https://"),
        ({"slack_webhook_url": "https://u:p@hooks.slack.com/services/x"}, "https://"),
        ({"webhook_url": "https://ex ample.org/x"}, "`webhook-url`"),
        ({"webhook_url": "https://[::1"}, "`webhook-url`"),
        ({"webhook_secret": "whsec_???"}, "`whsec_` and base64"),
        ({"webhook_secret": "whsec_===="}, "`webhook-secret`"),
    ],
)
def test_urls_are_checked_before_spending(
    workflow: WorkflowHarness, inputs: dict[str, str], words: str
) -> None:
    workflow.commit({"a.js": WORSE})
    result = workflow.run("run", **inputs)
    assert result.exit == 2
    assert words in result.annotations("error")[0]
    assert next(iter(inputs.values())) not in result.log + result.summary
    assert workflow.batches == []


def test_a_destination_without_its_url_names_the_fix(workflow: WorkflowHarness) -> None:
    result = collected(workflow, {"a.js": WORSE}, report="issue,summary,slack,webhook")
    assert result.exit == 0
    assert "<code>slack-webhook-url</code> is not set" in result.summary
    assert [s.partition(":")[0] for s in result.annotations("warning")] == ["webhook", "slack"]


# The webhook.


def test_the_webhook_gets_the_signed_results(
    workflow: WorkflowHarness, webhook: WebhookReceiver
) -> None:
    webhook.answers = [(503, {}, ""), None]
    collected(workflow, {"a.js": WORSE})
    valid(webhook.last.json, "results")
    assert webhook.last.json["counts"]["new"] == 2
    # Two tries failed, perhaps after they were read: all three carry one id.
    assert len({signed(message) for message in webhook.requests}) == 1
    assert len(webhook.requests) == 3
    collected(workflow, {"a.js": GOOD})
    assert signed(webhook.last) != signed(webhook.requests[0])
    assert webhook.last.json["counts"]["fixed"] == 2


def test_unsigned_results_are_not_sent(workflow: WorkflowHarness, webhook: WebhookReceiver) -> None:
    del workflow.environ["BATCH_ACTION_WEBHOOK_SECRET"]
    result = collected(workflow, {"a.js": WORSE})
    assert result.exit == 0
    assert webhook.requests == []
    assert "never sent unsigned" in result.annotations("warning")[0]


def test_a_dry_run_sends_nothing(
    workflow: WorkflowHarness, slack: WebhookReceiver, webhook: WebhookReceiver
) -> None:
    result = collected(workflow, {"a.js": WORSE}, dry_run="true", report="issue,files")
    assert result.outputs["status"] == "dry-run"
    assert slack.requests == webhook.requests == []
    assert (workflow.repo.path / result.outputs["results-file"]).is_file()


def test_undelivered_findings_are_not_reported_as_delivered(
    workflow: WorkflowHarness, slack: WebhookReceiver, webhook: WebhookReceiver
) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    workflow.sandbox.faults.add(
        "status", service="github", method="POST", path="/issues$", status=500
    )
    assert workflow.run("collect", report="issue,files").exit == 5
    assert [m.json["schema"] for m in webhook.requests] == ["batch-action/failure/1"]
    assert not (workflow.repo.path / ".batch-action/results.json").exists()
    workflow.sandbox.faults.clear()
    assert workflow.run("collect").exit == 0
    assert webhook.last.json["counts"]["new"] == 2
    assert slack.last.json["text"].startswith("code-review: 2 new")


# Files and annotations.


def test_files_contain_the_results(workflow: WorkflowHarness) -> None:
    result = collected(workflow, {"a.js": BAD}, report="issue,files")
    folder = workflow.repo.path / ".batch-action"
    assert result.outputs["results-file"] == ".batch-action/results.json"
    value = json.loads((folder / "results.json").read_bytes())
    valid(value, "results")
    assert len(value["findings"]) == 2
    assert value["destinations"][0]["name"] == "issue"
    text = (folder / "report.md").read_text("utf-8")
    assert "eval" in text
    assert "**Why.**" in text
    assert workflow.repo.git("status", "--porcelain") == ""


def test_files_contain_generated_files_and_verdicts(workflow: WorkflowHarness) -> None:
    whole = published(
        finding_status(1),
        generated=(generated("Tests of a."), generated("Out.", "../evil.py")),
        file_verdicts=(file_verdict("It sorts no more."),),
        refused=(refused("b.py", "changes the code"),),
    )
    with context_of(workflow.repo.path, report="files") as ctx:
        after = notifiers.notify(ctx, whole)
    folder = workflow.repo.path / ".batch-action"
    assert after.results[-1].ids == (
        ".batch-action/results.json",
        ".batch-action/report.md",
        ".batch-action/generated",
    )
    assert (folder / "generated/files/tests/test_a.py").read_text() == "x\n"
    assert list(workflow.repo.path.rglob("evil.py")) == []
    value = json.loads((folder / "results.json").read_bytes())
    valid(value, "results")
    assert value["generated"][0]["path"] == "tests/test_a.py"
    assert value["file_verdicts"][0]["verdict"] == "INVALID"
    assert value["refused"][0]["reason"] == "changes the code"
    text = (folder / "report.md").read_text("utf-8")
    assert "❌ INVALID | It sorts no more." in text
    assert "refused: changes the code" in text


def test_each_task_writes_its_own_files(workflow: WorkflowHarness) -> None:
    workflow.inputs["task"] = "code-review, security-scan"
    result = collected(workflow, {"a.js": BAD}, report="summary,files")
    names = result.outputs["results-file"].split("\n")
    assert names == [f".batch-action/results-{t}.json" for t in ("code-review", "security-scan")]
    contents = [json.loads((workflow.repo.path / name).read_bytes()) for name in names]
    assert [value["task"] for value in contents] == ["code-review", "security-scan"]
    assert (workflow.repo.path / ".batch-action/report-security-scan.md").is_file()


def test_annotations_are_at_the_lines(workflow: WorkflowHarness) -> None:
    result = collected(workflow, {"a.js": BAD}, report="issue,annotations")
    lines = [x for x in result.log.splitlines() if x.startswith(("::error ", "::notice file"))]
    assert len(lines) == 2
    assert any("file=a.js,line=3,endLine=3,title=" in line for line in lines)
    again = workflow.run("collect", report="issue,annotations")
    assert again.annotations("error") == again.annotations("notice") == []


def test_a_public_repository_shows_security_nowhere(
    workflow: WorkflowHarness, slack: WebhookReceiver, webhook: WebhookReceiver
) -> None:
    workflow.github_repository.private = False
    result = collected(
        workflow,
        {"a.js": BAD},
        report="issue,summary,annotations,files",
        fail_on_severity="high",
    )
    assert result.exit == 1
    (reason,) = result.annotations("error")
    assert "new findings about security at or over `fail-on-severity: high`" in reason
    assert "Security findings are not shown in summaries of public repositories." in result.summary
    assert "about security" not in result.summary
    folder = workflow.repo.path / ".batch-action"
    contents = [
        result.log,
        result.summary,
        workflow.public_text,
        *(path.read_text("utf-8") for path in folder.glob("*.*")),
        *(message.body.decode() for message in (*slack.requests, *webhook.requests)),
    ]
    assert [text for text in contents if "eval" in text or "CWE-95" in text] == []
    assert "1 change about security hidden" in blocks_of(slack.last)
    assert {"filter": "public", "count": 1, "destination": None} in webhook.last.json[
        "file_statuses"
    ]["suppressed"]


@pytest.mark.parametrize(
    "task",
    ["code-review", "security-scan", "refactor-validation", "license-check", "documentation"],
)
def test_no_task_shows_on_a_public_repository_what_an_attacker_could_use(
    workflow: WorkflowHarness, slack: WebhookReceiver, webhook: WebhookReceiver, task: str
) -> None:
    def make_answer(request: Mapping[str, Any]) -> dict[str, Any]:
        value = json.loads(answer(request["params"], "bypass", "return eval(x);"))
        value |= {"security": True} if "security" in value else {}
        for item in (*value.get("findings", ()), *value.get("files", ())):
            item["security"] = True
            item.update({"path": "a.js", "text": f"// Runs x.\n{BAD}"} if "text" in item else {})
        return value

    workflow.github_repository.private = False
    workflow.commit({"a.js": "// a\n"})
    workflow.commit({"a.js": BAD})
    assert workflow.run("submit", task=task).exit == 0
    workflow.answer(make_answer)
    report = "issue,issue-per-finding,summary,annotations,files"
    result = workflow.run("collect", task=task, report=report)
    assert result.exit == 0, result.log
    assert "Files reviewed: 1 of 1" in result.summary
    folder = workflow.repo.path / ".batch-action"
    contents = [
        result.log,
        result.summary,
        workflow.public_text,
        *(path.read_text("utf-8") for path in folder.rglob("*.*") if path.is_file()),
        *(message.body.decode() for message in (*slack.requests, *webhook.requests)),
    ]
    assert [text for text in contents if "bypass" in text] == []
    if task in ("refactor-validation", "documentation"):
        assert "About security: not shown on a public repository." in result.summary


# Hostile text in all destinations at once.

ALL = "issue,issue-per-finding,sarif,summary,annotations,files"
MAY = {"contents": "read", "actions": "read", "issues": "write", "security-events": "write"}


@pytest.mark.parametrize("shift", [0, 7])
def test_a_hostile_answer_and_a_hostile_name_are_only_text(
    workflow: WorkflowHarness, slack: WebhookReceiver, webhook: WebhookReceiver, shift: int
) -> None:
    messages = iter([*TEXTS.values()] * 2)
    names = [FILE_NAMES[(n + shift) % len(FILE_NAMES)] for n in range(len(TEXTS))]
    workflow.sandbox.anthropic.answer_with(
        lambda params: answer(params, next(messages), "return eval(x);")
    )
    workflow.commit({f"{n}/{name}": f"// {n}\n{BAD}" for n, name in enumerate(names)})
    assert workflow.run("submit").exit == 0
    result = workflow.start("collect", {"permissions": MAY}, report=ALL)
    assert result.exit == 0, result.log
    assert unexpected_commands(result.log) == []
    assert result.outputs["new-findings-count"] == str(len(TEXTS))
    folder = workflow.repo.path / ".batch-action"
    value = json.loads((folder / "results.json").read_bytes())
    valid(value, "results")
    assert len(value["findings"]) == len(TEXTS)
    home = f"{workflow.sandbox.github_url}/{workflow.github_repository.full_name}/"
    bodies = [issue.body for issue in workflow.issues]
    comments = [comment.body for issue in workflow.issues for comment in issue.comments]
    for text in (result.summary, (folder / "report.md").read_text("utf-8"), *bodies, *comments):
        assert_inert(text, home)
    rolling = next(body for body in bodies if not issue_per_finding.parse(body))
    known = [block.tracked for block in markers.parse_blocks("\n".join((rolling, *comments)))]
    assert {k.state.value for k in known} == {"new"}
    assert len({k.fingerprint for k in known}) == len(TEXTS)
    for title in (issue.title for issue in workflow.issues):
        assert not re.search(r"@\w|#\w|GH-\d|://", title)
    for message in slack.requests:
        assert not re.search(r"<[!@#]|@(here|channel)", message.body.decode())
    signed(webhook.last)
    assert len(workflow.issues) == 11
    document = json.loads((workflow.repo.path / result.outputs["sarif-file"]).read_bytes())
    contents = [one["message"]["text"] for one in document["runs"][0]["results"]]
    assert len(contents) == len(TEXTS)
    assert not re.search(r"\]\(|(?<!\w)@\w|#\d|://", "".join(contents))


@pytest.mark.parametrize(
    "text", ["a" * 65_000, "漢" * 7_300, "👩‍👧" * 9_000, "e" + "\u0301" * 40_000]
)
def test_an_answer_of_any_length_is_delivered(workflow: WorkflowHarness, text: str) -> None:
    workflow.commit({"a.js": BAD, "b.js": f"// b\n{BAD}"})
    assert workflow.run("submit").exit == 0
    workflow.answer(lambda request: json.loads(answer(request["params"], text, "return eval(x);")))
    result = workflow.start("collect", {"permissions": MAY}, report=ALL)
    assert result.exit == 0, result.log
    assert result.outputs["new-findings-count"] == "2"
    assert len(workflow.issues) == 3
    assert workflow.start("collect", {"permissions": MAY}, report=ALL).exit == 0


def test_a_symlink_instead_of_the_folder_is_not_followed(
    workflow: WorkflowHarness, tmp_path: Path
) -> None:
    workflow.commit({"a.js": WORSE})
    (workflow.repo.path / ".batch-action").symlink_to(tmp_path)
    workflow.run("submit")
    result = workflow.run("collect", report="issue,files")
    assert result.exit == 0
    assert "is no folder" in result.annotations("warning")[0]
    assert list(tmp_path.glob("*.json")) == []


def test_what_the_only_destination_refuses_is_delivered_by_the_next_run(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit", report="files")
    spoiled = workflow.repo.path / ".batch-action"
    spoiled.write_text("a file")
    failed = workflow.run("collect", report="files")
    assert failed.exit == 5, failed.log
    spoiled.unlink()
    again = workflow.run("collect", report="files")
    assert (again.exit, again.outputs["status"]) == (0, "collected")
    results = json.loads((workflow.repo.path / again.outputs["results-file"]).read_text("utf-8"))
    assert {finding["location"]["path"] for finding in results["findings"]} == {"a.js"}
    assert len(workflow.billed_ids) == 1
    assert workflow.run("collect", report="files").outputs["status"] == "nothing-to-do"
