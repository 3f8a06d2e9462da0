"""`batch-action demo`: two cycles on a sample, and repeated demos on a user's repository."""

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from batch_action.cli.main import enter
from batch_action.commands import demo as demo_command
from batch_action.commands.demo.console import DemoConsole
from batch_action.commands.demo.rendering import shorten
from tests.harness.git_repositories import Repo

ROOT = Path(__file__).parents[2]
BAD = "import os\n\n\ndef run(x):\n    return eval(x)\n"
GOOD = "def run(x):\n    return x + 1\n"
# The commits of the tests' repositories are older than a day.
ALL = {".github/batch-action.yml": "first-run: all\n"}


@pytest.fixture(autouse=True)
def short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_command, "BATCH_SECONDS", 0.3)
    # The command sets both; this restores them afterwards.
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")


def demo(*argv: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = enter(["demo", *argv], {})
    return code, out.getvalue(), err.getvalue()


def fingerprint(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_two_cycles_on_the_sample(tmp_path: Path) -> None:
    out = tmp_path / "left"
    code, output, err = demo("--out", str(out))
    assert (code, err) == (0, "")
    assert "written by hand for this sample" in output
    assert "no key, no account, no network" in output
    first, second = output.split("The second day")
    for path in ("shop/orders.py", "shop/export.py", "web/voucher.js", "package-lock.json"):
        assert path in first
    plan = second.split("Submit:")[0]
    assert "2 files" in plan
    assert "shop/export.py" not in plan
    assert "8 new in this run" in first
    assert "2 new, 1 fixed in this run" in second
    assert "Issues in the repository: 1." in second
    for hidden in ("::", "<!--", "<code>", "<details>", "sk_live"):
        assert hidden not in output


def test_files_written(tmp_path: Path) -> None:
    out = tmp_path / "left"
    assert demo("--out", str(out), "--task", "security-scan")[0] == 0
    assert {path.name for path in out.iterdir()} == {
        ".gitignore",
        "issue.html",
        "issue.md",
        "job-summary.md",
        "ledger.json",
        "corner-shop",
    }
    assert (out / ".gitignore").read_text() == "*\n"
    page = (out / "issue.html").read_text()
    assert not re.search(r'(src|href)="https?:', page)
    assert "shell=True" in page
    issue = (out / "issue.md").read_text()
    assert issue.startswith("# Nightly security scan\n")
    for text in (page, issue, (out / "job-summary.md").read_text()):
        assert text.count("written by hand for this sample") == 1
    assert "sandbox reviewer" not in page + issue
    assert json.loads((out / "ledger.json").read_text())
    assert (out / "job-summary.md").read_text().count("### batch-action") == 4


def test_the_state_of_a_users_repository_is_restored_and_nothing_is_written_to_it(
    tmp_path: Path,
) -> None:
    repo, out = Repo.init(tmp_path / "own"), tmp_path / "left"
    repo.commit({"old.py": GOOD})
    repo.commit({"bad.py": BAD})
    repo.write({"bad.py": "dirty\n", "untracked.py": BAD})
    before = fingerprint(repo.path)
    run = ("--repo", str(repo.path), "--out", str(out))

    code, output, _ = demo(*run, "--base", "HEAD~1")
    assert code == 0
    assert "bad.py" in output
    assert "old.py" not in output
    assert "untracked.py" not in output
    assert "1 open finding" in output

    code, output, _ = demo(*run)
    assert code == 0
    assert "Nothing to review has changed" in output
    assert "The issue is unchanged: 1 open finding" in output
    assert fingerprint(repo.path) == before

    repo.commit({"bad.py": GOOD, "next.js": "eval(x)\n", "untracked.py": None})
    code, output, _ = demo(*run)
    assert code == 0
    assert "old.py" not in output
    assert "1 new, 1 fixed in this run" in output
    assert (out / "issue.md").read_text().count("batch-action v1 task=") == 1

    code, output, _ = demo(*run, "--base", "HEAD~2")
    assert code == 0
    assert "already-reviewed" in output
    assert "nothing was sent or paid" in output


def test_files_without_findings_open_no_issue(tmp_path: Path) -> None:
    repo, out = Repo.init(tmp_path / "own", "--initial-branch=trunk"), tmp_path / "left"
    repo.commit({"good.py": GOOD, **ALL})
    repo.git("checkout", "--quiet", "--detach")
    code, output, _ = demo("--repo", str(repo.path), "--out", str(out))
    assert code == 0
    assert "there are no open findings" in output
    assert not (out / "issue.html").exists()


def test_unreadable_state_is_ignored(tmp_path: Path) -> None:
    repo, out = Repo.init(tmp_path / "own"), tmp_path / "left"
    repo.commit({"good.py": GOOD, **ALL})
    run = ("--repo", str(repo.path), "--out", str(out))
    assert demo(*run)[0] == 0
    (state,) = (out / "state").iterdir()
    state.write_text("{}")
    code, output, _ = demo(*run)
    assert code == 0
    assert "starts without it" in output
    assert "good.py" in output


def test_documentation_of_a_monorepo_is_shown_and_written(tmp_path: Path) -> None:
    out = tmp_path / "left"
    code, output, err = demo("--out", str(out), "--sample", "monorepo", "--task", "documentation")
    assert (code, err) == (0, "")
    assert "a market: Python, TypeScript and Go" in output
    assert "4 files generated, each checked" in output
    first = out / "generated" / "api" / "market" / "stalls.py"
    assert '"""The id and name of each stall of an owner."""' in first.read_text()
    assert not (out / "issue.md").exists()


def test_verdicts_of_a_go_module_are_shown(tmp_path: Path) -> None:
    out = tmp_path / "left"
    code, output, _ = demo("--out", str(out), "--sample", "go", "--task", "refactor-validation")
    assert code == 0
    assert "The verdicts" in output
    assert "ferry.go" in output
    assert "INVALID" in output
    assert not (out / "generated").exists()
    assert "with two arguments no longer compile" in (out / "issue.md").read_text()


def test_generated_tests_are_not_written_to_a_users_repository(tmp_path: Path) -> None:
    repo, out = Repo.init(tmp_path / "own"), tmp_path / "left"
    package = json.dumps({"devDependencies": {"vitest": "^4"}})
    repo.commit({"package.json": package, "a.ts": "export const f = () => 1;\n", **ALL})
    before = fingerprint(repo.path)
    run = ("--repo", str(repo.path), "--out", str(out), "--task", "test-generation")
    code, output, _ = demo(*run)
    assert code == 0
    assert "1 file generated" in output
    assert (out / "generated" / "a.test.ts").is_file()
    assert fingerprint(repo.path) == before
    code, output, _ = demo(*run)
    assert code == 0
    assert "generated, each" not in output


@pytest.mark.parametrize(
    "config", [{}, ALL, {".github/batch-action.yml": "first-run: last-commit\n"}]
)
def test_a_users_repository_is_reviewed_over_the_range_of_plan(
    tmp_path: Path, config: dict[str, str]
) -> None:
    repo, out = Repo.init(tmp_path / "own"), tmp_path / "left"
    repo.commit({"old.py": GOOD})
    repo.commit({"bad.py": BAD, **config})
    plan = subprocess.run(
        [sys.executable, "-m", "batch_action", "plan", "--json", "--repo", str(repo.path)],
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )
    planned = {file["path"] for task in json.loads(plan.stdout)["tasks"] for file in task["files"]}
    _, output, _ = demo("--repo", str(repo.path), "--out", str(out))
    assert {name for name in ("old.py", "bad.py") if name in output} == planned


@pytest.mark.parametrize("case", ["sample", "own", "nothing new", "one old commit"])
def test_the_printed_commands_work_as_they_are(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "a folder with spaces & 'quotes'"
    out, argv = folder / "left", []
    if case != "sample":
        repo = Repo.init(folder / "own")
        repo.commit({"bad.py": BAD})
        if case != "one old commit":
            repo.commit({"good.py": GOOD})
        if case == "nothing new":
            repo.commit({".github/workflows/batch-action.yml": "name: mine\n"})
        argv = ["--repo", str(repo.path), *(["--base", "HEAD~1"] if case == "own" else [])]
    code, output, _ = demo(*argv, "--out", str(out))
    assert code == 0
    commands = [line.strip() for line in output.split("Next:")[1].splitlines() if "cd " in line[:9]]
    assert [any(f" {word}" in command for command in commands) for word in ("plan", "init")] == [
        True,
        case != "nothing new",
    ]
    assert any("--base HEAD~" in line for line in commands) == (case == "nothing new")
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("case", ["plain", "empty", "shallow", "base", "out", "task"])
def test_every_mistake_is_an_error(tmp_path: Path, case: str) -> None:
    repo = Repo.init(tmp_path / "own")
    argv = {"--repo": str(repo.path), "--out": str(tmp_path / "left")}
    if case != "empty":
        repo.commit({"good.py": GOOD})
        repo.commit({"good.py": BAD})
    match case:
        case "plain":
            argv["--repo"] = str(tmp_path)
        case "shallow":
            repo.git("clone", "-q", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
            argv["--repo"] = str(tmp_path / "shallow")
        case "base":
            argv["--base"] = "nowhere"
        case "out":
            (tmp_path / "left").write_text("a file")
        case "task":
            argv["--task"] = "cooking"
    code, _, err = demo(*(word for pair in argv.items() for word in pair))
    assert code == 2
    messages = {"plain": "--repo", "empty": "no commit yet", "shallow": "--unshallow"}
    assert messages.get(case, case) in err
    assert "Traceback" not in err


def test_shorten_removes_markers_and_expands_one_finding() -> None:
    def block(name: str) -> str:
        inside = f"<details><summary><b>{name}</b></summary>\n\n**Why.** Because.\n\n</details>"
        return f"<!-- batch-action:finding v1 id=1 -->\n{inside}\n<!-- /batch-action:finding -->\n"

    body = f"<!-- batch-action v1 -->\n**2 open findings.**\n\n{block('one')}\n{block('two')}"
    assert shorten(body) == (
        "**2 open findings.**\n\n▼ **one**\n\n**Why.** Because.\n\n▶ 1 more, collapsed"
    )
    assert shorten(body, example=False) == "**2 open findings.**"


@pytest.mark.parametrize("width", range(60, 100, 3))
def test_a_table_of_an_issue_cuts_no_word_of_a_finding(width: int) -> None:
    out = io.StringIO()
    console = RichConsole(file=out, width=width, force_terminal=True, color_system=None)
    title = "🆕 new · The key of the accounting service is committed to the repository 漢字 once"
    table = f"|Severity|Finding|Where|\n|---|---|---|\n|🔴 critical|{title}|`shop/export.py:7`|\n"
    DemoConsole(console).markdown(table, "Issue")
    assert "…" not in out.getvalue()
    assert all(word in out.getvalue() for word in title.split())
