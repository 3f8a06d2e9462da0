"""The draft pull request: real git behind the sandbox's GitHub, without a checkout."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch_action.batches.results import BatchResults
from batch_action.cli.bootstrap import build_context
from batch_action.cli.invocation import Invocation
from batch_action.clients.actions_runner import read_inputs
from batch_action.context import RunContext
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import BatchAnswers, Reconciliation
from batch_action.models.generated import GeneratedFile
from batch_action.models.ledger import Ledger
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers import pipeline, run_report
from batch_action.publishers.draft_pr import publisher as draft_pr
from batch_action.publishers.draft_pr.render import parse_files
from batch_action.publishers.files.publisher import render_patch
from batch_action.sandbox.github.records import Issue
from batch_action.sandbox.server import Sandbox
from tests.harness.git_repositories import Repo
from tests.harness.workflow import WorkflowHarness

PERMISSIONS = {"contents": "write", "pull-requests": "write", "issues": "write", "actions": "read"}
BRANCH = "batch-action/code-review"
CODE, TEST = "def f():\n    return 1\n", "def test_f():\n    assert f() == 1\n"


@pytest.fixture
def workflow(shared_sandbox: Sandbox, tmp_path: Path) -> WorkflowHarness:
    workflow = WorkflowHarness.create(shared_sandbox, tmp_path, private=True)
    workflow.inputs["report"] = "draft-pr"
    workflow.github_repository.actions_can_open_pull_requests = True
    workflow.commit({"f.py": CODE, "g.py": CODE})
    return workflow


@contextmanager
def context_of(workflow: WorkflowHarness, **permissions: str) -> Iterator[RunContext]:
    run = workflow.open({"permissions": PERMISSIONS | permissions})
    environ = workflow.step(run, "collect")
    invocation = Invocation(
        environ=environ,
        action_inputs=read_inputs(environ),
        clock=workflow.now,
        sleep=lambda _seconds: None,
        write_interval=0.0,
    )
    with build_context(invocation, flags={}, repo=str(workflow.repo.path)) as ctx:
        yield ctx


def generated(workflow: WorkflowHarness, path: str, source: str, text: str = TEST) -> GeneratedFile:
    blob = workflow.repo.git("rev-parse", f"HEAD:{source}").strip()
    entry = workflow.repo.git("ls-tree", "HEAD", path).split()
    return GeneratedFile(
        path=path,
        text=text,
        source=source,
        blob=blob,
        commit=workflow.repo.head(),
        replaces=entry[2] if entry else None,
        summary="Tests @everyone | f",
    )


def publish(
    workflow: WorkflowHarness, *files: GeneratedFile, **permissions: str
) -> DestinationResult:
    with context_of(workflow, **permissions) as ctx:
        commit = files[-1].commit if files else workflow.repo.head()
        batch_answers = BatchAnswers(
            task="code-review", commit=commit, reviewed=(), findings=(), generated=files
        )
        publisher = draft_pr.create_publisher(ctx)
        publisher.read_state()
        ledger = Ledger(repository=ctx.github_context.repository_id, task="code-review")
        report = run_report.build(ctx, LedgerView(ledger), BatchResults(), batch_answers)
        return publisher.publish(Reconciliation(statuses=(), commit=commit), report)


def pulls(workflow: WorkflowHarness) -> list[Issue]:
    return [issue for issue in workflow.issues if issue.pull]


def on_branch(workflow: WorkflowHarness, path: str) -> str:
    return workflow.repo.git("show", f"{BRANCH}:{path}") + "\n"


def test_it_opens_one_draft_with_one_commit_on_the_reviewed_one(workflow: WorkflowHarness):
    result = publish(workflow, generated(workflow, "test_f.py", "f.py"))
    (pull,) = pulls(workflow)
    assert (result.action, result.number) == ("created", pull.number)
    assert pull.pull is not None
    assert pull.pull.draft
    assert on_branch(workflow, "test_f.py") == TEST
    assert workflow.repo.git("rev-parse", f"{BRANCH}^").strip() == workflow.repo.head()
    assert workflow.repo.git("status", "--porcelain") == ""
    (file,) = parse_files(pull.body or "")
    assert (file.path, file.source) == ("test_f.py", "f.py")
    assert "@everyone" not in (pull.body or "")
    assert set(pull.labels) == {"batch-action"}


def test_the_next_run_keeps_proposed_files_and_adds_new_ones(workflow: WorkflowHarness):
    publish(workflow, generated(workflow, "test_f.py", "f.py"))
    workflow.commit({"other.txt": "x\n"})
    result = publish(workflow, generated(workflow, "test_g.py", "g.py", "def test_g(): ...\n"))
    (pull,) = pulls(workflow)
    assert result.action == "updated"
    assert {f.path for f in parse_files(pull.body or "")} == {"test_f.py", "test_g.py"}
    assert on_branch(workflow, "test_f.py") == TEST
    assert workflow.repo.git("rev-list", "--count", f"HEAD..{BRANCH}").strip() == "1"


def test_publishing_the_same_run_twice_changes_nothing(workflow: WorkflowHarness):
    file = generated(workflow, "test_f.py", "f.py")
    publish(workflow, file)
    head = workflow.repo.git("rev-parse", BRANCH)
    assert publish(workflow, file).action == "unchanged"
    assert workflow.repo.git("rev-parse", BRANCH) == head


def test_a_file_changed_since_the_review_is_left_out_and_named(workflow: WorkflowHarness):
    old, good = generated(workflow, "test_f.py", "f.py"), generated(workflow, "test_g.py", "g.py")
    workflow.commit({"f.py": CODE + "# newer\n"})
    result = publish(workflow, old, good)
    (pull,) = pulls(workflow)
    assert "test_f.py" in result.note
    assert "test_f.py" in (pull.body or "")
    assert [f.path for f in parse_files(pull.body or "")] == ["test_g.py"]


def test_a_new_hand_written_file_is_not_overwritten(workflow: WorkflowHarness):
    file = generated(workflow, "test_f.py", "f.py")
    workflow.commit({"test_f.py": "mine\n"})
    assert publish(workflow, file).action == "skipped"
    assert pulls(workflow) == []


def test_it_is_closed_when_all_is_merged(workflow: WorkflowHarness):
    publish(workflow, generated(workflow, "test_f.py", "f.py"))
    workflow.commit({"test_f.py": TEST})
    assert publish(workflow).action == "closed"
    assert pulls(workflow)[0].state == "closed"
    assert workflow.repo.git("branch", "--list", BRANCH) == ""


def test_files_that_people_changed_on_the_branch_are_kept(workflow: WorkflowHarness):
    publish(workflow, generated(workflow, "test_f.py", "f.py"))
    theirs = workflow.repo.path.parent / "theirs"
    workflow.repo.git("worktree", "add", "-q", str(theirs), BRANCH)
    (theirs / "test_f.py").write_text("better\n")
    Repo(theirs).git("commit", "-qam", "Better")
    workflow.repo.git("worktree", "remove", "--force", str(theirs))
    publish(
        workflow, generated(workflow, "test_f.py", "f.py"), generated(workflow, "test_g.py", "g.py")
    )
    assert on_branch(workflow, "test_f.py") == "better\n"
    assert on_branch(workflow, "test_g.py") == TEST
    assert "Better" in workflow.repo.git("log", "--format=%s", BRANCH)


def test_workflow_files_are_never_touched(workflow: WorkflowHarness):
    result = publish(workflow, generated(workflow, ".github/workflows/x.yml", "f.py", "on: push\n"))
    assert result.action == "skipped"
    assert "never touched" in result.note


def test_without_permission_an_applicable_patch_is_written(workflow: WorkflowHarness):
    workflow.github_repository.actions_can_open_pull_requests = False
    result = publish(
        workflow, generated(workflow, "test_f.py", "f.py"), generated(workflow, "g.py", "g.py")
    )
    assert result.action == "refused"
    assert "create and approve pull requests" in result.note
    written = workflow.repo.path / ".batch-action" / "code-review.patch"
    workflow.repo.git("apply", str(written))
    assert (workflow.repo.path / "test_f.py").read_text() == TEST
    assert (workflow.repo.path / "g.py").read_text() == TEST


def test_a_refused_pull_request_fails_the_run(workflow: WorkflowHarness):
    refused = DestinationResult(destination="draft-pr", action="refused", note="forbidden")
    with context_of(workflow) as ctx:
        files = (generated(workflow, "test_f.py", "f.py"),)
        batch_answers = BatchAnswers(
            task="code-review",
            commit=workflow.repo.head(),
            reviewed=(),
            findings=(),
            generated=files,
        )
        ledger = Ledger(repository=ctx.github_context.repository_id, task="code-review")
        report = run_report.build(ctx, LedgerView(ledger), BatchResults(), batch_answers)
    published = PublishResult(
        report=report,
        reconciliation=Reconciliation(statuses=(), commit=""),
        results=(refused,),
    )
    assert pipeline.find_delivery_error(published, writes_files=False)
    assert pipeline.find_delivery_error(published, writes_files=True) is None


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("plain.txt", "a\nb\n", "a\nc\n"),
        ("new file.txt", None, "a\n"),
        ("no-newline.txt", "a\nb", "a\nc"),
        ("gains-newline.txt", "a", "a\n"),
        ('ünïcode "quoted".txt', "a\n", "b\n"),
        ("crlf.txt", "a\r\nb\r\n", "a\r\nc\r\n"),
        ("form\x0cfeed.txt", "a\x0cb\n", "a\x0cc\u2028\n"),
        ("empty.txt", "a\n", ""),
    ],
)
def test_git_applies_our_patches(tmp_path: Path, path: str, old: str | None, new: str):
    repo = Repo.init(tmp_path / "r")
    repo.commit({path: old.encode()} if old is not None else {"x": "x"})
    file = GeneratedFile(path=path, text=new, source="x", blob="0" * 40, commit=repo.head())
    text = render_patch([file], {path: old} if old is not None else {})
    subprocess.run(
        ["git", "apply", "-"], cwd=repo.path, input=text.encode(), check=True, capture_output=True
    )
    assert (repo.path / path).read_bytes() == new.encode()
