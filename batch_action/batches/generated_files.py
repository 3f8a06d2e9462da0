"""Generated files: validate a task's drafts, and pass the valid ones on in a folder.

The bundle `.batch-action/generated` holds `manifest.json` and the files under `files/`, at their
paths. A job without secrets can run them; only then a job with write permission proposes those that
passed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from batch_action.clients.git import OpenObjects
from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.errors import ConfigError, advice
from batch_action.models.fact import Sha
from batch_action.models.files import FileChange
from batch_action.models.findings import HIDDEN_SUMMARY
from batch_action.models.generated import (
    DraftTarget,
    FileDraft,
    GeneratedFile,
    GeneratedSource,
    RefusedFile,
)
from batch_action.requests.test_files import TestLocator
from batch_action.selection.content import bom_encoding, decode, is_lossless
from batch_action.selection.paths import language_of
from batch_action.tasks import generated_paths, test_generation
from batch_action.tasks.task import ContextNeeds

BUNDLE_FOLDER = "generated"
MAX_FILE_BYTES = 10_000_000
LINK_MODES = frozenset({"120000", "160000"})
"""Git's modes of symbolic links and submodules."""
MASK = "•"
MAX_LINES = 10
"""How many lines that run at import are listed."""


class ManifestEntry(BaseModel):
    """A file of the manifest; its text is in a file of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    source: str
    blob: Sha
    commit: Sha
    replaces: Sha | None
    summary: str


class Manifest(BaseModel):
    """What a task generated in one run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    task: str
    files: tuple[ManifestEntry, ...]


def write_bundle(ctx: RunContext, files: Sequence[GeneratedFile]) -> str:
    """Write the folder; return its path relative to the workspace."""
    manifest = Manifest(
        task=ctx.task.name,
        files=tuple(
            ManifestEntry(**{k: v for k, v in asdict(file).items() if k != "text"})
            for file in files
        ),
    )
    data = {
        f"files/{file.path}": file.text.encode("utf-8", "replace")
        for file in files
        if is_inside_repository(file.path)
    }
    data["manifest.json"] = manifest.model_dump_json(indent=2).encode()
    return ctx.runner.write_folder(ctx.output_name(BUNDLE_FOLDER), data)


def read_bundle(
    folder: Path, only: Collection[str] | None = None
) -> tuple[str, list[GeneratedFile]]:
    """Return the task's name and the files of a bundle: all, or *only* those at these paths.

    Raises ConfigError: the folder is missing or not a valid bundle.
    """
    try:
        manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
        return manifest.task, [
            GeneratedFile(text=_read_text(folder, entry.path), **entry.model_dump())
            for entry in manifest.files
            if only is None or entry.path in only
        ]
    except OSError as error:
        problem = f"{error.strerror}: {error.filename}"
    except ValidationError as error:
        problem = f"its manifest is invalid ({error.errors()[0]['msg']})"
    except ValueError as error:
        problem = str(error)
    raise ConfigError(
        f"{folder} is not a folder of generated files: {problem}.",
        fix=advice(
            "Let `report: files` write it in the job that collects, and pass it on unchanged.",
            "`batch-action collect --report files` writes it.",
        ),
    )


def is_inside_repository(path: str) -> bool:
    """Return whether a path is inside the repository, and not in git's own folder."""
    pure = PurePosixPath(path)
    parts = [part.casefold() for part in pure.parts]
    return bool(parts) and not (
        pure.is_absolute() or ".." in parts or ".git" in parts or "\\" in path or "\0" in path
    )


def _read_text(folder: Path, path: str) -> str:
    file = folder / "files" / path
    if not is_inside_repository(path) or not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path!r} is outside of it")
    if file.is_symlink() or file.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path!r} is a symlink or too large")
    return file.read_bytes().decode("utf-8")


