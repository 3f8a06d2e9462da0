"""Where new tests belong in layouts of real projects, and which files get none.

A new case is one row.
"""

import subprocess
import sys

import pytest

from batch_action.selection.paths import language_of
from batch_action.tasks.testing.frameworks import is_manifest
from batch_action.tasks.testing.layout import SuiteLayout
from batch_action.tasks.testing.literals import exported_value
from batch_action.tasks.testing.pytest_config import pytest_config_of
from batch_action.tasks.testing.python import has_tests
from batch_action.tasks.testing.script_config import glob_pattern
from batch_action.tasks.testing.untestable import reason_by_path, reason_by_text

SUPPORT = "it is part of the tests"
INI = "[tool.pytest.ini_options]\n"
JEST = '{"scripts": {"test": "jest"}}'
VITEST = '{"devDependencies": {"vitest": "^4"}}'
MOCHA = '{"scripts": {"test": "mocha"}}'
NEST = (
    '{"scripts": {"test": "jest"}, "jest": {"rootDir": "src", "testRegex": ".*\\\\.spec\\\\.ts$"}}'
)
NEXT = '{"scripts": {"test": "jest"}, "dependencies": {"next": "16"}}'


def files(*paths, **texts):
    """Return files by path; a keyword is a path with `_` for `.` (`pyproject_toml`)."""
    return dict.fromkeys(paths, "") | {k.replace("_", "."): v for k, v in texts.items()}


