"""License findings by patterns: SPDX identifiers, GPL mentions, and copied code."""

import re
from collections.abc import Iterator

from batch_action.sandbox.reviewer.findings import Finding, Rule, make_finding
from batch_action.sandbox.reviewer.prompts import Prompt, SourceFile

IDENTIFIER = re.compile(r"SPDX-License-Identifier:\s*([\w.+-]+)")
GNU = re.compile(r"\bGNU (Affero |Lesser )?General Public License\b|\b(A|L)?GPL[ -]?v?[23]\b")
KINDS = {"affero ": "AGPL", "lesser ": "LGPL", "a": "AGPL", "l": "LGPL"}
COPIED = re.compile(
    r"(?i)(//|#|\*|--|;).*\b(copied|taken|borrowed|lifted|adapted) (verbatim )?from\b"
)
STACK_OVERFLOW = re.compile(r"(?i)\bstack ?overflow\b")
NOTICE = re.compile(r"(?i)\bcopyright\b|SPDX-License-Identifier|\ball rights reserved\b")
NOTICE_REMOVED = ("notice-removed", "notice")
HEADER_LINES = 30
"""Lines at the top of a file that count as its header."""


def review_licenses(file: SourceFile, prompt: Prompt) -> list[Finding]:
    """Find foreign licenses, code that is marked as copied, and removed notices."""
    return list(_findings(file, prompt))


def _findings(file: SourceFile, prompt: Prompt) -> Iterator[Finding]:
    for number, text in sorted(file.lines.items()):
        if name := _license_named_in(text):
            if name not in prompt.repository_licenses:
                yield from _foreign_license(file, number, name, prompt)
        elif COPIED.search(text):
            name = "CC-BY-SA-4.0" if STACK_OVERFLOW.search(text) else ""
            message = "The code says that it was copied"
            yield from _finding(file, number, message, name, ("copied-code", "foreign"))
    if removed := next((text for text in file.removed if NOTICE.search(text)), ""):
        has_notice = any(NOTICE.search(text) for text in file.lines.values())
        first = next((n for n, text in sorted(file.lines.items()) if text.strip()), 1)
        if not has_notice:
            message = f"A notice is gone: {removed.strip()[:100]}"
            yield from _finding(file, first, message, _license_named_in(removed), NOTICE_REMOVED)


def _foreign_license(file: SourceFile, number: int, name: str, prompt: Prompt) -> Iterator[Finding]:
    if name in prompt.denied_licenses:
        yield from _finding(file, number, f"{name} is denied here", name, ("denied", "denied"))
    elif prompt.repository_licenses:
        in_header = number <= HEADER_LINES and IDENTIFIER.search(file.lines[number])
        message = f"{name} is another license than {', '.join(prompt.repository_licenses)}"
        kind = ("other-license", "contradict" if in_header else "foreign")
        yield from _finding(file, number, message, name, kind)


def _finding(
    file: SourceFile, number: int, message: str, license: str, kind: tuple[str, str]
) -> Iterator[Finding]:
    """Yield the finding of a kind (rule id and keyword) if the line is shown."""
    rule = Rule(
        id=kind[0],
        severity="low" if kind[1] == "foreign" and not license else "high",
        keywords=(kind[1], "license"),
        remediation="Name the source and its license, or rewrite the code",
    )
    finding = make_finding(file, rule, (number, number), message, license)
    if finding is not None:
        yield finding


def _license_named_in(text: str) -> str:
    """Return the license that a line names; empty when it names none."""
    if match := IDENTIFIER.search(text):
        return match[1]
    if match := GNU.search(text):
        kind = KINDS.get((match[1] or match[2] or "").lower(), "GPL")
        return f"{kind}-3.0-or-later"
    return ""
