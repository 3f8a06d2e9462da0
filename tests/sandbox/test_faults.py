"""Injected faults and the control endpoints."""

import json
import time

import anthropic
import httpx2
import pytest

from batch_action.sandbox.faults import Faults
from batch_action.sandbox.server import Sandbox

BATCHES = "/v1/messages/batches"


@pytest.fixture(scope="module")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.faults.clear()
    running.faults.calls.clear()
    yield running
    running.faults.clear()


@pytest.fixture(scope="module")
def web():
    with httpx2.Client(verify=False, trust_env=False) as web:
        yield web


@pytest.fixture
def client(sandbox, web):
    return anthropic.Anthropic(
        api_key="sk-ant-faults", base_url=sandbox.anthropic_url, max_retries=0, http_client=web
    )


@pytest.fixture
def http(sandbox):
    headers = {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}
    with httpx2.Client(
        base_url=sandbox.anthropic_url, headers=headers, verify=False, trust_env=False
    ) as http:
        yield http


def request(custom_id="r1"):
    return {
        "custom_id": custom_id,
        "params": {
            "model": "claude-sonnet-5-5",
            "max_tokens": 2000,
            "messages": [{"role": "user", "content": "hello"}],
        },
    }


def test_a_call_dropped_before_does_nothing(sandbox, client):
    sandbox.faults.add("drop-before", method="POST")
    before = len(sandbox.anthropic.batches)
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.batches.create(requests=[request()])
    assert len(sandbox.anthropic.batches) == before
    [call] = sandbox.faults.calls
    assert (call.number, call.service, call.route, call.status, call.fault) == (
        1,
        "anthropic",
        BATCHES,
        None,
        "drop-before",
    )


def test_a_call_dropped_after_takes_effect(sandbox, client):
    sandbox.faults.add("drop-after", method="POST")
    before = len(sandbox.anthropic.batches)
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.batches.create(requests=[request()])
    assert len(sandbox.anthropic.batches) == before + 1
    assert sandbox.faults.calls[0].status == 200


def test_a_late_call_takes_effect_at_once(sandbox, client):
    sandbox.faults.add("late", method="POST", seconds=1)
    before = len(sandbox.anthropic.batches)
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=0.3).messages.batches.create(requests=[request()])
    assert len(sandbox.anthropic.batches) == before + 1


@pytest.mark.parametrize("kind", ["drop-before", "drop-after"])
@pytest.mark.parametrize("url", ["anthropic_url", "github_url", "blob_url"])
def test_every_service_can_drop_connections(sandbox, http, kind, url):
    sandbox.faults.add(kind)
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get(f"{getattr(sandbox, url)}/anything")


@pytest.mark.parametrize("kind", ["drop-before", "drop-after"])
def test_a_reused_connection_can_be_dropped(sandbox, http, kind):
    assert http.get("/v1/models").status_code == 200
    sandbox.faults.add(kind, path="models")
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get("/v1/models")
    assert http.get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.OverloadedError, "overloaded_error"),
    ],
)
def test_status_faults_raise_the_errors_of_the_sdk(sandbox, client, status, error, kind):
    sandbox.faults.add("status", status=status, path="models")
    with pytest.raises(error) as caught:
        client.models.list()
    assert caught.value.type == kind
    assert caught.value.request_id.startswith("req_")
    assert caught.value.status_code == status


def test_a_spend_limit_has_its_code_and_no_retry_after(sandbox, client):
    details = {"error_code": "enforced_spend_limit_reached"}
    sandbox.faults.add("status", status=429, error_details=details)
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.batches.create(requests=[request()])
    assert caught.value.error_code == "enforced_spend_limit_reached"
    assert "retry-after" not in caught.value.response.headers


def test_retry_after_is_honored(sandbox, client):
    sandbox.faults.add("status", status=429, retry_after=0.01)
    assert client.with_options(max_retries=1).models.list().data
    assert [call.status for call in sandbox.faults.calls] == [429, 200]


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("github_url", "/api/v3/user", {"message": "Service unavailable", "status": "503"}),
        ("github_url", "/twirp/x/Create", {"code": "unavailable", "msg": "Service unavailable"}),
    ],
)
def test_errors_of_github_have_its_format(sandbox, http, url, path, expected):
    sandbox.faults.add("status", service="github", status=503)
    answer = http.get(getattr(sandbox, url) + path)
    assert answer.status_code == 503
    assert expected.items() <= answer.json().items()


