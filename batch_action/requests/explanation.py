"""Requests that have findings explained: one for each, because they are few."""

from collections.abc import Iterable

from batch_action.context import RunContext
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import FindingClaim
from batch_action.models.requests import Request
from batch_action.requests.request_file import RequestFile
from batch_action.requests.verification import ClaimedFile, ClaimWriter
from batch_action.selection.content import reviewed_text


def build_requests(
    ctx: RunContext,
    view: LedgerView,
    claims: Iterable[FindingClaim],
    request_file: RequestFile,
    model_max_tokens: int | None,
) -> list[Request]:
    """Write a request for each claim to disk, in their order.

    It shows the content that the person saw, whatever has become of it since.
    """
    writer = ClaimWriter(
        ctx.settings,
        ctx.github_context.repository_id,
        view,
        "explanation",
        request_file,
        model_max_tokens,
    )
    requests = []
    for claim in claims:
        path, blob = claim.anchor.path, claim.anchor.blob
        ((_, data),) = ctx.git.blobs([blob])
        requests.append(writer.write(ClaimedFile(path, blob, reviewed_text(data, path), (claim,))))
    return requests
