"""The runner of GitHub Actions: a step's inputs, event and context, its commands and its files."""

import copy
import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from batch_action import escape
from batch_action.errors import BatchActionError, ConfigError
from batch_action.models.command_output import CommandOutput
from batch_action.models.github_context import GitHubContext, PullRequestContext

RESULTS_FOLDER = ".batch-action"
STATUS_ORDER = (
    "submitted",
    "collected",
    "dry-run",
    "planned",
    "accumulated",
    "pending",
    "nothing-to-do",
)
"""The values of the output `status`, the most important one first."""

MIN_SECRET_CHARS = 6
"""A shorter one is part of many words."""
_MAX_SUMMARY_BYTES = 1024 * 1024
_MAX_MESSAGE_CHARS = 4096
_OUTPUT_NAME = re.compile(r"[a-z][a-z0-9-]*")
_LEVELS = frozenset({"notice", "warning", "error", "debug"})
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TRUNCATION_NOTE = (
    "\n\n> [!NOTE]\n> The rest of this summary was left out: GitHub shows at most 1 MiB.\n"
)
_CLOSE_DETAILS = "\n\n</details>"

# GitHub cuts webhook payloads at 25 MB.
_MAX_EVENT_BYTES = 32 * 1024 * 1024
_INPUT_PREFIX = "INPUT_"

Outputs = Mapping[str, str]
"""The outputs that one task has set, by name."""


