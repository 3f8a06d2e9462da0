"""Tonight's answers go to their destinations; what each says is computed before it is written.

Every destination that remembers is read first. What they know is joined and meets tonight's
verdicts once, and each is then brought to the same result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from batch_action.batches.results import Harvest
from batch_action.clients.github.errors import RefusedError
from batch_action.context import World
from batch_action.errors import BatchActionError, GitHubError
from batch_action.findings import baseline
from batch_action.findings.lifecycle import reconcile
from batch_action.ledger import view
from batch_action.models.file_results import Judgement, Ruling
from batch_action.models.findings import (
    LIVE,
    Bar,
    Dismissal,
    Recollection,
    Reconciled,
    Standing,
    State,
    Tonight,
)
from batch_action.models.ledger import Dismissed, Fact, Ledger, Recheck
from batch_action.models.report import Delivered, Night, Published
from batch_action.publishers import run_report
from batch_action.publishers.base import Desk
from batch_action.publishers.draft_pr import publisher as draft_pr
from batch_action.publishers.issue import publisher as issue
from batch_action.publishers.issue_per_finding import publisher as issue_per_finding
from batch_action.publishers.positions import locate, newest_first
from batch_action.publishers.sarif import publisher as sarif

DESKS: Mapping[str, Callable[[World, Tonight], Desk]] = {
    "issue": issue.desk,
    "issue-per-finding": issue_per_finding.desk,
    "sarif": sarif.desk,
    "draft-pr": draft_pr.desk,
}
"""The destinations that remember, in the order in which they are told."""

UNDELIVERED = ("refused", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The open desks with what each of them remembers."""

    desks: Mapping[str, Desk]
    recollections: tuple[Recollection, ...]
    """The one that told about the newest commit first."""
    refused: tuple[Delivered, ...] = ()
    """Destinations that GitHub does not let us read, and will not tomorrow either."""

    def wishes(self, ledger: Ledger, world: World) -> tuple[Fact, ...]:
        """What people asked for since, as facts the ledger does not hold yet."""
        have = {fact.key() for fact in ledger.facts}
        paths = {k.fingerprint: k.anchor.path for r in self.recollections for k in r.known}
        dismissed: list[Fact] = [
            Dismissed(fingerprint=d.fingerprint, by=d.by, where=d.where, at=world.now())
            for d in self.dismissals
        ]
        rechecks: list[Fact] = [
            Recheck(
                fingerprint=wish.fingerprint,
                path=paths[wish.fingerprint],
                by=wish.by,
                where=wish.where,
                seen=view.asking(ledger, paths[wish.fingerprint]),
                at=world.now(),
            )
            for recollection in self.recollections
            for wish in recollection.rechecks
            if wish.fingerprint in paths
        ]
        return tuple(fact for fact in (*dismissed, *rechecks) if fact.key() not in have)

    @property
    def pending(self) -> bool:
        """Whether a destination has something to say though nothing ended."""
        return any(recollection.pending for recollection in self.recollections)

    @property
    def dismissals(self) -> tuple[Dismissal, ...]:
        """What people dismissed, whatever the destination."""
        return tuple(d for r in self.recollections for d in r.dismissals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What publishing came to."""

    published: Published
    problem: BatchActionError | None = None
    """Something could not be delivered and is to be tried again: nothing counts as collected."""


def recall(
    world: World,
    tonight: Tonight,
    desks: Mapping[str, Desk] | None = None,
    inherited: Sequence[Recollection] = (),
) -> Recalled:
    """Read every destination that remembers. Raises GitHubError, ConfigError; writes nothing.

    *desks*: other ones than those of `report`. *inherited*: what is known from elsewhere, such as
    a merged pull request.
    """
    world.screen.doing = "reading the destinations"
    if desks is None:
        desks = {name: DESKS[name](world, tonight) for name in DESKS if _wanted(name, world)}
    found = list(inherited)
    refused: dict[str, Delivered] = {}
    for name, desk in desks.items():
        try:
            found.append(desk.recall())
        except RefusedError as error:
            if not error.lasting:
                raise
            refused[name] = _undelivered(name, error)
    return Recalled(
        desks={name: desk for name, desk in desks.items() if name not in refused},
        recollections=tuple(newest_first(found, world.git)),
        refused=tuple(refused.values()),
    )


def publish(
    world: World,
    ledger: Ledger,
    found: Harvest,
    tonight: Tonight,
    recalled: Recalled,
    *,
    pull: int | None = None,
    spent: Ledger | None = None,
) -> Outcome:
    """Bring every destination to what tonight says.

    *ledger* holds the collected facts and people's wishes; they are saved only when this has no
    problem. What one destination cannot take does not keep the others from theirs. *spent*: all
    that counts for the month, if that is more.
    """
    world.screen.doing = "publishing the findings"
    night = run_report.night_of(world, ledger, found, tonight, pull=pull, spent=spent)
    reconciled = _reconciled(world, ledger, tonight, recalled, night)
    delivered = list(recalled.refused)
    problem: BatchActionError | None = None
    for name, desk in recalled.desks.items():
        if world.settings.dry_run:
            break
        try:
            delivered.append(desk.deliver(reconciled, night))
        except GitHubError as error:
            delivered.append(_undelivered(name, error))
            if delivered[-1].action == "failed":
                problem = problem or error
    published = Published(
        night=replace(night, commit=reconciled.commit),
        reconciled=reconciled,
        delivered=tuple(delivered),
        warnings=tuple(f"{d.destination}: {d.note}" for d in delivered if d.action == "refused"),
    )
    return Outcome(
        published=published,
        problem=problem or undelivered(published, files_too="files" in world.settings.report),
    )


def too_severe(world: World, published: Published) -> list[Standing]:
    """New findings at or over `fail-on-severity`; empty when it is not set."""
    limit = world.settings.fail_on_severity
    if limit is None:
        return []
    return [
        standing
        for standing in published.standings
        if standing.changed
        and standing.known.state in (State.NEW, State.BACK)
        and standing.known.severity.rank <= limit.rank
    ]


def too_doubtful(world: World, published: Published) -> list[Judgement]:
    """Tonight's rulings at or over `fail-on-verdict`; empty when it is not set."""
    failing = {
        None: (),
        "invalid": (Ruling.INVALID,),
        "uncertain": (Ruling.INVALID, Ruling.UNCERTAIN),
    }[world.settings.fail_on_verdict]
    return [judgement for judgement in published.night.judgements if judgement.ruling in failing]


def _wanted(name: str, world: World) -> bool:
    return name in world.settings.report


def _undelivered(name: str, error: GitHubError) -> Delivered:
    """Refused for good, or failed for now."""
    refused = isinstance(error, RefusedError) and error.lasting
    return Delivered(destination=name, action="refused" if refused else "failed", note=str(error))


def _reconciled(
    world: World, ledger: Ledger, tonight: Tonight, recalled: Recalled, night: Night
) -> Reconciled:
    """What all destinations know meets tonight's verdicts."""
    known = {k.fingerprint: k for r in reversed(recalled.recollections) for k in r.known}
    words = {f: text for r in reversed(recalled.recollections) for f, text in r.words.items()}
    told = {batch for r in recalled.recollections for batch in r.batches}
    heads = [r.head for r in recalled.recollections if r.head]
    settings = world.settings
    complete = replace(
        tonight,
        dismissed=view.dismissed(ledger) | {d.fingerprint for d in recalled.dismissals},
        # A batch comes twice only when the run died, or failed, after it had written somewhere.
        again=not told.isdisjoint(night.batch_ids),
        bar=Bar(severity=settings.min_severity, confidence=settings.min_confidence),
        baseline=_baseline(world, world.rules_at(tonight.commit)),
        rechecking=frozenset(wish.fingerprint for wish in view.wishes(ledger)),
        rechecked=frozenset(
            wish.fingerprint for wish in view.granted(ledger, frozenset(night.batch_ids))
        ),
    )
    # A pull request's newest head is the one GitHub names, wherever it was pushed to.
    head = heads[0] if heads and night.pull is None else None
    placed = locate(complete, tuple(known.values()), world.git, head=head)
    return replace(reconcile(tuple(known.values()), placed), words=words)


def _baseline(world: World, commit: str) -> frozenset[str]:
    """The accepted fingerprints. Raises ConfigError: an unreadable file must not flood people."""
    name = world.settings.baseline_file
    data = world.git.file_at(commit, name) if world.git.has_commit(commit) else None
    if data is None:
        return frozenset()
    return frozenset(one.fingerprint for one in baseline.parsed(data, name).findings)


def undelivered(published: Published, *, files_too: bool) -> GitHubError | None:
    """An error when there is something to tell and every destination refused it: never green.

    *files_too*: generated files are also written into the workspace.
    """
    delivered = published.delivered
    live = [s for s in published.standings if s.known.state in LIVE]
    lost = [d for d in delivered if d.action in UNDELIVERED]
    nowhere = bool(live) and len(lost) == len(delivered) > 0
    unproposed = bool(published.night.generated) and any(d.destination == "draft-pr" for d in lost)
    if not (nowhere or (unproposed and not files_too)):
        return None
    reasons = " ".join(f"{d.destination}: {d.note}" for d in lost)
    return GitHubError(
        f"{len(live) if nowhere else len(published.night.generated)} "
        f"{'findings' if nowhere else 'generated files'} could not be delivered. {reasons}",
        fix="Mend one of these and run collect again: the answers are kept for 29 days.",
    )
