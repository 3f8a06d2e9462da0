"""The test-generation task: existing tests are sent along, and generated files can run."""

import json
import subprocess
import sys

import pytest

from tests.harness.workflow import WorkflowHarness, path_of_request

MONEY = "def total(prices):\n    return sum(prices)\n\n\nclass Till:\n    pass\n"
TEST = "from shop.money import total\n\n\ndef test_total():\n    assert total([1]) == 1\n"
CART = (
    "export function pieces(cart: { lines: number[] }): number {\n  return cart.lines.length;\n}\n"
)
VITEST = json.dumps({"devDependencies": {"vitest": "^3"}})


@pytest.fixture
def generation(workflow: WorkflowHarness) -> WorkflowHarness:
    workflow.inputs |= {"task": "test-generation", "report": None}
    return workflow


def generated_files(workflow: WorkflowHarness) -> dict[str, str]:
    folder = workflow.repo.path / ".batch-action" / "generated" / "files"
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in paths}


GO_TEST = 'package main\n\nimport "testing"\n\nfunc TestZero(t *testing.T) {}\n'


def messages(workflow: WorkflowHarness) -> dict[str, str]:
    """Return the user message about each file."""
    requests = workflow.batches[-1].requests
    return {path_of_request(r): r["params"]["messages"][0]["content"] for r in requests}


def test_each_package_of_a_monorepo_has_its_own_tests(generation: WorkflowHarness):
    workflow = generation
    workflow.commit(
        {
            "api/pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
            "api/shop/__init__.py": "",
            "api/shop/money.py": MONEY,
            "api/tests/test_money.py": TEST,
            "web/package.json": VITEST,
            "web/src/cart.ts": CART,
            "tool/main.go": "package main\n\nfunc Run() int { return 1 }\n",
            "tool/main_test.go": GO_TEST,
            "docs/x.rb": "x = 1\n",
            "other/x.ts": CART,
        }
    )
    result = workflow.run("submit")
    assert workflow.requested_paths() == ["api/shop/money.py", "tool/main.go", "web/src/cart.ts"]
    for reason in (
        "part of the tests",
        "tests in ruby are not supported",
        "no jest, vitest or mocha",
    ):
        assert reason in result.summary
    prompts = messages(workflow)
    assert (
        '<test path="api/tests/test_money.py">\n1| from shop.money' in prompts["api/shop/money.py"]
    )
    assert "> path: api/tests/test_money.py\n> state: shown" in prompts["api/shop/money.py"]
    assert (
        "> framework: vitest\n> path: web/src/cart.test.ts\n> state: new"
        in prompts["web/src/cart.ts"]
    )
    result = workflow.run("collect")
    assert result.exit == 0, result.log
    files = generated_files(workflow)
    assert set(files) == {
        "api/tests/test_money.py",
        "tool/main_test.go",
        "web/src/cart.test.ts",
    }
    assert files["api/tests/test_money.py"].startswith(TEST)
    assert files["tool/main_test.go"].startswith(GO_TEST)
    assert "func TestRunExists(" in files["tool/main_test.go"]
    workflow.repo.write(dict(files))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_money.py"],
        cwd=workflow.repo.path / "api",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_changed_tests_make_another_request(generation: WorkflowHarness):
    workflow = generation
    workflow.commit({"shop/money.py": MONEY})
    workflow.run("submit")
    workflow.run("collect")
    assert workflow.run("submit", select="all").outputs["requests-count"] == "0"
    workflow.commit({"tests/test_money.py": TEST})
    assert workflow.run("submit", select="all").outputs["requests-count"] == "1"
    assert len(set(workflow.sent_ids)) == 2