class Runner:
    """The runner's file commands and log commands; outside of Actions, plain lines on stderr."""

    def __init__(
        self,
        workspace: Path,
        *,
        output_path: Path | None = None,
        summary_path: Path | None = None,
        actions: bool = False,
        stream: TextIO | None = None,
        secrets: set[str] | None = None,
        output: CommandOutput | None = None,
    ) -> None:
        """Write log commands to `stream`: stdout in Actions, stderr elsewhere, if not given.

        `secrets`: what no text may contain; `mask` adds to it. `output`: gets the warnings and
        errors that concern no file, and says whether notices are printed.
        """
        self.workspace = workspace
        self.actions = actions
        self._output = output_path
        self._summary = summary_path
        self._stream = stream or (sys.stdout if actions else sys.stderr)
        self._secrets = set() if secrets is None else secrets
        self._command_output = output or CommandOutput()
        self.outputs: dict[str, str] = {}
        """The outputs set so far; the last value of a name counts."""
        self.annotation_counts: dict[str, int] = {}
        """How many annotations of each level this step has written: GitHub shows ten of each."""
        self._all_outputs = [self.outputs]

    def for_task(self) -> "Runner":
        """Return this runner for one of several tasks: outputs of the same name are combined."""
        runner = copy.copy(self)
        runner.outputs = {}
        self._all_outputs.append(runner.outputs)
        return runner

    def set_output(self, name: str, value: str | float | bool | None) -> None:
        """Set an output of the step, and of the command's JSON.

        Raises:
            BatchActionError: the name is invalid, or the value holds the delimiter, with which it
                could set any other output.
        """
        if not _OUTPUT_NAME.fullmatch(name):
            raise BatchActionError(f"{name!r} cannot name an output.")
        text = _output_text(value)
        delimiter = new_delimiter()
        if delimiter in text:
            raise BatchActionError(f"The output {name} holds its own delimiter.")
        self.outputs[name] = text
        if self._output is None:
            return
        combined = self.hide(combine_outputs(name, self._all_outputs))
        _append(self._output, f"{name}<<{delimiter}\n{combined}\n{delimiter}\n")

    def typed_outputs(self) -> dict[str, object]:
        """Return the outputs as JSON has them: numbers, lists of ids, null for an empty one."""
        return {name: _typed(name, text) for name, text in self.outputs.items()}

    @property
    def has_summary(self) -> bool:
        """Whether the runner shows a job summary."""
        return self._summary is not None

    def summary(self, markdown: str) -> None:
        """Append to the job summary, cut with a note where GitHub would drop all of it."""
        if self._summary is None:
            return
        size = self._summary.stat().st_size if self._summary.exists() else 0
        # A blank line closes an HTML block at the end of the existing summary.
        text = ("\n" if size else "") + self.hide(markdown).rstrip("\n") + "\n"
        _append(self._summary, truncate_markdown(text, _MAX_SUMMARY_BYTES - size))

    def annotate(
        self,
        level: str,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        end_line: int | None = None,
        title: str | None = None,
    ) -> None:
        """Show a `notice`, `warning` or `error` on the run's page, at a line of a file if given.

        `debug` messages show only when the workflow's debug logging is on.

        Raises:
            BatchActionError: there is no such level.
        """
        if level not in _LEVELS:
            raise BatchActionError(f"{level!r} is no level of an annotation.")
        self.annotation_counts[level] = self.annotation_counts.get(level, 0) + 1
        if level in ("warning", "error") and file is None:
            self._command_output.messages.append((level, self.hide(message)))
        if not self.actions:
            position = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
            heading = f"{title}: " if title else ""
            is_quiet = self._command_output.quiet and level == "notice"
            if level != "debug" and not is_quiet:
                self.log(f"{level}: {position}{heading}{message}")
            return
        values = {"file": file, "line": line, "endLine": end_line, "title": title}
        properties = ",".join(
            f"{key}={escape.annotation_property(str(value))}"
            for key, value in values.items()
            if value is not None and level != "debug"
        )
        data = escape.annotation_data(message[:_MAX_MESSAGE_CHARS])
        self._write(f"::{level}{' ' if properties else ''}{properties}::{data}")

    def mask(self, value: str) -> None:
        """Replace a secret, and each of its lines, with `***` in our texts and the job's log."""
        stripped = value.strip()
        for secret in dict.fromkeys([stripped, *(line.strip() for line in stripped.splitlines())]):
            if secret and self.actions:
                # Only what the runner decodes: any other escape would mask another text.
                data = secret.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
                self._stream.write(f"::add-mask::{data}\n")
                self._stream.flush()
            if len(secret) >= MIN_SECRET_CHARS:
                self._secrets |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}

    def hide(self, text: str) -> str:
        """Return a text that leaves the machine, with `***` for each secret of ours."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def log(self, text: str) -> None:
        """Print text of any origin; nothing in it acts as a workflow command."""
        self._write(escape.log(text))

    def note(self, text: str) -> None:
        """Print text that `--quiet` leaves out."""
        if not self._command_output.quiet:
            self.log(text)

    def chown_to_workspace_owner(self, path: Path) -> None:
        """Make the workspace's owner own a file, or a folder and all in it.

        A container runs as root; its files would break a later checkout on a self-hosted runner.
        """
        owner = self.workspace.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        if path.is_symlink():
            return
        for folder, folders, files in os.walk(path):
            for name in folders + files:
                child = os.path.join(folder, name)  # noqa: PTH118 - os.walk yields text
                os.chown(child, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def results_folder(self) -> Path:
        """Create and return `.batch-action/` in the workspace, which git ignores.

        Raises:
            ConfigError: the repository holds a link or file of that name; following a link would
                write where a commit points.
        """
        folder = self.workspace / RESULTS_FOLDER
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ConfigError(
                f"{RESULTS_FOLDER} in the repository is no folder.", fix="Remove or rename it."
            )
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists() or ignore.is_symlink():
            _replace(ignore, [b"*\n"])
        self.chown_to_workspace_owner(folder)
        return folder

    def write_result(self, name: str, pieces: Iterable[bytes]) -> str:
        """Write a result file and return its path relative to the workspace, for an output.

        `name` has no folders. A link of that name is replaced, not followed. A secret is hidden
        where it is in one of the pieces.
        """
        path = self.results_folder() / Path(name).name
        _replace(path, map(self._hide_bytes, pieces))
        self.chown_to_workspace_owner(path)
        return path.relative_to(self.workspace).as_posix()

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> str:
        """Write a folder of result files and return its path relative to the workspace.

        The keys of `files` are validated relative paths. An existing folder is removed first, so
        that no link inside is followed.
        """
        folder = self.results_folder() / Path(name).name
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
        for path, data in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._hide_bytes(data))
        folder.mkdir(exist_ok=True)
        self.chown_to_workspace_owner(folder)
        return folder.relative_to(self.workspace).as_posix()

    def write_lines(self, folder: str, name: str, lines: Iterable[bytes]) -> str:
        """Write a file of lines into a folder of result files; return the folder's relative path.

        Other files in it stay. A link of either name is replaced, not followed.
        """
        place = self.results_folder() / Path(folder).name
        if place.is_symlink() or place.is_file():
            place.unlink()
        place.mkdir(exist_ok=True)
        _replace(place / Path(name).name, (self._hide_bytes(line) + b"\n" for line in lines))
        self.chown_to_workspace_owner(place)
        return place.relative_to(self.workspace).as_posix()

    def _hide_bytes(self, data: bytes) -> bytes:
        # Undecodable bytes stay as they are.
        return self.hide(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _write(self, line: str) -> None:
        self._stream.write(self.hide(line) + "\n")
        self._stream.flush()


def combine_outputs(name: str, outputs: Sequence[Outputs]) -> str:
    """Return an output's value for the whole run.

    A count or an amount is summed, ids and paths are listed, a status is the most important one;
    of everything else the first value counts.

    Args:
        name: the output's name.
        outputs: what each task has set, in the order of the tasks.
    """
    values = [task_outputs[name] for task_outputs in outputs if name in task_outputs]
    if len(values) <= 1:
        return "".join(values)
    if name == "status":
        return min(values, key=lambda v: STATUS_ORDER.index(v) if v in STATUS_ORDER else -1)
    if name.endswith("-count"):
        return str(sum(int(value or 0) for value in values))
    if name.endswith("-usd"):
        return f"{sum(float(value or 0) for value in values):.6f}"
    if name.endswith(("-ids", "-file", "-folder")):
        separator = "," if name.endswith("-ids") else "\n"
        items = (item for value in values for item in value.split(separator) if item)
        return separator.join(dict.fromkeys(items))
    return _first_output(name, outputs)


def _first_output(name: str, outputs: Sequence[Outputs]) -> str:
    """Return the value of the first task that has a number for it, such as `issue-number`.

    So an issue's number, address and action are of the same issue.
    """
    number = f"{name.partition('-')[0]}-number"
    with_number = [task_outputs for task_outputs in outputs if task_outputs.get(number)]
    return next(
        (task_outputs[name] for task_outputs in (*with_number, *outputs) if name in task_outputs),
        "",
    )


def truncate_markdown(markdown: str, max_bytes: int) -> str:
    """Return the Markdown, cut to `max_bytes` of UTF-8 with a note when it is longer.

    It is cut at a blank line outside of fences, and open `<details>` are closed. Without such a
    place only the note is left, and without space for the note nothing.
    """
    text = markdown.encode("utf-8", "replace").decode()
    if len(text.encode()) <= max_bytes:
        return text
    max_bytes -= len(_TRUNCATION_NOTE.encode())
    size = depth = cut_line = cut_depth = 0
    fence = ""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        size += len(line.encode())
        fence = _fence_after(fence, line)
        if not fence:
            depth = max(0, depth + line.count("<details") - line.count("</details>"))
        if size + depth * len(_CLOSE_DETAILS) > max_bytes:
            break
        if not fence and not line.strip():
            cut_line, cut_depth = number, depth
    start = "".join(lines[:cut_line]).rstrip() + _CLOSE_DETAILS * cut_depth
    return start + _TRUNCATION_NOTE if max_bytes >= 0 else ""


def _fence_after(open_fence: str, line: str) -> str:
    """Return the fence that is open after a line; empty when none is."""
    match = _FENCE.match(line)
    if not match:
        return open_fence
    if not open_fence:
        return match[1]
    closes = match[1].startswith(open_fence) and not line.strip().strip(match[1][0])
    return "" if closes else open_fence


def new_delimiter() -> str:
    """Return a delimiter that no text contains by chance."""
    return f"ghadelimiter_{uuid.uuid4()}"


def _output_text(value: str | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _typed(name: str, text: str) -> object:
    if name.endswith("-ids"):
        return [item for item in text.split(",") if item]
    if not text:
        return None
    if name.endswith("-usd"):
        return float(text)
    return int(text) if name.endswith(("-count", "-number")) else text


def _append(path: Path, text: str) -> None:
    try:
        with path.open("ab") as file:
            file.write(text.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(
            f"The runner's file {path.name} cannot be written: {error.strerror}.",
            fix="The work itself is done and saved; check the disk and the mounts.",
        ) from None


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    # Renaming over a link replaces the link; opening it would follow it.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.writelines(pieces)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_inputs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs that were set, by their lower-case names.

    The runner upper-cases a name and turns only spaces into `_`, so `api-key` arrives as
    `INPUT_API-KEY`. It sets every declared input: an empty one counts as unset.
    """
    values = {
        name.removeprefix(_INPUT_PREFIX).replace(" ", "_").lower(): value.strip()
        for name, value in environ.items()
        if name.startswith(_INPUT_PREFIX)
    }
    return {name: value for name, value in values.items() if name and value}


