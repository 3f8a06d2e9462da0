"""Every red exit has its reason: one `::error` in Actions, a plain sentence in a shell.

A new situation is one row of `SITUATIONS`. In Actions it is a step of the action (or, for a command
without a `mode`, a `run:` step), in a shell the same command with the same settings.
"""

import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from batch_action.errors import Interrupted
from batch_action.models.findings import Verdict
from tests.harness.workflow import BAD, WORSE, Result, WorkflowHarness

CONFIG = ".github/batch-action.yml"
CREATE = "/batches$"
OUT = ("--out", "{repo}/out")
NOT_ACCESSIBLE = "Resource not accessible by integration"
WRONG_KEY = {"ANTHROPIC_API_KEY": "sk-ant-invalid", "INPUT_ANTHROPIC-API-KEY": None}
SHELL_ONLY = re.compile(r"(?<![\w`'])--[a-z]|\bexport |this shell")
ACTIONS_ONLY = re.compile(r"\binputs?\b|\bsteps?\b|\bworkflows?\b|\bjobs?\b|^::", re.MULTILINE)


@dataclass
class Place:
    """A workflow or a shell, in which a situation is arranged and met."""

    workflow: WorkflowHarness
    monkeypatch: pytest.MonkeyPatch
    in_actions: bool
    inputs: Mapping[str, str] = field(default_factory=dict)

    def run(self, command: str, **environ: str | None) -> Result:
        """Run a mode with the inputs of the situation."""
        workflow = self.workflow
        inputs = {"first-run": "last-commit", **self.inputs}
        if self.in_actions:
            fields = {name.replace("-", "_"): value for name, value in inputs.items()}
            return workflow.start(command, {}, environ=environ, **fields)
        variables = {f"BATCH_ACTION_{k.upper().replace('-', '_')}": v for k, v in inputs.items()}
        return self._shell((command,), variables | environ)

    def type(self, argv: tuple[str, ...], **environ: str | None) -> Result:
        """Run a command line, in Actions in a `run:` step."""
        argv = tuple(word.format(repo=self.workflow.repo.path) for word in argv)
        if not self.in_actions:
            return self._shell(argv, environ)
        run = self.workflow.open({})
        step = self.workflow.step(run, "run")
        variables: dict[str, str | None] = {
            **{name: value for name, value in step.items() if not name.startswith("INPUT_")},
            "GITHUB_TOKEN": run.token,
            "ANTHROPIC_API_KEY": self.workflow.key,
            **environ,
        }
        return self.workflow.invoke(
            list(argv), {k: v for k, v in variables.items() if v is not None}, run
        )

    def _shell(self, argv: tuple[str, ...], environ: Mapping[str, str | None]) -> Result:
        state = {"BATCH_ACTION_STATE_DIR": str(self.workflow.folder / "state")}
        return self.workflow.cli(*argv, environ={**self.workflow.person(), **state, **environ})


Step = Callable[[Place], object]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What makes a command fail, and what is said about it."""

    command: str = ""
    """A mode of the action, and a command of the shell."""
    argv: tuple[str, ...] = ()
    """Or a command line that is typed in both places."""
    exit: int
    words: str
    """Of the sentence, in both places."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str | None] = field(default_factory=dict)
    arrange: tuple[Step, ...] = ()
    names_workflows: bool = False
    """The sentence is about workflows, wherever it is read."""


def commit(files: Mapping[str, str | None]) -> Step:
    """Commit files before the one that is reviewed."""
    return lambda place: place.workflow.commit(files)


def config(text: str) -> Step:
    return commit({CONFIG: text})


def change(place: Place) -> None:
    place.workflow.commit({"a.js": WORSE, "b.js": BAD})


def label(place: Place) -> None:
    """Write the newest commit down as the only case of an evaluation."""
    case = "cases: [{repository: ., base: HEAD~1, head: HEAD}]"
    (place.workflow.repo.path / "cases.yml").write_text(case)


