"""New findings as annotations of the run: plain text at a line of a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_action.context import RunContext
from batch_action.escape import plain
from batch_action.models.findings import FindingState, FindingStatus, Severity
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers.markers import LONGEST_TITLE
from batch_action.publishers.visibility import shown
from batch_action.text import plural

MOST = 10
"""Of one level in one step: the runner drops the rest without a word."""
LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "notice",
}
LONGEST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One line for the runner, not yet escaped for it."""

    level: str
    path: str
    line: int
    end_line: int
    title: str
    message: str


def annotations(
    published: PublishResult, used: Mapping[str, int]
) -> tuple[tuple[Annotation, ...], str]:
    """The worst new findings for which there is room, and a sentence about the others.

    *used*: how many annotations of each level this step has written already.
    """
    news = [
        s
        for s in shown(published.statuses, published.report)
        if s.changed and s.tracked.state in (FindingState.NEW, FindingState.BACK)
    ]
    told = _fitting(news, used, spare=0)
    if len(told) < len(news):
        # The sentence is a notice itself.
        told = _fitting(news, used, spare=1)
    rest = len(news) - len(told)
    if not rest:
        return told, ""
    are = f"{plural(rest, 'more new finding')} {'is' if rest == 1 else 'are'}"
    return told, f"{are} not annotated: a step shows {MOST} annotations of a level."


def _fitting(
    news: Sequence[FindingStatus], used: Mapping[str, int], *, spare: int
) -> tuple[Annotation, ...]:
    room = {level: MOST - used.get(level, 0) for level in LEVELS.values()}
    room["notice"] -= spare
    told = []
    for standing in news:
        level = LEVELS[standing.tracked.severity]
        if room[level] > 0:
            room[level] -= 1
            told.append(_annotation(standing, level))
    return tuple(told)


def _annotation(standing: FindingStatus, level: str) -> Annotation:
    known, finding = standing.tracked, standing.finding
    why = plain(finding.raw.explanation, LONGEST) if finding else ""
    return Annotation(
        level=level,
        path=known.anchor.path,
        line=known.anchor.start_line,
        end_line=known.anchor.end_line,
        title=f"{known.severity.value}: {plain(known.title, LONGEST_TITLE) or 'Untitled finding'}",
        message=why or plain(known.rule, LONGEST_TITLE),
    )


DESTINATION = "annotations"


def tell(ctx: RunContext, published: PublishResult) -> DestinationResult:
    """Annotate the worst new findings; says in one line how many found no room."""
    told, rest = annotations(published, ctx.runner.annotated)
    for one in told:
        ctx.runner.annotate(
            one.level,
            one.message,
            file=one.path,
            line=one.line,
            end_line=one.end_line,
            title=one.title,
        )
    if rest:
        ctx.runner.annotate("notice", rest)
    return DestinationResult(
        destination=DESTINATION,
        action="written" if told else "skipped",
        new=len(told),
        note=rest or ("" if told else "nothing new"),
    )
