"""Code comparison: documentation may change, code and directives may not."""

import ast
import warnings
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.models.files import ChangeType, SourceFile
from batch_action.models.generated import DraftTarget, FileDraft
from batch_action.syntax import python
from batch_action.tasks import documentation

PYTHON = '''\
#!/usr/bin/env python
"""Money."""
from __future__ import annotations

import os  # noqa: F401


class Till(dict):
    size: int = 3

    def total(self, prices: list[int], *, tax=0.5):
        # adds up
        return sum(prices) * (1 + tax)  # type: ignore[no-any-return]


def shown(cents):
    """Old words."""
    if cents < 0: return f"-{shown(-cents)}"
    return "é%d" % cents
'''
SCRIPT = """\
#!/usr/bin/env node
'use strict';
// @ts-check
import a from "./a";

export function f(x, y = `a  ${x} b`) {
  // eslint-disable-next-line no-eval
  if (x) return eval(x)
  return /a b/g.test(y)
}

/** Old words. */
export class Till { size = 3; total() { return <p title='x'>two  words</p> } }
"""


def edited(text, *pairs):
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


DOCUMENTATION_EDITS = [
    [],
    [('"""Money."""', '"""Money, in cents.\n\nMore: ünï."""')],
    [("class Till(dict):\n", 'class Till(dict):\n    """A till."""\n\n')],
    [("    size: int = 3\n", '    size: int = 3\n    """How many."""\n')],
    [
        (
            "        # adds up\n",
            '        """Add up.\n\n        Args:\n            prices: all.\n        """\n',
        )
    ],
    [("        # adds up\n", "        # adds up, and taxes\n        # them\n")],
    [("Old words.", "New words.")],
    [('    """Old words."""\n', "")],
    [("def shown", "# Shown to people.\ndef shown")],
    [("\n\n\ndef shown", "\n\n\n\n\ndef shown")],
    [
        (
            "def total(self, prices: list[int], *, tax=0.5):",
            "def total(\n        self, prices: list[int], *, tax=0.5\n    ):",
        )
    ],
]
CODE_EDITS = [
    ([("tax=0.5", "tax=0.6")], "changes the code"),
    ([("(1 + tax)", "(1 - tax)")], "changes the code"),
    ([("return sum(prices)", "return sum((prices))")], "how the code is written"),
    ([("é%d", "e%d")], "changes the code"),
    ([('"é%d"', "'é%d'")], "how the code is written"),
    ([("import os  # noqa: F401\n", "import os\n")], "a comment that tools read"),
    ([("  # type: ignore[no-any-return]", "  # type: ignore")], "a comment that tools read"),
    ([("#!/usr/bin/env python\n", "")], "a comment that tools read"),
    ([("os  # noqa: F401", "os\n# noqa: F401")], "a comment that tools read"),
    ([("        # adds up\n", "        # pragma: no cover\n")], "a comment that tools read"),
    ([("        # adds up\n", "        # fmt: off\n")], "a comment that tools read"),
    ([('"""Money."""\n', '"""Money."""\n# Copyright 2026 Nobody\n')], "a comment that tools read"),
    ([('"""Money."""\nfrom', '"""Money."""\n"""More."""\nfrom')], "does not parse"),
    ([("size: int = 3\n\n    def", 'size: int = 3\n    x = """Doc."""\n\n    def')], "the code"),
    ([('"""Old words."""', 'f"""Old {cents}."""')], "changes the code"),
    ([('"""Old words."""', 'b"""Old words."""')], "changes the code"),
    ([("(dict)", "(dict, list)")], "changes the code"),
    ([("    if cents < 0: return", "    return")], "changes the code"),
    ([("def shown(cents):", "def shown(cents:")], "does not parse"),
    ([("prices: list[int]", "prices: list")], "changes the code"),
    ([('    return "é', '    return """x""" "é')], "changes the code"),
]
SCRIPT_DOCUMENTATION_EDITS = [
    [],
    [("export function", "/**\n * Say yes.\n * @param {string} x - it\n */\nexport function")],
    [("Old words.", "New words.\n * @returns {number} nothing")],
    [("/** Old words. */\n", "")],
    [("{ size = 3; total", "{\n  /** How many. */\n  size = 3;\n  // adds up\n  total")],
    [("import a", "/* words\n over two lines */ import a")],
    [("// @ts-check\n", "// @ts-check\n/** About this module. */\n")],
    [("  // eslint-disable-next-line", "  // Says yes.\n  // eslint-disable-next-line")],
]
SCRIPT_CODE_EDITS = [
    ([("x, y", "y, x")], "changes the code"),
    ([("return eval(x)", "return\n eval(x)")], "changes the code"),
    ([("return eval(x)", "return /*\n*/ eval(x)")], "changes the code"),
    ([("return eval(x)\n", "return eval(x);\n")], "changes the code"),
    ([("a  ${x} b", "a ${x} b")], "changes the code"),
    ([("/a b/g", "/a  b/g")], "changes the code"),
    ([("two  words", "two words")], "changes the code"),
    ([("'use strict'", '"use strict"')], "changes the code"),
    ([("// @ts-check\n", "")], "a comment that tools read"),
    ([("no-eval\n", "no-eval\n  // says yes\n")], "a comment that tools read"),
    (
        [("  // eslint-disable-next-line no-eval\n", "  /* eslint-disable-next-line no-eval */ ")],
        "a comment that tools read",
    ),
    ([("  // eslint-disable-next-line no-eval\n", "  // says yes\n")], "a comment that tools read"),
    ([("export class", "// prettier-ignore\nexport class")], "a comment that tools read"),
    ([("/** Old words. */", "/** Old words. @license MIT */")], "a comment that tools read"),
    ([("#!/usr/bin/env node\n", "")], "changes the code"),
    ([("return <p", "return  ( <p"), ("</p>", "</p> )")], "changes the code"),
    ([("export class Till {", "export class Till {{")], "does not parse"),
]


