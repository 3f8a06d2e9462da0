"""Select files: read what changed since the base and what is in the backlog."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from batch_action.clients.git import GitRepo
from batch_action.models.files import (
    ChangeType,
    FileChange,
    Hunk,
    SelectedFile,
    Selection,
    SkippedFile,
    SkipReason,
)
from batch_action.selection import content, filters
from batch_action.selection.hunks import count_changed_lines, render_hunks
from batch_action.selection.languages import language_of
from batch_action.selection.parts import parts_of
from batch_action.selection.patterns import PathRules
from batch_action.selection.risk import risk

MAX_CHUNK_FILES = 200
MAX_CHUNK_BYTES = 16_000_000
"""What is read at one time: apart from the selected texts, no more is in memory."""

Mask = Callable[[str], tuple[str, int]]
"""Returns the text with its secrets masked, and their number."""
Progress = Callable[[int, int], None]
_SizedChange = tuple[FileChange, int]
"""A change and the bytes to read for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOptions:
    """What decides which files of a commit are selected, and how they are read."""

    rules: PathRules
    max_file_bytes: int
    attributes_from: str
    """The commit whose `.gitattributes` are trusted."""
    mask: Mask
    all_files: bool = False
    """Select unchanged files too."""
    superseded: Collection[str] = ()
    """Paths of which an earlier run has reviewed a later version: they are skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What every file of one selection is read with."""

    repo: GitRepo
    options: SelectionOptions
    churn: Mapping[str, int]


def select_files(
    repo: GitRepo,
    head: str,
    base: str | None,
    options: SelectionOptions,
    *,
    backlog: Mapping[str, str | None],
    progress: Progress,
    changes: Sequence[FileChange] | None = None,
) -> Selection:
    """Return every changed or backlog path once, as a selected or a skipped file.

    Args:
        repo: the clone.
        head: the commit to review; files of the backlog are read at its content, too.
        base: the commit to compare with; None counts all files as added.
        options: the filters and limits.
        backlog: path → the old blob to compare with, of files selected earlier without a verdict.
        progress: called with the number of files done and to read.
        changes: what changed since base, where this clone cannot compare the two commits itself.

    Raises:
        ConfigError: head or base are not in this clone; the message names `fetch-depth: 0`.
    """
    if changes is None:
        changes = () if base is None and options.all_files else repo.changes(base, head)
    entries = _entries(repo, changes, head=head, all_files=options.all_files, backlog=backlog)
    skipped, remaining = _filter_by_name(repo, entries, options)
    churn = repo.churn(head) if remaining else {}
    source = _Source(repo=repo, options=options, churn=churn)
    files, unread = _read_all(source, remaining, progress)
    return Selection(
        head=head,
        base=base,
        files=tuple(sorted(files, key=lambda file: (-file.risk, file.path))),
        skipped=tuple(sorted([*skipped, *unread], key=lambda file: file.path)),
    )


def _entries(
    repo: GitRepo,
    changes: Sequence[FileChange],
    *,
    head: str,
    all_files: bool,
    backlog: Mapping[str, str | None],
) -> list[FileChange | SkippedFile]:
    """Join the changes, the backlog and, with *all_files*, the rest; one entry for each path."""
    changed = {change.path: change for change in changes}
    entries: dict[str, FileChange | SkippedFile] = {
        path: _compare_with_reviewed(change, backlog) for path, change in changed.items()
    }
    absent = [path for path in backlog if path not in changed]
    if not all_files and not absent:
        return list(entries.values())
    tree = {entry.path: entry for entry in repo.tree(head)}
    for path in absent:
        entries[path] = _backlog_entry(path, backlog[path], tree.get(path))
    if all_files:
        entries |= {path: entry for path, entry in tree.items() if path not in entries}
    return list(entries.values())


def _compare_with_reviewed(change: FileChange, backlog: Mapping[str, str | None]) -> FileChange:
    """Compare a changed file of the backlog with the blob reviewed last, not with base."""
    path = change.path if change.path in backlog else change.old_path
    if path is None or path not in backlog or change.status is ChangeType.DELETED:
        return change
    if change.status is ChangeType.MODIFIED and change.blob in (change.old_blob, backlog[path]):
        # Only the mode changed in this range, but the content still has no verdict; or the file
        # went back to the blob that was reviewed last.
        return replace(change, status=ChangeType.UNCHANGED, old_blob=backlog[path])
    return replace(change, old_blob=backlog[path])


def _backlog_entry(
    path: str, old_blob: str | None, entry: FileChange | None
) -> FileChange | SkippedFile:
    if entry is None:
        detail = "in the backlog, but no longer in the repository"
        return SkippedFile(path=path, reason=SkipReason.DELETED, detail=detail)
    return replace(entry, old_blob=old_blob)


