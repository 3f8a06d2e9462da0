"""Which files are not reviewed, and why: by the change, the name, the size and the content.

Each check returns the skipped file with its reason, or None when the file passes.
"""

from collections.abc import Mapping

from batch_action.models.files import ChangeType, FileChange, SkippedFile, SkipReason
from batch_action.selection import content
from batch_action.selection.parts import MAX_CHARS, find_long_line
from batch_action.selection.patterns import PathRules

SYMLINK_MODE = "120000"
SUBMODULE_MODE = "160000"

_FALSE_VALUES = ("unset", "false")
"""How `git check-attr` reports `-name` and `name=false`."""


def check_change(change: FileChange) -> SkippedFile | None:
    """Check git's own entry: deletions, symlinks, submodules and changes of the mode only.

    A pure rename is not a mode-only change: its verdict moves with it.
    """
    if change.status is ChangeType.DELETED:
        return SkippedFile(path=change.path, reason=SkipReason.DELETED)
    if any("\ud800" <= char <= "\udfff" for char in change.path):  # surrogates
        detail = "the name is not UTF-8"
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


def check_name(path: str, rules: PathRules, attributes: Mapping[str, str]) -> SkippedFile | None:
    """Check the user's patterns, the commit's attributes and the default ignores.

    *attributes*: the path's attributes with git's values (`set`, `unset`, …).
    """
    skipped = rules.skip(path)
    if skipped and skipped.reason in (SkipReason.NOT_IN_PATHS, SkipReason.PATHS_IGNORE):
        return skipped
    if rules.reincludes(path):
        return None
    return _check_attributes(path, attributes) or (
        None if _is_hand_written(attributes) else skipped
    )


def _check_attributes(path: str, attributes: Mapping[str, str]) -> SkippedFile | None:
    def skipped(reason: SkipReason, attribute: str) -> SkippedFile:
        return SkippedFile(path=path, reason=reason, detail=f".gitattributes: {attribute}")

    own = attributes.get("batch-action")
    if own in _FALSE_VALUES:
        return skipped(SkipReason.PATHS_IGNORE, "-batch-action")
    if own is not None:
        return None
    for reason, name in (
        (SkipReason.GENERATED, "linguist-generated"),
        (SkipReason.VENDORED, "linguist-vendored"),
    ):
        if attributes.get(name, "unset") not in _FALSE_VALUES:
            return skipped(reason, name)
    if attributes.get("binary") == "set":
        return skipped(SkipReason.BINARY, "binary")
    return skipped(SkipReason.BINARY, "-diff") if attributes.get("diff") == "unset" else None


def _is_hand_written(attributes: Mapping[str, str]) -> bool:
    """Return whether the attributes mark the file as hand-written."""
    return (
        attributes.get("batch-action", "unset") not in _FALSE_VALUES
        or attributes.get("linguist-generated") in _FALSE_VALUES
        or attributes.get("linguist-vendored") in _FALSE_VALUES
    )


def check_size(path: str, size: int, limit: int) -> SkippedFile | None:
    """Check the size in bytes: neither empty nor more than `limit`."""
    if size == 0:
        return SkippedFile(path=path, reason=SkipReason.EMPTY)
    if size > limit:
        detail = f"{size:,} bytes, the limit is {limit:,}"
        return SkippedFile(path=path, reason=SkipReason.TOO_LARGE, detail=detail)
    return None


def check_bytes(path: str, data: bytes) -> SkippedFile | None:
    """Check that the bytes are text, and not a Git LFS pointer."""
    if content.is_lfs_pointer(data):
        return SkippedFile(path=path, reason=SkipReason.LFS_POINTER)
    if content.is_binary(data):
        return SkippedFile(path=path, reason=SkipReason.BINARY, detail="a NUL byte near the start")
    return None


def check_text(
    path: str, text: str, *, skip_generated: bool = True, max_chars: int = MAX_CHARS
) -> SkippedFile | None:
    """Check the decoded text: not blank, not generated or minified, no line too long for a part.

    *max_chars*: the size of a part in characters; a longer line cannot be split.
    """
    if not text.strip():
        return SkippedFile(
            path=path, reason=SkipReason.EMPTY, detail="only white space" if text else ""
        )
    if skip_generated:
        marker = content.generated_marker(text)
        if marker:
            return SkippedFile(
                path=path, reason=SkipReason.GENERATED, detail=f"contains {marker!r}"
            )
        average = content.average_line_chars(text)
        if average > content.MINIFIED_AVERAGE_CHARS:
            detail = f"{average:,} characters per line on average"
            return SkippedFile(path=path, reason=SkipReason.MINIFIED, detail=detail)
    number = find_long_line(text, max_chars)
    if number is not None:
        detail = f"line {number} alone has more than {max_chars:,} characters"
        return SkippedFile(path=path, reason=SkipReason.TOO_LARGE, detail=detail)
    return None
