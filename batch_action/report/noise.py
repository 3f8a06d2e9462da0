"""What keeps findings quiet, and how many: every report says so."""

from collections import Counter
from collections.abc import Sequence

from batch_action.models.findings import Reconciled, Standing, State
from batch_action.models.report import Night
from batch_action.report.guard import shown
from batch_action.report.text import plural

PUBLIC = "public"
_WORDS = {
    "min-severity": "below `min-severity`",
    "min-confidence": "below `min-confidence`",
    "comment": "ignored by a comment in the code",
    "baseline": "accepted by the baseline",
    "max-findings": "in comments for lack of room (`max-findings`)",
    "max-issues": "waiting for a later run (`max-issues`)",
}
"""How each reason reads. What is guarded is not counted where anybody can read."""


def held_back(reconciled: Reconciled, night: Night, **here: int) -> tuple[tuple[str, int], ...]:
    """Each reason with how many findings it holds back; *here*: this destination's own limits."""
    told = shown(reconciled.standings, night)
    counts = Counter(dict(reconciled.below))
    counts.update(_ignored(told))
    counts.update({name.replace("_", "-"): count for name, count in here.items()})
    counts[PUBLIC] = len(reconciled.standings) - len(told)
    return tuple((name, count) for name, count in counts.items() if count)


def _ignored(standings: Sequence[Standing]) -> Counter[str]:
    ignored = [s.known for s in standings if s.known.state is State.IGNORED]
    return Counter(known.held or "comment" for known in ignored)


def sentence(held: Sequence[tuple[str, int]]) -> str:
    """`Held back: 3 findings below `min-severity`, 1 accepted by the baseline.`; or nothing."""
    told = [(count, _WORDS[name]) for name, count in held if name in _WORDS]
    if not told:
        return ""
    (first, why), *others = told
    parts = [f"{plural(first, 'finding')} {why}", *(f"{n} {why}" for n, why in others)]
    return f"Held back: {', '.join(parts)}."
