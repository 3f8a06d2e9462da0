"""Compare code without its documentation, in any language that can be parsed."""

from batch_action.syntax import python, treesitter

COMPARABLE_LANGUAGES = frozenset({"python", *treesitter.LANGUAGES})
"""Languages whose code can be separated from its documentation."""


def parses(language: str, text: str) -> bool:
    """Return whether a text in a comparable language has no syntax error."""
    if language == "python":
        return python.parse(text) is not None
    return treesitter.parse(text, language) is not None


def find_code_change(language: str, old: str, new: str) -> str | None:
    """Return in what the new text differs besides documentation; None if in nothing."""
    if language == "python":
        return python.find_code_change(old, new)
    return treesitter.find_code_change(old, new, language)
