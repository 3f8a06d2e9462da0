"""What a task needs of the repository: old versions, tests, licenses."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from batch_action.clients.git import GitRepo, OpenObjects
from batch_action.clients.secrets import mask
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import advice
from batch_action.models.files import (
    ChangeType,
    ContextFile,
    ContextKind,
    FileChange,
    SkipKind,
    SkippedFile,
    SkipReason,
    SourceFile,
)
from batch_action.models.findings import OPEN_STATES, RawFinding, TrackedFinding
from batch_action.models.licenses import LicensePolicy
from batch_action.selection.content import MAX_PART_CHARS, decode, is_binary, is_lossless, read_text
from batch_action.selection.paths import language_of
from batch_action.selection.patterns import path_rules
from batch_action.selection.reader import Candidates
from batch_action.tasks import license_check
from batch_action.tasks.license import notices, reuse
from batch_action.tasks.license.headers import (
    MISSING_HEADER,
    check_header,
    has_header,
    header_of,
    is_header_common,
)
from batch_action.tasks.task import ContextNeeds, Task
from batch_action.tasks.testing.frameworks import is_manifest
from batch_action.tasks.testing.layout import FileTests, SuiteLayout
from batch_action.tasks.testing.treesitter import go_names

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
MAX_SAMPLE_FILES = 200
"""Files of one language that are sampled to see whether license headers are common."""
SAMPLE_BYTES = 4_096
"""Bytes of each sampled file that are read."""
MAX_LICENSE_TEXTS = 8
"""License texts in the root folder that are read."""
REGULAR_FILE_MODES = ("100644", "100755")

Hints = tuple[tuple[str, str], ...]
"""What the prompt says besides the file: a name and a text each."""

_TEST_NAME = re.compile(
    r"^\s*(?:(?:async\s+)?def\s+test\w*|class\s+Test\w*|(?:describe|suite|it|test)\b.*?\(\s*"
    r"(?:\"[^\"\n]*\"|'[^'\n]*'|`[^`\n]*`)|func\s+(?:Test|Fuzz|Benchmark)\w*)",
    re.MULTILINE,
)


class ContextFinder:
    """Finds what the task needs with each file of one selection."""

    def __init__(self, ctx: RunContext, candidates: Candidates) -> None:
        self._ctx = ctx
        self._candidates = candidates

    def attach(self, files: Iterable[SourceFile]) -> Iterator[SourceFile | SkippedFile]:
        """Yield the files with context files and hints, and those the task does not apply to."""
        task = self._ctx.task
        checked = [_skip_for_task(task, file) or file for file in files]
        yield from (file for file in checked if isinstance(file, SkippedFile))
        sources = [file for file in checked if isinstance(file, SourceFile)]
        if not sources:
            return
        match task.context_needs:
            case ContextNeeds.BEFORE:
                yield from _attach_old_versions(self._ctx.git, task, sources, self._changed_files)
            case ContextNeeds.TESTS:
                yield from self._tests.attach(sources)
            case ContextNeeds.NONE:
                yield from (replace(file, hints=task.hints(file)) for file in sources)

    @cached_property
    def _tests(self) -> "TestLocator":
        return TestLocator(self._ctx, self._candidates.head)

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
        listed = "\n".join(_at_most(sorted(names), MAX_CHANGED_FILES))
        return (("changed-files", listed),) if len(names) > 1 else ()


def _skip_for_task(task: Task, file: SourceFile) -> SkippedFile | None:
    reason, kind, detail = SkipReason.NOT_FOR_TASK, SkipKind.OTHER, task.skip_reason(file)
    if task.needs_whole_file and len(file.parts) > 1:
        reason, kind = SkipReason.TOO_LARGE, SkipKind.CONTENT
        detail = f"{task.name} takes whole files of at most {MAX_PART_CHARS:,} characters"
    if not detail:
        return None
    return SkippedFile(path=file.path, reason=reason, kind=kind, detail=detail)


@dataclass(slots=True)
class TestLocator:
    """The test files of one commit, and where new tests belong."""

    ctx: RunContext
    commit: str
    tree: dict[str, FileChange] = field(default_factory=dict)
    """Path to its entry; read from git unless given."""
    objects: GitRepo | OpenObjects | None = None
    """What reads the tests; the repository unless given."""
    suite: SuiteLayout = field(init=False)
    _go_files: dict[str, dict[str, None]] = field(default_factory=dict)
    """Paths of Go files by folder, filled when they are needed first."""
    _go_names: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    """Package and declared names of the Go files that were read, by path."""

    def __post_init__(self) -> None:
        """Read the commit's tree and its package manifests."""
        git, settings = self.ctx.git, self.ctx.settings
        if not self.tree:
            self.tree = {entry.path: entry for entry in git.tree(self.commit)}
        manifests = sorted(filter(is_manifest, self.tree), key=lambda p: (p.count("/"), p))
        blobs = [self.tree[path].blob for path in manifests[:MAX_MANIFESTS]]
        texts = _read_small(git, blobs, MAX_MANIFEST_BYTES)
        self.suite = SuiteLayout(
            paths=frozenset(self.tree),
            manifests={path: decode(texts.get(self.tree[path].blob, b"")) for path in manifests},
            preferred=settings.test_framework,
            roots=settings.test_paths,
        )

    def attach(self, files: Iterable[SourceFile]) -> Iterator[SourceFile | SkippedFile]:
        """Attach each file's tests and the path for new ones, or skip it with the reason."""
        layouts = [(file, self.suite.locate_tests(file.path, file.language)) for file in files]
        contents = self._read_tests(
            layout for _, layout in layouts if isinstance(layout, FileTests)
        )
        for file, layout in layouts:
            if isinstance(layout, str):
                yield SkippedFile(path=file.path, reason=SkipReason.NOT_FOR_TASK, detail=layout)
            else:
                yield self._attach_tests(file, layout, self._test_files(layout, contents))

    def _attach_tests(
        self, file: SourceFile, layout: FileTests, tests: tuple[ContextFile, ...]
    ) -> SourceFile:
        target = self.target(layout, tests)
        state = "new file" if target not in self.tree else "shown below, to be extended"
        hint = f"framework: {layout.framework}\npath: {target}\nstate: {state}"
        hint += self._names_hint(target, layout.framework)
        hints = (*self.ctx.task.hints(file), ("target", hint))
        return replace(file, context_files=tests, hints=hints)

    def _names_hint(self, target: str, framework: str) -> str:
        """Return what the names of tests must be or must not be; empty for the usual ones."""
        if framework == "pytest":
            names_of = self.suite.suites.pytest_config(target).unusual_names().items()
            return "".join(f"\nnames of {kind}: {', '.join(names)}" for kind, names in names_of)
        if framework == "go":
            declared = self.package_names(target, tests_only=True).values()
            names = {name for _, of_file in declared for name in of_file if "." not in name}
            listed = _at_most(sorted(names), MAX_TEST_NAMES)
            return f"\ntaken: {', '.join(listed)}" if listed else ""
        return ""

    def package_names(
        self, path: str, *, tests_only: bool = False
    ) -> dict[str, tuple[str, frozenset[str]]]:
        """Return package and declared names of the other Go files in a file's folder, by path."""
        if not self._go_files:
            for each in self.tree:
                if each.endswith(".go"):
                    self._go_files.setdefault(each.rpartition("/")[0], {})[each] = None
        folder = self._go_files.get(path.rpartition("/")[0], {})
        others = [p for p in folder if p != path and (p.endswith("_test.go") or not tests_only)]
        unread = {p: self.tree[p].blob for p in others if p not in self._go_names}
        texts = _read_small(self.ctx.git, unread.values(), self.ctx.settings.max_file_bytes)
        for each, blob in unread.items():
            self._go_names[each] = go_names(decode(texts.get(blob, b"")))
        return {p: self._go_names[p] for p in others}

    def add_draft(self, path: str, text: str) -> None:
        """Count what a draft declares as declared by the package that it will be in."""
        if path.endswith(".go") and self._go_files:
            self._go_files.setdefault(path.rpartition("/")[0], {})[path] = None
            self._go_names[path] = go_names(text)

    def test_files(self, layout: FileTests) -> tuple[ContextFile, ...]:
        """Return the existing tests: complete up to `MAX_TEST_CHARS`, then as names only."""
        return self._test_files(layout, self._read_tests([layout]))

    def _read_tests(self, layouts: Iterable[FileTests]) -> dict[str, bytes]:
        """Return the contents of the existing tests that may be sent, by blob."""
        paths = (path for layout in layouts for path in layout.tests[:MAX_TEST_FILES])
        blobs = [self.tree[path].blob for path in paths if self.tree[path].mode != "120000"]
        return _read_small(self.objects or self.ctx.git, blobs, self.ctx.settings.max_file_bytes)

    def _test_files(
        self, layout: FileTests, contents: Mapping[str, bytes]
    ) -> tuple[ContextFile, ...]:
        entries = [(path, self.tree[path].blob) for path in layout.tests[:MAX_TEST_FILES]]
        return tuple(_fit_to_limit((p, blob, contents.get(blob)) for p, blob in entries))

    def target(self, layout: FileTests, tests: Sequence[ContextFile]) -> str:
        """Return the path for new tests: an existing file only if it is sent in full."""
        complete = {test.path for test in tests if test.complete}
        exists = layout.target in self.tree
        return layout.new_path if exists and layout.target not in complete else layout.target


