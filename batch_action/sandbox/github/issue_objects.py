"""The JSON objects of issues, comments, labels and events."""

from collections.abc import Sequence

from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.json_objects import Json, api_url, app_json, format_time, user_json
from batch_action.sandbox.github.records import (
    Comment,
    Event,
    Issue,
    Label,
    Reaction,
    Repository,
    User,
)

_REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def author_association(repository: Repository, author: User) -> str:
    """Return the `author_association` of an account."""
    if author.login == repository.owner:
        return "OWNER"
    if repository.permissions.get(author.login) in {"admin", "maintain", "write", "triage"}:
        return "COLLABORATOR"
    return "NONE"


def label_json(instance: GitHubInstance, repository: Repository, record: Label) -> Json:
    """Return a label object."""
    return {
        "id": record.id,
        "node_id": f"LA_{record.id}",
        "url": f"{api_url(instance, repository)}/labels/{record.name}",
        "name": record.name,
        "color": record.color,
        "default": False,
        "description": record.description,
    }


def reactions_json(url: str, reactions: Sequence[Reaction] = ()) -> Json:
    """Return the summary of reactions by content."""
    contents = [reaction.content for reaction in reactions]
    counts = {content: contents.count(content) for content in _REACTIONS}
    return {"url": f"{url}/reactions", "total_count": len(reactions)} | counts


def issue_json(instance: GitHubInstance, repository: Repository, record: Issue) -> Json:
    """Return an issue object, also of a pull request."""
    url = f"{api_url(instance, repository)}/issues/{record.number}"
    kind = "pull" if record.pull else "issues"
    page = f"{instance.origin}/{repository.full_name}/{kind}/{record.number}"
    assignees = [user_json(instance, person) for person in record.assignees]
    result: Json = {
        "id": record.id,
        "node_id": f"{'PR' if record.pull else 'I'}_{record.id}",
        "number": record.number,
        "title": record.title,
        "body": record.body,
        "user": user_json(instance, record.user),
        "author_association": author_association(repository, record.user),
        "state": record.state,
        "state_reason": record.state_reason,
        "locked": record.locked,
        "labels": [
            label_json(instance, repository, repository.labels[name.lower()])
            for name in record.labels
        ],
        "assignees": assignees,
        "assignee": assignees[0] if assignees else None,
        "comments": len(record.comments),
        "created_at": format_time(record.created_at),
        "updated_at": format_time(record.updated_at),
        "closed_at": format_time(record.closed_at),
        "closed_by": user_json(instance, record.closed_by) if record.closed_by else None,
        "performed_via_github_app": app_json(instance) if record.by_app else None,
        "url": url,
        "html_url": page,
        "repository_url": api_url(instance, repository),
        "labels_url": f"{url}/labels{{/name}}",
        **{f"{name}_url": f"{url}/{name}" for name in ("comments", "events", "timeline")},
        "reactions": reactions_json(url, record.reactions),
        **dict.fromkeys(("active_lock_reason", "milestone", "type")),
    }
    if record.pull:
        pull_url = f"{api_url(instance, repository)}/pulls/{record.number}"
        result |= {"draft": record.pull.draft, "pull_request": _pull_request_links(pull_url, page)}
    return result


def _pull_request_links(url: str, page: str) -> Json:
    """Return the `pull_request` field of an issue."""
    pages = {"html_url": page, "diff_url": f"{page}.diff", "patch_url": f"{page}.patch"}
    return {"url": url, "merged_at": None} | pages


def comment_json(instance: GitHubInstance, repository: Repository, record: Comment) -> Json:
    """Return an issue comment object."""
    url = f"{api_url(instance, repository)}/issues/comments/{record.id}"
    kind = "pull" if repository.issues[record.number].pull else "issues"
    page = f"{instance.origin}/{repository.full_name}/{kind}/{record.number}"
    return {
        "id": record.id,
        "node_id": f"IC_{record.id}",
        "url": url,
        "html_url": f"{page}#issuecomment-{record.id}",
        "issue_url": f"{api_url(instance, repository)}/issues/{record.number}",
        "body": record.body,
        "user": user_json(instance, record.user),
        "author_association": author_association(repository, record.user),
        "created_at": format_time(record.created_at),
        "updated_at": format_time(record.updated_at),
        "performed_via_github_app": app_json(instance) if record.by_app else None,
        "reactions": reactions_json(url, record.reactions),
    }


def event_json(instance: GitHubInstance, repository: Repository, record: Event) -> Json:
    """Return an issue event object."""
    return {
        "id": record.id,
        "node_id": f"E_{record.id}",
        "url": f"{api_url(instance, repository)}/issues/events/{record.id}",
        "event": record.name,
        "actor": user_json(instance, record.actor),
        "commit_id": None,
        "commit_url": None,
        "created_at": format_time(record.created_at),
        "performed_via_github_app": app_json(instance) if record.actor.kind == "Bot" else None,
        **record.detail,
    }