def submit(place: Place) -> None:
    """Send a review, which has ended at once."""
    assert place.run("submit").exit == 0


def fault(kind: str = "status", **more: object) -> Step:
    return lambda place: place.workflow.sandbox.faults.add(kind, **{"times": 99, **more})  # type: ignore[arg-type]


def refuse(status: int, message: str, service: str = "github", path: str = "") -> Step:
    body: dict[str, object] = {"message": message}
    if service == "anthropic":
        body = {"type": "error", "error": {"type": "api_error", "message": message}}
    return fault(service=service, status=status, path=path, body=json.dumps(body))


def fail_every_request(place: Place) -> None:
    error = {"type": "error", "error": {"type": "authentication_error", "message": "no access"}}
    lines = [
        json.dumps({"custom_id": sent, "result": {"type": "errored", "error": error}})
        for sent in place.workflow.sent_ids
    ]
    fault(service="anthropic", path="/results$", body="\n".join(lines) + "\n", status=200)(place)


def raise_in_plan(error: BaseException) -> Step:
    def fail(*_args: object, **_options: object) -> int:
        raise error

    return lambda place: place.monkeypatch.setattr("batch_action.commands.plan.plan", fail)


def give_verdicts(place: Place) -> None:
    place.workflow.answer(
        lambda _: {
            "verdict": Verdict.INVALID.value,
            "summary": "No.",
            "security": False,
            "findings": [],
        }
    )


def spoil_results(place: Place) -> None:
    (place.workflow.repo.path / ".batch-action").write_text("a file")


def make_public(place: Place) -> None:
    place.workflow.github_repository.private = False


