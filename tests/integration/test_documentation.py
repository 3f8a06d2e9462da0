"""The documentation task: a file is accepted with unchanged code only."""

import pytest

from tests.harness.workflow import WorkflowHarness, path_of_request

PYTHON = "import sys\n\n\ndef total(prices):\n    return sum(prices)  # noqa: C419\n"


@pytest.fixture
def documentation(workflow: WorkflowHarness) -> WorkflowHarness:
    workflow.inputs |= {"task": "documentation", "report": None}
    return workflow


def generated_files(workflow: WorkflowHarness) -> dict[str, str]:
    folder = workflow.repo.path / ".batch-action" / "generated" / "files"
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in paths}


def test_comparable_files_are_documented_and_others_skipped(
    documentation: WorkflowHarness,
):
    workflow = documentation
    workflow.commit(
        {
            "money.py": PYTHON,
            "web/cart.ts": "export function pieces(n: number): number {\r\n  return n;\r\n}\r\n",
            "main.go": "package main\n\nfunc Run() int {\n\treturn 1\n}\n",
            "main.rs": "fn main() {}\n",
            "broken.py": "def f(:\n",
            "latin.py": b"x = '\xe9'\n",
            "done.py": '"""Nothing to add."""\n',
        }
    )
    result = workflow.run("submit")
    assert workflow.requested_paths() == ["done.py", "main.go", "money.py", "web/cart.ts"]
    for reason in (
        "code in rust cannot be separated from its documentation",
        "it does not parse as python",
        "its text is not all UTF-8",
    ):
        assert reason in result.summary
    requests = workflow.batches[0].requests
    hints = {
        path_of_request(r): r["params"]["messages"][0]["content"].split("<file")[0]
        for r in requests
    }
    assert "> none in this file yet" in hints["money.py"]
    assert "> TSDoc" in hints["web/cart.ts"]
    assert "> Go doc comments" in hints["main.go"]
    result = workflow.run("collect")
    assert result.exit == 0, result.log
    files = generated_files(workflow)
    assert set(files) == {"main.go", "money.py", "web/cart.ts"}
    assert files["main.go"].startswith("package main\n\n// Run: run.")
    assert '"""' in files["money.py"]
    assert files["money.py"].endswith("return sum(prices)  # noqa: C419\n")
    assert files["web/cart.ts"].count("\r\n") == files["web/cart.ts"].count("\n") == 4
    assert workflow.issues == []


SECRET = "sk-ant-" + "a1B2" * 8
KEYS = f"KEY = '{SECRET}'\n\n\ndef key():\n    return KEY"
GOOD = PYTHON.replace("prices):\n", 'prices):\n    """Add up."""\n')


def answer_with(**texts):
    """Return an answer function: for each path the text of the file, or a list of files."""

    def answer(request):
        answers = texts.get(path_of_request(request).replace(".", "_").replace("/", "_"), [])
        files = [{"text": answers}] if isinstance(answers, str) else answers
        return {
            "files": [
                {
                    "path": path_of_request(request),
                    "summary": "A summary.",
                    "security": False,
                    **file,
                }
                for file in files
            ]
        }

    return answer


def requested_text(workflow: WorkflowHarness, path: str) -> str:
    """Return the text of a file as its request shows it."""
    (text,) = (
        r["params"]["messages"][0]["content"]
        for r in workflow.batches[-1].requests
        if path_of_request(r) == path
    )
    lines = text.rpartition("<file ")[2].split("\n")[1:-1]
    return "".join(f"{line.partition('| ')[2]}\n" for line in lines)


def test_a_file_with_other_changes_is_refused_and_counted(documentation: WorkflowHarness):
    workflow = documentation
    paths = ("code", "flag", "away", "other", "twice", "good", "same", "bidi")
    workflow.commit({f"{name}.py": PYTHON for name in paths} | {"next.py": "x = 1\n"})
    workflow.run("submit")
    workflow.answer(
        answer_with(
            code_py=GOOD.replace("sum(", "max("),
            flag_py=GOOD.replace("  # noqa: C419", ""),
            away_py=[{"path": "../away.py", "text": GOOD}],
            other_py=[{"path": "good.py", "text": GOOD}],
            twice_py=[{"text": GOOD.replace("Add", "Sum")}, {"text": GOOD}],
            good_py=GOOD,
            same_py=PYTHON + "\n\n",
            bidi_py=GOOD.replace("Add", "\u202eAdd"),
        )
    )
    result = workflow.run("collect")
    assert result.exit == 0, result.log
    assert generated_files(workflow) == {"good.py": GOOD, "twice.py": GOOD}
    for reason in (
        "changes the code",
        "adds, drops or moves a comment that tools read",
        "leaves the repository",
        "is not the requested file",
        "has bidirectional control characters",
    ):
        assert reason in result.summary
    assert result.summary.count("refused: ") == 5
    # All files were answered: the backlog is empty.
    assert workflow.run("submit").outputs["requests-count"] == "0"


def test_a_masked_secret_is_restored(documentation: WorkflowHarness):
    workflow = documentation
    workflow.commit({"keys.py": KEYS, "lost.py": KEYS})
    workflow.run("submit")
    text = requested_text(workflow, "keys.py")
    assert SECRET not in str(workflow.batches[-1].requests)
    documented = text.replace("key():\n", 'key():\n    """Return it."""\n')
    workflow.answer(
        answer_with(
            keys_py=documented, lost_py=documented.replace("KEY = '", "KEY = '").replace("•", "x")
        )
    )
    result = workflow.run("collect")
    assert generated_files(workflow) == {
        "keys.py": KEYS.replace("key():\n", 'key():\n    """Return it."""\n')
    }
    assert "changes the code" in result.summary
    assert SECRET not in result.log + result.summary


def test_a_byte_order_mark_is_kept_and_large_files_are_skipped(documentation: WorkflowHarness):
    workflow = documentation
    big = "".join(f"def f{n}():\n    return {n}\n\n\n" for n in range(3_000))
    workflow.commit({"mark.py": b"\xef\xbb\xbf" + PYTHON.encode(), "big.py": big})
    result = workflow.run("submit")
    assert workflow.requested_paths() == ["mark.py"]
    assert "documentation takes whole files of at most 60,000 characters" in result.summary
    workflow.answer(answer_with(mark_py=GOOD))
    workflow.run("collect")
    assert generated_files(workflow) == {"mark.py": "\ufeff" + GOOD}
