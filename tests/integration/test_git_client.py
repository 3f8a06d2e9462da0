import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch_action.clients.git import GitRepo, OpenObjects, runner, versions
from batch_action.errors import ConfigError
from batch_action.models.files import ChangeType, Hunk
from tests.harness.git_repositories import Repo
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness

TEXT = "".join(f"line {n}\n" for n in range(30))


@pytest.fixture
def repo(tmp_path):
    # A colon and a quote in the folder's name must not split the path of the borrowed objects.
    return Repo.init(tmp_path / 'a:b"c' / "repo")


def test_no_repository(tmp_path):
    with pytest.raises(ConfigError, match=r"no git repository at .*actions/checkout with `fetch-d"):
        GitRepo(tmp_path)


def test_a_folder_below_and_a_linked_work_tree_are_found(repo, tmp_path):
    a = repo.commit({"deep/er/a.py": "x\n"})
    repo.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "HEAD")
    assert GitRepo(repo.path / "deep/er").resolve("HEAD") == a
    linked = GitRepo(tmp_path / "linked")
    assert linked.file_at(linked.resolve("HEAD"), "deep/er/a.py") == b"x\n"
    assert linked.attributes(a, ["deep/er/a.py"]) == {}


def test_a_bare_repository(repo, tmp_path):
    a = repo.commit({"a.py": "x\n"})
    repo.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    assert GitRepo(tmp_path / "bare").resolve("main") == a


def test_an_empty_repository(repo):
    with pytest.raises(ConfigError, match="has no commit yet"):
        GitRepo(repo.path).resolve("HEAD")


