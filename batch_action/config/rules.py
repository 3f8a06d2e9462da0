"""Rules of a monorepo: which files have a task, a model, labels and people of their own."""

import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from batch_action.config.inputs import Effort, Lines, Words

LONGEST_WORD = 12
_unset = BeforeValidator(lambda value: None if value == "" else value)


def _name(name: str) -> str:
    # `-pr` ends the names of the ledgers of pull requests.
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,19}", name) or re.search(r"(^|-)pr$", name):
        raise PydanticCustomError(
            "rule_name",
            "a rule's name has at most 20 of `a-z`, `0-9`, `_` and `-`, and does not end in `pr`",
        )
    return name


class Rule(BaseModel):
    """What holds for the files its paths match; what it does not say is as for all others."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[Annotated[str, AfterValidator(_name)] | None, _unset] = None
    """Names its ledger and its issue, so that its paths may change."""
    paths: Annotated[Lines, Field(min_length=1)]
    task: Words = ()
    model: Annotated[str | None, _unset] = None
    effort: Annotated[Effort | None, _unset] = None
    labels: Words | None = None
    assignees: Words | None = None

    @property
    def slug(self) -> str:
        """The name, or one made of the paths: the same wherever the rule stands in its list."""
        if self.name is not None:
            return self.name
        words = re.findall(r"[a-z0-9]+", self.paths[0].lower())
        digest = hashlib.sha256("\n".join(self.paths).encode()).hexdigest()[:6]
        return f"{(words[-1] if words else 'rule')[:LONGEST_WORD]}-{digest}"


def _told_apart(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Refuse two rules that would share one ledger."""
    first: dict[str, int] = {}
    for number, rule in enumerate(rules, 1):
        before = first.setdefault(rule.slug, number)
        if before != number:
            same = "name" if rule.name else "paths"
            raise PydanticCustomError(
                "rules_alike",
                "rules {before} and {number} have the same {same}",
                {"before": before, "number": number, "same": same},
            )
    return rules


Rules = Annotated[tuple[Rule, ...], AfterValidator(_told_apart)]
