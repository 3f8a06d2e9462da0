"""Python remarks, found by ruff."""

import json
import subprocess
import sysconfig
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruff import find_ruff_bin  # type: ignore[import-untyped]

from .prompts import SourceFile
from .remarks import Remark, remark

SELECT = "F,E7,E9,B,S,PLE,PLW,ASYNC,BLE,SIM115,RUF006"
NEEDS_THE_WHOLE_FILE = frozenset({"F401", "F403", "F405", "F811", "F821", "F822", "F823"})
NOISE = "S101,S603,S607"  # asserts, and subprocess used as it should be
SYNTAX = "invalid-syntax"
IMPORTS = (
    "import asyncio, hashlib, marshal, os, pickle, random, re, requests, shelve, ssl, subprocess,"
    " tempfile, time, yaml"
)

Kind = tuple[str, str | None, tuple[str, ...]]
"""Severity, weakness, and words from the special to the general."""

INJECTION = ("injection", "security", "vulnerability", "bug")
SECRET = ("secret", "credential", "hard", "security", "vulnerability", "bug")
CRYPTO = ("crypto", "security", "vulnerability", "bug")
TRUST = ("deserial", "security", "vulnerability", "bug")
TRANSPORT = ("tls", "certificate", "transport", "crypto", "security", "vulnerability", "bug")
HABIT = ("config", "security", "vulnerability", "bug")
BUG = ("correctness", "bug", "logic", "error")
HANDLING = ("exception", "handling", "error", "reliab", "bug")
LEAK = ("resource", "leak", "reliab", "bug")
TASTE = ("maintain", "style", "quality", "clean", "dead", "other")

# The longest prefix of a rule's code that stands here decides.
KINDS: Mapping[str, Kind] = {
    "S": ("low", None, HABIT),
    "S1": ("low", "CWE-710", HABIT),
    "S102": ("high", "CWE-95", INJECTION),
    "S103": ("medium", "CWE-732", ("permission", "access", *HABIT)),
    "S104": ("medium", "CWE-605", HABIT),
    "S105": ("high", "CWE-798", SECRET),
    "S106": ("high", "CWE-798", SECRET),
    "S107": ("high", "CWE-798", SECRET),
    "S108": ("low", "CWE-377", HABIT),
    "S110": ("medium", "CWE-703", HANDLING),
    "S112": ("medium", "CWE-703", HANDLING),
    "S113": ("medium", "CWE-400", ("timeout", *LEAK)),
    "S2": ("medium", "CWE-489", HABIT),
    "S3": ("medium", "CWE-676", HABIT),
    "S301": ("high", "CWE-502", TRUST),
    "S302": ("high", "CWE-502", TRUST),
    "S307": ("high", "CWE-95", INJECTION),
    "S311": ("low", "CWE-338", CRYPTO),
    "S324": ("medium", "CWE-327", CRYPTO),
    "S4": ("low", None, HABIT),
    "S5": ("high", "CWE-295", TRANSPORT),
    "S506": ("high", "CWE-502", TRUST),
    "S6": ("medium", "CWE-78", INJECTION),
    "S602": ("critical", "CWE-78", INJECTION),
    "S605": ("high", "CWE-78", INJECTION),
    "S608": ("high", "CWE-89", INJECTION),
    "S701": ("high", "CWE-79", ("xss", *INJECTION)),
    "ASYNC": ("medium", None, ("async", "concurren", "performance", *BUG)),
    "B": ("medium", None, BUG),
    "BLE": ("low", None, HANDLING),
    "E": ("low", None, TASTE),
    "E722": ("medium", None, HANDLING),
    "F": ("medium", None, BUG),
    "F401": ("low", None, TASTE),
    "F541": ("low", None, TASTE),
    "F821": ("high", None, BUG),
    "F841": ("low", None, TASTE),
    "PLE": ("high", None, BUG),
    "PLW": ("low", None, BUG),
    "RUF006": ("medium", None, ("async", "concurren", *LEAK)),
    "SIM115": ("medium", "CWE-772", LEAK),
    SYNTAX: ("critical", None, ("syntax", *BUG)),
}


def review(file: SourceFile) -> list[Remark]:
    """Ask ruff about a Python file, or about each part of one that is shown in parts."""
    if file.complete:
        found = _ruff("\n".join(file.lines.values()) + "\n", file.path)
    else:
        found = [hit for run in file.runs() for hit in _ruff(_padded(run), file.path)]
        found = [h for h in found if h["code"] not in {SYNTAX, *NEEDS_THE_WHOLE_FILE}]
    remarks = (_remark(file, hit) for hit in found)
    return [made for made in remarks if made is not None]


def _padded(run: Mapping[int, str]) -> str:
    """Rebuild a part with blank lines above, so that ruff counts the lines as the file does."""
    first = min(run)
    # ruff knows `os.system` only where `os` is imported, which the part does not show.
    above = IMPORTS + "\n" * (first - 1) if first > 1 else ""
    return above + textwrap.dedent("\n".join(run.values())) + "\n"


def _ruff(source: str, path: str) -> list[dict[str, Any]]:
    command = [
        find_ruff_bin(),
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        SELECT,
        "--ignore",
        NOISE,
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
        cwd=sysconfig.get_path("stdlib"),  # a folder without anybody's settings
        timeout=60,
        check=False,
    )
    hits: list[dict[str, Any]] = json.loads(done.stdout or b"[]")
    return [{**hit, "code": hit["code"] or SYNTAX} for hit in hits]


def _kind(code: str) -> Kind:
    prefix = max((p for p in KINDS if code.startswith(p)), key=len, default="B")
    return KINDS[prefix]


def _remark(file: SourceFile, hit: Mapping[str, Any]) -> Remark | None:
    code = str(hit["code"])
    severity, cwe, words = _kind(code)
    fix = hit.get("fix") or {}
    start, end = hit["location"]["row"], hit["end_location"]["row"]
    if code == SYNTAX and start not in file.lines:
        start = end = max(file.lines)
    return remark(
        file,
        f"ruff {code}",
        (start, end),
        str(hit["message"]),
        severity=severity,
        words=words,
        remedy=str(fix.get("message") or ""),
        cwe=cwe,
    )