SITUATIONS: Mapping[str, Situation] = {
    # 1: findings and verdicts.
    "severe findings": Situation(
        command="collect", exit=1, words="4 new findings at or over `fail-on-severity: low`",
        inputs={"fail-on-severity": "low"}, arrange=(change, submit),
    ),
    "severe findings that are hidden": Situation(
        command="collect", exit=1, words="which are shown nowhere in public",
        inputs={"fail-on-severity": "high"}, arrange=(make_public, change, submit),
    ),
    "verdicts": Situation(
        command="collect", exit=1, words="2 verdicts at or over `fail-on-verdict: invalid`",
        inputs={"fail-on-verdict": "invalid", "task": "refactor-validation"},
        arrange=(commit({"a.js": BAD, "b.js": WORSE}), change, submit, give_verdicts),
    ),
    # 2: configuration.
    "no key": Situation(
        command="submit", exit=2, words="`anthropic-api-key` is not set",
        environ={"ANTHROPIC_API_KEY": None, "INPUT_ANTHROPIC-API-KEY": None}, arrange=(change,),
    ),
    "a wrong value": Situation(
        command="plan", exit=2, words="must be one of: low, medium", inputs={"effort": "hihg"}
    ),
    "two wrong values": Situation(
        command="plan", exit=2, words="2 (inputs|settings) are not valid",
        inputs={"effort": "hihg", "max-cost-usd": "five"},
    ),
    "an unknown variable": Situation(
        command="plan", exit=2, words="did you mean BATCH_ACTION_MODE?",
        environ={"BATCH_ACTION_MODLE": "x"},
    ),
    "an unknown key": Situation(
        command="plan", exit=2, words="did you mean `model`?", arrange=(config("modle: x\n"),)
    ),
    "a key like nothing": Situation(
        command="plan", exit=2, words="docs/INPUTS.md lists all", arrange=(config("zzz: x\n"),)
    ),
    "a key that belongs elsewhere": Situation(
        command="plan", exit=2, words="environment variable BATCH_ACTION_MODE",
        arrange=(config("mode: run\n"),),
    ),
    "broken YAML": Situation(
        command="plan", exit=2, words="is not valid YAML in line", arrange=(config("a: [\n"),)
    ),
    "a list for a file": Situation(
        command="plan", exit=2, words="must consist of `name: value` lines",
        arrange=(config("- a\n"),),
    ),
    "a file that is not there": Situation(
        command="plan", exit=2, words="`config-file` x.yml is not in the commit",
        inputs={"config-file": "x.yml"},
    ),
    "an unknown task": Situation(
        command="plan", exit=2, words="does not exist. Tasks:", inputs={"task": "code-reveiw"}
    ),
    "a task beside a prompt": Situation(
        command="plan", exit=2, words="has no effect beside `prompt-file`",
        inputs={"task": "code-review", "prompt-file": "a.md"},
    ),
    "a prompt that is not there": Situation(
        command="plan", exit=2, words="`prompt-file` a.md is not in the reviewed commit",
        inputs={"prompt-file": "a.md"},
    ),
    "a patch that is not there": Situation(
        command="plan", exit=2, words="`patch-file` a.diff cannot be read",
        inputs={"patch-file": "a.diff", "task": "refactor-validation"},
    ),
    "a broken task of one's own": Situation(
        command="plan", exit=2, words="mine.md", inputs={"task": "mine"},
        arrange=(commit({".github/batch-action/tasks/mine.md": "---\nkind: x\n---\nAsk.\n"}),),
    ),
    "wrong prices": Situation(
        command="plan", exit=2, words="`prices`", arrange=(config("prices: {x: 5}\n"),)
    ),
    "an unknown model": Situation(
        command="submit", exit=2, words="'claude-x' does not exist", inputs={"model": "claude-x"},
        arrange=(change,),
    ),
    "a typo in base": Situation(
        command="plan", exit=2, words="'mian' is no commit", inputs={"base": "mian"}
    ),
    "a typo in first-run": Situation(
        command="plan", exit=2, words="'yesterdayy' is no commit",
        inputs={"first-run": "yesterdayy"},
    ),
    "an unknown batch": Situation(
        command="collect", exit=2, words="msgbatch_x is in no ledger",
        inputs={"batch-id": "msgbatch_x"},
    ),
    "code scanning alone, which is off": Situation(
        command="submit", exit=2, words="nothing was sent", inputs={"report": "sarif"},
        arrange=(change,),
    ),
    "a broken baseline": Situation(
        command="collect", exit=2, words="cannot be read",
        arrange=(commit({".github/batch-action-baseline.json": "["}), change, submit),
    ),
    "no generated files": Situation(
        command="propose", exit=2, words="is not a folder of generated files",
        inputs={"task": "documentation"},
    ),
    "a full disk": Situation(
        command="plan", exit=2, words="No space left on device",
        arrange=(raise_in_plan(OSError(28, "No space left on device", "/x")),),
    ),
    "doctor finds a wrong key": Situation(
        command="doctor", exit=2, words="key: Anthropic answered 401", environ=WRONG_KEY,
        names_workflows=True,
    ),
    "doctor finds a wrong configuration": Situation(
        command="doctor", exit=2, words="configuration: `modle`", arrange=(config("modle: x\n"),)
    ),
    "doctor for a program": Situation(
        argv=("doctor", "--json"), exit=2, words="configuration: `modle`",
        arrange=(config("modle: x\n"),),
    ),
    "cancel an unknown batch": Situation(
        argv=("cancel", "--batch-id", "msgbatch_x"), exit=2, words="is not a pending batch"
    ),
    "init a second time": Situation(
        argv=("init", "--repo", "{repo}"), exit=2, words="already exists",
        arrange=(commit({".github/workflows/batch-action.yml": "x\n"}),), names_workflows=True,
    ),
    "a baseline without a token": Situation(
        argv=("baseline",), exit=2, words="`github-token` or the repository's name is not set",
        environ={"GITHUB_TOKEN": None},
    ),
    "an unknown flag": Situation(
        argv=("plan", "--modle", "x"), exit=2, words="Did you mean '--model'?"
    ),
    "an unknown command": Situation(argv=("plam",), exit=2, words="Did you mean 'plan'?"),
    "a flag without a value": Situation(
        argv=("plan", "--model"), exit=2, words="requires an argument"
    ),
    "a folder that is not there": Situation(
        argv=("plan", "--repo", "nowhere"), exit=2, words="'nowhere' does not exist"
    ),
    "flags that do not fit": Situation(
        argv=("plan", "--json", "--show-request", "a.js"), exit=2, words="leave out --json"
    ),
    "nothing to show": Situation(
        argv=("plan", "--show-request", "c.js"), exit=2, words="Nothing of c.js would be sent",
        arrange=(change,),
    ),
    "no file for serve": Situation(
        argv=("serve",), exit=2, words="serve.yml cannot be read"
    ),
    "statistics with a mistake in the settings": Situation(
        argv=("stats",), exit=2, words="`modle`", arrange=(config("modle: x\n"),)
    ),
    "no cases to evaluate": Situation(
        argv=("evaluate", "nowhere.yml", "--max-cost-usd", "1"), exit=2,
        words="nowhere.yml cannot be read",
    ),
    "an evaluation without a cap": Situation(
        argv=("evaluate", "{repo}/cases.yml"), exit=2, words="--max-cost-usd"
    ),
    "a demo of a commit that is not there": Situation(
        argv=("demo", "--repo", "{repo}", "--base", "mian"), exit=2, words="mian is not a commit"
    ),
    # 3: budget.
    "an evaluation over the cap": Situation(
        argv=("evaluate", "{repo}/cases.yml", "--max-cost-usd", "0.0001", *OUT), exit=3,
        words="not even one file fits", arrange=(change, label),
    ),
    "over the cap": Situation(
        command="submit", exit=3, words="Not even one file fits the budget",
        inputs={"max-cost-usd": "0.0001"}, arrange=(change,),
    ),
    "a plan over the cap": Situation(
        command="plan", exit=3, words="Not even one file fits the budget",
        inputs={"max-cost-usd": "0.0001"}, arrange=(change,),
    ),
    "not everything fits": Situation(
        command="submit", exit=3, words="on-over-budget", inputs={"max-cost-usd": "0.05"},
        arrange=(config("on-over-budget: fail\n"), change),
    ),
    "over the month's budget": Situation(
        command="submit", exit=3, words="monthly-budget-usd",
        arrange=(config("monthly-budget-usd: 0.0001\n"), change),
    ),
    # 4: Anthropic.
    "a wrong key": Situation(
        command="submit", exit=4, words="answered 401", environ=WRONG_KEY, arrange=(change,)
    ),
    "Anthropic is down": Situation(
        command="submit", exit=4, words="The next run tries again",
        arrange=(change, refuse(500, "down", "anthropic", "/v1/models")),
    ),
    "no credit": Situation(
        command="submit", exit=4, words="add credit",
        arrange=(change, refuse(400, "Your credit balance is too low.", "anthropic", CREATE)),
    ),
    "a lost answer": Situation(
        command="submit", exit=4, words="so the batch may exist",
        arrange=(change, fault("drop-after", service="anthropic", path=CREATE, times=1)),
    ),
    "two tasks with one reason": Situation(
        command="submit", exit=4, words="answered 401", environ=WRONG_KEY, arrange=(change,),
        inputs={"task": "code-review,security-scan"},
    ),
    "Anthropic is down at collect": Situation(
        command="collect", exit=4, words="answered 500",
        arrange=(change, submit, refuse(500, "down", "anthropic")),
    ),
    "every request failed": Situation(
        command="collect", exit=4, words="answered none of the 2 requests",
        arrange=(change, submit, fail_every_request),
    ),
    "Anthropic refuses the key of an evaluation": Situation(
        argv=("evaluate", "{repo}/cases.yml", "--max-cost-usd", "1", *OUT), exit=4,
        words="answered 401|refuses the key", arrange=(change, label), environ=WRONG_KEY,
    ),
    "Anthropic refuses to cancel": Situation(
        argv=("cancel",), exit=4, words="answered 403",
        arrange=(change, submit, refuse(403, "no", "anthropic", "/cancel$")),
    ),
    "Anthropic is down at an exact plan": Situation(
        argv=("plan", "--exact"), exit=4, words="answered 500",
        arrange=(change, refuse(500, "down", "anthropic")),
    ),
    # 5: GitHub.
    "issues are off": Situation(
        command="collect", exit=5, words="4 findings could not be delivered",
        arrange=(change, submit, refuse(410, "Issues has been disabled", path="/issues")),
    ),
    "no permission": Situation(
        command="collect", exit=5, words="`issues: read`",
        arrange=(change, submit, refuse(403, NOT_ACCESSIBLE, path="/issues")),
    ),
    "GitHub is down": Situation(
        command="collect", exit=5, words="Nothing is lost",
        arrange=(change, submit, refuse(500, "down", path="/issues")),
    ),
    "GitHub is down for status": Situation(
        command="status", exit=5, words="Nothing is lost", arrange=(refuse(500, "down"),)
    ),
    "the only destination cannot be written": Situation(
        command="collect", exit=5, words="4 findings could not be delivered. files: ",
        inputs={"report": "files"}, arrange=(change, submit, spoil_results),
    ),
    # Ours, and people's.
    "a bug": Situation(
        command="plan", exit=70, words="A bug in batch-action ended this run",
        arrange=(raise_in_plan(RuntimeError("x")),),
    ),
    "an interruption": Situation(
        command="plan", exit=130, words="Interrupted", arrange=(raise_in_plan(Interrupted()),)
    ),
}  # fmt: skip