PYTHON = [
    # files, source, the path for its tests or why it gets none
    (files(), "shop/money.py", "tests/test_money.py"),
    (files("tests/a/test_money.py"), "shop/b/money.py", "tests/test_b_money.py"),
    (files("tests/a/test_b_money.py", "other/test_money.py"), "shop/b/money.py",
     "tests/test_shop_b_money.py"),
    (files("x/tests/__init__.py", "x/__init__.py", "x/tests/test_a.py", "tests/test_x.py"),
     "x/x.py", "x/tests/test_x.py"),
    (files("tests/b/test_money.py", pyproject_toml=INI + 'addopts = "--import-mode=importlib"\n'),
     "shop/a/money.py", "tests/test_money.py"),
    (files("tests/b/test_money.py", pytest_ini="[pytest]\naddopts = --import-mode importlib\n"),
     "shop/a/money.py", "tests/test_money.py"),
    (files("pkg/core/tests/test_io.py", "pkg/core/tests/__init__.py"), "pkg/core/fmt.py",
     "pkg/core/tests/test_fmt.py"),
    (files("pkg/tests/test_io.py"), "pkg/core/fmt.py", "pkg/tests/test_fmt.py"),
    (files("tests/unit/test_a.py", "tests/integration/test_b.py"), "src/shop/money.py",
     "tests/unit/test_money.py"),
    (files("tests/unit/shop/test_a.py"), "src/shop/money.py", "tests/unit/shop/test_money.py"),
    (files("tests/unit/test_a.py", "tests/shop/test_b.py"), "src/shop/money.py",
     "tests/shop/test_money.py"),
    (files("tests/integration/test_b.py"), "src/shop/money.py", "tests/test_money.py"),
    (files("unit/__init__.py"), "unit/convert.py", "tests/test_convert.py"),
    (files("pkg/integration/client.py"), "pkg/integration/slack.py", "tests/test_slack.py"),
    (files("numpy/testing/test_utils.py", "numpy/testing/a.py"), "numpy/testing/b.py",
     "numpy/testing/test_b.py"),
    (files("testing/test_a.py", "testing/test_b.py"), "testing/helper.py", SUPPORT),
    (files("testing/test_a.py", "testing/test_b.py"), "src/pkg/c.py", "testing/test_c.py"),
    (files("django/test/client.py"), "django/test/runner.py", "tests/test_runner.py"),
    (files(), "pkg/mocks/server.py", "tests/test_server.py"),
    (files(), "spec/parse.py", "tests/test_parse.py"),
    (files(), "tests/helpers.py", SUPPORT),
    (files("checks/test_a.py", "checks/test_b.py"), "shop/money.py", "checks/test_money.py"),
    (files(pyproject_toml=INI + 'testpaths = ["checks"]\n'), "money.py", "checks/test_money.py"),
    (files("tests/test_a.py", "checks/x.py", pytest_ini="[pytest]\ntestpaths = checks\n"),
     "shop/money.py", "checks/test_money.py"),
    (files("packages/a/tests/test_x.py", pytest_ini="[pytest]\ntestpaths = packages/*/tests\n"),
     "packages/a/src/money.py", "packages/a/tests/test_money.py"),
    (files("tests/check_a.py", pytest_ini="[pytest]\npython_files = check_*.py\n"),
     "shop/money.py", "tests/check_money.py"),
    (files("tests/a_spec.py", setup_cfg="[tool:pytest]\npython_files = *_spec.py test_*.py\n"),
     "shop/money.py", "tests/money_spec.py"),
    (files("tests/a_test.py", "tests/b_test.py"), "shop/money.py", "tests/money_test.py"),
    (files(tox_ini="[pytest]\npython_files = *.py\ntestpaths = tests\n"), "shop/money.py",
     "tests/test_money.py"),
    (files("tests/test_old.py", pytest_ini="[pytest]\npython_files = check_*.py\n"),
     "tools/test_runner.py", "tests/check_test_runner.py"),
    (files(pytest_ini="[pytest]\nnorecursedirs = tests\n"), "a.py", "test_a.py"),
    (files(pytest_ini="[pytest]\naddopts = --ignore=tests\n"), "pkg/a.py", "pkg/test_a.py"),
    (files(pytest_ini="[pytest]\nnorecursedirs = tests/unit\n", **{"tests/unit/x.py": ""}),
     "a.py", "tests/test_a.py"),
    (files(pytest_ini="[pytest]\nnorecursedirs = */unit\ntestpaths = tests/unit\n",
           **{"tests/unit/x.py": ""}), "a.py", "tests/unit/test_a.py"),
    (files(pytest_ini="[pytest]\ntestpaths = build/tests\n", **{"build/tests/x.py": ""}),
     "a.py", "build/tests/test_a.py"),
    (files(conftest_py='collect_ignore = ["tests"]\n'), "shop/a.py", "shop/test_a.py"),
    (files(conftest_py='collect_ignore = ["tests/test_a.py", "setup.py"]\n'), "shop/a.py",
     "tests/test_shop_a.py"),
    (files(conftest_py='collect_ignore_glob = ["*_a.py"]\n'), "shop/a.py",
     "tests/test_a_more.py"),
    (files(conftest_py='collect_ignore_glob = ("tests/*",)\n'), "shop/a.py", "shop/test_a.py"),
    (files(conftest_py='import sys\ncollect_ignore: list[str] = []\nif sys.platform != "none":\n'
           '    collect_ignore.append("tests")\n'), "shop/a.py", "shop/test_a.py"),
    (files(conftest_py='collect_ignore = ["tests"]\n',
           **{"tests/conftest.py": "collect_ignore = []\n"}), "shop/a.py", "shop/test_a.py"),
    (files(conftest_py='collect_ignore = ["tests"]\n',
           **{"shop/conftest.py": 'collect_ignore = ["test_a.py"]\n'}), "shop/a.py",
     "shop/test_shop_a.py"),
    (files(**{"tests/conftest.py": "collect_ignore = [str(n) for n in ()]\n"}), "shop/a.py",
     "shop/test_a.py"),
    (files(conftest_py="def pytest_ignore_collect(collection_path):\n    return None\n"),
     "shop/a.py", "what conftest.py keeps pytest from collecting is not written as literals"),
    (files(conftest_py="collect_ignore = []\ncollect_ignore[:] = ['x']\n"), "shop/a.py",
     "what conftest.py keeps pytest from collecting is not written as literals"),
    (files(), "my.tool.py", "tests/test_my_tool.py"),
    (files(), "pkg/__main__.py", "tests/test_pkg.py"),
    (files("pkg/tests/test_util.py"), "pkg/_util.py", "pkg/tests/test_util.py"),
    (files("api/pyproject.toml", "api/tests/test_a.py", "tests/test_b.py"), "api/app/c.py",
     "api/tests/test_c.py"),
]  # fmt: skip
SCRIPTS = [
    (files(package_json=VITEST), "src/cart.ts", "src/cart.test.ts"),
    (files("src/__tests__/a.ts", package_json=VITEST), "src/cart.ts", "src/cart.test.ts"),
    (files("src/__tests__/a.test.ts", "src/b.ts", package_json=VITEST), "src/cart.ts",
     "src/__tests__/cart.test.ts"),
    (files(package_json=VITEST, vitest_config_ts="export default defineConfig({ test: { include: ["
           "'tests/**/*.spec.ts'] } })"), "src/cart.ts", "tests/cart.spec.ts"),
    (files(package_json=VITEST, vite_config_ts="export default defineConfig(() => ({ test: { dir: "
           "'./unit' } }))"), "src/cart.ts", "unit/cart.test.ts"),
    (files(package_json=VITEST, vitest_config_ts="export default mergeConfig(base, defineConfig({"
           " test: { exclude: [...configDefaults.exclude, 'src/**'], root: '.' } }))"),
     "src/cart.ts", "__tests__/cart.test.ts"),
    (files(package_json=VITEST, vitest_config_ts="export default { test: { projects: ['packages/*',"
           " { test: { include: ['lib/**/*.unit.ts'] } }] } }"), "lib/a.ts", "lib/a.unit.ts"),
    (files(package_json=VITEST, vitest_config_ts="export default makeConfig()"), "src/a.ts",
     "src/a.test.ts"),
    (files(package_json=NEST), "src/cats/cats.service.ts", "src/cats/cats.service.spec.ts"),
    (files(package_json=NEST), "test/app.e2e-spec.ts", SUPPORT),
    (files(package_json=JEST, jest_config_js="module.exports = { testMatch: ["
           "'<rootDir>/test/**/*.test.js'] }"), "lib/a.js", "test/a.test.js"),
    (files("test/b.test.js", package_json=JEST, jest_config_ts="const config: Config = { roots: ["
           "'<rootDir>/test'] };\nexport default config;"), "lib/a.js", "test/a.test.js"),
    (files(package_json=JEST, jest_config_mjs="export default { testRegex: '(/__tests__/.*|"
           "(\\\\.|/)(test|spec))\\\\.[jt]sx?$' }"), "src/a.tsx", "src/a.test.tsx"),
    (files(package_json=JEST, jest_config_json='{"testMatch": ["**/*-test.js"]}'), "src/a.js",
     "src/a-test.js"),
    (files(package_json=JEST, jest_config_js="module.exports = createJestConfig({"
           " testPathIgnorePatterns: ['<rootDir>/src/'] })"), "src/a.js", "__tests__/a.test.js"),
    (files(package_json=JEST, jest_config_js="module.exports = { projects: [{ displayName: 'unit',"
           " testMatch: ['<rootDir>/src/**/*.spec.js'] }, { testMatch: ['**/*.e2e.js'] }] }"),
     "src/a.js", "src/a.spec.js"),
    (files(package_json='{"scripts": {"test": "jest --config jest.unit.js"}}',
           **{"jest.unit.js": "module.exports = { testRegex: '\\\\.unit\\\\.js$' }"}),
     "src/a.js", "src/a.unit.js"),
    (files(package_json=JEST, jest_config_js="module.exports = { testMatch: ['**/*.xyz'] }"),
     "src/a.js", "jest is configured to run no test that could be placed for it"),
    (files(package_json=NEXT), "pages/index.tsx", "__tests__/index.test.tsx"),
    (files(package_json=NEXT), "src/pages/api/hello.ts", "__tests__/hello.test.ts"),
    (files("components/a.tsx", "components/a.test.tsx", package_json=NEXT), "pages/api/x.ts",
     "__tests__/x.test.ts"),
    (files("tests/a.test.ts", package_json=NEXT), "pages/b.tsx", "tests/b.test.tsx"),
    (files(package_json=NEXT), "app/shop/page.tsx", "app/shop/page.test.tsx"),
    (files(package_json=VITEST), "src/routes/+page.server.ts", "src/routes/page.server.test.ts"),
    (files(package_json=MOCHA), "lib/a.js", "test/a.test.js"),
    (files("test/b.spec.js", package_json=MOCHA), "lib/a.js", "test/a.spec.js"),
    (files(package_json=MOCHA, **{".mocharc.yml": "spec: spec/**/*.spec.ts\n"}), "src/a.ts",
     "spec/a.spec.ts"),
    (files(package_json='{"mocha": {"spec": "unit", "recursive": true}}'), "src/a.js",
     "unit/a.test.js"),
    (files(package_json='{"scripts": {"test": "mocha -r ts-node/register \'src/**/*.spec.ts\'"}}'),
     "src/a.ts", "src/a.spec.ts"),
    (files(package_json=JEST), "src/mocks/handlers.ts", "src/mocks/handlers.test.ts"),
    (files(package_json=JEST), "src/integration/index.ts", "src/integration/index.test.ts"),
    (files("spec/a.spec.js", "spec/b.spec.js", package_json=JEST), "spec/helper.js", SUPPORT),
    (files(package_json=JEST), "jest.setup.ts", SUPPORT),
    (files("packages/a/package.json", package_json=JEST), "packages/a/src/x.ts",
     "packages/a/src/x.test.ts"),
]  # fmt: skip
GO = [
    (files(), "pkg/cart/cart.go", "pkg/cart/cart_test.go"),
    (files(), "test/util.go", SUPPORT),
    (files(), "unit/unit.go", "unit/unit_test.go"),
    (files(), "integration/client_linux.go", "integration/client_linux_test.go"),
    (files("a/a_test.go"), "a/testdata/x.go", SUPPORT),
]


