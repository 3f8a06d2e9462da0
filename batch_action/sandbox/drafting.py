"""The files that the sandbox writes when it is asked for files."""

from .documenting import documented
from .prompts import Prompt

Draft = dict[str, str]


def drafts(prompt: Prompt) -> list[Draft]:
    """Write what the prompt asks for, as far as plain rules can."""
    written: list[Draft] = []
    for file in prompt.files:
        if (found := documented(file)) is not None:
            text, count = found
            told = f"{count} plain sentence{'s' * (count != 1)} by the sandbox, not by Claude."
            written.append({"path": file.path, "text": text, "summary": told})
    return written
