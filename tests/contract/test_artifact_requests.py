"""The requests of an upload, field by field, compared with captured ones of the official client.

Intended difference: version 4 without `mime_type`, which older servers accept as well.
"""

import hashlib
import json
from typing import Any

import pytest
from vcr.request import Request

from tests.contract.cassettes import BLOBS, FOLDER, HIDDEN, exchanges
from tests.contract.scenarios import zip_of

SERVICE = "/twirp/github.actions.results.api.v1.ArtifactService/"
IDS = {"workflow_run_backend_id": "uuid_0001", "workflow_job_run_backend_id": "uuid_0002"}
NAME = "batch-action-state-00000000"
DATA = zip_of(b"{}")


@pytest.fixture(scope="module")
def requests() -> dict[str, Request]:
    """The uploader's requests by method, in order."""
    by_method: dict[str, Request] = {}
    for request, _ in exchanges(FOLDER / "sandbox-ledger-artifact.yaml"):
        if request.path.startswith(SERVICE):
            by_method[request.path.removeprefix(SERVICE)] = request
        elif request.method == "PUT":
            by_method[dict(request.query)["comp"]] = request
    return by_method


def body(request: Request) -> Any:
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == HIDDEN
    return json.loads(request.body)


def test_the_order_of_the_calls(requests):
    expected = ["CreateArtifact", "block", "blocklist", "FinalizeArtifact", "ListArtifacts"]
    assert list(requests) == expected


def test_create(requests):
    assert body(requests["CreateArtifact"]) == {
        **IDS,
        "name": NAME,
        "version": 4,
        "expires_at": "2026-11-29T02:17:00.000Z",
    }


def test_put_block(requests):
    put = requests["block"]
    assert put.uri.startswith(f"{BLOBS}/")
    assert put.body == DATA
    assert dict(put.headers) == {"content-type": "application/octet-stream"}


def test_put_block_list(requests):
    put = requests["blocklist"]
    block_id = dict(requests["block"].query)["blockid"]
    assert put.uri.startswith(f"{BLOBS}/")
    assert f"<BlockList><Latest>{block_id}</Latest></BlockList>".encode() in put.body
    assert put.headers["x-ms-blob-content-type"] == "application/zip"


def test_finalize_sends_the_size_as_text_and_the_hash_without_a_prefix(requests):
    assert body(requests["FinalizeArtifact"]) == {
        **IDS,
        "name": NAME,
        "size": str(len(DATA)),
        "hash": f"sha256:{hashlib.sha256(DATA).hexdigest()}",
    }


def test_list(requests):
    assert body(requests["ListArtifacts"]) == {**IDS, "name_filter": NAME}
