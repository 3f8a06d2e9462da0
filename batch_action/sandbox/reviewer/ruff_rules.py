"""Findings in Python files, from ruff."""

import ast
import json
import re
import subprocess
import sysconfig
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruff import find_ruff_bin  # type: ignore[import-untyped]

from batch_action.sandbox.reviewer.findings import Finding, Rule, make_finding
from batch_action.sandbox.reviewer.prompts import SourceFile

SYNTAX = "invalid-syntax"
IMPORTS = (
    "import asyncio, hashlib, marshal, os, pickle, random, re, requests, shelve, ssl, subprocess,"
    " tempfile, time, yaml"
)

TARGET_VERSION = "py314"
"""The newest version that ruff knows: what a newer Python reads is no error."""

INJECTION = ("injection", "security", "vulnerability", "bug")
SECRET = ("secret", "credential", "hard", "security", "vulnerability", "bug")
CRYPTO = ("crypto", "security", "vulnerability", "bug")
DESERIALIZATION = ("deserial", "security", "vulnerability", "bug")
TRANSPORT = ("tls", "certificate", "transport", "crypto", "security", "vulnerability", "bug")
BUG = ("correctness", "bug", "logic", "error")
ERROR_HANDLING = ("exception", "handling", "error", "reliab", "bug")
ASYNC = ("async", "concurren", "performance", *BUG)
LEAK = ("resource", "leak", "reliab", "bug")
MAINTAINABILITY = ("maintain", "style", "quality", "clean", "dead", "other")


