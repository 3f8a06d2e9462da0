"""The documentation task: a file is accepted with unchanged code only."""

import pytest

from batch_action.models.generated import DraftTarget, FileDraft
from batch_action.tasks.documentation import check_draft
from tests.harness.workflow import WorkflowHarness, path_of_request

PYTHON = "import sys\n\n\ndef total(prices):\n    return sum(prices)  # noqa: C419\n"


@pytest.fixture
def documentation(workflow: WorkflowHarness) -> WorkflowHarness:
    workflow.inputs |= {"task": "documentation", "report": None}
    return workflow


def test_complete_documentation_is_another_question(documentation: WorkflowHarness) -> None:
    workflow = documentation
    workflow.commit({"money.py": PYTHON})
    assert workflow.run("submit").exit == 0
    assert workflow.run("collect").exit == 0
    (system,) = {r["params"]["system"][0]["text"] for r in workflow.batches[0].requests}
    assert "# Complete documentation" not in system
    workflow.commit({".github/batch-action.yml": "documentation-style: complete\n"})
    assert workflow.run("submit", select="all", paths="/money.py").exit == 0
    (request,) = workflow.batches[1].requests
    system = request["params"]["system"][0]["text"]
    assert "`@throws {type} …` for each error" in system
    assert "`Args:`, `Returns:` (or `Yields:`) and `Raises:`" in system


COMPLETE = {
    "javascript": (
        "export function half(n) {\n  if (n % 2) throw new Error('odd');\n  return n / 2;\n}\n",
        (
            "/**\n * Halve a number.\n *\n * @param {number} n - an even number\n"
            " * @returns {number} half of it\n * @throws {Error} when it is odd\n"
            " * @example\n * half(4); // 2\n */\n"
        ),
    ),
    "typescript": (
        "export function first<T>(items: T[]): T | undefined {\n  return items[0];\n}\n",
        (
            "/**\n * Return the first item.\n *\n * @typeParam T - what the list holds\n"
            " * @param items - the list\n * @returns the item; undefined if there is none\n"
            " * @example\n * ```ts\n * first([1, 2]); // 1\n * ```\n */\n"
        ),
    ),
}


@pytest.mark.parametrize("language", COMPLETE)
def test_complete_documentation_is_accepted(language: str) -> None:
    code, comment = COMPLETE[language]
    target = DraftTarget(source="a", language=language, text=code, existing_text=code)
    assert check_draft(FileDraft(path="a", text=comment + code), target) is None


def test_complete_docstrings_are_accepted() -> None:
    code = "def half(n):\n    if n % 2:\n        raise ValueError(n)\n    return n // 2\n"
    sections = "Args:\n        n: an even number.\n\n    Returns:\n        Half of it.\n"
    sections += "\n    Raises:\n        ValueError: when it is odd.\n    "
    docstring = f'    """Halve a number.\n\n    {sections}"""\n'
    head, body = code.split("\n", 1)
    target = DraftTarget(source="a", language="python", text=code, existing_text=code)
    assert check_draft(FileDraft(path="a", text=f"{head}\n{docstring}{body}"), target) is None


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
            "wide.ts": "export const a = 1;\n".encode("utf-16"),
            "table.py": f"x = '{'QUJD' * 800}'\n",
            "done.py": '"""Nothing to add."""\n',
            "tabs.py": "class A:\n\tdef f(self):\n\t\treturn 1\n",
        }
    )
    result = workflow.run("submit")
    asked = ["done.py", "main.go", "money.py", "tabs.py", "web/cart.ts"]
    assert workflow.requested_paths() == asked
    for reason in (
        "code in rust cannot be separated from its documentation",
        "it does not parse as python",
        "its text is not all UTF-8",
        "its text is not sent as it is: UTF-16, or a long line of data",
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
    assert set(files) == {"main.go", "money.py", "tabs.py", "web/cart.ts"}
    assert files["tabs.py"].count("\n\t\t") == 2
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
