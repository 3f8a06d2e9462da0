"""The linters of workflows and YAML, on the files that users copy."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.texts import ROOT, project_files, read

TOOLS = Path(sys.executable).parent
WORKFLOWS = [
    name
    for name in project_files()
    if name.startswith(
        (".github/workflows/", "workflows-examples/", "batch_action/commands/templates/")
    )
]
OURS = "batch-action/batch-action@v1"


def recipe(target: str) -> list[str]:
    """List the command lines of a Makefile target."""
    match = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE)
    assert match
    return [line.strip() for line in match[1].splitlines()]


@pytest.mark.parametrize("line", [c for c in recipe("lint") if "ruff" not in c])
def test_a_linter_of_make_lint_passes(line: str):
    command = line.replace("$(BIN)", str(TOOLS)).replace("$(YAML_RULES)", yaml_rules())
    done = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def yaml_rules() -> str:
    match = re.search(r"^YAML_RULES := (.+)$", read("Makefile"), re.MULTILINE)
    assert match
    return match[1]


def test_make_lint_runs_them_all():
    lines = "\n".join(recipe("lint"))
    for tool in (
        "ruff check",
        "ruff format",
        "zizmor",
        "vendor.github-actions",
        "hadolint",
        "yamllint",
    ):
        assert tool in lines
    for schema in ("vendor.github-workflows", "vendor.dependabot"):
        assert schema in lines


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_is_pinned_by_its_commit(name: str):
    used = re.findall(r"uses: (\S+)(.*)$", read(name), re.MULTILINE)
    assert used
    for action, comment in used:
        if action != OURS and not action.startswith("$/"):  # of the same commit
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_workflow_has_limits(name: str):
    text = read(name)
    assert re.search(r"^permissions: \{\}$", text, re.MULTILINE)
    assert re.search(r"^concurrency:$", text, re.MULTILINE)
    assert text.count("runs-on:") == text.count("timeout-minutes:")


def test_the_same_action_has_the_same_pin_everywhere():
    pins: dict[str, set[str]] = {}
    for name in WORKFLOWS:
        for action, commit in re.findall(r"uses: ([^@\s]+)@(\S+)", read(name)):
            pins.setdefault(action, set()).add(commit)
    assert {action: commits for action, commits in pins.items() if len(commits) > 1} == {}
