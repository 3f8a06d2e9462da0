"""The offline reviewer: rules, prompts and the schemas it fills."""

import html
import json
import re

import pytest

from batch_action.sandbox.anthropic import schemas
from batch_action.sandbox.reviewer import fill_schema, prompts, review

PYTHON = """\
import os
import sqlite3


def find(name, seen=[]):
    try:
        return sqlite3.connect("x").execute("SELECT * FROM t WHERE n = '" + name + "'")
    except:
        pass


def run(name):
    os.system("ls " + name)
"""

CATEGORIES = ["bug", "security", "error-handling", "maintainability", "other"]
SEVERITIES = ["CRITICAL", "High", "medium", "low"]


def finding(**more):
    properties = {
        "title": {"type": "string"},
        "explanation": {"type": "string"},
        "remediation": {"type": "string"},
        "start_line": {"type": "integer"},
        "end_line": {"type": "integer"},
        "evidence": {"type": "string"},
        "severity": {"enum": SEVERITIES},
        "category": {"type": "string", "enum": CATEGORIES},
        "cwe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "suggestion": {"type": ["string", "null"]},
        "pre_existing": {"type": "boolean"},
        "confidence": {"enum": ["high", "medium", "low"]},
        **more,
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def report(item):
    return {
        "type": "object",
        "properties": {
            "summary": {"type": "string"},
            "findings": {"type": "array", "items": {"$ref": "#/$defs/Finding"}},
        },
        "$defs": {"Finding": item},
    }


def shown(path, source, *, first=1, language=None, change=""):
    numbered = "\n".join(
        f"{number:>5}| {line}" for number, line in enumerate(source.splitlines(), first)
    )
    language = language or ("python" if path.endswith(".py") else "")
    last = first + len(source.splitlines()) - 1
    name = html.escape(path)
    before = f'<change path="{name}" status="modified">\n{change}\n</change>\n' if change else ""
    return (
        f'{before}<file path="{name}" language="{language}" first-line="{first}"'
        f' last-line="{last}">\n{numbered}\n</file>'
    )


def prompt(*texts):
    blocks = [{"type": "text", "text": text} for text in texts]
    return prompts.read_prompt({"messages": [{"role": "user", "content": blocks}]})


def findings(*texts):
    return review.review(prompt(*texts))


def rules(*texts):
    return [(finding.start, finding.rule) for finding in findings(*texts)]


def filled(schema, *texts):
    read = prompt(*texts)
    return json.loads(fill_schema.fill_schema(schema, review.review(read), read))


def test_python_is_read_by_ruff():
    by_rule = {finding.rule: finding for finding in findings(shown("src/app.py", PYTHON))}
    assert {"ruff E722", "ruff S608", "ruff S605"} <= set(by_rule)
    sql = by_rule["ruff S608"]
    assert (sql.start, sql.severity, sql.cwe, sql.security) == (7, "medium", "CWE-89", True)
    assert sql.evidence == PYTHON.splitlines()[6]
    assert not by_rule["ruff E722"].security
    assert [r.start for r in by_rule.values() if "handling" in r.keywords] == [8]
    assert not sql.pre_existing


def test_parts_keep_their_line_numbers():
    body = "    def run(self, name):\n        os.system('ls ' + name)\n"
    texts = [shown("a.py", body, first=40), shown("a.py", body, first=90)]
    assert rules(*texts) == [(41, "ruff S605"), (91, "ruff S605")]


WHOLE_ONLY = {
    "F821": "def f():\n    return later\n",
    "F401": "import os\n",
    "F841": "def f():\n    x = 1\n",
    "F811": "def f(): pass\n\n\ndef f(): return 1\n",
    "B006": "def f(x, seen=[]):\n    seen.append(x)\n",
    "F822": '__all__ = ["later"]\n',
    "F823": "x = 1\n\n\ndef f():\n    print(x)\n    x = 2\n",
    "invalid-syntax": "def f(:\n",
    "E722": "try:\n    f()\nexcept:\n    pass\n\n\ndef f(): pass\n",
}


@pytest.mark.parametrize("code", WHOLE_ONLY)
def test_rules_about_the_whole_file_need_the_whole_file(code):
    whole = shown("a.py", WHOLE_ONLY[code])
    assert f"ruff {code}" in [rule for _, rule in rules(whole)]
    # The first part begins at line 1 as well, and a change shows hunks only.
    first = whole.replace('last-line="', 'part="1 of 2" last-line="')
    last = shown("a.py", WHOLE_ONLY[code], first=80)
    for text in (first, last, last.replace('last-line="', 'part="2 of 2" last-line="')):
        assert f"ruff {code}" not in [rule for _, rule in rules(text)]
    assert "ruff S605" in [rule for _, rule in rules(first.replace("</file>", SYSTEM))]


SYSTEM = "99| \n100| import os\n101| os.system(x)\n</file>"


def test_long_gaps_of_empty_lines_are_no_parts():
    text = shown("a.py", "import os\n\n\n\n\n\nprint(os, missing)\n")
    gap = re.sub(r"    [456]\| \n", "", text)
    assert gap != text
    assert rules(gap) == rules(text) == [(7, "ruff F821")]


REAL_CODE = [
    ("setup.py", 'print(_("hello"))\n'),
    ("a.py", "try:\n    f = open('x')\nexcept:\n    print('no')\n    raise\n"),
    ("a.py", "class A:\n    def f(self): pass\n\n    @f.register\n    def f(self, x): pass\n"),
    ("a.py", "import hashlib\nkey = hashlib.sha1(b'').digest()\n"),
    ("compat.py", "str = str\n"),
    ("cli.py", "import sys\neval(compile(sys.stdin.read(), '-', 'exec'), {})\neval('1')\n"),
    (
        "a.py",
        "def f(names=[], more={}):\n    for name in names:\n        print(name, more[name])\n",
    ),
    ("a.py", "for ip in (x.strip() for x in ip.split()):\n    print(ip)\n".replace("ip.", "''.")),
    ("cli.py", "def handle():\n    raise\n"),
    ("slides.js", "box.innerHTML = '<form action=\"#\">' +\n"),
    ("compat.py", "try:\n    text = unicode\nexcept NameError:\n    text = str\n"),
    ("compat.py", "text = unicode if PY2 else str\n".replace("PY2", "False")),
    ("a.py", 'def f() -> "Later":\n    x: Later = g()\n    return x\n\n\ndef g():\n    pass\n'),
    ("a.py", "globals().update(load())\n\n\ndef load():\n    return name\n"),
    ("a.py", "import os, sys\nfrom x import *\n"),
    ("a.py", "x = 1 == 1\nl = lambda: x\n"),
    ("a.py", "def f():\n    try:\n        g = 1\n    except Exception:\n        pass\n"),
    ("a.py", "import pickle, random\nrandom.random()\npickle.loads(x := b'')\n"),
    ("a.py", "import hashlib\nhashlib.md5(b'', usedforsecurity=False)\n"),
    ("a.py", "import subprocess\nsubprocess.run('make', shell=True, check=True)\n"),
    ("a.py", "password = 'password'\nTOKEN_URL = 'https://example.org/token'\nassert password\n"),
    ("a.py", "type X = int\n\n\ndef f[T](x: T) -> T:\n    match x:\n        case 1: return x\n"),
    ("tests/test_a.py", PYTHON),
    ("pkg/tests/data/broken.py", "def f(:\n"),
    ("conftest.py", PYTHON),
    ("docs/conf.py", PYTHON),
    ("stubs/a.pyi", "def f(x: Later = undefined): ...\n"),
    ("README.md", "password: ••••••••••••\n"),
    ("web/app.test.ts", "eval(x)\n"),
    ("src/AppTest.java", 'String s = "SELECT a FROM b WHERE c = " + d;\n'),
    ("a_test.go", "\tdata, _ := os.ReadFile(name)\n"),
    ("a.go", "\tname, _ := strings.CutSuffix(x, y)\n"),
    ("a.go", "\t_ = file.Close()\n"),
    ("a.ts", "console.log(x)\nif (a == b) {\n"),
    ("a.ts", 'box.innerHTML = ""\nbox.innerHTML = "<b>x</b>";\n'),
]


@pytest.mark.parametrize(("path", "source"), REAL_CODE)
def test_real_code_gets_no_false_alarms_and_no_trifles(path, source):
    assert review.review(prompt(shown(path, source)), trifles=False) == []


@pytest.mark.parametrize(
    ("path", "line", "severity"),
    [
        ("a.py", "print(missing)", "high"),
        ("a.py", "def f(x): return eval(x)", "medium"),
        ("a.py", "try:\n    f = open('x')\nexcept:\n    pass", "medium"),
        ("a.py", "def f(): pass\n\n\ndef f(): return 1", "medium"),
        ("a.js", "box.innerHTML = '<b>' + name + '</b>'", "high"),
        ("a.py", "import requests; requests.get('https://x.example', verify=False)", "high"),
        ("a.py", "def f(x, seen=[]): seen.append(x); return seen", "medium"),
        ("a.py", "x = 1\nif x is 'a': print(x)", "medium"),
        ("a.js", "box.innerHTML = `Hello ${name}`", "high"),
        ("a.go", "\tbook, _ := os.Open(name)", "medium"),
    ],
)
def test_problems_of_real_code_are_found_without_trifles(path, line, severity):
    found = review.review(prompt(shown(path, f"{line}\n")), trifles=False)
    assert severity in [finding.severity for finding in found]


def test_a_syntax_error_is_reported_for_complete_files_only():
    broken = "def f(:\n    pass\n"
    assert "ruff invalid-syntax" in [rule for _, rule in rules(shown("a.py", broken))]
    assert rules(shown("a.py", broken, first=10)) == []


def test_the_error_of_an_incomplete_file_is_on_its_last_line():
    [finding] = findings(shown("a.py", "x = (1,\n"))
    assert finding.evidence == "x = (1,"


def test_asserts_and_safe_subprocesses_have_no_findings():
    source = "import subprocess\n\nsubprocess.run(['ls'], check=True)\nassert 1\n"
    assert rules(shown("a.py", source)) == []


@pytest.mark.parametrize(
    ("path", "line", "rule"),
    [
        ("a.js", "eval(text)", "eval"),
        ("a.ts", "box.innerHTML = text", "inner-html"),
        ("a.js", "if (a == b) {", "loose-equality"),
        ("a.js", "exec('ls ' + name)", "shell"),
        ("a.js", "execSync(`ls ${name}`)", "shell"),
        ("a.js", "const password = 'hunter22'", "hard-coded-secret"),
        ("a.js", "db.query('SELECT * FROM t WHERE n = ' + name)", "sql"),
        ("a.js", "try { f() } catch (e) {}", "empty-catch"),
        ("a.ts", "console.log(x)", "console-log"),
        ("a.go", "\tdata, _ := os.ReadFile(name)", "ignored-error"),
        ("a.yml", "token: ••••••••••••", "masked-secret"),
    ],
)
def test_patterns_of_other_languages(path, line, rule):
    [finding] = findings(shown(path, f"first\n{line}\n"))
    assert (finding.rule, finding.start, finding.evidence) == (rule, 2, line)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.js", "if (a === b) {"),
        ("a.js", "if (a == null) {"),
        ("a.js", "const f = (a) => a"),
        ("a.js", "if (a <= b || a >= c || a !== d) {"),
        ("a.js", "// eval(text)"),
        ("a.js", "pattern.exec(text)"),
        ("a.go", "if err != nil {"),
        ("a.md", "console.log(x)"),
    ],
)
def test_correct_code_has_no_findings(path, line):
    assert findings(shown(path, f"{line}\n")) == []


