"""`init` writes workflows that run into a repository, or says why it cannot."""

from pathlib import Path

import pytest
import yaml

from tests.harness.git_repositories import Repo
from tests.harness.workflow import Result, WorkflowHarness

CONFIG = ".github/batch-action.yml"
WORKFLOWS = ".github/workflows"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.init(tmp_path / "new")


def init(workflow: WorkflowHarness, folder: Path, *flags: str, **environ: str) -> Result:
    return workflow.cli("init", "--repo", str(folder), *flags, environ=environ)


def workflows_in(folder: Path) -> dict[str, dict[str, object]]:
    """Return the triggers of each mode of the workflows in a folder."""
    triggers = {}
    for path in (folder / WORKFLOWS).iterdir():
        data = yaml.safe_load(path.read_text("utf-8"))
        [job] = data["jobs"].values()
        triggers[job["steps"][-1]["with"].get("mode", "run")] = data[True]  # `on` in YAML 1.1
    return triggers


def refused(result: Result) -> str:
    """Return the one sentence of a refusal."""
    assert result.exit == 2, result.log
    assert "Traceback" not in result.log
    return " ".join(result.stderr.split())


def test_the_workflow_collects_and_submits(workflow: WorkflowHarness, repo: Repo) -> None:
    assert init(workflow, repo.path).exit == 0
    assert list(workflows_in(repo.path)) == ["run"]
    assert "uses: batch-action/batch-action@v1\n" in _text(repo.path)
    assert "# max-cost-usd: 5" in (repo.path / CONFIG).read_text("utf-8")


def test_each_of_two_workflows_is_started_by_the_clock(
    workflow: WorkflowHarness, repo: Repo
) -> None:
    assert init(workflow, repo.path, "--two-workflows").exit == 0
    triggers = workflows_in(repo.path)
    assert triggers.keys() == {"submit", "collect"}
    assert all("schedule" in found for found in triggers.values())
    assert triggers["submit"]["schedule"] != triggers["collect"]["schedule"]


def test_existing_files_are_overwritten_only_with_force(
    workflow: WorkflowHarness, repo: Repo
) -> None:
    repo.write({CONFIG: "task: security-scan\n"})
    assert "--force" in refused(init(workflow, repo.path))
    assert not (repo.path / WORKFLOWS).exists(), "nothing is written beside it"
    assert init(workflow, repo.path, "--force").exit == 0
    assert "security-scan\n" not in (repo.path / CONFIG).read_text("utf-8")


@pytest.mark.parametrize("flags", [([], ["--two-workflows"]), (["--two-workflows"], [])])
def test_one_set_of_workflows_replaces_the_other(
    workflow: WorkflowHarness, repo: Repo, flags: tuple[list[str], list[str]]
) -> None:
    first, second = flags
    init(workflow, repo.path, *first)
    assert "already exists" in refused(init(workflow, repo.path, *second))
    assert init(workflow, repo.path, *second, "--force").exit == 0
    assert len(workflows_in(repo.path)) == (2 if second else 1)
    assert len(list((repo.path / WORKFLOWS).iterdir())) == (2 if second else 1)


def test_the_files_are_at_the_root_of_the_repository(workflow: WorkflowHarness, repo: Repo) -> None:
    (repo.path / "src" / "deep").mkdir(parents=True)
    assert init(workflow, repo.path / "src" / "deep").exit == 0
    assert (repo.path / CONFIG).is_file()
    assert not (repo.path / "src" / ".github").exists()


def test_a_linked_work_tree_is_a_repository(workflow: WorkflowHarness, repo: Repo) -> None:
    repo.commit({"a.js": "1\n"})
    repo.git("worktree", "add", "--quiet", "../linked")
    assert init(workflow, repo.path.parent / "linked").exit == 0


def test_outside_of_a_repository_nothing_is_written(
    workflow: WorkflowHarness, tmp_path: Path
) -> None:
    folder = tmp_path / "no-repository"
    folder.mkdir()
    assert "is in no git repository" in refused(init(workflow, folder))
    assert "git init" in refused(init(workflow, folder))
    assert list(folder.iterdir()) == []


