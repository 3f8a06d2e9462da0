"""What lasts from one demo on a repository to the next: its ledger and its issue."""

import hashlib
from base64 import b64decode, b64encode
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from batch_action.clients.git import GitRepo
from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.sandbox.github.state import Issue, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
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


_FORM = TypeAdapter(SavedState)


def place(out: Path, git: GitRepo, task: str) -> Path:
    """The file for this repository and task."""
    key = hashlib.sha256(f"{git.common_dir.resolve()}\n{task}".encode("utf-8", "replace"))
    return out / "state" / f"{key.hexdigest()[:16]}.json"


def keep(environment: DemoEnvironment, path: Path) -> None:
    """Remember the newest ledger and the issue."""
    stored = environment.newest_artifact()
    if stored is None:
        return
    kept = SavedState(
        origin=environment.box.github_url,
        name=environment.subject.name,
        last_id=environment.box.github.instance.new_id(),
        artifact=stored.name,
        ledger=b64encode(environment.artifact_bytes(stored)).decode("ascii"),
        issues=environment.repository.issues,
        labels=environment.repository.labels,
    )
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(_FORM.dump_json(kept))
    fresh.replace(path)


def restore(environment: DemoEnvironment, path: Path) -> bool:
    """Put it back as if an earlier run of the same workflow had left it; False for a first demo."""
    try:
        kept = _FORM.validate_json(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValidationError:
        environment.console.say(f"{path} cannot be read: this demo starts afresh.")
        return False
    ctx = environment.box.github.instance
    while ctx.new_id() <= kept.last_id:
        pass  # no number may be given out twice: the ledger remembers some
    for issue in kept.issues.values():
        issue.body = _moved(issue.body or "", kept, environment)
        for comment in issue.comments:
            comment.body = _moved(comment.body, kept, environment)
    environment.repository.issues.update(kept.issues)
    environment.repository.labels.update(kept.labels)
    with environment.run() as earlier:
        if earlier.artifacts is not None:
            earlier.artifacts.upload(kept.artifact, b64decode(kept.ledger), 90)
    environment.summaries.clear()
    return True


def _moved(text: str, kept: SavedState, environment: DemoEnvironment) -> str:
    old, new = (
        f"{kept.origin}/{kept.name}/",
        f"{environment.box.github_url}/{environment.subject.name}/",
    )
    return text.replace(old, new)
