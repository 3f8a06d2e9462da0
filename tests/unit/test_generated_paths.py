"""Generated files: unsafe paths and texts, and restoring what the request did not show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.batches import generated_files
from batch_action.batches.generated_files import WritablePaths
from batch_action.clients.secrets import mask
from batch_action.tasks import generated_paths

UNSAFE = {
    "": "no usable path",
    "   ": "no usable path",
    "a/" * 200 + "b.py": "no usable path",
    "/etc/passwd": "leaves",
    "~/.bashrc": "leaves",
    "\\\\server\\share\\x.py": "leaves",
    "C:/x.py": "leaves",
    "c:x.py": "leaves",
    "../x.py": "leaves",
    "tests/../../x.py": "leaves",
    "a/..": "leaves",
    "tests/..\\..\\x.py": "not valid on every system",
    "tests\\x.py": "not valid on every system",
    "./x.py": "not valid on every system",
    "a//x.py": "not valid on every system",
    "a/./x.py": "not valid on every system",
    "a/": "not valid on every system",
    "a/x.py.": "not valid on every system",
    "a/x.py ": "not valid on every system",
    " a/x.py": "not valid on every system",
    "a /x.py": "not valid on every system",
    "a/.. /x.py": "not valid on every system",
    "a/.../x.py": "not valid on every system",
    "x\n.py": "not valid on every system",
    "x\0.py": "not valid on every system",
    "x\x7f.py": "not valid on every system",
    "x?.py": "not valid on every system",
    "x.py:stream": "not valid on every system",
    "a/.git::$INDEX_ALLOCATION/config": "not valid on every system",
    "con": "not valid on every system",
    "a/NUL.py": "not valid on every system",
    "aux.tests/x.py": "not valid on every system",
    "LPT1.py": "not valid on every system",
    "x\u200b.py": "not valid on every system",
    ".g\u200cit/config": "not valid on every system",
    "x\u202e.py": "not valid on every system",
    "cafe\u0301.py": "not valid on every system",
    "a/" + "x" * 121 + ".py": "not valid on every system",
    ".git/hooks/pre-commit": "file of git itself",
    "sub/.GIT/config": "file of git itself",
    "GIT~1/config": "file of git itself",
    ".gitattributes": "file of git itself",
    ".gitmodules": "file of git itself",
    "a/.gitignore": "file of git itself",
    ".github/workflows/x.yml": "configures automation",
    ".GitHub/Workflows/x.yml": "configures automation",
    ".github/actions/x/action.yml": "configures automation",
    ".github/batch-action/tasks/x.md": "configures automation",
    ".batch-action/generated/x.py": "configures automation",
}
SAFE = [
    "x.py",
    "tests/unit/test_x.py",
    "src/__tests__/x.test.ts",
    "caf\u00e9/\u65e5\u672c.py",
    "a.b/.eslintrc.js",
    "digit/x.py",
    ".github/scripts/x.py",
    "console/x.py",
    "x..py",
]
MODES = {
    "tests/test_a.py": "100644",
    "src/app.py": "100755",
    "link": "120000",
    "linked.py": "120000",
    "module": "160000",
    "Docs/Guide.py": "100644",
}


class TestPaths:
    @pytest.mark.parametrize(("path", "problem"), UNSAFE.items())
    def test_unsafe_paths(self, path, problem):
        assert problem in (generated_paths.path_problem(path) or "")

    @pytest.mark.parametrize("path", SAFE)
    def test_safe_paths(self, path):
        assert generated_paths.path_problem(path) is None

    @given(st.text(st.sampled_from("ab./\\~: \0\u200bGIT.git-"), max_size=20))
    def test_no_safe_path_leaves_the_repository(self, path):
        if generated_paths.path_problem(path) is None:
            parts = path.split("/")
            assert path
            assert not {"", ".", ".."} & {*parts}
            assert ".git" not in path.casefold().split("/")
            assert not path.startswith(("/", "~", "\\"))
            assert "\\" not in path
            assert "\0" not in path

    @pytest.mark.parametrize(
        ("path", "problem"),
        [
            ("tests/test_a.py", None),
            ("tests/test_b.py", None),
            ("new/deep/test_b.py", None),
            ("linked.py", "is a link"),
            ("module", "is a link"),
            ("link/test_b.py", "goes through a link"),
            ("module/test_b.py", "goes through a link"),
            ("src/app.py/test_b.py", "has a file as its folder"),
            ("tests", "has the path of a folder"),
            ("Tests", "has the path of a folder"),
            ("tests/Test_a.py", "differs from a file only in letter case"),
            ("Tests/test_b.py", "differs from a folder only in letter case"),
            ("docs/guide.py", "differs from a file only in letter case"),
            ("Docs/guide2.py", None),
        ],
    )
    def test_conflicts_with_existing_paths(self, path, problem):
        assert WritablePaths(MODES).problem(path) == problem


class TestTexts:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("x = 1\n", None),
            ("\tx = 'é'\r\n\f", None),
            (" \n", "is empty"),
            ("x\0", "characters that no source"),
            ("x\x1b[31m", "characters that no source"),
            ("x\ud800", "characters that no source"),
            ("x = '\u202e'", "bidirectional control"),
            ("x\u2066", "bidirectional control"),
            ("x" * (generated_paths.MAX_TEXT_CHARS + 1), "is too large"),
        ],
    )
    def test_refused_texts(self, text, problem):
        assert (problem or "") in (generated_paths.text_problem(text) or "")
        assert (generated_paths.text_problem(text) is None) == (problem is None)


SECRET = "sk-ant-" + "a1B2" * 8
ORIGINAL = f"import os\nKEY = '{SECRET}'  # •\nx = 1\nOTHER = '{SECRET}'\n"


class TestRestore:
    def test_secrets_are_restored_if_their_lines_are_unchanged(self):
        masked, count = mask(ORIGINAL)
        assert count == 2
        draft = masked.replace("import os\n", '"""Keys."""\nimport os\n').replace(
            "x = 1", "# x\nx = 1"
        )
        restored = generated_files.restore_secrets(draft, masked, ORIGINAL)
        assert restored == ORIGINAL.replace("import os\n", '"""Keys."""\nimport os\n').replace(
            "x = 1", "# x\nx = 1"
        )

    @pytest.mark.parametrize(
        "change",
        [
            lambda t: t.replace("KEY = ", "KEY= "),
            lambda t: t.replace("OTHER", "MORE"),
            lambda t: t.replace("••", "•", 1),
            lambda t: "\n".join(t.split("\n")[:3]) + "\n",
            lambda t: t + "# •\n",
            lambda t: t + t,
            lambda t: "\n".join(reversed(t.split("\n"))),
        ],
    )
    def test_a_changed_line_with_a_secret_is_refused(self, change):
        masked, _ = mask(ORIGINAL)
        assert generated_files.restore_secrets(change(masked), masked, ORIGINAL) is None

    def test_without_a_secret_a_bullet_is_an_ordinary_character(self):
        assert generated_files.restore_secrets("a •\n• b", "a •", "a •") == "a •\n• b"

    @given(st.text(st.sampled_from("ab\n•"), max_size=30))
    def test_a_text_without_secrets_is_unchanged(self, text):
        assert generated_files.restore_secrets(text, "x", "x") == text

    def test_line_ends_match_the_original(self):
        assert generated_files.match_line_ends("a\nb\n", "x\r\ny\r\n") == "a\r\nb\r\n"
        assert generated_files.match_line_ends("a\nb\n", "x\r\ny\nz\n") == "a\nb\n"
        assert generated_files.match_final_line_end("a\n\n", "x") == "a"
        assert generated_files.match_final_line_end("a", "x\n") == "a\n"
        assert generated_files.match_final_line_end("a", "") == "a\n"
