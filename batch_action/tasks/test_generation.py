"""Test generation: tests for what a file does at its edges and when something fails."""

from pathlib import PurePosixPath

from batch_action.models.files import SelectedFile
from batch_action.models.responses import DraftTarget, FileDraft
from batch_action.syntax import trees
from batch_action.tasks.generated import paths
from batch_action.tasks.generated.response import Writing, reading
from batch_action.tasks.task import ContextNeeds, Task
from batch_action.tasks.testing import javascript, naming, python
from batch_action.tasks.testing.frameworks import Pytest

_GRAMMAR = {
    ".tsx": "tsx",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".go": "go",
}


def suits(file: SelectedFile) -> str | None:
    """Why no tests are written for a file; what needs the repository is asked later."""
    if problem := paths.unsafe(file.path):
        return f"it {problem}"
    return None if file.text.strip() else "it is empty"


def check(draft: FileDraft, site: DraftTarget) -> str | None:
    """Why a test file is refused: by its place, by what it would overwrite, by what it holds."""
    told, pure = PurePosixPath(site.target), PurePosixPath(draft.path)
    beside = (pure.parent, pure.suffix) == (told.parent, told.suffix)
    named = beside and naming.is_test(draft.path, site.framework, Pytest())
    if draft.path != site.target and not named:
        return f"is not where {site.framework or 'anything'} would look for tests"
    if site.present is not None and draft.path not in site.tests:
        return "would overwrite a file that was not shown whole"
    return _content(draft, site)


def _content(draft: FileDraft, site: DraftTarget) -> str | None:
    text, old = draft.text, site.present
    if site.framework == "pytest":
        if not python.has_tests(text):
            return "holds no test that can be read"
        return None if old is None else python.problem(old, text)
    language = _GRAMMAR.get(PurePosixPath(draft.path).suffix, "javascript")
    if trees.parse(text, language) is None:
        return "does not parse"
    if not javascript.has_tests(text, language):
        return "holds no test"
    alone = javascript.runs_alone(text, language)
    if alone and not (old is not None and javascript.runs_alone(old, language)):
        return "switches all other tests off"
    return None if old is None else javascript.problem(old, text, language)


TASK = Task(
    name="test-generation",
    description="Tests for edge cases and error conditions, where they are missing",
    answer=Writing,
    response=reading,
    generates=True,
    check=check,
    rules=("generated",),
    whole=True,
    company=ContextNeeds.TESTS,
    suits=suits,
    floor_tokens=12_000,
    share=1.5,
    ceiling_tokens=64_000,
)
