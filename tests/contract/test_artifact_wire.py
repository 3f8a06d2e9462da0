"""An upload's requests, field by field, as the official client's were captured.

What differs is on purpose: version 4 without `mime_type`, which older servers take as well, and one
Put Blob instead of blocks.
"""

import hashlib
import json
from typing import Any

import pytest
from vcr.request import Request

from tests.contract.cassettes import BLOBS, FOLDER, HIDDEN, exchanges
from tests.contract.scenes import zipped

SERVICE = "/twirp/github.actions.results.api.v1.ArtifactService/"
IDS = {"workflow_run_backend_id": "uuid_0001", "workflow_job_run_backend_id": "uuid_0002"}
NAME = "batch-action-state-00000000"
DATA = zipped(b"{}")


@pytest.fixture(scope="module")
def said() -> dict[str, Request]:
    """The uploader's requests by method, in order."""
    found: dict[str, Request] = {}
    for request, _ in exchanges(FOLDER / "sandbox-ledger.yaml"):
        if request.path.startswith(SERVICE):
            found[request.path.removeprefix(SERVICE)] = request
        elif request.method == "PUT":
            found["blob"] = request
    return found


def body(request: Request) -> Any:
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == HIDDEN
    return json.loads(request.body)


def test_the_order_of_the_calls(said):
    assert list(said) == ["CreateArtifact", "blob", "FinalizeArtifact", "ListArtifacts"]


def test_create(said):
    assert body(said["CreateArtifact"]) == {
        **IDS,
        "name": NAME,
        "version": 4,
        "expires_at": "2026-11-29T02:17:00.000Z",
    }


def test_put_blob(said):
    put = said["blob"]
    assert put.uri.startswith(f"{BLOBS}/")
    assert put.body == DATA
    assert dict(put.headers) == {"content-type": "application/zip", "x-ms-blob-type": "BlockBlob"}


def test_finalize_tells_the_size_as_text_and_the_hash_bare(said):
    assert body(said["FinalizeArtifact"]) == {
        **IDS,
        "name": NAME,
        "size": str(len(DATA)),
        "hash": f"sha256:{hashlib.sha256(DATA).hexdigest()}",
    }


def test_list(said):
    assert body(said["ListArtifacts"]) == {**IDS, "name_filter": NAME}
