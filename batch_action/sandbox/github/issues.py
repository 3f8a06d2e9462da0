"""The issue endpoints."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from batch_action.sandbox.github import content_edits, issue_events, issue_objects, labels
from batch_action.sandbox.github.json_objects import Json
from batch_action.sandbox.github.records import Issue, User
from batch_action.sandbox.github.rest import (
    MAX_BODY_CHARS,
    ApiResponse,
    Call,
    GitHubError,
    endpoint,
    invalid,
)

_TITLE_LIMIT = 256
_REASONS = {"completed", "not_planned", "duplicate", "reopened"}


def validate_body(resource: str, text: object) -> str:
    """Return the body.

    Raises GitHubError: when it is missing or too long.
    """
    if not isinstance(text, str):
        raise invalid(resource, "body", "missing_field")
    if len(text) > MAX_BODY_CHARS:
        message = f"Body is too long (maximum is {MAX_BODY_CHARS} characters)"
        raise invalid(resource, "body", "custom", message)
    return text


def validate_title(resource: str, text: object) -> str:
    """Return the title.

    Raises GitHubError: when it is missing or too long.
    """
    if not isinstance(text, str) or not text.strip():
        raise invalid(resource, "title", "missing_field")
    if len(text) > _TITLE_LIMIT:
        message = f"title is too long (maximum is {_TITLE_LIMIT} characters)"
        raise invalid(resource, "title", "custom", message)
    return text


def new_issue(call: Call, title: str, body: str | None) -> Issue:
    """Create an issue with the next number."""
    repository, now = call.repository, call.instance.now()
    issue = Issue(
        id=call.instance.new_id(),
        number=max(repository.issues, default=0) + 1,
        title=title,
        body=body,
        user=call.instance.author(call.actor),
        created_at=now,
        updated_at=now,
        by_app=call.actor.is_workflow,
    )
    repository.issues[issue.number] = issue
    return issue


def _to_json(call: Call, issue: Issue) -> Json:
    return issue_objects.issue_json(call.instance, call.repository, issue)


def _list(call: Call) -> ApiResponse:
    _must_have_issues(call, pulls_too=True)
    issues = list(_matching(call))
    key = call.query("sort", "created")
    if key not in {"created", "updated", "comments"}:
        raise invalid("Issue", "sort", "invalid")
    issues.sort(key=lambda issue: issue.number)
    if key == "updated":
        issues.sort(key=lambda issue: issue.updated_at)
    if key == "comments":
        issues.sort(key=lambda issue: len(issue.comments))
    if call.query("direction", "desc") == "desc":
        issues.reverse()
    return call.page(issues, lambda issue: _to_json(call, issue))


def _matching(call: Call) -> Iterator[Issue]:
    state, creator = call.query("state", "open"), call.query("creator")
    assignee, since = call.query("assignee"), call.query("since")
    labels = {name.strip().lower() for name in call.query("labels").split(",") if name.strip()}
    after = datetime.fromisoformat(since) if since else None
    for issue in call.repository.issues.values():
        names = {name.lower() for name in issue.labels}
        if (
            call.instance.is_listed(issue.created_at)
            and state in {"all", issue.state}
            and creator in {"", issue.user.login}
            and (not assignee or assignee in {person.login for person in issue.assignees})
            and labels <= names
            and (after is None or issue.updated_at >= after)
        ):
            yield issue


def _must_have_issues(call: Call, *, pulls_too: bool = False) -> None:
    if not call.repository.has_issues and not pulls_too:
        raise GitHubError(410, "Issues has been disabled in this repository.")


def _get(call: Call) -> ApiResponse:
    issue = call.issue()
    if issue.pull is None:
        _must_have_issues(call)
    return ApiResponse(data=_to_json(call, issue))


def _create(call: Call) -> ApiResponse:
    _must_have_issues(call)
    body = call.body()
    title = validate_title("Issue", body.get("title"))
    text = None if body.get("body") is None else validate_body("Issue", body["body"])
    names = labels.validate_names(body.get("labels") or [])
    issue = new_issue(call, title, text)
    if call.actor.can_push(call.repository):
        labels.add_labels(call, issue, names)
        issue.assignees = _people(call, body)
    return ApiResponse(status=201, data=_to_json(call, issue))


def _edit(call: Call) -> ApiResponse:
    issue, body = call.issue(), call.body()
    _may_edit(call, issue)
    if body.get("title") is not None:
        title = validate_title("Issue", body["title"])
        if title != issue.title:
            renamed = {"rename": {"from": issue.title, "to": title}}
            issue_events.add_event(call, issue, "renamed", renamed)
        issue.title = title
    if "body" in body:
        text = None if body["body"] is None else validate_body("Issue", body["body"])
        content_edits.edit_body(call, issue, text)
    if body.get("labels") is not None:
        labels.replace_labels(call, issue, labels.validate_names(body["labels"]))
    if body.get("assignees") is not None:
        issue.assignees = _people(call, body)
    set_state(call, issue, body)
    issue.updated_at = call.instance.now()
    return ApiResponse(data=_to_json(call, issue))


def _may_edit(call: Call, issue: Issue) -> None:
    """Require the author, the triage role, or the scope of a workflow token."""
    if not call.actor.is_workflow and issue.user.login == call.actor.login:
        return
    needs = ("issues=write", "pull_requests=write") if issue.pull else ("issues=write",)
    call.require_permission(*needs, person_role="triage")


def set_state(call: Call, issue: Issue, body: dict[str, Any]) -> None:
    """Close or reopen an issue as a PATCH requests, and add the event."""
    state, reason = body.get("state"), body.get("state_reason")
    if reason is not None and reason not in _REASONS:
        raise invalid("Issue", "state_reason", "invalid")
    if state not in {None, "open", "closed"}:
        raise invalid("Issue", "state", "invalid")
    if state == "closed":
        if issue.state == "open":
            issue.closed_at, issue.closed_by = call.instance.now(), call.instance.author(call.actor)
            recorded_reason = None if issue.pull else reason or "completed"
            issue_events.add_event(call, issue, "closed", {"state_reason": recorded_reason})
        issue.state_reason = None if issue.pull else reason or issue.state_reason or "completed"
        issue.state = "closed"
    elif state == "open" and issue.state == "closed":
        issue.state, issue.state_reason = "open", None if issue.pull else "reopened"
        issue.closed_at = issue.closed_by = None
        issue_events.add_event(call, issue, "reopened", {"state_reason": None})


def _people(call: Call, body: dict[str, Any]) -> list[User]:
    """Return the requested assignees; accounts without a role are ignored, as on GitHub."""
    names = body.get("assignees") or ([body["assignee"]] if body.get("assignee") else [])
    allowed, users = call.repository.permissions, call.instance.users
    return [users[name] for name in names if name in users and name in allowed]


def _search(_call: Call) -> ApiResponse:
    """Return no result: the search index lags on GitHub, so clients must not rely on it."""
    return ApiResponse(data={"total_count": 0, "incomplete_results": True, "items": []})


def _lock(call: Call) -> ApiResponse:
    call.issue().locked = call.request.method == "PUT"
    return ApiResponse(status=204)


_READ = ("issues=read", "pull_requests=read")
ENDPOINTS = (
    endpoint("GET ~/issues", _list, "issues=read"),
    endpoint("POST ~/issues", _create, "issues=write", person_role="read"),
    endpoint("GET ~/issues/{number}", _get, *_READ),
    endpoint("PATCH ~/issues/{number}", _edit),
    endpoint("PUT ~/issues/{number}/lock", _lock, "issues=write"),
    endpoint("DELETE ~/issues/{number}/lock", _lock, "issues=write"),
    endpoint("GET /search/issues", _search),
)