def test_errors_of_the_blob_store_are_xml(sandbox, http):
    sandbox.faults.add("status", service="blobs", status=503, headers={"x-more": "yes"})
    answer = http.get(f"{sandbox.blob_url}/x")
    assert answer.headers["content-type"].startswith("application/xml")
    assert "<Code>ServerBusy</Code>" in answer.text
    assert answer.headers["x-more"] == "yes"


def test_a_status_fault_can_set_the_body(sandbox, http):
    sandbox.faults.add("status", status=502, body="<html>bad gateway</html>")
    answer = http.get("/v1/models")
    assert (answer.status_code, answer.text) == (502, "<html>bad gateway</html>")


def test_results_can_be_truncated(sandbox, client):
    batch = client.messages.batches.create(requests=[request("a"), request("b")])
    sandbox.faults.add("truncate", path="/results$")
    with pytest.raises((httpx2.RemoteProtocolError, json.JSONDecodeError)):
        list(client.messages.batches.results(batch.id))
    again = [line.custom_id for line in client.messages.batches.results(batch.id)]
    assert sorted(again) == ["a", "b"]


def test_a_slow_fault_delays_the_call(sandbox, http):
    sandbox.faults.add("slow", seconds=0.3)
    started = time.monotonic()
    assert http.get("/v1/models").status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_fault_applies_to_the_nth_call_and_some_after_it(sandbox, http):
    sandbox.faults.add("status", path="models", nth=2, times=2, status=503)
    http.get("/v1/messages/batches")
    codes = [http.get("/v1/models").status_code for _ in range(4)]
    assert codes == [200, 503, 503, 200]


def test_every_response_has_the_date_of_the_clock(sandbox, http):
    first = http.get("/v1/models").headers["date"]
    sandbox.clock.advance(40 * 24 * 3600)
    second = http.get("/v1/models").headers["date"]
    assert first[12:16] != second[12:16] or first[8:11] != second[8:11]
    assert http.get(f"{sandbox.github_url}/x").headers["date"][:16] == second[:16]


def test_routes_are_templates(sandbox, http):
    http.get("/v1/messages/batches/msgbatch_1/results")
    http.get("/v1/none/at/all")
    routes = [call.route for call in sandbox.faults.calls]
    assert routes == ["/v1/messages/batches/{batch_id}/results", "/v1/none/at/all"]


def test_control_over_http(sandbox, http):
    response = http.post(
        "/_sandbox/faults", json={"kind": "status", "status": 503, "path": "models"}
    )
    assert response.json()["details"] == {"status": 503}
    assert http.get("/v1/models").status_code == 503
    assert http.post("/_sandbox/faults", json={"kind": "expired", "every": 2}).json() == {
        "kind": "expired",
        "custom_id": None,
        "every": 2,
    }
    assert http.post("/_sandbox/faults", json={"kind": "nonsense"}).status_code == 400
    assert http.delete("/_sandbox/faults").status_code == 200
    assert sandbox.faults.outcomes == []
    assert http.get("/_sandbox/calls").json()[0]["route"] == "/v1/models"
    before = sandbox.clock.now()
    http.post("/_sandbox/clock", json={"advance": 3600})
    assert (sandbox.clock.now() - before).total_seconds() >= 3600


def test_batches_are_controlled_over_http(sandbox, http, client):
    assert http.post("/_sandbox/hold", json={"on": True}).json() == {"on": True}
    batch = client.messages.batches.create(requests=[request("held")])
    assert client.messages.batches.retrieve(batch.id).processing_status == "in_progress"
    http.post("/_sandbox/finish", json={"batch_id": batch.id})
    assert client.messages.batches.retrieve(batch.id).processing_status == "ended"
    http.post("/_sandbox/hold", json={"on": False})
    newest = http.get("/_sandbox/batches").json()[0]
    assert (newest["id"], newest["custom_ids"]) == (batch.id, ["held"])
    paid = http.get("/_sandbox/bill").json()
    assert [entry["custom_id"] for entry in paid if entry["batch_id"] == batch.id] == ["held"]


def test_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="not a fault"):
        Faults().add("explode")
    with pytest.raises(ValueError, match="not an outcome"):
        Faults().add_outcome("lost")


def test_two_sandboxes_run_at_the_same_time():
    with Sandbox() as first, Sandbox() as second:
        assert first.anthropic_url != second.anthropic_url


def test_a_port_that_is_taken_is_an_error_and_leaks_nothing(sandbox):
    port = int(sandbox.anthropic_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Sandbox(ports=(0, 0, port))
