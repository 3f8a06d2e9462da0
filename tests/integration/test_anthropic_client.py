"""The Anthropic client: over real HTTP with the sandbox, and with a transport for other hosts."""

import base64
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from batch_action.clients.anthropic.client import (
    DEFAULT_BASE_URL,
    AnthropicClient,
    workload_identity_credentials,
)
from batch_action.clients.anthropic.responses import outcome_of_line
from batch_action.errors import (
    AmbiguousCreateError,
    AnthropicError,
    ConfigError,
    QuotaError,
    TransientError,
)
from batch_action.models.ledger import Usage
from batch_action.models.requests import OutcomeKind
from batch_action.sandbox.server import Sandbox
from tests.harness.batches import WrittenRequests
from tests.harness.git_repositories import Repo

MODEL = "claude-sonnet-5-5"
BATCHES = "/v1/messages/batches"
RESULTS = f"{BATCHES}/ID/results"
KEY = "sk-ant-secret-of-the-edge"
_names = itertools.count(1)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(seed=3) as box:
        yield box


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.faults.clear()
    running.faults.calls.clear()
    yield running
    running.faults.clear()
    running.anthropic.hold = False
    running.anthropic.results_origin = None
    running.anthropic.max_bytes = 256_000_000


@pytest.fixture
def api(sandbox, small_ca_bundle, monkeypatch) -> Iterator[AnthropicClient]:
    monkeypatch.setenv("SSL_CERT_FILE", str(small_ca_bundle))
    key = f"{KEY}--ws-edge{next(_names)}"
    with AnthropicClient(
        api_key=key, base_url=sandbox.anthropic_url, sleep=lambda _seconds: None
    ) as api:
        yield api


def requests(count=3, text="x", **fields):
    return WrittenRequests(
        {
            f"code-review-a_py-{n}": {
                "model": MODEL,
                "max_tokens": 2000,
                "messages": [{"role": "user", "content": f"{text} {n}"}],
                **fields,
            }
            for n in range(count)
        }
    )


def seen(sandbox, method, ending):
    return sum(c.method == method and c.path.endswith(ending) for c in sandbox.faults.calls)


def message_of(caught):
    """The complete message, which contains no secret."""
    sentence = str(caught.value)
    assert KEY not in sentence
    assert ".." not in sentence.replace("…", "")
    return sentence


def through(handler, base_url="https://proxy.example", key=KEY, sleep=lambda _seconds: None):
    """A client whose network is a function."""
    api = AnthropicClient(api_key=key, base_url=base_url, sleep=sleep)
    api._http._transport = httpx2.MockTransport(handler)
    api._http._mounts = {}
    return api


