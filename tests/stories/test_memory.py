"""The ledger between runs: two slots, who is believed, and what happens when it is gone."""

import io
import json
import zipfile
from typing import Any

import pytest

from batch_action.sandbox.github.runs import Run
from tests.nights import BAD, DAY, WORSE, Night
from tests.planting import STEM, plant, zipped


def ours(night: Night) -> bytes:
    """The newest ledger's bytes."""
    data = night.sandbox.github.blobs.get(night.artifacts[-1].blob)
    assert data is not None
    return data


def held(night: Night, run: Run | None) -> list[str]:
    assert run is not None
    return sorted(a.name for a in night.artifacts if a.run_id == run.id)


def test_each_run_leaves_one_whole_ledger(night: Night) -> None:
    night.commit({"a.js": BAD})
    first = night.run("submit")
    assert len(held(night, first.run)) == 1
    second = night.run("collect")
    assert len(held(night, second.run)) == 1
    third = night.run("run")
    assert held(night, third.run) == []  # nothing new, nothing written


def test_a_rerun_of_the_same_run_finds_another_slot(night: Night) -> None:
    night.commit({"a.js": BAD})
    first = night.run("submit")
    night.commit({"b.js": WORSE})
    again = night.start("submit", {"rerun_of": first.run, "head_sha": night.repo.head()})
    assert again.exit == 0, again.log
    assert night.asked() == ["b.js"]
    third = night.start("run", {"rerun_of": first.run, "head_sha": night.repo.head()})
    assert third.exit == 0, third.log
    assert night.run("run").exit == 0
    assert len(night.bill) == len(set(night.bill)) == 2
    assert night.issue.body.count("<!-- batch-action:finding ") == 4


def test_the_ledger_holds_no_text_of_files_or_findings(night: Night) -> None:
    night.commit({"a.js": BAD + "const MAGIC_WORD = 1;\n"})
    night.run("submit")
    night.run("collect")
    for item in night.artifacts:
        data = night.sandbox.github.blobs.get(item.blob)
        with zipfile.ZipFile(io.BytesIO(data or b"")) as archive:
            assert set(archive.namelist()) <= {"ledger.json", "ledger.hmac"}
            text = archive.read("ledger.json").decode()
        assert "MAGIC_WORD" not in text
        assert "eval" not in text
        assert "sk-ant" not in text


POISON = [
    ("a fork", {"head_repository": "mallory/demo"}, {}, "a fork"),
    ("a pull request", {"event": "pull_request"}, {}, "pull_request"),
    ("a branch", {"event": "push", "branch": "feature"}, {}, "'feature'"),
    ("a digest", {}, {"digest": "sha256:" + "0" * 64}, "digest"),
]


