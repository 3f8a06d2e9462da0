"""The box with which a person dismisses a finding: drawn anew each time, no part of its words."""

import re

TEXT = "dismiss this finding for good"

_BOX = r"^[^\S\n]*[-*+] \[([ xX])\] [^\n]*<!-- batch-action:box id=([0-9a-f]{16}) -->[^\n]*"
_LINE = re.compile(_BOX, re.MULTILINE)
_WITH_GAP = re.compile(_BOX + r"(?:\n\n?|\Z)", re.MULTILINE)
_FOLD_END = re.compile(r"(?<=\n)</details>\s*\Z")


def boxed(words: str, fingerprint: str, *, ticked: bool = False) -> str:
    """A block's words with its box: inside the fold if they end with one."""
    box = f"- [{'x' if ticked else ' '}] {TEXT} <!-- batch-action:box id={fingerprint} -->"
    words = words.rstrip("\n")
    end = _FOLD_END.search(words)
    if end is None:
        return f"{words}\n\n{box}"
    return f"{words[: end.start()]}{box}\n\n{words[end.start() :]}"


def unboxed(words: str) -> str:
    """The words alone."""
    return _WITH_GAP.sub("", words).rstrip("\n")


def ticked(text: str) -> frozenset[str]:
    """The fingerprints whose boxes are ticked in a text."""
    found = _LINE.finditer(text.replace("\r\n", "\n"))
    return frozenset(box[2] for box in found if box[1] != " ")
