"""How the door is reached: keys that stay at home, and GitHub's identity instead of a key."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import anthropic
import httpx2

from batch_action.clients.anthropic.errors import hits_all, never_arrived, translated
from batch_action.clients.anthropic.parsing import (
    clock_of,
    facts_of,
    message_of,
    outcome_of,
    state_of,
)
from batch_action.errors import AmbiguousCreateError, AnthropicError, ConfigError, TransientError
from batch_action.models.requests import (
    ASK_TIMEOUT,
    CREATE_TIMEOUT,
    BatchState,
    ModelCapabilities,
    Outcome,
    OutcomeKind,
    Request,
)

HOME = "https://api.anthropic.com"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def keyless(
    *,
    identity: Callable[[], str],
    rule: str,
    organization: str,
    service_account: str | None,
    workspace: str | None,
) -> anthropic.WorkloadIdentityCredentials:
    """Credentials from GitHub's OIDC token; *identity* is called anew for each exchange.

    The tokens are single-use, so they may not be kept (claude-code-action issue 1406).
    """
    return anthropic.WorkloadIdentityCredentials(
        identity_token_provider=identity,
        federation_rule_id=rule,
        organization_id=organization,
        service_account_id=service_account,
        workspace_id=workspace,
    )


def guarded_client(base_url: str) -> httpx2.Client:
    """A client that sends the key to the base URL's origin or api.anthropic.com only.

    The API names an absolute `results_url`, and the SDK follows it with the key.
    """
    home = urlsplit(base_url)
    loopback = home.hostname in LOOPBACK
    if home.scheme != "https" and not loopback:
        raise ConfigError(f"`anthropic-base-url` {base_url!r} must be https.")
    allowed = {(home.scheme, home.hostname, home.port), ("https", "api.anthropic.com", None)}

    def guard(request: httpx2.Request) -> None:
        url = urlsplit(str(request.url))
        local = loopback and url.hostname in LOOPBACK
        if not local and (url.scheme, url.hostname, url.port) not in allowed:
            # The SDK's own class: another one it would wrap and try again.
            raise anthropic.AnthropicError(
                f"its answer points to {url.scheme}://{url.hostname}, which is neither "
                f"{home.hostname} nor api.anthropic.com, and the key goes nowhere else"
            )

    return anthropic.DefaultHttpxClient(event_hooks={"request": [guard]}, base_url=base_url)


T = TypeVar("T")


def at_once(
    work: Sequence[Callable[[], T]], *, most: int, go_on: Callable[[], bool]
) -> Iterator[T | None]:
    """What each piece of work came to, in the order in which they end.

    None for what was not begun, because *go_on* said no by then. What a piece raises is raised
    here. The workers are daemons, so that an interrupt need not wait for a call that hangs.
    """
    todo: SimpleQueue[Callable[[], T]] = SimpleQueue()
    done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def worker() -> None:
        while True:
            try:
                act = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((act() if go_on() else None, None))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                done.put((None, error))

    for act in work:
        todo.put(act)
    for _ in range(min(most, len(work))):
        threading.Thread(target=worker, daemon=True).start()
    for _ in work:
        result, error = done.get()
        if error is not None:
            raise error
        yield result


NO_SUCH_THING = frozenset({404, 405, 501})
PASSING = frozenset({408, 409, 429})
SIDE_BY_SIDE = 4
"""Requests that are asked at once at one time."""
TRIES = 4
LIST_TIMEOUT = 20.0


class AnthropicApi:
    """A client of one workspace. Close it when done, or use it as a context manager."""

    def __init__(
        self,
        *,
        api_key: str | None,
        credentials: anthropic.WorkloadIdentityCredentials | None = None,
        base_url: str = HOME,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._credentials = credentials
        self._http = guarded_client(base_url)
        self._client = anthropic.Anthropic(
            api_key=api_key,
            credentials=credentials,
            base_url=base_url,
            http_client=self._http,
            open_telemetry=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
        if self._credentials is not None:
            # They exchange tokens through a client of their own.
            self._credentials.close()

    def model(self, name: str) -> tuple[ModelCapabilities | None, datetime]:
        """What the Models API says of *name* (None: it does not exist), and Anthropic's clock."""
        with translated("asking for the model"):
            try:
                raw = self._client.models.with_raw_response.retrieve(name)
            except anthropic.APIStatusError as error:
                if error.status_code not in NO_SUCH_THING:
                    raise
                return None, clock_of(error.response.headers.get("date"))
        return facts_of(raw.parse()), clock_of(raw.headers.get("date"))

    def count_tokens(self, params: dict[str, Any]) -> int:
        """Input tokens of one request: free of charge, an estimate by Anthropic's own words."""
        asked = {key: value for key, value in params.items() if key != "max_tokens"}
        with translated("counting tokens"):
            return self._client.messages.count_tokens(**asked).input_tokens

    def answers(
        self, requests: Sequence[Request], go_on: Callable[[], bool]
    ) -> Iterator[Outcome | AnthropicError | None]:
        """Ask each request at once and at full price, a few side by side; the SDK may ask again.

        An AnthropicError is one that all requests share; None: not asked, *go_on* said no by then.
        """
        client = self._client.with_options(timeout=ASK_TIMEOUT.total_seconds())
        work = [partial(_answer, client, request) for request in requests]
        return at_once(work, most=SIDE_BY_SIDE, go_on=go_on)

    def create(self, batch: Sequence[Request]) -> BatchState:
        """Send one batch, exactly once.

        Raises AmbiguousCreateError when it may have been created although no answer came, another
        AnthropicError when it was certainly not.
        """
        items: Any = [{"custom_id": r.request_key.id, "params": r.params} for r in batch]
        client = self._client.with_options(max_retries=0, timeout=CREATE_TIMEOUT.total_seconds())
        with translated("creating the batch"):
            try:
                raw = client.messages.batches.with_raw_response.create(requests=items)
            except (anthropic.APIConnectionError, anthropic.APIStatusError) as error:
                if never_arrived(error):
                    raise
                raise _ambiguous("was lost") from error
            try:
                return state_of(raw.parse())
            except (anthropic.AnthropicError, AttributeError, TypeError, ValueError) as error:
                # Something between us and Anthropic answered, or cut what Anthropic answered.
                raise _ambiguous("was no batch") from error

    def retrieve(self, batch: str) -> BatchState | None:
        """The batch, or None when Anthropic does not know it (it may lag after a create)."""
        with translated(f"asking for batch {batch}"):
            try:
                return state_of(self._client.messages.batches.retrieve(batch))
            except anthropic.NotFoundError:
                return None

    def created_between(self, start: datetime, end: datetime) -> list[BatchState]:
        """All batches of the workspace created in a period, newest first."""
        found = []
        with translated("listing batches"):
            for batch in self._client.messages.batches.list(limit=100):
                if batch.created_at < start:
                    break
                if batch.created_at <= end:
                    found.append(state_of(batch))
        return found

    def created_since(self, start: datetime) -> list[BatchState]:
        """The workspace's batches created since then, newest first: one call for a hundred.

        Asked once: who asks again and again has a patience of his own, and must stay able to stop.
        """
        client = self._client.with_options(max_retries=0, timeout=LIST_TIMEOUT)
        found = []
        with translated("listing batches"):
            for batch in client.messages.batches.list(limit=100):
                if batch.created_at < start:
                    break
                found.append(state_of(batch))
        return found

    def cancel(self, batch: str) -> BatchState | None:
        """Ask to cancel, unless it has ended; None when Anthropic does not know the batch."""
        with translated(f"canceling batch {batch}"):
            try:
                return state_of(self._client.messages.batches.cancel(batch))
            except anthropic.NotFoundError:
                return None
            except anthropic.BadRequestError:
                state = self.retrieve(batch)
                if state is None or state.status != "ended":
                    raise
                return state

    def outcomes(
        self,
        batch: str,
        want: frozenset[str],
        folder: Path,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> dict[str, Outcome]:
        """What came back for each id of *want*, in any order; an id without a line is absent.

        The results are streamed to a file below *folder*. A broken or short download starts again
        from the beginning, because results cannot be resumed; each id counts once. *progress* is
        told lines seen and lines expected.
        """
        got: dict[str, Outcome] = {}
        problem: Exception | None = None
        for attempt in range(TRIES):
            if attempt:
                self._sleep(2.0**attempt)
            try:
                path = self._download(batch, folder, len(want), progress)
                got |= _read(path, want)
                problem = None
            except (TransientError, ValueError, httpx2.HTTPError) as error:
                # Also a line that ends inside a character: that is no JSONDecodeError.
                problem = error
            if problem is None and want <= got.keys():
                break
        if problem is not None:
            why = problem.problem if isinstance(problem, TransientError) else str(problem)
            raise TransientError(
                f"The results of batch {batch} could not be downloaded whole: {why.rstrip('.')}.",
                fix="They stay available for 29 days; the next collect tries again.",
            ) from problem
        return got

    def ids(self, batch: str, folder: Path) -> list[str]:
        """The custom ids of all result lines of an ended batch, streamed below *folder*."""
        path = self._download(batch, folder, 0, lambda _done, _total: None)
        with path.open(encoding="utf-8", errors="replace") as file:
            return [_id_of(batch, line) for line in file if line.strip()]

    def first_id(self, batch: str) -> str | None:
        """The custom id of the first result line of an ended batch, None when there is none."""
        with self._results(batch) as response:
            for line in response.iter_lines():
                if line.strip():
                    return _id_of(batch, line)
        return None

    def _download(
        self, batch: str, folder: Path, lines: int, progress: Callable[[int, int], None]
    ) -> Path:
        path, seen = folder / f"{batch}.jsonl", 0
        with self._results(batch) as response, path.open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
                seen += chunk.count(b"\n")
                progress(min(seen, lines), lines)
        return path

    @contextmanager
    def _results(self, batch: str) -> Iterator[anthropic.APIResponse[Any]]:
        with translated(f"downloading the results of batch {batch}"):
            try:
                results = self._client.messages.batches.with_streaming_response.results(batch)
                with results as response:
                    yield response
            except anthropic.NotFoundError as error:
                # Seen shortly after a batch has ended (anthropic-sdk-python issue 1432).
                raise TransientError(
                    f"Anthropic does not show the results of batch {batch} (404).",
                    fix="The next run tries again.",
                ) from error


def _answer(client: anthropic.Anthropic, request: Request) -> Outcome | AnthropicError:
    name = request.request_key.id
    try:
        with translated("asking at once"):
            try:
                raw = client.messages.with_raw_response.create(**request.params)
                return message_of(name, json.loads(raw.http_response.content))
            except anthropic.APIStatusError as error:
                if hits_all(error) or error.status_code in PASSING or error.status_code >= 500:  # noqa: PLR2004 - HTTP
                    raise
                return Outcome(custom_id=name, kind=OutcomeKind.ERRORED, detail=str(error.type))
            except ValueError as error:
                raise anthropic.AnthropicError("its answer is no JSON") from error
    except TransientError as error:
        return Outcome(custom_id=name, kind=OutcomeKind.UNANSWERED, detail=error.problem)
    except AnthropicError as error:
        return error


def _ambiguous(what: str) -> AmbiguousCreateError:
    return AmbiguousCreateError(
        f"The answer to creating the batch {what}, so the batch may exist.",
        fix="The next run finds out before anything is sent again.",
    )


def _id_of(batch: str, line: str) -> str:
    try:
        return outcome_of(json.loads(line)).custom_id
    except ValueError:
        raise TransientError(
            f"The results of batch {batch} could not be read.", fix="The next run tries again."
        ) from None


def _read(path: Path, want: frozenset[str]) -> dict[str, Outcome]:
    found = {}
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                outcome = outcome_of(json.loads(line))
                if outcome.custom_id in want:
                    found[outcome.custom_id] = outcome
    return found