@pytest.mark.parametrize(("what", "how", "changes", "words"), POISON, ids=[p[0] for p in POISON])
def test_who_is_not_believed(
    night: Night, what: str, how: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.run("collect")
    lie = json.loads(zipfile.ZipFile(io.BytesIO(ours(night))).read("ledger.json"))
    lie["facts"] = [f for f in lie["facts"] if f["kind"] != "collected"]
    lie["absorbed"] = [a.id for a in night.artifacts]
    item = plant(night, zipped({"ledger.json": json.dumps(lie).encode()}), how, **changes)
    writes = night.writes
    result = night.run("run")
    assert result.exit == 0, result.log
    assert str(item.id) in result.summary, what
    assert words in result.summary
    assert (night.writes, len(night.batches)) == (writes, 1)


GARBAGE = {
    "no zip": b"hello",
    "empty": b"",
    "no ledger": zipped({"other.txt": b"x"}),
    "traversal": zipped({"../ledger.json": b"{}"}),
    "no JSON": zipped({"ledger.json": b"{nope"}),
    "deep": zipped({"ledger.json": b"[" * 100_000}),
    "a list": zipped({"ledger.json": b"[]"}),
    "nan": zipped({"ledger.json": b'{"schema_version": NaN}'}),
    "future": zipped({"ledger.json": b'{"schema_version": 2, "facts": []}'}),
    "another's": zipped({"ledger.json": b'{"repository": "1", "task": "code-review"}'}),
    "commands": zipped({"ledger.json": b'{"::error::x": 1, "task": "\\n::error::y"}'}),
}


def test_garbage_is_refused_by_name_and_harms_nothing(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    planted = {what: plant(night, data, {}) for what, data in GARBAGE.items()}
    result = night.run("run")
    assert result.exit == 0, result.log
    missing = [what for what, item in planted.items() if str(item.id) not in result.summary]
    assert missing == []
    assert "newer batch-action" in result.summary
    assert [c for c in result.said("error") if c] == []
    assert result.outputs["findings-count"] == "2"
    assert len(night.bill) == 1


def test_a_lying_ledger_of_a_trusted_run_costs_no_crash(night: Night) -> None:
    """Values from an artifact are only keys: they build no path, no URL, and no command."""
    night.commit({"a.js": BAD})
    night.run("submit")
    lie = json.loads(zipfile.ZipFile(io.BytesIO(ours(night))).read("ledger.json"))
    for fact in lie["facts"]:
        if fact["kind"] == "sent":
            fact["batch"] = "..%2F..%2Fmodels"
    plant(night, zipped({"ledger.json": json.dumps(lie).encode()}), {})
    result = night.run("run")
    assert result.exit in (0, 2), result.log


def test_a_secret_is_required_once_set_and_can_be_rotated(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit", state_secret="old")
    stranger = night.run("collect")
    assert stranger.exit == 0
    wrong = night.run("collect", state_secret="wrong")
    assert "state-secret" in wrong.summary
    rotated = {"BATCH_ACTION_STATE_SECRET_PREVIOUS": "old"}
    night.commit({"b.js": WORSE})
    turned = night.start("run", {}, state_secret="new", environ=rotated)
    assert turned.exit == 0
    assert night.run("run", state_secret="new").exit == 0
    assert len(night.bill) == len(set(night.bill)) == 2
    assert "old" not in "".join(turned.said("warning"))


def test_a_ledger_without_signature_is_refused_when_there_is_a_secret(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    result = night.run("collect", state_secret="s3cret-word")
    assert "its signature does not match `state-secret`" in result.summary.replace("&#96;", "`")
    assert "s3cret-word" not in result.summary


def test_state_key_separates(night: Night) -> None:
    night.commit({"a.js": BAD, "b/c.js": WORSE})
    night.run("submit", state_key="one", paths="a.js")
    night.run("submit", state_key="two", paths="b/")
    assert [night.asked(0), night.asked(1)] == [["a.js"], ["b/c.js"]]
    assert {a.name for a in night.artifacts} <= {
        f"{STEM}-{key}-{slot}" for key in ("one", "two") for slot in "abc"
    }
    night.run("collect", state_key="one")
    assert night.run("collect", state_key="one").outputs["status"] == "nothing-to-do"
    assert night.run("collect", state_key="two").outputs["status"] == "collected"
    assert night.run("submit", state_key="one").outputs["status"] in ("nothing-to-do", "submitted")


def test_without_the_artifact_service_the_ledger_is_a_file(night: Night) -> None:
    ghes = {"ACTIONS_RESULTS_URL": None}
    night.commit({"a.js": BAD})
    first = night.start("submit", {}, environ=ghes)
    assert "kept in a file" in first.said("notice")[0]
    path = night.repo.path / first.outputs["state-file"]
    assert path.is_file()
    assert (path.parent.parent / ".gitignore").read_text() == "*\n"
    assert night.repo.git("status", "--porcelain") == ""
    second = night.start("run", {}, environ=ghes)
    assert second.outputs["findings-count"] == "2"
    assert len(night.batches) == 1
    assert night.artifacts == []


@pytest.mark.parametrize("data", [b"hello", zipped({"ledger.json": b"{}"})])
def test_a_corrupt_file_is_not_overwritten(night: Night, data: bytes) -> None:
    ghes = {"ACTIONS_RESULTS_URL": None}
    night.commit({"a.js": BAD})
    path = night.repo.path / night.start("submit", {}, environ=ghes).outputs["state-file"]
    path.write_bytes(data)
    for mode in ("submit", "collect", "run", "status"):
        result = night.start(mode, {}, environ=ghes)
        assert result.exit == 2
        assert "nothing was overwritten" in result.said("error")[0]
    assert path.read_bytes() == data
    assert len(night.batches) == 1


def test_a_planted_link_for_the_results_is_refused(night: Night) -> None:
    target = night.folder / "elsewhere"
    target.mkdir()
    (night.repo.path / ".batch-action").symlink_to(target)
    night.commit({"a.js": BAD})
    result = night.start("submit", {}, environ={"ACTIONS_RESULTS_URL": None})
    assert result.exit == 2
    assert ".batch-action" in result.said("error")[0]
    assert list(target.iterdir()) == []
    assert night.batches == []


def test_vanished_artifacts_leave_the_base_in_the_issue(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.run("collect")
    night.hub.artifacts.clear()
    night.commit({"b.js": WORSE})
    night.commit({"c.js": WORSE})
    result = night.run("run", first_run="none")
    assert night.asked() == ["b.js", "c.js"]
    assert "clean-up job" in result.summary
    night.run("run", first_run="none")
    assert night.issue.body.count("<!-- batch-action:finding ") == 6


def test_a_quiet_repository_renews_its_memory(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.run("collect")
    before = len(night.artifacts)
    night.advance(10 * DAY)
    night.run("run")
    assert len(night.artifacts) == before
    night.advance(40 * DAY)
    night.run("run")
    assert len(night.artifacts) == before + 1
    assert len(night.batches) == 1


def test_a_death_between_upload_and_delete_leaves_a_whole_ledger(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.add("status", service="github", path="DeleteArtifact", times=9)
    assert night.run("submit").exit in (0, 5)
    night.sandbox.faults.clear()
    assert night.run("run").exit == 0
    assert len(night.bill) == 1


@pytest.mark.parametrize("method", ["CreateArtifact", "FinalizeArtifact"])
@pytest.mark.parametrize("fault", ["drop-before", "drop-after"])
def test_a_flaky_artifact_service_is_tried_again(night: Night, method: str, fault: str) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.add(fault, service="github", path=method)
    assert night.run("submit").exit == 0
    assert night.run("collect").outputs["findings-count"] == "2"


def test_nothing_is_sent_when_the_intent_cannot_be_saved(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.add("status", service="github", path="CreateArtifact", times=99)
    result = night.run("submit")
    assert result.exit == 5
    assert night.batches == []
    night.sandbox.faults.clear()
    assert night.run("submit").outputs["status"] == "submitted"


def test_what_was_sent_is_found_again_when_only_the_answer_could_not_be_saved(
    night: Night,
) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.add("status", service="github", path="CreateArtifact", nth=2, times=99)
    assert night.run("submit").exit == 5
    night.sandbox.faults.clear()
    night.run("run")
    night.run("run")
    assert len(night.bill) == 1
    assert night.issue.body.count("<!-- batch-action:finding ") == 2
