"""Issues, lists and summaries as pages of their own: no script, nothing loaded from elsewhere."""

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
    """An issue or a pull request with its comments, as it reads on GitHub."""
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
    """These issues or pull requests of a repository, the newest first."""
    rows = "".join(_row(one, repository) for one in sorted(issues, key=lambda one: -one.number))
    still = sum(one.state == "open" for one in issues)
    head = f"<header>{still} open · {len(issues) - still} closed</header>"
    return page_html(title, repository, f'<div class="list">{head}{rows}</div>')


def render_markdown(title: str, markdown: str, repository: Repository | None = None) -> str:
    """Any Markdown text, such as a job's summary, on a page."""
    shows = snippet_reader(repository) if repository else None
    html = markdown_to_html(markdown, repository.full_name if repository else "", shows)
    head = f'<header><b>{escape(title)}</b></header><div class="text">{html}</div>'
    return page_html(title, repository, f'<article class="card">{head}</article>')


def snippet_reader(repository: Repository) -> Snippets | None:
    """How permalinks find the lines they point at."""
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
    """A body as it reads."""
    html = markdown_to_html(body or "*No description provided.*", repository.full_name, shows)
    return f'<div class="text">{html}</div>'


def _comment(comment: Comment, repository: Repository, shows: Snippets | None) -> str:
    inside = body_html(comment.body, repository, shows)
    return comment_card(comment.user, comment.created_at, hide_minimized(inside, comment.minimized))


def hide_minimized(inside: str, minimized: str | None) -> str:
    """A comment's text, behind a line to click on when somebody has hidden it."""
    if not minimized:
        return inside
    reason = escape(minimized.lower().replace("_", " "))
    told = f"<summary>This comment was marked as <b>{reason}</b>.</summary>"
    return f'<details class="minimized">{told}{inside}</details>'


def comment_card(author: User, when: datetime, inside: str, *, opened: bool = False) -> str:
    """Somebody's words with their name above."""
    verb = "opened" if opened else "commented"
    return author_card(author, f"{login_html(author)} {verb} {format_day(when)}", inside)


def author_card(author: User, head: str, inside: str) -> str:
    """A card beside its author's face."""
    bot = " bot" if author.kind == "Bot" else ""
    face = f'<div class="face{bot}">{escape(author.login[:1].upper())}</div>'
    return f"""<div class="entry">{face}
<article class="card"><header>{head}</header>
{inside}</article></div>"""


def _event(event: Event) -> str:
    kind = "merged" if event.name == "merged" else "open"
    if event.name == "closed":
        kind = "not_planned" if event.detail.get("state_reason") == "not_planned" else "completed"
    how = " as not planned" if kind == "not_planned" else ""
    told = f"{_EVENT_TEXTS[event.name]}{how} {format_day(event.created_at)}"
    return f'<div class="event">{_icon(kind)}<span>{login_html(event.actor)} {told}</span></div>'


def _side(issue: Issue, repository: Repository) -> str:
    labels = _labels(issue, repository)
    people = ", ".join(escape(person.login) for person in issue.assignees)
    sections = (("Labels", labels or "None yet", labels), ("Assignees", people or "No one", people))
    return "".join(
        f"<section{'' if full else ' class=empty'}><h2>{name}</h2>{shown}</section>"
        for name, shown, full in sections
    )


def _row(issue: Issue, repository: Repository) -> str:
    kind = _kind(issue)
    place = f"/{repository.full_name}/{'pull' if issue.pull else 'issues'}/{issue.number}"
    said = f"#{issue.number} opened {format_day(issue.created_at)} by {escape(_login(issue.user))}"
    return f"""<div class="row"><span class="{kind}">{_icon(kind)}</span><div>
<a href="{escape(place)}">{escape(issue.title)}</a>{_labels(issue, repository)}
<small>{said} · {_count(len(issue.comments), "comment")}</small></div></div>"""


def _labels(issue: Issue, repository: Repository) -> str:
    known = [repository.labels[name.lower()] for name in issue.labels]
    return f'<div class="labels">{"".join(map(_label, known))}</div>' if known else ""


def _label(label: Label) -> str:
    red, green, blue = (int(label.color[at : at + 2], 16) for at in (0, 2, 4))
    # Perceived lightness decides between dark and light letters.
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
    """A login, marked when it is a bot's."""
    bot = ' <span class="pill">bot</span>' if user.kind == "Bot" else ""
    return f"<b>{escape(_login(user))}</b>{bot}"


def format_day(moment: datetime) -> str:
    """The day something happened."""
    return f"on {moment:%b} {moment.day}, {moment.year}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def page_html(title: str, repository: Repository | None, body: str) -> str:
    """A whole page around a body."""
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
