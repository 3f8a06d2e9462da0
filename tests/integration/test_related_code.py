"""Lines of other files in a request: which ones, from which files, and how many."""

import json
import os
import re
import shutil
from html import escape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.clients.git import GitRepo
from batch_action.models.files import SourceFile
from batch_action.requests import pricing, prompt, related_code
from batch_action.requests.related_code import RelatedCode
from batch_action.selection.patterns import PathRules
from batch_action.selection.reader import SelectionOptions, find_candidates, read_files
from tests.harness.git_repositories import Repo
from tests.harness.workflow import WorkflowHarness, path_of_request

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
BEFORE, AFTER = "return amount\n", "return amount / 100\n"
CALLER = "def bill(order):\n    return convert(order.cents) * 2\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.init(tmp_path / "repo")


def related(repo: Repo, *ignored: str) -> dict[str, str]:
    """Return the related code that each file of the newest commit is shown with."""
    git, head = GitRepo(repo.path), repo.head()
    options = SelectionOptions(
        rules=PathRules(paths_ignore=ignored), max_file_bytes=100_000, attributes_from=head
    )
    candidates = find_candidates(git, head, git.resolve("HEAD~1"), options, backlog={})
    finder = RelatedCode(git, candidates)
    chunks = read_files(git, candidates, lambda _done, _total: None)
    files = [file for chunk in chunks for file in chunk if isinstance(file, SourceFile)]
    return {file.path: prompt.related_text(file.related) for file in finder.attach(files)}


CALLS = {
    "python": ("py", "def convert(amount):\n    {}", CALLER),
    "javascript": (
        "js",
        "export function convert(amount) {{\n  {}}}\n",
        "import {convert} from './x';\nexport const f = (o) => {\n  return convert(o.cents);\n};\n",
    ),
    "typescript": (
        "ts",
        "export const convert = (amount: number) => {{\n  {}}}\n",
        "class Bill {\n  total(order: Order) {\n    return convert(order.cents);\n  }\n}\n",
    ),
    "go": (
        "go",
        "package x\n\nfunc Convert(amount int) int {{\n\t{}}}\n",
        "package x\n\nfunc Bill(o Order) int {\n\treturn Convert(o.Cents)\n}\n",
    ),
    "ruby": (
        "rb",
        "def convert(amount)\n  {}end\n",
        "def bill(order)\n  convert(order.cents)\nend\n",
    ),
    "rust": (
        "rs",
        "pub fn convert(amount: i64) -> i64 {{\n    {}}}\n",
        "fn bill(order: Order) -> i64 {\n    convert(order.cents)\n}\n",
    ),
    "java": (
        "java",
        "class Money {{\n    static long convert(long amount) {{\n        {}    }}\n}}\n",
        "class Bill {\n    long f(Order o) {\n        return Money.convert(o.cents);\n    }\n}\n",
    ),
    "php": (
        "php",
        "<?php\nfunction convert($amount) {{\n    {}}}\n",
        "<?php\nfunction bill($order) {\n    return convert($order->cents);\n}\n",
    ),
}


@pytest.mark.parametrize("language", CALLS)
def test_the_callers_of_what_changed_are_shown(repo: Repo, language: str):
    suffix, definition, caller = CALLS[language]
    other = "lib" if suffix != "py" else "deep/er/lib"
    repo.commit(
        {
            f"x.{suffix}": definition.format(BEFORE),
            f"{other}.{suffix}": caller,
            "prose.md": "Call convert(1) or Convert(2).\n",
            "other.lua": "convert(3)\n",
        }
    )
    repo.commit({f"x.{suffix}": definition.format(AFTER)})
    ((path, text),) = related(repo).items()
    assert path == f"x.{suffix}"
    (call,) = (n for n, x in enumerate(caller.split("\n"), 1) if "onvert(" in x)
    line = caller.split("\n")[call - 1]
    assert f"\n{call}| {line}\n" in text
    assert re.findall(r'<related path="(.*)">', text) == [f"{other}.{suffix}"]


