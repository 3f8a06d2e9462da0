"""Where a generated file may be written, and what it may contain."""

import re
import unicodedata
from collections.abc import Iterator, Mapping

MAX_PATH_CHARS = 300
MAX_NAME_BYTES = 120
"""Of one part of a path."""
MAX_TEXT_CHARS = 400_000

AUTOMATION_FOLDERS = frozenset({".github/workflows", ".github/actions", ".github/batch-action"})
LINK_MODES = frozenset({"120000", "160000"})
"""Git's modes of symbolic links and submodules."""

NOT_PORTABLE = "has a path that is not valid on every system"
IN_AUTOMATION_FOLDER = "is in a folder that configures automation"

_OUTSIDE = re.compile(r"[/~\\]|[A-Za-z]:")
_INVALID = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
"""Control characters, and characters that Windows does not allow in names."""
_WINDOWS_DEVICES = re.compile(
    r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?"
)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_GIT_NAMES = re.compile(r"git~\d+|\.git(?!hub$)[\w-]*|gitmod~\d+")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def path_problem(path: str) -> str | None:
    """Return why a path is refused in any repository; None if it is not."""
    parts = path.split("/")
    folded = [part.casefold() for part in parts]
    not_portable = (
        bool(_INVALID.search(path) or _INVISIBLE.search(path))
        or path != unicodedata.normalize("NFC", path)
        or any(map(_is_not_portable, parts))
    )
    automation = folded[0] == ".batch-action" or "/".join(folded[:2]) in AUTOMATION_FOLDERS
    checks = (
        (not path.strip() or len(path) > MAX_PATH_CHARS, "has no usable path"),
        (".." in parts or bool(_OUTSIDE.match(path)), "leaves the repository"),
        (not_portable, NOT_PORTABLE),
        (any(_GIT_NAMES.fullmatch(part) for part in folded), "is a file of git itself"),
        (automation, IN_AUTOMATION_FOLDER),
    )
    return next((problem for failed, problem in checks if failed), None)


def _is_not_portable(part: str) -> bool:
    """Whether a part is empty or too long, a Windows device, or ends in a dot or a space."""
    return (
        not part
        or part != part.rstrip(". ")
        or part != part.strip()
        or len(part.encode()) > MAX_NAME_BYTES
        or bool(_WINDOWS_DEVICES.fullmatch(part.casefold()))
    )


class WritablePaths:
    """The paths of a commit, checked for conflicts with a file that is to be written."""

    def __init__(self, modes: Mapping[str, str]) -> None:
        """*modes*: git's mode of every path of the commit, e.g. `100644`."""
        self._modes = modes
        self._files = {path.casefold() for path in modes}
        self._folders: dict[str, set[str]] = {}
        for path in modes:
            for folder in _parent_folders(path):
                self._folders.setdefault(folder.casefold(), set()).add(folder)

    def problem(self, path: str) -> str | None:
        """Return why no file can be written to this path; None if one can."""
        mode = self._modes.get(path)
        if mode in LINK_MODES:
            return "is a link"
        for folder in _parent_folders(path):
            parent = self._modes.get(folder)
            if parent is not None:
                return "goes through a link" if parent in LINK_MODES else "has a file as its folder"
        return None if mode is not None else self._conflict(path)

    def _conflict(self, path: str) -> str | None:
        """Return what a new file conflicts with on a case-insensitive file system."""
        if path.casefold() in self._folders:
            return "has the path of a folder"
        if path.casefold() in self._files:
            return "differs from a file only in letter case"
        for folder in _parent_folders(path):
            spellings = self._folders.get(folder.casefold(), {folder})
            if folder not in spellings:
                return "differs from a folder only in letter case"
        return None


def _parent_folders(path: str) -> Iterator[str]:
    """Yield every folder that a path is in, the outermost first."""
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


def text_problem(text: str) -> str | None:
    """Return why the text of a generated file is refused; None if it is not."""
    if not text.strip():
        return "is empty"
    if len(text) > MAX_TEXT_CHARS:
        return "is too large"
    if _CONTROL.search(text) or any("\ud800" <= c <= "\udfff" for c in text):
        return "has characters that no source file has"
    if _BIDI.search(text):
        return "has bidirectional control characters"
    return None
