"""The one summary of a pull request: read back as memory, and written anew.

It remembers every finding of the pull request by its marker. The words of a finding stand in the
comment on its lines, or here where no such comment is possible.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_action.errors import GitHubError
from batch_action.escape import attribute, markdown
from batch_action.models.findings import LIVE, Known, Reconciled, Standing, State
from batch_action.models.report import Night
from batch_action.publishers import finding_block, markers, tables, visibility, wording
from batch_action.publishers.finding_block import Written
from batch_action.publishers.issue.render import Section, footer
from batch_action.publishers.templates import fill
from batch_action.publishers.visibility import guarded, shown
from batch_action.text import plural

LIMIT = 60_000
"""GitHub refuses comments over 65,536 characters."""
SPARE = 1_000
TABLE_ROOM = 12_000
RECEIPT_ROOM = 6_000
LONGEST_BLOCK = 12_000
LISTED = 20

_HEAD = re.compile(r"<!-- batch-action:review v(\d+) ([^\n]*?) ?-->")
_INDEX = re.compile(r"^<!-- batch-action:inline v\d+ ?([^\n]*?) ?-->", re.MULTILINE)
_ACCOUNT = re.compile(
    r"^<!-- batch-action:account -->\n(.*)^<!-- /batch-action:account -->", re.MULTILINE | re.DOTALL
)
_ENTRY = re.compile(r"([0-9a-f]{16})=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comments:
    """The comments on lines, by the fingerprint of their finding."""

    urls: Mapping[str, str]
    """Those that stand."""
    ids: Mapping[str, int]
    """Those that were ever posted: one that a person deleted is not posted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a summary remembers."""

    head: str
    batches: tuple[str, ...]
    known: tuple[Known, ...]
    blocks: Mapping[str, str]
    """Fingerprint to its words, where they stand here."""
    comments: Mapping[str, int]
    """Fingerprint to the comment on its lines."""
    account: str
    """Receipt and cost of the last batch, as they stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The summary as it should read."""

    text: str
    fingerprints: frozenset[str]
    """All that it remembers."""
    held: tuple[tuple[str, int], ...]
    open: bool
    """It has something to tell."""


def identity(task: str, repository_id: str, state_key: str, number: int) -> str:
    """The part of the first line by which the summary is found, whatever its version."""
    named = markers.named(task, state_key)
    repository = attribute(repository_id)
    return f"task={attribute(named)} repository={repository} pull={number} head="


def is_ours(body: str, identity: str) -> bool:
    """Whether a text is that summary. Raises GitHubError when a later version wrote it."""
    match = _HEAD.match(body)
    if match is None or not match[2].startswith(identity):
        return False
    if int(match[1]) > markers.SCHEMA:
        raise GitHubError(
            f"The summary was written by a later version of batch-action (schema {match[1]}).",
            fix="Update the action, or delete that comment to start a new one.",
        )
    return True


def parse(body: str) -> Memory:
    """What a summary of ours remembers."""
    body = body.replace("\r\n", "\n")
    match, index, account = _HEAD.match(body), _INDEX.search(body), _ACCOUNT.search(body)
    fields = markers.read_fields(match[2]) if match else {}
    found = {block.known.fingerprint: block for block in markers.blocks(body)}
    return Memory(
        head=markers.value(fields, "head"),
        batches=tuple(b for b in markers.value(fields, "batches").split(",") if b),
        known=tuple(block.known for block in found.values()),
        blocks={name: block.text for name, block in found.items() if block.text.strip()},
        comments={name: int(number) for name, number in _ENTRY.findall(index[1] if index else "")},
        account=account[1].strip("\n") if account else "",
    )


def opening(told: int, new: int) -> str:
    """The review's own words: how much is on the lines below it, and how much is not."""
    more = f"; {new - told} more in the summary" if new > told else ""
    return f"**{plural(told, 'new finding')}** on the lines below{more}."


def render(
    night: Night, reconciled: Reconciled, memory: Memory | None, comments: Comments
) -> Draft:
    """The summary as it should read after tonight."""
    standings = [wording.dated(s, night) for s in shown(reconciled.standings, night)]
    live = [s for s in standings if s.known.state in LIVE]
    live.sort(key=lambda s: s.known.pre_existing)
    ended = [s for s in standings if s.known.state not in LIVE]
    words = {**reconciled.words, **(memory.blocks if memory else {})}
    frame = _text(night, reconciled, memory, comments, standings, live, [])
    kept, told = _fitted([*live, *ended], words, night, comments, LIMIT - SPARE - len(frame))
    silent = sum(s.known.fingerprint not in told for s in live)
    return Draft(
        text=_text(night, reconciled, memory, comments, standings, live, kept),
        fingerprints=frozenset(block.known.fingerprint for block in kept),
        held=visibility.held_back(reconciled, night, max_findings=silent),
        open=bool(live or night.judgements or night.generated),
    )


