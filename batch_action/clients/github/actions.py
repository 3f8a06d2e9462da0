"""Workflow runs, their artifacts, and the dispatches that start runs."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import chain, islice
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
from github.Artifact import Artifact as GithubArtifact
from github.WorkflowRun import WorkflowRun as GithubRun

from batch_action.clients.github.client import GitHubClient, timestamp
from batch_action.clients.github.errors import (
    ArtifactRefusedError,
    Ignored,
    RefusedError,
    checked,
    reads,
)
from batch_action.clients.http import LoggedClient, Retries
from batch_action.clients.network import is_loopback
from batch_action.errors import GitHubError
from batch_action.models.github import Artifact, StartedRun, WorkflowRun

_RUN_DETAILS = "return_run_details"
MAX_PUSHES = 1000
"""Pushes to a branch among which a commit that is no longer in its history is looked for."""


@checked
class Actions:
    """One repository's runs, artifacts and branches; methods raise GitHubError as the client."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self.verified_heads: set[tuple[str, str]] = set()
        """(branch, commit): the commit was found to be, or have been, the branch's."""

    def start_workflow(self, file: str, ref: str, inputs: Mapping[str, str]) -> StartedRun | None:
        """Start a workflow file at a branch, once; return the run if GitHub reports it.

        After a LostResponseError it may have been started. Needs `actions: write`.
        """
        # PyGithub's methods return False when one is refused, without the reason.
        path = f"actions/workflows/{file}/dispatches"
        body: dict[str, Any] = {"ref": ref, "inputs": dict(inputs)}
        try:
            run = self._client.request("POST", path, input={**body, _RUN_DETAILS: True})
        except RefusedError as refused:
            # Servers older than 2026 refuse the unknown field and start nothing.
            is_unknown_field = _RUN_DETAILS in refused.message
            if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY or not is_unknown_field:
                raise
            run = self._client.request("POST", path, input=body)
        if not (run and run.get("workflow_run_id")):
            return None
        return StartedRun(id=str(run["workflow_run_id"]), url=str(run.get("html_url") or ""))

    def send_event(self, kind: str, payload: Mapping[str, str]) -> None:
        """Start every workflow that runs on this event type, once. Needs `contents: write`."""
        body = {"event_type": kind, "client_payload": dict(payload)}
        self._client.request("POST", "dispatches", input=body)

    def artifacts(self, name: str) -> list[Artifact]:
        """Return all artifacts of exactly this name, of all runs, the newest first."""
        artifacts = chain.from_iterable(self.artifact_pages(name))
        return sorted(artifacts, key=lambda a: (a.created_at, a.id), reverse=True)

    def artifact_pages(self, name: str) -> Iterator[list[Artifact]]:
        """Yield the same page by page, in GitHub's order: as a rule the newest first.

        Each page but the first is asked for when it is needed.
        """
        for items in self._client.pages(self._client.repo.get_artifacts(name)):
            found = map(_parse_artifact, items)
            yield [artifact for artifact in found if artifact.name == name]

    def run(self, id: str) -> WorkflowRun:
        """Return one run; RefusedError 404 when it was deleted."""
        return _parse_run(self._client.repo.get_workflow_run(int(id)).complete())

    def has_pull(self, run: WorkflowRun, number: int) -> bool:
        """Return whether a pull request comes from the branch of a run of its repository."""
        if number in run.pull_requests:
            return True
        try:
            head = _parse_head(self._client.request("GET", f"pulls/{number}"))
        except RefusedError as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return head == (run.head_branch, run.head_repository_id)

    def branch(self, name: str) -> tuple[str, str] | None:
        """Return a branch's name and its newest commit; None when there is none.

        GitHub redirects from the former name of a renamed branch.
        https://docs.github.com/rest/branches/branches#get-a-branch
        """
        try:
            data = self._client.request("GET", f"branches/{quote(name)}")
        except RefusedError as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        return _parse_branch(data)

    def workflow_state(self, file: str) -> str | None:
        """Return the state of a workflow file, e.g. `active`; None when GitHub does not know it.

        https://docs.github.com/rest/actions/workflows#get-a-workflow
        """
        try:
            return _parse_state(self._client.request("GET", f"actions/workflows/{quote(file)}"))
        except RefusedError as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def contains(self, tip: str, commit: str) -> bool:
        """Return whether *commit* is *tip* or an ancestor of it."""
        try:
            path = f"compare/{quote(commit)}...{quote(tip)}"
            data = self._client.request("GET", path, parameters={"per_page": 1})
        except RefusedError as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return _parse_ancestry(data)

    def was_pushed(self, branch: str, commit: str) -> bool:
        """Return whether *commit* was once the tip of a branch, e.g. before a force push.

        https://docs.github.com/rest/repos/repos#list-repository-activities
        """
        parameters = {"ref": f"refs/heads/{branch}", "per_page": 100}
        try:
            pushes = self._client.paginate("activity", parameters)
            return any(push.get("after") == commit for push in islice(pushes, MAX_PUSHES))
        except RefusedError as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            return False

    def download(self, artifact: Artifact, max_bytes: int) -> bytes | None:
        """Return the zip's bytes; None when the artifact has expired or was deleted.

        Raises:
            ArtifactRefusedError: it has more than `max_bytes` (by the listed size or the real
                one), or does not match the recorded digest.
        """
        if artifact.expired:
            return None
        if artifact.size > max_bytes:
            raise _too_large(artifact.name, max_bytes)
        # Tests, which wait for nothing, have a write interval of zero.
        retries = Retries(lambda pause: time.sleep(pause * self._client.write_interval))
        while True:
            # Each attempt needs a new URL: it is valid for one minute.
            url = self._client.redirect_location(f"actions/artifacts/{artifact.id}/zip")
            if url is None:
                return None
            try:
                data = self._fetch(url, artifact.name, max_bytes)
            except _DownloadError as error:
                if not retries.wait():
                    raise GitHubError(
                        f"The artifact {artifact.name} could not be downloaded: {error}.",
                        fix="*.blob.core.windows.net must be reachable; the next run goes on.",
                    ) from None
            else:
                _check_digest(data, artifact)
                return data

    def delete(self, artifact_id: int) -> bool:
        """Delete an artifact; return whether it existed. Needs `actions: write`."""
        with Ignored(404, 410):
            # PyGithub's method returns False when it is refused, without the reason.
            self._client.request("DELETE", f"actions/artifacts/{artifact_id}")
            return True
        return False

    def _fetch(self, url: str, name: str, max_bytes: int) -> bytes:
        """Download without credentials: the URL is signed, and its host is not GitHub's API."""
        parts = urlsplit(url)
        # If the API itself is not encrypted, it is a test server.
        is_test = self._client.api_url.startswith("http:") or is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_test):
            raise GitHubError(f"GitHub redirected the artifact {name} to a URL without https.")
        data = bytearray()
        try:
            with (
                LoggedClient(timeout=self._client.timeout, follow_redirects=False) as http,
                http.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
            ):
                if response.status_code != httpx2.codes.OK:
                    raise _DownloadError(f"status {response.status_code}")
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > max_bytes:
                        raise _too_large(name, max_bytes)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # Its text may contain the signed URL.
            raise _DownloadError(type(error).__name__) from None
        return bytes(data)


