"""Attach to each selected file the context its task needs: old versions, tests, descriptions."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.models.files import (
    ChangeType,
    ContextFile,
    ContextKind,
    FileChange,
    SelectedFile,
    Selection,
    SkipKind,
    SkippedFile,
    SkipReason,
)
from batch_action.selection.content import MAX_PART_CHARS, decode, is_binary, is_lossless
from batch_action.tasks.task import ContextNeeds, Task
from batch_action.tasks.testing.frameworks import is_manifest
from batch_action.tasks.testing.layout import FileTests, SuiteLayout

MAX_COMMITS = 30
"""Commit messages in the description of a change."""
MAX_DESCRIPTION_CHARS = 8_000
MAX_OLD_VERSION_CHARS = 2 * MAX_PART_CHARS
"""A longer old version is not compared: it is sent in one piece."""
MAX_CHANGED_FILES = 200
"""Changed files that a request names."""
MAX_TEST_FILES = 3
"""Test files that are sent along with one file, the nearest first."""
MAX_TEST_CHARS = 60_000
"""Characters of one file's tests that are sent in full; of further ones only the test names."""
MAX_TEST_NAMES = 200
MAX_MANIFESTS = 1_000
MAX_MANIFEST_BYTES = 200_000

_TEST_NAME = re.compile(
    r"^\s*(?:(?:async\s+)?def\s+test\w*|class\s+Test\w*|(?:describe|suite|it|test)\b.*?\(\s*"
    r"(?:\"[^\"\n]*\"|'[^'\n]*'|`[^`\n]*`)|func\s+(?:Test|Fuzz|Benchmark)\w*)",
    re.MULTILINE,
)


def attach(ctx: RunContext, selection: Selection) -> tuple[list[SelectedFile], list[SkippedFile]]:
    """Return the files with context files and hints, and those that the task does not apply to."""
    files, skipped = _split(_skip_for_task(ctx.task, file) or file for file in selection.files)
    if not files:
        return files, skipped
    match ctx.task.context_needs:
        case ContextNeeds.BEFORE:
            results = _attach_old_versions(ctx, selection, files)
        case ContextNeeds.TESTS:
            results = map(TestLocator(ctx, selection.head).attach, files)
        case ContextNeeds.NONE:
            results = (replace(file, hints=ctx.task.hints(file)) for file in files)
    attached, inapplicable = _split(results)
    return attached, skipped + inapplicable


def _split(
    results: Iterable[SelectedFile | SkippedFile],
) -> tuple[list[SelectedFile], list[SkippedFile]]:
    files: list[SelectedFile] = []
    skipped: list[SkippedFile] = []
    for result in results:
        if isinstance(result, SkippedFile):
            skipped.append(result)
        else:
            files.append(result)
    return files, skipped


@dataclass(slots=True)
class TestLocator:
    """The test files of one commit, and where new tests belong."""

    ctx: RunContext
    commit: str
    tree: dict[str, FileChange] = field(default_factory=dict)
    """Path to its entry; read from git unless given."""
    suite: SuiteLayout = field(init=False)

    def __post_init__(self) -> None:
        """Read the commit's tree and its package manifests."""
        git, settings = self.ctx.git, self.ctx.settings
        if not self.tree:
            self.tree = {entry.path: entry for entry in git.tree(self.commit)}
        manifests = sorted(
            (path for path in self.tree if is_manifest(path)), key=lambda p: (p.count("/"), p)
        )
        blobs = {self.tree[path].blob for path in manifests[:MAX_MANIFESTS]}
        small = [blob for blob, size in git.sizes(blobs).items() if size <= MAX_MANIFEST_BYTES]
        texts = {blob: decode(data) for blob, data in git.blobs(sorted(small))}
        self.suite = SuiteLayout(
            paths=frozenset(self.tree),
            manifests={path: texts.get(self.tree[path].blob, "") for path in manifests},
            preferred=settings.test_framework,
            roots=settings.test_paths,
        )

    def attach(self, file: SelectedFile) -> SelectedFile | SkippedFile:
        """Attach the file's tests and the path for new ones, or skip it with the reason."""
        layout = self.suite.locate_tests(file.path, file.language)
        if isinstance(layout, str):
            return SkippedFile(path=file.path, reason=SkipReason.NOT_FOR_TASK, detail=layout)
        tests = self.test_files(layout)
        target = self.target(layout, tests)
        state = "new file" if target not in self.tree else "shown below, to be extended"
        hint = f"framework: {layout.framework}\npath: {target}\nstate: {state}"
        hints = (*self.ctx.task.hints(file), ("target", hint))
        return replace(file, context_files=tests, hints=hints)

    def test_files(self, layout: FileTests) -> tuple[ContextFile, ...]:
        """Return the existing tests: complete up to `MAX_TEST_CHARS`, then as names only."""
        paths = layout.tests[:MAX_TEST_FILES]
        blobs = [self.tree[path].blob for path in paths if self.tree[path].mode != "120000"]
        sizes = self.ctx.git.sizes(blobs)
        limit = self.ctx.settings.max_file_bytes
        small = [blob for blob in blobs if sizes.get(blob, limit + 1) <= limit]
        contents = dict(self.ctx.git.blobs(sorted(set(small))))
        return tuple(
            _fit_to_limit((p, self.tree[p].blob, contents.get(self.tree[p].blob)) for p in paths)
        )

    def target(self, layout: FileTests, tests: Sequence[ContextFile]) -> str:
        """Return the path for new tests: an existing file only if it is sent in full."""
        complete = {test.path for test in tests if test.complete}
        exists = layout.target in self.tree
        return layout.new_path if exists and layout.target not in complete else layout.target


