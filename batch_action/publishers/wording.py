"""The words of a report: verdict, money, counts, places."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from batch_action.escape import href, html_code, inline, ours, path_url
from batch_action.models.findings import (
    OPEN_STATES,
    Anchor,
    FindingState,
    FindingStatus,
    Severity,
    TrackedFinding,
)
from batch_action.models.report import (
    DestinationResult,
    FileStatus,
    FileStatuses,
    RunReport,
    Spending,
)
from batch_action.publishers.markers import LONGEST_TITLE
from batch_action.text import plural

SIGNS = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
}
STATES = {
    FindingState.NEW: "🆕 new",
    FindingState.OPEN: "open",
    FindingState.RECHECKING: "🔁 being re-checked",
    FindingState.FIXED: "✅ fixed",
    FindingState.BACK: "↩️ back",
    FindingState.DISMISSED: "dismissed",
    FindingState.IGNORED: "ignored",
}
LONGEST_PATH = 90
LONGEST_NOTE = 500
LONGEST_REMARK = 60


def verdict(statuses: Sequence[FindingStatus], *, guarded: bool) -> str:
    """One sentence: what is open, how bad, and what tonight changed.

    *guarded*: findings may be held back here, so silence must not sound like a clean bill.
    """
    live = [s.tracked for s in statuses if s.tracked.state in OPEN_STATES]
    nothing = "Nothing open that may be shown here" if guarded else "Nothing open"
    open_now = plural(len(live), "open finding") if live else nothing
    worst = [
        f"{count} {severity.value}"
        for severity in (Severity.CRITICAL, Severity.HIGH)
        if (count := sum(known.severity is severity for known in live))
    ]
    batch_answers = changes(statuses)
    return (
        ", ".join([open_now, *worst])
        + (f"; {batch_answers} tonight" if batch_answers else "")
        + "."
    )


def changes(statuses: Iterable[FindingStatus]) -> str:
    """`2 new, 1 fixed, 1 back`; empty when nothing changed."""
    states = [s.tracked.state for s in statuses if s.changed]
    told = ((FindingState.NEW, "new"), (FindingState.FIXED, "fixed"), (FindingState.BACK, "back"))
    return ", ".join(f"{states.count(s)} {word}" for s, word in told if s in states)


def dollars(amount: float | None) -> str:
    """`$0.41`, four places below a cent; `unpriced` when unknown, never $0 for that."""
    if amount is None:
        return "unpriced"
    if 0 < amount < 0.0001:  # noqa: PLR2004 - the smallest amount with four places
        return "less than $0.0001"
    return f"${amount:.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"  # noqa: PLR2004 - a cent


def cost_line(spending: Spending) -> str:
    """What this run cost, what it would have cost otherwise, and the month so far."""
    cost = spending.cost
    if not cost.priced:
        return "this run unpriced: the price of this model is not known"
    parts = [f"this run {dollars(spending.paid_usd)}"]
    if not spending.batched:
        parts[0] += " (interactive, at full price)"
    first = ("interactive", cost.interactive_usd) if spending.batched else ("batch", cost.batch_usd)
    others = (first, ("batch + cache", cost.batch_cached_usd))
    told = [f"{name} {dollars(amount)}" for name, amount in others if amount is not None]
    if told:
        parts.append(f"would have been (counterfactual): {', '.join(told)}")
    if spending.month_usd is not None:
        parts.append(f"month so far {dollars(spending.month_usd)}")
    parts.append(f"{spending.cache_share:.0%} of input from cache{_cache_paid(spending)}")
    return " · ".join(parts)


def _cache_paid(spending: Spending) -> str:
    saved = spending.cache_saved_usd
    if saved is None:
        return ""
    told = f"saved {dollars(saved)}" if saved >= 0 else f"cost {dollars(-saved)} more"
    return f", which {told}, its warm-up counted"


def receipt_line(receipt: FileStatuses) -> str:
    """`12 files: 10 reviewed, 2 in the backlog`."""
    counts = [f"{n} {account.value}" for account in FileStatus if (n := receipt.count(account))]
    files = plural(len(receipt.entries), "file")
    return f"{files}: {', '.join(counts)}" if counts else files


def skipped_line(receipt: FileStatuses) -> str:
    """`5 skipped by the submit: 3 binary, 2 lock-file`; empty when there were none."""
    if not receipt.skipped:
        return ""
    total = sum(count for _, count in receipt.skipped)
    return f"{total} skipped by the submit: " + ", ".join(
        f"{n} {why}" for why, n in receipt.skipped
    )


def permalink(anchor: Anchor, report: RunReport) -> str | None:
    """The lines on GitHub at the reviewed commit; None without a repository there."""
    if report.repository is None:
        return None
    path = path_url(anchor.path)
    # Rendered Markdown has no lines to point at.
    view = "?plain=1" if path.lower().endswith((".md", ".markdown")) else ""
    lines = f"#L{anchor.start_line}"
    if anchor.end_line != anchor.start_line:
        lines += f"-L{anchor.end_line}"
    return f"{report.server_url}/{report.repository}/blob/{anchor.commit}/{path}{view}{lines}"


def shortened(path: str) -> str:
    """The end of a path that is too long to read; not yet escaped."""
    return path if len(path) <= LONGEST_PATH else "…" + path[1 - LONGEST_PATH :]


def place(anchor: Anchor, report: RunReport) -> str:
    """`path:10-12` as a link where there is something to link to."""
    lines = f"{anchor.start_line}"
    if anchor.end_line != anchor.start_line:
        lines += f"-{anchor.end_line}"
    text = html_code(f"{shortened(anchor.path)}:{lines}")
    url = permalink(anchor, report)
    return f"[{text}]({url})" if url else text


def link(label: str, url: str | None) -> str:
    """A label of ours as a link, where the address is one."""
    address = href(url) if url else ""
    return f"[{label}]({address})" if address else label


def deed(delivered: DestinationResult) -> str:
    """What became of a destination: `issue: updated, [#12](…), 3 new, 1 fixed, 12 open. Note.`."""
    where = f"#{delivered.number}" if delivered.number else "open it"
    counts = (("new", delivered.new), ("fixed", delivered.fixed), ("open", delivered.open))
    parts = [
        f"{delivered.destination}: {delivered.action}",
        *([link(where, delivered.url)] if delivered.url or delivered.number else []),
        *(f"{count} {word}" for word, count in counts if count),
    ]
    note = f". {inline(delivered.note, LONGEST_NOTE)}" if delivered.note else ""
    return ", ".join(parts) + note


def severity(known: TrackedFinding) -> str:
    """Sign and word."""
    return f"{SIGNS[known.severity]} {known.severity.value}"


def title(known: TrackedFinding) -> str:
    """The title, escaped; every finding has one."""
    return inline(known.title, LONGEST_TITLE) or "Untitled finding"


def state(standing: FindingStatus) -> str:
    """The state's word, with the note and whether it is older than the change."""
    # `fixed (in 1a2b3c4)`: the word is said once.
    said = remark(standing).removeprefix(f"{standing.tracked.state.value} ")
    note = f" ({said})" if said else ""
    older = ", pre-existing" if standing.tracked.pre_existing else ""
    return STATES[standing.tracked.state] + note + older


