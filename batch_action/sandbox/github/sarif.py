"""SARIF files in code scanning: limits, processing errors, and the subset that is stored.

https://docs.github.com/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from batch_action.sandbox.github.rest import GitHubError

Run = Mapping[str, Any]

MAX_ALERTS = 5_000
"""Results of a run that become alerts, the most severe first."""
_MAX_UPLOAD_BYTES = 10_000_000
_MAX_RUNS, _MAX_RESULTS, _MAX_RULES, _MAX_LOCATIONS, _MAX_TAGS = 20, 25_000, 25_000, 1_000, 20
_LEVELS = ("error", "warning", "note", "none")
_RESULT = ("correlationGuid", "level", "ruleId", "ruleIndex", "rule", "relatedLocations")
_REGION = ("startLine", "startColumn", "endLine", "endColumn")


def unpack(text: str) -> dict[str, Any]:
    """Decode an uploaded document.

    Raises GitHubError: when it is too large or not SARIF 2.1.0.
    """
    try:
        packed = base64.b64decode(text, validate=True)
        if len(packed) > _MAX_UPLOAD_BYTES:
            raise GitHubError(413, "SARIF upload is too large.")
        sarif = json.loads(gzip.decompress(packed))
    except (binascii.Error, OSError, EOFError, zlib.error, ValueError):
        raise GitHubError(400, "Invalid SARIF. Not base64 of gzip of JSON.") from None
    if not isinstance(sarif, dict) or sarif.get("version") != "2.1.0":
        raise GitHubError(400, "Invalid SARIF. Only version 2.1.0 is supported.")
    return sarif


def processing_errors(sarif: Mapping[str, Any]) -> list[str]:
    """List the reasons why processing fails."""
    runs = sarif.get("runs")
    if not isinstance(runs, list):
        return ["Invalid SARIF. JSON syntax error: runs is required"]
    errors = []
    if len(runs) > _MAX_RUNS:
        errors.append(f"rejecting SARIF, as there are more runs than allowed ({len(runs)} > 20)")
    names = [(tool_of(run), category_of(run)) for run in runs]
    if len(set(names)) < len(names):
        errors.append("rejecting SARIF, as there are multiple runs with the same category")
    for run in runs:
        errors += _run_problems(run)
    return errors


def _run_problems(run: Run) -> Iterator[str]:
    rules, results = _rules(run), run.get("results")
    if not tool_of(run):
        yield "expected tool driver name"
    if not isinstance(results, list):
        yield "expected results"
        return
    if len(results) > _MAX_RESULTS:
        yield f"rejecting SARIF, as there are more results per run than allowed ({len(results)})"
    if len(rules) > _MAX_RULES:
        yield f"rejecting SARIF, as there are more rules per run than allowed ({len(rules)})"
    for rule in rules:
        yield from _rule_problems(rule)
    for result in results:
        yield from _result_problems(result)


def _rule_problems(rule: Mapping[str, Any]) -> Iterator[str]:
    tags = rule.get("properties", {}).get("tags", [])
    if len(tags) > _MAX_TAGS:
        yield f"rejecting SARIF, as there are more tags per rule than allowed ({len(tags)})"


def _result_problems(result: Mapping[str, Any]) -> Iterator[str]:
    places = result.get("locations") or []
    if not places or not location_of(result)["path"]:
        yield "locationFromSarifResult: expected artifact location"
    if len(places) > _MAX_LOCATIONS:
        yield "rejecting SARIF, as there are more locations per result than allowed"
    if not result.get("message", {}).get("text"):
        yield "expected message text"


def tool_of(run: Run) -> str:
    """Return the name of the analysis tool."""
    return str(run.get("tool", {}).get("driver", {}).get("name", ""))


def category_of(run: Run) -> str:
    """Return the category: the run's id up to the last slash."""
    return str(run.get("automationDetails", {}).get("id", "")).rpartition("/")[0]


def _rules(run: Run) -> list[Mapping[str, Any]]:
    rules = run.get("tool", {}).get("driver", {}).get("rules", [])
    return rules if isinstance(rules, list) else []


def rule_of(run: Run, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rule of a result; empty when the run does not describe it."""
    return next((rule for rule in _rules(run) if rule.get("id") == result.get("ruleId")), {})


def stored_results(run: Run) -> list[Mapping[str, Any]]:
    """List the results that become alerts, the most severe first."""
    scores = {
        rule.get("id"): float(rule.get("properties", {}).get("security-severity", 0))
        for rule in _rules(run)
    }

    def rank(result: Mapping[str, Any]) -> tuple[float, int]:
        level = str(result.get("level", "warning"))
        level_rank = _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)
        return -scores.get(result.get("ruleId"), 0.0), level_rank

    return sorted(run.get("results", []), key=rank)[:MAX_ALERTS]


def location_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first location of a result in the format of an alert."""
    places = result.get("locations") or [{}]
    physical = places[0].get("physicalLocation", {})
    region = physical.get("region", {})
    first = region.get("startLine", 1)
    return {
        "path": unquote(physical.get("artifactLocation", {}).get("uri", "")),
        "start_line": first,
        "end_line": region.get("endLine", first),
        "start_column": region.get("startColumn", 1),
        "end_column": region.get("endColumn", 1),
    }


def returned_run(run: Run, numbers: Mapping[int, tuple[int, str]], ref: str, sha: str) -> Run:
    """Return a run as the API does: the fields that code scanning uses, and its additions.

    Property bags, snippets, Markdown messages and other fingerprints are not returned. `numbers`:
    the number and URL of the alert of each result, by the index of the result.
    """
    driver = run["tool"]["driver"]
    fields = ("name", "version", "semanticVersion", "rules")
    return {
        "automationDetails": {"id": run.get("automationDetails", {}).get("id", "/")},
        "conversion": {"tool": {"driver": {"name": "GitHub Code Scanning"}}},
        "results": [
            _returned_result(result, *numbers[index])
            for index, result in enumerate(run["results"])
            if index in numbers
        ],
        "tool": {"driver": {name: driver[name] for name in fields if name in driver}},
        "versionControlProvenance": [
            {"branch": ref, "revisionId": sha, "repositoryUri": "https://github.com"}
        ],
    }


def _returned_result(result: Mapping[str, Any], number: int, url: str) -> Run:
    physical = result["locations"][0]["physicalLocation"]
    region = physical.get("region", {})
    hashed = result.get("partialFingerprints", {}).get("primaryLocationLineHash")
    return {
        **{name: result[name] for name in _RESULT if name in result},
        "message": {"text": result["message"]["text"]},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": physical["artifactLocation"]["uri"]},
                    "region": {name: region[name] for name in _REGION if name in region},
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": hashed} if hashed else {},
        "properties": {"github/alertNumber": number, "github/alertUrl": url},
    }
