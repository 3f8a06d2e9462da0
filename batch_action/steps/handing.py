"""Generated files handed to a later step through a folder, and taken from there again.

`.batch-action/generated` holds `manifest.json` and the files below `files/`, at their paths. A job
without secrets can run them; only then a job with the right to write proposes what passed.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from batch_action.errors import ConfigError
from batch_action.models.answers import GeneratedFile
from batch_action.models.ledger import Sha
from batch_action.steps.world import World

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


def give(world: World, files: Sequence[GeneratedFile]) -> str:
    """Write the folder; its path relative to the workspace."""
    listed = tuple(Listed(**{k: v for k, v in asdict(f).items() if k != "text"}) for f in files)
    manifest = Manifest(task=world.task.name, files=listed)
    data = {f"files/{f.path}": f.text.encode("utf-8", "replace") for f in files if inside(f.path)}
    data["manifest.json"] = manifest.model_dump_json(indent=2).encode()
    return world.runner.write_folder(world.named(FOLDER), data)


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
