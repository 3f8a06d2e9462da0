"""Rules of a monorepo: tasks, model, labels and assignees for the files that match paths."""

import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from batch_action.config.inputs import Effort, Lines, Words

MAX_SLUG_WORD_CHARS = 12
_EmptyAsNone = BeforeValidator(lambda value: None if value == "" else value)


def _check_name(name: str) -> str:
    # `-pr` ends the name of the pull requests' ledger.
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,19}", name) or re.search(r"(^|-)pr$", name):
        raise PydanticCustomError(
            "rule_name",
            "a rule's name has at most 20 of `a-z`, `0-9`, `_` and `-`, and does not end in `pr`",
        )
    return name


class Rule(BaseModel):
    """Settings for the files that `paths` matches; a key that is not set is as for all files."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[Annotated[str, AfterValidator(_check_name)] | None, _EmptyAsNone] = None
    """Names its ledger and issue, so that its paths may change."""
    paths: Annotated[Lines, Field(min_length=1)]
    task: Words = ()
    model: Annotated[str | None, _EmptyAsNone] = None
    effort: Annotated[Effort | None, _EmptyAsNone] = None
    labels: Words | None = None
    assignees: Words | None = None

    @property
    def slug(self) -> str:
        """The name, or one derived from the paths; it does not depend on the rule's position."""
        if self.name is not None:
            return self.name
        words = re.findall(r"[a-z0-9]+", self.paths[0].lower())
        digest = hashlib.sha256("\n".join(self.paths).encode()).hexdigest()[:6]
        return f"{(words[-1] if words else 'rule')[:MAX_SLUG_WORD_CHARS]}-{digest}"


def _check_unique(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Refuse two rules that would share a ledger."""
    numbers: dict[str, int] = {}
    for number, rule in enumerate(rules, 1):
        before = numbers.setdefault(rule.slug, number)
        if before != number:
            field = "name" if rule.name else "paths"
            raise PydanticCustomError(
                "duplicate_rules",
                "rules {before} and {number} have the same {field}",
                {"before": before, "number": number, "field": field},
            )
    return rules


Rules = Annotated[tuple[Rule, ...], AfterValidator(_check_unique)]