def _read_small(
    git: GitRepo | OpenObjects, blobs: Iterable[str], max_bytes: int
) -> dict[str, bytes]:
    """Return the contents of the blobs that are in the clone and not larger than the limit."""
    chosen = list(dict.fromkeys(blobs))
    sizes = git.sizes(chosen)
    return dict(git.blobs([x for x in chosen if x in sizes and sizes[x] <= max_bytes]))


def _fit_to_limit(tests: Iterable[tuple[str, str, bytes | None]]) -> Iterable[ContextFile]:
    """Yield the text files among (path, blob, content), in full or as test names."""
    chars_left = MAX_TEST_CHARS
    for path, blob, data in tests:
        if data is None or is_binary(data):
            continue
        decoded = decode(data)
        text = mask(decoded, path)[0]
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


def _attach_old_versions(
    git: GitRepo, task: Task, files: Sequence[SourceFile], changed_files: Hints
) -> Iterator[SourceFile | SkippedFile]:
    """Attach the version that each file is compared with, and the names of all changed files."""
    paths = {file.old_blob: file.path for file in files if file.old_blob}
    blobs = git.blobs(sorted(paths))
    texts = {blob: mask(read_text(data), paths[blob])[0] for blob, data in blobs}
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


def describe_licenses(ctx: RunContext, head: str) -> str:
    """Return the license policy as text for the shared instructions; empty for other tasks."""
    if not ctx.task.checks_licenses:
        return ""
    tree = _tree_if_present(ctx.git, ctx.rules_commit_for(head))
    return license_check.describe_licenses(_license_policy(ctx.git, ctx.settings, tree))


