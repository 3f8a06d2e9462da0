"""What a task is: its prompt, its answer model, and what is read out of an answer."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from batch_action.models.files import SelectedFile
from batch_action.models.responses import DraftTarget, FileDraft, TaskResponse


class UnreadableAnswerError(Exception):
    """The answer is no JSON, or not what the answer model asks for."""


class ContextNeeds(Enum):
    """What is sent along with each file."""

    NONE = auto()
    BEFORE = auto()
    """The version it is compared with; files without one are not asked about."""
    TESTS = auto()
    """The tests it has, and where new ones belong."""


def suits_all(_: SelectedFile) -> str | None:
    """Every file is fine."""
    return None


def no_hints(_: SelectedFile) -> tuple[tuple[str, str], ...]:
    """Nothing more to say of a file."""
    return ()


def no_check(_draft: FileDraft, _site: DraftTarget) -> str | None:
    """For tasks that write no files."""
    return None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task through the one door: module and prompt share its name.

    `reading` takes a validated answer apart; categories named in `security` are guarded on public
    repositories, those in `whole_file` need no quoted evidence.
    """

    name: str
    description: str
    answer: type[BaseModel]
    response: Callable[[Any], TaskResponse]
    security: frozenset[str] = frozenset()
    security_only: bool = False
    """Every category is one of security: on a public repository nothing of it is shown."""
    whole_file: frozenset[str] = frozenset()
    whole: bool = False
    """A file is asked about in one piece: its answer holds, or compares, whole files."""
    generates: bool = False
    """Its answer is files."""
    check: Callable[[FileDraft, DraftTarget], str | None] = no_check
    """Why a file it wrote is refused, in a few words; None when it is sound."""
    rules: tuple[str, ...] = ("common",)
    """The Markdown files that end its prompt, shared with tasks of its kind."""
    instructions: str | None = None
    """Its own text, where that is not the Markdown file beside its module."""
    origin: str = ""
    """The file of the repository that it was read from; empty for tasks that ship."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Settings it brings along for when nobody made them."""
    licenses: bool = False
    """It is told the repository's licenses, and headers are checked without the model."""
    company: ContextNeeds = ContextNeeds.NONE
    suits: Callable[[SelectedFile], str | None] = suits_all
    """Why a file is not for this task, in a few words; None when it is."""
    hints: Callable[[SelectedFile], tuple[tuple[str, str], ...]] = no_hints
    """What the request says of a file besides its text: name of the element, and its text."""
    floor_tokens: int = 6_000
    """`max_tokens` of the smallest request: room for thinking and a few findings."""
    share: float = 0.5
    """How much of the input, in tokens, is added to that."""
    ceiling_tokens: int = 32_000

    @property
    def report(self) -> tuple[Literal["files", "summary"], ...]:
        """Where its answers go if nobody says; empty: where all others go."""
        return ("files", "summary") if self.generates else ()

    @cached_property
    def prompt(self) -> str:
        """The task's instructions: the Markdown file beside its module, then the shared rules."""
        files = resources.files("batch_action.tasks")
        names = self.rules if self.instructions else (self.name.replace("-", "_"), *self.rules)
        texts = [files.joinpath(f"{name}.md").read_text("utf-8").strip() for name in names]
        return "\n\n".join([self.instructions, *texts] if self.instructions else texts)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The plain JSON schema of the answer model, as structured outputs take it."""
        return self.answer.model_json_schema()

    @cached_property
    def digest(self) -> str:
        """Changes when the question changes: prompt or schema, not the house rules."""
        text = self.prompt + json.dumps(self.schema, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def read(self, text: str) -> TaskResponse:
        """What one answer says.

        Structured outputs promise the schema, not the bounds, so the model class decides again.
        Raises UnreadableAnswerError.
        """
        try:
            answer = self.answer.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(x) for x in first["loc"]) or "the answer"
            raise UnreadableAnswerError(f"{place}: {first['msg']}") from None
        return self.response(answer)
