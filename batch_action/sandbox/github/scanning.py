"""Code scanning: SARIF in, analyses and alerts out."""

import base64
import binascii
import gzip
import json
import uuid
import zlib
from datetime import timedelta
from typing import Any

from batch_action.sandbox.github.alerts import insist_enabled, reconcile
from batch_action.sandbox.github.shapes import Json, base, instant
from batch_action.sandbox.github.state import Analysis
from batch_action.sandbox.github.wire import Answer, Call, Refusal, not_found, on

_PROCESSING = timedelta(seconds=2)
_UPLOAD_LIMIT = 10 << 20


def _upload(call: Call) -> Answer:
    insist_enabled(call)
    body = call.body()
    for name in ("commit_sha", "ref", "sarif"):
        if not isinstance(body.get(name), str):
            raise Refusal(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
    if not body["ref"].startswith(("refs/heads/", "refs/pull/", "refs/tags/")):
        raise Refusal(422, "ref must start with refs/heads/, refs/pull/ or refs/tags/")
    sarif = _unpacked(body["sarif"])
    sarif_id = str(uuid.uuid4())
    for run in sarif.get("runs", []):
        _record(call, body, run, sarif_id)
    url = f"{base(call.world, call.repository)}/code-scanning/sarifs/{sarif_id}"
    return Answer(status=202, data={"id": sarif_id, "url": url})


def _unpacked(text: str) -> dict[str, Any]:
    try:
        packed = base64.b64decode(text, validate=True)
        if len(packed) > _UPLOAD_LIMIT:
            raise Refusal(413, "The SARIF file is too large.")
        sarif = json.loads(gzip.decompress(packed))
    except (binascii.Error, OSError, EOFError, zlib.error, ValueError):
        raise Refusal(400, "Invalid SARIF. Not base64 of gzip of JSON.") from None
    if not isinstance(sarif, dict) or sarif.get("version") != "2.1.0":
        raise Refusal(400, "Invalid SARIF. Only version 2.1.0 is supported.")
    return sarif


def _record(call: Call, body: dict[str, Any], run: dict[str, Any], sarif_id: str) -> None:
    automation = str(run.get("automationDetails", {}).get("id", ""))
    analysis = Analysis(
        id=call.world.new_id(),
        sarif_id=sarif_id,
        commit_sha=body["commit_sha"],
        ref=body["ref"],
        created_at=call.world.now(),
        sarif={"version": "2.1.0", "runs": [run]},
        category=automation.rpartition("/")[0],
        tool=str(run["tool"]["driver"]["name"]),
        results=len(run.get("results", [])),
    )
    call.repository.analyses.append(analysis)
    reconcile(call, analysis, run)


def _status(call: Call) -> Answer:
    insist_enabled(call)
    found = [one for one in call.repository.analyses if one.sarif_id == call.part("sarif")]
    if not found:
        raise not_found()
    done = found[0].created_at + _PROCESSING <= call.world.clock.now()
    url = f"{base(call.world, call.repository)}/code-scanning/analyses?sarif_id={found[0].sarif_id}"
    data = {"processing_status": "complete" if done else "pending"}
    return Answer(data=data | ({"analyses_url": url, "errors": None} if done else {}))


def _analysis_shape(call: Call, analysis: Analysis) -> Json:
    url = f"{base(call.world, call.repository)}/code-scanning/analyses/{analysis.id}"
    return {
        "id": analysis.id,
        "ref": analysis.ref,
        "commit_sha": analysis.commit_sha,
        "analysis_key": "api",
        "category": analysis.category,
        "environment": "",
        "error": "",
        "warning": "",
        "created_at": instant(analysis.created_at),
        "results_count": analysis.results,
        "rules_count": len(analysis.sarif["runs"][0]["tool"]["driver"].get("rules", [])),
        "url": url,
        "sarif_id": analysis.sarif_id,
        "tool": {"name": analysis.tool, "guid": None, "version": None},
        "deletable": True,
    }


def _analyses(call: Call) -> Answer:
    insist_enabled(call)
    asked = {name: call.query(name) for name in ("ref", "sarif_id", "tool_name", "category")}
    found = [
        one
        for one in reversed(call.repository.analyses)
        if asked["ref"] in {"", one.ref, one.ref.removeprefix("refs/heads/")}
        and asked["sarif_id"] in {"", one.sarif_id}
        and asked["tool_name"] in {"", one.tool}
        and asked["category"] in {"", one.category}
    ]
    return call.page(found, lambda one: _analysis_shape(call, one))


def _analysis(call: Call) -> Answer:
    insist_enabled(call)
    number = call.number("analysis")
    for one in call.repository.analyses:
        if one.id == number:
            wants_file = "sarif" in call.request.headers.get("accept", "")
            return Answer(data=one.sarif if wants_file else _analysis_shape(call, one))
    raise not_found()


_R, _W = "security_events=read", "security_events=write"
ENDPOINTS = (
    on("POST ~/code-scanning/sarifs", _upload, _W),
    on("GET ~/code-scanning/sarifs/{sarif}", _status, _R),
    on("GET ~/code-scanning/analyses", _analyses, _R),
    on("GET ~/code-scanning/analyses/{analysis}", _analysis, _R),
)