def locate(tree, path):
    texts = tree | {path: ""}
    layout = SuiteLayout(
        paths=frozenset(texts), manifests={p: t for p, t in texts.items() if is_manifest(p)}
    )
    found = layout.locate_tests(path, language_of(path))
    return found if isinstance(found, str) else found.target


@pytest.mark.parametrize(("tree", "path", "target"), [*PYTHON, *SCRIPTS, *GO])
def test_new_tests_are_where_they_are_collected(tree, path, target):
    assert locate(tree, path) == target


RUN_ALL = """
import os, pathlib, sys
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
import pytest
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.chdir(folder)
        sys.path.insert(0, "")
        options = ["-p", "no:cacheprovider", "--rootdir", ".", "-qrA"]
        print(f"@@ {folder.name}")
        code = int(pytest.main(options))
        print(f"exit {code}", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_pytest_collects_what_is_placed_and_the_session_passes(tmp_path):
    """The project's own tests and the new one run in one session, as pytest finds them."""
    placed = {}
    for number, (tree, path, target) in enumerate(PYTHON):
        if " " in target:
            continue
        folder = placed.setdefault(f"{number:03}", (target, tmp_path / f"{number:03}"))[1]
        tests = {name: "def test_old():\n    pass\n" for name in tree if "/test_" in name}
        for name, text in (tree | tests | {path: "", target: "def test_new(): pass\n"}).items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    sessions = dict(part.split("\n", 1) for part in done.stdout.split("@@ ")[1:] if "\n" in part)
    assert placed.keys() == {name.strip() for name in sessions}, done.stderr
    for name, output in sessions.items():
        assert "exit 0" in output, output
        assert f"PASSED {placed[name][0]}::test_new" in output, output


