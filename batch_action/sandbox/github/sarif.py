"""What code scanning makes of a SARIF file: the limits, the complaints, and the part it keeps.

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
    """The document behind base64 and gzip, as far as it is refused at the door."""
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
    """Why processing fails, in the order in which it notices; one is enough to fail."""
    runs = sarif.get("runs")
    if not isinstance(runs, list):
        return ["Invalid SARIF. JSON syntax error: runs is required"]
    found = []
    if len(runs) > _MAX_RUNS:
        found.append(f"rejecting SARIF, as there are more runs than allowed ({len(runs)} > 20)")
    names = [(tool_of(run), category_of(run)) for run in runs]
    if len(set(names)) < len(names):
        found.append("rejecting SARIF, as there are multiple runs with the same category")
    for run in runs:
        found += _run_problems(run)
    return found


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
    """The name of the analysis tool."""
    return str(run.get("tool", {}).get("driver", {}).get("name", ""))


def category_of(run: Run) -> str:
    """What stands before the last slash of the run's id."""
    return str(run.get("automationDetails", {}).get("id", "")).rpartition("/")[0]


def _rules(run: Run) -> list[Mapping[str, Any]]:
    rules = run.get("tool", {}).get("driver", {}).get("rules", [])
    return rules if isinstance(rules, list) else []


def rule_of(run: Run, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rule of a result; nothing for one that the run does not describe."""
    return next((rule for rule in _rules(run) if rule.get("id") == result.get("ruleId")), {})


def stored_results(run: Run) -> list[Mapping[str, Any]]:
    """The results that are kept."""
    scores = {
        rule.get("id"): float(rule.get("properties", {}).get("security-severity", 0))
        for rule in _rules(run)
    }

    def rank(result: Mapping[str, Any]) -> tuple[float, int]:
        level = str(result.get("level", "warning"))
        place = _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)
        return -scores.get(result.get("ruleId"), 0.0), place

    return sorted(run.get("results", []), key=rank)[:MAX_ALERTS]


def location_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The first place of a result, in the words of an alert."""
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
    """A run as the API gives it back: what code scanning uses of it, and its own additions.

    Property bags, snippets, Markdown messages and other fingerprints do not come back. `numbers`:
    the place of a result to its alert's number and address.
    """
    driver = run["tool"]["driver"]
    kept = ("name", "version", "semanticVersion", "rules")
    return {
        "automationDetails": {"id": run.get("automationDetails", {}).get("id", "/")},
        "conversion": {"tool": {"driver": {"name": "GitHub Code Scanning"}}},
        "results": [
            _returned_result(result, *numbers[place])
            for place, result in enumerate(run["results"])
            if place in numbers
        ],
        "tool": {"driver": {name: driver[name] for name in kept if name in driver}},
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
