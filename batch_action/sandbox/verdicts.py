"""Comparing two versions of a file by plain rules: public names, and what the code is made of."""

import re
from collections.abc import Sequence

from .prompts import Prompt, SourceFile
from .publicity import Name, names
from .remarks import Remark, remark

COMMENTS = re.compile(
    r'"""(?:.|\n)*?"""|\'\'\'(?:.|\n)*?\'\'\'|/\*(?:.|\n)*?\*/|//[^\n]*|(?m:^\s*#[^\n]*)'
)
PIECES = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|\d[\w.]*|[A-Za-z_]\w*|[^\w\s]")
WORDS = frozenset(
    re.findall(
        r"\w+",
        "if else elif for while return raise throw try except catch finally with yield await async"
        " break continue not and or in is new delete switch case match defer go select range",
    )
)
MANY = 3
SAID = {
    "VALID": "The public names and what the code is made of are as before",
    "INVALID": "A public name is gone, or is called in another way",
    "UNCERTAIN": "The public names are as before, and what the code is made of is not",
}


def ruling(prompt: Prompt, remarks: Sequence[Remark]) -> str:
    """Say VALID, INVALID or UNCERTAIN of a whole prompt."""
    if prompt.before is not None and prompt.files:
        return compare(prompt.before, prompt.files[0])[0]
    if any(remark.severity in ("critical", "high") for remark in remarks):
        return "INVALID"
    return "UNCERTAIN" if remarks else "VALID"


def compare(before: SourceFile, after: SourceFile) -> tuple[str, list[Remark]]:
    """Say VALID, INVALID or UNCERTAIN, and locate what other files would miss."""
    old = {name.name: name for name in names(before)}
    new = {name.name: name for name in names(after)}
    found = [_removed(after, [name for name in old if name not in new])]
    found += [
        _changed(after, old[name], now)
        for name, now in new.items()
        if name in old and old[name].signature != now.signature
    ]
    remarks = [made for made in found if made is not None]
    if remarks:
        return "INVALID", remarks
    return ("VALID" if _made_of(before) == _made_of(after) else "UNCERTAIN"), []


def _removed(after: SourceFile, gone: Sequence[str]) -> Remark | None:
    if not gone:
        return None
    told = ", ".join(gone[:MANY]) + (" and more" if len(gone) > MANY else "")
    first = next((n for n, text in sorted(after.lines.items()) if text.strip()), 1)
    return remark(
        after,
        "removed-name",
        (first, first),
        f"No longer there: {told}",
        severity="high",
        words=("removed", "api", "other"),
        remedy="Keep the names, or tell all callers",
    )


def _changed(after: SourceFile, old: Name, new: Name) -> Remark | None:
    return remark(
        after,
        "changed-signature",
        (new.line, new.line),
        f"{new.name} was called as {old.signature or 'before'}",
        severity="high",
        words=("signature", "api", "other"),
        remedy="Keep the old way to call it",
    )


def _made_of(file: SourceFile) -> list[str]:
    """What a renaming or a move leaves alone: its words, numbers, texts and signs, sorted."""
    pieces = PIECES.findall(COMMENTS.sub(" ", file.text))
    named = re.compile(r"[A-Za-z_]\w*")
    return sorted(p for p in pieces if p in WORDS or not (named.fullmatch(p) or p in "(),:;"))