@pytest.mark.parametrize(
    ("suffix", "used", "definition"),
    [
        ("py", "x = parse_rate(1)\n", "def parse_rate(text):\n    return 2\n"),
        ("py", "raise RateGone\n", "class RateGone(Exception):\n    code = 3\n"),
        ("py", "x = MAX_RATE + 1\n", "MAX_RATE = 4\n"),
        ("java", "  int r = a.parseRate(1);\n", "class A {\n  int parseRate(int n) {\n  }\n}\n"),
        ("js", "parseRate(1);\n", "export function parseRate(text) {\n  return 2;\n}\n"),
        ("ts", "const r: RateTable = {};\n", "export interface RateTable {\n  a: number;\n}\n"),
        ("go", "package y\n\nvar r = ParseRate(1)\n", "package x\n\nfunc ParseRate(n int) {\n}\n"),
    ],
    ids=lambda value: value.split("(")[0].strip() if isinstance(value, str) else value,
)  # fmt: skip
def test_the_definitions_of_used_names_are_shown(repo: Repo, suffix, used, definition):
    repo.commit({f"a/defines.{suffix}": definition, f"b/uses.{suffix}": used, f"c.{suffix}": "\n"})
    repo.commit({f"c.{suffix}": used})
    text = related(repo)[f"c.{suffix}"]
    assert re.findall(r'<related path="(.*)">', text) == [f"a/defines.{suffix}"]
    for number, line in enumerate(definition.splitlines(), 1):
        assert line in ("package x", "class A {", "}", "") or f"{number}| {line}" in text


def test_what_was_removed_is_looked_for(repo: Repo):
    repo.commit({"x.py": "def convert(a):\n    return a\n\n\ny = 1\n", "lib.py": CALLER})
    repo.commit({"x.py": "y = 1\n"})
    assert "2|     return convert(order.cents) * 2" in related(repo)["x.py"]


def test_only_files_that_would_be_sent_are_shown(repo: Repo):
    shown = {"a.py", 'odd "&<name>\u2028.py', "ü/ b.py", "secret.py"}
    calls = {
        path: f"def f{n}():\n    return convert({n})\n" for n, path in enumerate(sorted(shown))
    }
    repo.commit(
        {
            "x.py": f"def convert(a):\n    {BEFORE}",
            **calls,
            "secret.py": f"def g():\n    return convert('{TOKEN}')\n",
            "ignored/b.py": CALLER,
            "vendor/c.py": CALLER,
            "made.py": f"# Code generated by x. DO NOT EDIT.\n{CALLER}",
            "binary.py": f"\0\n{CALLER}",
            "long.py": f"x = '{'<>' * 60_000}'\n{CALLER}",
            "big.py": CALLER + "x = 1\n" * 30_000,
            "marked.py": CALLER,
            "module.py": CALLER,
            b"not-utf8-\xff.py": CALLER,
            ".gitattributes": "marked.py linguist-generated\nmodule.py -batch-action\n",
        }
    )
    (repo.path / "link.py").symlink_to("ignored/b.py")
    repo.git("add", "--all")
    repo.commit({"x.py": f"def convert(a):\n    {AFTER}"})
    text = related(repo, "ignored/**")["x.py"]
    paths = re.findall(r'(?m)^<related path="(.*)">$', text)
    assert set(paths) <= {escape(path.replace("\u2028", " ")) for path in shown}
    assert len(paths) == related_code.MAX_SHOWN_OF_NAME
    for path in shown - {"secret.py"}:
        (repo.path / path).unlink()
    repo.git("add", "--all")
    repo.commit({"x.py": f"def convert(a):\n    {BEFORE}"})
    text = related(repo, "ignored/**")["x.py"]
    assert re.findall(r'(?m)^<related path="(.*)">$', text) == ["secret.py"]
    assert f"2|     return convert('{'•' * len(TOKEN)}')" in text


