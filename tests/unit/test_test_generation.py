"""Test generation: frameworks, the location of tests, and checks of a generated test file."""

import json

import pytest

from batch_action.models.generated import DraftTarget, FileDraft
from batch_action.selection.paths import language_of
from batch_action.tasks import test_generation
from batch_action.tasks.testing import python, treesitter
from batch_action.tasks.testing.frameworks import framework_of, is_manifest
from batch_action.tasks.testing.layout import FileTests, SuiteLayout
from batch_action.tasks.testing.pytest_config import pytest_config_of

VITEST = json.dumps({"devDependencies": {"vitest": "^3"}})
JEST = json.dumps({"scripts": {"test": "jest --ci"}, "devDependencies": {"vitest": "^3"}})


def suite(*paths, texts=None, preferred="auto", roots=()):
    """Return the layout of a commit with these paths and manifest texts."""
    files = dict.fromkeys(paths, "") | (texts or {})
    return SuiteLayout(
        paths=frozenset(files),
        manifests={p: t for p, t in files.items() if is_manifest(p)},
        preferred=preferred,
        roots=tuple(roots),
    )


def locate(path, *others, **more):
    return suite(path, *others, **more).locate_tests(path, language_of(path))


class TestFrameworks:
    @pytest.mark.parametrize(
        ("path", "manifests", "preferred", "expected"),
        [
            ("a.py", {}, "auto", "pytest"),
            ("a.py", {}, "vitest", "pytest"),
            ("a.go", {}, "auto", "go"),
            ("a.go", {}, "pytest", "go"),
            ("a.rs", {}, "auto", None),
            ("a.ts", {}, "auto", None),
            ("a.ts", {}, "jest", "jest"),
            ("a.ts", {"package.json": VITEST}, "auto", "vitest"),
            ("a.ts", {"package.json": VITEST}, "jest", "jest"),
            ("src/a.tsx", {"package.json": JEST}, "auto", "jest"),
            ("a.js", {"package.json": '{"jest": {}}'}, "auto", "jest"),
            ("a.js", {"package.json": '{"devDependencies": {"ts-jest": "1"}}'}, "auto", "jest"),
            ("a.js", {"package.json": "{}", "jest.config.js": ""}, "auto", "jest"),
            ("a.js", {"vitest.config.ts": ""}, "auto", "vitest"),
            ("web/a.ts", {"package.json": JEST, "web/package.json": VITEST}, "auto", "vitest"),
            ("web/a.ts", {"package.json": JEST, "web/package.json": "{}"}, "auto", "jest"),
            ("a.ts", {"web/package.json": VITEST}, "auto", None),
            ("a.ts", {"package.json": "{"}, "auto", None),
            ("a.ts", {"package.json": "[1]"}, "auto", None),
            ("a.ts", {"package.json": '{"scripts": 7, "devDependencies": ["jest"]}'}, "auto", None),
            ("a.ts", {"package.json": '{"scripts": {"t": "echo jesting"}}'}, "auto", None),
        ],
    )
    def test_the_framework_of_a_file(self, path, manifests, preferred, expected):
        assert framework_of(path, language_of(path), manifests, preferred) == expected

    @pytest.mark.parametrize(
        ("manifests", "roots", "patterns"),
        [
            ({}, (), ("test_*.py", "*_test.py")),
            (
                {"pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["checks", "x*"]\n'},
                ("checks", "x*"),
                ("test_*.py", "*_test.py"),
            ),
            (
                {"pytest.ini": "[pytest]\ntestpaths = a b/\npython_files = check_*.py\n"},
                ("a", "b"),
                ("check_*.py",),
            ),
            ({"setup.cfg": "[tool:pytest]\ntestpaths = t\n"}, ("t",), ("test_*.py", "*_test.py")),
            ({"pyproject.toml": "[tool"}, (), ("test_*.py", "*_test.py")),
            ({"pyproject.toml": "tool = 3"}, (), ("test_*.py", "*_test.py")),
            ({"tox.ini": "testpaths = x"}, (), ("test_*.py", "*_test.py")),
        ],
    )
    def test_the_pytest_configuration_of_a_file(self, manifests, roots, patterns):
        config = pytest_config_of("src/a.py", manifests)
        assert (config.roots, config.patterns) == (roots, patterns)


LOCATIONS = [
    # path, other files, its existing tests, the path for new tests
    ("shop/money.py", [], [], "tests/test_money.py"),
    ("money.py", ["tests/test_orders.py"], [], "tests/test_money.py"),
    ("money.py", ["test_orders.py"], [], "test_money.py"),
    ("shop/money.py", ["tests/test_money.py"], ["tests/test_money.py"], "tests/test_money.py"),
    ("shop/money.py", ["test/money_test.py"], ["test/money_test.py"], "test/money_test.py"),
    ("src/shop/money.py", ["tests/shop/test_x.py"], [], "tests/shop/test_money.py"),
    ("src/shop/a/money.py", ["tests/unit/shop/a/test_x.py"], [], "tests/unit/shop/a/test_money.py"),
    ("shop/money.py", ["shop/test_orders.py"], [], "shop/test_money.py"),
    (
        "shop/money.py",
        ["shop/tests/test_money.py"],
        ["shop/tests/test_money.py"],
        "shop/tests/test_money.py",
    ),
    ("shop/__init__.py", ["tests/test_shop.py"], ["tests/test_shop.py"], "tests/test_shop.py"),
    # A stem that two files share is ambiguous.
    (
        "a/utils.py",
        ["b/utils.py", "tests/test_utils.py"],
        ["tests/test_utils.py"],
        "tests/test_a_utils.py",
    ),
    ("a/utils.py", ["b/utils.py", "tests/b/test_utils.py"], [], "tests/test_a_utils.py"),
    (
        "a/utils.py",
        ["b/utils.py", "tests/a/test_utils.py"],
        ["tests/a/test_utils.py"],
        "tests/a/test_utils.py",
    ),
    (
        "utils.py",
        ["b/utils.py", "tests/test_utils.py"],
        ["tests/test_utils.py"],
        "tests/test_utils.py",
    ),
    # Each package of a monorepo has its own tests.
    ("api/app/x.py", ["api/pyproject.toml", "web/tests/test_x.py"], [], "api/tests/test_app_x.py"),
    ("cart.go", [], [], "cart_test.go"),
    ("cart.go", ["cart_test.go"], ["cart_test.go"], "cart_test.go"),
]
WEB = [
    ("src/cart.ts", [], [], "src/cart.test.ts"),
    ("src/cart.tsx", ["src/a.spec.ts", "src/b.spec.tsx"], [], "src/cart.spec.tsx"),
    ("src/cart.ts", ["src/cart.spec.ts"], ["src/cart.spec.ts"], "src/cart.spec.ts"),
    ("src/cart.ts", ["src/__tests__/a.ts"], [], "src/__tests__/cart.test.ts"),
    ("src/cart.ts", ["src/__tests__/cart.ts"], ["src/__tests__/cart.ts"], "src/__tests__/cart.ts"),
    ("src/cart.mjs", ["tests/a.test.mjs"], [], "tests/cart.test.mjs"),
    ("src/a/cart.js", ["tests/a/b.test.js"], [], "tests/a/cart.test.js"),
    (
        "src/cart/index.ts",
        ["src/cart/cart.test.ts"],
        ["src/cart/cart.test.ts"],
        "src/cart/cart.test.ts",
    ),
    ("src/a/x.ts", ["src/b/x.ts", "tests/x.test.ts"], ["tests/x.test.ts"], "tests/a_x.test.ts"),
]


class TestLocations:
    @pytest.mark.parametrize(("path", "others", "tests", "target"), LOCATIONS)
    def test_by_convention(self, path, others, tests, target):
        file_tests = locate(path, *others)
        assert isinstance(file_tests, FileTests), file_tests
        assert (list(file_tests.tests), file_tests.target) == (tests, target)

    @pytest.mark.parametrize(("path", "others", "tests", "target"), WEB)
    def test_scripts_by_convention(self, path, others, tests, target):
        file_tests = locate(path, *others, texts={"package.json": JEST})
        assert isinstance(file_tests, FileTests), file_tests
        assert (list(file_tests.tests), file_tests.target) == (tests, target)

    def test_configured_locations(self):
        assert (
            locate("shop/x.py", "tests/test_a.py", roots=["checks/"]).target == "checks/test_x.py"
        )
        file_tests = locate("web/x.ts", texts={"web/package.json": VITEST}, roots=["web/t"])
        assert file_tests.target == "web/t/x.test.ts"
        config = '[tool.pytest.ini_options]\ntestpaths = ["checks"]\n'
        file_tests = locate("x.py", "checks/a.py", texts={"pyproject.toml": config})
        assert file_tests.target == "checks/test_x.py"

    @pytest.mark.parametrize(
        ("path", "others", "problem"),
        [
            ("tests/test_x.py", [], "part of the tests"),
            ("tests/helpers.py", [], "part of the tests"),
            ("conftest.py", [], "part of the tests"),
            ("x_test.go", [], "part of the tests"),
            ("x.rs", [], "tests in rust are not supported"),
            ("README.md", [], "tests in markdown are not supported"),
            ("x.ts", [], "no jest, vitest or mocha"),
            ("x.go", ["x_test.go", "x_more_test.go"], "every name"),
        ],
    )
    def test_files_without_tests(self, path, others, problem):
        assert problem in locate(path, *others)


OLD = '''\
"""Tests."""
import pytest
from shop import money  # ours

PRICES = [1, 2]


@pytest.fixture
def till():
    return {}


class TestTotal:
    rate = 2

    def test_one(self):
        assert money.total([1]) == 1


def test_two(till):
    # by hand
    assert money.total(PRICES) == 3
'''
EXTENSIONS = [
    [],
    [("import pytest\n", "import pytest\nimport os\n")],
    [("from shop import money", "from shop import money, orders")],
    [("def test_two", "def test_more():\n    assert True\n\n\ndef test_two")],
    [
        (
            "        assert money.total([1]) == 1\n",
            "        assert money.total([1]) == 1\n\n    def test_none(self):\n        pass\n",
        )
    ],
    [("PRICES = [1, 2]\n", "PRICES = [1, 2]\nMORE = [3]\n")],
]
REDUCTIONS = [
    ([("def test_two", "def test_2")], python.DROPS_CODE),
    ([("== 3", "== 4")], python.DROPS_CODE),
    ([("(till)", "()")], python.DROPS_CODE),
    ([("[1, 2]", "[1]")], python.DROPS_CODE),
    ([("@pytest.fixture\n", "")], python.DROPS_CODE),
    ([("import pytest\n", "")], python.DROPS_CODE),
    ([("import money", "import money as coins")], python.DROPS_CODE),
    ([("class TestTotal:", "class TestTotal(Base):")], python.DROPS_CODE),
    ([("    rate = 2\n\n", "")], python.DROPS_CODE),
    ([("    # by hand\n", "")], "comments"),
    ([("  # ours", "")], "comments"),
    (
        [("PRICES = [1, 2]\n", "PRICES = [1, 2]\npytestmark = pytest.mark.skip\n")],
        python.REDEFINES_NAME,
    ),
    ([("PRICES = [1, 2]\n", "PRICES = [1, 2]\nprint(1)\n")], python.RUNS_CODE),
    ([("PRICES = [1, 2]\n", "PRICES = [1, 2]\nif True:\n    x = 1\n")], python.RUNS_CODE),
    ([("== 3\n", "== 3\n\n\ndef test_two():\n    pass\n")], python.REDEFINES_NAME),
    ([("== 3\n", "== 3\n\n\ntest_two = None\n")], python.REDEFINES_NAME),
    ([("== 3\n", "== 3\n\n\nfrom x import till\n")], python.REDEFINES_NAME),
    ([("== 3\n", "== 3\n\n\ndel test_two\n")], python.RUNS_CODE),
    ([("== 1\n", "== 1\n\n    test_one = None\n")], python.REDEFINES_NAME),
    ([("def test_two", "def test_two(")], "does not parse"),
]


def edited(text, *pairs):
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class TestPythonTests:
    @pytest.mark.parametrize("pairs", EXTENSIONS)
    def test_extensions_are_accepted(self, pairs):
        assert python.extension_problem(OLD, edited(OLD, *pairs)) is None

    @pytest.mark.parametrize(("pairs", "problem"), REDUCTIONS)
    def test_reductions_are_refused(self, pairs, problem):
        assert problem in (python.extension_problem(OLD, edited(OLD, *pairs)) or "")

    def test_recognized_tests(self):
        assert python.has_tests("def test_x(): pass")
        assert python.has_tests("class TestX:\n    def test_y(self): pass")
        assert not python.has_tests("def check(): pass")
        assert not python.has_tests("def test_x(: pass")


SPEC = """\
// Tests of the cart.
import { expect, test } from "vitest";
import cart from "./cart";

const lines = [1, 2];

describe("the cart", () => {
  const one = cart(lines);

  test("counts", () => {
    // by hand
    expect(one.pieces).toBe(3);
  });
});

test.each([[1], [2]])("of %d", (n) => expect(cart([n]).pieces).toBe(n));
"""
SPEC_EXTENSIONS = [
    [],
    [("{ expect, test }", "{ describe, expect, test }")],
    [('import cart from "./cart";', 'import cart from "./cart";\nimport x from "./x";')],
    [('  test("counts"', '  it("is new", () => {});\n\n  test("counts"')],
    [("const lines = [1, 2];", "const lines = [1, 2];\n\nfunction helper() {}")],
    [("toBe(3)", "toBe(3) /* three */")],
    [("test.each([[1]", "describe('more', () => { test('a', () => {}); });\n\ntest.each([[1]")],
]
SPEC_REDUCTIONS = [
    ([("toBe(3)", "toBe(4)")], python.DROPS_CODE),
    ([('"counts"', '"counts all"')], python.DROPS_CODE),
    ([('"the cart"', '"a cart"')], python.DROPS_CODE),
    ([("{ expect, test }", "{ test }")], python.DROPS_CODE),
    ([('import cart from "./cart";\n', "")], python.DROPS_CODE),
    ([("import cart from", "import * as cart from")], python.DROPS_CODE),
    ([("  const one = cart(lines);\n", "")], python.DROPS_CODE),
    ([("    // by hand\n", "")], "comments"),
    ([("// Tests of the cart.\n", "")], "comments"),
    ([("const lines", 'vi.mock("./cart");\nconst lines')], python.RUNS_CODE),
    ([("const lines", "beforeEach(() => {});\nconst lines")], python.RUNS_CODE),
    ([("  const one", "  afterEach(() => {});\n  const one")], python.RUNS_CODE),
    ([("test.each([[1]", "function lines() {}\ntest.each([[1]")], python.REDEFINES_NAME),
    ([("(n) => expect", "(n) => (0, expect)")], python.DROPS_CODE),
    ([("describe(", "describe((")], "does not parse"),
]


GO = """\
// Copyright nobody.

package cart

import (
\t"testing"

\tmoney "shop/money" // ours
)

const one, two = 1, 2

type till struct{ open bool }

func (t *till) shut() { t.open = false }

var tills = []till{{open: true}}

// TestTotal adds.
func TestTotal(t *testing.T) {
\t// by hand
\tif got := Total(one, two); got != money.Of(3) {
\t\tt.Errorf("got %v", got)
\t}
}
"""
MORE = "func TestNone(t *testing.T) {\n\tif Total() != 0 {\n\t\tt.Fail()\n\t}\n}\n"
GO_EXTENSIONS = [
    [],
    [("// TestTotal adds.", f"{MORE}\n// TestTotal adds.")],
    [('\t"testing"\n', '\t"errors"\n\t"testing"\n')],
    [("const one", 'import "errors"\n\nconst one')],
    [("var tills", "var errSold = errors.New(`sold`)\n\nvar _ = 1\n\nvar tills")],
    [("var tills", "type box struct{}\n\nfunc (b *box) shut() {}\n\nvar tills")],
    [("// TestTotal adds.", "func helper() {}\n\nfunc ExampleTotal() {}\n\n// TestTotal adds.")],
]
GO_REDUCTIONS = [
    ([("Of(3)", "Of(4)")], python.DROPS_CODE),
    ([("package cart", "package cart_test")], python.DROPS_CODE),
    ([("TestTotal(", "TestAll(")], python.DROPS_CODE),
    ([('\tmoney "shop/money" // ours\n', "")], python.DROPS_CODE),
    ([('money "shop/money"', 'money "evil/money"')], python.DROPS_CODE),
    ([("one, two = 1, 2", "one, two = 1, 3")], python.DROPS_CODE),
    ([("t.open = false", "t.open = true")], python.DROPS_CODE),
    ([("[]till{{open: true}}", "[]till{}")], python.DROPS_CODE),
    ([("\t// by hand\n", "")], "comments"),
    ([(" // ours", "")], "comments"),
    ([("// TestTotal adds.", "func init() {}\n\n// TestTotal adds.")], python.RUNS_CODE),
    (
        [("// TestTotal adds.", "func TestMain(m *testing.M) {}\n\n// TestTotal adds.")],
        python.RUNS_CODE,
    ),
    ([("var tills", "var two = 3\n\nvar tills")], python.REDEFINES_NAME),
    ([("var tills", "func (t *till) shut() {}\n\nvar tills")], python.REDEFINES_NAME),
    ([("var tills", "type (\n\ta int\n\ttill int\n)\n\nvar tills")], python.REDEFINES_NAME),
    ([("func TestTotal(t", "func TestTotal((t")], "does not parse"),
]


class TestGoTests:
    @pytest.mark.parametrize("pairs", GO_EXTENSIONS)
    def test_extensions_are_accepted(self, pairs):
        assert treesitter.extension_problem(GO, edited(GO, *pairs), "go") is None

    @pytest.mark.parametrize(("pairs", "problem"), GO_REDUCTIONS)
    def test_reductions_are_refused(self, pairs, problem):
        assert problem in (treesitter.extension_problem(GO, edited(GO, *pairs), "go") or "")

    @pytest.mark.parametrize(
        ("name", "is_test"),
        [
            ("TestX", True),
            ("Test", True),
            ("Test_x", True),
            ("FuzzÄ", True),
            ("ExampleTotal_none", True),
            ("Testing", False),
            ("TestMain", False),
            ("testX", False),
            ("Help", False),
        ],
    )
    def test_recognized_tests(self, name, is_test):
        text = f"package x\n\nfunc {name}(t *testing.T) {{}}\n"
        assert treesitter.has_tests(text, "go") == is_test
        assert not treesitter.has_tests(f"package x\n\nfunc (t T) {name}() {{}}\n", "go")


class TestScriptTests:
    @pytest.mark.parametrize("pairs", SPEC_EXTENSIONS)
    def test_extensions_are_accepted(self, pairs):
        assert treesitter.extension_problem(SPEC, edited(SPEC, *pairs), "typescript") is None

    @pytest.mark.parametrize(("pairs", "problem"), SPEC_REDUCTIONS)
    def test_reductions_are_refused(self, pairs, problem):
        assert problem in (
            treesitter.extension_problem(SPEC, edited(SPEC, *pairs), "typescript") or ""
        )

    def test_recognized_tests(self):
        assert treesitter.has_tests("describe('x', () => { it('y', () => {}) })", "javascript")
        assert treesitter.has_tests("test.each([1])('y', () => {})", "javascript")
        assert not treesitter.has_tests("describe('x', () => {})", "javascript")
        assert not treesitter.has_tests("// it('x')", "javascript")

    @pytest.mark.parametrize(
        ("text", "exclusive"),
        [
            ("it.only('x')", True),
            ("describe\n  .only('x')", True),
            ("test.only.each([1])('x')", True),
            ("fit('x')", True),
            ("it('x')", False),
            ("onlyOnce()", False),
            ("only.once()", False),
            ("it('x', () => profit(1))", False),
            ("it('of .only fit()')", False),
        ],
    )
    def test_exclusive_tests(self, text, exclusive):
        assert treesitter.is_exclusive(text, "javascript") == exclusive


def check_draft(path, draft, *, present=None, shown=True, **target):
    site = DraftTarget(
        **{
            "source": "x.py",
            "language": "python",
            "text": "package x\n",
            "existing_text": present,
            "tests": frozenset({path}) if shown else frozenset(),
            "framework": "pytest",
            "test_path": "tests/test_x.py",
            "path_is_test": False,
        }
        | target
    )
    return test_generation.check_draft(FileDraft(path=path, text=draft), site)


class TestCheckDraft:
    @pytest.mark.parametrize(
        ("path", "is_test", "problem"),
        [
            ("tests/test_x.py", False, None),
            ("tests/test_more.py", True, None),
            ("tests/test_more.py", False, "is not where pytest would look for tests"),
            ("tests/conftest.py", False, "is not where"),
            ("tests/test_x.sh", True, "is not where"),
            ("other/test_x.py", True, "is not where"),
            ("tests/sub/test_x.py", True, "is not where"),
        ],
    )
    def test_the_path_must_be_a_test_path(self, path, is_test, problem):
        result = check_draft(path, "def test_x():\n    assert 1\n", path_is_test=is_test)
        assert (result is None) == (problem is None)
        assert (problem or "") in (result or "")

    @pytest.mark.parametrize(
        ("package", "accepted"), [("x", True), ("x_test", True), ("y", False), ("main", False)]
    )
    def test_a_go_test_is_in_the_package_of_the_file(self, package, accepted):
        text = f"package {package}\n\nfunc TestX(t *testing.T) {{}}\n"
        result = check_draft("x_test.go", text, framework="go", test_path="x_test.go")
        assert (result is None) == accepted

    @pytest.mark.parametrize(
        ("declared", "others", "problem"),
        [
            ("func TestX(t *testing.T) {}", [], None),
            ("func TestX(t *testing.T) {}", ["package x\nfunc TestY(t *testing.T) {}\n"], None),
            ("func TestX(t *testing.T) {}", ["package x\nfunc TestX(t *testing.T) {}\n"], "TestX"),
            ("func TestX(t *testing.T) {}", ["package x_test\nfunc TestX() {}\n"], None),
            ("func TestX(t *testing.T) {}\nvar sum = 1", ["package x\nfunc sum() {}\n"], "sum"),
            ("func TestX(t *testing.T) {}\nfunc TestX(t *testing.T) {}", [], "TestX"),
            ("func TestX(t *testing.T) {}\nfunc init() {}", ["package x\nfunc init() {}\n"], None),
            ("func TestX(t *testing.T) {}\nvar _ = 1", ["package x\nvar _ = 2\n"], None),
            ("func TestX(t *testing.T) {}\nfunc (t *till) shut() {}",
             ["package x\ntype till struct{}\nfunc (x till) shut() {}\n"], "till.shut"),
            ("func TestX(t *testing.T) {}\nfunc (b box) shut() {}",
             ["package x\nfunc (x till) shut() {}\n"], None),
            ("func TestX(t *testing.T) {}", ["package x\nfunc TestX("], None),
        ],
    )  # fmt: skip
    def test_a_go_test_declares_nothing_that_its_package_has(self, declared, others, problem):
        text = f'package x\n\nimport "testing"\n\n{declared}\n'
        go = {
            "framework": "go",
            "test_path": "x_test.go",
            "package_names": tuple(map(treesitter.go_names, others)),
        }
        result = check_draft("x_test.go", text, **go)
        assert (result is None) == (problem is None), result
        assert (problem or "") in (result or "")
        # What was there before is nobody's fault.
        assert check_draft("x_test.go", text, present=text, **go) is None

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("def test_a(): pass\ndef test_b(): pass\n", None),
            ("def test_a(): pass\ndef test_a(): pass\n", "defines test_a twice"),
            ("def helper(): pass\ndef helper(): pass\ndef test_a(): pass\n", None),
            ("class TestA:\n    def test_a(self): pass\n    def test_a(self): pass\n",
             "defines TestA.test_a twice"),
            ("class TestA:\n    def test_a(self): pass\nclass TestA:\n    def test_b(self): pass\n",
             "defines TestA twice"),
            ("class TestA:\n    def test_a(self): pass\nclass TestB:\n    def test_a(self): pass\n",
             None),
            ("if x:\n    def test_a(): pass\nelse:\n    def test_a(): pass\n", None),
        ],
    )  # fmt: skip
    def test_no_test_hides_another_one(self, text, problem):
        result = check_draft("tests/test_x.py", text)
        assert (result is None) == (problem is None), result
        assert (problem or "") in (result or "")
        assert check_draft("tests/test_x.py", text, present=text) is None

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("const a = 1;\ntest('a', () => {});\n", None),
            ("const a = 1;\nconst a = 2;\ntest('a', () => {});\n", "declares a"),
            ("class A {}\nlet A;\ntest('a', () => {});\n", "declares A"),
            ("type A = 1;\nconst A = 1;\ntest('a', () => { const A = 1; });\n", None),
        ],
    )
    def test_a_script_declares_no_name_twice(self, text, problem):
        result = check_draft("x.test.ts", text, framework="vitest", test_path="x.test.ts")
        assert (result is None) == (problem is None), result
        assert (problem or "") in (result or "")

    def test_tests_are_named_as_the_project_names_them(self):
        names = {"function_patterns": ("check_*",), "class_patterns": ("*Suite",)}
        for text in ("def check_a(): pass\n", "class ASuite:\n    def check_a(self): pass\n"):
            assert check_draft("tests/test_x.py", text, **names) is None
            assert "has no test" in check_draft("tests/test_x.py", text)
        assert "has no test" in check_draft("tests/test_x.py", "def test_a(): pass\n", **names)

    def test_a_file_that_was_not_shown_in_full_is_not_overwritten(self):
        assert check_draft("tests/test_x.py", OLD, present=OLD) is None
        result = check_draft("tests/test_x.py", OLD, present=OLD, shown=False)
        assert result == "would overwrite a file that was not shown in full"
        assert (
            check_draft("tests/test_x.py", "def test_a(): pass\n", present=OLD) == python.DROPS_CODE
        )

    def test_it_must_have_a_test_that_parses(self):
        assert "has no test" in check_draft("tests/test_x.py", "x = 1\n")
        assert "has no test" in check_draft("tests/test_x.py", "def test_x(:\n")
        web = {"framework": "vitest", "test_path": "x.test.ts"}
        assert check_draft("x.test.ts", "test('a', () => { let x: number = 1; });", **web) is None
        assert check_draft("x.test.ts", "let x = 1;", **web) == "has no test"
        assert check_draft("x.test.ts", "test('a', () => {", **web) == "does not parse"
        assert "disables all other tests" in check_draft(
            "x.test.ts", "test.only('a', () => {});", **web
        )
        assert check_draft("x.test.ts", SPEC, present=SPEC, **web) is None
        go = {"framework": "go", "test_path": "x_test.go"}
        assert check_draft("x_test.go", "package x\nfunc TestX(t *testing.T) {}\n", **go) is None
        assert check_draft("x_test.go", "package x\n", **go) == "has no test"
        assert check_draft("x_test.go", "package x\nfunc TestX(", **go) == "does not parse"
        assert check_draft("x_test.go", GO + MORE, present=GO, **go, text="package cart\n") is None
        assert check_draft("x_test.go", MORE, **go) == "has no test"
        assert check_draft("x_test.go", MORE, present=GO, **go) == "has no test"

    def test_a_source_file_that_gets_no_tests_anymore(self):
        result = check_draft("tests/test_x.py", OLD, framework="", test_path="")
        assert result == "is not where any framework would look for tests"


