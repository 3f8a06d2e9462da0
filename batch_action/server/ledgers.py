"""The repositories' ledgers, read as every run reads them: the same names, the same trust."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from batch_action.config.settings import Settings
from batch_action.errors import GitHubError
from batch_action.ledger import merge, view
from batch_action.ledger.artifacts import Found, read_artifacts
from batch_action.models.dispatch import PendingBatchRecord
from batch_action.models.github import RepositoryInfo
from batch_action.models.github_context import GitHubContext
from batch_action.models.ledger import Collected, Ledger
from batch_action.server.context import RepositoryClient, ServerContext
from batch_action.server.log import problem

EVERY = timedelta(minutes=5)
"""How often the ledgers are read without anybody asking."""
AGAIN = timedelta(minutes=1)
"""How often one is tried that could not be read."""


@dataclass(frozen=True, slots=True)
class TaskName:
    """All that a ledger has to do with its task."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The part of a world by which ledgers are believed."""

    settings: Settings
    context: GitHubContext
    task: TaskName


@dataclass(slots=True, kw_only=True)
class RemoteLedger:
    """One ledger of one repository, as it was read last."""

    name: str
    post: RepositoryClient
    settings: Settings
    pulls: bool
    """It is the ledger of pull requests."""
    ledger: Ledger | None = None
    branch: str = ""
    """The repository's default branch."""
    looked_at: datetime | None = None
    """When it was read last, or could not be."""
    problem: str = ""
    refused: set[int] = field(default_factory=set)
    """Artifacts that were refused, and told of, already."""

    @property
    def every(self) -> timedelta:
        """How often it is read without anybody asking."""
        return AGAIN if self.problem else EVERY

    def pending(self) -> list[PendingBatchRecord]:
        """Batches sent and not collected."""
        return [
            PendingBatchRecord(
                ledger_name=self.name,
                repository=self.post.place.repository,
                batch=one.sent.batch,
                requests=len(one.request_keys),
                created_at=one.sent.created_at,
                expires_at=one.sent.expires_at,
            )
            for one in (view.pending(self.ledger) if self.ledger else ())
        ]

    def collected(self, batch: str) -> bool:
        """Whether the ledger says that this batch was collected."""
        facts = view.facts_of(self.ledger, Collected) if self.ledger else ()
        return any(fact.batch == batch for fact in facts)


class RemoteLedgers:
    """All ledgers of all listed repositories."""

    def __init__(self, ctx: ServerContext) -> None:
        self._ctx = ctx
        self._all = {shelf.name: shelf for post in ctx.posts for shelf in _shelves_of(post)}
        ctx.store.waiting.keep_only(self._all)

    def all(self) -> list[RemoteLedger]:
        """Every ledger, in the file's order."""
        return list(self._all.values())

    def named(self, name: str) -> RemoteLedger | None:
        """The ledger of that name, if it is still listed."""
        return self._all.get(name)

    def collected(self, batch: str) -> RemoteLedger | None:
        """The ledger that says this batch was collected."""
        return next((shelf for shelf in self._all.values() if shelf.collected(batch)), None)

    def refresh(self, older_than: timedelta = EVERY) -> datetime:
        """Read every ledger that was not read for so long; when the next one is due.

        One that cannot be read is told, keeps what it is known to wait for, and stops no other.
        """
        for shelf in self._all.values():
            if self._age(shelf) >= min(older_than, shelf.every):
                try:
                    self.look(shelf)
                except GitHubError as error:
                    self._told(shelf, error)
        return min(s.looked_at + s.every for s in self._all.values() if s.looked_at)

    def read_since(self, moment: datetime) -> bool:
        """Whether every ledger was read, with success, after that."""
        return all(
            shelf.looked_at and shelf.looked_at > moment and not shelf.problem
            for shelf in self._all.values()
        )

    def look(self, shelf: RemoteLedger, older_than: timedelta = timedelta()) -> None:
        """Read one ledger now, unless it was read a moment ago. Raises GitHubError."""
        if shelf.ledger is not None and not shelf.problem and self._age(shelf) < older_than:
            return
        facts = shelf.post.client.repository_facts()
        reading = _reading(shelf, facts)
        fresh = Ledger(repository=facts.id, task=reading.task.name)
        if shelf.ledger is None or shelf.ledger.repository != facts.id:
            shelf.ledger = fresh
        found = Found(refused_ids=shelf.refused)
        read_artifacts(reading, shelf.post, found, known=frozenset(shelf.ledger.absorbed))
        merged, _ = merge.merge(shelf.ledger, *found.ledgers)
        absorbed = tuple(sorted(found.ids | set(shelf.ledger.absorbed) | set(merged.absorbed)))
        shelf.ledger = merged.model_copy(update={"absorbed": absorbed})
        shelf.branch = facts.default_branch
        self._learnt(shelf, found)

    def _learnt(self, shelf: RemoteLedger, found: Found) -> None:
        ctx = self._ctx
        for sentence in found.refused:
            ctx.log.warning("ledger", ledger_name=shelf.name, problem=sentence)
        if shelf.problem:
            ctx.log.info("ledger", ledger_name=shelf.name, said="can be read again")
        shelf.looked_at, shelf.problem = ctx.clock(), ""
        before = {one.batch for one in ctx.store.waiting.all()}
        pending = shelf.pending()
        ctx.store.waiting.shelve(shelf.name, pending)
        new = [one.batch for one in pending if one.batch not in before]
        if new:
            ctx.log.info("ledger", ledger_name=shelf.name, pending=", ".join(new))
            ctx.learnt.set()

    def _told(self, shelf: RemoteLedger, error: GitHubError) -> None:
        if str(error) != shelf.problem:
            self._ctx.log.warning("ledger", ledger_name=shelf.name, **problem(error))
        shelf.looked_at, shelf.problem = self._ctx.clock(), str(error)

    def _age(self, shelf: RemoteLedger) -> timedelta:
        if shelf.looked_at is None:
            return timedelta.max
        return self._ctx.clock() - shelf.looked_at


def _shelves_of(post: RepositoryClient) -> list[RemoteLedger]:
    place = post.place
    return [
        RemoteLedger(
            name=place.ledger_name(book),
            post=post,
            pulls=book.pulls,
            settings=Settings.model_validate(
                {
                    "task": book.task,
                    "state-key": book.key,
                    "state-secret": post.state_secret,
                    "state-secret-previous": post.state_secret_previous,
                    "state-branch": place.state_branch,
                    "state-workflows": place.state_workflows,
                }
            ),
        )
        for book in place.ledgers
    ]


def _reading(shelf: RemoteLedger, facts: RepositoryInfo) -> Reading:
    """As a run would read it that has made no artifact itself."""
    context = GitHubContext(
        workspace=Path(),
        repository=shelf.post.place.repository,
        repository_id=facts.id,
        run_id="serve",
        run_attempt=1,
        event="serve",
        sha=None,
        branch=None,
        default_branch=facts.default_branch,
        server_url="",
        api_url=shelf.post.client.api_url,
        private=facts.private,
        fork=False,
        pulls=shelf.pulls,
    )
    return Reading(settings=shelf.settings, context=context, task=TaskName(shelf.settings.task[0]))
