"""The morning brief and the failures for Slack: blocks of mrkdwn, small enough for its limits."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from batch_action.clients.webhooks import UndeliveredError
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.escape import href, plain, slack
from batch_action.models.findings import FindingState, FindingStatus
from batch_action.models.report import (
    DestinationResult,
    FileStatus,
    FileStatuses,
    PublishResult,
    RunReport,
)
from batch_action.publishers import wording
from batch_action.publishers.markers import LONGEST_TITLE
from batch_action.publishers.visibility import shown
from batch_action.text import plural

MOST_FINDINGS = 5
MOST_NAMES = 3
LONGEST_TEXT = 3_000
"""Of one text object; a message takes 50 blocks."""
LONGEST_HEADER = 150
LONGEST_PROBLEM = 500
"""An escaped character takes up to five."""
LONGEST_LINK = 1_000
LONGEST_NAME = 60
UNDELIVERED = ("refused", "failed")

Message = dict[str, Any]


def brief(published: PublishResult, fixers: Mapping[str, str]) -> Message | None:
    """One night in a few lines; None for a quiet one.

    Args:
        published: the night.
        fixers: fingerprint of a fixed finding to who fixed it: a name, or a commit's first digits.

    """
    report = published.report
    statuses = shown(published.statuses, report)
    news = [s for s in statuses if s.changed]
    unseen = sum(s.changed for s in published.statuses) - len(news)
    trouble = _trouble(report.file_statuses)
    if not (news or unseen or trouble):
        return None
    headline = ", ".join((_changes(news, fixers), *_money(report)))
    worst = [s for s in news if s.tracked.state in (FindingState.NEW, FindingState.BACK)]
    blocks = [
        _header(f"batch-action: {report.task}", report.repository),
        _section(f"*{headline}*"),
        *(_section(_finding(s, report)) for s in worst[:MOST_FINDINGS]),
    ]
    notes = [
        *([f"… and {len(worst) - MOST_FINDINGS} more"] if len(worst) > MOST_FINDINGS else []),
        *([_unseen(unseen, published)] if unseen else []),
        *trouble,
        *(_undelivered(d) for d in published.results if d.action in UNDELIVERED),
    ]
    if notes:
        blocks.append(_section(_fitting(notes, "\n")))
    context = [wording.receipt_line(report.file_statuses), *_links(published)]
    blocks.append(_context(_fitting(context, " · ")))
    return _message(f"{slack(report.task, LONGEST_NAME)}: {headline}", blocks)


def failure(problem: str, *, task: str, repository: str | None, run_url: str | None) -> Message:
    """A run that could not do its work."""
    blocks = [
        _header(f"batch-action: {task} failed", repository),
        _section(slack(problem, LONGEST_PROBLEM)),
    ]
    if run_url:
        blocks.append(_context(_link(run_url, "run")))
    return _message(f"{slack(task, LONGEST_NAME)} failed: {slack(problem, 200)}", blocks)


def _changes(news: Sequence[FindingStatus], fixers: Mapping[str, str]) -> str:
    """`3 new, 1 fixed by Ada, 1 back`."""
    states = [s.tracked.state for s in news]
    fixed = [
        fixers.get(s.tracked.fingerprint, "") for s in news if s.tracked.state is FindingState.FIXED
    ]
    names = [slack(name, LONGEST_NAME) for name in dict.fromkeys(fixed) if name]
    if len(names) > MOST_NAMES:
        names[MOST_NAMES - 1 :] = ["others"]
    by = f" by {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" if names else ""
    told = (
        (FindingState.NEW, "new", ""),
        (FindingState.FIXED, "fixed", by),
        (FindingState.BACK, "back", ""),
    )
    parts = [f"{states.count(s)} {word}{more}" for s, word, more in told if s in states]
    return ", ".join(parts) or "nothing new"


def _money(report: RunReport) -> list[str]:
    """`$0.41 (saved $0.58)` and `month $7.10`."""
    if report.spending is None:
        return []
    saved, month = report.spending.saved_usd, report.spending.month_usd
    more = f" (saved {wording.dollars(saved)})" if saved is not None else ""
    return [
        f"{wording.dollars(report.spending.paid_usd)}{more}",
        *([f"month {wording.dollars(month)}"] if month is not None else []),
    ]


def _finding(standing: FindingStatus, report: RunReport) -> str:
    known, anchor = standing.tracked, standing.tracked.anchor
    place = slack(f"{wording.shortened(anchor.path)}:{anchor.start_line}")
    url = wording.permalink(anchor, report)
    back = " (back)" if known.state is FindingState.BACK else ""
    return (
        f"{wording.severity(known)}{back} · {_link(url, place)}\n"
        f"{slack(known.title, LONGEST_TITLE) or 'Untitled finding'}"
    )


def _trouble(receipt: FileStatuses) -> list[str]:
    """What failed tonight: a night that is otherwise quiet is told for it."""
    expired = sum(e.reason.startswith("expired") for e in receipt.entries)
    lost = receipt.count(FileStatus.GIVEN_UP)
    return [
        *([f"⚠️ {plural(expired, 'file')} expired without an answer"] if expired else []),
        *([f"⚠️ {plural(lost, 'file')} given up"] if lost else []),
    ]


def _unseen(count: int, published: PublishResult) -> str:
    report = published.report
    taken = {d.destination for d in published.results if d.action not in UNDELIVERED}
    where = "held back on a public repository"
    if "sarif" in taken and report.repository:
        url = f"{report.server_url}/{report.repository}/security/code-scanning"
        where = f"told in {_link(url, 'code scanning')} only"
    return f"🔒 {plural(count, 'change')} about security {where}"


def _undelivered(delivered: DestinationResult) -> str:
    return f"⚠️ {delivered.destination}: {slack(delivered.note, 300) or delivered.action}"


def _links(published: PublishResult) -> list[str]:
    links = [
        _link(d.url, f"{d.destination} #{d.number}" if d.number else d.destination)
        for d in published.results
        if d.url
    ]
    run = published.report.run_url
    return [*links, *([_link(run, "run")] if run else [])]


def _link(url: str | None, label: str) -> str:
    """A label that is mrkdwn already, as a link where the address is one and short enough."""
    label = label.replace("|", "\N{VERTICAL LINE EXTENSION}")
    address = href(url).replace("&", "&amp;") if url else ""
    return f"<{address}|{label}>" if 0 < len(address) <= LONGEST_LINK else label


def _fitting(parts: Sequence[str], between: str) -> str:
    """The parts that one text object has room for, whole ones only."""
    kept: list[str] = []
    for part in parts:
        if len(between.join([*kept, part])) <= LONGEST_TEXT:
            kept.append(part)
    return between.join(kept)


def _header(title: str, repository: str | None) -> Message:
    # Plain text: nothing in it has a meaning to Slack.
    line = plain(f"{title} · {repository}" if repository else title, LONGEST_HEADER)
    return {"type": "header", "text": {"type": "plain_text", "text": line, "emoji": False}}


def _mrkdwn(words: str) -> Message:
    # Verbatim: Slack makes no links, channels or mentions of its own.
    return {"type": "mrkdwn", "text": words, "verbatim": True}


def _section(words: str) -> Message:
    return {"type": "section", "text": _mrkdwn(words)}


def _context(words: str) -> Message:
    return {"type": "context", "elements": [_mrkdwn(words)]}


def _message(fallback: str, blocks: Sequence[Message]) -> Message:
    return {
        "text": fallback,
        "blocks": list(blocks),
        "unfurl_links": False,
        "unfurl_media": False,
    }


DESTINATION = "slack"
MOST_LOOKED_UP = 20
UNSET = "`slack-webhook-url` is not set: give the secret, or take `slack` out of `report`."


def tell(ctx: RunContext, published: PublishResult) -> DestinationResult:
    """Send the brief of a night with news; a quiet one stays quiet."""
    news = [s for s in shown(published.statuses, published.report) if s.changed]
    message = brief(published, fixers(ctx, news))
    if message is None:
        return DestinationResult(destination=DESTINATION, action="skipped", note="a quiet night")
    return _send(ctx, message)


def failed(ctx: RunContext, error: BatchActionError) -> DestinationResult:
    """Tell that a run could not do its work."""
    message = failure(
        str(error),
        task=ctx.task.name,
        repository=ctx.context.repository,
        run_url=ctx.context.run_url,
    )
    return _send(ctx, message)


def fixers(ctx: RunContext, statuses: Iterable[FindingStatus]) -> dict[str, str]:
    """Who fixed what: the author of the last commit that touched the file, else the commit."""
    fixed = [
        s.tracked for s in statuses if s.tracked.state is FindingState.FIXED and s.tracked.closed_by
    ]
    found = {known.fingerprint: known.closed_by[:7] for known in fixed}
    for known in fixed[:MOST_LOOKED_UP]:
        author = ctx.git.last_author(known.closed_by, known.anchor.path)
        if author:
            found[known.fingerprint] = author
    return found


def _send(ctx: RunContext, message: dict[str, Any]) -> DestinationResult:
    url = ctx.settings.slack_webhook_url
    if url is None:
        return DestinationResult(destination=DESTINATION, action="refused", note=UNSET)
    if ctx.settings.dry_run:
        return DestinationResult(destination=DESTINATION, action="skipped", note="a dry run")
    body = json.dumps(message).encode()
    try:
        # Slack knows no ids: what it may have shown already is not sent again.
        ctx.webhooks.post(url.get_secret_value(), body, {}, repeatable=False)
    except UndeliveredError as error:
        note = f"Slack did not take the message: {error}. Check `slack-webhook-url`."
        return DestinationResult(destination=DESTINATION, action="failed", note=note)
    return DestinationResult(destination=DESTINATION, action="sent")
