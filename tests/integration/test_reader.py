"""Select files of real repositories."""

import json
import re
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_action.clients.git import GitRepo
from batch_action.clients.secrets import mask
from batch_action.errors import ConfigError
from batch_action.ledger.view import BacklogFile
from batch_action.models.files import ChangeType, Selection, SkipKind, SkipReason
from batch_action.selection import content
from batch_action.selection.patterns import PathRules
from batch_action.selection.reader import SelectionOptions, find_candidates, read_files
from tests.harness.contexts import NOW
from tests.harness.git_repositories import Repo

TOKEN = "ghp_" + "a1B2" * 9
BODY = "".join(f"x{n} = {n}\n" for n in range(20))


def select(
    repo,
    base,
    head,
    *,
    all_files=False,
    backlog=None,
    rules=None,
    limit=1_000_000,
    seen=None,
    superseded=(),
    selected=None,
    recheck=False,
):
    git = GitRepo(repo.path)
    candidates = find_candidates(
        git,
        head,
        base,
        SelectionOptions(
            rules=rules or PathRules(),
            max_file_bytes=limit,
            attributes_from=head,
            all_files=all_files,
            superseded=superseded,
            recheck=recheck,
        ),
        backlog={
            path: BacklogFile(path, (selected or {}).get(path, ""), old_blob, NOW)
            for path, old_blob in (backlog or {}).items()
        },
    )

    def progress(done, total):
        if seen is not None:
            seen.append((done, total))

    return candidates.select(chain.from_iterable(read_files(git, candidates, progress)))


def chosen(selection: Selection):
    return {file.path: file.status for file in selection.files}


def reasons(selection: Selection):
    return {file.path: file.reason for file in selection.skipped}


def added_lines(diff: str) -> list[int]:
    """The numbers that the added lines have in the new file."""
    return [int(number) for number in re.findall(r"(?m)^\+ *(\d+)\| ", diff)]


@pytest.fixture
def repo(tmp_path):
    return Repo.init(tmp_path / "repo")


def test_files_with_a_later_reviewed_version_are_skipped_unread(repo):
    base = repo.commit({"a.py": "a = 1\n"})
    head = repo.commit({"a.py": BODY, "b.py": BODY, "c.lock": "c\n"})
    seen = []
    selection = select(repo, base, head, superseded={"a.py", "c.lock"}, seen=seen)
    assert chosen(selection) == {"b.py": ChangeType.ADDED}
    assert reasons(selection) == {
        "a.py": SkipReason.ALREADY_REVIEWED,
        "c.lock": SkipReason.DEFAULT_IGNORE,
    }
    assert seen == [(0, 1), (1, 1)]


