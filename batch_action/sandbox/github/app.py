"""The emulated GitHub: its ASGI app, and the Python interface for tests."""

from pathlib import Path
from typing import Unpack

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batch_action.sandbox.github import (
    artifact_service,
    control,
    oidc,
    pull_branches,
    pulls,
    run_factory,
    runner_environment,
    web_pages,
)
from batch_action.sandbox.github.blob_store import BlobStore
from batch_action.sandbox.github.endpoints import ENDPOINTS
from batch_action.sandbox.github.instance import Clock, GitHubInstance
from batch_action.sandbox.github.records import Issue, Repository, User
from batch_action.sandbox.github.runs import Run, RunOptions
from batch_action.sandbox.github.tokens import Actor


def create_github(clock: Clock, origin: str, blob_origin: str) -> "GitHub":
    """Create a GitHub without repositories; `blob_origin` is on another host than `origin`."""
    return GitHub(GitHubInstance(clock, origin, blob_origin))


class GitHub:
    """The emulated GitHub; `app` and `blobs.app` are the two ASGI apps to serve."""

    def __init__(self, instance: GitHubInstance) -> None:
        self.instance = instance
        self.app = _create_app(instance)

    @property
    def blobs(self) -> BlobStore:
        """The blob store; its `app` is served on another host name."""
        return self.instance.blobs

    @property
    def writes(self) -> list[tuple[str, str, str]]:
        """Every successful write so far: method, path below `/api/v3`, login."""
        return self.instance.writes

    @property
    def list_lag(self) -> float:
        """Seconds until a new record appears in lists."""
        return self.instance.list_lag

    @list_lag.setter
    def list_lag(self, seconds: float) -> None:
        self.instance.list_lag = seconds

    @property
    def scanning_lag(self) -> float:
        """Seconds until an uploaded SARIF file is processed."""
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
        """Add a repository; its owner is an admin of it."""
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
        """Add a user, or add permissions to one: `**{"octo/demo": "write"}`."""
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
        """Create a personal access token for a user."""
        with self.instance.lock:
            if login not in self.instance.users:
                raise LookupError(f"No user {login}: call add_user first.")
            return self.instance.tokens.issue("ghp_", Actor(login=login))

    def repository(self, full_name: str) -> Repository:
        """Return the record of a repository, to read it or to change its settings."""
        repository = self.instance.repository(full_name)
        if repository is None:
            raise LookupError(f"No repository {full_name}: call add_repository first.")
        return repository

    def open_pull_request(
        self,
        full_name: str,
        *,
        head: str,
        base: str | None = None,
        author: str | None = None,
        title: str = "A change",
        head_repository: str | None = None,
    ) -> Issue:
        """Open a pull request between two branches of `git_dir`.

        `head_repository`: the full name of the fork that it comes from.
        """
        repository = self.repository(full_name)
        with self.instance.lock:
            base_ref = base or repository.default_branch
            issue = pulls.open_pull_request(self.instance, repository, head=head, base=base_ref)
            issue.title = title
            issue.user = self.instance.users[author or repository.owner]
            if issue.pull and head_repository:
                issue.pull.head_repository = head_repository
            return issue

    def close_pull_request(
        self, full_name: str, number: int, *, merged_as: str | None = None
    ) -> None:
        """Close a pull request; `merged_as`: its commit on the base branch, if it was merged."""
        with self.instance.lock:
            repository = self.repository(full_name)
            issue = repository.issues[number]
            pull_branches.close_pull_request(self.instance, repository, issue, merged_as)

    def start_run(self, repository: str, **options: Unpack[RunOptions]) -> Run:
        """Start a workflow run, with its tokens."""
        return run_factory.start_run(self.instance, repository, **options)

    def step_environment(self, run: Run, workspace: Path, temp: Path) -> dict[str, str]:
        """Return the environment of a container action's step; create its files below `temp`."""
        return runner_environment.step_environment(self.instance, run, workspace, temp)

    def finish_run(self, run: Run, conclusion: str = "success") -> None:
        """Complete a run; its tokens are refused from now on."""
        self.instance.finish_run(run, conclusion)


def _create_app(instance: GitHubInstance) -> Starlette:
    routes = [
        *(endpoint.route(instance) for endpoint in ENDPOINTS),
        *artifact_service.routes(instance),
        *oidc.routes(instance),
        *control.routes(instance),
        *web_pages.routes(instance),
    ]
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})


async def _not_found(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"message": "Not Found", "status": "404"}, status_code=404)
