"""The side door for processes that hold no Python object: runs, state and lag over HTTP."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batch_action.sandbox.github import environment, issue_shapes, launch, shapes
from batch_action.sandbox.github.instance import GitHubInstance

_DOOR = "/_sandbox"


def routes(instance: GitHubInstance) -> list[Route]:
    """All control endpoints."""
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
    answer: Callable[[GitHubInstance, Request, dict[str, Any]], dict[str, Any]],
) -> Route:
    def locked(request: Request, body: dict[str, Any]) -> Response:
        with instance.lock:
            try:
                return JSONResponse(answer(instance, request, body))
            except (LookupError, TypeError, ValueError) as error:
                return JSONResponse({"message": str(error)}, status_code=400)

    async def serve(request: Request) -> Response:
        body = await request.json() if await request.body() else {}
        return await run_in_threadpool(locked, request, body)

    return Route(_DOOR + path, serve, methods=[method])


def _start(instance: GitHubInstance, _request: Request, body: dict[str, Any]) -> dict[str, Any]:
    run = launch.start(instance, body.pop("repository"), **body)
    return {
        "id": run.id,
        "attempt": run.attempt,
        "token": run.token,
        "runtime_token": run.runtime_token,
        "environment": environment.without_files(run),
        "event": dict(run.payload),
    }


def _finish(instance: GitHubInstance, request: Request, body: dict[str, Any]) -> dict[str, Any]:
    number = int(request.path_params["run"])
    attempts = [run for run in instance.runs if run.id == number]
    if not attempts:
        raise LookupError(f"No run {number}.")
    attempts[-1].finish(body.get("conclusion", "success"))
    return {"id": number, "conclusion": attempts[-1].conclusion}


def _lag(instance: GitHubInstance, _request: Request, body: dict[str, Any]) -> dict[str, Any]:
    instance.list_lag = float(body["seconds"])
    return {"seconds": instance.list_lag}


def _state(instance: GitHubInstance, _request: Request, _body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for repository in instance.repositories.values():
        issues = repository.issues.values()
        found[repository.full_name] = {
            "issues": [issue_shapes.issue(instance, repository, issue) for issue in issues],
            "comments": [
                issue_shapes.comment(instance, repository, comment)
                for issue in issues
                for comment in issue.comments
            ],
            "labels": [
                issue_shapes.label(instance, repository, label)
                for label in repository.labels.values()
            ],
            "artifacts": [
                shapes.artifact(instance, repository, item)
                for item in repository.artifacts
                if item.finalized
            ],
            "runs": [shapes.run(instance, run) for run in instance.runs_of(repository)],
        }
    return {"repositories": found, "writes": [list(write) for write in instance.writes]}