# Severity, category and remediation by code. A rule is here when a hit is nearly always a problem.
RULES: Mapping[str, tuple[str, str | None, tuple[str, ...], str]] = {
    "ASYNC210": ("medium", None, ASYNC, "Use an asynchronous HTTP client, or a worker thread."),
    "ASYNC221": ("medium", None, ASYNC, "Use asyncio.create_subprocess_exec."),
    "ASYNC222": ("medium", None, ASYNC, "Await the process instead."),
    "ASYNC251": ("medium", None, ASYNC, "Await asyncio.sleep instead."),
    "B006": ("medium", None, BUG, "Use None as the default, and create the value in the body."),
    "B012": ("medium", None, ERROR_HANDLING, "Leave the finally block without this statement."),
    "B015": ("medium", None, BUG, "Assert the comparison, assign it, or delete it."),
    "B016": ("medium", None, ERROR_HANDLING, "Raise an exception, not a literal."),
    "B025": ("medium", None, ERROR_HANDLING, "Delete the second handler, or catch another error."),
    "B029": ("medium", None, ERROR_HANDLING, "Name the exceptions that are to be caught."),
    "B031": ("medium", None, BUG, "Keep the group in a list before it is read twice."),
    "B035": ("medium", None, BUG, "Use a key that differs in each pass."),
    "E722": ("medium", "CWE-396", ERROR_HANDLING, "Name the exceptions that are expected here."),
    "F50": ("high", None, BUG, "Make the placeholders and the arguments agree."),
    "F52": ("high", None, BUG, "Make the placeholders and the arguments agree."),
    "F601": ("medium", None, BUG, "Keep one of the two values of this key."),
    "F631": ("high", None, BUG, "Remove the parentheses: a tuple is always true."),
    "F632": ("medium", None, BUG, "Compare with == or !=."),
    "F634": ("high", None, BUG, "Remove the parentheses: a tuple is always true."),
    "F702": ("high", None, BUG, "Move it into a loop."),
    "F706": ("high", None, BUG, "Move it into a function."),
    "F811": ("medium", None, BUG, "Give one of the two another name, or delete the first."),
    "F821": ("high", None, BUG, "Define or import the name, or correct its spelling."),
    "F822": ("medium", None, BUG, "Define the name, or remove it from __all__."),
    "F823": ("high", None, BUG, "Assign the variable before it is read, or declare it global."),
    "PLE0101": ("high", None, BUG, "Remove the value: __init__ returns None."),
    "PLE0302": ("high", None, BUG, "Give the method the parameters that Python passes."),
    "PLE1142": ("high", None, BUG, "Make the function asynchronous."),
    "PLE1205": ("medium", None, BUG, "Give as many arguments as the message has placeholders."),
    "PLE1206": ("medium", None, BUG, "Give as many arguments as the message has placeholders."),
    "PLE1307": ("high", None, BUG, "Make the placeholders and the arguments agree."),
    "PLE1310": ("medium", None, BUG, "Use removeprefix or removesuffix."),
    "PLW0129": ("medium", None, BUG, "Assert a condition: this one is always the same."),
    "PLW0711": ("high", None, ERROR_HANDLING, "Catch a tuple of exceptions."),
    "RUF006": ("medium", None, LEAK, "Keep a reference to the task until it is done."),
    "S113": ("medium", "CWE-400", LEAK, "Pass a timeout."),
    "S202": ("medium", "CWE-22", INJECTION, 'Extract with `filter="data"`.'),
    "S307": ("medium", "CWE-95", INJECTION, "Parse the text, for example with ast.literal_eval."),
    "S501": ("high", "CWE-295", TRANSPORT, "Verify the certificate; name your own CA if needed."),
    "S502": ("medium", "CWE-327", TRANSPORT, "Use TLS 1.2 or newer."),
    "S503": ("medium", "CWE-327", TRANSPORT, "Use TLS 1.2 or newer."),
    "S506": ("high", "CWE-502", DESERIALIZATION, "Use yaml.safe_load."),
    "S507": ("high", "CWE-295", TRANSPORT, "Check the host key against a known one."),
    "S602": ("high", "CWE-78", INJECTION, "Pass a list of arguments, without a shell."),
    "S605": ("high", "CWE-78", INJECTION, "Use subprocess.run with a list of arguments."),
    "S608": ("medium", "CWE-89", INJECTION, "Pass the values as parameters of the statement."),
    SYNTAX: ("high", None, ("syntax", *BUG), "Correct the syntax."),
}
TRIFLES: Mapping[str, tuple[str, str | None, tuple[str, ...], str]] = {
    "S324": ("low", "CWE-327", CRYPTO, "Use SHA-256, or pass `usedforsecurity=False`."),
    "F401": ("low", None, MAINTAINABILITY, "Remove the import."),
    "F541": ("low", None, MAINTAINABILITY, "Remove the prefix f."),
    "F841": ("low", None, MAINTAINABILITY, "Remove the variable."),
    "S110": ("low", "CWE-703", ERROR_HANDLING, "Handle the error, or let it pass."),
    "S311": ("low", "CWE-338", CRYPTO, "Use the module secrets."),
}
# A part of a file shows neither its imports nor all uses of a name, nor what a block does.
WHOLE_FILE_RULES = frozenset(
    {"B006", "E722", "F401", "F811", "F821", "F822", "F823", "F841", SYNTAX}
)
# Names that a module may get from elsewhere: Python 2, gettext, notebooks.
FOREIGN_NAMES = frozenset(
    [
        "_",
        "ngettext",
        "basestring",
        "buffer",
        "cmp",
        "execfile",
        "file",
        "long",
        "raw_input",
        "reduce",
        "reload",
        "unichr",
        "unicode",
        "xrange",
        "WindowsError",
        "display",
        "get_ipython",
        "__class__",
        "reveal_type",
    ]
)
MUTATORS = frozenset(
    [
        "append",
        "extend",
        "insert",
        "pop",
        "remove",
        "clear",
        "sort",
        "reverse",
        "update",
        "setdefault",
        "popitem",
        "add",
        "discard",
    ]
)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_SAFE = re.compile(r"seems safe|usedforsecurity")


def review_python(file: SourceFile, *, trifles: bool) -> list[Finding]:
    """Run ruff on a Python file, or on each part of a file that is shown in parts."""
    rules = {**RULES, **TRIFLES} if trifles else RULES
    codes = [code for code in rules if code != SYNTAX]
    if file.complete:
        problems = find_problems(file.text)
        hits = [
            hit
            for hit in _run_ruff(file.text, file.path, codes)
            if hit["code"] not in problems
            or (hit["location"]["row"], hit["location"]["column"]) in problems[hit["code"]]
        ]
    else:
        parts = file.contiguous_parts()
        hits = [hit for part in parts for hit in _run_ruff(_source_of_part(part), file.path, codes)]
        hits = [hit for hit in hits if hit["code"] not in WHOLE_FILE_RULES]
    findings = (_finding(file, hit, rules) for hit in hits if not _SAFE.search(hit["message"]))
    return [finding for finding in findings if finding is not None]


