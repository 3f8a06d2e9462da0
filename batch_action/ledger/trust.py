"""Decide whether an artifact with our name is trusted, before it is opened.

Anybody who can run a workflow in the repository, a fork's pull request included, can upload an
artifact of any name. So the workflow run that uploaded it must be a trusted one. A run whose own
artifact no later run would trust sends nothing.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from batch_action.clients.git import GitRepo
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.ledger import codec
from batch_action.models.github_context import PULL_REQUEST_EVENT
from batch_action.models.ledger import Ledger
from batch_action.models.requests import digest
from batch_action.text import task_slug

if TYPE_CHECKING:  # PyGithub takes long to import
    from batch_action.clients.github.actions import Actions
    from batch_action.models.github import Artifact, WorkflowRun

TRUSTED_EVENTS = frozenset({"schedule", "push", "workflow_dispatch", "repository_dispatch"})
"""Events whose workflow and code come from the branch itself."""

NO_SETTING = "no setting accepts it"
_OTHER_REPOSITORY = f"it was uploaded by a run of another repository (a fork); {NO_SETTING}"


class PullRequestOfRun(NamedTuple):
    """The pull request of a run, and the branch that it comes from."""

    number: int
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAccess:
    """Which artifacts contain a ledger, and which of them are trusted."""

    repository_id: str
    task: str
    state_key: str
    run_id: str
    """This run: its own artifacts are trusted."""
    branches: frozenset[str]
    """Branches whose runs are trusted."""
    workflows: tuple[str, ...]
    """The only workflows whose runs are trusted; empty: all of them."""
    secrets: tuple[str, ...]
    """`state-secret` and the previous one: if there is one, a ledger must be signed."""
    pull_requests: bool
    """Whether it is the ledger of pull requests, to which their runs may write."""
    slots: str = "ab"
    """The last letters of the artifacts' names, in the order in which they are listed."""
    absorbs: bool = True
    """Whether an artifact may name others that need not be opened."""
    own_pull: PullRequestOfRun | None = None
    """The pull request whose run this is: it reads no facts of another one's runs."""

    @property
    def stem(self) -> str:
        """The name of the ledger, without the suffix of a slot."""
        suffix = "-pr" if self.pull_requests else ""
        return f"batch-action-{task_slug(self.task, self.state_key)}{suffix}"

    @property
    def digest(self) -> str:
        """What decides whether the origin of an artifact is trusted."""
        signed = "signed" if self.secrets else None
        return digest(*sorted(self.branches), None, *sorted(self.workflows), None, signed)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its artifacts; each can be used once per run, unless it was deleted."""
        return tuple(f"{self.stem}-{slot}" for slot in self.slots)

    def open(self, data: bytes) -> Ledger:
        """Return the ledger in these bytes. Raises RefusedLedgerError."""
        return codec.decode(
            data, repository=self.repository_id, task=self.task, secrets=self.secrets
        )


def access_of(ctx: RunContext, *, pull_requests: bool | None = None) -> LedgerAccess:
    """Return the access to the task's ledger: of *pull_requests*, by default as the run uses it."""
    context, settings = ctx.github_context, ctx.settings
    # A run on another branch has its own ledger there, which no other branch trusts. The run of a
    # pull request is not on the pull request's branch.
    current = None if context.pull_request else context.branch
    trusted = settings.state_branch or context.default_branch
    secrets = (settings.state_secret, settings.state_secret_previous)
    uses_pull_requests = bool(ctx.run.pull_number) if pull_requests is None else pull_requests
    own = PullRequestOfRun(ctx.run.pull_number or 0, context.branch or "")
    return LedgerAccess(
        repository_id=context.repository_id,
        task=ctx.task.name,
        state_key=settings.state_key,
        run_id=context.run_id,
        branches=frozenset(branch for branch in (trusted, current) if branch),
        workflows=settings.state_workflows,
        secrets=tuple(secret.get_secret_value() for secret in secrets if secret),
        pull_requests=uses_pull_requests,
        own_pull=own if uses_pull_requests and own.number else None,
    )


def refusal_of_artifact(artifact: "Artifact", repository_id: str, max_bytes: int) -> str | None:
    """Return why an artifact is refused by its entry in the list; None when it is not."""
    ids = {artifact.head_repository_id, artifact.repository_id} - {""}
    if ids - {repository_id}:
        return _OTHER_REPOSITORY
    if artifact.size > max_bytes:
        return f"it has {artifact.size} bytes, over the limit of {max_bytes}; {NO_SETTING}"
    return None


