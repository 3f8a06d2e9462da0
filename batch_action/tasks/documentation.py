"""The documentation task: docstrings and doc comments that are missing or out of date."""

import re

from batch_action.models.files import SourceFile
from batch_action.models.generated import DraftTarget, FileDraft
from batch_action.syntax import code_comparison, directives, python, treesitter
from batch_action.tasks.generated_paths import path_problem, text_problem
from batch_action.tasks.responses import WrittenFiles
from batch_action.tasks.task import Task

COMPARABLE_LANGUAGES = frozenset({"python", *treesitter.LANGUAGES})
"""Languages whose code can be separated from its documentation."""

SCRIPT_LANGUAGES = frozenset({"javascript", "jsx", "typescript", "tsx"})

DOCSTRING_STYLES = {
    "Google": re.compile(
        r"^\s*(?:Args|Arguments|Returns|Raises|Yields|Attributes|Example|Examples):\s*$",
        re.MULTILINE,
    ),
    "NumPy": re.compile(r"^\s*(?:Parameters|Returns|Raises|Yields)\s*\n\s*-{3,}\s*$", re.MULTILINE),
    "Sphinx": re.compile(r"^\s*:(?:param|returns?|raises?|rtype|type)\b[^:\n]*:", re.MULTILINE),
}
"""Lines that only docstrings of this style have."""

DOC_COMMENTS = {
    "javascript": "JSDoc, with types in braces",
    "jsx": "JSDoc, with types in braces",
    "typescript": "TSDoc: the types are in the code, not in the comment",
    "tsx": "TSDoc: the types are in the code, not in the comment",
    "go": "Go doc comments: whole sentences that begin with the name they describe",
}


def style_of(file: SourceFile) -> str:
    """Describe the style that the file's documentation has or should have."""
    if file.language != "python":
        return DOC_COMMENTS.get(file.language, "")
    docstrings = python.docstrings(file.text)
    counts = {
        name: sum(bool(pattern.search(text)) for text in docstrings)
        for name, pattern in DOCSTRING_STYLES.items()
    }
    style = max(counts, key=lambda name: counts[name])
    if counts[style]:
        return f"{style} style, as in this file's docstrings"
    return (
        "plain sentences, as in this file's docstrings" if docstrings else "none in this file yet"
    )


def skip_reason(file: SourceFile) -> str | None:
    """Return why the documentation of a file cannot be rewritten; None if it can."""
    if file.language not in COMPARABLE_LANGUAGES:
        language = file.language or "this language"
        return f"code in {language} cannot be separated from its documentation"
    if not file.lossless and "\ufffd" not in file.text:
        return "its text is not sent as it is: UTF-16, or a long line of data"
    if not file.lossless or (file.language == "python" and not python.is_read_as_utf8(file.text)):
        return "its text is not all UTF-8"
    if problem := path_problem(file.path) or text_problem(file.text):
        return f"it {problem}"
    if not parses(file.language, file.text):
        return f"it does not parse as {file.language}"
    return None


def check_draft(draft: FileDraft, target: DraftTarget) -> str | None:
    """Return why a draft is refused: it may change nothing but documentation."""
    if draft.path != target.source:
        return "is not the requested file"
    if directives.changes_markers(target.text, draft.text):
        return "adds or drops a comment that tools read"
    if directives.moves_head(target.text, draft.text, target.language):
        return "moves a comment that tools read at the top of the file"
    return find_code_change(target.language, target.text, draft.text)


def find_code_change(language: str, old: str, new: str) -> str | None:
    """Return in what the new text differs besides documentation; None if in nothing."""
    if language == "python":
        if not python.is_read_as_utf8(new):
            return "is not UTF-8 to Python"
        return python.find_code_change(old, new)
    return code_comparison.find_code_change(old, new, language)


def parses(language: str, text: str) -> bool:
    """Return whether a text in a comparable language has no syntax error."""
    tree = python.parse(text) if language == "python" else treesitter.parse(text, language)
    return tree is not None


TASK = Task(
    name="documentation",
    description="Docstrings and doc comments that are missing or out of date",
    answer_model=WrittenFiles,
    generates_files=True,
    check_draft=check_draft,
    shared_prompts=("generated",),
    complete_prompts=("documentation_complete",),
    needs_whole_file=True,
    skip_reason=skip_reason,
    hints=lambda file: (("documentation-style", style_of(file)),),
    base_output_tokens=8_000,
    output_ratio=1.7,
    max_output_tokens=64_000,
)