def meet(situation: Situation, place: Place) -> Result:
    """Arrange a situation, and run its command."""
    place.inputs = situation.inputs
    for step in situation.arrange:
        step(place)
    if situation.argv:
        result = place.type(situation.argv, **situation.environ)
    else:
        result = place.run(situation.command, **situation.environ)
    assert result.exit == situation.exit, result.log
    return result


@pytest.mark.parametrize("name", SITUATIONS)
def test_in_actions_one_annotation_has_the_reason(workflow, monkeypatch, name: str) -> None:
    situation = SITUATIONS[name]
    result = meet(situation, Place(workflow, monkeypatch, in_actions=True))
    [reason] = result.annotations("error")
    assert re.search(situation.words, reason)
    # Who typed a command line is answered in its words.
    assert situation.argv or not SHELL_ONLY.search(reason), reason


@pytest.mark.parametrize("name", SITUATIONS)
def test_in_a_shell_one_sentence_has_the_reason(workflow, monkeypatch, name: str) -> None:
    situation = SITUATIONS[name]
    result = meet(situation, Place(workflow, monkeypatch, in_actions=False))
    log = result.stderr.replace(f"{workflow.folder}", "")
    said = [line for line in log.splitlines() if re.match(r"(?i)error: |fail  ", line)]
    assert len(said) == 1, log
    rest = log[log.index(said[0]) :]
    assert re.search(situation.words.removeprefix("key: ").removeprefix("configuration: "), rest)
    if not situation.names_workflows:
        assert not ACTIONS_ONLY.search(rest), rest


def test_ports_that_are_taken(workflow: WorkflowHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    for in_actions in (True, False):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            argv = ("sandbox", "--repo", "{repo}", "--port", str(taken.getsockname()[1]))
            result = Place(workflow, monkeypatch, in_actions=in_actions).type(argv)
        assert result.exit == 2
        assert "cannot be used" in result.stderr
        assert len(result.annotations("error")) == int(in_actions)
