"""`batch-action demo`: the sample's two nights, and a user's own repository night after night."""

import contextlib
import hashlib
import io
import json
import re
from pathlib import Path

import pytest

from batch_action.cli.main import enter
from batch_action.commands import demo as story
from batch_action.commands.demo.rendering import shorten
from tests.harness.git_repositories import Repo

BAD = "import os\n\n\ndef run(x):\n    return eval(x)\n"
GOOD = "def run(x):\n    return x + 1\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "BATCH_SECONDS", 0.3)
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


def test_the_sample_goes_the_whole_way_twice(tmp_path: Path) -> None:
    out = tmp_path / "left"
    code, told, err = demo("--out", str(out))
    assert (code, err) == (0, "")
    assert "NOT Claude" in told
    assert "no key, no account, no network" in told
    first, second = told.split("The second day")
    for path in ("shop/orders.py", "shop/export.py", "web/voucher.js", "package-lock.json"):
        assert path in first
    plan = second.split("Submit:")[0]
    assert "2 files" in plan
    assert "shop/export.py" not in plan
    assert "9 new tonight" in first
    assert "1 new, 1 fixed tonight" in second
    assert "Issues in the repository: 1." in second
    for noise in ("::", "<!--", "<code>", "<details>", "sk_live"):
        assert noise not in told


def test_what_is_left_behind(tmp_path: Path) -> None:
    out = tmp_path / "left"
    assert demo("--out", str(out), "--task", "security-scan")[0] == 0
    assert {path.name for path in out.iterdir()} == {
        ".gitignore",
        "issue.html",
        "issue.md",
        "job-summary.md",
        "ledger.json",
    }
    assert (out / ".gitignore").read_text() == "*\n"
    page = (out / "issue.html").read_text()
    assert not re.search(r'(src|href)="https?:', page)
    assert "shell=True" in page
    assert (out / "issue.md").read_text().startswith("# Nightly security scan\n")
    assert json.loads((out / "ledger.json").read_text())
    assert (out / "job-summary.md").read_text().count("### batch-action") == 4


def test_an_own_repository_is_remembered_and_never_written_to(tmp_path: Path) -> None:
    repo, out = Repo.init(tmp_path / "own"), tmp_path / "left"
    repo.commit({"old.py": GOOD})
    repo.commit({"bad.py": BAD})
    repo.write({"bad.py": "dirty\n", "untracked.py": BAD})
    before = fingerprint(repo.path)
    run = ("--repo", str(repo.path), "--out", str(out))

    code, told, _ = demo(*run, "--base", "HEAD~1")
    assert code == 0
    assert "bad.py" in told
    assert "old.py" not in told
    assert "untracked.py" not in told
    assert "2 open findings" in told

    code, told, _ = demo(*run)
    assert code == 0
    assert "Nothing to review has changed" in told
    assert "The issue is unchanged: 2 open findings" in told
    assert fingerprint(repo.path) == before

    repo.commit({"bad.py": GOOD, "next.js": "eval(x)\n", "untracked.py": None})
    code, told, _ = demo(*run)
    assert code == 0
    assert "old.py" not in told
    assert "1 new, 2 fixed tonight" in told
    assert (out / "issue.md").read_text().count("batch-action v1 task=") == 1

    code, told, _ = demo(*run, "--base", "HEAD~2")
    assert code == 0
    assert "same-as-before" in told
    assert "nothing was paid" in told


def test_files_without_findings_open_no_issue(tmp_path: Path) -> None:
    repo, out = Repo.init(tmp_path / "own", "--initial-branch=trunk"), tmp_path / "left"
    repo.commit({"good.py": GOOD})
    repo.git("checkout", "--quiet", "--detach")
    code, told, _ = demo("--repo", str(repo.path), "--out", str(out))
    assert code == 0
    assert "no open findings" in told
    assert not (out / "issue.html").exists()


def test_state_that_cannot_be_read_starts_afresh(tmp_path: Path) -> None:
    repo, out = Repo.init(tmp_path / "own"), tmp_path / "left"
    repo.commit({"good.py": GOOD})
    run = ("--repo", str(repo.path), "--out", str(out))
    assert demo(*run)[0] == 0
    (kept,) = (out / "state").iterdir()
    kept.write_text("{}")
    code, told, _ = demo(*run)
    assert code == 0
    assert "starts without it" in told
    assert "good.py" in told


def test_documented_files_of_a_monorepo_are_shown_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "left"
    code, told, err = demo("--out", str(out), "--sample", "monorepo", "--task", "documentation")
    assert (code, err) == (0, "")
    assert "a market: Python, TypeScript and Go" in told
    assert "3 files generated, each checked" in told
    first = out / "generated" / "api" / "market" / "stalls.py"
    assert '"""Find. (sandbox reviewer, not Claude)"""' in first.read_text()
    assert not (out / "issue.md").exists()


def test_rulings_of_a_go_module_are_shown(tmp_path: Path) -> None:
    out = tmp_path / "left"
    code, told, _ = demo("--out", str(out), "--sample", "go", "--task", "refactor-validation")
    assert code == 0
    assert "The verdicts" in told
    assert "ferry.go" in told
    assert "INVALID" in told
    assert not (out / "generated").exists()
    assert "Board was called as" in (out / "issue.md").read_text()


def test_generated_tests_never_touch_an_own_repository(tmp_path: Path) -> None:
    repo, out = Repo.init(tmp_path / "own"), tmp_path / "left"
    package = json.dumps({"devDependencies": {"vitest": "^4"}})
    repo.commit({"package.json": package, "a.ts": "export const f = () => 1;\n"})
    before = fingerprint(repo.path)
    run = ("--repo", str(repo.path), "--out", str(out), "--task", "test-generation")
    code, told, _ = demo(*run)
    assert code == 0
    assert "1 file generated" in told
    assert (out / "generated" / "a.test.ts").is_file()
    assert fingerprint(repo.path) == before
    code, told, _ = demo(*run)
    assert code == 0
    assert "generated, each" not in told


@pytest.mark.parametrize("case", ["plain", "empty", "shallow", "base", "out", "task"])
def test_mistakes_are_told_in_a_sentence(tmp_path: Path, case: str) -> None:
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
    said = {"plain": "--repo", "empty": "no commit yet", "shallow": "--unshallow"}
    assert said.get(case, case) in err
    assert "Traceback" not in err


def test_shortened_hides_markers_and_folds_all_but_one_finding() -> None:
    def block(name: str) -> str:
        inside = f"<details><summary><b>{name}</b></summary>\n\n**Why.** Because.\n\n</details>"
        return f"<!-- batch-action:finding v1 id=1 -->\n{inside}\n<!-- /batch-action:finding -->\n"

    body = f"<!-- batch-action v1 -->\n**2 open findings.**\n\n{block('one')}\n{block('two')}"
    assert shorten(body) == (
        "**2 open findings.**\n\n▼ **one**\n\n**Why.** Because.\n\n▶ 1 more, collapsed"
    )
    assert shorten(body, example=False) == "**2 open findings.**"
