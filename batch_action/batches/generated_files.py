"""Generated files handed to a later step through a folder, and taken from there again.

`.batch-action/generated` holds `manifest.json` and the files below `files/`, at their paths. A job
without secrets can run them; only then a job with the right to write proposes what passed.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.models.file_results import GeneratedFile, RefusedFile
from batch_action.models.files import FileChange
from batch_action.models.ledger import Sha
from batch_action.models.responses import DraftTarget, FileDraft
from batch_action.requests.context_files import TestLocator
from batch_action.selection.content import decode, encoding, is_faithful
from batch_action.selection.languages import language_of
from batch_action.tasks.generated import paths, restore
from batch_action.tasks.generated.paths import WritablePaths
from batch_action.tasks.task import ContextNeeds

FOLDER = "generated"
MAX_FILE = 10_000_000


class Listed(BaseModel):
    """A file of the manifest; its text stands in a file of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    source: str
    blob: Sha
    commit: Sha
    replaces: Sha | None
    summary: str


class Manifest(BaseModel):
    """What a task generated in one night."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    task: str
    files: tuple[Listed, ...]


def give(ctx: RunContext, files: Sequence[GeneratedFile]) -> str:
    """Write the folder; its path relative to the workspace."""
    listed = tuple(Listed(**{k: v for k, v in asdict(f).items() if k != "text"}) for f in files)
    manifest = Manifest(task=ctx.task.name, files=listed)
    data = {f"files/{f.path}": f.text.encode("utf-8", "replace") for f in files if inside(f.path)}
    data["manifest.json"] = manifest.model_dump_json(indent=2).encode()
    return ctx.runner.write_folder(ctx.workspace_name(FOLDER), data)


def take(folder: Path, only: Collection[str] | None = None) -> tuple[str, list[GeneratedFile]]:
    """The task's name and the files of such a folder, all or *only* those at these paths.

    Raises ConfigError: there is no such folder, or it was changed so that it is none any more.
    """
    try:
        manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
        return manifest.task, [
            GeneratedFile(text=_text(folder, one.path), **one.model_dump())
            for one in manifest.files
            if only is None or one.path in only
        ]
    except OSError as error:
        problem = f"{error.strerror}: {error.filename}"
    except ValidationError as error:
        problem = f"its manifest is damaged ({error.errors()[0]['msg']})"
    except ValueError as error:
        problem = str(error)
    raise ConfigError(
        f"{folder} holds no generated files: {problem}.",
        fix="Let `report: files` write it in the job that collects, and pass it on unchanged.",
    )


def inside(path: str) -> bool:
    """Whether a path stays inside the repository, and out of git's own folder."""
    pure = PurePosixPath(path)
    parts = [part.casefold() for part in pure.parts]
    return bool(parts) and not (
        pure.is_absolute() or ".." in parts or ".git" in parts or "\\" in path or "\0" in path
    )


def _text(folder: Path, path: str) -> str:
    place = folder / "files" / path
    if not inside(path) or not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path!r} leaves it")
    if place.is_symlink() or place.stat().st_size > MAX_FILE:
        raise ValueError(f"{path!r} is no file of ours")
    return place.read_bytes().decode("utf-8")


