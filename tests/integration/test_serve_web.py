"""The listening door over real HTTP: honest, hostile, large, slow and broken-off deliveries."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import httpx2
import pytest

from batch_action.server import app as serving
from batch_action.server import app as web
from batch_action.server import deliveries, status_page
from batch_action.server.loop import Loop
from tests.harness.serve import Service, Stage, body_of, open_service
from tests.harness.workflow import WorkflowHarness

PATH = web.DELIVERIES


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    opened = Stage()
    yield opened
    opened.close()


@pytest.fixture
def service(workflow: WorkflowHarness) -> Iterator[Service]:
    with open_service(workflow) as opened:
        yield opened


@pytest.fixture
def address(stage: Stage, service: Service) -> str:
    stage.put(handlers_of(service))
    return stage.address


def handlers_of(service: Service) -> web.Handlers:
    return web.Handlers(
        receive=partial(deliveries.receive, service.ctx),
        page=lambda: status_page.render(service.ctx, service.dispatcher.ledgers),
        health=lambda: status_page.health(service.ctx),
    )


@pytest.fixture
def http(address: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=address, trust_env=False) as client:
        yield client


def raw(address: str, *pieces: bytes, end: bool = False) -> bytes:
    """Send these pieces and read until the other side hangs up."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        for piece in pieces:
            line.sendall(piece)
        if end:
            line.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := line.recv(4096):
            answer += chunk
        return answer


def head(*lines: str) -> bytes:
    return "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def test_a_delivery_is_accepted_once_and_acted_on_later(service: Service, http) -> None:
    body = body_of("msgbatch_1")
    headers = service.signed(body, "msg_1")
    first, again = (http.post(PATH, content=body, headers=headers) for _ in range(2))
    assert (first.status_code, first.json()) == (
        202,
        {"status": "accepted", "batch": "msgbatch_1"},
    )
    assert (again.status_code, again.json()) == (200, {"status": "known", "id": "msg_1"})
    assert service.dispatches() == []
    assert service.ctx.arrived.is_set()


def test_deliveries_in_any_order_are_each_counted(service: Service, http) -> None:
    bodies = {
        "msg_3": body_of("msgbatch_b"),
        "msg_2": body_of(None, "message_batch.created", id="msgbatch_a"),
        "msg_1": body_of("msgbatch_a", "message_batch.ended"),
    }
    answers = [
        http.post(PATH, content=body, headers=service.signed(body, name)).json()["status"]
        for name, body in [*bodies.items(), *reversed(bodies.items())]
    ]
    assert answers == ["accepted", "ignored", "accepted", "known", "known", "known"]
    assert service.ctx.store.deliveries.heard_of() == {"msgbatch_a", "msgbatch_b"}
    assert [one.times for one in service.ctx.store.deliveries.newest(9)] == [2, 2, 2]


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
    honest = body_of("msgbatch_1")
    headers = {**service.signed(honest, "msg_1"), **changes}
    answer = http.post(PATH, content=honest if body is None else body, headers=headers)
    assert (answer.status_code, answer.json()) == (
        status,
        {"error": "The signature could not be verified."},
    )
    assert service.ctx.store.deliveries.newest(9) == []


def test_an_unsigned_body_is_not_even_parsed(service: Service, http) -> None:
    assert http.post(PATH, content=b"[" * 100_000).status_code == 401
    nested = b"[" * 100_000
    answer = http.post(PATH, content=nested, headers=service.signed(nested, "msg_1"))
    assert (answer.status_code, answer.json()) == (400, {"error": "The body is no JSON."})


def test_what_cannot_be_stored_is_not_acknowledged(service: Service, http) -> None:
    body = body_of("msgbatch_1")
    headers = service.signed(body, "msg_1")
    service.ctx.store.close()
    assert http.post(PATH, content=body, headers=headers).status_code == 503
    ill = http.get("/healthz")
    assert (ill.status_code, ill.json()["status"]) == (503, "failing")


