"""`keep-answers` and `collect --answers`: the same findings without network, key or cost."""

import http.server
import json
import shutil
import threading
from collections.abc import Iterator

import httpx2
import pytest

from batch_action.batches import kept_answers
from tests.harness.workflow import BAD, GOOD, WORSE, Result, WorkflowHarness

CONFIG = ".github/batch-action.yml"
FILES = {"app.js": BAD, "web/cart.js": WORSE, "good.js": GOOD}


@pytest.fixture
def nobody() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and every request that it got."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            requests.append(str(self.rfile.readline()))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()


def keep(workflow: WorkflowHarness, files=FILES, **inputs: object) -> Result:
    """Send and collect files with `keep-answers`."""
    workflow.commit({CONFIG: "keep-answers: true\n", **files})
    workflow.run("submit", **inputs)
    return workflow.run("collect", report="summary,files", **inputs)


def kept_file(workflow: WorkflowHarness, number: int = -1):
    return workflow.repo.path / ".batch-action/answers" / f"{workflow.batches[number].id}.jsonl"


def findings(workflow: WorkflowHarness) -> list[dict[str, object]]:
    """Return the findings of the results file, without links to a repository."""
    data = json.loads((workflow.repo.path / ".batch-action/results.json").read_text("utf-8"))
    for finding in data["findings"]:
        del finding["location"]["url"]
    return sorted(data["findings"], key=lambda finding: finding["fingerprint"])


def again(workflow: WorkflowHarness, *argv: str, url: str = "http://127.0.0.1:9", **environ: str):
    """Render kept answers as on a laptop whose every service is at *url*."""
    given = {
        "GITHUB_TOKEN": "ghp_x",
        "GITHUB_REPOSITORY": workflow.github_repository.full_name,
        "GITHUB_API_URL": f"{url}/api/v3",
        "GITHUB_SERVER_URL": workflow.sandbox.github_url,
        "ANTHROPIC_BASE_URL": url,
        "BATCH_ACTION_SLACK_WEBHOOK_URL": f"{url}/slack",
    }
    return workflow.cli("collect", "--answers", *argv, environ=given | environ)


def test_the_lines_are_kept_as_they_came_and_the_folder_is_an_output(workflow):
    result = keep(workflow)
    assert result.exit == 0, result.log
    assert result.outputs["answers-folder"] == ".batch-action/answers"
    lines = kept_file(workflow).read_bytes().splitlines()
    assert sorted(json.loads(line)["custom_id"] for line in lines) == sorted(workflow.sent_ids)
    served = httpx2.get(
        f"{workflow.sandbox.anthropic_url}/v1/messages/batches/{workflow.batches[0].id}/results",
        headers={"x-api-key": workflow.key, "anthropic-version": "2023-06-01"},
    )
    assert sorted(lines) == sorted(served.content.splitlines())
    assert not [w for w in result.annotations("warning") if "keep-answers" in w], "it is private"
    # Nothing is kept unless it is asked for, and everybody could read a public repository's.
    workflow.github_repository.private = False
    workflow.commit({"more.js": BAD})
    workflow.run("submit")
    result = workflow.run("collect")
    assert len([w for w in result.annotations("warning") if "do not upload them" in w]) == 1
    workflow.commit({CONFIG: "keep-answers: false\n", "other.js": BAD})
    workflow.run("submit")
    result = workflow.run("collect")
    assert "answers-folder" not in result.outputs
    assert not kept_file(workflow).exists()


