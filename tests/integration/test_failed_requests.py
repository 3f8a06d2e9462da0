"""Requests that fail, and problems that are reported before they cost anything."""

import json

import pytest

from tests.harness.workflow import BAD, DAY, HOUR, WORSE, WorkflowHarness

INVALID = "invalid_request_error"
SERVICE_ERRORS = [
    ("overloaded_error", "Overloaded"),
    ("api_error", "Internal server error"),
    ("timeout_error", "Request timed out"),
    ("rate_limit_error", "Number of requests has exceeded your rate limit"),
    ("billing_error", "Your subscription has lapsed"),
    ("authentication_error", "invalid x-api-key"),
    ("permission_error", "Your account may not use this"),
    ("not_found_error", "model: claude-sonnet-5-5"),
    ("brand_new_error", "Something else"),
    (INVALID, "Your credit balance is too low to access the Anthropic API."),
    (INVALID, "You have reached your specified workspace API usage limits."),
    (INVALID, "This model does not support structured outputs"),
    (INVALID, "This organization has been disabled."),
    (INVALID, "You have exceeded your monthly quota."),
    (INVALID, "Insufficient credits: please buy more."),
    (INVALID, "Effort is not enabled for your workspace."),
]
ABOUT_THE_FILE = [
    "prompt is too long: 9 > 8",
    "Input is too long for requested model.",
    "The prompt exceeds the context window of the model",
]


