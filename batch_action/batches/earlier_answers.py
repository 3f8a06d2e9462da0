"""The answers to reviews that were collected earlier: the wording of a finding is in no ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from batch_action.batches.results import RETENTION, is_batch_id
from batch_action.context import RunContext
from batch_action.errors import AnthropicError
from batch_action.ledger import verification
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import RawFinding
from batch_action.models.ledger import Intended, Sent, reviews_in
from batch_action.models.requests import Outcome, OutcomeKind
from batch_action.tasks.task import UnreadableAnswerError


class UnknownBatchError(AnthropicError):
    """Anthropic does not know a batch that it should still have, at least not with this key."""


@dataclass(frozen=True)
class EarlierAnswers:
    """Reads the results of collected batches again: each is downloaded once, and stays on disk."""

    ctx: RunContext
    view: LedgerView
    _downloaded: dict[str, Mapping[str, Outcome] | None] = field(default_factory=dict)

    @cached_property
    def batches(self) -> Mapping[str, tuple[Sent, Intended]]:
        """The batches that were sent, with their intents, by id."""
        return {sent.batch: (sent, intended) for sent, intended in self.view.sent_batches}

    def is_deleted(self, batch: str) -> bool:
        """Return whether we know that there are no results: never any, or deleted by ourselves."""
        return not is_batch_id(batch) or verification.is_deleted(self.view, batch)

    def is_over(self, batch: str) -> bool:
        """Return whether a batch has no results any more, for what the ledger says."""
        sent, _ = self.batches[batch]
        return self.is_deleted(batch) or self.ctx.now() - sent.created_at >= RETENTION

    def findings(self, batch: str, request: str) -> tuple[RawFinding, ...] | None:
        """Return what a request has reported; None when Anthropic has no results of its batch.

        Raises AnthropicError: they cannot be read at the moment.
        """
        if batch not in self._downloaded:
            self._downloaded[batch] = self._download(batch)
        outcomes = self._downloaded[batch]
        if outcomes is None:
            return None
        outcome = outcomes.get(request)
        if outcome is None or outcome.kind is not OutcomeKind.SUCCEEDED:
            return ()
        try:
            return self.ctx.task.parse_answer(outcome.text).raw_findings
        except UnreadableAnswerError:
            return ()

    def _download(self, batch: str) -> Mapping[str, Outcome] | None:
        if self.is_over(batch):
            return None
        sent, intended = self.batches[batch]
        api = self.ctx.require_anthropic()
        state = api.retrieve(batch)
        if state is None:
            # So soon it is another key, or not everywhere yet: it may have results later.
            raise UnknownBatchError("Anthropic does not know this batch with this key.")
        if state.archived_at is not None:
            return None
        ids = frozenset(key.id for key in reviews_in(intended.batches[sent.index]))
        return api.outcomes(state, ids, may_be_absent=True)
