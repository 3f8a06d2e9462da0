"""Ledger artifacts that were not uploaded by our action."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.github.blob_store import Blob
from batch_action.sandbox.github.records import Artifact
from tests.harness.workflow import WorkflowHarness

LEDGER_NAME = "batch-action-code-review"


def zip_of(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def upload_foreign(
    workflow: WorkflowHarness, data: bytes, how: Mapping[str, Any], **changes: Any
) -> Artifact:
    """Upload an artifact with our name by some run."""
    run = workflow.open(how)
    ctx = workflow.sandbox.github.instance
    number = ctx.new_id()
    item = Artifact(
        id=number,
        name=f"{LEDGER_NAME}-a",
        run_id=run.id,
        run_backend=run.run_backend,
        job_backend=run.job_backend,
        blob=f"planted/{number}.zip",
        mime_type="application/zip",
        created_at=ctx.now(),
        expires_at=ctx.now().replace(year=2099),
        size=len(data),
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        finalized=True,
    )
    for name, value in changes.items():
        setattr(item, name, value)
    write_blob(workflow, item, data)
    workflow.github_repository.artifacts.append(item)
    workflow.sandbox.github.finish_run(run)
    return item


def write_blob(workflow: WorkflowHarness, item: Artifact, data: bytes) -> None:
    workflow.sandbox.github.blobs._blobs[item.blob] = Blob(data=data)
