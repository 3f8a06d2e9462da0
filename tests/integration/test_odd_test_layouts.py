"""Where tests are drafted in the layouts of real projects, through submit and collect.

A new case is one row: the files of a project, the changed one, and the path of its draft or a part
of the reason why there is none.
"""

import json
import re
from collections.abc import Mapping

from batch_action.sandbox.reviewer.prompts import read_prompt
from tests.harness.workflow import WorkflowHarness

PY = "def total(prices):\n    return sum(prices)\n"
TS = "export function total(prices: number[]): number {\n  return prices.length;\n}\n"
JS = "export function total(prices) {\n  return prices.length;\n}\n"
GO = "package cart\n\nfunc Total(n int) int { return n }\n"
PY_TEST = "def test_old():\n    assert True\n"
JS_TEST = "test('old', () => { expect(1).toBe(1); });\n"
GO_TEST = 'package cart\n\nimport "testing"\n\nfunc TestOld(t *testing.T) {}\n'


DJANGO = """\
[tool.pytest.ini_options]
DJANGO_SETTINGS_MODULE = "site.settings"
python_files = ["tests.py", "test_*.py", "*_tests.py"]
"""
TS_JEST = """\
/** @type {import('ts-jest').JestConfigWithTsJest} */
module.exports = {
  preset: 'ts-jest',
  testEnvironment: 'node',
  roots: ['<rootDir>/src'],
};
"""
NEXT_JEST = """\
import nextJest from 'next/jest.js'
const createJestConfig = nextJest({ dir: './' })
export default createJestConfig({ testEnvironment: 'jsdom' })
"""
VITE = """\
import { defineConfig } from 'vitest/config'
export default defineConfig({
  plugins: [vue()],
  test: { environment: 'jsdom', include: ['test/**/*.test.ts'] },
})
"""
NONE = "no jest, vitest or mocha"


def package(test: str = "", **fields: object) -> str:
    """Return a package.json with this `test` script."""
    return json.dumps({"name": "a", "scripts": {"test": test} if test else {}, **fields})


def dev(*names: str) -> dict[str, dict[str, str]]:
    return {"devDependencies": dict.fromkeys(names, "^1")}


