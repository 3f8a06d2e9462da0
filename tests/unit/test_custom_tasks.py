"""Custom tasks: what the front matter may contain, and all of its problems at once."""

import json
import re

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.errors import ConfigError
from batch_action.models.findings import Severity, Verdict
from batch_action.sandbox.anthropic.schemas import schema_error
from batch_action.tasks import custom
from batch_action.tasks.registry import all_tasks
from batch_action.tasks.task import Task, UnreadableAnswerError

FRONT = "name: no-prints\ndescription: Prints that were left behind\n"
BODY = "# No prints\n\nFind every print.\n"


def parse_task(front=FRONT, body=BODY, name="no-prints"):
    text = f"---\n{front}---\n{body}"
    return custom.parse(custom.path_of(name or "x"), text, all_tasks(), name=name)


def finding_item(**fields):
    values = {
        "rule": "print",
        "severity": "high",
        "confidence": "high",
        "start_line": 1,
        "end_line": 1,
        "evidence": "print(x)",
        "title": "t",
        "trigger": "a call",
        "explanation": "w",
        "remediation": "r",
        "suggestion": None,
        "pre_existing": False,
        "security": False,
    }
    return {**values, **fields}


class TestValid:
    def test_minimal(self):
        task = parse_task()
        assert (task.name, task.description) == ("no-prints", "Prints that were left behind")
        assert task.source_path == ".github/batch-action/tasks/no-prints.md"
        assert task.prompt.startswith("# No prints\n\nFind every print.\n\n## What counts")
        assert "## Severity" in task.prompt
        assert (task.needs_whole_file, task.generates_files, task.default_settings) == (
            False,
            False,
            {},
        )

    def test_all_keys(self):
        more = (
            "kind: Verdict\npaths: |\n  src/\n\n  !src/gen/\nmodel: claude-opus-5-5\neffort: low\n"
            "severities: [low, HIGH]\n"
        )
        task = parse_task(FRONT + more)
        assert task.needs_whole_file
        assert task.default_settings == {
            "paths": ("src/", "!src/gen/"),
            "model": "claude-opus-5-5",
            "effort": "low",
        }
        assert task.schema["$defs"]["Severity"]["enum"] == ["high", "low"]
        assert "## The verdict" in task.prompt

    def test_crlf_and_byte_order_mark(self):
        text = f"\ufeff---\n{FRONT}---\n{BODY}".replace("\n", "\r\n")
        assert (
            custom.parse("x.md", text, all_tasks(), name="no-prints").prompt == parse_task().prompt
        )

    def test_a_horizontal_rule_in_the_prompt_is_not_front_matter(self):
        assert "a\n---\nb" in parse_task(body="a\n---\nb\n").prompt

    @pytest.mark.parametrize("kind", ["findings", "verdict"])
    @pytest.mark.parametrize("severities", ["", "severities: [high]\n"])
    def test_the_schema_is_legal(self, kind, severities):
        task = parse_task(f"{FRONT}kind: {kind}\n{severities}")
        assert schema_error(task.schema) is None

        def without(node):
            if isinstance(node, list):
                return [without(x) for x in node]
            if not isinstance(node, dict):
                return node
            drop = {"type"} if "enum" in node else set()
            return {k: without(v) for k, v in node.items() if k not in drop}

        assert without(task.schema) == anthropic.transform_schema(task.answer_model)

    def test_the_digest_covers_the_prompt_and_the_schema_only(self):
        digests = {
            parse_task().digest,
            parse_task(body="# No prints\n\nFind each print.\n").digest,
            parse_task(FRONT + "kind: verdict\n").digest,
            parse_task(FRONT + "severities: [high]\n").digest,
        }
        assert len(digests) == 4
        assert parse_task(FRONT + "paths: src/\nmodel: m\n").digest == parse_task().digest


