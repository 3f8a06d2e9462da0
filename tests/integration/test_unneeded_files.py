"""What needs no review costs nothing, counted at the server that bills."""

import json
from collections.abc import Mapping

import pytest

from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import BAD, GOOD, WorkflowHarness

Files = Mapping[str, str | bytes | None]
LINES = "".join(f"let x{n} = {n};\n" for n in range(40))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a.js": BAD}, {"a.js": BAD.replace("\n", "\r\n")}),
        ({"a.js": BAD.replace("\n", "\r\n")}, {"a.js": BAD}),
        ({"a.js": BAD}, {"a.js": BAD + "\n\n"}),
        ({"a.js": BAD.rstrip("\n")}, {"a.js": BAD}),
        ({"a.js": BAD}, {"a.js": "\ufeff" + BAD}),
        ({"a.js": BAD}, {"a.js": None, "b.js": BAD}),
        ({"a.js": LINES}, {"a.js": None, "b.js": LINES.replace("\n", "\r\n")}),
    ],
)
@pytest.mark.parametrize("reviewed", [True, False])
def test_line_ends_and_renames_are_not_billed(
    workflow: WorkflowHarness, before: Files, after: Files, reviewed: bool
) -> None:
    workflow.commit(before)
    if reviewed:
        workflow.run("run")
        workflow.run("run")
    else:
        workflow.run("run", first_run="none")
    billed = len(workflow.billed_ids)
    workflow.commit(after)
    # Known findings move along with a rename: the issue is written again.
    moved = reviewed and before["a.js"] == BAD and "b.js" in after
    status = "collected" if moved else "nothing-to-do"
    assert workflow.run("run").outputs["status"] == status
    assert len(workflow.billed_ids) == billed
    # The next real change is reviewed, and what was known is found again.
    workflow.commit({path: "// new\n" + BAD for path, text in after.items() if text})
    workflow.run("run")
    result = workflow.run("run")
    assert len(workflow.billed_ids) == billed + 1
    assert result.outputs["findings-count"] == "2"
    assert result.outputs["new-findings-count"] == (
        "0" if reviewed and before["a.js"] != LINES else "2"
    )


