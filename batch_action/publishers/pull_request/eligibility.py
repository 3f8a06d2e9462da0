"""Which pull requests are reviewed in their own runs, and why others are skipped."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from batch_action.batches.results import is_batch_id
from batch_action.clients.git import GitRepo
from batch_action.clients.github.pulls import DEPENDABOT
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger import pull_requests
from batch_action.ledger.view import LedgerView
from batch_action.models.files import Selection
from batch_action.models.github import PullRequest
from batch_action.models.github_context import GitHubContext, PullRequestRun
from batch_action.models.ledger import Collected, Fact
from batch_action.models.requests import OutcomeKind
from batch_action.requests import planner

if TYPE_CHECKING:  # the SDK takes long to import
    from batch_action.clients.anthropic.client import AnthropicClient

DESTINATION = "pr-review"


def run_of(git: GitRepo, context: GitHubContext, pull: PullRequest) -> PullRequestRun:
    """Return the run that reviews a pull request, by the rules of the branch of this run."""
    return PullRequestRun(
        pull_number=pull.number,
        head=pull.head,
        base=pull.base,
        base_ref=pull.base_ref,
        rules_commit=git.resolve(context.sha or "HEAD"),
    )


def skip_reason(ctx: RunContext) -> str | None:
    """Return why the run of a pull request does nothing, as a sentence; None if it reviews it."""
    pull = ctx.github_context.pull_request
    if ctx.github_context.from_fork:
        return (
            "This pull request is from a fork, whose runs get no secrets: nothing was done. Once "
            "it is merged the nightly run reviews it."
        )
    if ctx.run.pull_number is None or pull is None:
        return (
            "batch-action reviews branches; this is a pull request: nothing was done. With "
            "`report: pr-review` it is reviewed on the event `pull_request`."
        )
    if ctx.task.security_only and ctx.hides_security_findings:
        return (
            f"{ctx.task.name} finds security problems only, which a pull request of a public "
            "repository must not show: nothing was done."
        )
    if ctx.anthropic is None and pull.author == DEPENDABOT:
        return "Runs of Dependabot's pull requests get no secrets: nothing was done."
    if not ctx.require_github().pulls.get(pull.number).open:
        return f"Pull request #{pull.number} is closed: nothing was done."
    return None


def account_for(ctx: RunContext, view: LedgerView, collected: Iterable[Fact]) -> Selection | None:
    """Account for every file of a pull request, as git and the default branch's rules say.

    *collected*: the facts about what this run has fetched. In the run of a branch nothing else that
    the pull request's own runs recorded is believed unseen. None where git cannot tell.
    """
    try:
        verified = view
        if ctx.github_context.pull_request is None:
            verified = verify_answers(ctx.anthropic, ctx.settings, view)
        return planner.account_for(ctx, verified.add(*collected))
    except BatchActionError as error:
        ctx.warn(f"Which files of pull request #{ctx.run.pull_number} are reviewed: {error}")
        return None


def verify_answers(
    anthropic: "Callable[[], AnthropicClient] | None", settings: Settings, view: LedgerView
) -> LedgerView:
    """Return a pull request's facts, with only the answers that its batches really contain.

    Its own runs could have recorded anything: a request counts as answered if Anthropic shows a
    succeeded result with its custom id, which is a digest of the content. Results are kept for 29
    days; after that a file is unanswered again. Answers without a batch count where the settings
    send requests that way. Without Anthropic, or with `delete-batches`, nothing can be verified.
    """
    if anthropic is None or settings.delete_batches:
        return view
    collected = {fact.batch: fact for fact in view.facts(Collected)}
    replaced: dict[str, Collected] = {}
    for sent, intended in view.sent_batches:
        fact = collected.get(sent.batch)
        is_synchronous = not is_batch_id(sent.batch)
        if fact is None or (is_synchronous and settings.small_workload == "interactive"):
            continue
        keys = intended.batches[sent.index]
        wanted = frozenset(key.id for key in keys if key.id not in fact.failed)
        state = anthropic().retrieve(sent.batch) if wanted and not is_synchronous else None
        is_shown = state is not None and state.archived_at is None and state.status == "ended"
        outcomes = (
            anthropic().outcomes(state, wanted, may_be_absent=True) if state and is_shown else {}
        )
        answered = {i for i, o in outcomes.items() if o.kind is OutcomeKind.SUCCEEDED}
        lost = dict.fromkeys(wanted - answered, pull_requests.CLOSED)
        replaced[fact.batch] = fact.model_copy(update={"failed": {**fact.failed, **lost}})
    facts = tuple(
        replaced.get(fact.batch, fact) if isinstance(fact, Collected) else fact
        for fact in view.ledger.facts
    )
    return LedgerView(view.ledger.model_copy(update={"facts": facts}))
