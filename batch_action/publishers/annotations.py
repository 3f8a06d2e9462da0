"""The destination `annotations`: new findings as workflow annotations on lines of files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_action.clients.actions_runner import Runner
from batch_action.escape import plain
from batch_action.models.findings import FindingState, FindingStatus, Severity
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers.markers import MAX_TITLE_CHARS
from batch_action.text import plural, shorten

DESTINATION = "annotations"
MAX_PER_LEVEL = 10
"""Annotations of one level in one step: the runner silently drops the rest."""
MAX_MESSAGE_CHARS = 1_000
LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "notice",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One annotation, not yet escaped for the runner."""

    level: str
    path: str
    line: int
    end_line: int
    title: str
    message: str


def notify(runner: Runner, published: PublishResult) -> DestinationResult:
    """Annotate the worst new findings, and add one notice that counts the rest."""
    annotations, rest = select_annotations(published, runner.annotation_counts)
    for annotation in annotations:
        runner.annotate(
            annotation.level,
            annotation.message,
            file=annotation.path,
            line=annotation.line,
            end_line=annotation.end_line,
            title=annotation.title,
        )
    if rest:
        runner.annotate("notice", rest)
    return DestinationResult(
        destination=DESTINATION,
        action="written" if annotations else "skipped",
        new=len(annotations),
        note=rest or ("" if annotations else "nothing new"),
    )


def select_annotations(
    published: PublishResult, used: Mapping[str, int]
) -> tuple[tuple[Annotation, ...], str]:
    """Select the worst new findings within the limit, and describe the rest in a sentence.

    *used*: level to the number of annotations that this step has written already. The sentence
    is empty when nothing is left out.
    """
    new = [
        status
        for status in published.visible
        if status.changed and status.tracked.state in (FindingState.NEW, FindingState.BACK)
    ]
    annotations = _fit_to_limit(new, used, reserved=0)
    if len(annotations) < len(new):
        # The sentence about the rest is itself a notice.
        annotations = _fit_to_limit(new, used, reserved=1)
    rest = len(new) - len(annotations)
    if not rest:
        return annotations, ""
    are = f"{plural(rest, 'more new finding')} {'is' if rest == 1 else 'are'}"
    return (
        annotations,
        f"{are} not annotated: a step shows {MAX_PER_LEVEL} annotations of a level.",
    )


def _fit_to_limit(
    statuses: Sequence[FindingStatus], used: Mapping[str, int], *, reserved: int
) -> tuple[Annotation, ...]:
    """Annotate until each level is full; *reserved* notices stay free."""
    left = {level: MAX_PER_LEVEL - used.get(level, 0) for level in LEVELS.values()}
    left["notice"] -= reserved
    annotations = []
    for status in statuses:
        level = LEVELS[status.tracked.severity]
        if left[level] > 0:
            left[level] -= 1
            annotations.append(_build_annotation(status, level))
    return tuple(annotations)


def _build_annotation(status: FindingStatus, level: str) -> Annotation:
    tracked, finding = status.tracked, status.finding
    # With its lists and code: GitHub shows the line breaks of an annotation.
    explanation = finding.texts.read().raw.explanation.strip() if finding else ""
    explanation = shorten(explanation, MAX_MESSAGE_CHARS)
    title = plain(tracked.title, MAX_TITLE_CHARS) or "Untitled finding"
    verification = f" ({tracked.verification.value})" if tracked.verification else ""
    return Annotation(
        level=level,
        path=tracked.anchor.path,
        line=tracked.anchor.start_line,
        end_line=tracked.anchor.end_line,
        title=f"{tracked.severity.value}{verification}: {title}",
        message=explanation if plain(explanation) else plain(tracked.rule, MAX_TITLE_CHARS),
    )
