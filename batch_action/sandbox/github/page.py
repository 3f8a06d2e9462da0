"""Web pages of issues, issue lists and Markdown, without scripts and external resources."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files

from batch_action.sandbox.github.git import Git, GitError
from batch_action.sandbox.github.markdown import Snippets, markdown_to_html
from batch_action.sandbox.github.records import Comment, Event, Issue, Label, Repository, User

_ICONS = {
    "open": '<circle cx="8" cy="8" r="6.6"/><circle cx="8" cy="8" r="1" fill="currentColor"/>',
    "completed": '<circle cx="8" cy="8" r="6.6"/><path d="m5.2 8.2 2 2 3.6-4"/>',
    "not_planned": '<circle cx="8" cy="8" r="6.6"/><path d="m4 12 8-8"/>',
    "draft": '<circle cx="8" cy="8" r="6.6" stroke-dasharray="2.4 2"/>',
    "merged": '<circle cx="4" cy="3" r="2"/><circle cx="4" cy="13" r="2"/>'
    '<circle cx="12" cy="9" r="2"/><path d="M4 5v6m0-6c0 3 3 4 6 4"/>',
}
_WORDS = {
    "open": "Open",
    "draft": "Draft",
    "completed": "Closed",
    "not_planned": "Closed as not planned",
    "merged": "Merged",
}
_EVENT_TEXTS = {
    "closed": "closed this",
    "merged": "merged this",
    "reopened": "reopened this",
    "renamed": "changed the title",
}


Entry = tuple[datetime, int, str]
"""When it happened, in which order within a second, and its HTML."""


def render_issue(
    issue: Issue,
    comments: Iterable[Comment],
    repository: Repository,
    reviews: Iterable[Entry] = (),
) -> str:
    """Render an issue or a pull request with its comments."""
    shows = snippet_reader(repository)
    entries: list[Entry] = [
        (one.created_at, one.id, _comment(one, repository, shows)) for one in comments
    ]
    entries += reviews
    entries += [
        (one.created_at, one.id, _event(one)) for one in issue.events if one.name in _EVENT_TEXTS
    ]
    first = comment_card(
        issue.user, issue.created_at, body_html(issue.body, repository, shows), opened=True
    )
    kind = _kind(issue)
    body = f"""<h1 class="title">{escape(issue.title)} <span>#{issue.number}</span></h1>
<div class="meta"><span class="state {kind}">{_icon(kind)}{_WORDS[kind]}</span>
<span>{login_html(issue.user)} opened this {format_day(issue.created_at)}
· {_count(len(issue.comments), "comment")}</span></div>
<div class="columns"><div>{first}{"".join(html for *_when, html in sorted(entries))}</div>
<aside class="side">{_side(issue, repository)}</aside></div>"""
    return page_html(f"{issue.title} · #{issue.number}", repository, body)


def render_list(title: str, issues: Sequence[Issue], repository: Repository) -> str:
    """Render a list of issues or pull requests, newest first."""
    rows = "".join(
        _row(issue, repository) for issue in sorted(issues, key=lambda issue: -issue.number)
    )
    open_count = sum(issue.state == "open" for issue in issues)
    head = f"<header>{open_count} open · {len(issues) - open_count} closed</header>"
    return page_html(title, repository, f'<div class="list">{head}{rows}</div>')


def render_markdown(title: str, markdown: str, repository: Repository | None = None) -> str:
    """Render a Markdown text, such as a job summary, as a page."""
    shows = snippet_reader(repository) if repository else None
    html = markdown_to_html(markdown, repository.full_name if repository else "", shows)
    head = f'<header><b>{escape(title)}</b></header><div class="text">{html}</div>'
    return page_html(title, repository, f'<article class="card">{head}</article>')


def snippet_reader(repository: Repository) -> Snippets | None:
    """Create the function that reads files for permalinks; None without a git repository."""
    folder = repository.git_dir
    if folder is None:
        return None

    def read(sha: str, path: str) -> str | None:
        try:
            data = Git(folder).bytes("cat-file", "blob", f"{sha}:{path}")
        except GitError:
            return None
        return None if b"\0" in data else data.decode(errors="replace")

    return read


def body_html(body: str | None, repository: Repository, shows: Snippets | None) -> str:
    """Render the body of an issue or comment."""
    html = markdown_to_html(body or "*No description provided.*", repository.full_name, shows)
    return f'<div class="text">{html}</div>'


def _comment(comment: Comment, repository: Repository, shows: Snippets | None) -> str:
    inside = body_html(comment.body, repository, shows)
    return comment_card(comment.user, comment.created_at, hide_minimized(inside, comment.minimized))


def hide_minimized(inside: str, minimized: str | None) -> str:
    """Collapse the text of a minimized comment."""
    if not minimized:
        return inside
    reason = escape(minimized.lower().replace("_", " "))
    summary = f"<summary>This comment was marked as <b>{reason}</b>.</summary>"
    return f'<details class="minimized">{summary}{inside}</details>'


def comment_card(author: User, when: datetime, inside: str, *, opened: bool = False) -> str:
    """Render a text with its author and date."""
    verb = "opened" if opened else "commented"
    return author_card(author, f"{login_html(author)} {verb} {format_day(when)}", inside)


def author_card(author: User, head: str, inside: str) -> str:
    """Render a card next to the avatar of its author."""
    bot = " bot" if author.kind == "Bot" else ""
    avatar = f'<div class="avatar{bot}">{escape(author.login[:1].upper())}</div>'
    return f"""<div class="entry">{avatar}
