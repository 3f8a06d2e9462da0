"""The whole state of the emulated GitHub, behind one lock."""

import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

from batch_action.sandbox.github.blob_store import BlobStore
from batch_action.sandbox.github.records import Repository, User
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.github.tokens import Actor, Tokens

ACTIONS_BOT = User(login="github-actions[bot]", id=41898282, kind="Bot")


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        ...


class GitHubInstance:
    """The state that all endpoints share; hold `lock` while reading or changing it."""

    def __init__(self, clock: Clock, origin: str, blob_origin: str) -> None:
        self.clock = clock
        self.origin = origin.rstrip("/")
        self.lock = threading.RLock()
        self.blobs = BlobStore(clock.now, blob_origin.rstrip("/"))
        self.tokens = Tokens()
        self.users: dict[str, User] = {ACTIONS_BOT.login: ACTIONS_BOT}
        self.repositories: dict[str, Repository] = {}
        self.runs: list[Run] = []
        self.writes: list[tuple[str, str, str]] = []
        self.list_lag = 0.0
        self.scanning_lag = 0.0
        self._numbers = itertools.count(1_000_001)

    def new_id(self) -> int:
        """Return a number that no other record has."""
        return next(self._numbers)

    def now(self) -> datetime:
        """Return the clock's time, truncated to seconds as in the API."""
        return self.clock.now().astimezone(UTC).replace(microsecond=0)

    def is_listed(self, created_at: datetime) -> bool:
        """Return whether a record of this age appears in lists (see `list_lag`)."""
        return created_at + timedelta(seconds=self.list_lag) <= self.clock.now()

    def repository(self, full_name: str) -> Repository | None:
        """Find a repository by its name, ignoring case."""
        return self.repositories.get(full_name.lower())

    def runs_of(self, repository: Repository) -> list[Run]:
        """List the latest attempt of each run of the repository, newest first."""
        newest: dict[int, Run] = {}
        for run in self.runs:
            if run.repository is repository:
                newest[run.id] = run
        return sorted(newest.values(), key=lambda run: run.id, reverse=True)

    def author(self, actor: Actor) -> User:
        """Return the account in whose name an actor writes."""
        return self.users[actor.login]

    def finish_run(self, run: Run, conclusion: str = "success") -> None:
        """Complete the run; its tokens are refused from now on."""
        with self.lock:
            run.status, run.conclusion = "completed", conclusion
            run.updated_at = self.now()
            if run.token_actor:
                run.token_actor.active = False
