"""Path rules, attributes, languages and risk."""

import tomllib
from importlib import resources

import pytest

from batch_action.errors import ConfigError
from batch_action.models.files import ChangeType, FileChange, SkipReason
from batch_action.selection import filters
from batch_action.selection.paths import language_of, risk
from batch_action.selection.patterns import PathRules, Patterns, find_useless_patterns
from batch_action.tasks.registry import all_tasks

R = SkipReason
BLOB, OLD = "b" * 40, "a" * 40


@pytest.mark.parametrize(
    ("paths", "ignore", "path", "reason"),
    [
        ([], [], "src/a.py", None),
        (["src/**"], [], "src/a.py", None),
        (["src/**"], [], "lib/a.py", R.NOT_IN_PATHS),
        (["*.py"], [], "deep/down/a.py", None),
        (["src/", "!src/gen/"], [], "src/gen/a.py", R.NOT_IN_PATHS),
        (["/a.py"], [], "b/a.py", R.NOT_IN_PATHS),
        (["**/*.py", "!tests/"], [], "tests/a.py", R.NOT_IN_PATHS),
        (["*.py", "!docs/", "docs/x.py"], [], "docs/x.py", None),
        (["  ", ""], [], "a.py", None),
        ([], ["docs/"], "docs/a.py", R.PATHS_IGNORE),
        ([], ["docs/", "!docs/keep.py"], "docs/keep.py", None),
        ([], ["!vendor/ours/"], "vendor/ours/a.py", None),
        ([], ["!vendor/ours/"], "vendor/theirs/a.py", R.VENDORED),
        (["src/"], ["!vendor/"], "vendor/a.py", R.NOT_IN_PATHS),
        ([], [], "web/package-lock.json", R.LOCK_FILE),
        ([], [], "go.sum", R.LOCK_FILE),
        ([], [], "a.min.js", R.MINIFIED),
        ([], [], "app.js.map", R.MINIFIED),
        ([], [], "x/node_modules/y/i.js", R.VENDORED),
        ([], [], "api/a.pb.go", R.GENERATED),
        ([], [], "api/a_pb2.py", R.GENERATED),
        ([], [], "dist/app.js", R.GENERATED),
        ([], [], "logo.png", R.DEFAULT_IGNORE),
        ([], [], "changelog.py", None),
        ([], [], 'a"\n::b.py', None),
    ],
)
def test_the_last_matching_pattern_decides(paths, ignore, path, reason):
    skipped = PathRules(paths, ignore).skip(path)
    assert (skipped and skipped.reason) == reason


def skip_reason(path: str, also_reads=(), paths=(), ignore=()):
    skipped = PathRules(paths, ignore, also_reads=also_reads).skip(path)
    return skipped and skipped.reason


@pytest.mark.parametrize(
    ("reason", "paths"),
    [
        (R.PROSE, "README.md README docs/a.rst History.md HISTORY CHANGES CHANGES.txt Changelog"),
        (
            R.PROSE,
            "CHANGELOG-2019 NEWS news/a.md RELEASES.md AGENTS.md a/b.adoc todo.txt .cursorrules",
        ),
        (R.PROSE, "LICENSE.md AUTHORS docs/page.mdx"),
        (R.DATA, "data.json src/countries.json locales/de.json requirements.txt a.tfstate"),
        (R.DATA, "requirements-dev.txt requirements/test.txt"),
        (R.KEY, "server.key certs/server.pem id_rsa .ssh/id_ed25519 a.p12 a.pfx release.jks"),
        (R.CERTIFICATE, "a.crt ca.csr ca.srl a.der a.pub"),
        (R.ENVIRONMENT, ".env .env.local app/.env.production prod.env"),
        (R.GENERATED, "PKG-INFO x.egg-info/PKG-INFO a.dist-info/METADATA"),
        (R.MINIFIED, "lib/index.umd.js dist.iife.js vue.esm-bundler.js react.production.js"),
        (R.DEFAULT_IGNORE, ".github/batch-action.yml .github/workflows/batch-action.yml"),
        (
            None,
            "package.json web/composer.json pyproject.toml setup.cfg Makefile tox.ini Cargo.toml",
        ),
        (None, "Dockerfile docker-compose.yml Jenkinsfile .gitlab-ci.yml .github/workflows/ci.yml"),
        (
            None,
            "main.tf infra/stack.json iam/role-policy.json k8s/a.yaml Vagrantfile values.yaml",
        ),
        (
            None,
            "tsconfig.build.json .eslintrc.json babel.config.json .vscode/tasks.json config/a.json",
        ),
        (None, "CMakeLists.txt meson_options.txt .env.example .env.production.example"),
        (
            None,
            "src/news.py NEWS.py CHANGES/fix.py src/news/page.tsx history.js README.py security.go",
        ),
        (
            None,
            "security/policy.rb Security.java key.py env.py app/environment.ts src/keys.go pom.xml",
        ),
    ],
)
def test_what_is_no_code_is_left_out(reason, paths):
    assert {path: skip_reason(path) for path in paths.split()} == dict.fromkeys(
        paths.split(), reason
    )


