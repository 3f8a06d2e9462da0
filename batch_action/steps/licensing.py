"""What a repository wants of licenses: read from its license files, manifests and other headers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from batch_action.models.files import Change
from batch_action.models.findings import Remark
from batch_action.models.licenses import Licensed, Policy
from batch_action.selection.content import decode, is_binary
from batch_action.selection.languages import language_of
from batch_action.selection.rules import Rules
from batch_action.steps.world import World
from batch_action.tasks.licenses import headers, recognising

REGULAR = frozenset({"100644", "100755"})
MOST_TOLD = 50
"""Folders with a license of their own that a request names."""
LARGEST = 200_000
EXCERPT = 1_500
"""Characters of a license's text that is none of the well-known ones."""
SAMPLE = 40
"""Files of a language that are looked at to see whether they have headers."""
FEWEST = 3
MOST_HAVE_ONE = 0.6


@dataclass(slots=True)
class Inspector:
    """Looks at reviewed files without a model, for tasks that can."""

    world: World
    policies: dict[str, Policy] = field(default_factory=dict)

    def inspect(self, path: str, text: str, commit: str) -> tuple[Remark, ...]:
        """The remarks on one file of a commit."""
        policing = self.world.task.policing
        if policing is None:
            return ()
        if commit not in self.policies:
            self.policies[commit] = policy_of(self.world, commit)
        return policing.inspect(path, language_of(path, text), text, self.policies[commit])


def policy_of(world: World, head: str) -> Policy:
    """What holds for a reviewed commit; a pull request is judged by the rules it comes to."""
    settings, git = world.settings, world.git
    commit = world.rules_at(head)
    entries = git.tree(commit) if git.has_commit(commit) else []
    tree = [entry for entry in entries if entry.mode in REGULAR]
    return Policy(
        licensed=tuple(_licensed(world, tree)),
        headers=_headed(world, tree),
        header=settings.license_header,
        allowed=frozenset(settings.allowed_licenses),
        denied=frozenset(settings.denied_licenses),
    )


def _licensed(world: World, tree: Iterable[Change]) -> Iterable[Licensed]:
    """Every folder's license, the deepest first; a text counts for more than a manifest."""
    entries = {
        entry.path: entry.blob
        for entry in tree
        if recognising.is_license_text(entry.path)
        or PurePosixPath(entry.path).name in recognising.MANIFESTS
    }
    wanted = sorted(entries, key=lambda path: (path.count("/"), path))[: 4 * MOST_TOLD]
    rules = Rules()
    texts = _texts(world, {entries[path] for path in wanted})
    found: dict[str, Licensed] = {}
    for path in wanted:
        folder = path.rpartition("/")[0]
        text = texts.get(entries[path], "")
        whole = recognising.is_license_text(path)
        # A vendored folder is somebody else's, and so is its license.
        vendored = rules.skip(f"{folder}/x.py" if folder else "x.py") is not None
        if not text or vendored or (folder in found and not whole):
            continue
        expression = recognising.identify(text) if whole else recognising.declared(path, text)
        before = found.get(folder)
        if expression is None and (not whole or (before and before.expression)):
            continue
        excerpt = "" if expression else text[:EXCERPT].strip()
        found[folder] = Licensed(folder=folder, source=path, expression=expression, text=excerpt)
    told = sorted(found.values(), key=lambda one: (one.folder.count("/"), one.folder))
    return reversed(told[:MOST_TOLD])


def _headed(world: World, tree: Iterable[Change]) -> frozenset[str]:
    """The languages whose files must have a header."""
    wanted = world.settings.license_headers
    if wanted == "off":
        return frozenset()
    groups: dict[str, list[Change]] = {}
    rules = Rules()
    for entry in tree:
        language = language_of(entry.path)
        if language not in headers.HEADLESS and rules.skip(entry.path) is None:
            groups.setdefault(language, []).append(entry)
    if wanted == "required" or world.settings.license_header:
        return frozenset(groups) - headers.DATA
    return frozenset(name for name, files in groups.items() if _usual(world, files))


def _usual(world: World, files: list[Change]) -> bool:
    """Whether most of these files have a header, by a sample that is the same every night."""
    step = max(1, len(files) // SAMPLE)
    texts = _texts(world, {entry.blob for entry in files[::step][:SAMPLE]})
    having = sum(headers.has_header(text) for text in texts.values())
    return len(texts) >= FEWEST and having >= MOST_HAVE_ONE * len(texts)


def _texts(world: World, blobs: set[str]) -> dict[str, str]:
    sizes = world.git.sizes(sorted(blobs))
    small = sorted(blob for blob, size in sizes.items() if 0 < size <= LARGEST)
    found = world.git.blobs(small)
    return {blob: decode(data) for blob, data in found if not is_binary(data)}