@dataclass(slots=True)
class LicenseChecker:
    """Checks license headers at collect, without the model; each commit is read once."""

    ctx: RunContext
    objects: OpenObjects
    trees: dict[str, dict[str, FileChange]] = field(default_factory=dict)
    """Commit to its files, by path."""
    policies: dict[str, LicensePolicy] = field(default_factory=dict)
    headers_expected: dict[tuple[str, str], bool] = field(default_factory=dict)
    """(commit, language) to whether most files of the language have a header."""

    def raw_findings(self, path: str, text: str, commit: str) -> tuple[RawFinding, ...]:
        """Return the findings about the header of a reviewed text; none for other tasks."""
        if not self.ctx.task.checks_licenses:
            return ()
        language, settings = language_of(path, text), self.ctx.settings
        rules_commit = self.ctx.rules_commit_for(commit)
        if rules_commit not in self.policies:
            tree = self._tree(rules_commit).values()
            self.policies[rules_commit] = _license_policy(self.ctx.git, settings, tree)
        policy = self.policies[rules_commit]
        required = settings.license_headers == "required" or (
            settings.license_headers == "auto" and self._is_common(rules_commit, language, policy)
        )
        beside = "\n".join(reuse.notices_beside(path, self._texts_beside(path, commit)))
        if reuse.needs_no_notice(path) or header_of(beside).satisfies(policy.header):
            required = False
        return check_header(text, language, policy, required=required)

    def satisfied(self, known: Iterable[TrackedFinding], commit: str) -> frozenset[str]:
        """Return the findings about missing headers that a later commit gives: in another file."""
        missing = [
            finding
            for finding in known
            if finding.category == MISSING_HEADER and finding.state in OPEN_STATES
        ]
        tree = self._tree(commit) if missing else {}
        blobs = {f.anchor.path: tree[f.anchor.path].blob for f in missing if f.anchor.path in tree}
        texts = _read_small(self.ctx.git, blobs.values(), self.ctx.settings.max_file_bytes)
        return frozenset(
            finding.fingerprint
            for finding in missing
            if (text := texts.get(blobs.get(path := finding.anchor.path, ""))) is not None
            and not any(
                raw.category == MISSING_HEADER
                for raw in self.raw_findings(path, decode(text), commit)
            )
        )

    def _tree(self, commit: str) -> dict[str, FileChange]:
        if commit not in self.trees:
            entries = _tree_if_present(self.ctx.git, commit)
            files = {entry.path: entry for entry in entries if entry.mode in REGULAR_FILE_MODES}
            self.trees[commit] = files
        return self.trees[commit]

    def _texts_beside(self, path: str, commit: str) -> dict[str, str]:
        """Return the texts that may hold notices about a file, by path."""
        tree = self._tree(commit)
        blobs = {place: tree[place].blob for place in reuse.places_beside(path) if place in tree}
        contents = _read_small(self.objects, blobs.values(), self.ctx.settings.max_file_bytes)
        return {place: decode(contents[blob]) for place, blob in blobs.items() if blob in contents}

    def _is_common(self, commit: str, language: str, policy: LicensePolicy) -> bool:
        """Return whether files of a language have headers here."""
        if (commit, language) not in self.headers_expected:
            headers = [header_of(text) for text in self._sample(commit, language)]
            self.headers_expected[commit, language] = is_header_common(headers, policy.header)
        return self.headers_expected[commit, language]

    def _sample(self, commit: str, language: str) -> list[str]:
        """Return the first bytes of files of a language, sampled evenly from the tree."""
        if not has_header(language):
            return []
        settings = self.ctx.settings
        rules = path_rules(self.ctx)
        files = [
            entry
            for entry in self._tree(commit).values()
            if language_of(entry.path) == language and rules.skip(entry.path) is None
        ]
        count = min(len(files), MAX_SAMPLE_FILES)
        sample = [files[number * len(files) // count] for number in range(count)]
        contents = _read_small(self.ctx.git, [x.blob for x in sample], settings.max_file_bytes)
        # Files with equal content count one by one.
        texts = ((x.path, contents.get(x.blob, b"")) for x in sample)
        decoded = [
            (p, decode(x[:SAMPLE_BYTES])) for p, x in texts if x.strip() and not is_binary(x)
        ]
        return [text for path, text in decoded if language_of(path, text) == language]


def _tree_if_present(git: GitRepo, commit: str) -> list[FileChange]:
    return git.tree(commit) if git.has_commit(commit) else []


def _license_policy(git: GitRepo, settings: Settings, tree: Iterable[FileChange]) -> LicensePolicy:
    """Return the policy: the licenses named by files in the root folder, and the settings."""
    paths = {
        entry.blob: entry.path
        for entry in sorted(tree, key=lambda entry: entry.path)
        if entry.mode in REGULAR_FILE_MODES
        and "/" not in entry.path
        and notices.may_name_license(entry.path)
    }
    texts = _read_small(git, list(paths)[:MAX_LICENSE_TEXTS], settings.max_file_bytes)
    licenses = [
        (paths[blob], name)
        for blob, data in texts.items()
        if (name := notices.license_in(paths[blob], decode(data)))
    ]
    return LicensePolicy(
        repository_licenses=tuple(licenses),
        allowed=settings.allowed_licenses,
        denied=settings.denied_licenses,
        header=settings.license_header,
    )