NAMES = [
    # pytest's options, the text of a test file, whether pytest finds a test in it
    ("", "def test_a(): pass\n", True),
    ("", "def check_a(): pass\n", False),
    ("", "def testing(): pass\n", True),
    ("", "def f():\n    def test_a(): pass\n", False),
    ("", "class TestA:\n    def test_a(self): pass\n", True),
    ("", "class TestA:\n    def check_a(self): pass\n", False),
    ("", "class A:\n    def test_a(self): pass\n", False),
    ("", "import unittest\nclass A(unittest.TestCase):\n    def test_a(self): pass\n", True),
    ("", "class TestA:\n    class TestB:\n        def test_a(self): pass\n", True),
    ("", "if True:\n    def test_a(): pass\n", True),
    ("python_functions = check_*", "def check_a(): pass\n", True),
    ("python_functions = check_*", "def test_a(): pass\n", False),
    ("python_functions = check", "def check(): pass\n", True),
    ("python_functions = *_works it_", "def it_(): pass\n", True),
    ("python_functions = *_works it_", "def a_works(): pass\n", True),
    ("python_functions = *_works it_", "def a_works_well(): pass\n", False),
    ("python_functions = check_*",
     "import unittest\nclass A(unittest.TestCase):\n    def test_a(self): pass\n", True),
    ("python_classes = *Suite", "class ASuite:\n    def test_a(self): pass\n", True),
    ("python_classes = *Suite", "class TestA:\n    def test_a(self): pass\n", False),
    ("python_classes = Check", "class CheckA:\n    def test_a(self): pass\n", True),
]  # fmt: skip


