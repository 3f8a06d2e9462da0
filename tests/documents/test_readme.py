"""The README and the references in docs against the code: tables, examples, quotes, commands."""

import ast
import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
import yaml
from click.testing import CliRunner

from batch_action import __version__
from batch_action.cli.group import cli
from batch_action.cli.main import enter
from batch_action.config.loading import load_settings
from batch_action.errors import BatchActionError, Interrupted
from batch_action.models.ledger import Usage
from batch_action.requests import pricing, prompt
from batch_action.requests.packing import MAX_REQUESTS
from batch_action.tasks.registry import all_tasks
from tests.documents import tables
from tests.documents.test_action_yml import ACTION
from tests.documents.texts import ROOT, fences, plain, read, rows, section
from tests.harness.git_repositories import Repo

README = read("README.md")
COMMANDS = tables.COMMANDS
INPUTS = read("docs/INPUTS.md")
COMMAND_LINE = read("docs/COMMANDS.md")
(CONFIG,) = fences(read("docs/CONFIGURATION.md"), "yaml")


def of(model: str, usages: list[Usage]) -> list[tuple[str, Usage]]:
    return [(model, usage) for usage in usages]


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 180


@pytest.mark.parametrize("name", tables.GENERATED)
def test_what_is_generated_is_that_of_the_code(name: str):
    assert tables.GENERATED[name](read(name)) == read(name)


def test_the_outputs_are_those_of_action_yml():
    expected = [[f"`{name}`", output["description"]] for name, output in ACTION["outputs"].items()]
    assert rows(section(INPUTS, "Outputs")) == expected


def exit_codes() -> set[int]:
    codes = {0, 1, BatchActionError.exit_code, Interrupted.exit_code}
    families = [BatchActionError]
    while families:
        family = families.pop()
        families += family.__subclasses__()
        codes.add(family.exit_code)
    return codes


def test_the_exit_codes_are_those_of_the_errors():
    assert {int(code) for code, _ in rows(section(COMMAND_LINE, "Exit codes"))} == exit_codes()


def test_help_names_the_same_exit_codes():
    help_text = (cli.epilog or "").partition("Exit codes:")[2]
    assert {int(code) for code in re.findall(r"\b\d+\b", help_text)} == exit_codes()


def permissions_of(first_cell: str) -> set[str]:
    matching = [row for row in rows(read("docs/PERMISSIONS.md")) if first_cell in row[0]]
    assert len(matching) == 1, first_cell
    return set(re.findall(r"`([a-z-]+: [a-z]+)`", matching[0][1]))


@pytest.mark.parametrize(
    ("name", "job", "mode"),
    [
        ("nightly.yml", "upkeep", "run"),
        ("submit-and-collect.yml", "submit", "submit"),
        ("submit-and-collect.yml", "collect", "collect"),
    ],
)
def test_the_permissions_are_those_of_the_examples(name: str, job: str, mode: str):
    workflow = yaml.safe_load(read(f"workflows-examples/{name}"))
    permissions = workflow["jobs"][job]["permissions"]
    assert permissions_of(f"`mode: {mode}`") == {f"{k}: {v}" for k, v in permissions.items()}
    assert workflow["permissions"] == {}


def test_init_writes_the_example():
    written = read("batch_action/commands/templates/nightly.yml")
    assert written == read("workflows-examples/nightly.yml")


@pytest.mark.parametrize("mode", ["submit", "collect"])
def test_the_two_workflows_of_init_do_what_the_jobs_of_the_example_do(mode: str):
    alone = yaml.safe_load(read(f"batch_action/commands/templates/{mode}.yml"))["jobs"][mode]
    both = yaml.safe_load(read("workflows-examples/submit-and-collect.yml"))["jobs"][mode]
    assert {**alone, "if": None} == {**both, "if": None}


@pytest.mark.parametrize("path", sorted((ROOT / "workflows-examples").glob("*.yml")), ids=str)
def test_the_examples_use_only_declared_inputs_and_outputs(path: Path):
    text = path.read_text("utf-8")
    steps = [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]
    ours = [step for step in steps if step.get("uses", "").startswith("batch-action/")]
    assert ours
    for step in ours:
        assert set(step["with"]) <= set(ACTION["inputs"])
        used = re.findall(rf"steps\.{step.get('id', '-')}\.outputs\.([a-z-]+)", text)
        assert set(used) <= set(ACTION["outputs"])


def test_the_config_file_is_valid():
    settings = load_settings(
        flags={},
        action_inputs={},
        environ={},
        file=yaml.safe_load(CONFIG),
        file_name="CONFIGURATION",
    )
    assert settings.paths == ("src/", "web/")
    assert settings.paths_ignore == ("*.test.ts", "!vendor/our-fork/")
    assert pricing.load(settings.prices).models["my-new-model"].output == 10


@pytest.mark.parametrize("row", rows(section(README, "Costs")), ids=lambda row: row[0])
def test_the_costs_are_computed(row: list[str]):
    model, interactive, batch = (cell.strip("*`") for cell in row)
    cost = pricing.estimate_cost(
        pricing.load(), of(model, [Usage(input_tokens=12_000, output_tokens=2_000)] * 40), 0
    )
    assert (interactive, batch) == (money(cost.interactive_usd), money(cost.batch_usd))