@pytest.mark.parametrize(("kind", "message"), SERVICE_ERRORS)
def test_errors_of_account_model_and_service_count_no_attempt(
    workflow: WorkflowHarness, kind: str, message: str
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add_outcome(f"errored:{kind}:{message}", custom_id="a_js")
    workflow.environ["BATCH_ACTION_MAX_ATTEMPTS"] = "1"
    workflow.run("submit")
    result = workflow.run("collect")
    assert result.exit == 4, result.log
    assert message.rstrip(".") in result.annotations("error")[0]
    assert "no attempt" in result.annotations("error")[0]
    assert workflow.run("submit").outputs["requests-count"] == "1"
    workflow.sandbox.faults.clear()
    assert workflow.run("collect").outputs["findings-count"] == "2"
    assert len(workflow.billed_ids) == 1


def test_an_error_of_the_service_for_one_file_is_named_and_the_rest_is_published(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    workflow.sandbox.faults.add_outcome("errored:overloaded_error:Overloaded", custom_id="a_js")
    workflow.run("submit")
    result = workflow.run("collect")
    assert (result.exit, result.outputs["findings-count"]) == (0, "2")
    assert "overloaded_error: Overloaded" in workflow.issue.body.replace("<wbr>", "")
    assert "not count as an attempt" in workflow.issue.body


@pytest.mark.parametrize("message", ABOUT_THE_FILE)
def test_an_error_of_the_file_counts_and_keeps_anthropics_words(
    workflow: WorkflowHarness, message: str
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add_outcome(f"errored:{INVALID}:{message}")
    for _ in range(3):
        assert workflow.run("submit").outputs["requests-count"] == "1"
        collected = workflow.run("collect")
        assert collected.exit == 0
    assert message.replace(">", "&gt;") in collected.summary
    again = workflow.run("submit")
    assert again.outputs["requests-count"] == "0"
    assert message in workflow.run("plan").log


def test_the_same_words_about_every_file_are_not_about_the_files(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    workflow.sandbox.faults.add_outcome(f"errored:{INVALID}:output_config: Extra inputs")
    workflow.environ["BATCH_ACTION_MAX_ATTEMPTS"] = "1"
    workflow.run("submit")
    result = workflow.run("collect")
    assert result.exit == 4
    assert "output_config: Extra inputs" in result.annotations("error")[0]
    assert workflow.run("submit").outputs["requests-count"] == "2"


@pytest.mark.parametrize("status", [400, 403, 503])
def test_a_batch_whose_results_are_refused_keeps_no_other_waiting(
    workflow: WorkflowHarness, status: int
) -> None:
    for name in ("a.js", "b.js"):
        workflow.commit({name: BAD})
        workflow.run("submit")
    refused = workflow.batches[0].id
    headers = {"x-should-retry": "false"}
    workflow.sandbox.faults.add(
        "status", path=f"{refused}/results$", status=status, times=99, headers=headers
    )
    result = workflow.run("collect")
    assert (result.exit, result.outputs["findings-count"]) == (0, "2"), result.log
    assert any(refused in line for line in result.annotations("warning"))
    assert workflow.run("collect").exit == 4, "nothing else was left"
    workflow.sandbox.faults.clear()
    assert workflow.run("collect").outputs["findings-count"] == "4"
    assert len(workflow.billed_ids) == 2


def test_a_lost_create_whose_results_are_refused_keeps_no_other_waiting(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD})
    create = {"service": "anthropic", "method": "POST", "path": r"/v1/messages/batches$"}
    workflow.sandbox.faults.add("drop-after", **create)
    assert workflow.run("submit").exit == 4
    lost = workflow.batches[0].id
    workflow.sandbox.faults.add("status", path=f"{lost}/results$", status=403, times=99)
    workflow.commit({"b.js": BAD})
    assert workflow.run("submit").outputs["requests-count"] == "1"
    workflow.advance(HOUR)
    assert workflow.run("collect").outputs["findings-count"] == "2"
    workflow.sandbox.faults.clear()
    assert workflow.run("collect").outputs["findings-count"] == "4"
    assert len(workflow.billed_ids) == 2


def test_words_about_a_failure_keep_no_secret(workflow: WorkflowHarness) -> None:
    key = "sk-ant-api03-" + "x" * 40
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add_outcome(f"errored:authentication_error:bad key {key} \x07 @octo")
    workflow.run("submit")
    result = workflow.run("collect")
    assert result.exit == 4
    assert key not in result.log + result.summary
    assert "\x07" not in result.log + result.summary


def test_a_refused_request_is_sent_to_the_fallback_model(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    workflow.sandbox.faults.add_outcome("refused", custom_id="a_js")
    workflow.run("submit")
    collected = workflow.run("collect")
    assert "refused by the model" in workflow.issue.body
    assert collected.exit == 0
    workflow.sandbox.faults.clear()
    sent = workflow.run("submit", fallback_model="claude-opus-5-5")
    assert sent.outputs["requests-count"] == "1"
    [request] = workflow.batches[-1].requests
    assert request["params"]["model"] == "claude-opus-5-5"
    assert workflow.run("collect", fallback_model="claude-opus-5-5").exit == 0
    assert "a.js" in workflow.issue.body
    again = workflow.run("submit", fallback_model="claude-opus-5-5")
    assert again.outputs["requests-count"] == "0", "it has its verdict, from the other model"


def test_an_unknown_fallback_model_is_reported_before_anything_is_sent(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD})
    result = workflow.run("submit", fallback_model="claude-nothing")
    assert result.exit == 2
    assert "claude-nothing" in result.annotations("error")[0]
    assert workflow.batches == []


def test_given_up_files_are_sent_again_when_the_model_changes(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add_outcome("unreadable", custom_id=".*")
    for _ in range(3):
        workflow.run("submit")
        workflow.run("collect")
    assert workflow.run("submit").outputs["requests-count"] == "0"
    workflow.sandbox.faults.clear()
    other = workflow.run("submit", model="claude-opus-5-5")
    assert other.outputs["requests-count"] == "1"


def test_warnings_before_a_batch_expires_and_its_results_are_deleted(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.anthropic.hold = True
    workflow.run("submit")
    workflow.advance(23 * HOUR)
    soon = workflow.run("collect")
    assert any("expires at" in line for line in soon.annotations("warning"))
    workflow.finish()
    workflow.advance(26 * DAY)
    late = workflow.run("collect")
    assert any("deletes the results" in line for line in late.annotations("warning"))
    assert late.outputs["status"] == "collected"


def test_a_batch_that_never_ends_is_named_with_what_gives_it_up(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.anthropic.hold = True
    workflow.run("submit")
    batch = workflow.batches[0]
    body = json.dumps(batch.body(workflow.now(), workflow.sandbox.anthropic_url))
    retrieve = f"/batches/{batch.id}$"
    add_fault = workflow.sandbox.faults.add
    add_fault("status", service="anthropic", path=retrieve, status=200, body=body, times=9)
    for days in (3, 1):
        workflow.advance(days * DAY)
        result = workflow.run("collect")
        assert result.exit == 0, result.log
        warning = next(x for x in result.annotations("warning") if batch.id in x)
        for text in (warning, result.summary):
            assert f"should have ended by {batch.expires:%Y-%m-%d %H:%M} UTC" in text
            assert f"batch-action cancel --batch-id {batch.id}" in text
            assert "expires at" not in text
    environ = workflow.person()
    shown = workflow.cli("status", environ=environ)
    assert "4 days" in shown.stderr
    assert f"cancel --batch-id {batch.id}" in " ".join(shown.stderr.split())
    data = workflow.cli("status", "--json", environ=environ).tasks[0]
    assert data["pending"][0]["overdue"] is True
    assert workflow.cli("cancel", "--batch-id", batch.id, environ=environ).exit == 0


@pytest.mark.parametrize("fault", ["delivery", "download", "dry run"])
def test_a_batch_that_has_ended_is_never_said_to_be_running(
    workflow: WorkflowHarness, fault: str
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.js": BAD})
    workflow.run("submit")
    first, last = workflow.batches
    add_fault = workflow.sandbox.faults.add
    expected = "has ended, but its findings were not delivered"
    if fault == "delivery":
        add_fault("status", service="github", method="POST", path="/issues$", status=500, times=9)
    elif fault == "download":
        expected = "could not be fetched: the next run tries again"
        path = f"{first.id}/results$"
        add_fault("status", service="anthropic", path=path, status=529, times=99)
    result = workflow.run("collect", dry_run="true" if fault == "dry run" else "")
    assert result.exit == (5 if fault == "delivery" else 0), result.log
    assert f"`{first.id}` (1 request) {expected}" in result.summary
    assert (last.id in result.summary.replace(" ", "")) or fault == "download"
    assert "still running" not in result.summary + result.log
    workflow.sandbox.faults.clear()
    assert workflow.run("collect").outputs["findings-count"] == "4"
    assert workflow.run("collect").outputs["status"] == "nothing-to-do"


def test_a_lost_create_whose_batch_expired_is_found_and_costs_nothing(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.anthropic.hold = True
    create = {"service": "anthropic", "method": "POST", "path": r"/v1/messages/batches$"}
    workflow.sandbox.faults.add("drop-after", **create)
    assert workflow.run("submit").exit == 4
    workflow.advance(25 * HOUR)
    workflow.sandbox.anthropic.hold = False
    assert workflow.run("collect").exit == 0
    assert workflow.billed_ids == []
    assert workflow.run("submit").outputs["requests-count"] == "1", "expired: in the backlog again"
    workflow.run("collect")
    assert len(workflow.billed_ids) == 1


def test_two_lost_creates_of_one_size_find_each_their_own(workflow: WorkflowHarness) -> None:
    create = {"service": "anthropic", "method": "POST", "path": r"/v1/messages/batches$"}
    for name in ("a.js", "b.js"):
        workflow.commit({name: BAD})
        workflow.sandbox.faults.add("drop-after", **create)
        assert workflow.run("submit").exit == 4
    assert [workflow.requested_paths(0), workflow.requested_paths(1)] == [["a.js"], ["b.js"]]
    workflow.advance(HOUR)
    assert workflow.run("collect").outputs["status"] == "collected"
    assert sorted(workflow.billed_ids) == sorted(workflow.sent_ids)
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"


def test_an_older_commit_looked_at_again_moves_and_forgets_nothing(
    workflow: WorkflowHarness,
) -> None:
    """An old run is run again, while newer files are in the backlog."""
    workflow.commit({"a.js": BAD})
    older = workflow.repo.head()
    workflow.run("submit")
    workflow.run("collect")
    workflow.commit({"a.js": WORSE, "new.js": BAD})
    workflow.sandbox.faults.add_outcome("expired", custom_id=".*")
    workflow.run("submit")
    workflow.run("collect")
    workflow.sandbox.faults.clear()
    again = workflow.start("run", {"head_sha": older})
    assert again.exit == 0, again.log
    assert workflow.run("submit").outputs["requests-count"] == "2"
    assert workflow.requested_paths() == ["a.js", "new.js"]


def test_counting_that_fails_falls_back_to_the_estimate(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", path="count_tokens", status=404, times=9)
    result = workflow.run("submit")
    assert result.outputs["requests-count"] == "1"
    assert any("estimated offline" in line for line in result.annotations("warning"))


def test_a_create_answered_409_by_a_proxy_may_have_arrived(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    create = {"service": "anthropic", "method": "POST", "path": r"/v1/messages/batches$"}
    workflow.sandbox.faults.add("status", **create, status=409)
    assert workflow.run("submit").exit == 4
    assert workflow.run("submit").outputs["requests-count"] == "0", "it may exist: in flight"
    workflow.advance(HOUR)
    workflow.run("collect")
    assert workflow.run("submit").outputs["requests-count"] == "1", "it does not: in the backlog"


def test_a_listed_artifact_without_content_hides_no_older_one(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.run("collect")
    workflow.commit({"b.js": WORSE})
    workflow.run("submit")
    newest = max(workflow.artifacts, key=lambda item: item.id)
    zipped = {"service": "github", "path": rf"/artifacts/{newest.id}/zip$"}
    workflow.sandbox.faults.add("status", **zipped, status=410, times=99)
    result = workflow.run("collect")
    assert any(f"artifact {newest.id}" in line for line in result.annotations("warning")), (
        result.log
    )
    assert "first run" not in workflow.run("plan").log


def test_equal_files_with_like_names_are_both_recovered(workflow: WorkflowHarness) -> None:
    twins = [f"packages/{name}/components/Button/index.js" for name in ("one", "two")]
    workflow.commit(dict.fromkeys(twins, BAD))
    [batch] = workflow.run("submit").ids
    workflow.github_repository.artifacts.clear()
    assert workflow.run("collect", batch_id=batch).outputs["status"] == "collected"
    assert all(path in workflow.issue.body for path in twins)


def test_a_state_dir_that_is_a_file_is_named(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    (workflow.folder / "taken").write_text("x")
    result = workflow.cli(
        "submit", "--first-run", "all", "--state-dir", str(workflow.folder / "taken")
    )
    assert result.exit == 2
    assert "state-dir" in result.log
    assert workflow.batches == []


def test_expired_ledgers_are_reported_when_no_other_is_left(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit", retention_days="1")
    workflow.advance(2 * DAY)
    warnings = workflow.run("collect").annotations("warning")
    assert any("have expired" in line and "retention-days" in line for line in warnings)


def test_a_batch_that_is_gone_can_be_let_go_of_by_name(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    [batch] = workflow.run("submit").ids
    gone = {"service": "anthropic", "path": rf"/batches/{batch}"}
    workflow.sandbox.faults.add("status", **gone, status=404, times=99)
    run = workflow.open({})
    environ = workflow.step(run, "submit")
    environ |= {"GITHUB_TOKEN": run.token, "ANTHROPIC_API_KEY": workflow.key}
    assert workflow.invoke(["cancel", "--batch-id", batch], environ, run).exit == 0
    workflow.sandbox.github.finish_run(run)
    workflow.run("collect")
    assert workflow.cli("status", "--json").exit == 0
    waiting = workflow.run("status").log
    assert batch not in waiting


def test_a_batch_that_was_already_collected_is_reported(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    [batch] = workflow.run("submit").ids
    workflow.run("collect")
    again = workflow.run("collect", batch_id=batch)
    assert any("was already collected" in line for line in again.annotations("warning"))
