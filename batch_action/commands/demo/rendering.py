"""Results of the demo: shown on a terminal, and written to files."""

import html
import io
import json
import re
import shutil
import zipfile
from difflib import unified_diff
from pathlib import Path
from typing import Any

from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.errors import ConfigError
from batch_action.sandbox.github.page import render_issue
from batch_action.text import plural

DESCRIPTIONS = {
    "issue.html": "the issue as GitHub shows it: open it in a browser",
    "issue.md": "the same issue as Markdown, as it was posted",
    "job-summary.md": "the job summaries of all runs",
    "ledger.json": "the state that is stored between the runs",
    "generated": "the generated files, at their paths",
}
GENERATED = "generated"
BANNER = '<p style="margin:0;padding:8px 16px;background:#fff8c5;color:#1f2328">{}</p>'
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
_TAG = re.compile(r"</?(?:sub|summary|details|wbr)>")
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
        console.print("There is nothing to write for these files.")
        return
    console.step(f"{plural(len(generated), 'file')} generated, each checked before it was written")
    console.print(environment.note, style="bold")
    console.table(
        ["File", "Source", "Summary"],
        [(file["path"], file["source"], file["summary"]) for file in generated],
        paths=[0, 1],
    )
    for file in generated[:MAX_FILES]:
        console.listing(_preview(environment, file), file["path"])
    if refused:
        rows = [(file["path"], file["reason"]) for file in refused]
        console.table(["Refused", "Reason"], rows, paths=[0])


def show_verdicts(environment: DemoEnvironment) -> None:
    """Show the verdict of each file."""
    verdicts = _read_results(environment).get("file_verdicts", [])
    if verdicts:
        environment.console.step("The verdicts: does the change preserve the behavior?")
        environment.console.print(environment.note, style="bold")
        rows = [(file["path"], file["verdict"], file["summary"]) for file in verdicts]
        environment.console.table(["File", "Verdict", ""], rows, paths=[0])


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


def create_folder(out: Path) -> Path:
    """Create the folder, which git ignores. Raises ConfigError when that is impossible."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".gitignore").write_text("*\n", "utf-8")
    except OSError as error:
        raise ConfigError(
            f"`--out` {out} cannot be written: {error.strerror}.", fix="Choose another folder."
        ) from None
    return out


def write_files(environment: DemoEnvironment, out: Path) -> dict[Path, str]:
    """Write the files, remove those of an earlier demo; return what is at the paths written."""
    texts = _create_texts(environment)
    for name in DESCRIPTIONS.keys() - {GENERATED}:
        if name in texts:
            (out / name).write_text(texts[name], "utf-8", "replace")
        else:
            (out / name).unlink(missing_ok=True)
    written = [name for name in DESCRIPTIONS if name in texts]
    shutil.rmtree(out / GENERATED, ignore_errors=True)
    folder = generated_folder(environment) if environment.generates_files else None
    if folder is not None:
        shutil.copytree(folder, out / GENERATED)
        written.append(GENERATED)
    described = {out / name: DESCRIPTIONS[name] for name in written}
    if environment.target.sample is not None:
        kept = kept_repository(environment, out)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(environment.target.folder, kept)
        described[kept] = "the sample repository"
    return described


def kept_repository(environment: DemoEnvironment, out: Path) -> Path:
    """Return the folder where the reviewed repository is after the demo."""
    target = environment.target
    return target.folder if target.sample is None else out / target.folder.name


def _create_texts(environment: DemoEnvironment) -> dict[str, str]:
    note = f"> [!NOTE]\n> {environment.note}\n\n"
    summaries = _with_github_links(environment, "\n---\n\n".join(environment.summaries))
    texts = {"job-summary.md": note + summaries}
    issue = environment.issue()
    if issue is not None:
        page = render_issue(issue, issue.comments, environment.repository)
        page = _without_sandbox_links(environment, page)
        texts["issue.html"] = page.replace("<body>", f"<body>{BANNER.format(environment.note)}", 1)
        body = f"# {issue.title}\n\n{note}{issue.body}\n"
        texts["issue.md"] = _with_github_links(environment, body)
    artifact = environment.newest_artifact()
    if artifact is not None:
        texts["ledger.json"] = _ledger_json(environment.artifact_bytes(artifact))
    return texts


def _with_github_links(environment: DemoEnvironment, text: str) -> str:
    """Point the links of a repository on GitHub there: the sandbox stops with the demo."""
    if environment.target.on_github:
        return text.replace(environment.sandbox.github_url, "https://github.com")
    return text


def _without_sandbox_links(environment: DemoEnvironment, page: str) -> str:
    """Replace the links to the sandbox by tooltips with their paths."""
    address = re.escape(environment.sandbox.github_url)
    return re.sub(
        rf'href="{address}(/[^"]*)"', r'title="\1"', _with_github_links(environment, page)
    )


def _ledger_json(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".json"))
        return json.dumps(json.loads(archive.read(name)), indent=2, ensure_ascii=False) + "\n"