def test_a_link_is_replaced_and_a_folder_in_the_way_loses_no_answer(workflow):
    target = workflow.folder / "elsewhere"
    target.mkdir()
    workflow.commit({CONFIG: "keep-answers: true\n", **FILES})
    workflow.run("submit")
    folder = workflow.repo.path / ".batch-action/answers"
    folder.parent.mkdir(exist_ok=True)
    folder.symlink_to(target)
    assert workflow.run("collect", dry_run="true").exit == 0
    assert kept_file(workflow).is_file()
    assert not folder.is_symlink()
    assert [*target.iterdir()] == []
    kept_file(workflow).unlink()
    kept_file(workflow).mkdir()
    result = workflow.run("collect")
    assert result.exit == 2
    assert "cannot be kept in the workspace: Is a directory." in result.annotations("error")[0]
    assert workflow.issues == []
    kept_file(workflow).rmdir()
    assert workflow.run("collect").outputs["status"] == "collected"
    assert kept_file(workflow).is_file()
    assert len(workflow.batches) == 1


def test_a_first_run_that_was_limited_stays_limited(workflow):
    """With the ledger; without it, nothing tells that it was the first run."""
    files = {f"src/f{n:02}.js": BAD.replace("run", f"run{n}") for n in range(12)}
    workflow.commit({CONFIG: "keep-answers: true\nfirst-run-limit: 5\n", **files})
    workflow.cli("submit", "--first-run", "all")
    workflow.cli("collect", "--report", "summary,files")
    first = findings(workflow)
    assert again(workflow, str(kept_file(workflow))).exit == 0
    assert findings(workflow) == first
    shutil.rmtree(workflow.repo.path / ".batch-action/state")
    assert again(workflow, str(kept_file(workflow))).exit == 0
    assert len(findings(workflow)) > len(first)


def test_rendering_again_gives_the_same_findings_and_other_thresholds_others(workflow, nobody):
    url, requests = nobody
    keep(workflow, min_severity="high")
    first = findings(workflow)
    writes, state = len(workflow.writes), len(workflow.github_repository.artifacts)
    file = str(kept_file(workflow))
    result = again(
        workflow, file, "--min-severity", "high", "--allow-public-security-findings", url=url
    )
    assert result.exit == 0, result.log
    assert findings(workflow) == first
    assert len(first) == 1
    result = again(workflow, file, "--allow-public-security-findings", url=url)
    assert result.exit == 0, result.log
    assert len(findings(workflow)) == 4
    assert requests == []
    assert (len(workflow.writes), len(workflow.github_repository.artifacts)) == (writes, state)
    assert not (workflow.repo.path / ".batch-action/state").exists()
    # As the first run, it hides security findings where it does not know who can read them.
    again(workflow, file, url=url)
    assert len(findings(workflow)) < 4
    assert again(workflow, file, "--fail-on-severity", "high", url=url).exit == 1


def test_a_ledger_in_a_folder_names_the_requests_and_stays_as_it_is(workflow):
    workflow.commit({CONFIG: "keep-answers: true\n", **FILES})
    workflow.cli("submit", "--first-run", "last-commit")
    workflow.cli("collect", "--report", "summary,files")
    first = findings(workflow)

    [state] = (workflow.repo.path / ".batch-action/state").iterdir()
    before = state.read_bytes()
    lines = kept_file(workflow).read_bytes().splitlines(keepends=True)
    cut = workflow.folder / "cut.jsonl"
    cut.write_bytes(b"".join(lines[:-1]))
    assert again(workflow, str(kept_file(workflow))).exit == 0
    assert findings(workflow) == first
    result = again(workflow, str(cut))
    assert result.exit == 0
    assert "1 of the 3 answers of batch" in result.stderr
    assert state.read_bytes() == before
    assert workflow.cli("status").exit == 0


def test_a_failure_in_a_workflow_reaches_nobody_either(workflow, nobody):
    url, requests = nobody
    keep(workflow)
    result = again(
        workflow, str(kept_file(workflow)), "--report", "issue", url=url, GITHUB_ACTIONS="true"
    )
    assert (result.exit, requests) == (2, [])


