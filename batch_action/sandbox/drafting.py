"""The files that the sandbox writes when it is asked for files."""

from .documenting import documented
from .prompts import Prompt
from .testing import tests

Draft = dict[str, str]


def drafts(prompt: Prompt) -> list[Draft]:
    """Write what the prompt asks for, as far as plain rules can: tests, or documentation."""
    if "target" in prompt.notes:
        found = tests(prompt)
        if found is None:
            return []
        path, text, count = found
        return [_draft(path, text, f"{count} plain test{'s' * (count != 1)}")]
    written: list[Draft] = []
    for file in prompt.files:
        if (made := documented(file)) is not None:
            text, count = made
            written.append(_draft(file.path, text, f"{count} plain sentence{'s' * (count != 1)}"))
    return written


def _draft(path: str, text: str, what: str) -> Draft:
    return {"path": path, "text": text, "summary": f"{what} by the sandbox, not by Claude."}
