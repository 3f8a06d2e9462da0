"""The artifact service (version 4): Twirp over JSON, for the steps of active runs."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.json_objects import format_time
from batch_action.sandbox.github.records import Artifact
from batch_action.sandbox.github.runs import Run

_SERVICE = "/twirp/github.actions.results.api.v1.ArtifactService"
_FORBIDDEN = re.compile(r'[":<>|*?\r\n\\/]')
_RETENTION = timedelta(days=90)
_LINK_LIFE = timedelta(minutes=60)
_TAKEN = "an artifact with this name already exists on the workflow run"
_VERSIONS = {4, 7}
_STATUS = {
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "already_exists": 409,
}
Message = dict[str, Any]


class _Error(Exception):
    """A Twirp error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def routes(instance: GitHubInstance) -> list[Route]:
    """Create the route of the five methods of the service."""
    methods: dict[str, Callable[[GitHubInstance, Run, Message], Message]] = {
        "CreateArtifact": _create,
        "FinalizeArtifact": _finalize,
        "ListArtifacts": _list,
        "GetSignedArtifactURL": _sign,
        "DeleteArtifact": _delete,
    }

    def answer(request: Request, raw: bytes) -> Response:
        with instance.lock:
            try:
                run = _caller(instance, request)
                message = _message(run, raw)
                method = methods.get(request.path_params["method"], _unknown)
                return JSONResponse(method(instance, run, message))
            except _Error as error:
                content = {"code": error.code, "msg": str(error)}
                return JSONResponse(content, status_code=_STATUS[error.code])

    async def serve(request: Request) -> Response:
        raw = await request.body()
        return await run_in_threadpool(answer, request, raw)

    return [Route(f"{_SERVICE}/{{method}}", serve, methods=["POST"])]


def _unknown(_instance: GitHubInstance, _run: Run, _message: Message) -> Message:
    raise _Error("not_found", "no such method")


def _caller(instance: GitHubInstance, request: Request) -> Run:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    for run in instance.runs:
        if run.active and run.runtime_token == token:
            return run
    raise _Error("unauthenticated", "authentication failed: the token is unknown or its job ended")


def _message(run: Run, raw: bytes) -> Message:
    """Return the request in snake_case; protobuf's JSON also allows camelCase."""
    try:
        sent = json.loads(raw)
    except ValueError:
        raise _Error("invalid_argument", "the json request could not be decoded") from None
    if not isinstance(sent, dict):
        raise _Error("invalid_argument", "the json request could not be decoded")
    message = {re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower(): sent[key] for key in sent}
    if message.get("workflow_run_backend_id") != run.run_backend:
        raise _Error("permission_denied", "the token is not valid for this workflow run")
    if not message.get("workflow_job_run_backend_id"):
        raise _Error("invalid_argument", "workflow_job_run_backend_id is required")
    return message


def _name(message: Message) -> str:
    name = message.get("name")
    if not isinstance(name, str) or not name or _FORBIDDEN.search(name):
        raise _Error("invalid_argument", f"the artifact name is not valid: {name!r}")
    return name


def _held(run: Run) -> list[Artifact]:
    """List the artifacts of all attempts of the run."""
    return [item for item in run.repository.artifacts if item.run_id == run.id]


def _create(instance: GitHubInstance, run: Run, message: Message) -> Message:
    name = _name(message)
    if any(item.name == name for item in _held(run)):
        raise _Error("already_exists", _TAKEN)
    if message.get("version") not in _VERSIONS:
        raise _Error("invalid_argument", "version is not supported")
    if message["workflow_job_run_backend_id"] != run.job_backend:
        raise _Error("permission_denied", "the token is not valid for this job")
    now = instance.clock.now()
    latest = now + _RETENTION
    expires_at = message.get("expires_at")
    number = instance.new_id()
    item = Artifact(
        id=number,
        name=name,
        run_id=run.id,
        run_backend=run.run_backend,
        job_backend=run.job_backend,
        blob=f"actions-results/{run.run_backend}/workflow-job-run-{run.job_backend}/{number}.zip",
        mime_type=message.get("mime_type") or "application/zip",
        created_at=instance.now(),
        expires_at=min(latest, datetime.fromisoformat(expires_at)) if expires_at else latest,
    )
    run.repository.artifacts.append(item)
    return {"ok": True, "signed_upload_url": instance.blobs.link(item.blob, "cw", _LINK_LIFE)}


def _finalize(instance: GitHubInstance, run: Run, message: Message) -> Message:
    item = _find(run, message, finalized=False)
    data = instance.blobs.get(item.blob)
    if data is None:
        raise _Error("invalid_argument", "the artifact has not been uploaded")
    if int(message.get("size", -1)) != len(data):
        raise _Error("invalid_argument", f"size does not match: the blob has {len(data)} bytes")
    item.size, item.digest, item.finalized = len(data), message.get("hash"), True
    return {"ok": True, "artifact_id": str(item.id)}


def _find(run: Run, message: Message, *, finalized: bool) -> Artifact:
    name = _name(message)
    job = message["workflow_job_run_backend_id"]
    for item in _held(run):
        if (item.name, item.job_backend, item.finalized) == (name, job, finalized):
            return item
    raise _Error("not_found", "artifact not found")


def _list(instance: GitHubInstance, run: Run, message: Message) -> Message:
    name, number = message.get("name_filter"), message.get("id_filter")
    artifacts = [
        item
        for item in _held(run)
        if item.finalized
        and instance.is_listed(item.created_at)
        and name in {None, item.name}
        and str(number or item.id) == str(item.id)
    ]
    return {"artifacts": [_described(item) for item in artifacts]}


def _described(item: Artifact) -> Message:
    return {
        "workflow_run_backend_id": item.run_backend,
        "workflow_job_run_backend_id": item.job_backend,
        "database_id": str(item.id),
        "name": item.name,
        "size": str(item.size),
        "created_at": format_time(item.created_at),
        "digest": item.digest,
    }


def _sign(instance: GitHubInstance, run: Run, message: Message) -> Message:
    item = _find(run, message, finalized=True)
    link = instance.blobs.link(item.blob, "r", _LINK_LIFE, name=f"{item.name}.zip")
    return {"name": item.name, "signed_url": link}


def _delete(instance: GitHubInstance, run: Run, message: Message) -> Message:
    name, job = _name(message), message["workflow_job_run_backend_id"]
    for item in _held(run):
        if (item.name, item.job_backend) == (name, job):
            run.repository.artifacts.remove(item)
            instance.blobs.drop(item.blob)
            return {"ok": True, "artifact_id": str(item.id)}
    raise _Error("not_found", "artifact not found")
