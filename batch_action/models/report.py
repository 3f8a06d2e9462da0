"""What is told about a run: the receipt, the money, and what was delivered."""

from dataclasses import dataclass
from enum import StrEnum, unique

from batch_action.models.file_results import FileVerdict, GeneratedFile, RefusedFile
from batch_action.models.findings import FindingStatus, Reconciliation, TrackedFinding
from batch_action.models.ledger import Usage
from batch_action.models.requests import Cost


@unique
class FileStatus(StrEnum):
    """What became of a selected file."""

    REVIEWED = "reviewed"
    IN_FLIGHT = "in flight"
    BACKLOG = "in the backlog"
    REFUSED = "refused by the model"
    WITHDRAWN = "withdrawn"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStatusEntry:
    """One file of a receipt."""

    path: str
    status: FileStatus
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStatuses:
    """The account of every file of a run."""

    entries: tuple[FileStatusEntry, ...]
    skipped: tuple[tuple[str, int], ...] = ()
    """Reason and number of files that the submit left out; its summary names them."""

    def count(self, account: FileStatus) -> int:
        """How many files ended so."""
        return sum(entry.status is account for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What tonight cost, what it would have cost otherwise, and the month so far."""

    usage: Usage
    cost: Cost
    """From the usage the API returned; interactive and cached are counterfactuals."""
    month_usd: float | None
    cache_share: float
    """Cached input tokens as a share of all input tokens, 0 to 1."""
    cache_saved_usd: float | None = None
    """What the prompt cache saved, its warm-up counted; negative when it cost more. None: not used,
    or no price is known."""
    batched: bool = True
    """Asked in batches; else at once, at the interactive price."""

    @property
    def paid_usd(self) -> float | None:
        """What was billed."""
        return self.cost.batch_usd if self.batched else self.cost.interactive_usd

    @property
    def saved_usd(self) -> float | None:
        """What was saved against the same requests at full price; None when unpriced."""
        full, paid = self.cost.interactive_usd, self.paid_usd
        return None if full is None or paid is None else full - paid


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The circumstances of a collect that every report names."""

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
    discarded: int
    public: bool
    allow_public_security: bool
    max_findings: int
    repository_id: str = "local"
    """GitHub's numeric id as text: survives a rename of the repository."""
    labels: tuple[str, ...] = ()
    """The user's own labels for new issues, besides ours."""
    max_issues: int = 10
    """How many issues `issue-per-finding` opens in one run."""
    ref: str = ""
    """`refs/heads/<branch>` or `refs/pull/<number>/head`: where the reviewed commit stands."""
    pull: int | None = None
    """The pull request this night is about; None for a branch."""
    state_key: str = ""
    """Keeps several ledgers of one task apart, and what they write."""
    quiet: bool = False
    """No batch ended tonight: people's wishes are answered, nothing was reviewed."""
    assignees: tuple[str, ...] = ()
    """Logins that new issues are assigned to; GitHub leaves out who may not be."""
    file_verdicts: tuple[FileVerdict, ...] = ()
    generated: tuple[GeneratedFile, ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    """Generated files that failed a check."""

    @property
    def title(self) -> str:
        """The task, and what tells it from others of its name: `code-review (web)`."""
        return f"{self.task} ({self.state_key})" if self.state_key else self.task


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationResult:
    """What a destination holds after delivery, read back."""

    destination: str
    action: str
    """`created`, `updated`, `unchanged`, `closed`, `reopened`, `muted`, `written`, `sent`,
    `skipped`, `refused`, `failed`."""
    number: int | None = None
    url: str | None = None
    new: int = 0
    fixed: int = 0
    open: int = 0
    note: str = ""
    """One sentence for people: what was left out, or why nothing was delivered."""
    suppressed: tuple[tuple[str, int], ...] = ()
    """Why findings are not told here (`max-findings`, `max-issues`, `public`), and how many."""
    ids: tuple[str, ...] = ()
    """What was written, read back: issue numbers, comment ids, an analysis id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """All that one collect has to tell: what became of the findings, and where they went."""

    report: RunReport
    reconciled: Reconciliation
    results: tuple[DestinationResult, ...]
    warnings: tuple[str, ...] = ()
    """Sentences for people: what went wrong along the way."""

    @property
    def statuses(self) -> tuple[FindingStatus, ...]:
        """Every finding's standing, worst first."""
        return self.reconciled.statuses


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingIssueState:
    """What the rolling issue remembers, read from its markers."""

    schema: int
    task: str
    repository_id: str
    head: str
    """The newest commit it told about; empty when unknown."""
    batches: tuple[str, ...]
    """The batches of the night it told about last."""
    first: bool
    """That night opened the issue: opening it was the notification."""
    tracked: tuple[TrackedFinding, ...]
    blocks: dict[str, str]
    """Fingerprint to the text between its markers, people's words included; never re-worded."""
    footer: str = ""
    """The body's end, from the receipt on: a night without answers keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueDraft:
    """The rolling issue as it should read."""

    title: str
    body: str
    overflow: tuple[str, ...]
    """Comments that hold the findings for which the body has no room."""
    comment: str | None
    """The one notification, when something is new, fixed or back; a new issue needs none."""
    comment_marker: str
    """The first line of `comment`: posted once."""
    open: bool
    """Something is open."""
    labels: tuple[str, ...]
    fingerprints: frozenset[str]
    """All that body and overflow remember."""
    suppressed: tuple[tuple[str, int], ...] = ()
    """What keeps findings out of the body, and how many: see `Delivered`."""
    assignees: tuple[str, ...] = ()
