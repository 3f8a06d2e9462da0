"""What a task needs of the repository with each file: its old version, or its tests."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from batch_action.clients.git import GitRepo
from batch_action.context import RunContext
from batch_action.errors import advice
from batch_action.models.files import (
    ChangeType,
    ContextFile,
    ContextKind,
    SkipKind,
    SkippedFile,
    SkipReason,
    SourceFile,
)
from batch_action.selection.content import MAX_PART_CHARS, reviewed_text
from batch_action.selection.reader import Candidates
from batch_action.tasks.task import ContextNeeds, Task
from batch_action.text import at_most

if TYPE_CHECKING:
    from batch_action.requests.test_files import TestLocator

MAX_OLD_VERSION_CHARS = 2 * MAX_PART_CHARS
"""A longer old version is not compared: it is sent in one piece."""
MAX_CHANGED_FILES = 200
"""Changed files that a request names."""

Hints = tuple[tuple[str, str], ...]
"""What the prompt says besides the file: a name and a text each."""


class ContextFinder:
    """Finds what the task needs with each file of one selection."""

    def __init__(self, ctx: RunContext, candidates: Candidates) -> None:
        self._ctx = ctx
        self._candidates = candidates
        self._tests: TestLocator | None = None

    def attach(
        self, files: Iterable[SourceFile | SkippedFile]
    ) -> Iterator[SourceFile | SkippedFile]:
        """Yield the files with context files and hints, and those the task does not apply to."""
        task, sources = self._ctx.task, list[SourceFile]()
        for file in files:
            checked = file if isinstance(file, SkippedFile) else _skip_for_task(task, file) or file
            if isinstance(checked, SkippedFile):
                yield checked
            elif task.context_needs is ContextNeeds.NONE:
                hints = task.hints(checked)
                yield replace(checked, hints=hints) if hints else checked
            else:
                sources.append(checked)
        if not sources:
            return
        match task.context_needs:
            case ContextNeeds.BEFORE:
                yield from _attach_old_versions(self._ctx.git, task, sources, self._changed_files)
            case ContextNeeds.TESTS:
                if self._tests is None:
                    # Only here: other tasks need no test frameworks.
                    from batch_action.requests.test_files import TestLocator  # noqa: PLC0415

                    self._tests = TestLocator(self._ctx, self._candidates.head)
                yield from self._tests.attach(sources)

    @cached_property
    def _changed_files(self) -> Hints:
        """Which files the whole change touches, where there are several."""
        names = [
            f"{s.path} (deleted)"
            for s in self._candidates.skipped
            if s.reason is SkipReason.DELETED
        ]
        for file in self._candidates.changes:
            moved = file.old_path and file.old_path != file.path
            names.append(f"{file.path} ({file.status}{f' from {file.old_path}' if moved else ''})")
        listed = "\n".join(at_most(sorted(names), MAX_CHANGED_FILES))
        return (("changed-files", listed),) if len(names) > 1 else ()


def shared_facts(ctx: RunContext, head: str) -> str:
    """Return what the shared instructions say about the repository: its licenses, or nothing."""
    if not ctx.task.checks_licenses:
        return ""
    # Only here: other tasks need no forms of license notices.
    from batch_action.requests.licenses import describe_licenses  # noqa: PLC0415

    return describe_licenses(ctx, head)


def _skip_for_task(task: Task, file: SourceFile) -> SkippedFile | None:
    reason, kind, detail = SkipReason.NOT_FOR_TASK, SkipKind.OTHER, task.skip_reason(file)
    if task.needs_whole_file and len(file.parts) > 1:
        reason, kind = SkipReason.TOO_LARGE, SkipKind.CONTENT
        detail = f"{task.name} takes whole files of at most {MAX_PART_CHARS:,} characters"
    if not detail:
        return None
    return SkippedFile(path=file.path, reason=reason, kind=kind, detail=detail)


def _attach_old_versions(
    git: GitRepo, task: Task, files: Sequence[SourceFile], changed_files: Hints
) -> Iterator[SourceFile | SkippedFile]:
    """Attach the version that each file is compared with, and the names of all changed files."""
    paths = {file.old_blob: file.path for file in files if file.old_blob}
    blobs = git.blobs(sorted(paths))
    texts = {blob: reviewed_text(data, paths[blob]) for blob, data in blobs}
    for file in files:
        text, blob, reason, detail = texts.get(file.old_blob or ""), None, None, ""
        if text is None and file.status is ChangeType.MODIFIED and git.is_shallow():
            blob, reason = file.blob, SkipReason.NOT_IN_CLONE
            fetch = advice("set `fetch-depth: 0`", "run `git fetch --unshallow`")
            detail = f"its older version is not in this clone: {fetch}"
        elif text is None:
            reason = SkipReason.NOT_FOR_TASK
            detail = "there is no older version to compare it with"
        elif len(text) > MAX_OLD_VERSION_CHARS:
            reason = SkipReason.TOO_LARGE
            detail = f"its older version has more than {MAX_OLD_VERSION_CHARS:,} characters"
        if reason is not None:
            kind = SkipKind.CONTENT if reason is SkipReason.TOO_LARGE else SkipKind.OTHER
            yield SkippedFile(path=file.path, blob=blob, reason=reason, kind=kind, detail=detail)
            continue
        before = ContextFile(
            kind=ContextKind.BEFORE,
            path=file.old_path or file.path,
            blob=file.old_blob or "",
            text=text or "",
        )
        yield replace(file, context_files=(before,), hints=(*changed_files, *task.hints(file)))
