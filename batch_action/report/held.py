"""What each filter held back: the receipt's account of findings that are not told as open."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from batch_action.models.findings import LIVE, State
from batch_action.models.report import Delivered, Published
from batch_action.report import noise
from batch_action.report.guard import guarded, shown

WORDS = {
    "min-severity": "below `min-severity`",
    "min-confidence": "below `min-confidence`",
    "comment": "ignored by a comment in the code",
    "baseline": "accepted by the baseline file",
    "dismissed": "dismissed by people",
    "pre-existing": "older than the reviewed change, told apart",
    "repeated": "said twice or about code that has changed since",
    "discarded": "discarded, because the quoted code is not in the file",
    "public": "about security, not shown on a public repository",
}
"""Every filter with what it did, in the order of the receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one filter held back."""

    filter: str
    """A key of `WORDS`, or the input that limits a destination (`max-findings`, `max-issues`)."""
    count: int
    destination: str = ""
    """Empty when it holds everywhere."""

    @property
    def line(self) -> str:
        """`3 below …`; our own words, so it is Markdown and needs no escaping."""
        if self.filter in WORDS:
            return f"{self.count} {WORDS[self.filter]}"
        return f"{self.count} over `{self.filter}` in {self.destination}"


def held(published: Published) -> tuple[Held, ...]:
    """All that was held back on one night, filter by filter; those with nothing are left out."""
    counts = Counter(dict(noise.held_back(published.reconciled, published.night)))
    for known in (s.known for s in shown(published.standings, published.night)):
        counts["dismissed"] += known.state is State.DISMISSED
        counts["pre-existing"] += known.pre_existing and known.state in LIVE
    counts["repeated"] = len(published.reconciled.held)
    counts["discarded"] = published.night.discarded
    # Here it is about what is open; a fixed one is nobody's loss.
    counts[noise.PUBLIC] = hidden(published)
    everywhere = [Held(filter=name, count=counts[name]) for name in WORDS if counts[name]]
    return (*everywhere, *(h for d in published.delivered for h in _limits(d)))


def hidden(published: Published) -> int:
    """How many live findings the guard of public repositories keeps back."""
    if not guarded(published.night):
        return 0
    return sum(s.known.security and s.known.state in LIVE for s in published.standings)


def _limits(delivered: Delivered) -> Iterator[Held]:
    """The destination's own limits; what holds everywhere is counted once, by us."""
    for name, count in delivered.held:
        if count and name not in WORDS:
            yield Held(filter=name, count=count, destination=delivered.destination)


def sentence(published: Published) -> str:
    """`Held back or told apart: 3 below …; 2 accepted ….`; empty when nothing was."""
    lines = "; ".join(h.line for h in held(published))
    return f"Held back or told apart: {lines}." if lines else ""