def money(usd: float | None) -> str:
    assert usd is not None
    return f"${usd:.2f}" if usd >= 0.1 else f"${usd:.3f}"


def test_the_worst_case_is_computed():
    task = all_tasks()["code-review"]
    most = prompt.max_answer_tokens(task, 12_000, 0, None)
    usage = Usage(input_tokens=12_000, output_tokens=most)
    worst = pricing.total_usd(pricing.load(), of("claude-sonnet-5-5", [usage] * 40))
    match = re.search(
        r"For the Sonnet line of that table that is (\S+), of\nwhich (\S+) ", read("docs/COSTS.md")
    )
    assert match
    assert match.groups() == (money(worst), "$0.88")


def test_the_introduction_has_the_costs_of_the_default_model():
    row = next(r for r in rows(section(README, "Costs")) if tables.default_of("model") in r[0])
    assert f"{row[2].strip('*')}, not {row[1]};" in README


def test_the_limits_are_those_of_the_code():
    assert f"{MAX_REQUESTS:,} requests" in read("docs/LIMITS.md")


def sentences() -> list[str]:
    """Every string of the program, values in it as `…`."""
    found = []
    for path in (ROOT / "batch_action").rglob("*.py"):
        if "sandbox" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                match node:
                    case ast.Constant(value=str(text)):
                        found.append(plain(text))
                    case ast.JoinedStr(values=parts):
                        found.append(plain("".join(map(piece, parts))))
    return found


def piece(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "…"


ALL_SENTENCES = sentences()


@pytest.mark.parametrize(
    "message", [row[0] for row in rows(read("docs/TROUBLESHOOTING.md"))], ids=str
)
def test_a_quoted_message_is_in_the_code(message: str):
    pattern = ".*".join(re.escape(part.strip()) for part in plain(message).split("…"))
    assert any(re.search(pattern, sentence) for sentence in ALL_SENTENCES)


def test_the_commands_are_those_of_the_program():
    documented = {
        row[0].strip("`").split()[1]: row[1]
        for row in rows(COMMAND_LINE)
        if row[0].startswith("`batch-action ")
    }
    assert set(documented) == set(COMMANDS) - {"action"}
    for name, words in documented.items():
        assert set(re.findall(r"--[a-z-]+", words)) <= tables.flags_of(COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str):
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert COMMANDS[name].help
    options = [p for p in COMMANDS[name].params if isinstance(p, click.Option)]
    assert all(option.help for option in options if option.name != "repo")


def test_the_version_is_in_the_readme():
    result = CliRunner().invoke(cli, ["--version"])
    assert result.output.split()[-1] == __version__
    assert f"[{__version__}]" in read("CHANGELOG.md")


def commands_in(text: str) -> list[list[str]]:
    lines = [line for block in fences(text, "console") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))
    named = {words[1] for words in commands_in(README) if words[0] == "make"}
    for name in ("README.md", ".github/CONTRIBUTING.md", ".github/workflows/ci.yml", ".ci/run"):
        named |= set(re.findall(r"(?:`|run: )make(?: [A-Z]+=\S+)* ([a-z0-9-]+)", read(name)))
    assert named
    assert named <= targets


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repository = Repo.init(tmp_path / "yours")
    for number in range(6):
        repository.commit({"app.py": "".join(f"x{n} = {n}\n" for n in range(number + 1))})
    return repository


def test_the_commands_of_the_readme_run(repo: Repo, capsys: pytest.CaptureFixture[str]):
    ours = [words[1:] for words in commands_in(README) if words[0] == ".venv/bin/batch-action"]
    assert ours
    for words in ours:
        argv = [str(repo.path) if word == "path/to/yours" else word for word in words]
        assert enter(argv, {}) == 0
        assert "app.py" in "".join(capsys.readouterr())


def test_plan_prints_json(repo: Repo, capsys: pytest.CaptureFixture[str]):
    assert enter(["plan", "--repo", str(repo.path), "--base", "HEAD~5", "--json"], {}) == 0
    plan = SimpleNamespace(**json.loads(capsys.readouterr().out)["tasks"][0])
    assert [file["path"] for file in plan.files] == ["app.py"]
    assert plan.requests == 1
    assert plan.cost["priced"] is True


def test_init_writes_the_example_that_the_readme_links(repo: Repo):
    assert enter(["init", "--repo", str(repo.path)], {}) == 0
    workflow = repo.path / ".github/workflows/batch-action.yml"
    assert workflow.read_text("utf-8") == read("workflows-examples/nightly.yml")
    config = (repo.path / ".github/batch-action.yml").read_text("utf-8")
    assert yaml.safe_load(config) is None
    uncommented = re.sub(r"^# ((?!yaml-language)[a-z-]+:.*)$", r"\1", config, flags=re.MULTILINE)
    load_settings(
        flags={},
        action_inputs={},
        environ={},
        file={k: v for k, v in yaml.safe_load(uncommented).items() if v is not None},
        file_name="the written file",
    )