def test_revisions(repo):
    a = repo.commit({"a": "1"})
    b = repo.commit({"a": "2"})
    repo.git("update-ref", "refs/remotes/origin/only-there", a)
    git = GitRepo(repo.path)
    assert git.resolve("HEAD~1") == git.resolve(a[:10]) == git.resolve("only-there") == a
    assert git.resolve("main") == b
    assert (git.parent(b), git.parent(a)) == (a, None)
    assert git.commit_time(a) == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert git.commit_before(b, datetime(2026, 1, 1, 1, 30, tzinfo=UTC)) == a
    assert git.commit_before(b, datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert (git.current_branch(), git.default_branch_guess()) == ("main", "main")
    for bad in ("", "-h", "--all", "nope", "HEAD~9", "f" * 40, "a..b", "x\0y"):
        with pytest.raises(ConfigError):
            git.resolve(bad)


def test_the_default_branch_is_origins_head(repo):
    a = repo.commit({"a": "1"})
    repo.git("update-ref", "refs/remotes/origin/trunk", a)
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    repo.git("checkout", "--quiet", "--detach")
    git = GitRepo(repo.path)
    assert (git.current_branch(), git.default_branch_guess()) == (None, "trunk")


def test_ancestors(repo):
    commits = [repo.commit({"a": str(n)}) for n in range(6)]
    repo.git("checkout", "--quiet", "-b", "side", commits[1])
    side = repo.commit({"b": "1"})
    repo.git("checkout", "--quiet", "main")
    git = GitRepo(repo.path)
    head = commits[5]
    assert git.is_ancestor(commits[0], head) is True
    assert git.is_ancestor(head, commits[0]) is False
    assert git.is_ancestor(side, head) is False
    assert git.is_ancestor("f" * 40, head) is False
    assert git.nearest_ancestor([commits[1], commits[3], side, "f" * 40], head) == commits[3]
    assert git.nearest_ancestor([side], head) is None
    assert git.nearest_ancestor([head, commits[1]], head) == head
    assert git.nearest_ancestor([], head) is None
    assert git.nearest_ancestor([head], commits[0]) is None
    repo.git("merge", "--quiet", "--no-ff", "--no-edit", "side")
    merged = repo.head()
    # To `side` there are five commits (2 to 5 and the merge), to commit 4 only three.
    assert git.nearest_ancestor([side, commits[4]], merged) == commits[4]
    assert git.nearest_ancestor([side, commits[0]], merged) == side


def test_a_shallow_clone_returns_none_for_unknown(repo, tmp_path):
    a = repo.commit({"a": "1"})
    b = repo.commit({"a": "2"})
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
    git = GitRepo(tmp_path / "shallow")
    assert git.is_shallow()
    assert not git.has_commit(a)
    assert git.parent(b) is None
    assert git.is_ancestor(a, b) is None
    assert git.nearest_ancestor([a], b) is None
    with pytest.raises(ConfigError, match="fetch-depth: 0"):
        git.resolve("HEAD~1")
    with pytest.raises(ConfigError, match="fetch-depth: 0"):
        git.changes(a, b)
    assert [one.path for one in git.changes(None, b)] == ["a"]
    Repo(tmp_path / "shallow").git("fetch", "--quiet", "--depth=1", "origin", a)
    assert [one.status for one in git.changes(a, b)] == [ChangeType.MODIFIED]
    assert git.is_ancestor(a, b) is None


def test_changes(repo):
    inner = Repo.init(repo.path / "sub")
    inner.commit({"x": "1"})
    names = {'n"\n::é.py': "x\n", b"caf\xe9.py": "y\n"}
    a = repo.commit(
        {"gone.py": "1\n", "moved.py": TEXT, "mode.py": "m\n", "type.py": "t\n", **names}
    )
    (repo.path / "type.py").unlink()
    (repo.path / "type.py").symlink_to("mode.py")
    (repo.path / "mode.py").chmod(0o755)
    inner.commit({"x": "2"})
    b = repo.commit(
        {
            "gone.py": None,
            "moved.py": None,
            "new/moved.py": TEXT,
            'n"\n::é.py': "z\n",
            "add.py": "a",
        }
    )
    git = GitRepo(repo.path)
    found = {one.path: one for one in git.changes(a, b)}
    assert {path: one.status for path, one in found.items()} == {
        "gone.py": ChangeType.DELETED,
        "new/moved.py": ChangeType.RENAMED,
        'n"\n::é.py': ChangeType.MODIFIED,
        "add.py": ChangeType.ADDED,
        "mode.py": ChangeType.MODIFIED,
        "type.py": ChangeType.TYPE_CHANGED,
        "sub": ChangeType.MODIFIED,
    }
    assert found["new/moved.py"].old_path == "moved.py"
    assert found["new/moved.py"].old_blob == found["new/moved.py"].blob
    assert found["mode.py"].old_blob == found["mode.py"].blob
    assert (found["sub"].mode, found["sub"].old_blob) == ("160000", None)
    assert (found["add.py"].old_blob, found["type.py"].mode) == (None, "120000")
    assert git.renames(a, b) == {"moved.py": "new/moved.py"}
    assert git.changes(b, b) == []
    everything = {one.path for one in git.tree(b)}
    assert "caf\udce9.py" in everything
    assert {one.status for one in git.changes(None, b)} == {ChangeType.ADDED}
    assert git.tree_blobs(b, ["add.py", "nope", "sub"]) == {"add.py": found["add.py"].blob}
    assert git.file_at(b, "add.py") == b"a"
    assert git.file_at(b, "type.py") is None


def test_a_submodule_hidden_by_its_settings_is_a_change(repo):
    inner = Repo.init(repo.path / "sub")
    inner.commit({"x": "1"})
    a = repo.commit({".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = x\n\tignore = all\n'})
    new = inner.commit({"x": "2"})
    repo.git("update-index", "--cacheinfo", f"160000,{new},sub")
    repo.git("commit", "--quiet", "--message", "sub")
    assert [one.path for one in GitRepo(repo.path).changes(a, repo.head())] == ["sub"]


def test_blobs_and_sizes(repo):
    head = repo.commit({"a": "one\n", "b": b"\0two", "c": ""})
    git = GitRepo(repo.path)
    ids = git.tree_blobs(head, ["a", "b", "c"])
    wanted = [ids["b"], "f" * 40, head, ids["c"], ids["a"]]
    assert [data for _, data in git.blobs(wanted)] == [b"\0two", b"", b"one\n"]
    assert next(git.blobs(wanted)) == (ids["b"], b"\0two")
    assert git.sizes(wanted) == {ids["a"]: 4, ids["b"]: 4, ids["c"]: 0}
    assert list(git.blobs([])) == []


def test_which_blobs_are_missing(repo):
    commit = repo.commit({"a.py": "x\n", "b.py": "y\n"})
    git = GitRepo(repo.path)
    a, b = git.tree_blobs(commit, ["a.py", "b.py"]).values()
    assert git.missing_blobs([a, "0" * 40, commit, b]) == {"0" * 40, commit}
    assert git.missing_blobs([a, a, b]) == git.missing_blobs([]) == frozenset()


@pytest.mark.parametrize("size", [1, 60, 61, 64 * 1024])
def test_a_tree_is_the_same_in_whatever_pieces_it_is_read(repo, monkeypatch, size):
    names = [f"folder {n}/\u00e9\n{'x' * n}.py" for n in range(9)]
    commit = repo.commit(dict.fromkeys(names, "x\n"))
    monkeypatch.setattr(runner, "PIECE_BYTES", size)
    git = GitRepo(repo.path)
    assert sorted(change.path for change in git.tree(commit)) == sorted(names)
    with pytest.raises(ConfigError, match="git ls-tree failed"):
        git.tree("f" * 40)


def test_git_says_more_about_damaged_blobs_than_a_pipe_holds(repo):
    commit = repo.commit({f"{n}.py": f"{n}\n" for n in range(1_000)})
    git = GitRepo(repo.path)
    ids = git.tree_blobs(commit, [f"{n}.py" for n in range(1_000)]).values()
    for sha in ids:
        path = repo.path / ".git/objects" / sha[:2] / sha[2:]
        path.chmod(0o644)
        path.write_bytes(b"")
    assert git.sizes(ids) == {}
    assert git.missing_blobs(ids) == frozenset(ids)
    assert list(git.blobs(ids)) == []
    with OpenObjects(git.runner) as objects:
        assert objects.sizes(ids) == {}


@pytest.mark.parametrize("ids", [[""], ["", "x y", "-h"]])
def test_what_is_no_id_is_no_blob(repo, ids):
    repo.commit({"a.py": "x\n"})
    git = GitRepo(repo.path)
    assert git.sizes(ids) == {}
    assert git.missing_blobs(ids) == frozenset(ids)


def test_a_tree_that_finds_no_space_is_a_config_error(repo, monkeypatch):
    commit = repo.commit({"a.py": "x\n"})
    git = GitRepo(repo.path)
    monkeypatch.setattr(tempfile, "tempdir", str(repo.path / "missing"))
    with pytest.raises(ConfigError, match=r"output of git ls-tree cannot be written.*TMPDIR"):
        git.tree(commit)


def test_git_maps_a_bounded_part_of_a_pack(repo):
    repo.commit({"a.py": "x\n"})
    git = GitRepo(repo.path)
    assert int(git.runner.output("config", "--type=int", "core.packedGitLimit")) <= 2**25


def test_hunks(repo):
    lines = TEXT.splitlines(keepends=True)
    texts = {
        "same": TEXT,
        "replaced": "".join([*lines[:4], "diff --git a/1 b/1\n", "@@ -1 +1 @@\n", *lines[5:]]),
        "removed": "".join([*lines[:9], *lines[11:]]),
        "added": TEXT + "more\n",
        "no-newline": TEXT[:-1],
        "crlf": TEXT.replace("\n", "\r\n"),
        "crlf-added": TEXT.replace("\n", "\r\n") + "more\r\n",
    }
    head = repo.commit({"old": TEXT, ".gitattributes": "* -diff\n", **texts})
    git = GitRepo(repo.path)
    ids = git.tree_blobs(head, ["old", *texts])
    old = ids["old"]
    missing = (old, "f" * 40)
    found = git.hunks_of([(old, ids[name]) for name in texts] + [missing])
    assert {name: found[old, ids[name]] for name in texts} == {
        "same": (),
        "replaced": (Hunk(old_start=5, old_lines=1, new_start=5, new_lines=2),),
        "removed": (Hunk(old_start=10, old_lines=2, new_start=9, new_lines=0),),
        "added": (Hunk(old_start=30, old_lines=0, new_start=31, new_lines=1),),
        # Line endings are no change.
        "no-newline": (),
        "crlf": (),
        "crlf-added": (Hunk(old_start=30, old_lines=0, new_start=31, new_lines=1),),
    }
    assert missing not in found
    added = (old, ids["added"])
    assert git.hunks_of([added]) == {added: found[added]}


@pytest.mark.parametrize(
    "path", ["", "/a.py", "../a.py", "d/../a.py", "./a.py", "d", "d/", "d//b.py", "a.py\0", "*"]
)
def test_what_is_no_path_of_a_file_has_no_content(repo, path):
    head = repo.commit({"a.py": "a", "d/b.py": "b"})
    git = GitRepo(repo.path)
    assert git.file_at(head, path) is None
    assert git.file_at(head, "d/b.py") == b"b"


def test_changes_come_with_the_bytes_of_their_lines(repo):
    pairs = {
        "one": (b"a\nb\nc\n", b"a\nB\nc\n"),
        "same": (b"a\n", b"a\n"),
        "ends": (b"a\r\n--b\r\n", b"a\n++b"),
        "signs": (b"-- a\n++ b\nx\n", b"@@ -1 +1 @@\nx\ndiff --git a/1 b/1\n"),
        "latin": (b"\xe9\n", b"\xc3\xa9\n"),
    }
    old, new = (repo.commit({f"{n}.txt": p[side] for n, p in pairs.items()}) for side in (0, 1))
    git = GitRepo(repo.path)
    names = [f"{name}.txt" for name in pairs]
    old_ids, new_ids = git.tree_blobs(old, names), git.tree_blobs(new, names)
    asked = [(old_ids[name], new_ids[name]) for name in names]
    found = {
        list(pairs)[number]: [(change.removed, change.added) for change in changes]
        for number, changes in git.line_changes(asked)
    }
    assert found == {
        "one": [(b"b\n", b"B\n")],
        "ends": [(b"--b\r\n", b"++b")],
        "signs": [
            (b"-- a\n++ b\n", b"@@ -1 +1 @@\n"),
            (b"", b"diff --git a/1 b/1\n"),
        ],
        "latin": [(b"\xe9\n", b"\xc3\xa9\n")],
    }


def test_pairs_that_differ_only_in_line_endings(repo):
    # Git 2.53 prints no raw line for them, so a diff of nothing else is empty there.
    unix, windows = b"a\nb\n", b"a\r\nb\r\n"
    head = repo.commit({"unix": unix, "windows": windows, "more": unix + b"c\n"})
    git = GitRepo(repo.path)
    ids = git.tree_blobs(head, ["unix", "windows", "more"])
    there, back = (ids["unix"], ids["windows"]), (ids["windows"], ids["unix"])
    assert git.hunks_of([there]) == {there: ()}
    assert git.hunks_of([there, back]) == {there: (), back: ()}
    added = (Hunk(old_start=2, old_lines=0, new_start=3, new_lines=1),)
    assert git.hunks_of([there, (ids["windows"], ids["more"])]) == {
        there: (),
        (ids["windows"], ids["more"]): added,
    }


def test_attributes_are_read_from_the_commit(repo):
    head = repo.commit(
        {
            ".gitattributes": "gen.py linguist-generated\nb.dat binary\n",
            "lib/.gitattributes": "*.py linguist-vendored=false -batch-action\n",
        }
    )
    repo.write({".gitattributes": "* linguist-generated\n"})
    (repo.path / ".git/info/attributes").write_text("* linguist-generated\n")
    git = GitRepo(repo.path)
    assert git.attributes(head, ["gen.py", "b.dat", "lib/x.py", "a.py", "caf\udce9"]) == {
        "gen.py": {"linguist-generated": "set"},
        "b.dat": {"binary": "set", "diff": "unset"},
        "lib/x.py": {"linguist-vendored": "false", "batch-action": "unset"},
    }
    assert not (repo.path / ".git/index.lock").exists()


def test_last_author(repo, tmp_path):
    first = repo.commit({"a": "1", "*": "star"})
    repo.env |= {"GIT_AUTHOR_NAME": "Zoë @here"}
    second = repo.commit({"a": "2"})
    repo.env |= {"GIT_AUTHOR_NAME": "B"}
    third = repo.commit({"b": "3"})
    git = GitRepo(repo.path)
    assert git.last_author(third, "a") == git.last_author(second, "a") == "Zoë @here"
    assert git.last_author(first, "a") == git.last_author(third, "*") == "A"
    assert git.last_author(third, "missing") is None
    assert git.last_author("--help", "a") is None
    assert git.last_author("0" * 40, "a") is None
    # In a shallow clone the oldest commit seems to have touched everything.
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
    assert GitRepo(tmp_path / "shallow").last_author(third, "a") is None


def test_churn(repo):
    repo.commit({"a": "1", "b": "1"})
    repo.commit({"a": "2"})
    head = repo.commit({"a": "3"})
    git = GitRepo(repo.path)
    assert git.churn(head) == {"a": 2}  # the root commit has no change
    assert git.churn(head, days=0) == {"a": 1}


def test_a_hostile_configuration_runs_nothing(repo, tmp_path):
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f'#!/bin/sh\necho "$0 $@" >> "{sprung}"\nexit 1\n')
    trap.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction", "post-checkout"):
        (hooks / name).symlink_to(trap)
    attributes = "* diff=evil filter=evil text eol=crlf\n"
    a = repo.commit({"a.py": "1\n", ".gitattributes": attributes})
    b = repo.commit({"a.py": "2\n"})
    for key in (
        *("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "diff.external"),
        *("diff.evil.textconv", "diff.evil.command", "filter.evil.smudge", "filter.evil.clean"),
        *("gpg.program", "credential.helper", "alias.cat-file", "uploadpack.packObjectsHook"),
        *("remote.origin.uploadpack", "core.alternateRefsCommand"),
    ):
        repo.git("config", key, str(trap))
    for key, value in {
        "core.hooksPath": str(hooks),
        "log.showSignature": "true",
        "remote.origin.url": f"ext::{trap}",
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "protocol.ext.allow": "always",
        "core.repositoryFormatVersion": "1",
    }.items():
        repo.git("config", key, value)
    git = GitRepo(repo.path)
    (change,) = git.changes(a, b)
    assert change.old_blob is not None
    pair = (change.old_blob, change.blob)
    assert git.hunks_of([pair])[pair]
    assert git.attributes(b, ["a.py"]) == {"a.py": {"diff": "evil"}}
    assert git.sizes(["f" * 40]) == {}
    assert not git.has_commit("f" * 40)
    assert git.nearest_ancestor(["f" * 40, a], b) == a
    assert git.file_at(b, "a.py") == b"2\n"
    git.churn(b)
    git.resolve("HEAD")
    assert not sprung.exists(), sprung.read_text()


def test_the_environment_of_the_process_is_ignored(repo, tmp_path, monkeypatch):
    a = repo.commit({"a.py": "1\n"})
    other = Repo.init(tmp_path / "other")
    other.commit({"b.py": "1\n"})
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent/index")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare'='no-bool'")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    git = GitRepo(repo.path)
    assert git.resolve("HEAD") == a
    assert [one.path for one in git.tree(a)] == ["a.py"]


def test_a_damaged_repository_is_a_config_error(repo):
    a = repo.commit({"a": "1"})
    tree = repo.git("rev-parse", f"{a}^{{tree}}")
    (repo.path / ".git/objects" / tree[:2] / tree[2:]).unlink()
    git = GitRepo(repo.path)
    assert not git.has_commit(a)
    with pytest.raises(ConfigError, match=r"git ls-tree failed: .*fetch-depth: 0"):
        git.tree(a)


def test_sha256(tmp_path):
    repo = Repo.init(tmp_path / "r", "--object-format=sha256")
    a = repo.commit({"a.py": "1\n", ".gitattributes": "*.py linguist-generated\n"})
    b = repo.commit({"a.py": "2\n"})
    git = GitRepo(repo.path)
    (change,) = git.changes(a, b)
    assert change.old_blob is not None
    pair = (change.old_blob, change.blob)
    assert len(git.hunks_of([pair])[pair]) == 1
    assert git.attributes(b, ["a.py"]) == {"a.py": {"linguist-generated": "set"}}
    assert git.nearest_ancestor([a], b) == a


def test_the_messages_of_each_path_are_in_the_order_of_the_commits(repo):
    a = repo.commit({"a": "1", "gone": "1"})
    repo.git("commit", "--quiet", "--allow-empty", "--message", "empty")
    names = ("a", "\n", "Über/\n x", "b\udcff")
    for number, name in enumerate(names):
        repo.write({name: f"{number}\n"})
        repo.git("add", "--all")
        repo.git("commit", "--quiet", "--message", f"Über {number}\n\n* with a body\n")
    repo.git("rm", "--quiet", "gone")
    repo.git("commit", "--quiet", "--allow-empty-message", "--message", "")
    repo.git("mv", "a", "c")
    repo.git("commit", "--quiet", "--message", "move")
    git = GitRepo(repo.path)
    found = git.messages_by_path(a, repo.head(), 9)
    expected = {name: [f"Über {number}\n\n* with a body"] for number, name in enumerate(names)}
    assert found == {**expected, "a": [*expected["a"], "move"], "c": ["move"]}
    assert git.messages_by_path(a, repo.head(), 1) == {"a": ["move"], "c": ["move"]}
    assert git.messages_by_path("f" * 40, a, 9) == git.messages_by_path(a, a, 9) == {}


PATCH = b"""\
diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1,2 +1,2 @@
-old
+new
 same
diff --git a/dir/new.py b/dir/new.py
new file mode 100644
--- /dev/null
+++ b/dir/new.py
@@ -0,0 +1 @@
+fresh
"""


def test_a_patched_commit_exists_only_inside_the_block(repo, tmp_path):
    head = repo.commit({"a.py": "old\nsame\n", ".gitattributes": "*.py linguist-generated\n"})
    repo.write({"a.py": "dirty\n"})
    before = sorted(str(p) for p in repo.path.rglob("*"))
    git = GitRepo(repo.path)
    with git.patched(head, PATCH) as made:
        changes = git.changes(head, made)
        assert [(c.path, c.status) for c in changes] == [
            ("a.py", ChangeType.MODIFIED),
            ("dir/new.py", ChangeType.ADDED),
        ]
        assert git.file_at(made, "a.py") == b"new\nsame\n"
        assert git.resolve(made) == made
        assert git.parent(made) == head
        assert git.is_ancestor(head, made)
        pair = (changes[0].old_blob or "", changes[0].blob)
        assert git.hunks_of([pair])[pair] != ()
        assert git.attributes(made, ["dir/new.py"]) == {"dir/new.py": {"linguist-generated": "set"}}
    assert not git.has_commit(made)
    assert git.sizes([changes[1].blob]) == {}
    assert sorted(str(p) for p in repo.path.rglob("*")) == before
    assert (repo.path / "a.py").read_text() == "dirty\n"
    with GitRepo(repo.path).patched(head, PATCH) as again:
        assert again == made


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (b"", "does not apply"),
        (b"no patch at all\n", "No valid patches"),
        (PATCH.replace(b"-old", b"-odd"), "patch failed: a.py:1"),
        (PATCH.replace(b"b/dir/new.py", b"b/../../new.py"), "does not apply"),
        (PATCH.replace(b"dir/new.py", b".git/hooks/x"), "invalid path"),
        (PATCH.replace(b"dir/new.py", b"/etc/x"), "does not apply"),
    ],
)
def test_an_invalid_patch(repo, patch, message):
    head = repo.commit({"a.py": "old\nsame\n"})
    git = GitRepo(repo.path)
    with pytest.raises(ConfigError, match=message), git.patched(head, patch):
        pass
    assert git.has_commit(head)
    assert not (repo.path / ".git/hooks/x").exists()


