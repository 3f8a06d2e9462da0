"""The test-generation task: tests of ordinary use, edge cases and error conditions."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from batch_action.models.files import SourceFile
from batch_action.models.generated import DraftTarget, FileDraft
from batch_action.syntax.python import is_read_as_utf8
from batch_action.syntax.treesitter import parse
from batch_action.tasks import generated_paths
from batch_action.tasks.responses import WrittenFiles
from batch_action.tasks.task import ContextNeeds, Task
from batch_action.tasks.testing import python, treesitter, untestable

_LANGUAGES = {
    ".tsx": "tsx",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".go": "go",
}


def skip_reason(file: SourceFile) -> str | None:
    """Return why a file gets no tests, as far as its path and text tell; None if it may."""
    if problem := generated_paths.path_problem(file.path):
        return f"it {problem}"
    if not file.text.strip():
        return "it is empty"
    return untestable.reason_by_path(file.path) or untestable.reason_by_text(
        file.text, file.language
    )


def check_draft(draft: FileDraft, target: DraftTarget) -> str | None:
    """Return why a test file is refused: its path, what it would overwrite, or its content."""
    expected, path = PurePosixPath(target.test_path), PurePosixPath(draft.path)
    same_folder = (path.parent, path.suffix) == (expected.parent, expected.suffix)
    if draft.path != target.test_path and not (same_folder and target.path_is_test):
        return f"is not where {target.framework or 'any framework'} would look for tests"
    if target.existing_text is not None and draft.path not in target.tests:
        return "would overwrite a file that was not shown in full"
    return _content_problem(draft, target)


def _content_problem(draft: FileDraft, target: DraftTarget) -> str | None:
    text, old = draft.text, target.existing_text
    if target.framework == "pytest":
        return _pytest_problem(text, old, (target.function_patterns, target.class_patterns))
    language = _LANGUAGES.get(PurePosixPath(draft.path).suffix, "javascript")
    if parse(text, language) is None:
        return "does not parse"
    if not treesitter.has_tests(text, language):
        return "has no test"
    if language == "go" and not _is_in_package_of(text, target.text):
        return "is in another package than the file"
    twice, before = (
        treesitter.names_declared_twice(each, language, target.package_names)
        for each in (text, old or "")
    )
    if twice := twice - before:
        where = "the file or its package" if language == "go" else "the file"
        return f"declares {min(twice)}, which {where} declares already"
    return _script_problem(text, old, language)


def _pytest_problem(
    text: str, old: str | None, patterns: tuple[Sequence[str], Sequence[str]]
) -> str | None:
    if not (python.has_tests(text, *patterns) and is_read_as_utf8(text)):
        return "has no test that parses as UTF-8"
    if twice := python.repeated_tests(text, *patterns) - python.repeated_tests(
        old or "", *patterns
    ):
        return f"defines {min(twice)} twice: only the last one would run"
    return None if old is None else python.extension_problem(old, text)


def _script_problem(text: str, old: str | None, language: str) -> str | None:
    was_exclusive = old is not None and treesitter.is_exclusive(old, language)
    if treesitter.is_exclusive(text, language) and not was_exclusive:
        return "disables all other tests"
    return None if old is None else treesitter.extension_problem(old, text, language)


def _is_in_package_of(test: str, source: str) -> bool:
    """Return whether a Go test is in the source's package, or in the external test package of it.

    A source that does not parse has no known package: any is accepted.
    """
    package = treesitter.go_package(source)
    return not package or treesitter.go_package(test) in (package, f"{package}_test")


def lines_run_at_import(path: str, text: str) -> list[int]:
    """Return the lines of a test file that do more than define when a framework loads it."""
    suffix = PurePosixPath(path).suffix
    if suffix == ".py":
        return python.lines_run_at_import(text)
    return treesitter.lines_run_at_import(text, _LANGUAGES.get(suffix, "javascript"))


TASK = Task(
    name="test-generation",
    description="Tests that are missing: ordinary use, edge cases and error conditions",
    answer_model=WrittenFiles,
    generates_files=True,
    check_draft=check_draft,
    shared_prompts=("generated",),
    needs_whole_file=True,
    context_needs=ContextNeeds.TESTS,
    skip_reason=skip_reason,
    base_output_tokens=12_000,
    output_ratio=1.5,
    max_output_tokens=64_000,
)
