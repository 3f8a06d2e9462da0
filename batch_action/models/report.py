"""The report of a run: file statuses, spending, and what was published at each destination."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum, unique
from operator import attrgetter

from batch_action.models.explanation import ExplanationReply
from batch_action.models.findings import FileVerdict, FindingStatus, Reconciliation, TrackedFinding
from batch_action.models.generated import GeneratedFile, RefusedFile
from batch_action.models.ledger import Usage
from batch_action.models.requests import Cost
from batch_action.text import task_title


@unique
class FileStatus(StrEnum):
    """The status of a selected file after a run."""

    REVIEWED = "reviewed"
    IN_FLIGHT = "in flight"
    BACKLOG = "in the backlog"
    REFUSED = "refused by the model"
    WITHDRAWN = "withdrawn"
    GIVEN_UP = "given up"
    NOT_REVIEWABLE = "cannot be reviewed"
    """Kept out by its content or by a name that is not UTF-8."""
    SKIPPED = "skipped"
    """Kept out by a default ignore, which nobody of this repository wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStatusEntry:
    """The status of one file, with its reason."""

    path: str
    status: FileStatus
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStatuses:
    """The status of every selected file of a run, by path."""

    reviewed: tuple[str, ...]
    """Paths: of these, which may be tens of thousands, there is no more to say."""
    others: tuple[FileStatusEntry, ...]
    skipped: tuple[tuple[str, int], ...] = ()
    """(reason, number of files) that the submit skipped; its job summary lists the files."""

    @classmethod
    def of(
        cls, entries: Iterable[FileStatusEntry], skipped: tuple[tuple[str, int], ...] = ()
    ) -> "FileStatuses":
        """Return the statuses with these entries, one for each path."""
        ordered = sorted(entries, key=attrgetter("path"))
        return cls(
            reviewed=tuple(e.path for e in ordered if e.status is FileStatus.REVIEWED),
            others=tuple(e for e in ordered if e.status is not FileStatus.REVIEWED),
            skipped=skipped,
        )

    def __iter__(self) -> Iterator[FileStatusEntry]:
        reviewed = (FileStatusEntry(path=p, status=FileStatus.REVIEWED) for p in self.reviewed)
        return heapq.merge(reviewed, self.others, key=attrgetter("path"))

    def __len__(self) -> int:
        return len(self.reviewed) + len(self.others)

    def count(self, status: FileStatus) -> int:
        """Count the files with this status."""
        if status is FileStatus.REVIEWED:
            return len(self.reviewed)
        return sum(entry.status is status for entry in self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """What collected batches cost, and what the same requests would have cost one by one.

    Amounts in US dollars, of the batches whose cost is known.
    """

    batches: int = 0
    unknown_batches: int = 0
    """Those whose cost is not known: no amount contains it."""
    interactive_usd: float = 0.0
    """At the interactive price, without prompt cache."""
    paid_usd: float = 0.0
    cache_saved_usd: float = 0.0
    """The part that the prompt cache has saved, negative when it cost more."""
    prompt_tokens: int = 0
    """All input tokens, cached ones included."""
    cache_read_tokens: int = 0

    def __add__(self, other: "Savings") -> "Savings":
        names = (field.name for field in fields(self))
        return Savings(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def is_known(self) -> bool:
        """Whether the amounts say anything: there is no batch, or one of known cost."""
        return not self.batches or self.batches > self.unknown_batches

    @property
    def saved_usd(self) -> float:
        """What batch and prompt cache have saved together."""
        return self.interactive_usd - self.paid_usd

    @property
    def cache_share(self) -> float:
        """The share of all input tokens that was read from the cache, 0 to 1."""
        return self.cache_read_tokens / self.prompt_tokens if self.prompt_tokens else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsByPeriod:
    """The savings of a run, of the month so far (UTC), and of all runs, for one or more tasks."""

    run: Savings = Savings()
    month: Savings = Savings()
    total: Savings = Savings()

    def __add__(self, other: "SavingsByPeriod") -> "SavingsByPeriod":
        return SavingsByPeriod(
            run=self.run + other.run,
            month=self.month + other.month,
            total=self.total + other.total,
        )

    @staticmethod
    def sum(items: "Iterable[SavingsByPeriod]") -> "SavingsByPeriod":
        """Return the sum over several tasks."""
        return sum(items, SavingsByPeriod())


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The cost of a run, of the alternatives to it, and of the month to date."""

    usage: Usage
    cost: Cost
    """From the usage that the API returned, at each price."""
    month_to_date_usd: float | None
    cache_share: float
    """Cached share of all input tokens, 0 to 1."""
    cache_saved_usd: float | None = None
    """What the prompt cache saved, net of the warm-up; negative when it cost more; None when it was
    not used or the price is unknown."""
    batched: bool = True
    """Whether the requests were sent in batches, not synchronously at the interactive price."""
    savings: SavingsByPeriod = SavingsByPeriod()

    @property
    def paid_usd(self) -> float | None:
        """The billed cost; None when the price is unknown."""
        return self.cost.batch_usd if self.batched else self.cost.interactive_usd

    @property
    def saved_usd(self) -> float | None:
        """The savings against the interactive price; None when the price is unknown."""
        full, paid = self.cost.interactive_usd, self.paid_usd
        return None if full is None or paid is None else full - paid


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthOfFindings:
    """What happened to findings in a month, UTC."""

    month: str
    """`2026-11`."""
    found: int
    fixed: int
    dismissed: int
    usd: float
    """Of the batches collected in it, without those of unknown price."""
    median_days_to_fix: float | None = None
    """Of those fixed in it, from the first report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRule:
    """A rule that people muted, or that may be muted because they hardly act on it."""

    rule: str
    """A slug."""
    upheld: int
    """How many of its findings people fixed or confirmed."""
    verdicts: int
    """How many of its findings people fixed, confirmed, dismissed or accepted."""
    muted: bool

    @property
    def checkbox_id(self) -> str:
        """The id of the box that mutes the rule, or has it reported again."""
        return rule_checkbox_id(self.rule, mutes=not self.muted)


def rule_checkbox_id(rule: str, *, mutes: bool) -> str:
    """Return 16 hex digits of the box that mutes a rule, or else has it reported again."""
    text = f"{'mute' if mutes else 'report'}\0{rule}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What reports say about a collect besides the findings."""

    task: str
    repository: str | None
    server_url: str
    commit: str
    run_url: str | None
    batch_ids: tuple[str, ...]
    model: str
    date: str
    """ISO date of the collect."""
    file_statuses: FileStatuses
    spending: Spending | None
    repository_id: str = "local"
    """GitHub's numeric id as text; it survives renames."""
    ref: str = ""
    """`refs/heads/<branch>` or `refs/pull/<number>/head`: where the reviewed commit is."""
    pull_request: int | None = None
    """Number of the reviewed pull request; None for a branch."""
    is_on_github: bool = True
    """Whether the reviewed commit can be linked to; that of a patch exists only here."""
    state_key: str = ""
    """The input `state-key`: separates several ledgers of one task."""
    last_month: MonthOfFindings | None = None
    """The last complete month; None when nothing happened in it, or `statistics` is off."""
    judged_rules: tuple[JudgedRule, ...] = ()
    """Empty when `statistics` is off."""
    file_verdicts: tuple[FileVerdict, ...] = ()
    generated: tuple[GeneratedFile, ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    """Generated files that failed a check."""
    explanations: tuple[ExplanationReply, ...] = ()
    """What people are told who asked to have a finding explained."""

    @property
    def commands_only(self) -> bool:
        """Whether no batch ended: only user commands are processed, nothing was reviewed."""
        return not self.batch_ids

    @property
    def title(self) -> str:
        """The task with its `state-key`: `code-review (web)`."""
        return task_title(self.task, self.state_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationResult:
    """The result of publishing to one destination, read back from it."""

    destination: str
    action: str
    """`created`, `updated`, `unchanged`, `closed`, `reopened`, `muted`, `written`, `sent`,
    `skipped`, `refused`, `failed`."""
    number: int | None = None
    url: str | None = None
    new: int = 0
    """Number of findings, as are `fixed` and `open`."""
    fixed: int = 0
    open: int = 0
    note: str = ""
    """One sentence for people: what was left out, or why nothing was published."""
    warning: str = ""
    """Sentences for people about what GitHub refused besides the findings."""
    suppressed: tuple[tuple[str, int], ...] = ()
    """Number of suppressed findings by reason: `max-findings`, `max-issues` or `public`."""
    ids: tuple[str, ...] = ()
    """Ids of what was written: issue numbers, comment ids or an analysis id."""

    @property
    def is_undelivered(self) -> bool:
        """Whether nothing was delivered."""
        return self.action in ("refused", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """The result of one collect: the status of the findings, and where they were published."""

    report: RunReport
    reconciliation: Reconciliation
    results: tuple[DestinationResult, ...]
    warnings: tuple[str, ...] = ()
    """Sentences for people about what failed."""

    @property
    def statuses(self) -> tuple[FindingStatus, ...]:
        """The status of every finding, worst first."""
        return self.reconciliation.statuses

    @property
    def visible(self) -> tuple[FindingStatus, ...]:
        """The statuses that every destination may show; code scanning shows all."""
        return self.reconciliation.visible


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingIssueState:
    """The state of the rolling issue, read from its markers."""

    head: str
    """The newest commit that it reported; empty when unknown."""
    batches: tuple[str, ...]
    """The batches of the last run that it reported."""
    just_opened: bool
    """Whether that run opened the issue: opening it was the notification."""
    tracked: tuple[TrackedFinding, ...]
    blocks: dict[str, str]
    """Fingerprint to the text between its markers, with people's edits; it is never rewritten."""
    left_out: tuple[str, ...] = ()
    """The parts about what the first run did not list, with their markers."""
    footer: str = ""
    """The end of the body, from the file statuses on; a run without answers keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueDraft:
    """The rolling issue as it is to be written."""

    title: str
    body: str
    overflow: tuple[str, ...]
    """Comments with the findings that exceed the body's limit."""
    comment: str | None
    """The notification of new, fixed and back findings, posted once; a new issue needs none."""
    open: bool
    """Whether there are open findings, disputed ones included."""
    labels: tuple[str, ...]
    fingerprints: frozenset[str]
    """Fingerprints of all findings in the body and the overflow comments."""
    suppressed: tuple[tuple[str, int], ...] = ()
    """Number of suppressed findings by reason; see `DestinationResult`."""
    assignees: tuple[str, ...] = ()