def test_pytest_and_we_find_the_same_tests_in_a_text(tmp_path):
    every = list(dict.fromkeys(options for options, *_ in NAMES))
    for number, (options, text, _) in enumerate(NAMES):
        folder = tmp_path / f"{every.index(options):03}"
        folder.mkdir(exist_ok=True)
        (folder / "pytest.ini").write_text(f"[pytest]\n{options}\n")
        (folder / f"test_{number:03}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    for number, (options, text, expected) in enumerate(NAMES):
        assert (f"PASSED test_{number:03}.py::" in done.stdout) == expected, done.stdout
        config = pytest_config_of("test_x.py", {"pytest.ini": f"[pytest]\n{options}\n"})
        assert has_tests(text, config.functions, config.classes) == expected, (options, text)


UNTESTABLE = [
    ("types/index.d.ts", "", "only types"),
    ("a.d.mts", "", "only types"),
    ("pkg/a.pyi", "", "only types"),
    ("src/Button.stories.tsx", "", "story"),
    ("jest.config.ts", "", "configures a tool"),
    ("vite.config.build.mts", "", "configures a tool"),
    (".eslintrc.cjs", "", "configures a tool"),
    ("gulpfile.babel.js", "", "configures a tool"),
    ("setup.py", "", "configures a tool"),
    ("pkg/conftest.py", "", "configures a tool"),
    ("docs/conf.py", "", "configures a tool"),
    ("shop/migrations/0001_initial.py", "", "migration"),
    ("db/migrations/20240101120000_users.js", "", "migration"),
    ("src/migrations/1712345678901-Users.ts", "", "migration"),
    ("alembic/versions/1a2b3c4d5e6f_users.py", "", "migration"),
    ("x/steps.py", "revision = 'a'\ndown_revision = None\ndef upgrade():\n    f()\n", "migration"),
    ("a.py", "class M(migrations.Migration):\n    def f(self):\n        return 1\n", "migration"),
    ("pkg/__init__.py", '"""Package."""\nfrom .a import b\n__all__ = ["b"]\n', "no function"),
    ("a.py", "class A(Protocol):\n    def f(self) -> int: ...\n", "no function"),
    ("a.py", "@dataclass\nclass A:\n    x: int\n", "no function"),
    ("a.py", "LIMIT = 3\nNAMES = ['a']\n", "no function"),
    ("types.ts", "export interface A { a: string }\nexport type B = A | null;\n", "no function"),
    ("index.ts", "export * from './a';\nexport { b } from './b';\n", "no function"),
    ("index.js", "const a = require('./a');\nmodule.exports = { a };\n", "no function"),
    ("colors.ts", "export const RED = '#f00';\nexport enum E { A }\n", "no function"),
    ("doc.go", "// Package x is.\npackage x\n", "no function"),
    ("types.go", "package x\n\ntype A struct{ B int }\n", "no function"),
]
TESTABLE = [
    ("pkg/__init__.py", "def f():\n    return 1\n"),
    ("a.py", "f = lambda x: x\n"),
    ("a.py", "class A(ABC):\n    def f(self):\n        return self.g()\n"),
    ("src/config.ts", "export const load = () => JSON.parse(read());\n"),
    ("a.ts", "export const schema = z.object({ a: z.string() });\n"),
    ("a.js", "export default class A { f() { return 1; } }\n"),
    ("src/versions/compare.py", "def f():\n    return 1\n"),
    ("migrations/runner.py", "def f():\n    return 1\n"),
    ("a.go", "package x\n\nfunc F() {}\n"),
    ("a.py", "def f(:\n"),
]


@pytest.mark.parametrize(("path", "text", "reason"), UNTESTABLE)
def test_nothing_is_paid_for_what_cannot_be_tested(path, text, reason):
    found = reason_by_path(path) or reason_by_text(text, language_of(path))
    assert reason in (found or "")


@pytest.mark.parametrize(("path", "text"), TESTABLE)
def test_code_is_tested(path, text):
    assert reason_by_path(path) is None
    assert reason_by_text(text, language_of(path)) is None


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("/**/*.{test,spec}.?(c|m)[jt]s?(x)", "/src/a.test.mts", True),
        ("/**/*.{test,spec}.?(c|m)[jt]s?(x)", "/src/a.tests.ts", False),
        ("/**/?(*.)+(spec|test).[jt]s?(x)", "/a/test.js", True),
        ("/**/?(*.)+(spec|test).[jt]s?(x)", "/a/contest.js", False),
        ("/**/__tests__/**/*.[jt]s?(x)", "/__tests__/a/b.jsx", True),
        ("/src/*.js", "/src/a/b.js", False),
        ("/!(node_modules)/*.js", "/src/b.js", True),
        ("/!(node_modules)/*.js", "/node_modules/b.js", False),
        ("/a.[!t]s", "/a.js", True),
        ("/{a,b/{c,d}}/x.js", "/b/d/x.js", True),
        ("/a\\*.js", "/a*.js", True),
    ],
)
def test_globs(glob, path, matches):
    pattern = glob_pattern(glob)
    assert pattern is not None
    assert bool(pattern.search(path)) == matches


