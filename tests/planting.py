"""Ledger artifacts that no run of ours has left."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.github.blobs import Blob
from batch_action.sandbox.github.state import Artifact
from tests.nights import Night

STEM = "batch-action-code-review"


def zipped(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def plant(night: Night, data: bytes, how: Mapping[str, Any], **changes: Any) -> Artifact:
    """An artifact of our name, left by some run."""
    run = night.open(how)
    world = night.sandbox.github.world
    number = world.new_id()
    item = Artifact(
        id=number,
        name=f"{STEM}-a",
        run_id=run.id,
        run_backend=run.run_backend,
        job_backend=run.job_backend,
        blob=f"planted/{number}.zip",
        mime_type="application/zip",
        created_at=world.now(),
        expires_at=world.now().replace(year=2099),
        size=len(data),
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        finalized=True,
    )
    for name, value in changes.items():
        setattr(item, name, value)
    put(night, item, data)
    night.hub.artifacts.append(item)
    run.finish()
    return item


def put(night: Night, item: Artifact, data: bytes) -> None:
    night.sandbox.github.blobs._blobs[item.blob] = Blob(data=data)