@dataclass(frozen=True, slots=True)
class BranchHistory:
    """What tells the runs of a branch from those of a tag with its name: the branch's commits."""

    actions: "Actions"
    git: GitRepo | None
    """The clone, which is asked first; None where there is none."""
    names: dict[str, str] = field(default_factory=dict)
    """The names that branches have now."""

    def name_of(self, branch: str) -> str:
        """Return the name that a branch has now, after it was renamed."""
        if branch not in self.names:
            found = self.actions.branch(branch)
            self.names[branch] = found[0] if found else branch
        return self.names[branch]

    def has_had_tip(self, branch: str, commit: str) -> bool:
        """Return whether *commit* is in the history of a branch, or was before a force push."""
        if (branch, commit) not in self.actions.verified_heads:
            local = self.git and self.git.branch_tip(branch)
            if not (self.git and local and self.git.is_ancestor(commit, local)):
                found = self.actions.branch(branch)
                is_in_history = found is not None and self.actions.contains(found[1], commit)
                if not (is_in_history or self.actions.was_pushed(branch, commit)):
                    return False
            self.actions.verified_heads.add((branch, commit))
        return True


def refusal_of_run(
    run: "WorkflowRun", artifact: "Artifact", access: LedgerAccess, history: BranchHistory
) -> str | None:
    """Return why an artifact of this run is refused; None when it is not.

    The head repository must be named by the run or by the artifact's entry in the list. GitHub
    gives the run of a tag the tag's name as its branch, so the commit must be the branch's, unless
    a signature is required.
    """
    if (run.head_repository_id or artifact.head_repository_id) != access.repository_id:
        return _OTHER_REPOSITORY
    branch = run.head_branch
    if run.event in TRUSTED_EVENTS and branch not in access.branches:
        branch = history.name_of(branch)
    reason = _refusal(access, event=run.event, branch=branch, workflow=run.path)
    if reason is not None:
        return f"it was uploaded {reason}"
    is_proven = run.event == PULL_REQUEST_EVENT or access.secrets
    if not is_proven and not history.has_had_tip(branch, run.head_sha):
        return (
            f"commit {run.head_sha[:12]} of its run was never on branch {branch!r} (a tag of that "
            "name?); with `state-secret` the ledgers of later runs are trusted by their signature"
        )
    return None


def refusal_of_this_run(ctx: RunContext) -> str | None:
    """Return why no later run would trust what this one saves; None when one would.

    Raises ConfigError: in Actions there is no place at all where a later run would find it.
    """
    context, actions = ctx.github_context, ctx.runner.actions
    if ctx.artifacts is None and actions and ctx.settings.state_dir is None:
        raise ConfigError(
            f"The ledger cannot be stored, so a later run would send and pay for the same files "
            f"again: nothing was sent. {ctx.artifacts_problem}",
            fix="Run the action with `uses:` (a `run:` step cannot reach the artifacts). Where "
            "there is no artifact service, set BATCH_ACTION_STATE_DIR to a folder that the "
            "workflow keeps from run to run, for example with actions/cache.",
        )
    if ctx.artifacts is None:
        return None
    reason = _refusal(
        access_of(ctx),
        event=context.event,
        branch=context.branch or "",
        workflow=context.workflow,
    )
    return reason and (
        "No later run would trust the ledger of this one, and would send and pay for the same "
        f"files again: it would be uploaded {reason}."
    )


def _refusal(access: LedgerAccess, *, event: str, branch: str, workflow: str) -> str | None:
    own_pull = access.pull_requests and event == PULL_REQUEST_EVENT
    if event not in TRUSTED_EVENTS and not own_pull:
        extra = {PULL_REQUEST_EVENT} if access.pull_requests else set[str]()
        names = ", ".join(sorted(TRUSTED_EVENTS | extra))
        return f"by a `{event}` run; the trusted events are {names}"
    if not branch:
        return "by a run on a tag; only runs on a branch are trusted"
    if branch not in access.branches and not own_pull:
        return f"on branch {branch!r}; `state-branch: {branch}` would accept it"
    if access.workflows and {workflow, workflow.rsplit("/", 1)[-1]}.isdisjoint(access.workflows):
        return f"by {workflow}; add it to `state-workflows` to accept it"
    return None
