"""The code scanning endpoints of SARIF uploads and analyses."""

import re
import uuid
from datetime import timedelta
from typing import Any

from batch_action.sandbox.github import alerts, sarif
from batch_action.sandbox.github.json_objects import Json, api_url, format_time
from batch_action.sandbox.github.records import Analysis, Upload
from batch_action.sandbox.github.rest import ApiResponse, Call, GitHubError, endpoint, not_found

_REF = re.compile(r"refs/(heads/.+|tags/.+|pull/\d+/(merge|head))")
_SHA = re.compile(r"[0-9a-fA-F]{40}([0-9a-fA-F]{24})?")
_FIELDS = {"commit_sha", "ref", "sarif", "checkout_uri", "started_at", "tool_name", "validate"}


def _upload(call: Call) -> ApiResponse:
    alerts.require_code_scanning(call)
    body = call.body()
    missing = [n for n in ("commit_sha", "ref", "sarif") if not isinstance(body.get(n), str)]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        raise GitHubError(422, f"Invalid request.\n\n{names} weren't supplied.")
    if unknown := sorted(body.keys() - _FIELDS):
        raise GitHubError(422, f'Invalid request.\n\n"{unknown[0]}" is not a permitted key.')
    if not _REF.fullmatch(body["ref"]):
        raise GitHubError(422, "ref must be refs/heads/…, refs/tags/… or refs/pull/N/(merge|head)")
    if not _SHA.fullmatch(body["commit_sha"]):
        raise GitHubError(422, "commit_sha must be a full commit id")
    document = sarif.unpack(body["sarif"])
    upload = Upload(
        id=str(uuid.uuid4()),
        created_at=call.instance.now(),
        errors=sarif.processing_errors(document),
    )
    call.repository.uploads[upload.id] = upload
    for run in [] if upload.errors else document["runs"]:
        _record(call, body, run, upload)
    url = f"{api_url(call.instance, call.repository)}/code-scanning/sarifs/{upload.id}"
    return ApiResponse(status=202, data={"id": upload.id, "url": url})


def _record(call: Call, body: dict[str, Any], run: sarif.Run, upload: Upload) -> None:
    analysis = Analysis(
        id=call.instance.new_id(),
        sarif_id=upload.id,
        commit_sha=body["commit_sha"],
        ref=body["ref"],
        created_at=upload.created_at,
        sarif={"version": "2.1.0", "runs": [run]},
        category=sarif.category_of(run),
        tool=sarif.tool_of(run),
        results=len(run["results"]),
    )
    # An upload replaces an earlier one of the same commit, tool and category.
    call.repository.analyses[:] = [
        other
        for other in call.repository.analyses
        if (other.tool, other.category, other.ref, other.commit_sha)
        != (analysis.tool, analysis.category, analysis.ref, analysis.commit_sha)
    ]
    call.repository.analyses.append(analysis)
    alerts.update_alerts(call, analysis, run)


def _processed(call: Call, upload: Upload) -> bool:
    lag = timedelta(seconds=call.instance.scanning_lag)
    return upload.created_at + lag <= call.instance.clock.now()


def _status(call: Call) -> ApiResponse:
    alerts.require_code_scanning(call)
    upload = call.repository.uploads.get(call.path_part("sarif"))
    if upload is None:
        raise not_found()
    first, upload.polled = not upload.polled, True
    # The first poll always returns `pending`, so that clients must be able to wait.
    if first or not _processed(call, upload):
        return ApiResponse(data={"processing_status": "pending"})
    url = f"{api_url(call.instance, call.repository)}/code-scanning/analyses?sarif_id={upload.id}"
    status = "failed" if upload.errors else "complete"
    return ApiResponse(
        data={
            "processing_status": status,
            "analyses_url": None if upload.errors else url,
            "errors": upload.errors or None,
        }
    )


def _analysis_shape(call: Call, analysis: Analysis) -> Json:
    run = analysis.sarif["runs"][0]
    ignored = analysis.results - sarif.MAX_ALERTS
    return {
        "id": analysis.id,
        "ref": analysis.ref,
        "commit_sha": analysis.commit_sha,
        "analysis_key": "api",
        "category": analysis.category,
        "environment": "",
        "error": "",
        "warning": f"{ignored} results were ignored" if ignored > 0 else "",
        "created_at": format_time(analysis.created_at),
        "results_count": min(analysis.results, sarif.MAX_ALERTS),
        "rules_count": len(run["tool"]["driver"].get("rules", [])),
        "url": f"{api_url(call.instance, call.repository)}/code-scanning/analyses/{analysis.id}",
        "sarif_id": analysis.sarif_id,
        "tool": {"name": analysis.tool, "guid": None, "version": None},
        "deletable": True,
    }


def _processed_analyses(call: Call) -> list[Analysis]:
    """List the processed analyses, newest first."""
    uploads = call.repository.uploads
    analyses = [
        analysis
        for analysis in call.repository.analyses
        if _processed(call, uploads[analysis.sarif_id])
    ]
    return analyses[::-1]


def _analyses(call: Call) -> ApiResponse:
    alerts.require_code_scanning(call)
    filters = {name: call.query(name) for name in ("ref", "sarif_id", "tool_name")}
    analyses = [
        analysis
        for analysis in _processed_analyses(call)
        if filters["ref"] in {"", analysis.ref, analysis.ref.removeprefix("refs/heads/")}
        and filters["sarif_id"] in {"", analysis.sarif_id}
        and filters["tool_name"] in {"", analysis.tool}
    ]
    if not analyses:
        raise GitHubError(404, "no analysis found")
    return call.page(analyses, lambda analysis: _analysis_shape(call, analysis))


def _analysis(call: Call) -> ApiResponse:
    alerts.require_code_scanning(call)
    number = call.path_number("analysis")
    for analysis in _processed_analyses(call):
        if analysis.id == number:
            if "sarif" not in call.request.headers.get("accept", ""):
                return ApiResponse(data=_analysis_shape(call, analysis))
            media = {"Content-Type": "application/sarif+json; charset=utf-8"}
            return ApiResponse(data=_document(call, analysis), headers=media)
    raise not_found()


def _document(call: Call, analysis: Analysis) -> Json:
    """Return the uploaded document, or the documented subset of it."""
    run = analysis.sarif["runs"][0]
    numbers = alerts.alerts_by_result(call, analysis, run)
    if call.repository.returns_full_sarif:
        return analysis.sarif
    part = sarif.returned_run(run, numbers, analysis.ref, analysis.commit_sha)
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0"} | {
        "runs": [part]
    }


_R, _W = "security_events=read", "security_events=write"
ENDPOINTS = (
    endpoint("POST ~/code-scanning/sarifs", _upload, _W),
    endpoint("GET ~/code-scanning/sarifs/{sarif}", _status, _R),
    endpoint("GET ~/code-scanning/analyses", _analyses, _R),
    endpoint("GET ~/code-scanning/analyses/{analysis}", _analysis, _R),
)