def test_every_kind_of_change(repo):
    base = repo.commit(
        {
            "src/auth.py": BODY,
            "moved.py": BODY + "moved = 1\n",
            "gone.py": "g = 1\n",
            "mode.py": "m = 1\n",
            ".gitattributes": "gen.py linguist-generated\n",
        }
    )
    inner = Repo.init(repo.path / "sub")
    inner.commit({"x": "1"})
    (repo.path / "mode.py").chmod(0o755)
    (repo.path / "link.py").symlink_to("mode.py")
    head = repo.commit(
        {
            "src/auth.py": BODY.replace("x7 = 7", f"x7 = '{TOKEN}'"),
            "moved.py": None,
            "new.py": BODY + "moved = 1\n",
            "gone.py": None,
            "gen.py": "generated = 1\n",
            "yarn.lock": "a\n",
            "web/a.min.js": "a\n",
            "vendor/a.go": "package a\n",
            "bin.py": b"a\0b",
            "big.py": b"x = 1\n" * 500,
            "empty.py": "",
            "utf16.py": "é = 1\n".encode("utf-16"),
            "crlf.py": "a = 1\r\nb = 2\r\n",
            "lfs.py": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            'n"\n::x.py': "n = 1\n",
            b"caf\xe9.py": "n = 1\n",
            "docs/a.md": "# A\n",
        }
    )
    # The working tree differs; it must not be read.
    repo.write({"src/auth.py": "dirty\n", ".gitattributes": "* linguist-generated\n"})
    seen = []
    selection = select(repo, base, head, rules=PathRules([], ["docs/"]), limit=2000, seen=seen)
    assert chosen(selection) == {
        "src/auth.py": ChangeType.MODIFIED,
        "utf16.py": ChangeType.ADDED,
        "crlf.py": ChangeType.ADDED,
        'n"\n::x.py': ChangeType.ADDED,
    }
    assert reasons(selection) == {
        "gone.py": SkipReason.DELETED,
        "mode.py": SkipReason.MODE_ONLY,
        "new.py": SkipReason.SAME_CONTENT,
        "link.py": SkipReason.SYMLINK,
        "sub": SkipReason.SUBMODULE,
        "gen.py": SkipReason.GENERATED,
        "yarn.lock": SkipReason.LOCK_FILE,
        "web/a.min.js": SkipReason.MINIFIED,
        "vendor/a.go": SkipReason.VENDORED,
        "bin.py": SkipReason.BINARY,
        "big.py": SkipReason.TOO_LARGE,
        "empty.py": SkipReason.EMPTY,
        "lfs.py": SkipReason.LFS_POINTER,
        "caf\udce9.py": SkipReason.UNREADABLE_NAME,
        "docs/a.md": SkipReason.PATHS_IGNORE,
    }
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1]
    by_path = {file.path: file for file in selection.files}
    auth = by_path["src/auth.py"]
    assert selection.files[0] == auth  # the riskiest name goes first
    assert auth.masked_secrets == 1
    assert TOKEN not in auth.text + auth.diff
    assert f"-  | x7 = 7\n+ 8| x7 = '{'•' * 40}'" in auth.diff
    assert (added_lines(auth.diff), auth.language) == ([8], "python")
    assert [(part.start_line, part.end_line) for part in auth.parts] == [(1, 20)]
    assert by_path["crlf.py"].text == "a = 1\r\nb = 2\r\n"
    assert by_path["utf16.py"].text == "é = 1\n"
    json.dumps([file.text + file.path for file in selection.files])


def test_a_skipped_file_tells_what_decided_and_whether_it_is_new(repo):
    base = repo.commit({"old.lock": "a\n", "src/a.js": BODY, "src/b.js": BODY + "b\n"})
    files = {
        "new.lock": "a\n",
        "old.lock": "b\n",
        "marked.py": "# @generated\n",
        "nul.py": b"a\0b",
        "long.js": "x();" * 3000,
        "spaces.py": "x = 1" + " " * 70_000,
        "huge.py": "x = 1\n" * 60_000,
        "lfs.py": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        b"caf\xe9.py": "n = 1\n",
        "out/a.py": "a = 1\n",
        "made.py": "a = 1\n",
        "docs/a.py": "a = 1\n",
        ".gitattributes": "made.py linguist-generated\nout/** binary\n",
        "src/a.js": None,
        "dist/a.js": BODY,
        "src/b.js": None,
        "dist/b.js": BODY + "eval(b)\n",
        "empty.py": "",
    }
    rules = PathRules([], ["docs/"])
    selection = select(repo, base, repo.commit(files), rules=rules, limit=200_000)
    kinds = {file.path: (file.kind, file.is_new) for file in selection.skipped}
    assert "spaces.py" in chosen(selection)  # The spaces are shortened: they hide nothing.
    assert kinds == {
        "new.lock": (SkipKind.NAME, True),
        "old.lock": (SkipKind.NAME, False),
        "dist/a.js": (SkipKind.NAME, False),
        "dist/b.js": (SkipKind.NAME, True),
        ".gitattributes": (SkipKind.NAME, True),
        **dict.fromkeys(
            ("marked.py", "nul.py", "long.js", "huge.py", "lfs.py", "caf\udce9.py"),
            (SkipKind.CONTENT, True),
        ),
        **dict.fromkeys(("out/a.py", "made.py", "docs/a.py"), (SkipKind.CONFIG, True)),
        "empty.py": (SkipKind.OTHER, True),
    }


