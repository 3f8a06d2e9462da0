"""The config file: the one that was named, the one of the commit, and what a branch's may set."""

import pytest

from tests.harness.workflow import BAD, WorkflowHarness

CONFIG = ".github/batch-action.yml"
TINY_CAP = "max-cost-usd: 0.000001\n"


def error_of(workflow: WorkflowHarness, *argv: str, **environ: str) -> str:
    result = workflow.cli(*argv, environ=environ)
    assert result.exit == 2, result.log
    return result.stderr


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        (["--config-file", "typo.yml"], {}),
        (["--config-file", CONFIG], {}),
        ([], {"BATCH_ACTION_CONFIG_FILE": "typo.yml"}),
        (["--config-file", "/etc/hosts"], {}),
        (["--config-file", "../secrets.yml"], {}),
    ],
)
def test_a_file_that_was_named_must_be_there(
    workflow: WorkflowHarness, argv: list[str], environ: dict[str, str]
) -> None:
    workflow.commit({"a.js": BAD})
    error = error_of(workflow, "plan", *argv, **environ)
    assert "is not in the commit" in error
    assert "Check the path" in error


def test_a_named_file_that_is_not_committed(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    (workflow.repo.path / "mine.yml").write_text("select: all\n")
    assert "Commit it" in error_of(workflow, "plan", "--config-file", "mine.yml")


@pytest.mark.parametrize("name", ["./conf/mine.yml", "conf//mine.yml", "conf/../conf/mine.yml", ""])
def test_the_path_may_be_spelled_in_any_way(workflow: WorkflowHarness, name: str) -> None:
    workflow.commit({"conf/mine.yml": "paths: [nothing.py]\n", "a.js": BAD})
    named = name or str(workflow.repo.path / "conf" / "mine.yml")
    result = workflow.cli("plan", "--config-file", named, "--first-run", "all")
    assert (result.exit, "0 files" in result.stderr) == (0, True), result.log


def test_an_uncommitted_change_of_the_file_is_announced(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    (workflow.repo.path / CONFIG).parent.mkdir(exist_ok=True)
    for text in ("select: all\n", "select: changed\n"):
        (workflow.repo.path / CONFIG).write_text(text)
        assert "in the working tree is not committed" in workflow.cli("plan").stderr
        workflow.repo.git("add", "-A")
        workflow.commit({CONFIG: text})
        assert "is not committed" not in workflow.cli("plan").stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: a\nmodel: b\n", "line 1, column 1: the key `model` occurs more than once"),
        ("rules:\n- paths: a\n  paths: b\n", "the key `paths` occurs more than once"),
        ("a: &x {model: m}\n<<: *x\n<<: *x\n", "the key `<<` occurs more than once"),
        ("prices: {m: {input: 1}, m: {input: 0}}\n", "the key `m` occurs more than once"),
        ("model: [\n", "is not valid YAML in line 2"),
        ("model: \x00\n", "is not valid YAML"),
        ("prices: {claude-x: 7}\n", "`prices`, `claude-x` must contain `name: value`"),
        ("prices: {claude-x: {input: -1}}\n", "`claude-x.input` must be 0 or more."),
        ("prices: {claude-x: []}\n", "`claude-x` must contain `name: value` lines."),
        ("prices: {m: {cache_minimum: 0}}\n", "`m.input` is missing."),
        ("rules: [5]\n", "must contain `name: value` lines"),
    ],
)
def test_a_mistake_is_told_without_names_of_classes(
    workflow: WorkflowHarness, text: str, message: str
) -> None:
    workflow.commit({CONFIG: text})
    error = error_of(workflow, "plan")
    assert message in error
    for name in ("byte string", "ModelRates", "Rule ", "instance of", "Input should"):
        assert name not in error


@pytest.mark.parametrize("event", ["workflow_dispatch", "push"])
def test_the_config_of_a_branch_cannot_raise_a_cap(workflow: WorkflowHarness, event: str) -> None:
    workflow.commit({CONFIG: TINY_CAP})
    workflow.repo.git("checkout", "-q", "-b", "feature")
    workflow.commit({CONFIG: "max-cost-usd: 100\ntrusted-authors: eve\n", "a.js": BAD})
    branch = {"event": event, "branch": "feature"}
    result = workflow.start("plan", branch, first_run="last-commit")
    (warning,) = [w for w in result.annotations("warning") if "has no effect" in w]
    assert "`max-cost-usd`, `trusted-authors`" in warning
    assert "backlog: over the cost limit" in result.log
    workflow.repo.git("checkout", "-q", "main")
    workflow.repo.git("merge", "-q", "feature")
    merged = workflow.start("plan", {"event": event, "branch": "main"}, first_run="last-commit")
    assert merged.annotations("warning") == []
    assert "over the cost limit" not in merged.log


def test_on_the_command_line_only_another_commit_is_guarded(workflow: WorkflowHarness) -> None:
    workflow.commit({CONFIG: TINY_CAP})
    workflow.repo.git("checkout", "-q", "-b", "feature")
    workflow.commit({CONFIG: "max-cost-usd: 100\n", "a.js": BAD})
    argv = ["plan", "--first-run", "last-commit"]
    assert "over the cost limit" not in workflow.cli(*argv).stderr
    result = workflow.cli(*argv, "--head", "feature")
    assert "over the cost limit" in result.stderr
    assert "`max-cost-usd` in .github/batch-action.yml of this commit" in result.stderr


def test_what_has_no_effect_is_said_once_where_people_look(workflow: WorkflowHarness) -> None:
    first = {CONFIG: "warm-minutes: 5\ndocumentation-style: complete\n"}
    workflow.commit({**first, "batch-action.yml": "effort: low\n"})
    workflow.commit({"a.js": BAD})
    expected = [
        "`warm-minutes` has no effect without `prompt-cache: warm`.",
        "`fail-on-verdict` has no effect without the task `refactor-validation`.",
        "batch-action.yml has no effect: the config file is .github/batch-action.yml.",
    ]
    result = workflow.run("run", fail_on_verdict="invalid")
    assert [w for w in result.annotations("warning") if "no effect" in w] == expected
    assert result.summary.count("has no effect") == len(expected)
    environ = {"BATCH_ACTION_FAIL_ON_VERDICT": "invalid"}
    typed = workflow.cli("plan", "--first-run", "last-commit", environ=environ)
    assert [line for line in typed.stderr.splitlines() if "no effect" in line] == [
        f"warning: {sentence}" for sentence in expected
    ]
    assert "no effect" not in workflow.cli("status").log
    checked = workflow.cli("doctor", environ=environ)
    assert "`warm-minutes` has no effect" in checked.stderr


def test_an_installation_as_init_makes_it_has_nothing_without_effect(
    workflow: WorkflowHarness,
) -> None:
    assert workflow.cli("init", "--repo", str(workflow.repo.path)).exit == 0
    workflow.commit({"a.js": BAD})
    assert "no effect" not in workflow.run("run").log
