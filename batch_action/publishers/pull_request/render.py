"""The one summary of a pull request: read back as memory, and written anew.

It remembers every finding of the pull request by its marker. The words of a finding stand in the
comment on its lines, or here where no such comment is possible.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_action.errors import GitHubError
from batch_action.escape import attribute, markdown
from batch_action.models.findings import (
    OPEN_STATES,
    FindingState,
    FindingStatus,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.report import RunReport
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
    tracked: tuple[TrackedFinding, ...]
    blocks: Mapping[str, str]
    """Fingerprint to its words, where they stand here."""
    comments: Mapping[str, int]
    """Fingerprint to the comment on its lines."""
    status: str
    """Receipt and cost of the last batch, as they stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The summary as it should read."""

    text: str
    fingerprints: frozenset[str]
    """All that it remembers."""
    suppressed: tuple[tuple[str, int], ...]
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
    found = {block.tracked.fingerprint: block for block in markers.blocks(body)}
    return Memory(
        head=markers.value(fields, "head"),
        batches=tuple(b for b in markers.value(fields, "batches").split(",") if b),
        tracked=tuple(block.tracked for block in found.values()),
        blocks={name: block.text for name, block in found.items() if block.text.strip()},
        comments={name: int(number) for name, number in _ENTRY.findall(index[1] if index else "")},
        status=account[1].strip("\n") if account else "",
    )


def opening(told: int, new: int) -> str:
    """The review's own words: how much is on the lines below it, and how much is not."""
    more = f"; {new - told} more in the summary" if new > told else ""
    return f"**{plural(told, 'new finding')}** on the lines below{more}."


def render(
    report: RunReport, reconciled: Reconciliation, session: Memory | None, comments: Comments
) -> Draft:
    """The summary as it should read after tonight."""
    statuses = [wording.dated(s, report) for s in shown(reconciled.statuses, report)]
    live = [s for s in statuses if s.tracked.state in OPEN_STATES]
    live.sort(key=lambda s: s.tracked.pre_existing)
    ended = [s for s in statuses if s.tracked.state not in OPEN_STATES]
    words = {**reconciled.blocks, **(session.blocks if session else {})}
    frame = _text(report, reconciled, session, comments, statuses, live, [])
    kept, told = _fitted([*live, *ended], words, report, comments, LIMIT - SPARE - len(frame))
    silent = sum(s.tracked.fingerprint not in told for s in live)
    return Draft(
        text=_text(report, reconciled, session, comments, statuses, live, kept),
        fingerprints=frozenset(block.tracked.fingerprint for block in kept),
        suppressed=visibility.held_back(reconciled, report, max_findings=silent),
        open=bool(live or report.file_verdicts or report.generated),
    )


def _fitted(
    ordered: Sequence[FindingStatus],
    words: Mapping[str, str],
    report: RunReport,
    comments: Comments,
    room: int,
) -> tuple[list[Written], frozenset[str]]:
    """A block for each finding as far as there is room, and whose words people can read.

    First every finding gets its marker, so that it is remembered; then the worst get their words.
    """
    kept: list[Written] = []
    for standing in ordered:
        bare = Written(tracked=standing.tracked, text=markers.wrap(standing.tracked, ""))
        room -= len(bare.text) + 2
        if room < 0:
            break
        kept.append(bare)
    told = {s.tracked.fingerprint for s in ordered if s.tracked.fingerprint in comments.urls}
    worded = 0
    for number, block in enumerate(kept):
        standing = ordered[number]
        known = standing.tracked
        if known.state not in OPEN_STATES or known.fingerprint in told:
            continue
        spoken = words.get(known.fingerprint) or finding_block.write(
            known, standing.finding, report
        )
        whole = markers.wrap(known, _cut(finding_block.completed(spoken, standing.finding)))
        room -= len(whole) - len(block.text)
        if room < 0 or worded == report.max_findings:
            break
        kept[number] = Written(tracked=known, text=whole)
        told.add(known.fingerprint)
        worded += 1
    return kept, frozenset(told)


def _cut(words: str) -> str:
    if len(words) <= LONGEST_BLOCK:
        return words
    return words[:LONGEST_BLOCK].rpartition("\n")[0] + "\n\n… (cut: too long for a comment)"


