"""Odd files through the real commands, in one repository: each row is a folder of it.

A new case is one row: commits as dicts of files, and why a file is skipped. Everything else follows
from git: see `tests/harness/odd_repositories.py`.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from batch_action.sandbox.server import Sandbox
from tests.harness.git_repositories import Repo
from tests.harness.odd_repositories import (
    Files,
    Outcome,
    Row,
    Step,
    below,
    check,
    folder_of,
    in_code_scanning,
    play,
    row,
)
from tests.harness.workflow import WorkflowHarness

CODE = "function run(x) {\n  defect_1(x);\n  return x;\n}\n"
OTHER = "let walk = [\n  defect_2,\n];\n"
MORE = "\n\nfunction more(y) {\n  return y + defect_3;\n}\n"
CRLF = CODE.replace("\n", "\r\n")
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 9\n"
NUMBERS = "[" + "1.25, " * 800 + "2]"
DATA = "'" + "QUJD" * 800 + "'"


def skipped(reason: str, path: str, text: str | bytes = CODE) -> Step:
    """Return a step in which a file is written and skipped."""
    return Step(change={path: text}, skipped={path: reason})


def notebook(*cells: str, output: str = "", indent: int | None = 1) -> str:
    """Return a notebook with these code cells, each with an output and a count of its own."""
    return json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": len(output) + number,
                    "metadata": {},
                    "outputs": [{"output_type": "stream", "name": "stdout", "text": [output]}],
                    "source": cell.splitlines(keepends=True),
                }
                for number, cell in enumerate(cells, 1)
            ],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        indent=indent,
    )


LINE_ENDS: dict[str, Row] = {
    "CRLF": row({}, {"a.js": CRLF}, skipped("same-content", "a.js", CODE), {"a.js": "\n" + CODE}),
    "CRLF and the code gone": row({}, {"a.js": CRLF}, {"a.js": "one\r\n"}),
    "mixed line ends": row({}, {"a.js": "1\r\n2\rdefect_1\rdefect_2\n"}, {"a.js": "\ndefect_1"}),
    "CR only": row({}, {"a.js": "1\r2\rdefect_1\r"}, {"a.js": "0\n1\r2\rdefect_1\r"}),
    "a lone CR makes a comment code": row(
        {}, {"a.js": "// x defect_1\n"}, {"a.js": "// x\rdefect_1\n"}
    ),
    "separators of Unicode": row(
        {}, {"a.js": "1\u2028defect_1\u2029\x852\x0b\x0c\x1c3\ndefect_2\n"}, {"a.js": "defect_2"}
    ),
    "line ends at the end only": row(
        {}, {"a.js": CODE.rstrip()}, skipped("same-content", "a.js", CODE + "\r\n\n")
    ),
    "a form feed between functions": row(
        {}, {"a.py": "x = 1\n\x0c\ndefect_1()\n"}, {"a.py": "\x0c\n\x0cdefect_1()\n"}
    ),
}
ENCODINGS: dict[str, Row] = {
    "BOM": row({}, {"a.js": "\ufeff" + CODE}, skipped("same-content", "a.js", CODE)),
    "BOM and the first line": row({}, {"a.js": "\ufeffdefect_1\n"}, {"a.js": "x\n\ufeffdefect_1"}),
    "UTF-16": row({}, {"a.js": CODE.encode("utf-16")}, {"a.js": ("\n" + CODE).encode("utf-16")}),
    "UTF-16, big end first": row(
        {}, {"a.js": b"\xfe\xff" + CODE.encode("utf-16-be")}, {"a.js": "fixed\n"}
    ),
    "UTF-16 with bytes like line ends": row(
        {},
        {"a.js": ("Ċ\n" * 15 + CODE + CODE).encode("utf-16").replace(b"1\0(", b"2\0(", 1)},
        {"a.js": ("Ċ\n" * 15 + CODE).encode("utf-16")},
    ),
    "UTF-8 to UTF-16": row(
        {}, {"a.js": CODE}, {"a.js": CODE.encode("utf-16")}, {"a.js": f"x\n{CODE}"}
    ),
    "UTF-16 without a BOM": row({}, skipped("binary", "a.js", CODE.encode("utf-16-le"))),
    "UTF-16 that a shell can run": row(
        {}, skipped("binary", "a.sh", b"\xff\xfe\nrm -rf defect_1 # 12\n")
    ),
    "Latin-1": row(
        {},
        {"a.js": "// caf\xe9\ndefect_1 // \xe9\n".encode("latin-1")},
        {"a.js": "// caf\xe9\n\ndefect_1 // \xe9\n".encode("latin-1")},
    ),
    "Latin-1 to UTF-8": row(
        {}, {"a.js": "caf\xe9\ndefect_1 \xe9".encode("latin-1")}, {"a.js": "caf\xe9\ndefect_1 \xe9"}
    ),
    "Shift-JIS and Windows-1251": row(
        {},
        {"a.js": "// ソ表\ndefect_1('表')\n".encode("shift-jis")},
        {"a.js": "// Привет\ndefect_1('Привет')\n".encode("cp1251")},
    ),
    "bytes of no encoding": row({}, {"a.js": b"'\xff\xfe\xc0' defect_1\n"}, {"a.js": b"\xc0\n"}),
    "characters beyond the BMP": row(
        {}, {"a.js": "'😀' + defect_1('👩‍👩‍👧')\n"}, {"a.js": "\n'😀' + defect_1('👩‍👩‍👧')\n"}
    ),
    "combining and right-to-left": row(
        {}, {"a.js": "e\u0301 \u202edefect_1\u202c שלום\n"}, {"a.js": "\u00e9\n"}
    ),
    "zero width": row({}, {"a.js": "de\u200bf\ndefect_1\u200b\u00a0(\ufeff)\n"}, {"a.js": "x\n"}),
}
NAMES: dict[str, Row] = {
    name: row({}, {path: CODE}, {path: f"\n{CODE}"})
    for name, path in {
        "space": "a b.js",
        "quotes": "a\"'`b.js",
        "leading dash": "-rf.js",
        "only a dash": "-.js",
        "option": "--output=x/a.js",
        "backslash": "a\\b.js",
        "glob": "[a]*?{b,c}.js",
        "pathspec": ":(exclude)a.js",
        "percent": "%0A%2e.js",
        "markup": "<b>&amp;a--><!--.js",
        "markdown": "*a*_b_`c`|d#1@me.js",
        "dollar": "$(id) ${HOME} $x.js",
        "emoji": "😀👩‍👩‍👧.js",
        "right-to-left": "שלום \u202etxt.js",
        "composed": "\u00e9.js",
        "decomposed": "e\u0301.js",
        "tab": "a\tb.js",
        "escape": "a\x1b[31mb.js",
        "separator": "a\u2028b.js",
        "colon": "c:a.js:3.js",
        "long": f"{'d' * 120}/{'a' * 200}.js",
        "deep": "/".join("abcdefghijklmnopqrstuvwxyz") + "/a.js",
        "dots": "..b/...js",
        "like a marker": "batch-action v1 head=x.js",
        "spaces at both ends": " a.js ",
        "dot at the end": "a.js.",
        "commas and equal signs": "a=1,b=2;c.js",
        "exclamation mark": "!a.js",
        "number sign": "#a.js",
        "tilde": "~a.js",
        "upper case": "A.JS",
        "reserved on Windows": "aux.js",
        "prototype": "__proto__",
        "only an extension": ".js",
        "no extension": "run",
        "plus": "+page.server.js",
        "brackets of routes": "app/(shop)/[...slug]/@modal/page.tsx",
        "at signs": "@scope/a@1.0.js",
        "line and column": "a.js:10:5",
        "hash of a link": "a.js#L10-L20",
        "query": "a.js?plain=1",
        "unassigned character": "a\U0010ffff.js",
    }.items()
}
NAMES |= {
    "newline": row({}, {"a\nb.js": CODE}),
    "not UTF-8": row(
        {},
        Step(change={b"a\xff.js": CODE, "b.js": CODE}, skipped={"a\udcff.js": "unreadable-name"}),
    ),
    "composed beside decomposed": row(
        {}, {"\u00e9.js": CODE, "e\u0301.js": CODE.replace("_1", "_2")}, {"\u00e9.js": "x\n"}
    ),
    "cases of one name": row({}, {"a.js": CODE, "A.js": CODE.replace("_1", "_2")}, {"A.js": "x\n"}),
}
KINDS: dict[str, Row] = {
    "empty": row({}, skipped("empty", "a.js", ""), {"a.js": CODE}),
    "white space": row({}, skipped("empty", "a.js", "\ufeff \r\n\t\n")),
    "emptied": row({}, {"a.js": CODE}, skipped("empty", "a.js", ""), {"a.js": CODE + "more\n"}),
    "binary": row({}, skipped("binary", "a.js", b"defect_1\0\1\2")),
    "became binary": row({}, {"a.js": CODE}, skipped("binary", "a.js", b"defect_1\0\1\2")),
    "LFS pointer": row({}, skipped("lfs-pointer", "a.js", POINTER), {"a.js": CODE}),
    "lock file": row({}, skipped("lock-file", "package-lock.json"), skipped("lock-file", "go.sum")),
    "vendored": row({}, skipped("vendored", "vendor/a.js"), skipped("vendored", "gradlew")),
    "built": row({}, skipped("generated", "dist/a.js"), skipped("minified", "a.min.js")),
    "minified": row({}, skipped("minified", "a.js", f"defect_1;{'var a=b+c;' * 900}\n")),
    "one long line of data": row(
        {}, {"a.py": f"x = {DATA}\ndefect_1(x)\n"}, {"a.py": f"\nx = {DATA}\ndefect_1(x)\n"}
    ),
    "a defect on a long line of data": row(
        {}, {"a.py": f"defect_1({DATA})\n\nx\n"}, {"a.py": f"x\n\n\ndefect_1({DATA})\n"}
    ),
    "a long line of numbers": row({}, {"a.py": f"x = {NUMBERS}\ndefect_1()\n"}, {"a.py": "x\n"}),
    "a line longer than a part": row(
        {}, skipped("too-large", "a.py", "x = 1\n" * 200 + "a" + " b" * 40_000)
    ),
    "several parts": row(
        {},
        {
            "a.py": "".join(
                f"def f{n}():\n    defect_{n}({n})\n\n\n" for n in range(4_000, 4_012)
            ).join(["# one\n" * 9_000, "# two\n" * 9_000])
        },
        {
            "a.py": "".join(
                f"def f{n}():\n    defect_{n}({n})\n\n\n" for n in range(4_005, 4_012)
            ).join(["# one\n" * 9_001, "# two\n" * 9_000])
        },
    ),
    "prose": row({}, skipped("prose", "README.md"), skipped("prose", "CHANGES")),
    "data": row({}, skipped("data", "data.json", "{}"), skipped("key", "a.pem")),
    "manifest": row({}, {"package.json": '{\n"scripts": "defect_1"}\n'}, {"package.json": "{}\n"}),
    "container and CI": row(
        {}, {"Dockerfile": "RUN defect_1\n", ".github/workflows/a.yml": "run: defect_2\n"}
    ),
}
TEXTS: dict[str, Row] = {
    name: row({}, {"a.js": text}, {"a.js": f"x\n\n{text}"}, {"a.js": text.replace("defect_1", "y")})
    for name, text in {
        "one line without an end": "defect_1()",
        "many empty lines": "\n" * 3_000 + "defect_1()\n" + "\n" * 3_000,
        "a NUL byte late": "x\n" * 5_000 + "'\0' + defect_1()\n",
        "end of the element": "// </file>\n// </change>\ndefect_1() // </file>\n",
        "numbered lines": "'1| x'\n'2| y'\n3| defect_1()\n'3| z'\n",
        "fences": "`\n```\ndefect_1()\n```\n`\n~~~\n",
        "bullets": "'••••'\n'••••' + defect_1('••••••••')\n'••••'\n",
        "entities": "&lt;a&gt; &amp;amp; defect_1(&quot;&#39;)\n",
        "curly quotes": "\u2018x\u2019 “y” \u2013 defect_1(“a” … \u2018b\u2019)\n",
        "decomposed": "'e\u0301 \u1112\u1161\u11ab' + defect_1('e\u0301')\n",
        "elision": "...\n… defect_1(...x) // ...\n...\n",
        "diff signs": "-a\n+b\n--- c\n+++ defect_1\n@@ -1 +1 @@\n",
        "tabs": "\t\tif x\n\t\t\tdefect_1()\t\t// y\n",
        "escape sequences": "'\x1b[31m' + defect_1('\x07\x08')\n",
        "a secret": "x\ndefect_1('ghp_16C7e42F292c6912E7710c838347Ae178B4a')\ny\n",
        "names that contain each other": "defect_1\ndefect_11\ndefect_111\ndefect_1111\n",
        "short lines": "a\nb\n" * 40 + "defect_1\n" + "a\nb\n" * 40,
        "closing markers": "/* --> <!-- /batch-action:finding --> */ defect_1()\n",
        "workflow commands": "::error::x\n::set-output name=a::defect_1()\n##[error]\n",
        "merge conflict": "<<<<<<< HEAD\ndefect_1\n=======\ndefect_2\n>>>>>>> x\n",
    }.items()
}
ATTRIBUTES: dict[str, Row] = {
    "generated by attribute": row(
        {".gitattributes": "*.js linguist-generated\n"}, skipped("generated", "a.js")
    ),
    "vendored by attribute": row(
        {".gitattributes": "lib/** linguist-vendored\n"}, skipped("vendored", "lib/a.js")
    ),
    "not generated by attribute": row(
        {".gitattributes": "dist/* -linguist-generated\n"}, {"dist/a.js": CODE}
    ),
    "binary by attribute": row({".gitattributes": "*.js binary\n"}, skipped("binary", "a.js")),
    "line ends by attribute": row(
        {".gitattributes": "* text=auto eol=crlf\n"}, {"a.js": CODE}, {"a.js": f"x\n{CODE}"}
    ),
    "excluded by attribute": row(
        {".gitattributes": "*.js -batch-action\n"}, skipped("paths-ignore", "a.js")
    ),
    "an attribute later": row(
        {},
        {"a.js": CODE},
        Step(
            change={".gitattributes": "*.js linguist-generated\n", "a.js": "\n\n" + CODE},
            skipped={"a.js": "generated", ".gitattributes": "default-ignore"},
        ),
    ),
}
SIZES: dict[str, Row] = {
    "too large, then smaller": row(
        {}, skipped("too-large", "a.js", CODE + "// x\n" * 250_000), {"a.js": CODE}
    ),
    "grown too large": row(
        {},
        {"a.js": CODE},
        skipped("too-large", "a.js", CODE + "// x\n" * 250_000),
        {"a.js": "y\n" + CODE},
    ),
}
GENERATED: dict[str, Row] = {
    "marker": row({}, skipped("generated", "a.js", f"// @generated\n{CODE}"), {"a.js": CODE}),
    "marker added": row(
        {}, {"a.js": CODE}, skipped("generated", "a.js", f"/* @generated */\n{CODE}")
    ),
    "marker of Go": row(
        {}, skipped("generated", "a.go", f"// Code generated by x. DO NOT EDIT.\n{CODE}")
    ),
    "marker in a string": row(
        {},
        {
            "a.js": f"const x = '// @generated';\n{CODE}",
            "b.go": "x := `Code generated by y. DO NOT EDIT.`\n",
        },
    ),
    "marker rescued": row({}, {"a.js": f"// @generated, @not-generated\n{CODE}"}),
    "annotation": row(
        {},
        {
            "A.java": f'@Generated("uuid")\n{CODE}',
            "a.py": f"# @generated(x)\n{CODE.replace('_1', '_2')}",
        },
    ),
    "prose about generated code": row(
        {}, {"a.py": f"# Routes of generated code are here.\n{CODE}"}
    ),
}
NOTEBOOKS: dict[str, Row] = {
    "notebook with output": row(
        {},
        {"a.ipynb": notebook("x = 1\ndefect_1(x)\n", output="iVBOR" * 9_000)},
        skipped("same-content", "a.ipynb", notebook("x = 1\ndefect_1(x)\n", output="2")),
        {"a.ipynb": notebook("y = 0\n", "x = 1\ndefect_1(x)\n", output="3")},
        {"a.ipynb": notebook("y = 0\n", output="3")},
    ),
    "a defect in an output": row(
        {},
        Step(change={"a.ipynb": notebook("x = 1\n", output="defect_1")}, states={"1": ""}),
    ),
    "notebook on one line": row({}, {"a.ipynb": notebook("defect_1()", indent=None)}),
    "notebook whose source is one text": row(
        {},
        {"a.ipynb": notebook("defect_1()").replace('[\n    "def', '"def').replace('"\n   ]', '"')},
    ),
}
RENAMES: dict[str, Row] = {
    "renamed": row(
        {"b.js": OTHER},
        {"a.js": CODE},
        Step(change={"a.js": None, "lib/c.js": CODE}, skipped={"lib/c.js": "same-content"}),
    ),
    "renamed and edited near": row(
        {}, {"a.js": CODE + MORE}, {"a.js": None, "b.js": CODE + "x\n" + MORE}
    ),
    "renamed and edited far": row(
        {}, {"a.js": CODE + "x\n" * 40}, {"a.js": None, "b.js": CODE + "x\n" * 40 + "y\n"}
    ),
    "renamed and fixed": row(
        {},
        {"a.js": CODE + "x\n" * 40},
        {"a.js": None, "b.js": CODE.replace("defect_1", "x") + "x\n" * 40},
    ),
    "case of the name": row(
        {},
        {"a.js": CODE},
        Step(change={"a.js": None, "A.js": CODE}, skipped={"A.js": "same-content"}),
    ),
    "two names swapped": row({}, {"a.js": CODE, "b.js": OTHER}, {"a.js": OTHER, "b.js": CODE}),
    "folder renamed": row(
        {},
        {"a/x.js": CODE, "a/y.js": OTHER},
        Step(
            change={"a/x.js": None, "a/y.js": None, "b/x.js": CODE, "b/y.js": OTHER},
            skipped={"b/x.js": "same-content", "b/y.js": "same-content"},
        ),
    ),
    "copied": row({}, {"a.js": CODE}, {"b.js": CODE.replace("_1", "_9")}),
    "deleted": row(
        {},
        {"a.sql": "SELECT defect_1 FROM zebra;\n", "b.js": OTHER},
        Step(change={"a.sql": None}, skipped={"a.sql": "deleted"}),
        {"a.sql": "-- again\nSELECT defect_1 FROM zebra;\n"},
    ),
    "split into two files": row({}, {"a.js": CODE + MORE}, {"a.js": "x\n" + CODE, "b.js": MORE}),
    "two files joined": row(
        {}, {"a.js": CODE, "b.js": OTHER}, {"a.js": CODE + OTHER, "b.js": None}
    ),
}
ROWS = (
    TEXTS
    | ATTRIBUTES
    | SIZES
    | LINE_ENDS
    | ENCODINGS
    | NAMES
    | KINDS
    | GENERATED
    | NOTEBOOKS
    | RENAMES
)


def commits(*changes: Files) -> Callable[[Repo, str], None]:
    """Return a function that makes a commit of each change."""

    def make(repo: Repo, folder: str) -> None:
        for change in changes:
            repo.commit(below(folder, change))

    return make


def merged(*branches: Files) -> Callable[[Repo, str], None]:
    """Return a function that merges branches with one commit each, all in one merge commit."""

    def make(repo: Repo, folder: str) -> None:
        names = [f"side{repo.commits + number}" for number in range(len(branches))]
        for name, change in zip(names, branches, strict=True):
            repo.git("checkout", "-q", "-b", name, "main")
            repo.commit(below(folder, change))
        repo.git("checkout", "-q", "main")
        repo.commits += 1
        repo.git("merge", "-q", "--no-ff", "-m", "Merge", *names)

    return make


def replaced(path: str, by: str | Files) -> Callable[[Repo, str], None]:
    """Return a function that replaces a path by a symbolic link to a target, or by files."""

    def make(repo: Repo, folder: str) -> None:
        (repo.path / folder / path).unlink(missing_ok=True)
        if isinstance(by, str):
            (repo.path / folder / path).parent.mkdir(exist_ok=True)
            (repo.path / folder / path).symlink_to(by)
        repo.commit({} if isinstance(by, str) else below(folder, by))

    return make


def executable(repo: Repo, folder: str) -> None:
    (repo.path / folder / "a.js").chmod(0o755)
    repo.commit()


def submodule(repo: Repo, folder: str) -> None:
    repo.commits += 1
    link = f"160000,{repo.head()},{folder}/linked"
    repo.git("update-index", "--add", "--cacheinfo", link)
    repo.git("commit", "-q", "-m", "submodule")
    (repo.path / folder / "linked").mkdir(parents=True)


COMMITS: dict[str, Row] = {
    "several commits": row(
        {}, Step(change=commits({"a.js": "x\n"}, {"a.js": CODE}), sent=["a.js"])
    ),
    "there and gone": row({}, Step(change=commits({"a.js": CODE}, {"a.js": None}), sent=[])),
    "empty commits": row({}, {"a.js": CODE}, Step(change=commits({}, {}), sent=[])),
    "merge": row(
        {"b.js": "x\n"},
        Step(change=merged({"a.js": CODE}), sent=["a.js"]),
        Step(change=merged({"b.js": OTHER}, {"a.js": "y\n" + CODE}), sent=["a.js", "b.js"]),
    ),
    "octopus": row(
        {},
        Step(
            change=merged({"a.js": CODE}, {"b.js": OTHER}, {"c.md": "x\n"}), sent=["a.js", "b.js"]
        ),
    ),
    "mode only": row(
        {}, {"a.js": CODE}, Step(change=executable, sent=[], skipped={"a.js": "mode-only"})
    ),
    "symbolic link": row(
        {},
        Step(change=replaced("a.js", by="b.js"), sent=[], skipped={"a.js": "symlink"}),
        Step(change=replaced("a.js", by={"a.js": CODE}), sent=["a.js"]),
    ),
    "became a link": row(
        {},
        {"a.js": CODE},
        Step(change=replaced("a.js", by="/etc/passwd"), sent=[], skipped={"a.js": "symlink"}),
    ),
    "submodule": row({}, Step(change=submodule, sent=[], skipped={"linked": "submodule"})),
    "file became a folder": row(
        {},
        {"lib.js": CODE + "x\n"},
        Step(change=replaced("lib.js", by={"lib.js/a.js": CODE}), sent=["lib.js/a.js"]),
    ),
}
ROWS |= COMMITS


@pytest.fixture(scope="module")
def outcomes(
    running: Sandbox, tmp_path_factory: pytest.TempPathFactory, small_ca_bundle: Path
) -> Sequence[Outcome]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(small_ca_bundle))
        return play(WorkflowHarness.create(running, tmp_path_factory.mktemp("odd")), ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_each_finding_is_where_its_code_is(outcomes: Sequence[Outcome], name: str) -> None:
    check(ROWS[name], outcomes, folder_of(name))


def test_code_scanning_shows_the_same(workflow: WorkflowHarness) -> None:
    workflow.github_repository.code_scanning = True
    outcomes = play(workflow, ROWS, read=in_code_scanning, report="sarif")
    for name, steps in ROWS.items():
        check(steps, outcomes, folder_of(name))
