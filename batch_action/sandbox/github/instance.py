"""Everything the emulated GitHub knows, behind one lock."""

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from batch_action.sandbox.github.blobs import Blobs
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.github.state import Comment, Issue, Repository, User
from batch_action.sandbox.github.tokens import Actor, Tokens

ACTIONS_BOT = User(login="github-actions[bot]", id=41898282, kind="Bot")


class Clock(Protocol):
    """Whatever tells the time."""

    def now(self) -> datetime:
        """The time, in UTC."""
        ...


class GitHubInstance:
    """The shared memory of all endpoints; hold `lock` while touching it."""

    def __init__(self, clock: Clock, origin: str, blob_origin: str) -> None:
        self.clock = clock
        self.origin = origin.rstrip("/")
        self.lock = threading.RLock()
        self.blobs = Blobs(clock.now, blob_origin.rstrip("/"))
        self.tokens = Tokens()
        self.users: dict[str, User] = {ACTIONS_BOT.login: ACTIONS_BOT}
        self.repositories: dict[str, Repository] = {}
        self.runs: list[Run] = []
        self.writes: list[tuple[str, str, str]] = []
        self.list_lag = 0.0
        self.scanning_lag = 0.0
        self._numbers = itertools.count(1_000_001)

    def new_id(self) -> int:
        """A number nobody else has."""
        return next(self._numbers)

    def now(self) -> datetime:
        """The clock's time, to the second as the API tells it."""
        return self.clock.now().astimezone(UTC).replace(microsecond=0)

    def listed(self, created_at: datetime) -> bool:
        """Whether something this young already shows in lists."""
        return created_at + timedelta(seconds=self.list_lag) <= self.clock.now()

    def repository(self, full_name: str) -> Repository | None:
        """The repository of that name, in any spelling of case."""
        return self.repositories.get(full_name.lower())

    def runs_of(self, repository: Repository) -> list[Run]:
        """The newest attempt of each of its runs, newest first."""
        newest: dict[int, Run] = {}
        for run in self.runs:
            if run.repository is repository:
                newest[run.id] = run
        return sorted(newest.values(), key=lambda run: run.id, reverse=True)

    def author(self, actor: Actor) -> User:
        """Under which name an actor's words appear."""
        return self.users[actor.login]

    def all_comments(self) -> Iterator[tuple[Repository, Issue, Comment]]:
        """Every comment of every repository."""
        for repository in self.repositories.values():
            for issue in repository.issues.values():
                for comment in issue.comments:
                    yield repository, issue, comment
