"""One value for an output that several tasks of a run have set: a sum, a list, or the first one."""

import copy
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from batch_action import escape
from batch_action.errors import BatchActionError, ConfigError

TELLING = (
    "submitted",
    "collected",
    "dry-run",
    "planned",
    "accumulated",
    "pending",
    "nothing-to-do",
)
"""The words of `status`, the most telling one first."""

Told = Mapping[str, str]


def joined(name: str, parts: Sequence[Told]) -> str:
    """The output's value for the whole run; *parts*: what each task has told, in their order."""
    values = [told[name] for told in parts if name in told]
    if len(values) <= 1:
        return "".join(values)
    if name == "status":
        return min(values, key=lambda word: TELLING.index(word) if word in TELLING else -1)
    if name.endswith("-count"):
        return str(sum(int(value or 0) for value in values))
    if name.endswith("-usd"):
        return f"{sum(float(value or 0) for value in values):.6f}"
    if name.endswith(("-ids", "-file", "-folder")):
        between = "," if name.endswith("-ids") else "\n"
        listed = (one for value in values for one in value.split(between) if one)
        return between.join(dict.fromkeys(listed))
    return _first(name, parts)


def _first(name: str, parts: Sequence[Told]) -> str:
    """Of the first task that has such a thing: its number, address and action belong together."""
    number = f"{name.partition('-')[0]}-number"
    having = [told for told in parts if told.get(number)]
    return next((told[name] for told in (*having, *parts) if name in told), "")


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_NOTE = "\n\n> [!NOTE]\n> The rest of this summary was left out: GitHub shows at most 1 MiB.\n"
_CLOSE = "\n\n</details>"


def fit(markdown: str, room: int) -> str:
    """Give the Markdown, cut to `room` bytes of UTF-8 with a note when it is longer.

    It is cut at a blank line outside of fences, and open `<details>` are closed. Without such a
    place, or without room for the note, nothing but the note, or nothing, is left.
    """
    text = markdown.encode("utf-8", "replace").decode()
    if len(text.encode()) <= room:
        return text
    room -= len(_NOTE.encode())
    size = depth = safe = closes = 0
    fence = ""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        size += len(line.encode())
        fence = _fence_after(fence, line)
        if not fence:
            depth = max(0, depth + line.count("<details") - line.count("</details>"))
        if size + depth * len(_CLOSE) > room:
            break
        if not fence and not line.strip():
            safe, closes = number, depth
    kept = "".join(lines[:safe]).rstrip() + _CLOSE * closes
    return kept + _NOTE if room >= 0 else ""


def _fence_after(open_fence: str, line: str) -> str:
    found = _FENCE.match(line)
    if not found:
        return open_fence
    if not open_fence:
        return found[1]
    ends = found[1].startswith(open_fence) and not line.strip().strip(found[1][0])
    return "" if ends else open_fence


