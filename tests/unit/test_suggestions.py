"""Suggestions: which of them may replace lines, through the anchoring of a finding."""

import pytest

from batch_action.findings.anchoring import anchor_all
from tests.unit.test_anchoring import raw_finding

LINE = 'TIMEOUT = int(os.environ.get("T", "5")) * 1000'
BETTER = 'TIMEOUT = int(os.environ.get("T", "9")) * 1000'
PYTHON = f"import os\n{LINE}\n\ndef f(n):\n    if n:\n        return 1\n    return 2\n"
JAVA = "class A {\n    int run() {\n        return read();\n    }\n}\n"
YAML = "on:\n  - push\n8080: a\n"


def replacement(path: str, text: str, evidence: str, suggestion: str) -> str | None:
    raw = raw_finding(evidence, suggestion=suggestion)
    (found,), _ = anchor_all([[raw]], task="t", path=path, text=text, blob="b", commit="c")
    texts = found.texts.read()
    assert texts.raw.suggestion == suggestion, "the text stays readable"
    return texts.replacement


@pytest.mark.parametrize(
    ("path", "text", "evidence", "suggestion"),
    [
        ("a.py", PYTHON, LINE, BETTER),
        ("a.py", PYTHON, f"```python\n{LINE}\n```", BETTER),
        ("a.py", PYTHON, f"2| {LINE}", BETTER + "\n"),
        ("a.py", PYTHON, "    if n:\n        return 1", "    if n > 0:\n        return 1"),
        ("a.py", PYTHON, "        return 1", "        return 1 if n else None"),
        (
            "a.py",
            PYTHON,
            "        return 1",
            "        # One is enough, the caller adds the rest.\n        return 1",
        ),
        ("a.go", "package a\n\nvar x = 1\n", "var x = 1", "var x = 2"),
        ("A.java", JAVA, "        return read();", "        return readAll();"),
        ("a.yml", YAML, "  - push", "  - push\n  - pull_request"),
        ("a.yml", YAML, "8080: a", "8081: a"),
        ("a.md", "Read it, then run it again.\n", "Read it, then run it again.", "Read it twice."),
        (
            "Dockerfile",
            "FROM python:3.11 AS base\n",
            "FROM python:3.11 AS base",
            "FROM python:3.12 AS base",
        ),
    ],
)
def test_whole_lines_of_code_can_be_replaced(path, text, evidence, suggestion):
    assert replacement(path, text, evidence, suggestion) == suggestion.removesuffix("\n")


@pytest.mark.parametrize(
    "evidence",
    [
        'int(os.environ.get("T", "5"))',
        "TIMEOUT = int(...) * 1000",
        f"import os\n...\n{LINE}",
        f"{LINE.removesuffix('* 1000')}...",
        f"-{LINE.replace('5', '4')}\n+{LINE}",
        f"import os {LINE}",
    ],
)
def test_a_part_of_the_lines_is_never_replaced(evidence):
    assert replacement("a.py", PYTHON, evidence, BETTER) is None


@pytest.mark.parametrize(
    "suggestion",
    [
        f"```\n{BETTER}\n```",
        f"~~~python\n{BETTER}\n~~~",
        f"`{BETTER}`",
        f"+{BETTER}",
        f"-{LINE}\n+{BETTER}",
        f"@@ -2 +2 @@\n-{LINE}\n+{BETTER}",
        f"--- a/a.py\n+++ b/a.py\n{BETTER}",
        f"2| {BETTER}",
        f"2: {BETTER}",
        f"2 {BETTER}",
        f"L2: {BETTER}",
        f"{BETTER}\n...",
        f"{BETTER}\n# rest unchanged",
        "# ... existing code ...",
        'TIMEOUT = int(os.environ.get("T", "9")) * (...)',
        "Use 9 instead.",
        "use nine seconds instead",
        f"Change it to: {BETTER}",
        f"Fix: {BETTER}",
        f"Replace the line with `{BETTER}`.",
        "Remove",
        "None",
        "N/A",
        "no change needed",
        "int(",
        f"import os\n{BETTER}",
        f"  {BETTER}",
        LINE,
        'TIMEOUT = "••••"',
        f"{BETTER}\u202e",
        " ",
    ],
)
def test_what_may_not_be_code_is_only_shown(suggestion):
    assert replacement("a.py", PYTHON, LINE, suggestion) is None


@pytest.mark.parametrize(
    ("path", "text", "evidence", "suggestion"),
    [
        (
            "A.java",
            JAVA,
            "        return read();",
            "        The result of read() is never closed, so close it.",
        ),
        ("A.java", JAVA, "        return read();", "        return all of the lines"),
        ("A.java", JAVA, "        return read();", "        return readAll();\n    }"),
        ("a.js", "let a = 1;\nlet b = 2;\n", "let a = 1;", "Use: `const a = 1`"),
        ("a.js", "let a = 1;\nlet b = 2;\n", "let a = 1;", "const a = ;"),
        ("a.py", 'token = "••••"\n', 'token = "••••"', 'token = read("token")'),
        ("a.yml", YAML, "  - push", "  + push"),
        ("a.py", PYTHON, "        return 1", "        return 1\n    return 2"),
    ],
)
def test_what_breaks_the_file_is_only_shown(path, text, evidence, suggestion):
    assert replacement(path, text, evidence, suggestion) is None