def _text(
    report: RunReport,
    reconciled: Reconciliation,
    session: Memory | None,
    comments: Comments,
    statuses: Sequence[FindingStatus],
    live: Sequence[FindingStatus],
    kept: Sequence[Written],
) -> str:
    hidden = guarded(report)
    batches = report.batch_ids or (session.batches if session else ())
    listed = live[: report.max_findings]
    account = session.status if session and report.quiet else _account(report, reconciled)
    return fill(
        "pull_request/review.md.j2",
        marker=_marker(report, reconciled.commit, batches),
        index=_index(comments.ids),
        what=markdown(report.task.replace("-", " "), 60),
        verdict=wording.verdict(statuses, guarded=hidden),
        guarded=hidden,
        table=tables.table(
            ("Severity", "Finding", "Where", "State"),
            [_row(s, report, comments.urls) for s in listed],
            TABLE_ROOM,
        ),
        remaining=f"The worst {len(listed)} of {len(live)}." if len(listed) < len(live) else "",
        sections=_sections(statuses, kept),
        status=f"<!-- batch-action:account -->\n{account}\n<!-- /batch-action:account -->",
    )


def _marker(report: RunReport, commit: str, batches: Sequence[str]) -> str:
    told = identity(report.task, report.repository_id, report.state_key, report.pull or 0)
    names = ",".join(attribute(batch) for batch in batches)
    head = f"{told}{attribute(commit)} batches={names}"
    return f"<!-- batch-action:review v{markers.SCHEMA} {head} -->"


def _index(ids: Mapping[str, int]) -> str:
    entries = " ".join(f"{fingerprint}={ids[fingerprint]}" for fingerprint in sorted(ids))
    return f"<!-- batch-action:inline v{markers.SCHEMA} {entries} -->"


def _row(standing: FindingStatus, report: RunReport, urls: Mapping[str, str]) -> tuple[str, ...]:
    severity, title, place, state = wording.row(standing, report)
    url = urls.get(standing.tracked.fingerprint)
    return severity, f"[{title}]({url})" if url else title, place, state


def _sections(statuses: Sequence[FindingStatus], kept: Sequence[Written]) -> list[Section]:
    """What is open in the open; what is older, and what has ended, folded."""

    def those(*states: FindingState, old: bool | None = None) -> str:
        return finding_block.joined(
            block
            for block in kept
            if block.tracked.state in states and old in (None, block.tracked.pre_existing)
        )

    def ended(state: FindingState, word: str) -> Section:
        found = [s for s in statuses if s.tracked.state is state]
        lines = [wording.line(s) for s in found[:LISTED]]
        return Section(summary=f"{word}: {len(found)}", blocks=those(state), lines=tuple(lines))

    older = sum(s.tracked.pre_existing and s.tracked.state in OPEN_STATES for s in statuses)
    sections = [
        Section(summary="", blocks=those(*OPEN_STATES, old=False)),
        Section(
            summary=f"{plural(older, 'finding')} older than this pull request",
            blocks=those(*OPEN_STATES, old=True),
        ),
        ended(FindingState.FIXED, "✅ Fixed"),
        ended(FindingState.IGNORED, "🔕 Ignored"),
        ended(FindingState.DISMISSED, "🔕 Dismissed"),
    ]
    return [section for section in sections if section.blocks or section.lines]


def _account(report: RunReport, reconciled: Reconciliation) -> str:
    lines = [f"{told}." for told in (wording.skipped_line(report.file_statuses),) if told]
    lines += [
        told
        for told in (visibility.held_back_sentence(visibility.held_back(reconciled, report)),)
        if told
    ]
    if report.discarded:
        remarks = plural(report.discarded, "remark")
        lines.append(f"{remarks} discarded: the quoted code is not in the file.")
    return fill(
        "pull_request/review_account.md.j2",
        summary=wording.receipt_line(report.file_statuses),
        table=tables.file_statuses(report.file_statuses, RECEIPT_ROOM),
        lines=lines,
        returned=tables.returned(report, RECEIPT_ROOM),
        cost=wording.cost_line(report.spending) if report.spending else "",
        footer=footer(report),
    )
