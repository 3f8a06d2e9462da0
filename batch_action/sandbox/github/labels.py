"""The endpoints of labels of a repository and of its issues."""

from typing import Any

from batch_action.sandbox.github import issue_events, issue_objects
from batch_action.sandbox.github.records import Issue, Label
from batch_action.sandbox.github.rest import (
    ApiResponse,
    Call,
    GitHubError,
    endpoint,
    invalid,
    not_found,
)

_NAME_LIMIT, _DESCRIPTION_LIMIT = 50, 100
_HEX = set("0123456789abcdefABCDEF")


def validate_names(names: object) -> list[str]:
    """Return label names, given as strings or as objects with a name.

    Raises GitHubError: when a name is missing or too long.
    """
    if not isinstance(names, list):
        raise GitHubError(422, "Invalid request.\n\nLabels is not an array.")
    plain = [name.get("name") if isinstance(name, dict) else name for name in names]
    for name in plain:
        if not isinstance(name, str) or not name.strip():
            raise invalid("Label", "name", "missing_field")
        if len(name) > _NAME_LIMIT:
            message = f"name is too long (maximum is {_NAME_LIMIT} characters)"
            raise invalid("Label", "name", "custom", message)
    return [str(name) for name in plain]


def add_labels(call: Call, issue: Issue, names: list[str]) -> None:
    """Add labels to an issue; create those that the repository does not have."""
    for name in names:
        label = call.repository.labels.setdefault(
            name.lower(), Label(id=call.instance.new_id(), name=name)
        )
        if label.name not in issue.labels:
            issue.labels.append(label.name)
            detail = {"label": {"name": label.name, "color": label.color}}
            issue_events.add_event(call, issue, "labeled", detail)


def remove_label(call: Call, issue: Issue, name: str) -> None:
    """Remove one label from an issue."""
    issue.labels.remove(name)
    label = call.repository.labels[name.lower()]
    detail = {"label": {"name": name, "color": label.color}}
    issue_events.add_event(call, issue, "unlabeled", detail)


def replace_labels(call: Call, issue: Issue, names: list[str]) -> None:
    """Set the labels of an issue."""
    kept_names = {name.lower() for name in names}
    for name in [name for name in issue.labels if name.lower() not in kept_names]:
        remove_label(call, issue, name)
    add_labels(call, issue, names)


def _shape(call: Call, label: Label) -> dict[str, Any]:
    return issue_objects.label_json(call.instance, call.repository, label)


def _find(call: Call) -> Label:
    label = call.repository.labels.get(call.path_part("label").lower())
    if label is None:
        raise not_found()
    return label


def _list(call: Call) -> ApiResponse:
    labels = sorted(call.repository.labels.values(), key=lambda label: label.name.lower())
    return call.page(labels, lambda label: _shape(call, label))


def _get(call: Call) -> ApiResponse:
    return ApiResponse(data=_shape(call, _find(call)))


def _create(call: Call) -> ApiResponse:
    body = call.body()
    (name,) = validate_names([body.get("name")])
    if name.lower() in call.repository.labels:
        raise invalid("Label", "name", "already_exists")
    label = Label(id=call.instance.new_id(), name=name)
    _describe(label, body)
    call.repository.labels[name.lower()] = label
    return ApiResponse(status=201, data=_shape(call, label))


def _edit(call: Call) -> ApiResponse:
    label, body = _find(call), call.body()
    _describe(label, body)
    if body.get("new_name"):
        (name,) = validate_names([body["new_name"]])
        if name.lower() != label.name.lower() and name.lower() in call.repository.labels:
            raise invalid("Label", "name", "already_exists")
        for issue in call.repository.issues.values():
            issue.labels = [name if old == label.name else old for old in issue.labels]
        del call.repository.labels[label.name.lower()]
        label.name = name
        call.repository.labels[name.lower()] = label
    return ApiResponse(data=_shape(call, label))


def _describe(label: Label, body: dict[str, Any]) -> None:
    color, description = body.get("color"), body.get("description")
    if color is not None:
        if len(color) != 6 or not set(color) <= _HEX:
            raise invalid("Label", "color", "invalid")
        label.color = color
    if description is not None:
        if len(description) > _DESCRIPTION_LIMIT:
            message = f"description is too long (maximum is {_DESCRIPTION_LIMIT} characters)"
            raise invalid("Label", "description", "custom", message)
        label.description = description


def _delete(call: Call) -> ApiResponse:
    label = _find(call)
    for issue in call.repository.issues.values():
        issue.labels = [name for name in issue.labels if name != label.name]
    del call.repository.labels[label.name.lower()]
    return ApiResponse(status=204)


def _of_issue(call: Call) -> ApiResponse:
    labels = [call.repository.labels[name.lower()] for name in call.issue().labels]
    return call.page(labels, lambda label: _shape(call, label))


def _add(call: Call) -> ApiResponse:
    add_labels(call, call.issue(), _names(call))
    return _of_issue(call)


def _set(call: Call) -> ApiResponse:
    replace_labels(call, call.issue(), _names(call))
    return _of_issue(call)


def _names(call: Call) -> list[str]:
    """Return the names in the body, which may be a bare array."""
    if call.raw.lstrip().startswith(b"["):
        wrapped = Call(
            instance=call.instance, actor=call.actor, request=call.request, target=call.target,
            raw=b'{"labels":' + call.raw + b"}",
        )  # fmt: skip
        return validate_names(wrapped.body()["labels"])
    return validate_names(call.body().get("labels") or [])


def _remove(call: Call) -> ApiResponse:
    issue, name = call.issue(), call.path_part("label").lower()
    matching = [label for label in issue.labels if label.lower() == name]
    if not matching:
        raise GitHubError(404, "Label does not exist")
    remove_label(call, issue, matching[0])
    return _of_issue(call)


_WRITE = ("issues=write", "pull_requests=write")
ENDPOINTS = (
    endpoint("GET ~/labels", _list, "issues=read", "pull_requests=read"),
    endpoint("POST ~/labels", _create, *_WRITE),
    endpoint("GET ~/labels/{label:path}", _get, "issues=read", "pull_requests=read"),
    endpoint("PATCH ~/labels/{label:path}", _edit, *_WRITE),
    endpoint("DELETE ~/labels/{label:path}", _delete, *_WRITE),
    endpoint("GET ~/issues/{number}/labels", _of_issue, "issues=read", "pull_requests=read"),
    endpoint("POST ~/issues/{number}/labels", _add, *_WRITE, person_role="triage"),
    endpoint("PUT ~/issues/{number}/labels", _set, *_WRITE, person_role="triage"),
    endpoint(
        "DELETE ~/issues/{number}/labels/{label:path}", _remove, *_WRITE, person_role="triage"
    ),
)
