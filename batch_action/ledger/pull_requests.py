"""Queries on the ledger of pull requests: the facts of each pull request."""

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from batch_action.clients.github.errors import RefusedError
from batch_action.context import RunContext
from batch_action.ledger.trust import TRUSTED_EVENTS
from batch_action.ledger.view import LedgerView
from batch_action.models.explanation import Explained, ExplanationRequested, Unexplainable
from batch_action.models.github_context import PULL_REQUEST_EVENT
from batch_action.models.ledger import (
    Baselined,
    Changed,
    Closed,
    Collected,
    Confirmed,
    Dismissed,
    Fact,
    Intended,
    Ledger,
    Muted,
    Recheck,
    Rejected,
    Reported,
    Selected,
    Sent,
    Withdrawn,
)
from batch_action.models.spend_facts import Charged, Noted, Reserved
from batch_action.models.verification_facts import Deleted, VerificationDue, Verified

if TYPE_CHECKING:  # a plan without a token needs none of them
    from batch_action.clients.github.clients import GitHubClients
    from batch_action.models.github import PullRequest, WorkflowRun

CLOSED = "closed"
"""The failure of a request whose pull request was closed before its answer was published."""


def view_of(view: LedgerView, number: int) -> LedgerView:
    """Return the facts of one pull request as if it had a ledger of its own.

    The same content of a file is requested again in each pull request, since other people read the
    answer. Only the newest selection counts: files that a pull request no longer changes are not
    reviewed there. What people decided about a finding holds in all pull requests.
    """
    newest = max(_selections(view, number), key=lambda x: (x.at, x.head), default=None)
    own = facts_of(view, number).keep(lambda fact: not isinstance(fact, Selected) or fact == newest)
    return LedgerView(own).add(*view.facts(Dismissed), *view.facts(Confirmed))


def numbers_in(view: LedgerView) -> frozenset[int]:
    """Return the pull requests that the facts are about."""
    facts: tuple[Selected | Intended | Closed, ...] = (
        *view.facts(Selected),
        *view.facts(Intended),
        *view.facts(Closed),
    )
    return frozenset(fact.pull_request for fact in facts if fact.pull_request)


def facts_of(view: LedgerView, number: int) -> Ledger:
    """Return the ledger with the facts of one pull request only."""
    intents = {x.intent for x in view.facts(Intended) if x.pull_request == number}
    batches = {x.batch for x in view.facts(Sent) if x.intent in intents}

    def belongs(fact: Fact) -> bool:
        match fact:
            case Selected() | Intended() | Closed():
                return fact.pull_request == number
            case Sent() | Rejected():
                return fact.intent in intents
            case Collected() | Withdrawn() | VerificationDue() | Verified() | Deleted():
                return fact.batch in batches
            case Recheck() | Dismissed() | Confirmed() | ExplanationRequested():
                return f"/pull/{number}#" in fact.source
            case Unexplainable() | Explained():
                return f"/pull/{number}#" in fact.source
            case Baselined() | Changed() | Muted() | Reported() | Reserved() | Charged() | Noted():
                return False

    return view.ledger.keep(belongs)


def remove_intents(view: LedgerView, intents: frozenset[str]) -> LedgerView:
    """Return the ledger without these intents and their batches."""

    def remains(fact: Fact) -> bool:
        return not (isinstance(fact, Intended | Sent | Rejected) and fact.intent in intents)

    return LedgerView(view.ledger.keep(remains)) if intents else view


def unfinished_pull_requests(view: LedgerView) -> tuple[int, ...]:
    """Return the pull requests that are open or have batches that were not collected."""
    return tuple(n for n in sorted(numbers_in(view)) if _is_unfinished(view, n))


def is_closed(view: LedgerView, number: int) -> bool:
    """Return whether it was closed, and not reviewed again since."""
    closed = [x.at for x in view.facts(Closed) if x.pull_request == number]
    return bool(closed) and not any(x.at > max(closed) for x in _selections(view, number))


def closed_before(view: LedgerView, moment: datetime) -> frozenset[int]:
    """Return the pull requests that were closed before, with all batches, and not again open."""
    ends = {x.pull_request: x.at for x in sorted(view.facts(Closed), key=lambda x: x.at)}
    reopened = {
        x.pull_request
        for x in view.selections
        if x.pull_request in ends and x.at > ends[x.pull_request]
    }
    intents = [x.intended for x in view.pending_batches] + [x.intended for x in view.open_intents]
    waiting = {x.pull_request for x in intents}
    return frozenset(n for n, at in ends.items() if at < moment) - reopened - waiting


def _is_unfinished(view: LedgerView, number: int) -> bool:
    own = view_of(view, number)
    return not is_closed(view, number) or bool(own.pending_batches or own.open_intents)


def _selections(view: LedgerView, number: int) -> list[Selected]:
    return [x for x in view.facts(Selected) if x.pull_request == number]


def verify_pull_request(ctx: RunContext, view: LedgerView, pull: "PullRequest") -> LedgerView:
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
    return remove_intents(view, frozenset(foreign))


def _belongs_to(ctx: RunContext, intended: Intended, pull: "PullRequest") -> bool:
    github, context = ctx.require_github(), ctx.github_context
    if pull.head_repository_id != context.repository_id:
        return False
    run = _find_run(github, intended.run.partition(".")[0])
    if run is not None:
        if run.head_repository_id != context.repository_id:
            return False
        if run.event in TRUSTED_EVENTS and run.head_branch == (
            ctx.settings.state_branch or context.default_branch
        ):
            # `pull-requests: on`: the results will show whether they are about these files.
            return pull.number in github.pulls.numbers_of_commit(intended.head)
        if run.event != PULL_REQUEST_EVENT or run.head_sha != intended.head:
            return False
        if pull.number in run.pull_requests or run.head_branch == pull.head_ref:
            return True
    return pull.number in github.pulls.numbers_of_commit(intended.head)


def _find_run(github: "GitHubClients", name: str) -> "WorkflowRun | None":
    """Return the run; None when it was deleted since."""
    if not name.isdecimal():
        return None
    try:
        return github.actions.run(name)
    except RefusedError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