<article class="card"><header>{head}</header>
{inside}</article></div>"""


def _event(event: Event) -> str:
    kind = "merged" if event.name == "merged" else "open"
    if event.name == "closed":
        kind = "not_planned" if event.detail.get("state_reason") == "not_planned" else "completed"
    suffix = " as not planned" if kind == "not_planned" else ""
    text = f"{_EVENT_TEXTS[event.name]}{suffix} {format_day(event.created_at)}"
    return f'<div class="event">{_icon(kind)}<span>{login_html(event.actor)} {text}</span></div>'


def _side(issue: Issue, repository: Repository) -> str:
    labels = _labels(issue, repository)
    assignees = ", ".join(escape(person.login) for person in issue.assignees)
    sections = (
        ("Labels", labels or "None yet", labels),
        ("Assignees", assignees or "No one", assignees),
    )
    return "".join(
        f"<section{'' if has_content else ' class=empty'}><h2>{name}</h2>{content}</section>"
        for name, content, has_content in sections
    )


def _row(issue: Issue, repository: Repository) -> str:
    kind = _kind(issue)
    url = f"/{repository.full_name}/{'pull' if issue.pull else 'issues'}/{issue.number}"
    details = (
        f"#{issue.number} opened {format_day(issue.created_at)} by {escape(_login(issue.user))}"
    )
    return f"""<div class="row"><span class="{kind}">{_icon(kind)}</span><div>
<a href="{escape(url)}">{escape(issue.title)}</a>{_labels(issue, repository)}
<small>{details} · {_count(len(issue.comments), "comment")}</small></div></div>"""


def _labels(issue: Issue, repository: Repository) -> str:
    labels = [repository.labels[name.lower()] for name in issue.labels]
    return f'<div class="labels">{"".join(map(_label, labels))}</div>' if labels else ""


def _label(label: Label) -> str:
    red, green, blue = (int(label.color[start : start + 2], 16) for start in (0, 2, 4))
    # Perceived lightness decides between dark and light text.
    ink = "#1f2328" if red * 0.299 + green * 0.587 + blue * 0.114 > 140 else "#ffffff"
    style = f"background:#{escape(label.color)};color:{ink}"
    return f'<span class="label" style="{style}">{escape(label.name)}</span>'


def _kind(issue: Issue) -> str:
    if issue.pull and issue.pull.merged_at:
        return "merged"
    if issue.state == "open":
        return "draft" if issue.pull and issue.pull.draft else "open"
    return "not_planned" if issue.state_reason in {"not_planned", "duplicate"} else "completed"


def _icon(kind: str) -> str:
    return (
        f'<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">{_ICONS[kind]}</svg>'
    )


def _login(user: User) -> str:
    return user.login.removesuffix("[bot]")


def login_html(user: User) -> str:
    """Render a login, with a label for bots."""
    bot = ' <span class="pill">bot</span>' if user.kind == "Bot" else ""
    return f"<b>{escape(_login(user))}</b>{bot}"


def format_day(moment: datetime) -> str:
    """Format the day of an event."""
    return f"on {moment:%b} {moment.day}, {moment.year}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def page_html(title: str, repository: Repository | None, body: str) -> str:
    """Render a page with a body."""
    css = files("batch_action.sandbox.github").joinpath("page.css").read_text(encoding="utf-8")
    bar = ""
    if repository:
        sort = "Private" if repository.private else "Public"
        name = f"{escape(repository.owner)} / <b>{escape(repository.name)}</b>"
        bar = f'<div class="bar">{name}<span class="sort">{sort}</span></div>'
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{css}</style></head>
<body>{bar}<main>{body}</main><footer>Rendered by the sandbox's GitHub.</footer></body></html>
"""
