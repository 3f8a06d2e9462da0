"""The client of Anthropic's API: credentials, models, messages, batches and their results."""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Self, TypeVar, cast
from urllib.parse import urlsplit

import anthropic
import httpx2
from anthropic.types.messages import MessageBatch

from batch_action.clients.anthropic.addresses import (
    DEFAULT_BASE_URL,
    AwsWorkspace,
    checked_base_url,
)
from batch_action.clients.anthropic.responses import (
    UNPARSABLE,
    affects_all_requests,
    batch_state_of,
    capabilities_of,
    error_of,
    is_foreign,
    outcome_of_line,
    outcome_of_message,
    results_paths,
    server_time,
    split_lines,
    token_count,
    translate_errors,
    was_not_processed,
)
from batch_action.clients.anthropic.results_file import ResultsFile
from batch_action.clients.http import LoggedClient, Retries
from batch_action.errors import AmbiguousCreateError, AnthropicError, TransientError
from batch_action.models.requests import (
    CREATE_TIMEOUT,
    SYNCHRONOUS_TIMEOUT,
    BatchState,
    ModelCapabilities,
    Outcome,
    OutcomeKind,
)

NOT_FOUND_STATUSES = frozenset({404, 405, 501})
TRANSIENT_STATUSES = frozenset({408, 409, 429})
MAX_CONCURRENT_REQUESTS = 4
"""How many messages `create_messages` sends at the same time."""
TOKEN_TIMEOUT_SECONDS = 30.0
LIST_TIMEOUT_SECONDS = 20.0

BATCHES_PATH = "/v1/messages/batches"

T = TypeVar("T")
K = TypeVar("K")
ReadParams = Callable[[], dict[str, Any]]
"""Reads the parameters of one request for the Messages API."""


class _LoggedAnthropicClient(LoggedClient, anthropic.DefaultHttpxClient):
    """The SDK's own HTTP client, which records each call."""