class WritablePaths:
    """The paths of a commit, checked for conflicts with a file that is to be written."""

    def __init__(self, modes: Mapping[str, str]) -> None:
        """*modes*: git's mode of every path of the commit, e.g. `100644`."""
        self._modes = modes
        self._files = {path.casefold() for path in modes}
        self._folders: dict[str, set[str]] = {}
        for path in modes:
            for folder in _parent_folders(path):
                self._folders.setdefault(folder.casefold(), set()).add(folder)

    def problem(self, path: str) -> str | None:
        """Return why no file can be written to this path; None if one can."""
        mode = self._modes.get(path)
        if mode in LINK_MODES:
            return "is a link"
        for folder in _parent_folders(path):
            parent = self._modes.get(folder)
            if parent is not None:
                return "goes through a link" if parent in LINK_MODES else "has a file as its folder"
        return None if mode is not None else self._conflict(path)

    def _conflict(self, path: str) -> str | None:
        """Return what a new file conflicts with on a case-insensitive file system."""
        if path.casefold() in self._folders:
            return "has the path of a folder"
        if path.casefold() in self._files:
            return "differs from a file only in letter case"
        for folder in _parent_folders(path):
            spellings = self._folders.get(folder.casefold(), {folder})
            if folder not in spellings:
                return "differs from a folder only in letter case"
        return None


def _parent_folders(path: str) -> Iterator[str]:
    """Yield every folder that a path is in, the outermost first."""
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


@dataclass(slots=True)
class Validator:
    """Checks drafts one by one, and collects the valid files and the refused ones."""

    ctx: RunContext
    objects: OpenObjects
    files: dict[str, GeneratedFile] = field(default_factory=dict)
    """The valid files by path."""
    refused: list[RefusedFile] = field(default_factory=list)
    _trees: dict[str, dict[str, FileChange]] = field(default_factory=dict)
    _writable_paths: dict[str, WritablePaths] = field(default_factory=dict)
    _test_locators: dict[str, TestLocator] = field(default_factory=dict)

    def validate_all(self, source: GeneratedSource) -> None:
        """Check the drafts of one file; of two at one path the later counts."""
        for draft in {draft.path: draft for draft in source.drafts}.values():
            self._validate(source, draft)

    def _validate(self, source: GeneratedSource, draft: FileDraft) -> None:
        """Check one draft, and add it to `files` or `refused`."""
        path = draft.path
        problem = generated_paths.path_problem(path) or generated_paths.text_problem(draft.text)
        if problem is None and not self._has_commit(source.commit):
            problem = "belongs to a commit that is no longer in this repository"
        tree: dict[str, FileChange] = {}
        if problem is None:
            tree, writable_paths = self._load_commit(source.commit)
            problem = writable_paths.problem(path)
        data = None
        if problem is None and path in tree:
            data = next((d for _, d in self.objects.blobs([tree[path].blob])), None)
            if data is None or not is_lossless(data, decode(data)):
                problem = "would replace a file that is not all UTF-8"
        if problem is None:
            problem = self._add(source, draft, tree.get(path), data)
        if problem is not None:
            self.refused.append(RefusedFile(path=path[:300], source=source.path, reason=problem))

    def _add(
        self,
        source: GeneratedSource,
        draft: FileDraft,
        existing: FileChange | None,
        data: bytes | None,
    ) -> str | None:
        """Check a draft against the existing file, and add it; return why it is refused."""
        original = decode(data) if data is not None else ""
        masked = mask(original, draft.path)[0]
        existing_text = use_lf(masked) if data is not None else None
        text = match_final_line_end(use_lf(draft.text), existing_text or "")
        target = self._target(source, draft.path, existing_text)
        checked = FileDraft(path=draft.path, text=text, summary=draft.summary)
        problem = self.ctx.task.check_draft(checked, target)
        if problem is None and draft.path in self.files:
            other = self.files[draft.path].source
            problem = f"was written for {other}, too" if other != source.path else None
        if problem is not None or text == existing_text:
            return problem
        if existing_text is not None:
            restored = restore_secrets(text, existing_text, use_lf(original))
            if restored is None:
                return "changes a line with a masked secret"
            text = match_line_ends(restored, original)
        mark = "\ufeff" if data is not None and bom_encoding(data) == "utf-8" else ""
        is_hidden = draft.security and self.ctx.hides_security_findings
        summary = HIDDEN_SUMMARY if is_hidden else draft.summary
        self.files[draft.path] = GeneratedFile(
            path=draft.path,
            text=mark + text,
            source=source.path,
            blob=source.blob,
            commit=source.commit,
            replaces=existing.blob if existing else None,
            summary=f"{_describe_import(draft.path, text)} {summary}".strip()
            if existing is None
            else summary,
        )
        if locator := self._test_locators.get(source.commit):
            locator.add_draft(draft.path, text)
        return None

    def _target(self, source: GeneratedSource, path: str, existing_text: str | None) -> DraftTarget:
        """Return what the draft is checked against; tests are located as for the request."""
        language = language_of(source.path, source.text)
        target = DraftTarget(
            source=source.path,
            language=language,
            text=use_lf(source.text),
            existing_text=existing_text,
        )
        if self.ctx.task.context_needs is not ContextNeeds.TESTS:
            return target
        if source.commit not in self._test_locators:
            tree = self._trees[source.commit]
            self._test_locators[source.commit] = TestLocator(
                self.ctx, source.commit, tree, self.objects
            )
        locator = self._test_locators[source.commit]
        suite = locator.suite
        layout = suite.locate_tests(source.path, language)
        if isinstance(layout, str):
            return target
        tests = locator.test_files(layout)
        config = suite.suites.pytest_config(path)
        names = locator.package_names(path) if layout.framework == "go" else {}
        return replace(
            target,
            tests=frozenset(test.path for test in tests if test.complete),
            framework=layout.framework,
            test_path=locator.target(layout, tests),
            path_is_test=path in suite.suites.index(layout.framework).tests
            or suite.accepts(path, layout.framework),
            function_patterns=config.functions,
            class_patterns=config.classes,
            package_names=tuple(names.values()),
        )

    def _has_commit(self, commit: str) -> bool:
        return commit in self._trees or self.ctx.git.has_commit(commit)

    def _load_commit(self, commit: str) -> tuple[dict[str, FileChange], WritablePaths]:
        if commit not in self._trees:
            self._trees[commit] = {entry.path: entry for entry in self.ctx.git.tree(commit)}
            modes = {path: entry.mode for path, entry in self._trees[commit].items()}
            self._writable_paths[commit] = WritablePaths(modes)
        return self._trees[commit], self._writable_paths[commit]


