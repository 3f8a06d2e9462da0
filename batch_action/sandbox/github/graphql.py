"""The GraphQL fields for what REST cannot do."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from batch_action.sandbox.github import content_edits, review_comments
from batch_action.sandbox.github.graphql_parser import Field, UnsupportedQueryError, parse_operation
from batch_action.sandbox.github.json_objects import Json, format_time
from batch_action.sandbox.github.records import Comment, Issue, Pull, Repository, ReviewComment
from batch_action.sandbox.github.rest import ApiResponse, Call, Endpoint, GitHubError

_CLASSIFIERS = {"ABUSE", "OFF_TOPIC", "OUTDATED", "RESOLVED", "DUPLICATE", "SPAM"}


class _Failure(Exception):  # noqa: N818
    """An entry of the `errors` list."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _serve(call: Call) -> ApiResponse:
    body = call.body()
    try:
        kind, fields = parse_operation(str(body.get("query", "")), body.get("variables") or {})
        roots = _MUTATIONS if kind == "mutation" else _QUERIES
        data = {field.alias: _resolve(call, roots, field) for field in fields}
    except UnsupportedQueryError as error:
        return ApiResponse(data={"errors": [{"message": str(error)}]})
    except _Failure as error:
        return ApiResponse(
            data={"data": None, "errors": [{"type": error.kind, "message": str(error)}]}
        )
    except GitHubError as refusal:
        errors = [{"type": "FORBIDDEN", "message": str(refusal)}]
        return ApiResponse(data={"data": None, "errors": errors})
    return ApiResponse(data={"data": data})


def _resolve(call: Call, roots: "Mapping[str, _Root]", field: Field) -> Any:
    root = roots.get(field.name)
    if root is None:
        message = f"Field '{field.name}' doesn't exist on the root type"
        raise _Failure("undefinedField", message)
    return _pick(root(call, field), field.inner)


def _pick(value: Any, fields: Iterable[Field]) -> Any:
    """Return the selected fields of a value; callables are called with the arguments."""
    if isinstance(value, list):
        return [_pick(item, fields) for item in value]
    if not isinstance(value, dict):
        return value
    picked = {}
    for field in fields:
        if field.name not in value:
            message = f"Field '{field.name}' doesn't exist on type '{value['__typename']}'"
            raise _Failure("undefinedField", message)
        inner = value[field.name]
        result = inner(field.arguments) if callable(inner) else inner
        picked[field.alias] = _pick(result, field.inner)
    return picked


def _viewer(call: Call, _field: Field) -> Json:
    person = call.instance.author(call.actor)
    return {
        "__typename": "User",
        "id": f"U_{person.id}",
        "login": person.login,
        "databaseId": person.id,
    }


def _repository(call: Call, field: Field) -> Json:
    name = f"{field.arguments.get('owner')}/{field.arguments.get('name')}"
    repository = call.instance.repository(name)
    if repository is None or not call.actor.can_read(repository):
        message = f"Could not resolve to a Repository with the name '{name}'."
        raise _Failure("NOT_FOUND", message)

    def issue(arguments: Mapping[str, Any]) -> Json:
        record = repository.issues.get(int(arguments.get("number", 0)))
        if record is None:
            number = arguments.get("number")
            message = f"Could not resolve to an Issue with the number of {number}."
            raise _Failure("NOT_FOUND", message)
        return _issue(record)

    def pull(arguments: Mapping[str, Any]) -> Json:
        record = repository.issues.get(int(arguments.get("number", 0)))
        if record is None or record.pull is None:
            number = arguments.get("number")
            message = f"Could not resolve to a PullRequest with the number of {number}."
            raise _Failure("NOT_FOUND", message)
        threads = _threads(repository, record, record.pull)
        return _issue(record) | {
            "__typename": "PullRequest",
            "headRefOid": record.pull.head_sha,
            "isDraft": record.pull.draft,
            "merged": record.pull.merged_at is not None,
            "reviewThreads": lambda _arguments: {
                "__typename": "PullRequestReviewThreadConnection",
                "totalCount": len(threads),
                "nodes": threads,
            },
        }

    return {
        "__typename": "Repository",
        "id": f"R_{repository.id}",
        "databaseId": repository.id,
        "nameWithOwner": repository.full_name,
        "isPrivate": repository.private,
        "issue": issue,
        "pullRequest": pull,
    }


def _issue(issue: Issue) -> Json:
    return {
        "__typename": "Issue",
        "id": f"I_{issue.id}",
        "databaseId": issue.id,
        "number": issue.number,
        "title": issue.title,
        "body": issue.body or "",
        "state": issue.state.upper(),
        "author": content_edits.graphql_actor(issue.user),
        "createdAt": format_time(issue.created_at),
        "userContentEdits": lambda arguments: content_edits.edits_connection(issue, arguments),
        "comments": lambda _arguments: {
            "__typename": "IssueCommentConnection",
            "totalCount": len(issue.comments),
            "nodes": [_comment(comment) for comment in issue.comments],
        },
    }


