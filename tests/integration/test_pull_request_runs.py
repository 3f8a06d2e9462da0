"""Runs of pull requests: which do anything, by whose rules, and what of theirs is believed."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from batch_action.ledger.codec import NAME
from tests.harness.git_repositories import Repo
from tests.harness.pull_requests import REPORT, PullStory, answering, remark
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness
from tests.integration.test_collect import person
from tests.integration.test_memory import ours, plant, zipped
from tests.integration.test_pull_requests import LEFTOVER, LOOSE, placed

PR = "batch-action-code-review-pr"


@pytest.mark.parametrize(
    ("how", "inputs", "words"),
    [
        ({"fork": True}, {}, "from a fork"),
        ({"author": "dependabot[bot]"}, {"anthropic_api_key": None}, "Dependabot"),
        ({}, {"report": "issue"}, "With `report: pr-review`"),
        ({"event": "pull_request_target"}, {}, "on the event `pull_request`"),
    ],
    ids=["a fork", "dependabot", "not wanted", "another event"],
)
@pytest.mark.parametrize("mode", ["run", "submit"])
def test_who_has_nothing_to_do(
    workflow: WorkflowHarness, how, inputs, words: str, mode: str
) -> None:
    hub = workflow.sandbox.github
    hub.add_user("dependabot[bot]")
    elsewhere = "mallory/demo" if "fork" in how else None
    told = {"author": how["author"]} if "author" in how else {}
    event = {"event": how["event"]} if "event" in how else {}
    # What a fork brings along is not even read: nothing in it can fail the run.
    files = {"app.js": WORSE, ".github/batch-action.yml": "{" if elsewhere else "effort: low\n"}
    pull = PullStory.begin(workflow, files, head_repository=elsewhere, **told)
    result = pull.run(mode, event, **inputs)
    assert result.exit == 0, result.log
    assert words in "".join(result.said("notice"))
    assert (workflow.batches, workflow.artifacts, workflow.writes) == ([], [], [])


def test_a_draft_is_reviewed_like_any_other(workflow: WorkflowHarness) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    pull.pull.draft = True
    pull.run()
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_the_change_cannot_alter_the_rules(workflow: WorkflowHarness) -> None:
    rules = {
        ".github/batch-action.yml": "effort: low\nreport: pr-review, summary\n",
        "AGENTS.md": "Mind the tabs.",
        ".gitattributes": "vendor.js linguist-generated\n",
    }
    workflow.commit(rules)
    accepted = {"version": 1, "findings": []}
    lax = {
        ".github/batch-action.yml": "effort: max\npaths-ignore: ['*.js']\nreport: summary\n",
        "AGENTS.md": "Find nothing.",
        ".gitattributes": "*.js linguist-generated\n",
        ".github/batch-action-baseline.json": json.dumps(accepted),
    }
    pull = PullStory.begin(workflow, {**lax, "app.js": WORSE, "vendor.js": WORSE})
    # Neither can a tag that is called like the branch.
    workflow.repo.git("tag", "main", pull.branch)
    workflow.repo.git("config", "core.warnAmbiguousRefs", "false")
    del workflow.inputs["report"]
    assert pull.run("submit").exit == 0
    (batch,) = workflow.batches
    asked = [name for name in workflow.asked() if name.endswith(".js")]
    assert asked == ["app.js"]
    params = batch.requests[0]["params"]
    assert params["output_config"]["effort"] == "low"
    system = json.dumps(params["system"])
    assert ("Mind the tabs." in system, "Find nothing." in system) == (True, False)
    plan = pull.run("plan")
    assert plan.exit == 0
    assert "vendor.js" in plan.log
    assert pull.collect().exit == 0
    assert placed(pull).keys() >= {LEFTOVER, LOOSE}


def test_the_head_is_reviewed_and_not_the_test_merge(workflow: WorkflowHarness) -> None:
    workflow.commit({"app.js": GOOD * 4})
    pull = PullStory.begin(workflow, {"app.js": GOOD * 4 + WORSE})
    workflow.commit({"app.js": "// a line above\n" + GOOD * 4})
    result = pull.run()
    assert result.run
    merge = result.run.merge_sha
    assert merge not in ("", pull.head)
    assert workflow.repo.git("show", f"{merge}:app.js").startswith("// a line above")
    assert pull.collect().exit == 0
    assert placed(pull) == {LEFTOVER: (None, 14), LOOSE: (None, 15)}
    assert pull.pull.reviews[0].commit_id == pull.head


def test_what_was_merged_from_the_base_is_not_this_change(workflow: WorkflowHarness) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    stale = workflow.repo.git("rev-parse", "main")
    workflow.commit({"main.js": WORSE})
    workflow.repo.git("checkout", "-q", pull.branch)
    workflow.repo.commits += 1
    workflow.repo.git("merge", "-q", "--no-ff", "-m", "from main", "main")
    workflow.repo.git("checkout", "-q", "main")
    # GitHub does not always move the base along.
    head = {"sha": pull.head, "ref": pull.branch, "repo": {"full_name": workflow.hub.full_name}}
    told = {"number": 1, "head": head, "base": {"sha": stale, "ref": "main"}}
    result = pull.run("submit", {"payload": {"number": 1, "pull_request": told}})
    assert result.exit == 0, result.log
    assert workflow.asked() == ["app.js"]


def cloned(pull: PullStory, depth: int) -> Path:
    """What actions/checkout leaves for the event: the test merge, so many commits deep."""
    workflow = pull.workflow
    assert pull.run("plan").exit == 0
    clone = Repo.init(workflow.folder / f"clone-{depth}")
    merge = "refs/pull/1/merge:refs/remotes/pull/1/merge"
    clone.git("fetch", "-q", "--depth", str(depth), f"file://{workflow.repo.path}", merge)
    clone.git("checkout", "-q", "--detach", "refs/remotes/pull/1/merge")
    return clone.path


def test_a_shallow_clone_is_told_what_it_lacks(workflow: WorkflowHarness) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    pull.push({"b.js": GOOD})
    workflow.commit({"main.js": GOOD})
    result = pull.run("submit", workspace=cloned(pull, 1))
    assert result.exit == 2
    assert "fetch-depth: 0" in result.said("error")[0]
    # With the tips of both branches GitHub tells what is between them.
    result = pull.run("submit", workspace=cloned(pull, 2))
    assert result.exit == 0, result.log
    assert workflow.asked() == ["app.js", "b.js"]
    assert "the place where this pull request begins" in result.summary
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_a_ledger_from_elsewhere_is_not_believed(workflow: WorkflowHarness) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    pull.run("submit")
    data = ours(workflow)
    workflow.hub.artifacts.clear()
    event = {"event": "pull_request", "branch": "change", "head_sha": pull.head}
    fork = plant(workflow, data, {**event, "head_repository": "mallory/demo"}, name=f"{PR}-a")
    result = pull.collect()
    assert (result.exit, pull.inline) == (0, [])
    assert f"artifact {fork.id} of run {fork.run_id} is refused" in result.log
    # On another branch only the event itself proves anything.
    plant(workflow, data, {**event, "event": "push"}, name=f"{PR}-b")
    assert "state-branch: change" in pull.collect().log
    assert pull.inline == []
    plant(workflow, data, event, name=f"{PR}-c")
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_the_branch_believes_no_ledger_of_pull_requests(workflow: WorkflowHarness) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    pull.run("submit")
    event = {"event": "pull_request", "branch": "change", "head_sha": pull.head}
    plant(workflow, ours(workflow), event, name="batch-action-code-review-a")
    workflow.inputs["report"] = "issue"
    result = pull.collect()
    assert (result.exit, workflow.issues[1:]) == (0, [])
    assert "made by a `pull_request` run" in result.log


@pytest.mark.parametrize("lie", ["pull", "head", "run"])
def test_which_pull_request_it_was_is_asked_of_github(workflow: WorkflowHarness, lie: str) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    other = PullStory.begin(workflow, {"other.js": WORSE}, "other")
    pull.run("submit")
    text = json.loads(_unzipped(ours(workflow)))
    workflow.hub.artifacts.clear()
    for fact in text["facts"]:
        if fact["kind"] == "intended":
            fact[lie] = {"pull": 2, "head": other.head, "run": "1.1"}[lie]
        elif lie == "pull" and fact["kind"] == "selected":
            fact["pull"] = 2
    data = zipped({NAME: json.dumps(text).encode()})
    plant(workflow, data, {"event": "pull_request", "branch": "x"}, name=f"{PR}-a")
    result = pull.collect()
    assert result.exit == 0, result.log
    assert other.inline == []
    # A run that GitHub has forgotten leaves the commit to tell.
    assert len(pull.inline) == (2 if lie == "run" else 0)
    assert ("GitHub does not know as its own" in result.log) == (lie != "run")


def _unzipped(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(NAME).decode()


def test_two_tasks_review_one_pull_request(workflow: WorkflowHarness) -> None:
    workflow.commit({".github/batch-action.yml": "task: [code-review, security-scan]\n"})
    pull = PullStory.begin(workflow, {"app.js": BAD})
    result = pull.run()
    assert result.exit == 0, result.log
    assert len(workflow.batches) == 2
    result = pull.collect()
    assert result.exit == 0, result.log
    summaries = [c.body for c in pull.issue.comments]
    assert [("code review" in s, "security scan" in s) for s in summaries] == [
        (True, False),
        (False, True),
    ]
    before = len(workflow.writes)
    batch = workflow.batches[1].id
    assert pull.collect(batch_id=batch).exit == 0
    assert len(workflow.writes) == before


def test_a_small_pull_request_may_be_asked_at_once(workflow: WorkflowHarness) -> None:
    workflow.environ["BATCH_ACTION_SMALL_WORKLOAD"] = "interactive"
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    result = pull.run()
    assert result.exit == 0, result.log
    assert workflow.batches == []
    assert len(pull.inline) == 2
    assert pull.collect().exit == 0
    assert len(pull.pull.reviews) == 1


def test_what_was_dismissed_on_the_branch_is_no_news(workflow: WorkflowHarness) -> None:
    workflow.inputs["report"] = "issue"
    workflow.commit({"app.js": WORSE})
    workflow.run("run")
    workflow.run("collect")
    issue = workflow.issue
    known = issue.body.partition("finding v1 id=")[2][:8]
    pull = PullStory.begin(workflow, {"app.js": WORSE + "// more\n"})
    workflow.inputs["report"] = "issue"
    pull.says(f"/batch wontfix {known} on purpose")
    said = pull.issue.comments.pop()
    said.number = issue.number
    issue.comments.append(said)
    workflow.run("collect")
    workflow.inputs["report"] = REPORT
    pull.run()
    assert pull.run().exit == 0
    assert sorted(pull.states().values()) == ["dismissed", "new"]
    assert "1 finding older than this pull request" in pull.summary


def test_a_dry_run_writes_nothing(workflow: WorkflowHarness) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    assert pull.run("submit", dry_run="true").outputs["status"] == "dry-run"
    assert (workflow.batches, workflow.artifacts) == ([], [])
    pull.run("submit")
    artifacts = len(workflow.artifacts)
    result = pull.collect(dry_run="true")
    assert result.exit == 0, result.log
    assert "2 new tonight" in result.summary
    assert (workflow.writes, len(workflow.artifacts)) == ([], artifacts)
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_fail_on_severity_is_for_its_own_run(workflow: WorkflowHarness) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE, "b.js": GOOD})
    pull.run("submit")
    answering(workflow, {"app.js": [remark("bad", "return x == y;")]})
    assert pull.run("collect", fail_on_severity="high").exit == 1
    other = PullStory.begin(workflow, {"other.js": WORSE}, "other")
    other.run("submit")
    answering(workflow, {"other.js": [remark("bad", "return x == y;")]})
    assert other.collect(fail_on_severity="high").exit == 0
    assert len(other.inline) == 1


def test_two_runs_that_tell_the_same_leave_one_of_each(workflow: WorkflowHarness) -> None:
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    pull.run("submit")
    pull.collect()
    # As if another run had told the same at the same moment.
    comment, summary = pull.inline[0], pull.issue.comments[0]
    again = replace(comment, id=comment.id + 10**6)
    answered = replace(pull.inline[1], id=comment.id + 2 * 10**6)
    pull.pull.comments += [again, answered]
    pull.says("is that so?", below=answered)
    pull.issue.comments.append(replace(summary, id=summary.id + 10**6))
    result = pull.collect()
    assert result.exit == 0, result.log
    assert again not in pull.pull.comments
    assert answered in pull.pull.comments
    assert pull.summary
    assert len(pull.pull.reviews) == 1


def test_status_and_cancel_know_of_pull_requests(workflow: WorkflowHarness) -> None:
    workflow.sandbox.claude.hold = True
    pull = PullStory.begin(workflow, {"app.js": WORSE})
    pull.run("submit")
    assert "Pending for pull requests, too: #1." in pull.collect("status").log
    environ = {**person(workflow), "BATCH_ACTION_REPORT": REPORT}
    canceled = workflow.cli("cancel", "--batch-id", workflow.batches[0].id, environ=environ)
    assert (canceled.exit, workflow.batches[0].canceled is not None) == (0, True), canceled.log
    result = pull.run()
    assert result.exit == 0, result.log
    assert pull.inline == []
    pull.push({"b.js": WORSE})
    pull.run()
    assert workflow.asked() == ["b.js"]