class AnthropicClient:
    """A client of one workspace. Close it when done, or use it as a context manager."""

    def __init__(
        self,
        *,
        api_key: str | None,
        credentials: anthropic.WorkloadIdentityCredentials | None = None,
        aws: AwsWorkspace | None = None,
        base_url: str = DEFAULT_BASE_URL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if aws is not None and base_url == DEFAULT_BASE_URL:
            base_url = aws.base_url
        self._sleep = sleep
        self._credentials = credentials
        self._base_url = checked_base_url(base_url)
        # A redirect is not followed: the key goes to this host only.
        self._http = _LoggedAnthropicClient(base_url=base_url, follow_redirects=False)
        self._client: anthropic.Anthropic
        if aws is None:
            self._client = anthropic.Anthropic(
                api_key=api_key,
                credentials=credentials,
                base_url=base_url,
                http_client=self._http,
                open_telemetry=False,
            )
        else:
            self._client = anthropic.AnthropicAWS(
                api_key=api_key,
                aws_region=aws.region,
                workspace_id=aws.id,
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

    def count_tokens(self, requests: Mapping[K, ReadParams]) -> Iterator[tuple[K, int]]:
        """Count the input tokens of requests, a few at a time: free, but estimates, says Anthropic.

        Yield key and tokens of each, in the order of the answers. Raises AnthropicError.
        """

        def count(key: K, read: ReadParams) -> tuple[K, int]:
            params = {name: value for name, value in read().items() if name != "max_tokens"}
            with translate_errors("counting tokens"):
                return key, token_count(self._client.messages.count_tokens(**params))

        calls = [partial(count, key, read) for key, read in requests.items()]
        counted = run_concurrently(
            calls, max_workers=MAX_CONCURRENT_REQUESTS, should_continue=lambda: True
        )
        return filter(None, counted)

    def create_messages(
        self, requests: Mapping[str, ReadParams], should_continue: Callable[[], bool]
    ) -> Iterator[Outcome | AnthropicError | None]:
        """Send requests as single messages at full price, a few at a time; the SDK retries.

        *requests*: by custom id what reads the params. Yield an AnthropicError when it affects all
        requests, and None for a request that was not sent because `should_continue` returned False
        by then.
        """
        client = self._client.with_options(timeout=SYNCHRONOUS_TIMEOUT.total_seconds())
        calls = [partial(_create_message, client, *request) for request in requests.items()]
        return run_concurrently(
            calls, max_workers=MAX_CONCURRENT_REQUESTS, should_continue=should_continue
        )

    def create(self, body: Iterable[bytes], size: int) -> BatchState:
        """Create one batch, without retrying, from a JSON body of *size* bytes as it is read.

        Raises:
            AmbiguousCreateError: it may have been created although no usable response came.
            AnthropicError: it was certainly not created.
        """
        client = self._client.with_options(max_retries=0, timeout=CREATE_TIMEOUT.total_seconds())
        headers = {"content-type": "application/json", "content-length": str(size)}
        with translate_errors("creating the batch"):
            try:
                response = client.post(
                    BATCHES_PATH,
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": headers, "follow_redirects": False},
                )
            except (anthropic.APIConnectionError, anthropic.APIStatusError) as error:
                if was_not_processed(error):
                    raise
                raise _ambiguous_create("was lost") from error
            try:
                return batch_state_of(MessageBatch.construct(**response.json()))
            except UNPARSABLE as error:
                # A proxy responded, or cut Anthropic's response.
                raise _ambiguous_create("was no batch") from error

    def retrieve(self, batch: str) -> BatchState | None:
        """Return the batch; None when Anthropic does not know it (it may lag after a create)."""
        with translate_errors(f"retrieving batch {batch}"):
            try:
                return batch_state_of(self._client.messages.batches.retrieve(batch))
            except anthropic.NotFoundError as error:
                _check_own(error)
                return None

    def created_between(self, start: datetime, end: datetime) -> list[BatchState]:
        """Return all batches of the workspace created in a period, newest first."""
        return [state for state in _list_since(self._client, start) if state.created_at <= end]

    def created_since(self, start: datetime) -> list[BatchState]:
        """Return the workspace's batches created since `start`, newest first: 100 per call.

        Without retries: a caller that polls has its own backoff, and must stay able to stop.
        """
        client = self._client.with_options(max_retries=0, timeout=LIST_TIMEOUT_SECONDS)
        return list(_list_since(client, start))

    def cancel(self, batch: str) -> BatchState | None:
        """Cancel a batch unless it has ended; None when Anthropic does not know it."""
        with translate_errors(f"canceling batch {batch}"):
            try:
                return batch_state_of(self._client.messages.batches.cancel(batch))
            except anthropic.NotFoundError as error:
                _check_own(error)
                return None
            except anthropic.BadRequestError:
                state = self.retrieve(batch)
                if state is None or state.status != "ended":
                    raise
                return state

    def delete(self, batch: str) -> None:
        """Delete an ended batch with its requests and results, unless it is gone already."""
        with translate_errors(f"deleting batch {batch}"):
            try:
                deleted: object = self._client.messages.batches.delete(batch)
            except anthropic.NotFoundError as error:
                _check_own(error)
                return
            if getattr(deleted, "id", None) != batch:
                raise ValueError("no deletion")

    def outcomes(
        self,
        batch: BatchState,
        wanted: Collection[str],
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        *,
        may_be_absent: bool = False,
    ) -> ResultsFile:
        """Download the results to disk; return the outcome of each custom id of `wanted`.

        They may lack some only with `may_be_absent`. A broken download, or one without some of the
        batch's requests, starts again from the beginning, because results cannot be resumed. Of
        several lines about one request an answer wins over an error, and else the first. Call
        `progress` with the lines read and expected.

        Raises:
            TransientError: every attempt broke.
            ConfigError: the results cannot be written to a temporary file.
        """
        outcomes = ResultsFile(wanted)
        total = batch.total or len(wanted)
        retries = Retries(self._sleep)
        while True:
            try:
                for done, (outcome, line) in enumerate(self._results(batch), 1):
                    outcomes.add(outcome, line)
                    progress(min(done, total), total)
                problem = f"{outcomes.count} of {total} results"
                if outcomes.count >= total:
                    problem = f"{len(outcomes)} of {len(wanted)} of our results"
            except TransientError as error:
                problem = error.problem.rstrip(".")
            if outcomes.count >= total and (may_be_absent or outcomes.is_complete):
                return outcomes
            if not retries.wait():
                raise TransientError(
                    f"The results of batch {batch.id} could not be downloaded whole: {problem}.",
                    fix="They stay available for 29 days; the next collect tries again.",
                )

    def result_ids(self, batch: BatchState) -> Iterator[str]:
        """Yield the custom id of each result line of an ended batch, as it arrives."""
        return (outcome.custom_id for outcome, _ in self._results(batch))

    def _results(self, batch: BatchState) -> Iterator[tuple[Outcome, bytes]]:
        """Yield the results of an ended batch and their lines.

        Raises TransientError: the download broke.
        """
        for path in results_paths(batch, urlsplit(self._base_url).path.rstrip("/")):
            with translate_errors(f"downloading the results of batch {batch.id}"):
                try:
                    streamed = self._client.get(
                        path, cast_to=httpx2.Response, stream=True, stream_cls=anthropic.Stream[Any]
                    )
                except anthropic.NotFoundError:
                    continue
                # The SDK hands on the response itself for this `cast_to`.
                with closing(cast("httpx2.Response", streamed)) as response:
                    for line in split_lines(response.iter_bytes()):
                        yield outcome_of_line(line), line
                return
        # Seen shortly after a batch has ended (anthropic-sdk-python issue 1432).
        raise TransientError(
            f"Anthropic does not show the results of batch {batch.id} (404).",
            fix="The next run tries again.",
        )


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
    credentials = anthropic.WorkloadIdentityCredentials(
        identity_token_provider=identity,
        federation_rule_id=rule,
        organization_id=organization,
        service_account_id=service_account,
        workspace_id=workspace,
        http_client=LoggedClient(timeout=TOKEN_TIMEOUT_SECONDS),
    )
    credentials._owns_http_client = True  # noqa: SLF001 - so that its `close` closes the client
    return credentials


def _check_own(error: anthropic.NotFoundError) -> None:
    """Raise the error again if it is none of Anthropic's: a page says nothing about a batch."""
    if is_foreign(error):
        raise error


def _list_since(client: anthropic.Anthropic, start: datetime) -> Iterator[BatchState]:
    with translate_errors("listing batches"):
        for page in client.messages.batches.list(limit=100).iter_pages():
            # An empty object of a proxy is not an empty list.
            if not isinstance(page.has_more, bool):
                raise TypeError("no list of batches")
            for state in map(batch_state_of, page.data):
                if state.created_at < start:
                    return
                yield state


def run_concurrently(
    calls: Sequence[Callable[[], T]], *, max_workers: int, should_continue: Callable[[], bool]
) -> Iterator[T | None]:
    """Run the calls on a few threads; yield their results in the order in which they end.

    None means a call that was not started because `should_continue` returned False by then.
    What a call raises is raised here, and no other call is started. The threads are daemons, so
    that an interrupt does not wait for a call that hangs.
    """
    stopped = threading.Event()
    todo: SimpleQueue[Callable[[], T]] = SimpleQueue()
    done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                call = todo.get_nowait()
            except Empty:
                return
            try:
                is_wanted = not stopped.is_set() and should_continue()
                done.put((call() if is_wanted else None, None))
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                done.put((None, error))

    for call in calls:
        todo.put(call)
    for _ in range(min(max_workers, len(calls))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in calls:
            result, error = done.get()
            if error is not None:
                raise error
            yield result
    finally:
        stopped.set()


def _create_message(
    client: anthropic.Anthropic, custom_id: str, read: ReadParams
) -> Outcome | AnthropicError:
    try:
        with translate_errors("creating a message"):
            try:
                raw = client.messages.with_raw_response.create(**read())
                message = json.loads(raw.http_response.content)
                if "stop_reason" not in message:
                    raise ValueError("no message")
                return outcome_of_message(custom_id, message)
            except anthropic.APIStatusError as error:
                is_transient = error.status_code in TRANSIENT_STATUSES or error.status_code >= 500  # noqa: PLR2004 - HTTP
                if affects_all_requests(error) or is_transient or is_foreign(error):
                    raise
                name, message = error_of(error.body)
                return Outcome(
                    custom_id=custom_id, kind=OutcomeKind.ERRORED, detail=name, message=message
                )
    except TransientError as error:
        return Outcome(custom_id=custom_id, kind=OutcomeKind.UNANSWERED, detail=error.problem)
    except AnthropicError as error:
        return error


def _ambiguous_create(reason: str) -> AmbiguousCreateError:
    return AmbiguousCreateError(
        f"The response to creating the batch {reason}, so the batch may exist.",
        fix="The next run checks this before it sends anything again.",
    )
