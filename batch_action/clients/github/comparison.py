"""Parsing of the compare API's response, where it is known to be complete."""

from typing import Any

from batch_action.errors import GitHubError
from batch_action.models.files import ChangeType, FileChange

# https://docs.github.com/rest/commits/commits#compare-two-commits
_MAX_FILES = 300
_FIX = "Give actions/checkout `fetch-depth: 0`, so that git itself can compare."
_STATUSES = {
    "added": ChangeType.ADDED,
    "modified": ChangeType.MODIFIED,
    "removed": ChangeType.DELETED,
    "renamed": ChangeType.RENAMED,
    "copied": ChangeType.COPIED,
    "changed": ChangeType.TYPE_CHANGED,
}


def parse_comparison(
    data: dict[str, Any], base: str, head: str, *, forked: bool = False
) -> list[FileChange]:
    """Return the changes in `GET /compare/base...head`, in GitHub's order.

    The API returns no modes and no old blobs: `mode` is `100644` for every file that exists (look
    it up in the tree of `head`), and `old_blob` is None except for deleted files.

    Raises:
        GitHubError: `head` does not descend from `base` and is not `forked` from it, or 300 files
            or more changed.
    """
    status = data.get("status")
    between = f"between {base[:12]} and {head[:12]}"
    if status not in ("ahead", "identical") and not forked:
        raise GitHubError(
            f"GitHub can only compare from a common ancestor, and the history {between} has "
            f"{status}.",
            fix=_FIX,
        )
    files = data.get("files") or []
    if len(files) >= _MAX_FILES:
        raise GitHubError(f"GitHub lists only the first 300 files changed {between}.", fix=_FIX)
    return [_change(file) for file in files if file.get("status") in _STATUSES]


def _change(file: dict[str, Any]) -> FileChange:
    status = _STATUSES[file["status"]]
    blob = str(file.get("sha") or "0" * 40)
    is_renamed = status in (ChangeType.RENAMED, ChangeType.COPIED)
    is_deleted = status is ChangeType.DELETED
    return FileChange(
        path=file["filename"],
        status=status,
        mode="000000" if is_deleted else "100644",
        blob="0" * len(blob) if is_deleted else blob,
        old_path=file.get("previous_filename") if is_renamed else None,
        old_blob=blob if is_deleted else None,
    )
