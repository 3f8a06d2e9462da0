"""An issue of one finding: written once; afterwards only the lines between our markers change."""

import hashlib
import re
from dataclasses import dataclass

from batch_action.escape import attribute, code_span, markdown, subject
from batch_action.models.findings import Finding, FindingStatus, TrackedFinding
from batch_action.models.report import RunReport
from batch_action.publishers import finding_block, markers, wording
from batch_action.publishers.issue.render import LONGEST_LABEL
from batch_action.publishers.templates import fill

WONTFIX = "wontfix"
"""The label by which people dismiss a finding."""
LONGEST_TITLE = 200
ROOM = 55_000
"""For the finding's block; GitHub refuses bodies over 65,536 characters."""

_HEAD = re.compile(r"^<!-- batch-action:single v(\d+) ([^\n]*?) -->[^\S\n]*$", re.MULTILINE)
_STATUS = re.compile(
    r"^<!-- batch-action:status v\d+ -->\n.*?^<!-- /batch-action:status -->[^\S\n]*$",
    re.MULTILINE | re.DOTALL,
)
_START = re.compile(r"^<!-- batch-action:finding v\d+ [^\n]*-->[^\S\n]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingIssue:
    """What an issue of one finding remembers."""

    fingerprint: str
    head: str
    """The commit it was written at last."""
    batches: tuple[str, ...]
    """The batches of the night it was written last."""
    opened: str
    """The run that opened it, as `run_key` names it."""
    tracked: TrackedFinding | None
    """None when somebody has damaged its marker: then only its words are lost."""
    blocks: str = ""


def labels(task: str) -> tuple[str, str]:
    """The labels by which these issues are found."""
    own = f"batch-action:finding:{task}".replace(",", "-")
    return "batch-action", own[:LONGEST_LABEL]


def identity_of(task: str, state_key: str, repository_id: str) -> str:
    """The part of the first line that all issues of a task share."""
    name = attribute(markers.named(task, state_key))
    return f"task={name} repository={attribute(repository_id)} id="


def run_key(report: RunReport) -> str:
    """Names a run, so that delivering it twice opens no more issues than delivering it once."""
    what = ",".join(report.batch_ids) or report.run_url or report.date
    return hashlib.sha256(what.encode()).hexdigest()[:12]


def read(body: str) -> FindingIssue | None:
    """What an issue's body remembers; None when it is none of these."""
    body = body.replace("\r\n", "\n")
    head = _HEAD.search(body)
    if head is None or int(head[1]) > markers.SCHEMA:
        return None
    fields = markers.read_fields(head[2])
    fingerprint = markers.value(fields, "id")
    block = next((b for b in markers.blocks(body) if b.tracked.fingerprint == fingerprint), None)
    return FindingIssue(
        fingerprint=fingerprint,
        head=markers.value(fields, "head"),
        batches=tuple(b for b in markers.value(fields, "batches").split(",") if b),
        opened=markers.value(fields, "opened"),
        tracked=block.tracked if block else None,
        blocks=folded(block.text) if block else "",
    )


def title(known: TrackedFinding) -> str:
    """The title of a new issue; afterwards it is the people's."""
    return subject(f"{known.title or 'Untitled finding'} ({known.anchor.path})", LONGEST_TITLE)


def body(standing: FindingStatus, words: str | None, report: RunReport) -> str:
    """The body of a new issue. *words*: those of another destination, if there are any."""
    known = standing.tracked
    told = words or finding_block.write(known, standing.finding, report)
    told = unfolded(finding_block.completed(told, standing.finding))
    return fill(
        "issue_per_finding/issue.md.j2",
        head=_head(known, report, run_key(report)),
        status=_status(standing, report),
        block=finding_block.wrapped(known, told, ROOM, box=False).text,
    )


def rewritten(body: str, standing: FindingStatus, report: RunReport) -> str:
    """The body as it should read after tonight; what people wrote stays where it is.

    The same text when nothing about the finding has changed.
    """
    old = body.replace("\r\n", "\n")
    single = read(old)
    if single is None:
        return body
    known = standing.tracked
    new = _with_block(old, single, known, standing.finding, report)
    if _STATUS.search(new):
        new = _STATUS.sub(lambda _: _status(standing, report), new, count=1)
    else:
        new = _HEAD.sub(lambda found: f"{found[0]}\n{_status(standing, report)}", new, count=1)
    if new == old:
        return body
    return _HEAD.sub(lambda _: _head(known, report, single.opened), new, count=1)


def _with_block(
    body: str,
    single: FindingIssue,
    known: TrackedFinding,
    finding: Finding | None,
    report: RunReport,
) -> str:
    """With the finding's marker of today, and with details that were missing."""
    if single.tracked is None:
        words = unfolded(finding_block.write(known, finding, report))
        return (
            f"{body.rstrip()}\n\n{finding_block.wrapped(known, words, ROOM // 2, box=False).text}"
        )
    body = _START.sub(lambda _: markers.start(known), body, count=1)
    if finding is None or finding_block.BRIEF not in body:
        return body
    return finding_block.completed(body, finding)


def _head(known: TrackedFinding, report: RunReport, opened: str) -> str:
    names = ",".join(attribute(batch) for batch in report.batch_ids)
    identity = identity_of(report.task, report.state_key, report.repository_id)
    fields = f"{identity}{known.fingerprint} opened={opened} head={attribute(report.commit)}"
    return f"<!-- batch-action:single v{markers.SCHEMA} {fields} batches={names} -->"


def _status(standing: FindingStatus, report: RunReport) -> str:
    known = standing.tracked
    parts = [
        f"**{wording.severity(known)}**",
        wording.state(standing),
        wording.place(known.anchor, report),
        f"since {markdown(known.since, 20)}",
        code_span(known.fingerprint[:8]),
    ]
    inside = " · ".join(parts)
    start = f"<!-- batch-action:status v{markers.SCHEMA} -->"
    return f"{start}\n{inside}\n<!-- /batch-action:status -->"


def unfolded(words: str) -> str:
    """A block's words as they stand in an issue of their own."""
    return re.sub(r"\A<details>", "<details open>", words)


def folded(words: str) -> str:
    """A block's words as they stand among others."""
    return re.sub(r"\A<details open>", "<details>", words)


def fixed(standing: FindingStatus, report: RunReport) -> str:
    """The comment that closes an issue: which commit did it."""
    known = standing.tracked
    commit = known.closed_by or report.commit
    link = code_span(commit[:7])
    if report.repository:
        link = f"[{link}]({report.server_url}/{report.repository}/commit/{commit})"
    why = "the file is gone" if standing.note.startswith("file deleted") else "no longer found"
    return f"{said('fixed', commit)}\n✅ Fixed in {link}: {why}."


def back(standing: FindingStatus, report: RunReport) -> str:
    """The comment that reopens an issue: where the finding is now."""
    anchor = standing.tracked.anchor
    # A bot may have closed it although nothing has changed.
    what = "Reported again" if standing.finding else "Still there"
    return f"{said('back', anchor.commit)}\n↩️ {what}: {wording.place(anchor, report)}."


def said(what: str, commit: str) -> str:
    """The first line of such a comment: posted once a commit."""
    return f"<!-- batch-action:{what} v{markers.SCHEMA} commit={attribute(commit)} -->"
