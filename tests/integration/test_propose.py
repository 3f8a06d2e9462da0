"""Generated files handed through a folder to a job that proposes what passed."""

import json
from pathlib import Path

import pytest

from batch_action.batches import generated_files
from batch_action.errors import ConfigError
from batch_action.models.file_results import GeneratedFile
from tests.harness.workflow import WorkflowHarness
from tests.integration.test_draft_pr import RIGHTS, TEST, context_of, generated, pulls
from tests.integration.test_draft_pr import workflow as workflow  # noqa: PLC0414 - the same repository


def hand_over(workflow: WorkflowHarness, *files: GeneratedFile) -> Path:
    with context_of(workflow) as ctx:
        return workflow.repo.path / generated_files.write_bundle(ctx, files)


def test_only_what_passed_is_proposed(workflow: WorkflowHarness):
    hand_over(
        workflow,
        generated(workflow, "t/test_f.py", "f.py"),
        generated(workflow, "test_g.py", "g.py"),
    )
    result = workflow.start("propose", {"permissions": RIGHTS}, propose_only=None, environ={
        "BATCH_ACTION_PROPOSE_ONLY": "t/test_f.py\n",
    })  # fmt: skip
    assert result.exit == 0, result.log
    (pull,) = pulls(workflow)
    assert result.outputs["pull-number"] == str(pull.number)
    assert workflow.repo.git("diff", "--name-only", "HEAD", "batch-action/code-review") == (
        "t/test_f.py"
    )


def test_what_is_taken_is_what_was_given(workflow: WorkflowHarness):
    files = [generated(workflow, "test_f.py", "f.py"), generated(workflow, "g.py", "g.py", "ü\r\n")]
    folder = hand_over(workflow, *files)
    assert generated_files.read_bundle(folder) == ("code-review", files)
    assert (folder / "files" / "test_f.py").read_text() == TEST


def test_a_folder_of_before_and_links_in_it_are_replaced(workflow: WorkflowHarness, tmp_path: Path):
    folder = hand_over(workflow, generated(workflow, "a/test_f.py", "f.py"))
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "files" / "b").symlink_to(outside)
    hand_over(workflow, generated(workflow, "b/test_f.py", "f.py"))
    assert list(outside.iterdir()) == []
    assert not (folder / "files" / "a").exists()


@pytest.mark.parametrize(
    "path", ["../x.py", "/etc/x", "a/../../x", ".git/hooks/x", "a/.GIT/x", "a\\b", "", "a\0b"]
)
def test_a_forged_path_is_refused(workflow: WorkflowHarness, path: str):
    folder = hand_over(workflow, generated(workflow, "test_f.py", "f.py"))
    manifest = folder / "manifest.json"
    data = json.loads(manifest.read_text())
    data["files"][0]["path"] = path
    manifest.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="is outside of it"):
        generated_files.read_bundle(folder)


def test_a_link_in_the_place_of_a_file_is_refused(workflow: WorkflowHarness):
    folder = hand_over(workflow, generated(workflow, "test_f.py", "f.py"))
    (folder / "files" / "test_f.py").unlink()
    (folder / "files" / "test_f.py").symlink_to("/etc/hostname")
    with pytest.raises(ConfigError):
        generated_files.read_bundle(folder)


def test_without_a_folder_a_sentence_says_what_writes_it(workflow: WorkflowHarness):
    result = workflow.start("propose", {"permissions": RIGHTS})
    assert result.exit == 2
    assert "report: files" in result.annotations("error")[0]