@pytest.mark.parametrize(
    "glob", ["/+(a*)b", "/" + "*a" * 9, "/**/" * 40, "/[b-a]", "/(((" + "(" * 99]
)
def test_a_glob_that_cannot_be_read_or_takes_long_counts_as_not_set(glob):
    assert glob_pattern(glob) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("module.exports = { a: ['x', y], b: __dirname + '/z' };",
         {"a": ["x"], "b": "<configDir>/z"}),
        ("export default { a: true } satisfies Config;", {"a": True}),
        ("const c: Config = { a: 'b' };\nexport default c;", {"a": "b"}),
        ("module.exports = async () => { const a = 'x'; return { a }; };", {"a": "x"}),
        ("export default defineConfig(({ mode }) => ({ test: { a: `x` } }))", {"test": {"a": "x"}}),
        ("module.exports = next(dir)({ a: path.join(__dirname, 'x') });", {"a": "<configDir>/x"}),
        ("const base = { a: '1', b: '2' };\nmodule.exports = { ...base, b: '3' };",
         {"a": "1", "b": "3"}),
        ("const a = b; const b = a; module.exports = { a };", {}),
        ("export default function () { return { a: 'x' } }", {"a": "x"}),
        ("export default ['a', { test: {} }]", ["a", {"test": {}}]),
        ("module.exports = {", None),
        ("", None),
    ],
)  # fmt: skip
def test_what_a_configuration_exports(text, value):
    assert exported_value(text) == value
