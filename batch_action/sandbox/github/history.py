"""What happened to an issue, and by whom: its events and its timeline."""

from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.github import issue_shapes
from batch_action.sandbox.github.shapes import Json, base
from batch_action.sandbox.github.state import Event, Issue
from batch_action.sandbox.github.wire import Answer, Call, on


def note(call: Call, issue: Issue, name: str, detail: Mapping[str, Any] | None = None) -> None:
    """Write a line into an issue's history."""
    event = Event(
        id=call.instance.new_id(),
        name=name,
        actor=call.instance.author(call.actor),
        created_at=call.instance.now(),
        detail=detail or {},
    )
    issue.events.append(event)


def _events(call: Call) -> Answer:
    shown = [
        issue_shapes.event(call.instance, call.repository, event) for event in call.issue().events
    ]
    return call.page(shown, dict)


def _timeline(call: Call) -> Answer:
    issue = call.issue()
    lines: list[Json] = [
        issue_shapes.event(call.instance, call.repository, event) for event in issue.events
    ]
    for comment in issue.comments:
        shown = issue_shapes.comment(call.instance, call.repository, comment)
        lines.append(shown | {"event": "commented", "actor": shown["user"]})
    lines.sort(key=lambda line: (line["created_at"], line["id"]))
    return call.page(lines, dict)


def _repository_events(call: Call) -> Answer:
    lines: list[Json] = []
    for issue in call.repository.issues.values():
        shown = {"issue": issue_shapes.issue(call.instance, call.repository, issue)}
        shown["issue"]["url"] = f"{base(call.instance, call.repository)}/issues/{issue.number}"
        lines += [
            issue_shapes.event(call.instance, call.repository, event) | shown
            for event in issue.events
        ]
    lines.sort(key=lambda line: int(line["id"]), reverse=True)
    return call.page(lines, dict)


_READ = ("issues=read", "pull_requests=read")
ENDPOINTS = (
    on("GET ~/issues/events", _repository_events, "issues=read"),
    on("GET ~/issues/{number}/events", _events, *_READ),
    on("GET ~/issues/{number}/timeline", _timeline, *_READ),
)
