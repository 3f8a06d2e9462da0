"""Whether an artifact of our name may be believed before it is even opened.

Anybody who can run a workflow in the repository can leave an artifact of any name, a fork's pull
request included, so a name proves nothing: the run that made it must be one of ours.
"""

from batch_action.models.github import ArtifactFacts, RunFacts

EVENTS = frozenset({"schedule", "push", "workflow_dispatch", "repository_dispatch"})
"""Events whose workflow and code come from the branch itself."""
PULL = "pull_request"
"""The event whose runs write the ledger of pull requests, and no other."""


def refusal_of_artifact(artifact: ArtifactFacts, repository_id: str, max_bytes: int) -> str | None:
    """Why this artifact is refused by what the list says of it; None when it is not."""
    ids = {artifact.head_repository_id, artifact.repository_id} - {""}
    if ids - {repository_id}:
        return "it was made by a run of another repository (a fork); nothing admits it"
    if artifact.size > max_bytes:
        return f"it is {artifact.size} bytes, more than a ledger may have; nothing admits it"
    return None


def refusal_of_run(
    run: RunFacts,
    artifact: ArtifactFacts,
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
