"""`submit`: what is sent, how often, and what it may cost."""

from pathlib import Path

import pytest

from batch_action.sandbox.anthropic import models
from batch_action.sandbox.anthropic.models import Model
from tests.harness.git_repositories import Repo
from tests.harness.workflow import BAD, DAY, GOOD, HOUR, WORSE, WorkflowHarness, max_tokens_by_path


def test_twice_on_one_commit_sends_once(workflow: WorkflowHarness) -> None:
    workflow.commit({"app.js": BAD, "web.js": "eval(x);\n", "logo.png": b"\x89PNG\0\0"})
    first = workflow.run("submit")
    second = workflow.run("submit")
    assert (first.exit, second.exit) == (0, 0)
    assert first.outputs["status"] == "submitted"
    assert second.outputs["status"] == "nothing-to-do"
    assert [workflow.requested_paths()] == [["app.js", "web.js"]]
    assert first.ids == [workflow.batches[0].id]
    assert len(workflow.batches) == 1
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 2


def test_a_second_commit_selects_only_its_change(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "b.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.js": WORSE})
    result = workflow.run("submit")
    assert [workflow.requested_paths(0), workflow.requested_paths(1)] == [
        ["a.js", "b.js"],
        ["b.js"],
    ]
    assert "the last run" in result.summary


def test_a_file_changed_while_its_batch_is_in_flight(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"a.js": BAD, "b.js": BAD})
    workflow.run("submit")
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    assert workflow.requested_paths() == ["a.js"]
    workflow.finish()
    result = workflow.run("collect")
    assert result.outputs["status"] == "collected"
    assert len(workflow.billed_ids) == 3
    assert "loose" in workflow.issue.body
    # The older blob of a.py has no say: its eval is gone from the head we reviewed.
    assert workflow.issue.body.count("path=a.js") == 2
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"