@pytest.mark.parametrize("told", [True, False], ids=["announced", "chunked"])
def test_a_huge_delivery_is_refused_before_it_is_whole(address: str, told: bool) -> None:
    size = web.MOST_DISCARDED + 1
    if told:
        answer = raw(address, head(f"Content-Length: {size}"))
    else:
        chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
        answer = raw(address, head("Transfer-Encoding: chunked"), chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("size", [web.MOST_BYTES + 1, web.MOST_DISCARDED])
def test_who_sends_too_much_hears_of_it(service: Service, http, size: int) -> None:
    body = b"x" * size
    for content in (body, iter([body[: size // 2], body[size // 2 :]])):
        answer = http.post(PATH, content=content, headers=service.signed(body, "msg_1"))
        assert (answer.status_code, answer.headers["connection"]) == (413, "close")
        assert str(web.MOST_BYTES) in answer.json()["error"]


def test_the_largest_delivery_is_read(service: Service, http) -> None:
    room = web.MOST_BYTES - len(body_of("msgbatch_1", padding=""))
    body = body_of("msgbatch_1", padding="x" * room)
    assert len(body) == web.MOST_BYTES
    assert http.post(PATH, content=body, headers=service.signed(body, "msg_1")).status_code == 202


def test_a_slow_body_is_not_waited_for(address: str, monkeypatch) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", 0.1)
    answer = raw(address, head("Content-Length: 100"), b"{")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_slow_head_is_hung_up_on(address: str, monkeypatch) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.1)
    assert raw(address, b"POST /webhooks/an") == b""
    assert raw(address, b"") == b""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")
        line.sendall(b"GET /heal")
        while line.recv(65_536):
            pass


def test_a_slow_delivery_holds_up_nobody(service: Service, address: str, http) -> None:
    host, _, port = address.removeprefix("http://").partition(":")
    lines = [socket.create_connection((host, int(port)), timeout=10) for _ in range(20)]
    try:
        for line in lines:
            line.sendall(head("Content-Length: 100"))
        body = body_of("msgbatch_1")
        assert http.post(PATH, content=body, headers=service.signed(body, "m")).status_code == 202
    finally:
        for line in lines:
            line.close()


def test_a_body_that_breaks_off_is_no_delivery(service: Service, address: str, http) -> None:
    raw(address, head("Content-Length: 100"), b"{", end=True)
    raw(address, b"\x16\x03\x01 no HTTP at all\r\n\r\n")
    assert service.ctx.store.deliveries.newest(9) == []
    assert http.get("/healthz").status_code == 200


def test_without_a_secret_the_door_is_closed(stage: Stage, service: Service, http) -> None:
    stage.put(replace(handlers_of(service), receive=None))
    answer = http.post(PATH, content=b"{}")
    assert (answer.status_code, answer.json()["error"]) == (
        501,
        "No webhook secret is set here, so this address is closed.",
    )


def test_other_addresses_and_methods_are_none(http) -> None:
    assert http.get(PATH).status_code == 405
    assert http.post("/", content=b"").status_code == 405
    assert http.get("/webhooks").status_code == 404
    assert http.head("/").status_code == 200


def test_the_page_loads_nothing_and_runs_nothing(http) -> None:
    answer = http.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text


def test_health_tells_of_stuck_and_dead_workers(service: Service, http) -> None:
    ctx = service.ctx
    assert http.get("/healthz").json()["stuck"] == []
    ctx.watching.busy_since = ctx.ticks() - 301
    answer = http.get("/healthz")
    assert (answer.status_code, answer.json()["stuck"]) == (503, ["watcher"])
    ctx.watching.busy_since = None
    loop = Loop(ctx, ctx.dispatching, exit, ctx.arrived)
    ctx.dispatching.ended = True
    assert http.get("/healthz").json()["stuck"] == ["dispatcher"]
    loop.stop()


def test_a_bug_in_a_round_is_told_and_survived(workflow: WorkflowHarness, capsys) -> None:
    rounds = []

    def act() -> float:
        rounds.append(1)
        if len(rounds) == 1:
            raise ZeroDivisionError
        return 60.0

    with open_service(workflow) as service:
        ctx = service.ctx
        loop = Loop(ctx, ctx.watching, act, ctx.learnt)
        loop.start()
        while not ctx.watching.problem:
            ctx.arrived.wait(0.01)
        ctx.learnt.set()
        while len(rounds) < 2:
            ctx.arrived.wait(0.01)
        loop.stop()
        assert "ZeroDivisionError" in ctx.watching.problem
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "ZeroDivisionError" in told[-1]["trace"]
