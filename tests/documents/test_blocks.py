"""Every command and every YAML block of the documents: run, or checked by the program it is for."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from check_jsonschema.cli.main_command import main as check_jsonschema

from batch_action.config.loading import load_settings
from tests.documents.tables import COMMANDS as OURS
from tests.documents.test_action_yml import ACTION
from tests.documents.texts import ROOT, fences, project_files, read

DOCUMENTS = [
    name
    for name in project_files()
    if name == "README.md" or (name.startswith(("docs/", ".github/")) and name.endswith(".md"))
]
YAML = [(name, block) for name in DOCUMENTS for block in fences(read(name), "yaml")]
COMMANDS = [
    (name, line)
    for name in DOCUMENTS
    for language in ("console", "bash", "sh", "shell")
    for block in fences(read(name), language)
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip() and not line.lstrip().startswith("#")
]
OTHER_PROGRAMS = {"curl", "docker", "eval", "export", "gh", "git", "npm", "pip", "pipx", "python"}
"""Programs of others, which a document may use."""
CHECKED_ELSEWHERE = {"docs/SERVE.md", "docs/EVALUATE.md"}
"""Files of other commands: test_serve_doc, and integration/test_evaluate."""


@pytest.mark.parametrize(("name", "block"), YAML, ids=lambda value: str(value)[:30])
def test_a_yaml_block_is_valid(name: str, block: str, tmp_path: Path):
    content = yaml.safe_load(block)
    if isinstance(content, list):
        content = {"on": "push", "jobs": {"job": {"runs-on": "x", "steps": content}}}
    if "jobs" in content or True in content or "on" in content:
        check_workflow(content, block, tmp_path)
    elif set(content) <= {"env", "with"}:
        assert all(isinstance(value, str) for value in content["env"].values())
    elif name not in CHECKED_ELSEWHERE:
        load_settings(flags={}, action_inputs={}, environ={}, file=content, file_name=name)


def check_workflow(content: dict[Any, Any], block: str, folder: Path) -> None:
    """Check a workflow against GitHub's schema, and its uses of our action against action.yml."""
    path = folder / "workflow.yml"
    path.write_text(block if "jobs:" in block else yaml.safe_dump(content), "utf-8")
    words = ["--quiet", "--builtin-schema", "vendor.github-workflows", str(path)]
    with pytest.raises(SystemExit) as done:
        check_jsonschema(words)
    assert done.value.code == 0
    for job in content["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("batch-action/"):
                assert set(step["with"]) <= set(ACTION["inputs"])


@pytest.mark.parametrize(("name", "line"), COMMANDS, ids=lambda value: str(value)[:40])
def test_a_command_exists_with_its_flags(name: str, line: str):
    words = shlex.split(line.removeprefix("$ "), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    program = Path(words[0]).name
    if program == "batch-action":
        check_arguments(words[1:])
    elif program == "make":
        check_make(words[1:])
    else:
        assert program in OTHER_PROGRAMS, line


def check_arguments(words: list[str]) -> None:
    """Parse the arguments as the program does, without running the command."""
    if set(words) & {"--help", "-h", "--version", "--help-all"}:
        return
    command = OURS[words[0]]
    arguments = [str(ROOT) if "path/to/" in word else word for word in words[1:]]
    command.make_context(words[0], arguments, parent=click.Context(click.Group()))


def check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", read("Makefile"), re.MULTILINE))
    variables |= set(re.findall(r"\(if \$\(([A-Z]+)\)", read("Makefile")))
    assert {word for word in words if "=" not in word} <= targets
    assert {word.partition("=")[0] for word in words if "=" in word} <= variables


def test_the_workflow_of_the_readme_passes_zizmor(tmp_path: Path):
    """Except that it names a tag for brevity: the longer example pins the commit."""
    (workflow,) = fences(read("README.md"), "yaml")
    path = tmp_path / "batch-action.yml"
    path.write_text(workflow, "utf-8")
    (tmp_path / "zizmor.yml").write_text(
        yaml.safe_dump({"rules": {"unpinned-uses": {"disable": True}}}), "utf-8"
    )
    command = [Path(sys.executable).parent / "zizmor", "--offline", "--no-progress", "--quiet"]
    done = subprocess.run(
        [*command, "--config", tmp_path / "zizmor.yml", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_has_a_workflow_of_fifteen_lines_with_the_rights_of_the_example():
    (workflow,) = fences(read("README.md"), "yaml")
    assert len(workflow.splitlines()) <= 15
    short, long = yaml.safe_load(workflow), yaml.safe_load(read("workflows-examples/nightly.yml"))
    (job,) = long["jobs"].values()
    assert short["permissions"] == job["permissions"]
    assert short[True]["schedule"] == long[True]["schedule"]
    used = [step["uses"].partition("@")[0] for step in short["jobs"]["review"]["steps"]]
    assert used == [step["uses"].partition("@")[0] for step in job["steps"]]


def test_every_document_is_in_the_index():
    index = read("docs/README.md")
    names = {Path(name).name for name in DOCUMENTS if name.startswith("docs/")} - {"README.md"}
    assert {name for name in names if f"]({name})" not in index} == set()


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "benchmarks").glob("[a-z]*.py")))
def test_a_benchmark_can_be_imported(name: str):
    command = [sys.executable, "-c", f"import benchmarks.{Path(name).stem}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
