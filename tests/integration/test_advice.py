"""What to do about a mistake is said in the words of the place: a workflow or a shell."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batch_action.errors import Advice
from tests.documents.texts import ROOT, project_files
from tests.harness.workflow import BAD, WorkflowHarness

WORKFLOW_WORDS = (
    *("actions/checkout", "fetch-depth", "secrets.", "permissions:", "this step", "workflow's"),
    *("the job", "id-token", "eave the input"),
)
SHELL_WORDS = ("git fetch", "export ", "GITHUB_TOKEN", "--repo", "gh auth", "in this shell")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A command line that fails, and what each place reads about it."""

    argv: tuple[str, ...]
    workflow: str
    shell: str
    environ: Mapping[str, str | None] = field(default_factory=dict)
    faults: tuple[Mapping[str, object], ...] = ()
    """What the sandbox answers."""


def refused(status: int, **more: object) -> tuple[Mapping[str, object], ...]:
    return ({"kind": "status", "service": "github", "status": status, "times": 99, **more},)


MISTAKES = {
    "no repository": Mistake(
        argv=("plan", "--repo", "{empty}"), workflow="Add actions/checkout", shell="`--repo`"
    ),
    "a shallow clone": Mistake(
        argv=("plan", "--repo", "{shallow}", "--base", "{first}"),
        workflow="Set `fetch-depth: 0` at actions/checkout.",
        shell="Run `git fetch --unshallow`.",
    ),
    "a first run in a shallow clone": Mistake(
        argv=("plan", "--repo", "{shallow}", "--first-run", "last-commit"),
        workflow="Set `fetch-depth: 0` at actions/checkout.",
        shell="Run `git fetch --unshallow`.",
    ),
    "a typo": Mistake(
        argv=("plan", "--base", "mian"),
        workflow="Check the spelling, or set `fetch-depth: 0` at actions/checkout.",
        shell="Check the spelling, or fetch it with `git fetch`.",
    ),
    "no key": Mistake(
        argv=("submit",),
        environ={"ANTHROPIC_API_KEY": None},
        workflow="${{ secrets.ANTHROPIC_API_KEY }}",
        shell="export ANTHROPIC_API_KEY=sk-ant-…",
    ),
    "a wrong key": Mistake(
        argv=("submit", "--first-run", "last-commit"),
        environ={"ANTHROPIC_API_KEY": "sk-ant-invalid"},
        workflow="Check `anthropic-api-key`",
        shell="Check ANTHROPIC_API_KEY",
    ),
    "a broken key": Mistake(
        argv=("submit",),
        environ={"ANTHROPIC_API_KEY": "sk-ant\nsk-ant"},
        workflow="Store the secret again",
        shell="Set it again",
    ),
    "federation": Mistake(
        argv=("submit", "--first-run", "last-commit"),
        environ={
            "ANTHROPIC_API_KEY": None,
            "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_1",
            "ANTHROPIC_ORGANIZATION_ID": "org_1",
        },
        workflow="`id-token: write`",
        shell="unset them here",
    ),
    "no token": Mistake(
        argv=("baseline",),
        environ={"GITHUB_TOKEN": None},
        workflow="Leave the input out to use the workflow's own token",
        shell="export GITHUB_REPOSITORY=owner/name",
    ),
    "an expired token": Mistake(
        argv=("status",),
        faults=refused(401),
        workflow="leave it out to use the workflow's own token",
        shell="GITHUB_TOKEN is wrong or has expired: renew it",
    ),
    "a forbidden call": Mistake(
        argv=("status",),
        faults=refused(
            403,
            body='{"message": "Resource not accessible by integration"}',
            path="/actions/artifacts",
        ),
        workflow="Add `actions: read` to the job's `permissions:`",
        shell="Give GITHUB_TOKEN `actions: read`",
    ),
    "a hidden repository": Mistake(
        argv=("status",),
        faults=refused(404, body='{"message": "Not Found"}'),
        workflow="add `contents: read` to the job's `permissions:`",
        shell="give GITHUB_TOKEN `contents: read`",
    ),
}


def log_of(workflow: WorkflowHarness, mistake: Mistake, *, actions: bool) -> str:
    """Make a mistake in a workflow or in a shell; return what is said about it."""
    workflow.commit({"a.js": BAD})
    first = workflow.repo.git("rev-list", "--max-parents=0", "HEAD").strip()
    folders = {"empty": workflow.folder / "empty", "shallow": workflow.folder / "shallow"}
    folders["empty"].mkdir()
    origin = f"file://{workflow.repo.path}"
    workflow.repo.git("clone", "--quiet", "--depth=1", origin, str(folders["shallow"]))
    run = workflow.open({})
    step = workflow.step(run, "run")
    names = ("GITHUB_REPOSITORY", "GITHUB_REPOSITORY_ID", "GITHUB_API_URL", "GITHUB_SERVER_URL")
    environ: dict[str, str | None] = {name: step[name] for name in names}
    environ |= {"GITHUB_TOKEN": run.token, "GITHUB_ACTIONS": "true" if actions else None}
    environ["BATCH_ACTION_STATE_DIR"] = str(workflow.folder / "state")
    for fault in mistake.faults:
        workflow.sandbox.faults.add(**fault)  # type: ignore[arg-type]
    argv = [word.format(first=first, **folders) for word in mistake.argv]
    result = workflow.cli(*argv, environ=environ | mistake.environ)
    assert result.exit not in (0, 70), result.log
    return result.stderr


@pytest.mark.parametrize("name", MISTAKES)
def test_a_shell_is_told_what_to_type(workflow: WorkflowHarness, name: str) -> None:
    log = log_of(workflow, MISTAKES[name], actions=False)
    assert MISTAKES[name].shell in log
    assert [word for word in WORKFLOW_WORDS if word in log] == []


@pytest.mark.parametrize("name", MISTAKES)
def test_a_workflow_is_told_what_to_write(workflow: WorkflowHarness, name: str) -> None:
    log = log_of(workflow, MISTAKES[name], actions=True)
    assert MISTAKES[name].workflow in log.replace("%0A", "\n")
    own = MISTAKES[name].workflow
    assert [word for word in SHELL_WORDS if word in log and word not in own] == []


def test_the_place_is_that_of_one_execution(workflow: WorkflowHarness) -> None:
    before = Advice.in_workflow
    workflow.cli("plan", "--base", "mian")
    assert Advice.in_workflow is before


def advised(name: str) -> list[str]:
    """Return the texts in a module that only a workflow's author understands, outside `advice`."""
    tree = ast.parse((ROOT / name).read_text("utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    inside = {
        id(node)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "advice"
        for node in ast.walk(call)
    }
    texts = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in inside)
    words = ("actions/checkout", "fetch-depth", "${{ secrets.")
    return [t.value for t in texts if isinstance(t.value, str) and any(w in t.value for w in words)]


MODULES = [
    name
    for name in project_files()
    if name.startswith("batch_action/")
    and name.endswith(".py")
    and Path(name).parts[1] not in ("sandbox", "server")
]


def test_every_such_sentence_has_words_for_a_shell() -> None:
    found = {name: texts for name in MODULES if (texts := advised(name))}
    assert found == {}