@pytest.mark.parametrize(
    "head",
    [
        "# coding: utf-7\n",
        "# -*- coding: UTF-7 -*-\n",
        "#!/usr/bin/python\n# vim: set fileencoding=utf_7 :\n",
        "\n# coding=utf-7\n",
        "\r# coding: utf-7\n",
        "\r\n# coding: utf-7\r\n",
        "\f# coding: utf-7\n",
        "#\r# coding: utf-7\n",
        "# coding: latin-1\n",
        "# coding: unicode_escape\n",
        "# coding: no-such-codec\n",
        "# coding: utf-16\n",
    ],
)
def test_generated_python_is_utf8_and_nothing_else(head):
    """A comment with `+AAo-` is a line of code in UTF-7."""
    text = f"{head}# +AAo-import os+AAo-os.abort()\ndef test_a():\n    assert True\n"
    assert check_draft("tests/test_x.py", text) == "has no test that parses as UTF-8"


@pytest.mark.parametrize(
    "head", ["", "# coding: utf-8\n", "# -*- coding: UTF_8 -*-\n", "#!x\n#é\n"]
)
def test_utf8_may_be_declared(head):
    text = f"{head}# +AAo-import os\ndef test_a():\n    assert 'coding: utf-7'\n"
    assert check_draft("tests/test_x.py", text) is None


