"""An issue's Markdown, shortened for a terminal: no hidden markers, no tags, one finding whole."""

import html
import re

_HIDDEN = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_FINDING = re.compile(
    r"<!-- batch-action:finding .*?-->(.*?)<!-- /batch-action:finding.*?-->\n?", re.DOTALL
)
_FOLDED = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
_LINK = re.compile(r"\[([^\]\n]*)\]\(https?://[^)\s]*\)")
_CODE = re.compile(r"</?code>")
_BOLD = re.compile(r"</?b>")
_TAG = re.compile(r"</?(?:sub|summary|details)>")
_GAP = re.compile(r"\n{3,}")


def shortened(body: str, *, example: bool = True) -> str:
    """What a person sees before unfolding anything, with one finding unfolded as an example."""
    seen = 0

    def finding(match: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return f"{match[1].strip()}\n" if seen == 1 and example else ""

    text = _HIDDEN.sub("", _FINDING.sub(finding, body))
    text = _FOLDED.sub(lambda m: _unfolded(m, seen), text).replace("</details>", "")
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub("", _BOLD.sub("**", _CODE.sub("`", text)))
    # A bar inside a table's cell must not become the cell's end.
    return _GAP.sub("\n\n", html.unescape(text.replace("&#124;", "\\|"))).strip()


def _unfolded(match: re.Match[str], findings: int) -> str:
    summary, inside = match[1], match[2].strip()
    if "**Why.**" in inside:
        more = f"\n\n▶ {findings - 1} more, folded like this one" if findings > 1 else ""
        return f"▼ {summary}\n\n{inside}{more}\n"
    if inside.startswith("- "):
        return f"▼ {summary}\n\n{inside}\n"
    return f"▶ {summary}\n"