Row = tuple[Mapping[str, str], str, str]
ROWS: dict[str, Row] = {
    "src layout": (
        {
            "pyproject.toml": "[tool.pytest.ini_options]\n",
            "src/shop/__init__.py": "",
            "tests/test_old.py": PY_TEST,
        },
        "src/shop/cart.py",
        "tests/test_cart.py",
    ),
    "src layout, mirrored": (
        {
            "pyproject.toml": "",
            "src/shop/api/__init__.py": "",
            "src/shop/__init__.py": "",
            "tests/api/test_old.py": PY_TEST,
            "tests/api/__init__.py": "",
            "tests/__init__.py": "",
        },
        "src/shop/api/cart.py",
        "tests/api/test_cart.py",
    ),
    "tests beside the code": (
        {"setup.cfg": "[tool:pytest]\n", "shop/__init__.py": "", "shop/test_old.py": PY_TEST},
        "shop/cart.py",
        "shop/test_cart.py",
    ),
    "tests in the package": (
        {
            "setup.py": "",
            "shop/__init__.py": "",
            "shop/core/__init__.py": "",
            "shop/core/tests/__init__.py": "",
            "shop/core/tests/test_old.py": PY_TEST,
        },
        "shop/core/cart.py",
        "shop/core/tests/test_cart.py",
    ),
    "Django, tests.py": (
        {
            "pyproject.toml": "",
            "manage.py": PY,
            "shop/__init__.py": "",
            "shop/apps.py": "",
            "shop/tests.py": "from django.test import TestCase\n",
        },
        "shop/cart.py",
        "tests/test_cart.py",
    ),
    "Django, tests folder": (
        {
            "pyproject.toml": DJANGO,
            "manage.py": PY,
            "shop/__init__.py": "",
            "shop/tests/__init__.py": "",
            "shop/tests/test_old.py": PY_TEST,
        },
        "shop/cart.py",
        "shop/tests/test_cart.py",
    ),
    "Flask": (
        {
            "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n',
            "flaskr/__init__.py": "",
            "tests/conftest.py": "",
            "tests/test_old.py": PY_TEST,
        },
        "flaskr/cart.py",
        "tests/test_cart.py",
    ),
    "FastAPI, app/tests": (
        {
            "pyproject.toml": "",
            "app/__init__.py": "",
            "app/tests/__init__.py": "",
            "app/tests/api/__init__.py": "",
            "app/tests/api/test_old.py": PY_TEST,
        },
        "app/api/cart.py",
        "app/tests/api/test_cart.py",
    ),
    "test, not tests": (
        {
            "setup.py": "",
            "shop/__init__.py": "",
            "test/test_old.py": PY_TEST,
            "test/test_older.py": PY_TEST,
        },
        "shop/cart.py",
        "test/test_cart.py",
    ),
    "tox.ini": (
        {"tox.ini": "[pytest]\ntestpaths = t\npython_files = t_*.py\n", "t/t_old.py": PY_TEST},
        "shop/cart.py",
        "t/t_cart.py",
    ),
    "pytest.toml": (
        {"pytest.toml": '[pytest]\ntestpaths = ["checks"]\n', "checks/test_old.py": PY_TEST},
        "shop/cart.py",
        "checks/test_cart.py",
    ),
    "private module": (
        {"pyproject.toml": "", "src/shop/__init__.py": "", "tests/test_old.py": PY_TEST},
        "src/shop/_cart.py",
        "tests/test__cart.py",
    ),
    "unit and integration": (
        {
            "pyproject.toml": "",
            "shop/__init__.py": "",
            "tests/unit/test_old.py": PY_TEST,
            "tests/integration/test_b.py": PY_TEST,
        },
        "shop/cart.py",
        "tests/unit/test_cart.py",
    ),
    "namespace packages": (
        {"pyproject.toml": "", "src/acme/shop/__init__.py": "", "tests/shop/test_old.py": PY_TEST},
        "src/acme/shop/cart.py",
        "tests/shop/test_cart.py",
    ),
    "create-react-app": (
        {"package.json": package("react-scripts test", dependencies={"react-scripts": "5"})},
        "src/cart.js",
        "src/cart.test.js",
    ),
    "jest, __tests__": (
        {"package.json": package("jest"), "src/__tests__/old.test.js": JS_TEST},
        "src/cart.js",
        "src/__tests__/cart.test.js",
    ),
    "jest, test folder": (
        {
            "package.json": package("jest"),
            "test/old.test.js": JS_TEST,
            "test/older.test.js": JS_TEST,
        },
        "lib/cart.js",
        "test/cart.test.js",
    ),
    "ts-jest": (
        {"package.json": package("jest", **dev("jest", "ts-jest")), "jest.config.js": TS_JEST},
        "src/cart.ts",
        "src/cart.test.ts",
    ),
    "Nest": (
        {
            "package.json": package(
                "jest", jest={"rootDir": "src", "testRegex": ".*\\.spec\\.ts$"}
            ),
            "src/app.controller.spec.ts": JS_TEST,
        },
        "src/cart/cart.service.ts",
        "src/cart/cart.service.spec.ts",
    ),
    "Next": (
        {
            "package.json": package("jest", dependencies={"next": "16"}),
            "jest.config.mjs": NEXT_JEST,
        },
        "pages/cart.tsx",
        "__tests__/cart.test.tsx",
    ),
    "Vue CLI": (
        {
            "package.json": package(
                "vue-cli-service test:unit", **dev("@vue/cli-plugin-unit-jest")
            ),
            "jest.config.js": "module.exports = { preset: '@vue/cli-plugin-unit-jest' }\n",
            "tests/unit/old.spec.js": JS_TEST,
        },
        "src/cart.js",
        "tests/unit/cart.spec.js",
    ),
    "Expo": (
        {"package.json": package("jest --watchAll", jest={"preset": "jest-expo"})},
        "components/cart.tsx",
        "components/cart.test.tsx",
    ),
    "WordPress": (
        {"package.json": package("wp-scripts test-unit-js", **dev("@wordpress/scripts"))},
        "src/cart.js",
        "src/cart.test.js",
    ),
    "unit tests apart": (
        {
            "package.json": package("vitest"),
            "tests/unit/old.test.ts": JS_TEST,
            "tests/e2e/b.test.ts": JS_TEST,
        },
        "src/cart.ts",
        "tests/unit/cart.test.ts",
    ),
    "jest by its dependency": (
        {"package.json": package("npm run check", **dev("jest"))},
        "src/cart.js",
        "src/cart.test.js",
    ),
    "vitest": ({"package.json": package("vitest run")}, "src/cart.ts", "src/cart.test.ts"),
    "vitest in vite.config": (
        {"package.json": package("vitest"), "vite.config.ts": VITE},
        "src/cart.ts",
        "test/cart.test.ts",
    ),
    "vitest, spec files": (
        {
            "package.json": package("vitest"),
            "src/old.spec.ts": JS_TEST,
            "src/older.spec.ts": JS_TEST,
        },
        "src/cart.ts",
        "src/cart.spec.ts",
    ),
    "vitest in a workspace": (
        {
            "package.json": package("vitest", workspaces=["packages/*"], **dev("vitest")),
            "packages/shop/package.json": package(),
        },
        "packages/shop/src/cart.ts",
        "packages/shop/src/cart.test.ts",
    ),
    "Svelte": (
        {"package.json": package("vitest --run", **dev("vitest", "@sveltejs/kit"))},
        "src/lib/cart.ts",
        "src/lib/cart.test.ts",
    ),
    "mocha": ({"package.json": package("mocha")}, "lib/cart.js", "test/cart.test.js"),
    "node:test": ({"package.json": package("node --test")}, "lib/cart.js", NONE),
    "ava": ({"package.json": package("ava", **dev("ava"))}, "lib/cart.js", NONE),
    "Angular with Karma": (
        {"package.json": package("ng test", **dev("karma", "jasmine-core"))},
        "src/app/cart.ts",
        NONE,
    ),
    "Playwright only": (
        {"package.json": package("playwright test", **dev("@playwright/test"))},
        "src/cart.ts",
        NONE,
    ),
    "Go": ({"go.mod": "module a\n"}, "internal/cart/cart.go", "internal/cart/cart_test.go"),
    "Go with tests": (
        {"go.mod": "module a\n", "cart/old_test.go": GO_TEST},
        "cart/cart.go",
        "cart/cart_test.go",
    ),
    "Go, platform": ({"go.mod": "module a\n"}, "cart/cart_windows.go", "cart/cart_windows_test.go"),
}


