"""The action in its image, as GitHub's runner would run it, against the sandbox."""

from __future__ import annotations

import signal

import pytest

from tests.container.jobs import KEY, HostileWorkspace, Job
from tests.container.runner import wait_until

CREATE = r"/v1/messages/batches$"


def test_one_container_submits_and_the_next_collects(job):
    submitted = job.run_mode("submit")
    assert submitted.exit_code == 0, submitted.log
    assert submitted.outputs["batch-ids"].startswith("msgbatch_")
    assert int(submitted.outputs["requests-count"]) == 2, "prose is not asked about"
    assert submitted.summary.strip()
    assert job.issues == []

    collected = job.run_mode("collect")
    assert collected.exit_code == 0, collected.log
    [issue] = job.issues
    assert "app/orders.py" in issue.body
    assert "web/cart.js" in issue.body
    assert collected.outputs["issue-number"] == str(issue.number)
    assert int(collected.outputs["findings-count"]) >= 2
    assert float(collected.outputs["cost-usd"]) > 0
    assert collected.summary.strip()

    assert job.runner.foreign_files() == [], "all files in the workspace belong to its owner"
    for ended in (submitted, collected):
        assert KEY not in ended.log.replace(f"::add-mask::{KEY}", "")


def test_the_same_commit_is_neither_sent_nor_reported_twice(job):
    job.run_mode("submit")
    again = job.run_mode("submit")
    assert again.exit_code == 0, again.log
    assert again.outputs["requests-count"] == "0"
    job.run_mode("collect")
    [issue] = job.issues
    before = (issue.body, len(issue.comments))
    again = job.run_mode("collect")
    assert again.exit_code == 0, again.log
    assert len(job.issues) == 1
    assert (issue.body, len(issue.comments)) == before


def test_plan_needs_no_key(job):
    planned = job.run_mode("plan", key="")
    assert planned.exit_code == 0, planned.log
    assert "app/orders.py" in planned.log
    assert "$" in planned.log
    assert job.issues == []


def test_a_missing_key_is_one_error(job):
    refused = job.run_mode("submit", key="")
    assert refused.exit_code == 2, refused.log
    [error] = refused.errors
    assert "anthropic-api-key" in error
    assert "Traceback" not in refused.log


def test_a_missing_checkout_is_one_error(runner, sandbox, origin):
    refused = Job(runner=runner, sandbox=sandbox, origin=origin).run_mode("plan", key="")
    assert refused.exit_code == 2, refused.log
    [error] = refused.errors
    assert "actions/checkout" in error
    assert "fetch-depth: 0" in error
    assert "Traceback" not in refused.log


def test_nothing_in_a_hostile_workspace_is_executed(job):
    hostile = HostileWorkspace(job.runner)
    for mode in ("plan", "submit", "collect"):
        ended = job.run_mode(mode)
        assert ended.exit_code == 0, ended.log
        assert hostile.executed == set()
    assert len(job.issues) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_canceled_job_ends_in_time_and_the_next_one_continues(job, number):
    faults = job.sandbox.faults
    faults.add("slow", method="POST", path=CREATE, seconds=15)
    step, run = job.start("submit")
    wait_until(lambda: any(call.fault == "slow" for call in faults.calls), step)
    step.signal(number)
    ended = step.end()
    job.sandbox.github.finish_run(run, "cancelled")
    assert ended.seconds < 7.5, "then the runner sends the next signal, and then SIGKILL"
    assert ended.exit_code == 130, ended.log
    assert "Traceback" not in ended.log
    assert job.runner.foreign_files() == []

    faults.clear()
    following = job.run_mode("submit")
    assert following.exit_code == 0, following.log