GO = """\
//go:build linux

package till

/*
#include <till.h>
*/
import "C"

import "fmt" // Copyright of the cart

// Old words.
type Till struct {
\tSize int `json:"size"`

\topen bool
}

//go:noinline
func (t *Till) Total(prices ...int) (sum int) {
\t// adds up
\tfor _, price := range prices {
\t\tsum += price //nolint:gosec
\t}
\treturn sum + 'a'
}

func ExampleTill() {
\tfmt.Println("a  b", 1,
\t\t2)
\t// Output:
\t// a  b 1 2
}
"""
GO_DOCUMENTATION_EDITS = [
    [],
    [("package till", "// Package till counts.\n//\n// More: ünï.\npackage till")],
    [("Old words.", "Till is new words.")],
    [("// Old words.\n", "")],
    [('\tSize int `json:"size"`\n\n', '\t// Size in cents.\n\tSize int `json:"size"`\n\n')],
    [("\topen bool", "\topen bool // since morning")],
    [("//go:noinline\n", "// Total adds up.\n//\n//go:noinline\n")],
    [("// adds up\n", "// adds up,\n\t// all of them\n")],
    [("// adds up\n", "/* adds up */\n")],
    [("\n\nfunc Example", "\n\n\n\nfunc Example")],
    [("\tSize int", "\tSize   int")],
]
GO_CODE_EDITS = [
    ([("sum += price", "sum -= price")], "changes the code"),
    ([("return sum +", "return sum -")], "changes the code"),
    ([("'a'", "'b'")], "changes the code"),
    ([('a  b", 1', 'a b", 1')], "changes the code"),
    ([('json:"size"', 'json:"length"')], "changes the code"),
    ([("return sum", "return\n\tsum")], "changes the code"),
    ([("(sum int)", "(sum int64)")], "changes the code"),
    ([("sum += price //", "{ sum += price } //")], "changes the code"),
    ([("open bool", "Open bool")], "changes the code"),
    ([("//go:noinline\n", "")], "a comment that tools read"),
    ([("//go:noinline", "// go:noinline")], "a comment that tools read"),
    ([("linux", "darwin")], "a comment that tools read"),
    ([("<till.h>", "<evil.h>")], "a comment that tools read"),
    ([('import "C"', '// words\nimport "C"')], "a comment that tools read"),
    ([(" //nolint:gosec", "")], "a comment that tools read"),
    ([(" //nolint:gosec", "\n\t\t//nolint:gosec")], "a comment that tools read"),
    ([("// adds up", "//nolint")], "a comment that tools read"),
    ([("// adds up", "//line evil.go:1")], "a comment that tools read"),
    ([("\t// Output:\n", "")], "a comment that tools read"),
    ([("// a  b 1 2", "// a b 1 2")], "a comment that tools read"),
    ([("// a  b 1 2\n", "// a  b 1 2\n\t// the end\n")], "a comment that tools read"),
    ([(" // Copyright of the cart", "")], "a comment that tools read"),
    ([("// Old words.", "// +kubebuilder:object:root=true")], "a comment that tools read"),
    ([("func (t *Till) Total(", "func (t *Till Total(")], "does not parse"),
]


