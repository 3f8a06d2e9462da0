"""Files that a task writes: as the model drafted them, checked, and refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """A whole file that a task generated and that passed its checks; it is never executed."""

    path: str
    """Target path, relative to the repository's root and checked to be inside it."""
    text: str
    source: str
    """The reviewed file that it was generated from; equal to `path` when that file is rewritten."""
    blob: str
    """The reviewed blob of `source`."""
    commit: str
    """The reviewed commit."""
    replaces: str | None = None
    """The blob at `path` in the reviewed commit; None for a new file."""
    summary: str = ""
    """One sentence for people, written by the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A generated file that failed a check, with the reason."""

    path: str
    source: str
    reason: str
    """A short phrase of this package, e.g. `changes the code`, `leaves the repository`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDraft:
    """A whole file as the model wrote it."""

    path: str
    text: str
    summary: str = ""
    """One sentence for people."""
    security: bool = False
    """Whether an attacker could use what the summary says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedSource:
    """A reviewed file with the drafts of its answers."""

    path: str
    blob: str
    commit: str
    text: str
    """As the model saw it: decoded and masked."""
    drafts: tuple[FileDraft, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTarget:
    """What a file draft is validated against; texts are masked and have LF line ends."""

    source: str
    """Path of the reviewed file that it was generated from."""
    language: str
    """Language of `source`."""
    text: str
    """Reviewed text of `source`."""
    existing_text: str | None
    """Text at the draft's path in the reviewed commit; None when there is no file."""
    tests: frozenset[str] = frozenset()
    """Paths of the tests of `source` that were sent in full."""
    framework: str = ""
    """Test framework of `source`."""
    test_path: str = ""
    """Path at which new tests were requested."""
    path_is_test: bool = False
    """A test at the draft's path would run, and stop no other test."""
    function_patterns: tuple[str, ...] = ("test",)
    """pytest's `python_functions`: beginnings of names, or patterns."""
    class_patterns: tuple[str, ...] = ("Test",)
    """pytest's `python_classes`."""
    package_names: tuple[tuple[str, frozenset[str]], ...] = ()
    """Package and declared names of the other Go files in the draft's folder, drafts included."""
