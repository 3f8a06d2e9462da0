"""An issue's Markdown, shortened for a terminal: no hidden markers, no tags, one finding whole."""

import html
import json
import re
from difflib import unified_diff
from pathlib import Path
from typing import Any

from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.text import plural

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


MOST_FILES = 3
MOST_LINES = 24


def files(environment: DemoEnvironment) -> None:
    """Show the generated files, the first ones with their text, and what was refused."""
    console, told = environment.console, _results(environment)
    made, refused = told.get("generated", []), told.get("refused", [])
    if not (made or refused):
        console.step("No file came back: nothing to add")
        console.say(
            "The sandbox's plain rules found nothing to write. That is a good answer; Claude "
            "knows more to say."
        )
        return
    console.step(f"{plural(len(made), 'file')} came back, each checked before it was written")
    console.table(
        ["File", "Made from", "What it is"],
        [(one["path"], one["source"], one["summary"]) for one in made],
    )
    for one in made[:MOST_FILES]:
        console.listing(_change(environment, one), one["path"])
    if refused:
        rows = [(one["path"], one["reason"]) for one in refused]
        console.table(["Refused", "Because it"], rows)


def rulings(environment: DemoEnvironment) -> None:
    """Show what was judged, file by file."""
    judged = _results(environment).get("file_verdicts", [])
    if judged:
        environment.console.step("The rulings: did the change keep what the code does?")
        rows = [(one["path"], one["verdict"], one["summary"]) for one in judged]
        environment.console.table(["File", "Ruling", ""], rows)


def written(environment: DemoEnvironment) -> Path | None:
    """The folder with the generated files; None when there are none."""
    folder = environment.workspace / ".batch-action" / "generated" / "files"
    return folder if folder.is_dir() else None


def _results(environment: DemoEnvironment) -> dict[str, Any]:
    path = environment.workspace / ".batch-action" / "results.json"
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return found


def _change(environment: DemoEnvironment, one: dict[str, Any]) -> str:
    """The text of a new file, or what is new in one that was there."""
    folder = written(environment)
    if folder is None:
        return ""
    text = (folder / one["path"]).read_text("utf-8", "replace")
    lines = text.splitlines()
    if one["replaces"]:
        data = dict(environment.subject.git.blobs([one["replaces"]])).get(one["replaces"], b"")
        before = data.decode("utf-8", "replace").splitlines()
        lines = list(unified_diff(before, lines, lineterm="", n=2))[2:]
    more = [f"… and {len(lines) - MOST_LINES} more lines"] if len(lines) > MOST_LINES else []
    return "\n".join([*lines[:MOST_LINES], *more])
