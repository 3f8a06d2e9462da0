"""The texts of the draft pull request, and the state that its body stores."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.escape import attribute, breakable, html_code, markdown, plain, subject
from batch_action.models.generated import RefusedFile
from batch_action.models.github import GitCommit
from batch_action.models.report import RunReport
from batch_action.publishers import markers
from batch_action.publishers.report_text import render_template
from batch_action.text import plural, shorten_path, task_slug

_FILE = re.compile(r"^<!-- batch-action:file v1 (.*?) ?-->\s*$", re.MULTILINE)
_TREE = re.compile(r"^Batch-Action-Tree: ([0-9a-f]{40}(?:[0-9a-f]{24})?)$", re.MULTILINE)
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
MAX_ROWS = 200
MAX_LEFT_OUT = 50
MAX_BODY_CHARS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedFile:
    """A generated file that the pull request proposes."""

    path: str
    source: str
    source_blob: str
    """The reviewed version of the source: once it changes, the file is out of date."""
    replaces: str | None
    """The blob at `path` in the reviewed commit; None for a new file."""
    blob: str = ""
    """The blob on the branch; empty for a file of this run."""
    text: str = ""
    summary: str = ""


def branch_name(task: str, state_key: str) -> str:
    """Return the name of a task's branch."""
    return f"batch-action/{task_slug(task, state_key)}"


def title(task: str) -> str:
    """Return the title of a new pull request; people may change it later."""
    return f"Nightly {task.replace('-', ' ')}"


def commit_message(task: str, files: Sequence[ProposedFile], tree: str, report: RunReport) -> str:
    """Return the commit's message; its trailer tells our commits from people's."""
    first = f"Add {task.replace('-', ' ')} for {plural(len(files), 'file')}"
    lines = [f"- {subject(file.path, 120)}" for file in files[:50]]
    if len(files) > len(lines):
        lines.append(f"- and {len(files) - len(lines)} more")
    run = f"\n\nBatch-Action-Run: {report.run_url}" if report.run_url else "\n"
    body = "\n".join(lines)
    return f"{first}\n\n{body}{run}\nBatch-Action-Tree: {tree}\n"


def is_ours(commit: GitCommit) -> bool:
    """Return whether a commit is ours and unchanged: an amended one has another tree."""
    match = _TREE.search(commit.message)
    return match is not None and match[1] == commit.tree


def _path_cell(path: str) -> str:
    return breakable(html_code(shorten_path(path, 120)))


def body(
    report: RunReport,
    files: Sequence[ProposedFile],
    blobs: dict[str, str],
    left_out: Sequence[RefusedFile],
) -> str:
    """Return the table of files with a marker for every file, and what was left out."""
    reasons = [
        (_path_cell(file.path), markdown(file.reason, 200)) for file in left_out[:MAX_LEFT_OUT]
    ]
    listed, remaining = [], MAX_BODY_CHARS - sum(len(cell) + 5 for row in reasons for cell in row)
    for number, file in enumerate(files):
        row = (
            _path_cell(file.path),
            _path_cell(file.source),
            markdown(file.summary, 200),
        )
        marker = _marker(file, blobs[file.path])
        remaining -= len(marker) + (sum(map(len, row)) + 10 if number < MAX_ROWS else 0)
        if remaining < 0:
            break
        listed.append((row, marker))
    return render_template(
        "draft_pr/pull_request.md.j2",
        marker=markers.format_head(
            markers.identity_of(report.task, report.repository_id),
            report.commit,
            report.batch_ids,
        ),
        task=markdown(report.task.replace("-", " ")),
        rows=[row for row, _ in listed[:MAX_ROWS]],
        unlisted=len(files) - min(len(listed), MAX_ROWS),
        file_markers=[marker for _, marker in listed],
        left_out=reasons,
        left_out_count=len(left_out),
        run_url=report.run_url,
        model=html_code(report.model),
    )


def _marker(file: ProposedFile, blob: str) -> str:
    values = {
        "path": attribute(file.path),
        "blob": blob,
        "source": attribute(file.source),
        "reviewed": file.source_blob,
        "replaces": file.replaces or "",
        "summary": attribute(plain(file.summary, 200)),
    }
    return f"<!-- batch-action:file v1 {markers.format_fields(values)} -->"


def parse_files(body: str) -> tuple[ProposedFile, ...]:
    """Return the files of a body's markers; a damaged marker is skipped."""
    files = []
    for match in _FILE.finditer(body.replace("\r\n", "\n")):
        fields = markers.parse_fields(match[1])
        shas = [fields.get(name, "") for name in ("blob", "reviewed")]
        path, source = markers.decode_field(fields, "path"), markers.decode_field(fields, "source")
        replaces = fields.get("replaces") or None
        if not all(_SHA.fullmatch(sha) for sha in (*shas, replaces or shas[0])):
            continue
        if path and source:
            summary = markers.decode_field(fields, "summary")
            files.append(
                ProposedFile(
                    path=path,
                    source=source,
                    source_blob=shas[1],
                    replaces=replaces,
                    blob=shas[0],
                    summary=summary,
                )
            )
    return tuple(files)
