"""Code-scanning alerts: uploads open and fix them, people dismiss them."""

import uuid
from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.github import sarif
from batch_action.sandbox.github.json_objects import Json, api_url, format_time, user_json
from batch_action.sandbox.github.records import Analysis
from batch_action.sandbox.github.rest import ApiResponse, Call, GitHubError, endpoint, not_found

_OFF = "Code Security must be enabled for this repository to use code scanning."
_DISMISSED = ("dismissed_by", "dismissed_at", "dismissed_reason", "dismissed_comment")
_DISMISSALS = {"false positive", "won't fix", "used in tests", "mitigated"}
_MAX_COMMENT_CHARS = 280
_SCORES = ((9.0, "critical"), (6.9, "high"), (3.9, "medium"), (0.0, "low"))


def require_code_scanning(call: Call) -> None:
    """Refuse where the repository has no license for it."""
    if not call.repository.code_scanning:
        raise GitHubError(403, _OFF)


def update_alerts(call: Call, analysis: Analysis, run: sarif.Run) -> None:
    """Open what is new, fix what is gone: of the same tool, category and ref only."""
    alerts, now = call.repository.alerts, format_time(call.instance.now())
    existing = _alerts_of(call, analysis)
    seen = set()
    for result in sarif.stored_results(run):
        key = _key(result)
        seen.add(key)
        if key not in existing:
            existing[key] = _new_alert(call, analysis, result)
            alerts[existing[key]["number"]] = existing[key]
        alert = existing[key]
        if alert["state"] == "fixed":
            alert |= {"state": "open", "fixed_at": None, "updated_at": now}
        alert["rule"] = _rule(result, sarif.rule_of(run, result))
        alert["most_recent_instance"] |= {
            "commit_sha": analysis.commit_sha,
            "location": sarif.location_of(result),
            "message": {"text": result["message"]["text"]},
        }
    for key, alert in existing.items():
        if key not in seen and alert["state"] == "open":
            alert |= {"state": "fixed", "fixed_at": now, "updated_at": now}
    for alert in existing.values():
        alert["most_recent_instance"]["state"] = alert["state"]


def alerts_by_result(call: Call, analysis: Analysis, run: sarif.Run) -> dict[int, tuple[int, str]]:
    """Map the index of each stored result in its run to the number and URL of its alert."""
    existing = _alerts_of(call, analysis)
    pairs = ((index, existing.get(_key(result))) for index, result in enumerate(run["results"]))
    return {index: (alert["number"], alert["url"]) for index, alert in pairs if alert}


def _alerts_of(call: Call, analysis: Analysis) -> dict[str, Json]:
    source = (analysis.tool, analysis.category, analysis.ref)
    alerts = call.repository.alerts.values()
    return {alert["_key"]: alert for alert in alerts if alert["_home"] == source}


def _key(result: Mapping[str, Any]) -> str:
    """Return the identity of an alert; without a fingerprint every upload opens a new one."""
    prints = result.get("partialFingerprints", {})
    fingerprint = prints.get("primaryLocationLineHash") or str(uuid.uuid4())
    return f"{result.get('ruleId')}:{sarif.location_of(result)['path']}:{fingerprint}"


def _rule(result: Mapping[str, Any], rule: Mapping[str, Any]) -> Json:
    properties = rule.get("properties", {})
    score = float(properties.get("security-severity", 0))
    help_ = rule.get("help", {})
    return {
        "id": result.get("ruleId"),
        "name": rule.get("name", result.get("ruleId")),
        "severity": result.get("level", "warning"),
        "security_severity_level": next((word for over, word in _SCORES if score > over), None),
        "description": rule.get("shortDescription", {}).get("text", ""),
        "full_description": rule.get("fullDescription", {}).get("text", ""),
        "tags": properties.get("tags", [])[:10],
        "help": help_.get("markdown") or help_.get("text") or "",
    }


def _new_alert(call: Call, analysis: Analysis, result: Mapping[str, Any]) -> Json:
    number = max(call.repository.alerts, default=0) + 1
    now = format_time(call.instance.now())
    url = f"{api_url(call.instance, call.repository)}/code-scanning/alerts/{number}"
    page = f"{call.instance.origin}/{call.repository.full_name}/security/code-scanning/{number}"
    return {
        "_key": _key(result),
        "_home": (analysis.tool, analysis.category, analysis.ref),
        "_first": analysis.commit_sha,
        "number": number,
        "created_at": now,
        "updated_at": now,
        "url": url,
        "html_url": page,
        "instances_url": f"{url}/instances",
        "state": "open",
        "fixed_at": None,
        **dict.fromkeys(_DISMISSED),
        "rule": {},
        "tool": {"name": analysis.tool, "guid": None, "version": None},
        "most_recent_instance": {
            "ref": analysis.ref,
            "analysis_key": "api",
            "category": analysis.category,
            "environment": "{}",
            "state": "open",
            "classifications": [],
        },
    }


def _public(alert: Json) -> Json:
    return {key: value for key, value in alert.items() if not key.startswith("_")}


def _alerts(call: Call) -> ApiResponse:
    require_code_scanning(call)
    if not call.repository.analyses:
        raise GitHubError(404, "no analysis found")
    filters = {name: call.query(name) for name in ("state", "tool_name", "ref")}
    alerts = [
        alert
        for alert in call.repository.alerts.values()
        if filters["state"] in {"", alert["state"]}
        and filters["tool_name"] in {"", alert["tool"]["name"]}
        and filters["ref"].removeprefix("refs/heads/")
        in {"", alert["most_recent_instance"]["ref"].removeprefix("refs/heads/")}
    ]
    sort_key = "updated_at" if call.query("sort") == "updated" else "created_at"
    alerts.sort(
        key=lambda alert: (alert[sort_key], alert["number"]),
        reverse=call.query("direction") != "asc",
    )
    return call.page(alerts, _public)


def _alert(call: Call) -> Json:
    require_code_scanning(call)
    alert = call.repository.alerts.get(call.path_number("number"))
    if alert is None:
        raise not_found()
    return alert


def _get_alert(call: Call) -> ApiResponse:
    return ApiResponse(data=_public(_alert(call)))


def _edit_alert(call: Call) -> ApiResponse:
    alert, body = _alert(call), call.body()
    now = format_time(call.instance.now())
    if body.get("state") == "dismissed":
        if body.get("dismissed_reason") not in _DISMISSALS:
            raise GitHubError(422, "dismissed_reason is required when state is dismissed")
        if len(body.get("dismissed_comment") or "") > _MAX_COMMENT_CHARS:
            raise GitHubError(422, "dismissed_comment is too long (maximum is 280 characters)")
        alert |= {
            "state": "dismissed",
            "dismissed_by": user_json(call.instance, call.instance.author(call.actor)),
            "dismissed_at": now,
            "dismissed_reason": body["dismissed_reason"],
            "dismissed_comment": body.get("dismissed_comment"),
        }
    elif body.get("state") == "open":
        alert |= {"state": "open"} | dict.fromkeys(_DISMISSED)
    else:
        raise GitHubError(422, "state must be open or dismissed")
    alert["updated_at"] = now
    alert["most_recent_instance"]["state"] = alert["state"]
    return ApiResponse(data=_public(alert))


_R, _W = "security_events=read", "security_events=write"
ENDPOINTS = (
    endpoint("GET ~/code-scanning/alerts", _alerts, _R),
    endpoint("GET ~/code-scanning/alerts/{number}", _get_alert, _R),
    endpoint("PATCH ~/code-scanning/alerts/{number}", _edit_alert, _W),
)
