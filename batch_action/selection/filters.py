"""Who is not reviewed, and why: by the change, by the name, by the size, by the content."""

from collections.abc import Mapping

from batch_action.models.files import ChangeType, FileChange, SkippedFile, SkipReason
from batch_action.selection import content
from batch_action.selection.parts import MAX_CHARS, long_line
from batch_action.selection.patterns import PathRules

SYMLINK_MODE = "120000"
SUBMODULE_MODE = "160000"

_NO = ("unset", "false")


def by_change(change: FileChange) -> SkippedFile | None:
    """Return why git's own entry rules a file out; None when it does not.

    A pure rename is no mode-only change: its verdict moves with it.
    """
    if change.status is ChangeType.DELETED:
        return SkippedFile(path=change.path, reason=SkipReason.DELETED)
    if _unreadable(change.path):
        detail = "the name is no UTF-8"
        return SkippedFile(path=change.path, reason=SkipReason.UNREADABLE_NAME, detail=detail)
    if change.mode == SYMLINK_MODE:
        return SkippedFile(path=change.path, reason=SkipReason.SYMLINK)
    if change.mode == SUBMODULE_MODE:
        detail = f"at commit {change.blob[:12]}"
        return SkippedFile(path=change.path, reason=SkipReason.SUBMODULE, detail=detail)
    if change.status is ChangeType.MODIFIED and change.blob == change.old_blob:
        detail = f"now {change.mode}"
        return SkippedFile(path=change.path, reason=SkipReason.MODE_ONLY, detail=detail)
    return None


def by_name(path: str, rules: PathRules, attributes: Mapping[str, str]) -> SkippedFile | None:
    """Return why the user's patterns, the commit's attributes or the defaults rule a path out.

    Args:
        path: as git names it.
        rules: `paths`, `paths-ignore` and the default ignores.
        attributes: what `.gitattributes` says of the path, in git's words (`set`, `unset`, …).

    """
    told = rules.skip(path)
    if told and told.reason in (SkipReason.NOT_IN_PATHS, SkipReason.PATHS_IGNORE):
        return told
    if rules.rescues(path):
        return None
    return _by_attribute(path, attributes) or (None if _kept(attributes) else told)


def _by_attribute(path: str, attributes: Mapping[str, str]) -> SkippedFile | None:
    def skipped(reason: SkipReason, attribute: str) -> SkippedFile:
        return SkippedFile(path=path, reason=reason, detail=f".gitattributes: {attribute}")

    ours = attributes.get("batch-action")
    if ours in _NO:
        return skipped(SkipReason.PATHS_IGNORE, "-batch-action")
    if ours is not None:
        return None
    for reason, name in (
        (SkipReason.GENERATED, "linguist-generated"),
        (SkipReason.VENDORED, "linguist-vendored"),
    ):
        if attributes.get(name, "unset") not in _NO:
            return skipped(reason, name)
    if attributes.get("binary") == "set":
        return skipped(SkipReason.BINARY, "binary")
    return skipped(SkipReason.BINARY, "-diff") if attributes.get("diff") == "unset" else None


def _kept(attributes: Mapping[str, str]) -> bool:
    """Tell whether the attributes claim the file as hand-written."""
    return (
        attributes.get("batch-action", "unset") not in _NO
        or attributes.get("linguist-generated") in _NO
        or attributes.get("linguist-vendored") in _NO
    )


def by_size(path: str, size: int, limit: int) -> SkippedFile | None:
    """Return why the size in bytes rules a file out: nothing in it, or more than `limit`."""
    if size == 0:
        return SkippedFile(path=path, reason=SkipReason.EMPTY)
    if size > limit:
        detail = f"{size:,} bytes, the limit is {limit:,}"
        return SkippedFile(path=path, reason=SkipReason.TOO_LARGE, detail=detail)
    return None


def by_bytes(path: str, data: bytes) -> SkippedFile | None:
    """Return why the bytes are no text to review."""
    if content.is_lfs_pointer(data):
        return SkippedFile(path=path, reason=SkipReason.LFS_POINTER)
    if content.is_binary(data):
        return SkippedFile(path=path, reason=SkipReason.BINARY, detail="a NUL byte near the start")
    return None


def by_text(
    path: str, text: str, *, machine_made: bool = True, max_chars: int = MAX_CHARS
) -> SkippedFile | None:
    """Return why the text is not worth a review.

    Args:
        path: for the answer.
        text: decoded.
        machine_made: whether generated and minified texts are left out.
        max_chars: the size of a part; a longer line cannot be cut.

    """
    if not text.strip():
        return SkippedFile(
            path=path, reason=SkipReason.EMPTY, detail="only white space" if text else ""
        )
    if machine_made:
        marker = content.generated_marker(text)
        if marker:
            return SkippedFile(path=path, reason=SkipReason.GENERATED, detail=f"says {marker!r}")
        average = content.average_line(text)
        if average > content.LONG_AVERAGE:
            detail = f"{average:,} characters per line on average"
            return SkippedFile(path=path, reason=SkipReason.MINIFIED, detail=detail)
    number = long_line(text, max_chars)
    if number is not None:
        detail = f"line {number} alone has more than {max_chars:,} characters"
        return SkippedFile(path=path, reason=SkipReason.TOO_LARGE, detail=detail)
    return None


def _unreadable(path: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in path)
