"""The answers that were written for the samples: true, complete, and accepted by the tasks."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from batch_action.models.generated import FileDraft
from batch_action.sandbox.sample_answers import SampleAnswers
from batch_action.sandbox.sample_repositories import SAMPLES, create_commit, create_repository
from batch_action.syntax.treesitter import parse
from batch_action.tasks import documentation, registry, test_generation
from batch_action.tasks.task import DraftTarget

NAMES = list(SAMPLES)
FINDING_TASKS = ["code-review", "security-scan", "license-check"]
LANGUAGES = {".py": "python", ".js": "javascript", ".ts": "typescript", ".go": "go"}
ROOT = Path(__file__).parents[2]


@cache
def written(name: str) -> dict[str, Any]:
    path = ROOT / "batch_action" / "sandbox" / SAMPLES[name].folder / "answers.yml"
    answers: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return answers


@cache
def versions(name: str) -> list[dict[str, str]]:
    """Return the text of all files at each commit of a sample, the oldest first."""
    sample = SAMPLES[name]
    trees: list[dict[str, str]] = []
    for step in (*sample.history, sample.fix):
        folder = ROOT / "batch_action" / "sandbox" / sample.folder / step.folder
        new = {
            str(path.relative_to(folder)).removesuffix(".txt"): path.read_text("utf-8")
            for path in folder.rglob("*.txt")
        }
        trees.append({**(trees[-1] if trees else {}), **new})
    return trees


def numbered(text: str) -> str:
    return "\n".join(f"{n}| {line}" for n, line in enumerate(text.splitlines(), 1))


def ask(name: str, task: str, path: str, text: str, extra: str = "") -> dict[str, Any]:
    shown = text.replace("@SECRET@", "•" * 32)
    last = len(shown.splitlines())
    content = (
        f'{extra}<file path="{path}" language="" first-line="1" last-line="{last}">\n'
        f"{numbered(shown)}\n</file>"
    )
    params = {
        "messages": [{"role": "user", "content": content}],
        "output_config": {"format": {"schema": registry.all_tasks()[task].schema}},
    }
    answer: dict[str, Any] = json.loads(SampleAnswers(SAMPLES[name], task)(params))
    registry.all_tasks()[task].answer_model.model_validate(answer)
    return answer


def reviewed(name: str, task: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, text and finding of each version that a demo reviews."""
    trees = versions(name)
    for before, after in pairwise(trees):
        for path, text in after.items():
            if before.get(path) == text:
                continue
            old = before.get(path)
            extra = f'<before path="{path}">\n{numbered(old)}\n</before>\n' if old else ""
            if task == "refactor-validation" and not old:
                continue
            for finding in ask(name, task, path, text, extra)["findings"]:
                yield path, text, finding


@pytest.mark.parametrize("name", NAMES)
def test_there_are_answers_for_every_task(name):
    assert set(written(name)["tasks"]) == set(registry.all_tasks())
    assert all(SampleAnswers(SAMPLES[name], task).exist for task in registry.all_tasks())
    assert not SampleAnswers(SAMPLES[name], "of-a-user").exist


@pytest.mark.parametrize("name", NAMES)
def test_each_finding_quotes_its_file_and_is_reported(name):
    expected = {
        (finding["path"], finding["title"], task)
        for finding in written(name)["findings"]
        for task in finding["category"]
    }
    found = set()
    for task in (*FINDING_TASKS, "refactor-validation"):
        for path, text, finding in reviewed(name, task):
            lines = text.replace("@SECRET@", "•" * 32).splitlines()
            shown = lines[finding["start_line"] - 1 : finding["end_line"]]
            assert finding["evidence"] == "\n".join(shown)
            found.add((path, finding["title"], task))
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_findings_read_well(name):
    for finding in written(name)["findings"]:
        assert len(finding["title"].split()) <= 14
        assert not re.search(r"(?i)sandbox|claude|\bfix the\b", finding["title"])
        assert 1 <= len(re.findall(r"[.?!](?: |$)", finding["explanation"])) <= 6
        assert finding["explanation"].strip() != finding["remediation"].strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_suggestion_can_be_applied(name):
    suggestions = [
        (path, text, finding)
        for task in FINDING_TASKS
        for path, text, finding in reviewed(name, task)
        if finding["suggestion"]
    ]
    assert suggestions
    for path, text, finding in suggestions:
        lines = text.splitlines()
        lines[finding["start_line"] - 1 : finding["end_line"]] = finding["suggestion"].splitlines()
        new = "\n".join([*lines, ""])
        assert new != text
        assert parses(path, new)
        # What was fixed is no longer reported.
        titles = {f["title"] for f in ask(name, "code-review", path, new)["findings"]}
        assert finding["title"] not in titles


