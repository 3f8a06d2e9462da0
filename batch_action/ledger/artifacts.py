"""List a ledger's artifacts, decide which to trust, and read those.

Anybody who can run a workflow in the repository can upload an artifact with our name, so the run of
each is checked before it is opened. A refused artifact does not affect the others.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from batch_action.clients.github.actions import Actions, ArtifactRefusedError
from batch_action.clients.github.errors import RefusedError
from batch_action.config.settings import Settings
from batch_action.errors import GitHubError
from batch_action.ledger import codec, trust
from batch_action.models.github import Artifact, WorkflowRun
from batch_action.models.github_context import GitHubContext
from batch_action.models.ledger import Ledger
from batch_action.text import task_slug

MAX_LISTINGS = 8
MAX_OPENED = 60
"""Ledgers opened in one load; each names the artifacts merged into it, so two or three suffice."""


class LedgerTask(Protocol):
    """The part of a task that its ledger needs."""

    @property
    def name(self) -> str:
        """The name that is part of the artifacts' names."""
        ...


class LedgerContext(Protocol):
    """The part of a run's context that reading a ledger needs; `serve` has no more than this."""

    @property
    def settings(self) -> Settings:
        """Secrets, trusted branch and workflows, and the state key."""
        ...

    @property
    def github_context(self) -> GitHubContext:
        """The repository, and the id of this run."""
        ...

    @property
    def task(self) -> LedgerTask:
        """The task of the ledger."""
        ...


class ArtifactClients(Protocol):
    """The client by which artifacts are read."""

    @property
    def actions(self) -> Actions:
        """The repository's runs and artifacts."""
        ...


@dataclass(slots=True)
class ArtifactScan:
    """The result of listing and reading the artifacts; filled in place."""

    ledgers: list[Ledger] = field(default_factory=list)
    opened_ids: set[int] = field(default_factory=set)
    """Artifacts that were read."""
    superseded: set[str] = field(default_factory=set)
    """Names that this run has uploaded to, and whose facts were read."""
    refused: list[str] = field(default_factory=list)
    """One sentence for each refused artifact."""
    refused_ids: set[int] = field(default_factory=set)
    expired_count: int = 0
    vanished_ids: set[int] = field(default_factory=set)
    newest: Artifact | None = None
    runs: dict[str, WorkflowRun] = field(default_factory=dict)


class _ArtifactVanishedError(Exception):
    """A listed artifact is gone: perhaps it was replaced by one with more facts."""


def artifact_stem(ctx: LedgerContext) -> str:
    """Return the name of this task's ledger, without the suffix of a slot."""
    suffix = "-pr" if ctx.github_context.for_pull_requests else ""
    return f"batch-action-{task_slug(ctx.task.name, ctx.settings.state_key)}{suffix}"


def artifact_names(ctx: LedgerContext) -> tuple[str, ...]:
    """Return the artifact names of this task's ledger; each can be used once per run.

    Two are used in turn. The third is a spare: a name whose upload was interrupted between its
    first and its last call is taken for the whole run, re-runs included, and is in no list.
    """
    return tuple(f"{artifact_stem(ctx)}-{slot}" for slot in "abc")


def read_artifacts(
    ctx: LedgerContext,
    github: ArtifactClients,
    scan: ArtifactScan,
    known: frozenset[int] = frozenset(),
) -> None:
    """Read every trusted artifact into *scan*, but for *known* ones and those merged into another.

    An artifact that vanishes between list and download was replaced by one with more facts, so the
    artifacts are listed again. Raises GitHubError: that happened too often.
    """
    for _ in range(MAX_LISTINGS):
        try:
            _scan_once(ctx, github, scan, known)
        except _ArtifactVanishedError:
            continue
        return
    raise GitHubError(
        "The ledger's artifacts keep changing while they are read.",
        fix="Too many runs at the same time: use a `concurrency` group.",
    )


def open_ledger(ctx: LedgerContext, data: bytes) -> Ledger:
    """Return the ledger in these bytes.

    Raises RefusedLedgerError: it is invalid, another task's, or not signed with `state-secret`.
    """
    chosen = (ctx.settings.state_secret, ctx.settings.state_secret_previous)
    secrets = [secret.get_secret_value() for secret in chosen if secret]
    return codec.decode(
        data, repository=ctx.github_context.repository_id, task=ctx.task.name, secrets=secrets
    )


