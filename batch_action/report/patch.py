"""Generated files as a patch that `git apply` takes."""

import difflib
from collections.abc import Mapping, Sequence

from batch_action.models.answers import GeneratedFile

PRINTED = range(0x20, 0x7F)
"""ASCII that git leaves as it is."""


def patch(files: Sequence[GeneratedFile], before: Mapping[str, str]) -> str:
    """A unified diff; *before*: path to the text that stands there now, missing for a new file."""
    return "".join(_one(file, before.get(file.path)) for file in files)


def _one(file: GeneratedFile, old: str | None) -> str:
    if old == file.text:
        return ""
    old_name, new_name = _name("a/", file.path), _name("b/", file.path)
    head = f"diff --git {old_name} {new_name}\n"
    if old is None:
        head += "new file mode 100644\n"
        old_name = "/dev/null"
    lines = difflib.unified_diff(
        _lines(old or ""), _lines(file.text), old_name, new_name, lineterm="\n"
    )
    return head + "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(text: str) -> list[str]:
    # Only \n parts lines for git; str.splitlines knows a dozen more.
    parts = text.split("\n")
    whole = [f"{part}\n" for part in parts[:-1]]
    return whole + ([parts[-1]] if parts[-1] else [])


def _name(side: str, path: str) -> str:
    """The path as git quotes it in a diff's head."""
    raw = path.encode("utf-8", "surrogateescape")
    if not any(b in b'"\\' or b not in PRINTED for b in raw):
        return f"{side}{path}"
    quoted = "".join(chr(b) if b in PRINTED and b not in b'"\\' else f"\\{b:03o}" for b in raw)
    return f'"{side}{quoted}"'
