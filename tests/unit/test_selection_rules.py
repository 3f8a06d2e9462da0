"""Path rules, attributes, languages and risk."""

import pytest

from batch_action.errors import ConfigError
from batch_action.models.files import ChangeType, FileChange, SkipReason
from batch_action.selection import filters
from batch_action.selection.languages import language_of
from batch_action.selection.patterns import PathRules
from batch_action.selection.risk import risk

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