@pytest.mark.parametrize(
    ("path", "text", "lines"),
    [
        ("test_x.py", "import os\nX = [1]\n\n\ndef test_a():\n    os.abort()\n", []),
        ("test_x.py", "import os\nos.system('x')\n", [2]),
        ("test_x.py", "X = open('y').read()\n", [1]),
        ("test_x.py", "@pytest.fixture(scope='module')\ndef a():\n    run()\n", []),
        ("test_x.py", "@evil()\ndef test_a():\n    pass\n", [1]),
        ("test_x.py", "def test_a(x=evil()):\n    pass\n", [1]),
        ("test_x.py", "class TestA:\n    evil()\n    def test_a(self):\n        run()\n", [2]),
        ("test_x.py", "if True:\n    for x in y():\n        del x\n", [2, 3]),
        ("test_x.py", "X = pytest.__builtins__['eval']('1')\n", [1]),
        ("test_x.py", "pytest.main(['x'])\npytest.exit('x')\n", [1, 2]),
        ("test_x.py", "@(lambda f: evil(f))\ndef test_a():\n    pass\n", [1]),
        ("test_x.py", "@os.system\ndef test_a():\n    pass\n", [1]),
        ("test_x.py", "@pytest.fixture\ndef a():\n    run()\n", []),
        (
            "test_x.py",
            "@pytest.mark.slow\nclass TestA:\n    @staticmethod\n    def f():\n        run()\n",
            [],
        ),
        ("test_x.py", "def test_a() -> evil():\n    pass\n", [1]),
        ("test_x.py", "class TestA(evil()):\n    pass\n", [1]),
        ("test_x.py", "class TestA(metaclass=evil):\n    pass\n", [1]),
        ("test_x.py", "X = lambda a=evil(): a\n", [1]),
        ("test_x.py", "X = pytest.param(evil())\nY = lambda: fine()\n", [1]),
        ("x.test.js", "import a from 'a';\ndescribe('x', () => { test('y', () => f()); });\n", []),
        ("x.test.js", "const a = 1;\nfunction f() { g(); }\ntest('y', () => f());\n", []),
        ("x.test.ts", "evil();\nconst a = new Evil();\nawait evil();\ntest('y', f);\n", [1, 2, 3]),
        ("x_test.go", 'package x\n\nimport "os"\n\nfunc TestA(t *testing.T) { os.Exit(1) }\n', []),
        ("x_test.go", "package x\n\nvar a = evil()\n", [3]),
        ("x_test.go", "package x\n\nfunc init() { evil() }\n", [3]),
        ("x.test.js", "describe('x', () => {\n  evil();\n  test('a', () => f());\n});\n", [2]),
        ("x.test.js", "describe('x', () => {\n  beforeEach(() => f());\n});\n", []),
        ("x.test.js", "describe.each([1])('x', () => {\n  it.each(evil())('a', f);\n});\n", [2]),
        ("x.test.js", "test('y', evil());\n", [1]),
        ("x.test.js", "describe('y', () => evil());\n", [1]),
        ("x.test.js", "const a = `${evil()}`;\n", [1]),
    ],
)
def test_what_runs_when_a_new_file_is_loaded_is_known(path, text, lines):
    assert test_generation.lines_run_at_import(path, text) == lines