@pytest.mark.parametrize(
    ("report", "named"),
    [
        ("issue", "`issue`"),
        ("summary,sarif,slack", "`sarif`, `slack`"),
        ("files,draft-pr", "`draft-pr`"),
    ],
)
def test_no_other_destination_is_written(workflow, report, named):
    keep(workflow)
    result = again(workflow, str(kept_file(workflow)), "--report", report)
    assert result.exit == 2
    assert f"changes nothing outside of the workspace, so not {named}." in result.stderr


def test_what_cannot_be_read_is_named_and_the_rest_is_rendered(workflow, monkeypatch):
    monkeypatch.setattr(kept_answers, "MAX_LINE_BYTES", 20_000)
    keep(workflow)
    first = findings(workflow)
    whole = kept_file(workflow).read_bytes()
    lines = whole.splitlines()
    other = json.dumps({"custom_id": "their-own-id", "result": {"type": "expired"}}).encode()
    task = json.loads(lines[0]) | {"custom_id": "security-sca-app_js-" + "a" * 12 + "-" + "b" * 14}
    gone = json.loads(lines[0]) | {"custom_id": "code-review-gone_js-" + "a" * 12 + "-" + "b" * 14}
    expired = {"custom_id": json.loads(lines[0])["custom_id"], "result": {"type": "expired"}}
    file = workflow.folder / "odd.jsonl"
    file.write_bytes(
        b"\n".join(
            [
                json.dumps(expired).encode(),
                b"",
                b"x" * 70_000,
                b"[" * 15_000,
                b'{"custom_id": 7, "result": {}}',
                b"\xff\xfe",
                other,
                json.dumps(task).encode(),
                json.dumps(gone).encode(),
                *lines,
                lines[-1][:100],
            ]
        )
    )
    result = again(workflow, str(file), "--allow-public-security-findings")
    assert result.exit == 0, result.stderr
    assert findings(workflow) == first
    for sentence in (
        "4 lines are no result of a batch, perhaps cut off: left out (4, 5, 6, 13).",
        "1 line is longer than 20,000 bytes: left out (3).",
        "1 line about a request that an earlier line answers",
        "1 answer of other programs' requests: left out.",
        "1 answer of the task security-sca: give it with `--task`.",
        "1 answer about files that are in no ledger and not in this clone, or not only once",
    ):
        assert sentence in " ".join(result.stderr.split()), (sentence, result.stderr)


def test_nothing_to_render_is_an_error_that_says_why(workflow):
    keep(workflow)
    file = str(kept_file(workflow))
    result = again(workflow, file, "--task", "security-scan")
    assert result.exit == 2
    assert "None of the 3 answers is about a file of this repository" in result.stderr
    assert "3 answers of the task code-review: give it with `--task`." in result.stderr
    assert again(workflow, f"{file}x").exit == 2
    result = workflow.cli("collect", file)
    assert result.exit == 2
    assert "Files of answers follow --answers." in result.stderr


def test_drafts_and_several_files_at_once(workflow):
    files = {"a.go": "package a\n\nfunc Add() int { return 1 }\n", "docs.js": GOOD}
    keep(workflow, files, task="documentation")
    folder = workflow.repo.path / ".batch-action"
    first = {p.name: p.read_bytes() for p in (folder / "generated").rglob("*") if p.is_file()}
    assert first
    workflow.commit({"b.go": "package a\n\nfunc Sub() int { return 1 }\n"})
    workflow.run("submit", task="documentation")
    workflow.run("collect", task="documentation", report="summary,files")
    paths = sorted(map(str, (folder / "answers").iterdir()))
    assert len(paths) == 2
    result = again(workflow, *paths, "--task", "documentation")
    assert result.exit == 0, result.stderr
    written = {p.name: p.read_bytes() for p in (folder / "generated").rglob("*") if p.is_file()}
    assert written.keys() - {"manifest.json"} == (first.keys() | {"b.go"}) - {"manifest.json"}
    assert all(written[name] == first[name] for name in first.keys() - {"manifest.json"})