def test_a_go_package_and_pytest_options_are_told_and_kept(generation: WorkflowHarness):
    """What another file declares, or pytest would not find, is told first and refused last."""
    workflow = generation
    workflow.commit(
        {
            "tool/run.go": "package tool\n\nfunc Run() int { return 1 }\n",
            "tool/walk.go": "package tool\n\nfunc Walk() int { return 1 }\n",
            "tool/more_test.go": GO_TEST.replace("main", "tool").replace("Zero", "RunExists"),
            "shop/money.py": MONEY,
            "shop/pytest.ini": "[pytest]\npython_functions = check_*\n",
        }
    )
    workflow.run("submit")
    prompts = messages(workflow)
    assert "> state: new file\n> taken: TestRunExists" in prompts["tool/run.go"]
    assert "> names of functions: check_*" in prompts["shop/money.py"]
    assert "> names of classes" not in prompts["shop/money.py"]
    result = workflow.run("collect")
    assert result.exit == 0, result.log
    assert set(generated_files(workflow)) == {"tool/walk_test.go"}
    summary = result.summary.replace("<wbr>", "")
    assert "refused: declares TestRunExists, which" in summary
    assert "refused: has no test" in summary


def test_two_drafts_of_one_go_package_declare_nothing_twice(generation: WorkflowHarness):
    workflow = generation
    workflow.commit(
        {f"tool/{n}.go": f"package tool\n\nfunc {n.upper()}() int {{ return 1 }}\n" for n in "ab"}
    )
    workflow.run("submit")
    text = GO_TEST.replace("package main", "package tool")

    def answer(request):
        path = path_of_request(request).replace(".go", "_test.go")
        return {"files": [{"path": path, "text": text, "summary": "", "security": False}]}

    workflow.answer(answer)
    result = workflow.run("collect")
    assert len(generated_files(workflow)) == 1
    assert "refused: declares TestZero, which" in result.summary.replace("<wbr>", "")


def test_of_a_long_test_file_only_the_names_are_sent(generation: WorkflowHarness):
    workflow = generation
    many = "".join(f"def test_{n}():\n    assert {n} == {n}\n\n\n" for n in range(2_500))
    workflow.commit({"shop/money.py": MONEY, "tests/test_money.py": many})
    workflow.run("submit")
    prompt = messages(workflow)["shop/money.py"]
    assert '<test path="tests/test_money.py" complete="no">\n  1| def test_0\n' in prompt
    assert "… and 2300 more" in prompt
    assert "> path: tests/test_shop_money.py\n> state: new" in prompt
    workflow.run("collect")
    assert set(generated_files(workflow)) == {"tests/test_shop_money.py"}


def test_what_a_new_file_runs_when_it_is_loaded_is_named(generation: WorkflowHarness):
    generation.commit({"a.py": MONEY})
    generation.run("submit")
    text = "import os\nos.getcwd()\n\n\ndef test_it():\n    assert 1\n"
    draft = {"path": "tests/test_a.py", "text": text, "summary": "x" * 500, "security": False}
    generation.answer(lambda _request: {"files": [draft]})
    result = generation.run("collect")
    assert "Runs when the file is loaded: line 2." in result.summary


def test_an_unsafe_or_overwriting_file_is_refused_and_counted(generation: WorkflowHarness):
    workflow = generation
    workflow.commit(
        {"a.py": MONEY, "b.py": MONEY, "c.py": MONEY, "tests/test_a.py": TEST, "tests/x.py": "x\n"}
    )
    workflow.run("submit")
    good = "def test_it():\n    assert 1\n"
    bad = {
        "../test_a.py": "leaves the repository",
        "/test_a.py": "leaves the repository",
        ".github/workflows/test_a.py": "configures automation",
        ".git/hooks/test_a.py": "is a file of git",
        "tests/x.py": "is not where pytest would look",
        "conftest.py": "is not where pytest would look",
        "Tests/test_a.py": "only in letter case",
        "tests/test_a.py": "drops or changes existing code",
    }

    def answer(request):
        paths = bad if path_of_request(request) == "a.py" else ["tests/test_more.py"]
        return {
            "files": [{"path": p, "text": good, "summary": "", "security": False} for p in paths]
        }

    workflow.answer(answer)
    result = workflow.run("collect")
    assert set(generated_files(workflow)) == {"tests/test_more.py"}
    for reason in bad.values():
        assert reason in result.summary.replace("&#39;", "'")
    assert "was written for" in result.summary
    assert result.summary.count("refused: ") == len(bad) + 1
