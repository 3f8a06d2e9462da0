"""The artifact service of GitHub Actions, called from a container action: upload, list, delete."""

import base64
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2

from batch_action.clients.http import (
    RETRIED_STATUSES,
    Closeable,
    LoggedClient,
    Retries,
)
from batch_action.clients.network import connection_fix, no_artifacts_reason
from batch_action.errors import GitHubError, NameTakenError
from batch_action.models.github import StoredArtifact

_SERVICE = "twirp/github.actions.results.api.v1.ArtifactService"
# As the official client.
_MAX_ATTEMPTS = 5
_BLOCK_BYTES = 8 * 1024 * 1024
_UPLOAD_TIMEOUT_SECONDS = 300.0
_MAX_MESSAGE_CHARS = 300
_FOREIGN = "not an answer of the artifact service: a proxy, or a sign-in page"
_FOREIGN_FIX = (
    "Check HTTPS_PROXY and NO_PROXY: the runner must reach the host of ACTIONS_RESULTS_URL. The "
    "next run goes on."
)
_CLOCK_TOLERANCE, _LONGEST_JOB = timedelta(hours=1), timedelta(days=6)
_FORBIDDEN_CHARS = re.compile(r'[":<>|*?\r\n\\/]')
_UNAVAILABLE_FIX = (
    "Only a step of GitHub Actions can store artifacts: run this as an action (`uses:`), or store "
    "the state in a file, in the folder BATCH_ACTION_STATE_DIR."
)