def test_other_line_ends_leave_findings_open(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": LINES + BAD})
    workflow.run("run")
    workflow.run("run")
    workflow.commit(
        {"a.js": "\ufeff" + (LINES + BAD).replace("\n", "\r\n") + "\r\n\r\n", "b.js": BAD}
    )
    workflow.run("run")
    result = workflow.run("run")
    assert (result.outputs["findings-count"], result.outputs["new-findings-count"]) == ("4", "2")
    assert "re-checked" not in workflow.issue.body


def test_a_rename_across_two_runs_inherits_the_answer(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("run")
    workflow.run("run")
    billed = workflow.billed_ids
    workflow.commit({"a.js": None})
    workflow.run("run")
    assert "Fixed: 2" in workflow.issue.body
    workflow.commit({"sub/a.js": BAD})
    assert workflow.run("run").outputs["status"] == "collected"
    assert workflow.billed_ids == billed
    assert "sub/a.js" in workflow.issue.body


def test_thirty_renormalized_files_do_not_outrank_a_change(workflow: WorkflowHarness) -> None:
    files = {f"auth/login{n}.js": f"// {n}\n{LINES}" for n in range(30)}
    workflow.commit({**files, "z.js": GOOD})
    workflow.run("run", first_run="none")
    workflow.commit(
        {path: text.replace("\n", "\r\n") for path, text in files.items()} | {"z.js": BAD}
    )
    workflow.run("submit", max_cost_usd="0.5")
    assert workflow.requested_paths() == ["z.js"]


@pytest.mark.parametrize("collected", [True, False])
@pytest.mark.parametrize("old", [GOOD, None])
def test_a_push_of_other_line_ends_is_not_billed(
    workflow: WorkflowHarness, collected: bool, old: str | None
) -> None:
    workflow.commit({"main.js": GOOD, **({"a.js": old} if old else {})})
    pull = PullRequestHarness.open(workflow, {"a.js": LINES + BAD})
    pull.run("run")
    if collected:
        pull.run("run")
    billed = len(workflow.sent_ids)
    assert billed == 1
    pull.push({"a.js": (LINES + BAD).replace("\n", "\r\n")})
    pull.run("run")
    assert len(workflow.sent_ids) == billed
    pull.push({"a.js": LINES + BAD})
    pull.run("run")
    assert len(workflow.sent_ids) == billed
    pull.push({"a.js": LINES + BAD + "// more\n"})
    pull.run("run")
    assert len(workflow.sent_ids) == billed + 1


NO_CODE: Files = {
    "README.md": "# Demo\n",
    "History.md": "1.0\n" * 500,
    "docs/guide.rst": "Guide\n",
    "data.json": '{"a": 1}\n',
    "requirements-dev.txt": "pytest\n",
    "certs/server.key": "-----BEGIN PRIVATE KEY-----\n",
    "certs/server.csr": "x\n",
    "tests/fixtures/other.pem": "x\n",
    ".env": "PASSWORD=hunter2\n",
    ".env.local": "PASSWORD=hunter3\n",
    "pkg.egg-info/PKG-INFO": "Name: pkg\n",
    "lib/index.umd.js": BAD,
    "lib/index.js": BAD + "//# sourceMappingURL=index.js.map\n",
    "package-lock.json": "{}\n",
    "yarn.lock": "a\n",
    "AGENTS.md": "Be kind.\n",
    "debian/changelog": "1.0\n",
    "changelog.d/12.fix": "Fixed.\n",
    "config/locales/en.yml": "en: {a: b}\n",
    ".pypirc": "password = hunter4\n",
    ".github/batch-action.yml": "model: claude-sonnet-5-5\n",
    ".github/workflows/batch-action.yml": "on: push\n",
    "__snapshots__/a.snap": "x\n",
    "dist/a.js": BAD,
    "vendor/a.js": BAD,
    "a.pb.go": "package a\n",
}
CODE: Files = {
    "package.json": '{"scripts": {"a": "b"}}\n',
    "pyproject.toml": "[project]\n",
    "Makefile": "all:\n\ttrue\n",
    "src/changelog.js": GOOD,
    "config/deploy.yml": "a: b\n",
    "Dockerfile": "FROM scratch\n",
    ".github/workflows/ci.yml": "on: push\n",
    "main.tf": "# tf\n",
    ".env.example": "PASSWORD=\n",
}


@pytest.mark.parametrize(("task", "also"), [("code-review", []), ("security-scan", ["AGENTS.md"])])
def test_prose_data_keys_and_generated_files_are_not_billed(
    workflow: WorkflowHarness, task: str, also: list[str]
) -> None:
    workflow.commit({**NO_CODE, **CODE})
    result = workflow.run("submit", task=task)
    assert workflow.requested_paths() == sorted([*CODE, *also])
    sent = json.dumps(
        [request["params"] for batch in workflow.batches for request in batch.requests]
    )
    assert "hunter" not in sent
    for reason in ("prose", "data", "key", "certificate", "environment-file", "generated"):
        assert f"| {reason} |" in result.summary
    workflow.finish()
    assert len(workflow.billed_ids) == len(CODE) + len(also)


def test_the_security_scan_names_key_files_once(workflow: WorkflowHarness) -> None:
    workflow.commit(NO_CODE)
    result = workflow.run("submit", task="security-scan")
    (line,) = [text for text in result.annotations("warning") if "not sent" in text]
    assert "4 key or environment files" in line
    assert all(path in line for path in (".env", ".env.local", ".pypirc", "certs/server.key"))
    assert "tests/" not in line
    assert "server.csr" not in line
    assert "not sent: check" not in workflow.run("submit", task="code-review").log


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("paths: [srcc/, '*.js']", "`paths`: no file matches 'srcc/'"),
        ("paths: ['*.{js,tsq}']", "`paths`: no file matches '*.tsq'"),
        ("paths-ignore: '!vendor/fork/'", "`paths-ignore`: no file matches '!vendor/fork/'"),
        ("rules: [{paths: weeb/, task: security-scan}]", "no file matches 'weeb/'"),
        ("guidelines: [STYLE.md]", "`guidelines`: there is no file 'STYLE.md'"),
    ],
)
@pytest.mark.parametrize("mode", ["plan", "submit"])
def test_a_pattern_that_matches_nothing_is_a_warning(
    workflow: WorkflowHarness, config: str, words: str, mode: str
) -> None:
    workflow.commit({"a.js": BAD, ".github/batch-action.yml": config})
    result = workflow.run(mode)
    assert result.exit == 0
    assert words in " ".join(result.annotations("warning"))
    assert words.split("'")[1].strip("!/*.") in result.summary


def test_patterns_that_match_are_no_warning(workflow: WorkflowHarness) -> None:
    config = "paths: ['./*.{js,mjs}']\npaths-ignore: [b.mjs]\nguidelines: []"
    workflow.commit({"a.js": BAD, "b.mjs": BAD, ".github/batch-action.yml": config})
    result = workflow.run("submit")
    assert result.annotations("warning") == []
    assert workflow.requested_paths() == ["a.js"]
