"""The endpoints of repositories, users, collaborators and dispatches."""

from batch_action.sandbox.github import json_objects, run_factory
from batch_action.sandbox.github.rest import (
    ApiResponse,
    Call,
    GitHubError,
    endpoint,
    invalid,
    not_found,
)
from batch_action.sandbox.github.workflows import workflows_of

_ROLES = {"maintain": "write", "triage": "read"}


def _repository(call: Call) -> ApiResponse:
    result = json_objects.repository_json(call.instance, call.repository)
    pushes = call.actor.has_permission(call.repository, "contents=write")
    level = call.repository.permissions.get(call.actor.login, "read")
    result["permissions"] = {
        "admin": level == "admin",
        "maintain": level in {"admin", "maintain"},
        "push": pushes,
        "triage": pushes or level == "triage",
        "pull": True,
    }
    return ApiResponse(data=result)


def _me(call: Call) -> ApiResponse:
    if call.actor.is_workflow:
        raise GitHubError(403, "Resource not accessible by integration")
    return ApiResponse(data=json_objects.user_json(call.instance, call.instance.author(call.actor)))


def _user(call: Call) -> ApiResponse:
    person = call.instance.users.get(call.path_part("login"))
    if person is None:
        raise not_found()
    return ApiResponse(data=json_objects.user_json(call.instance, person))


def _permission(call: Call) -> ApiResponse:
    person = call.instance.users.get(call.path_part("login"))
    if person is None:
        raise not_found()
    repository = call.repository
    fallback = "none" if repository.private else "read"
    role = repository.permissions.get(person.login, fallback)
    account = json_objects.user_json(call.instance, person) | {"role_name": role}
    permission = _ROLES.get(role, role)
    return ApiResponse(data={"permission": permission, "role_name": role, "user": account})


def _collaborators(call: Call) -> ApiResponse:
    accounts = [
        call.instance.users[login]
        for login in call.repository.permissions
        if login in call.instance.users
    ]
    return call.page(accounts, lambda person: json_objects.user_json(call.instance, person))


def _dispatch(call: Call) -> ApiResponse:
    body = call.body()
    kind = body.get("event_type")
    if not isinstance(kind, str) or not 1 <= len(kind) <= 100:
        raise invalid("RepositoryDispatch", "event_type", "invalid")
    payload = body.get("client_payload") or {}
    if not isinstance(payload, dict) or len(payload) > 10:
        raise GitHubError(422, "No more than 10 properties are allowed in client_payload.")
    call.repository.dispatches.append({"event_type": kind, "client_payload": payload})
    event = {"action": kind, "client_payload": payload}
    for workflow in workflows_of(call.repository):
        if workflow.accepts_dispatch(kind):
            run_factory.enqueue_run(
                call.instance,
                call.repository,
                title=workflow.title("repository_dispatch", event),
                event="repository_dispatch",
                workflow_path=workflow.path,
                payload=event,
                actor=call.actor.login,
            )
    return ApiResponse(status=204)


def _rate_limit(call: Call) -> ApiResponse:
    limit = 1000 if call.actor.is_workflow else 5000
    left = max(1, limit - call.actor.requests)
    core = {"limit": limit, "used": limit - left, "remaining": left, "reset": 4102444800}
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": 4102444800}
    resources = {"core": core, "search": search, "graphql": core}
    return ApiResponse(data={"resources": resources, "rate": core})


ENDPOINTS = (
    endpoint("GET ~", _repository),
    endpoint("GET /user", _me),
    endpoint("GET /users/{login}", _user),
    endpoint("GET ~/collaborators", _collaborators),
    endpoint("GET ~/collaborators/{login}/permission", _permission, "metadata=read"),
    endpoint("POST ~/dispatches", _dispatch, "contents=write"),
    endpoint("GET /rate_limit", _rate_limit),
)
