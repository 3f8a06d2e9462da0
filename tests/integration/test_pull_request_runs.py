"""Runs of pull requests: which are skipped, whose configuration counts, what is trusted."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from batch_action.ledger.codec import LEDGER_ENTRY
from tests.harness.foreign_artifacts import upload_foreign, zip_of
from tests.harness.git_repositories import Repo
from tests.harness.pull_requests import REPORT, PullRequestHarness, raw_finding, set_answers
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness
from tests.integration.test_ledger_store import newest_ledger
from tests.integration.test_pull_requests import LEFTOVER, LOOSE, lines_of_comments

PR = "batch-action-code-review-pr"


@pytest.mark.parametrize(
    ("how", "inputs", "words"),
    [
        ({"fork": True}, {}, "from a fork"),
        ({"author": "dependabot[bot]"}, {"anthropic_api_key": None}, "Dependabot"),
        ({}, {"report": "issue"}, "With `report: pr-review`"),
        ({"event": "pull_request_target"}, {}, "on the event `pull_request`"),
    ],
    ids=["a fork", "dependabot", "not in report", "another event"],
)
@pytest.mark.parametrize("mode", ["run", "submit"])
def test_skipped_runs(workflow: WorkflowHarness, how, inputs, words: str, mode: str) -> None:
    workflow.sandbox.github.add_user("dependabot[bot]")
    elsewhere = "mallory/demo" if "fork" in how else None
    author = {"author": how["author"]} if "author" in how else {}
    event = {"event": how["event"]} if "event" in how else {}
    # A fork's configuration is not read, so it cannot fail the run.
    files = {"app.js": WORSE, ".github/batch-action.yml": "{" if elsewhere else "effort: low\n"}
    pull = PullRequestHarness.open(workflow, files, head_repository=elsewhere, **author)
    result = pull.run(mode, event, **inputs)
    assert result.exit == 0, result.log
    assert words in "".join(result.annotations("notice"))
    assert (workflow.batches, workflow.artifacts, workflow.writes) == ([], [], [])


def test_a_draft_is_reviewed(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.pull.draft = True
    pull.run()
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_the_change_cannot_alter_the_configuration(workflow: WorkflowHarness) -> None:
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
    pull = PullRequestHarness.open(workflow, {**lax, "app.js": WORSE, "vendor.js": WORSE})
    # Neither can a tag with the name of the branch.
    workflow.repo.git("tag", "main", pull.branch)
    workflow.repo.git("config", "core.warnAmbiguousRefs", "false")
    del workflow.inputs["report"]
    assert pull.run("submit").exit == 0
    (batch,) = workflow.batches
    requested = [name for name in workflow.requested_paths() if name.endswith(".js")]
    assert requested == ["app.js"]
    params = batch.requests[0]["params"]
    assert params["output_config"]["effort"] == "low"
    system = json.dumps(params["system"])
    assert ("Mind the tabs." in system, "Find nothing." in system) == (True, False)
    plan = pull.run("plan")
    assert plan.exit == 0
    assert "vendor.js" in plan.log
    assert pull.collect().exit == 0
    assert lines_of_comments(pull).keys() >= {LEFTOVER, LOOSE}


def test_the_head_is_reviewed_not_the_test_merge(workflow: WorkflowHarness) -> None:
    workflow.commit({"app.js": GOOD * 4})
    pull = PullRequestHarness.open(workflow, {"app.js": GOOD * 4 + WORSE})
    workflow.commit({"app.js": "// a line above\n" + GOOD * 4})
    result = pull.run()
    assert result.run
    merge = result.run.merge_sha
    assert merge not in ("", pull.head)
    assert workflow.repo.git("show", f"{merge}:app.js").startswith("// a line above")
    assert pull.collect().exit == 0
    assert lines_of_comments(pull) == {LEFTOVER: (None, 14), LOOSE: (None, 15)}
    assert pull.pull.reviews[0].commit_id == pull.head


def test_changes_merged_from_the_base_are_not_reviewed(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    stale = workflow.repo.git("rev-parse", "main")
    workflow.commit({"main.js": WORSE})
    workflow.repo.git("checkout", "-q", pull.branch)
    workflow.repo.commits += 1
    workflow.repo.git("merge", "-q", "--no-ff", "-m", "from main", "main")
    workflow.repo.git("checkout", "-q", "main")
    # GitHub does not always update the base.
    head = {
        "sha": pull.head,
        "ref": pull.branch,
        "repo": {"full_name": workflow.github_repository.full_name},
    }
    pull_request = {"number": 1, "head": head, "base": {"sha": stale, "ref": "main"}}
    result = pull.run("submit", {"payload": {"number": 1, "pull_request": pull_request}})
    assert result.exit == 0, result.log
    assert workflow.requested_paths() == ["app.js"]


def clone(pull: PullRequestHarness, depth: int) -> Path:
    """Clone the test merge with so many commits, as actions/checkout does for the event."""
    workflow = pull.workflow
    assert pull.run("plan").exit == 0
    repo = Repo.init(workflow.folder / f"clone-{depth}")
    merge = "refs/pull/1/merge:refs/remotes/pull/1/merge"
    repo.git("fetch", "-q", "--depth", str(depth), f"file://{workflow.repo.path}", merge)
    repo.git("checkout", "-q", "--detach", "refs/remotes/pull/1/merge")
    return repo.path


def test_a_shallow_clone_is_refused_or_completed_by_github(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.push({"b.js": GOOD})
    workflow.commit({"main.js": GOOD})
    result = pull.run("submit", workspace=clone(pull, 1))
    assert result.exit == 2
    assert "fetch-depth: 0" in result.annotations("error")[0]
    # With the heads of both branches, GitHub compares them.
    result = pull.run("submit", workspace=clone(pull, 2))
    assert result.exit == 0, result.log
    assert workflow.requested_paths() == ["app.js", "b.js"]
    assert "the merge base of this pull request" in result.summary
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_a_ledger_from_elsewhere_is_not_trusted(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    data = newest_ledger(workflow)
    workflow.github_repository.artifacts.clear()
    event = {"event": "pull_request", "branch": "change", "head_sha": pull.head}
    fork = upload_foreign(
        workflow, data, {**event, "head_repository": "mallory/demo"}, name=f"{PR}-a"
    )
    result = pull.collect()
    assert (result.exit, pull.inline) == (0, [])
    assert f"artifact {fork.id} of run {fork.run_id} is refused" in result.log
    # On another branch only the event is a proof.
    upload_foreign(workflow, data, {**event, "event": "push"}, name=f"{PR}-b")
    assert "state-branch: change" in pull.collect().log
    assert pull.inline == []
    upload_foreign(workflow, data, event, name=f"{PR}-a")
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_a_branch_does_not_trust_a_ledger_of_pull_requests(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    event = {"event": "pull_request", "branch": "change", "head_sha": pull.head}
    upload_foreign(workflow, newest_ledger(workflow), event, name="batch-action-code-review-a")
    workflow.inputs["report"] = "issue"
    result = pull.collect()
    assert (result.exit, workflow.issues[1:]) == (0, [])
    assert "uploaded by a `pull_request` run" in result.log


@pytest.mark.parametrize("forged", ["pull_request", "head", "run"])
def test_the_pull_request_of_an_intent_is_verified_with_github(
    workflow: WorkflowHarness, forged: str
) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    other = PullRequestHarness.open(workflow, {"other.js": WORSE}, "other")
    pull.run("submit")
    text = json.loads(_unzip(newest_ledger(workflow)))
    workflow.github_repository.artifacts.clear()
    for fact in text["facts"]:
        if fact["kind"] == "intended":
            fact[forged] = {"pull_request": 2, "head": other.head, "run": "1.1"}[forged]
        elif forged == "pull_request" and fact["kind"] == "selected":
            fact["pull_request"] = 2
    data = zip_of({LEDGER_ENTRY: json.dumps(text).encode()})
    event = {"event": "pull_request", "branch": "change"}
    upload_foreign(workflow, data, event, name=f"{PR}-a")
    result = pull.collect()
    assert result.exit == 0, result.log
    assert other.inline == []
    # If GitHub has deleted the run, the commit is verified.
    assert len(pull.inline) == (2 if forged == "run" else 0)
    assert ("GitHub does not list for it" in result.log) == (forged == "head")
    assert ("not about one pull request" in result.log) == (forged == "pull_request")


def _unzip(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(LEDGER_ENTRY).decode()


def test_two_tasks_review_one_pull_request(workflow: WorkflowHarness) -> None:
    workflow.commit({".github/batch-action.yml": "task: [code-review, security-scan]\n"})
    pull = PullRequestHarness.open(workflow, {"app.js": BAD})
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


def test_a_small_pull_request_can_be_reviewed_synchronously(workflow: WorkflowHarness) -> None:
    workflow.environ["BATCH_ACTION_SMALL_WORKLOAD"] = "interactive"
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    result = pull.run()
    assert result.exit == 0, result.log
    assert workflow.batches == []
    assert len(pull.inline) == 2
    assert pull.collect().exit == 0
    assert len(pull.pull.reviews) == 1


def test_a_finding_dismissed_on_the_branch_is_not_new(workflow: WorkflowHarness) -> None:
    workflow.inputs["report"] = "issue"
    workflow.commit({"app.js": WORSE})
    workflow.run("run")
    workflow.run("collect")
    issue = workflow.issue
    finding_id = issue.body.partition("finding v1 id=")[2][:8]
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE + "// more\n"})
    workflow.inputs["report"] = "issue"
    pull.comment(f"/batch wontfix {finding_id} on purpose")
    comment = pull.issue.comments.pop()
    comment.number = issue.number
    issue.comments.append(comment)
    workflow.run("collect")
    workflow.inputs["report"] = REPORT
    pull.run()
    assert pull.run().exit == 0
    assert sorted(pull.states().values()) == ["dismissed", "new"]
    assert "1 finding older than this pull request" in pull.summary


def test_a_dry_run_writes_nothing(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    assert pull.run("submit", dry_run="true").outputs["status"] == "dry-run"
    assert (workflow.batches, workflow.artifacts) == ([], [])
    pull.run("submit")
    artifacts = len(workflow.artifacts)
    result = pull.collect(dry_run="true")
    assert result.exit == 0, result.log
    assert "2 new in this run" in result.summary
    assert (workflow.writes, len(workflow.artifacts)) == ([], artifacts)
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_fail_on_severity_applies_to_the_own_run_only(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE, "b.js": GOOD})
    pull.run("submit")
    set_answers(workflow, {"app.js": [raw_finding("bad", "return x == y;")]})
    assert pull.run("collect", fail_on_severity="high").exit == 1
    other = PullRequestHarness.open(workflow, {"other.js": WORSE}, "other")
    other.run("submit")
    set_answers(workflow, {"other.js": [raw_finding("bad", "return x == y;")]})
    assert other.collect(fail_on_severity="high").exit == 0
    assert len(other.inline) == 1


def test_duplicates_of_concurrent_runs_are_deleted(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    pull.collect()
    # As if a concurrent run had posted the same.
    comment, summary = pull.inline[0], pull.issue.comments[0]
    duplicate = replace(comment, id=comment.id + 10**6)
    answered = replace(pull.inline[1], id=comment.id + 2 * 10**6)
    pull.pull.comments += [duplicate, answered]
    pull.comment("is that so?", below=answered)
    pull.issue.comments.append(replace(summary, id=summary.id + 10**6))
    result = pull.collect()
    assert result.exit == 0, result.log
    assert duplicate not in pull.pull.comments
    assert answered in pull.pull.comments
    assert pull.summary
    assert len(pull.pull.reviews) == 1


def test_status_and_cancel_cover_pull_requests(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    assert "Also pending for pull requests: #1." in pull.collect("status").log
    environ = {**workflow.person(), "BATCH_ACTION_REPORT": REPORT}
    canceled = workflow.cli("cancel", "--batch-id", workflow.batches[0].id, environ=environ)
    assert (canceled.exit, workflow.batches[0].canceled is not None) == (0, True), canceled.log
    result = pull.run()
    assert result.exit == 0, result.log
    assert pull.inline == []
    pull.push({"b.js": WORSE})
    pull.run()
    assert workflow.requested_paths() == ["b.js"]
