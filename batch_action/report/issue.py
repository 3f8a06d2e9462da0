"""The rolling issue: read back as memory, and drafted anew.

Verdict, table, receipt and cost are regenerated every night; a finding's block is written once.
A public issue cannot remember what it must not tell: guarded security findings are left out.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from batch_action.escape import markdown, ours
from batch_action.models.findings import Known, Reconciled, Standing, State
from batch_action.models.report import IssueDraft, IssueMemory, Night
from batch_action.report import blocks, markers, text
from batch_action.report.blocks import Written
from batch_action.report.body import LISTED, body
from batch_action.report.guard import shown
from batch_action.report.templates import fill

LIMIT = 60_000
"""GitHub refuses bodies over 65,536 characters."""
COMMENT_LIMIT = 30_000
"""Half: while findings move, a comment holds its old and its new ones for a moment."""
FIXED_DAYS = 30
MOST_FIXED = 50
LONGEST_LABEL = 50


def parse(body: str, comments: Sequence[str]) -> IssueMemory | None:
    """What an issue remembers; None when the body carries no marker of ours.

    Args:
        body: the issue's text as GitHub returns it.
        comments: the texts of comments by trusted authors only; those without findings are fine.

    Raises:
        GitHubError: a later version wrote it.

    """
    body = body.replace("\r\n", "\n")
    head = markers.read_head(body)
    if head is None:
        return None
    known: dict[str, Known] = {}
    words: dict[str, str] = {}
    for source in (body, *comments):
        for block in markers.blocks(source):
            if block.known.fingerprint not in known:
                known[block.known.fingerprint] = block.known
                words[block.known.fingerprint] = block.text
    return IssueMemory(
        schema=markers.SCHEMA,
        task=markers.value(head, "task"),
        repository_id=markers.value(head, "repository"),
        head=markers.value(head, "head"),
        batches=tuple(b for b in markers.value(head, "batches").split(",") if b),
        first=head.get("first") == "1",
        known=tuple(known.values()),
        blocks=words,
    )


def render(night: Night, reconciled: Reconciled, memory: IssueMemory | None) -> IssueDraft:
    """The rolling issue as it should read after tonight, with its overflow and notification."""
    standings = [_dated(s, night) for s in shown(reconciled.standings, night)]
    live = [s for s in standings if s.known.state in text.LIVE]
    live.sort(key=lambda s: s.known.pre_existing)
    fixed = _recently_fixed(standings, night)
    others = (State.IGNORED, State.DISMISSED)
    ordered = [*live, *fixed, *(s for state in others for s in standings if s.known.state is state)]
    words = {**reconciled.words, **(memory.blocks if memory else {})}
    written = [_block(s, words, night) for s in ordered]
    opening = _opening(memory, night)
    marker = markers.head(
        night.task, night.repository_id, reconciled.commit, night.batch_ids, first=opening
    )
    frame = body(marker, night, ordered, [], spilled=0)
    kept, spilled = _share(written, len(live), night, frame)
    pages = blocks.pack(spilled, COMMENT_LIMIT - 1_000)
    news, night_marker = _news(standings, night)
    return IssueDraft(
        title=f"Nightly {night.task.replace('-', ' ')}",
        body=body(marker, night, ordered, kept, spilled=len(spilled)),
        overflow=tuple(_more(page, n, len(pages)) for n, page in enumerate(pages, start=1)),
        comment=None if opening else news,
        comment_marker=night_marker,
        open=bool(live),
        labels=tuple(dict.fromkeys((*labels(night.task), *night.labels))),
        fingerprints=frozenset(s.known.fingerprint for s in ordered),
    )


def _opening(memory: IssueMemory | None, night: Night) -> bool:
    """Whether tonight opens the issue, or did so before it died."""
    return memory is None or (memory.first and memory.batches == night.batch_ids)


def labels(task: str) -> tuple[str, ...]:
    """The labels by which the issue is found; GitHub takes 50 characters, and no comma."""
    return "batch-action", f"batch-action:{task}".replace(",", "-")[:LONGEST_LABEL]


def _dated(standing: Standing, night: Night) -> Standing:
    known = standing.known
    fixed = known.state is State.FIXED
    dates = {"since": known.since or night.date, "closed": known.closed or night.date}
    known = replace(known, since=dates["since"], closed=dates["closed"] if fixed else "")
    return replace(standing, known=known)


def _recently_fixed(standings: Sequence[Standing], night: Night) -> list[Standing]:
    """The fixed findings worth remembering, the newest first; the changelog is git's."""

    def age(standing: Standing) -> int:
        try:
            return (date.fromisoformat(night.date) - date.fromisoformat(standing.known.closed)).days
        except ValueError:
            return 0

    fixed = [s for s in standings if s.known.state is State.FIXED and age(s) <= FIXED_DAYS]
    return sorted(fixed, key=age)[:MOST_FIXED]


def _block(standing: Standing, words: dict[str, str], night: Night) -> Written:
    known = standing.known
    told = words.get(known.fingerprint)
    if told is None:
        told = blocks.write(known, standing.finding, night)
    return blocks.wrapped(known, told, COMMENT_LIMIT - 1_000)


def _share(
    written: Sequence[Written], live: int, night: Night, frame: str
) -> tuple[list[Written], list[Written]]:
    """The blocks for the body (the worst `max_findings` live ones, then the others), the rest."""
    room = LIMIT - len(frame) - 500
    kept: list[Written] = []
    spilled: list[Written] = []
    for number, block in enumerate(written):
        size = len(block.text) + 2
        if size > room or night.max_findings <= number < live:
            spilled.append(block)
        else:
            kept.append(block)
            room -= size
    return kept, spilled


def _more(page: Sequence[Written], number: int, of: int) -> str:
    return fill(
        "more.md.j2",
        marker=markers.more(number),
        number=number,
        of=of,
        blocks=blocks.joined(page),
    )


def _news(standings: Sequence[Standing], night: Night) -> tuple[str | None, str]:
    """The one notification of a night that changed something, and the line that marks it."""
    marker = markers.night(night.batch_ids, night.commit)
    changed = [s for s in standings if s.changed]
    if not changed:
        return None, marker
    lines = [
        f"{text.STATES[s.known.state]}: {text.severity(s.known)} · {text.title(s.known)} · "
        + (ours(s.note, 60) if s.note else text.place(s.known.anchor, night))
        for s in changed[:LISTED]
    ]
    if len(changed) > LISTED:
        lines.append(f"… and {len(changed) - LISTED} more, all in the issue above")
    comment = fill(
        "comment.md.j2",
        marker=marker,
        changes=text.changes(changed),
        what=markdown(night.task.replace("-", " "), 60),
        lines=lines,
        run_url=night.run_url,
    )
    return comment, marker
