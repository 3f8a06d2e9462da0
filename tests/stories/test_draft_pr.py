"""The draft pull request: real git behind the sandbox's GitHub, no checkout by us."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch_action.batches.results import Harvest
from batch_action.cli.bootstrap import Door, open_world
from batch_action.clients.actions_runner.environment import inputs_from
from batch_action.context import World
from batch_action.models.file_results import GeneratedFile
from batch_action.models.findings import Reconciled, Tonight
from batch_action.models.report import Delivered, Published
from batch_action.publishers import pipeline, run_report
from batch_action.publishers.draft_pr import publisher as draft_pr
from batch_action.publishers.draft_pr.render import remembered
from batch_action.publishers.files.publisher import patch
from batch_action.sandbox.github.state import Issue
from batch_action.sandbox.server import Sandbox
from tests.nights import Night
from tests.repos import Repo

RIGHTS = {"contents": "write", "pull-requests": "write", "issues": "write", "actions": "read"}
BRANCH = "batch-action/code-review"
CODE, TEST = "def f():\n    return 1\n", "def test_f():\n    assert f() == 1\n"


@pytest.fixture
def night(whole_sandbox: Sandbox, tmp_path: Path) -> Night:
    night = Night.begin(whole_sandbox, tmp_path, private=True)
    night.inputs["report"] = "draft-pr"
    night.hub.actions_may_open_pulls = True
    night.commit({"f.py": CODE, "g.py": CODE})
    return night


@contextmanager
def world_of(night: Night, **rights: str) -> Iterator[World]:
    run = night.open({"permissions": RIGHTS | rights})
    environ = night.step(run, "collect")
    door = Door(
        environ=environ,
        action_inputs=inputs_from(environ),
        clock=night.now,
        sleep=lambda _seconds: None,
        write_interval=0.0,
    )
    with open_world(door, flags={}, repo=str(night.repo.path)) as world:
        yield world


def generated(night: Night, path: str, source: str, text: str = TEST) -> GeneratedFile:
    blob = night.repo.git("rev-parse", f"HEAD:{source}").strip()
    there = night.repo.git("ls-tree", "HEAD", path).split()
    return GeneratedFile(
        path=path,
        text=text,
        source=source,
        blob=blob,
        commit=night.repo.head(),
        replaces=there[2] if there else None,
        summary="Tests @everyone | f",
    )


def deliver(night: Night, *files: GeneratedFile, **rights: str) -> Delivered:
    with world_of(night, **rights) as world:
        commit = files[-1].commit if files else night.repo.head()
        tonight = Tonight(
            task="code-review", commit=commit, reviewed=(), findings=(), generated=files
        )
        desk = draft_pr.desk(world, tonight)
        desk.recall()
        ledger = pipeline.Ledger(repository=world.context.repository_id, task="code-review")
        record = run_report.night_of(world, ledger, Harvest(), tonight)
        return desk.deliver(Reconciled(standings=(), commit=commit), record)


def pulls(night: Night) -> list[Issue]:
    return [issue for issue in night.issues if issue.pull]


def on_branch(night: Night, path: str) -> str:
    return night.repo.git("show", f"{BRANCH}:{path}") + "\n"


def test_it_opens_one_draft_with_one_commit_on_the_reviewed_one(night: Night):
    done = deliver(night, generated(night, "test_f.py", "f.py"))
    (pull,) = pulls(night)
    assert (done.action, done.number) == ("created", pull.number)
    assert pull.pull is not None
    assert pull.pull.draft
    assert on_branch(night, "test_f.py") == TEST
    assert night.repo.git("rev-parse", f"{BRANCH}^").strip() == night.repo.head()
    assert night.repo.git("status", "--porcelain") == ""
    (file,) = remembered(pull.body or "")
    assert (file.path, file.source) == ("test_f.py", "f.py")
    assert "@everyone" not in (pull.body or "")
    assert set(pull.labels) == {"batch-action"}


def test_the_next_run_keeps_what_is_there_and_adds_to_it(night: Night):
    deliver(night, generated(night, "test_f.py", "f.py"))
    night.commit({"other.txt": "x\n"})
    done = deliver(night, generated(night, "test_g.py", "g.py", "def test_g(): ...\n"))
    (pull,) = pulls(night)
    assert done.action == "updated"
    assert {f.path for f in remembered(pull.body or "")} == {"test_f.py", "test_g.py"}
    assert on_branch(night, "test_f.py") == TEST
    assert night.repo.git("rev-list", "--count", f"HEAD..{BRANCH}").strip() == "1"


def test_the_same_night_twice_writes_nothing_the_second_time(night: Night):
    file = generated(night, "test_f.py", "f.py")
    deliver(night, file)
    head = night.repo.git("rev-parse", BRANCH)
    assert deliver(night, file).action == "unchanged"
    assert night.repo.git("rev-parse", BRANCH) == head


def test_a_file_changed_since_the_review_is_left_out_and_named(night: Night):
    old, good = generated(night, "test_f.py", "f.py"), generated(night, "test_g.py", "g.py")
    night.commit({"f.py": CODE + "# newer\n"})
    done = deliver(night, old, good)
    (pull,) = pulls(night)
    assert "test_f.py" in done.note
    assert "test_f.py" in (pull.body or "")
    assert [f.path for f in remembered(pull.body or "")] == ["test_g.py"]


def test_a_hand_written_file_that_appeared_meanwhile_is_not_overwritten(night: Night):
    file = generated(night, "test_f.py", "f.py")
    night.commit({"test_f.py": "mine\n"})
    assert deliver(night, file).action == "skipped"
    assert pulls(night) == []


def test_it_is_closed_when_all_is_merged(night: Night):
    deliver(night, generated(night, "test_f.py", "f.py"))
    night.commit({"test_f.py": TEST})
    assert deliver(night).action == "closed"
    assert pulls(night)[0].state == "closed"
    assert night.repo.git("branch", "--list", BRANCH) == ""


def test_people_on_the_branch_keep_what_they_wrote(night: Night):
    deliver(night, generated(night, "test_f.py", "f.py"))
    theirs = night.repo.path.parent / "theirs"
    night.repo.git("worktree", "add", "-q", str(theirs), BRANCH)
    (theirs / "test_f.py").write_text("better\n")
    Repo(theirs).git("commit", "-qam", "Better")
    night.repo.git("worktree", "remove", "--force", str(theirs))
    deliver(night, generated(night, "test_f.py", "f.py"), generated(night, "test_g.py", "g.py"))
    assert on_branch(night, "test_f.py") == "better\n"
    assert on_branch(night, "test_g.py") == TEST
    assert "Better" in night.repo.git("log", "--format=%s", BRANCH)


def test_workflow_files_are_never_touched(night: Night):
    done = deliver(night, generated(night, ".github/workflows/x.yml", "f.py", "on: push\n"))
    assert done.action == "skipped"
    assert "never touched" in done.note


def test_where_it_is_forbidden_a_patch_is_left_that_applies(night: Night):
    night.hub.actions_may_open_pulls = False
    done = deliver(night, generated(night, "test_f.py", "f.py"), generated(night, "g.py", "g.py"))
    assert done.action == "refused"
    assert "create and approve pull requests" in done.note
    written = night.repo.path / ".batch-action" / "code-review.patch"
    night.repo.git("apply", str(written))
    assert (night.repo.path / "test_f.py").read_text() == TEST
    assert (night.repo.path / "g.py").read_text() == TEST


def test_nothing_proposed_is_never_green(night: Night):
    refused = Delivered(destination="draft-pr", action="refused", note="forbidden")
    with world_of(night) as world:
        files = (generated(night, "test_f.py", "f.py"),)
        tonight = Tonight(
            task="code-review",
            commit=night.repo.head(),
            reviewed=(),
            findings=(),
            generated=files,
        )
        ledger = pipeline.Ledger(repository=world.context.repository_id, task="code-review")
        record = run_report.night_of(world, ledger, Harvest(), tonight)
    published = Published(
        night=record,
        reconciled=Reconciled(standings=(), commit=""),
        delivered=(refused,),
    )
    assert pipeline.undelivered(published, files_too=False)
    assert pipeline.undelivered(published, files_too=True) is None


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
    text = patch([file], {path: old} if old is not None else {})
    subprocess.run(
        ["git", "apply", "-"], cwd=repo.path, input=text.encode(), check=True, capture_output=True
    )
    assert (repo.path / path).read_bytes() == new.encode()