def test_reverting_to_an_answered_blob_asks_nothing(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.run("collect")
    workflow.commit({"a.js": GOOD})
    workflow.run("submit")
    workflow.commit({"a.js": BAD})
    result = workflow.run("submit")
    assert result.outputs["status"] == "nothing-to-do"
    assert "already-reviewed" in result.summary
    assert len(workflow.batches) == 2


def test_recheck_is_for_the_command_line(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.run("collect")
    again = workflow.run("submit", recheck="true", select="all")
    assert again.outputs["status"] == "submitted"
    assert len(workflow.billed_ids) == 3  # a.py twice, Index.rs once


def test_deleted_and_renamed_files(workflow: WorkflowHarness) -> None:
    workflow.commit({"old.js": BAD, "gone.js": WORSE, "moved.js": big(40)})
    workflow.run("submit")
    workflow.run("collect")
    workflow.repo.git("mv", "old.js", "new.js")
    workflow.repo.git("mv", "moved.js", "here.js")
    workflow.commit({"gone.js": None, "here.js": big(41)})
    result = workflow.run("submit")
    assert workflow.requested_paths() == ["here.js"]
    assert "renamed from old.js" in result.summary
    assert "deleted" in result.summary
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 4
    workflow.run("collect")
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"


def test_a_pure_rename_of_a_file_in_flight_is_not_sent_again(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"old.js": BAD})
    workflow.run("submit")
    workflow.repo.git("mv", "old.js", "new.js")
    workflow.commit()
    workflow.run("submit")
    workflow.finish()
    workflow.run("collect")
    workflow.run("submit")
    workflow.finish()
    workflow.run("collect")
    assert "new.js" in workflow.issue.body
    assert len(workflow.billed_ids) == 1


def test_select_all_asks_what_has_no_verdict(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.js": BAD})
    workflow.run("submit", select="all")
    assert workflow.requested_paths() == ["Index.rs", "b.js"]


@pytest.mark.parametrize(
    ("first_run", "expected"),
    [
        ("all", ["Index.rs", "a.js", "b.js"]),
        ("last-commit", ["b.js"]),
        ("none", None),
        ("HEAD~2", ["a.js", "b.js"]),
        ("main~1", ["b.js"]),
        ("2026-01-01T02:30:00Z", ["b.js"]),
        ("24h", None),
        ("9999d", ["Index.rs", "a.js", "b.js"]),
        ("0001-01-01", ["Index.rs", "a.js", "b.js"]),
    ],
)
def test_forms_of_first_run(
    workflow: WorkflowHarness, first_run: str, expected: list[str] | None
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.commit({"b.js": WORSE})
    result = workflow.run("submit", first_run=first_run)
    assert result.exit == 0, result.log
    assert (workflow.requested_paths() if workflow.batches else None) == expected
    # The next run starts from here, whatever the first did.
    workflow.commit({"c.js": BAD})
    assert workflow.run("submit", first_run=first_run).exit == 0
    assert workflow.requested_paths() == ["c.js"]


def test_a_wrong_first_run_is_named(workflow: WorkflowHarness) -> None:
    result = workflow.run("submit", first_run="yesterday-ish")
    assert result.exit == 2
    assert "yesterday-ish" in result.annotations("error")[0]
    assert "first-run" in result.annotations("error")[0]


def test_merge_commits_bring_what_they_merged(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": GOOD})
    workflow.run("submit")
    workflow.repo.git("checkout", "-q", "-b", "feature")
    workflow.commit({"feature.js": BAD})
    workflow.repo.git("checkout", "-q", "main")
    workflow.commit({"main.js": BAD})
    workflow.repo.commits += 1
    workflow.repo.git("merge", "-q", "--no-ff", "-m", "merge", "feature")
    workflow.run("submit")
    assert workflow.requested_paths() == ["feature.js", "main.js"]


def test_an_empty_range_still_advances_the_base(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.png": b"\0\0"})
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"
    head = workflow.repo.head()
    workflow.commit({"c.js": BAD})
    result = workflow.run("submit")
    assert f"{head[:12]}.." in result.summary
    assert workflow.requested_paths() == ["c.js"]


def test_after_a_force_push_the_trees_are_compared(workflow: WorkflowHarness) -> None:
    base = workflow.commit({"a.js": BAD})
    workflow.commit({"b.js": BAD})
    workflow.run("submit")
    workflow.repo.git("reset", "-q", "--hard", base)
    workflow.commit({"b.js": BAD, "c.js": WORSE})
    result = workflow.run("submit")
    assert workflow.requested_paths() == ["c.js"]
    assert "not an ancestor" in result.summary
    assert len(workflow.sent_ids) == len(set(workflow.sent_ids))


def test_after_a_force_push_that_lost_the_base_first_run_decides(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    fresh = Repo.init(workflow.folder / "fresh")
    fresh.commit({"x.js": GOOD})
    fresh.commit({"y.js": WORSE})
    workflow.repo, workflow.github_repository.git_dir = fresh, fresh.path
    result = workflow.run("submit")
    assert "is gone from this repository" in result.summary
    assert workflow.requested_paths() == ["y.js"]


def shallow(workflow: WorkflowHarness, name: str) -> Path:
    target = workflow.folder / name
    workflow.repo.git("clone", "-q", "--depth", "1", f"file://{workflow.repo.path}", str(target))
    return target


def test_a_shallow_clone_at_submit(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    clone = shallow(workflow, "shallow")
    result = workflow.start("submit", {}, workspace=clone)
    assert result.exit == 2
    assert "fetch-depth: 0" in result.annotations("error")[0]
    assert workflow.batches == []
    assert workflow.artifacts == []
    assert workflow.run("submit").exit == 0
    assert workflow.requested_paths() == ["a.js"]


def test_a_shallow_clone_asks_github_once_the_base_is_known(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.js": WORSE})
    workflow.commit({"c.js": GOOD, "a.js": None})
    result = workflow.start("submit", {}, workspace=shallow(workflow, "shallow"))
    assert result.exit == 0, result.log
    assert workflow.requested_paths() == ["b.js", "c.js"]
    assert "fetch-depth: 0" in result.summary
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"


# Money.


def big(lines: int) -> str:
    return "".join(f"const value_{n} = {n} * {n};\n" for n in range(lines))


def test_what_exceeds_the_cap_is_in_the_backlog_and_sent_next(workflow: WorkflowHarness) -> None:
    workflow.commit({f"f{n}.js": big(20 + n) for n in range(4)})
    worst = workflow.cli("plan", "--first-run", "last-commit", "--json").tasks[0]
    cap = worst["cost"]["batch_usd"] / 2
    first = workflow.run("submit", max_cost_usd=str(cap))
    sent = workflow.requested_paths()
    left = sorted({f"f{n}.js" for n in range(4)} - set(sent))
    assert 0 < len(sent) < 4
    assert first.outputs["backlog-count"] == str(len(left))
    assert all(path in first.summary for path in left)
    workflow.run("submit")
    assert workflow.requested_paths() == left
    assert workflow.run("submit").outputs == {
        "status": "nothing-to-do",
        "batch-ids": "",
        "requests-count": "0",
        "backlog-count": "0",
    }


def test_not_even_one_file_fits(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    result = workflow.run("submit", max_cost_usd="0.0001")
    assert result.exit == 3
    assert "a.js" in result.annotations("error")[0]
    assert "max-cost-usd" in result.annotations("error")[0]
    assert workflow.batches == []
    assert workflow.run("submit").exit == 0
    assert workflow.requested_paths() == ["a.js"]


def test_over_budget_fails_on_request(workflow: WorkflowHarness) -> None:
    workflow.commit({f"f{n}.js": BAD + f"// {n}\n" for n in range(4)})
    workflow.commit({f"f{n}.js": WORSE + f"// {n}\n" for n in range(4)})
    config = {"environ": {"BATCH_ACTION_ON_OVER_BUDGET": "fail"}}
    result = workflow.start("submit", {}, max_cost_usd="0.08", **config)
    assert result.exit == 3
    assert "on-over-budget" in result.annotations("error")[0]
    assert workflow.batches == []


def test_a_monthly_budget_counts_what_is_in_flight_and_what_was_spent(
    workflow: WorkflowHarness,
) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"a.js": BAD})
    budget = {"environ": {"BATCH_ACTION_MONTHLY_BUDGET_USD": "0.05"}}
    assert workflow.start("submit", {}, **budget).exit == 0
    workflow.commit({"b.js": WORSE})
    full = workflow.start("submit", {}, **budget)
    assert full.exit == 3
    assert "monthly-budget-usd" in full.annotations("error")[0]
    workflow.finish()
    # What it really cost is far below its worst case.
    assert workflow.run("collect").exit == 0
    assert workflow.start("submit", {}, **budget).exit == 0
    assert workflow.requested_paths() == ["b.js"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("claude-nonesuch-9", "does not exist"),
        ("claude-3-5-haiku-20241022", "is retired"),
    ],
)
def test_models_that_cannot_be_used(workflow: WorkflowHarness, model: str, words: str) -> None:
    workflow.commit({"a.js": BAD})
    result = workflow.run("submit", model=model)
    assert result.exit == 2
    assert words in result.annotations("error")[0]
    assert model in result.annotations("error")[0]
    assert workflow.batches == []


def test_an_unpriced_model_is_refused_until_it_has_a_price(
    workflow: WorkflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Model(id="claude-fresh-1", name="F", line="f", created="2026-11-20")
    monkeypatch.setattr(models, "MODELS", (*models.MODELS, fresh))
    workflow.commit({"a.js": BAD})
    result = workflow.run("submit", model="claude-fresh-1")
    assert result.exit == 2
    assert "no known price" in result.annotations("error")[0]
    assert workflow.batches == []
    price = "{input: 1, output: 1, write_5m: 1, write_1h: 1, read: 1}"
    workflow.commit({".github/batch-action.yml": f"prices:\n  claude-fresh-1: {price}\n"})
    assert workflow.run("submit", model="claude-fresh-1", first_run="HEAD~2").exit == 0
    assert workflow.requested_paths() == ["a.js"]


def test_a_model_that_retires_soon_is_warned_of(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    result = workflow.run("submit", model="claude-sonnet-4-5-20250929", effort="none")
    assert result.exit == 0, result.log
    assert "retires on 2026-11-30" in result.summary


def test_a_dry_run_sends_posts_and_saves_nothing(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    dry = workflow.run("submit", dry_run="true")
    assert dry.exit == 0
    assert dry.outputs["status"] == "dry-run"
    assert dry.outputs["requests-count"] == "1"
    assert (workflow.batches, workflow.artifacts, workflow.writes) == ([], [], [])
    workflow.run("submit")
    kept = [a.id for a in workflow.artifacts]
    dry = workflow.run("collect", dry_run="true")
    assert dry.outputs["status"] == "dry-run"
    assert "Text is executed as code" in dry.summary
    assert (workflow.writes, [a.id for a in workflow.artifacts]) == ([], kept)
    assert workflow.run("run", dry_run="true").exit == 0
    assert (workflow.writes, [a.id for a in workflow.artifacts]) == ([], kept)
    assert workflow.run("collect").outputs["issue-action"] == "created"


# Creates whose answers are lost.


def test_a_lost_answer_is_confirmed_and_not_sent_again(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "b.js": BAD})
    workflow.sandbox.faults.add(
        "drop-after", service="anthropic", method="POST", path=r"/v1/messages/batches$"
    )
    lost = workflow.run("submit")
    assert lost.exit == 4
    assert "may exist" in lost.annotations("error")[0]
    again = workflow.run("submit")
    assert again.exit == 0
    assert "found again" in again.summary
    collected = workflow.run("collect")
    assert collected.outputs["status"] == "collected"
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"
    assert len(workflow.batches) == 1
    assert len(workflow.billed_ids) == 2
    assert len(workflow.issues) == 1


def test_a_lost_response_waits_while_its_batch_is_in_progress(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add(
        "drop-after", service="anthropic", method="POST", path=r"/v1/messages/batches$"
    )
    workflow.run("submit")
    workflow.advance(10 * HOUR)
    assert workflow.run("run").exit == 0
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"
    workflow.finish()
    assert workflow.run("run").outputs["status"] in ("collected", "nothing-to-do")
    assert len(workflow.batches) == 1
    assert "eval" in workflow.issue.body


@pytest.mark.parametrize("fault", ["drop-before", "status"])
def test_a_failed_create_is_back_in_the_backlog_after_its_window(
    workflow: WorkflowHarness, fault: str
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add(
        fault, service="anthropic", method="POST", path=r"/v1/messages/batches$"
    )
    assert workflow.run("submit").exit == 4
    soon = workflow.run("submit")
    assert soon.outputs["status"] == "nothing-to-do"
    assert workflow.batches == []
    workflow.advance(HOUR)
    later = workflow.run("submit")
    assert later.outputs["status"] == "submitted"
    assert "back in the backlog" in later.summary
    assert workflow.requested_paths() == ["a.js"]
    workflow.run("collect")
    assert len(workflow.billed_ids) == 1


def test_a_runner_whose_clock_is_ahead_does_not_send_twice(workflow: WorkflowHarness) -> None:
    workflow.clock_skew = 3 * HOUR
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add(
        "drop-after", service="anthropic", method="POST", path=r"/v1/messages/batches$"
    )
    workflow.sandbox.anthropic.hold = True
    assert workflow.run("submit").exit == 4
    # The list lags, as lists do: our batch is not in it yet.
    workflow.sandbox.faults.add(
        "status",
        service="anthropic",
        method="GET",
        path=r"/v1/messages/batches$",
        status=200,
        body='{"data": [], "has_more": false, "first_id": null, "last_id": null}',
    )
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"
    workflow.finish()
    workflow.run("submit")
    assert len(workflow.batches) == 1


def test_somebody_elses_batch_of_one_size_is_not_adopted(
    workflow: WorkflowHarness, tmp_path: Path
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add(
        "drop-before", service="anthropic", method="POST", path=r"/v1/messages/batches$"
    )
    assert workflow.run("submit").exit == 4
    other = WorkflowHarness.create(workflow.sandbox, tmp_path / "other")
    other.commit({"z.js": BAD})
    # Another repository in the same workspace.
    assert other.run("submit", anthropic_api_key=workflow.key).exit == 0
    workflow.advance(HOUR)
    assert workflow.run("submit").outputs["status"] == "submitted"
    assert workflow.run("collect").outputs["status"] == "collected"
    assert "z.js" not in workflow.issue.body
    assert [workflow.requested_paths(0), workflow.requested_paths(1)] == [["z.js"], ["a.js"]]


def test_a_refused_create_leaves_everything_in_the_backlog(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add(
        "status",
        service="anthropic",
        method="POST",
        path=r"/v1/messages/batches$",
        status=400,
        message="Your credit balance is too low to access the Anthropic API.",
    )
    refused = workflow.run("submit")
    assert refused.exit == 4
    assert "credit balance" in refused.annotations("error")[0]
    assert workflow.run("submit").outputs["status"] == "submitted"
    assert workflow.requested_paths() == ["a.js"]


def test_several_batches_of_one_submit(workflow: WorkflowHarness) -> None:
    workflow.commit({f"f{n}.js": BAD + f"// {n}\n" for n in range(5)})
    many = {"environ": {"BATCH_ACTION_MAX_REQUESTS_PER_BATCH": "2"}}
    workflow.sandbox.faults.add(
        "drop-after", service="anthropic", method="POST", path=r"/v1/messages/batches$", nth=2
    )
    assert workflow.start("submit", {}, **many).exit == 4
    assert len(workflow.batches) == 2
    workflow.start("submit", {}, **many)
    workflow.advance(2 * HOUR)
    workflow.start("submit", {}, **many)
    workflow.start("run", {}, **many)
    workflow.start("run", {}, **many)
    assert len(workflow.sent_ids) == len(set(workflow.sent_ids)) == 5
    assert sorted(workflow.billed_ids) == sorted(workflow.sent_ids)
    assert workflow.issue.body.count("<!-- batch-action:finding") == 10


def test_truncated_requests_get_twice_the_max_tokens(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add_outcome("max_tokens")
    workflow.run("submit")
    workflow.run("collect")
    workflow.sandbox.faults.clear()
    workflow.run("submit")
    first, second = (max_tokens_by_path(batch)["a.js"] for batch in workflow.batches)
    assert second == 2 * first
    assert workflow.run("collect").outputs["findings-count"] == "2"
    workflow.advance(DAY)
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"


def test_an_explicit_base_hides_nothing_from_the_next_run(workflow):
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.js": BAD})
    between = workflow.repo.head()
    workflow.commit({"c.js": BAD})
    workflow.run("submit", base=between)
    assert workflow.requested_paths() == ["c.js"]
    assert workflow.run("submit").outputs["requests-count"] == "1"
    assert workflow.requested_paths() == ["b.js"], (
        "what lay before the given base is still to be seen"
    )


def test_a_base_further_back_is_a_base_like_any_other(workflow):
    first = workflow.repo.head()
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.js": BAD})
    workflow.run("submit", base=first)
    assert workflow.requested_paths() == ["b.js"]
    assert workflow.run("submit").outputs["status"] == "nothing-to-do"


def test_paths_of_one_run_hide_nothing_from_the_next_run(workflow):
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"src/b.js": BAD, "c.js": BAD})
    workflow.run("submit", paths="src/**")
    assert workflow.requested_paths() == ["src/b.js"]
    workflow.run("submit")
    assert workflow.requested_paths() == ["c.js"]


def test_the_backlog_outside_the_paths_of_one_run_remains(workflow):
    workflow.commit({"a.js": BAD, "src/b.js": BAD})
    workflow.sandbox.faults.add_outcome("expired", custom_id=".*")
    workflow.run("submit")
    workflow.run("collect")
    workflow.sandbox.faults.clear()
    workflow.commit({"src/b.js": WORSE})
    workflow.run("submit", paths="src/**")
    assert workflow.requested_paths() == ["src/b.js"]
    workflow.run("submit")
    assert workflow.requested_paths() == ["a.js"]


def test_another_branch_has_a_state_of_its_own(workflow):
    workflow.commit({"a.js": BAD})
    workflow.repo.git("branch", "side")
    elsewhere = {"branch": "side", "event": "workflow_dispatch"}
    assert workflow.start("submit", elsewhere).outputs["requests-count"] == "1"
    assert workflow.start("submit", elsewhere).outputs["requests-count"] == "0"
    assert workflow.start("collect", elsewhere).outputs["status"] == "collected"
    refused = [
        line for line in workflow.run("submit").annotations("warning") if "is refused" in line
    ]
    assert any("state-branch: side" in line for line in refused), "no other branch trusts it"
