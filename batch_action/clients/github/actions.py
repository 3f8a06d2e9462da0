"""Starting workflow runs, and finding those that were started."""

import hashlib
import ipaddress
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2

from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import RefusedError
from batch_action.errors import GitHubError
from batch_action.models.dispatch import StartedRun
from batch_action.models.github import ArtifactInfo, WorkflowRunInfo

_DETAILS = "return_run_details"


class Dispatches:
    """One repository's dispatches; methods raise GitHubError as the client does.

    Neither kind is ever repeated: LostAnswerError says that a run may have been started.
    """

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def workflow(self, file: str, ref: str, inputs: Mapping[str, str]) -> StartedRun | None:
        """Start that workflow file at a branch; the run, where GitHub tells. `actions: write`."""
        path = f"actions/workflows/{file}/dispatches"
        body: dict[str, Any] = {"ref": ref, "inputs": dict(inputs), _DETAILS: True}
        try:
            told = self._client.request("POST", path, input=body)
        except RefusedError as refused:
            # Servers older than 2026 know no such field and start nothing.
            if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY or _DETAILS not in refused.said:
                raise
            del body[_DETAILS]
            told = self._client.request("POST", path, input=body)
        if not (isinstance(told, dict) and told.get("workflow_run_id")):
            return None
        return StartedRun(
            id=str(told["workflow_run_id"]),
            title="",
            url=str(told.get("html_url") or ""),
            created_at="",
        )

    def repository(self, kind: str, payload: Mapping[str, str]) -> None:
        """Start every workflow that listens to this type of event. `contents: write`."""
        body = {"event_type": kind, "client_payload": dict(payload)}
        self._client.request("POST", "dispatches", input=body)

    def runs(self, event: str, since: datetime, file: str | None = None) -> list[StartedRun]:
        """The runs that *event* has started since then, of one workflow file or of all."""
        path = f"actions/workflows/{file}/runs" if file else "actions/runs"
        stamp = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        query = {"event": event, "created": f">={stamp}"}
        return [
            StartedRun(
                id=str(item["id"]),
                title=str(item.get("display_title") or ""),
                url=str(item.get("html_url") or ""),
                created_at=str(item.get("created_at") or ""),
            )
            for item in self._client.pages(path, query, key="workflow_runs")
        ]


_ATTEMPTS = 3
_GONE = (404, 410)


class ArtifactRefusedError(GitHubError):
    """One artifact cannot be used (too large, changed on the way); others may."""