BOM = "\ufeff"
MIDDLE = "".join(f"let x{n}\n" for n in range(20))


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        ("a\n…b\n", "a\r\n…b\r\n", False),
        ("a\r\n…b\r\n", "a\n…b\n", False),
        ("a\r\n…b\n", "a\n…b\r\n", False),
        ("a\n…b", "a\n…b\n\n\r\n", False),
        ("a\n…b\n", f"{BOM}a\n…b\n", False),
        (f"{BOM}a\r\n…b", "a\n…b\n", False),
        ("a\n…b\n", f"{BOM}{BOM}a\n…b\n", True),
        ("a\n…b\n", f"a\n{BOM}…b\n", True),
        ("// a\n…b\n", "// a\r…b\n", True),
        ("a\n…b\n", "a\n…b\n\r", True),
        ("a\n…b\n", "a\n…b\r\r\n", True),
        *(("// a b\n…", f"// a{char}b\n…", True) for char in "\u2028\u2029\x85\f\v\r\x1c"),
        *(("…a\n", f"…a{char}\n", True) for char in "\u2028\u2029\x85\f\v \t"),
        *(("…a\n", f"…a\n{char}", True) for char in "\u2028\u2029\x85\f\v\r \t"),
        ("\na\n…", "a\n…", True),
        ("a\n…b\n", "a\n\n…b\n", True),
    ],
)
@pytest.mark.parametrize("path", ["a.js", "renamed.js"])
def test_other_line_ends_are_no_change(repo, old, new, asked, path):
    base = repo.commit({"a.js": old.replace("…", MIDDLE)})
    head = repo.commit({"a.js": None, path: new.replace("…", MIDDLE)})
    selection = select(repo, base, head)
    assert list(chosen(selection)) == ([path] if asked else [])
    if not asked:
        assert reasons(selection) == {path: SkipReason.SAME_CONTENT}
        assert list(chosen(select(repo, base, head, recheck=True))) == [path]
        pair = tuple(
            GitRepo(repo.path).tree_blobs(c, ["a.js", path]).popitem()[1] for c in (base, head)
        )
        assert GitRepo(repo.path).hunks_of([pair]) == {pair: ()}


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        ("caf\xe9\n".encode("latin-1"), "caf\xe9\r\n".encode("latin-1"), False),
        ("caf\xe9\n".encode("latin-1"), "caf\xea\r\n".encode("latin-1"), True),
        ("a\n".encode("utf-16"), "a\r\n".encode("utf-16"), True),
        (b"a\n", "a\n".encode("utf-16"), True),
    ],
)
def test_line_ends_are_compared_as_bytes(repo, old, new, asked):
    base = repo.commit({"a.py": old})
    assert bool(chosen(select(repo, base, repo.commit({"a.py": new})))) == asked


def test_a_notebook_that_ran_again_is_no_change(repo):
    def notebook(source, count, plot):
        output = {"data": {"image/png": plot}, "output_type": "display_data"}
        cell = {"cell_type": "code", "execution_count": count, "metadata": {}, "outputs": [output]}
        document = {"cells": [cell | {"source": source}], "metadata": {}, "nbformat": 4}
        return json.dumps(document, indent=1) + "\n"

    code = ["a = 1\n", "plot(a)"]
    base = repo.commit({"a.ipynb": notebook(code, 1, "x" * 300_000)})
    head = repo.commit({"a.ipynb": notebook(code, 2, "y" * 200_000)})
    assert reasons(select(repo, base, head)) == {"a.ipynb": SkipReason.SAME_CONTENT}
    head = repo.commit({"a.ipynb": notebook(["a = 2\n", "plot(a)"], 3, "z" * 2_000_000)})
    (file,) = select(repo, base, head).files
    assert (file.path, file.language) == ("a.ipynb", "jupyter")
    assert "| a = 1\n+16| a = 2" in file.diff
    assert len(file.text) < 1_000
    (number,) = added_lines(file.diff)
    assert file.text.split("\n")[number - 1] == "a = 2"
    huge = repo.commit({"a.ipynb": notebook(code, 3, "z" * 11_000_000)})
    assert reasons(select(repo, base, huge)) == {"a.ipynb": SkipReason.TOO_LARGE}


def test_a_pure_rename_is_never_selected(repo):
    moved = {f"docs/{n}.rs": f"{n}\n" * 9 for n in range(30)}
    base = repo.commit({**moved, "vendor/in.js": BODY, "made.js": BODY + "m\n"})
    renamed = {path.replace("docs", "book"): text for path, text in moved.items()}
    head = repo.commit(
        {
            **dict.fromkeys((*moved, "vendor/in.js", "made.js"), None),
            **renamed,
            "src/in.js": BODY,
            "src/made.js": BODY + "m\n",
            ".gitattributes": "/made.js linguist-generated\n",
        }
    )
    selection = select(repo, base, head)
    # Files that were ignored under their old names were never reviewed.
    assert chosen(selection) == dict.fromkeys(("src/in.js", "src/made.js"), ChangeType.ADDED)
    assert {file.path for file in selection.skipped} == {*renamed, ".gitattributes"}


