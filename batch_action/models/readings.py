"""What a task reads out of one answer: claimed, not yet checked against anything."""

from dataclasses import dataclass

from batch_action.models.answers import Ruling
from batch_action.models.findings import Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A whole file as the model wrote it."""

    path: str
    text: str
    summary: str = ""
    """One sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the model makes of a change as a whole."""

    ruling: Ruling
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The three kinds of answer; most tasks give one of them."""

    remarks: tuple[Remark, ...] = ()
    drafts: tuple[Draft, ...] = ()
    opinion: Opinion | None = None