class TestPython:
    @pytest.mark.parametrize("pairs", DOCUMENTATION_EDITS)
    def test_documentation_may_change(self, pairs):
        new = edited(PYTHON, *pairs)
        assert python.find_code_change(PYTHON, new) is None
        assert python.find_code_change(PYTHON.replace("\n", "\r\n"), new) is None

    @pytest.mark.parametrize(("pairs", "problem"), CODE_EDITS)
    def test_code_may_not_change(self, pairs, problem):
        assert problem in (python.find_code_change(PYTHON, edited(PYTHON, *pairs)) or "")

    def test_a_body_that_is_only_a_docstring(self):
        old, new = "def f():\n    pass\n", 'def f():\n    """Nothing."""\n'
        assert python.find_code_change(old, new) == "changes the code"
        assert python.find_code_change(old, 'def f():\n    """Nothing."""\n    pass\n') is None
        assert python.find_code_change(new, 'def f():\n    """Not a thing."""\n') is None

    def test_docstrings_that_the_code_reads_may_not_change(self):
        old = '"""Usage: x [-h]"""\nprint(__doc__)\n\n\ndef f():\n    pass\n'
        assert python.find_code_change(old, old.replace("Usage", "Use")) is not None
        assert python.find_code_change(old, old.replace("():\n", '():\n    """Do."""\n')) is None
        bare = "print(__doc__)\n"
        assert python.find_code_change(bare, f'"""New."""\n{bare}') == (
            "changes docstrings that the code reads"
        )

    def test_inline_script_metadata_may_not_change(self):
        old = "# /// script\n# dependencies = []\n# ///\nx = 1\n"
        assert python.find_code_change(old, old.replace("[]", '["evil"]')) is not None
        assert python.find_code_change(old, old + "# the end\n") is not None

    @pytest.mark.parametrize(
        "text", ["def f(:", "x = '", "\0", "(" * 5_000, "if 1:\n\tx\n        y"]
    )
    def test_invalid_code(self, text):
        assert not documentation.parses("python", text)
        assert python.find_code_change(text, text) == "does not parse"

    @given(
        st.integers(0, len(PYTHON) - 1),
        st.sampled_from(["", "x", "1", "#", '"', "\\", " ", "\n", "(", "é"]),
    )
    def test_a_changed_character_is_documentation_or_refused(self, at, letter):
        new = PYTHON[:at] + letter + PYTHON[at + 1 :]
        if python.find_code_change(PYTHON, new) is None:
            assert without_documentation(new) == without_documentation(PYTHON)


def without_documentation(text):
    """Return the code without docstrings, in another way than the tested code."""
    with warnings.catch_warnings():
        # A changed character may create an invalid escape sequence, which is only a warning.
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [
                node
                for node in body
                if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
            ]
    return ast.unparse(tree)


class TestScripts:
    @pytest.mark.parametrize("language", ["javascript", "jsx"])
    @pytest.mark.parametrize("pairs", SCRIPT_DOCUMENTATION_EDITS)
    def test_documentation_may_change(self, pairs, language):
        assert documentation.find_code_change(language, SCRIPT, edited(SCRIPT, *pairs)) is None

    @pytest.mark.parametrize(("pairs", "problem"), SCRIPT_CODE_EDITS)
    def test_code_may_not_change(self, pairs, problem):
        assert problem in (
            documentation.find_code_change("javascript", SCRIPT, edited(SCRIPT, *pairs)) or ""
        )

    def test_typescript(self):
        old = "interface A { a: string; b: number }\nenum E { X, Y }\n"
        new = edited(
            old, ("{ a: string; b", "{\n  /** a */\n  a: string;\n  b"), ("{ X", "{ /** x */ X")
        )
        assert documentation.find_code_change("typescript", old, new) is None
        assert documentation.find_code_change("tsx", old, new) is None
        assert (
            documentation.find_code_change("typescript", old, old.replace("string", "number"))
            is not None
        )
        assert not documentation.parses("javascript", old)

    @given(st.data())
    def test_no_character_of_the_code_may_change(self, data):
        comments = ("#!/usr/bin/env node", "// @ts-check", "// eslint", "/** Old words. */")
        at = data.draw(st.integers(0, len(SCRIPT) - 1))
        line = SCRIPT[SCRIPT.rfind("\n", 0, at) + 1 :].split("\n", maxsplit=1)[0].strip()
        letter = data.draw(st.sampled_from(["", "x", "1", "@", "'", "`", "{", "é"]))
        new = SCRIPT[:at] + letter + SCRIPT[at + 1 :]
        if new != SCRIPT and not SCRIPT[at].isspace() and not line.startswith(comments):
            assert documentation.find_code_change("javascript", SCRIPT, new) is not None

    def test_a_tree_that_is_too_deep_is_refused(self):
        deep = "x = " + "[" * 3_000 + "]" * 3_000
        assert documentation.find_code_change("javascript", deep, deep) == "does not parse"


