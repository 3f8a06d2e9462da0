"""OIDC identity tokens for runs with `id-token: write`; every request returns a new one."""

import uuid
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.github.tokens import unsigned_jwt

_LIFE = timedelta(minutes=5)


def routes(instance: GitHubInstance) -> list[Route]:
    """Create the route of `ACTIONS_ID_TOKEN_REQUEST_URL`."""

    def answer(request: Request) -> Response:
        with instance.lock:
            token = request.headers.get("authorization", "").partition(" ")[2]
            for run in instance.runs:
                is_caller = run.run_backend == request.path_params["run"] and run.active
                if is_caller and token and token == run.id_token_request_token:
                    value = _identity(instance, run, request.query_params.get("audience"))
                    return JSONResponse({"count": len(value), "value": value})
        return JSONResponse({"message": "Not authorized for this resource."}, status_code=401)

    return [Route("/_apis/oidc/{run}", answer, methods=["GET"])]


def _identity(instance: GitHubInstance, run: Run, audience: str | None) -> str:
    now = instance.now()
    ref = f"refs/heads/{run.head_branch}"
    name = run.repository.full_name
    return unsigned_jwt(
        {
            "jti": str(uuid.uuid4()),
            "sub": f"repo:{name}:ref:{ref}",
            "aud": audience or f"{instance.origin}/{run.repository.owner}",
            "iss": "https://token.actions.githubusercontent.com",
            "ref": ref,
            "sha": run.head_sha,
            "repository": name,
            "repository_id": str(run.repository.id),
            "repository_owner": run.repository.owner,
            "repository_visibility": "private" if run.repository.private else "public",
            "run_id": str(run.id),
            "run_attempt": str(run.attempt),
            "event_name": run.event,
            "actor": run.actor.login,
            "job_workflow_ref": f"{name}/{run.workflow_path}@{ref}",
            "runner_environment": "github-hosted",
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + _LIFE).timestamp()),
        }
    )
