"""The draft pull request of generated files: its words, and what its body remembers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batch_action.escape import attribute, html_code, markdown, plain, subject, table_cell
from batch_action.models.file_results import GeneratedFile, RefusedFile
from batch_action.models.report import RunReport
from batch_action.publishers import markers
from batch_action.publishers.templates import fill
from batch_action.text import plural

_FILE = re.compile(r"^<!-- batch-action:file v1 (.*?) ?-->\s*$", re.MULTILINE)
_TREE = re.compile(r"^Batch-Action-Tree: ([0-9a-f]{40}(?:[0-9a-f]{24})?)$", re.MULTILINE)
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
MOST_ROWS = 200
LONGEST_BODY = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPullRequestState:
    """A file on our branch."""

    path: str
    source: str
    source_blob: str
    """The source as it was reviewed: once it changes, the file is out of date."""
    replaces: str | None
    """What stood at `path` then; None for a new file."""
    blob: str = ""
    """The file itself, where it is on the branch already; empty for one written tonight."""
    text: str = ""
    summary: str = ""


def drafted(file: GeneratedFile) -> DraftPullRequestState:
    """A file that was generated tonight."""
    return DraftPullRequestState(
        path=file.path,
        source=file.source,
        source_blob=file.blob,
        replaces=file.replaces,
        text=file.text,
        summary=file.summary,
    )


def branch(night_task: str, state_key: str) -> str:
    """The one branch of a task."""
    return f"batch-action/{night_task}" + (f"-{state_key}" if state_key else "")


def title(task: str) -> str:
    """The title of a new pull request; afterwards it is the person's to change."""
    return f"Nightly {task.replace('-', ' ')}"


def message(task: str, files: Sequence[DraftPullRequestState], tree: str, report: RunReport) -> str:
    """The commit's message; its trailer tells our commits from those of people."""
    first = f"Add {task.replace('-', ' ')} for {plural(len(files), 'file')}"
    lines = [f"- {subject(file.path, 120)}" for file in files[:50]]
    if len(files) > len(lines):
        lines.append(f"- and {len(files) - len(lines)} more")
    run = f"\n\nBatch-Action-Run: {report.run_url}" if report.run_url else "\n"
    body = "\n".join(lines)
    return f"{first}\n\n{body}{run}\nBatch-Action-Tree: {tree}\n"


def is_ours(commit_message: str, tree: str) -> bool:
    """Whether a commit is one of ours as we made it: an amended one has another tree."""
    found = _TREE.search(commit_message)
    return found is not None and found[1] == tree


def body(
    report: RunReport,
    files: Sequence[DraftPullRequestState],
    blobs: dict[str, str],
    left_out: Sequence[RefusedFile],
) -> str:
    """What people read, and the markers that remember every file."""
    listed, room = [], LONGEST_BODY
    for number, file in enumerate(files):
        row = (html_code(file.path, 120), html_code(file.source, 120), _cell(file.summary))
        mark = _marker(file, blobs[file.path])
        room -= len(mark) + (sum(map(len, row)) + 10 if number < MOST_ROWS else 0)
        if room < 0:
            break
        listed.append((row, mark))
    return fill(
        "draft_pr/pull_request.md.j2",
        marker=markers.head(report.task, report.repository_id, report.commit, report.batch_ids),
        task=markdown(report.task.replace("-", " ")),
        rows=[row for row, _ in listed[:MOST_ROWS]],
        unlisted=len(files) - min(len(listed), MOST_ROWS),
        marks=[mark for _, mark in listed],
        left_out=[(html_code(r.path, 120), table_cell(r.reason, 200)) for r in left_out[:50]],
        run_url=report.run_url,
        model=html_code(report.model),
    )


def remembered(text_of_body: str) -> tuple[DraftPullRequestState, ...]:
    """The files a body's markers tell of; a damaged marker is passed over."""
    return tuple(_parsed(text_of_body.replace("\r\n", "\n")))


def _cell(summary: str) -> str:
    return markdown(summary, 200)


def _marker(file: DraftPullRequestState, blob: str) -> str:
    values = {
        "path": attribute(file.path),
        "blob": blob,
        "source": attribute(file.source),
        "reviewed": file.source_blob,
        "replaces": file.replaces or "",
        "summary": attribute(plain(file.summary, 200)),
    }
    told = " ".join(f"{name}={value}" for name, value in values.items())
    return f"<!-- batch-action:file v1 {told} -->"


def _parsed(source: str) -> Iterator[DraftPullRequestState]:
    for found in _FILE.finditer(source):
        fields = dict(word.partition("=")[::2] for word in found[1].split())
        shas = [fields.get(name, "") for name in ("blob", "reviewed")]
        path, origin = markers.value(fields, "path"), markers.value(fields, "source")
        replaces = fields.get("replaces") or None
        if not all(_SHA.fullmatch(sha) for sha in (*shas, replaces or shas[0])):
            continue
        if path and origin:
            yield DraftPullRequestState(
                path=path,
                source=origin,
                source_blob=shas[1],
                replaces=replaces,
                blob=shas[0],
                summary=markers.value(fields, "summary"),
            )
