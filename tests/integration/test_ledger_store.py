"""The ledger between runs: its artifact names, which artifacts are trusted, and lost ledgers."""

import errno
import io
import json
import os
import zipfile
from typing import Any

import pytest

from batch_action.ledger import codec
from batch_action.sandbox.github.runs import Run
from tests.harness.foreign_artifacts import LEDGER_NAME, upload_foreign, zip_of
from tests.harness.workflow import BAD, DAY, WORSE, WorkflowHarness


def newest_ledger(workflow: WorkflowHarness) -> bytes:
    """Return the newest ledger's bytes."""
    data = workflow.sandbox.github.blobs.get(workflow.artifacts[-1].blob)
    assert data is not None
    return data


def names_of(workflow: WorkflowHarness, run: Run | None) -> list[str]:
    assert run is not None
    return sorted(a.name for a in workflow.artifacts if a.run_id == run.id)


def test_a_run_deletes_nothing_before_its_third_save(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    first = workflow.run("submit")
    assert names_of(workflow, first.run) == [f"{LEDGER_NAME}-a", f"{LEDGER_NAME}-b"]
    second = workflow.run("collect")
    assert names_of(workflow, second.run) == [f"{LEDGER_NAME}-a"]
    third = workflow.run("run")
    assert names_of(workflow, third.run) == []  # nothing new, nothing written


def test_a_rerun_of_the_same_run_uses_another_name(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    first = workflow.run("submit")
    workflow.commit({"b.js": WORSE})
    again = workflow.start("submit", {"rerun_of": first.run, "head_sha": workflow.repo.head()})
    assert again.exit == 0, again.log
    assert workflow.requested_paths() == ["b.js"]
    third = workflow.start("run", {"rerun_of": first.run, "head_sha": workflow.repo.head()})
    assert third.exit == 0, third.log
    assert workflow.run("run").exit == 0
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 2
    assert workflow.issue.body.count("<!-- batch-action:finding ") == 4


def test_the_ledger_holds_no_text_of_files_or_findings(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD + "const MAGIC_WORD = 1;\n"})
    workflow.run("submit")
    workflow.run("collect")
    for item in workflow.artifacts:
        data = workflow.sandbox.github.blobs.get(item.blob)
        with zipfile.ZipFile(io.BytesIO(data or b"")) as archive:
            assert set(archive.namelist()) <= {"ledger.json", "ledger.hmac"}
            text = archive.read("ledger.json").decode()
        assert "MAGIC_WORD" not in text
        assert "eval(" not in text
        assert "sk-ant" not in text


UNTRUSTED = [
    ("a fork", {"head_repository": "mallory/demo"}, {}, "a fork"),
    ("a pull request", {"event": "pull_request"}, {}, "pull_request"),
    ("a branch", {"event": "push", "branch": "feature"}, {}, "'feature'"),
    ("a digest", {}, {"digest": "sha256:" + "0" * 64}, "digest"),
]


@pytest.mark.parametrize(
    ("origin", "run", "changes", "words"), UNTRUSTED, ids=[p[0] for p in UNTRUSTED]
)
def test_untrusted_artifacts_are_refused(
    workflow: WorkflowHarness, origin: str, run: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.run("collect")
    forged = json.loads(zipfile.ZipFile(io.BytesIO(newest_ledger(workflow))).read("ledger.json"))
    forged["facts"] = [f for f in forged["facts"] if f["kind"] != "collected"]
    forged["merged_artifacts"] = [a.id for a in workflow.artifacts]
    item = upload_foreign(
        workflow, zip_of({"ledger.json": json.dumps(forged).encode()}), run, **changes
    )
    writes = workflow.writes
    result = workflow.run("run")
    assert result.exit == 0, result.log
    assert str(item.id) in result.summary, origin
    assert words in result.summary
    assert (workflow.writes, len(workflow.batches)) == (writes, 1)


INVALID = {
    "no zip": b"hello",
    "empty": b"",
    "no ledger": zip_of({"other.txt": b"x"}),
    "traversal": zip_of({"../ledger.json": b"{}"}),
    "no JSON": zip_of({"ledger.json": b"{nope"}),
    "deep": zip_of({"ledger.json": b"[" * 100_000}),
    "a list": zip_of({"ledger.json": b"[]"}),
    "nan": zip_of({"ledger.json": b'{"schema_version": NaN}'}),
    "another's": zip_of({"ledger.json": b'{"repository": "1", "task": "code-review"}'}),
    "commands": zip_of({"ledger.json": b'{"::error::x": 1, "task": "\\n::error::y"}'}),
}


def test_invalid_artifacts_are_named_and_ignored(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    uploaded = {what: upload_foreign(workflow, data, {}) for what, data in INVALID.items()}
    result = workflow.run("run")
    assert result.exit == 0, result.log
    missing = [what for what, item in uploaded.items() if str(item.id) not in result.summary]
    assert missing == []
    assert [c for c in result.annotations("error") if c] == []
    assert result.outputs["findings-count"] == "2"
    assert len(workflow.billed_ids) == 1


def test_a_forged_ledger_of_a_trusted_run_does_not_crash(workflow: WorkflowHarness) -> None:
    """Values from an artifact are only keys: no path, URL or command is built from them."""
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    forged = json.loads(zipfile.ZipFile(io.BytesIO(newest_ledger(workflow))).read("ledger.json"))
    for fact in forged["facts"]:
        if fact["kind"] == "sent":
            fact["batch"] = "..%2F..%2Fmodels"
    upload_foreign(workflow, zip_of({"ledger.json": json.dumps(forged).encode()}), {})
    result = workflow.run("run")
    assert result.exit in (0, 2), result.log


def test_a_secret_is_required_once_set_and_can_be_rotated(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit", state_secret="old")
    unsigned = workflow.run("collect")
    assert unsigned.exit == 0
    wrong = workflow.run("collect", state_secret="wrong")
    assert "state-secret" in wrong.summary
    rotated = {"BATCH_ACTION_STATE_SECRET_PREVIOUS": "old"}
    workflow.commit({"b.js": WORSE})
    rotated_run = workflow.start("run", {}, state_secret="new", environ=rotated)
    assert rotated_run.exit == 0
    assert workflow.run("run", state_secret="new").exit == 0
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 2
    assert "old" not in "".join(rotated_run.annotations("warning"))


def test_a_ledger_without_signature_is_refused_when_there_is_a_secret(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    result = workflow.run("collect", state_secret="s3cret-word")
    assert "its signature does not match `state-secret`" in result.summary.replace("&#96;", "`")
    assert "s3cret-word" not in result.summary


def test_state_key_separates(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "b/c.js": WORSE})
    workflow.run("submit", state_key="one", paths="a.js")
    workflow.run("submit", state_key="two", paths="b/")
    assert [workflow.requested_paths(0), workflow.requested_paths(1)] == [["a.js"], ["b/c.js"]]
    assert {a.name for a in workflow.artifacts} <= {
        f"{LEDGER_NAME}-{key}-{slot}" for key in ("one", "two") for slot in "ab"
    }
    workflow.run("collect", state_key="one")
    assert workflow.run("collect", state_key="one").outputs["status"] == "nothing-to-do"
    assert workflow.run("collect", state_key="two").outputs["status"] == "collected"
    assert workflow.run("submit", state_key="one").outputs["status"] in (
        "nothing-to-do",
        "submitted",
    )


def without_artifacts(workflow: WorkflowHarness) -> dict[str, str | None]:
    """Return the changes of an environment without artifacts, whose workflow keeps a folder."""
    folder = workflow.folder / "kept"
    return {"ACTIONS_RESULTS_URL": None, "BATCH_ACTION_STATE_DIR": str(folder)}


def test_without_the_artifact_service_the_ledger_is_a_file(workflow: WorkflowHarness) -> None:
    ghes = without_artifacts(workflow)
    workflow.commit({"a.js": BAD})
    first = workflow.start("submit", {}, environ=ghes)
    assert "stored in a file" in first.annotations("notice")[0]
    path = workflow.repo.path / first.outputs["state-file"]
    assert path.is_file()
    assert workflow.repo.git("status", "--porcelain") == ""
    second = workflow.start("run", {}, environ=ghes)
    assert second.outputs["findings-count"] == "2"
    assert len(workflow.batches) == 1
    assert workflow.artifacts == []


def test_what_another_process_writes_to_the_file_meanwhile_stays(
    workflow: WorkflowHarness,
) -> None:
    ghes = without_artifacts(workflow)
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"a.js": BAD})
    workflow.start("submit", {}, environ=ghes)

    def wait(seconds: float) -> None:
        workflow.advance(seconds)
        if len(workflow.batches) == 1:
            workflow.commit({"b.js": WORSE})
            assert workflow.start("submit", {}, environ=ghes).exit == 0
        workflow.finish()

    workflow.sleep = wait
    waited = workflow.start("collect", {}, environ=ghes, wait_minutes="5")
    assert waited.outputs["findings-count"] == "2"
    assert workflow.start("run", {}, environ=ghes).outputs["findings-count"] == "4"
    assert len(workflow.batches) == 2


@pytest.mark.parametrize("data", [b"hello", zip_of({"ledger.json": b"{}"})])
def test_a_corrupt_file_is_not_overwritten(workflow: WorkflowHarness, data: bytes) -> None:
    ghes = without_artifacts(workflow)
    workflow.commit({"a.js": BAD})
    path = workflow.repo.path / workflow.start("submit", {}, environ=ghes).outputs["state-file"]
    path.write_bytes(data)
    for mode in ("submit", "collect", "run", "status"):
        result = workflow.start(mode, {}, environ=ghes)
        assert result.exit == 2
        assert "nothing was overwritten" in result.annotations("error")[0]
    assert path.read_bytes() == data
    assert len(workflow.batches) == 1


def test_on_a_laptop_the_file_is_ignored_by_git(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    assert workflow.cli("submit", "--first-run", "all").exit == 0
    assert (workflow.repo.path / ".batch-action" / ".gitignore").read_text() == "*\n"
    assert workflow.repo.git("status", "--porcelain") == ""


def test_a_symlink_in_place_of_the_results_folder_is_refused(workflow: WorkflowHarness) -> None:
    target = workflow.folder / "elsewhere"
    target.mkdir()
    (workflow.repo.path / ".batch-action").symlink_to(target)
    workflow.commit({"a.js": BAD})
    result = workflow.cli("submit")
    assert result.exit == 2
    assert ".batch-action" in result.stderr
    assert list(target.iterdir()) == []
    assert workflow.batches == []


def test_without_artifacts_the_base_is_in_the_issue(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.run("collect")
    workflow.github_repository.artifacts.clear()
    workflow.commit({"b.js": WORSE})
    workflow.commit({"c.js": WORSE})
    result = workflow.run("run", first_run="none")
    assert workflow.requested_paths() == ["b.js", "c.js"]
    assert "clean-up job" in result.summary
    workflow.run("run", first_run="none")
    assert workflow.issue.body.count("<!-- batch-action:finding ") == 6


def test_an_idle_repository_renews_its_ledger(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.run("collect")
    before = len(workflow.artifacts)
    workflow.advance(10 * DAY)
    workflow.run("run")
    assert len(workflow.artifacts) == before
    workflow.advance(40 * DAY)
    workflow.run("run")
    assert len(workflow.artifacts) == before + 1
    assert len(workflow.batches) == 1


@pytest.mark.parametrize("days", [-400, 400])
def test_a_wrong_clock_of_the_runner_does_not_make_the_ledger_expire(
    workflow: WorkflowHarness, days: int
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.clock_skew = days * DAY
    workflow.run("submit")
    workflow.clock_skew = 0.0
    for item in workflow.artifacts:
        assert 80 < (item.expires_at - item.created_at).days <= 90
    assert workflow.run("collect").outputs["findings-count"] == "2"
    before = len(workflow.artifacts)
    workflow.clock_skew = days * DAY
    workflow.advance(50 * DAY)
    workflow.run("run")
    assert len(workflow.artifacts) == before + 1
    assert len(workflow.batches) == 1


def test_a_refused_delete_leaves_a_whole_ledger(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.js": WORSE})
    workflow.sandbox.faults.add("status", service="github", path="DeleteArtifact", times=9)
    third = workflow.run("run")
    assert third.exit == 5, "the id of the second batch has no name"
    assert len(names_of(workflow, third.run)) == 2
    workflow.sandbox.faults.clear()
    assert [workflow.run("run").exit for _ in range(2)] == [0, 0]
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 2
    assert workflow.issue.body.count("<!-- batch-action:finding ") == 4


def test_a_re_run_after_an_interrupted_upload_sends_nothing(workflow: WorkflowHarness) -> None:
    """Its name is taken for the whole run, and nothing is paid for that could not be saved."""
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", service="blobs", method="PUT", times=99)
    workflow.sandbox.faults.add("status", service="github", path="DeleteArtifact", times=99)
    first = workflow.run("submit")
    assert first.exit == 5
    workflow.sandbox.faults.clear()
    again = workflow.start("submit", {"rerun_of": first.run})
    assert again.exit == 5
    assert "Start a new run of the workflow" in again.log
    assert (workflow.batches, names_of(workflow, first.run)) == ([], [])
    assert workflow.run("submit").outputs["status"] == "submitted"


def test_a_failed_upload_gives_its_name_free_again(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", service="blobs", method="PUT", times=99)
    first = workflow.run("submit")
    assert first.exit == 5
    workflow.sandbox.faults.clear()
    again = workflow.start("submit", {"rerun_of": first.run})
    assert again.outputs["status"] == "submitted"


@pytest.mark.parametrize("method", ["CreateArtifact", "FinalizeArtifact"])
@pytest.mark.parametrize("fault", ["drop-before", "drop-after"])
def test_calls_to_a_flaky_artifact_service_are_retried(
    workflow: WorkflowHarness, method: str, fault: str
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add(fault, service="github", path=method)
    assert workflow.run("submit").exit == 0
    assert workflow.run("collect").outputs["findings-count"] == "2"


def test_nothing_is_sent_when_the_intent_cannot_be_saved(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", service="github", path="CreateArtifact", times=99)
    result = workflow.run("submit")
    assert result.exit == 5
    assert workflow.batches == []
    workflow.sandbox.faults.clear()
    assert workflow.run("submit").outputs["status"] == "submitted"


@pytest.mark.parametrize("where", ["artifacts", "a file"])
def test_nothing_is_sent_when_the_disk_is_full(
    workflow: WorkflowHarness, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def write(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    workflow.commit({"a.js": BAD})
    monkeypatch.setattr(codec, "write", write)
    environ = {} if where == "artifacts" else without_artifacts(workflow)
    failed = workflow.start("submit", {}, environ=environ)
    assert failed.exit == 2, failed.log
    assert "cannot be written to a temporary file: No space left on device." in failed.log
    assert "TMPDIR" in failed.log
    assert workflow.batches == []


def test_a_batch_is_found_again_when_its_id_could_not_be_saved(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", service="github", path="CreateArtifact", nth=2, times=99)
    assert workflow.run("submit").exit == 5
    workflow.sandbox.faults.clear()
    workflow.run("run")
    workflow.run("run")
    assert len(workflow.billed_ids) == 1
    assert workflow.issue.body.count("<!-- batch-action:finding ") == 2
