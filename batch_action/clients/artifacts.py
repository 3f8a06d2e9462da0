"""GitHub's artifact service from inside a container action: upload, list and delete."""

import base64
import hashlib
import ipaddress
import json
import logging
import random
import re
import time
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2

from batch_action.errors import GitHubError
from batch_action.models.github import StoredArtifact

_SERVICE = "twirp/github.actions.results.api.v1.ArtifactService"
# The official client's policy: five tries, 3 s, then random within [3 * 1.5^n, 3 * 1.5^(n+1)).
_ATTEMPTS = 5
_FIRST_WAIT = 3.0
_GROWTH = 1.5
_AGAIN = frozenset({429, 500, 502, 503, 504})
_TOO_MANY = 429


class RefusedCallError(Exception):
    """The service said no, or said nothing (status 0) until we gave up; for this package only."""

    def __init__(self, status: int, said: str, *, after_loss: bool) -> None:
        super().__init__(said)
        self.status = status
        self.said = said
        self.after_loss = after_loss
        """An earlier try of this very call may have been carried out."""


class TwirpClient:
    """Calls to the service at the origin of `results_url`, and uploads to where it says."""

    def __init__(
        self, results_url: str, token: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        address = httpx2.URL(results_url)
        self._base = f"{address.scheme}://{address.netloc.decode()}/{_SERVICE}"
        self._token = token
        self._sleep = sleep
        # At INFO it logs every address, the signed ones included.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self._http = httpx2.Client(timeout=30.0, headers={"User-Agent": "batch-action"})

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method and give its answer; raises RefusedCallError."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._try_often(
            lambda: self._http.post(f"{self._base}/{method}", json=body, headers=headers),
            wants_json=True,
        )
        data: dict[str, Any] = answer.json()
        if data.get("ok") is False:
            raise RefusedCallError(answer.status_code, "not ok", after_loss=False)
        return data

    def put(self, address: str, data: bytes, headers: Mapping[str, str], timeout: float) -> None:
        """Upload to a signed address, without credentials; raises RefusedCallError."""
        self._try_often(
            lambda: self._http.put(address, content=data, headers=dict(headers), timeout=timeout)
        )

    def _try_often(
        self, send: Callable[[], httpx2.Response], *, wants_json: bool = False
    ) -> httpx2.Response:
        lost = False
        refused = RefusedCallError(0, "", after_loss=False)
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(_pause(attempt))
            try:
                answer = send()
            except httpx2.ConnectError:
                raise RefusedCallError(0, "no connection", after_loss=lost) from None
            except httpx2.HTTPError as error:
                refused = RefusedCallError(0, type(error).__name__, after_loss=True)
                lost = True
                continue
            if answer.is_success and (not wants_json or _is_object(answer)):
                return answer
            refused = RefusedCallError(answer.status_code, _said(answer), after_loss=lost)
            if answer.status_code not in _AGAIN and not answer.is_success:
                raise refused
            lost = lost or answer.status_code != _TOO_MANY
        raise refused


def backend_ids(token: str) -> dict[str, str]:
    """Read whose artifacts the token may touch; nobody but the service checks its signature.

    Raises GitHubError for a token without the scope `Actions.Results:<run>:<job>`.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        scopes = [scope.split(":") for scope in str(claims["scp"]).split(" ")]
    except (IndexError, ValueError, KeyError, TypeError):
        scopes = []
    for scope in scopes:
        match scope:
            case ["Actions.Results", run, job]:
                return {"workflow_run_backend_id": run, "workflow_job_run_backend_id": job}
    raise GitHubError("ACTIONS_RUNTIME_TOKEN holds no right to store artifacts.")


def field(data: Mapping[str, Any], name: str) -> Any:
    """Read a field in either spelling of protobuf's JSON: snake_case or lowerCamelCase."""
    first, *rest = name.split("_")
    return data.get(name, data.get(first + "".join(word.capitalize() for word in rest)))


def _pause(attempt: int) -> float:
    if attempt == 1:
        return _FIRST_WAIT
    low = _FIRST_WAIT * _GROWTH ** (attempt - 1)
    return random.uniform(low, low * _GROWTH)  # noqa: S311 - spreads clients, keeps no secret


def _is_object(answer: httpx2.Response) -> bool:
    try:
        return isinstance(answer.json(), dict)
    except ValueError:
        return False


