"""The files that the demo writes: issue, ledger, job summaries and generated files."""

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

DESCRIPTIONS = {
    "issue.html": "the issue as GitHub shows it: open it in a browser",
    "issue.md": "the same issue as Markdown, as it was posted",
    "job-summary.md": "the job summaries of all runs",
    "ledger.json": "the state that is stored between the runs",
    "generated": "the generated files, at their paths",
}
GENERATED = "generated"


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


def write(environment: DemoEnvironment, out: Path) -> list[str]:
    """Write the files, remove those of an earlier demo, and return the names written."""
    texts = _create_texts(environment)
    for name in DESCRIPTIONS.keys() - {GENERATED}:
        if name in texts:
            (out / name).write_text(texts[name], "utf-8", "replace")
        else:
            (out / name).unlink(missing_ok=True)
    written = [name for name in DESCRIPTIONS if name in texts]
    shutil.rmtree(out / GENERATED, ignore_errors=True)
    folder = rendering.generated_folder(environment) if environment.generates_files else None
    if folder is not None:
        shutil.copytree(folder, out / GENERATED)
        written.append(GENERATED)
    return written


def _create_texts(environment: DemoEnvironment) -> dict[str, str]:
    texts = {
        "job-summary.md": _with_github_links(environment, "\n---\n\n".join(environment.summaries))
    }
    issue = environment.issue()
    if issue is not None:
        page = render_issue(issue, issue.comments, environment.repository)
        texts["issue.html"] = _without_sandbox_links(environment, page)
        texts["issue.md"] = _with_github_links(environment, f"# {issue.title}\n\n{issue.body}\n")
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
