"""Reading: what changed since the base, and what is owed, becomes a selection."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from batch_action.selection.hunks import change_text, changed_lines
from batch_action.selection.languages import language_of
from batch_action.selection.parts import parts_of
from batch_action.selection.patterns import PathRules
from batch_action.selection.risk import risk

Mask = Callable[[str], tuple[str, int]]
Progress = Callable[[int, int], None]
_Sized = tuple[FileChange, int]

FILES_AT_ONCE = 200
BYTES_AT_ONCE = 16_000_000
"""What is read together: besides the texts that are selected, no more is in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What every file of this night is read with."""

    repo: GitRepo
    rules: PathRules
    max_file_bytes: int
    mask: Mask
    churn: Mapping[str, int]


def read(  # noqa: PLR0913 - what is read, and with what
    repo: GitRepo,
    *,
    head: str,
    base: str | None,
    everything: bool,
    backlog: Mapping[str, str | None],
    rules: PathRules,
    max_file_bytes: int,
    attributes_from: str,
    mask: Mask,
    progress: Progress,
    changes: Sequence[FileChange] | None = None,
) -> Selection:
    """Return the selection of one night: every changed or owed path once, as a file or skipped.

    `base` None: nothing to compare with, all files count as added. `everything`: unchanged files,
    too. `backlog`: path → the old blob to compare with, of files selected earlier that have no
    verdict; they are taken at head's content. `attributes_from`: the commit whose `.gitattributes`
    are trusted. `progress` is called with files done and files to read.
    `changes`: what changed since base, where this clone cannot tell it itself.

    Raises:
        ConfigError: head or base are not in this clone; the sentence names `fetch-depth: 0`.

    """
    if changes is None:
        changes = () if base is None and everything else repo.changes(base, head)
    entries = _entries(repo, changes, head=head, everything=everything, backlog=backlog)
    skipped, named = _screen_names(repo, entries, rules, attributes_from)
    churn = repo.churn(head) if named else {}
    work = _Work(repo=repo, rules=rules, max_file_bytes=max_file_bytes, mask=mask, churn=churn)
    files, unread = _read_all(work, named, progress)
    return Selection(
        head=head,
        base=base,
        files=tuple(sorted(files, key=lambda file: (-file.risk, file.path))),
        skipped=tuple(sorted([*skipped, *unread], key=lambda one: one.path)),
    )


def _read_all(
    work: _Work, changes: list[FileChange], progress: Progress
) -> tuple[list[SelectedFile], list[SkippedFile]]:
    fitting, skipped = _screen_sizes(work, changes)
    files: list[SelectedFile] = []
    progress(0, len(fitting))
    for done, result in enumerate(_read(work, fitting), 1):
        if isinstance(result, SkippedFile):
            skipped.append(result)
        else:
            files.append(result)
        progress(done, len(fitting))
    return files, skipped


def _entries(
    repo: GitRepo,
    changes: Sequence[FileChange],
    *,
    head: str,
    everything: bool,
    backlog: Mapping[str, str | None],
) -> list[FileChange | SkippedFile]:
    """Join what changed, what is owed and, if asked, all the rest; one entry for each path."""
    changed = {change.path: change for change in changes}
    found: dict[str, FileChange | SkippedFile] = {
        path: _owing(one, backlog) for path, one in changed.items()
    }
    absent = [path for path in backlog if path not in changed]
    if not everything and not absent:
        return list(found.values())
    tree = {entry.path: entry for entry in repo.tree(head)}
    for path in absent:
        found[path] = _owed_entry(path, backlog[path], tree.get(path))
    if everything:
        found |= {path: entry for path, entry in tree.items() if path not in found}
    return list(found.values())


def _owing(change: FileChange, backlog: Mapping[str, str | None]) -> FileChange:
    """Compare a changed file that is still owed with what was reviewed last, not with base."""
    path = change.path if change.path in backlog else change.old_path
    if path is None or path not in backlog or change.status is ChangeType.DELETED:
        return change
    if change.status is ChangeType.MODIFIED and change.blob in (change.old_blob, backlog[path]):
        # Only the mode changed tonight, but the content still waits for its verdict; or the file
        # went back to what was reviewed last.
        return replace(change, status=ChangeType.UNCHANGED, old_blob=backlog[path])
    return replace(change, old_blob=backlog[path])


def _owed_entry(
    path: str, old_blob: str | None, entry: FileChange | None
) -> FileChange | SkippedFile:
    if entry is None:
        return SkippedFile(path=path, reason=SkipReason.DELETED, detail="owed, but no longer there")
    return replace(entry, old_blob=old_blob)


def _screen_names(
    repo: GitRepo,
    entries: Iterable[FileChange | SkippedFile],
    rules: PathRules,
    attributes_from: str,
) -> tuple[list[SkippedFile], list[FileChange]]:
    """Part what a look at the tree entry and the name rules out from what must be read."""
    skipped: list[SkippedFile] = []
    standing: list[FileChange] = []
    for entry in entries:
        told = entry if isinstance(entry, SkippedFile) else filters.by_change(entry)
        if told is not None:
            skipped.append(told)
        elif isinstance(entry, FileChange):
            standing.append(entry)
    attributes = repo.attributes(attributes_from, [entry.path for entry in standing])
    named: list[FileChange] = []
    for entry in standing:
        told = filters.by_name(entry.path, rules, attributes.get(entry.path, {}))
        if told is None:
            named.append(entry)
        else:
            skipped.append(told)
    return skipped, named


def _screen_sizes(work: _Work, changes: list[FileChange]) -> tuple[list[_Sized], list[SkippedFile]]:
    """Part what is too large, or empty, from what is read; an old blob out of reach is dropped."""
    sizes = work.repo.sizes({blob for one in changes for blob in _blobs(one)})
    fitting: list[_Sized] = []
    skipped: list[SkippedFile] = []
    for change in changes:
        if change.blob not in sizes:
            detail = "its content is not in this clone: check out without filter"
            skipped.append(
                SkippedFile(
                    path=change.path, blob=change.blob, reason=SkipReason.NOT_HERE, detail=detail
                )
            )
            continue
        told = filters.by_size(change.path, sizes[change.blob], work.max_file_bytes)
        if told is not None:
            skipped.append(told)
            continue
        old = change.old_blob
        shown = old is not None and sizes.get(old, work.max_file_bytes + 1) <= work.max_file_bytes
        kept = change if shown else replace(change, old_blob=None)
        fitting.append((kept, sum(sizes[blob] for blob in _blobs(kept))))
    return fitting, skipped


def _read(work: _Work, sized: list[_Sized]) -> Iterator[SelectedFile | SkippedFile]:
    """Yield what becomes of each file, in order, a bounded amount of bytes at a time."""
    for changes in _handfuls(sized):
        datas = dict(work.repo.blobs(dict.fromkeys(b for one in changes for b in _blobs(one))))
        pairs = [(one.old_blob, one.blob) for one in changes if one.old_blob]
        hunks = work.repo.hunks_of([pair for pair in pairs if pair[0] != pair[1]])
        for change in changes:
            yield _file(work, change, datas, hunks.get((change.old_blob or "", change.blob), ()))


def _handfuls(sized: list[_Sized]) -> Iterator[list[FileChange]]:
    handful: list[FileChange] = []
    room = BYTES_AT_ONCE
    for change, size in sized:
        if handful and (size > room or len(handful) == FILES_AT_ONCE):
            yield handful
            handful, room = [], BYTES_AT_ONCE
        handful.append(change)
        room -= size
    if handful:
        yield handful


def _blobs(change: FileChange) -> tuple[str, ...]:
    return (change.blob,) if change.old_blob is None else (change.blob, change.old_blob)


def _file(
    work: _Work, change: FileChange, datas: Mapping[str, bytes], hunks: tuple[Hunk, ...]
) -> SelectedFile | SkippedFile:
    """Return one file with all a prompt needs of it, or why its content is not reviewed."""
    data = datas[change.blob]
    told = filters.by_bytes(change.path, data)
    if told is not None:
        return told
    plain = content.decode(data)
    machine_made = work.rules.default_ignores and not work.rules.rescues(change.path)
    told = filters.by_text(change.path, plain, machine_made=machine_made)
    if told is not None:
        return told
    text, masked = work.mask(plain)
    old_data = datas.get(change.old_blob or "", b"")
    if content.is_wide(data) or content.is_wide(old_data) or content.is_binary(old_data):
        hunks = ()  # git counts the bytes of such a file, not its lines
    old_text = work.mask(content.decode(old_data))[0] if hunks else ""
    only_moved = change.status is ChangeType.RENAMED and change.blob == change.old_blob
    lines = 0 if only_moved else changed_lines(hunks) or len(content.lines_of(text))
    return SelectedFile(
        path=change.path,
        status=change.status,
        blob=change.blob,
        old_path=change.old_path,
        old_blob=change.old_blob,
        language=language_of(change.path, text),
        text=text,
        change=change_text(old_text, text, hunks),
        hunks=hunks,
        parts=parts_of(text),
        risk=risk(change.path, changed=lines, churn=work.churn.get(change.path, 0)),
        masked=masked,
        faithful=content.is_faithful(data, plain),
    )
