"""The door: a GitHub to talk to in Python, and the two apps that serve it."""

from pathlib import Path
from typing import Unpack

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batch_action.sandbox.github import (
    actions,
    alerts,
    artifacts,
    browse,
    comments,
    commits,
    control,
    gitdata,
    graphql,
    history,
    issues,
    labels,
    launch,
    merging,
    oidc,
    pulls,
    reactions,
    refs,
    repositories,
    review_comments,
    reviews,
    scanning,
)
from batch_action.sandbox.github.blobs import Blobs
from batch_action.sandbox.github.instance import Clock, GitHubInstance
from batch_action.sandbox.github.runs import Run, RunOptions
from batch_action.sandbox.github.state import Issue, Repository, User
from batch_action.sandbox.github.tokens import Actor

_FAMILIES = (
    repositories, issues, history, comments, reactions, labels, actions, refs, gitdata, commits,
    pulls, reviews, review_comments, scanning, alerts, graphql,
)  # fmt: skip


def build(clock: Clock, origin: str, blob_origin: str) -> "GitHub":
    """A GitHub without repositories, for `origin` and, on another host, `blob_origin`."""
    return GitHub(GitHubInstance(clock, origin, blob_origin))


class GitHub:
    """The emulated GitHub: `app` and `blobs.app` are to be served, the rest is for tests."""

    def __init__(self, instance: GitHubInstance) -> None:
        self.instance = instance
        self.app = _assemble(instance)

    @property
    def blobs(self) -> Blobs:
        """The blob store; its `app` belongs on another host name."""
        return self.instance.blobs

    @property
    def writes(self) -> list[tuple[str, str, str]]:
        """Every successful write so far: method, path below /api/v3, login."""
        return self.instance.writes

    @property
    def list_lag(self) -> float:
        """For how many seconds the newly created stays out of lists."""
        return self.instance.list_lag

    @list_lag.setter
    def list_lag(self, seconds: float) -> None:
        self.instance.list_lag = seconds

    @property
    def scanning_lag(self) -> float:
        """For how many seconds an uploaded SARIF file is being processed."""
        return self.instance.scanning_lag

    @scanning_lag.setter
    def scanning_lag(self, seconds: float) -> None:
        self.instance.scanning_lag = seconds

    def add_repository(
        self,
        full_name: str,
        *,
        private: bool = True,
        default_branch: str = "main",
        git_dir: Path | None = None,
        has_issues: bool = True,
    ) -> Repository:
        """A new repository, whose owner may do everything in it."""
        instance = self.instance
        with instance.lock:
            repository = Repository(
                id=instance.new_id(),
                full_name=full_name,
                private=private,
                default_branch=default_branch,
                git_dir=git_dir,
                has_issues=has_issues,
                code_scanning=not private,
                created_at=instance.now(),
            )
            instance.repositories[full_name.lower()] = repository
            self.add_user(repository.owner, **{full_name: "admin"})
            return repository

    def add_user(self, login: str, /, **permissions: str) -> User:
        """A person, with what they may do per repository: `**{"octo/demo": "write"}`."""
        instance = self.instance
        with instance.lock:
            user = instance.users.setdefault(login, User(login=login, id=instance.new_id()))
            for full_name, permission in permissions.items():
                repository = instance.repository(full_name)
                if repository is None:
                    raise LookupError(f"No repository {full_name}: call add_repository first.")
                repository.permissions[login] = permission
            return user

    def token_for(self, login: str) -> str:
        """A new token of a person."""
        with self.instance.lock:
            if login not in self.instance.users:
                raise LookupError(f"No user {login}: call add_user first.")
            return self.instance.tokens.issue("ghp_", Actor(login=login))

    def repository(self, full_name: str) -> Repository:
        """A repository's record, to look into or to change settings of."""
        found = self.instance.repository(full_name)
        if found is None:
            raise LookupError(f"No repository {full_name}: call add_repository first.")
        return found

    def open_pull(
        self,
        full_name: str,
        *,
        head: str,
        base: str | None = None,
        author: str | None = None,
        title: str = "A change",
        head_repository: str | None = None,
    ) -> Issue:
        """A pull request between two branches of `git_dir`; `head_repository` makes it a fork's."""
        repository = self.repository(full_name)
        with self.instance.lock:
            into = base or repository.default_branch
            issue = pulls.opened(self.instance, repository, head=head, base=into)
            issue.title = title
            issue.user = self.instance.users[author or repository.owner]
            if issue.pull and head_repository:
                issue.pull.head_repository = head_repository
            return issue

    def end_pull(self, full_name: str, number: int, *, merged_as: str | None = None) -> None:
        """Close a pull request; `merged_as`: the commit on its base branch that holds it."""
        with self.instance.lock:
            repository = self.repository(full_name)
            issue = repository.issues[number]
            merging.end(self.instance, repository, issue, merged_as)

    def start_run(self, repository: str, **how: Unpack[RunOptions]) -> Run:
        """A workflow run in progress, with its tokens and environment."""
        return launch.start(self.instance, repository, **how)


def _assemble(instance: GitHubInstance) -> Starlette:
    endpoints = [endpoint for family in _FAMILIES for endpoint in family.ENDPOINTS]
    # Literal parts win over placeholders, as `/issues/comments` over `/issues/{number}`, and these
    # over what takes the whole rest: `/commits/{sha}/pulls` over `/commits/{sha:path}`.
    endpoints.sort(key=lambda one: one.path.replace(":path}", "\x7f}").replace("{", "\x7f"))
    routes = [endpoint.route(instance) for endpoint in endpoints]
    routes += (
        artifacts.routes(instance)
        + oidc.routes(instance)
        + control.routes(instance)
        + browse.routes(instance)
    )
    return Starlette(routes=routes, exception_handlers={404: _missing, 405: _missing})


async def _missing(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"message": "Not Found", "status": "404"}, status_code=404)
