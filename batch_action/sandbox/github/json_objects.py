"""The JSON objects of accounts, repositories, artifacts and workflow runs."""

from datetime import UTC, datetime
from typing import Any

from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.records import Artifact, Repository, User
from batch_action.sandbox.github.runs import Run

Json = dict[str, Any]

_GITHUB = User(login="github", id=9919, kind="Organization")
_ACTIONS_APP: Json = {
    "id": 15368,
    "client_id": "Iv1.05c79e9ad1f6bdfa",
    "slug": "github-actions",
    "node_id": "MDM6QXBwMTUzNjg=",
    "name": "GitHub Actions",
    "description": "Automate your workflow from idea to production",
    "external_url": "https://help.github.com/en/actions",
    "html_url": "https://github.com/apps/github-actions",
    "created_at": "2018-07-30T09:30:17Z",
    "updated_at": "2026-03-05T14:13:37Z",
    "permissions": {},
    "events": [],
}
_RUN_LINKS = ("jobs", "logs", "artifacts", "cancel", "rerun")
_PLAIN_LINKS = (
    "contributors", "deployments", "downloads", "events", "forks", "hooks", "languages", "merges",
    "stargazers", "subscribers", "subscription", "tags", "teams",
)  # fmt: skip
_LINKS = {
    "archive": "/{archive_format}{/ref}",
    "assignees": "/assignees{/user}",
    "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}",
    "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}",
    "commits": "/commits{/sha}",
    "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}",
    "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}",
    "git_tags": "/git/tags{/sha}",
    "issue_comment": "/issues/comments{/number}",
    "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}",
    "keys": "/keys{/key_id}",
    "labels": "/labels{/name}",
    "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}",
    "pulls": "/pulls{/number}",
    "releases": "/releases{/id}",
    "statuses": "/statuses/{sha}",
    "trees": "/git/trees{/sha}",
} | {name: f"/{name}" for name in _PLAIN_LINKS}


def app_json(instance: GitHubInstance) -> Json:
    """Return the object of the GitHub Actions app."""
    return _ACTIONS_APP | {"owner": user_json(instance, _GITHUB)}


