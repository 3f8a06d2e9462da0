"""Documentation: docstrings and doc comments that are missing or no longer true."""

import re

from batch_action.models.files import SelectedFile
from batch_action.models.responses import DraftTarget, FileDraft
from batch_action.syntax import comparison, python
from batch_action.tasks.generated.response import Writing, reading, rewritable
from batch_action.tasks.task import Task

STYLES = {
    "Google": re.compile(
        r"^\s*(?:Args|Arguments|Returns|Raises|Yields|Attributes|Example|Examples):\s*$",
        re.MULTILINE,
    ),
    "NumPy": re.compile(r"^\s*(?:Parameters|Returns|Raises|Yields)\s*\n\s*-{3,}\s*$", re.MULTILINE),
    "Sphinx": re.compile(r"^\s*:(?:param|returns?|raises?|rtype|type)\b[^:\n]*:", re.MULTILINE),
}
"""How docstrings name parameters, by the lines that only one style has."""

DOC_COMMENTS = {
    "javascript": "JSDoc, with types in braces",
    "jsx": "JSDoc, with types in braces",
    "typescript": "TSDoc: the types stand in the code, not in the comment",
    "tsx": "TSDoc: the types stand in the code, not in the comment",
    "go": "Go doc comments: whole sentences that begin with the name they tell of",
}


def style_of(file: SelectedFile) -> str:
    """The style that the file's docstrings already have, in words."""
    if file.language != "python":
        return DOC_COMMENTS.get(file.language, "")
    texts = python.docstrings(file.text)
    counts = {name: sum(bool(p.search(t)) for t in texts) for name, p in STYLES.items()}
    best = max(counts, key=lambda name: counts[name])
    if counts[best]:
        return f"{best} style, as this file's docstrings have it"
    return (
        "plain sentences, as this file's docstrings have it" if texts else "none in this file yet"
    )


def check(draft: FileDraft, site: DraftTarget) -> str | None:
    """Why a documented file is refused: it may differ from the reviewed one in words only."""
    if draft.path != site.source:
        return "is not the file that was asked about"
    return comparison.changed(site.language, site.text, draft.text)


TASK = Task(
    name="documentation",
    description="Docstrings and doc comments that are missing or no longer true",
    answer=Writing,
    response=reading,
    generates=True,
    check=check,
    rules=("generated",),
    whole=True,
    suits=rewritable,
    hints=lambda file: (("documentation-style", style_of(file)),),
    floor_tokens=8_000,
    share=1.7,
    ceiling_tokens=64_000,
)
