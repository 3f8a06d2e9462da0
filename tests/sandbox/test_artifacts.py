"""The emulated artifact service and blob store."""

import hashlib
from datetime import timedelta

import pytest

SERVICE = "twirp/github.actions.results.api.v1.ArtifactService"


@pytest.fixture
def twirp(hub, http):
    """A function: one call to the artifact service in the name of a run."""

    def call(run, method, **message):
        ids = {
            "workflow_run_backend_id": run.run_backend,
            "workflow_job_run_backend_id": run.job_backend,
        }
        return http.post(
            f"{hub.instance.origin}/{SERVICE}/{method}",
            json=ids | message,
            headers={"Authorization": f"Bearer {run.runtime_token}"},
        )

    return call


@pytest.fixture
def upload(twirp, http):
    """A function: the whole upload."""

    def send(run, name="state", data=b"PK\x03\x04 data", **more):
        link = twirp(run, "CreateArtifact", name=name, version=4, **more).json()
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/zip"}
        assert http.put(link["signed_upload_url"], content=data, headers=headers).status_code == 201
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        answer = twirp(run, "FinalizeArtifact", name=name, size=str(len(data)), hash=digest)
        assert answer.json()["ok"], answer.text
        return int(answer.json()["artifact_id"])

    return send


@pytest.fixture
def run(hub):
    return hub.start_run("octo/demo", event="schedule")


def test_what_was_uploaded_is_found_and_read_back(hub, client, run, upload, http, clock) -> None:
    number = upload(run)
    upload(run, name="state-2")
    repo = client(run.token)
    (found,) = repo.get_artifacts(name="state")
    assert (found.id, found.size_in_bytes, found.expired) == (number, 9, False)
    assert found.workflow_run.id == run.id
    assert found.workflow_run.head_repository_id == hub.repository("octo/demo").id
    _status, headers, _body = repo.requester.requestJson("GET", found.archive_download_url)
    link = headers["location"]
    assert link.startswith("http://localhost:")
    answer = http.get(link)
    assert answer.headers["content-type"] == "application/zip"
    assert found.digest == "sha256:" + hashlib.sha256(answer.content).hexdigest()
    assert http.get(link, headers={"Authorization": "Bearer x"}).status_code == 403
    assert http.get(link.replace("sig=", "sig=A")).status_code == 403
    clock.advance(61)
    assert http.get(link).status_code == 403


def test_a_name_is_taken_for_the_run_and_its_reruns(hub, run, upload, twirp) -> None:
    upload(run)
    rerun = hub.start_run("octo/demo", event="schedule", rerun_of=run)
    for attempt in (run, rerun):
        refusal = twirp(attempt, "CreateArtifact", name="state", version=7)
        assert refusal.status_code == 409
        expected = "an artifact with this name already exists on the workflow run"
        assert refusal.json()["msg"] == expected
    (held,) = twirp(rerun, "ListArtifacts", nameFilter="state").json()["artifacts"]
    owner = {"workflow_job_run_backend_id": held["workflow_job_run_backend_id"]}
    gone = twirp(rerun, "DeleteArtifact", name="state", **owner)
    assert gone.json() == {"ok": True, "artifact_id": held["database_id"]}
    upload(rerun)


def test_what_the_service_refuses(hub, run, twirp, http) -> None:
    assert twirp(run, "CreateArtifact", name="a/b", version=4).status_code == 400
    assert twirp(run, "CreateArtifact", name="", version=4).status_code == 400
    assert twirp(run, "CreateArtifact", name="ab", version=3).status_code == 400
    link = twirp(run, "CreateArtifact", name="ab", version=4).json()["signed_upload_url"]
    assert http.put(link, content=b"1234").status_code == 400
    blob = {"x-ms-blob-type": "BlockBlob"}
    assert http.put(link, content=b"1234", headers=blob).status_code == 201
    assert twirp(run, "FinalizeArtifact", name="ab", size="5").status_code == 400
    hub.finish_run(run)
    assert twirp(run, "CreateArtifact", name="c", version=4).status_code == 401


def test_artifacts_expire_by_the_clock(client, hub, run, upload, clock) -> None:
    soon = (clock.now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    upload(run, expires_at=soon)
    upload(run, name="late", expires_at="2099-01-01T00:00:00Z")
    clock.advance(86_401)
    repo = client(hub.token_for("octo"))
    expired = {artifact.name: artifact for artifact in repo.get_artifacts()}
    assert (expired["state"].expired, expired["late"].expired) == (True, False)
    assert (expired["late"].expires_at - expired["late"].created_at).days == 90
    url = expired["state"].archive_download_url
    status, _headers, _body = repo.requester.requestJson("GET", url)
    assert status == 410
    assert expired["state"].delete()
    assert [artifact.name for artifact in repo.get_artifacts()] == ["late"]


def test_blocks_are_put_together_in_the_listed_order(run, twirp, http) -> None:
    link = twirp(run, "CreateArtifact", name="blocks", version=7).json()["signed_upload_url"]
    for block, data in (("QQ==", b"second"), ("Qg==", b"first ")):
        staged = f"{link}&comp=block&blockid={block.replace('=', '%3D')}"
        assert http.put(staged, content=data).status_code == 201
    listing = "<BlockList><Latest>Qg==</Latest><Latest>QQ==</Latest></BlockList>"
    headers = {"x-ms-blob-content-type": "application/zip"}
    assert http.put(f"{link}&comp=blocklist", content=listing, headers=headers).status_code == 201
    assert twirp(run, "FinalizeArtifact", name="blocks", size="12").json()["ok"]
    link = twirp(run, "GetSignedArtifactURL", name="blocks").json()["signed_url"]
    assert http.get(link).content == b"first second"


def test_lists_can_lag(hub, client, run, upload, clock) -> None:
    hub.list_lag = 10
    upload(run)
    repo = client(run.token)
    assert list(repo.get_artifacts()) == []
    clock.advance(11)
    assert len(list(repo.get_artifacts())) == 1
