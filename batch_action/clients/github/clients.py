"""All GitHub clients of a run, which share one connection."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # PyGithub takes long to import
    from batch_action.clients.github.actions import Actions
    from batch_action.clients.github.client import GitHubClient
    from batch_action.clients.github.code_scanning import CodeScanning
    from batch_action.clients.github.issues import Issues
    from batch_action.clients.github.pulls import PullRequests


@dataclass(frozen=True, slots=True)
class GitHubClients:
    """The connection to GitHub, and one client for each part of its API."""

    client: "GitHubClient"
    issues: "Issues"
    actions: "Actions"
    pulls: "PullRequests"
    scanning: "CodeScanning"


@contextmanager
def open_github_clients(
    token: str,
    *,
    repository: str,
    api_url: str,
    trusted_authors: Sequence[str],
    write_interval: float,
    sleep: Callable[[float], None],
    hide: Callable[[str], str],
) -> Iterator[GitHubClients]:
    """Open the clients of one repository (`owner/name`) and close them at the end.

    *trusted_authors*: logins whose issues and comments are trusted as this token's own are.
    *write_interval*: seconds between two writes. *hide*: replaces secrets in what is sent. Raises
    ConfigError for an unusable address.
    """
    # Only here: a run without a token needs none of them.
    from batch_action.clients.github.actions import Actions  # noqa: PLC0415
    from batch_action.clients.github.client import GitHubClient  # noqa: PLC0415
    from batch_action.clients.github.code_scanning import CodeScanning  # noqa: PLC0415
    from batch_action.clients.github.issues import Issues  # noqa: PLC0415
    from batch_action.clients.github.pulls import PullRequests  # noqa: PLC0415

    with GitHubClient(
        token,
        repository=repository,
        api_url=api_url,
        hide=hide,
        write_interval=write_interval,
    ) as client:
        issues = Issues(client, trusted_authors)
        yield GitHubClients(
            client=client,
            issues=issues,
            actions=Actions(client),
            pulls=PullRequests(client, issues.is_trusted),
            scanning=CodeScanning(client, sleep=sleep),
        )
