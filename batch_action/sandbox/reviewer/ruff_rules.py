"""Findings in Python files, from ruff."""

import json
import subprocess
import sysconfig
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruff import find_ruff_bin  # type: ignore[import-untyped]

from batch_action.sandbox.reviewer.findings import Finding, Rule, make_finding
from batch_action.sandbox.reviewer.prompts import SourceFile

SELECT = "F,E7,E9,B,S,PLE,PLW,ASYNC,BLE,SIM115,RUF006"
WHOLE_FILE_RULES = frozenset({"F401", "F403", "F405", "F811", "F821", "F822", "F823"})
IGNORED = "S101,S603,S607"  # assert statements, and correct uses of subprocess
SYNTAX = "invalid-syntax"
IMPORTS = (
    "import asyncio, hashlib, marshal, os, pickle, random, re, requests, shelve, ssl, subprocess,"
    " tempfile, time, yaml"
)

Kind = tuple[str, str | None, tuple[str, ...]]
"""Severity, CWE, and keywords of the category from the special to the general."""

INJECTION = ("injection", "security", "vulnerability", "bug")
SECRET = ("secret", "credential", "hard", "security", "vulnerability", "bug")
CRYPTO = ("crypto", "security", "vulnerability", "bug")
DESERIALIZATION = ("deserial", "security", "vulnerability", "bug")
TRANSPORT = ("tls", "certificate", "transport", "crypto", "security", "vulnerability", "bug")
CONFIGURATION = ("config", "security", "vulnerability", "bug")
BUG = ("correctness", "bug", "logic", "error")
ERROR_HANDLING = ("exception", "handling", "error", "reliab", "bug")
LEAK = ("resource", "leak", "reliab", "bug")
MAINTAINABILITY = ("maintain", "style", "quality", "clean", "dead", "other")

# By prefix of a rule's code; the longest prefix applies.
KINDS: Mapping[str, Kind] = {
    "S": ("low", None, CONFIGURATION),
    "S1": ("low", "CWE-710", CONFIGURATION),
    "S102": ("high", "CWE-95", INJECTION),
    "S103": ("medium", "CWE-732", ("permission", "access", *CONFIGURATION)),
    "S104": ("medium", "CWE-605", CONFIGURATION),
    "S105": ("high", "CWE-798", SECRET),
    "S106": ("high", "CWE-798", SECRET),
    "S107": ("high", "CWE-798", SECRET),
    "S108": ("low", "CWE-377", CONFIGURATION),
    "S110": ("medium", "CWE-703", ERROR_HANDLING),
    "S112": ("medium", "CWE-703", ERROR_HANDLING),
    "S113": ("medium", "CWE-400", ("timeout", *LEAK)),
    "S2": ("medium", "CWE-489", CONFIGURATION),
    "S3": ("medium", "CWE-676", CONFIGURATION),
    "S301": ("high", "CWE-502", DESERIALIZATION),
    "S302": ("high", "CWE-502", DESERIALIZATION),
    "S307": ("high", "CWE-95", INJECTION),
    "S311": ("low", "CWE-338", CRYPTO),
    "S324": ("medium", "CWE-327", CRYPTO),
    "S4": ("low", None, CONFIGURATION),
    "S5": ("high", "CWE-295", TRANSPORT),
    "S506": ("high", "CWE-502", DESERIALIZATION),
    "S6": ("medium", "CWE-78", INJECTION),
    "S602": ("critical", "CWE-78", INJECTION),
    "S605": ("high", "CWE-78", INJECTION),
    "S608": ("high", "CWE-89", INJECTION),
    "S701": ("high", "CWE-79", ("xss", *INJECTION)),
    "ASYNC": ("medium", None, ("async", "concurren", "performance", *BUG)),
    "B": ("medium", None, BUG),
    "BLE": ("low", None, ERROR_HANDLING),
    "E": ("low", None, MAINTAINABILITY),
    "E722": ("medium", None, ERROR_HANDLING),
    "F": ("medium", None, BUG),
    "F401": ("low", None, MAINTAINABILITY),
    "F541": ("low", None, MAINTAINABILITY),
    "F821": ("high", None, BUG),
    "F841": ("low", None, MAINTAINABILITY),
    "PLE": ("high", None, BUG),
    "PLW": ("low", None, BUG),
    "RUF006": ("medium", None, ("async", "concurren", *LEAK)),
    "SIM115": ("medium", "CWE-772", LEAK),
    SYNTAX: ("critical", None, ("syntax", *BUG)),
}


def review_python(file: SourceFile) -> list[Finding]:
    """Run ruff on a Python file, or on each part of a file that is shown in parts."""
    if file.complete:
        hits = _run_ruff("\n".join(file.lines.values()) + "\n", file.path)
    else:
        parts = file.contiguous_parts()
        hits = [hit for part in parts for hit in _run_ruff(_source_of_part(part), file.path)]
        hits = [hit for hit in hits if hit["code"] not in {SYNTAX, *WHOLE_FILE_RULES}]
    findings = (_finding(file, hit) for hit in hits)
    return [finding for finding in findings if finding is not None]


def _source_of_part(part: Mapping[int, str]) -> str:
    """Return the text of a part below blank lines, so that the line numbers are the file's."""
    first = min(part)
    # ruff recognizes `os.system` only where `os` is imported, which the part may not show.
    above = IMPORTS + "\n" * (first - 1) if first > 1 else ""
    return above + textwrap.dedent("\n".join(part.values())) + "\n"


def _run_ruff(source: str, path: str) -> list[dict[str, Any]]:
    command = [
        find_ruff_bin(),
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        SELECT,
        "--ignore",
        IGNORED,
    ]
    command += [
        "--output-format",
        "json",
        "--stdin-filename",
        f"./{Path(path).name or 'x.py'}",
        "-",
    ]
    done = subprocess.run(
        command,
        input=source.encode("utf-8", "replace"),
        capture_output=True,
        cwd=sysconfig.get_path("stdlib"),  # a folder without ruff settings
        timeout=60,
        check=False,
    )
    hits: list[dict[str, Any]] = json.loads(done.stdout or b"[]")
    return [{**hit, "code": hit["code"] or SYNTAX} for hit in hits]


def _kind(code: str) -> Kind:
    prefix = max((p for p in KINDS if code.startswith(p)), key=len, default="B")
    return KINDS[prefix]


def _finding(file: SourceFile, hit: Mapping[str, Any]) -> Finding | None:
    code = str(hit["code"])
    severity, cwe, keywords = _kind(code)
    rule = Rule(id=f"ruff {code}", severity=severity, keywords=keywords, cwe=cwe)
    if fix := (hit.get("fix") or {}).get("message"):
        rule = replace(rule, remediation=str(fix))
    start, end = hit["location"]["row"], hit["end_location"]["row"]
    if code == SYNTAX and start not in file.lines:
        start = end = max(file.lines)
    return make_finding(file, rule, (start, end), str(hit["message"]))
