"""Where a generated file may be: inside the repository, and out of what acts by being there."""

import re
import unicodedata
from collections.abc import Iterator, Mapping

LONGEST = 300
LONGEST_PART = 120
LARGEST = 400_000
"""Characters of a generated file."""

ACTING = frozenset({".github/workflows", ".github/actions", ".github/batch-action"})

UNPORTABLE = "has a path that not every system can hold"
ACTS = "is in a folder that acts by what is in it"

_AWAY = re.compile(r"[/~\\]|[A-Za-z]:")
_BAD = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
"""Control characters, and what Windows reads as something else than a name."""
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?")
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_GIT = re.compile(r"git~\d+|\.git(?!hub$)[\w-]*|gitmod~\d+")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
LINKS = frozenset({"120000", "160000"})
"""The modes of symbolic links and submodules."""


def unsafe(path: str) -> str | None:
    """Why a path is refused whatever the repository holds; None when it is not."""
    parts = path.split("/")
    folded = [part.casefold() for part in parts]
    checks = (
        (not path.strip() or len(path) > LONGEST, "has no usable path"),
        (".." in parts or bool(_AWAY.match(path)), "leaves the repository"),
        (bool(_BAD.search(path) or _HIDDEN.search(path)), UNPORTABLE),
        (path != unicodedata.normalize("NFC", path) or any(map(_odd, parts)), UNPORTABLE),
        (any(_GIT.fullmatch(part) for part in folded), "is git's own"),
        (folded[0] == ".batch-action" or "/".join(folded[:2]) in ACTING, ACTS),
    )
    return next((reason for wrong, reason in checks if wrong), None)


def _odd(part: str) -> bool:
    """Empty, `.`, ending in a dot or a space, a device of Windows, or too long."""
    plain = part.rstrip(". ")
    return (
        not part
        or plain != part
        or part != part.strip()
        or len(part.encode()) > LONGEST_PART
        or bool(_DEVICES.fullmatch(part.casefold()))
    )


class WritablePaths:
    """What a commit holds, as far as it can be in the way."""

    def __init__(self, modes: Mapping[str, str]) -> None:
        """*modes*: of every path of the commit, in git's digits."""
        self._modes = modes
        self._files = {path.casefold() for path in modes}
        self._folders: dict[str, set[str]] = {}
        for path in modes:
            for folder in _above(path):
                self._folders.setdefault(folder.casefold(), set()).add(folder)

    def blocks(self, path: str) -> str | None:
        """Why a file cannot be at this path; None when it can."""
        mode = self._modes.get(path)
        if mode in LINKS:
            return "is a link"
        for folder in _above(path):
            above = self._modes.get(folder)
            if above is not None:
                return "goes through a link" if above in LINKS else "has a file for its folder"
        return None if mode is not None else self._confused(path)

    def _confused(self, path: str) -> str | None:
        """Why a new file would be taken for another one where letter case does not count."""
        if path.casefold() in self._folders:
            return "has a folder in its place"
        if path.casefold() in self._files:
            return "differs from a file only in letter case"
        for folder in _above(path):
            spellings = self._folders.get(folder.casefold(), {folder})
            if folder not in spellings:
                return "differs from a folder only in letter case"
        return None


def _above(path: str) -> Iterator[str]:
    """Every folder that a path is in, the outermost first."""
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


def unfit(text: str) -> str | None:
    """Why a text is refused whatever it says; None when it is not."""
    if not text.strip():
        return "is empty"
    if len(text) > LARGEST:
        return "is too large"
    if _CONTROL.search(text) or any("\ud800" <= c <= "\udfff" for c in text):
        return "has characters that no source file has"
    if _BIDI.search(text):
        return "has characters that hide what it says"
    return None