RESULTS = ".batch-action"
_MOST_SUMMARY = 1024 * 1024
_LONGEST_MESSAGE = 4096
_OUTPUT_NAME = re.compile(r"[a-z][a-z0-9-]*")
_LEVELS = frozenset({"notice", "warning", "error", "debug"})


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
        delimiter: Callable[[], str] = lambda: f"ghadelimiter_{uuid.uuid4()}",
    ) -> None:
        """Write log commands to `stream`: stdout in Actions, stderr elsewhere, if not given."""
        self.workspace = workspace
        self.actions = actions
        self._output = output_path
        self._summary = summary_path
        self._stream = stream or (sys.stdout if actions else sys.stderr)
        self._delimiter = delimiter
        self.told: dict[str, str] = {}
        """The outputs so far: a later one of the same name replaces an earlier one."""
        self.annotated: dict[str, int] = {}
        """How many annotations of each level this step has: GitHub shows ten of each."""
        self._parts = [self.told]

    def part(self) -> "Runner":
        """The same runner for one of several tasks: outputs of one name are joined."""
        part = copy.copy(self)
        part.told = {}
        self._parts.append(part.told)
        return part

    def set_output(self, name: str, value: str | float | bool | None) -> None:
        """Set an output of the step; nothing outside of Actions.

        Raises BatchActionError for a name that is none of ours, or a value that holds the
        delimiter: it could set any other output.
        """
        if not _OUTPUT_NAME.fullmatch(name):
            raise BatchActionError(f"{name!r} cannot name an output.")
        if self._output is None:
            return
        text = _text(value)
        delimiter = self._delimiter()
        if delimiter in text:
            raise BatchActionError(f"The output {name} holds its own delimiter.")
        self.told[name] = text
        whole = joined(name, self._parts)
        _append(self._output, f"{name}<<{delimiter}\n{whole}\n{delimiter}\n")

    def summary(self, markdown: str) -> None:
        """Append to the job summary, cut with a note where GitHub would drop all of it."""
        if self._summary is None:
            return
        there = self._summary.stat().st_size if self._summary.exists() else 0
        # A blank line ends the HTML block that the text before may have ended in.
        text = ("\n" if there else "") + markdown.rstrip("\n") + "\n"
        _append(self._summary, fit(text, _MOST_SUMMARY - there))

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

        `debug` lines show only when the workflow's debug logging is on.
        """
        if level not in _LEVELS:
            raise BatchActionError(f"{level!r} is no level of an annotation.")
        self.annotated[level] = self.annotated.get(level, 0) + 1
        if not self.actions:
            place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
            heading = f"{title}: " if title else ""
            if level != "debug":
                self.log(f"{level}: {place}{heading}{message}")
            return
        given = {"file": file, "line": line, "endLine": end_line, "title": title}
        properties = ",".join(
            f"{key}={escape.annotation_property(str(value))}"
            for key, value in given.items()
            if value is not None and level != "debug"
        )
        data = escape.annotation_data(message[:_LONGEST_MESSAGE])
        self._say(f"::{level}{' ' if properties else ''}{properties}::{data}")

    def mask(self, value: str) -> None:
        """Have the runner replace a secret, and each of its lines, by `***` in logs."""
        if not self.actions:
            return
        whole = value.strip()
        for secret in dict.fromkeys([whole, *(line.strip() for line in whole.splitlines())]):
            if secret:
                # Exactly the secret: any other escape would mask something else.
                data = secret.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
                self._say(f"::add-mask::{data}")

    def log(self, text: str) -> None:
        """Print text of any origin; none of it acts as a command."""
        self._say(escape.log(text))

    def group(self, title: str) -> None:
        """Open a foldable group in the log."""
        if self.actions:
            self._say(f"::group::{escape.annotation_data(title)}")
        else:
            self.log(title)

    def endgroup(self) -> None:
        """Close the group."""
        if self.actions:
            self._say("::endgroup::")

    def give(self, path: Path) -> None:
        """Give a file or folder, and all in it, to the workspace's owner.

        A container runs as root; what it leaves would stop a later checkout on the same machine.
        """
        owner = self.workspace.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        if path.is_symlink():
            return
        for folder, folders, files in os.walk(path):
            for name in folders + files:
                here = os.path.join(folder, name)  # noqa: PTH118 - os.walk gives text
                os.chown(here, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def results(self) -> Path:
        """Give the folder for results, `.batch-action/` in the workspace, which ignores itself.

        Raises ConfigError when the repository holds a link or file of that name: following it would
        write where a commit says.
        """
        folder = self.workspace / RESULTS
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ConfigError(
                f"{RESULTS} in the repository is no folder.", fix="Remove or rename it."
            )
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists() or ignore.is_symlink():
            _replace(ignore, b"*\n")
        self.give(folder)
        return folder

    def write_result(self, name: str, data: bytes) -> str:
        """Write a result file and give its path relative to the workspace, for an output.

        `name` is one of ours, without folders. A link planted at its place is replaced.
        """
        path = self.results() / Path(name).name
        _replace(path, data)
        self.give(path)
        return path.relative_to(self.workspace).as_posix()

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> str:
        """Write a folder of result files, instead of what it held, and give its relative path.

        Keys are relative paths that have been checked. What was there is removed first, so that no
        link planted inside is followed.
        """
        folder = self.results() / Path(name).name
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
        for path, data in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        folder.mkdir(exist_ok=True)
        self.give(folder)
        return folder.relative_to(self.workspace).as_posix()

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def _text(value: str | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _append(path: Path, text: str) -> None:
    try:
        with path.open("ab") as file:
            file.write(text.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(
            f"The runner's file {path.name} cannot be written: {error.strerror}.",
            fix="The work itself is done and saved; check the disk and the mounts.",
        ) from None


def _replace(path: Path, data: bytes) -> None:
    # Renaming over a link replaces the link; opening it would follow it.
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    fresh.write_bytes(data)
    fresh.replace(path)