class TestCreate:
    def test_a_created_batch_has_anthropics_time(self, api, sandbox):
        state = requests(3).create(api)
        assert (state.status, state.total, state.canceled) == ("in_progress", 3, False)
        assert state.expires_at - state.created_at == timedelta(hours=24)
        assert state.created_at.tzinfo is not None
        assert [c.path for c in sandbox.faults.calls] == [BATCHES]

    @pytest.mark.parametrize(
        ("fault", "details", "exists"),
        [
            ("drop-after", {}, True),
            ("drop-before", {}, False),
            ("truncate", {}, True),
            ("status", {"status": 500}, False),
            ("status", {"status": 502, "body": "<html>Bad gateway</html>"}, False),
            ("status", {"status": 503}, False),
            ("status", {"status": 504}, False),
            ("status", {"status": 200, "body": "<html>Welcome to the proxy</html>"}, False),
            (
                "status",
                {"status": 200, "body": "{}", "headers": {"content-type": "application/json"}},
                False,
            ),
        ],
    )
    def test_a_lost_response_is_ambiguous_and_never_retried(
        self, api, sandbox, fault, details, exists
    ):
        sandbox.faults.add(fault, method="POST", path=f"{BATCHES}$", **details)
        with pytest.raises(AmbiguousCreateError, match="may exist") as caught:
            requests(2).create(api)
        assert "next run" in message_of(caught)
        assert caught.value.exit_code == 4
        assert seen(sandbox, "POST", BATCHES) == 1
        now = sandbox.clock.now()
        listed = api.created_between(now - timedelta(minutes=1), now + timedelta(minutes=1))
        assert [state.total for state in listed] == ([2] if exists else [])

    @pytest.mark.parametrize(
        ("details", "kind", "fix"),
        [
            (
                {"status": 400, "message": "requests.0.params: Field required"},
                AnthropicError,
                "req",
            ),
            ({"status": 401}, AnthropicError, "`anthropic-api-key`"),
            ({"status": 402, "message": "Your credit is used up"}, QuotaError, "credit"),
            ({"status": 403}, AnthropicError, "`anthropic-api-key`"),
            ({"status": 404}, AnthropicError, "req"),
            ({"status": 413}, AnthropicError, "`max-requests-per-batch`"),
            ({"status": 429}, TransientError, "next run"),
            ({"status": 529}, TransientError, "next run"),
            (
                {
                    "status": 429,
                    "error_details": {"error_code": "enforced_spend_limit_reached"},
                },
                QuotaError,
                "limit",
            ),
            (
                {"status": 429, "error_details": {"error_code": "ramp_limit_exceeded"}},
                QuotaError,
                "limit",
            ),
            (
                {
                    "status": 400,
                    "message": "You have reached your specified workspace API usage limits.",
                },
                QuotaError,
                "limit",
            ),
        ],
    )
    def test_a_refusal_has_its_class_and_fix(self, api, sandbox, details, kind, fix):
        sandbox.faults.add("status", method="POST", path=f"{BATCHES}$", **details)
        with pytest.raises(AnthropicError) as caught:
            requests().create(api)
        assert type(caught.value) is kind
        assert fix in message_of(caught)
        assert str(details["status"]) in message_of(caught)
        assert details.get("message", "").rstrip(".") in message_of(caught)
        assert seen(sandbox, "POST", BATCHES) == 1

    @pytest.mark.parametrize("status", [408, 409])
    def test_a_status_that_a_proxy_may_send_is_ambiguous(self, api, sandbox, status):
        sandbox.faults.add("status", method="POST", path=f"{BATCHES}$", status=status)
        with pytest.raises(AmbiguousCreateError):
            requests().create(api)
        assert seen(sandbox, "POST", BATCHES) == 1

    def test_an_invalid_batch_is_refused(self, api, sandbox):
        twice = requests(1)
        twice.requests *= 2
        with pytest.raises(AnthropicError) as caught:
            twice.create(api)
        assert type(caught.value) is AnthropicError
        sandbox.anthropic.max_bytes = 1000
        with pytest.raises(AnthropicError, match="413"):
            requests(20).create(api)

    def test_a_refused_connection_is_not_ambiguous(self):
        with (
            AnthropicClient(
                api_key=KEY, base_url="http://127.0.0.1:9", sleep=lambda _s: None
            ) as api,
            pytest.raises(TransientError) as caught,
        ):
            requests().create(api)
        assert "could not be reached while creating the batch" in message_of(caught)

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (httpx2.ConnectError("no"), TransientError),
            (httpx2.ConnectTimeout("no"), TransientError),
            (httpx2.ReadTimeout("no"), AmbiguousCreateError),
            (httpx2.WriteTimeout("no"), AmbiguousCreateError),
            (httpx2.WriteError("no"), AmbiguousCreateError),
            (httpx2.ReadError("no"), AmbiguousCreateError),
            (httpx2.RemoteProtocolError("no"), AmbiguousCreateError),
        ],
    )
    def test_only_a_request_that_was_never_sent_is_not_ambiguous(self, error, kind):
        calls = []

        def answer(request):
            calls.append(request)
            raise error

        with through(answer) as api, pytest.raises(AnthropicError) as caught:
            requests().create(api)
        assert type(caught.value) is kind
        assert len(calls) == 1