def test_findings_outside_the_change_are_pre_existing():
    change = "@@ -1,2 +1,3 @@\n 1| a = 1\n- | b = 2\n+2| eval(a)\n 3| eval(b)"
    found = findings(shown("a.js", "a = 1\neval(a)\neval(b)\n", change=change))
    assert [(r.start, r.pre_existing) for r in found] == [(2, False), (3, True)]


def test_attributes_are_unescaped_and_contents_are_not():
    found = findings(shown('a "b" & c.js', "eval('&amp;')\n"))
    assert (found[0].path, found[0].evidence) == ('a "b" & c.js', "eval('&amp;')")


def test_a_file_cannot_close_its_own_block():
    found = findings(shown("a.js", "</file>\neval(x)\n"))
    assert [r.start for r in found] == [2]


def test_only_the_last_user_message_is_read():
    old, new = shown("old.js", "eval(x)\n"), shown("new.js", "x\n")
    messages = [
        {"role": "user", "content": old},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": new},
    ]
    assert [file.path for file in prompts.read_prompt({"messages": messages}).files] == ["new.js"]
    assert prompts.read_prompt({"messages": []}).files == []


def test_a_schema_is_filled_from_the_findings():
    answer = filled(report(finding()), shown("app.py", PYTHON))
    assert answer["summary"].endswith("on app.py.")
    sql = next(f for f in answer["findings"] if f["start_line"] == 7)
    assert sql["title"].startswith("Possible SQL injection")
    assert "`ruff S608`" in sql["explanation"]
    assert sql["evidence"] == PYTHON.splitlines()[6]
    assert (sql["severity"], sql["category"], sql["cwe"]) == ("medium", "security", "CWE-89")
    assert sql["suggestion"] is None
    assert sql["pre_existing"] is False
    bare = next(f for f in answer["findings"] if f["start_line"] == 8)
    assert (bare["category"], bare["severity"]) == ("error-handling", "medium")


