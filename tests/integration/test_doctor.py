"""The doctor: every check in each state that it can have, through the real command."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from batch_action.commands.doctor import CHECKS
from tests.harness.workflow import BAD, DAY, Result, WorkflowHarness

SCHEMA = json.loads(Path("docs/output.schema.json").read_text("utf-8"))
WORKFLOW = ".github/workflows/nightly.yml"
SLACK = "https://hooks.slack.com/services/T0AB/B0CD/xyz123"
PERMISSIONS = {"contents": "read", "actions": "read", "issues": "write"}


def workflow_file(
    inputs: Mapping[str, Any] | None = None,
    *,
    on: Any = ("schedule", "workflow_dispatch"),
    permissions: Any = PERMISSIONS,
    **job: Any,
) -> str:
    """Return a workflow with one job that uses the action."""
    events = {name: {} for name in on} if isinstance(on, tuple) else on
    if isinstance(events, dict) and "schedule" in events:
        events["schedule"] = [{"cron": "17 2 * * *"}]
    step = {"uses": "batch-action/batch-action@v1", "with": dict(inputs or {})}
    content: dict[str, Any] = {"runs-on": "ubuntu-latest", "steps": [step], **job}
    if permissions is not None:
        content["permissions"] = permissions
    document = {"on": events, "concurrency": "review", "jobs": {"nightly": content}}
    return yaml.safe_dump(document, sort_keys=False)


def installed(workflow: WorkflowHarness, files: Mapping[str, str] | None = None) -> None:
    """Commit a workflow that nothing is wrong with, and a file to review."""
    workflow.commit({"a.js": BAD, WORKFLOW: workflow_file(), **(files or {})})


def checks_of(result: Result) -> dict[str, list[tuple[str, str]]]:
    """Return the states of every check, with what is said about it."""
    found: dict[str, list[tuple[str, str]]] = {}
    data = json.loads(result.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    assert (result.exit == 2) is bool(data["errors"])
    for check in data["checks"]:
        text = f"{check['message']} {check['fix']}"
        found.setdefault(check["name"], []).append((check["state"], text))
    return found


def on_a_laptop(
    workflow: WorkflowHarness, *argv: str, environ: Mapping[str, str | None] | None = None
) -> dict[str, list[tuple[str, str]]]:
    return checks_of(workflow.cli("doctor", "--json", *argv, environ=environ))


def in_actions(
    workflow: WorkflowHarness,
    options: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str | None] | None = None,
    **inputs: Any,
) -> tuple[Result, dict[str, list[tuple[str, str]]]]:
    """Run `mode: doctor`; return what its log says of each check."""
    result = workflow.start("doctor", dict(options or {}), environ=environ, **inputs)
    found: dict[str, list[tuple[str, str]]] = {}
    states = ("ok", "warn", "fail", "not checkable")
    for line in result.stderr.splitlines():
        for state in states:
            name = line.removeprefix(state).split()[:1]
            if line.startswith(f"{state} ") and name and name[0] in CHECKS:
                found.setdefault(name[0], []).append((state, line))
        if line.strip().startswith("Fix: "):
            last = next(reversed(found.values()))
            last[-1] = (last[-1][0], f"{last[-1][1]} {line.strip()}")
    return result, found


def states(found: Mapping[str, list[tuple[str, str]]]) -> set[str]:
    return {state for said in found.values() for state, _ in said}


def test_a_good_installation_has_nothing_to_mend(workflow: WorkflowHarness) -> None:
    installed(workflow)
    result, found = in_actions(workflow)
    assert result.exit == 0, result.log
    assert states(found) == {"ok"}, result.log
    assert set(CHECKS) - set(found) == {"sarif", "slack", "webhook"}
    assert "doctor" in result.summary
    assert result.summary.count("✅") == len(found)
    assert workflow.batches == []
    assert workflow.writes == []


def test_on_a_laptop_it_says_what_it_cannot_know(workflow: WorkflowHarness) -> None:
    installed(workflow)
    environ = workflow.person()
    result = workflow.cli("doctor", environ=environ)
    assert result.exit == 0, result.log
    assert "not checkable" in result.stderr
    found = on_a_laptop(workflow, environ=environ)
    assert {name for name, said in found.items() if said[0][0] == "not checkable"} == {"trust"}
    assert "fail" not in states(found) | {"warn"} & states(found)


def test_without_a_key_token_and_workflow_each_is_named(workflow: WorkflowHarness) -> None:
    environ = {"ANTHROPIC_API_KEY": None}
    result = workflow.cli("doctor", environ=environ)
    assert result.exit == 2
    found = on_a_laptop(workflow, environ=environ)
    assert found["key"][0][0] == "fail"
    assert "ANTHROPIC_API_KEY" in found["key"][0][1]
    assert "is in the price table" in found["model"][0][1]
    assert found["token"][0][0] == "not checkable"
    assert "batch-action init" in found["permissions"][0][1]
    assert found["schedule"][0][0] == "warn"


@pytest.mark.parametrize(
    ("argv", "environ", "name", "text"),
    [
        (["--task", "x"], {}, "configuration", "`task` 'x' does not exist"),
        ([], {"BATCH_ACTION_MODLE": "x"}, "configuration", "BATCH_ACTION_MODLE"),
        ([], {"SSL_CERT_FILE": "/no/such.pem"}, "network", "/no/such.pem cannot be read"),
        ([], {"ALL_PROXY": "socks5://proxy:1"}, "network", "names a socks5 proxy"),
        (["--config-file", "no.yml"], {}, "configuration", "no.yml is not in the commit"),
    ],
)
def test_what_keeps_a_run_from_starting_is_a_line_of_the_report(
    workflow: WorkflowHarness, argv: list[str], environ: dict[str, str], name: str, text: str
) -> None:
    result = workflow.cli("doctor", "--json", *argv, environ=environ)
    assert result.exit == 2
    found = checks_of(result)
    assert found[name][0][0] == "fail"
    assert text in found[name][0][1]
    assert set(found) == set(CHECKS)
    assert states(found) == {"fail", "not checkable"}


def test_an_invalid_config_file_in_a_workflow(workflow: WorkflowHarness) -> None:
    installed(workflow, {".github/batch-action.yml": "modle: x\n"})
    result, found = in_actions(workflow)
    assert result.exit == 2
    assert "did you mean `model`?" in found["configuration"][0][1]


def test_patterns_and_uncommitted_files_are_warnings(workflow: WorkflowHarness) -> None:
    installed(workflow, {".github/batch-action.yml": "paths: nothing/\n"})
    workflow.repo.write({"AGENTS.md": "Be kind.\n"})
    said = on_a_laptop(workflow, environ=workflow.person())["configuration"]
    assert [state for state, _ in said] == ["warn", "warn"]
    assert "no file matches 'nothing/'" in said[0][1]
    assert "AGENTS.md in the working tree is not committed" in said[1][1]


@pytest.mark.parametrize(
    ("status", "state"), [(401, "fail"), (403, "fail"), (529, "not checkable")]
)
def test_a_key_that_is_refused(workflow: WorkflowHarness, status: int, state: str) -> None:
    installed(workflow)
    workflow.sandbox.faults.add("status", service="anthropic", status=status, times=99)
    found = on_a_laptop(workflow, environ=workflow.person())
    assert found["key"][0][0] == state
    assert found["model"][0][0] == "ok"


@pytest.mark.parametrize(
    ("model", "state", "text"),
    [
        ("sonnet", "fail", "Did you mean `claude-sonnet-5-5`?"),
        ("claude-haiku-4-5", "fail", "does not support effort"),
    ],
)
def test_a_model_that_submit_refuses(
    workflow: WorkflowHarness, model: str, state: str, text: str
) -> None:
    installed(workflow)
    said = on_a_laptop(workflow, "--model", model, environ=workflow.person())["model"]
    assert said[0][0] == state
    assert text in said[0][1]


def test_a_model_that_retires_soon(workflow: WorkflowHarness) -> None:
    installed(workflow, {".github/batch-action.yml": "effort: none\n"})
    said = on_a_laptop(workflow, "--model", "claude-sonnet-4-5", environ=workflow.person())
    assert said["model"][0][0] == "warn"
    assert "retires on 2026-11-30" in said["model"][0][1]


def test_a_federation_rule_needs_the_job_to_ask_for_a_token(workflow: WorkflowHarness) -> None:
    ids = {
        "anthropic_api_key": "",
        "anthropic_federation_rule_id": "fdrl_1",
        "anthropic_organization_id": "org_1",
    }
    installed(workflow)
    result, found = in_actions(workflow, **ids)
    assert result.exit == 2
    assert found["key"][0][0] == "fail"
    assert "id-token: write" in found["key"][0][1]
    assert "`id-token: write`" in found["permissions"][0][1]
    environ = {"ANTHROPIC_API_KEY": None} | {
        f"BATCH_ACTION_{name.upper()}": value for name, value in ids.items() if value
    }
    assert on_a_laptop(workflow, environ=environ)["key"][0][0] == "not checkable"


def test_a_token_that_github_does_not_know(workflow: WorkflowHarness) -> None:
    installed(workflow)
    environ = workflow.person() | {"GITHUB_TOKEN": "ghp_wrong"}
    result = workflow.cli("doctor", "--json", environ=environ)
    assert result.exit == 2
    found = checks_of(result)
    assert [state for state, _ in found["token"]] == ["fail"]
    assert found["key"][0][0] == found["history"][0][0] == "ok"


def test_without_an_answer_of_github_nothing_is_known_about_the_token(
    workflow: WorkflowHarness,
) -> None:
    installed(workflow)
    environ = workflow.person() | {"GITHUB_API_URL": "http://127.0.0.1:1/api/v3"}
    found = on_a_laptop(workflow, environ=environ)
    assert [state for state, _ in found["token"]] == ["not checkable"]
    assert found["key"][0][0] == "ok"


@pytest.mark.parametrize("missing", ["actions", "issues", "contents"])
def test_a_read_that_the_token_may_not_do(workflow: WorkflowHarness, missing: str) -> None:
    installed(workflow)
    permissions = {k: v for k, v in PERMISSIONS.items() if k != missing}
    result, found = in_actions(workflow, {"permissions": permissions})
    assert result.exit == 2
    assert [state for state, _ in found["token"]] == ["fail"]
    assert f"`{missing}: read`" in found["token"][0][1]


@pytest.mark.parametrize(
    ("declared", "report", "state", "text"),
    [
        (PERMISSIONS, "issue", "ok", "`issues: write`"),
        ("write-all", "issue, draft-pr", "ok", "has"),
        ("read-all", "issue", "fail", "lacks `issues: write`"),
        ({}, "summary", "fail", "`contents: read`"),
        ({"contents": "read"}, "summary", "fail", "lacks `actions: read`"),
        (PERMISSIONS, "sarif, issue", "fail", "lacks `security-events: write`"),
        (PERMISSIONS, "pr-review", "fail", "lacks `pull-requests: write`"),
        (PERMISSIONS, "draft-pr", "fail", "`contents: write`, `pull-requests: write`"),
        (None, "issue", "not checkable", "declares no `permissions:`"),
    ],
)
def test_what_the_job_may_write_is_read_from_its_workflow(
    workflow: WorkflowHarness, declared: Any, report: str, state: str, text: str
) -> None:
    installed(workflow, {WORKFLOW: workflow_file(permissions=declared)})
    allowed = {**PERMISSIONS, "pull-requests": "write", "security-events": "write"}
    _, found = in_actions(workflow, {"permissions": allowed}, report=report)
    assert found["permissions"][0][0] == state, found["permissions"]
    assert text in found["permissions"][0][1]


@pytest.mark.parametrize(
    ("changed", "environ"),
    [
        ({WORKFLOW: None}, {}),
        ({}, {"GITHUB_WORKFLOW_REF": "other/repo/.github/workflows/nightly.yml@refs/heads/main"}),
        ({}, {"GITHUB_JOB": "called"}),
        ({}, {"GITHUB_WORKFLOW_SHA": "1" * 40}),
    ],
)
def test_a_workflow_that_is_not_here_cannot_be_checked(
    workflow: WorkflowHarness, changed: dict[str, str | None], environ: dict[str, str | None]
) -> None:
    installed(workflow)
    workflow.commit(changed or {"b.js": BAD})
    _, found = in_actions(workflow, environ=environ)
    assert found["permissions"][0][0] == "not checkable"


def test_permissions_of_a_workflow_hold_for_a_job_without_its_own(
    workflow: WorkflowHarness,
) -> None:
    document = yaml.safe_load(workflow_file(permissions=None)) | {"permissions": PERMISSIONS}
    installed(workflow, {WORKFLOW: yaml.safe_dump(document)})
    _, found = in_actions(workflow)
    assert found["permissions"][0][0] == "ok"


def test_without_a_place_for_the_ledger(workflow: WorkflowHarness) -> None:
    installed(workflow)
    result, found = in_actions(workflow, environ={"ACTIONS_RESULTS_URL": None})
    assert result.exit == 2
    assert found["storage"][0][0] == "fail"
    assert "trust" not in found
    kept = {"ACTIONS_RESULTS_URL": None, "BATCH_ACTION_STATE_DIR": str(workflow.folder)}
    assert in_actions(workflow, environ=kept)[1]["storage"][0][0] == "ok"


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ({"event": "schedule"}, "ok"),
        ({"event": "workflow_dispatch"}, "ok"),
        ({"event": "release"}, "fail"),
        ({"event": "push", "ref_type": "tag", "branch": "v1"}, "fail"),
    ],
)
def test_whether_the_ledger_of_this_event_is_believed(
    workflow: WorkflowHarness, run: dict[str, Any], state: str
) -> None:
    installed(workflow)
    if run.get("ref_type") == "tag":
        workflow.repo.git("tag", "v1")
    _, found = in_actions(workflow, run)
    assert found["trust"][0][0] == state


def test_triggers_whose_runs_send_nothing(workflow: WorkflowHarness) -> None:
    text = workflow_file(on=("schedule", "merge_group", "release"))
    installed(workflow, {WORKFLOW: text})
    said = on_a_laptop(workflow, environ=workflow.person())["trust"]
    assert [state for state, _ in said] == ["not checkable", "warn"]
    assert "merge_group, release" in said[1][1]


def test_a_shallow_clone(workflow: WorkflowHarness, tmp_path: Any) -> None:
    installed(workflow)
    clone = tmp_path / "shallow"
    workflow.repo.git("clone", "-q", "--depth=1", f"file://{workflow.repo.path}", str(clone))
    result = workflow.start("doctor", {}, workspace=clone)
    assert result.exit == 0, result.log
    assert "warn           history" in result.stderr
    assert "fetch-depth: 0" in result.stderr


def test_labels_that_do_not_exist(workflow: WorkflowHarness) -> None:
    installed(workflow)
    _, found = in_actions(workflow, labels="tech-debt, team-web")
    assert found["labels"][0][0] == "warn"
    assert "tech-debt, team-web does not exist" in found["labels"][0][1]
    workflow.run("submit", labels="tech-debt")
    workflow.run("collect", labels="tech-debt")
    assert in_actions(workflow, labels="tech-debt")[1]["labels"][0][0] == "ok"
    assert on_a_laptop(workflow)["labels"][0][0] == "ok"
    environ = {"BATCH_ACTION_LABELS": "tech-debt"}
    assert on_a_laptop(workflow, environ=environ)["labels"][0][0] == "not checkable"
    environ = {"BATCH_ACTION_LABELS": "x" * 51}
    said = on_a_laptop(workflow, environ=environ)["configuration"]
    assert "at most 50 characters" in said[0][1]


@pytest.mark.parametrize(("available", "state"), [(True, "ok"), (False, "fail")])
def test_code_scanning(workflow: WorkflowHarness, available: bool, state: str) -> None:
    workflow.github_repository.code_scanning = available
    installed(workflow)
    allowed = {**PERMISSIONS, "security-events": "write"}
    _, found = in_actions(workflow, {"permissions": allowed}, report="sarif, issue")
    assert found["sarif"][0][0] == state, found["sarif"]
    environ = {"BATCH_ACTION_REPORT": "sarif"}
    assert on_a_laptop(workflow, environ=environ)["sarif"][0][0] == "not checkable"


@pytest.mark.parametrize(
    ("url", "report", "state"),
    [
        (SLACK, "issue", "ok"),
        ("", "issue, slack", "fail"),
        ("https://hooks.slack.com/triggers/T0AB/123/abc", "issue", "fail"),
        ("https://hooks.slack.com/services/", "issue", "fail"),
        ("https://chat.example.com/hooks/abcdefghijklmnop", "issue", "warn"),
    ],
)
def test_slack_is_checked_by_its_form(
    workflow: WorkflowHarness, url: str, report: str, state: str
) -> None:
    installed(workflow)
    result, found = in_actions(workflow, report=report, slack_webhook_url=url)
    assert found["slack"][0][0] == state
    shown = [x for x in result.stderr.splitlines() if not x.startswith("::add-mask::")]
    assert not url or url not in "\n".join([*shown, result.summary])


@pytest.mark.parametrize(
    ("variables", "state"),
    [
        ({"REPORT": "webhook"}, "fail"),
        ({"WEBHOOK_URL": "https://x.example/hook"}, "fail"),
    ],
)
def test_a_webhook_needs_address_and_secret(
    workflow: WorkflowHarness, variables: dict[str, str], state: str
) -> None:
    environ = {f"BATCH_ACTION_{name}": value for name, value in variables.items()}
    assert on_a_laptop(workflow, environ=environ)["webhook"][0][0] == state


@pytest.mark.parametrize(
    ("github_state", "private", "idle_days", "state", "text"),
    [
        ("active", False, 1, "ok", "has a schedule"),
        ("active", False, 52, "warn", "52 days"),
        ("active", True, 52, "ok", "has a schedule"),
        ("disabled_inactivity", False, 70, "fail", "no activity for 60 days"),
        ("disabled_manually", True, 1, "fail", "is disabled"),
    ],
)
def test_a_schedule_near_its_stop(
    workflow: WorkflowHarness,
    github_state: str,
    private: bool,
    idle_days: int,
    state: str,
    text: str,
) -> None:
    hub = workflow.github_repository
    hub.private, hub.created_at = private, workflow.now()
    installed(workflow)
    hub.workflow_states[WORKFLOW] = github_state
    workflow.advance(idle_days * DAY)
    _, found = in_actions(workflow)
    assert found["schedule"][0][0] == state, found["schedule"]
    assert text in found["schedule"][0][1]


def test_a_schedule_that_is_not_on_the_default_branch(workflow: WorkflowHarness) -> None:
    workflow.repo.git("checkout", "-q", "-b", "feature")
    workflow.repo.env["GIT_COMMITTER_DATE"] = workflow.now().isoformat()
    installed(workflow)
    said = on_a_laptop(workflow, environ=workflow.person())["schedule"]
    assert said[0][0] == "warn"
    assert "default branch" in said[0][1]
    assert on_a_laptop(workflow)["schedule"][0][0] == "not checkable"


OTHER = ".github/workflows/other.yaml"
BOMB = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}' if before else 'x'] * 9)}]\n"
    for before, name in zip(["", *"abcdefghi"], "abcdefghij", strict=True)
)
BOMB += "on: [*j]\npermissions: {issues: *j}\njobs: {x: {steps: [{uses: *j, with: {a: *j}}]}}\n"
"""A few hundred bytes of YAML that expand to billions of words."""


@pytest.mark.parametrize(
    ("one", "other", "state", "text"),
    [
        ({}, {"task": "security-scan"}, "ok", "No two jobs"),
        ({"paths": "a.js"}, {"paths": "*.py"}, "ok", "No two jobs"),
        ({"mode": "submit"}, {"mode": "collect"}, "ok", "No two jobs"),
        ({}, {}, "warn", "does not send again"),
        ({}, {"task": "code-review"}, "warn", "with one ledger"),
        ({}, {"state-key": "web"}, "warn", "paid for twice"),
        ({"paths": "*.js"}, {"paths": "a.*", "state-key": "web"}, "warn", "a.js"),
        ({}, {"task": "${{ inputs.task }}"}, "not checkable", "`task` is an expression"),
        ({"task": "code-review, security-scan"}, {"task": "security-scan"}, "warn", "security-"),
    ],
)
def test_two_installations_with_one_concurrency_group(
    workflow: WorkflowHarness, one: Any, other: Any, state: str, text: str
) -> None:
    installed(workflow, {WORKFLOW: workflow_file(one), OTHER: workflow_file(other)})
    said = on_a_laptop(workflow, environ=workflow.person())["reviews"]
    assert said[0][0] == state, said
    assert text in said[0][1]


@pytest.mark.parametrize(
    ("group", "other_group", "count", "text"),
    [
        ("review", "review", 1, "does not send again"),
        ("review", "other", 1, "may run at the same time"),
        ("review", None, 2, "may run at the same time"),
        ("${{ github.workflow }}", "${{ github.workflow }}", 1, "may run at the same time"),
    ],
)
def test_two_installations_of_one_ledger_must_not_run_at_once(
    workflow: WorkflowHarness, group: str, other_group: str | None, count: int, text: str
) -> None:
    files = {}
    for path, name in ((WORKFLOW, group), (OTHER, other_group)):
        document = yaml.safe_load(workflow_file()) | {"concurrency": name}
        files[path] = yaml.safe_dump(document)
    installed(workflow, files)
    said = on_a_laptop(workflow, environ=workflow.person())["reviews"]
    assert [state for state, _ in said] == ["warn"] * count, said
    assert text in said[-1][1]


def test_a_matrix_needs_a_state_key(workflow: WorkflowHarness) -> None:
    matrix = {"strategy": {"matrix": {"folder": ["web", "api"]}}}
    installed(workflow, {WORKFLOW: workflow_file({"paths": "${{ matrix.folder }}"}, **matrix)})
    said = on_a_laptop(workflow, environ=workflow.person())["reviews"]
    assert "fail" in [state for state, _ in said]
    assert any("share one ledger" in text for _, text in said)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a: [", "jobs: x", "jobs: {a: {steps: x}}", "on: 3\njobs: {a: {steps: [1]}}", BOMB],
)
def test_workflow_files_of_any_form_are_read(workflow: WorkflowHarness, text: str) -> None:
    installed(workflow, {OTHER: text})
    assert on_a_laptop(workflow, environ=workflow.person())["reviews"][0][0] == "ok"


def test_proxies_are_named_without_their_password(workflow: WorkflowHarness) -> None:
    proxy = "http://user:secret@proxy.example:3128"
    environ = {"HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1,localhost"}
    result = workflow.cli("doctor", "--json", environ=environ)
    said = checks_of(result)["network"][0]
    assert said[0] == "ok"
    assert "HTTPS_PROXY=http://proxy.example:3128" in said[1]
    assert "secret" not in result.log
