"""Sanitize HTML: allowed tags and attributes only, all tags closed."""

import re
from html import escape
from html.parser import HTMLParser

_VOID = {"br", "hr", "img", "input", "wbr"}
_TAGS = _VOID | {
    "a", "abbr", "b", "blockquote", "code", "dd", "del", "details", "div", "dl", "dt", "em",
    "h1", "h2", "h3", "h4", "h5", "h6", "i", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q",
    "s", "samp", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody",
    "td", "tfoot", "th", "thead", "tr", "tt", "ul", "var",
}  # fmt: skip
_DROPPED_WITH_CONTENT = {
    "script",
    "style",
    "iframe",
    "object",
    "template",
    "textarea",
    "svg",
    "math",
}
_ANYWHERE = {"title", "align", "dir", "lang", "colspan", "rowspan", "start", "open"}
_ALERTS = {"note", "tip", "important", "warning", "caution"}
_CLASSES = {
    "add", "code", "contains-task-list", "del", "hunk", "lines", "markdown-alert",
    "markdown-alert-title", "mention", "number", "snippet", "source", "suggestion",
    "task-list-item",
    *(f"markdown-alert-{kind}" for kind in _ALERTS),
}  # fmt: skip
_ALIGNMENT = re.compile(r"text-align: ?(left|center|right);?")
_SAFE_LINKS = ("http://", "https://", "mailto:", "#", "/")


def sanitize_html(html: str) -> str:
    """Remove everything that runs scripts, loads resources or breaks the page."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return cleaner.result()


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._open: list[str] = []
        self._dropped_depth = 0

    def result(self) -> str:
        return "".join(self._out) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED_WITH_CONTENT:
            self._dropped_depth += 1
        if self._dropped_depth or tag not in _TAGS:
            return
        values = {name: value or "" for name, value in attrs}
        if tag == "img":
            self._out.append(_picture(values))
            return
        if tag == "input" and values.get("type") != "checkbox":
            return
        attributes = "".join(
            f' {name}="{escape(value)}"'
            for name, value in values.items()
            if _allowed(tag, name, value)
        )
        if tag == "input":
            attributes = ' type="checkbox" disabled' + (" checked" if "checked" in values else "")
        self._out.append(f"<{tag}{attributes}>")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED_WITH_CONTENT:
            self._dropped_depth = max(0, self._dropped_depth - 1)
            return
        if self._dropped_depth or tag not in self._open:
            return
        while self._open:
            last = self._open.pop()
            self._out.append(f"</{last}>")
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self._dropped_depth:
            self._out.append(escape(data, quote=False))


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "class":
        return set(value.split()) <= _CLASSES
    if name == "style":
        return tag in {"td", "th"} and _ALIGNMENT.fullmatch(value) is not None
    if tag == "a" and name == "href":
        return value.strip().lower().startswith(_SAFE_LINKS)
    return name in _ANYWHERE


def _picture(values: dict[str, str]) -> str:
    """Render the alternative text only: no image is loaded."""
    alt = escape(values.get("alt", ""))
    return f'<span class="mention">[image{": " + alt if alt else ""}]</span>'
