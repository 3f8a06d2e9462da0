"""Replies to `/batch explain`: their text, and where they are due.

A reply is posted once: its first line is a marker, and a place that has it gets no second one.
"""

import re
from collections.abc import Collection, Iterator

from batch_action.clients.secrets import mask
from batch_action.escape import code_span, html_code
from batch_action.models.explanation import Assessment, ExplanationReply, ExplanationResult
from batch_action.models.findings import Reconciliation, TrackedFinding
from batch_action.models.report import RunReport
from batch_action.publishers import links, report_text, user_commands
from batch_action.publishers.prose import labeled
from batch_action.publishers.report_text import render_template
from batch_action.publishers.user_commands import SHORT_ID_CHARS

MAX_PART_CHARS = 3_000
_NUMBER = re.compile(r"/(?:issues|pull)/(\d{1,18})#")
_THREAD_COMMENT = re.compile(r"#discussion_r(\d{1,18})$")


def number_of(source: str) -> int | None:
    """Return the number of the issue or pull request in which somebody asked."""
    match = _NUMBER.search(source)
    return int(match[1]) if match else None


def thread_comment_of(source: str) -> int | None:
    """Return the id of the comment on lines of a diff in which somebody asked, if it is one."""
    match = _THREAD_COMMENT.search(source)
    return int(match[1]) if match else None


def due(report: RunReport, reconciled: Reconciliation) -> Iterator[tuple[str, str]]:
    """Yield each reply as the URL of the comment that asked for it, and its text.

    There is none about a finding that is hidden by now.
    """
    visible = {status.tracked.fingerprint: status.tracked for status in reconciled.visible}
    for reply in report.explanations:
        if (tracked := visible.get(reply.fingerprint)) is not None:
            text = render(reply, tracked, report, hides_security=reconciled.hides_security)
            yield reply.source, text


def due_in(
    number: int, report: RunReport, reconciled: Reconciliation, own_texts: Collection[str]
) -> list[str]:
    """Return the replies to post in an issue or pull request; *own_texts*: what is posted there."""
    return [
        text
        for source, text in due(report, reconciled)
        if number_of(source) == number and not user_commands.is_posted(text, own_texts)
    ]


def render(
    reply: ExplanationReply, tracked: TrackedFinding, report: RunReport, *, hides_security: bool
) -> str:
    """Render a reply; *hides_security*: what an attacker could use is left out."""
    marker = user_commands.format_reply_marker(
        f"explain-{reply.fingerprint}", f"{reply.blob} {reply.source}"
    )
    short = code_span(reply.fingerprint[:SHORT_ID_CHARS])
    explanation = reply.explanation
    if explanation is None:
        return f"{marker}\n{_describe_failure(reply, short)}"
    if explanation.security and hides_security:
        return (
            f"{marker}\n{short}: the explanation is about security, which a public repository does "
            "not show."
        )
    parts = (
        ("Why", explanation.why),
        ("Example", explanation.example),
        ("How to check", explanation.check),
        ("Fix", explanation.fix),
    )
    dismissal = code_span(f"/batch wontfix {reply.fingerprint[:SHORT_ID_CHARS]} <reason>")
    verdicts = {
        Assessment.RIGHT: "",
        Assessment.WRONG: "⚠️ **The model now takes this finding for wrong.** It stays open until "
        f"a person dismisses it: {dismissal}.",
        Assessment.UNSURE: "❔ **The model is not sure:** it depends on what it was not shown.",
    }
    return render_template(
        "explanation.md.j2",
        marker=marker,
        id=short,
        title=report_text.format_title(tracked),
        place=links.format_location(tracked.anchor, report),
        verdict=verdicts[explanation.assessment],
        parts=[
            text for label, part in parts if (text := labeled(label, mask(part)[0], MAX_PART_CHARS))
        ],
        model=html_code(reply.model),
    )


def _describe_failure(reply: ExplanationReply, short: str) -> str:
    recheck = code_span(f"/batch recheck {reply.fingerprint[:SHORT_ID_CHARS]}")
    if reply.result is ExplanationResult.FAILED:
        return (
            f"{short} could not be explained: its requests failed as often as `max-attempts` says, "
            "or were canceled."
        )
    return (
        f"{short} cannot be explained: Anthropic has no results any more in which its code is "
        f"reported as it is now. They are kept for 29 days, less with `delete-batches`. {recheck} "
        "has its file reviewed again; what that reports can be explained."
    )
