"""What a change is meant to do, in the words of whoever made it: data, like the change itself."""

import re
from collections.abc import Iterable, Sequence
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
    SkippedFile,
    SkipReason,
)
from batch_action.selection.content import decode, is_binary, is_faithful
from batch_action.selection.parts import MAX_CHARS
from batch_action.tasks.task import ContextNeeds, Task
from batch_action.tasks.testing.frameworks import is_manifest
from batch_action.tasks.testing.layout import Layout, SuiteLayout

MOST_COMMITS = 30
DESCRIPTION_MAX_CHARS = 8_000


def described(ctx: RunContext, selection: Selection) -> list[str]:
    """The description in one text, or none: the input's, the pull request's, or the commits'."""
    given = (ctx.settings.refactor_description or "").strip()
    text = given or _of_pull(ctx) or _of_commits(ctx, selection)
    if len(text) > DESCRIPTION_MAX_CHARS and not given:
        text = text[:DESCRIPTION_MAX_CHARS] + " …"
    return [text] if text else []


def _of_pull(ctx: RunContext) -> str:
    pull = ctx.context.pull
    if pull is None:
        return ""
    return "\n\n".join(part.strip() for part in (pull.title, pull.body) if part.strip())


def _of_commits(ctx: RunContext, selection: Selection) -> str:
    if selection.base is None or ctx.settings.patch_file:
        return ""
    messages = ctx.git.messages(selection.base, selection.head, MOST_COMMITS)
    return "\n\n---\n\n".join(messages)


MOST_TESTS = 3
"""Test files that go along with one file, the nearest ones."""
TESTS_MAX_CHARS = 60_000
"""Of all tests of one file that are shown whole; of the rest only the names are told."""
MOST_MANIFESTS = 1_000
LARGEST_MANIFEST = 200_000
MOST_NAMES = 200

_TEST_NAME = re.compile(
    r"^\s*(?:(?:async\s+)?def\s+test\w*|class\s+Test\w*|(?:describe|suite|it|test)\b.*?\(\s*"
    r"(?:\"[^\"\n]*\"|'[^'\n]*'|`[^`\n]*`)|func\s+(?:Test|Fuzz|Benchmark)\w*)",
    re.MULTILINE,
)


@dataclass(slots=True)
class TestLocator:
    """Knows the tests of one commit."""

    ctx: RunContext
    commit: str
    tree: dict[str, FileChange] = field(default_factory=dict)
    grounds: SuiteLayout = field(init=False)

    def __post_init__(self) -> None:
        """Read what the commit holds, and its manifests."""
        git, settings = self.ctx.git, self.ctx.settings
        if not self.tree:
            self.tree = {entry.path: entry for entry in git.tree(self.commit)}
        named = sorted((p for p in self.tree if is_manifest(p)), key=lambda p: (p.count("/"), p))
        wanted = {self.tree[path].blob for path in named[:MOST_MANIFESTS]}
        small = [blob for blob, size in git.sizes(wanted).items() if size <= LARGEST_MANIFEST]
        texts = {blob: decode(data) for blob, data in git.blobs(sorted(small))}
        self.grounds = SuiteLayout(
            paths=frozenset(self.tree),
            manifests={path: texts.get(self.tree[path].blob, "") for path in named},
            wished=settings.test_framework,
            roots=settings.test_paths,
        )

    def attend(self, file: SelectedFile) -> SelectedFile | SkippedFile:
        """The file with its tests and where new ones belong, or why it gets none."""
        layout = self.grounds.layout(file.path, file.language)
        if isinstance(layout, str):
            return SkippedFile(path=file.path, reason=SkipReason.NOT_FOR_TASK, detail=layout)
        tests = self.context_files(layout)
        target = self.target(layout, tests)
        state = "new file" if target not in self.tree else "shown below: give it back with more"
        told = f"framework: {layout.framework}\npath: {target}\nstate: {state}"
        return replace(file, context_files=tests, hints=(*file.hints, ("target", told)))

    def context_files(self, layout: Layout) -> tuple[ContextFile, ...]:
        """The tests that are there, whole as long as there is room."""
        paths = layout.tests[:MOST_TESTS]
        blobs = [self.tree[path].blob for path in paths if self.tree[path].mode != "120000"]
        sizes = self.ctx.git.sizes(blobs)
        limit = self.ctx.settings.max_file_bytes
        small = [blob for blob in blobs if sizes.get(blob, limit + 1) <= limit]
        datas = dict(self.ctx.git.blobs(sorted(set(small))))
        return tuple(_shown((p, self.tree[p].blob, datas.get(self.tree[p].blob)) for p in paths))

    def target(self, layout: Layout, tests: Sequence[ContextFile]) -> str:
        """Where new tests belong: only a test that is shown whole can be given back."""
        whole = {test.path for test in tests if test.complete}
        there = layout.target in self.tree
        return layout.spare if there and layout.target not in whole else layout.target


