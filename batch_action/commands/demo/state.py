"""What lasts from one demo on a repository to the next: its ledger and its issue."""

import hashlib
from base64 import b64decode, b64encode
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from batch_action.clients.git import GitRepo
from batch_action.commands.demo.environment import Stage
from batch_action.sandbox.github.state import Issue, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The part of the sandbox's state that the next demo goes on with."""

    origin: str
    """Where the sandbox's GitHub was: its links are moved to where it is now."""
    name: str
    last_id: int
    artifact: str
    ledger: str
    """The artifact's zip in base64."""
    issues: dict[int, Issue]
    labels: dict[str, Label]


_FORM = TypeAdapter(Kept)


def place(out: Path, git: GitRepo, task: str) -> Path:
    """The file for this repository and task."""
    key = hashlib.sha256(f"{git.common_dir.resolve()}\n{task}".encode("utf-8", "replace"))
    return out / "state" / f"{key.hexdigest()[:16]}.json"


def keep(stage: Stage, path: Path) -> None:
    """Remember the newest ledger and the issue."""
    stored = stage.newest_artifact()
    if stored is None:
        return
    kept = Kept(
        origin=stage.box.github_url,
        name=stage.subject.name,
        last_id=stage.box.github.world.new_id(),
        artifact=stored.name,
        ledger=b64encode(stage.artifact_bytes(stored)).decode("ascii"),
        issues=stage.repository.issues,
        labels=stage.repository.labels,
    )
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(_FORM.dump_json(kept))
    fresh.replace(path)


def restore(stage: Stage, path: Path) -> bool:
    """Put it back as if an earlier run of the same workflow had left it; False for a first demo."""
    try:
        kept = _FORM.validate_json(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValidationError:
        stage.guide.say(f"{path} cannot be read: this demo starts afresh.")
        return False
    world = stage.box.github.world
    while world.new_id() <= kept.last_id:
        pass  # no number may be given out twice: the ledger remembers some
    for issue in kept.issues.values():
        issue.body = _moved(issue.body or "", kept, stage)
        for comment in issue.comments:
            comment.body = _moved(comment.body, kept, stage)
    stage.repository.issues.update(kept.issues)
    stage.repository.labels.update(kept.labels)
    with stage.run() as earlier:
        if earlier.artifacts is not None:
            earlier.artifacts.upload(kept.artifact, b64decode(kept.ledger), 90)
    stage.summaries.clear()
    return True


def _moved(text: str, kept: Kept, stage: Stage) -> str:
    old, new = f"{kept.origin}/{kept.name}/", f"{stage.box.github_url}/{stage.subject.name}/"
    return text.replace(old, new)
