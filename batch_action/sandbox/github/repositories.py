"""Repositories, people and what they may do."""

from batch_action.sandbox.github import launch, shapes
from batch_action.sandbox.github.wire import Answer, Call, Refusal, invalid, not_found, on
from batch_action.sandbox.github.workflows import workflows_of

_ROLES = {"maintain": "write", "triage": "read"}


def _repository(call: Call) -> Answer:
    shown = shapes.repository(call.instance, call.repository)
    pushes = call.actor.may(call.repository, "contents=write")
    level = call.repository.permissions.get(call.actor.login, "read")
    shown["permissions"] = {
        "admin": level == "admin",
        "maintain": level in {"admin", "maintain"},
        "push": pushes,
        "triage": pushes or level == "triage",
        "pull": True,
    }
    return Answer(data=shown)


def _me(call: Call) -> Answer:
    if call.actor.is_workflow:
        raise Refusal(403, "Resource not accessible by integration")
    return Answer(data=shapes.user(call.instance, call.instance.author(call.actor)))


def _user(call: Call) -> Answer:
    person = call.instance.users.get(call.part("login"))
    if person is None:
        raise not_found()
    return Answer(data=shapes.user(call.instance, person))


def _permission(call: Call) -> Answer:
    person = call.instance.users.get(call.part("login"))
    if person is None:
        raise not_found()
    repository = call.repository
    fallback = "none" if repository.private else "read"
    role = repository.permissions.get(person.login, fallback)
    shown = shapes.user(call.instance, person) | {"role_name": role}
    permission = _ROLES.get(role, role)
    return Answer(data={"permission": permission, "role_name": role, "user": shown})


def _collaborators(call: Call) -> Answer:
    people = [
        call.instance.users[login]
        for login in call.repository.permissions
        if login in call.instance.users
    ]
    return call.page(people, lambda person: shapes.user(call.instance, person))


def _dispatch(call: Call) -> Answer:
    body = call.body()
    kind = body.get("event_type")
    if not isinstance(kind, str) or not 1 <= len(kind) <= 100:
        raise invalid("RepositoryDispatch", "event_type", "invalid")
    payload = body.get("client_payload") or {}
    if not isinstance(payload, dict) or len(payload) > 10:
        raise Refusal(422, "No more than 10 properties are allowed in client_payload.")
    call.repository.dispatches.append({"event_type": kind, "client_payload": payload})
    event = {"action": kind, "client_payload": payload}
    for workflow in workflows_of(call.repository):
        if workflow.listens_to(kind):
            launch.enqueue(
                call.instance,
                call.repository,
                title=workflow.title("repository_dispatch", event),
                event="repository_dispatch",
                workflow_path=workflow.path,
                payload=event,
                actor=call.actor.login,
            )
    return Answer(status=204)


def _rate_limit(call: Call) -> Answer:
    limit = 1000 if call.actor.is_workflow else 5000
    left = max(1, limit - call.actor.requests)
    core = {"limit": limit, "used": limit - left, "remaining": left, "reset": 4102444800}
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": 4102444800}
    resources = {"core": core, "search": search, "graphql": core}
    return Answer(data={"resources": resources, "rate": core})


ENDPOINTS = (
    on("GET ~", _repository),
    on("GET /user", _me),
    on("GET /users/{login}", _user),
    on("GET ~/collaborators", _collaborators),
    on("GET ~/collaborators/{login}/permission", _permission, "metadata=read"),
    on("POST ~/dispatches", _dispatch, "contents=write"),
    on("GET /rate_limit", _rate_limit),
)
