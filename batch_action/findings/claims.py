"""Decide from the answers about claims which findings are confirmed, disputed or undecided."""

from collections.abc import Iterable, Sequence

from batch_action.findings.anchoring import SourceText, find_quotation
from batch_action.models.verification import (
    CheckedClaim,
    ClaimResult,
    Verification,
    VerificationResult,
)
from batch_action.syntax.code_words import code_lines, has_code


def results_of(
    fingerprints: Sequence[str], answers: Iterable[CheckedClaim], text: str, language: str
) -> tuple[VerificationResult, ...]:
    """Return the result of each claim of a request, in their order.

    A claim that is not answered, or twice differently, is undecided. So is one that is refuted
    without code: whoever wrote the file may have told the model what to answer.

    Args:
        fingerprints: of the findings that the request is about, in the order of its claims.
        answers: what it was answered.
        text: the file as the request showed it, or more of it.
        language: of the file; empty if unknown.
    """
    by_number: dict[int, list[CheckedClaim]] = {}
    for answer in answers:
        by_number.setdefault(answer.number, []).append(answer)
    source = SourceText(text)
    code = code_lines("\n".join(source.lines), language)
    return tuple(
        _result(fingerprint, by_number.get(number, []), source, code)
        for number, fingerprint in enumerate(fingerprints, 1)
    )


def _result(
    fingerprint: str, answers: Sequence[CheckedClaim], source: SourceText, code: Sequence[str]
) -> VerificationResult:
    undecided = VerificationResult(fingerprint=fingerprint, result=Verification.UNDECIDED)
    if len({answer.result for answer in answers}) != 1:
        return undecided
    match answers[0].result:
        case ClaimResult.CONFIRMED:
            answer, result = answers[0], Verification.CONFIRMED
        case ClaimResult.UNDECIDED:
            answer, result = answers[0], Verification.UNDECIDED
        case ClaimResult.REFUTED:
            refuting = (answer for answer in answers if _quotes_code(answer, source, code))
            found = next(refuting, None)
            if found is None:
                return undecided
            answer, result = found, Verification.DISPUTED
    return VerificationResult(fingerprint=fingerprint, result=result, reason=answer.reason)


def _quotes_code(answer: CheckedClaim, source: SourceText, code: Sequence[str]) -> bool:
    match = find_quotation(answer.evidence, source) if answer.evidence.strip() else None
    return match is not None and has_code(code[match.first - 1 : match.last])
