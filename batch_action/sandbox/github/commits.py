"""The endpoints of commits, comparisons, branches and contents."""

import base64
import zlib
from urllib.parse import quote

from batch_action.sandbox.github import commit_objects, diffs
from batch_action.sandbox.github.git import EMPTY_TREE, GitError
from batch_action.sandbox.github.git_data import git_of, resolve_commit
from batch_action.sandbox.github.json_objects import Json, api_url
from batch_action.sandbox.github.rest import ApiResponse, Call, GitHubError, endpoint, not_found

_FILES, _COMMITS, _INLINE = 300, 250, 1 << 20
_KINDS = {"blob": "file", "tree": "dir", "commit": "submodule"}


def _list(call: Call) -> ApiResponse:
    start = resolve_commit(call, call.query("sha") or call.repository.default_branch)
    flags = [f"--{name}={call.query(name)}" for name in ("since", "until") if call.query(name)]
    paths = ["--", call.query("path")] if call.query("path") else []
    shas = git_of(call).text("rev-list", "--max-count=1000", *flags, start, *paths).split()
    return call.page(
        shas,
        lambda sha: commit_objects.commit_json(call.instance, call.repository, git_of(call), sha),
    )


def _get(call: Call) -> ApiResponse:
    sha, git = resolve_commit(call, call.path_part("sha")), git_of(call)
    result = commit_objects.commit_json(call.instance, call.repository, git, sha)
    before = result["parents"][0]["sha"] if result["parents"] else EMPTY_TREE
    files = diffs.diff_commits(git, before, sha)
    added, deleted = sum(file.additions for file in files), sum(file.deletions for file in files)
    result["stats"] = {"total": added + deleted, "additions": added, "deletions": deleted}
    result["files"] = [
        commit_objects.changed_file_json(call.instance, call.repository, sha, file)
        for file in files[:_FILES]
    ]
    return ApiResponse(data=result)


def _compare(call: Call) -> ApiResponse:
    left, dots, right = call.path_part("range").partition("...")
    git = git_of(call)
    first, last = git.resolve(left), git.resolve(right)
    if not dots or first is None or last is None:
        raise not_found()
    try:
        fork = git.text("merge-base", first, last)
    except GitError:
        raise GitHubError(404, f"No common ancestor between {left} and {right}.") from None
    behind, ahead = git.text("rev-list", "--left-right", "--count", f"{first}...{last}").split()
    commits = git.text("rev-list", "--reverse", f"{first}..{last}").split()

    def shape(sha: str) -> Json:
        return commit_objects.commit_json(call.instance, call.repository, git, sha)

    path = f"compare/{quote(call.path_part('range'))}"
    url = f"{api_url(call.instance, call.repository)}/{path}"
    page = f"{call.instance.origin}/{call.repository.full_name}/{path}"
    return ApiResponse(
        data={
            "url": url,
            "html_url": page,
            "permalink_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "base_commit": shape(first),
            "merge_base_commit": shape(fork),
            "status": _relation(int(ahead), int(behind)),
            "ahead_by": int(ahead),
            "behind_by": int(behind),
            "total_commits": len(commits),
            "commits": [shape(sha) for sha in commits[:_COMMITS]],
            "files": [
                commit_objects.changed_file_json(call.instance, call.repository, last, file)
                for file in diffs.diff_commits(git, fork, last)[:_FILES]
            ],
        }
    )


