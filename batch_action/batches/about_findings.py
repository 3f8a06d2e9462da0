"""What a submit asks about findings that are reported: claims to verify, findings to explain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_action.batches import claims, explanations
from batch_action.context import RunContext
from batch_action.ledger.view import LedgerView
from batch_action.models.fact import Purpose
from batch_action.models.findings import FindingClaim
from batch_action.models.ledger import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAsk:
    """The findings to ask about, each with its wording."""

    claims: Mapping[Purpose, Sequence[FindingClaim]]
    facts: tuple[Fact, ...]
    """About those whose wording is nowhere any more."""


def gather(ctx: RunContext, view: LedgerView, known: Sequence[FindingClaim] = ()) -> ToAsk:
    """Return what is to be asked; *known*: the claims that this run has collected.

    What Anthropic cannot tell at the moment waits for the next run.
    """
    to_verify, undecided = claims.gather(ctx, view, known)
    to_explain, unexplainable = explanations.find_claims(ctx, view)
    return ToAsk(
        claims={"verification": to_verify, "explanation": to_explain},
        facts=(*undecided, *unexplainable),
    )
