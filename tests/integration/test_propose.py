"""`propose`: a bundle of generated files, written by one job and proposed by another."""

import json
from pathlib import Path

import pytest

from batch_action.batches import generated_files
from batch_action.errors import ConfigError
from batch_action.models.generated import GeneratedFile
from tests.harness.workflow import WorkflowHarness
from tests.integration.test_draft_pr import PERMISSIONS, TEST, context_of, generated, pulls
from tests.integration.test_draft_pr import workflow as workflow  # noqa: PLC0414 - the same repository


def write_bundle(workflow: WorkflowHarness, *files: GeneratedFile) -> Path:
    with context_of(workflow) as ctx:
        return workflow.repo.path / generated_files.write_bundle(ctx, files)


def test_only_what_passed_is_proposed(workflow: WorkflowHarness):
    write_bundle(
        workflow,
        generated(workflow, "t/test_f.py", "f.py"),
        generated(workflow, "test_g.py", "g.py"),
    )
    result = workflow.start("propose", {"permissions": PERMISSIONS}, propose_only=None, environ={
        "BATCH_ACTION_PROPOSE_ONLY": "t/test_f.py\n",
    })  # fmt: skip
    assert result.exit == 0, result.log
    (pull,) = pulls(workflow)
    assert result.outputs["pull-request-number"] == str(pull.number)
    assert workflow.repo.git("diff", "--name-only", "HEAD", "batch-action/code-review") == (
        "t/test_f.py"
    )


def test_a_bundle_is_read_as_it_was_written(workflow: WorkflowHarness):
    files = [generated(workflow, "test_f.py", "f.py"), generated(workflow, "g.py", "g.py", "ü\r\n")]
    folder = write_bundle(workflow, *files)
    assert generated_files.read_bundle(folder) == ("code-review", files)
    assert (folder / "files" / "test_f.py").read_text() == TEST


def test_an_older_bundle_and_links_in_it_are_replaced(workflow: WorkflowHarness, tmp_path: Path):
    folder = write_bundle(workflow, generated(workflow, "a/test_f.py", "f.py"))
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "files" / "b").symlink_to(outside)
    write_bundle(workflow, generated(workflow, "b/test_f.py", "f.py"))
    assert list(outside.iterdir()) == []
    assert not (folder / "files" / "a").exists()


@pytest.mark.parametrize(
    "path", ["../x.py", "/etc/x", "a/../../x", ".git/hooks/x", "a/.GIT/x", "a\\b", "", "a\0b"]
)
def test_a_forged_path_is_refused(workflow: WorkflowHarness, path: str):
    folder = write_bundle(workflow, generated(workflow, "test_f.py", "f.py"))
    manifest = folder / "manifest.json"
    data = json.loads(manifest.read_text())
    data["files"][0]["path"] = path
    manifest.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="is outside of it"):
        generated_files.read_bundle(folder)


def test_a_link_in_the_place_of_a_file_is_refused(workflow: WorkflowHarness):
    folder = write_bundle(workflow, generated(workflow, "test_f.py", "f.py"))
    (folder / "files" / "test_f.py").unlink()
    (folder / "files" / "test_f.py").symlink_to("/etc/hostname")
    with pytest.raises(ConfigError):
        generated_files.read_bundle(folder)


def test_without_a_bundle_the_error_names_what_writes_it(workflow: WorkflowHarness):
    result = workflow.start("propose", {"permissions": PERMISSIONS})
    assert result.exit == 2
    assert "report: files" in result.annotations("error")[0]