class TestResults:
    @pytest.fixture
    def made(self):
        return requests(12, text="é日本語" * 20)

    @pytest.fixture
    def batch(self, api, made):
        return made.create(api)

    def test_results_are_read_in_any_order(self, api, batch, made, sandbox):
        sandbox.faults.add_outcome("expired", custom_id="-1$")
        found = finished(api, batch, made.ids)
        assert found.keys() == made.ids
        assert all(outcome.custom_id == name for name, outcome in found.items())
        order = list(api.result_ids(api.retrieve(batch.id)))
        assert order != [r.request_key.id for r in made.requests], "the sandbox shuffles"

    @pytest.mark.parametrize("fault", ["truncate", "drop-before", "drop-after"])
    def test_a_broken_download_starts_again(self, api, batch, made, sandbox, fault):
        sandbox.faults.add(fault, path="/results$", times=2)
        assert finished(api, batch, made.ids).keys() == made.ids

    @pytest.mark.parametrize("status", [404, 429, 500, 503, 529])
    def test_a_transient_failure_is_retried(self, api, batch, made, sandbox, status):
        headers = {"x-should-retry": "false"}
        sandbox.faults.add("status", path="/results$", status=status, times=2, headers=headers)
        assert finished(api, batch, made.ids).keys() == made.ids

    def test_a_lasting_failure_is_reported(self, api, batch, made, sandbox):
        headers = {"x-should-retry": "false"}
        sandbox.faults.add("status", path="/results$", status=503, times=99, headers=headers)
        with pytest.raises(TransientError, match="could not be downloaded whole") as caught:
            finished(api, batch, made.ids)
        assert "29 days" in message_of(caught)
        assert seen(sandbox, "GET", "/results") == 4

    def test_a_refused_key_is_not_retried(self, api, batch, made, sandbox):
        sandbox.faults.add("status", path="/results$", status=401)
        with pytest.raises(AnthropicError, match="`anthropic-api-key`"):
            finished(api, batch, made.ids)
        assert seen(sandbox, "GET", "/results") == 1

    def test_fewer_lines_than_counted_are_transient(self, api, batch, made, sandbox):
        sandbox.faults.add_outcome("missing", custom_id="-7$")
        with pytest.raises(TransientError, match="11 of 12 results"):
            finished(api, batch, made.ids)
        assert seen(sandbox, "GET", "/results") == 4

    def served(self, *bodies, total=1):
        """A client for which each download of results returns the next of these bodies."""
        left = list(bodies)

        def answer(request):
            if not request.url.path.endswith("/results"):
                return httpx2.Response(200, json=_batch(None, total=total))
            return httpx2.Response(200, content=left.pop(0) if len(left) > 1 else left[0])

        return through(answer)

    def test_blank_lines_crlf_duplicates_and_foreign_ids_are_accepted(self):
        body = b"\n\r\n" + b"\r\n\n".join([_line("a"), _line("b"), _line("a"), _line("zz")])
        with self.served(body, total=3) as api:
            found = finished(api, None, frozenset("ab"))
        assert {name: outcome.text for name, outcome in found.items()} == {"a": "é a", "b": "é b"}

    @pytest.mark.parametrize("end", range(1, 12))
    def test_a_truncated_body_is_never_accepted(self, end):
        whole = _line("a") + b"\n" + _line("b")
        middle = whole.index("é b".encode())
        with self.served(whole[: middle - 5 + end], whole, total=2) as api:
            found = finished(api, None, frozenset("ab"))
        assert sorted(found) == ["a", "b"]

    def test_two_partial_downloads_are_joined(self):
        with self.served(_line("a"), _line("b"), b"", total=2) as api:
            assert sorted(finished(api, None, frozenset("ab"))) == ["a", "b"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\n\n",
            b"{",
            b"[]",
            b"{}",
            b"<html>Sign in</html>",
            b"\xff\xfe",
            b'{"custom_id": "a"',
            b'{"custom_id": "a"}',
            b'{"custom_id": 7, "result": {"type": "expired"}}',
            b'{"error": {"message": "no route"}}',
            b"[" * 100_000,
        ],
    )
    def test_short_and_foreign_results_are_transient(self, body):
        with self.served(body) as api, pytest.raises(TransientError, match="downloaded whole"):
            finished(api, None, frozenset("a"))
        with self.served(_line("a") + b"\n" + body, total=2) as api, pytest.raises(TransientError):
            finished(api, None, frozenset("ab"))

    @pytest.mark.parametrize("names", ["azz", "zab", "aazb", "z", ""])
    @pytest.mark.parametrize("total", [0, 1, 3])
    def test_lines_of_other_requests_stand_for_none_of_ours(self, names, total):
        body = b"\n".join(
            _line(f"{name}{n if name == 'z' else ''}") for n, name in enumerate(names)
        )
        whole = b"\n".join(map(_line, "abc"))
        with self.served(body, whole, total=total) as api:
            assert sorted(finished(api, None, frozenset("abc"))) == ["a", "b", "c"]
        with self.served(body, total=total) as api, pytest.raises(TransientError, match=r"of \d"):
            finished(api, None, frozenset("abc"))

    @pytest.mark.parametrize("total", [0, 1])
    def test_a_batch_without_counts_has_as_many_results_as_requests(self, total):
        with self.served(_line("a"), total=total) as api:
            assert finished(api, None, frozenset("a")).keys() == {"a"}

    @pytest.mark.parametrize("order", list(itertools.permutations("abc")))
    @pytest.mark.parametrize("other", ["expired", "brand_new", "succeeded"])
    def test_of_two_lines_about_a_request_an_answer_wins(self, order, other):
        error = {"type": "errored", "error": {"error": {"type": "api_error", "message": "m"}}}
        lines = {
            "a": _line("x"),
            "b": json.dumps({"custom_id": "x", "result": error}).encode(),
            "c": json.dumps({"custom_id": "x", "result": {"type": other}}).encode(),
        }
        with self.served(b"\n".join(lines[name] for name in order)) as api:
            found = finished(api, None, frozenset("x"))
        assert found["x"].kind is OutcomeKind.SUCCEEDED

    @pytest.mark.parametrize("text", ["\u2028", "\u2029", "\x85", "\ufeff", "a\u2028\u2029b"])
    def test_only_lf_ends_a_line(self, text):
        line = _line(f"a{text}")
        for body in (line, b"\xef\xbb\xbf" + line + b"\n"):
            with self.served(body) as api:
                assert next(api.result_ids(api.retrieve("msgbatch_1")), None) == f"a{text}"
                assert finished(api, None, frozenset({f"a{text}"})).keys() == {f"a{text}"}

    def test_the_ids_of_results(self, api, batch, made, sandbox):
        assert set(api.result_ids(api.retrieve(batch.id))) == made.ids
        with self.served(b"\n\n" + _line("b") + b"\n{") as other:
            assert next(other.result_ids(other.retrieve("msgbatch_1"))) == "b"
        with self.served(b"\n") as other:
            assert next(other.result_ids(other.retrieve("msgbatch_1")), None) is None

    def test_results_that_are_not_ready_are_an_error(self, api, made, sandbox):
        sandbox.anthropic.hold = True
        with pytest.raises(TransientError, match="404"):
            finished(api, made.create(api), made.ids)


