"""Escape untrusted text for the channel that it is written to.

All text from the model, a file name or a person goes through a function of this module: Markdown as
GitHub renders it, code in it, the markers in HTML comments, URLs, titles, the runner's workflow
commands, SARIF, Slack and Mermaid.

In Markdown, active characters become numeric entities, not backslash escapes: entities render the
same in a paragraph, in a table cell and in raw HTML such as `<summary>`. GitHub searches the
*rendered* text for mentions and references, so a zero-width space breaks those up.
"""

import re
from urllib.parse import quote, unquote

ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"

# Bidi controls (CVE-2021-42574), zero-width and filler characters, tags, line separators.
_INVISIBLE = (
    "\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_DROPPED = re.compile(f"[\x00-\x1f\x7f-\x9f{_INVISIBLE}]")
_MADE_VISIBLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_MARKER = re.compile(r"(<!--[\s/]*batch)-(?=action)", re.IGNORECASE)

_ACTIVE_MARKDOWN = re.compile(
    r"@|\bGH-(?=\d)|:(?=//)|www(?=\.)"
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|#(?=\w)|[\\`*~|$<>&\[\]#]",
    re.IGNORECASE,
)
_COMMIT_ID = re.compile(r"(?<![0-9a-z_])[0-9a-f]{7,}(?![0-9a-z_])", re.IGNORECASE)
"""What GitHub links when a commit has this id."""
_ACTIVE_PLAIN = re.compile(
    r"@|\bGH-(?=\d)|:(?=//)|www(?=\.)|#(?=\w)"
    r"|\[(?=(?:skip|no|ci|actions)[ -](?:ci|actions|skip)\])",
    re.IGNORECASE,
)
"""What has an effect in a commit message or a title, which are not Markdown."""
_BLOCK_START = re.compile(r"[-+=:]|\d+[.)]")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
# What is a link, placeholder, mention or reference in a SARIF message: broken up by a space.
_ACTIVE_SARIF = re.compile(
    r"(?<!\w)@(?=\w)|\](?=\()|\{(?=\d+\})|:(?=//)|\bwww(?=\.)|#(?=\d)|\bGH-(?=\d)", re.IGNORECASE
)
_LONG_WORD = re.compile(r"\S{13,}")
_BREAK = re.compile(r"[/_.:]+(?=\w)|[a-z](?=[A-Z])|(?:[A-Z]{14}|[^\W_A-Z]{14})(?=\w)")
"""Where a long word may break: after punctuation, at a capital letter, at last anywhere."""
_LOOK_ALIKES = str.maketrans("*~`", "\u2217\u223c\u02cb")
# Fence languages that GitHub renders instead of showing the text.
_RENDERED_FENCES = frozenset({"mermaid", "math", "geojson", "topojson", "stl"})


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which cannot be encoded, with U+FFFD.

    They come from undecodable file names and broken JSON.
    """
    if text.isascii():
        return text
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def plain(text: str, limit: int = 0) -> str:
    """Return one line without control and invisible characters, cut to `limit` characters."""
    if text.isascii() and text.isprintable():
        # Most texts are: none of it is dropped, and its only white space are spaces.
        text = " ".join(text.split())
    else:
        text = _DROPPED.sub("", _SPACES.sub(" ", replace_surrogates(text)))
        text = _SPACES.sub(" ", text).strip()
    if limit and len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return text


def visible(text: str) -> str:
    """Return code with invisible characters made visible and forged markers broken.

    CRLF becomes LF; other controls become their pictures; bidi and zero-width characters become
    `U+202E` in angle quotes. The hyphen of a forged `<!-- batch-action` becomes a non-breaking one.
    """
    text = replace_surrogates(text.replace("\r\n", "\n"))
    return _MARKER.sub("\\1\N{NON-BREAKING HYPHEN}", _MADE_VISIBLE.sub(_to_visible, text))


def _to_visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < ord(" "):
        return chr(0x2400 + code)
    return f"\u2039U+{code:04X}\u203a"


def _to_entity(match: re.Match[str]) -> str:
    character = match[0]
    if character == "#":
        word = match.string[match.end() : match.end() + 1]
        return "&#35;" + (ZERO_WIDTH_SPACE if word.isalnum() or word == "_" else "")
    if character == "@" or len(character) > 1 or character == ":":
        return character + ZERO_WIDTH_SPACE
    named = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return named.get(character) or f"&#{ord(character)};"


def _escape_line(line: str) -> str:
    leading = _BLOCK_START.match(line)
    head, rest = (leading[0], line[leading.end() :]) if leading else ("", line)
    # A colon before `//` keeps its zero-width space at the start of a line too.
    follows = ZERO_WIDTH_SPACE if head == ":" and rest.startswith("//") else ""
    start = f"{head[:-1]}&#{ord(head[-1])};{follows}" if head else ""
    return start + _ACTIVE_MARKDOWN.sub(_to_entity, rest)


def markdown(text: str, limit: int = 0) -> str:
    """Return one line that renders as plain text in a paragraph, a table cell or raw HTML.

    It contains no mention, reference, closing keyword, link, image, HTML, heading, list, fence or
    table (GitHub's filters work on rendered text, hence the zero-width spaces).
    """
    return _break_commit_ids(_escape_line(plain(text, limit)))


def markdown_with_commits(text: str, limit: int = 0) -> str:
    """Escape like `markdown`, but keep commit ids, which GitHub links: for this package's texts."""
    return _escape_line(plain(text, limit))


def _break_commit_ids(safe: str) -> str:
    """Break up commit ids: GitHub would link an id in untrusted text to that commit."""
    return _COMMIT_ID.sub(lambda run: ZERO_WIDTH_SPACE.join(re.findall(".{1,6}", run[0])), safe)


def _cut(text: str, limit: int) -> str:
    """Cut a line to `limit` characters, or before the code that the cut would split."""
    short = plain(text, limit)
    is_split = short != text and short.count("`") % 2 and text.count("`") % 2 == 0
    return short.rpartition("`")[0].rstrip() + "…" if is_split else short


def inline(text: str, limit: int = 0) -> str:
    """Escape like `markdown`, but render code in backticks; for tables and `<summary>` too."""
    done, at = "", 0
    text = _cut(plain(text), limit)
    for span in _CODE_SPAN.finditer(text):
        done += _escape_between(text[at : span.start()], first=at == 0) + html_code(span[2])
        at = span.end()
    return done + _escape_between(text[at:], first=at == 0)


def subject(text: str, limit: int = 0) -> str:
    """Return a title or a line of a commit message without mentions, references or `[skip ci]`.

    Neither is Markdown: entities would be visible, so zero-width spaces break up mentions and
    references.
    """
    return _break_commit_ids(_ACTIVE_PLAIN.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", plain(text, limit)))


def paragraph(text: str) -> str:
    """Escape text as one paragraph, and render inline code in backticks."""
    text = plain(text)
    done, at = "", 0
    for span in _CODE_SPAN.finditer(text):
        done += _escape_between(text[at : span.start()], first=at == 0) + code_span(span[2])
        at = span.end()
    return done + _escape_between(text[at:], first=at == 0)


def breakable(safe: str) -> str:
    """Let long words in escaped inline text break, so that a table fits the screen of a phone.

    Addresses of links, code in backticks and what has been broken already stay as they are.
    """
    if not _LONG_WORD.search(safe):
        return safe
    broken, in_code = "", False
    for piece in re.split(r"(<[^<>]*>|&[#\w]+;|\]\([^()\s]*\)|`[^`]*`)", safe):
        if piece.startswith(("<", "&", "](", "`")):
            in_code = {"<code>": True, "</code>": False}.get(piece, in_code)
            broken += piece
        else:
            broken += _LONG_WORD.sub(_break_code if in_code else _break_text, piece)
    return broken


def _break_code(word: re.Match[str]) -> str:
    return _BREAK.sub(r"\g<0><wbr>", word[0])


def _break_text(word: re.Match[str]) -> str:
    # A part must not become a reference or a commit id that the whole word is not.
    return "<wbr>".join(
        _break_commit_ids(_ACTIVE_PLAIN.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", part))
        for part in _break_code(word).split("<wbr>")
    )


def _escape_between(text: str, *, first: bool) -> str:
    return _break_commit_ids(
        _escape_line(text) if first else _ACTIVE_MARKDOWN.sub(_to_entity, text)
    )


def code_span(text: str, limit: int = 0) -> str:
    """Return inline code on one line, with enough backticks around it; empty for blank text."""
    text = visible(_SPACES.sub(" ", text).strip())
    if not text:
        return ""
    if limit and len(text) > limit:
        text = text[: limit - 1] + "…"
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def html_code(text: str, limit: int = 0) -> str:
    """Return a `<code>` element, for tables with pipes, `<summary>` and links."""
    text = visible(_SPACES.sub(" ", text).strip())
    # Commit ids stay intact for copying: GitHub links nothing inside code.
    return f"<code>{markdown_with_commits(text, limit)}</code>"


def message(text: str, limit: int = 0) -> str:
    """Return one line of plain text for a SARIF message; the function is idempotent.

    In SARIF, `[..](..)` is a link and `{0}` a placeholder, and GitHub copies messages to comments.
    A space breaks them up, because code scanning renders no escapes or entities.
    """
    return _ACTIVE_SARIF.sub(r"\g<0> ", plain(text, limit))


def fence(text: str, language: str = "") -> str:
    """Return a fenced code block of `visible(text)`, with a fence longer than any inside."""
    text = visible(text).removesuffix("\n")
    if not re.fullmatch(r"[a-z0-9+.-]{1,32}", language) or language in _RENDERED_FENCES:
        language = ""
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def attribute(text: str) -> str:
    """Encode a value for a marker in an HTML comment: no space, `--` or `>`."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="/").replace("--", "%2D%2D")


def unattribute(value: str) -> str:
    """Decode a value that `attribute` encoded.

    Raises:
        ValueError: `attribute` did not encode the value.
    """
    return unquote(value, errors="surrogatepass")


def path_url(path: str) -> str:
    """Quote a path for a URL; lone surrogates become the bytes that they stand for."""
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "replace")
    return quote(raw, safe="/")


def log(text: str) -> str:
    """Escape text for the job log, so that no line is a workflow command.

    The runner strips a line before it looks for `::`, and finds `##[` anywhere in it.
    """
    lines = visible(text.replace("\r", "\n")).split("\n")
    return "\n".join(_defuse_command(line) for line in lines)


def _defuse_command(line: str) -> str:
    line = line.replace("##[", "## [")
    return re.sub(r"^(\s*):(?=:)", rf"\1:{ZERO_WIDTH_SPACE}", line)


def annotation_data(text: str) -> str:
    """Escape the message of a workflow command; line breaks become `%0A`."""
    text = visible(text.replace("\r\n", "\n").replace("\r", "\n")).replace("##[", "## [")
    return text.replace("%", "%25").replace("\n", "%0A")


def annotation_property(text: str) -> str:
    """Escape a property (file, title) of a workflow command."""
    return annotation_data(text).replace(":", "%3A").replace(",", "%2C")


def slack(text: str, limit: int = 0) -> str:
    """Return one line of Slack mrkdwn that renders as plain text, with code in backticks as code.

    Slack has three entities and no other escapes, so `*`, `~` and backticks become look-alikes. Use
    it in text objects with `verbatim`, so that Slack adds no links.
    """
    done, at = "", 0
    text = plain(text, limit)
    for span in _CODE_SPAN.finditer(text):
        code = _escape_mrkdwn(span[2].strip())
        done += _escape_mrkdwn(text[at : span.start()]) + (f"`{code}`" if code else "")
        at = span.end()
    return done + _escape_mrkdwn(text[at:])


def _escape_mrkdwn(text: str) -> str:
    text = text.translate(_LOOK_ALIKES)
    text = _ACTIVE_PLAIN.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def href(url: str) -> str:
    """Quote a URL for a Markdown or Slack link; empty when it is not an http(s) URL."""
    if not re.match(r"https?://[\w.:-]+(?:/|$)", url, re.ASCII):
        return ""
    return quote(replace_surrogates(url), safe="/:?#@&+,;=%~-._")