def test_a_file_of_the_backlog_is_followed_to_its_new_name(repo):
    first = repo.commit({"a.py": "a = 1\n"})
    base = repo.commit({"a.py": "a = 2\n", "b.py": BODY})
    blobs = GitRepo(repo.path).tree_blobs(base, ["a.py", "b.py"])
    old_blob = GitRepo(repo.path).tree_blobs(first, ["a.py"])["a.py"]
    repo.commit({"a.py": None, "b.py": None})
    head = repo.commit({"sub/a.py": "a = 2\n"})
    backlog = {"a.py": old_blob, "b.py": None}
    selection = select(repo, head, head, backlog=backlog, selected=blobs)
    (file,) = selection.files
    assert (file.path, file.old_path, file.old_blob) == ("sub/a.py", "a.py", old_blob)
    assert reasons(selection) == {"b.py": SkipReason.DELETED}


def test_a_merge_is_compared_from_base_to_head(repo):
    base = repo.commit({"a.py": "a = 1\n"})
    repo.git("checkout", "--quiet", "-b", "side")
    repo.commit({"b.py": "b = 1\n"})
    repo.git("checkout", "--quiet", "main")
    repo.commit({"c.py": "c = 1\n"})
    repo.git("merge", "--quiet", "--no-ff", "--no-edit", "side")
    assert set(chosen(select(repo, base, repo.head()))) == {"b.py", "c.py"}


KEY = "\n".join(["-----BEGIN PRIVATE KEY-----", *["MIIEvQIBADANBgkq" * 4] * 9])
KEY += "\n-----END PRIVATE KEY-----\n"
LONG = "x = '" + "ab1" * 900 + "'\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(BODY + "y = 1\n", BODY, id="a line"),
        pytest.param(BODY + f"y = '{TOKEN}'\n", BODY, id="a token was removed"),
        pytest.param(KEY + BODY, KEY.replace("MIIE", "", 1) + BODY, id="a line of a key"),
        pytest.param(KEY + BODY, "\n".join(KEY.split("\n")[4:]) + BODY, id="its beginning"),
        pytest.param(f"aws_secret_access_key =\n'{'aB1+' * 10}'\n", "aws_secret = 1\n", id="value"),
        pytest.param("\ufeff" + BODY + "y\n", BODY, id="byte order mark"),
        pytest.param((BODY + "y\n").replace("\n", "\r\n"), BODY, id="line ends"),
        pytest.param(BODY.encode() + b"\xe9\n", BODY, id="Latin-1"),
        pytest.param(BODY + LONG, BODY, id="long line"),
        pytest.param(LONG + "y\n", LONG, id="long line of both"),
        pytest.param(BODY + "y", BODY + "y\nz", id="no line end"),
        pytest.param("y\n" + BODY * 500 + "\0\n", BODY * 500, id="a late NUL"),
    ],
)
def test_removed_lines_are_shown_as_in_the_whole_old_text(repo, old, new):
    base, head = repo.commit({"a.py": old}), repo.commit({"a.py": new})
    (file,) = select(repo, base, head).files
    git = GitRepo(repo.path)
    pair = tuple(git.tree_blobs(commit, ["a.py"])["a.py"] for commit in (base, head))
    (_, old_data), (_, new_data) = git.blobs(pair)
    shown_old, shown_new = (mask(content.read_text(x), "a.py")[0] for x in (old_data, new_data))
    hunks = git.hunks_of([pair])[pair]
    assert (file.text, file.hunks) == (shown_new, hunks)
    assert file.diff == content.render_hunks(shown_old, shown_new, hunks) != ""
    assert TOKEN not in file.diff
    assert "BEGIN" not in file.diff


def test_an_empty_range_selects_nothing(repo):
    head = repo.commit({"a.py": "a = 1\n"})
    selection = select(repo, head, head)
    assert (selection.files, selection.skipped) == ((), ())


def test_without_base_and_all_files(repo):
    base = repo.commit({"a.py": "a = 1\n", "b.py": "b = 1\n", "c.py": "c = 1\n"})
    head = repo.commit({"b.py": "b = 2\n", "c.py": None})
    assert chosen(select(repo, None, head)) == {"a.py": ChangeType.ADDED, "b.py": ChangeType.ADDED}
    whole = select(repo, None, head, all_files=True)
    assert chosen(whole) == {"a.py": ChangeType.UNCHANGED, "b.py": ChangeType.UNCHANGED}
    both = select(repo, base, head, all_files=True)
    assert chosen(both) == {"a.py": ChangeType.UNCHANGED, "b.py": ChangeType.MODIFIED}
    assert reasons(both) == {"c.py": SkipReason.DELETED}