class TestResultLines:
    @pytest.mark.parametrize(
        ("result", "kind", "text", "detail"),
        [
            ({"type": "expired"}, OutcomeKind.EXPIRED, "", ""),
            ({"type": "canceled"}, OutcomeKind.CANCELED, "", ""),
            (
                {"type": "errored", "error": {"error": {"type": "api_error"}}},
                OutcomeKind.ERRORED,
                "",
                "api_error",
            ),
            ({"type": "errored"}, OutcomeKind.ERRORED, "", "error"),
            ({"type": "paused"}, OutcomeKind.UNREADABLE, "", "result type paused"),
            ({}, OutcomeKind.UNREADABLE, "", "result type None"),
            (None, OutcomeKind.UNREADABLE, "", "result type None"),
            ([], OutcomeKind.UNREADABLE, "", "result type None"),
        ],
    )
    def test_results_without_an_answer(self, result, kind, text, detail):
        found = outcome_of_line(json.dumps({"custom_id": "a", "result": result}).encode())
        assert (found.kind, found.text, found.detail) == (kind, text, detail)
        assert found.usage == Usage()

    @pytest.mark.parametrize(
        ("message", "kind", "text", "detail"),
        [
            (
                {"stop_reason": "end_turn", "content": [{"type": "text", "text": "{}"}]},
                OutcomeKind.SUCCEEDED,
                "{}",
                "end_turn",
            ),
            (
                {
                    "stop_reason": "end_turn",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "text": "not this"},
                        {"type": "text", "text": "{"},
                        {"type": "new"},
                        {"type": "text", "text": "}"},
                    ],
                },
                OutcomeKind.SUCCEEDED,
                "{}",
                "end_turn",
            ),
            (
                {"stop_reason": "max_tokens", "content": [{"type": "text", "text": "{"}]},
                OutcomeKind.TRUNCATED,
                "",
                "max_tokens",
            ),
            (
                {"stop_reason": "model_context_window_exceeded", "content": []},
                OutcomeKind.TRUNCATED,
                "",
                "model_context_window_exceeded",
            ),
            (
                {"stop_reason": "refusal", "content": [], "stop_details": {"category": "cyber"}},
                OutcomeKind.REFUSED,
                "",
                "cyber",
            ),
            (
                {"stop_reason": "refusal", "content": None, "stop_details": None},
                OutcomeKind.REFUSED,
                "",
                "refusal",
            ),
            ({}, OutcomeKind.SUCCEEDED, "", "None"),
            ({"stop_reason": "end_turn", "content": "text"}, OutcomeKind.SUCCEEDED, "", "end_turn"),
            ({"stop_reason": "end_turn", "content": [7]}, OutcomeKind.SUCCEEDED, "", "end_turn"),
            ({"stop_reason": "end_turn", "content": 7}, OutcomeKind.SUCCEEDED, "", "end_turn"),
        ],
    )
    def test_succeeded_messages_without_an_answer(self, message, kind, text, detail):
        line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
        found = outcome_of_line(json.dumps(line).encode())
        assert (found.kind, found.text, found.detail) == (kind, text, detail)

    def test_usage(self):
        usage = {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 4,
            "cache_creation": {"ephemeral_1h_input_tokens": 10, "ephemeral_5m_input_tokens": 20},
            "service_tier": "batch",
        }
        message = {"stop_reason": "end_turn", "content": [], "usage": usage}
        line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
        assert outcome_of_line(json.dumps(line).encode()).usage == Usage(
            input_tokens=1,
            output_tokens=2,
            cache_write_5m_tokens=20,
            cache_write_1h_tokens=10,
            cache_read_tokens=4,
        )

    @pytest.mark.parametrize(
        ("usage", "tokens"),
        [
            ({"input_tokens": 7.0, "output_tokens": "8"}, Usage(input_tokens=7, output_tokens=8)),
            (
                {"input_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 3}},
                Usage(input_tokens=7, cache_write_1h_tokens=3),
            ),
            (
                {"cache_creation": {"ephemeral_5m_input_tokens": "2"}, "output_tokens": None},
                Usage(cache_write_5m_tokens=2),
            ),
            # Unknown, never free.
            *(({"input_tokens": odd, "output_tokens": 1}, None) for odd in (-1, 2**70, 1.5, {})),
            *(({"input_tokens": odd, "output_tokens": 1}, None) for odd in ("x", "", True, [1])),
            *(
                ({"input_tokens": odd, "output_tokens": 1}, None)
                for odd in ("nan", 10**400, "1e9x")
            ),
            *((odd, None) for odd in (None, {}, [], 7, "x", {"input_tokens": 0})),
        ],
    )
    def test_odd_usage_is_read_or_unknown(self, usage, tokens):
        message = {"stop_reason": "end_turn", "content": [], "usage": usage}
        line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
        assert outcome_of_line(json.dumps(line).encode()).usage == tokens

    @pytest.mark.parametrize(
        "usage",
        [{"input_tokens": 9}, {"input_tokens": 9, "output_tokens": 0}, {"output_tokens": 9}],
    )
    def test_half_of_the_usage_is_unknown(self, usage):
        content = [{"type": "text", "text": "{}"}]
        message = {"stop_reason": "end_turn", "content": content, "usage": usage}
        line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
        assert outcome_of_line(json.dumps(line).encode()).usage is None

    @pytest.mark.parametrize(
        "error",
        [
            {"type": "error", "error": {"type": "api_error", "message": "It\n broke"}},
            {"error": {"type": "api_error", "message": "It broke"}, "message": "other"},
            {"type": "api_error", "message": "It broke"},
            {"type": "api_error", "error": "It broke"},
            {"type": "api_error", "error": {"message": "It broke"}},
            {"error": {"type": "error", "error": {"type": "api_error", "message": "It broke"}}},
            {"error": {"error": {"error": {"type": "api_error", "message": "It broke"}}}},
            [{"error": {"type": "api_error", "message": "It broke"}}],
        ],
    )
    def test_errors_are_read_nested_and_flat(self, error):
        line = {"custom_id": "a", "result": {"type": "errored", "error": error}}
        found = outcome_of_line(json.dumps(line).encode())
        assert found.message == "It broke"
        assert found.detail in ("api_error", "error")

    @pytest.mark.parametrize("error", ["It broke", None, 7, [], {"error": None}, "x" * 10_000])
    def test_odd_errors_are_errors(self, error):
        line = {"custom_id": "a", "result": {"type": "errored", "error": error}}
        found = outcome_of_line(json.dumps(line).encode())
        assert (found.kind, found.detail) == (OutcomeKind.ERRORED, "error")
        assert found.message == (error[:300] if isinstance(error, str) else "")

    @pytest.mark.parametrize("line", [None, 7, [], "a", {}])
    def test_an_invalid_line_is_no_result(self, line):
        with pytest.raises(TypeError):
            outcome_of_line(json.dumps(line).encode())


class TestKeyProtection:
    @pytest.mark.parametrize(
        ("base", "named", "asked"),
        [
            # The host of the named address is never asked, whichever it is.
            ("https://gw.example", f"https://evil.example{BATCHES}/ID/results", [RESULTS]),
            ("https://gw.example", f"http://inner:8080{BATCHES}/ID/results?x=1", [RESULTS]),
            ("https://gw.example", "https://gw.example@evil.example/ID", ["/ID", RESULTS]),
            # Its path is, below the base URL's own.
            ("https://gw.example", "https://x/v2/ID/lines", ["/v2/ID/lines", RESULTS]),
            ("https://gw.example/a", f"https://inner{BATCHES}/ID/results", [f"/a{RESULTS}"]),
            ("https://gw.example/a/", f"https://inner/a{BATCHES}/ID/results", [f"/a{RESULTS}"]),
            ("https://gw.example/a", "https://x/ab/ID", ["/a/ab/ID", f"/a{RESULTS}"]),
            # No path, or an unsafe one: the documented one.
            ("https://gw.example", None, [RESULTS]),
            ("https://gw.example", "", [RESULTS]),
            ("https://gw.example", "not an address", [RESULTS]),
            ("https://gw.example", "https://x/v1/messages/batches/other/results", [RESULTS]),
            ("https://gw.example", "https://x/v1/../../ID/results", [RESULTS]),
            ("https://gw.example", "https://x/v1/%2e%2e/ID/results", [RESULTS]),
            ("https://gw.example", "https://x//evil.example/ID", [RESULTS]),
            ("https://gw.example", "https://x/ID\\@evil.example", [RESULTS]),
            ("https://gw.example", "https://[x/ID x", [RESULTS]),
            ("https://gw.example", "//evil.example", [RESULTS]),
        ],
    )
    def test_only_the_path_of_the_results_address_is_used(self, base, named, asked):
        hosts, paths = set(), []

        def answer(request):
            if request.url.path.endswith("batches/msgbatch_1"):
                url = named and named.replace("ID", "msgbatch_1")
                return httpx2.Response(200, json=_batch(url))
            hosts.add(request.url.host)
            paths.append(request.url.path)
            return httpx2.Response(404, json={"type": "error", "error": {"type": "x"}})

        with through(answer, base) as api, pytest.raises(TransientError, match="404"):
            finished(api, None, frozenset("a"))
        assert hosts == {"gw.example"}
        expected = [path.replace("ID", "msgbatch_1") for path in asked]
        assert paths == 4 * expected

    @pytest.mark.parametrize("base", ["https://gw.example", "https://gw.example/a/b"])
    def test_results_behind_a_gateway(self, base):
        def answer(request):
            if request.url.path.endswith("/results"):
                return httpx2.Response(200, content=_line("a"))
            return httpx2.Response(200, json=_batch(f"http://inner{BATCHES}/msgbatch_1/results"))

        with through(answer, base) as api:
            assert finished(api, None, frozenset("a")).keys() == {"a"}

    @pytest.mark.parametrize(
        ("url", "fix"),
        [
            ("https://gw.example/v1", "Remove the /v1"),
            ("https://gw.example/a/v1/", "Remove the /v1"),
            ("https://gw.example/v1/messages/batches", "Remove the /v1/messages/batches"),
            ("https://gw.example/?key=1", "Remove the `?"),
            ("https://gw.example/?", "Remove the `?"),
            ("https://gw.example/a#b", "Remove the `?"),
        ],
    )
    def test_a_base_url_with_more_than_a_prefix_is_refused(self, url, fix):
        with pytest.raises(ConfigError, match="`anthropic-base-url`") as caught:
            AnthropicClient(api_key=KEY, base_url=url)
        assert fix in caught.value.fix

    def test_a_redirect_does_not_forward_the_key(self):
        hosts = []

        def answer(request):
            hosts.append(request.url.host)
            return httpx2.Response(302, headers={"location": "https://evil.example/"})

        with through(answer) as api, pytest.raises(AnthropicError, match=r"evil\.example"):
            api.retrieve("msgbatch_1")
        assert set(hosts) == {"proxy.example"}

    @pytest.mark.parametrize(
        "url", ["http://proxy.example", "http://10.0.0.1:80", "ftp://127.0.0.1x", "http://"]
    )
    def test_an_http_base_url_is_refused(self, url):
        with pytest.raises(ConfigError, match="`anthropic-base-url`"):
            AnthropicClient(api_key=KEY, base_url=url)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
    def test_an_http_base_url_on_loopback_is_accepted(self, url):
        AnthropicClient(api_key=KEY, base_url=url).close()

    def test_the_default_base_url(self):
        assert DEFAULT_BASE_URL == "https://api.anthropic.com"

    def test_the_sdks_environment_variables_are_ignored(self, sandbox, tmp_path):
        """The environment has a token, other headers and another URL: none is used."""
        repo = Repo.init(tmp_path / "repo")
        repo.commit({"a.py": "x = 1\n"})
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB", "ANTHROPIC"))}
        environ = {
            **kept,
            "ANTHROPIC_API_KEY": f"{KEY}--ws-example",
            "ANTHROPIC_AUTH_TOKEN": "sk-ant-invalid-token",
            "ANTHROPIC_CUSTOM_HEADERS": "anthropic-version: 1999-01-01",
            "ANTHROPIC_PROFILE": "nobody",
            "ANTHROPIC_BASE_URL": sandbox.anthropic_url,
            "ANTHROPIC_LOG": "debug",
        }
        done = subprocess.run(
            [
                sys.executable,
                *("-m", "batch_action", "plan", "--json"),
                *("--repo", str(repo.path), "--first-run", "all"),
            ],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert KEY not in done.stdout + done.stderr
        assert json.loads(done.stdout)["tasks"][0]["tokens"]["method"] == "counted"
        assert seen(sandbox, "POST", "/count_tokens") == 1


class TestBatches:
    def test_an_unknown_batch_is_none(self, api, sandbox):
        assert api.retrieve("msgbatch_nobody") is None
        assert api.cancel("msgbatch_nobody") is None

    def test_another_workspaces_batch_is_none(self, api, sandbox):
        state = requests(1).create(api)
        assert api.retrieve(state.id).id == state.id
        other = f"{KEY}--ws-other"
        with AnthropicClient(api_key=other, base_url=sandbox.anthropic_url) as stranger:
            assert stranger.retrieve(state.id) is None

    def test_canceling(self, api, sandbox):
        sandbox.anthropic.hold = True
        state = api.cancel(requests(1).create(api).id)
        assert state.canceled
        assert api.retrieve(state.id).status == "ended"

    def test_created_between_is_newest_first_and_within(self, api, sandbox):
        made = []
        for _ in range(4):
            made.append(requests(1).create(api))
            sandbox.clock.advance(60)
        start, end = made[1].created_at, made[2].created_at
        assert [s.id for s in api.created_between(start, end)] == [made[2].id, made[1].id]

    def test_created_between_reads_all_pages_it_needs(self):
        pages = []

        def answer(request):
            pages.append(dict(request.url.params))
            page = len(pages)
            moment = f"2026-11-01T0{9 - page}:00:00Z"
            batch = _batch(None, id=f"msgbatch_{page}", created_at=moment)
            last = batch["id"]
            return httpx2.Response(
                200,
                json={"data": [batch], "has_more": True, "first_id": last, "last_id": last},
            )

        moments = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in (6, 9)]
        with through(answer) as api:
            found = [state.id for state in api.created_between(*moments)]
        assert found == ["msgbatch_1", "msgbatch_2", "msgbatch_3"]
        assert len(pages) == 4

    def test_count_tokens_leaves_max_tokens_out(self, api, sandbox):
        [(_, tokens)] = api.count_tokens(requests(1, text="word " * 400).reads)
        assert tokens > 300
        assert sandbox.anthropic.billed() == [] or seen(sandbox, "POST", BATCHES) == 0

    @pytest.mark.parametrize("status", [429, 500, 529])
    def test_reads_are_retried(self, api, sandbox, status):
        state = requests(1).create(api)
        sandbox.faults.add("status", path=state.id, status=status, headers={"retry-after-ms": "1"})
        assert api.retrieve(state.id).id == state.id


class TestModels:
    def test_capabilities_and_clock(self, api, sandbox):
        facts, clock = api.model(MODEL)
        assert (facts.id, facts.lifecycle) == (MODEL, "active")
        assert facts.batch
        assert facts.structured_outputs
        assert facts.effort
        assert facts.max_tokens > 0
        assert abs(clock - sandbox.clock.now()) < timedelta(seconds=2)

    def test_the_clock_is_anthropics_not_ours(self, api, sandbox):
        before = api.model(MODEL)[1]
        sandbox.clock.advance(3600)
        after = api.model("claude-unknown")[1]
        assert timedelta(seconds=3598) < after - before < timedelta(seconds=3605)
        assert after.tzinfo is not None

    def test_an_unknown_model_is_none(self, api):
        assert api.model("claude-unknown")[0] is None

    @pytest.mark.parametrize(
        "response",
        [
            {"id": "m"},
            {"id": "m", "capabilities": None},
            {"id": "m", "capabilities": {}},
            {"id": "m", "capabilities": {"batch": {}}, "lifecycle": None, "retires_at": None},
        ],
    )
    def test_missing_capabilities_count_as_supported(self, response):
        with through(lambda _request: httpx2.Response(200, json=response)) as api:
            facts, clock = api.model("m")
        assert (facts.batch, facts.structured_outputs, facts.effort) == (True, True, True)
        assert (facts.lifecycle, facts.retires_at, facts.max_tokens) == ("active", None, None)
        assert abs(clock - datetime.now(UTC)) < timedelta(minutes=1)

    def test_unsupported_capabilities(self):
        response = {"id": "m", "capabilities": {"batch": {"supported": False}}}
        with through(lambda _request: httpx2.Response(200, json=response)) as api:
            facts, _ = api.model("m")
        assert (facts.batch, facts.structured_outputs) == (False, True)

    @pytest.mark.parametrize(
        ("date", "hour"),
        [
            ("Sun, 22 Nov 2026 02:17:00 GMT", 2),
            ("Sun, 22 Nov 2026 02:17:00 +0100", 1),
            ("yesterday", None),
            ("", None),
        ],
    )
    def test_the_date_header(self, date, hour):
        headers = {"date": date}
        with through(lambda _r: httpx2.Response(404, headers=headers, json={})) as api:
            model, clock = api.model("m")
        assert model is None
        assert clock.utcoffset() == timedelta(0)
        if hour is not None:
            assert clock == datetime(2026, 11, 22, hour, 17, tzinfo=UTC)


class TestWorkloadIdentity:
    @pytest.fixture
    def minted(self):
        return []

    @pytest.fixture
    def identity(self, minted):
        def fresh():
            claims = {"jti": f"one-{next(_names)}", "sub": "repo:octo/demo:ref:refs/heads/main"}
            parts = [{"alg": "RS256"}, claims, {"signature": 1}]
            token = ".".join(
                base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts
            )
            minted.append(token)
            return token

        return fresh

    def connect(self, sandbox, identity, **fields):
        values = {"service_account": None, "workspace": None, **fields}
        credentials = workload_identity_credentials(
            identity=identity, rule="fdrl_1", organization="org-1", **values
        )
        return AnthropicClient(
            api_key=None, credentials=credentials, base_url=sandbox.anthropic_url
        )

    def test_a_token_is_exchanged_once_and_used_for_all_calls(self, sandbox, identity, minted):
        with self.connect(sandbox, identity, workspace="wrkspc_1") as api:
            state = requests(1).create(api)
            assert api.retrieve(state.id).id == state.id
        assert len(minted) == seen(sandbox, "POST", "/oauth/token") == 1

    def test_every_exchange_uses_a_new_identity_token(self, sandbox, identity, minted):
        with self.connect(sandbox, identity) as api:
            api.model(MODEL)
            sandbox.clock.advance(700)
            # The first token has expired by the service's clock: 401, then a second exchange.
            assert api.model(MODEL)[0].id == MODEL
        assert len(minted) == len(set(minted)) == 2

    def test_a_used_identity_token_is_refused_with_a_fix(self, sandbox, identity):
        once = identity()
        with self.connect(sandbox, lambda: once) as api:
            api.model(MODEL)
        with (
            self.connect(sandbox, lambda: once) as api,
            pytest.raises(AnthropicError, match="federation rule") as caught,
        ):
            api.model(MODEL)
        assert once not in message_of(caught)

    def test_a_missing_permission_for_the_identity_is_reported(self, sandbox):
        def refuse():
            raise ConfigError("GitHub gave no identity token.", fix="Add `id-token: write`.")

        with self.connect(sandbox, refuse) as api, pytest.raises(ConfigError, match="id-token"):
            api.model(MODEL)


def _line(name):
    message = {
        "stop_reason": "end_turn",
        "content": [{"type": "text", "text": f"é {name}"}],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    result = {"custom_id": name, "result": {"type": "succeeded", "message": message}}
    return json.dumps(result, ensure_ascii=False).encode()


def finished(api, batch, want):
    """The outcomes of a batch, by default of the only one of a served client."""
    return api.outcomes(api.retrieve(batch.id if batch else "msgbatch_1"), want)


def _batch(results_url, *, total=1, **fields):
    return {
        "id": "msgbatch_1",
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": {
            "processing": 0,
            "succeeded": total,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
        },
        "ended_at": None,
        "created_at": "2026-11-01T02:00:00Z",
        "expires_at": "2026-11-02T02:00:00Z",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": results_url,
        **fields,
    }


def answered(api, made):
    """Each result with its custom id, if it has one."""
    found = list(api.create_messages(made.reads, lambda: True))
    return {o.custom_id: (o.kind, o.detail) for o in found if not isinstance(o, AnthropicError)}, [
        o for o in found if isinstance(o, AnthropicError)
    ]


class TestCreateMessages:
    def test_requests_are_sent_concurrently(self, sandbox, api):
        made = requests(9)
        found, problems = answered(api, made)
        assert found == dict.fromkeys(made.ids, (OutcomeKind.SUCCEEDED, "end_turn"))
        assert (problems, seen(sandbox, "POST", "/v1/messages")) == ([], 9)

    def test_a_long_answer_needs_no_streaming(self, api):
        found, _ = answered(api, requests(1, max_tokens=128_000))
        assert list(found.values()) == [(OutcomeKind.SUCCEEDED, "end_turn")]

    def test_usage_is_that_of_the_message(self, api):
        (outcome,) = api.create_messages(requests(1).reads, lambda: True)
        assert outcome.usage.input_tokens > 0
        assert outcome.usage.output_tokens > 0

    def test_an_invalid_request_affects_no_other(self, api):
        [params] = [each["params"] for each in requests(1).items()]
        found, problems = answered(
            api, WrittenRequests({"good": params, "bad": {**params, "max_tokens": 0}})
        )
        assert found["good"][0] is OutcomeKind.SUCCEEDED
        assert found["bad"] == (OutcomeKind.ERRORED, "invalid_request_error")
        assert problems == []

    @pytest.mark.parametrize("status", [401, 402, 403])
    def test_an_error_that_affects_all_requests_is_returned(self, sandbox, api, status):
        sandbox.faults.add("status", path="/v1/messages$", status=status)
        found, problems = answered(api, requests(1))
        assert found == {}
        assert str(status) in str(problems[0])

    def test_a_transient_error_leaves_a_request_unanswered(self):
        def handler(_request):
            headers = {"retry-after-ms": "1"}
            return httpx2.Response(529, headers=headers, json={"type": "error", "error": {}})

        (outcome,) = through(handler).create_messages(requests(1).reads, lambda: True)
        assert outcome.kind is OutcomeKind.UNANSWERED
        assert "529" in outcome.detail

    def test_an_html_page_is_no_answer(self):
        proxy = through(lambda _request: httpx2.Response(200, text="<html>please log in"))
        (outcome,) = proxy.create_messages(requests(1).reads, lambda: True)
        assert outcome.kind is OutcomeKind.UNANSWERED
        assert "no answer of Anthropic's" in outcome.detail

    def test_requests_are_not_sent_after_the_stop(self, sandbox, api):
        budget = iter([True, False, False])
        found = list(api.create_messages(requests(3).reads, lambda: next(budget)))
        assert [outcome is None for outcome in found].count(True) == 2
        assert seen(sandbox, "POST", "/v1/messages") == 1