def _file_for_a_folder(root: Path) -> None:
    (root / ".github").write_text("")


def _folder_for_a_file(root: Path) -> None:
    (root / WORKFLOWS / "batch-action.yml").mkdir(parents=True)


def _link_out(root: Path) -> None:
    (root / ".github").symlink_to(root.parent)


def _dangling_link_out(root: Path) -> None:
    (root / WORKFLOWS).mkdir(parents=True)
    (root / CONFIG).symlink_to(root.parent / "somewhere.yml")


def _circular_link(root: Path) -> None:
    (root / ".github").symlink_to(".github")


@pytest.mark.parametrize(
    "spoil",
    [_file_for_a_folder, _folder_for_a_file, _link_out, _dangling_link_out, _circular_link],
)
def test_a_path_that_cannot_be_written_is_one_sentence(
    workflow: WorkflowHarness, repo: Repo, spoil: object
) -> None:
    spoil(repo.path)  # type: ignore[operator]
    before = sorted(repo.path.parent.iterdir())
    message = refused(init(workflow, repo.path, "--force"))
    assert ".github" in message
    assert sorted(repo.path.parent.iterdir()) == before, "nothing outside of the repository"


# The pin


@pytest.fixture
def action(workflow: WorkflowHarness, tmp_path: Path) -> Repo:
    """The action's public repository, with three releases."""
    repo = Repo.init(tmp_path / "action")
    for name in ("v1.2.0", "v1.10.0", "v1.9.3", "v2.0.0"):
        repo.commit({"action.yml": f"# {name}\n"})
        repo.git("tag", name)
    repo.git("tag", "v1", "v1.10.0")
    repo.git("tag", "v1.11.0-rc.1")
    workflow.sandbox.github.add_repository(
        "batch-action/batch-action", git_dir=repo.path, private=False
    )
    return repo


def _text(folder: Path) -> str:
    return "".join(p.read_text("utf-8") for p in sorted((folder / WORKFLOWS).iterdir()))


def api_of(workflow: WorkflowHarness) -> str:
    return f"{workflow.sandbox.github_url}/api/v3"


@pytest.mark.parametrize("flags", [("--pin",), ("--pin", "--two-workflows")])
@pytest.mark.parametrize("annotated", [False, True])
def test_pin_writes_the_commit_of_the_newest_release(
    workflow: WorkflowHarness, repo: Repo, action: Repo, flags: tuple[str, ...], annotated: bool
) -> None:
    if annotated:
        action.git("tag", "--annotate", "--force", "-m", "Release", "v1.10.0", "v1.10.0")
    commit = action.git("rev-parse", "v1.10.0^{commit}")
    assert init(workflow, repo.path, *flags, GITHUB_API_URL=api_of(workflow)).exit == 0
    text = _text(repo.path)
    assert f"uses: batch-action/batch-action@{commit} # v1.10.0\n" in text
    assert "@v1\n" not in text


@pytest.mark.parametrize(
    ("status", "reason"), [(None, "no release of v1"), (503, "503"), (429, "429"), (403, "403")]
)
def test_without_an_answer_the_tag_is_written_and_the_reason_said(
    workflow: WorkflowHarness, repo: Repo, action: Repo, status: int | None, reason: str
) -> None:
    if status is None:
        action.git("tag", "--delete", *action.git("tag", "--list", "v1.*").split())
    else:
        workflow.sandbox.faults.add("status", path="/matching-refs/", status=status, times=10)
    result = init(workflow, repo.path, "--pin", GITHUB_API_URL=api_of(workflow))
    assert result.exit == 0, result.log
    assert "so v1 is used" in result.stderr
    assert reason in result.stderr
    assert "uses: batch-action/batch-action@v1\n" in _text(repo.path)


def test_offline_the_tag_is_written_and_the_reason_said(
    workflow: WorkflowHarness, repo: Repo
) -> None:
    result = init(workflow, repo.path, "--pin", GITHUB_API_URL="http://127.0.0.1:9")
    assert result.exit == 0, result.log
    assert "so v1 is used" in result.stderr
    assert "uses: batch-action/batch-action@v1\n" in _text(repo.path)