def _filter_by_name(
    repo: GitRepo, entries: Iterable[FileChange | SkippedFile], options: SelectionOptions
) -> tuple[list[SkippedFile], list[FileChange]]:
    """Split the entries into those that the tree entry or the name rules out, and the rest."""
    skipped: list[SkippedFile] = []
    changes: list[FileChange] = []
    for entry in entries:
        skip = entry if isinstance(entry, SkippedFile) else filters.check_change(entry)
        if skip is not None:
            skipped.append(skip)
        elif isinstance(entry, FileChange):
            changes.append(entry)
    attributes = repo.attributes(options.attributes_from, [change.path for change in changes])
    remaining: list[FileChange] = []
    for change in changes:
        skip = filters.check_name(change.path, options.rules, attributes.get(change.path, {}))
        if skip is None and change.path in options.superseded:
            detail = "a later version is known"
            skip = SkippedFile(path=change.path, reason=SkipReason.ALREADY_REVIEWED, detail=detail)
        if skip is None:
            remaining.append(change)
        else:
            skipped.append(skip)
    return skipped, remaining


def _read_all(
    source: _Source, changes: list[FileChange], progress: Progress
) -> tuple[list[SelectedFile], list[SkippedFile]]:
    sized, skipped = _filter_by_size(source, changes)
    files: list[SelectedFile] = []
    progress(0, len(sized))
    for done, result in enumerate(_read_chunks(source, sized), 1):
        if isinstance(result, SkippedFile):
            skipped.append(result)
        else:
            files.append(result)
        progress(done, len(sized))
    return files, skipped


def _filter_by_size(
    source: _Source, changes: list[FileChange]
) -> tuple[list[_SizedChange], list[SkippedFile]]:
    """Split off what is too large or empty; drop an old blob that is missing or too large."""
    limit = source.options.max_file_bytes
    sizes = source.repo.sizes({blob for change in changes for blob in _blobs(change)})
    sized: list[_SizedChange] = []
    skipped: list[SkippedFile] = []
    for change in changes:
        if change.blob not in sizes:
            detail = "its content is not in this clone: check out without filter"
            skipped.append(
                SkippedFile(
                    path=change.path,
                    blob=change.blob,
                    reason=SkipReason.NOT_IN_CLONE,
                    detail=detail,
                )
            )
            continue
        skip = filters.check_size(change.path, sizes[change.blob], limit)
        if skip is not None:
            skipped.append(skip)
            continue
        old = change.old_blob
        readable = old is not None and sizes.get(old, limit + 1) <= limit
        result = change if readable else replace(change, old_blob=None)
        sized.append((result, sum(sizes[blob] for blob in _blobs(result))))
    return sized, skipped


def _read_chunks(
    source: _Source, sized: list[_SizedChange]
) -> Iterator[SelectedFile | SkippedFile]:
    """Yield the result for each file, in order, reading a bounded number of bytes at a time."""
    for changes in _chunks(sized):
        data = dict(source.repo.blobs(dict.fromkeys(b for c in changes for b in _blobs(c))))
        pairs = [(change.old_blob, change.blob) for change in changes if change.old_blob]
        hunks = source.repo.hunks_of([pair for pair in pairs if pair[0] != pair[1]])
        for change in changes:
            pair = (change.old_blob or "", change.blob)
            yield _select_file(source, change, data, hunks.get(pair, ()))


def _chunks(sized: list[_SizedChange]) -> Iterator[list[FileChange]]:
    chunk: list[FileChange] = []
    remaining = MAX_CHUNK_BYTES
    for change, size in sized:
        if chunk and (size > remaining or len(chunk) == MAX_CHUNK_FILES):
            yield chunk
            chunk, remaining = [], MAX_CHUNK_BYTES
        chunk.append(change)
        remaining -= size
    if chunk:
        yield chunk


def _blobs(change: FileChange) -> tuple[str, ...]:
    return (change.blob,) if change.old_blob is None else (change.blob, change.old_blob)


def _select_file(
    source: _Source, change: FileChange, blobs: Mapping[str, bytes], hunks: tuple[Hunk, ...]
) -> SelectedFile | SkippedFile:
    """Return one file with all that a prompt needs, or why its content is not reviewed."""
    rules, mask = source.options.rules, source.options.mask
    data = blobs[change.blob]
    skip = filters.check_bytes(change.path, data)
    if skip is not None:
        return skip
    plain = content.decode(data)
    skip_generated = rules.default_ignores and not rules.reincludes(change.path)
    skip = filters.check_text(change.path, plain, skip_generated=skip_generated)
    if skip is not None:
        return skip
    text, masked = mask(plain)
    old_data = blobs.get(change.old_blob or "", b"")
    if content.is_wide(data) or content.is_wide(old_data) or content.is_binary(old_data):
        hunks = ()  # Git counts the bytes of such a file, not its lines.
    old_text = mask(content.decode(old_data))[0] if hunks else ""
    only_moved = change.status is ChangeType.RENAMED and change.blob == change.old_blob
    lines = 0 if only_moved else count_changed_lines(hunks) or len(content.lines_of(text))
    return SelectedFile(
        path=change.path,
        status=change.status,
        blob=change.blob,
        old_path=change.old_path,
        old_blob=change.old_blob,
        language=language_of(change.path, text),
        text=text,
        diff=render_hunks(old_text, text, hunks),
        hunks=hunks,
        parts=parts_of(text),
        risk=risk(change.path, changed=lines, churn=source.churn.get(change.path, 0)),
        masked_secrets=masked,
        lossless=content.is_lossless(data, plain),
    )
