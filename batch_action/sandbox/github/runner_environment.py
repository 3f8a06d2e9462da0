"""The environment variables that a runner sets for the step of a container action."""

import json
import uuid
from pathlib import Path
from urllib.parse import quote

from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.runs import Run

_COMMAND_FILES = {
    "GITHUB_OUTPUT": "set_output",
    "GITHUB_ENV": "set_env",
    "GITHUB_PATH": "add_path",
    "GITHUB_STATE": "save_state",
    "GITHUB_STEP_SUMMARY": "step_summary",
    "GITHUB_ARTIFACTS": "artifacts",
    "GITHUB_ARTIFACTS_LIST": "artifacts_list",
}


def step_environment(
    instance: GitHubInstance, run: Run, workspace: Path, temp: Path
) -> dict[str, str]:
    """Return all variables; write the event and empty command files below `temp`."""
    home = temp / "_github_home"
    event = temp / "_github_workflow" / "event.json"
    commands = temp / "_runner_file_commands"
    for folder in (home, event.parent, commands, workspace):
        folder.mkdir(parents=True, exist_ok=True)
    event.write_text(json.dumps(run.payload), encoding="utf-8")
    files = {"GITHUB_EVENT_PATH": str(event), "GITHUB_WORKSPACE": str(workspace)}
    for variable, name in _COMMAND_FILES.items():
        path = commands / f"{name}_{uuid.uuid4()}"
        path.touch()
        files[variable] = str(path)
    folders = {
        "HOME": str(home),
        "RUNNER_TEMP": str(temp),
        "RUNNER_WORKSPACE": str(workspace.parent),
        "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache",
    }
    return container_environment(instance, run) | files | folders


def container_environment(instance: GitHubInstance, run: Run) -> dict[str, str]:
    """Return the variables without a path, for a container with its own mounts."""
    return (
        _runner_variables(run)
        | _github_variables(instance, run)
        | _service_variables(instance.origin, run)
    )


def _runner_variables(run: Run) -> dict[str, str]:
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "RUNNER_OS": "Linux",
        "RUNNER_ARCH": "X64",
        "RUNNER_NAME": f"GitHub Actions {run.number}",
        "RUNNER_ENVIRONMENT": "github-hosted",
    }


def _github_variables(instance: GitHubInstance, run: Run) -> dict[str, str]:
    origin, repository = instance.origin, run.repository
    owner = instance.users.get(repository.owner)
    ref = _ref(run)
    return {
        "GITHUB_ACTION": "__batch-action",
        "GITHUB_ACTION_REF": "",
        "GITHUB_ACTION_REPOSITORY": "",
        "GITHUB_ACTOR": run.actor.login,
        "GITHUB_ACTOR_ID": str(run.actor.id),
        "GITHUB_API_URL": f"{origin}/api/v3",
        "GITHUB_BASE_REF": str(_pull_request_of(run).get("base", {}).get("ref", "")),
        "GITHUB_EVENT_NAME": run.event,
        "GITHUB_GRAPHQL_URL": f"{origin}/api/graphql",
        "GITHUB_HEAD_REF": str(_pull_request_of(run).get("head", {}).get("ref", "")),
        "GITHUB_JOB": "nightly",
        "GITHUB_REF": ref,
        "GITHUB_REF_NAME": ref.split("/", 2)[2],
        "GITHUB_REF_PROTECTED": "false",
        "GITHUB_REF_TYPE": run.ref_type,
        "GITHUB_REPOSITORY": repository.full_name,
        "GITHUB_REPOSITORY_ID": str(repository.id),
        "GITHUB_REPOSITORY_OWNER": repository.owner,
        "GITHUB_REPOSITORY_OWNER_ID": str(owner.id if owner else 1),
        "GITHUB_RETENTION_DAYS": "90",
        "GITHUB_RUN_ATTEMPT": str(run.attempt),
        "GITHUB_RUN_ID": str(run.id),
        "GITHUB_RUN_NUMBER": str(run.number),
        "GITHUB_SERVER_URL": origin,
        "GITHUB_SHA": run.merge_sha or run.head_sha,
        "GITHUB_TRIGGERING_ACTOR": run.actor.login,
        "GITHUB_WORKFLOW": Path(run.workflow_path).stem,
        "GITHUB_WORKFLOW_REF": f"{repository.full_name}/{run.workflow_path}@{ref}",
        "GITHUB_WORKFLOW_SHA": run.merge_sha or run.head_sha,
    }


def _service_variables(origin: str, run: Run) -> dict[str, str]:
    variables = {
        "ACTIONS_RUNTIME_URL": f"{origin}/_apis/pipelines/",
        "ACTIONS_RUNTIME_TOKEN": run.runtime_token,
        "ACTIONS_CACHE_URL": f"{origin}/_apis/cache/",
        # Clients must use the origin only; a request to this path reveals those that do not.
        "ACTIONS_RESULTS_URL": f"{origin}/results-path-that-must-be-dropped/",
    }
    if run.id_token_request_token:
        variables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = run.id_token_request_token
        variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = (
            f"{origin}/_apis/oidc/{quote(run.run_backend)}?api-version=2.0"
        )
    return variables


def _pull_request_of(run: Run) -> dict[str, dict[str, str]]:
    pull = run.payload.get("pull_request")
    return pull if isinstance(pull, dict) else {}


def _ref(run: Run) -> str:
    number = run.payload.get("number")
    if run.event == "pull_request" and isinstance(number, int):
        return f"refs/pull/{number}/merge"
    return run.ref
