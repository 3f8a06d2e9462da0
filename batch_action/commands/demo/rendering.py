"""Results on a terminal: the issue's Markdown shortened, generated files, and verdicts."""

import html
import json
import re
from difflib import unified_diff
from pathlib import Path
from typing import Any

from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.text import plural

MAX_FILES = 3
MAX_LINES = 24
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


def shorten(body: str, *, example: bool = True) -> str:
    """Return the Markdown without markers and tags; only the first finding is expanded."""
    seen = 0

    def finding(match: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return f"{match[1].strip()}\n" if seen == 1 and example else ""

    text = _HIDDEN.sub("", _FINDING.sub(finding, body))
    text = _FOLDED.sub(lambda m: _expand(m, seen), text).replace("</details>", "")
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub("", _BOLD.sub("**", _CODE.sub("`", text)))
    # A vertical bar inside of a cell must not end the cell.
    return _GAP.sub("\n\n", html.unescape(text.replace("&#124;", "\\|"))).strip()


def _expand(match: re.Match[str], findings: int) -> str:
    summary, inside = match[1], match[2].strip()
    if "**Why.**" in inside:
        more = f"\n\n▶ {findings - 1} more, collapsed" if findings > 1 else ""
        return f"▼ {summary}\n\n{inside}{more}\n"
    if inside.startswith("- "):
        return f"▼ {summary}\n\n{inside}\n"
    return f"▶ {summary}\n"


def show_files(environment: DemoEnvironment) -> None:
    """Show the generated files, the first ones with their text, and the refused ones."""
    console, results = environment.console, _read_results(environment)
    generated, refused = results.get("generated", []), results.get("refused", [])
    if not (generated or refused):
        console.step("No file was generated")
        console.print(
            "The sandbox's simple rules found nothing to write. Claude writes more than they do."
        )
        return
    console.step(f"{plural(len(generated), 'file')} generated, each checked before it was written")
    console.table(
        ["File", "Source", "Summary"],
        [(file["path"], file["source"], file["summary"]) for file in generated],
    )
    for file in generated[:MAX_FILES]:
        console.listing(_preview(environment, file), file["path"])
    if refused:
        rows = [(file["path"], file["reason"]) for file in refused]
        console.table(["Refused", "Reason"], rows)


def show_verdicts(environment: DemoEnvironment) -> None:
    """Show the verdict of each file."""
    verdicts = _read_results(environment).get("file_verdicts", [])
    if verdicts:
        environment.console.step("The verdicts: does the change preserve the behavior?")
        rows = [(file["path"], file["verdict"], file["summary"]) for file in verdicts]
        environment.console.table(["File", "Verdict", ""], rows)


def generated_folder(environment: DemoEnvironment) -> Path | None:
    """Return the folder with the generated files; None when there are none."""
    folder = environment.workspace / ".batch-action" / "generated" / "files"
    return folder if folder.is_dir() else None


def _read_results(environment: DemoEnvironment) -> dict[str, Any]:
    path = environment.workspace / ".batch-action" / "results.json"
    results: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return results


def _preview(environment: DemoEnvironment, file: dict[str, Any]) -> str:
    """Return the first lines of a new file, or of the diff to the file it replaces."""
    folder = generated_folder(environment)
    if folder is None:
        return ""
    text = (folder / file["path"]).read_text("utf-8", "replace")
    lines = text.splitlines()
    if file["replaces"]:
        data = dict(environment.target.git.blobs([file["replaces"]])).get(file["replaces"], b"")
        before = data.decode("utf-8", "replace").splitlines()
        lines = list(unified_diff(before, lines, lineterm="", n=2))[2:]
    more = [f"… and {len(lines) - MAX_LINES} more lines"] if len(lines) > MAX_LINES else []
    return "\n".join([*lines[:MAX_LINES], *more])