class ArtifactService(Closeable):
    """The artifacts of the current run: Twirp calls, and uploads to signed URLs."""

    def __init__(
        self,
        results_url: str,
        runtime_token: str,
        server_url: str,
        *,
        max_days: int | None = None,
        mask: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare calls to the service.

        Args:
            results_url: ACTIONS_RESULTS_URL; only its origin is used, as by the official client.
            runtime_token: ACTIONS_RUNTIME_TOKEN.
            server_url: GITHUB_SERVER_URL.
            max_days: GITHUB_RETENTION_DAYS.
            mask: called with the secret part of each signed URL.
            sleep: waits between attempts.
            now: the clock.

        Raises:
            GitHubError: artifacts cannot be stored here (see `no_artifacts_reason`).
        """
        reason = no_artifacts_reason(results_url, runtime_token, server_url)
        if reason:
            raise GitHubError(reason, fix=_UNAVAILABLE_FIX)
        self._ids = parse_backend_ids(runtime_token)
        self._issued_at = _claims(runtime_token).get("iat")
        url = httpx2.URL(results_url)
        self._base_url = f"{url.scheme}://{url.netloc.decode()}/{_SERVICE}"
        self._headers = {"Authorization": f"Bearer {runtime_token}"}
        self._max_days = max_days
        self._mask = mask
        self._sleep = sleep
        self._now = now
        # At INFO it logs every URL, the signed ones included.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self._http = LoggedClient(timeout=30.0, headers={"User-Agent": "batch-action"})

    def close(self) -> None:  # noqa: D102 - see the base class
        self._http.close()

    def upload(self, name: str, zip_bytes: bytes, retention_days: int) -> int:
        """Store a zip as an artifact and return its id, once the service has confirmed its size.

        When the bytes cannot be stored, the name is free again if the service still responds.

        Raises:
            NameTakenError: the run already has an artifact of that name, or a job that has ended
                was interrupted while it uploaded one.
            GitHubError: it could not be stored.
        """
        check_name(name)
        upload_url = self._create(name, self._expires_at(retention_days))
        try:
            self._put(upload_url, zip_bytes)
        except GitHubError:
            with suppress(GitHubError):
                self._delete(name, *self._ids.values())
            raise
        return self._finalize(name, zip_bytes)

    def pause(self, seconds: float) -> None:
        """Wait between two calls."""
        self._sleep(seconds)

    def delete(self, name: str, known: Container[int] | None = None) -> bool:
        """Delete this run's artifacts of that name; return whether there was one.

        With `known`, delete nothing when the name has an artifact that is not among these ids:
        another job of this run has stored it in the meantime.
        """
        artifacts = self.list_artifacts(name)
        if known is not None and any(artifact.id not in known for artifact in artifacts):
            return False
        if not artifacts:  # not listed yet: it can only be deleted by the job that has stored it
            return self._delete(name, *self._ids.values())
        deleted = [
            self._delete(name, artifact.run_backend, artifact.job_backend) for artifact in artifacts
        ]
        return any(deleted)

    def list_artifacts(self, name: str | None = None) -> tuple[StoredArtifact, ...]:
        """Return the finished artifacts of this run, of all its attempts, the newest first."""
        body = {**self._ids, **({"name_filter": name} if name is not None else {})}
        try:
            response = self._call("ListArtifacts", body)
        except _RefusedCallError as refused:
            _raise_github_error("ListArtifacts", "", refused)
        artifacts = map(_parse_artifact, response.get("artifacts") or [])
        matching = [artifact for artifact in artifacts if name in (None, artifact.name)]
        return tuple(sorted(matching, key=lambda artifact: artifact.id, reverse=True))

    def now(self) -> datetime:
        """Return the time, or when the job's token was issued if this clock disagrees with that."""
        now = self._now().astimezone(UTC)
        if not isinstance(self._issued_at, int):
            return now
        try:
            issued_at = datetime.fromtimestamp(self._issued_at, UTC)
        except (ValueError, OverflowError, OSError):
            return now
        return now if -_CLOCK_TOLERANCE < now - issued_at < _LONGEST_JOB else issued_at

    def _expires_at(self, days: int) -> str:
        days = max(1, min(days, self._max_days or days))
        expiry = self.now() + timedelta(days=days)
        return expiry.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _create(self, name: str, expires_at: str) -> str:
        """Create an unfinished artifact and return the signed URL for its upload."""
        # Version 4 without a MIME type: newer servers and strict older ones both accept it.
        body = {**self._ids, "name": name, "version": 4, "expires_at": expires_at}
        try:
            try:
                response = self._call("CreateArtifact", body)
            except _RefusedCallError as refused:
                is_ours = refused.status == httpx2.codes.CONFLICT and refused.after_lost_response
                if not is_ours or self.list_artifacts(name):
                    raise
                # Our own attempt, whose response was lost, has taken the name: a finished artifact
                # would be listed. The unfinished one is deleted by the ids it was created with.
                self._delete(name, *self._ids.values())
                response = self._call("CreateArtifact", body)
        except _RefusedCallError as refused:
            _raise_github_error("CreateArtifact", name, refused)
        upload_url = str(read_field(response, "signed_upload_url") or "")
        if not upload_url:
            raise GitHubError(f"The artifact service returned no URL to upload {name} to.")
        return self._masked(upload_url)

    def _masked(self, signed_url: str) -> str:
        for key, value in parse_qsl(urlsplit(signed_url).query):
            if key == "sig":
                self._mask(value)
                self._mask(quote(value, safe=""))
        return signed_url

    def _put(self, upload_url: str, data: bytes) -> None:
        """Stage blocks and commit their list, as the official client: not every server knows more.

        https://learn.microsoft.com/rest/api/storageservices/put-block-list
        """
        url = httpx2.URL(upload_url)
        blocks = {
            base64.b64encode(b"%08d" % start).decode(): data[start : start + _BLOCK_BYTES]
            for start in range(0, len(data), _BLOCK_BYTES)
        }
        for block_id, block in blocks.items():
            staged = url.copy_merge_params({"comp": "block", "blockid": block_id})
            self._put_blob(staged, block, {"Content-Type": "application/octet-stream"})
        ids = "".join(f"<Latest>{block_id}</Latest>" for block_id in blocks)
        block_list = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{ids}</BlockList>'.encode()
        headers = {"Content-Type": "application/xml", "x-ms-blob-content-type": "application/zip"}
        self._put_blob(url.copy_merge_params({"comp": "blocklist"}), block_list, headers)

    def _put_blob(self, url: httpx2.URL, content: bytes, headers: Mapping[str, str]) -> None:
        put = partial(self._http.put, url, content=content, headers=headers)
        try:
            self._send(partial(put, timeout=_UPLOAD_TIMEOUT_SECONDS), _is_created)
        except _RefusedCallError as refused:
            raise _upload_error(refused) from None

    def _finalize(self, name: str, data: bytes) -> int:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        body = {**self._ids, "name": name, "size": str(len(data)), "hash": digest}
        try:
            response = self._call("FinalizeArtifact", body)
        except _RefusedCallError as refused:
            # A second FinalizeArtifact after a lost response has nothing left to finalize.
            finished = self.list_artifacts(name) if refused.after_lost_response else ()
            if finished:
                return finished[0].id
            _raise_github_error("FinalizeArtifact", name, refused)
        return int(read_field(response, "artifact_id") or 0)

    def verify(self, name: str, artifact_id: int, data: bytes) -> None:
        """Check an upload that a list shows with another size: some servers count badly.

        What is stored decides. FinalizeArtifact has confirmed the size: a service that cannot list
        is no failure. Raises GitHubError: other bytes are stored.
        """
        try:
            listed = [item for item in self.list_artifacts(name) if item.id == artifact_id]
        except GitHubError:
            return
        if not listed or listed[0].size == len(data):
            return
        try:
            stored = self._download(listed[0])
        except _RefusedCallError:
            size = listed[0].size
        else:
            if stored == data:
                return
            size = len(stored)
        raise GitHubError(f"The artifact {name} arrived with {size} of {len(data)} bytes.")

    def _download(self, artifact: StoredArtifact) -> bytes:
        backend_ids = (artifact.run_backend, artifact.job_backend)
        ids = dict(zip(self._ids, backend_ids, strict=True))
        signed = self._call("GetSignedArtifactURL", {**ids, "name": artifact.name})
        url = self._masked(str(read_field(signed, "signed_url") or ""))
        return self._send(partial(self._http.get, url), _is_ok).content

    def _delete(self, name: str, run_backend: str, job_backend: str) -> bool:
        ids = dict(zip(self._ids, (run_backend, job_backend), strict=True))
        try:
            self._call("DeleteArtifact", {**ids, "name": name})
        except _RefusedCallError as refused:
            if refused.status == httpx2.codes.NOT_FOUND:
                return refused.after_lost_response
            _raise_github_error("DeleteArtifact", name, refused)
        return True

    def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method and return its response.

        Raises:
            _RefusedCallError: the service refused, or did not respond.
        """
        url = f"{self._base_url}/{method}"
        post = partial(self._http.post, url, json=body, headers=self._headers)
        response = self._send(post, _is_json_object)
        data: dict[str, Any] = response.json()
        if data.get("ok") is False:
            raise _RefusedCallError(response.status_code, "not ok", after_lost_response=False)
        return data

    def _send(
        self, send: Callable[[], httpx2.Response], is_valid: Callable[[httpx2.Response], bool]
    ) -> httpx2.Response:
        lost = False
        retries = Retries(self._sleep, _MAX_ATTEMPTS)
        while True:
            try:
                response = send()
            except httpx2.ConnectError as error:
                raise _RefusedCallError(
                    0, f"no connection: {error}", after_lost_response=lost
                ) from None
            except httpx2.HTTPError as error:
                refused = _RefusedCallError(0, type(error).__name__, after_lost_response=True)
                lost = True
            else:
                status = response.status_code
                if response.is_success and is_valid(response):
                    return response
                refused = _RefusedCallError(status, _message_of(response), after_lost_response=lost)
                if status not in RETRIED_STATUSES and not response.is_success:
                    raise refused
                lost = lost or status != httpx2.codes.TOO_MANY_REQUESTS
            if not retries.wait():
                raise refused from None


def check_name(name: str) -> None:
    """Check that the service accepts an artifact's name.

    Raises:
        GitHubError: it does not.
    """
    if not name or _FORBIDDEN_CHARS.search(name):
        raise GitHubError(
            f"{name!r} cannot name an artifact.",
            fix='Choose a `state-key` without any of " : < > | * ? \\ / and line breaks.',
        )


def _raise_github_error(method: str, name: str, refused: "_RefusedCallError") -> NoReturn:
    action = f"The artifact service refused {method} {name}".rstrip()
    if refused.status == httpx2.codes.CONFLICT:
        raise NameTakenError(f"This run already has an artifact named {name}.") from None
    if "insufficient usage" in refused.message:
        raise GitHubError(
            "The account's artifact storage quota is used up.",
            fix="Delete old artifacts or raise the spending limit; GitHub recounts every 6 to 12 "
            "hours.",
        ) from None
    if refused.message == _FOREIGN:
        raise GitHubError(
            f"{action} with {refused.status} ({refused.message}).", fix=_FOREIGN_FIX
        ) from None
    if refused.status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        raise GitHubError(
            f"{action} with {refused.status} ({refused.message}).",
            fix="The runtime token belongs to a job that has ended, or the runner's clock is off.",
        ) from None
    reason = f"{refused.status} {refused.message}" if refused.status else refused.message
    raise GitHubError(
        f"{action} ({reason}).",
        fix=connection_fix(refused, "The next run goes on; see https://www.githubstatus.com."),
    ) from None


def _parse_artifact(item: Mapping[str, Any]) -> StoredArtifact:
    return StoredArtifact(
        id=int(read_field(item, "database_id") or 0),
        name=str(item.get("name") or ""),
        size=int(item.get("size") or 0),
        created_at=str(read_field(item, "created_at") or ""),
        digest=item.get("digest"),
        run_backend=str(read_field(item, "workflow_run_backend_id") or ""),
        job_backend=str(read_field(item, "workflow_job_run_backend_id") or ""),
    )


def _upload_error(refused: "_RefusedCallError") -> GitHubError:
    """Return the error of a refused upload, by the blob store's reason.

    https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
    """
    match = re.search(r"<Code>(\w+)</Code>", refused.message)
    reason = match[1] if match else refused.message or "no reason given"
    if match and refused.status == httpx2.codes.FORBIDDEN:
        fix = "The upload's address has expired, or the runner's clock is off: run it again."
    elif match:
        fix = "The next run goes on; see https://www.githubstatus.com."
    else:
        fix = "The next run goes on; a runner with a firewall must reach *.blob.core.windows.net."
        fix = fix if refused.status else connection_fix(refused, fix)
    said = f"with {refused.status} ({reason})" if refused.status else f"({reason})"
    return GitHubError(f"The artifact's upload failed {said}.", fix=fix)


class _RefusedCallError(Exception):
    """The service refused a call, or responded (status 0) to none of the attempts."""

    def __init__(self, status: int, message: str, *, after_lost_response: bool) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.after_lost_response = after_lost_response
        """An earlier attempt of the same call may have been carried out."""


def _claims(token: str) -> dict[str, Any]:
    """Return the claims in a token; none when it cannot be read."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def parse_backend_ids(token: str) -> dict[str, str]:
    """Return the run's and the job's id in a runtime token; only the service checks its signature.

    Raises:
        GitHubError: the token has no scope `Actions.Results:<run>:<job>`.
    """
    scopes = [scope.split(":") for scope in str(_claims(token).get("scp")).split(" ")]
    for scope in scopes:
        match scope:
            case ["Actions.Results", run, job]:
                return {"workflow_run_backend_id": run, "workflow_job_run_backend_id": job}
    raise GitHubError("ACTIONS_RUNTIME_TOKEN has no permission to store artifacts.")


def read_field(data: Mapping[str, Any], name: str) -> Any:
    """Return a field in either spelling of protobuf's JSON: snake_case or lowerCamelCase."""
    first, *rest = name.split("_")
    return data.get(name, data.get(first + "".join(word.capitalize() for word in rest)))


def _is_created(response: httpx2.Response) -> bool:
    # A store answers a stored block or list with 201; 200 is a proxy's page.
    return response.status_code == httpx2.codes.CREATED


def _is_ok(response: httpx2.Response) -> bool:
    return response.status_code == httpx2.codes.OK


def _is_json_object(response: httpx2.Response) -> bool:
    try:
        return isinstance(response.json(), dict)
    except ValueError:
        return False


def _message_of(response: httpx2.Response) -> str:
    """Return the service's reason; of the blob store's XML all, of a proxy's page nothing."""
    if _is_json_object(response):
        data = response.json()
        # https://twitchtv.github.io/twirp/docs/errors.html: an error has a code.
        is_ours = response.is_success or "code" in data or "msg" in data
        return str(data.get("msg") or "")[:_MAX_MESSAGE_CHARS] if is_ours else _FOREIGN
    text = response.text[:_MAX_MESSAGE_CHARS]
    return text if "<Error>" in text else _FOREIGN
