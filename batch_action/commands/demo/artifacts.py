"""What the demo leaves behind: the issue as text and page, the ledger, the job summaries."""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

from batch_action.commands.demo import rendering
from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.errors import ConfigError
from batch_action.sandbox.github.page import render_issue

NOTES = {
    "issue.html": "the issue as it reads on GitHub: open it in a browser",
    "issue.md": "the same issue as Markdown, as it was posted",
    "job-summary.md": "what each run wrote for its page in Actions",
    "ledger.json": "what is remembered between the runs",
    "generated": "the files that came back, at their paths",
}
GENERATED = "generated"


def folder_for(out: Path) -> Path:
    """The folder, which ignores itself. Raises ConfigError when it cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".gitignore").write_text("*\n", "utf-8")
    except OSError as error:
        raise ConfigError(
            f"`--out` {out} cannot be written: {error.strerror}.", fix="Choose another folder."
        ) from None
    return out


def write(environment: DemoEnvironment, out: Path) -> list[str]:
    """Write what there is, remove what an earlier demo left instead; the names written."""
    texts = _texts(environment)
    for name in (one for one in NOTES if one != GENERATED):
        if name in texts:
            (out / name).write_text(texts[name], "utf-8", "replace")
        else:
            (out / name).unlink(missing_ok=True)
    written = [name for name in NOTES if name in texts]
    shutil.rmtree(out / GENERATED, ignore_errors=True)
    made = rendering.written(environment) if environment.generates else None
    if made is not None:
        shutil.copytree(made, out / GENERATED)
        written.append(GENERATED)
    return written


def _texts(environment: DemoEnvironment) -> dict[str, str]:
    texts = {"job-summary.md": _public(environment, "\n---\n\n".join(environment.summaries))}
    issue = environment.issue()
    if issue is not None:
        page = render_issue(issue, issue.comments, environment.repository)
        texts["issue.html"] = _self_contained(environment, page)
        texts["issue.md"] = _public(environment, f"# {issue.title}\n\n{issue.body}\n")
    stored = environment.newest_artifact()
    if stored is not None:
        texts["ledger.json"] = _ledger(environment.artifact_bytes(stored))
    return texts


def _public(environment: DemoEnvironment, text: str) -> str:
    """Links of a repository that GitHub knows lead there: the sandbox is gone tomorrow."""
    if environment.subject.on_github:
        return text.replace(environment.box.github_url, "https://github.com")
    return text


def _self_contained(environment: DemoEnvironment, page: str) -> str:
    """A page whose links to the sandbox tell where they would lead instead of leading nowhere."""
    gone = re.escape(environment.box.github_url)
    return re.sub(rf'href="{gone}(/[^"]*)"', r'title="\1"', _public(environment, page))


def _ledger(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".json"))
        return json.dumps(json.loads(archive.read(name)), indent=2, ensure_ascii=False) + "\n"
