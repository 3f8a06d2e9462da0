"""Web page of the annotations of a run, from the commands in its log."""

from collections.abc import Iterator
from html import escape

from batch_action.sandbox.github import page
from batch_action.sandbox.github.records import Repository

_LEVELS = {"error": "Error", "warning": "Warning", "notice": "Notice"}
_MAX_PER_LEVEL = 10
"""Of one level in one step; the runner drops what comes after."""
_CODES = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


def render_annotations(job: str, log: str, repository: Repository) -> str:
    """Render the annotations in the log of one step: level, title, message and location."""
    rows = "".join(_row(job, *annotation) for annotation in _parse_annotations(log))
    body = f'<div class="list"><header>Annotations</header>{rows or "<p>None</p>"}</div>'
    return page.page_html("Annotations", repository, body)


def _parse_annotations(log: str) -> Iterator[tuple[str, dict[str, str], str]]:
    counts = dict.fromkeys(_LEVELS, 0)
    for line in log.splitlines():
        head, sign, message = line.strip().removeprefix("::").partition("::")
        level, _, rest = head.partition(" ")
        if not line.strip().startswith("::") or not sign or level not in _LEVELS:
            continue
        counts[level] += 1
        if counts[level] <= _MAX_PER_LEVEL:
            pairs = (pair.partition("=") for pair in rest.split(","))
            yield (
                level,
                {key.strip(): _unescape(value) for key, _, value in pairs},
                _unescape(message),
            )


def _row(job: str, level: str, properties: dict[str, str], message: str) -> str:
    location = properties.get("file", "")
    if location and "line" in properties:
        first, last = properties["line"], properties.get("endLine", properties["line"])
        location += f"#L{first}" if first == last else f"#L{first}-L{last}"
    title = properties.get("title") or _LEVELS[level]
    return f"""<div class="row note {level}"><span aria-hidden="true">●</span><div>
<b>{escape(title)}</b><small><b>{_LEVELS[level]}</b> · {escape(job)}
{f"· <code>{escape(location)}</code>" if location else ""}</small>
<p>{escape(message)}</p></div></div>"""


def _unescape(text: str) -> str:
    for code, sign in _CODES:
        text = text.replace(code, sign)
    return text