class TestGo:
    @pytest.mark.parametrize("pairs", GO_DOCUMENTATION_EDITS)
    def test_documentation_may_change(self, pairs):
        # The preamble of cgo is code, so nothing above it may change.
        old = edited(GO, ('/*\n#include <till.h>\n*/\nimport "C"\n\n', ""))
        new = edited(old, *pairs)
        assert documentation.find_code_change("go", old, new) is None
        assert documentation.find_code_change("go", old.replace("\n", "\r\n"), new) is None

    @pytest.mark.parametrize(("pairs", "problem"), GO_CODE_EDITS)
    def test_code_may_not_change(self, pairs, problem):
        assert problem in (documentation.find_code_change("go", GO, edited(GO, *pairs)) or "")

    def test_an_old_build_constraint_keeps_its_blank_line(self):
        old = "// +build linux\n\npackage x\n"
        problem = documentation.find_code_change(
            "go", old, "// +build linux\n// Package x is.\npackage x\n"
        )
        assert problem == "adds, drops or moves a comment that tools read"

    @given(st.data())
    def test_no_character_of_the_code_may_change(self, data):
        at = data.draw(st.integers(0, len(GO) - 1))
        line = GO[GO.rfind("\n", 0, at) + 1 :].split("\n", maxsplit=1)[0]
        letter = data.draw(st.sampled_from(["", "x", "1", "@", "'", "`", "{", "é", "\n"]))
        new = GO[:at] + letter + GO[at + 1 :]
        if (
            new != GO
            and not GO[at].isspace()
            and line.strip() not in ("// Old words.", "// adds up")
        ):
            assert documentation.find_code_change("go", GO, new) is not None


TOOLS = [
    *("@generated", "@not-generated", "gitleaks:allow", "noinspection PyUnusedLocal", "ty: ignore"),
    *("swagger:route GET /x", "fmt: off", "nosemgrep", "[START example]", "NOSONAR", "nolint:all"),
    *("trufflehog:ignore", "checkov:skip=CKV_1", "cspell:disable", "sourcery skip: all", "nosec"),
    *("@formatter:off", "@ts-nocheck", "@internal", "pragma: no cover", "yapf: disable"),
    "Code generated by x. DO NOT EDIT.",
    *("semgrep-ignore", "ast-grep-ignore: x", "sonar-ignore", "skipcq", "ggignore", "no mutate"),
    *("hadolint ignore=DL3006", "yamllint disable", "clang-format off", "LCOV_EXCL_LINE"),
    *("deepcode ignore SQL1", "kics-scan ignore-line", "shellcheck disable=SC1090"),
    # Python
    *("pyrefly: ignore[bad-return]", "autopep8: off", "isort:skip_file", "pragma no cover"),
    *("PRAGMA: NO COVER", "pyre-fixme[6]: Expected int", "pyre-strict", "codespell:ignore word"),
    *("nuitka-project: --onefile", "distutils: language = c++", "cython: language_level=3"),
    *("pylint: disable=C0114, too-many-lines", "mypy: disallow_untyped_defs, no-implicit-reexport"),
    *("pants: no-infer-dep", "docformatter: off", "lgtm[py/unused-import]", "noqa: F401, E501"),
    *("flake8: noqa", "pyright: basic, reportMissingImports=false", "nopycln: import"),
    *("gazelle:prefix x", "buildifier: disable=load"),
    # JavaScript and TypeScript
    *('eslint quotes: ["error", "double"]', "eslint no-console: 0, curly: 2", "eslint-env node"),
    *('webpackChunkName: "cart"', "webpackIgnore: true"),
    *("istanbul ignore if", "c8 ignore start", "v8 ignore else", "$FlowFixMe[prop-missing]"),
    *('deno-types="./a.d.ts"', "deno-lint-ignore-file", "biome-ignore lint/x: because"),
    *("@vite-ignore", "Stryker disable all", "jshint ignore:line", "exported f", "tslint:disable"),
    *("oxlint-disable no-debugger", "highlight-next-line", "[!code highlight]", "knip-ignore"),
    # Java, C, C++, C#, Ruby, PHP and shell
    *("NOPMD", "CHECKSTYLE:OFF", "CHECKSTYLE.OFF: Line", "spotless:off", "NOLINTNEXTLINE(x)"),
    *("NOLINTBEGIN", "IWYU pragma: keep", "cppcheck-suppress nullPointer", "falls through"),
    *("coverity[leaked_storage]", "GCOVR_EXCL_START", "$COVERAGE-OFF$", "FALLTHROUGH"),
    *("rubocop:disable Style/Documentation", "frozen_string_literal: true", "typed: strict"),
    *(":nocov:", "phpcs:ignore", "@phpstan-ignore-line", "@codeCoverageIgnore"),
    *("shellcheck source=./lib.sh", "shellcheck shell=bash", "swiftlint:disable x"),
    # documentation and release tools
    *("tag::example[]", "snippet-start:[a.b]", "ANCHOR: main", "docregion setup", "[END example]"),
    *("renovate: datasource=github-tags depName=a/b", "x-release-please-version"),
    *("keep-sorted start", "LINT.IfChange", "LINT.ThenChange(//a/b.c)"),
]
PEOPLE = [
    *(
        "Shown to people.",
        "The sum of all prices, with tax.",
        "e.g. 12:30, see https://x.example/a",
    ),
    *("Callers ignore the result.", "we skip it", "MAX_SIZE is in bytes", "turn it off, if old"),
    *("Note: the total is rounded, not cut.", "Keys map names to prices: 1 to 1."),
    *(
        "Note that x[0] is the first.",
        "re-export for callers",
        "a non-empty list",
        "front-end only",
    ),
    *("TODO: make it faster for all users", "time: hours since the epoch", "the @ splits it"),
    *("1. sort 2. filter", "Notes on rounding", "for n=3 this is slow", "we ignore all of these"),
    *("Nothing is sent.", "JSON is read", "mail me@x.example", "item[0] is the head", "NOTE: slow"),
    *("front-end only", "NORMAL rounding", "NOTICE the sign"),
    *("HTTP: see below for the codes", "fall back to zero", "switched off by default", "or else"),
]


