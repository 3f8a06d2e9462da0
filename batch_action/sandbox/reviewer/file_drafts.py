"""The files that the sandbox writes when a prompt requests files."""

from batch_action.sandbox.reviewer.docstring_writer import add_documentation
from batch_action.sandbox.reviewer.prompts import Prompt
from batch_action.sandbox.reviewer.unit_test_writer import write_tests

Draft = dict[str, str | bool]


def write_drafts(prompt: Prompt) -> list[Draft]:
    """Write the requested tests or documentation."""
    if "target" in prompt.sections:
        tests = write_tests(prompt)
        if tests is None:
            return []
        path, text, count = tests
        return [_draft(path, text, f"{count} test{'s' * (count != 1)}")]
    written: list[Draft] = []
    for file in prompt.files:
        if (documented := add_documentation(file)) is not None:
            text, count = documented
            written.append(_draft(file.path, text, f"{count} sentence{'s' * (count != 1)}"))
    return written


def _draft(path: str, text: str, content: str) -> Draft:
    summary = f"{content} by simple rules."
    return {"path": path, "text": text, "summary": summary, "security": False}