def remark(standing: FindingStatus) -> str:
    """What became of it, or what a comment in the code says for it; as Markdown."""
    return ours(standing.note or standing.tracked.reason, LONGEST_REMARK)


def line(standing: FindingStatus) -> str:
    """A finding as one item of a list."""
    known = standing.tracked
    note = f" · {said}" if (said := remark(standing)) else ""
    path = html_code(known.anchor.path, LONGEST_PATH)
    return f"- {severity(known)} · {title(known)} · {path}{note}"


def row(standing: FindingStatus, report: RunReport) -> tuple[str, ...]:
    """A finding's cells in a table: severity, title, place, state."""
    known = standing.tracked
    return severity(known), title(known), place(known.anchor, report), state(standing)


def dated(standing: FindingStatus, report: RunReport) -> FindingStatus:
    """With the day of its birth and of its fix, if tonight is that day."""
    known = standing.tracked
    fixed = known.state is FindingState.FIXED
    dates = {"since": known.since or report.date, "closed": known.closed or report.date}
    known = replace(known, since=dates["since"], closed=dates["closed"] if fixed else "")
    return replace(standing, tracked=known)


def as_before(standing: FindingStatus, told: FindingState | None) -> FindingStatus:
    """What was new on the last night is still called so on a quiet one after it."""
    if standing.tracked.state is FindingState.OPEN and told in (
        FindingState.NEW,
        FindingState.BACK,
    ):
        return replace(standing, tracked=replace(standing.tracked, state=told))
    return standing
