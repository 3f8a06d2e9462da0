"""The reviews and review threads on the web page of a pull request."""

import re
from collections.abc import Iterator
from datetime import datetime
from html import escape

from batch_action.sandbox.github import diffs, page
from batch_action.sandbox.github.page import Entry
from batch_action.sandbox.github.records import Issue, Pull, Repository, Review, ReviewComment
from batch_action.sandbox.github.review_comments import current_line

_SHOWN = 4
"""Lines of the diff above a comment; a longer comment shows all of its own."""
_KINDS = {"+": "add", "-": "del"}
_SUGGESTED = re.compile(r'<pre class="suggestion"><code>(.*?)</code></pre>', re.DOTALL)
_VERBS = {
    "COMMENTED": "reviewed",
    "APPROVED": "approved these changes",
    "CHANGES_REQUESTED": "requested changes",
}


def timeline_entries(issue: Issue, repository: Repository) -> Iterator[Entry]:
    """Yield each review with its threads, and threads without a review; nothing for issues."""
    pull = issue.pull
    if pull is None:
        return
    reviewed = {review.id for review in pull.reviews}
    for review in pull.reviews:
        if review.submitted_at is not None:
            html = _review(review, review.submitted_at, repository)
            first_comments = [
                comment for comment in pull.comments if comment.review_id == review.id
            ]
            html += "".join(_thread(comment, issue, pull, repository) for comment in first_comments)
            yield review.submitted_at, review.id, html
    for comment in pull.comments:
        if comment.in_reply_to is None and comment.review_id not in reviewed:
            yield comment.created_at, comment.id, _thread(comment, issue, pull, repository)


def _review(review: Review, when: datetime, repository: Repository) -> str:
    verb = _VERBS.get(review.state, "reviewed")
    head = f"{page.login_html(review.user)} {verb} {page.format_day(when)}"
    text = page.body_html(review.body, repository, page.snippet_reader(repository))
    return page.author_card(review.user, head, text if review.body else "")


def _thread(first: ReviewComment, issue: Issue, pull: Pull, repository: Repository) -> str:
    outdated = first.line is not None and current_line(repository, issue, first) is None
    label = '<span class="outdated">Outdated</span>' if outdated else ""
    thread = [comment for comment in pull.comments if first.id in (comment.id, comment.in_reply_to)]
    comments = "".join(_comment(comment, first, repository) for comment in thread)
    return (
        f'<section class="thread" id="discussion_r{first.id}">'
        f"<header>{escape(first.path)}{label}</header>{_lines(first)}{comments}</section>"
    )


def _comment(comment: ReviewComment, first: ReviewComment, repository: Repository) -> str:
    header = f"{page.login_html(comment.user)} commented {page.format_day(comment.created_at)}"
    text = page.body_html(comment.body, repository, page.snippet_reader(repository))
    text = _SUGGESTED.sub(lambda match: _suggestion(match[1], first), text)
    inside = page.hide_minimized(text, comment.minimized)
    return f'<div class="comment"><div class="author">{header}</div>{inside}</div>'


def _suggestion(rows: str, comment: ReviewComment) -> str:
    """Render the removed and added lines of a suggestion."""
    count = (comment.line or 0) - (comment.start_line or comment.line or 0) + 1
    old = [row[1:] for row in comment.diff_hunk.splitlines()[1:] if row[:1] != "-"][-count:]
    new = re.findall(r"<span class=\"add\">(.*?)</span>", rows, re.DOTALL)
    html = "".join(_row("del", "", "", f"-{escape(line)}") for line in old)
    html += "".join(_row("add", "", "", f"+{line}") for line in new)
    table = f'<table class="hunk-lines">{html}</table>'
    return f'<div class="suggestion"><b>Suggested change</b>{table}</div>'


def _lines(comment: ReviewComment) -> str:
    """Render the last lines of the diff up to the commented one."""
    rows, left, right = [], 0, 0
    for line in comment.diff_hunk.splitlines():
        start = diffs.HUNK.match(line)
        if start:
            left, right = int(start[1]), int(start[2])
            continue
        kind = _KINDS.get(line[:1], "")
        numbers = "" if kind == "add" else str(left), "" if kind == "del" else str(right)
        rows.append(_row(kind, *numbers, escape(line)))
        left += kind != "add"
        right += kind != "del"
    length = (comment.line or 0) - (comment.start_line or comment.line or 0) + 1
    html = "".join(rows[-max(_SHOWN, length) :])
    return f'<table class="hunk-lines">{html}</table>' if html else ""


def _row(kind: str, left: str, right: str, line: str) -> str:
    numbers = f'<td class="no">{left}</td><td class="no">{right}</td>'
    return f'<tr class="{kind}">{numbers}<td class="src">{line}</td></tr>'
