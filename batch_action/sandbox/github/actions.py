"""The Actions endpoints: artifacts, workflow runs and dispatches."""

from datetime import datetime, timedelta

from batch_action.sandbox.github import json_objects, run_factory
from batch_action.sandbox.github.git import Git
from batch_action.sandbox.github.json_objects import Json
from batch_action.sandbox.github.records import Artifact
from batch_action.sandbox.github.rest import ApiResponse, Call, GitHubError, endpoint, not_found
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.github.workflows import Workflow, read_workflow

_LINK_LIFE = timedelta(minutes=1)


def _visible(call: Call) -> list[Artifact]:
    """List the finalized artifacts, newest first; `name` must match exactly."""
    name = call.query("name")
    artifacts = [
        item
        for item in call.repository.artifacts
        if item.finalized and call.instance.is_listed(item.created_at) and name in {"", item.name}
    ]
    return sorted(artifacts, key=lambda item: item.id, reverse=True)


def _shape(call: Call, item: Artifact) -> Json:
    return json_objects.artifact_json(call.instance, call.repository, item)


def _artifacts(call: Call) -> ApiResponse:
    return call.page(_visible(call), lambda item: _shape(call, item), wrapper="artifacts")


def _run_artifacts(call: Call) -> ApiResponse:
    run = _find_run(call)
    artifacts = [item for item in _visible(call) if item.run_id == run.id]
    if call.query("direction") == "asc":
        artifacts.reverse()
    return call.page(artifacts, lambda item: _shape(call, item), wrapper="artifacts")


def _find_artifact(call: Call) -> Artifact:
    number = call.path_number("artifact")
    for item in call.repository.artifacts:
        if item.id == number and item.finalized:
            return item
    raise not_found()


def _artifact(call: Call) -> ApiResponse:
    return ApiResponse(data=_shape(call, _find_artifact(call)))


def _delete(call: Call) -> ApiResponse:
    item = _find_artifact(call)
    call.repository.artifacts.remove(item)
    call.instance.blobs.drop(item.blob)
    return ApiResponse(status=204)


def _download(call: Call) -> ApiResponse:
    item = _find_artifact(call)
    if call.path_part("format") != "zip":
        raise not_found()
    if item.expires_at <= call.instance.clock.now():
        raise GitHubError(410, "Artifact has expired")
    location = call.instance.blobs.link(item.blob, "r", _LINK_LIFE, name=f"{item.name}.zip")
    return ApiResponse(status=302, headers={"Location": location})


def _find_run(call: Call) -> Run:
    number = call.path_number("run")
    for run in call.instance.runs_of(call.repository):
        if run.id == number:
            return run
    raise not_found()


def _matches(call: Call, run: Run) -> bool:
    branch, event = call.query("branch"), call.query("event")
    status, sha = call.query("status"), call.query("head_sha")
    return (
        branch in {"", run.head_branch}
        and event in {"", run.event}
        and status in {"", run.status, run.conclusion or ""}
        and sha in {"", run.head_sha}
        and call.instance.is_listed(run.created_at)
        and _created(call.query("created"), run.created_at)
    )


def _created(created_range: str, moment: datetime) -> bool:
    """Return whether a time is in a range of the search syntax: `>=A`, `<=B` or `A..B`."""
    if created_range.startswith((">=", "<=")):
        created_range = (
            f"{created_range[2:]}..*"
            if created_range.startswith(">")
            else f"*..{created_range[2:]}"
        )
    first, _, last = created_range.partition("..")
    after = first in {"", "*"} or datetime.fromisoformat(first) <= moment
    return after and (last in {"", "*"} or moment <= datetime.fromisoformat(last))


def _runs(call: Call) -> ApiResponse:
    runs = [run for run in call.instance.runs_of(call.repository) if _matches(call, run)]
    return call.page(
        runs, lambda run: json_objects.run_json(call.instance, run), wrapper="workflow_runs"
    )


def _workflow_runs(call: Call) -> ApiResponse:
    path = _workflow(call)
    runs = [
        run
        for run in call.instance.runs_of(call.repository)
        if run.workflow_path == path and _matches(call, run)
    ]
    return call.page(
        runs, lambda run: json_objects.run_json(call.instance, run), wrapper="workflow_runs"
    )


def _run(call: Call) -> ApiResponse:
    return ApiResponse(data=json_objects.run_json(call.instance, _find_run(call)))