def find_problems(text: str) -> Mapping[str, set[tuple[int, int]]]:
    """Return line and column, from 1, of the places where a hit of a rule is a problem.

    F821: in code that runs, of names that neither another Python nor a tool defines, in a module
    that does not change its own globals. E722: where the error is dropped. F811: without
    decorators, which may register the definitions. B006: of a default that is changed or returned.
    S307: of a value that is neither written there nor the result of a call, such as `compile`.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {code: set() for code in ("F821", "E722", "F811", "B006", "S307")}
    nodes = list(ast.walk(tree))
    lines = text.split("\n")

    def place(node: ast.AST, offset: int = 0) -> tuple[int, int]:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        return line, len(lines[line - 1].encode()[:column].decode()) + 1 + offset

    names = [node for node in nodes if isinstance(node, ast.Name)]
    hints = [getattr(node, name, None) for node in nodes for name in ("annotation", "returns")]
    in_hints = {id(node) for hint in hints if isinstance(hint, ast.AST) for node in ast.walk(hint)}
    if {name.id for name in names} & {"globals", "exec", "execfile"}:
        names = []
    decorated = {
        node.name for node in nodes if isinstance(node, Definition) and node.decorator_list
    }
    return {
        "F821": {
            place(name)
            for name in names
            if id(name) not in in_hints and name.id not in FOREIGN_NAMES
        },
        "E722": {
            place(node)
            for node in nodes
            if isinstance(node, ast.ExceptHandler)
            and all(isinstance(part, ast.Pass | ast.Continue) for part in node.body)
        },
        "F811": {
            place(node, offset)
            for node in nodes
            if isinstance(node, Definition) and node.name not in decorated
            for offset in (4, 6, 10)  # behind `def `, `class ` and `async def `
        },
        "S307": {
            place(node)
            for node in nodes
            if isinstance(node, ast.Call)
            and node.args
            and not isinstance(node.args[0], ast.Constant | ast.Call)
        },
        "B006": {
            place(default)
            for node in nodes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for default in _leaking_defaults(node)
        },
    }


def _leaking_defaults(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """List the defaults of parameters that the function changes or returns."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(reversed(positional), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    leaking = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if (
                method in MUTATORS
            ):
                leaking.add(name)
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                leaking.add(name)
            case ast.AugAssign(target=ast.Name(id=name)) | ast.Return(value=ast.Name(id=name)):
                leaking.add(name)
            case ast.Assign(targets=[ast.Attribute()], value=ast.Name(id=name)):
                leaking.add(name)
    return [default for argument, default in pairs if default and argument.arg in leaking]


def _source_of_part(part: Mapping[int, str]) -> str:
    """Return the text of a part below blank lines, so that the line numbers are the file's."""
    first = min(part)
    # ruff recognizes `os.system` only where `os` is imported, which the part may not show.
    above = IMPORTS + "\n" * (first - 1) if first > 1 else ""
    return above + textwrap.dedent("\n".join(part.values())) + "\n"


def _run_ruff(source: str, path: str, codes: Sequence[str]) -> list[dict[str, Any]]:
    options = {
        "--select": ",".join(codes),
        "--target-version": TARGET_VERSION,
        "--output-format": "json",
        "--stdin-filename": f"./{Path(path).name or 'x.py'}",
    }
    done = subprocess.run(
        [
            *(find_ruff_bin(), "check", "--isolated", "--no-cache"),
            *(word for option in options.items() for word in option),
            "-",
        ],
        input=source.encode("utf-8", "replace"),
        capture_output=True,
        cwd=sysconfig.get_path("stdlib"),  # a folder without ruff settings
        timeout=60,
        check=False,
    )
    hits: list[dict[str, Any]] = json.loads(done.stdout or b"[]")
    return [{**hit, "code": hit["code"] or SYNTAX} for hit in hits]


def _finding(
    file: SourceFile, hit: Mapping[str, Any], rules: Mapping[str, tuple[Any, ...]]
) -> Finding | None:
    code = str(hit["code"])
    prefix = max((known for known in rules if code.startswith(known)), key=len)
    severity, cwe, keywords, remediation = rules[prefix]
    rule = Rule(
        id=f"ruff {code}",
        severity=severity,
        keywords=keywords,
        remediation=remediation,
        cwe=cwe,
    )
    start, end = hit["location"]["row"], hit["end_location"]["row"]
    if code == SYNTAX and start not in file.lines:
        start = end = max(file.lines)
    return make_finding(file, rule, (start, end), str(hit["message"]))
