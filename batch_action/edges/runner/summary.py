"""A job summary that fits: the runner drops one over 1 MiB as a whole."""

import re

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_NOTE = "\n\n> [!NOTE]\n> The rest of this summary was left out: GitHub shows at most 1 MiB.\n"
_CLOSE = "\n\n</details>"


def fit(markdown: str, room: int) -> str:
    """Give the Markdown, cut to `room` bytes of UTF-8 with a note when it is longer.

    It is cut at a blank line outside of fences, and open `<details>` are closed. Without such a
    place, or without room for the note, nothing but the note, or nothing, is left.
    """
    text = markdown.encode("utf-8", "replace").decode()
    if len(text.encode()) <= room:
        return text
    room -= len(_NOTE.encode())
    size = depth = safe = closes = 0
    fence = ""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        size += len(line.encode())
        fence = _fence_after(fence, line)
        if not fence:
            depth = max(0, depth + line.count("<details") - line.count("</details>"))
        if size + depth * len(_CLOSE) > room:
            break
        if not fence and not line.strip():
            safe, closes = number, depth
    kept = "".join(lines[:safe]).rstrip() + _CLOSE * closes
    return kept + _NOTE if room >= 0 else ""


def _fence_after(open_fence: str, line: str) -> str:
    found = _FENCE.match(line)
    if not found:
        return open_fence
    if not open_fence:
        return found[1]
    ends = found[1].startswith(open_fence) and not line.strip().strip(found[1][0])
    return "" if ends else open_fence
