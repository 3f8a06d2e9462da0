"""What git says changed, and which of it is reviewed: the words of a selection."""

from dataclasses import dataclass
from enum import StrEnum, unique

# Paths are `str` as `os.fsdecode` makes them: bytes that are no UTF-8 are lone surrogates. Such a
# name can neither travel in JSON nor to an API, so the file is skipped, but it is still accounted.


@unique
class ChangeType(StrEnum):
    """How a file stands between base and head."""

    ADDED = "added"
    MODIFIED = "modified"
    RENAMED = "renamed"
    COPIED = "copied"
    TYPE_CHANGED = "type-changed"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    """Not changed, but selected: `select: all`, or owed since an earlier night."""


@unique
class SkipReason(StrEnum):
    """Why a changed file is not sent tonight."""

    DELETED = "deleted"
    NOT_IN_PATHS = "not-in-paths"
    PATHS_IGNORE = "paths-ignore"
    DEFAULT_IGNORE = "default-ignore"
    LOCK_FILE = "lock-file"
    GENERATED = "generated"
    VENDORED = "vendored"
    MINIFIED = "minified"
    BINARY = "binary"
    LFS_POINTER = "lfs-pointer"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    EMPTY = "empty"
    MODE_ONLY = "mode-only"
    UNREADABLE_NAME = "unreadable-name"
    TOO_LARGE = "too-large"
    NOT_HERE = "not-in-this-clone"
    SAME_AS_BEFORE = "same-as-before"
    IN_FLIGHT = "in-flight"
    GIVEN_UP = "given-up"
    WITHDRAWN = "withdrawn"
    NOT_FOR_TASK = "not-for-this-task"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One entry of `git diff --raw`, or of a tree for `select: all`."""

    path: str
    status: ChangeType
    mode: str
    """Six octal digits at head, e.g. `100644`; `000000` when deleted."""
    blob: str
    """Object id at head, 40 (or 64) hex digits; all zeros when deleted."""
    old_path: str | None = None
    """The path at base, for renames and copies."""
    old_blob: str | None = None
    """Object id at base; None when there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One changed range between two blobs, as `git diff -U0` counts: 1-based starts.

    With `old_lines == 0` lines were inserted after `old_start`; with `new_lines == 0` lines were
    removed after `new_start`.
    """

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A run of lines of one file that travels in one request."""

    number: int
    """1-based."""
    of: int
    first: int
    """First line, 1-based."""
    last: int
    """Last line, inclusive."""


@unique
class ContextKind(StrEnum):
    """What another text is to the file it is sent along with: the name of its element."""

    BEFORE = "before"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFile:
    """Another text that is sent along with a file; its blob is part of the question."""

    role: ContextKind
    path: str
    blob: str
    text: str
    """Decoded and masked, as the file's own; only an outline when not complete."""
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """A file that is not sent, and why."""

    path: str
    reason: SkipReason
    detail: str = ""
    """A few words more, e.g. the pattern that matched or the size that is too large."""
    blob: str | None = None
    """Set when the file went back to a blob that need not be asked about again: what the ledger
    knows as this path's newest one is no longer there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedFile:
    """A file chosen for review, with everything a prompt needs of it."""

    path: str
    status: ChangeType
    blob: str
    old_path: str | None
    old_blob: str | None
    language: str
    """A lower-case word for the prompt and the fence, e.g. `python`; empty when unknown."""
    text: str
    """The blob at head, decoded (bytes that do not decode become U+FFFD), secrets masked."""
    change: str
    """The changed hunks with context as unified diff lines; empty for a whole-file review."""
    hunks: tuple[Hunk, ...]
    parts: tuple[FilePart, ...]
    risk: float
    """Larger goes out first when money is short."""
    masked: int
    """How many secrets were masked."""
    faithful: bool = True
    """The text, encoded as UTF-8, is the blob again (but for masks and a byte order mark)."""
    context_files: tuple[ContextFile, ...] = ()
    hints: tuple[tuple[str, str], ...] = ()
    """What else the request says of it: the element's name and its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The files chosen for a task on one night, and the skipped ones with their reasons."""

    head: str
    base: str | None
    """None when there is nothing to compare with: the whole tree was selected."""
    files: tuple[SelectedFile, ...]
    """In order of falling risk."""
    skipped: tuple[SkippedFile, ...]