class TestAnswers:
    def test_findings(self):
        problem = json.dumps(
            {"findings": [finding_item(), finding_item(security=True, severity=" LOW ")]}
        )
        first, second = parse_task().parse_answer(problem).raw_findings
        assert (first.category, first.severity, first.security) == (
            "no-prints",
            Severity.HIGH,
            False,
        )
        assert (second.severity, second.security) == (Severity.LOW, True)

    def test_a_severity_that_is_not_allowed(self):
        task = parse_task(FRONT + "severities: [high]\n")
        assert len(task.parse_answer(json.dumps({"findings": [finding_item()]})).raw_findings) == 1
        with pytest.raises(UnreadableAnswerError, match="severity"):
            task.parse_answer(json.dumps({"findings": [finding_item(severity="low")]}))

    def test_a_verdict(self):
        task = parse_task(FRONT + "kind: verdict\n")
        problem = {"findings": [], "summary": "Fine.", "security": False, "verdict": "valid"}
        assert task.parse_answer(json.dumps(problem)).assessment.verdict is Verdict.VALID
        problem["findings"] = [finding_item()]
        assert task.parse_answer(json.dumps(problem)).assessment.verdict is Verdict.UNCERTAIN
        with pytest.raises(UnreadableAnswerError):
            task.parse_answer(json.dumps({"findings": []}))


class TestInvalid:
    @pytest.mark.parametrize(
        ("front", "problem"),
        [
            ("description: d\nname: other\n", "the file is named 'no-prints'"),
            ("name: no-prints\n", "`description` is missing"),
            (FRONT + "kind: opinion\n", "`kind` must be one of: findings, verdict."),
            (FRONT + "effort: most\n", "`effort` must be one of: low, medium"),
            (FRONT + "effort: 3\n", "`effort` must be one of"),
            (FRONT + "path: src/\n", "`path` is not a key of a task: did you mean `paths`?"),
            (FRONT + "color: red\n", "the keys are name, description, kind"),
            (FRONT + "paths: {a: 1}\n", "`paths` must be a list"),
            (FRONT + "paths: [1]\n", "`paths` must be a list"),
            (FRONT + "severities: []\n", "`severities` must be a list of some of"),
            (FRONT + "severities: [worst]\n", "`severities` must be a list of some of"),
            (FRONT + "severities: 7\n", "`severities` must be a list of some of"),
            (FRONT + "model: [a]\n", "`model` must be one line"),
            ("name: no-prints\ndescription: |\n  a\n  b\n", "`description` must be one line"),
            ("- a\n- b\n", "must consist of `key: value` lines"),
            ("a: b: c\n", "is not valid YAML"),
            ("1: x\n" + FRONT, "`1` is not a key"),
        ],
    )
    def test_each_problem_has_a_message(self, front, problem):
        with pytest.raises(ConfigError) as caught:
            parse_task(front)
        assert problem in str(caught.value)
        assert re.search(r"no-prints\.md has \d problems?:\n", str(caught.value))

    def test_all_problems_are_reported_at_once(self):
        with pytest.raises(ConfigError) as caught:
            parse_task("name: Bad Name\nkind: x\neffort: y\nmore: z\n", body=" \n")
        text = str(caught.value)
        assert "has 6 problems" in text
        assert text.count("\n- ") == 6

    @pytest.mark.parametrize(
        "name",
        ["A", "a_b", "-a", "a-", "a--b", "a" * 41, "1a", "../x", "a/b", "é", "code-review", ""],
    )
    def test_invalid_names(self, name):
        with pytest.raises(ConfigError, match="`name`"):
            parse_task(f"name: '{name}'\ndescription: d\n", name=name or "../y")

    def test_front_matter_without_an_end(self):
        with pytest.raises(ConfigError, match="does not end"):
            custom.parse("x.md", "---\nname: x\n", all_tasks(), name="x")

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_any_text_is_a_task_or_a_config_error(self, front, body):
        try:
            task = parse_task(front + "\n", body)
        except ConfigError:
            return
        assert isinstance(task, Task)
        assert task.name == "no-prints"


class TestPromptFile:
    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("prompts/find-todos.md", "prompt-find-todos"),
            ("Any Thing.txt", "prompt-any-thing"),
            ("code-review.md", "prompt-code-review"),
            ("x" * 80 + ".md", "prompt-" + "x" * 33),
            ("日本.md", "prompt"),
        ],
    )
    def test_a_prompt_without_front_matter(self, path, name):
        task = custom.parse(path, "Find all TODOs.\n", all_tasks())
        assert task.name == name
        assert task.description == f"The prompt in {path}"
        assert task.prompt.startswith("Find all TODOs.\n\n")

    def test_a_name_in_the_front_matter_is_used(self):
        task = custom.parse("any.md", f"---\n{FRONT}---\n{BODY}", all_tasks())
        assert task.name == "no-prints"