@pytest.mark.parametrize(
    ("path", "paths", "ignore"),
    [
        ("docs/a.md", [], ["!*.md"]),
        ("docs/a.md", ["*.md"], []),
        ("docs/a.md", ["docs/**/*.md"], []),
        ("README", ["README"], []),
        ("data.json", ["src/", "data.json"], []),
        ("ca.pem", [], ["!ca.pem"]),
        (".env", [], ["!.env"]),
        (".github/workflows/batch-action.yml", [], ["!.github/"]),
    ],
)
def test_a_pattern_that_names_them_brings_them_back(path, paths, ignore):
    assert skip_reason(path) is not None
    assert skip_reason(path, paths=paths, ignore=ignore) is None


@pytest.mark.parametrize(
    ("paths", "path", "reason"),
    [
        (["!docs/"], "src/a.py", None),
        (["!docs/"], "docs/a.py", R.NOT_IN_PATHS),
        (["", "!docs/", "!web/"], "a.py", None),
    ],
)
def test_only_negations_narrow_from_all_files(paths, path, reason):
    assert skip_reason(path, paths=paths) is reason


def test_patterns_that_match_no_file_are_found():
    lines = ["src/", "!gen/", "*.py", "/web/**", "", "!*.rs"]
    assert find_useless_patterns(lines, {"src/a.py", "x/web/b.js"}) == ["!gen/", "/web/**", "!*.rs"]


def test_paths_that_name_a_folder_bring_nothing_back():
    assert skip_reason("docs/a.md", paths=["docs/"]) is R.PROSE
    assert skip_reason("docs/a.pem", paths=["docs/*.pem"]) is R.KEY


def test_what_a_task_reads_besides_code():
    instructions = (
        "AGENTS.md web/CLAUDE.md .cursor/rules/a.mdc .cursorrules .claude/skills/x/SKILL.md"
    )
    security = all_tasks()["security-scan"].also_reads
    for path in [*instructions.split(), ".github/copilot-instructions.md"]:
        assert skip_reason(path, security) is None
        assert skip_reason(path, all_tasks()["code-review"].also_reads) is R.PROSE
    assert skip_reason("README.md", security) is R.PROSE
    # A prompt of the user's own may be about anything, but keys are never sent unasked.
    assert skip_reason("README.md", ("*",)) is None
    assert skip_reason("data.json", ("*",)) is None
    assert skip_reason("a.key", ("*",)) is R.KEY
    assert skip_reason("LICENSE", ("*",)) is R.DEFAULT_IGNORE


def test_the_detail_names_the_pattern():
    skipped = PathRules([], ["docs/", "*.md"]).skip("docs/a.md")
    assert skipped is not None
    assert skipped.detail == "*.md"


def test_every_default_ignore_can_be_turned_off():
    assert PathRules([], ["!**"]).skip("vendor/a.min.js") is None


def test_a_broken_pattern_names_the_input():
    with pytest.raises(ConfigError, match=r"paths-ignore: '!' is not a valid pattern"):
        PathRules([], ["*.py", "!"])


