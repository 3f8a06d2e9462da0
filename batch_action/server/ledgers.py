"""The repositories' ledgers, read as every run reads them: the same names, the same trust."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch_action.config.server import LedgerConfig
from batch_action.errors import GitHubError
from batch_action.ledger.artifacts import ArtifactReader
from batch_action.ledger.trust import LedgerAccess
from batch_action.ledger.view import LedgerView
from batch_action.models.github import Repository
from batch_action.models.ledger import Collected, Ledger
from batch_action.server.context import RepositoryClient, ServerContext
from batch_action.server.log import problem
from batch_action.server.store import BatchRecord, BatchStatus

READ_EVERY = timedelta(minutes=5)
RETRY_AFTER = timedelta(minutes=1)
"""Between two reads of a ledger that could not be read."""


@dataclass(slots=True, kw_only=True)
class RemoteLedger:
    """One ledger of one repository, as it was read last."""

    name: str
    repository: RepositoryClient
    config: LedgerConfig
    ledger: Ledger | None = None
    default_branch: str = ""
    read_at: datetime | None = None
    """When it was read last, or could not be."""
    problem: str = ""
    refused: set[int] = field(default_factory=set)
    """Artifacts that were refused, and logged, already."""

    @property
    def interval(self) -> timedelta:
        """How often it is read."""
        return RETRY_AFTER if self.problem else READ_EVERY

    def age(self, now: datetime) -> timedelta:
        """Return the time since it was read."""
        return now - self.read_at if self.read_at else timedelta.max

    def pending(self, now: datetime) -> list[BatchRecord]:
        """Return the batches that were sent and not collected."""
        return [
            BatchRecord(
                id=batch.sent.batch,
                status=BatchStatus.PENDING,
                ledger=self.name,
                repository=self.repository.config.repository,
                requests=len(batch.request_keys),
                created_at=batch.sent.created_at,
                expires_at=batch.sent.expires_at,
                changed_at=now,
            )
            for batch in (LedgerView(self.ledger).pending_batches if self.ledger else ())
        ]


class RemoteLedgers:
    """All ledgers of all listed repositories."""

    def __init__(self, ctx: ServerContext) -> None:
        self._ctx = ctx
        self.by_name = {
            ledger.name: ledger
            for repository in ctx.repositories
            for ledger in _ledgers_of(repository)
        }
        """In the order of the file."""
        ctx.store.release_other_ledgers(self.by_name)

    def is_collected(self, batch: str) -> bool:
        """Return whether any ledger says that this batch was collected."""
        return any(
            fact.batch == batch
            for remote in self.by_name.values()
            if remote.ledger is not None
            for fact in LedgerView(remote.ledger).facts(Collected)
        )

    def refresh(self, max_age: timedelta = READ_EVERY) -> datetime:
        """Read every ledger that was not read for so long; return when the next one is due.

        One that cannot be read is logged, keeps what it is known to wait for, and stops no other.
        """
        for ledger in self.by_name.values():
            if ledger.age(self._ctx.clock()) >= min(max_age, ledger.interval):
                try:
                    self.read(ledger)
                except GitHubError as error:
                    self._record_problem(ledger, error)
        return min(s.read_at + s.interval for s in self.by_name.values() if s.read_at)

    def were_read_since(self, moment: datetime) -> bool:
        """Return whether every ledger was read, with success, after that."""
        return all(
            ledger.read_at and ledger.read_at > moment and not ledger.problem
            for ledger in self.by_name.values()
        )

    def read(self, remote: RemoteLedger, max_age: timedelta = timedelta()) -> None:
        """Read one ledger, unless it is younger than *max_age*. Raises GitHubError."""
        ctx = self._ctx
        if remote.ledger and not remote.problem and remote.age(ctx.clock()) < max_age:
            return
        info = remote.repository.client.repository_info()
        if remote.ledger is None or remote.ledger.repository != info.id:
            remote.ledger = Ledger(repository=info.id, task=remote.config.task)
        reader = ArtifactReader(
            access=_access(remote, info),
            actions=remote.repository.actions,
            clock=ctx.clock,
            known=frozenset(remote.ledger.merged_artifacts),
            refused_ids=remote.refused,
        )
        reader.read()
        remote.ledger, _ = reader.merge_into(remote.ledger)
        remote.default_branch = info.default_branch
        for refusal in reader.refused:
            ctx.log.warning("ledger", ledger=remote.name, problem=refusal)
        if remote.problem:
            ctx.log.info("ledger", ledger=remote.name, message="can be read again")
        now = ctx.clock()
        new = ctx.store.set_pending(remote.name, remote.pending(now), now)
        remote.read_at, remote.problem = now, ""
        if new:
            ctx.log.info("ledger", ledger=remote.name, pending=", ".join(new))
            ctx.watching.wake.set()

    def _record_problem(self, remote: RemoteLedger, error: GitHubError) -> None:
        if str(error) != remote.problem:
            self._ctx.log.warning("ledger", ledger=remote.name, **problem(error))
        remote.read_at, remote.problem = self._ctx.clock(), str(error)


def _ledgers_of(repository: RepositoryClient) -> list[RemoteLedger]:
    config = repository.config
    return [
        RemoteLedger(name=ledger.name, repository=repository, config=ledger)
        for ledger in config.ledgers
    ]


def _access(remote: RemoteLedger, info: Repository) -> LedgerAccess:
    """Return the access of a run that has uploaded no artifact itself."""
    repository, config = remote.repository, remote.repository.config
    branch = config.state_branch or info.default_branch
    return LedgerAccess(
        repository_id=info.id,
        task=remote.config.task,
        state_key=remote.config.state_key,
        run_id="serve",
        branches=frozenset({branch} - {""}),
        workflows=config.state_workflows,
        secrets=repository.secrets,
        pull_requests=remote.config.pull_requests,
    )
