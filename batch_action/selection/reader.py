"""Select files: read what changed since the base and what is in the backlog."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.console import ProgressCallback
from batch_action.clients.git import GitRepo
from batch_action.clients.secrets import mask
from batch_action.ledger.view import BacklogFile
from batch_action.models.files import (
    ChangeType,
    FileChange,
    Hunk,
    SelectedFile,
    Selection,
    SkippedFile,
    SkipReason,
    SourceFile,
)
from batch_action.selection import content, filters
from batch_action.selection.paths import language_of, risk
from batch_action.selection.patterns import PathRules
from batch_action.text import normalize_line_ends

MAX_CHUNK_FILES = 200
NOTEBOOK_FACTOR = 10
"""How many times larger a notebook may be, with its outputs."""
MAX_CHUNK_BYTES = 4_000_000
"""What is read at one time: no more texts are in memory."""

_Entry = FileChange | SkippedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOptions:
    """What decides which files of a commit are selected, and how they are read."""

    rules: PathRules
    max_file_bytes: int
    attributes_from: str
    """The commit whose `.gitattributes` are trusted."""
    all_files: bool = False
    """Select unchanged files too."""
    recheck: bool = False
    """Select renamed files and files with other line ends, too."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """Path to the blob asked about last, where base is older: in a pull request."""
    superseded: Collection[str] = ()
    """Paths of which an earlier run has reviewed a later version: they are skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The files of one range that name and size admit; their content decides."""

    head: str
    base: str | None
    changes: tuple[FileChange, ...]
    skipped: tuple[SkippedFile, ...]
    """The other ones."""
    added: frozenset[str]
    """The paths whose content is new there."""
    settled: frozenset[str]
    """The paths whose text at base was reviewed, or is not to be."""
    sizes: Mapping[str, int]
    """Bytes by blob."""
    options: SelectionOptions

    def select(self, results: Iterable[SelectedFile | SkippedFile]) -> Selection:
        """Return the selection, once it is known of each file what becomes of it."""
        files: list[SelectedFile] = []
        skipped = [*self.skipped]
        for result in results:
            if isinstance(result, SelectedFile):
                files.append(result)
            else:
                skipped.append(result)
        return Selection(
            head=self.head,
            base=self.base,
            files=tuple(sorted(files, key=lambda file: (-file.risk, file.path))),
            skipped=tuple(
                replace(file, is_new=file.path in self.added)
                for file in sorted(skipped, key=lambda file: file.path)
            ),
        )


def find_candidates(
    repo: GitRepo,
    head: str,
    base: str | None,
    options: SelectionOptions,
    *,
    backlog: Mapping[str, BacklogFile],
    changes: Sequence[FileChange] | None = None,
) -> Candidates:
    """Return every changed or backlog path once, as a candidate or a skipped file.

    Args:
        repo: the clone.
        head: the commit to review; files of the backlog are read at its content, too.
        base: the commit to compare with; None counts all files as added.
        options: the filters and limits.
        backlog: by path the files that were selected earlier and have no verdict.
        changes: what changed since base, where this clone cannot compare the two commits itself.

    Raises:
        ConfigError: head or base are not in this clone.
    """
    if changes is None:
        changes = () if base is None and options.all_files else repo.changes(base, head)
    entries = _entries(repo, changes, head=head, all_files=options.all_files, backlog=backlog)
    named, skipped_by_name = _partition(_check_names(repo, entries, options))
    sizes = repo.sizes({blob for change in named for blob in _blobs(change)})
    sized, skipped_by_size = _partition(
        _check_size(change, sizes, options.max_file_bytes) for change in named
    )
    return Candidates(
        head=head,
        base=base,
        changes=tuple(sized),
        skipped=(*skipped_by_name, *skipped_by_size),
        added=frozenset(change.path for change in changes if _adds(change)),
        settled=frozenset(() if options.recheck else _find_settled(sized, backlog)),
        sizes=sizes,
        options=options,
    )


def read_files(
    repo: GitRepo, candidates: Candidates, progress: ProgressCallback
) -> Iterator[list[SourceFile | SkippedFile]]:
    """Yield the candidates as they are read, a bounded number of bytes at a time.

    *progress* is called with the number of files done and to read.
    """
    options, total, done = candidates.options, len(candidates.changes), 0
    churn = repo.churn(candidates.head) if total else {}
    progress(0, total)
    for chunk in _chunks(candidates.changes, candidates.sizes):
        results: list[SourceFile | SkippedFile] = []
        for change, blobs, hunks in _read(repo, chunk, options.asked):
            same = None
            if change.path in candidates.settled:
                asked = options.asked.get(change.path)
                old_blobs = (change.old_blob, asked if asked != change.blob else None)
                same = _check_content(change, blobs, old_blobs)
            count = churn.get(change.path, 0)
            results.append(same or _select_file(change, blobs, hunks, options, count))
        yield results
        done += len(chunk)
        progress(done, total)


def _find_settled(changes: Iterable[FileChange], backlog: Collection[str]) -> set[str]:
    """Return the paths whose text at base was reviewed, or is not to be.

    What the backlog is compared with may be older than base.
    """
    return {
        change.path
        for change in changes
        if change.status in (ChangeType.ADDED, ChangeType.MODIFIED, ChangeType.RENAMED)
        and not (change.path in backlog or change.old_path in backlog)
    }


def _adds(change: FileChange) -> bool:
    """Return whether content is new under this path."""
    return change.old_blob is None or (
        change.status is ChangeType.RENAMED and change.blob != change.old_blob
    )


def _partition(entries: Iterable[_Entry]) -> tuple[list[FileChange], list[SkippedFile]]:
    changes: list[FileChange] = []
    skipped: list[SkippedFile] = []
    for entry in entries:
        if isinstance(entry, FileChange):
            changes.append(entry)
        else:
            skipped.append(entry)
    return changes, skipped


def _entries(
    repo: GitRepo,
    changes: Sequence[FileChange],
    *,
    head: str,
    all_files: bool,
    backlog: Mapping[str, BacklogFile],
) -> list[_Entry]:
    """Join the changes, the backlog and, with *all_files*, the rest; one entry for each path."""
    entries: dict[str, _Entry] = {
        change.path: _compare_with_reviewed(change, backlog) for change in changes
    }
    absent = [path for path in backlog if path not in entries]
    if all_files or absent:
        tree = {entry.path: entry for entry in repo.tree(head)}
        for path in absent:
            entry = _backlog_entry(backlog[path], tree, taken=entries)
            entries[entry.path] = entry
        if all_files:
            entries = {**tree, **entries}
    return list(entries.values())


def _backlog_entry(
    file: BacklogFile, tree: Mapping[str, FileChange], *, taken: Collection[str]
) -> _Entry:
    """Return a file of the backlog as it is at head, perhaps under the name it was moved to."""
    path, old_blob = file.path, file.old_blob
    if path in tree:
        return replace(tree[path], old_blob=old_blob)
    for entry in tree.values():
        if entry.blob == file.blob and entry.path not in taken:
            return replace(entry, status=ChangeType.RENAMED, old_path=path, old_blob=old_blob)
    detail = "in the backlog, but no longer in the repository"
    return SkippedFile(path=path, reason=SkipReason.DELETED, detail=detail)


def _compare_with_reviewed(change: FileChange, backlog: Mapping[str, BacklogFile]) -> FileChange:
    """Compare a changed file of the backlog with the blob reviewed last, not with base."""
    path = change.path if change.path in backlog else change.old_path
    if path is None or path not in backlog or change.status is ChangeType.DELETED:
        return change
    reviewed = backlog[path].old_blob
    if change.status is ChangeType.MODIFIED and change.blob in (change.old_blob, reviewed):
        # Only the mode changed in this range, but the content still has no verdict; or the file
        # went back to the blob that was reviewed last.
        return replace(change, status=ChangeType.UNCHANGED, old_blob=reviewed)
    return replace(change, old_blob=reviewed)


def _check_names(
    repo: GitRepo, entries: Sequence[_Entry], options: SelectionOptions
) -> Iterator[_Entry]:
    """Replace the entries that the tree entry, the name or a later version rules out."""
    changes, skipped = _partition(
        (isinstance(entry, FileChange) and filters.check_change(entry)) or entry
        for entry in entries
    )
    yield from skipped
    paths = {path for change in changes for path in (change.path, change.old_path) if path}
    attributes = repo.attributes(options.attributes_from, sorted(paths))

    def check(path: str) -> SkippedFile | None:
        return filters.check_name(path, options.rules, attributes.get(path, {}))

    for change in changes:
        path, skip = change.path, check(change.path)
        if skip is None and path in options.superseded:
            detail = "a later version is known"
            skip = SkippedFile(path=path, reason=SkipReason.ALREADY_REVIEWED, detail=detail)
        if skip is None and change.old_path and check(change.old_path):
            # It was never selected under its old name.
            yield replace(change, status=ChangeType.ADDED, old_path=None, old_blob=None)
        else:
            yield skip or change


def _check_size(change: FileChange, sizes: Mapping[str, int], limit: int) -> _Entry:
    """Rule out what is too large or empty; drop an old blob that is missing or too large."""
    if change.blob not in sizes:
        return SkippedFile(
            path=change.path,
            blob=change.blob,
            reason=SkipReason.NOT_IN_CLONE,
            detail="its content is not in this clone: check out without filter",
        )
    if change.path.endswith(".ipynb"):
        limit *= NOTEBOOK_FACTOR
    if skip := filters.check_size(change.path, sizes[change.blob], limit):
        return skip
    old = change.old_blob
    return change if old and sizes.get(old, limit + 1) <= limit else replace(change, old_blob=None)


def _read(
    repo: GitRepo, chunk: Sequence[FileChange], asked: Mapping[str, str]
) -> Iterator[tuple[FileChange, Mapping[str, bytes], tuple[Hunk, ...]]]:
    """Yield each change with its blobs and hunks."""
    wanted = {blob for change in chunk for blob in _blobs(change)}
    wanted |= {asked[change.path] for change in chunk if change.path in asked}
    blobs = dict(repo.blobs(wanted))
    pairs = [(c.old_blob, c.blob) for c in chunk if c.old_blob and c.old_blob != c.blob]
    hunks = repo.hunks_of(pairs)
    for change in chunk:
        yield change, blobs, hunks.get((change.old_blob or "", change.blob), ())


def _chunks(changes: Sequence[FileChange], sizes: Mapping[str, int]) -> Iterator[list[FileChange]]:
    chunk: list[FileChange] = []
    remaining = MAX_CHUNK_BYTES
    for change in changes:
        size = sum(sizes[blob] for blob in _blobs(change))
        if chunk and (size > remaining or len(chunk) == MAX_CHUNK_FILES):
            yield chunk
            chunk, remaining = [], MAX_CHUNK_BYTES
        chunk.append(change)
        remaining -= size
    if chunk:
        yield chunk


def _blobs(change: FileChange) -> tuple[str, ...]:
    return (change.blob,) if change.old_blob is None else (change.blob, change.old_blob)


def _check_content(
    change: FileChange, blobs: Mapping[str, bytes], old_blobs: Iterable[str | None]
) -> SkippedFile | None:
    """Rule out a file with the text of an old blob: only moved, or with other line ends."""
    found = (_compare(change, blobs, old) for old in old_blobs if old and old in blobs)
    return next(filter(None, found), None)


def _compare(change: FileChange, blobs: Mapping[str, bytes], old: str) -> SkippedFile | None:
    data, old_data = blobs[change.blob], blobs[old]
    details = [f"renamed from {change.old_path}"] if change.old_path else []
    if change.blob != old:
        if any(content.is_wide(text) or content.is_binary(text) for text in (data, old_data)):
            return None
        if normalize_line_ends(data) == normalize_line_ends(old_data):
            details.append("only line ends differ")
        elif (lines := _cell_lines(data)) and lines == _cell_lines(old_data):
            details.append("only outputs differ")
        else:
            return None
    return SkippedFile(path=change.path, reason=SkipReason.SAME_CONTENT, detail=", ".join(details))


def _cell_lines(data: bytes) -> list[str]:
    """Return the lines of a notebook's cells; none for another file."""
    return [line for line in (content.cells_of(content.decode(data)) or "").split("\n") if line]


