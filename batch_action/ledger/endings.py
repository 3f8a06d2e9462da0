"""What became of each finding, by the ledger's facts."""

from datetime import datetime
from typing import cast

from batch_action.ledger.view import LedgerView
from batch_action.models.fact import Ending
from batch_action.models.ledger import Changed, FoundFinding

Endings = dict[str, tuple[tuple[FoundFinding, datetime], Ending, datetime]]


def endings(view: LedgerView) -> Endings:
    """Return by fingerprint: the finding and when it was found, what became of it, and when."""
    key = ("endings", None)
    if key not in view.results:
        view.results[key] = _find_endings(view)
    return cast("Endings", view.results[key])


def _find_endings(view: LedgerView) -> Endings:
    found: dict[str, tuple[FoundFinding, datetime]] = {}
    now: dict[str, tuple[Ending, datetime]] = {}
    for fact in sorted(view.facts(Changed), key=lambda x: (x.at, x.run)):
        for finding in fact.found:
            # Two runs at the same time may have found it.
            found.setdefault(finding.fingerprint, (finding, fact.at))
            now.setdefault(finding.fingerprint, ("open", fact.at))
        for ending, fingerprints in fact.became.items():
            for fingerprint in fingerprints:
                if fingerprint not in now or now[fingerprint][0] != ending:
                    now[fingerprint] = ending, fact.at
    return {name: (found[name], *now[name]) for name in found}


def open_findings(view: LedgerView) -> dict[str, FoundFinding]:
    """Return the findings that are open by fingerprint, hidden ones not among them."""
    return {
        name: finding
        for name, ((finding, _), now, _) in endings(view).items()
        if now == "open" and name not in view.dismissed_fingerprints
    }