def _said(answer: httpx2.Response) -> str:
    if _is_object(answer):
        return str(answer.json().get("msg") or "")[:300]
    return answer.text[:300]


_FORBIDDEN = re.compile(r'[":<>|*?\r\n\\/]')
_TAKEN = 409
_UPLOAD_TIMEOUT = 300.0
_NOT_HERE = (
    "Only a step of GitHub Actions itself can store artifacts: run this as an action (`uses:`), or "
    "keep the state in a file with `--state-dir`."
)


class NameTakenError(GitHubError):
    """The run, or an earlier attempt of it, already holds an artifact of this name."""


def why_not(results_url: str, runtime_token: str, server_url: str) -> str | None:
    """Give the sentence why artifacts cannot be stored here; None when they can.

    Arguments are the values of ACTIONS_RESULTS_URL, ACTIONS_RUNTIME_TOKEN, GITHUB_SERVER_URL, empty
    when unset. The hosts are those the official client accepts.
    """
    host = urlsplit(server_url).hostname or ""
    if not (host == "github.com" or host.endswith((".ghe.com", ".localhost")) or _loopback(host)):
        return f"GitHub Enterprise Server ({host}) does not support artifacts of version 4."
    for name, value in (("URL", results_url), ("TOKEN", runtime_token)):
        if not value:
            variable = "ACTIONS_RESULTS_URL" if name == "URL" else "ACTIONS_RUNTIME_TOKEN"
            return f"{variable} is not set: this is no step of a GitHub action."
    return None


