"""Control of the emulated GitHub over HTTP, for other processes: runs, state and delays."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batch_action.sandbox.github import issue_objects, json_objects, run_factory, runner_environment
from batch_action.sandbox.github.instance import GitHubInstance

_PREFIX = "/_sandbox"


def routes(instance: GitHubInstance) -> list[Route]:
    """List the control endpoints."""
    return [
        _route(instance, "POST", "/runs", _start),
        _route(instance, "POST", "/runs/{run}/finish", _finish),
        _route(instance, "GET", "/state", _state),
        _route(instance, "POST", "/list-lag", _lag),
    ]


def _route(
    instance: GitHubInstance,
    method: str,
    path: str,
    handler: Callable[[GitHubInstance, Request, dict[str, Any]], dict[str, Any]],
) -> Route:
    def locked(request: Request, body: dict[str, Any]) -> Response:
        with instance.lock:
            try:
                return JSONResponse(handler(instance, request, body))
            except (LookupError, TypeError, ValueError) as error:
                return JSONResponse({"message": str(error)}, status_code=400)

    async def serve(request: Request) -> Response:
        body = await request.json() if await request.body() else {}
        return await run_in_threadpool(locked, request, body)

    return Route(_PREFIX + path, serve, methods=[method])


def _start(instance: GitHubInstance, _request: Request, body: dict[str, Any]) -> dict[str, Any]:
    run = run_factory.start_run(instance, body.pop("repository"), **body)
    return {
        "id": run.id,
        "attempt": run.attempt,
        "token": run.token,
        "runtime_token": run.runtime_token,
        "environment": runner_environment.container_environment(instance, run),
        "event": dict(run.payload),
    }


def _finish(instance: GitHubInstance, request: Request, body: dict[str, Any]) -> dict[str, Any]:
    number = int(request.path_params["run"])
    attempts = [run for run in instance.runs if run.id == number]
    if not attempts:
        raise LookupError(f"No run {number}.")
    instance.finish_run(attempts[-1], body.get("conclusion", "success"))
    return {"id": number, "conclusion": attempts[-1].conclusion}


def _lag(instance: GitHubInstance, _request: Request, body: dict[str, Any]) -> dict[str, Any]:
    instance.list_lag = float(body["seconds"])
    return {"seconds": instance.list_lag}


def _state(instance: GitHubInstance, _request: Request, _body: dict[str, Any]) -> dict[str, Any]:
    repositories: dict[str, Any] = {}
    for repository in instance.repositories.values():
        issues = repository.issues.values()
        repositories[repository.full_name] = {
            "issues": [issue_objects.issue_json(instance, repository, issue) for issue in issues],
            "comments": [
                issue_objects.comment_json(instance, repository, comment)
                for issue in issues
                for comment in issue.comments
            ],
            "labels": [
                issue_objects.label_json(instance, repository, label)
                for label in repository.labels.values()
            ],
            "artifacts": [
                json_objects.artifact_json(instance, repository, item)
                for item in repository.artifacts
                if item.finalized
            ],
            "runs": [json_objects.run_json(instance, run) for run in instance.runs_of(repository)],
        }
    return {"repositories": repositories, "writes": [list(write) for write in instance.writes]}
