"""The rolling issue: read back as memory, and drafted anew.

Verdict, table, receipt and cost are regenerated every night; a finding's block is written once.
A public issue cannot remember what it must not tell: guarded security findings are left out.
"""

from collections.abc import Sequence
from datetime import date

from batch_action.escape import markdown, ours
from batch_action.models.findings import LIVE, Known, Reconciled, Standing, State
from batch_action.models.report import IssueDraft, IssueMemory, Night
from batch_action.report import blocks, boxes, markers, noise, text
from batch_action.report.blocks import Written
from batch_action.report.body import LISTED, body
from batch_action.report.guard import shown
from batch_action.report.templates import fill

LIMIT = 60_000
"""GitHub refuses bodies over 65,536 characters."""
COMMENT_LIMIT = 30_000
"""Half: while findings move, a comment holds its old and its new ones for a moment."""
NEW_ROOM = 300_000
"""Of one night's new blocks; ten comments' worth of details nobody has seen yet is plenty."""
FIXED_DAYS = 30
MOST_FIXED = 50
LONGEST_LABEL = 50
TAIL = "\n---\n\n<details><summary>Receipt: "
"""Where the body's last part begins: the account of the night."""


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
                words[block.known.fingerprint] = boxes.unboxed(block.text)
    return IssueMemory(
        schema=markers.SCHEMA,
        task=markers.value(head, "task"),
        repository_id=markers.value(head, "repository"),
        head=markers.value(head, "head"),
        batches=tuple(b for b in markers.value(head, "batches").split(",") if b),
        first=head.get("first") == "1",
        known=tuple(known.values()),
        blocks=words,
        tail=body[start:].strip("\n") if (start := body.rfind(TAIL)) >= 0 else "",
    )


def render(
    night: Night,
    reconciled: Reconciled,
    memory: IssueMemory | None,
    *,
    ticked: frozenset[str] = frozenset(),
) -> IssueDraft:
    """The rolling issue as it should read after tonight, with its overflow and notification.

    *ticked*: boxes that stay so, because nobody has looked yet who ticked them.
    """
    standings = [text.dated(s, night) for s in shown(reconciled.standings, night)]
    news, night_marker = _news(standings, night)
    if night.quiet and memory:
        told = {known.fingerprint: known.state for known in memory.known}
        standings = [text.as_before(s, told.get(s.known.fingerprint)) for s in standings]
    live = [s for s in standings if s.known.state in LIVE]
    live.sort(key=lambda s: s.known.pre_existing)
    fixed = _recently_fixed(standings, night)
    others = (State.IGNORED, State.DISMISSED)
    ordered = [*live, *fixed, *(s for state in others for s in standings if s.known.state is state)]
    words = {**reconciled.words, **(memory.blocks if memory else {})}
    written = _written(ordered, words, night, ticked)
    marker = _marker(night, reconciled, memory)
    tail = memory.tail if night.quiet and memory else ""
    held = noise.held_back(reconciled, night, max_findings=len(live))
    frame = body(marker, night, ordered, [], held=held, tail=tail)
    kept, spilled = _share(written, len(live), night, frame)
    pages = blocks.pack(spilled, COMMENT_LIMIT - 1_000)
    outside = sum(block.known.state in LIVE for block in spilled)
    held = noise.held_back(reconciled, night, max_findings=outside)
    return IssueDraft(
        title=title(night),
        body=body(marker, night, ordered, kept, spilled=len(spilled), held=held, tail=tail),
        overflow=tuple(_more(page, n, len(pages)) for n, page in enumerate(pages, start=1)),
        comment=None if _opening(memory, night) else news,
        comment_marker=night_marker,
        open=bool(live),
        labels=tuple(dict.fromkeys((*labels(night.task), *night.labels))),
        fingerprints=frozenset(s.known.fingerprint for s in ordered),
        held=held,
        assignees=night.assignees,
    )


def _marker(night: Night, reconciled: Reconciled, memory: IssueMemory | None) -> str:
    batches, first = night.batch_ids, _opening(memory, night)
    if night.quiet and memory:
        batches, first = memory.batches, memory.first
    identity = markers.named(night.task, night.state_key)
    return markers.head(identity, night.repository_id, reconciled.commit, batches, first=first)


def _opening(memory: IssueMemory | None, night: Night) -> bool:
    """Whether tonight opens the issue, or did so before it died."""
    return memory is None or (memory.first and memory.batches == night.batch_ids)


def unmoved(reconciled: Reconciled, memory: IssueMemory, night: Night) -> bool:
    """Whether a night without answers leaves every finding as the issue tells it."""
    now = {s.known.fingerprint: s.known.state for s in shown(reconciled.standings, night)}
    before = {known.fingerprint: known.state for known in memory.known}
    news = (State.NEW, State.BACK)
    return now == {f: State.OPEN if s in news else s for f, s in before.items()}


def title(night: Night) -> str:
    """The title of a new issue; afterwards it is the people's."""
    key = f" ({night.state_key})" if night.state_key else ""
    return f"Nightly {night.task.replace('-', ' ')}{key}"


def labels(task: str) -> tuple[str, ...]:
    """The labels by which the issue is found; GitHub takes 50 characters, and no comma."""
    return "batch-action", f"batch-action:{task}".replace(",", "-")[:LONGEST_LABEL]


def _recently_fixed(standings: Sequence[Standing], night: Night) -> list[Standing]:
    """The fixed findings worth remembering, the newest first; the changelog is git's."""

    def age(standing: Standing) -> int:
        try:
            return (date.fromisoformat(night.date) - date.fromisoformat(standing.known.closed)).days
        except ValueError:
            return 0

    fixed = [s for s in standings if s.known.state is State.FIXED and age(s) <= FIXED_DAYS]
    return sorted(fixed, key=age)[:MOST_FIXED]


def _written(
    ordered: Sequence[Standing], words: dict[str, str], night: Night, ticked: frozenset[str]
) -> list[Written]:
    """All blocks: of what is not open, and once new ones fill many pages, brief ones."""
    written, room = [], NEW_ROOM
    for standing in ordered:
        known = standing.known
        told = words.get(known.fingerprint)
        finding = standing.finding if room > 0 and known.state in LIVE else None
        now = blocks.completed(told, finding) if told else blocks.write(known, finding, night)
        room -= len(now) - len(told or "")
        limit, stays = COMMENT_LIMIT - 1_000, known.fingerprint in ticked
        written.append(blocks.wrapped(known, now, limit, ticked=stays))
    return written


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
