"""Jest, Vitest and Mocha collect a new test where we place it, and nothing else than we think."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batch_action.selection.paths import language_of
from batch_action.tasks.testing.frameworks import is_manifest
from batch_action.tasks.testing.layout import FileTests, SuiteLayout
from tests.e2e.act import HERE, install

JEST, VITEST, MOCHA = (
    json.dumps({"scripts": {"test": name}}) for name in ("jest", "vitest", "mocha")
)
COMMANDS = {
    "jest": ["jest/bin/jest.js", "--listTests"],
    "vitest": ["vitest/vitest.mjs", "list", "--filesOnly", "--json"],
    "mocha": ["mocha/bin/mocha.js", "--dry-run", "--reporter", "json"],
}
SCRIPT = re.compile(r"\.[cm]?[jt]sx?")


def package(script, **more):
    """Return a package.json whose tests run with a command."""
    return json.dumps({"scripts": {"test": script}, **more})


def module(**options):
    """Return a configuration file that exports options."""
    return f"module.exports = {json.dumps(options)};\n"


def vite(test, **options):
    """Return a configuration of Vitest."""
    text = json.dumps({**options, "test": test})
    return (
        f"import {{ defineConfig }} from 'vitest/config';\nexport default defineConfig({text});\n"
    )


LAYOUTS = {
    # the source, and the other files by path; the text of a script that is none does not matter
    "jest-defaults": ("src/a.js", {"package.json": JEST}),
    "jest-tests-folder": ("src/a.js", {"package.json": JEST, "src/__tests__/b.js": "",
                                       "src/__tests__/c.test.js": "", "src/b.js": ""}),
    "jest-test-match": ("src/a.js", {
        "package.json": JEST, "src/b.test.js": "", "checks/c.js": "", "checks/x/d.check.mjs": "",
        "jest.config.js": module(testMatch=["<rootDir>/checks/**/*.js", "**/*.check.?(m)js"])}),
    "jest-test-match-negated": ("lib/a.js", {
        "package.json": JEST, "lib/b.spec.js": "", "lib/x/c.spec.js": "",
        "jest.config.json": json.dumps({"testMatch": ["**/*.spec.js", "!**/x/**"]})}),
    "jest-test-regex": ("src/a.js", {
        "package.json": package("jest", jest={"testRegex": r"(/unit/.*|\.(it|unit))\.js$"}),
        "src/b.test.js": "", "unit/c.js": "", "src/d.it.js": ""}),
    "jest-test-regex-list": ("src/a.js", {
        "package.json": JEST, "src/b.js": "", "t/c_spec.js": "",
        "jest.config.cjs": module(testRegex=[r"_spec\.js$", r"^.*/t/.*\.js$"])}),
    "jest-root-dir": ("src/a.js", {
        "package.json": package("jest", jest={"rootDir": "src", "testRegex": r".*\.spec\.js$"}),
        "src/b.spec.js": "", "test/c.spec.js": "", "src/b.test.js": ""}),
    "jest-roots": ("src/a.js", {
        "package.json": JEST, "src/b.test.js": "", "spec/unit/c.test.js": "",
        "jest.config.js": module(roots=["<rootDir>/spec", "<rootDir>/more"]), "more/x.js": ""}),
    "jest-ignored": ("src/a.js", {
        "package.json": JEST, "src/b.test.js": "", "__tests__/c.test.js": "", "dist/d.test.js": "",
        "jest.config.js": module(testPathIgnorePatterns=["/src/", "<rootDir>/dist/"])}),
    "jest-ignores-tests-of-modules-only": ("src/a.js", {
        "package.json": JEST, "x/node_modules/y/b.test.js": "", "src/c.test.js": "",
        "jest.config.js": module(testPathIgnorePatterns=["/build/"])}),
    "jest-projects": ("packages/one/src/a.js", {
        "package.json": JEST, "packages/one/package.json": "{}", "packages/two/package.json": "{}",
        "packages/one/src/b.test.js": "", "packages/two/src/c.unit.js": "",
        "packages/two/src/d.test.js": "", "jest.config.js": module(projects=[
            {"displayName": "one", "rootDir": "<rootDir>/packages/one"},
            {"displayName": "two", "testMatch": ["<rootDir>/packages/two/**/*.unit.js"]}])}),
    "jest-projects-with-files": ("packages/two/src/a.js", {
        "package.json": package("jest", jest={"projects": ["<rootDir>/packages/*"]}),
        "packages/one/package.json": "{}", "packages/one/b.test.js": "",
        "packages/two/package.json": package("jest", jest={"testMatch": ["**/*.unit.js"]}),
        "packages/two/src/c.unit.js": "", "packages/two/src/d.test.js": "", "e.test.js": ""}),
    "jest-named-config": ("src/a.js", {
        "package.json": package("jest --config jest.unit.json"), "src/b.test.js": "",
        "jest.unit.json": json.dumps({"testMatch": ["**/*.unit.js"]}), "src/c.unit.js": ""}),
    "jest-kinds": ("src/a.js", {
        "package.json": package("jest", jest={"testRegex": r"(\.|/)(check|fuzz)\.js$"}),
        "src/b.test.js": "", "src/c.fuzz.js": ""}),
    "vitest-defaults": ("src/a.ts", {"package.json": VITEST, "src/__tests__/b.ts": "",
                                     "src/c.spec.ts": "", "dist/x.test.js": ""}),
    "vitest-include": ("src/a.ts", {
        "package.json": VITEST, "src/b.test.ts": "", "tests/c.check.ts": "",
        "vitest.config.ts": vite({"include": ["tests/**/*.check.ts"]})}),
    "vitest-include-braces": ("lib/a.js", {
        "package.json": VITEST, "lib/b.test.js": "", "unit/x/c.test.js": "", "unit/d.spec.mjs": "",
        "vite.config.js": vite({"include": ["{unit,it}/**/*.{test,spec}.{js,mjs}"]})}),
    "vitest-exclude": ("src/a.ts", {
        "package.json": VITEST, "src/b.test.ts": "", "tests/c.test.ts": "",
        "vitest.config.mts": vite({"exclude": ["src/**", "**/node_modules/**"]})}),
    "vitest-dir": ("src/a.ts", {
        "package.json": VITEST, "src/b.test.ts": "", "unit/c.test.ts": "",
        "vitest.config.ts": vite({"dir": "unit"})}),
    "vitest-root": ("web/src/a.ts", {
        "package.json": VITEST, "web/src/b.test.ts": "", "c.test.ts": "",
        "vitest.config.ts": vite({"include": ["src/**/*.test.ts"]}, root="./web")}),
    "vitest-projects": ("lib/a.ts", {
        "package.json": VITEST, "lib/b.unit.ts": "", "lib/c.test.ts": "", "app/d.test.ts": "",
        "vitest.config.ts": vite({"projects": [
            {"test": {"name": "lib", "include": ["lib/**/*.unit.ts"]}},
            {"test": {"name": "app", "root": "app"}}]})}),
    "vitest-projects-folders": ("packages/one/a.ts", {
        "package.json": VITEST, "packages/one/package.json": "{}", "packages/one/b.test.ts": "",
        "packages/two/package.json": "{}", "packages/two/c.test.ts": "", "d.test.ts": "",
        "packages/three/package.json": "{}", "packages/three/e.unit.ts": "",
        "packages/three/f.test.ts": "",
        "packages/three/vitest.config.ts": vite({"include": ["**/*.unit.ts"]}),
        "vitest.config.ts": vite({"projects": ["packages/*"]})}),
    "vitest-kinds": ("src/a.ts", {
        "package.json": VITEST, "src/b.test.ts": "", "src/c.prop.ts": "",
        "vitest.config.ts": vite({"include": ["src/**/*.{prop,fuzz}.ts"]})}),
    "mocha-defaults": ("lib/a.js", {"package.json": MOCHA, "test/b.js": "", "test/x/c.js": "",
                                    "lib/d.test.js": ""}),
    "mocha-recursive": ("lib/a.js", {
        "package.json": package("mocha", mocha={"recursive": True}), "test/x/c.js": "",
        "test/d.cjs": "", "lib/e.spec.js": ""}),
    "mocha-spec": ("src/a.js", {
        "package.json": MOCHA, ".mocharc.yml": "spec: spec/**/*.spec.js\n", "test/b.js": "",
        "spec/x/c.spec.js": "", "spec/d.js": ""}),
    "mocha-spec-folder": ("src/a.js", {
        "package.json": MOCHA, ".mocharc.json": '{"spec": ["unit", "m/*.mjs"], "extension": "js"}',
        "unit/b.js": "", "unit/x/c.js": "", "m/d.mjs": ""}),
    "mocha-ignore": ("src/a.js", {
        "package.json": MOCHA, ".mocharc.cjs": module(spec="src/**/*.spec.js", ignore=["src/x/**"]),
        "src/x/b.spec.js": "", "src/c.spec.js": ""}),
    "mocha-command": ("src/a.js", {
        "package.json": package("mocha --timeout 5000 'src/**/*-test.js'"), "src/b-test.js": "",
        "test/c.js": ""}),
}  # fmt: skip


def body(framework: str, path: str) -> str:
    """Return a test that its runner accepts."""
    if framework == "vitest":
        return "import { test } from 'vitest';\ntest('runs', () => {});\n"
    return "it('runs', () => {});\n" if framework == "mocha" else "test('runs', () => {});\n"


def collected(modules: Path, folder: Path, framework: str) -> set[str]:
    """Return the files that a runner collects, started as the package's script does it."""
    script = json.loads((folder / "package.json").read_text())["scripts"]["test"].split()[1:]
    program, *options = COMMANDS[framework]
    words = [word.strip("'") for word in script]
    done = subprocess.run(
        ["node", str(modules / program), *options, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "CI": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    try:
        if framework == "vitest":
            paths = [each["file"] for each in json.loads(done.stdout)]
        elif framework == "mocha":
            paths = [each["file"] for each in json.loads(done.stdout)["tests"]]
        else:
            paths = done.stdout.split()
    except ValueError:
        pytest.fail(f"{folder.name}: {done.stdout}{done.stderr}")
    return {os.path.relpath(os.path.realpath(path), os.path.realpath(folder)) for path in paths}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, tuple[FileTests | str, set[str], set[str]]]:
    """For each layout: the place of the new test, what we think is collected, and what is."""
    modules = install(HERE / "runners")
    root = tmp_path_factory.mktemp("runners")

    def run(name: str) -> tuple[FileTests | str, set[str], set[str]]:
        framework = name.partition("-")[0]
        source, files = LAYOUTS[name]
        folder = root / name
        paths = frozenset((*files, source))
        manifests = {path: text for path, text in files.items() if is_manifest(path)}
        layout = SuiteLayout(paths=paths, manifests=manifests)
        place = layout.locate_tests(source, language_of(source))
        written = {**files, source: ""} | ({} if isinstance(place, str) else {place.new_path: ""})
        for path, text in written.items():
            is_text = bool(text) or not SCRIPT.fullmatch(Path(path).suffix)
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text if is_text else body(framework, path))
        (folder / "node_modules").symlink_to(modules)
        expected = {path for path in written if layout.suites.collects(path, framework)}
        return place, expected, collected(modules, folder, framework)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(LAYOUTS, pool.map(run, LAYOUTS), strict=True))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_runner_collects_the_new_test_and_what_we_think(results, name):
    place, expected, found = results[name]
    assert isinstance(place, FileTests), place
    assert place.new_path in found
    assert found == expected