def commented(language, comment):
    """The text of a small file without and with a comment, alone on its line and behind code."""
    mark = "#" if language == "python" else "//"
    lines = {
        "python": ["x = 1", "", "", "def f():", "    return x"],
        "go": ["package x", "", "var x = 1", "", "func f() int {", "return x", "}"],
    }.get(language, ["const x = 1;", "function f() {", "return x;", "}"])
    old = "\n".join(lines) + "\n"
    place = 3 if language == "python" else 1
    above = [*lines[:place], f"{mark} {comment}", *lines[place:]]
    behind = [*lines[:-1], f"{lines[-1]}  {mark} {comment}"]
    return old, ["\n".join(above) + "\n", "\n".join(behind) + "\n"]


@pytest.mark.parametrize("language", ["python", "javascript", "typescript", "go"])
@pytest.mark.parametrize("comment", [*TOOLS, *PEOPLE])
def test_no_draft_adds_or_drops_a_comment_that_a_tool_obeys(language, comment):
    old, drafts = commented(language, comment)
    target = DraftTarget(source="x", language=language, text=old, existing_text=old)
    for text in drafts:
        problem = documentation.check_draft(FileDraft(path="x", text=text), target)
        assert (problem is None) == (comment in PEOPLE), (problem, text)
        back = replace(target, text=text, existing_text=text)
        problem = documentation.check_draft(FileDraft(path="x", text=old), back)
        assert (problem is None) == (comment in PEOPLE), (problem, text)


@pytest.mark.parametrize(
    ("marker", "tools"),
    [
        ("@generated", True),
        ("gitleaks:allow", True),
        ("noinspection all", True),
        ("trufflehog:ignore", True),
        ("pragma: allowlist secret", True),
        ("x: ignore[assignment]", True),
        ("Deprecated: use g.", True),
        (".. deprecated:: 2.0", False),
        ("Args:\n        force: Skip the check.\n        log: Enable it, or not.", False),
        ("Generated from the price list.", False),
    ],
)
def test_a_docstring_may_not_carry_a_marker_either(marker, tools):
    old = "def f():\n    return 1\n"
    new = f'def f():\n    """Return one.\n\n    {marker}\n    """\n    return 1\n'
    target = DraftTarget(source="x", language="python", text=old, existing_text=old)
    problem = documentation.check_draft(FileDraft(path="x", text=new), target)
    assert (problem is not None) == tools


