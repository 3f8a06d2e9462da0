"""Whether an artifact of our name may be believed before it is even opened.

Anybody who can run a workflow in the repository can leave an artifact of any name, a fork's pull
request included, so a name proves nothing: the run that made it must be one of ours.
"""

from http import HTTPStatus

from batch_action.clients.github.errors import RefusedError
from batch_action.context import GitHubClients, RunContext
from batch_action.ledger import pull_requests, view
from batch_action.models.github import ArtifactInfo, PullRequestInfo, WorkflowRunInfo
from batch_action.models.ledger import Intended, Ledger

EVENTS = frozenset({"schedule", "push", "workflow_dispatch", "repository_dispatch"})
"""Events whose workflow and code come from the branch itself."""
PULL = "pull_request"
"""The event whose runs write the ledger of pull requests, and no other."""


def refusal_of_artifact(artifact: ArtifactInfo, repository_id: str, max_bytes: int) -> str | None:
    """Why this artifact is refused by what the list says of it; None when it is not."""
    ids = {artifact.head_repository_id, artifact.repository_id} - {""}
    if ids - {repository_id}:
        return "it was made by a run of another repository (a fork); nothing admits it"
    if artifact.size > max_bytes:
        return f"it is {artifact.size} bytes, more than a ledger may have; nothing admits it"
    return None


def refusal_of_run(
    run: WorkflowRunInfo,
    artifact: ArtifactInfo,
    repository_id: str,
    *,
    branches: frozenset[str],
    workflows: tuple[str, ...],
    pulls: bool = False,
) -> str | None:
    """Why what this run left is refused; None when it is not.

    Whose run it was is told by the list, by the run, or by both; nobody telling is not enough.
    *pulls*: it is the ledger of pull requests, to which their runs on any branch may write.
    """
    own_pull = pulls and run.event == PULL
    if (run.head_repository_id or artifact.head_repository_id) != repository_id:
        return "it was made by a run of another repository (a fork); nothing admits it"
    if run.event not in EVENTS and not own_pull:
        count = ", ".join(sorted({*EVENTS, PULL} if pulls else EVENTS))
        return f"it was made by a `{run.event}` run; only {count} count"
    if run.head_branch not in branches and not own_pull:
        return (
            f"it was made on branch {run.head_branch!r}; `state-branch: {run.head_branch}` "
            "would admit it"
        )
    if workflows and run.path not in workflows and run.path.rsplit("/", 1)[-1] not in workflows:
        return f"it was made by {run.path}; add it to `state-workflows` to admit it"
    return None


def vouched(ctx: RunContext, ledger: Ledger, pull: PullRequestInfo) -> Ledger:
    """One pull request's facts without batches that were not sent by a run of it.

    What waits is asked about, each time: a run of the event, from our repository, about the very
    commit that the ledger names, and GitHub says that it belongs to this pull request.
    """
    waiting = {p.intended.intent: p.intended for p in view.pending(ledger)}
    foreign = {name for name, one in waiting.items() if not _is_of(ctx, one, pull)}
    if foreign:
        ctx.warn(
            f"The ledger names {len(foreign)} submits for pull request #{pull.number} that GitHub "
            "does not know as its own: they are left alone."
        )
    return pull_requests.without(ledger, frozenset(foreign))


def _is_of(ctx: RunContext, intended: Intended, pull: PullRequestInfo) -> bool:
    github, context = ctx.require_github(), ctx.context
    if pull.head_repository_id != context.repository_id:
        return False
    run = _run(github, intended.run.partition(".")[0])
    if run is not None:
        ours = run.event == PULL and run.head_repository_id == context.repository_id
        if not ours or run.head_sha != intended.head:
            return False
        if pull.number in run.pulls or run.head_branch == pull.head_ref:
            return True
    return pull.number in github.pulls.of_commit(intended.head)


def _run(github: GitHubClients, name: str) -> WorkflowRunInfo | None:
    """The run; None when it was deleted since."""
    if not name.isdecimal():
        return None
    try:
        return github.actions.run(name)
    except RefusedError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
