"""The Git database endpoints: commits, trees and blobs of the real repository."""

import base64
import binascii
import tempfile
from pathlib import Path
from typing import Any

from batch_action.sandbox.github import commit_objects
from batch_action.sandbox.github.git import Git, GitError
from batch_action.sandbox.github.json_objects import Json, api_url
from batch_action.sandbox.github.rest import (
    ApiResponse,
    Call,
    GitHubError,
    endpoint,
    invalid,
    not_found,
)

_MODES = {"100644", "100755", "040000", "160000", "120000"}


def git_of(call: Call) -> Git:
    """Return the git repository behind the one in the path."""
    if call.repository.git_dir is None:
        raise GitHubError(409, "Git Repository is empty.")
    return Git(call.repository.git_dir)


def resolve_commit(call: Call, name: str) -> str:
    """Resolve a branch, tag or id to a commit."""
    sha = git_of(call).resolve(name)
    if sha is None:
        raise GitHubError(422, f"No commit found for SHA: {name}")
    return sha


def _object(call: Call, sha: str, kind: str) -> str:
    found = git_of(call).resolve(sha, kind)
    if found is None:
        raise not_found()
    return found


def _get_blob(call: Call) -> ApiResponse:
    sha = _object(call, call.path_part("sha"), "blob")
    data = git_of(call).bytes("cat-file", "blob", sha)
    content = base64.encodebytes(data).decode()
    return ApiResponse(data=_blob_shape(call, sha) | {
        "size": len(data), "encoding": "base64", "content": content,
    })  # fmt: skip


def _blob_shape(call: Call, sha: str) -> Json:
    url = f"{api_url(call.instance, call.repository)}/git/blobs/{sha}"
    return {"sha": sha, "node_id": f"B_{sha}", "url": url}


def _create_blob(call: Call) -> ApiResponse:
    body = call.body()
    try:
        content = str(body["content"])
        data = base64.b64decode(content) if body.get("encoding") == "base64" else content.encode()
    except (KeyError, binascii.Error):
        raise invalid("Blob", "content", "invalid") from None
    sha = git_of(call).bytes("hash-object", "-w", "--stdin", stdin=data).decode().strip()
    return ApiResponse(status=201, data=_blob_shape(call, sha))


def _get_tree(call: Call) -> ApiResponse:
    sha = _object(call, call.path_part("sha"), "tree")
    deep = bool(call.query("recursive"))
    return ApiResponse(
        data=commit_objects.tree_json(call.instance, call.repository, git_of(call), sha, deep=deep)
    )


def _create_tree(call: Call) -> ApiResponse:
    body, git = call.body(), git_of(call)
    entries = body.get("tree") or []
    if call.actor.is_workflow and any(_is_workflow(entry) for entry in entries):
        raise GitHubError(403, "Resource not accessible by integration")
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if body.get("base_tree"):
            start = _object(call, str(body["base_tree"]), "tree")
            git.bytes("read-tree", start, environment=index)
        lines = [_index_line(call, entry) for entry in entries]
        try:
            git.bytes("update-index", "--index-info", stdin=b"".join(lines), environment=index)
            sha = git.bytes("write-tree", environment=index).decode().strip()
        except GitError as error:
            raise GitHubError(422, f"GitRPC::BadObjectState: {error}") from None
    tree = commit_objects.tree_json(call.instance, call.repository, git, sha, deep=False)
    return ApiResponse(status=201, data=tree)


def _is_workflow(entry: Json) -> bool:
    return str(entry.get("path", "")).startswith(".github/workflows/")


def _index_line(call: Call, entry: Json) -> bytes:
    path, mode, sha = str(entry.get("path", "")), str(entry.get("mode")), entry.get("sha")
    if not path or path.startswith("/") or mode not in _MODES:
        raise GitHubError(422, "Invalid tree info")
    if "content" in entry:
        data = str(entry["content"]).encode()
        sha = git_of(call).bytes("hash-object", "-w", "--stdin", stdin=data).decode().strip()
    if sha is None:
        return f"0 {'0' * 40}\t{path}\n".encode()
    return f"{mode} {sha}\t{path}\n".encode()


def _get_commit(call: Call) -> ApiResponse:
    sha = _object(call, call.path_part("sha"), "commit")
    return ApiResponse(
        data=commit_objects.git_commit_json(call.instance, call.repository, git_of(call), sha)
    )


def _create_commit(call: Call) -> ApiResponse:
    body = call.body()
    tree = _object(call, str(body.get("tree", "")), "tree")
    parents = [_object(call, str(parent), "commit") for parent in body.get("parents") or []]
    message = body.get("message")
    if not isinstance(message, str) or not message:
        raise invalid("Commit", "message", "missing_field")
    flags = [flag for parent in parents for flag in ("-p", parent)]
    done = git_of(call).bytes(
        "commit-tree", tree, *flags, stdin=message.encode(), environment=_signature(call, body)
    )
    sha = done.decode().strip()
    commit = commit_objects.git_commit_json(call.instance, call.repository, git_of(call), sha)
    return ApiResponse(status=201, data=commit)


def _signature(call: Call, body: dict[str, Any]) -> dict[str, str]:
    """Return git's variables for the requested author and committer, by default the actor."""
    person = call.instance.author(call.actor)
    email = f"{person.id}+{person.login}@users.noreply.github.com"
    now = call.instance.now().isoformat()
    author = body.get("author") or {"name": person.login, "email": email, "date": now}
    variables = {}
    for role, identity in (("AUTHOR", author), ("COMMITTER", body.get("committer") or author)):
        variables[f"GIT_{role}_NAME"] = str(identity["name"])
        variables[f"GIT_{role}_EMAIL"] = str(identity["email"])
        variables[f"GIT_{role}_DATE"] = str(identity.get("date") or now)
    return variables


_W = "contents=write"
ENDPOINTS = (
    endpoint("GET ~/git/blobs/{sha}", _get_blob, "contents=read"),
    endpoint("POST ~/git/blobs", _create_blob, _W),
    endpoint("GET ~/git/trees/{sha:path}", _get_tree, "contents=read"),
    endpoint("POST ~/git/trees", _create_tree, _W),
    endpoint("GET ~/git/commits/{sha}", _get_commit, "contents=read"),
    endpoint("POST ~/git/commits", _create_commit, _W),
)
