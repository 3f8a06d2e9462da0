"""The definition of a task: its prompt, its answer model, and what it needs and produces."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cached_property
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from batch_action.models.files import SourceFile
from batch_action.models.findings import TaskResponse
from batch_action.models.generated import DraftTarget, FileDraft
from batch_action.tasks.responses import to_response

_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


class UnreadableAnswerError(Exception):
    """An answer that is not JSON, or does not match the task's answer model."""


class ContextNeeds(Enum):
    """Which context files a task needs with each file."""

    NONE = auto()
    BEFORE = auto()
    """The version that the file is compared with; files without one are skipped."""
    TESTS = auto()
    """The existing tests of the file, and the path for new ones."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of each file; a built-in task's module and prompt are named after it."""

    name: str
    description: str
    answer_model: type[BaseModel]
    security_categories: frozenset[str] = frozenset()
    """Categories that are hidden on public repositories."""
    security_only: bool = False
    """Every category is a security category: nothing is shown on a public repository."""
    whole_file_categories: frozenset[str] = frozenset()
    """Categories that are about the file as a whole and need no evidence."""
    needs_whole_file: bool = False
    """Large files are skipped, not split: an answer holds or compares whole files."""
    generates_files: bool = False
    """An answer consists of files."""
    check_draft: Callable[[FileDraft, DraftTarget], str | None] = lambda _draft, _target: None
    """Returns in a few words why a generated file is refused; None if it is accepted."""
    shared_prompts: tuple[str, ...] = ("common",)
    """Markdown files, without suffix, that are appended to the prompt."""
    complete_prompts: tuple[str, ...] = ()
    """Those that come before them where `documentation-style: complete` is set."""
    instructions: str | None = None
    """The prompt itself, if it is not the Markdown file next to the task's module."""
    source_path: str = ""
    """The repository's file that defines a custom task; empty for built-in tasks."""
    default_settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that apply unless the user sets them."""
    checks_licenses: bool = False
    """The prompt lists the repository's licenses, and headers are checked without the model."""
    context_needs: ContextNeeds = ContextNeeds.NONE
    skip_reason: Callable[[SourceFile], str | None] = lambda _file: None
    """Returns in a few words why the task does not apply to a file; None if it does."""
    also_reads: tuple[str, ...] = ()
    """Patterns of the prose and data that the task reads besides code, as in a `.gitignore`."""
    hints: Callable[[SourceFile], tuple[tuple[str, str], ...]] = lambda _file: ()
    """Returns more facts about a file for its request: element names and their texts."""
    base_output_tokens: int = 6_000
    """`max_tokens` of the smallest request: enough for thinking and a few findings."""
    output_ratio: float = 0.5
    """Output tokens added to that for each input token."""
    max_output_tokens: int = 32_000

    @property
    def reads_excerpts(self) -> bool:
        """Whether it reviews a change, and its prompt says what an excerpt leaves out."""
        return "excerpt" in self.shared_prompts

    @property
    def can_be_verified(self) -> bool:
        """Whether its findings are claims about one file that a second request can check."""
        return not self.needs_whole_file

    @property
    def default_report(self) -> tuple[Literal["files", "summary"], ...]:
        """The `report` of a task that generates files; empty: the input's default."""
        return ("files", "summary") if self.generates_files else ()

    @cached_property
    def prompt(self) -> str:
        """The task's instructions followed by the shared prompts."""
        folder = resources.files("batch_action.tasks")
        own = () if self.instructions else (self.name.replace("-", "_"),)
        texts = [
            folder.joinpath(f"{name}.md").read_text("utf-8").strip()
            for name in (*own, *self.shared_prompts)
        ]
        return "\n\n".join([self.instructions, *texts] if self.instructions else texts)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The plain JSON schema of the answer model, as structured outputs take it."""
        return self.answer_model.model_json_schema()

    @cached_property
    def digest(self) -> str:
        """A hash of the prompt and the schema, but not of the repository's guidelines."""
        text = self.prompt + json.dumps(self.schema, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def with_complete_prompts(self) -> "Task":
        """Return the task as it is asked where `documentation-style: complete` is set."""
        return replace(self, shared_prompts=(*self.complete_prompts, *self.shared_prompts))

    def parse_answer(self, text: str) -> TaskResponse:
        """Parse the text of one answer.

        Structured outputs guarantee the schema only, so the answer model validates it again.

        Raises:
            UnreadableAnswerError: when the text is not JSON or does not match the model.
        """
        try:
            answer = self.answer_model.model_validate_json(_without_lone_surrogates(text))
        except ValidationError as error:
            first = error.errors()[0]
            location = ".".join(str(part) for part in first["loc"]) or "the answer"
            raise UnreadableAnswerError(f"{location}: {first['msg']}") from None
        return to_response(
            answer,
            task=self.name,
            security=self.security_categories,
            whole_file=self.whole_file_categories,
        )


def _without_lone_surrogates(text: str) -> str:
    """Replace half characters, as such or escaped: one of them must not cost the answer."""
    if not _SURROGATE.search(text):
        return text
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