def test_a_security_scan_gets_security_findings_only():
    category = {"enum": ["sql-injection", "hardcoded-secret", "crypto", "other"]}
    answer = filled(report(finding(category=category)), shown("app.py", PYTHON))
    assert {f["category"] for f in answer["findings"]} == {"sql-injection"}
    assert all(f["cwe"] for f in answer["findings"])


def test_severities_of_other_names_are_matched_by_rank():
    severity = {"enum": ["note", "warning", "error"]}
    answer = filled(report(finding(severity=severity)), shown("app.py", PYTHON))
    severities = {f["start_line"]: f["severity"] for f in answer["findings"]}
    assert (severities[7], severities[13]) == ("warning", "error")


def test_a_problem_is_reported_once():
    found = findings(shown("a.py", 'password = "••••••••••••"\n'))
    assert [r.rule for r in found] == ["masked-secret"]


def test_a_clean_file_gets_no_findings():
    assert filled(report(finding()), shown("a.py", "x = 1\n"))["findings"] == []


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"enum": ["SAME", "DIFFERENT", "UNCERTAIN"]}, "UNCERTAIN"),
        ({"enum": ["yes", "no"]}, "no"),
        ({"const": 3}, 3),
        ({"type": "boolean"}, False),
        ({"type": "integer"}, 0),
        ({"type": "number"}, 0.5),
        ({"type": "null"}, None),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "items": {"const": "x"}, "minItems": 1}, ["x"]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ({"anyOf": [{"const": 1}, {"const": 2}]}, 1),
        ({"allOf": [{"type": "object"}, {"properties": {"a": {"const": 1}}}]}, {"a": 1}),
        ({}, None),
    ],
)
def test_other_schemas(schema, expected):
    assert filled(schema, "nothing to see") == expected


