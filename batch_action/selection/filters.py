"""Which files are not reviewed, and why: by the change, the name, the size and the content.

Each check returns the skipped file with its reason, or None when the file passes.
"""

from collections.abc import Mapping

from batch_action.models.files import (
    ChangeType,
    FileChange,
    SkipKind,
    SkippedFile,
    SkipReason,
    unrecordable,
)
from batch_action.selection import content
from batch_action.selection.paths import is_prose, language_of
from batch_action.selection.patterns import PathRules

SYMLINK_MODE = "120000"
SUBMODULE_MODE = "160000"

MINIFIED_AVERAGE_CHARS = 500
"""A text with more characters per line on average is minified."""
MINIFIED_MIN_CHARS = 5000
"""A shorter text is never minified."""

_FALSE_VALUES = ("unset", "false")
"""How `git check-attr` reports `-name` and `name=false`."""


def check_change(change: FileChange) -> SkippedFile | None:
    """Check git's own entry: deletions, symlinks, submodules and changes of the mode only.

    A pure rename is not a mode-only change: its verdict moves with it.
    """
    reason, detail = None, ""
    if change.status is ChangeType.DELETED:
        reason = SkipReason.DELETED
    elif detail := unrecordable(change.path):
        reason = SkipReason.UNREADABLE_NAME
    elif change.mode == SYMLINK_MODE:
        reason = SkipReason.SYMLINK
    elif change.mode == SUBMODULE_MODE:
        reason, detail = SkipReason.SUBMODULE, f"at commit {change.blob[:12]}"
    elif change.status is ChangeType.MODIFIED and change.blob == change.old_blob:
        reason, detail = SkipReason.MODE_ONLY, f"now {change.mode}"
    if reason is None:
        return None
    is_unseen = reason not in (SkipReason.DELETED, SkipReason.MODE_ONLY)
    kind = SkipKind.CONTENT if is_unseen else SkipKind.OTHER
    return SkippedFile(path=change.path, reason=reason, kind=kind, detail=detail)


def check_name(path: str, rules: PathRules, attributes: Mapping[str, str]) -> SkippedFile | None:
    """Check the user's patterns, the commit's attributes and the default ignores.

    *attributes*: the path's attributes with git's values (`set`, `unset`, …).
    """
    skipped = rules.skip(path)
    if skipped and skipped.kind is SkipKind.CONFIG:
        return skipped
    if rules.reincludes(path):
        return None
    marks = {name: value not in _FALSE_VALUES for name, value in attributes.items()}
    own = marks.get("batch-action")
    for applies, reason, name in (
        (own is False, SkipReason.PATHS_IGNORE, "-batch-action"),
        (marks.get("linguist-generated"), SkipReason.GENERATED, "linguist-generated"),
        (marks.get("linguist-vendored"), SkipReason.VENDORED, "linguist-vendored"),
        (attributes.get("binary") == "set", SkipReason.BINARY, "binary"),
        (attributes.get("diff") == "unset", SkipReason.BINARY, "-diff"),
    ):
        if applies and not own:
            detail = f".gitattributes: {name}"
            return SkippedFile(path=path, reason=reason, kind=SkipKind.CONFIG, detail=detail)
    hand_written = (
        own or marks.get("linguist-generated") is False or marks.get("linguist-vendored") is False
    )
    return None if hand_written else skipped


def check_size(path: str, size: int, limit: int) -> SkippedFile | None:
    """Check the size in bytes: neither empty nor more than `limit`."""
    if size == 0:
        return SkippedFile(path=path, reason=SkipReason.EMPTY)
    if size > limit:
        detail = f"{size:,} bytes, the limit is {limit:,}"
        return _by_content(path, SkipReason.TOO_LARGE, detail)
    return None


def check_bytes(path: str, data: bytes) -> SkippedFile | None:
    """Check that the bytes are text, and not a Git LFS pointer."""
    if content.is_lfs_pointer(data):
        return _by_content(path, SkipReason.LFS_POINTER)
    if content.is_binary(data):
        return _by_content(path, SkipReason.BINARY, "a NUL byte near the start")
    if content.is_ambiguous(data):
        return _by_content(path, SkipReason.BINARY, "UTF-16 that can be read as other text as well")
    return None


def check_text(
    path: str, text: str, *, skip_generated: bool = True, max_chars: int = content.MAX_PART_CHARS
) -> SkippedFile | None:
    """Check the decoded text: not blank, not generated or minified, no line too long for a part.

    *max_chars*: the size of a part in characters; a longer line cannot be split.
    """
    if not text or text.isspace():
        detail = "only white space" if text else ""
        return SkippedFile(path=path, reason=SkipReason.EMPTY, detail=detail)
    if skip_generated:
        is_web = language_of(path) in ("javascript", "css")
        marker = content.generated_marker(text) or (is_web and content.compiled_marker(text))
        if marker:
            return _by_content(path, SkipReason.GENERATED, f"contains {marker!r}")
    average = _average_line_chars(text)
    if skip_generated and average > MINIFIED_AVERAGE_CHARS and not is_prose(path):
        detail = f"{average:,} characters per line on average"
        return _by_content(path, SkipReason.MINIFIED, detail)
    number = content.find_long_line(text, max_chars)
    if number is not None:
        detail = f"line {number} alone has more than {max_chars:,} characters"
        return _by_content(path, SkipReason.TOO_LARGE, detail)
    return None


def _average_line_chars(text: str) -> int:
    """Return how many characters a line has on average; 0 if they are too few to be minified."""
    if len(text) < MINIFIED_MIN_CHARS:
        return 0
    # Most texts have enough line ends in their first characters.
    if text.count("\n", 0, MINIFIED_MIN_CHARS) >= len(text) // MINIFIED_AVERAGE_CHARS:
        return 0
    return len(text) // (text.count("\n") + 1)


def _by_content(path: str, reason: SkipReason, detail: str = "") -> SkippedFile:
    return SkippedFile(path=path, reason=reason, kind=SkipKind.CONTENT, detail=detail)
