"""Which paths and texts of generated files are refused in any repository."""

import re
import unicodedata

MAX_PATH_CHARS = 300
MAX_NAME_BYTES = 120
"""Of one part of a path."""
MAX_TEXT_CHARS = 400_000

AUTOMATION_FOLDERS = frozenset({".github/workflows", ".github/actions", ".github/batch-action"})

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