def _threads(repository: Repository, issue: Issue, pull: Pull) -> list[Json]:
    """List the review threads: a first comment and its replies."""
    return [
        {
            "__typename": "PullRequestReviewThread",
            "id": f"PRRT_{first.id}",
            "isResolved": False,
            "isOutdated": first.line is not None
            and review_comments.current_line(repository, issue, first) is None,
            "path": first.path,
            "line": review_comments.current_line(repository, issue, first),
            "comments": lambda _arguments, first=first: {
                "__typename": "PullRequestReviewCommentConnection",
                "nodes": [_comment(x) for x in pull.comments if first.id in (x.id, x.in_reply_to)],
            },
        }
        for first in pull.comments
        if first.in_reply_to is None
    ]


def _comment(comment: Comment | ReviewComment) -> Json:
    review = isinstance(comment, ReviewComment)
    return {
        "__typename": "PullRequestReviewComment" if review else "IssueComment",
        "id": f"{'PRRC' if review else 'IC'}_{comment.id}",
        "databaseId": comment.id,
        "body": comment.body,
        "author": content_edits.graphql_actor(comment.user),
        "createdAt": format_time(comment.created_at),
        "userContentEdits": lambda arguments: content_edits.edits_connection(comment, arguments),
        "isMinimized": comment.minimized is not None,
        "minimizedReason": (comment.minimized or "").lower() or None,
    }


def _node(call: Call, field: Field) -> Json:
    """Find an issue or comment by its global id."""
    node = str(field.arguments.get("id"))
    for repository, issue, record in _nodes(call):
        if node in _ids(record):
            kind = "pull_requests=read" if issue.pull else "issues=read"
            if not call.actor.has_permission(repository, kind):
                raise GitHubError(403, "Resource not accessible by integration")
            return _issue(record) if isinstance(record, Issue) else _comment(record)
    message = f"Could not resolve to a node with the global id of '{node}'"
    raise _Failure("NOT_FOUND", message)


def _nodes(call: Call) -> Iterator[tuple[Repository, Issue, content_edits.Editable]]:
    for repository in call.instance.repositories.values():
        if call.actor.can_read(repository):
            for issue in repository.issues.values():
                records: list[content_edits.Editable] = [issue, *issue.comments]
                records += issue.pull.comments if issue.pull else []
                for record in records:
                    yield repository, issue, record


def _ids(record: content_edits.Editable) -> set[str]:
    prefixes = {"I", "PR"} if isinstance(record, Issue) else {"IC"}
    if isinstance(record, ReviewComment):
        prefixes = {"PRRC"}
    return {f"{prefix}_{record.id}" for prefix in prefixes}


def _minimize(call: Call, field: Field) -> Json:
    arguments = field.arguments.get("input") or {}
    classifier = arguments.get("classifier")
    if classifier not in _CLASSIFIERS:
        raise _Failure("argumentLiteralsIncompatible", "Unknown ReportedContentClassifiers value.")
    comment = _by_node_id(call, str(arguments.get("subjectId")))
    comment.minimized = classifier
    return {
        "__typename": "MinimizeCommentPayload",
        "clientMutationId": arguments.get("clientMutationId"),
        "minimizedComment": _comment(comment),
    }


def _unminimize(call: Call, field: Field) -> Json:
    arguments = field.arguments.get("input") or {}
    comment = _by_node_id(call, str(arguments.get("subjectId")))
    comment.minimized = None
    return {
        "__typename": "UnminimizeCommentPayload",
        "clientMutationId": arguments.get("clientMutationId"),
        "unminimizedComment": _comment(comment),
    }


def _by_node_id(call: Call, node: str) -> Comment | ReviewComment:
    for repository, issue, record in _nodes(call):
        if not isinstance(record, Issue) and node in _ids(record):
            _insist(call, repository, issue)
            return record
    message = f"Could not resolve to a node with the global id of '{node}'"
    raise _Failure("NOT_FOUND", message)


def _insist(call: Call, repository: Repository, issue: Issue) -> None:
    needs = ["issues=write", *(["pull_requests=write"] if issue.pull else [])]
    if not any(call.actor.has_permission(repository, need) for need in needs):
        raise GitHubError(403, "Resource not accessible by integration")


_Root = Callable[[Call, Field], Json]
_QUERIES: dict[str, _Root] = {"viewer": _viewer, "repository": _repository, "node": _node}
_MUTATIONS: dict[str, _Root] = {"minimizeComment": _minimize, "unminimizeComment": _unminimize}
ENDPOINTS = (Endpoint(method="POST", path="/graphql", handler=_serve, prefix="/api"),)
