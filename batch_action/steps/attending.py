"""The tests that files have: found by convention in the reviewed commit, and sent along."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from batch_action.edges.secrets import mask
from batch_action.models.files import Change, Companion, Reason, Role, SelectedFile, Skipped
from batch_action.selection.content import decode, is_binary, is_faithful
from batch_action.steps.world import World
from batch_action.tasks.testing.frameworks import is_manifest
from batch_action.tasks.testing.placing import Grounds, Layout

MOST_TESTS = 3
"""Test files that go along with one file, the nearest ones."""
MOST_CHARS = 60_000
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
class Attendant:
    """Knows the tests of one commit."""

    world: World
    commit: str
    tree: dict[str, Change] = field(default_factory=dict)
    grounds: Grounds = field(init=False)

    def __post_init__(self) -> None:
        """Read what the commit holds, and its manifests."""
        git, settings = self.world.git, self.world.settings
        if not self.tree:
            self.tree = {entry.path: entry for entry in git.tree(self.commit)}
        named = sorted((p for p in self.tree if is_manifest(p)), key=lambda p: (p.count("/"), p))
        wanted = {self.tree[path].blob for path in named[:MOST_MANIFESTS]}
        small = [blob for blob, size in git.sizes(wanted).items() if size <= LARGEST_MANIFEST]
        texts = {blob: decode(data) for blob, data in git.blobs(sorted(small))}
        self.grounds = Grounds(
            paths=frozenset(self.tree),
            manifests={path: texts.get(self.tree[path].blob, "") for path in named},
            wished=settings.test_framework,
            roots=settings.test_paths,
        )

    def attend(self, file: SelectedFile) -> SelectedFile | Skipped:
        """The file with its tests and where new ones belong, or why it gets none."""
        layout = self.grounds.layout(file.path, file.language)
        if isinstance(layout, str):
            return Skipped(path=file.path, reason=Reason.NOT_FOR_TASK, detail=layout)
        tests = self.companions(layout)
        target = self.target(layout, tests)
        state = "new file" if target not in self.tree else "shown below: give it back with more"
        told = f"framework: {layout.framework}\npath: {target}\nstate: {state}"
        return replace(file, companions=tests, hints=(*file.hints, ("target", told)))

    def companions(self, layout: Layout) -> tuple[Companion, ...]:
        """The tests that are there, whole as long as there is room."""
        paths = layout.tests[:MOST_TESTS]
        blobs = [self.tree[path].blob for path in paths if self.tree[path].mode != "120000"]
        sizes = self.world.git.sizes(blobs)
        limit = self.world.settings.max_file_bytes
        small = [blob for blob in blobs if sizes.get(blob, limit + 1) <= limit]
        datas = dict(self.world.git.blobs(sorted(set(small))))
        return tuple(_shown((p, self.tree[p].blob, datas.get(self.tree[p].blob)) for p in paths))

    def target(self, layout: Layout, tests: Sequence[Companion]) -> str:
        """Where new tests belong: only a test that is shown whole can be given back."""
        whole = {test.path for test in tests if test.complete}
        there = layout.target in self.tree
        return layout.spare if there and layout.target not in whole else layout.target


def _shown(found: Iterable[tuple[str, str, bytes | None]]) -> Iterable[Companion]:
    room = MOST_CHARS
    for path, blob, data in found:
        if data is None or is_binary(data):
            continue
        plain = decode(data)
        text = mask(plain)[0]
        whole = len(text) <= room and is_faithful(data, plain)
        room -= len(text) if whole else 0
        yield Companion(
            role=Role.TEST,
            path=path,
            blob=blob,
            text=text if whole else _names(text),
            complete=whole,
        )


def _names(text: str) -> str:
    found = [" ".join(match[0].split()) for match in _TEST_NAME.finditer(text)]
    more = [f"… and {len(found) - MOST_NAMES} more"] if len(found) > MOST_NAMES else []
    return "\n".join([*found[:MOST_NAMES], *more])