def parses(path: str, text: str) -> bool:
    language = LANGUAGES[Path(path).suffix]
    if language == "python":
        return bool(ast.parse(text))
    tree = parse(text, language)
    return tree is not None and not tree.root_node.has_error


@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_bug_is_gone_and_its_neighbors_stay(name):
    old, new = versions(name)[-2:]
    fixed = [path for path in old if path in new and old[path] != new[path]]
    for path in fixed:
        before = {f["title"] for f in ask(name, "code-review", path, old[path])["findings"]}
        after = {f["title"] for f in ask(name, "code-review", path, new[path])["findings"]}
        assert after < before


@pytest.mark.parametrize("name", NAMES)
def test_verdicts_are_given_for_each_change(name):
    used = 0
    trees = versions(name)
    for before, after in pairwise(trees):
        for path, text in after.items():
            if path not in before or before[path] == text or path == "package-lock.json":
                continue
            extra = f'<before path="{path}">\n{numbered(before[path])}\n</before>\n'
            answer = ask(name, "refactor-validation", path, text, extra)
            assert "public names" not in answer["summary"], "the rules answered"
            assert (answer["verdict"] == "INVALID") == bool(answer["findings"])
            used += 1
    assert used == len(written(name)["verdicts"])


@pytest.mark.parametrize("name", NAMES)
def test_documentation_changes_nothing_else(name):
    done = set()
    for tree in versions(name):
        for path, text in tree.items():
            for draft in ask(name, "documentation", path, text)["files"]:
                language = LANGUAGES[Path(path).suffix]
                assert draft["text"] != text
                assert documentation.find_code_change(language, text, draft["text"]) is None
                done.add(path)
                for insertion in written(name)["documentation"][path]:
                    if insertion["text"].strip().splitlines()[0] in draft["text"]:
                        done.add(insertion["text"])
    insertions = {i["text"] for path in written(name)["documentation"].values() for i in path}
    assert done == insertions | written(name)["documentation"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_each_test_file_is_accepted_and_extends_the_existing_one(name):
    newest = versions(name)[-1]
    for path in written(name)["tests"]:
        [draft] = ask(name, "test-generation", "x", "x", f"<target>\n> path: {path}\n</target>\n")[
            "files"
        ]
        framework = {".py": "pytest", ".ts": "vitest", ".go": "go"}[Path(path).suffix]
        existing = newest.get(path)
        target = DraftTarget(
            source="x",
            language="",
            text="x",
            test_path=path,
            framework=framework,
            existing_text=existing,
            tests=(path,) if existing else (),
        )
        text = FileDraft(path=path, text=draft["text"], summary=draft["summary"], security=False)
        assert test_generation.check_draft(text, target) is None
        assert draft["text"].startswith((existing or "").rstrip())


@pytest.mark.parametrize(("name", "folder"), [("python", "."), ("monorepo", "api")])
@pytest.mark.parametrize("fixed", [False, True])
def test_the_written_python_tests_pass(tmp_path, name, folder, fixed):
    sample, now = SAMPLES[name], datetime.now(UTC)
    create_repository(tmp_path / "repo", now, sample)
    if fixed:
        create_commit(tmp_path / "repo", sample.fix, now, sample)
    drafts = ROOT / "batch_action" / "sandbox" / sample.folder / "drafts"
    for path in written(name)["tests"]:
        if path.endswith(".py") and (fixed or "reminders" not in path):
            target = tmp_path / "repo" / path
            target.parent.mkdir(exist_ok=True)
            target.write_text((drafts / f"{path}.txt").read_text("utf-8"), "utf-8")
    # The change of the sample breaks this test of its own: that is one of its findings.
    options = ["-q", "-p", "no:cacheprovider", "--deselect", "tests/test_prices.py::test_total"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path / "repo" / folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stdout