class ArtifactService:
    """The artifacts of the run we are in. Use as a context manager, or `close()`."""

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
        """Raise GitHubError where artifacts cannot be stored (see `why_not`).

        `max_days`: GITHUB_RETENTION_DAYS; `mask` is told the secret part of signed addresses.
        """
        reason = why_not(results_url, runtime_token, server_url)
        if reason:
            raise GitHubError(reason, fix=_NOT_HERE)
        self._ids = backend_ids(runtime_token)
        self._twirp = TwirpClient(results_url, runtime_token, sleep=sleep)
        self._max_days = max_days
        self._mask = mask
        self._now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._twirp.close()

    def upload(self, name: str, zip_bytes: bytes, retention_days: int) -> int:
        """Store a zip under `name` and give its id, when the service holds all of its bytes.

        Raises NameTakenError when the run already holds that name, GitHubError for all else.
        """
        check_name(name)
        address = self._create(name, self._expiry(retention_days))
        self._put(address, zip_bytes)
        number = self._finalize(name, zip_bytes)
        self._verify(name, number, len(zip_bytes))
        return number

    def delete(self, name: str, known: Container[int] | None = None) -> bool:
        """Delete this run's artifacts of that name; False when there was none.

        With *known* nothing is deleted when the name holds an artifact that is not among these ids:
        another job of this run has written there meanwhile.
        """
        found = self.listed(name)
        if known is not None and any(item.id not in known for item in found):
            return False
        deleted = [self._drop(name, item.run_backend, item.job_backend) for item in found]
        return any(deleted)

    def listed(self, name: str | None = None) -> tuple[StoredArtifact, ...]:
        """Give this run's finished artifacts, all attempts together, the newest first."""
        body = {**self._ids, **({"name_filter": name} if name is not None else {})}
        answer = self._checked("ListArtifacts", body)
        stored = [_stored(item) for item in answer.get("artifacts") or []]
        ours = [item for item in stored if name in (None, item.name)]
        return tuple(sorted(ours, key=lambda item: item.id, reverse=True))

    def _expiry(self, days: int) -> str:
        days = max(1, min(days, self._max_days or days))
        until = self._now().astimezone(UTC) + timedelta(days=days)
        return until.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _create(self, name: str, expires_at: str) -> str:
        # Version 4 without a mime type: what newer servers and strict older ones both take.
        body = {**self._ids, "name": name, "version": 4, "expires_at": expires_at}
        try:
            try:
                answer = self._twirp.call("CreateArtifact", body)
            except RefusedCallError as refused:
                if refused.status != _TAKEN or not refused.after_loss or self.listed(name):
                    raise
                # The name is taken by our own try whose answer was lost: a finished artifact would
                # be in the list. The unfinished one is deleted by the ids it was made with.
                self._drop(name, *self._ids.values())
                answer = self._twirp.call("CreateArtifact", body)
        except RefusedCallError as refused:
            _give_up("CreateArtifact", name, refused)
        address = str(field(answer, "signed_upload_url") or "")
        if not address:
            raise GitHubError(f"The artifact service gave no address to upload {name} to.")
        for key, value in parse_qsl(urlsplit(address).query):
            if key == "sig":
                self._mask(value)
                self._mask(quote(value, safe=""))
        return address

    def _put(self, address: str, data: bytes) -> None:
        """Put Blob: https://learn.microsoft.com/rest/api/storageservices/put-blob."""
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/zip"}
        try:
            self._twirp.put(address, data, headers, _UPLOAD_TIMEOUT)
        except RefusedCallError as refused:
            raise GitHubError(
                f"The artifact's upload failed with {refused.status} ({_blob_code(refused.said)}).",
                fix="The next run goes on; a runner with a firewall must reach "
                "*.blob.core.windows.net.",
            ) from None

    def _finalize(self, name: str, data: bytes) -> int:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        body = {**self._ids, "name": name, "size": str(len(data)), "hash": digest}
        try:
            answer = self._twirp.call("FinalizeArtifact", body)
        except RefusedCallError as refused:
            # A second Finalize after a lost answer finds nothing left to finish.
            done = self.listed(name) if refused.after_loss else ()
            if done and done[0].size == len(data):
                return done[0].id
            _give_up("FinalizeArtifact", name, refused)
        return int(field(answer, "artifact_id") or 0)

    def _verify(self, name: str, number: int, size: int) -> None:
        try:
            found = [item.size for item in self.listed(name) if item.id == number]
        except GitHubError:
            # Finalize has confirmed the size already; a service that cannot list is no failure.
            return
        if found and found[0] != size:
            raise GitHubError(f"The artifact {name} arrived with {found[0]} of {size} bytes.")

    def _drop(self, name: str, run_backend: str, job_backend: str) -> bool:
        ids = dict(zip(self._ids, (run_backend, job_backend), strict=True))
        try:
            self._twirp.call("DeleteArtifact", {**ids, "name": name})
        except RefusedCallError as refused:
            if refused.status == httpx2.codes.NOT_FOUND:
                return refused.after_loss
            _give_up("DeleteArtifact", name, refused)
        return True

    def _checked(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._twirp.call(method, body)
        except RefusedCallError as refused:
            _give_up(method, "", refused)


def check_name(name: str) -> None:
    """Raise GitHubError for a name the service does not take."""
    if not name or _FORBIDDEN.search(name):
        raise GitHubError(
            f"{name!r} cannot name an artifact.",
            fix='Choose a `state-key` without any of " : < > | * ? \\ / and line breaks.',
        )


def _give_up(method: str, name: str, refused: RefusedCallError) -> NoReturn:
    what = f"The artifact service refused {method} {name}".rstrip()
    if refused.status == _TAKEN:
        raise NameTakenError(f"This run already holds an artifact named {name}.") from None
    if "insufficient usage" in refused.said:
        raise GitHubError(
            "The account's artifact storage quota is used up.",
            fix="Delete old artifacts or raise the spending limit; GitHub recounts every 6 to 12 "
            "hours.",
        ) from None
    if refused.status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        raise GitHubError(
            f"{what} with {refused.status} ({refused.said}).",
            fix="The runtime token belongs to a job that has ended, or the runner's clock is off.",
        ) from None
    said = f"{refused.status} {refused.said}" if refused.status else refused.said
    raise GitHubError(
        f"{what} ({said}).",
        fix="The next run goes on; see https://www.githubstatus.com.",
    ) from None


def _stored(item: Mapping[str, Any]) -> StoredArtifact:
    return StoredArtifact(
        id=int(field(item, "database_id") or 0),
        name=str(item.get("name") or ""),
        size=int(item.get("size") or 0),
        created_at=str(field(item, "created_at") or ""),
        digest=item.get("digest"),
        run_backend=str(field(item, "workflow_run_backend_id") or ""),
        job_backend=str(field(item, "workflow_job_run_backend_id") or ""),
    )


def _blob_code(text: str) -> str:
    found = re.search(r"<Code>(\w+)</Code>", text)
    return found[1] if found else "no reason given"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
