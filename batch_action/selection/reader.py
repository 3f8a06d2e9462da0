"""Select files: read what changed since the base and what is in the backlog."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from batch_action.clients.console import ProgressCallback
from batch_action.clients.git import GitRepo, may_be_same_text
from batch_action.clients.secret_triggers import may_have_secret
from batch_action.clients.secrets import mask
from batch_action.errors import ConfigError
from batch_action.ledger.view import BacklogFile
from batch_action.models.files import (
    ChangeType,
    FileChange,
    Hunk,
    LineChange,
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
) -> Iterator[Iterator[SourceFile | SkippedFile]]:
    """Yield the candidates as they are read, a bounded number of bytes at a time.

    Their lines take several times as many: each file is made when it is asked for. *progress* is
    called with the number of files done and to read.
    """
    total, done = len(candidates.changes), 0
    churn = repo.churn(candidates.head) if total else {}
    progress(0, total)
    for chunk in _chunks(_read_changes(repo, candidates.changes)):
        needed = [_old_blobs(file, candidates) for file in chunk]
        blobs = dict(repo.blobs(sorted(set[str]().union(*needed))))
        yield _select_files(chunk, blobs, candidates, churn)
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


@dataclass(frozen=True, slots=True)
class _ChangedFile:
    """A file at head, and what git says of its change."""

    change: FileChange
    data: bytes
    places: Sequence[LineChange]
    """Where it differs from its old blob."""
    plain: str
    """What is reviewed of it, before secrets are masked; empty when its bytes rule it out."""
    lossless: bool
    removed: Sequence[Sequence[str]] | None
    """The lines that each place removes, as they are shown; None: the old blob has to be read."""
    skip: SkippedFile | None = None
    """Why its bytes rule it out."""


def _read_changes(repo: GitRepo, changes: Sequence[FileChange]) -> Iterator[_ChangedFile]:
    """Yield the changed files: one git process reads them all, and one compares them."""
    with (
        closing(repo.blobs(change.blob for change in changes)) as blobs,
        closing(repo.line_changes([pair for c in changes if (pair := _pair(c))])) as differing,
    ):
        number, (next_number, next_places) = -1, next(differing, _NO_MORE)
        for change in changes:
            blob, data = next(blobs, ("", b""))
            if blob != change.blob:
                raise ConfigError(
                    f"{change.path} is not in the object database any more.",
                    fix="Run the command again.",
                )
            places: Sequence[LineChange] = ()
            if _pair(change):
                number += 1
                if number == next_number:
                    places = next_places
                    next_number, next_places = next(differing, _NO_MORE)
            yield _changed_file(change, data, places)


_NO_MORE: tuple[int, list[LineChange]] = (-1, [])


def _pair(change: FileChange) -> tuple[str, str] | None:
    """Return the blobs to compare; None when there is nothing to compare."""
    old = change.old_blob
    return (old, change.blob) if old and old != change.blob else None


def _changed_file(change: FileChange, data: bytes, places: Sequence[LineChange]) -> _ChangedFile:
    if skip := filters.check_bytes(change.path, data):
        return _ChangedFile(change, data, places, "", lossless=False, removed=None, skip=skip)
    plain = content.read_text(data)
    lossless = content.is_lossless(data, plain)
    removed = _removed_as_shown(change.path, plain, places) if lossless else None
    return _ChangedFile(change, data, places, plain, lossless, removed)


def _removed_as_shown(
    path: str, plain: str, places: Sequence[LineChange]
) -> list[list[str]] | None:
    """Return the removed lines, if the rest of the old text has no say in how they are shown.

    Every line of the old text is removed or is a line of the new one. So if neither has a mark, a
    NUL, a long line, a part of a notebook or of a secret, the old text has none.
    """
    if may_be_same_text(places) or language_of(path) == "jupyter":
        return None
    try:
        texts = [place.removed.decode() for place in places]
    except UnicodeDecodeError:
        return None
    removed = "".join(texts)
    both = f"{plain}\n{removed}"
    is_usual = not (
        "\0" in both
        or "\ufeff" in removed
        or content.has_long_line(removed)
        or content.NOTEBOOK_WORD in both
        or may_have_secret(both, path)
    )
    return [content.lines_of(text) for text in texts] if is_usual else None


def _old_blobs(file: _ChangedFile, candidates: Candidates) -> set[str]:
    """Return the blobs besides the one at head that have to be read."""
    change, found = file.change, set[str]()
    if _pair(change) and file.removed is None:
        found.add(change.old_blob or "")
    if change.path in candidates.settled and (asked := candidates.options.asked.get(change.path)):
        found.add(asked)
    return found - {change.blob}


def _chunks(files: Iterable[_ChangedFile]) -> Iterator[list[_ChangedFile]]:
    chunk: list[_ChangedFile] = []
    remaining = MAX_CHUNK_BYTES
    for file in files:
        if chunk and (len(file.data) > remaining or len(chunk) == MAX_CHUNK_FILES):
            yield chunk
            chunk, remaining = [], MAX_CHUNK_BYTES
        chunk.append(file)
        remaining -= len(file.data)
    if chunk:
        yield chunk


def _blobs(change: FileChange) -> tuple[str, ...]:
    return (change.blob,) if change.old_blob is None else (change.blob, change.old_blob)


def _select_files(
    files: Iterable[_ChangedFile],
    blobs: Mapping[str, bytes],
    candidates: Candidates,
    churn: Mapping[str, int],
) -> Iterator[SourceFile | SkippedFile]:
    options = candidates.options
    for file in files:
        path = file.change.path
        settled = path in candidates.settled
        same = _check_content(file, blobs, options.asked.get(path)) if settled else None
        yield same or _select_file(file, blobs, options, churn.get(path, 0))


def _check_content(
    file: _ChangedFile, blobs: Mapping[str, bytes], asked: str | None
) -> SkippedFile | None:
    """Rule out a file with the text of an old blob: only moved, or with other line ends.

    A text whose old blob was not read is another one.
    """
    change = file.change
    olds = (change.old_blob, asked if asked != change.blob else None)
    found = (
        _compare(change, file.data, file.data if old == change.blob else blobs[old], old)
        for old in olds
        if old and (old == change.blob or old in blobs)
    )
    return next(filter(None, found), None)


def _compare(change: FileChange, data: bytes, old_data: bytes, old: str) -> SkippedFile | None:
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
    file: _ChangedFile, blobs: Mapping[str, bytes], options: SelectionOptions, churn: int
) -> SourceFile | SkippedFile:
    """Return one file with all that a prompt needs, or why its content is not reviewed."""
    change, path, plain = file.change, file.change.path, file.plain
    if file.skip:
        return file.skip
    if skip := filters.check_text(path, plain, skip_generated=not options.rules.reincludes(path)):
        return skip
    size, limit = len(file.data), options.max_file_bytes
    if size > limit and (skip := filters.check_size(path, len(plain), limit)):
        return skip
    hunks = tuple(place.hunk for place in file.places)
    if file.removed is not None:
        text, masked, removed = plain, 0, file.removed
    else:
        text, masked = mask(plain, path)
        hunks, removed = _hunks_of(file, text, blobs.get(change.old_blob or "", b""))
    lines = content.lines_of(text)
    changed = content.count_changed_lines(hunks) or len(lines)
    return SourceFile(
        path=path,
        status=change.status,
        blob=change.blob,
        old_path=change.old_path,
        old_blob=change.old_blob,
        language=language_of(path, text),
        text=text,
        lines=lines,
        diff=content.render_changes(removed, lines, hunks),
        hunks=hunks,
        parts=content.parts_of(text, lines=lines),
        risk=risk(path, changed=changed, churn=churn),
        masked_secrets=masked,
        lossless=file.lossless,
    )


def _hunks_of(
    file: _ChangedFile, text: str, old_data: bytes
) -> tuple[tuple[Hunk, ...], Sequence[Sequence[str]]]:
    """Return the hunks that are shown and the lines that each removes, masked in the old text."""
    path, data = file.change.path, file.data
    is_counted = not (
        content.is_wide(data) or content.is_wide(old_data) or content.is_binary(old_data)
    )
    # Git counts the bytes of such a file, not its lines.
    if not is_counted or normalize_line_ends(data) == normalize_line_ends(old_data):
        return (), ()
    hunks = tuple(place.hunk for place in file.places)
    old_text = content.reviewed_text(old_data, path) if hunks else ""
    if language_of(path) == "jupyter":
        marked = content.mark_outputs(hunks, old_text, text)
        hunks = tuple(hunk for hunk in marked if not hunk.outputs_only)
    return hunks, content.removed_lines(old_text, hunks)
