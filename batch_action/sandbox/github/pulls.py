"""The pull request endpoints."""

from batch_action.sandbox.github import commit_objects, diffs, issue_objects, issues, pull_branches
from batch_action.sandbox.github.git import Git
from batch_action.sandbox.github.git_data import git_of
from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.json_objects import Json, api_url, format_time, user_json
from batch_action.sandbox.github.json_objects import repository_json as full_shape
from batch_action.sandbox.github.records import Issue, Pull, Repository, User
from batch_action.sandbox.github.rest import (
    ApiResponse,
    Call,
    GitHubError,
    endpoint,
    invalid,
    not_found,
)


def find_pull_request(call: Call) -> tuple[Issue, Pull]:
    """Find the pull request in the path, with its current commits."""
    issue = call.issue()
    if issue.pull is None:
        raise not_found()
    pull_branches.refresh_commits(call.repository, issue)
    return issue, issue.pull


def changed_files(call: Call, pull: Pull, commit: str | None = None) -> list[diffs.ChangedFile]:
    """List the files changed from the merge base to `commit` (default: the head)."""
    return pull_branches.changed_files(git_of(call), pull, commit)


def pull_request_json(instance: GitHubInstance, repository: Repository, issue: Issue) -> Json:
    """Return a pull request object."""
    pull_branches.refresh_commits(repository, issue)
    pull = issue.pull
    if pull is None:
        raise not_found()
    result = issue_objects.issue_json(instance, repository, issue)
    for name in ("pull_request", "state_reason", "closed_by", "reactions", "repository_url"):
        del result[name]
    head_repository = instance.repository(pull.head_repository)
    base = _side(instance, repository, repository.owner, pull.base_ref, pull.base_sha)
    head_owner = pull.head_repository.partition("/")[0]
    return result | {
        **_links(api_url(instance, repository), result, pull),
        "draft": pull.draft,
        "merged": pull.merged_at is not None,
        "merged_at": format_time(pull.merged_at),
        "merged_by": None,
        "mergeable": True,
        "mergeable_state": "clean",
        "merge_commit_sha": pull.merge_commit,
        "auto_merge": None,
        "maintainer_can_modify": False,
        "requested_reviewers": [],
        "requested_teams": [],
        "review_comments": len(pull.comments),
        "head": _side(instance, head_repository, head_owner, pull.head_ref, pull.head_sha),
        "base": base,
    }


def _side(
    instance: GitHubInstance, repository: Repository | None, owner: str, ref: str, sha: str
) -> Json:
    """Return the `head` or `base` object; the `repo` of a deleted fork is null."""
    account = instance.users.get(owner) or User(login=owner, id=1)
    return {
        "label": f"{owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user_json(instance, account),
        "repo": full_shape(instance, repository) if repository else None,
    }


def _links(api: str, issue: Json, pull: Pull) -> Json:
    """Return the URL fields and the `_links` of a pull request."""
    url, page = f"{api}/pulls/{issue['number']}", issue["html_url"]
    links = {
        "issue": f"{api}/issues/{issue['number']}",
        "comments": issue["comments_url"],
        "review_comments": f"{url}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{api}/statuses/{pull.head_sha}",
    }
    result: Json = {f"{name}_url": address for name, address in links.items()}
    hrefs = {"self": url, "html": page} | links
    result |= {"url": url, "diff_url": f"{page}.diff", "patch_url": f"{page}.patch"}
    return result | {"_links": {name: {"href": address} for name, address in hrefs.items()}}


def _shaped(call: Call, issue: Issue) -> Json:
    return pull_request_json(call.instance, call.repository, issue)


def open_pull_request(
    instance: GitHubInstance, repository: Repository, *, head: str, base: str
) -> Issue:
    """Open a pull request in the name of the owner.

    Raises LookupError: when a branch does not exist.
    """
    if repository.git_dir is None:
        raise LookupError(f"{repository.full_name} has no git_dir to take branches from.")
    git = Git(repository.git_dir)
    head_sha, base_sha = git.resolve(head), git.resolve(base)
    if head_sha is None or base_sha is None:
        raise LookupError(f"No branch {head} or {base} in {repository.git_dir}.")
    pull = Pull(
        head_ref=head,
        base_ref=base,
        head_sha=head_sha,
        base_sha=base_sha,
        head_repository=repository.full_name,
    )
    issue = Issue(
        id=instance.new_id(),
        number=max(repository.issues, default=0) + 1,
        title="",
        body=None,
        user=instance.users[repository.owner],
        created_at=instance.now(),
        updated_at=instance.now(),
        pull=pull,
    )
    repository.issues[issue.number] = issue
    return issue


def _list(call: Call) -> ApiResponse:
    state, head, base = call.query("state", "open"), call.query("head"), call.query("base")
    pulls = []
    for issue in call.repository.issues.values():
        pull = issue.pull
        if pull is None or state not in {"all", issue.state} or base not in {"", pull.base_ref}:
            continue
        label = f"{pull.head_repository.partition('/')[0]}:{pull.head_ref}"
        # GitHub ignores a head without an owner instead of finding nothing.
        if ":" in head and head != label:
            continue
        if call.instance.is_listed(issue.created_at):
            pulls.append(issue)
    if call.query("direction", "desc") == "desc":
        pulls.reverse()
    return call.page(pulls, lambda issue: _shaped(call, issue))


