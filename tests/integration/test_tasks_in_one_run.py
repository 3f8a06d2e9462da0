"""Several tasks in one run, and a monorepo's rules: separate ledgers, one summary, one budget."""

import json

import pytest
import yaml

from batch_action.sandbox.github.records import Issue
from tests.harness.workflow import BAD, DAY, HOUR, WORSE, WorkflowHarness, path_of_request

TWO_TASKS = "code-review, security-scan"
RULES = """
task: code-review
labels: [nightly]
rules:
  - name: pay
    paths: [services/pay/]
    task: code-review, security-scan
    model: claude-opus-5-5
    effort: high
    labels: [team-pay]
    assignees: [ana, nobody-here]
  - paths: [services/**]
"""

CUSTOM_TASK = """---
name: jargon
description: Words that are not common English
model: claude-haiku-5-5
---
Find every word that only this team understands.
"""


def models(workflow: WorkflowHarness) -> list[tuple[str, list[str]]]:
    """Return the model and the paths of each batch."""
    batches = []
    for batch in workflow.batches:
        used_models = {request["params"]["model"] for request in batch.requests}
        assert len(used_models) == 1
        batches.append(
            (used_models.pop(), sorted(path_of_request(request) for request in batch.requests))
        )
    return batches


def tasks(workflow: WorkflowHarness) -> list[str]:
    """Return the task of each batch, from its custom ids."""
    heads = [
        {r["custom_id"].rsplit("-", 3)[0] for r in batch.requests} for batch in workflow.batches
    ]
    assert all(len(head) == 1 for head in heads)
    return [head.pop() for head in heads]


def names(workflow: WorkflowHarness) -> set[str]:
    return {artifact.name.rsplit("-", 1)[0] for artifact in workflow.artifacts}


def issue(workflow: WorkflowHarness, *parts: str) -> Issue:
    (match,) = (i for i in workflow.issues if all(part in i.title for part in parts))
    return match


def test_two_tasks_have_their_batches_ledgers_and_issues(workflow: WorkflowHarness) -> None:
    workflow.inputs["task"] = TWO_TASKS
    workflow.commit({"a.js": BAD})
    sent = workflow.run("submit")
    assert sent.exit == 0
    assert tasks(workflow) == ["code-review", "security-sca"]
    assert sent.ids == [batch.id for batch in workflow.batches]
    assert sent.outputs["requests-count"] == "2"
    assert names(workflow) == {"batch-action-code-review", "batch-action-security-scan"}
    done = workflow.run("collect")
    assert (done.exit, done.outputs["status"]) == (0, "collected")
    assert len(workflow.issues) == 2
    assert done.outputs["issue-number"] == str(issue(workflow, "code review").number)
    assert done.outputs["findings-count"] == done.outputs["new-findings-count"] == "4"
    cost = float(done.outputs["cost-usd"])
    assert cost == pytest.approx(sum(float(usd) for usd in costs(done.summary)), abs=2e-4)
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 2
    assert workflow.run().outputs["status"] == "nothing-to-do"


def costs(summary: str) -> list[str]:
    return [
        word.strip("$ |") for word in summary.split("this run ")[1:] for word in word.split()[:1]
    ]


