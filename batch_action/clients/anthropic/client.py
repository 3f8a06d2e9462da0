"""The client of Anthropic's API: credentials, models, messages, batches and their results."""

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

from batch_action.clients.anthropic.errors import (
    affects_all_requests,
    translate_errors,
    was_not_processed,
)
from batch_action.clients.anthropic.parsing import (
    batch_state_of,
    capabilities_of,
    outcome_of_message,
    outcome_of_result,
    server_time,
)
from batch_action.clients.http import Retries
from batch_action.errors import AmbiguousCreateError, AnthropicError, ConfigError, TransientError
from batch_action.models.requests import (
    CREATE_TIMEOUT,
    SYNCHRONOUS_TIMEOUT,
    BatchState,
    ModelCapabilities,
    Outcome,
    OutcomeKind,
    Request,
)

DEFAULT_BASE_URL = "https://api.anthropic.com"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
NOT_FOUND_STATUSES = frozenset({404, 405, 501})
TRANSIENT_STATUSES = frozenset({408, 409, 429})
MAX_CONCURRENT_REQUESTS = 4
"""How many messages `create_messages` sends at the same time."""
LIST_TIMEOUT_SECONDS = 20.0

T = TypeVar("T")


class AnthropicClient:
    """A client of one workspace. Close it when done, or use it as a context manager."""

    def __init__(
        self,
        *,
        api_key: str | None,
        credentials: anthropic.WorkloadIdentityCredentials | None = None,
        base_url: str = DEFAULT_BASE_URL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._credentials = credentials
        self._http = create_http_client(base_url)
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
            # They exchange tokens through an HTTP client of their own.
            self._credentials.close()

    def model(self, name: str) -> tuple[ModelCapabilities | None, datetime]:
        """Return a model's capabilities (None: no such model), and the time at Anthropic."""
        with translate_errors("retrieving the model"):
            try:
                raw = self._client.models.with_raw_response.retrieve(name)
            except anthropic.APIStatusError as error:
                if error.status_code not in NOT_FOUND_STATUSES:
                    raise
                return None, server_time(error.response.headers.get("date"))
        return capabilities_of(raw.parse()), server_time(raw.headers.get("date"))

    def count_tokens(self, params: dict[str, Any]) -> int:
        """Return a request's input tokens: free of charge, and an estimate (Anthropic's docs)."""
        counted = {key: value for key, value in params.items() if key != "max_tokens"}
        with translate_errors("counting tokens"):
            return self._client.messages.count_tokens(**counted).input_tokens

    def create_messages(
        self, requests: Sequence[Request], should_continue: Callable[[], bool]
    ) -> Iterator[Outcome | AnthropicError | None]:
        """Send the requests as single messages at full price, a few at a time; the SDK retries.

        Yield an AnthropicError when it affects all requests, and None for a request that was not
        sent because `should_continue` returned False by then.
        """
        client = self._client.with_options(timeout=SYNCHRONOUS_TIMEOUT.total_seconds())
        calls = [partial(_create_message, client, request) for request in requests]
        return run_concurrently(
            calls, max_workers=MAX_CONCURRENT_REQUESTS, should_continue=should_continue
        )

    def create(self, batch: Sequence[Request]) -> BatchState:
        """Create one batch, without retrying.

        Raises:
            AmbiguousCreateError: it may have been created although no usable response came.
            AnthropicError: it was certainly not created.
        """
        items: Any = [{"custom_id": r.request_key.id, "params": r.params} for r in batch]
        client = self._client.with_options(max_retries=0, timeout=CREATE_TIMEOUT.total_seconds())
        with translate_errors("creating the batch"):
            try:
                raw = client.messages.batches.with_raw_response.create(requests=items)
            except (anthropic.APIConnectionError, anthropic.APIStatusError) as error:
                if was_not_processed(error):
                    raise
                raise _ambiguous_create("was lost") from error
            try:
                return batch_state_of(raw.parse())
            except (anthropic.AnthropicError, AttributeError, TypeError, ValueError) as error:
                # A proxy responded, or cut Anthropic's response.
                raise _ambiguous_create("was no batch") from error

    def retrieve(self, batch: str) -> BatchState | None:
        """Return the batch; None when Anthropic does not know it (it may lag after a create)."""
        with translate_errors(f"retrieving batch {batch}"):
            try:
                return batch_state_of(self._client.messages.batches.retrieve(batch))
            except anthropic.NotFoundError:
                return None

    def created_between(self, start: datetime, end: datetime) -> list[BatchState]:
        """Return all batches of the workspace created in a period, newest first."""
        states = []
        with translate_errors("listing batches"):
            for batch in self._client.messages.batches.list(limit=100):
                if batch.created_at < start:
                    break
                if batch.created_at <= end:
                    states.append(batch_state_of(batch))
        return states

    def created_since(self, start: datetime) -> list[BatchState]:
        """Return the workspace's batches created since `start`, newest first: 100 per call.

        Without retries: a caller that polls has its own backoff, and must stay able to stop.
        """
        client = self._client.with_options(max_retries=0, timeout=LIST_TIMEOUT_SECONDS)
        states = []
        with translate_errors("listing batches"):
            for batch in client.messages.batches.list(limit=100):
                if batch.created_at < start:
                    break
                states.append(batch_state_of(batch))
        return states

    def cancel(self, batch: str) -> BatchState | None:
        """Cancel a batch unless it has ended; None when Anthropic does not know it."""
        with translate_errors(f"canceling batch {batch}"):
            try:
                return batch_state_of(self._client.messages.batches.cancel(batch))
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
        wanted: frozenset[str],
        folder: Path,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> dict[str, Outcome]:
        """Return the outcome of each custom id of `wanted`; an id without a line is absent.

        Stream the results to a file below `folder`. A broken or short download starts again from
        the beginning, because results cannot be resumed; each id counts once. Call `progress` with
        the lines read and the lines expected.

        Raises:
            TransientError: every attempt broke.
        """
        outcomes: dict[str, Outcome] = {}
        retries = Retries(self._sleep)
        while True:
            problem: Exception | None = None
            try:
                path = self._download(batch, folder, len(wanted), progress)
                outcomes |= _read_outcomes(path, wanted)
            except (TransientError, ValueError, httpx2.HTTPError) as error:
                # Also a line that ends inside a character: that is no JSONDecodeError.
                problem = error
            if (problem is None and wanted <= outcomes.keys()) or not retries.wait():
                break
        if problem is not None:
            reason = problem.problem if isinstance(problem, TransientError) else str(problem)
            raise TransientError(
                f"The results of batch {batch} could not be downloaded whole: "
                f"{reason.rstrip('.')}.",
                fix="They stay available for 29 days; the next collect tries again.",
            ) from problem
        return outcomes

    def result_ids(self, batch: str, folder: Path) -> list[str]:
        """Return the custom ids of all result lines of an ended batch, streamed below `folder`."""
        path = self._download(batch, folder, 0, lambda _done, _total: None)
        with path.open(encoding="utf-8", errors="replace") as file:
            return [_custom_id_of(batch, line) for line in file if line.strip()]

    def first_result_id(self, batch: str) -> str | None:
        """Return the custom id of the first result line of an ended batch; None without lines."""
        with self._stream_results(batch) as response:
            for line in response.iter_lines():
                if line.strip():
                    return _custom_id_of(batch, line)
        return None

    def _download(
        self, batch: str, folder: Path, lines: int, progress: Callable[[int, int], None]
    ) -> Path:
        path, seen = folder / f"{batch}.jsonl", 0
        with self._stream_results(batch) as response, path.open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
                seen += chunk.count(b"\n")
                progress(min(seen, lines), lines)
        return path

    @contextmanager
    def _stream_results(self, batch: str) -> Iterator[anthropic.APIResponse[Any]]:
        with translate_errors(f"downloading the results of batch {batch}"):
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


def workload_identity_credentials(
    *,
    identity: Callable[[], str],
    rule: str,
    organization: str,
    service_account: str | None,
    workspace: str | None,
) -> anthropic.WorkloadIdentityCredentials:
    """Return credentials from GitHub's OIDC token; call `identity` for a token at each exchange.

    A token may be exchanged only once, so it is never cached (claude-code-action issue 1406).
    """
    return anthropic.WorkloadIdentityCredentials(
        identity_token_provider=identity,
        federation_rule_id=rule,
        organization_id=organization,
        service_account_id=service_account,
        workspace_id=workspace,
    )


def create_http_client(base_url: str) -> httpx2.Client:
    """Return an HTTP client that sends the key to the base URL's origin or api.anthropic.com only.

    The API returns an absolute `results_url`, which the SDK follows with the key.

    Raises:
        ConfigError: the base URL is not https, nor on this machine.
    """
    base = urlsplit(base_url)
    is_loopback = base.hostname in LOOPBACK_HOSTS
    if base.scheme != "https" and not is_loopback:
        raise ConfigError(f"`anthropic-base-url` {base_url!r} must be https.")
    allowed = {(base.scheme, base.hostname, base.port), ("https", "api.anthropic.com", None)}

    def check_origin(request: httpx2.Request) -> None:
        url = urlsplit(str(request.url))
        is_local = is_loopback and url.hostname in LOOPBACK_HOSTS
        if not is_local and (url.scheme, url.hostname, url.port) not in allowed:
            # The SDK's own class: it would wrap any other one and try again.
            raise anthropic.AnthropicError(
                f"its response points to {url.scheme}://{url.hostname}, which is neither "
                f"{base.hostname} nor api.anthropic.com, so the key is not sent there"
            )

    return anthropic.DefaultHttpxClient(event_hooks={"request": [check_origin]}, base_url=base_url)


def run_concurrently(
    calls: Sequence[Callable[[], T]], *, max_workers: int, should_continue: Callable[[], bool]
) -> Iterator[T | None]:
    """Run the calls on a few threads; yield their results in the order in which they end.

    None means a call that was not started because `should_continue` returned False by then.
    What a call raises is raised here. The threads are daemons, so that an interrupt does not wait
    for a call that hangs.
    """
    todo: SimpleQueue[Callable[[], T]] = SimpleQueue()
    done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                call = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((call() if should_continue() else None, None))
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                done.put((None, error))

    for call in calls:
        todo.put(call)
    for _ in range(min(max_workers, len(calls))):
        threading.Thread(target=work, daemon=True).start()
    for _ in calls:
        result, error = done.get()
        if error is not None:
            raise error
        yield result


def _create_message(client: anthropic.Anthropic, request: Request) -> Outcome | AnthropicError:
    custom_id = request.request_key.id
    try:
        with translate_errors("creating a message"):
            try:
                raw = client.messages.with_raw_response.create(**request.params)
                return outcome_of_message(custom_id, json.loads(raw.http_response.content))
            except anthropic.APIStatusError as error:
                is_transient = error.status_code in TRANSIENT_STATUSES or error.status_code >= 500  # noqa: PLR2004 - HTTP
                if affects_all_requests(error) or is_transient:
                    raise
                return Outcome(
                    custom_id=custom_id, kind=OutcomeKind.ERRORED, detail=str(error.type)
                )
            except ValueError as error:
                raise anthropic.AnthropicError("its response is no JSON") from error
    except TransientError as error:
        return Outcome(custom_id=custom_id, kind=OutcomeKind.UNANSWERED, detail=error.problem)
    except AnthropicError as error:
        return error


def _ambiguous_create(reason: str) -> AmbiguousCreateError:
    return AmbiguousCreateError(
        f"The response to creating the batch {reason}, so the batch may exist.",
        fix="The next run checks this before it sends anything again.",
    )


def _custom_id_of(batch: str, line: str) -> str:
    try:
        return outcome_of_result(json.loads(line)).custom_id
    except ValueError:
        raise TransientError(
            f"The results of batch {batch} could not be read.", fix="The next run tries again."
        ) from None


def _read_outcomes(path: Path, wanted: frozenset[str]) -> dict[str, Outcome]:
    outcomes = {}
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                outcome = outcome_of_result(json.loads(line))
                if outcome.custom_id in wanted:
                    outcomes[outcome.custom_id] = outcome
    return outcomes