def test_the_backlog_is_read_at_head(repo):
    first = repo.commit(
        {"same.py": "a = 1\n", "again.py": "a = 1\n", "gone.py": "g = 1\n", "old.py": BODY}
    )
    git = GitRepo(repo.path)
    before = git.tree_blobs(first, ["same.py", "again.py", "gone.py", "old.py"])
    base = repo.commit({"same.py": "a = 2\n", "again.py": "a = 2\n", "gone.py": None})
    (repo.path / "old.py").rename(repo.path / "new.py")
    (repo.path / "same.py").chmod(0o755)
    head = repo.commit({"again.py": "a = 3\n"})
    backlog = {**before, "never.py": None}
    selection = select(repo, base, head, backlog=backlog)
    files = {file.path: file for file in selection.files}
    assert chosen(selection) == {
        "same.py": ChangeType.UNCHANGED,
        "again.py": ChangeType.MODIFIED,
        "new.py": ChangeType.RENAMED,
    }
    assert files["same.py"].diff == "@@ -1,1 +1,1 @@\n- | a = 1\n+1| a = 2"
    assert files["again.py"].diff == "@@ -1,1 +1,1 @@\n- | a = 1\n+1| a = 3"
    assert reasons(selection) == {
        "gone.py": SkipReason.DELETED,
        "old.py": SkipReason.DELETED,
        "never.py": SkipReason.DELETED,
    }


def test_a_missing_base_names_the_fix(repo, tmp_path):
    gone = repo.commit({"a.py": "a = 1\n"})
    repo.git("checkout", "--quiet", "--orphan", "new")
    head = repo.commit({"a.py": "a = 2\n"})
    # Force-pushed, but still available: the two trees can be compared.
    assert chosen(select(repo, gone, head)) == {"a.py": ChangeType.MODIFIED}
    repo.git("clone", "--quiet", "--single-branch", f"file://{repo.path}", str(tmp_path / "clone"))
    with pytest.raises(ConfigError, match="fetch-depth: 0"):
        select(Repo(tmp_path / "clone"), gone, head)


def test_a_file_that_was_a_link_or_binary_is_read_whole(repo):
    repo.path.joinpath("a.py").symlink_to("b.py")
    base = repo.commit({"b.py": b"\0"})
    repo.path.joinpath("a.py").unlink()
    head = repo.commit({"a.py": "a = 1\n", "b.py": "b = 1\n"})
    selection = select(repo, base, head)
    assert chosen(selection) == {"a.py": ChangeType.TYPE_CHANGED, "b.py": ChangeType.MODIFIED}
    assert {file.diff for file in selection.files} == {""}


NAMES = st.sampled_from(
    ["a.py", "b/c.py", "vendor/d.py", "x.lock", "é\n.py", "dist/e.js", "f.png", "g", "auth.go"]
)
CONTENTS = st.sampled_from(["", "a = 1\n", "b = 2\n", BODY, BODY + "z\n", "\0", "# @generated\n"])
TREES = st.dictionaries(NAMES, CONTENTS, max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=TREES, second=TREES, backlog=st.sets(NAMES, max_size=3), all_files=st.booleans())
def test_every_path_is_in_the_selection_once(tmp_path_factory, first, second, backlog, all_files):
    repo = Repo.init(tmp_path_factory.mktemp("law"))
    base = repo.commit(dict(first))
    head = repo.commit({**dict.fromkeys(first, None), **second})
    git = GitRepo(repo.path)
    known = git.tree_blobs(base, backlog)
    selection = select(
        repo, base, head, backlog={path: known.get(path) for path in backlog}, all_files=all_files
    )
    ended = [file.path for file in selection.files] + [file.path for file in selection.skipped]
    expected = {file.path for file in git.changes(base, head)} | backlog
    if all_files:
        expected |= {file.path for file in git.tree(head)}
    assert sorted(ended) == sorted(expected)
    assert list(selection.files) == sorted(
        selection.files, key=lambda file: (-file.risk, file.path)
    )