def _attempt(call: Call) -> ApiResponse:
    number, attempt = call.path_number("run"), call.path_number("attempt")
    for run in call.instance.runs:
        if (run.repository, run.id, run.attempt) == (call.repository, number, attempt):
            return ApiResponse(data=json_objects.run_json(call.instance, run))
    raise not_found()


def _workflow(call: Call) -> str:
    """Return the path of a workflow from its file name or id."""
    name_or_id = call.path_part("workflow")
    if not name_or_id.isdecimal():
        return f".github/workflows/{name_or_id}"
    for run in call.instance.runs:
        if run.workflow_id == int(name_or_id):
            return run.workflow_path
    raise not_found()


def _describe_workflow(call: Call) -> ApiResponse:
    path, repository = _workflow(call), call.repository
    if repository.git_dir and not read_workflow(repository, repository.default_branch, path):
        raise not_found()
    number = run_factory.workflow_id(path)
    web_url = f"{call.instance.origin}/{call.repository.full_name}"
    api_url = json_objects.api_url(call.instance, call.repository)
    return ApiResponse(
        data={
            "id": number,
            "node_id": f"W_{number}",
            "name": path.rpartition("/")[2].partition(".")[0],
            "path": path,
            "state": repository.workflow_states.get(path, "active"),
            "badge_url": f"{web_url}/workflows/x/badge.svg",
            "url": f"{api_url}/actions/workflows/{number}",
            "html_url": f"{web_url}/blob/main/{path}",
            "created_at": json_objects.format_time(call.repository.created_at),
            "updated_at": json_objects.format_time(call.repository.created_at),
        }
    )


def _dispatch(call: Call) -> ApiResponse:
    body = call.body()
    ref, inputs = body.get("ref"), body.get("inputs") or {}
    if not isinstance(ref, str) or not ref:
        raise GitHubError(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
    if len(inputs) > 25:
        raise GitHubError(
            422, "you may only define up to 25 `inputs` for a `workflow_dispatch` event"
        )
    branch = ref.removeprefix("refs/heads/")
    path = _workflow(call)
    payload = {"inputs": inputs, "ref": f"refs/heads/{branch}"}
    workflow = _dispatchable(call, path, branch)
    if workflow and (complaint := workflow.input_error(inputs)):
        raise GitHubError(422, complaint)
    run = run_factory.enqueue_run(
        call.instance,
        call.repository,
        title=workflow.title("workflow_dispatch", payload) if workflow else "",
        event="workflow_dispatch",
        branch=branch,
        workflow_path=path,
        payload=payload,
        actor=call.actor.login,
    )
    if not body.get("return_run_details"):
        return ApiResponse(status=204)
    url = f"{json_objects.api_url(call.instance, call.repository)}/actions/runs/{run.id}"
    page = f"{call.instance.origin}/{call.repository.full_name}/actions/runs/{run.id}"
    return ApiResponse(data={"workflow_run_id": run.id, "run_url": url, "html_url": page})


def _dispatchable(call: Call, path: str, ref: str) -> Workflow | None:
    """Read the workflow at the ref; None for a repository without git data."""
    repository = call.repository
    if repository.git_dir is None:
        return None
    if read_workflow(repository, repository.default_branch, path) is None:
        # GitHub knows a workflow once its file is on the default branch.
        raise not_found()
    if Git(repository.git_dir).resolve(ref) is None:
        raise GitHubError(422, f"No ref found for: {ref}")
    workflow = read_workflow(repository, ref, path)
    if workflow is None:
        raise not_found()
    return workflow


ENDPOINTS = (
    endpoint("GET ~/actions/artifacts", _artifacts, "actions=read"),
    endpoint("GET ~/actions/artifacts/{artifact}", _artifact, "actions=read"),
    endpoint("DELETE ~/actions/artifacts/{artifact}", _delete, "actions=write"),
    endpoint("GET ~/actions/artifacts/{artifact}/{format}", _download, "actions=read"),
    endpoint("GET ~/actions/runs", _runs, "actions=read"),
    endpoint("GET ~/actions/runs/{run}", _run, "actions=read"),
    endpoint("GET ~/actions/runs/{run}/attempts/{attempt}", _attempt, "actions=read"),
    endpoint("GET ~/actions/runs/{run}/artifacts", _run_artifacts, "actions=read"),
    endpoint("GET ~/actions/workflows/{workflow}", _describe_workflow, "actions=read"),
    endpoint("GET ~/actions/workflows/{workflow}/runs", _workflow_runs, "actions=read"),
    endpoint("POST ~/actions/workflows/{workflow}/dispatches", _dispatch, "actions=write"),
)
