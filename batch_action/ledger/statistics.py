"""What became of all findings: counted from the ledger's facts, whatever the destinations hold."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch_action.ledger.endings import endings
from batch_action.ledger.view import LedgerView
from batch_action.models.fact import Ending
from batch_action.models.findings import (
    OPEN_STATES,
    Dismissal,
    FindingState,
    FindingStatus,
    Severity,
    can_be_muted,
)
from batch_action.models.ledger import (
    Changed,
    Collected,
    Confirmed,
    Dismissed,
    Fact,
    FoundFinding,
    HiddenFindings,
    Muted,
)
from batch_action.models.report import JudgedRule, MonthOfFindings, rule_checkbox_id
from batch_action.models.verification import Verification
from batch_action.models.verification_facts import Verified
from batch_action.text import slug

HIDDEN = "hidden-security"
"""The category of security findings that are hidden; they have no rule."""
MIN_VERDICTS = 10
"""How many findings of a rule must have ended before the rule is judged."""
MIN_UPHELD_SHARE = 0.2
ENDINGS = ("fixed", "dismissed", "accepted", "closed", "open")
"""What a finding can be now: each is exactly one of these."""
VERDICTS = ("fixed", "dismissed", "accepted")
"""The endings that people decide."""
UPHOLDING = ("fixed", "confirmed")
"""The verdicts in favour of a finding; the others are against it."""


@dataclass(frozen=True, slots=True)
class FindingHistory:
    """A finding that was reported, and what it is now."""

    finding: FoundFinding
    found_at: datetime
    now: str
    """One of `ENDINGS`."""
    since: datetime
    reason: str = ""
    """Why it was dismissed, if a reason was given."""
    confirmed_at: datetime | None = None
    """When a person confirmed it; None for a dismissed one."""
    is_disputed: bool = False
    """Whether a second request has refuted it, which is no verdict of people."""

    @property
    def verdict(self) -> tuple[str, datetime] | None:
        """What people have decided and when: one of `VERDICTS`, else `confirmed`."""
        if self.now in VERDICTS:
            return self.now, self.since
        return None if self.confirmed_at is None else ("confirmed", self.confirmed_at)

    @property
    def days_to_fix(self) -> float | None:
        """The days from the first report to the fix; None unless it is known and fixed."""
        seconds = (self.since - self.found_at).total_seconds()
        is_known = self.now == "fixed" and self.finding.category != HIDDEN
        return seconds / 86_400 if is_known else None

    @property
    def can_be_muted(self) -> bool:
        """Whether people may mute findings like this one."""
        return can_be_muted(self.finding.severity, security=self.finding.security)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many findings of a kind were found, and what they are now."""

    found: int
    now: dict[str, int]
    """By each of `ENDINGS`; the sum is `found`."""
    confirmed: int = 0
    """How many a person has confirmed, whatever they are now; none of the dismissed ones."""
    disputed: int = 0
    """How many a second request has refuted, whatever they are now."""
    reasons: dict[str, int] = field(default_factory=dict)
    """The reasons of the dismissals; those without one are not in here."""
    median_days_to_fix: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The statistics of one ledger."""

    total: Counts
    by_category: dict[str, Counts]
    by_rule: dict[tuple[str, str], Counts]
    """By category and rule."""
    months: tuple[MonthOfFindings, ...]
    """Oldest first, without those in which nothing happened."""
    usd: float
    """What all collected batches have cost, without those of unknown price."""
    unknown_batches: int

    @property
    def usd_per_fixed(self) -> float | None:
        """US dollars per finding that was acted upon; None while there is none."""
        fixed = self.total.now["fixed"]
        return self.usd / fixed if fixed else None


def changes_of(
    view: LedgerView, statuses: Iterable[FindingStatus], *, at: datetime, run: str, hides: bool
) -> tuple[Changed, ...]:
    """Return the fact about what these findings have become since the ledger's last one, if any.

    *hides*: whether security findings are hidden, so that the ledger only counts them.
    """
    visible: list[FindingStatus] = []
    hidden: list[FindingStatus] = []
    for status in statuses:
        (hidden if hides and status.tracked.security else visible).append(status)
    counts = _count_hidden(hidden)
    is_same = counts == HiddenFindings(open=_hidden_open(view))
    before = {fingerprint: now for fingerprint, (_, now, _) in endings(view).items()}
    found: list[FoundFinding] = []
    became: dict[Ending, list[str]] = {}
    for status in visible:
        tracked, now = status.tracked, _ending_of(status)
        known = before.get(tracked.fingerprint)
        if now is None or now == known:
            continue
        if known is not None:
            became.setdefault(now, []).append(tracked.fingerprint)
        elif now == "open":
            found.append(
                FoundFinding(
                    fingerprint=tracked.fingerprint,
                    rule=slug(tracked.rule),
                    category=slug(tracked.category) or "other",
                    severity=tracked.severity,
                    security=tracked.security,
                )
            )
    if is_same and not (found or became):
        return ()
    sorted_names = {name: tuple(sorted(became[name])) for name in sorted(became)}
    return (
        Changed(
            at=at,
            run=run,
            found=tuple(found),
            became=sorted_names,
            hidden=None if is_same else counts,
        ),
    )


def _count_hidden(statuses: Iterable[FindingStatus]) -> HiddenFindings:
    """Count what this run has changed, which a run that is published again counts again."""
    new = Counter(s.tracked.state for s in statuses if s.changed)
    endings = Counter(_ending_of(s) for s in statuses if s.changed)
    return HiddenFindings(
        found=new[FindingState.NEW],
        fixed=endings["fixed"],
        closed=endings["closed"],
        back=new[FindingState.BACK],
        open=sum(s.tracked.state in OPEN_STATES for s in statuses),
    )


def _hidden_facts(view: LedgerView) -> list[tuple[datetime, HiddenFindings]]:
    facts = sorted(view.facts(Changed), key=lambda x: (x.at, x.run))
    return [(fact.at, fact.hidden) for fact in facts if fact.hidden]


def _hidden_open(view: LedgerView) -> int:
    facts = _hidden_facts(view)
    return facts[-1][1].open if facts else 0


def _hidden_histories(view: LedgerView) -> Iterator[FindingHistory]:
    """Yield as many findings as are counted; which of them was fixed is not known."""
    finding = FoundFinding(
        fingerprint="0" * 16, rule="", category=HIDDEN, severity=Severity.LOW, security=True
    )
    open_since: list[datetime] = []
    ended: list[FindingHistory] = []
    for at, counts in _hidden_facts(view):
        for item in [x for x in reversed(ended) if x.now != "dismissed"][: counts.back]:
            ended.remove(item)
            open_since.append(item.found_at)
        open_since += [at] * max(counts.found, _missing(counts, len(open_since)))
        # What is not open any more without a fix was dismissed or accepted.
        rest = len(open_since) - counts.fixed - counts.closed - counts.open
        for now, number in (
            ("fixed", counts.fixed),
            ("closed", counts.closed),
            ("dismissed", max(0, rest)),
        ):
            ended += [FindingHistory(finding, since, now, at) for since in open_since[:number]]
            del open_since[:number]
    yield from ended
    yield from (FindingHistory(finding, since, "open", since) for since in open_since)


def _missing(counts: HiddenFindings, known: int) -> int:
    """Return how many findings must be new, whatever an older ledger has lost."""
    return counts.fixed + counts.closed + counts.open - known


def _ending_of(status: FindingStatus) -> Ending | None:
    """Return what a finding is now; None when that says nothing about it."""
    tracked = status.tracked
    match tracked.state:
        case FindingState.DISMISSED:
            return None  # There is a fact of its own.
        case FindingState.IGNORED:
            return "accepted"
        case FindingState.FIXED if tracked.ignored_by:
            return None
        case FindingState.FIXED:
            # Without a change of its code the anchor is at the commit that closed it.
            return "closed" if tracked.closing_commit == tracked.anchor.commit else "fixed"
        case _:
            return "open"


def histories(view: LedgerView) -> Iterator[FindingHistory]:
    """Yield each finding that was reported; a dismissal by a person counts before all else."""
    dismissed = {fact.fingerprint: fact for fact in view.facts(Dismissed)}
    confirmed = {fact.fingerprint: fact.at for fact in view.facts(Confirmed)}
    verified = view.facts(Verified)
    disputed = {fact.fingerprint for fact in verified if fact.result is Verification.DISPUTED}
    for fingerprint, ((finding, found_at), now, since) in endings(view).items():
        is_disputed = fingerprint in disputed
        if (dismissal := dismissed.get(fingerprint)) is not None:
            yield FindingHistory(
                finding,
                found_at,
                "dismissed",
                dismissal.at,
                dismissal.reason or "",
                is_disputed=is_disputed,
            )
        else:
            yield FindingHistory(
                finding,
                found_at,
                now,
                since,
                confirmed_at=confirmed.get(fingerprint),
                is_disputed=is_disputed,
            )
    yield from _hidden_histories(view)


def compute(view: LedgerView) -> Statistics:
    """Compute the statistics of a ledger."""
    known = list(histories(view))
    by_category: dict[str, list[FindingHistory]] = {}
    by_rule: dict[tuple[str, str], list[FindingHistory]] = {}
    for item in known:
        by_category.setdefault(item.finding.category, []).append(item)
        if item.finding.rule:
            by_rule.setdefault((item.finding.category, item.finding.rule), []).append(item)
    collected = view.facts(Collected)
    return Statistics(
        total=count(known),
        by_category={name: count(items) for name, items in sorted(by_category.items())},
        by_rule={name: count(items) for name, items in sorted(by_rule.items())},
        months=tuple(_months(known, collected)),
        usd=sum(fact.cost_usd or 0.0 for fact in collected),
        unknown_batches=sum(fact.cost_usd is None for fact in collected),
    )


def count(items: Iterable[FindingHistory]) -> Counts:
    """Count findings by what they are now."""
    items = list(items)
    now = Counter(item.now for item in items)
    days = [item.days_to_fix for item in items if item.days_to_fix is not None]
    reasons = Counter(item.reason for item in items if item.reason)
    return Counts(
        found=len(items),
        now={name: now[name] for name in ENDINGS},
        confirmed=sum(item.confirmed_at is not None for item in items),
        disputed=sum(item.is_disputed for item in items),
        reasons=dict(sorted(reasons.items())),
        median_days_to_fix=statistics.median(days) if days else None,
    )


def _months(
    known: Iterable[FindingHistory], collected: Iterable[Collected]
) -> Iterator[MonthOfFindings]:
    found, ended = Counter[str](), Counter[tuple[str, str]]()
    days: dict[str, list[float]] = {}
    for item in known:
        found[_month(item.found_at)] += 1
        ended[_month(item.since), item.now] += 1
        if item.days_to_fix is not None:
            days.setdefault(_month(item.since), []).append(item.days_to_fix)
    dollars: dict[str, float] = {}
    for fact in collected:
        dollars[_month(fact.at)] = dollars.get(_month(fact.at), 0.0) + (fact.cost_usd or 0.0)
    for month in sorted({*found, *(name for name, _ in ended), *dollars}):
        yield MonthOfFindings(
            month=month,
            found=found[month],
            fixed=ended[month, "fixed"],
            dismissed=ended[month, "dismissed"],
            usd=dollars.get(month, 0.0),
            median_days_to_fix=statistics.median(days[month]) if month in days else None,
        )


def _month(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def last_month(view: LedgerView, now: datetime) -> MonthOfFindings | None:
    """Return the last complete month; None if no finding was found or ended in it.

    Without hidden findings: this is for everybody to read.
    """
    before = _month(now.replace(day=1) - timedelta(days=1))
    visible = [item for item in histories(view) if item.finding.category != HIDDEN]
    months = {month.month: month for month in _months(visible, view.facts(Collected))}
    month = months.get(before)
    return month if month and (month.found or month.fixed or month.dismissed) else None


def judge_rules(view: LedgerView) -> tuple[JudgedRule, ...]:
    """Return the muted rules, and those that people fix or confirm in less than a fifth of cases.

    Only findings that can be muted count, and after a rule was reported again only later verdicts.
    """
    newest = {fact.rule: fact for fact in sorted(view.facts(Muted), key=lambda x: x.at)}
    verdicts: dict[str, list[str]] = {rule: [] for rule in newest}
    for item in histories(view):
        rule, fact = item.finding.rule, newest.get(item.finding.rule)
        if item.verdict is None or not (item.can_be_muted and rule):
            continue
        decision, at = item.verdict
        if fact is None or fact.muted or at > fact.at:
            verdicts.setdefault(rule, []).append(decision)
    judged = (
        JudgedRule(
            rule=rule,
            upheld=sum(decision in UPHOLDING for decision in decisions),
            verdicts=len(decisions),
            muted=rule in newest and newest[rule].muted,
        )
        for rule, decisions in sorted(verdicts.items())
    )
    return tuple(x for x in judged if x.muted or _is_hardly_upheld(x))


def _is_hardly_upheld(judged: JudgedRule) -> bool:
    return judged.verdicts >= MIN_VERDICTS and judged.upheld / judged.verdicts < MIN_UPHELD_SHARE


def muted_rules(view: LedgerView) -> frozenset[str]:
    """Return the slugs of the rules that people muted, unless they are reported again."""
    newest = {fact.rule: fact.muted for fact in sorted(view.facts(Muted), key=lambda x: x.at)}
    return frozenset(rule for rule, is_muted in newest.items() if is_muted)


def read_rule_ticks(
    view: LedgerView, ticks: Iterable[Dismissal], now: datetime
) -> tuple[list[Dismissal], list[Fact]]:
    """Return the dismissals that are about findings, and what ticked boxes of rules ask for.

    A box that was ticked before its text could be written again asks for nothing more.
    """
    named = {fact.rule for fact in view.facts(Muted)}
    boxes = {
        rule_checkbox_id(rule, mutes=mutes): (rule, mutes)
        for rule in named | {judged.rule for judged in judge_rules(view)}
        for mutes in (True, False)
    }
    muted = muted_rules(view)
    about_findings = [tick for tick in ticks if tick.fingerprint not in boxes]
    facts: list[Fact] = [
        Muted(rule=rule, muted=mutes, actor=tick.actor, source=tick.source, at=now)
        for tick in ticks
        if tick.fingerprint in boxes
        for rule, mutes in [boxes[tick.fingerprint]]
        if mutes is not (rule in muted)
    ]
    return about_findings, facts
