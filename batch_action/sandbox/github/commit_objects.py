"""The JSON objects of commits, trees and changed files."""

from datetime import datetime
from urllib.parse import quote

from batch_action.sandbox.github.diffs import ChangedFile
from batch_action.sandbox.github.git import Git
from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.json_objects import Json, api_url, format_time
from batch_action.sandbox.github.records import Repository

_FORMAT = "%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
_UNSIGNED = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}
_TREE_LIMIT = 100_000


def git_commit_json(instance: GitHubInstance, repository: Repository, git: Git, sha: str) -> Json:
    """Return a commit object of the Git database endpoints."""
    output = git.text("show", "--no-patch", f"--format={_FORMAT}", sha)
    tree_sha, parents, *signatures, message = output.split("\0")
    url = api_url(instance, repository)
    return {
        "sha": sha,
        "node_id": f"C_{sha}",
        "url": f"{url}/git/commits/{sha}",
        "html_url": f"{instance.origin}/{repository.full_name}/commit/{sha}",
        "author": _person(*signatures[:3]),
        "committer": _person(*signatures[3:]),
        "tree": {"sha": tree_sha, "url": f"{url}/git/trees/{tree_sha}"},
        "message": message.rstrip("\n"),
        "parents": [
            {
                "sha": parent,
                "url": f"{url}/git/commits/{parent}",
                "html_url": f"{instance.origin}/{repository.full_name}/commit/{parent}",
            }
            for parent in parents.split()
        ],
        "verification": _UNSIGNED,
    }


def _person(name: str, email: str, date: str) -> Json:
    return {"name": name, "email": email, "date": format_time(datetime.fromisoformat(date))}


def commit_json(instance: GitHubInstance, repository: Repository, git: Git, sha: str) -> Json:
    """Return a commit object of the commits endpoints."""
    inner = git_commit_json(instance, repository, git, sha)
    url = f"{api_url(instance, repository)}/commits"
    parents = inner["parents"]
    return {
        "sha": sha,
        "node_id": inner["node_id"],
        "url": f"{url}/{sha}",
        "html_url": inner["html_url"],
        "comments_url": f"{url}/{sha}/comments",
        "author": None,
        "committer": None,
        "commit": {
            key: inner[key]
            for key in ("author", "committer", "message", "tree", "url", "verification")
        }
        | {"comment_count": 0},
        "parents": [parent | {"url": f"{url}/{parent['sha']}"} for parent in parents],
    }


def changed_file_json(
    instance: GitHubInstance, repository: Repository, head: str, file: ChangedFile
) -> Json:
    """Return a file object of a comparison, a commit or a pull request."""
    page = f"{instance.origin}/{repository.full_name}"
    path = quote(file.path)
    result: Json = {
        "sha": file.sha,
        "filename": file.path,
        "status": file.status,
        "additions": file.additions,
        "deletions": file.deletions,
        "changes": file.additions + file.deletions,
        "blob_url": f"{page}/blob/{head}/{path}",
        "raw_url": f"{page}/raw/{head}/{path}",
        "contents_url": f"{api_url(instance, repository)}/contents/{path}?ref={head}",
    }
    if file.patch is not None:
        result["patch"] = file.patch
    if file.previous is not None:
        result["previous_filename"] = file.previous
    return result


def tree_json(
    instance: GitHubInstance, repository: Repository, git: Git, sha: str, *, deep: bool
) -> Json:
    """Return a tree object, recursively when `deep`."""
    flags = ["-r", "-t"] if deep else []
    listing = git.bytes("ls-tree", "-z", "-l", *flags, sha).decode(errors="replace")
    url = f"{api_url(instance, repository)}/git"
    entries = []
    for record in listing.split("\0")[:-1]:
        head, _, path = record.partition("\t")
        mode, kind, entry, size = head.split()
        item: Json = {"path": path, "mode": mode, "type": kind, "sha": entry}
        if kind == "blob":
            item["size"] = int(size)
        item["url"] = f"{url}/{kind}s/{entry}"
        entries.append(item)
    return {
        "sha": sha,
        "url": f"{url}/trees/{sha}",
        "tree": entries[:_TREE_LIMIT],
        "truncated": len(entries) > _TREE_LIMIT,
    }
