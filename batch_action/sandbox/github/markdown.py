"""Convert GitHub Flavored Markdown to safe HTML, with code snippets for permalinks."""

import re
from collections.abc import Callable
from html import escape
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from batch_action.sandbox.github.sanitize import sanitize_html

Snippets = Callable[[str, str], str | None]
"""From a commit and a path to a file's text, if there is such a file."""

_PERMALINK = re.compile(
    r"^https?://[^/\s]+/(?P<name>[\w.-]+/[\w.-]+)/blob/(?P<sha>[0-9a-f]{40})/"
    r"(?P<path>[^\s#]+)#L(?P<first>\d+)(?:-L(?P<last>\d+))?$"
)
_BARE = re.compile(r"https?://[^\s<>\"'`|]+[^\s<>\"'`|.,;:!?)\]]")
_DIFF = {"+": "add", "-": "del", "@": "hunk"}


def markdown_to_html(text: str, repository: str = "", snippets: Snippets | None = None) -> str:
    """Convert Markdown to HTML, as GitHub renders it."""
    return sanitize_html(_Page(repository, snippets).render(text))


class _Page:
    """The parser with our rules for fences, links and permalinks."""

    def __init__(self, repository: str, snippets: Snippets | None) -> None:
        self._repository = repository.lower()
        self._snippets = snippets
        options = {"html": True, "tasklists": True, "alerts": True}
        self._parser = MarkdownIt("commonmark", options)
        self._parser.enable(["table", "strikethrough"])
        self._parser.add_render_rule("fence", _fence)
        self._parser.add_render_rule("text", _text)

    def render(self, text: str) -> str:
        tokens = self._parser.parse(text)
        for index, token in enumerate(tokens):
            if token.type == "inline" and index and tokens[index - 1].type == "paragraph_open":
                snippet = self._snippet(token.content.strip())
                if snippet:
                    tokens[index - 1].hidden = tokens[index + 1].hidden = True
                    token.children = [Token("html_inline", "", 0, content=snippet)]
        rendered = self._parser.renderer.render(tokens, self._parser.options, {})
        return str(rendered)

    def _snippet(self, line: str) -> str | None:
        """Return the code of a permalink on a line of its own; None for other repositories."""
        link = _PERMALINK.match(line)
        if not link or not self._snippets or link["name"].lower() != self._repository:
            return None
        path = unquote(link["path"])
        text = self._snippets(link["sha"], path)
        if text is None:
            return None
        first = int(link["first"])
        last = int(link["last"] or first)
        rows = "".join(
            f'<tr><td class="number">{number}</td><td class="code">{escape(row)}</td></tr>'
            for number, row in enumerate(text.splitlines()[first - 1 : last], first)
        )
        span = f"Lines {first} to {last}" if last > first else f"Line {first}"
        head = f'<a href="{escape(line)}">{escape(path)}</a><br><small>{span} in {link["sha"][:7]}'
        return (
            f'<div class="snippet"><div class="source">{head}</small></div>'
            f'<table class="lines">{rows}</table></div>'
        )


def _fence(
    _self: RendererHTML, tokens: list[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[index]
    language = token.info.strip().partition(" ")[0]
    if language not in {"diff", "suggestion"}:
        return f"<pre><code>{escape(token.content, quote=False)}</code></pre>\n"
    rows = []
    for line in token.content.splitlines():
        kind = "add" if language == "suggestion" else _DIFF.get(line[:1], "code")
        rows.append(f'<span class="{kind}">{escape(line, quote=False)}</span>')
    kind = ' class="suggestion"' if language == "suggestion" else ""
    return f"<pre{kind}><code>" + "\n".join(rows) + "</code></pre>\n"


def _text(
    _self: RendererHTML, tokens: list[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    """Render text with bare URLs as links, except inside a link."""
    text = tokens[index].content
    depth = sum(token.nesting for token in tokens[:index] if token.type.startswith("link_"))
    if depth:
        return escape(text, quote=False)
    out, end = [], 0
    for match in _BARE.finditer(text):
        url = escape(match[0])
        out += [escape(text[end : match.start()], quote=False), f'<a href="{url}">{url}</a>']
        end = match.end()
    return "".join(out) + escape(text[end:], quote=False)
