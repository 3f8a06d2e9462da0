"""The Git reference endpoints: branches and tags of the real repository."""

from batch_action.sandbox.github.git import GitError
from batch_action.sandbox.github.git_data import git_of
from batch_action.sandbox.github.json_objects import Json, api_url
from batch_action.sandbox.github.rest import ApiResponse, Call, GitHubError, endpoint, not_found


def _ref_shape(call: Call, ref: str, sha: str) -> Json:
    return {
        "ref": ref,
        "node_id": f"REF_{ref}",
        "url": f"{api_url(call.instance, call.repository)}/git/{ref}",
        "object": _object_shape(call, sha),
    }


def _object_shape(call: Call, sha: str) -> Json:
    kind = git_of(call).text("cat-file", "-t", sha)
    url = f"{api_url(call.instance, call.repository)}/git/{kind}s/{sha}"
    return {"type": kind, "sha": sha, "url": url}


def _refs(call: Call, prefix: str) -> list[Json]:
    listing = git_of(call).text("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
    listing += "\n" + git_of(call).text(
        "for-each-ref", "--format=%(refname) %(objectname)", "refs/tags"
    )
    pairs = [line.split(" ") for line in listing.splitlines() if line]
    return [_ref_shape(call, ref, sha) for ref, sha in pairs if ref.startswith(prefix)]


def _get_ref(call: Call) -> ApiResponse:
    name = f"refs/{call.path_part('ref')}"
    for ref in _refs(call, name):
        if ref["ref"] == name:
            return ApiResponse(data=ref)
    raise not_found()


def _get_tag(call: Call) -> ApiResponse:
    """Return the object of an annotated tag."""
    sha = git_of(call).resolve(call.path_part("sha"), "tag")
    if sha is None:
        raise not_found()
    head, _, message = git_of(call).text("cat-file", "tag", sha).partition("\n\n")
    fields = dict(line.split(" ", 1) for line in head.splitlines())
    data = {"sha": sha, "tag": fields["tag"], "message": message}
    return ApiResponse(data=data | {"object": _object_shape(call, fields["object"])})


def _matching(call: Call) -> ApiResponse:
    return call.page(_refs(call, f"refs/{call.path_part('ref')}"), dict)


def _all_refs(call: Call) -> ApiResponse:
    return call.page(_refs(call, "refs/"), dict)


def _create_ref(call: Call) -> ApiResponse:
    body = call.body()
    ref, sha = str(body.get("ref", "")), str(body.get("sha", ""))
    if not ref.startswith("refs/") or ref.count("/") < 2:
        raise GitHubError(422, "Reference name is invalid")
    if git_of(call).resolve(sha) is None:
        raise GitHubError(422, "Object does not exist")
    if git_of(call).resolve(ref) is not None:
        raise GitHubError(422, "Reference already exists")
    _update(call, ref, sha)
    return ApiResponse(status=201, data=_ref_shape(call, ref, sha))


def _edit_ref(call: Call) -> ApiResponse:
    ref, body = f"refs/{call.path_part('ref')}", call.body()
    old, sha = git_of(call).resolve(ref), str(body.get("sha", ""))
    if old is None:
        raise GitHubError(422, "Reference does not exist")
    if git_of(call).resolve(sha) is None:
        raise GitHubError(422, "Object does not exist")
    if not body.get("force") and git_of(call).text("merge-base", old, sha) != old:
        raise GitHubError(422, "Update is not a fast forward")
    _update(call, ref, sha)
    for issue in call.repository.issues.values():
        if issue.pull and issue.state == "open" and ref == f"refs/heads/{issue.pull.head_ref}":
            issue.pull.head_sha = sha
    return ApiResponse(data=_ref_shape(call, ref, sha))


def _update(call: Call, ref: str, sha: str) -> None:
    try:
        git_of(call).bytes("update-ref", "--", ref, sha)
    except GitError as error:
        raise GitHubError(422, f"Reference name is invalid: {error}") from None


def _delete_ref(call: Call) -> ApiResponse:
    ref = f"refs/{call.path_part('ref')}"
    if git_of(call).resolve(ref) is None:
        raise GitHubError(422, "Reference does not exist")
    git_of(call).bytes("update-ref", "-d", "--", ref)
    return ApiResponse(status=204)


_W = "contents=write"
ENDPOINTS = (
    endpoint("GET ~/git/refs", _all_refs, "contents=read"),
    endpoint("GET ~/git/ref/{ref:path}", _get_ref, "contents=read"),
    endpoint("GET ~/git/refs/{ref:path}", _get_ref, "contents=read"),
    endpoint("GET ~/git/matching-refs/{ref:path}", _matching, "contents=read"),
    endpoint("GET ~/git/tags/{sha}", _get_tag, "contents=read"),
    endpoint("POST ~/git/refs", _create_ref, _W),
    endpoint("PATCH ~/git/refs/{ref:path}", _edit_ref, _W),
    endpoint("DELETE ~/git/refs/{ref:path}", _delete_ref, _W),
)