def _scan_once(
    ctx: LedgerContext, github: ArtifactClients, scan: ArtifactScan, known: frozenset[int]
) -> None:
    artifacts = _list_artifacts(ctx, github)
    scan.expired_count = sum(artifact.expired for artifact in artifacts)
    listed = [artifact for artifact in artifacts if not artifact.expired]
    listed_ids = {artifact.id for artifact in listed}
    merged = known | scan.opened_ids | {i for x in scan.ledgers for i in x.merged_artifacts}
    for artifact in listed:
        if artifact.id not in merged | scan.refused_ids:
            if len(scan.ledgers) == MAX_OPENED:
                break
            ledger = _open_artifact(ctx, github, artifact, scan)
            if ledger is None:
                continue
            scan.newest = scan.newest or artifact
            scan.opened_ids.add(artifact.id)
            remaining = tuple(i for i in ledger.merged_artifacts if i in listed_ids)
            scan.ledgers.append(ledger.model_copy(update={"merged_artifacts": remaining}))
            merged |= {artifact.id, *ledger.merged_artifacts}
        if artifact.run_id == ctx.github_context.run_id and artifact.id in merged:
            scan.superseded.add(artifact.name)


def _list_artifacts(ctx: LedgerContext, github: ArtifactClients) -> list[Artifact]:
    """Return all artifacts with our names, newest first.

    The names are listed one after the other, and meanwhile another run may write one and delete
    the other: only two equal lists in a row are a consistent one.
    """
    previous: list[Artifact] | None = None
    for _ in range(MAX_LISTINGS):
        artifacts = [a for name in artifact_names(ctx) for a in github.actions.artifacts(name)]
        artifacts.sort(key=lambda a: (a.created_at, a.id), reverse=True)
        stable = previous is not None and [a.id for a in artifacts] == [a.id for a in previous]
        previous = artifacts
        if stable:
            break
    return previous or []


def _open_artifact(
    ctx: LedgerContext, github: ArtifactClients, artifact: Artifact, scan: ArtifactScan
) -> Ledger | None:
    """Return the ledger of one artifact, or None after recording why it is refused."""
    try:
        reason = _refusal_reason(ctx, github, artifact, scan)
        if reason is None:
            data = github.actions.download(artifact, codec.MAX_ZIPPED_BYTES)
            if data is not None:
                return open_ledger(ctx, data)
            if artifact.id not in scan.vanished_ids:
                scan.vanished_ids.add(artifact.id)
                raise _ArtifactVanishedError
            reason = "it is listed, but its content is gone"
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        reason = "its run was deleted, so its origin is unknown"
    except codec.RefusedLedgerError as error:
        reason = f"{error}; {error.fix}"
    except ArtifactRefusedError as error:
        reason = str(error)
    scan.refused_ids.add(artifact.id)
    scan.refused.append(
        f"Ledger artifact {artifact.id} of run {artifact.run_id} is refused: {reason}."
    )
    return None


def _refusal_reason(
    ctx: LedgerContext, github: ArtifactClients, artifact: Artifact, scan: ArtifactScan
) -> str | None:
    """Return why an artifact is refused before it is opened: by the list, then by its run."""
    context = ctx.github_context
    reason = trust.refusal_of_artifact(artifact, context.repository_id, codec.MAX_ZIPPED_BYTES)
    if reason is not None or artifact.run_id == context.run_id:
        return reason
    if artifact.run_id not in scan.runs:
        scan.runs[artifact.run_id] = github.actions.run(artifact.run_id)
    trusted = ctx.settings.state_branch or context.default_branch
    # A run on another branch has its own ledger there, which no other branch trusts. The run of a
    # pull request is not on the pull request's branch.
    current = None if context.pull_request else context.branch
    return trust.refusal_of_run(
        scan.runs[artifact.run_id],
        artifact,
        context.repository_id,
        branches=frozenset(branch for branch in (trusted, current) if branch),
        workflows=ctx.settings.state_workflows,
        pulls=context.for_pull_requests,
    )