def format_time(moment: datetime | None) -> str | None:
    """Format a time as the API does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def api_url(instance: GitHubInstance, repository: Repository) -> str:
    """Return the API URL of a repository."""
    return f"{instance.origin}/api/v3/repos/{repository.full_name}"


def user_json(instance: GitHubInstance, person: User) -> Json:
    """Return an account object."""
    url = f"{instance.origin}/api/v3/users/{person.login.replace('[', '%5B').replace(']', '%5D')}"
    return {
        "login": person.login,
        "id": person.id,
        "node_id": f"U_{person.id}",
        "avatar_url": f"{instance.origin}/avatars/{person.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{instance.origin}/{person.login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": person.kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def owner_json(instance: GitHubInstance, repository: Repository) -> Json:
    """Return the account object of the owner of a repository."""
    account = instance.users.get(repository.owner)
    return user_json(instance, account or User(login=repository.owner, id=1, kind="Organization"))


def minimal_repository_json(instance: GitHubInstance, repository: Repository) -> Json:
    """Return the repository object inside other objects."""
    url = api_url(instance, repository)
    return {
        "id": repository.id,
        "node_id": f"R_{repository.id}",
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": owner_json(instance, repository),
        "html_url": f"{instance.origin}/{repository.full_name}",
        "description": None,
        "fork": False,
        "url": url,
    } | {f"{name}_url": url + path for name, path in _LINKS.items()}


def repository_json(instance: GitHubInstance, record: Repository) -> Json:
    """Return the full repository object."""
    opened = [issue for issue in record.issues.values() if issue.state == "open"]
    return minimal_repository_json(instance, record) | {
        "default_branch": record.default_branch,
        "visibility": "private" if record.private else "public",
        "has_issues": record.has_issues,
        "has_projects": True,
        "has_wiki": True,
        "has_pages": False,
        "has_downloads": True,
        "has_discussions": False,
        "archived": False,
        "disabled": False,
        "open_issues_count": len(opened),
        "open_issues": len(opened),
        "forks_count": 0,
        "forks": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "watchers": 0,
        "size": 0,
        "language": None,
        "license": None,
        "topics": [],
        "created_at": format_time(record.created_at),
        "updated_at": format_time(record.created_at),
        "pushed_at": format_time(record.created_at),
        "clone_url": f"{instance.origin}/{record.full_name}.git",
        "git_url": f"git://{instance.origin.partition('//')[2]}/{record.full_name}.git",
        "ssh_url": f"git@{instance.origin.partition('//')[2]}:{record.full_name}.git",
        "svn_url": f"{instance.origin}/{record.full_name}",
        "mirror_url": None,
        "homepage": None,
        "network_count": 0,
        "subscribers_count": 0,
        "security_and_analysis": {
            "advanced_security": {"status": "enabled" if record.code_scanning else "disabled"}
        },
    }


def artifact_json(instance: GitHubInstance, record: Repository, item: Artifact) -> Json:
    """Return an artifact object."""
    url = f"{api_url(instance, record)}/actions/artifacts/{item.id}"
    run = next(run for run in reversed(instance.runs) if run.id == item.run_id)
    return {
        "id": item.id,
        "node_id": f"A_{item.id}",
        "name": item.name,
        "size_in_bytes": item.size,
        "url": url,
        "archive_download_url": f"{url}/zip",
        "expired": item.expires_at <= instance.clock.now(),
        "digest": item.digest,
        "created_at": format_time(item.created_at),
        "updated_at": format_time(item.created_at),
        "expires_at": format_time(item.expires_at),
        "workflow_run": {
            "id": run.id,
            "repository_id": record.id,
            "head_repository_id": run.head_repository_id,
            "head_branch": run.head_branch,
            "head_sha": run.head_sha,
        },
    }


def run_json(instance: GitHubInstance, attempt: Run) -> Json:
    """Return the workflow run object of an attempt."""
    record = attempt.repository
    url = f"{api_url(instance, record)}/actions/runs/{attempt.id}"
    head = instance.repository(attempt.head_repository)
    elsewhere = {"id": attempt.head_repository_id, "full_name": attempt.head_repository}
    return {
        "id": attempt.id,
        "name": attempt.workflow_path.rpartition("/")[2].partition(".")[0],
        "node_id": f"WFR_{attempt.id}",
        "check_suite_id": attempt.id,
        "check_suite_url": f"{api_url(instance, record)}/check-suites/{attempt.id}",
        "head_branch": attempt.head_branch,
        "head_sha": attempt.head_sha,
        "path": attempt.workflow_path,
        "display_title": attempt.title or attempt.event,
        "run_number": attempt.number,
        "run_attempt": attempt.attempt,
        "event": attempt.event,
        "status": attempt.status,
        "conclusion": attempt.conclusion,
        "workflow_id": attempt.workflow_id,
        "url": url,
        "html_url": f"{instance.origin}/{record.full_name}/actions/runs/{attempt.id}",
        "pull_requests": _pulls_of(instance, attempt),
        "referenced_workflows": [],
        "created_at": format_time(attempt.created_at),
        "updated_at": format_time(attempt.updated_at),
        "run_started_at": format_time(attempt.created_at),
        "actor": user_json(instance, attempt.actor),
        "triggering_actor": user_json(instance, attempt.actor),
        **{f"{name}_url": f"{url}/{name}" for name in _RUN_LINKS},
        "workflow_url": f"{api_url(instance, record)}/actions/workflows/{attempt.workflow_id}",
        "previous_attempt_url": None,
        "head_commit": None,
        "repository": minimal_repository_json(instance, record),
        "head_repository": minimal_repository_json(instance, head) if head else elsewhere,
    }


def _pulls_of(instance: GitHubInstance, attempt: Run) -> list[Json]:
    """List the open pull requests of the run's branch or commit; none for forks."""
    record = attempt.repository
    if attempt.head_repository.lower() != record.full_name.lower():
        return []
    inside = {"id": record.id, "url": api_url(instance, record), "name": record.name}
    return [
        {
            "id": issue.id,
            "number": issue.number,
            "url": f"{api_url(instance, record)}/pulls/{issue.number}",
            "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": inside},
            "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": inside},
        }
        for issue in record.issues.values()
        if (pull := issue.pull)
        and issue.state == "open"
        and pull.head_repository.lower() == record.full_name.lower()
        and (pull.head_ref == attempt.head_branch or pull.head_sha == attempt.head_sha)
    ]
