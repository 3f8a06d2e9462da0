"""The destination `slack`: a summary of a run with news, and failures, within Slack's limits."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from batch_action.clients.git import GitRepo
from batch_action.clients.webhooks import UndeliveredError, Webhooks
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
from batch_action.publishers import links, report_text, suppressed
from batch_action.publishers.markers import MAX_TITLE_CHARS
from batch_action.text import format_dollars, plural, shorten_path

DESTINATION = "slack"
NO_URL = "`slack-webhook-url` is not set: set the secret, or remove `slack` from `report`."
MAX_FINDINGS = 5
MAX_NAMES = 3
MAX_TEXT_CHARS = 3_000
"""Slack's limit of one text object; a message has up to 50 blocks."""
MAX_HEADER_CHARS = 150
MAX_PROBLEM_CHARS = 500
"""Escaping makes up to five characters of one."""
MAX_URL_CHARS = 1_000
MAX_NAME_CHARS = 60
MAX_AUTHOR_LOOKUPS = 20

Message = dict[str, Any]


def build_message(published: PublishResult, fixers: Mapping[str, str]) -> Message | None:
    """Build the summary of a run; None when nothing changed and nothing was lost.

    *fixers*: fingerprint of a fixed finding to the author of the fix, or its abbreviated commit.
    """
    report = published.report
    statuses = published.visible
    changed = [s for s in statuses if s.changed]
    hidden = sum(s.changed for s in published.statuses) - len(changed)
    lost = _format_lost_files(report.file_statuses)
    if not (changed or hidden or lost):
        return None
    headline = ", ".join((_format_changes(changed, fixers), *_format_spending(report)))
    new = [s for s in changed if s.tracked.state in (FindingState.NEW, FindingState.BACK)]
    blocks = [
        _header(f"batch-action: {report.task}", report.repository),
        _section(f"*{headline}*"),
        *(_section(_format_finding(s, report)) for s in new[:MAX_FINDINGS]),
    ]
    notes = [
        *([f"… and {len(new) - MAX_FINDINGS} more"] if len(new) > MAX_FINDINGS else []),
        *([_format_hidden(hidden, published)] if hidden else []),
        *lost,
        *(_format_undelivered(r) for r in published.results if r.is_undelivered),
    ]
    if notes:
        blocks.append(_section(_join_to_limit(notes, "\n")))
    held = Counter(held.reason for held in published.reconciliation.visible_held_back)
    disputed = sum(s.tracked.is_disputed for s in statuses)
    context = [
        report_text.format_file_counts(report.file_statuses),
        *(f"{count} {suppressed.FILTER_LABELS[reason]}" for reason, count in held.items()),
        *([f"{disputed} {suppressed.FILTER_LABELS['disputed']}"] if disputed else []),
        *_format_links(published),
    ]
    blocks.append(_context(_join_to_limit(context, " · ")))
    return _message(f"{slack(report.task, MAX_NAME_CHARS)}: {headline}", blocks)


def build_failure_message(
    problem: str, *, task: str, repository: str | None, run_url: str | None
) -> Message:
    """Build the message about a run that failed."""
    blocks = [
        _header(f"batch-action: {task} failed", repository),
        _section(slack(problem, MAX_PROBLEM_CHARS)),
    ]
    if run_url:
        blocks.append(_context(_format_link(run_url, "run")))
    return _message(f"{slack(task, MAX_NAME_CHARS)} failed: {slack(problem, 200)}", blocks)


def _format_changes(changed: Sequence[FindingStatus], fixers: Mapping[str, str]) -> str:
    """Format `3 new, 1 fixed by Ada, 1 back`."""
    fixed = [
        fixers.get(s.tracked.fingerprint, "")
        for s in changed
        if s.tracked.state is FindingState.FIXED
    ]
    names = [slack(name, MAX_NAME_CHARS) for name in dict.fromkeys(fixed) if name]
    if len(names) > MAX_NAMES:
        names[MAX_NAMES - 1 :] = ["others"]
    by = f" by {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" if names else ""
    return report_text.format_changes(changed, by) or "nothing new"


def _format_spending(report: RunReport) -> list[str]:
    """Format `$0.41 (saved $0.58)` and `month $7.10`."""
    if report.spending is None:
        return []
    saved, month = report.spending.saved_usd, report.spending.month_to_date_usd
    saving = f" (saved {format_dollars(saved)})" if saved is not None else ""
    return [
        f"{format_dollars(report.spending.paid_usd)}{saving}",
        *([f"month {format_dollars(month)}"] if month is not None else []),
    ]


def _format_finding(status: FindingStatus, report: RunReport) -> str:
    tracked, anchor = status.tracked, status.tracked.anchor
    place = slack(f"{shorten_path(anchor.path)}:{anchor.start_line}")
    url = links.build_permalink(anchor, report)
    back = " (back)" if tracked.state is FindingState.BACK else ""
    verification = f" ({tracked.verification.value})" if tracked.verification else ""
    return (
        f"{report_text.format_severity(tracked)}{back}{verification} · {_format_link(url, place)}\n"
        f"{slack(tracked.title, MAX_TITLE_CHARS) or 'Untitled finding'}"
    )


