"""The budgets of the repository, counted at the service that bills."""

import json
from collections.abc import Mapping

import pytest

from batch_action.models.ledger import Usage
from batch_action.requests import pricing
from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness

DAY = 86_400
TASKS = ("code-review", "security-scan", "documentation")
CHANGE = {"a.js": BAD}


def worst_usd(workflow: WorkflowHarness, task: str = "code-review") -> float:
    """What a submit of the task may cost at most."""
    planned = workflow.cli("plan", "--json", "--task", task, "--base", "HEAD~1")
    return float(json.loads(planned.stdout)["cost"]["due_usd"])


def billed_usd(workflow: WorkflowHarness) -> float:
    """What Anthropic charges for the batches of this repository."""
    batches = {batch.id for batch in workflow.batches}
    usages = [
        (
            billed.model,
            Usage(
                input_tokens=billed.usage["input_tokens"],
                output_tokens=billed.usage["output_tokens"],
            ),
        )
        for billed in workflow.sandbox.anthropic.billed()
        if billed.batch_id in batches
    ]
    return pricing.total_usd(pricing.load(), usages) or 0.0


def budget_for_one(workflow: WorkflowHarness) -> str:
    """A budget in which any task fits once, but no two."""
    costs = [worst_usd(workflow, task) for task in TASKS]
    assert max(costs) < 2 * min(costs)
    return f"{max(costs) * 1.01:.6f}"


@pytest.mark.parametrize("name", ["monthly_budget_usd", "daily_budget_usd"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"task": "code-review"}, {"task": "security-scan"}),
        ({"task": "security-scan"}, {"task": "code-review"}),
        ({"state_key": "one"}, {"state_key": "two"}),
        ({"state_key": "two"}, {}),
        ({"task": "code-review", "report": "pr-review"}, {"task": "security-scan"}),
    ],
)
def test_runs_of_other_tasks_and_state_keys_share_a_budget(
    workflow: WorkflowHarness, name: str, first: Mapping[str, str], second: Mapping[str, str]
) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit(CHANGE)
    workflow.environ[f"BATCH_ACTION_{name.upper()}"] = budget_for_one(workflow)
    assert workflow.run("submit", **first).exit == 0
    refused = workflow.run("submit", **second)
    assert refused.exit == 3
    assert name.replace("_", "-") in refused.annotations("error")[0]
    assert len(workflow.batches) == 1
    # The answers cost far less than the worst case.
    workflow.finish()
    assert workflow.run("collect", **first).exit == 0
    assert workflow.run("submit", **second).exit == 0
    assert len(workflow.batches) == 2


@pytest.mark.parametrize(
    ("name", "days", "fits"),
    [
        ("daily_budget_usd", 1, True),
        ("monthly_budget_usd", 1, False),
        ("monthly_budget_usd", 31, True),
    ],
)
def test_a_batch_counts_in_the_period_in_which_it_was_sent(
    workflow: WorkflowHarness, name: str, days: int, fits: bool
) -> None:
    workflow.commit(CHANGE)
    # The first day of a month: the next day is in the same one.
    now = workflow.sandbox.clock.now()
    workflow.advance(DAY * (32 - now.day) if now.day > 20 else 0)
    workflow.environ[f"BATCH_ACTION_{name.upper()}"] = "1"
    workflow.run("submit", task="code-review", max_cost_usd="1")
    workflow.run("collect", task="code-review")
    spent = billed_usd(workflow)
    workflow.advance(DAY * days)
    limit = f"{spent + worst_usd(workflow, 'security-scan') * 0.99:.8f}"
    workflow.environ[f"BATCH_ACTION_{name.upper()}"] = limit
    result = workflow.run("submit", task="security-scan")
    assert (result.exit == 0) == fits, result.log


def test_what_was_not_created_is_free_again(workflow: WorkflowHarness) -> None:
    workflow.commit(CHANGE)
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
    workflow.sandbox.faults.add(
        "status", service="anthropic", method="POST", path=r"/v1/messages/batches$", status=400
    )
    assert workflow.run("submit", task="code-review").exit == 4
    assert workflow.run("submit", task="security-scan").exit == 0
    assert len(workflow.batches) == 1


def test_a_lost_create_counts_until_it_is_resolved(workflow: WorkflowHarness) -> None:
    workflow.commit(CHANGE)
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
    workflow.sandbox.anthropic.hold = True
    workflow.sandbox.faults.add(
        "drop-after", service="anthropic", method="POST", path=r"/v1/messages/batches$"
    )
    assert workflow.run("submit", task="code-review").exit == 4
    assert workflow.run("submit", task="security-scan").exit == 3
    assert len(workflow.batches) == 1


def test_a_branch_and_its_pull_requests_share_a_budget(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": GOOD})
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = "0.05"
    assert pull.run("submit").exit == 0
    assert pull.collect("submit", task="security-scan").exit == 3
    assert len(workflow.batches) == 1


def test_without_a_budget_there_is_no_ledger_of_spend(workflow: WorkflowHarness) -> None:
    workflow.commit(CHANGE)
    workflow.run("submit")
    assert not any("spend" in item.name for item in workflow.github_repository.artifacts)


def test_no_task_may_be_named_like_the_ledger(workflow: WorkflowHarness) -> None:
    text = "---\nname: NAME\ndescription: x\n---\nFind problems.\n"
    for name in ("spend", "spend-pr"):
        workflow.commit({f".github/batch-action/tasks/{name}.md": text.replace("NAME", name)})
        result = workflow.run("submit", task=name)
        assert result.exit == 2
        assert "ledger of what is spent" in result.annotations("error")[0]