Results = tuple[tuple[GeneratedFile, ...], tuple[RefusedFile, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedSource:
    """A reviewed file with what its answers wrote."""

    path: str
    blob: str
    commit: str
    text: str
    """As the model saw it: decoded and masked."""
    drafts: tuple[FileDraft, ...]


@dataclass(slots=True)
class _Validator:
    """What is decided, file by file."""

    ctx: RunContext
    made: dict[str, GeneratedFile] = field(default_factory=dict)
    refused: list[RefusedFile] = field(default_factory=list)
    trees: dict[str, dict[str, FileChange]] = field(default_factory=dict)
    grounds: dict[str, WritablePaths] = field(default_factory=dict)
    attendants: dict[str, TestLocator] = field(default_factory=dict)

    def decide(self, source: GeneratedSource, draft: FileDraft) -> None:
        """Check one draft."""
        path = draft.path
        problem = paths.unsafe(path) or paths.unfit(draft.text)
        if problem is None and not self.ctx.git.has_commit(source.commit):
            problem = "belongs to a commit that is no longer here"
        tree: dict[str, FileChange] = {}
        if problem is None:
            tree, ground = self._commit(source.commit)
            problem = ground.blocks(path)
        data = None
        if problem is None and path in tree:
            data = next((d for _, d in self.ctx.git.blobs([tree[path].blob])), None)
            if data is None or not is_faithful(data, decode(data)):
                problem = "is to replace a file that is not all UTF-8"
        if problem is None:
            problem = self._fill(source, draft, tree.get(path), data)
        if problem is not None:
            self.refused.append(RefusedFile(path=path[:300], source=source.path, reason=problem))

    def _fill(
        self,
        source: GeneratedSource,
        draft: FileDraft,
        there: FileChange | None,
        data: bytes | None,
    ) -> str | None:
        """Hold the draft against what is there; keep it, or say why not."""
        original = decode(data) if data is not None else ""
        present = restore.plain(mask(original)[0]) if data is not None else None
        text = restore.ended_like(restore.plain(draft.text), present or "")
        site = self._site(source, present)
        checked = FileDraft(path=draft.path, text=text, summary=draft.summary)
        problem = self.ctx.task.check(checked, site)
        if problem is None and draft.path in self.made:
            other = self.made[draft.path].source
            problem = f"was written for {other}, too" if other != source.path else None
        if problem is not None or text == present:
            return problem
        if present is not None:
            real = restore.unmasked(text, present, restore.plain(original))
            if real is None:
                return "changes a line with a masked secret"
            text = restore.written_like(real, original)
        mark = "\ufeff" if data is not None and encoding(data) == "utf-8" else ""
        self.made[draft.path] = GeneratedFile(
            path=draft.path,
            text=mark + text,
            source=source.path,
            blob=source.blob,
            commit=source.commit,
            replaces=there.blob if there else None,
            summary=draft.summary,
        )
        return None

    def _site(self, source: GeneratedSource, present: str | None) -> DraftTarget:
        """What the draft is held against; where tests belong is found out as it was before."""
        language = language_of(source.path, source.text)
        site = DraftTarget(
            source=source.path,
            language=language,
            text=restore.plain(source.text),
            present=present,
        )
        if self.ctx.task.company is not ContextNeeds.TESTS:
            return site
        if source.commit not in self.attendants:
            tree = self.trees[source.commit]
            self.attendants[source.commit] = TestLocator(self.ctx, source.commit, tree)
        attendant = self.attendants[source.commit]
        layout = attendant.grounds.layout(source.path, language)
        if isinstance(layout, str):
            return site
        tests = attendant.context_files(layout)
        return replace(
            site,
            tests=frozenset(test.path for test in tests if test.complete),
            framework=layout.framework,
            target=attendant.target(layout, tests),
        )

    def _commit(self, commit: str) -> tuple[dict[str, FileChange], WritablePaths]:
        if commit not in self.trees:
            self.trees[commit] = {entry.path: entry for entry in self.ctx.git.tree(commit)}
            modes = {path: entry.mode for path, entry in self.trees[commit].items()}
            self.grounds[commit] = WritablePaths(modes)
        return self.trees[commit], self.grounds[commit]


def settle(ctx: RunContext, sources: Iterable[GeneratedSource]) -> Results:
    """The sound files of tonight and the refused ones; the last answer about a file speaks."""
    publisher = _Validator(ctx)
    for source in sources:
        for draft in _latest(source.drafts):
            publisher.decide(source, draft)
    return tuple(publisher.made.values()), tuple(publisher.refused)


def _latest(drafts: Sequence[FileDraft]) -> Iterable[FileDraft]:
    return {draft.path: draft for draft in drafts}.values()
