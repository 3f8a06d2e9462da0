"""Who is not reviewed, and why: by the change, by the name, by the size, by the content."""

from collections.abc import Mapping

from batch_action.models.files import Change, Reason, Skipped, Status
from batch_action.selection import content
from batch_action.selection.parts import MAX_CHARS, long_line
from batch_action.selection.patterns import Rules

SYMLINK_MODE = "120000"
SUBMODULE_MODE = "160000"

_NO = ("unset", "false")


def by_change(change: Change) -> Skipped | None:
    """Return why git's own entry rules a file out; None when it does not.

    A pure rename is no mode-only change: its verdict moves with it.
    """
    if change.status is Status.DELETED:
        return Skipped(path=change.path, reason=Reason.DELETED)
    if _unreadable(change.path):
        detail = "the name is no UTF-8"
        return Skipped(path=change.path, reason=Reason.UNREADABLE_NAME, detail=detail)
    if change.mode == SYMLINK_MODE:
        return Skipped(path=change.path, reason=Reason.SYMLINK)
    if change.mode == SUBMODULE_MODE:
        detail = f"at commit {change.blob[:12]}"
        return Skipped(path=change.path, reason=Reason.SUBMODULE, detail=detail)
    if change.status is Status.MODIFIED and change.blob == change.old_blob:
        detail = f"now {change.mode}"
        return Skipped(path=change.path, reason=Reason.MODE_ONLY, detail=detail)
    return None


def by_name(path: str, rules: Rules, attributes: Mapping[str, str]) -> Skipped | None:
    """Return why the user's patterns, the commit's attributes or the defaults rule a path out.

    Args:
        path: as git names it.
        rules: `paths`, `paths-ignore` and the default ignores.
        attributes: what `.gitattributes` says of the path, in git's words (`set`, `unset`, …).

    """
    told = rules.skip(path)
    if told and told.reason in (Reason.NOT_IN_PATHS, Reason.PATHS_IGNORE):
        return told
    if rules.rescues(path):
        return None
    return _by_attribute(path, attributes) or (None if _kept(attributes) else told)


def _by_attribute(path: str, attributes: Mapping[str, str]) -> Skipped | None:
    def skipped(reason: Reason, attribute: str) -> Skipped:
        return Skipped(path=path, reason=reason, detail=f".gitattributes: {attribute}")

    ours = attributes.get("batch-action")
    if ours in _NO:
        return skipped(Reason.PATHS_IGNORE, "-batch-action")
    if ours is not None:
        return None
    for reason, name in (
        (Reason.GENERATED, "linguist-generated"),
        (Reason.VENDORED, "linguist-vendored"),
    ):
        if attributes.get(name, "unset") not in _NO:
            return skipped(reason, name)
    if attributes.get("binary") == "set":
        return skipped(Reason.BINARY, "binary")
    return skipped(Reason.BINARY, "-diff") if attributes.get("diff") == "unset" else None


def _kept(attributes: Mapping[str, str]) -> bool:
    """Tell whether the attributes claim the file as hand-written."""
    return (
        attributes.get("batch-action", "unset") not in _NO
        or attributes.get("linguist-generated") in _NO
        or attributes.get("linguist-vendored") in _NO
    )


def by_size(path: str, size: int, limit: int) -> Skipped | None:
    """Return why the size in bytes rules a file out: nothing in it, or more than `limit`."""
    if size == 0:
        return Skipped(path=path, reason=Reason.EMPTY)
    if size > limit:
        detail = f"{size:,} bytes, the limit is {limit:,}"
        return Skipped(path=path, reason=Reason.TOO_LARGE, detail=detail)
    return None


def by_bytes(path: str, data: bytes) -> Skipped | None:
    """Return why the bytes are no text to review."""
    if content.is_lfs_pointer(data):
        return Skipped(path=path, reason=Reason.LFS_POINTER)
    if content.is_binary(data):
        return Skipped(path=path, reason=Reason.BINARY, detail="a NUL byte near the start")
    return None


def by_text(
    path: str, text: str, *, machine_made: bool = True, max_chars: int = MAX_CHARS
) -> Skipped | None:
    """Return why the text is not worth a review.

    Args:
        path: for the answer.
        text: decoded.
        machine_made: whether generated and minified texts are left out.
        max_chars: the size of a part; a longer line cannot be cut.

    """
    if not text.strip():
        return Skipped(path=path, reason=Reason.EMPTY, detail="only white space" if text else "")
    if machine_made:
        marker = content.generated_marker(text)
        if marker:
            return Skipped(path=path, reason=Reason.GENERATED, detail=f"says {marker!r}")
        average = content.average_line(text)
        if average > content.LONG_AVERAGE:
            detail = f"{average:,} characters per line on average"
            return Skipped(path=path, reason=Reason.MINIFIED, detail=detail)
    number = long_line(text, max_chars)
    if number is not None:
        detail = f"line {number} alone has more than {max_chars:,} characters"
        return Skipped(path=path, reason=Reason.TOO_LARGE, detail=detail)
    return None


def _unreadable(path: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in path)
