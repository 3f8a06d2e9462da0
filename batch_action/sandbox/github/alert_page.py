"""Web pages of code-scanning alerts: the list, and a single alert with its code."""

from collections.abc import Iterable
from datetime import datetime
from html import escape

from batch_action.sandbox.github.json_objects import Json
from batch_action.sandbox.github.markdown import markdown_to_html
from batch_action.sandbox.github.page import page_html, snippet_reader
from batch_action.sandbox.github.records import Repository

_AROUND = 3
"""Lines of code above and below an alert."""
_SHIELD = '<path d="M8 1.5 2.5 3.6v4.2c0 3.2 2.2 5.6 5.5 6.7 3.3-1.1 5.5-3.5 5.5-6.7V3.6z"/>'
_ICONS = {
    "open": f'{_SHIELD}<path d="M8 5v3.4M8 10.6v.2"/>',
    "fixed": f'{_SHIELD}<path d="m5.6 8 1.7 1.7 3.1-3.4"/>',
    "dismissed": f'{_SHIELD}<path d="m6 6 4 4m0-4-4 4"/>',
}
_WORDS = {"open": "Open", "fixed": "Fixed", "dismissed": "Dismissed"}


def render_list(repository: Repository) -> str:
    """Render all alerts: the open ones first, by severity."""
    alerts = sorted(repository.alerts.values(), key=_rank)
    open_count = sum(alert["state"] == "open" for alert in alerts)
    head = f"<header><b>{open_count} Open</b> · <a>{len(alerts) - open_count} Closed</a></header>"
    rows = "".join(_row(alert, repository) for alert in alerts)
    title = '<h1 class="title">Code scanning</h1>'
    return page_html("Code scanning", repository, f'{title}<div class="list">{head}{rows}</div>')


def render_alert(alert: Json, repository: Repository) -> str:
    """Render one alert: its code with the message, the rule, and the history."""
    state, rule = alert["state"], alert["rule"]
    heading = f"{escape(rule['description'])} <span>#{alert['number']}</span>"
    body = f"""<h1 class="title">{heading}</h1>
<div class="meta"><span class="state {state}">{_icon(state)}{_WORDS[state]}</span>
<span>in <b>{escape(_branch(alert))}</b> · {_day(alert["created_at"])}</span></div>
<div class="columns"><div>{_code(alert, repository)}{_rule_html(alert)}{_history(alert)}</div>
<aside class="side">{_side(alert)}</aside></div>"""
    return page_html(f"{rule['description']} · #{alert['number']}", repository, body)


def _rank(alert: Json) -> tuple[bool, int, int]:
    words = ("critical", "high", "error", "medium", "warning", "low", "note")
    return alert["state"] != "open", words.index(_severity(alert)), alert["number"]


def _severity(alert: Json) -> str:
    rule = alert["rule"]
    return str(rule["security_severity_level"] or rule["severity"])


def _row(alert: Json, repository: Repository) -> str:
    location = alert["most_recent_instance"]["location"]
    url = f"/{repository.full_name}/security/code-scanning/{alert['number']}"
    match alert["state"]:
        case "fixed":
            event = f"closed as fixed {_day(alert['fixed_at'])}"
        case "dismissed":
            event = f"closed as {escape(alert['dismissed_reason'])} {_day(alert['dismissed_at'])}"
        case _:
            event = f"opened {_day(alert['created_at'])}"
    line = (
        f"#{alert['number']} {event} · Detected by {escape(alert['tool']['name'])} in "
        f"{escape(location['path'])}:{location['start_line']}"
    )
    return f"""<div class="row"><span class="{alert["state"]}">{_icon(alert["state"])}</span><div>
<a href="{escape(url)}">{escape(alert["rule"]["description"])}</a>{_pill(alert)}
<small>{line}</small></div></div>"""


