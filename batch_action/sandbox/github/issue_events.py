"""What happened to an issue, and by whom: its events and its timeline."""

from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.github import issue_objects
from batch_action.sandbox.github.json_objects import Json, api_url
from batch_action.sandbox.github.records import Event, Issue
from batch_action.sandbox.github.rest import ApiResponse, Call, endpoint


def add_event(call: Call, issue: Issue, name: str, detail: Mapping[str, Any] | None = None) -> None:
    """Write a line into an issue's history."""
    event = Event(
        id=call.instance.new_id(),
        name=name,
        actor=call.instance.author(call.actor),
        created_at=call.instance.now(),
        detail=detail or {},
    )
    issue.events.append(event)


def _events(call: Call) -> ApiResponse:
    shown = [
        issue_objects.event_json(call.instance, call.repository, event)
        for event in call.issue().events
    ]
    return call.page(shown, dict)


def _timeline(call: Call) -> ApiResponse:
    issue = call.issue()
    lines: list[Json] = [
        issue_objects.event_json(call.instance, call.repository, event) for event in issue.events
    ]
    for comment in issue.comments:
        shown = issue_objects.comment_json(call.instance, call.repository, comment)
        lines.append(shown | {"event": "commented", "actor": shown["user"]})
    lines.sort(key=lambda line: (line["created_at"], line["id"]))
    return call.page(lines, dict)


def _repository_events(call: Call) -> ApiResponse:
    lines: list[Json] = []
    for issue in call.repository.issues.values():
        shown = {"issue": issue_objects.issue_json(call.instance, call.repository, issue)}
        shown["issue"]["url"] = f"{api_url(call.instance, call.repository)}/issues/{issue.number}"
        lines += [
            issue_objects.event_json(call.instance, call.repository, event) | shown
            for event in issue.events
        ]
    lines.sort(key=lambda line: int(line["id"]), reverse=True)
    return call.page(lines, dict)


_READ = ("issues=read", "pull_requests=read")
ENDPOINTS = (
    endpoint("GET ~/issues/events", _repository_events, "issues=read"),
    endpoint("GET ~/issues/{number}/events", _events, *_READ),
    endpoint("GET ~/issues/{number}/timeline", _timeline, *_READ),
)
