"""The HTTP server over real connections: valid, forged, large, slow and incomplete deliveries."""

import json
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx2
import pytest

from batch_action.server import app as web
from batch_action.server import deliveries, status_page
from batch_action.server.store import BatchStatus
from tests.harness.serve import Service, WebServer, body_of, open_service, signed
from tests.harness.workflow import WorkflowHarness

PATH = web.DELIVERIES


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    opened = WebServer()
    yield opened
    opened.close()


@pytest.fixture
def service(workflow: WorkflowHarness) -> Iterator[Service]:
    with open_service(workflow) as opened:
        yield opened


@pytest.fixture
def address(server: WebServer, service: Service) -> str:
    server.put(**functions_of(service))
    return server.address


def functions_of(service: Service) -> dict[str, Any]:
    return {
        "receive": partial(deliveries.receive, service.ctx),
        "page": partial(status_page.render, service.ctx, service.dispatcher.ledgers),
        "health": partial(status_page.health, service.ctx),
    }


@pytest.fixture
def http(address: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=address, trust_env=False) as client:
        yield client


def raw(address: str, *pieces: bytes, end: bool = False) -> bytes:
    """Send these pieces and read until the server closes the connection."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        for piece in pieces:
            line.sendall(piece)
        if end:
            line.shutdown(socket.SHUT_WR)
        response = b""
        while chunk := line.recv(4096):
            response += chunk
        return response


def head(*lines: str) -> bytes:
    return "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def test_a_delivery_is_accepted_once_and_acted_on_later(service: Service, http) -> None:
    body = body_of("msgbatch_1")
    headers = signed(body, "msg_1")
    first, again = (http.post(PATH, content=body, headers=headers) for _ in range(2))
    assert (first.status_code, first.json()) == (
        202,
        {"status": "accepted", "batch": "msgbatch_1"},
    )
    assert (again.status_code, again.json()) == (200, {"status": "known", "id": "msg_1"})
    assert service.batch().status is BatchStatus.ENDED
    assert service.ctx.dispatching.wake.is_set()


def test_the_address_may_end_with_a_slash(http) -> None:
    body = body_of("msgbatch_1")
    assert http.post(f"{PATH}/", content=body, headers=signed(body, "msg_1")).status_code == 202


@pytest.mark.parametrize("name", ["msg 1", "x" * 257, "x" * 2_000, "{1}/2:3"])
def test_an_id_is_any_text(service: Service, http, name: str) -> None:
    body = body_of("msgbatch_1")
    response = http.post(PATH, content=body, headers=signed(body, name))
    assert response.status_code == 202
    assert [delivery.id for delivery in service.ctx.store.deliveries(9)] == [name]


def test_deliveries_in_any_order_are_each_counted(service: Service, http) -> None:
    bodies = {
        "msg_3": body_of("msgbatch_b"),
        "msg_2": body_of(None, "message_batch.created", id="msgbatch_a"),
        "msg_1": body_of("msgbatch_a", "message_batch.ended"),
    }
    statuses = [
        http.post(PATH, content=body, headers=signed(body, name)).json()["status"]
        for name, body in [*bodies.items(), *reversed(bodies.items())]
    ]
    assert statuses == ["accepted", "ignored", "accepted", "known", "known", "known"]
    assert service.batches(BatchStatus.ENDED) == {"msgbatch_a", "msgbatch_b"}
    assert [delivery.times for delivery in service.ctx.store.deliveries(9)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("changes", "body", "status"),
    [
        ({"webhook-signature": "v1,AAAA"}, None, 401),
        ({"webhook-timestamp": "1"}, None, 401),
        ({}, body_of("msgbatch_2"), 401),
        ({}, b"", 401),
    ],
)
def test_forged_deliveries_are_refused(service: Service, http, changes, body, status) -> None:
    valid = body_of("msgbatch_1")
    headers = {**signed(valid, "msg_1"), **changes}
    response = http.post(PATH, content=valid if body is None else body, headers=headers)
    assert (response.status_code, response.json()) == (
        status,
        {"error": "The signature could not be verified."},
    )
    assert service.ctx.store.deliveries(9) == []


def test_an_unsigned_body_is_not_even_parsed(service: Service, http) -> None:
    assert http.post(PATH, content=b"[" * 100_000).status_code == 401
    nested = b"[" * 100_000
    response = http.post(PATH, content=nested, headers=signed(nested, "msg_1"))
    assert (response.status_code, response.json()) == (400, {"error": "The body is not JSON."})


def test_what_cannot_be_stored_is_not_acknowledged(service: Service, http) -> None:
    body = body_of("msgbatch_1")
    headers = signed(body, "msg_1")
    service.ctx.store.close()
    assert http.post(PATH, content=body, headers=headers).status_code == 503
    health = http.get("/healthz")
    assert (health.status_code, health.json()["status"]) == (503, "failing")


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_huge_delivery_is_refused_before_it_is_complete(address: str, declared: bool) -> None:
    size = web.MAX_DISCARDED_BYTES + 1
    if declared:
        response = raw(address, head(f"Content-Length: {size}"))
    else:
        chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
        response = raw(address, head("Transfer-Encoding: chunked"), chunk)
    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in response.lower()


@pytest.mark.parametrize("size", [web.MAX_BYTES + 1, web.MAX_DISCARDED_BYTES])
def test_a_sender_of_too_much_gets_the_response(service: Service, http, size: int) -> None:
    body = b"x" * size
    for content in (body, iter([body[: size // 2], body[size // 2 :]])):
        response = http.post(PATH, content=content, headers=signed(body, "msg_1"))
        assert (response.status_code, response.headers["connection"]) == (413, "close")
        assert str(web.MAX_BYTES) in response.json()["error"]


def test_the_largest_delivery_is_read(service: Service, http) -> None:
    length = web.MAX_BYTES - len(body_of("msgbatch_1", padding=""))
    body = body_of("msgbatch_1", padding="x" * length)
    assert len(body) == web.MAX_BYTES
    assert http.post(PATH, content=body, headers=signed(body, "msg_1")).status_code == 202


def test_a_slow_body_is_not_waited_for(address: str, monkeypatch) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", 0.1)
    response = raw(address, head("Content-Length: 100"), b"{")
    assert response.startswith(b"HTTP/1.1 408 ")


def test_slow_deliveries_do_not_delay_others(service: Service, address: str, http) -> None:
    host, _, port = address.removeprefix("http://").partition(":")
    lines = [socket.create_connection((host, int(port)), timeout=10) for _ in range(20)]
    try:
        for line in lines:
            line.sendall(head("Content-Length: 100"))
        body = body_of("msgbatch_1")
        assert http.post(PATH, content=body, headers=signed(body, "m")).status_code == 202
    finally:
        for line in lines:
            line.close()


def test_an_incomplete_body_is_no_delivery(service: Service, address: str, http) -> None:
    raw(address, head("Content-Length: 100"), b"{", end=True)
    raw(address, b"\x16\x03\x01 no HTTP at all\r\n\r\n")
    assert service.ctx.store.deliveries(9) == []
    assert http.get("/healthz").status_code == 200


def test_without_a_secret_deliveries_are_refused(server: WebServer, service: Service, http) -> None:
    server.put(**{**functions_of(service), "receive": None})
    response = http.post(PATH, content=b"{}")
    assert (response.status_code, response.json()["error"]) == (
        501,
        "No webhook secret is set here, so this address is closed.",
    )


def test_other_addresses_and_methods_are_refused(http) -> None:
    assert http.get(PATH).status_code == 405
    assert http.post("/", content=b"").status_code == 405
    assert http.get("/webhooks").status_code == 404
    assert http.head("/").status_code == 200


def test_the_page_loads_nothing_and_runs_nothing(http) -> None:
    response = http.get("/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert "<script" not in response.text


def test_health_reports_stuck_and_dead_workers(service: Service, http) -> None:
    ctx = service.ctx
    assert http.get("/healthz").json()["stuck"] == []
    ctx.watching.busy_since = ctx.watching.monotonic() - 301
    response = http.get("/healthz")
    assert (response.status_code, response.json()["stuck"]) == (503, ["watcher"])
    assert "The watcher is stuck." in http.get("/").text
    ctx.watching.busy_since = None
    ctx.dispatching.dead = True
    assert http.get("/healthz").json()["stuck"] == ["dispatcher"]


def test_after_a_bug_in_a_round_there_is_another_round(workflow: WorkflowHarness, capsys) -> None:
    rounds = []

    def act() -> float:
        rounds.append(1)
        if len(rounds) == 1:
            raise ZeroDivisionError
        return 60.0

    with open_service(workflow) as service:
        ctx = service.ctx
        loop = ctx.watching
        loop.start(act)
        while not ctx.watching.problem:
            ctx.dispatching.wake.wait(0.01)
        loop.wake.set()
        while len(rounds) < 2:
            ctx.dispatching.wake.wait(0.01)
        loop.stop()
        assert "ZeroDivisionError" in ctx.watching.problem
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "ZeroDivisionError" in lines[-1]["trace"]