def _select_file(
    change: FileChange,
    blobs: Mapping[str, bytes],
    hunks: tuple[Hunk, ...],
    options: SelectionOptions,
    churn: int,
) -> SourceFile | SkippedFile:
    """Return one file with all that a prompt needs, or why its content is not reviewed."""
    data, old_data = blobs[change.blob], blobs.get(change.old_blob or "", b"")
    if skip := filters.check_bytes(change.path, data):
        return skip
    plain = content.read_text(data)
    reincluded = options.rules.reincludes(change.path)
    if skip := filters.check_text(change.path, plain, skip_generated=not reincluded):
        return skip
    limit = options.max_file_bytes
    if len(data) > limit and (skip := filters.check_size(change.path, len(plain), limit)):
        return skip
    text, masked = mask(plain, change.path)
    if content.is_wide(data) or content.is_wide(old_data) or content.is_binary(old_data):
        hunks = ()  # Git counts the bytes of such a file, not its lines.
    old_text = mask(content.read_text(old_data), change.path)[0] if hunks else ""
    if language_of(change.path) == "jupyter":
        marked = content.mark_outputs(hunks, old_text, text)
        hunks = tuple(hunk for hunk in marked if not hunk.outputs_only)
    lines = content.count_changed_lines(hunks) or len(content.lines_of(text))
    return SourceFile(
        path=change.path,
        status=change.status,
        blob=change.blob,
        old_path=change.old_path,
        old_blob=change.old_blob,
        language=language_of(change.path, text),
        text=text,
        diff=content.render_hunks(old_text, text, hunks),
        hunks=hunks,
        parts=content.parts_of(text),
        risk=risk(change.path, changed=lines, churn=churn),
        masked_secrets=masked,
        lossless=content.is_lossless(data, plain),
    )
