"""The steps of a release, in real repositories."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.documents.texts import ROOT, read
from tests.harness.git_repositories import Repo
from tests.harness.workflow import BAD, WorkflowHarness

SCRIPT = ROOT / ".github" / "release.py"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
IMAGE = f"ghcr.io/batch-action/batch-action:1.2.0@{DIGEST}"
CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- A thing.

## [1.1.0] - 2026-10-01

- Another.
"""
PYPROJECT = '[project]\nname = "batch-action"\nversion = "1.1.0"\n'
FILES = {
    "CHANGELOG.md": CHANGELOG,
    "pyproject.toml": PYPROJECT,
    "action.yml": read("action.yml"),
    "workflows-examples/nightly.yml": read("workflows-examples/nightly.yml"),
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A clone of main, prepared for 1.2.0."""
    repo = Repo.init(tmp_path / "action")
    repo.commit(FILES)
    repo.git("tag", "v1.1.0")
    repo.git("tag", "v1")
    assert release(repo, "prepare", "1.2.0")[0] == 0
    repo.commit()
    return repo


def release(repo: Repo, *arguments: str) -> tuple[int, str]:
    """Run a step and return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        cwd=repo.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, (done.stdout + done.stderr).strip()


def test_prepare_sets_version_and_heading(repo: Repo) -> None:
    assert 'version = "1.2.0"\n' in (repo.path / "pyproject.toml").read_text()
    changelog = (repo.path / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (\S+)", changelog, re.MULTILINE)
    assert headings == ["[Unreleased]", "[1.2.0]", "[1.1.0]"]
    assert re.search(
        r"^## \[1\.2\.0\] - \d{4}-\d\d-\d\d\n\n### Added\n\n- A", changelog, re.MULTILINE
    )


def test_a_prepared_commit_may_be_released(repo: Repo) -> None:
    assert release(repo, "check", "1.2.0") == (0, f"{repo.head()} may be released as 1.2.0.")
    assert release(repo, "notes", "1.2.0") == (0, "### Added\n\n- A thing.")


@pytest.mark.parametrize(
    ("version", "files", "reason"),
    [
        ("v1.2.0", {}, "is no version"),
        ("1.2", {}, "is no version"),
        ("1.2.0-rc.1", {}, "is no version"),
        ("01.2.0", {}, "is no version"),
        ("1.2.0\n", {}, "is no version"),
        ("1.2.1", {}, "pyproject.toml says 1.2.0"),
        ("1.1.0", {"pyproject.toml": PYPROJECT}, "v1.1.0 is released"),
        ("1.2.0", {"CHANGELOG.md": CHANGELOG}, "says nothing about 1.2.0"),
        ("1.2.0", {"CHANGELOG.md": "## [1.2.0] - 2026-11-01\n\n## [1.1.0]\n"}, "says nothing"),
        ("1.2.0", {"CHANGELOG.md": "## [1.2.0]\n\n- A thing.\n"}, "has no date"),
        ("2.0.0", {"pyproject.toml": PYPROJECT.replace("1.1", "2.0"),
                   "CHANGELOG.md": "## [2.0.0] - 2026-11-01\n\n- A thing.\n"}, "uses v1, not v2"),
    ],
)  # fmt: skip
def test_another_commit_may_not(
    repo: Repo, version: str, files: dict[str, str], reason: str
) -> None:
    repo.commit(files)
    code, said = release(repo, "check", version)
    assert code == 1
    assert reason in said
    assert len(said.splitlines()) <= 2


def test_what_is_not_committed_does_not_count(repo: Repo) -> None:
    (repo.path / "pyproject.toml").write_text(PYPROJECT.replace("1.1", "1.3"))
    assert release(repo, "check", "1.2.0")[0] == 0


def test_the_commit_is_beside_main_and_differs_in_the_image_only(repo: Repo) -> None:
    main = repo.head()
    code, commit = release(repo, "commit", "1.2.0", IMAGE)
    assert code == 0, commit
    assert repo.head() == main
    assert repo.git("status", "--porcelain") == ""
    assert repo.git("rev-parse", "v1.2.0^{commit}", f"{commit}^") == f"{commit}\n{main}"
    assert repo.git("diff", "--name-only", main, commit) == "action.yml"
    before = yaml.safe_load(read("action.yml"))
    after = yaml.safe_load(repo.git("show", f"{commit}:action.yml"))
    assert after.pop("runs") == {"using": "docker", "image": f"docker://{IMAGE}"}
    assert before.pop("runs")["image"] == "Dockerfile"
    assert after == before
    assert repo.git("ls-tree", commit, "action.yml") != repo.git("ls-tree", main, "action.yml")


def test_the_commit_can_be_repeated_and_a_version_never_changes(repo: Repo) -> None:
    first = release(repo, "commit", "1.2.0", IMAGE)
    assert release(repo, "commit", "1.2.0", IMAGE) == first
    code, said = release(repo, "commit", "1.2.0", IMAGE.replace("0123", "3210"))
    assert (code, "a version never changes" in said) == (1, True)
    assert repo.git("rev-parse", "v1.2.0") == first[1]


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/batch-action/batch-action:1.2.0",
        f"ghcr.io/batch-action/batch-action@{DIGEST}",
        f"ghcr.io/batch-action/batch-action:1.1.0@{DIGEST}",
        IMAGE[:-1],
        f"{IMAGE}\n  args: [x]",
        "",
    ],
)
def test_an_image_without_version_and_digest_is_refused(repo: Repo, image: str) -> None:
    code, said = release(repo, "commit", "1.2.0", image)
    assert (code, "is not the image" in said) == (1, True)
    assert repo.git("tag", "--list", "v1.2.0") == ""