def change(status=ChangeType.MODIFIED, mode="100644", blob=BLOB, old_blob=OLD, path="a.py"):
    return FileChange(path=path, status=status, mode=mode, blob=blob, old_blob=old_blob)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (change(), None),
        (change(ChangeType.DELETED, "000000", "0" * 40), R.DELETED),
        (change(mode="120000"), R.SYMLINK),
        (change(ChangeType.DELETED, "000000", "0" * 40, None), R.DELETED),
        (change(mode="160000", old_blob=None), R.SUBMODULE),
        (change(mode="100755", old_blob=BLOB), R.MODE_ONLY),
        (change(ChangeType.RENAMED, old_blob=BLOB), None),
        (change(ChangeType.UNCHANGED, old_blob=BLOB), None),
        (change(path="\udcff.py"), R.UNREADABLE_NAME),
        (change(path="a" * 4097), R.UNREADABLE_NAME),
        (change(path="é" * 4096), None),
        (change(path='n"\n::é.py'), None),
    ],
)
def test_changes_that_are_skipped(entry, reason):
    skipped = filters.check_change(entry)
    assert (skipped and skipped.reason) == reason


@pytest.mark.parametrize(
    ("attributes", "path", "reason"),
    [
        ({}, "a.py", None),
        ({"linguist-generated": "set"}, "a.py", R.GENERATED),
        ({"linguist-generated": "true"}, "a.py", R.GENERATED),
        ({"linguist-generated": "false"}, "a.pb.go", None),
        ({"linguist-generated": "unset"}, "dist/a.py", None),
        ({"linguist-vendored": "set"}, "a.py", R.VENDORED),
        ({"binary": "set", "diff": "unset"}, "a.py", R.BINARY),
        ({"diff": "python"}, "a.py", None),
        ({"diff": "unset"}, "a.py", R.BINARY),
        ({"batch-action": "unset"}, "a.py", R.PATHS_IGNORE),
        ({"batch-action": "set", "linguist-generated": "set"}, "dist/a.py", None),
        ({"linguist-generated": "set"}, "reincluded.py", None),
    ],
)
def test_attributes(attributes, path, reason):
    skipped = filters.check_name(path, PathRules([], ["!reincluded.py"]), attributes)
    assert (skipped and skipped.reason) == reason


@pytest.mark.parametrize(
    ("size", "reason"), [(0, R.EMPTY), (1, None), (100, None), (101, R.TOO_LARGE)]
)
def test_size(size, reason):
    skipped = filters.check_size("a.py", size, 100)
    assert (skipped and skipped.reason) == reason


@pytest.mark.parametrize(
    ("path", "text", "language"),
    [
        ("a/b.PY", "", "python"),
        ("Dockerfile", "", "dockerfile"),
        ("deploy/Dockerfile.prod", "", "dockerfile"),
        ("bin/run", "#!/usr/bin/env python3\n", "python"),
        ("bin/run", "#!/usr/bin/env -S node --x\n", "javascript"),
        ("bin/run", "#!/bin/sh\n", "bash"),
        ("bin/run", "echo\n", ""),
        ("x.unknown", "", ""),
        (".env.local", "", "dotenv"),
        ("go.mod", "", "go-mod"),
        ("view.tsx", "", "tsx"),
        ("app_de.ts", '<?xml version="1.0"?>\n<!DOCTYPE TS>\n', "xml"),
        ("app.ts", "// <?xml\n", "typescript"),
    ],
)
def test_languages(path, text, language):
    assert language_of(path, text) == language


@pytest.mark.parametrize(
    ("more", "less"),
    [
        (("src/auth/login.py", 10, 0), ("src/colors.py", 10, 0)),
        (("src/colors.py", 500, 0), ("src/colors.py", 5, 0)),
        (("src/colors.py", 5, 20), ("src/colors.py", 5, 0)),
        (("src/colors.py", 5, 0), ("tests/test_colors.py", 50, 0)),
        (("src/colors.py", 5, 0), ("docs/colors.md", 500, 0)),
        (("userAuthHandler.ts", 5, 0), ("userColor.ts", 5, 0)),
    ],
)
def test_risk_orders(more, less):
    score = [risk(path, changed=changed, churn=churn) for path, changed, churn in (more, less)]
    assert score[0] > score[1] > 0


def test_each_default_ignore_is_valid():
    """A run compiles only those whose literal text a path has."""
    file = resources.files("batch_action.selection") / "default_ignores.toml"
    for reason, text in tomllib.loads(file.read_text("utf-8")).items():
        assert Patterns(reason, text.split()).lines