class _DownloadError(Exception):
    """An attempt that may be repeated."""


def _too_large(name: str, max_bytes: int) -> ArtifactRefusedError:
    return ArtifactRefusedError(
        f"The artifact {name} is larger than {max_bytes} bytes.",
        fix="It was not written by batch-action, or is damaged: delete it.",
    )


def _check_digest(data: bytes, artifact: Artifact) -> None:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if artifact.digest and artifact.digest != digest:
        raise ArtifactRefusedError(
            f"The artifact {artifact.name} ({artifact.id}) does not match its recorded digest.",
            fix="Delete it if this happens again.",
        )


def _plain_path(path: str) -> str:
    """Remove `owner/repo/` before and `@ref` after, which GitHub adds in some responses."""
    path = path.split("@", 1)[0]
    start = path.find(".github/")
    return path[start:] if start > 0 else path


@reads("pull request")
def _parse_head(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of a pull request's branch, and the id of its repository."""
    head = data["head"]
    return str(head["ref"]), str((head["repo"] or {}).get("id", ""))


@reads("comparison")
def _parse_ancestry(data: Mapping[str, Any]) -> bool:
    return {"ahead": True, "identical": True, "behind": False, "diverged": False}[data["status"]]


@reads("workflow")
def _parse_state(data: Mapping[str, Any]) -> str:
    return str(data["state"])


@reads("branch")
def _parse_branch(data: Mapping[str, Any]) -> tuple[str, str]:
    return str(data["name"]), str(data["commit"]["sha"])


@reads("workflow run")
def _parse_run(item: GithubRun) -> WorkflowRun:
    return WorkflowRun(
        id=str(item.id),
        event=item.event,
        path=_plain_path(item.path or ""),
        head_branch=item.head_branch or "",
        head_sha=item.head_sha,
        head_repository_id=str(item.head_repository.id) if item.head_repository else "",
        pull_requests=tuple(pull.number for pull in item.pull_requests or []),
    )


@reads("artifact")
def _parse_artifact(item: GithubArtifact) -> Artifact:
    # PyGithub's run has no ids of repositories.
    run = item.raw_data.get("workflow_run") or {}
    return Artifact(
        id=item.id,
        name=item.name,
        size=item.size_in_bytes or 0,
        expired=item.expired or False,
        created_at=timestamp(item.created_at),
        expires_at=timestamp(item.expires_at),
        digest=item.digest,
        run_id=str(run.get("id") or ""),
        repository_id=str(run.get("repository_id") or ""),
        head_repository_id=str(run.get("head_repository_id") or ""),
        head_branch=str(run.get("head_branch") or ""),
        head_sha=str(run.get("head_sha") or ""),
    )