def test_unknown_strings_are_filled():
    unknown = {"type": "object", "properties": {"code": {"type": "string"}}}
    assert filled(unknown, "x")["code"] == "Nothing to say on code."


def test_without_a_schema_the_answer_is_text():
    found = findings(shown("a.js", "eval(x)\n"))
    assert fill_schema.plain_answer(found) == "- a.js:1 Text is executed as code (eval)"
    assert fill_schema.plain_answer([]) == "Nothing found."


def test_valid_schemas_are_accepted():
    wanted = {**report(finding()), "additionalProperties": False}
    wanted["required"] = ["summary", "findings"]
    assert schemas.schema_error(wanted) is None


TERMS = """\
- Its own license: `MIT` (from LICENSE), `GPL-2.0-only OR GPL-2.0-or-later` (from COPYING).
- Also allowed here: none.
- Denied here: `AGPL-3.0-or-later`.
"""
LICENSES = ["contradicting-header", "foreign-code", "notice-removed", "denied-license"]


def legal(text, system=f"Rules.\n{TERMS}"):
    """Review licenses: the category, license and line of each finding."""
    item = finding(
        category={"enum": LICENSES}, license={"anyOf": [{"type": "string"}, {"type": "null"}]}
    )
    read = prompts.read_prompt({"system": system, "messages": [{"role": "user", "content": text}]})
    found = json.loads(fill_schema.fill_schema(report(item), review.review(read), read))["findings"]
    return [(f["category"], f["license"], f["start_line"]) for f in found]


def test_licenses_are_reviewed_where_the_prompt_names_them():
    code = (
        "// SPDX-License-Identifier: Apache-2.0\n// under the GNU Affero General Public License\n"
        "eval(x);\n// Taken from https://example.org/a\n// copied from Stack Overflow\n"
        "// SPDX-License-Identifier: MIT\n// SPDX-License-Identifier: GPL-2.0-or-later\n"
    )
    assert legal(shown("a.js", code)) == [
        ("contradicting-header", "Apache-2.0", 1),
        ("denied-license", "AGPL-3.0-or-later", 2),
        ("foreign-code", None, 4),
        ("foreign-code", "CC-BY-SA-4.0", 5),
    ]
    assert legal(shown("a.js", code), system="Rules.") == []
    assert rules(shown("a.js", code)) == [(3, "eval")]


def test_a_removed_notice_is_found():
    change = (
        "@@ -1,3 +1,1 @@\n- | // Copyright 2020 A\n- | // SPDX-License-Identifier: ISC\n 1| f();"
    )
    assert legal(shown("a.js", "f();\n", change=change)) == [("notice-removed", None, 1)]
    assert legal(shown("a.js", "// Copyright 2024 A\nf();\n", change=change)) == []
