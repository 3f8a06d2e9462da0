"""Remarks about licenses, by plain patterns: identifiers, the GPL's name, words of a copy."""

import re
from collections.abc import Iterator

from .prompts import Prompt, SourceFile
from .remarks import Remark, remark

IDENTIFIER = re.compile(r"SPDX-License-Identifier:\s*([\w.+-]+)")
GNU = re.compile(r"\bGNU (Affero |Lesser )?General Public License\b|\b(A|L)?GPL[ -]?v?[23]\b")
KINDS = {"affero ": "AGPL", "lesser ": "LGPL", "a": "AGPL", "l": "LGPL"}
COPIED = re.compile(
    r"(?i)(//|#|\*|--|;).*\b(copied|taken|borrowed|lifted|adapted) (verbatim )?from\b"
)
ANSWER = re.compile(r"(?i)\bstack ?overflow\b")
NOTICE = re.compile(r"(?i)\bcopyright\b|SPDX-License-Identifier|\ball rights reserved\b")
TOP = 30
"""A header stands in the first lines."""


def review(file: SourceFile, prompt: Prompt) -> list[Remark]:
    """Find other licenses, code that says it was copied, and notices that are gone."""
    return list(_found(file, prompt))


def _found(file: SourceFile, prompt: Prompt) -> Iterator[Remark]:
    for number, text in sorted(file.lines.items()):
        if name := _named(text):
            if name not in prompt.own:
                yield from _foreign(file, number, name, prompt)
        elif COPIED.search(text):
            name = "CC-BY-SA-4.0" if ANSWER.search(text) else ""
            yield from _said(
                file, number, "copied-code", "The code says that it was copied", name, "foreign"
            )
    if gone := next((text for text in file.removed if NOTICE.search(text)), ""):
        kept = any(NOTICE.search(text) for text in file.lines.values())
        first = next((n for n, text in sorted(file.lines.items()) if text.strip()), 1)
        if not kept:
            message = f"A notice is gone: {gone.strip()[:100]}"
            yield from _said(file, first, "notice-removed", message, _named(gone), "notice")


def _foreign(file: SourceFile, number: int, name: str, prompt: Prompt) -> Iterator[Remark]:
    if name in prompt.denied:
        yield from _said(file, number, "denied", f"{name} is denied here", name, "denied")
    elif prompt.own:
        word = "contradict" if number <= TOP and IDENTIFIER.search(file.lines[number]) else ""
        message = f"{name} is another license than {', '.join(prompt.own)}"
        yield from _said(file, number, "other-license", message, name, word or "foreign")


def _said(
    file: SourceFile, number: int, rule: str, message: str, name: str, word: str
) -> Iterator[Remark]:
    made = remark(
        file,
        rule,
        (number, number),
        message,
        severity="low" if word == "foreign" and not name else "high",
        words=(word, "license"),
        remedy="Name the source and its license, or write the code anew",
        license=name,
    )
    if made is not None:
        yield made


def _named(text: str) -> str:
    """The license that a line names; empty when it names none."""
    if found := IDENTIFIER.search(text):
        return found[1]
    if found := GNU.search(text):
        kind = KINDS.get((found[1] or found[2] or "").lower(), "GPL")
        return f"{kind}-3.0-or-later"
    return ""
