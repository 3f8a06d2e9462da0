"""The webhook client with a receiver on loopback: retries, and the secrecy of the URL."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from batch_action.clients.webhooks import UndeliveredError, Webhooks, signature_headers
from tests.harness.webhook_receiver import PATH, WebhookReceiver, webhook_receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def served() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(served: WebhookReceiver) -> WebhookReceiver:
    served.requests.clear()
    served.answers.clear()
    return served


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def hooks(pauses: list[float], small_ca_bundle, monkeypatch: pytest.MonkeyPatch) -> Webhooks:
    monkeypatch.setenv("SSL_CERT_FILE", str(small_ca_bundle))
    return Webhooks(sleep=pauses.append, timeout=5.0)


def test_a_message_arrives_unchanged(hooks, receiver):
    hooks.post(receiver.url, b'{"a": "\\u2026"}', {"webhook-id": "x"}, repeatable=True)
    assert receiver.last.json == {"a": "…"}
    assert receiver.last.headers["content-type"] == "application/json"
    assert receiver.last.headers["webhook-id"] == "x"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_transient_failure_is_retried(hooks, receiver, pauses, status):
    receiver.answers = [(status, {}, ""), (status, {"retry-after": "7"}, "")]
    hooks.post(receiver.url, b"{}", {}, repeatable=False)
    assert (len(receiver.requests), pauses) == (3, [3.0, 7.0])


def test_the_number_of_retries_is_limited(hooks, receiver, pauses):
    receiver.answers = [(503, {"retry-after": "99999"}, "")] * 9
    with pytest.raises(UndeliveredError, match="it answered 503"):
        hooks.post(receiver.url, b"{}", {}, repeatable=True)
    assert (len(receiver.requests), pauses) == (4, [30.0] * 3)


def test_a_refusal_is_final_and_has_a_reason(hooks, receiver, pauses):
    receiver.answers = [(404, {}, "no_service")]
    with pytest.raises(UndeliveredError, match=r"it answered 404 \(no_service\)"):
        hooks.post(receiver.url, b"{}", {}, repeatable=True)
    assert pauses == []


def test_a_long_response_is_not_quoted(hooks, receiver):
    receiver.answers = [(400, {}, "<b>::error::pwned</b>" * 99_999)]
    with pytest.raises(UndeliveredError) as caught:
        hooks.post(receiver.url, b"{}", {}, repeatable=True)
    assert str(caught.value) == "it answered 400"


def test_a_redirect_is_not_followed(hooks, receiver):
    receiver.answers = [(302, {"location": receiver.url}, "")]
    with pytest.raises(UndeliveredError, match="302"):
        hooks.post(receiver.url, b"{}", {}, repeatable=True)
    assert len(receiver.requests) == 1


def test_a_lost_response_is_retried_only_if_repeatable(hooks, receiver):
    receiver.answers = [None]
    hooks.post(receiver.url, b"{}", {}, repeatable=True)
    assert len(receiver.requests) == 2
    receiver.answers = [None]
    with pytest.raises(UndeliveredError, match="its response was lost"):
        hooks.post(receiver.url, b"{}", {}, repeatable=False)
    assert len(receiver.requests) == 3


def test_a_refused_connection(hooks, pauses):
    with pytest.raises(UndeliveredError, match="it cannot be reached"):
        hooks.post(f"http://127.0.0.1:1{PATH}", b"{}", {}, repeatable=False)
    assert len(pauses) == 3


@pytest.mark.parametrize("answer", [None, (404, {}, PATH), (302, {"location": PATH}, ""), "nobody"])
def test_no_message_and_no_log_contains_the_url(hooks, receiver, caplog, answer):
    caplog.set_level(logging.DEBUG, "httpx2")
    url = f"http://127.0.0.1:1{PATH}" if answer == "nobody" else receiver.url
    receiver.answers = [] if answer == "nobody" else [answer]
    with pytest.raises(UndeliveredError) as caught:
        hooks.post(url, b"{}", {}, repeatable=False)
    causes: list[BaseException | None] = [caught.value]
    while causes[-1] is not None:
        causes.append(causes[-1].__cause__ or causes[-1].__context__)
    words = " ".join(f"{cause} {cause!r}" for cause in causes) + caplog.text
    assert "secretsecret" not in words


def test_the_signature_is_that_of_standard_webhooks():
    now, body = datetime.now(UTC), '{"a": "…"}'.encode()
    headers = signature_headers(SECRET, "msg_1", now, body)
    assert Webhook(SECRET).verify(body, headers) == {"a": "…"}
    other = signature_headers("whsec_" + "A" * 32, "msg_1", now, body)
    assert other["webhook-signature"] != headers["webhook-signature"]
    # The same moment in another time zone.
    local = now.astimezone().astimezone()
    assert signature_headers(SECRET, "msg_1", local, body) == headers


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_page_is_no_acceptance_of_a_message(receiver, repeatable):
    page = "<!doctype html><html>Sign in</html>"
    receiver.answers.append((200, {"content-type": "text/html; charset=utf-8"}, page))
    with pytest.raises(UndeliveredError, match="a page"):
        Webhooks(sleep=lambda _: None).post(receiver.url, b"{}", {}, repeatable=repeatable)
    assert len(receiver.requests) == 1


def test_a_word_is_an_acceptance_whatever_its_type(receiver):
    receiver.answers.append((200, {"content-type": "text/html"}, "ok"))
    Webhooks(sleep=lambda _: None).post(receiver.url, b"{}", {}, repeatable=False)
    assert len(receiver.requests) == 1