def _code(alert: Json, repository: Repository) -> str:
    """Render the lines of an alert with context, and its message below the last one."""
    instance = alert["most_recent_instance"]
    location, sha = instance["location"], instance["commit_sha"]
    first, last = location["start_line"], location["end_line"]
    shows = snippet_reader(repository)
    lines = ((shows(sha, location["path"]) or "") if shows else "").splitlines()
    start = max(1, first - _AROUND)
    rows = "".join(
        _line(number, text, highlighted=first <= number <= last)
        for number, text in enumerate(lines[start - 1 : min(last, len(lines))], start)
    )
    after = "".join(
        _line(number, text, highlighted=False)
        for number, text in enumerate(lines[last : last + _AROUND], last + 1)
    )
    message_row = f'<tr class="message"><td colspan="2">{_message_html(alert)}</td></tr>'
    head = f"<header><b>{escape(location['path'])}</b>:{first} in {escape(sha[:7])}</header>"
    table = f'<table class="lines">{rows}{message_row}{after}</table>'
    return (
        f'<article class="card alert">{head}<div class="text" style="padding:0">'
        f'<div class="snippet">{table}</div></div></article>'
    )


def _line(number: int, text: str, *, highlighted: bool) -> str:
    kind = ' class="hit"' if highlighted else ""
    return f'<tr{kind}><td class="number">{number}</td><td class="code">{escape(text)}</td></tr>'


def _message_html(alert: Json) -> str:
    text = escape(alert["most_recent_instance"]["message"]["text"])
    tool = escape(alert["tool"]["name"])
    return f'<div class="{_severity(alert)}">{text}<small>{tool}</small></div>'


def _rule_html(alert: Json) -> str:
    rule = alert["rule"]
    fields = "".join(
        f"<div><small>{name}</small>{value}</div>"
        for name, value in (
            ("Tool", escape(alert["tool"]["name"])),
            ("Rule ID", f"<code>{escape(str(rule['id']))}</code>"),
            ("Description", escape(rule["full_description"])),
        )
    )
    text = f'<div class="text">{markdown_to_html(rule["help"])}</div>'
    return f'<article class="card"><div class="facts">{fields}</div>{text}</article>'


def _history(alert: Json) -> str:
    sha = escape(alert["_first"][:7])
    events = [("open", f"First detected in commit <b>{sha}</b> {_day(alert['created_at'])}")]
    if alert["state"] == "fixed":
        branch = escape(_branch(alert))
        events.append(("fixed", f"Closed as fixed in <b>{branch}</b> {_day(alert['fixed_at'])}"))
    if alert["state"] == "dismissed":
        login = escape(alert["dismissed_by"]["login"].removesuffix("[bot]"))
        reason = escape(alert["dismissed_reason"])
        comment = escape(alert["dismissed_comment"] or "")
        event = f"<b>{login}</b> closed this as {reason} {_day(alert['dismissed_at'])}"
        events.append(("dismissed", f"{event}{f': {comment}' if comment else ''}"))
    rows = (f'<div class="event">{_icon(kind)}<span>{text}</span></div>' for kind, text in events)
    return f'<div class="history">{"".join(rows)}</div>'


def _side(alert: Json) -> str:
    tags = [escape(tag) for tag in alert["rule"]["tags"] if not tag.startswith("external/cwe/")]
    weaknesses = [
        escape(tag.removeprefix("external/cwe/").upper())
        for tag in alert["rule"]["tags"]
        if tag.startswith("external/cwe/")
    ]
    return "".join(
        f"<section><h2>{name}</h2>{content}</section>"
        for name, content in (
            ("Severity", _pill(alert)),
            ("Affected branches", escape(_branch(alert))),
            ("Tags", _labels(tags)),
            ("Weaknesses", _labels(weaknesses)),
        )
        if content
    )


def _labels(names: Iterable[str]) -> str:
    labels = "".join(f'<span class="label">{name}</span>' for name in names)
    return f'<div class="labels">{labels}</div>' if labels else ""


def _pill(alert: Json) -> str:
    word = _severity(alert)
    return f'<span class="severity {word}">{word.capitalize()}</span>'


def _branch(alert: Json) -> str:
    return str(alert["most_recent_instance"]["ref"]).removeprefix("refs/heads/")


def _icon(state: str) -> str:
    return (
        f'<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">{_ICONS[state]}</svg>'
    )


def _day(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return f"on {moment:%b} {moment.day}, {moment.year}"