def test_versions(repo):
    for text in ("1", "2", None, "3"):
        repo.commit({"[a] b.py": text, "other.py": str(text)})
    git = GitRepo(repo.path)
    found = versions(git.runner, repo.head(), ["[a] b.py", "other.py", "nowhere"], 9)
    texts = {path: [dict(git.blobs([b]))[b] for b in blobs] for path, blobs in found.items()}
    assert texts == {
        "[a] b.py": [b"3", b"2", b"1"],
        "other.py": [b"3", b"None", b"2", b"1"],
        "nowhere": [],
    }
    newest = versions(git.runner, repo.head(), ["[a] b.py"], 1)
    assert newest == {"[a] b.py": found["[a] b.py"][:1]}


def partial_clone(repo: Repo, folder: Path, *more: str) -> GitRepo:
    """Clone without blobs, as `filter: blob:none` and a sparse checkout of actions/checkout do."""
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "-q", "--filter=blob:none", *more, f"file://{repo.path}", str(folder))
    return GitRepo(folder)


def test_a_partial_clone_lacks_only_what_it_lacks(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "origin")
    lines = "".join(f"line {n}\n" for n in range(30))
    a = repo.commit({"a.js": "1\n", "moved.js": lines, "same.js": "same\n" * 9, "gone.js": "x\n"})
    b = repo.commit(
        {
            "a.js": "2\n",
            "moved.js": None,
            "new.js": lines + "more\n",
            "same.js": None,
            "lib/same.js": "same\n" * 9,
            "gone.js": None,
        }
    )
    whole, partial = GitRepo(repo.path), partial_clone(repo, tmp_path / "clone")
    changes = {change.path: change for change in partial.changes(a, b)}
    assert changes["lib/same.js"].old_path == "same.js", "equal content needs no blob"
    assert {"a.js", "new.js", "gone.js"} <= changes.keys()
    old, new = changes["a.js"].old_blob, changes["a.js"].blob
    assert old is not None
    assert partial.sizes([old, new]) == {new: 2}
    assert list(partial.blobs([old, new])) == [(new, b"2\n")]
    assert partial.hunks_of([(old, new)]) == {}
    assert partial.file_at(a, "a.js") is None
    assert whole.hunks_of([(old, new)])


def test_a_run_in_a_partial_clone_does_what_a_whole_one_does(
    workflow: WorkflowHarness, tmp_path: Path
) -> None:
    workflow.commit({"a.js": GOOD, "b.js": WORSE, "gone.js": GOOD})
    workflow.run("submit")
    workflow.finish()
    assert workflow.run("collect").exit == 0
    workflow.commit({"a.js": BAD, "b.js": None, "lib/c.js": f"{WORSE}// more\n", "gone.js": None})
    partial_clone(workflow.repo, tmp_path / "partial")
    for mode in ("run", "run", "plan"):
        result = workflow.start(mode, {}, workspace=tmp_path / "partial")
        assert result.exit == 0, result.log
    assert workflow.requested_paths() == ["a.js", "lib/c.js"]
    assert "lib/c.js" in workflow.issue.body
