"""Untrusted text made safe for the channel it goes to.

Everything that comes from the model, a file name or a person passes through here: Markdown as
GitHub renders it, code in it, our own HTML-comment markers, URLs, titles, the runner's log
commands, SARIF, Slack and Mermaid.

In Markdown the active characters become numeric entities, not backslash escapes: entities read
the same in a paragraph, in a table cell and inside raw HTML such as `<summary>`. GitHub looks for
mentions and references in the *rendered* text, so those are parted by a zero-width space.
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
_SHOWN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_MARKER = re.compile(r"(<!--[\s/]*batch)-(?=action)", re.IGNORECASE)

_ACTIVE = re.compile(
    r"@|\bGH-(?=\d)|:(?=//)|www(?=\.)"
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|#(?=\w)|[\\`*~|$<>&\[\]#]",
    re.IGNORECASE,
)
_COMMIT = re.compile(r"(?<![0-9a-z_])[0-9a-f]{7,}(?![0-9a-z_])", re.IGNORECASE)
"""What GitHub links if there is such a commit."""
_REFERRING = re.compile(
    r"@|\bGH-(?=\d)|:(?=//)|www(?=\.)|#(?=\w)"
    r"|\[(?=(?:skip|no|ci|actions)[ -](?:ci|actions|skip)\])",
    re.IGNORECASE,
)
"""What acts in a commit message or a title, where nothing is Markdown."""
_LEADING = re.compile(r"[-+=:]|\d+[.)]")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
# What a SARIF message links, fills in, mentions or refers to: parted by a space.
_MESSAGE = re.compile(
    r"(?<!\w)@(?=\w)|\](?=\()|\{(?=\d+\})|:(?=//)|\bwww(?=\.)|#(?=\d)|\bGH-(?=\d)", re.IGNORECASE
)
_UNDRAWN = re.compile(r"[^\w .,:+()/-]")
_LOOK_ALIKES = str.maketrans("*~`", "\u2217\u223c\u02cb")
# Fences that GitHub draws instead of quoting.
_DRAWN = frozenset({"mermaid", "math", "geojson", "topojson", "stl"})


def whole(text: str) -> str:
    """Lone surrogates (undecodable file names, broken JSON) cannot be encoded: U+FFFD."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def plain(text: str, limit: int = 0) -> str:
    """One line without control and invisible characters, cut at `limit` characters if given."""
    text = _DROPPED.sub("", _SPACES.sub(" ", whole(text)))
    text = _SPACES.sub(" ", text).strip()
    if limit and len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return text


def visible(text: str) -> str:
    """Code as it is, but with what would not be seen made visible, and no marker of ours.

    CRLF becomes LF; other controls become their pictures; bidi and zero-width characters become
    `U+202E` in angle quotes. The hyphen of a forged `<!-- batch-action` becomes a non-breaking one.
    """
    text = whole(text.replace("\r\n", "\n"))
    return _MARKER.sub("\\1\N{NON-BREAKING HYPHEN}", _SHOWN.sub(_picture, text))


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < ord(" "):
        return chr(0x2400 + code)
    return f"\u2039U+{code:04X}\u203a"


def _entity(match: re.Match[str]) -> str:
    found = match[0]
    if found == "#":
        word = match.string[match.end() : match.end() + 1]
        return "&#35;" + (ZERO_WIDTH_SPACE if word.isalnum() or word == "_" else "")
    if found == "@" or len(found) > 1 or found == ":":
        return found + ZERO_WIDTH_SPACE
    named = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return named.get(found) or f"&#{ord(found)};"


def _inline(line: str) -> str:
    leading = _LEADING.match(line)
    head, rest = (leading[0], line[leading.end() :]) if leading else ("", line)
    # A colon before `//` keeps its zero-width space, wherever it stands.
    follows = ZERO_WIDTH_SPACE if head == ":" and rest.startswith("//") else ""
    start = f"{head[:-1]}&#{ord(head[-1])};{follows}" if head else ""
    return start + _ACTIVE.sub(_entity, rest)


def markdown(text: str, limit: int = 0) -> str:
    """One line of text that renders as itself, in a paragraph, a table cell or raw HTML.

    No mention, reference, closing keyword, link, image, HTML, heading, list, fence or table comes
    out of it (GitHub's filters work on rendered text, hence the zero-width spaces).
    """
    return _parted(_inline(plain(text, limit)))


def ours(text: str, limit: int = 0) -> str:
    """As `markdown`, for sentences of our own: the commits they name become links."""
    return _inline(plain(text, limit))


def _parted(safe: str) -> str:
    """With commit ids broken up: whoever names a stranger's commit would make a link to it."""
    return _COMMIT.sub(lambda run: ZERO_WIDTH_SPACE.join(re.findall(".{1,6}", run[0])), safe)


def inline(text: str, limit: int = 0) -> str:
    """As `markdown`, but code in backticks is shown as code; also for tables and `<summary>`."""
    done, at = "", 0
    text = plain(text, limit)
    for span in _CODE.finditer(text):
        done += _between(text[at : span.start()], first=at == 0) + html_code(span[2])
        at = span.end()
    return done + _between(text[at:], first=at == 0)