class Actions:
    """One repository's runs and artifacts; methods raise GitHubError as the client does."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def artifacts(self, name: str) -> list[ArtifactInfo]:
        """Give all artifacts of exactly this name, of all runs, the newest first."""
        listed = self._client.pages("actions/artifacts", {"name": name}, key="artifacts")
        found = [_artifact(item) for item in listed if item.get("name") == name]
        return sorted(found, key=lambda a: (a.created_at, a.id), reverse=True)

    def run(self, id: str) -> WorkflowRunInfo:
        """Give one run; RefusedError 404 when it was deleted."""
        item = self._client.request("GET", f"actions/runs/{int(id)}")
        return WorkflowRunInfo(
            id=str(item["id"]),
            event=str(item.get("event") or ""),
            path=_plain_path(str(item.get("path") or "")),
            head_branch=str(item.get("head_branch") or ""),
            head_sha=str(item.get("head_sha") or ""),
            head_repository_id=str((item.get("head_repository") or {}).get("id") or ""),
            run_attempt=int(item.get("run_attempt") or 1),
            status=str(item.get("status") or ""),
            created_at=str(item.get("created_at") or ""),
            pulls=tuple(int(pull["number"]) for pull in item.get("pull_requests") or []),
        )

    def download(self, artifact: ArtifactInfo, max_bytes: int) -> bytes | None:
        """Give the zip's bytes; None when the artifact has expired or was deleted.

        Raises ArtifactRefusedError for more than `max_bytes` (the advertised size or the real one)
        and for bytes that do not match the recorded digest.
        """
        if artifact.expired:
            return None
        if artifact.size > max_bytes:
            raise _too_large(artifact.name, max_bytes)
        for attempt in range(1, _ATTEMPTS + 1):
            # Asked anew for every attempt: the address is good for one minute.
            location = self._client.location(f"actions/artifacts/{artifact.id}/zip")
            if location is None:
                return None
            try:
                data = self._fetch(location, artifact.name, max_bytes)
            except httpx2.HTTPError as error:
                if attempt == _ATTEMPTS:
                    raise GitHubError(
                        f"The artifact {artifact.name} could not be downloaded: "
                        f"{_without_address(error)}.",
                        fix="Let the runner reach *.blob.core.windows.net; the next run goes on.",
                    ) from None
                time.sleep(self._client.write_interval * attempt)
                continue
            return _verified(data, artifact)
        raise AssertionError  # pragma: no cover - the last attempt returned or raised

    def delete(self, artifact_id: int) -> bool:
        """Delete an artifact; False when it was gone already. Needs `actions: write`."""
        try:
            self._client.request("DELETE", f"actions/artifacts/{artifact_id}")
        except RefusedError as refused:
            if refused.status not in _GONE:
                raise
            return False
        return True

    def _fetch(self, location: str, name: str, max_bytes: int) -> bytes:
        """Fetch without credentials: the address is signed, and its host is not GitHub's API."""
        if not _safe(location, self._client.api_url):
            raise GitHubError(f"GitHub sent the artifact {name} to an address without https.")
        data = bytearray()
        with (
            httpx2.Client(timeout=self._client.timeout, follow_redirects=False) as fresh,
            fresh.stream("GET", location, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                raise httpx2.HTTPError(f"status {answer.status_code}")
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > max_bytes:
                    raise _too_large(name, max_bytes)
        return bytes(data)


def _safe(location: str, api_url: str) -> bool:
    address = urlsplit(location)
    if address.scheme == "https":
        return True
    # An API spoken to in the clear has nothing to lose: a test server on the machine.
    clear = urlsplit(api_url).scheme == "http"
    return address.scheme == "http" and (clear or _loopback(address.hostname or ""))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _too_large(name: str, max_bytes: int) -> ArtifactRefusedError:
    return ArtifactRefusedError(
        f"The artifact {name} is larger than {max_bytes} bytes.",
        fix="It is none of ours, or was damaged: delete it.",
    )


def _verified(data: bytes, artifact: ArtifactInfo) -> bytes:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if artifact.digest and artifact.digest != digest:
        raise ArtifactRefusedError(
            f"The artifact {artifact.name} ({artifact.id}) does not match its recorded digest.",
            fix="Delete it if this happens again.",
        )
    return data


def _without_address(error: httpx2.HTTPError) -> str:
    """Say what went wrong, but never the signed address."""
    text = str(error)
    return text if text.startswith("status ") else type(error).__name__


def _plain_path(path: str) -> str:
    """Drop `owner/repo/` before and `@ref` after, which GitHub adds in some answers."""
    path = path.split("@", 1)[0]
    at = path.find(".github/")
    return path[at:] if at > 0 else path


def _artifact(item: dict[str, Any]) -> ArtifactInfo:
    run = item.get("workflow_run") or {}
    return ArtifactInfo(
        id=int(item["id"]),
        name=str(item["name"]),
        size=int(item.get("size_in_bytes") or 0),
        expired=bool(item.get("expired")),
        created_at=str(item.get("created_at") or ""),
        expires_at=str(item.get("expires_at") or ""),
        digest=item.get("digest"),
        run_id=str(run.get("id") or ""),
        repository_id=str(run.get("repository_id") or ""),
        head_repository_id=str(run.get("head_repository_id") or ""),
        head_branch=str(run.get("head_branch") or ""),
        head_sha=str(run.get("head_sha") or ""),
    )