def test_one_summary_lists_all_tasks(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    done = workflow.run(task=TWO_TASKS)
    table = done.summary.partition("### All tasks")[2]
    assert table.count("| submitted | 1 |") == 2
    assert done.summary.count("### batch-action: code-review") == 1
    assert "### All tasks" not in workflow.run().summary


def savings_in(text: str, rows: int = 3) -> list[list[float]]:
    """Return the dollars in the last rows about savings."""
    found = [r.split("|")[2:5] for r in text.splitlines() if r.startswith(("| This", "| Since"))]
    return [[float(cell.strip(" $")) for cell in cells] for cells in found[-rows:]]


def test_the_savings_of_all_tasks_are_added(workflow: WorkflowHarness) -> None:
    workflow.inputs["task"] = TWO_TASKS
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    done = workflow.run("collect")
    single, _, total = done.summary.partition("**Savings of all tasks**")
    run, month, ever = savings_in(total)
    assert run == month == ever
    interactive, paid, saved = run
    # Below a cent there are four decimals, from a cent on two.
    assert paid == pytest.approx(float(done.outputs["cost-usd"]), abs=0.005)
    assert saved == pytest.approx(float(done.outputs["savings-usd"]), abs=0.005)
    of_each = [row[1] for row in savings_in(single, rows=6)[::3]]
    assert len(of_each) == 2
    assert sum(of_each) == pytest.approx(paid, abs=0.005)
    assert interactive > max(of_each) > 0
    assert "Saved this month $0.0" in workflow.issues[0].body.splitlines()[-1]
    # A run that collects nothing adds nothing, and knows the rest.
    quiet = workflow.run("collect").summary.partition("**Savings of all tasks**")[2]
    assert savings_in(quiet) == [[0, 0, 0], month, ever]


def test_one_task_failing_never_stops_the_others(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run(task=TWO_TASKS)
    workflow.commit({"b.js": WORSE})
    workflow.sandbox.faults.add("status", service="github", method="POST", path="/issues$")
    result = workflow.run(task=TWO_TASKS)
    assert result.exit == 5
    assert len(workflow.issues) == 1
    assert workflow.requested_paths(2) == workflow.requested_paths(3) == ["b.js"]
    (error,) = result.annotations("error")
    assert error.startswith("code-review: ")
    assert workflow.run(task=TWO_TASKS).exit == 0
    assert len(workflow.issues) == 2
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 4


def test_tasks_that_do_not_exist_are_all_named(workflow: WorkflowHarness) -> None:
    result = workflow.run(task="code-reviews, security-scan, nonesuch")
    assert result.exit == 2
    (error,) = result.annotations("error")
    assert "`task` 'code-reviews' does not exist" in error
    assert "`task` 'nonesuch' does not exist" in error
    assert workflow.batches == []


def test_all_tasks_share_one_cost_limit(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    planned = workflow.cli(
        "plan", "--json", "--task", "code-review\nsecurity-scan", "--base", "HEAD~1"
    )
    plans = planned.tasks
    assert [plan["task"] for plan in plans] == ["code-review", "security-scan"]
    first = plans[0]["cost"]["batch_usd"]
    result = workflow.run("submit", task=TWO_TASKS, max_cost_usd=f"{first * 1.5:.6f}")
    assert result.exit == 0
    assert tasks(workflow) == ["code-review"]
    assert "security-scan: the budget is used up" in result.summary
    assert result.outputs["backlog-count"] == "1"
    workflow.run("submit", task=TWO_TASKS)
    assert tasks(workflow) == ["code-review", "security-sca"]


def test_all_tasks_share_the_monthly_budget(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run(task="code-review")
    workflow.run(task="code-review")
    workflow.commit({"b.js": BAD})
    # One task has spent nothing yet, but both share the budget of the month.
    sent = workflow.run("submit", task=TWO_TASKS, monthly_budget_usd="0.0001")
    assert sent.exit == 3
    assert len(workflow.batches) == 1


def test_a_batch_id_belongs_to_one_task(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run(task=TWO_TASKS)
    second = workflow.batches[1].id
    done = workflow.run("collect", task=TWO_TASKS, batch_id=second)
    assert (done.exit, done.ids) == (0, [second])
    assert [i.title for i in workflow.issues] == [issue(workflow, "security scan").title]
    for artifact in list(workflow.github_repository.artifacts):
        workflow.github_repository.artifacts.remove(artifact)
    lost = workflow.run("collect", task=TWO_TASKS, batch_id=workflow.batches[0].id)
    assert (lost.exit, lost.ids) == (0, [workflow.batches[0].id])
    assert len(workflow.issues) == 2
    unknown = workflow.run("collect", task=TWO_TASKS, batch_id="msgbatch_nonesuch")
    assert unknown.exit == 2
    assert len(unknown.annotations("error")) == 1


def test_cancel_reaches_every_task_and_a_batch_id_only_its_own(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"a.js": BAD})
    workflow.cli("submit", "--task", "code-review", "--task", "security-scan", "--base", "HEAD~1")
    both = ("--task", "code-review", "--task", "security-scan")
    assert workflow.cli("cancel", *both, "--batch-id", workflow.batches[1].id).exit == 0
    assert [batch.canceled is not None for batch in workflow.batches] == [False, True]
    states = workflow.cli("status", "--json", *both).tasks
    assert [len(state["pending"]) for state in states] == [1, 1]
    assert workflow.cli("cancel", *both).exit == 0
    assert all(batch.canceled for batch in workflow.batches)
    assert workflow.cli("cancel", *both, "--batch-id", "msgbatch_nonesuch").exit == 2


def test_a_monorepo_sends_each_file_by_its_rule(workflow: WorkflowHarness) -> None:
    workflow.sandbox.github.add_user("ana")
    workflow.github_repository.permissions["ana"] = "write"
    workflow.commit({".github/batch-action.yml": RULES})
    workflow.commit(
        {
            "services/pay/card.js": BAD,
            "services/mail/send.js": WORSE,
            "tool.js": BAD.replace("run", "tool"),
        }
    )
    sent = workflow.run("submit")
    assert sent.exit == 0
    pay, other = ["services/pay/card.js"], ["services/mail/send.js"]
    assert models(workflow) == [
        ("claude-sonnet-5-5", ["tool.js"]),
        ("claude-opus-5-5", pay),
        ("claude-opus-5-5", pay),
        ("claude-sonnet-5-5", other),
    ]
    assert tasks(workflow) == ["code-review", "code-review", "security-sca", "code-review"]
    efforts = [b.requests[0]["params"]["output_config"]["effort"] for b in workflow.batches]
    assert efforts == ["medium", "high", "high", "medium"]
    assert "matched by the rule with services/pay/" in sent.summary.replace("<wbr>", "")
    workflow.advance(4 * HOUR)
    assert workflow.run("collect").exit == 0
    issue_of_pay = issue(workflow, "code review", "pay")
    assert {"team-pay", "nightly"} & set(issue_of_pay.labels) == {"team-pay"}
    assert [person.login for person in issue_of_pay.assignees] == ["ana"]
    general = next(i for i in workflow.issues if "(" not in i.title)
    assert "nightly" in general.labels
    assert "tool.js" in general.body
    assert "card.js" not in general.body
    assert len(workflow.issues) == 4
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 4


def test_rules_in_another_order_find_their_ledgers_again(workflow: WorkflowHarness) -> None:
    workflow.commit({".github/batch-action.yml": RULES})
    workflow.commit({"services/pay/card.js": BAD, "services/mail/send.js": WORSE})
    workflow.run()
    before = names(workflow)
    config = yaml.safe_load(RULES)
    # Neither rule matches the other's files any more, whatever the order.
    config["rules"][1]["paths"] = ["services/**", "!services/pay/"]
    config["rules"][1]["name"] = "rest"
    config["rules"].reverse()
    workflow.commit({".github/batch-action.yml": yaml.safe_dump(config)})
    workflow.advance(DAY)
    workflow.run()
    assert {name for name in names(workflow) if "pay" in name} <= before
    # The file of the payment service was not sent again.
    assert sum("services/pay/card.js" in paths for _, paths in models(workflow)) == 2


def test_a_rule_narrows_nothing_for_another_task(workflow: WorkflowHarness) -> None:
    workflow.commit(
        {".github/batch-action.yml": "rules: [{paths: web/, task: security-scan, name: web}]"}
    )
    workflow.commit({"web/a.js": BAD, "b.js": BAD.replace("run", "go")})
    workflow.run("submit")
    assert [paths for _, paths in models(workflow)] == [["b.js", "web/a.js"], ["web/a.js"]]
    # A flag names the only tasks of a command.
    plans = workflow.cli("plan", "--json", "--task", "security-scan").tasks
    assert [plan["state_key"] for plan in plans] == ["", "web"]


def test_the_files_of_several_tasks_have_different_names(workflow: WorkflowHarness) -> None:
    workflow.inputs |= {"task": TWO_TASKS, "report": "files, summary"}
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    done = workflow.run("collect")
    files = done.outputs["results-file"].split("\n")
    assert files == [f".batch-action/results-{t}.json" for t in ("code-review", "security-scan")]
    tasks_in_files = [
        json.loads((workflow.repo.path / name).read_text("utf-8"))["task"] for name in files
    ]
    assert tasks_in_files == ["code-review", "security-scan"]


def test_without_artifacts_each_task_has_a_file_of_its_own(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    kept = {"ACTIONS_RESULTS_URL": None, "BATCH_ACTION_STATE_DIR": str(workflow.folder / "kept")}
    submitted = workflow.start("submit", {}, environ=kept, task=TWO_TASKS)
    files = submitted.outputs["state-file"].split("\n")
    assert len(files) == 2
    assert all((workflow.repo.path / name).is_file() for name in files)


def test_a_ledger_that_cannot_be_read_stops_only_its_own_task(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    state = workflow.repo.path / ".batch-action" / "state"
    state.mkdir(parents=True)
    (state / "batch-action-code-review.zip").write_bytes(b"not a ledger")
    both = ("--task", "code-review", "--task", "security-scan")
    result = workflow.cli("submit", *both, "--base", "HEAD~1")
    assert result.exit == 2
    assert "code-review: The ledger file" in " ".join(result.stderr.split())
    assert tasks(workflow) == ["security-sca"]


def test_a_rule_may_name_a_custom_task(workflow: WorkflowHarness) -> None:
    rule = "{paths: docs/, task: jargon, model: claude-opus-5-5}"
    workflow.commit(
        {
            ".github/batch-action/tasks/jargon.md": CUSTOM_TASK,
            ".github/batch-action.yml": f"rules: [{rule}]",
        }
    )
    workflow.commit({"docs/a.js": BAD, "b.js": WORSE})
    assert workflow.run("submit").exit == 0
    assert tasks(workflow) == ["code-review", "jargon"]
    assert models(workflow)[1] == ("claude-opus-5-5", ["docs/a.js"])