def source_text(path: str) -> str:
    return {"py": PY, "go": GO, "js": JS}.get(path.rpartition(".")[2], TS)


def test_drafts_are_where_each_project_runs_them(workflow: WorkflowHarness) -> None:
    workflow.inputs |= {"task": "test-generation", "report": "files"}
    folders = {name: f"p{number}" for number, name in enumerate(ROWS)}
    workflow.commit(
        {
            f"{folders[name]}/{path}": text
            for name, (files, _, _) in ROWS.items()
            for path, text in files.items()
        }
    )
    base = workflow.repo.head()
    changed = {name: f"{folders[name]}/{path}" for name, (_, path, _) in ROWS.items()}
    workflow.commit({path: source_text(path) for path in changed.values()})
    plan = workflow.cli("plan", "--task", "test-generation", "--base", base, "--json")
    found = {skipped["path"]: skipped["detail"] for skipped in plan.tasks[0]["skipped"]}
    assert workflow.run("submit").exit == 0
    for request in workflow.batches[-1].requests:
        prompt = read_prompt(request["params"])
        target = re.search("^path: (.*)$", prompt.sections["target"], re.MULTILINE)
        assert target
        found[prompt.files[0].path] = target[1]
    for name, (_, _, expected) in ROWS.items():
        answer = found[changed[name]].removeprefix(f"{folders[name]}/")
        assert answer == expected or (" " in expected and expected in answer), name
    result = workflow.run("collect")
    data = json.loads((workflow.repo.path / result.outputs["results-file"]).read_text("utf-8"))
    drafts = {draft["source"]: draft["path"] for draft in data["generated"]}
    assert drafts == {source: found[source] for source in drafts}
    assert len(drafts) > len(ROWS) // 2
    assert data["refused"] == []
