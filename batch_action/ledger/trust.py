"""Decide whether an artifact with our name is trusted, before it is opened.

Anybody who can run a workflow in the repository, a fork's pull request included, can upload an
artifact of any name. So the workflow run that uploaded it must be a trusted one.
"""

from http import HTTPStatus

from batch_action.clients.github.clients import GitHubClients
from batch_action.clients.github.errors import RefusedError
from batch_action.context import RunContext
from batch_action.ledger import pull_requests
from batch_action.ledger.view import LedgerView
from batch_action.models.github import Artifact, PullRequest, WorkflowRun
from batch_action.models.github_context import PULL_REQUEST_EVENT
from batch_action.models.ledger import Intended

TRUSTED_EVENTS = frozenset({"schedule", "push", "workflow_dispatch", "repository_dispatch"})
"""Events whose workflow and code come from the branch itself."""

_OTHER_REPOSITORY = "it was uploaded by a run of another repository (a fork)"


def refusal_of_artifact(artifact: Artifact, repository_id: str, max_bytes: int) -> str | None:
    """Return why an artifact is refused by its entry in the list; None when it is not."""
    ids = {artifact.head_repository_id, artifact.repository_id} - {""}
    if ids - {repository_id}:
        return _OTHER_REPOSITORY
    if artifact.size > max_bytes:
        return f"it has {artifact.size} bytes, over the limit of {max_bytes}"
    return None


def refusal_of_run(
    run: WorkflowRun,
    artifact: Artifact,
    repository_id: str,
    *,
    branches: frozenset[str],
    workflows: tuple[str, ...],
    pulls: bool = False,
) -> str | None:
    """Return why an artifact of this run is refused; None when it is not.

    The head repository must be named by the run or by the artifact's entry in the list. *pulls*: it
    is the ledger of pull requests, to which their runs on any branch may write.
    """
    own_pull = pulls and run.event == PULL_REQUEST_EVENT
    if (run.head_repository_id or artifact.head_repository_id) != repository_id:
        return _OTHER_REPOSITORY
    if run.event not in TRUSTED_EVENTS and not own_pull:
        trusted = TRUSTED_EVENTS | {PULL_REQUEST_EVENT} if pulls else TRUSTED_EVENTS
        names = ", ".join(sorted(trusted))
        return f"it was uploaded by a `{run.event}` run; the trusted events are {names}"
    if run.head_branch not in branches and not own_pull:
        return (
            f"it was uploaded on branch {run.head_branch!r}; `state-branch: {run.head_branch}` "
            "would accept it"
        )
    if workflows and run.path not in workflows and run.path.rsplit("/", 1)[-1] not in workflows:
        return f"it was uploaded by {run.path}; add it to `state-workflows` to accept it"
    return None


def verify_pull_request(ctx: RunContext, view: LedgerView, pull: PullRequest) -> LedgerView:
    """Return one pull request's facts without the batches that no run of it has sent.

    GitHub is asked for the run of every pending batch each time: its event must be `pull_request`,
    its repository ours, its commit the one in the ledger, and it must belong to this pull request.
    """
    waiting = {p.intended.intent: p.intended for p in view.pending_batches}
    foreign = {
        intent for intent, intended in waiting.items() if not _belongs_to(ctx, intended, pull)
    }
    if foreign:
        ctx.warn(
            f"The ledger names {len(foreign)} submits for pull request #{pull.number} whose runs "
            "GitHub does not list for it: they are ignored."
        )
    return pull_requests.remove_intents(view, frozenset(foreign))


def _belongs_to(ctx: RunContext, intended: Intended, pull: PullRequest) -> bool:
    github, context = ctx.require_github(), ctx.github_context
    if pull.head_repository_id != context.repository_id:
        return False
    run = _find_run(github, intended.run.partition(".")[0])
    if run is not None:
        own = run.event == PULL_REQUEST_EVENT and run.head_repository_id == context.repository_id
        if not own or run.head_sha != intended.head:
            return False
        if pull.number in run.pull_requests or run.head_branch == pull.head_ref:
            return True
    return pull.number in github.pulls.numbers_of_commit(intended.head)


def _find_run(github: GitHubClients, name: str) -> WorkflowRun | None:
    """Return the run; None when it was deleted since."""
    if not name.isdecimal():
        return None
    try:
        return github.actions.run(name)
    except RefusedError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
