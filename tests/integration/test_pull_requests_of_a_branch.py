"""`pull-requests: on`: a run on the default branch sends what pull requests have unanswered."""

import json

import pytest

from batch_action.ledger.codec import LEDGER_ENTRY
from tests.harness.foreign_artifacts import upload_foreign, zip_of
from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import GOOD, WORSE, WorkflowHarness, path_of_request
from tests.integration.test_ledger_store import newest_ledger
from tests.integration.test_pull_request_runs import PR, _unzip
from tests.integration.test_pull_requests import FAR, HIDDEN


@pytest.fixture
def switched_on(workflow: WorkflowHarness) -> WorkflowHarness:
    workflow.environ["BATCH_ACTION_PULL_REQUESTS"] = "true"
    workflow.inputs["paths_ignore"] = "Index.rs"
    return workflow


def paths(workflow: WorkflowHarness) -> list[list[str]]:
    """The requested paths of each batch."""
    found = [sorted(map(path_of_request, batch.requests)) for batch in workflow.batches]
    return [names for names in found if not names[0].startswith("Index")]


def test_what_a_pull_requests_run_left_is_sent_by_the_branch(switched_on: WorkflowHarness) -> None:
    workflow = switched_on
    files = {f"pad{n}.js": FAR * 9 + f"// {n}\n" for n in range(3)} | {"zz.js": WORSE}
    pull = PullRequestHarness.open(workflow, files)
    pull.run("submit", max_cost_usd="0.1")
    assert 0 < len(paths(workflow)[0]) < 4
    # The branch's own files come first, then the rest, under the same cap.
    workflow.commit({"main.js": GOOD})
    result = pull.collect("run")
    assert result.exit == 0, result.log
    assert paths(workflow)[1] == ["main.js"]
    assert sorted(paths(workflow)[0] + paths(workflow)[2]) == sorted(files)
    assert result.outputs["batch-ids"].split(",") == [b.id for b in workflow.batches[1:]]
    result = pull.collect("run")
    assert result.exit == 0, result.log
    assert "Files reviewed: 4 of 4" in pull.summary
    assert "not reviewed yet" not in pull.summary
    assert len(pull.inline) == 2
    assert len(paths(workflow)) == 3, "nothing is sent twice"


def test_a_pull_request_without_a_run_of_its_own_is_reviewed(switched_on: WorkflowHarness) -> None:
    workflow = switched_on
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    assert pull.collect("submit").exit == 0
    assert paths(workflow) == [["a.js"]]
    result = pull.collect("run")
    assert result.exit == 0, result.log
    assert len(pull.inline) == 2
    pull.push({"b.js": WORSE})
    pull.collect("run", max_cost_usd="0.000001")
    pull.collect("run")
    assert paths(workflow)[1:] == [["b.js"]]


@pytest.mark.parametrize("kind", ["fork", "draft", "dependabot", "off", "no permission"])
def test_pull_requests_that_are_not_sent(switched_on: WorkflowHarness, kind: str) -> None:
    workflow = switched_on
    workflow.sandbox.github.add_user("dependabot[bot]")
    workflow.sandbox.github.add_repository("guest/demo")
    how = {
        "fork": {"head_repository": "guest/demo"},
        "dependabot": {"author": "dependabot[bot]"},
    }.get(kind, {})
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE}, **how)
    pull.pull.draft = kind == "draft"
    if kind == "off":
        workflow.environ["BATCH_ACTION_PULL_REQUESTS"] = "false"
    if kind == "no permission":
        refused = {"status": 403, "message": "Resource not accessible by integration"}
        workflow.sandbox.faults.add("status", method="GET", path="/pulls$", times=9, **refused)
    result = pull.collect("run")
    assert result.exit == 0, result.log
    assert paths(workflow) == []
    warned = [w for w in result.annotations("warning") if "pull-requests: write" in str(w)]
    assert len(warned) == (1 if kind == "no permission" else 0)


@pytest.mark.parametrize("forged", ["another batch", "no batch"])
def test_no_run_of_a_pull_request_can_make_a_file_look_reviewed(
    switched_on: WorkflowHarness, forged: str
) -> None:
    workflow = switched_on
    pull = PullRequestHarness.open(workflow, {"good.js": GOOD})
    pull.run("submit")
    pull.push({"evil.js": HIDDEN})
    pull.run("run")
    pull.run("collect")
    first, second = (batch.id for batch in workflow.batches)
    ledger = json.loads(_unzip(newest_ledger(workflow)))
    # As if the requests about evil.js had been in the first batch, or in none that exists.
    ledger["facts"] = [fact for fact in ledger["facts"] if fact.get("batch") != first]
    for fact in ledger["facts"]:
        if fact.get("batch") == second:
            fact["batch"] = first if forged == "another batch" else "msgbatch_01forged"
    workflow.github_repository.artifacts.clear()
    data = zip_of({LEDGER_ENTRY: json.dumps(ledger).encode()})
    event = {"event": "pull_request", "branch": "change", "head_sha": pull.head}
    upload_foreign(workflow, data, event, name=f"{PR}-a")
    result = pull.collect("run")
    assert result.exit == 0, result.log
    assert "evil.js" in paths(workflow)[-1], "it is sent, whatever the ledger says"
    assert "evil.js</code> (in the backlog)" in pull.summary