def _fit_to_limit(tests: Iterable[tuple[str, str, bytes | None]]) -> Iterable[ContextFile]:
    """Yield the text files among (path, blob, content), in full or as test names."""
    chars_left = MAX_TEST_CHARS
    for path, blob, data in tests:
        if data is None or is_binary(data):
            continue
        decoded = decode(data)
        text = mask(decoded)[0]
        complete = len(text) <= chars_left and is_lossless(data, decoded)
        chars_left -= len(text) if complete else 0
        yield ContextFile(
            kind=ContextKind.TEST,
            path=path,
            blob=blob,
            text=text if complete else _test_names(text),
            complete=complete,
        )


def _test_names(text: str) -> str:
    names = [" ".join(match[0].split()) for match in _TEST_NAME.finditer(text)]
    return "\n".join(_at_most(names, MAX_TEST_NAMES))


def _at_most(lines: list[str], limit: int) -> list[str]:
    more = [f"… and {len(lines) - limit} more"] if len(lines) > limit else []
    return [*lines[:limit], *more]


def _skip_for_task(task: Task, file: SelectedFile) -> SkippedFile | None:
    if task.needs_whole_file and len(file.parts) > 1:
        detail = f"{task.name} takes whole files of at most {MAX_PART_CHARS:,} characters"
        return SkippedFile(
            path=file.path, reason=SkipReason.TOO_LARGE, kind=SkipKind.CONTENT, detail=detail
        )
    reason = task.skip_reason(file)
    if not reason:
        return None
    return SkippedFile(path=file.path, reason=SkipReason.NOT_FOR_TASK, detail=reason)


def _attach_old_versions(
    ctx: RunContext, selection: Selection, files: Sequence[SelectedFile]
) -> Iterator[SelectedFile | SkippedFile]:
    """Attach the version that each file is compared with, and the change's description."""
    blobs = {file.old_blob for file in files if file.old_blob}
    texts = {blob: mask(decode(data))[0] for blob, data in ctx.git.blobs(sorted(blobs))}
    hints = _change_hints(ctx, selection, files)
    for file in files:
        text = texts.get(file.old_blob or "")
        if file.old_blob is None or text is None or len(text) > MAX_OLD_VERSION_CHARS:
            yield _skip_without_old_version(ctx, file, text)
            continue
        before = ContextFile(
            kind=ContextKind.BEFORE, path=file.old_path or file.path, blob=file.old_blob, text=text
        )
        yield replace(file, context_files=(before,), hints=(*hints, *ctx.task.hints(file)))


def _skip_without_old_version(ctx: RunContext, file: SelectedFile, text: str | None) -> SkippedFile:
    """Skip a file whose older version is unknown (no *text*) or too long."""
    if text is None and file.status is ChangeType.MODIFIED and ctx.git.is_shallow():
        detail = "its older version is not in this clone: set `fetch-depth: 0`"
        return SkippedFile(
            path=file.path, blob=file.blob, reason=SkipReason.NOT_IN_CLONE, detail=detail
        )
    if text is None:
        detail = "there is no older version to compare it with"
        return SkippedFile(path=file.path, reason=SkipReason.NOT_FOR_TASK, detail=detail)
    detail = f"its older version has more than {MAX_OLD_VERSION_CHARS:,} characters"
    return SkippedFile(
        path=file.path, reason=SkipReason.TOO_LARGE, kind=SkipKind.CONTENT, detail=detail
    )


def _change_hints(
    ctx: RunContext, selection: Selection, files: Sequence[SelectedFile]
) -> tuple[tuple[str, str], ...]:
    """Return the hints on the whole change: its description and the files it touches."""
    hints = []
    if description := _description(ctx, selection):
        hints.append(("description", mask(description)[0]))
    names = sorted(_changed_files(files, selection.skipped))
    if len(names) > 1:
        hints.append(("changed-files", "\n".join(_at_most(names, MAX_CHANGED_FILES))))
    return tuple(hints)


def _description(ctx: RunContext, selection: Selection) -> str:
    """Return `refactor-description`, else the pull request's text, else the commit messages.

    It is data for the prompt, as untrusted as the change itself.
    """
    configured = (ctx.settings.refactor_description or "").strip()
    text = configured or _pull_request_text(ctx) or _commit_messages(ctx, selection)
    if len(text) > MAX_DESCRIPTION_CHARS and not configured:
        text = text[:MAX_DESCRIPTION_CHARS] + " …"
    return text


def _pull_request_text(ctx: RunContext) -> str:
    pull = ctx.github_context.pull_request
    if pull is None:
        return ""
    return "\n\n".join(part.strip() for part in (pull.title, pull.body) if part.strip())


def _commit_messages(ctx: RunContext, selection: Selection) -> str:
    if selection.base is None or ctx.settings.patch_file:
        return ""
    messages = ctx.git.messages(selection.base, selection.head, MAX_COMMITS)
    return "\n\n---\n\n".join(messages)


def _changed_files(
    files: Sequence[SelectedFile], skipped_files: Sequence[SkippedFile]
) -> Iterator[str]:
    for file in files:
        moved = file.old_path and file.old_path != file.path
        yield f"{file.path} ({file.status}{f' from {file.old_path}' if moved else ''})"
    for skipped in skipped_files:
        if skipped.reason is SkipReason.DELETED:
            yield f"{skipped.path} (deleted)"
