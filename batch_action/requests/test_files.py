"""The test files of a commit: which a file has, and where new tests belong."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.git import BlobReader, read_small
from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.models.files import (
    ContextFile,
    ContextKind,
    FileChange,
    SkippedFile,
    SkipReason,
    SourceFile,
)
from batch_action.selection.content import decode, is_binary, is_lossless
from batch_action.tasks.testing.frameworks import is_manifest
from batch_action.tasks.testing.layout import FileTests, SuiteLayout
from batch_action.tasks.testing.treesitter import go_names
from batch_action.text import at_most

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


@dataclass(slots=True)
class TestLocator:
    """The test files of one commit, and where new tests belong."""

    ctx: RunContext
    commit: str
    tree: dict[str, FileChange] = field(default_factory=dict)
    """Path to its entry; read from git unless given."""
    objects: BlobReader | None = None
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
        texts = read_small(git, blobs, MAX_MANIFEST_BYTES)
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
            listed = at_most(sorted(names), MAX_TEST_NAMES)
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
        texts = read_small(self.ctx.git, unread.values(), self.ctx.settings.max_file_bytes)
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
        return read_small(self.objects or self.ctx.git, blobs, self.ctx.settings.max_file_bytes)

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
    return "\n".join(at_most(names, MAX_TEST_NAMES))