def _format_lost_files(statuses: FileStatuses) -> list[str]:
    """Format how many files expired or were given up; they make a run without changes news."""
    expired = sum(e.reason.startswith("expired") for e in statuses.others)
    given_up = statuses.count(FileStatus.GIVEN_UP)
    return [
        *([f"⚠️ {plural(expired, 'file')} expired without an answer"] if expired else []),
        *([f"⚠️ {plural(given_up, 'file')} given up"] if given_up else []),
    ]


def _format_hidden(count: int, published: PublishResult) -> str:
    report = published.report
    delivered = {r.destination for r in published.results if not r.is_undelivered}
    where = "hidden on a public repository"
    if "sarif" in delivered and report.repository:
        url = f"{report.server_url}/{report.repository}/security/code-scanning"
        where = f"shown in {_format_link(url, 'code scanning')} only"
    return f"🔒 {plural(count, 'change')} about security {where}"


def _format_undelivered(result: DestinationResult) -> str:
    return f"⚠️ {result.destination}: {slack(result.note, 300) or result.action}"


def _format_links(published: PublishResult) -> list[str]:
    links = [
        _format_link(r.url, f"{r.destination} #{r.number}" if r.number else r.destination)
        for r in published.results
        if r.url
    ]
    run = published.report.run_url
    return [*links, *([_format_link(run, "run")] if run else [])]


def _format_link(url: str | None, label: str) -> str:
    """Format a mrkdwn label as a link, if *url* is a safe one and short enough."""
    label = label.replace("|", "\N{VERTICAL LINE EXTENSION}")
    address = href(url).replace("&", "&amp;") if url else ""
    return f"<{address}|{label}>" if 0 < len(address) <= MAX_URL_CHARS else label


def _join_to_limit(parts: Sequence[str], separator: str) -> str:
    """Join as many parts as fit into one text object."""
    fitting: list[str] = []
    for part in parts:
        if len(separator.join([*fitting, part])) <= MAX_TEXT_CHARS:
            fitting.append(part)
    return separator.join(fitting)


def _header(title: str, repository: str | None) -> Message:
    # In plain text nothing has a meaning to Slack.
    line = plain(f"{title} · {repository}" if repository else title, MAX_HEADER_CHARS)
    return {"type": "header", "text": {"type": "plain_text", "text": line, "emoji": False}}


def _mrkdwn(text: str) -> Message:
    # With `verbatim`, Slack does not add links, channels or mentions.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: str) -> Message:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> Message:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _message(fallback: str, blocks: Sequence[Message]) -> Message:
    return {
        "text": fallback,
        "blocks": list(blocks),
        "unfurl_links": False,
        "unfurl_media": False,
    }


def notify(ctx: RunContext, published: PublishResult) -> DestinationResult:
    """Send the summary of a run, unless nothing changed."""
    changed = [s for s in published.visible if s.changed]
    message = build_message(published, find_fixers(ctx.git, changed))
    if message is None:
        return DestinationResult(destination=DESTINATION, action="skipped", note="nothing new")
    return _send(ctx, message)


def notify_failure(ctx: RunContext, error: BatchActionError) -> DestinationResult:
    """Send the error that ended a run."""
    message = build_failure_message(
        str(error),
        task=ctx.task.name,
        repository=ctx.github_context.repository,
        run_url=ctx.github_context.run_url,
    )
    return _send(ctx, message)


def find_fixers(git: GitRepo, statuses: Iterable[FindingStatus]) -> dict[str, str]:
    """Map fixed findings to the author of the file's last commit, or to the abbreviated commit."""
    fixed = [
        s.tracked
        for s in statuses
        if s.tracked.state is FindingState.FIXED and s.tracked.closing_commit
    ]
    fixers = {tracked.fingerprint: tracked.closing_commit[:7] for tracked in fixed}
    for tracked in fixed[:MAX_AUTHOR_LOOKUPS]:
        if author := git.last_author(tracked.closing_commit, tracked.anchor.path):
            fixers[tracked.fingerprint] = author
    return fixers


def _send(ctx: RunContext, message: Message) -> DestinationResult:
    url = ctx.settings.slack_webhook_url
    if url is None:
        return DestinationResult(destination=DESTINATION, action="refused", note=NO_URL)
    if ctx.settings.dry_run:
        return DestinationResult(destination=DESTINATION, action="skipped", note="a dry run")
    body = ctx.runner.hide(json.dumps(message)).encode()
    try:
        # Slack cannot drop repeats, so a message that it may have accepted is not sent again.
        Webhooks(sleep=ctx.sleep).post(url.get_secret_value(), body, {}, repeatable=False)
    except UndeliveredError as error:
        note = f"Slack did not accept the message: {error}. Check `slack-webhook-url`."
        return DestinationResult(destination=DESTINATION, action="failed", note=note)
    return DestinationResult(destination=DESTINATION, action="sent")