def _describe_import(path: str, text: str) -> str:
    """Name what a new test file does when it is only loaded, before any test runs."""
    lines = test_generation.lines_run_at_import(path, text)
    more = f" and {len(lines) - MAX_LINES} more" if len(lines) > MAX_LINES else ""
    listed = ", ".join(map(str, lines[:MAX_LINES])) + more
    return f"Runs when the file is loaded: line {listed}." if lines else ""


def use_lf(text: str) -> str:
    """Return the text with LF for CRLF."""
    return text.replace("\r\n", "\n")


def match_final_line_end(text: str, original: str) -> str:
    """Return the text with exactly one final line end, or none if the original has none."""
    text = text.rstrip("\n")
    return f"{text}\n" if not original or original.endswith("\n") else text


def restore_secrets(text: str, masked: str, original: str) -> str | None:
    """Replace each line of *text* that has a mask by the original line.

    All texts have LF line ends; *masked* is *original* with its secrets masked.

    Returns:
        None when the masked lines are not all in the text, unchanged and in their order.
    """
    if masked == original:
        return text
    hidden = iter(
        pair
        for pair in zip(masked.split("\n"), original.split("\n"), strict=True)
        if MASK in pair[0]
    )
    lines = []
    for line in text.split("\n"):
        if MASK not in line:
            lines.append(line)
            continue
        masked_line, original_line = next(hidden, (None, ""))
        if masked_line != line:
            return None
        lines.append(original_line)
    return None if next(hidden, None) is not None else "\n".join(lines)


def match_line_ends(text: str, original: str) -> str:
    """Return the text, which has LF line ends, with those of most lines of the original."""
    crlf = original.count("\r\n")
    return text.replace("\n", "\r\n") if 2 * crlf > original.count("\n") else text