def _fitted(
    ordered: Sequence[Standing],
    words: Mapping[str, str],
    night: Night,
    comments: Comments,
    room: int,
) -> tuple[list[Written], frozenset[str]]:
    """A block for each finding as far as there is room, and whose words people can read.

    First every finding gets its marker, so that it is remembered; then the worst get their words.
    """
    kept: list[Written] = []
    for standing in ordered:
        bare = Written(known=standing.known, text=markers.wrap(standing.known, ""))
        room -= len(bare.text) + 2
        if room < 0:
            break
        kept.append(bare)
    told = {s.known.fingerprint for s in ordered if s.known.fingerprint in comments.urls}
    worded = 0
    for number, block in enumerate(kept):
        standing = ordered[number]
        known = standing.known
        if known.state not in LIVE or known.fingerprint in told:
            continue
        spoken = words.get(known.fingerprint) or finding_block.write(known, standing.finding, night)
        whole = markers.wrap(known, _cut(finding_block.completed(spoken, standing.finding)))
        room -= len(whole) - len(block.text)
        if room < 0 or worded == night.max_findings:
            break
        kept[number] = Written(known=known, text=whole)
        told.add(known.fingerprint)
        worded += 1
    return kept, frozenset(told)


def _cut(words: str) -> str:
    if len(words) <= LONGEST_BLOCK:
        return words
    return words[:LONGEST_BLOCK].rpartition("\n")[0] + "\n\n… (cut: too long for a comment)"


def _text(
    night: Night,
    reconciled: Reconciled,
    memory: Memory | None,
    comments: Comments,
    standings: Sequence[Standing],
    live: Sequence[Standing],
    kept: Sequence[Written],
) -> str:
    hidden = guarded(night)
    batches = night.batch_ids or (memory.batches if memory else ())
    listed = live[: night.max_findings]
    account = memory.account if memory and night.quiet else _account(night, reconciled)
    return fill(
        "pull_request/review.md.j2",
        marker=_marker(night, reconciled.commit, batches),
        index=_index(comments.ids),
        what=markdown(night.task.replace("-", " "), 60),
        verdict=wording.verdict(standings, guarded=hidden),
        guarded=hidden,
        table=tables.table(
            ("Severity", "Finding", "Where", "State"),
            [_row(s, night, comments.urls) for s in listed],
            TABLE_ROOM,
        ),
        elsewhere=f"The worst {len(listed)} of {len(live)}." if len(listed) < len(live) else "",
        sections=_sections(standings, kept),
        account=f"<!-- batch-action:account -->\n{account}\n<!-- /batch-action:account -->",
    )


def _marker(night: Night, commit: str, batches: Sequence[str]) -> str:
    told = identity(night.task, night.repository_id, night.state_key, night.pull or 0)
    names = ",".join(attribute(batch) for batch in batches)
    head = f"{told}{attribute(commit)} batches={names}"
    return f"<!-- batch-action:review v{markers.SCHEMA} {head} -->"


def _index(ids: Mapping[str, int]) -> str:
    entries = " ".join(f"{fingerprint}={ids[fingerprint]}" for fingerprint in sorted(ids))
    return f"<!-- batch-action:inline v{markers.SCHEMA} {entries} -->"


def _row(standing: Standing, night: Night, urls: Mapping[str, str]) -> tuple[str, ...]:
    severity, title, place, state = wording.row(standing, night)
    url = urls.get(standing.known.fingerprint)
    return severity, f"[{title}]({url})" if url else title, place, state


def _sections(standings: Sequence[Standing], kept: Sequence[Written]) -> list[Section]:
    """What is open in the open; what is older, and what has ended, folded."""

    def those(*states: State, old: bool | None = None) -> str:
        return finding_block.joined(
            block
            for block in kept
            if block.known.state in states and old in (None, block.known.pre_existing)
        )

    def ended(state: State, word: str) -> Section:
        found = [s for s in standings if s.known.state is state]
        lines = [wording.line(s) for s in found[:LISTED]]
        return Section(summary=f"{word}: {len(found)}", blocks=those(state), lines=tuple(lines))

    older = sum(s.known.pre_existing and s.known.state in LIVE for s in standings)
    sections = [
        Section(summary="", blocks=those(*LIVE, old=False)),
        Section(
            summary=f"{plural(older, 'finding')} older than this pull request",
            blocks=those(*LIVE, old=True),
        ),
        ended(State.FIXED, "✅ Fixed"),
        ended(State.IGNORED, "🔕 Ignored"),
        ended(State.DISMISSED, "🔕 Dismissed"),
    ]
    return [section for section in sections if section.blocks or section.lines]


def _account(night: Night, reconciled: Reconciled) -> str:
    lines = [f"{told}." for told in (wording.skipped_line(night.receipt),) if told]
    lines += [
        told
        for told in (visibility.held_back_sentence(visibility.held_back(reconciled, night)),)
        if told
    ]
    if night.discarded:
        remarks = plural(night.discarded, "remark")
        lines.append(f"{remarks} discarded: the quoted code is not in the file.")
    return fill(
        "pull_request/review_account.md.j2",
        summary=wording.receipt_line(night.receipt),
        table=tables.receipt(night.receipt, RECEIPT_ROOM),
        lines=lines,
        returned=tables.returned(night, RECEIPT_ROOM),
        cost=wording.cost_line(night.spending) if night.spending else "",
        footer=footer(night),
    )
