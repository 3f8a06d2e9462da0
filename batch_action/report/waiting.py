"""Findings that wait for an issue of their own, remembered in comments of the oldest one."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.models.findings import Known
from batch_action.models.github import CommentText
from batch_action.models.report import Night
from batch_action.report import blocks, boxes, markers, text
from batch_action.report.blocks import Written
from batch_action.report.templates import fill

ROOM = 50_000
MARKER = f"<!-- batch-action:waiting v{markers.SCHEMA} -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One comment of waiting findings as it should read."""

    comment: CommentText | None
    """The comment as it stands; None for a new one."""
    text: str
    """Empty: nothing in it waits any more."""


def is_page(comment: CommentText) -> bool:
    """Whether a comment of ours holds waiting findings."""
    return comment.trusted and comment.body.startswith("<!-- batch-action:waiting v")


def read(comments: Sequence[CommentText]) -> dict[str, tuple[Known, str]]:
    """The waiting findings of all pages with their words; the first of two equal ones counts."""
    found: dict[str, tuple[Known, str]] = {}
    for comment in filter(is_page, comments):
        for block in markers.blocks(comment.body):
            found.setdefault(block.known.fingerprint, (block.known, boxes.unboxed(block.text)))
    return found


def pages(waiting: Sequence[Written], comments: Sequence[CommentText], night: Night) -> list[Page]:
    """All pages. A finding stays on the page it is on; new ones go where there is room."""
    left = {block.known.fingerprint: block for block in waiting}
    filled: list[tuple[CommentText | None, list[Written]]] = []
    for comment in filter(is_page, comments):
        told = [block.known.fingerprint for block in markers.blocks(comment.body)]
        filled.append((comment, [left.pop(one) for one in dict.fromkeys(told) if one in left]))
    for block in left.values():
        _place(block, filled)
    return [Page(comment=comment, text=_page(held, night)) for comment, held in filled]


def _place(block: Written, filled: list[tuple[CommentText | None, list[Written]]]) -> None:
    for _, held in filled:
        if sum(len(one.text) + 2 for one in held) + len(block.text) <= ROOM:
            held.append(block)
            return
    filled.append((None, [block]))


def _page(held: Sequence[Written], night: Night) -> str:
    if not held:
        return ""
    findings = text.plural(len(held), "more finding")
    return fill(
        "waiting.md.j2",
        marker=MARKER,
        waits=f"{findings} {'waits' if len(held) == 1 else 'wait'}",
        most=night.max_issues,
        blocks=blocks.joined(held),
    )