def _shown(found: Iterable[tuple[str, str, bytes | None]]) -> Iterable[ContextFile]:
    room = TESTS_MAX_CHARS
    for path, blob, data in found:
        if data is None or is_binary(data):
            continue
        plain = decode(data)
        text = mask(plain)[0]
        whole = len(text) <= room and is_faithful(data, plain)
        room -= len(text) if whole else 0
        yield ContextFile(
            role=ContextKind.TEST,
            path=path,
            blob=blob,
            text=text if whole else _names(text),
            complete=whole,
        )


def _names(text: str) -> str:
    found = [" ".join(match[0].split()) for match in _TEST_NAME.finditer(text)]
    more = [f"… and {len(found) - MOST_NAMES} more"] if len(found) > MOST_NAMES else []
    return "\n".join([*found[:MOST_NAMES], *more])


OLD_VERSION_MAX_CHARS = 2 * MAX_CHARS
"""An older version is not longer than this: it is shown in one piece."""
MOST_NAMED = 200
"""Other changed files that a request names."""


def suit(ctx: RunContext, selection: Selection) -> Selection:
    """The selection with companions and hints, without what is not for this task."""
    files: list[SelectedFile] = []
    skipped = list(selection.skipped)
    for file in selection.files:
        reason = _unsuited(ctx.task, file)
        if reason is None:
            files.append(replace(file, hints=(*file.hints, *ctx.task.hints(file))))
        else:
            skipped.append(reason)
    suited = replace(selection, files=tuple(files), skipped=tuple(skipped))
    match ctx.task.company:
        case ContextNeeds.BEFORE:
            return _with_versions(ctx, suited)
        case ContextNeeds.TESTS:
            return _with_tests(ctx, suited)
        case ContextNeeds.NONE:
            return suited


def _unsuited(task: Task, file: SelectedFile) -> SkippedFile | None:
    if task.whole and len(file.parts) > 1:
        detail = f"{task.name} looks at whole files of at most {MAX_CHARS:,} characters"
        return SkippedFile(path=file.path, reason=SkipReason.TOO_LARGE, detail=detail)
    unsuited = task.suits(file)
    if not unsuited:
        return None
    return SkippedFile(path=file.path, reason=SkipReason.NOT_FOR_TASK, detail=unsuited)


def _with_versions(ctx: RunContext, selection: Selection) -> Selection:
    """Each file with the version it is compared with, and what the change is meant to do."""
    wanted = {file.old_blob for file in selection.files if file.old_blob}
    texts = {blob: mask(decode(data))[0] for blob, data in ctx.git.blobs(sorted(wanted))}
    files: list[SelectedFile] = []
    skipped = list(selection.skipped)
    told = _described(ctx, selection)
    for file in selection.files:
        text = texts.get(file.old_blob or "")
        reason = _incomparable(ctx, file, text)
        if reason is not None or text is None or file.old_blob is None:
            skipped.extend([reason] if reason else [])
            continue
        before = ContextFile(
            role=ContextKind.BEFORE, path=file.old_path or file.path, blob=file.old_blob, text=text
        )
        files.append(replace(file, context_files=(before,), hints=(*told, *file.hints)))
    return replace(selection, files=tuple(files), skipped=tuple(skipped))


def _with_tests(ctx: RunContext, selection: Selection) -> Selection:
    """Each file with the tests it has, and where new ones belong."""
    if not selection.files:
        return selection
    attendant = TestLocator(ctx, selection.head)
    found = [attendant.attend(file) for file in selection.files]
    return replace(
        selection,
        files=tuple(one for one in found if isinstance(one, SelectedFile)),
        skipped=(*selection.skipped, *(one for one in found if isinstance(one, SkippedFile))),
    )


def _incomparable(ctx: RunContext, file: SelectedFile, text: str | None) -> SkippedFile | None:
    if text is None and file.status is ChangeType.MODIFIED and ctx.git.is_shallow():
        detail = "its older version is not in this clone: set `fetch-depth: 0`"
        return SkippedFile(
            path=file.path, blob=file.blob, reason=SkipReason.NOT_HERE, detail=detail
        )
    if text is None:
        detail = "there is no older version to compare it with"
        return SkippedFile(path=file.path, reason=SkipReason.NOT_FOR_TASK, detail=detail)
    if len(text) > OLD_VERSION_MAX_CHARS:
        detail = f"its older version has more than {OLD_VERSION_MAX_CHARS:,} characters"
        return SkippedFile(path=file.path, reason=SkipReason.TOO_LARGE, detail=detail)
    return None


def _described(ctx: RunContext, selection: Selection) -> tuple[tuple[str, str], ...]:
    """What the change is meant to do, and which files it touches besides."""
    found = [("description", mask(text)[0]) for text in described(ctx, selection)]
    names = sorted(_named(selection))
    if len(names) > 1:
        more = [f"… and {len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
        found.append(("changed-files", "\n".join([*names[:MOST_NAMED], *more])))
    return tuple(found)


def _named(selection: Selection) -> Iterable[str]:
    for file in selection.files:
        moved = file.old_path and file.old_path != file.path
        yield f"{file.path} ({file.status}{f' from {file.old_path}' if moved else ''})"
    for skipped in selection.skipped:
        if skipped.reason is SkipReason.DELETED:
            yield f"{skipped.path} (deleted)"
