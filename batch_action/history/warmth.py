"""The prompt cache: whether a warm-up was sent that nothing has followed yet."""

from dataclasses import dataclass

from batch_action.history.batches import facts_of, open_intents, sent_batches
from batch_action.models.ledger import Collected, Intended, Ledger, Selected, Sent, Withdrawn


@dataclass(frozen=True, slots=True)
class WarmUp:
    """A request that was sent first, so that others can read what it leaves in the cache."""

    intended: Intended
    sent: Sent | None
    """None: the create was never answered, or not yet."""
    collected: Collected | None
    withdrawn: bool
    selected: frozenset[str]
    """The paths that were selected with it: those that have no answer wait for it."""

    @property
    def spoilt(self) -> bool:
        """Whether it came back without an answer, so that nobody knows what is in the cache."""
        return self.withdrawn or bool(self.collected and self.collected.failed)


def outstanding(ledger: Ledger) -> WarmUp | None:
    """The newest warm-up, if nothing has been sent since."""
    sent = {intended.intent: fact for fact, intended in sent_batches(ledger)}
    maybe = {open_.intended.intent for open_ in open_intents(ledger)}
    asked = [x for x in facts_of(ledger, Intended) if x.intent in sent or x.intent in maybe]
    newest = max(asked, key=lambda x: (x.at, x.intent), default=None)
    if newest is None or newest.way != "warm-up":
        return None
    fact = sent.get(newest.intent)
    batch = fact.batch if fact else None
    collected = (x for x in facts_of(ledger, Collected) if x.batch == batch)
    gone = (x for x in facts_of(ledger, Withdrawn) if x.batch == batch)
    chosen = (x for x in facts_of(ledger, Selected) if x.head == newest.head)
    paths = frozenset(file.path for x in chosen for file in x.files)
    return WarmUp(newest, fact, next(collected, None), next(gone, None) is not None, paths)
