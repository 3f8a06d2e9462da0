"""The artifact client with the sandbox's service, and with a strict hand-written one."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import pytest

from batch_action.clients.artifacts import (
    ArtifactService,
    check_name,
)
from batch_action.clients.network import no_artifacts_reason
from batch_action.errors import GitHubError, NameTakenError
from batch_action.sandbox.server import Sandbox

DATA = b"PK\x05\x06" + bytes(18)
GITHUB = "https://github.com"


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.github.add_repository("octo/demo")
    running.faults.calls.clear()
    yield running
    running.faults.clear()


@pytest.fixture
def run(sandbox: Sandbox):
    return sandbox.github.start_run("octo/demo", event="schedule", permissions={})


@contextmanager
def speaking_to(sandbox: Sandbox, run, **how) -> Iterator[ArtifactService]:
    how = {"sleep": lambda _: None, **how}
    with ArtifactService(
        f"{sandbox.github_url}/dropped/", run.runtime_token, sandbox.github_url, **how
    ) as service:
        yield service


@pytest.fixture
def service(sandbox: Sandbox, run) -> Iterator[ArtifactService]:
    with speaking_to(sandbox, run) as service:
        yield service


def calls(sandbox: Sandbox, method: str) -> int:
    return sum(call.path.endswith(method) for call in sandbox.faults.calls)


def test_upload_list_and_delete(sandbox, service):
    number = service.upload("state-a", DATA, 30)
    [stored] = service.list_artifacts()
    assert (stored.id, stored.name, stored.size) == (number, "state-a", len(DATA))
    assert stored.digest.startswith("sha256:")
    [kept] = sandbox.github.repository("octo/demo").artifacts
    assert sandbox.blobs.get(kept.blob) == DATA
    assert service.delete("state-a") is True
    assert service.delete("state-a") is False
    assert service.list_artifacts("state-a") == ()


def test_retention_is_capped_by_the_repository(sandbox, run):
    with speaking_to(sandbox, run, max_days=7) as service:
        service.upload("state-a", DATA, 30)
    kept = sandbox.github.repository("octo/demo").artifacts[-1]
    assert round((kept.expires_at - kept.created_at) / timedelta(days=1), 3) == 7


def test_the_signature_of_the_url_is_masked_and_never_logged(sandbox, run, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx2").setLevel(logging.DEBUG)
    masked: list[str] = []
    with speaking_to(sandbox, run, mask=masked.append) as service:
        service.upload("state-a", DATA, 30)
    assert masked
    assert all(len(value) > 20 for value in masked)
    output = caplog.text + "".join(capfd.readouterr())
    assert not any(value in output for value in [*masked, "sig="])


@pytest.mark.parametrize(
    "name", ["", 'a"b', "a:b", "a<b", "a|b", "a*b", "a?b", "a\nb", "a\\b", "a/b"]
)
def test_names_that_the_service_refuses_are_refused_first(name):
    with pytest.raises(GitHubError, match="cannot name an artifact"):
        check_name(name)


@pytest.mark.parametrize(
    ("server", "allowed"),
    [
        (GITHUB, True),
        ("https://acme.ghe.com", True),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://github.localhost", True),
        ("https://github.acme.com", False),
        ("https://github.com.evil.org", False),
        ("", False),
    ],
)
def test_enterprise_servers_are_refused(server, allowed):
    reason = no_artifacts_reason("https://results", "token", server)
    assert (reason is None) == allowed
    if not allowed:
        with pytest.raises(GitHubError, match=r"Enterprise Server.*BATCH_ACTION_STATE_DIR"):
            ArtifactService("https://results", "token", server)


@pytest.mark.parametrize(("url", "token"), [("", "t"), ("https://results", "")])
def test_outside_of_an_action_the_reason_is_named(url, token):
    with pytest.raises(GitHubError, match="is not set: this is no step of a GitHub action"):
        ArtifactService(url, token, GITHUB)


@pytest.mark.parametrize("token", ["x", "a.b.c", "a.e30.c", "a.eyJzY3AiOiAieCJ9.c"])
def test_a_token_without_the_scope(token):
    with pytest.raises(GitHubError, match="no permission to store artifacts"):
        ArtifactService("https://results", token, GITHUB)


def test_a_taken_name_has_its_own_error_and_is_not_overwritten(sandbox, service):
    number = service.upload("state-a", DATA, 30)
    with pytest.raises(NameTakenError, match="already has"):
        service.upload("state-a", DATA + b"more", 30)
    assert [(item.id, item.size) for item in service.list_artifacts()] == [(number, len(DATA))]
    assert calls(sandbox, "DeleteArtifact") == 0


def test_a_finished_artifact_is_kept_after_a_lost_response(sandbox, service):
    number = service.upload("state-a", DATA, 30)
    sandbox.faults.add("status", path="CreateArtifact", status=503)
    with pytest.raises(NameTakenError):
        service.upload("state-a", DATA, 30)
    assert [item.id for item in service.list_artifacts()] == [number]


@pytest.mark.parametrize("method", ["CreateArtifact", "FinalizeArtifact", "ListArtifacts"])
@pytest.mark.parametrize("fault", ["drop-before", "drop-after"])
def test_an_upload_survives_a_lost_response(sandbox, service, method, fault):
    sandbox.faults.add(fault, path=method)
    number = service.upload("state-a", DATA, 30)
    assert [item.id for item in service.list_artifacts()] == [number]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_upload_survives_failures_of_the_service_and_the_store(sandbox, service, status):
    sandbox.faults.add("status", path="Artifact$", status=status, times=4)
    sandbox.faults.add("status", service="blobs", method="PUT", status=status)
    sandbox.faults.add("drop-after", service="blobs", method="PUT", nth=2)
    service.upload("state-a", DATA, 30)


def test_five_attempts_with_growing_delays(sandbox, run):
    waits: list[float] = []
    sandbox.faults.add("status", path="CreateArtifact", status=500, times=99)
    with (
        speaking_to(sandbox, run, sleep=waits.append) as service,
        pytest.raises(GitHubError, match="refused CreateArtifact state-a \\(500"),
    ):
        service.upload("state-a", DATA, 30)
    assert calls(sandbox, "CreateArtifact") == 5
    assert waits[0] == 3
    assert 4.5 <= waits[1] < 6.75 <= waits[2] < 10.125 <= waits[3] < 15.1875


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"status": 400, "message": "insufficient usage to create artifact"}, "storage quota"),
        ({"status": 401}, "job that has ended"),
        ({"status": 403}, "job that has ended"),
        ({"status": 404}, "404"),
    ],
)
def test_refusals_are_reported_and_not_retried(sandbox, service, details, words):
    sandbox.faults.add("status", path="CreateArtifact", times=9, **details)
    with pytest.raises(GitHubError, match=words):
        service.upload("state-a", DATA, 30)
    assert calls(sandbox, "CreateArtifact") == 1


def test_the_token_of_a_finished_job(sandbox, run, service):
    sandbox.github.finish_run(run)
    with pytest.raises(GitHubError, match="job that has ended"):
        service.upload("state-a", DATA, 30)


def test_a_refusing_blob_store_is_reported_without_its_url(sandbox, service):
    sandbox.faults.add("status", service="blobs", method="PUT", status=403, times=9)
    with pytest.raises(GitHubError, match=r"upload failed with 403 \(ServerBusy\)") as caught:
        service.upload("state-a", DATA, 30)
    assert "sig" not in str(caught.value)


def test_a_refused_connection():
    waits: list[float] = []
    with (
        ArtifactService("http://127.0.0.1:1", TOKEN, GITHUB, sleep=waits.append) as service,
        pytest.raises(GitHubError, match="no connection"),
    ):
        service.upload("state-a", DATA, 30)
    assert waits == []


CLAIMS = {"scp": "Actions.GenericRead:1 Actions.Results:run:job"}
TOKEN = "e30." + base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode().rstrip("=") + ".s"
Answer = Callable[[str, dict[str, object]], tuple[int, object]]


@contextmanager
def strict_service(
    answer: Answer, home: list[str], *, stored_status: int = 201
) -> Iterator[tuple[str, list[tuple[str, object]]]]:
    """A service that uses lowerCamelCase, and stores nothing but blocks and their list."""
    seen: list[tuple[str, object]] = []
    blocks: dict[str, bytes] = {}
    blobs: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            body = json.loads(self.read())
            seen.append((name, {**dict(self.headers), "body": body}))
            status, data = answer(name, body)
            self.respond(status, json.dumps(data).encode())

        def do_PUT(self) -> None:
            query = dict(parse_qsl(urlsplit(self.path).query))
            kind, raw = query.get("comp", "blob"), self.read()
            seen.append((kind, {**dict(self.headers), "body": raw, "query": query}))
            if kind == "block":
                blocks[query["blockid"]] = raw
            elif kind == "blocklist":
                blobs.append(b"".join(blocks[node.text or ""] for node in ET.fromstring(raw)))
            self.respond(stored_status if kind in {"block", "blocklist"} else 200, b"")

        def do_GET(self) -> None:
            assert "Authorization" not in self.headers
            self.respond(200, blobs[-1] if self.path.startswith("/blob") else b"")

        def read(self) -> bytes:
            return self.rfile.read(int(self.headers["Content-Length"]))

        def respond(self, status: int, out: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        home.append(f"http://127.0.0.1:{server.server_port}")
        try:
            yield home[0], seen
        finally:
            server.shutdown()
            thread.join()


def test_both_spellings_and_only_the_fields_of_version_4():
    home: list[str] = []

    def answer(method: str, _body: dict[str, object]) -> tuple[int, object]:
        upload = f"{home[0]}/blob?sig=s%2Bcret"
        return 200, {
            "CreateArtifact": {"ok": True, "signedUploadUrl": upload},
            "FinalizeArtifact": {"ok": True, "artifactId": "17"},
            "ListArtifacts": {
                "artifacts": [
                    {
                        "databaseId": "17",
                        "name": "state-a",
                        "size": str(len(DATA)),
                        "workflowRunBackendId": "run",
                        "workflowJobRunBackendId": "earlier-job",
                    }
                ]
            },
            "DeleteArtifact": {"ok": True},
        }[method]

    with (
        strict_service(answer, home) as (origin, seen),
        ArtifactService(f"{origin}/path/", TOKEN, GITHUB) as service,
    ):
        assert service.upload("state-a", DATA, 30) == 17
        assert service.delete("state-a") is True
    sent = dict(seen)
    created = sent["CreateArtifact"]["body"]
    assert created.pop("expires_at").endswith("Z")
    ids = {"workflow_run_backend_id": "run", "workflow_job_run_backend_id": "job"}
    assert created == {**ids, "name": "state-a", "version": 4}
    assert sent["CreateArtifact"]["Authorization"] == f"Bearer {TOKEN}"
    assert sent["FinalizeArtifact"]["body"]["size"] == str(len(DATA))
    assert sent["block"]["body"] == DATA
    assert sent["blocklist"]["x-ms-blob-content-type"] == "application/zip"
    assert "blob" not in sent, "some servers answer Put Blob with success and store nothing"
    for put in (sent["block"], sent["blocklist"]):
        assert put["query"]["sig"] == "s+cret"
        assert "authorization" not in {name.lower() for name in put}
    assert sent["DeleteArtifact"]["body"]["workflow_job_run_backend_id"] == "earlier-job"


def test_large_data_is_staged_in_blocks_of_8_mib_in_order(sandbox, run, service):
    data = bytes(range(256)) * (9 * 4096)
    service.upload("state-a", data, 30)
    (item,) = sandbox.github.repository("octo/demo").artifacts
    assert sandbox.github.instance.blobs.get(item.blob) == data
    puts = [call for call in sandbox.faults.calls if call.method == "PUT"]
    assert len(puts) == 3, "two blocks and their list"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_only_201_means_that_a_block_is_stored(status):
    home: list[str] = []

    def answer(_method: str, _body: dict[str, object]) -> tuple[int, object]:
        return 200, {"ok": True, "signed_upload_url": f"{home[0]}/blob", "artifact_id": "17"}

    with (
        strict_service(answer, home, stored_status=status) as (origin, seen),
        ArtifactService(origin, TOKEN, GITHUB, sleep=lambda _: None) as service,
        pytest.raises(GitHubError, match=f"upload failed with {status}"),
    ):
        service.upload("state-a", DATA, 30)
    assert {name for name, _ in seen} == {"CreateArtifact", "block", "DeleteArtifact"}


def listed(size: int) -> dict[str, object]:
    return {"artifacts": [{"database_id": "17", "name": "state-a", "size": str(size)}]}


SIGNED = {"name": "state-a", "signedUrl": "HOME/blob"}


@pytest.mark.parametrize(
    ("the_list", "the_link", "error"),
    [
        pytest.param((404, {}), None, None, id="no list: FinalizeArtifact has confirmed the size"),
        pytest.param((200, {}), None, None, id="not listed yet"),
        pytest.param((200, listed(len(DATA))), None, None, id="the right number"),
        pytest.param((200, listed(4096)), (200, SIGNED), None, id="a folder's size: read back"),
        pytest.param((200, listed(1)), (404, {}), "with 1 of", id="no way to read it back"),
        pytest.param((200, listed(1)), (200, {"signed_url": "HOME/no"}), "with 0 of", id="lost"),
    ],
)
def test_a_wrong_number_in_the_list_is_checked_against_what_is_stored(the_list, the_link, error):
    home: list[str] = []

    def answer(method: str, _body: dict[str, object]) -> tuple[int, object]:
        if method == "ListArtifacts":
            return the_list
        if method == "GetSignedArtifactURL":
            assert the_link is not None, "what agrees is not downloaded"
            fields = {key: text.replace("HOME", home[0]) for key, text in the_link[1].items()}
            return the_link[0], fields
        return 200, {"ok": True, "signed_upload_url": f"{home[0]}/blob", "artifact_id": "17"}

    expected = pytest.raises(GitHubError, match=f"arrived {error}") if error else nullcontext()
    with (
        strict_service(answer, home) as (origin, _),
        ArtifactService(origin, TOKEN, GITHUB) as service,
        expected,
    ):
        service.verify("state-a", service.upload("state-a", DATA, 30), DATA)
