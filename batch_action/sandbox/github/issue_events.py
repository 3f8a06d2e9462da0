"""The events and the timeline of issues."""

from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.github import issue_objects
from batch_action.sandbox.github.json_objects import Json, api_url
from batch_action.sandbox.github.records import Event, Issue
from batch_action.sandbox.github.rest import ApiResponse, Call, endpoint


def add_event(call: Call, issue: Issue, name: str, detail: Mapping[str, Any] | None = None) -> None:
    """Add an event to an issue."""
    event = Event(
        id=call.instance.new_id(),
        name=name,
        actor=call.instance.author(call.actor),
        created_at=call.instance.now(),
        detail=detail or {},
    )
    issue.events.append(event)


def _events(call: Call) -> ApiResponse:
    events = [
        issue_objects.event_json(call.instance, call.repository, event)
        for event in call.issue().events
    ]
    return call.page(events, dict)


def _timeline(call: Call) -> ApiResponse:
    issue = call.issue()
    items: list[Json] = [
        issue_objects.event_json(call.instance, call.repository, event) for event in issue.events
    ]
    for comment in issue.comments:
        item = issue_objects.comment_json(call.instance, call.repository, comment)
        items.append(item | {"event": "commented", "actor": item["user"]})
    items.sort(key=lambda item: (item["created_at"], item["id"]))
    return call.page(items, dict)


def _repository_events(call: Call) -> ApiResponse:
    events: list[Json] = []
    for issue in call.repository.issues.values():
        parent = {"issue": issue_objects.issue_json(call.instance, call.repository, issue)}
        parent["issue"]["url"] = f"{api_url(call.instance, call.repository)}/issues/{issue.number}"
        events += [
            issue_objects.event_json(call.instance, call.repository, event) | parent
            for event in issue.events
        ]
    events.sort(key=lambda event: int(event["id"]), reverse=True)
    return call.page(events, dict)


_READ = ("issues=read", "pull_requests=read")
ENDPOINTS = (
    endpoint("GET ~/issues/events", _repository_events, "issues=read"),
    endpoint("GET ~/issues/{number}/events", _events, *_READ),
    endpoint("GET ~/issues/{number}/timeline", _timeline, *_READ),
)