def read_event(path: Path | None) -> dict[str, Any]:
    """Return the payload in `event.json`; a missing, huge or broken file is an empty payload."""
    try:
        if path is None or path.stat().st_size > _MAX_EVENT_BYTES:
            return {}
        payload = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def github_context(environ: Mapping[str, str], payload: Mapping[str, Any]) -> GitHubContext:
    """Return the context from the GITHUB_ variables and the event; nothing is required.

    For a pull request `sha` and `branch` are those of its head: GITHUB_SHA is then a test merge
    commit that is on no branch.
    """
    repository = environ.get("GITHUB_REPOSITORY") or None
    event_repository = _mapping(payload.get("repository"))
    pull = _mapping(payload.get("pull_request"))
    head = _mapping(pull.get("head"))
    private = event_repository.get("private")
    return GitHubContext(
        workspace=Path(environ.get("GITHUB_WORKSPACE") or "."),
        repository=repository,
        repository_id=environ.get("GITHUB_REPOSITORY_ID")
        or str(event_repository.get("id") or "local"),
        run_id=environ.get("GITHUB_RUN_ID") or "local",
        run_attempt=_number(environ.get("GITHUB_RUN_ATTEMPT")),
        event=environ.get("GITHUB_EVENT_NAME") or "local",
        sha=_text(head.get("sha")) or environ.get("GITHUB_SHA") or None,
        branch=_text(head.get("ref")) or _branch(environ),
        workflow=_workflow(environ, repository),
        default_branch=_text(event_repository.get("default_branch")),
        server_url=(environ.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/"),
        api_url=(environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/"),
        private=private if isinstance(private, bool) else None,
        from_fork=bool(pull) and _is_fork(head, repository),
        pull_request=_pull(pull),
    )


def _pull(pull: Mapping[str, Any]) -> PullRequestContext | None:
    number, head, base = pull.get("number"), _mapping(pull.get("head")), _mapping(pull.get("base"))
    commit, into = _text(head.get("sha")), _text(base.get("sha"))
    if not isinstance(number, int) or commit is None or into is None:
        return None
    return PullRequestContext(
        number=number,
        head=commit,
        base=into,
        base_ref=_text(base.get("ref")) or "",
        author=_text(_mapping(pull.get("user")).get("login")) or "",
        title=_text(pull.get("title")) or "",
        body=_text(pull.get("body")) or "",
    )


def _is_fork(head: Mapping[str, Any], repository: str | None) -> bool:
    # For a deleted fork GitHub sends null.
    name = _text(_mapping(head.get("repo")).get("full_name"))
    return name is None or name.casefold() != (repository or "").casefold()


def _workflow(environ: Mapping[str, str], repository: str | None) -> str:
    name = (environ.get("GITHUB_WORKFLOW_REF") or "").partition("@")[0]
    return name.removeprefix(f"{repository}/")


def _branch(environ: Mapping[str, str]) -> str | None:
    ref = environ.get("GITHUB_REF") or ""
    if (environ.get("GITHUB_REF_TYPE") or "branch") != "branch":
        return None
    if ref.startswith("refs/heads/"):
        return ref.removeprefix("refs/heads/")
    return environ.get("GITHUB_HEAD_REF") or None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: str | None) -> int:
    return int(value) if value and value.isdecimal() else 1