def test_the_nearest_and_the_rarest_come_first(repo: Repo):
    names = ["often", "seldom"]
    old = "".join(f"def {name}(a):\n    return 1\n\n\n" for name in names)
    many = {f"far/{n}/m.py": f"def m{n}():\n    return often({n})\n" for n in range(9)}
    repo.commit(
        {"near/x.py": old, "near/y.py": "z = often(0)\n", "far/0/s.py": "t = seldom(1)\n", **many}
    )
    repo.commit({"near/x.py": old.replace("1", "2")})
    text = related(repo)["near/x.py"]
    found = re.findall(r'<related path="(.*)">', text)
    assert found == ["near/y.py", "far/0/s.py", "far/0/m.py", "far/1/m.py"]


def test_a_name_that_is_everywhere_says_nothing(repo: Repo):
    many = {f"m{n}.py": f"x = convert({n})\n" for n in range(related_code.MAX_HITS + 1)}
    repo.commit({"x.py": f"def convert(a):\n    {BEFORE}", **many})
    repo.commit({"x.py": f"def convert(a):\n    {AFTER}"})
    assert related(repo) == {"x.py": ""}


def test_a_name_that_is_everywhere_hides_no_other_one(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(related_code, "MAX_OUTPUT_BYTES", 20_000)
    names = ["everywhere", "often", "convert"]
    old = "".join(f"def {name}(a):\n    return 1\n\n\n" for name in names)
    many = {f"a/m{n}.py": f"x = everywhere({n})\n" * 20 for n in range(200)}
    some = {f"b/m{n}.py": f"x = often({n})\n" * 20 for n in range(40)}
    repo.commit({"x.py": old, **many, **some, "z.py": CALLER})
    repo.commit({"x.py": old.replace("1", "2")})
    text = related(repo)["x.py"]
    assert re.findall(r'<related path="(.*)">', text) == ["z.py"]


def test_a_git_without_perl_expressions_shows_nothing_and_says_so_once(
    workflow: WorkflowHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow.commit({"x.py": f"def convert(a):\n    {BEFORE}", "lib.py": CALLER})
    workflow.commit({f"{n}.py": f"def convert(a):\n    {AFTER}" for n in ("x", "y")})
    git = tmp_path / "git"
    git.write_text(f"""#!/bin/sh
for word in "$@"; do
  if [ "$word" = -P ]; then
    echo "fatal: cannot use Perl-compatible regexes when not compiled with USE_LIBPCRE" >&2
    exit 128
  fi
done
exec {shutil.which("git")} "$@"
""")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    result = workflow.run("submit")
    assert result.exit == 0
    (notice,) = result.annotations("notice")
    assert "this git was built without PCRE" in notice
    assert "<related" not in request(workflow, "x.py")


def test_related_code_is_bounded(repo: Repo):
    names = [f"convert_{n}" for n in range(40)]
    old = "".join(f"def {name}(a):\n    return 1\n\n\n" for name in names)
    body = "".join(f"    a = '{'x' * 150}'\n" for _ in range(9))
    many = {f"m{name}.py": f"def m():\n{body}    return {name}(1)\n" for name in names}
    repo.commit({"x.py": old, **many})
    repo.commit({"x.py": old.replace("1", "2")})
    text = related(repo)["x.py"]
    tokens = pricing.estimate_tokens(len(text.encode()))
    assert 0.6 * related_code.MAX_TOKENS < tokens <= related_code.MAX_TOKENS


def test_names_of_any_length_are_harmless(repo: Repo):
    long = "n" * 5_000
    repo.commit({"x.py": f"def {long}(a):\n    return 1\n", "y.py": "\nshort_name(2)\n"})
    repo.commit({"x.py": f"{long}(2)\n\n\ndef short_name(a):\n    return {'(' * 4_000}\n"})
    assert "2| short_name(2)" in related(repo)["x.py"]


words = st.text(alphabet="ab_", min_size=1, max_size=5)


@given(st.sets(words, min_size=1), st.lists(words))
def test_a_prefix_tree_matches_exactly_its_words(names, others):
    pattern = re.compile(rf"\b{related_code.prefix_tree(names)}\b")
    text = " ".join([*names, *others])
    assert pattern.findall(text) == [word for word in text.split(" ") if word in names]


def request(workflow: WorkflowHarness, path: str) -> str:
    (found,) = (r for r in workflow.batches[-1].requests if path_of_request(r) == path)
    return str(found["params"]["messages"][0]["content"])


def test_a_bug_that_only_the_caller_shows_is_in_the_request(workflow: WorkflowHarness):
    workflow.commit({"x.py": f"def convert(amount):\n    {BEFORE}", "lib.py": CALLER})
    workflow.commit({"x.py": f"def convert(amount):\n    {AFTER}"})
    workflow.run("submit")
    text = request(workflow, "x.py")
    lines = "1| def bill(order):\n2|     return convert(order.cents) * 2\n"
    assert f'<related path="lib.py">\n{lines}</related>\n<file path="x.py"' in text


def test_an_answer_that_quotes_related_code_is_discarded(workflow: WorkflowHarness):
    workflow.commit({"x.py": f"def convert(amount):\n    {BEFORE}", "lib.py": CALLER})
    workflow.commit({"x.py": f"def convert(amount):\n    {AFTER}"})
    workflow.run("submit")
    evidence = {"x.py": "return amount / 100", "lib.py": "return convert(order.cents) * 2"}
    item = {
        "start_line": 2, "end_line": 2, "trigger": "bill(order)", "explanation": "Wrong unit.",
        "pre_existing": False, "security": False, "rule": "unit", "category": "bug",
        "severity": "high", "confidence": "high", "remediation": "Divide.", "suggestion": None,
    }  # fmt: skip
    findings = [
        {**item, "title": f"In {path}", "evidence": text} for path, text in evidence.items()
    ]
    workflow.answer(lambda _request: {"findings": findings})
    result = workflow.run("collect", report="issue, files")
    results = json.loads((workflow.repo.path / result.outputs["results-file"]).read_text())
    assert [finding["title"] for finding in results["findings"]] == ["In x.py"]
    held = results["file_statuses"]["held_back"]
    assert [(h["reason"], h["path"], h["title"]) for h in held] == [
        ("discarded", "x.py", "In lib.py")
    ]


@pytest.mark.parametrize(
    ("inputs", "is_shown"),
    [
        pytest.param({}, True, id="default"),
        pytest.param({"task": "security-scan"}, True, id="security-scan"),
        pytest.param({"task": "license-check"}, False, id="license-check"),
        pytest.param({"select": "all"}, False, id="no-change"),
        pytest.param({"off": "yes"}, False, id="off"),
        pytest.param({"many": "yes"}, False, id="many-files"),
    ],
)
def test_where_related_code_is_shown(
    workflow: WorkflowHarness, monkeypatch: pytest.MonkeyPatch, inputs, is_shown
):
    limit = 0 if inputs.pop("many", "") else 200
    monkeypatch.setattr(related_code, "MAX_CHANGED_FILES", limit)
    off = {".github/batch-action.yml": "related-code: off\n"} if inputs.pop("off", "") else {}
    workflow.commit({"x.py": f"def convert(a):\n    {BEFORE}", "lib.py": CALLER, **off})
    workflow.commit({"x.py": f"def convert(a):\n    {AFTER}"})
    result = workflow.run("submit", **{"report": "summary", **inputs})
    notices = "1 files have changed, more than 0" in "".join(result.annotations("notice"))
    assert notices is (limit == 0)
    assert ("<related path=" in request(workflow, "x.py")) == is_shown


def test_another_caller_is_no_other_question(workflow: WorkflowHarness):
    workflow.commit({"x.py": f"def convert(a):\n    {BEFORE}", "lib.py": CALLER})
    workflow.commit({"x.py": f"def convert(a):\n    {AFTER}"})
    base = "HEAD~1"
    workflow.run("submit", base=base, paths="x.py")
    assert "<related" not in request(workflow, "x.py")  # `paths` would not send the caller.
    workflow.run("submit", base=base)
    assert len(workflow.sent_ids) == 1
