"""What the offline reviewer writes: tests, documentation and verdicts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from batch_action.sandbox.anthropic import schemas
from batch_action.sandbox.reviewer import file_drafts, fill_schema, prompts
from batch_action.sandbox.reviewer.docstring_writer import add_documentation
from batch_action.sandbox.reviewer.public_names import public_names
from batch_action.sandbox.reviewer.verdicts import compare_versions
from tests.sandbox.test_reviewer import shown
from tests.unit.test_code_comparison import without_documentation

PACKAGE = Path(file_drafts.__file__).parents[2]
PYTHON = "def total(prices):\n    return sum(prices)\n\n\nclass Till:\n    size = 3\n"
FILES = {
    "type": "object",
    "additionalProperties": False,
    "required": ["files"],
    "properties": {
        "files": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "text", "summary"],
                "properties": {n: {"type": "string"} for n in ("path", "text", "summary")},
            },
        }
    },
}


def read(*texts):
    return prompts.read_prompt({"messages": [{"role": "user", "content": "\n".join(texts)}]})


def source(path, text):
    (file,) = read(shown(path, text)).files
    return file


def related(block, path, text, more=""):
    lines = "\n".join(f"{n}| {line}" for n, line in enumerate(text.splitlines(), 1))
    return f'<{block} path="{path}"{more}>\n{lines}\n</{block}>'


def target(path, framework):
    return f"<target>\n> framework: {framework}\n> path: {path}\n> state: new\n</target>"


def drafts(*texts):
    prompt = read(*texts)
    return json.loads(fill_schema.fill_schema(FILES, [], prompt))["files"]


def test_the_prompt_is_read_whole():
    prompt = read(
        "<description>\n> One\n> </description>\n> two\n</description>",
        related("before", "old.py", "a\n</before>\n"),
        related("test", "t.py", "x\n", ' complete="no"'),
        shown("a.py", "y\n"),
    )
    assert prompt.sections == {"description": "One\n</description>\ntwo"}
    assert prompt.before is not None
    assert (prompt.before.path, prompt.before.text) == ("old.py", "a\n</before>\n")
    assert [(t.path, t.whole) for t in prompt.tests] == [("t.py", False)]
    assert [f.path for f in prompt.files] == ["a.py"]


def test_python_tests_run(tmp_path):
    (draft,) = drafts(target("tests/test_money.py", "pytest"), shown("src/shop/money.py", PYTHON))
    for path, text in {"src/shop/money.py": PYTHON, draft["path"]: draft["text"]}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", draft["path"]]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in process.stdout, process.stdout
    assert "Each public name exists" in draft["text"]


@pytest.mark.parametrize(
    ("path", "text", "framework", "parts"),
    [
        (
            "src/a.ts",
            "export const f = (x: number) => x;\n",
            "vitest",
            ['"../src/a"', 'from "vitest'],
        ),
        ("src/a.js", "export function f() {}\n", "jest", ['import * as sandboxed from "../src/a"']),
        ("a.js", "exports.f = () => 1;\n", "jest", ["require("]),
        ("a.go", "package x\n\nfunc F() {}\n", "go", ["package x", "_ = F\n"]),
    ],
)
def test_tests_of_other_languages(path, text, framework, parts):
    (draft,) = drafts(target("tests/new.test", framework), shown(path, text))
    for part in parts:
        assert part in draft["text"] or part.replace("../", "") in draft["text"]


def test_tested_names_are_not_tested_again():
    existing = "import pytest\n\n\ndef test_total_exists():\n    pass\n"
    test = related("test", "tests/test_money.py", existing)
    (draft,) = drafts(target("tests/test_money.py", "pytest"), test, shown("money.py", PYTHON))
    assert draft["text"].startswith(existing)
    assert draft["text"].count("def test_") == 2
    nothing = "_hidden = 1\n"
    assert drafts(target("tests/test_x.py", "pytest"), shown("x.py", nothing)) == []


@pytest.mark.parametrize(
    "name", ["reviewer/prompts", "server", "reviewer/patterns", "anthropic/params"]
)
def test_documented_python_is_the_same_code(name):
    # Without its one-line docstrings, so that there is something to document.
    text = (PACKAGE / "sandbox" / f"{name}.py").read_text("utf-8")
    lines = (line for line in text.splitlines() if line.count('"""') != 2)
    text = "\n".join(lines) + "\n"
    documented = add_documentation(source("x.py", text))
    assert documented is not None
    assert without_documentation(documented[0]) == without_documentation(text)


def test_documented_scripts():
    text = "export function f() {}\n\n/** Said. */\nexport class A {}\nexport const g = () => 1;\n"
    documented = add_documentation(source("a.ts", text))
    assert documented is not None
    assert documented[0].count("/**") == 3
    assert documented[1] == 2
    assert add_documentation(source("a.go", "package a\n")) is None


@pytest.mark.parametrize(
    ("old", "new", "verdict", "count"),
    [
        (PYTHON, PYTHON, "VALID", 0),
        (PYTHON, PYTHON.replace("prices", "all_"), "INVALID", 1),
        (PYTHON, PYTHON.replace("    return", '    """Add."""\n    return'), "VALID", 0),
        (PYTHON, PYTHON.replace("sum(prices)", "sum(prices) + 1"), "UNCERTAIN", 0),
        (PYTHON, PYTHON.replace("total", "_total"), "INVALID", 1),
        (PYTHON, "x = 1\n", "INVALID", 1),
    ],
)
def test_verdicts(old, new, verdict, count):
    actual, findings = compare_versions(source("a.py", old), source("a.py", new))
    assert (actual, len(findings)) == (verdict, count)


def test_a_verdict_in_any_schema():
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "verdict": {"enum": ["Valid", "INVALID", "uncertain"]},
            "summary": {"type": "string"},
        },
    }
    assert schemas.schema_error(schema) is None
    prompt = read(related("before", "a.py", PYTHON), shown("a.py", PYTHON))
    answer = json.loads(fill_schema.fill_schema(schema, [], prompt))
    assert answer["verdict"] == "Valid"
    assert answer["summary"]


def test_names_of_go_and_scripts():
    go = "func (t *T) Do(x int) error {\n}\n\nfunc hidden() {}\n\nfunc Open(n string) {\n}\n"
    assert [(n.name, n.signature) for n in public_names(source("a.go", go))] == [
        ("T.Do", "(x int) error"),
        ("Open", "(n string)"),
    ]
    script = "export default class A {}\nexport async function f(a,\n b) {}\nexport const c = 1;\n"
    assert [n.name for n in public_names(source("a.ts", script))] == ["A", "f", "c"]
