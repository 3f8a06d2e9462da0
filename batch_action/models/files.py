"""Changed files, the parts and texts that requests are made of, and the selection of a run."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum, unique

# Paths are `str` as `os.fsdecode` makes them: bytes that are not UTF-8 are lone surrogates. JSON
# cannot carry such a path, so the file is skipped, but it is listed.

MAX_PATH_CHARS = 4096
"""Git can store longer ones, but Linux cannot check them out."""


def unrecordable(path: str) -> str:
    """Return in a few words why a name cannot be in the ledger; empty if it can."""
    if not path.isascii() and any("\ud800" <= char <= "\udfff" for char in path):  # surrogates
        return "the name is not UTF-8"
    is_long = len(path) > MAX_PATH_CHARS
    return f"the name is longer than {MAX_PATH_CHARS:,} characters" if is_long else ""


@unique
class ChangeType(StrEnum):
    """How a file changed between base and head."""

    ADDED = "added"
    MODIFIED = "modified"
    RENAMED = "renamed"
    COPIED = "copied"
    TYPE_CHANGED = "type-changed"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    """Not changed, but selected: by `select: all`, or from the backlog."""


@unique
class SkipReason(StrEnum):
    """Why a changed file is not sent in this run."""

    DELETED = "deleted"
    NOT_IN_PATHS = "not-in-paths"
    PATHS_IGNORE = "paths-ignore"
    DEFAULT_IGNORE = "default-ignore"
    LOCK_FILE = "lock-file"
    GENERATED = "generated"
    VENDORED = "vendored"
    MINIFIED = "minified"
    PROSE = "prose"
    DATA = "data"
    KEY = "key"
    CERTIFICATE = "certificate"
    ENVIRONMENT = "environment-file"
    BINARY = "binary"
    LFS_POINTER = "lfs-pointer"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    EMPTY = "empty"
    MODE_ONLY = "mode-only"
    SAME_CONTENT = "same-content"
    """Renamed only, or with other line ends only: earlier answers hold for it."""
    UNREADABLE_NAME = "unreadable-name"
    TOO_LARGE = "too-large"
    NOT_IN_CLONE = "not-in-this-clone"
    ALREADY_REVIEWED = "already-reviewed"
    IN_FLIGHT = "in-flight"
    GIVEN_UP = "given-up"
    WITHDRAWN = "withdrawn"
    NOT_FOR_TASK = "not-for-this-task"


@unique
class SkipKind(StrEnum):
    """What decided that a file is not sent: who could have hidden something there."""

    CONTENT = "content"
    """Its bytes (a marker, a NUL, a long line, its size), a link, or an unrecordable name."""
    NAME = "name"
    """A default ignore, which neither the configuration nor an attribute mentions."""
    CONFIG = "config"
    """The patterns or attributes of the commit whose rules apply."""
    OTHER = "other"
    """There is nothing to review in it, or this or another run accounts for it."""


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
    """The path at base, of a renamed or copied file."""
    old_blob: str | None = None
    """Object id at base; None for a new file."""


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
    outputs_only: bool = False
    """It changes a notebook's outputs and counts only: lines move, but no code changes."""


@dataclass(frozen=True, slots=True)
class LineChange:
    """A hunk with its lines as git stores them, their ends included."""

    hunk: Hunk
    removed: bytes
    added: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A range of lines of one file that one request asks about."""

    number: int
    """1-based."""
    count: int
    """How many parts the file has."""
    start_line: int
    """1-based."""
    end_line: int
    """1-based, inclusive."""


@unique
class ContextKind(StrEnum):
    """How a context file relates to the reviewed file: the name of its element in the prompt."""

    BEFORE = "before"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFile:
    """Another file sent along with the reviewed one; its blob is part of the request's digest."""

    kind: ContextKind
    path: str
    blob: str
    text: str
    """Decoded and masked like the reviewed text; an outline when not `complete`."""
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedFile:
    """Lines of another file that are shown with the reviewed one, but are not under review."""

    path: str
    lines: tuple[tuple[int, str], ...]
    """Each with its number, in order; masked like the reviewed text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """A file that is not sent, with the reason."""

    path: str
    reason: SkipReason
    kind: SkipKind = SkipKind.OTHER
    detail: str = ""
    """Details, e.g. the pattern that matched or the size of the file."""
    is_new: bool = False
    """Whether the path did not exist at base; a pure rename is not new."""
    blob: str | None = None
    """The blob at head, set when the file went back to one that was already reviewed: the ledger
    then replaces the path's newest blob with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedFile:
    """A file selected for review; its text is not kept."""

    path: str
    status: ChangeType
    blob: str
    old_path: str | None
    old_blob: str | None
    language: str
    """Lower-case name for the prompt and code fences, e.g. `python`; empty when unknown."""
    parts: tuple[FilePart, ...]
    risk: float
    """Files of higher risk are sent first when the budget does not cover all."""
    masked_secrets: int
    """How many secrets are masked in its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile(SelectedFile):
    """A selected file while its requests are rendered, with everything that its prompt needs."""

    text: str
    """The blob at head, decoded (undecodable bytes become U+FFFD), with secrets masked."""
    lines: Sequence[str]
    """Those of the text, without their ends."""
    diff: str
    """Unified diff of the changed hunks with context; empty for a whole-file review."""
    hunks: tuple[Hunk, ...] = ()
    """What the diff shows, as git counts lines; empty for a whole-file review."""
    lossless: bool = True
    """Whether `text` encodes to the blob again (except for masks and a byte order mark)."""
    context_files: tuple[ContextFile, ...] = ()
    related: tuple[RelatedFile, ...] = ()
    """Not part of a request's digest."""
    hints: tuple[tuple[str, str], ...] = ()
    """More elements for the prompt: (name, text)."""

    def without_text(self) -> SelectedFile:
        """Return what is known of the file when its requests are rendered."""
        return SelectedFile(
            **{each.name: getattr(self, each.name) for each in fields(SelectedFile)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The files selected for a task in one run, and the skipped ones with their reasons."""

    head: str
    base: str | None
    """None when there is no commit to compare with: the whole tree was selected."""
    files: tuple[SelectedFile, ...]
    """In order of descending risk."""
    skipped: tuple[SkippedFile, ...]
