"""Code-scanning alerts: what uploads open and fix, and people dismiss."""

import uuid
from typing import Any

from batch_action.sandbox.github.shapes import Json, base, instant, user
from batch_action.sandbox.github.state import Analysis
from batch_action.sandbox.github.wire import Answer, Call, Refusal, not_found, on

_KEPT = 5000
_OFF = "Code Security must be enabled for this repository to use code scanning."
_DISMISSED = ("dismissed_by", "dismissed_at", "dismissed_reason", "dismissed_comment")
_DISMISSALS = {"false positive", "won't fix", "used in tests"}


def insist_enabled(call: Call) -> None:
    """Refuse where the repository has no licence for it."""
    if not call.repository.code_scanning:
        raise Refusal(403, _OFF)


def reconcile(call: Call, analysis: Analysis, run: dict[str, Any]) -> None:
    """Open what is new, fix what is gone: of the same tool, category and ref only."""
    alerts, now = call.repository.alerts, instant(call.world.now())
    mine = {
        alert["_key"]: alert
        for alert in alerts.values()
        if alert["_home"] == (analysis.tool, analysis.category, analysis.ref)
    }
    present = set()
    for result in run.get("results", [])[:_KEPT]:
        key = _key(result)
        present.add(key)
        if key not in mine:
            mine[key] = _new_alert(call, analysis, run, result)
            alerts[mine[key]["number"]] = mine[key]
        if mine[key]["state"] == "fixed":
            mine[key] |= {"state": "open", "fixed_at": None}
        seen = {"commit_sha": analysis.commit_sha, "location": _location(result)}
        mine[key]["most_recent_instance"] |= seen
    for key, alert in mine.items():
        if key not in present and alert["state"] == "open":
            alert |= {"state": "fixed", "fixed_at": now}


def _key(result: dict[str, Any]) -> str:
    """The one fingerprint GitHub uses; without it every upload makes a new alert."""
    prints = result.get("partialFingerprints", {})
    fingerprint = prints.get("primaryLocationLineHash") or str(uuid.uuid4())
    return f"{result.get('ruleId')}:{_location(result).get('path')}:{fingerprint}"


def _location(result: dict[str, Any]) -> Json:
    places = result.get("locations") or [{}]
    physical = places[0].get("physicalLocation", {})
    region = physical.get("region", {})
    return {
        "path": physical.get("artifactLocation", {}).get("uri"),
        "start_line": region.get("startLine", 1),
        "end_line": region.get("endLine", region.get("startLine", 1)),
        "start_column": region.get("startColumn", 1),
        "end_column": region.get("endColumn", 1),
    }


def _new_alert(call: Call, analysis: Analysis, run: dict[str, Any], result: dict[str, Any]) -> Json:
    number = max(call.repository.alerts, default=0) + 1
    rules = run["tool"]["driver"].get("rules", [])
    rule: Json = next((one for one in rules if one.get("id") == result.get("ruleId")), {})
    now = instant(call.world.now())
    url = f"{base(call.world, call.repository)}/code-scanning/alerts/{number}"
    page = f"{call.world.origin}/{call.repository.full_name}/security/code-scanning/{number}"
    return {
        "_key": _key(result),
        "_home": (analysis.tool, analysis.category, analysis.ref),
        "number": number,
        "created_at": now,
        "updated_at": now,
        "url": url,
        "html_url": page,
        "instances_url": f"{url}/instances",
        "state": "open",
        "fixed_at": None,
        **dict.fromkeys(_DISMISSED),
        "rule": {
            "id": result.get("ruleId"),
            "name": rule.get("name", result.get("ruleId")),
            "severity": result.get("level", "warning"),
            "description": rule.get("shortDescription", {}).get("text", ""),
            "tags": rule.get("properties", {}).get("tags", []),
        },
        "tool": {"name": analysis.tool, "guid": None, "version": None},
        "most_recent_instance": {
            "ref": analysis.ref,
            "analysis_key": "",
            "category": analysis.category,
            "environment": "",
            "state": "open",
            "commit_sha": analysis.commit_sha,
            "message": result.get("message", {}),
            "location": _location(result),
            "classifications": [],
        },
    }


def _public(alert: Json) -> Json:
    return {key: value for key, value in alert.items() if not key.startswith("_")}


def _alerts(call: Call) -> Answer:
    insist_enabled(call)
    asked = {name: call.query(name) for name in ("state", "tool_name", "ref")}
    found = [
        alert
        for _number, alert in sorted(call.repository.alerts.items(), reverse=True)
        if asked["state"] in {"", alert["state"]}
        and asked["tool_name"] in {"", alert["tool"]["name"]}
        and asked["ref"] in {"", alert["most_recent_instance"]["ref"]}
    ]
    return call.page(found, _public)


def _alert(call: Call) -> Json:
    insist_enabled(call)
    found = call.repository.alerts.get(call.number("number"))
    if found is None:
        raise not_found()
    return found


def _get_alert(call: Call) -> Answer:
    return Answer(data=_public(_alert(call)))


def _edit_alert(call: Call) -> Answer:
    alert, body = _alert(call), call.body()
    if body.get("state") == "dismissed":
        if body.get("dismissed_reason") not in _DISMISSALS:
            raise Refusal(422, "dismissed_reason is required when state is dismissed")
        alert |= {
            "state": "dismissed",
            "dismissed_by": user(call.world, call.world.author(call.actor)),
            "dismissed_at": instant(call.world.now()),
            "dismissed_reason": body["dismissed_reason"],
            "dismissed_comment": body.get("dismissed_comment"),
        }
    elif body.get("state") == "open":
        alert |= {"state": "open"} | dict.fromkeys(_DISMISSED)
    return Answer(data=_public(alert))


_R, _W = "security_events=read", "security_events=write"
ENDPOINTS = (
    on("GET ~/code-scanning/alerts", _alerts, _R),
    on("GET ~/code-scanning/alerts/{number}", _get_alert, _R),
    on("PATCH ~/code-scanning/alerts/{number}", _edit_alert, _W),
)