def _relation(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"


def _branch(call: Call) -> ApiResponse:
    name = call.path_part("branch")
    sha = git_of(call).resolve(f"refs/heads/{name}")
    if sha is None and name in call.repository.renamed_branches:
        new = quote(call.repository.renamed_branches[name])
        location = f"{api_url(call.instance, call.repository)}/branches/{new}"
        raise GitHubError(301, "Moved Permanently", headers={"Location": location})
    if sha is None:
        raise GitHubError(404, "Branch not found")
    commit = commit_objects.commit_json(call.instance, call.repository, git_of(call), sha)
    url = f"{api_url(call.instance, call.repository)}/branches/{quote(name)}"
    page = f"{call.instance.origin}/{call.repository.full_name}/tree/{quote(name)}"
    return ApiResponse(
        data={
            "name": name,
            "commit": commit,
            "protected": False,
            "protection": {},
            "protection_url": f"{url}/protection",
            "_links": {"self": url, "html": page},
        }
    )


def _activity(call: Call) -> ApiResponse:
    """List the pushes to branches: the git repository's log of its refs, and what has run."""
    git, wanted = git_of(call), call.query("ref")
    refs = git.text("for-each-ref", "--format=%(refname)", "refs/heads").splitlines()
    pushes = []
    for ref in refs:
        if wanted in ("", ref, ref.removeprefix("refs/heads/")):
            tips = git.text("log", "--walk-reflogs", "--format=%H", ref).split()
            befores = [*tips[1:], "0" * 40]
            pushes += [(ref, before, after) for before, after in zip(befores, tips, strict=True)]

    pushes += [
        (run.ref, "0" * 40, run.head_sha)
        for run in call.instance.runs_of(call.repository)
        if run.ref == wanted and run.head_repository == call.repository.full_name
    ]

    def to_json(push: tuple[str, str, str]) -> Json:
        ref, before, after = push
        is_new = before == "0" * 40
        is_forced = not is_new and git.resolve(before) != git.text("merge-base", before, after)
        kind = "branch_creation" if is_new else "force_push" if is_forced else "push"
        return {
            "id": zlib.crc32(f"{ref} {before} {after}".encode()),
            "node_id": "PSH_1",
            "before": before,
            "after": after,
            "ref": ref,
            "timestamp": call.instance.now().isoformat(),
            "activity_type": kind,
            "actor": None,
        }

    return call.page(pushes, to_json)


def _contents(call: Call) -> ApiResponse:
    path = call.path_part("path").strip("/")
    sha = git_of(call).resolve(call.query("ref") or call.repository.default_branch)
    if sha is None:
        raise GitHubError(404, f"No commit found for the ref {call.query('ref')}")
    if not path:
        return ApiResponse(data=_folder(call, sha, ""))
    listing = git_of(call).bytes("--literal-pathspecs", "ls-tree", "-z", sha, "--", path).decode()
    if not listing:
        raise not_found()
    head = listing.partition("\t")[0].split()
    if head[1] == "tree":
        return ApiResponse(data=_folder(call, sha, path))
    result = _entry(call, sha, path, head[1], head[2])
    if head[1] != "blob":
        return ApiResponse(data=result)
    data = git_of(call).bytes("cat-file", "blob", head[2])
    if "raw" in call.request.headers.get("accept", ""):
        return ApiResponse(data=data)
    small = len(data) <= _INLINE
    result["size"] = len(data)
    result["encoding"] = "base64" if small else "none"
    result["content"] = base64.encodebytes(data).decode() if small else ""
    return ApiResponse(data=result)


def _folder(call: Call, sha: str, path: str) -> list[Json]:
    listing = git_of(call).bytes("ls-tree", "-z", f"{sha}:{path}").decode(errors="replace")
    entries = []
    for record in listing.split("\0")[:-1]:
        head, _, name = record.partition("\t")
        _mode, kind, entry = head.split()
        entries.append(_entry(call, sha, f"{path}/{name}".lstrip("/"), kind, entry))
    return entries


def _entry(call: Call, commit: str, path: str, kind: str, sha: str) -> Json:
    url = api_url(call.instance, call.repository)
    page = f"{call.instance.origin}/{call.repository.full_name}"
    links = {
        "self": f"{url}/contents/{quote(path)}?ref={commit}",
        "git": f"{url}/git/{kind}s/{sha}",
        "html": f"{page}/blob/{commit}/{quote(path)}",
    }
    return {
        "type": _KINDS[kind],
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": sha,
        "size": 0,
        "url": links["self"],
        "git_url": links["git"],
        "html_url": links["html"],
        "download_url": None,
        "_links": links,
    }


ENDPOINTS = (
    endpoint("GET ~/commits", _list, "contents=read"),
    endpoint("GET ~/commits/{sha:path}", _get, "contents=read"),
    endpoint("GET ~/compare/{range:path}", _compare, "contents=read"),
    endpoint("GET ~/activity", _activity, "contents=read"),
    endpoint("GET ~/branches/{branch:path}", _branch, "contents=read"),
    endpoint("GET ~/contents/{path:path}", _contents, "contents=read"),
)