def subject(text: str, limit: int = 0) -> str:
    """A title, or a line of a commit message: it mentions, refers to, closes and skips nothing.

    Neither is Markdown, so nothing is an entity here; zero-width spaces part what would act.
    """
    return _parted(_REFERRING.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", plain(text, limit)))


def table_cell(text: str, limit: int = 0) -> str:
    """Text for a GFM table cell; pipes are entities already in `markdown`."""
    return markdown(text, limit)


def prose(text: str, limit: int = 0) -> str:
    """Paragraphs of text; only inline code in backticks keeps its meaning."""
    if limit and len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    paragraphs = (plain(part) for part in re.split(r"\n[^\S\n]*\n", text.replace("\r\n", "\n")))
    return "\n\n".join(_spans(paragraph) for paragraph in paragraphs if paragraph)


def _spans(paragraph: str) -> str:
    done, at = "", 0
    for span in _CODE.finditer(paragraph):
        done += _between(paragraph[at : span.start()], first=at == 0) + code_span(span[2])
        at = span.end()
    return done + _between(paragraph[at:], first=at == 0)


def _between(text: str, *, first: bool) -> str:
    return _parted(_inline(text) if first else _ACTIVE.sub(_entity, text))


def code_span(text: str, limit: int = 0) -> str:
    """Inline code on one line, with enough backticks around it; empty for blank text."""
    text = visible(_SPACES.sub(" ", text).strip())
    if not text:
        return ""
    if limit and len(text) > limit:
        text = text[: limit - 1] + "…"
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def html_code(text: str, limit: int = 0) -> str:
    """`<code>` for places where backticks do not work: tables with pipes, `<summary>`, links."""
    text = visible(_SPACES.sub(" ", text).strip())
    # Ids stay whole here, to be copied: GitHub links nothing inside of code.
    return f"<code>{ours(text, limit)}</code>"


def message(text: str, limit: int = 0) -> str:
    """One line of plain text for a SARIF message; what was made so stays as it is.

    There `[..](..)` is a link and `{0}` a placeholder, and GitHub puts it into comments: a space
    parts what would act, because code scanning shows neither escapes nor entities.
    """
    return _MESSAGE.sub(r"\g<0> ", plain(text, limit))


def fence(text: str, language: str = "") -> str:
    """A fenced code block of `visible(text)`, longer than any run of backticks inside."""
    text = visible(text).removesuffix("\n")
    if not re.fullmatch(r"[a-z0-9+.-]{1,32}", language) or language in _DRAWN:
        language = ""
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def attribute(text: str) -> str:
    """A value for our HTML-comment markers: no space, no `--`, no `>`; `unattribute` reverses."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="/").replace("--", "%2D%2D")


def unattribute(value: str) -> str:
    """The text behind `attribute`.

    Raises:
        ValueError: the value is not one of ours.

    """
    return unquote(value, errors="surrogatepass")


def path_url(path: str) -> str:
    """A path for a URL; bytes that were no UTF-8 (lone surrogates) become those bytes again."""
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "replace")
    return quote(raw, safe="/")


def log(text: str) -> str:
    """Text for the job log: no line of it is a workflow command.

    The runner trims a line before it looks for `::`, and finds `##[` anywhere in it.
    """
    lines = visible(text.replace("\r", "\n")).split("\n")
    return "\n".join(_no_command(line) for line in lines)


def _no_command(line: str) -> str:
    line = line.replace("##[", "## [")
    return re.sub(r"^(\s*):(?=:)", rf"\1:{ZERO_WIDTH_SPACE}", line)


def annotation_data(text: str) -> str:
    """The message of a workflow command; line breaks survive as `%0A`."""
    text = visible(text.replace("\r\n", "\n").replace("\r", "\n")).replace("##[", "## [")
    return text.replace("%", "%25").replace("\n", "%0A")


def annotation_property(text: str) -> str:
    """A property (file, title) of a workflow command."""
    return annotation_data(text).replace(":", "%3A").replace(",", "%2C")


def slack(text: str, limit: int = 0) -> str:
    """One line of Slack's mrkdwn that renders as itself; code in backticks is shown as code.

    Slack knows three entities and no other escape: what would be bold or struck out becomes a
    look-alike. Goes into text objects with `verbatim`, so that Slack links nothing by itself.
    """
    done, at = "", 0
    text = plain(text, limit)
    for span in _CODE.finditer(text):
        code = _mrkdwn(span[2].strip())
        done += _mrkdwn(text[at : span.start()]) + (f"`{code}`" if code else "")
        at = span.end()
    return done + _mrkdwn(text[at:])


def _mrkdwn(text: str) -> str:
    text = text.translate(_LOOK_ALIKES)
    text = _REFERRING.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mermaid(text: str, limit: int = 0) -> str:
    """A label for a Mermaid chart, to stand in double quotes: words, digits and a few signs."""
    return _SPACES.sub(" ", _UNDRAWN.sub(" ", plain(text, limit))).strip()


def href(url: str) -> str:
    """An address for a Markdown or Slack link; empty when it is no web address."""
    if not re.match(r"https?://[\w.:-]+(?:/|$)", url, re.ASCII):
        return ""
    return quote(whole(url), safe="/:?#@&+,;=%~-._")
