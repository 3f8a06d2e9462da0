"""Ledger artifacts: which there are, which may be believed, and what is in them.

Anybody who can run a workflow in the repository can leave an artifact of our name, so each is asked
for its run before it is opened, and what is refused harms nothing else.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from batch_action.clients.github.actions import Actions, ArtifactRefusedError
from batch_action.clients.github.errors import RefusedError
from batch_action.config.settings import Settings
from batch_action.errors import GitHubError
from batch_action.ledger import codec, trust
from batch_action.models.github import ArtifactInfo, WorkflowRunInfo
from batch_action.models.github_context import GitHubContext
from batch_action.models.ledger import Ledger

MOST_LOOKS = 8
MOST_OPENED = 60
"""Ledgers opened in one load; each names what it absorbed, so two or three are the rule."""


class Named(Protocol):
    """A task, as far as its ledger is concerned."""

    @property
    def name(self) -> str:
        """What the ledger's artifacts are called after."""
        ...


class Reader(Protocol):
    """As much of a world as decides what is believed: `serve` reads ledgers without the rest."""

    @property
    def settings(self) -> Settings:
        """Secrets, branch, workflows and state key."""
        ...

    @property
    def context(self) -> GitHubContext:
        """Whose repository it is, and which run is ours."""
        ...

    @property
    def task(self) -> Named:
        """Whose ledger it is."""
        ...


class Store(Protocol):
    """Where artifacts are."""

    @property
    def actions(self) -> Actions:
        """The repository's runs and artifacts."""
        ...


@dataclass(slots=True)
class Found:
    """What a look at the artifacts gave."""

    ledgers: list[Ledger] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    """Artifacts whose facts we have."""
    suppressed: set[str] = field(default_factory=set)
    """Names that this run holds and whose facts we have."""
    refused: list[str] = field(default_factory=list)
    refused_ids: set[int] = field(default_factory=set)
    expired: int = 0
    vanished: set[int] = field(default_factory=set)
    newest: ArtifactInfo | None = None
    runs: dict[str, WorkflowRunInfo] = field(default_factory=dict)


class _VanishedError(Exception):
    """An artifact was in the list and is gone: perhaps replaced by one that knows more."""


def stem(ctx: Reader) -> str:
    """What the ledger of this task is called, without its slot."""
    key = f"-{ctx.settings.state_key}" if ctx.settings.state_key else ""
    return f"batch-action-{ctx.task.name}{key}{'-pr' if ctx.context.pulls else ''}"


def slots(ctx: Reader) -> tuple[str, ...]:
    """The artifact names of this task's ledger: a name can be used once per run.

    Two are used in turn. The third is a spare, because a name whose upload died between its first
    and its last call is taken for the whole run, re-runs included, and shown by no list.
    """
    return tuple(f"{stem(ctx)}-{slot}" for slot in "abc")


def read_artifacts(
    ctx: Reader, github: Store, found: Found, known: frozenset[int] = frozenset()
) -> None:
    """Open every artifact that is believed and not yet *known* or absorbed by another one.

    An artifact that vanishes between list and download was replaced by one that knows more, so the
    look starts again.
    """
    for _ in range(MOST_LOOKS):
        try:
            _look(ctx, github, found, known)
        except _VanishedError:
            continue
        return
    raise GitHubError(
        "The ledger's artifacts keep changing while they are read.",
        fix="Too many runs at one time: use a `concurrency` group.",
    )


def opened(ctx: Reader, data: bytes) -> Ledger:
    """The ledger in these bytes, if it is this task's and signed as asked. RefusedLedgerError."""
    chosen = (ctx.settings.state_secret, ctx.settings.state_secret_previous)
    secrets = [secret.get_secret_value() for secret in chosen if secret]
    return codec.unseal(
        data, repository=ctx.context.repository_id, task=ctx.task.name, secrets=secrets
    )


def _look(ctx: Reader, github: Store, found: Found, known: frozenset[int]) -> None:
    everything = _listed(ctx, github)
    found.expired = sum(artifact.expired for artifact in everything)
    listed = [artifact for artifact in everything if not artifact.expired]
    living = {artifact.id for artifact in listed}
    absorbed = known | found.ids | {i for ledger in found.ledgers for i in ledger.absorbed}
    for artifact in listed:
        ours = artifact.run_id == ctx.context.run_id
        if artifact.id not in absorbed | found.refused_ids:
            if len(found.ledgers) == MOST_OPENED:
                break
            ledger = _believed(ctx, github, artifact, found)
            if ledger is None:
                continue
            found.newest = found.newest or artifact
            found.ids.add(artifact.id)
            kept = tuple(i for i in ledger.absorbed if i in living)
            found.ledgers.append(ledger.model_copy(update={"absorbed": kept}))
            absorbed |= {artifact.id, *ledger.absorbed}
        if ours and artifact.id in absorbed:
            found.suppressed.add(artifact.name)


def _listed(ctx: Reader, github: Store) -> list[ArtifactInfo]:
    """All artifacts of our names, newest first.

    The names are asked for one after the other, and meanwhile another run may write one and delete
    the other: only two equal looks are believed.
    """
    seen: list[ArtifactInfo] | None = None
    for _ in range(MOST_LOOKS):
        names = [a for name in slots(ctx) for a in github.actions.artifacts(name)]
        fresh = sorted(names, key=lambda a: (a.created_at, a.id), reverse=True)
        again = seen is not None and [a.id for a in fresh] == [a.id for a in seen]
        seen = fresh
        if again:
            break
    return seen or []


def _believed(ctx: Reader, github: Store, artifact: ArtifactInfo, found: Found) -> Ledger | None:
    """The ledger of one artifact, or None after noting why it is refused."""
    try:
        reason = _refusal(ctx, github, artifact, found)
        if reason is None:
            data = github.actions.download(artifact, codec.MAX_ZIPPED)
            if data is not None:
                return opened(ctx, data)
            if artifact.id not in found.vanished:
                found.vanished.add(artifact.id)
                raise _VanishedError
            reason = "it is listed, but its content is gone"
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        reason = "its run was deleted, so nothing tells who made it"
    except codec.RefusedLedgerError as error:
        reason = f"{error}; {error.admit}"
    except ArtifactRefusedError as error:
        reason = str(error)
    found.refused_ids.add(artifact.id)
    found.refused.append(
        f"Ledger artifact {artifact.id} of run {artifact.run_id} is refused: {reason}."
    )
    return None


def _refusal(ctx: Reader, github: Store, artifact: ArtifactInfo, found: Found) -> str | None:
    """Why an artifact is refused before it is opened: by the list, then by its run."""
    context = ctx.context
    reason = trust.refusal_of_artifact(artifact, context.repository_id, codec.MAX_ZIPPED)
    if reason is not None or artifact.run_id == context.run_id:
        return reason
    if artifact.run_id not in found.runs:
        found.runs[artifact.run_id] = github.actions.run(artifact.run_id)
    own = ctx.settings.state_branch or context.default_branch
    # A run on another branch has a memory of its own there; nobody else believes it. A pull
    # request's branch is not what its run is on.
    here = None if context.pull else context.branch
    return trust.refusal_of_run(
        found.runs[artifact.run_id],
        artifact,
        context.repository_id,
        branches=frozenset(branch for branch in (own, here) if branch),
        workflows=ctx.settings.state_workflows,
        pulls=context.pulls,
    )