def test_tags_of_documentation_are_for_people():
    old = "function f(a) {\n  return a;\n}\n"
    doc = "/**\n * Double it.\n * @param {number} a - the number\n * @returns {number}\n"
    doc += " * @throws {Error} if odd\n * @example\n * f(1)\n */\n"
    target = DraftTarget(source="x", language="javascript", text=old, existing_text=old)
    assert documentation.check_draft(FileDraft(path="x", text=doc + old), target) is None


def test_a_draft_declares_no_other_encoding():
    old = "x = 1\n"
    target = DraftTarget(source="x", language="python", text=old, existing_text=old)
    for cookie in ("# coding: utf-7\n", "\r# coding: utf-7\n"):
        assert documentation.check_draft(FileDraft(path="x", text=cookie + old), target)


F = "def f(a):\n"
KEPT = [
    # language, text, draft, whether it is refused
    ("python", "#!/bin/x\nx = 1\n", '"""Doc."""\n#!/bin/x\nx = 1\n', True),
    ("python", "#!/bin/x\nx = 1\n", "# About.\n#!/bin/x\nx = 1\n", True),
    ("python", "#!/bin/x\nx = 1\n", '#!/bin/x\n"""Doc."""\nx = 1\n', False),
    ("python", "# coding: utf-8\nx = 1\n", "# a\n# b\n# coding: utf-8\nx = 1\n", True),
    ("python", "# type: ignore\nx = 1\n", '"""Doc."""\n# type: ignore\nx = 1\n', True),
    ("python", "# type: ignore\nx = 1\n", '# type: ignore\n"""Doc."""\nx = 1\n', False),
    ("python", "# mypy: strict\nx = 1\n", '"""Doc."""\n# mypy: strict\nx = 1\n', True),
    ("python", "# Copyright X\nx = 1\n", '"""Doc."""\n# Copyright X\nx = 1\n', True),
    ("python", "x = 1\n# pylint: disable-next=c\ny = 1\n",
     "x = 1\n# pylint: disable-next=c\n# About.\ny = 1\n", True),
    ("python", "x = 1\n# fmt: off\ny = 1\n", "x = 1\n# About.\n# fmt: off\ny = 1\n", False),
    ("python", '"""Doc."""\n# pylint: disable=c\nx = 1\n',
     '"""New."""\n# pylint: disable=c\nx = 1\n', False),
    ("python", f'@tool\n{F}    """Old."""\n', f'@tool\n{F}    """New."""\n', True),
    ("python", f"@tool\n{F}    return a\n", f'@tool\n{F}    """New."""\n    return a\n', True),
    ("python", f"@click.command()\n{F}    g()\n",
     f'@click.command()\n{F}    """N."""\n    g()\n', True),
    ("python", f'@property\n{F}    """Old."""\n', f'@property\n{F}    """New."""\n', False),
    ("python", f"@functools.lru_cache(3)\n{F}    g()\n",
     f'@functools.lru_cache(3)\n{F}    """N."""\n    g()\n', False),
    ("python", 'class A(dspy.Signature):\n    """Old."""\n',
     'class A(dspy.Signature):\n    """New."""\n', True),
    ("python", 'class A(Base):\n    """Old."""\n', 'class A(Base):\n    """New."""\n', False),
    ("python", f'{F}    """e : e PLUS t"""\n', f'{F}    """Parse a sum."""\n', True),
    ("python", f'{F}    """e : t\n    | f"""\n', f'{F}    """Parse."""\n', True),
    ("python", "import ply.yacc\ndef p_a(p):\n    p[0] = 1\n",
     'import ply.yacc\ndef p_a(p):\n    """Add."""\n    p[0] = 1\n', True),
    ("python", "import ply.yacc\ndef add(p):\n    p[0] = 1\n",
     'import ply.yacc\ndef add(p):\n    """Add."""\n    p[0] = 1\n', False),
    ("python", f'{F}    """Get.\n    ---\n    x: 1\n    """\n', f'{F}    """Get it."""\n', True),
    ("python", f'{F}    """Add.\n\n    >>> f(1)\n    1\n    """\n', f'{F}    """Add."""\n', True),
    ("python", f'{F}    """Add.\n\n    Args:\n        a: b.\n    """\n',
     f'{F}    """Add up."""\n', False),
    ("python", f"{F}    return a\n",
     f'{F}    """Double.\n\n    >>> f(1)\n    2\n    """\n    return a\n', True),
    ("python", f'{F}    """Double."""\n',
     f'{F}    """Double.\n\n    Example:\n        >>> f(1)\n        2\n    """\n', True),
    ("python", f'{F}    """Double."""\n', f'"""About.\n\n>>> f(1)\n"""\n{F}    """Double."""\n',
     True),
    ("python", f'{F}    """Double."""\n',
     f'{F}    """Double.\n\n    Example: f(1) is 2, and x >>> y is no prompt.\n    """\n', False),
    ("python", f'{F}    """Get."""\n', f'{F}    """Get.\n    ---\n    x: 1\n    """\n', True),
    ("python", f'{F}    """Get."""\n',
     f'{F}    """Get.\n\n    .. testcode::\n\n        f(1)\n    """\n', True),
    ("python", f'{F}    """Add.\n\n    Parameters\n    ----------\n    a : int\n    """\n',
     f'{F}    """Add.\n\n    Parameters\n    ----------\n    a : int\n        A\n    """\n', False),
    ("python", f'{F}    """Add.\n\n    Examples\n    --------\n    >>> f(1)\n    """\n',
     f'{F}    """Add."""\n', True),
    ("python", "x = 1\n# region Setup\ny = 1\n", "x = 1\ny = 1\n", True),
    ("python", "x = 1\n", "x = 1\n# Local Variables:\n# mode: c\n# End:\n", True),
    ("python", "x = 1\n# vim: set ts=4:\n", "x = 1\n", True),
    ("python", "x = 1  # adds up  # noqa: E501\n", "x = 1  # adds up\n", True),
    ("python", "# %%\nx = 1\n", "x = 1\n", True),
    ("python", "x = 1\n# + [markdown]\n# A.\n", "x = 1\n# A.\n", True),
    ("python", "x = []\n", "x = []  # type: list[int]\n", True),
    ("python", "x = []\n", "x = []\n# - all of them\n# --- rest ---\n", False),
    ("javascript", "f();\n//# sourceMappingURL=a.js.map\n", "f();\n", True),
    ("javascript", "const a = /*#__PURE__*/ f();\n", "const a = /* It. */ f();\n", True),
    ("javascript", "f();\n", "/** @jsx h */\nf();\n", True),
    ("javascript", "f();\n", "/// <reference types='x' />\nf();\n", True),
    ("javascript", "/** @jest-environment jsdom */\nf();\n",
     "/** About. */\n/** @jest-environment jsdom */\nf();\n", True),
    ("javascript", "/** @jest-environment jsdom */\nf();\n",
     "/** @jest-environment jsdom */\n/** About. */\nf();\n", False),
    ("javascript", "#!/bin/node\nf();\n", "#!/bin/node\n/** About. */\nf();\n", False),
    ("javascript", "/** Copyright X */\nf();\n", "/** About. */\n/** Copyright X */\nf();\n", True),
    ("javascript", "/* global $ */\nf();\n", "f();\n", True),
    ("javascript", "// @formatter:off\nf();\n", "f();\n", True),
    ("javascript", "const a = /** @type {A} */ (b);\n", "const a = /** It. */ (b);\n", True),
    ("javascript", "/** @typedef {{a: string}} A */\nf();\n", "f();\n", True),
    ("javascript", "/** @param {string} a - old */\nfunction f(a) {}\n",
     "/** @param {string} a - new */\nfunction f(a) {}\n", False),
    ("javascript", "/** @param {string} a - old */\nfunction f(a) {}\n",
     "/** @param {number} a - old */\nfunction f(a) {}\n", True),
    ("javascript", "/** @param {string} a */\nfunction f(a) {}\n",
     "/** @param {string} b */\nfunction f(a) {}\n", True),
    ("javascript", "/** @returns {A<B>} it */\nfunction f() {}\n",
     "/** Return it. */\nfunction f() {}\n", True),
    ("javascript", "/** @param {{a: {b: A}, c: B}} x - old */\nfunction f(x) {}\n",
     "/** @param {{a: {b: A}, c: C}} x - old */\nfunction f(x) {}\n", True),
    ("javascript", "/**\n * @param {{\n *   a: A,\n * }} x - old\n */\nfunction f(x) {}\n",
     "/**\n * New.\n * @param {{\n *   a: A,\n * }} x - new\n */\nfunction f(x) {}\n", False),
    ("javascript", "/**\n * @param {{\n *   a: A,\n * }} x - old\n */\nfunction f(x) {}\n",
     "/**\n * @param {{\n *   a: B,\n * }} x - old\n */\nfunction f(x) {}\n", True),
    ("javascript", "/** @param {A} x */\nfunction f(x) {}\n/** @param {B} x */\nfunction g(x) {}\n",
     "/** @param {B} x */\nfunction f(x) {}\n/** @param {A} x */\nfunction g(x) {}\n", True),
    ("javascript", "/** @param {A} [x=1] - old */\nfunction f(x) {}\n",
     "/** @param {A} x - old */\nfunction f(x) {}\n", True),
    ("typescript", "/** @template T - it */\nfunction f<T>(x: T) {}\n",
     "/** Return it. */\nfunction f<T>(x: T) {}\n", True),
    ("javascript", '/** @import {A} from "./a" */\nf();\n', "/** About. */\nf();\n", True),
    ("javascript", "/**\n * @typedef {object} A\n * @property {string} a - old\n */\nf();\n",
     "/**\n * @typedef {object} A\n * @property {string} b - old\n */\nf();\n", True),
    ("javascript", "/**\n * @typedef {object} A\n * @property {string} a - old\n */\nf();\n",
     "/**\n * @typedef {object} A\n * @property {string} a - new\n */\nf();\n", False),
    ("javascript", "/** @satisfies {A} */\nf();\n", "f();\n", True),
    ("javascript", "function f(x) {}\n", "/** @param {A} x - it */\nfunction f(x) {}\n", False),
    ("javascript", "f();\n", "/** @param {broken x - it */\nf();\n", False),
    ("javascript", "f();\n",
     "/**\n * @example\n * f({\n *   type: 'x',\n *   ttl: 100,\n * });\n */\nf();\n", False),
    ("javascript", "f();\n", "/**\n * Call it.\n *\n * default: none\n */\nf();\n", False),
    ("javascript", "f();\n/**\n * @openapi\n * /x:\n *   get:\n *     a: b\n */\nf();\n",
     "f();\n/**\n * @openapi\n * /x:\n *   get:\n *     a: c d e\n */\nf();\n", True),
    ("javascript", "f();\n", "/**\n * Call it.\n * @internal\n */\nf();\n", True),
    ("javascript", "f();\n", "/**\n * Call it, gitleaks:allow\n */\nf();\n", True),
    ("javascript", "f();\n", "/** prettier-ignore */\nf();\n", True),
    ("go", "package x\n\nfunc F() {}\n",
     "package x\n\n// F is called so:\n//\n//\tF(T{\n//\t\ttype: 1,\n//\t})\nfunc F() {}\n", False),
    ("javascript", "// #region A\nf();\n", "f();\n", True),
    ("go", "package x\n\n// F is. Deprecated: use G.\nfunc F() {}\n",
     "package x\n\n// F is.\nfunc F() {}\n", True),
    ("go", "package x\n\n// F is.\n//\n// swagger:route GET /x\nfunc F() {}\n",
     "package x\n\n// F is.\nfunc F() {}\n", True),
    ("go", "package x\n\n// F is.\n//go:embed a\nvar f string\n",
     "package x\n\n// F is.\nvar f string\n", True),
    ("go", "package x\n\n// F is.\nfunc F() {}\n",
     "package x\n\n// F is.\n//\n// Deprecated: use G.\nfunc F() {}\n", True),
    ("go", "package x\n\n// F is.\nfunc F() {}\n",
     "package x\n\n// F is.\n//\n//\tF() // an example\nfunc F() {}\n", False),
    ("go", "//go:build linux\n\npackage x\n", "// About.\n\n//go:build linux\n\npackage x\n", True),
    ("go", "//go:build linux\n\npackage x\n", "//go:build linux\n\n// Package x is.\npackage x\n",
     False),
    ("go", "// Copyright X\n\npackage x\n",
     "// Package x is.\n\n// Copyright X\n\npackage x\n", True),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "draft", "refused"), KEPT)
def test_what_tools_read_keeps_its_text_and_its_place(language, text, draft, refused):
    target = DraftTarget(source="x", language=language, text=text, existing_text=text)
    problem = documentation.check_draft(FileDraft(path="x", text=draft), target)
    assert (problem is not None) == refused, problem
    assert "parse" not in (problem or "")


@pytest.mark.parametrize("language", ["rust", "java", "ruby", "shell", ""])
def test_languages_whose_comments_cannot_be_told_from_code_get_no_documentation(language):
    text = "/// Adds.\n///\n/// ```\n/// assert_eq!(f(1), 2);\n/// ```\nfn f(x: i32) {}\n"
    file = SourceFile(
        path="a.x",
        language=language,
        text=text,
        lines=text.split("\n"),
        blob="a" * 40,
        status=ChangeType.ADDED,
        old_path=None,
        old_blob=None,
        diff="",
        parts=(),
        risk=0,
        masked_secrets=0,
    )
    assert "cannot be separated" in documentation.skip_reason(file)
