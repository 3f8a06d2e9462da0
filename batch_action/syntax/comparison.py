"""One door to the parsers: by the language's word."""

from batch_action.syntax import python, trees

COMPARABLE = frozenset({"python", *trees.LANGUAGES})
"""Languages whose code we can tell from its documentation."""


def parses(language: str, text: str) -> bool:
    """Whether the text is code of a comparable language."""
    if language == "python":
        return python.parse(text) is not None
    return trees.parse(text, language) is not None


def changed(language: str, old: str, new: str) -> str | None:
    """Why the new text is more than the old code with other documentation; None when it is not."""
    if language == "python":
        return python.changed(old, new)
    return trees.changed(old, new, language)
