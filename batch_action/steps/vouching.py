"""Whose a batch in the ledger of pull requests is, asked of GitHub: the ledger is no proof."""

from http import HTTPStatus

from batch_action.edges.github_api.refusals import RefusedError
from batch_action.history import batches, pulls
from batch_action.models.github import PullFacts, RunFacts
from batch_action.models.ledger import Intended, Ledger
from batch_action.steps.trust import PULL
from batch_action.steps.world import GitHub, World


def vouched(world: World, ledger: Ledger, pull: PullFacts) -> Ledger:
    """One pull request's facts without batches that were not sent by a run of it.

    What waits is asked about, each time: a run of the event, from our repository, about the very
    commit that the ledger names, and GitHub says that it belongs to this pull request.
    """
    waiting = {p.intended.intent: p.intended for p in batches.pending(ledger)}
    foreign = {name for name, one in waiting.items() if not _is_of(world, one, pull)}
    if foreign:
        world.warn(
            f"The ledger names {len(foreign)} submits for pull request #{pull.number} that GitHub "
            "does not know as its own: they are left alone."
        )
    return pulls.without(ledger, frozenset(foreign))


def _is_of(world: World, intended: Intended, pull: PullFacts) -> bool:
    github, context = world.need_github(), world.context
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


def _run(github: GitHub, name: str) -> RunFacts | None:
    """The run; None when it was deleted since."""
    if not name.isdecimal():
        return None
    try:
        return github.actions.run(name)
    except RefusedError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
