"""What a submit asks about findings that are reported: claims to verify, findings to explain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from batch_action.batches import claims, explanations
from batch_action.batches.earlier_answers import EarlierAnswers
from batch_action.config.inputs import Verify
from batch_action.context import RunContext
from batch_action.ledger import verification
from batch_action.ledger.view import LedgerView
from batch_action.models.fact import Purpose
from batch_action.models.findings import FindingClaim
from batch_action.models.ledger import Fact
from batch_action.models.requests import Request
from batch_action.models.verification_facts import Verified


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAsk:
    """The findings to ask about, each with its wording."""

    claims: Mapping[Purpose, Sequence[FindingClaim]]
    facts: tuple[Fact, ...]
    """About those that cannot be asked about any more."""


def gather(ctx: RunContext, view: LedgerView, known: Sequence[FindingClaim] = ()) -> ToAsk:
    """Return what is to be asked; *known*: the claims that this run has collected.

    What Anthropic cannot tell at the moment waits for the next run.
    """
    earlier = EarlierAnswers(ctx, view)
    to_verify, undecided = claims.gather(ctx, earlier, known)
    to_explain, unexplainable = explanations.find_claims(ctx, earlier)
    return ToAsk(
        claims={"verification": to_verify, "explanation": to_explain},
        facts=(*undecided, *unexplainable),
    )


def undecided_by_size(
    view: LedgerView, verify: Verify, too_large: Iterable[Request]
) -> tuple[Verified, ...]:
    """Return that findings are undecided whose requests are too large to be sent."""
    names = {name for request in too_large for name in request.request_key.findings}
    due = verification.waiting(view, verify) if names else ()
    return claims.undecided(each for each in due if each.fingerprint in names)
