"""Read the results of requests that verify findings."""

from collections.abc import Iterable, Sequence

from batch_action.clients.git import GitRepo
from batch_action.errors import ConfigError, full_history
from batch_action.findings import claims
from batch_action.models.ledger import RequestKey
from batch_action.models.verification import CheckedClaim, Verification, VerificationResult
from batch_action.models.verification_facts import Verified
from batch_action.selection.content import reviewed_text
from batch_action.selection.paths import language_of


def results_of(
    git: GitRepo, answers: Sequence[tuple[RequestKey, Sequence[CheckedClaim]]]
) -> tuple[VerificationResult, ...]:
    """Return the results of requests that verify findings.

    Raises ConfigError: a file is not in this shallow clone.
    """
    asked = [(key, checked) for key, checked in answers if key.purpose == "verification"]
    texts = dict(git.blobs(sorted({key.blob for key, _ in asked})))
    if any(key.blob not in texts for key, _ in asked) and git.is_shallow():
        raise ConfigError(
            "Files whose findings were verified are not in this shallow clone.",
            fix=full_history("; the answers wait for the next run"),
        )
    results: list[VerificationResult] = []
    for key, checked in asked:
        text = reviewed_text(texts.get(key.blob, b""), key.path)
        language = language_of(key.path, text)
        results += claims.results_of(key.findings, checked, text, language)
    return tuple(results)


def facts_of(batch: str, results: Iterable[VerificationResult]) -> tuple[Verified, ...]:
    """Return the facts that a batch verified these findings: without the wording."""
    return tuple(
        Verified(fingerprint=each.fingerprint, batch=batch, result=each.result)
        for each in results
        if each.result is not Verification.UNCONFIRMED
    )
