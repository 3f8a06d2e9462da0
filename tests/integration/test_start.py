"""The command line starts quickly, and its help is right without importing the commands."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from batch_action.cli import commands
from batch_action.cli.group import SENTENCES
from benchmarks import batch_server, repositories
from tests.documents.texts import ROOT
from tests.harness.start import COMPLETIONS, STARTS, completion_variables, ratio_to_floor

SLOW_MODULES = ("anthropic", "github", "git", "detect_secrets", "httpx2", "rich", "jinja2", "yaml")


@pytest.mark.parametrize(("argv", "limit"), STARTS.items(), ids=str)
def test_a_start_is_quick(argv: tuple[str, ...], limit: float) -> None:
    assert ratio_to_floor([*argv]) <= limit


@pytest.mark.parametrize(("line", "limit"), COMPLETIONS.items())
def test_completion_is_quick(line: str, limit: float) -> None:
    assert ratio_to_floor([], completion_variables(line)) <= limit


SHELL_LINE = next(
    line
    for line in (ROOT / "docs/COMMANDS.md").read_text("utf-8").splitlines()
    if "bash_source" in line
)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["pl"], ["plan"]),
        (["plan", "--se"], ["--select"]),
        (["run", "--effort", "m"], ["medium", "max"]),
        (["run", "--prompt-c"], ["--prompt-cache"]),
    ],
    ids=str,
)
def test_bash_completes_with_the_documented_line(words: list[str], completed: list[str]) -> None:
    script = (
        f"{SHELL_LINE}\nCOMP_WORDS=(batch-action {' '.join(words)})\nCOMP_CWORD={len(words)}\n"
        "_batch_action_completion batch-action\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == completed, done.stderr


@pytest.mark.parametrize("argv", STARTS, ids=str)
def test_nothing_slow_is_imported(argv: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom batch_action.cli.main import enter\n"
        f"enter({[*argv]}, {{}})\nprint('modules', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = done.stdout.rpartition("modules ")[2].split()
    assert set(imported).isdisjoint(SLOW_MODULES)
    if argv[0].startswith("--"):
        assert "pydantic" not in imported


# Each of them takes as long to import as a hundred files to plan, or belongs to another task.
UNUSED = {
    *("github", "requests", "detect_secrets", "jinja2", "markdown_it", "rich", "standardwebhooks"),
    *("batch_action.tasks.testing", "batch_action.tasks.license"),
    *("batch_action.publishers.pipeline", "batch_action.publishers.notifiers"),
    "batch_action.batches.generated_files",
}
UNUSED_BY_PLAN = {
    *("anthropic", "httpx2"),
    # What only answers, findings and a repository on GitHub need.
    *("batch_action.models.github", "batch_action.models.report", "batch_action.models.policy"),
    *("batch_action.findings.anchoring", "batch_action.ledger.statistics"),
    *("batch_action.requests.verification", "batch_action.requests.explanation"),
    *("batch_action.publishers.report_text", "batch_action.syntax.directives"),
}


def _imported(argv: list[str], environ: dict[str, str]) -> set[str]:
    """Run a command line in a process of its own, to its success; return all modules of it."""
    code = (
        "import sys\nfrom batch_action.cli.main import enter\n"
        f"code = enter({argv}, {environ})\n"
        "print('modules', code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, *imported = done.stdout.rpartition("modules ")[2].split()
    assert exit_code == "0", done.stderr
    return set(imported)


@pytest.mark.parametrize("command", ["plan", "submit"])
def test_a_run_without_a_token_imports_only_what_it_uses(tmp_path: Path, command: str) -> None:
    repository = repositories.create(tmp_path / "repository", 3)
    options = ["--quiet", "--base", "main~1", "--repo", str(repository.folder)]
    with batch_server.BatchServer() as server:
        environ = {
            "ANTHROPIC_API_KEY": "sk-ant-none",
            "ANTHROPIC_BASE_URL": server.url,
            "BATCH_ACTION_STATE_DIR": str(tmp_path / "state"),
        }
        imported = _imported([command, *options], environ if command == "submit" else {})
    assert imported & UNUSED == set()
    if command == "plan":
        assert imported & UNUSED_BY_PLAN == set()
    assert "batch_action.requests.planner" in imported


def test_a_status_without_a_token_imports_no_destination(tmp_path: Path) -> None:
    folder = repositories.create(tmp_path / "repository", 1).folder
    imported = _imported(["status", "--repo", str(folder)], {})
    assert imported & {"github", "jinja2", "batch_action.publishers.pipeline"} == set()


@pytest.mark.parametrize("command", ["status", "collect", "submit", "run"])
def test_the_sdk_is_not_imported_where_nothing_is_asked(tmp_path: Path, command: str) -> None:
    folder = repositories.create(tmp_path / "repository", 1).folder
    environ = {"ANTHROPIC_API_KEY": "sk-ant-none", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}
    base = ["--base", "main"] if command in ("submit", "run") else []
    options = [command, *base, "--repo", str(folder), "--state-dir", str(tmp_path / "state")]
    assert "anthropic" not in _imported(options, environ)


MAX_GIT_PROCESSES = 25
"""Of a plan. Each takes as long as planning five files."""


def test_the_number_of_git_processes_is_that_of_any_number_of_files(tmp_path: Path) -> None:
    folders = [repositories.create(tmp_path / str(n), n).folder for n in (10, 60)]
    code = (
        "import sys\nfrom batch_action.cli.main import enter\nstarted = []\n"
        "sys.addaudithook(lambda name, args: name == 'subprocess.Popen' and started.append(args))\n"
        "for task in ('code-review', 'test-generation', 'refactor-validation'):\n"
        f"    for folder in {[*map(str, folders)]}:\n"
        "        started.clear()\n"
        "        options = ['--json', '--base', 'main~1', '--repo', folder, '--task', task]\n"
        "        code = enter(['plan', '--max-cost-usd', '100', *options], {})\n"
        "        print('COUNT', task, code, len(started))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    counts = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("COUNT ")]
    few, many = counts[::2], counts[1::2]
    assert [row[1] for row in counts] == ["0"] * 6, done.stderr
    # GitPython asks git for its version when it is imported, with the first of all.
    assert [int(row[2]) for row in many] == [int(few[0][2]) - 2, *(int(row[2]) for row in few[1:])]
    assert max(int(row[2]) for row in few) <= MAX_GIT_PROCESSES


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_in_the_list_is_the_first_one_of_the_command(name: str) -> None:
    command: click.Command = getattr(commands, name)
    first_paragraph = " ".join((command.help or "").partition("\n\n")[0].split())
    assert first_paragraph == SENTENCES[name]
    assert name == command.name


def test_every_command_is_in_the_list() -> None:
    names = {c.name for c in vars(commands).values() if isinstance(c, click.Command)}
    assert names == set(SENTENCES)
