"""The state of a demo that the next one on the same repository restores: ledger and issue."""

import hashlib
from base64 import b64decode, b64encode
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from batch_action.clients.git import GitRepo
from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.sandbox.github.records import Issue, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """The part of the sandbox's state that the next demo restores."""

    origin: str
    """The address of the sandbox's GitHub; links in texts contain it."""
    name: str
    last_id: int
    artifact: str
    ledger: str
    """The artifact's zip in base64."""
    issues: dict[int, Issue]
    labels: dict[str, Label]


STATE_ADAPTER = TypeAdapter(SavedState)


def state_path(out: Path, git: GitRepo, task: str) -> Path:
    """Return the file for this repository and task."""
    key = hashlib.sha256(f"{git.runner.common_dir.resolve()}\n{task}".encode("utf-8", "replace"))
    return out / "state" / f"{key.hexdigest()[:16]}.json"


def save(environment: DemoEnvironment, path: Path) -> None:
    """Save the newest ledger and the issue."""
    artifact = environment.newest_artifact()
    if artifact is None:
        return
    saved = SavedState(
        origin=environment.sandbox.github_url,
        name=environment.target.name,
        last_id=environment.sandbox.github.instance.new_id(),
        artifact=artifact.name,
        ledger=b64encode(environment.artifact_bytes(artifact)).decode("ascii"),
        issues=environment.repository.issues,
        labels=environment.repository.labels,
    )
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(STATE_ADAPTER.dump_json(saved))
    temporary.replace(path)


def restore(environment: DemoEnvironment, path: Path) -> bool:
    """Restore the state as an earlier run of the workflow left it; return False without one."""
    try:
        saved = STATE_ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValidationError:
        environment.console.print(f"{path} cannot be read: this demo starts without it.")
        return False
    instance = environment.sandbox.github.instance
    while instance.new_id() <= saved.last_id:
        pass  # no id may be used twice: the ledger contains some
    for issue in saved.issues.values():
        issue.body = _relocate_links(issue.body or "", saved, environment)
        for comment in issue.comments:
            comment.body = _relocate_links(comment.body, saved, environment)
    environment.repository.issues.update(saved.issues)
    environment.repository.labels.update(saved.labels)
    with environment.run() as earlier:
        if earlier.artifacts is not None:
            earlier.artifacts.upload(saved.artifact, b64decode(saved.ledger), 90)
    environment.summaries.clear()
    return True


def _relocate_links(text: str, saved: SavedState, environment: DemoEnvironment) -> str:
    old, new = (
        f"{saved.origin}/{saved.name}/",
        f"{environment.sandbox.github_url}/{environment.target.name}/",
    )
    return text.replace(old, new)
