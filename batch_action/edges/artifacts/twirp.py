"""How the artifact service is spoken to: Twirp as JSON, the retries, and whose artifacts."""

import base64
import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from batch_action.errors import GitHubError

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


class Twirp:
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