@pytest.mark.parametrize(
    ("released", "version", "moves"),
    [
        (["v1.1.0"], "1.2.0", "v1"),
        (["v1.2.0", "v1.10.0"], "1.2.0", ""),
        (["v1.2.0", "v2.0.0"], "1.2.0", "v1"),
        (["v1.2.0", "v1.9.0-rc.1", "v1.9"], "1.2.0", "v1"),
        (["v1.9.0", "v1.10.0"], "1.10.0", "v1"),
    ],
)
def test_the_major_tag_moves_to_the_newest_version(
    repo: Repo, released: list[str], version: str, moves: str
) -> None:
    for name in released:
        repo.git("tag", "--force", name)
    assert release(repo, "major", version) == (0, moves)


@pytest.mark.parametrize("arguments", [(), ("check",), ("commit", "1.2.0"), ("push", "1.2.0")])
def test_wrong_use_shows_the_steps(repo: Repo, arguments: tuple[str, ...]) -> None:
    code, said = release(repo, *arguments)
    assert code == 2
    assert "release.py prepare" in said


# The job at the real services, here at the sandbox


def live_inputs(step_id: str) -> dict[str, str]:
    """Return the inputs of a step of the job `live`."""
    job = yaml.safe_load(read(".github/workflows/release.yml"))["jobs"]["live"]
    [step] = [step for step in job["steps"] if step.get("id") == step_id]
    inputs = {name.replace("-", "_"): str(value) for name, value in step["with"].items()}
    assert "secrets.ANTHROPIC_API_KEY" in inputs.pop("anthropic_api_key")
    key = inputs.pop("state_key").replace("${{ github.run_id }}-${{ github.run_attempt }}", "7-1")
    return {**inputs, "state_key": key}


def test_live_sends_one_file_and_believes_its_answer(workflow: WorkflowHarness) -> None:
    path = live_inputs("submit")["paths"]
    workflow.commit({path: read(path), "other.js": BAD})
    rights = {"permissions": {"contents": "read", "actions": "read"}, "event": "workflow_dispatch"}
    workflow.inputs.clear()
    submitted = workflow.start(options=rights, **live_inputs("submit"))
    collected = workflow.start(options=rights, **live_inputs("collect"))
    assert (submitted.exit, collected.exit) == (0, 0), submitted.log + collected.log
    seen = [
        submitted.outputs["requests-count"],
        collected.outputs["status"],
        collected.outputs["cost-usd"],
        str(workflow.repo.path / collected.outputs["results-file"]),
    ]
    code, said = release(workflow.repo, "live", *seen)
    assert (code, said.startswith(f"{path} was reviewed.")) == (0, True), said
    for position, value in ((0, "2"), (0, ""), (1, "pending"), (2, "0.06"), (2, "0"), (2, "")):
        wrong = [*seen[:position], value, *seen[position + 1 :]]
        assert release(workflow.repo, "live", *wrong)[0] == 1, wrong
    results = Path(seen[-1])
    data = json.loads(results.read_text("utf-8"))
    data["file_statuses"]["files"] = []
    results.write_text(json.dumps(data))
    assert "One file should have been reviewed" in release(workflow.repo, "live", *seen)[1]