def _get(call: Call) -> ApiResponse:
    return ApiResponse(data=_in_full(call, *find_pull_request(call)))


def _in_full(call: Call, issue: Issue, pull: Pull) -> Json:
    """Return the object of a single pull request, which includes its size."""
    result = _shaped(call, issue)
    if call.repository.git_dir:
        files = changed_files(call, pull)
        count = git_of(call).text("rev-list", "--count", f"{pull.base_sha}..{pull.head_sha}")
        result |= {
            "additions": sum(file.additions for file in files),
            "deletions": sum(file.deletions for file in files),
            "changed_files": len(files),
            "commits": int(count),
        }
    return result


def _create(call: Call) -> ApiResponse:
    if call.actor.is_workflow and not call.repository.actions_can_open_pull_requests:
        message = "GitHub Actions is not permitted to create or approve pull requests."
        raise GitHubError(403, message)
    body = call.body()
    title = issues.validate_title("PullRequest", body.get("title"))
    text = None if body.get("body") is None else issues.validate_body("PullRequest", body["body"])
    pull = _branches(call, str(body.get("head", "")), str(body.get("base", "")))
    pull.draft = bool(body.get("draft"))
    issue = issues.new_issue(call, title, text)
    issue.pull = pull
    return ApiResponse(status=201, data=_in_full(call, issue, pull))


def _branches(call: Call, head: str, base: str) -> Pull:
    """Create a pull request record from its branches.

    Raises GitHubError: when a branch does not exist or there is nothing to merge.
    """
    head_owner, colon, branch = head.rpartition(":")
    git = git_of(call)
    head_sha, base_sha = git.resolve(f"refs/heads/{branch}"), git.resolve(f"refs/heads/{base}")
    if head_sha is None or (colon and head_owner != call.repository.owner):
        raise invalid("PullRequest", "head", "invalid")
    if base_sha is None:
        raise invalid("PullRequest", "base", "invalid")
    if git.text("rev-list", "--count", f"{base_sha}..{head_sha}") == "0":
        message = f"No commits between {base} and {branch}"
        raise invalid("PullRequest", "head", "custom", message)
    for issue in call.repository.issues.values():
        other = issue.pull if issue.state == "open" else None
        if other and (other.head_ref, other.base_ref) == (branch, base):
            message = f"A pull request already exists for {call.repository.owner}:{branch}."
            raise invalid("PullRequest", "head", "custom", message)
    return Pull(
        head_ref=branch,
        base_ref=base,
        head_sha=head_sha,
        base_sha=base_sha,
        head_repository=call.repository.full_name,
    )


def _edit(call: Call) -> ApiResponse:
    issue, pull = find_pull_request(call)
    body = call.body()
    if body.get("title") is not None:
        issue.title = issues.validate_title("PullRequest", body["title"])
    if "body" in body:
        text = body["body"]
        issue.body = None if text is None else issues.validate_body("PullRequest", text)
    issues.set_state(call, issue, body)
    issue.updated_at = call.instance.now()
    return ApiResponse(data=_in_full(call, issue, pull))


def _files(call: Call) -> ApiResponse:
    _issue, pull = find_pull_request(call)
    return call.page(
        changed_files(call, pull)[:3000],
        lambda file: commit_objects.changed_file_json(
            call.instance, call.repository, pull.head_sha, file
        ),
    )


def _commits(call: Call) -> ApiResponse:
    _issue, pull = find_pull_request(call)
    git = git_of(call)
    shas = git.text("rev-list", "--reverse", f"{pull.base_sha}..{pull.head_sha}").split()
    return call.page(
        shas, lambda sha: commit_objects.commit_json(call.instance, call.repository, git, sha)
    )


def _of_commit(call: Call) -> ApiResponse:
    sha = git_of(call).resolve(call.path_part("sha"))
    if sha is None:
        raise GitHubError(422, f"No commit found for SHA: {call.path_part('sha')}")
    pulls = [
        issue
        for issue in call.repository.issues.values()
        if issue.pull and pull_branches.contains_commit(git_of(call), issue.pull, sha)
    ]
    return call.page(pulls, lambda issue: _shaped(call, issue))


_R, _W = "pull_requests=read", "pull_requests=write"
ENDPOINTS = (
    endpoint("GET ~/pulls", _list, _R),
    endpoint("POST ~/pulls", _create, _W),
    endpoint("GET ~/pulls/{number}", _get, _R),
    endpoint("PATCH ~/pulls/{number}", _edit, _W),
    endpoint("GET ~/pulls/{number}/files", _files, _R),
    endpoint("GET ~/pulls/{number}/commits", _commits, _R),
    endpoint("GET ~/commits/{sha}/pulls", _of_commit, _R),
)
