"""The git runner: plumbing commands on the object database, and how their output is parsed.

The repository under review is untrusted content, its `.git/config` included. So no call fetches,
runs a hook, a filter, a signature check or an external diff, reads the system's or the user's
configuration, or touches the work tree.

GitPython's `Repo` opens the repository; git itself answers the rest, because `Repo`
- reads references and revisions in Python, which fails with the reftable format;
- refuses object ids of SHA-256;
- leaves the process that reads objects dead after a missing one of a partial clone, and waits for
  it without a time limit;
- loses files in `commit.diff` whose names have a newline or are not UTF-8.
"""

import os
import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from batch_action.clients.temporary_file import FREE_SPACE
from batch_action.errors import ConfigError, advice
from batch_action.models.files import ChangeType, FileChange, Hunk, LineChange
from batch_action.text import normalize_line_ends

if TYPE_CHECKING:
    from git.repo import Repo

TIMEOUT_SECONDS = 600.0
"""For a call that returns its whole output; a stream has no limit."""
PIECE_BYTES = 64 * 1024
"""How much of a large output is read at once."""
ALTERNATES = "GIT_ALTERNATE_OBJECT_DIRECTORIES"

REGULAR_FILE_MODES = ("100644", "100755")
SUBMODULE_MODE = "160000"

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_TREE_ENTRY = re.compile(rb"(\S+) \S+ (\S+)\t([^\0]+)\0")
_SHA256 = re.compile(r"^[^#;\n]*\bobjectformat\s*=\s*\"?sha256\b", re.MULTILINE)
_CHANGE_TYPES = {
    "A": ChangeType.ADDED,
    "C": ChangeType.COPIED,
    "D": ChangeType.DELETED,
    "M": ChangeType.MODIFIED,
    "R": ChangeType.RENAMED,
    "T": ChangeType.TYPE_CHANGED,
}

CONFIG = {
    # A container runs as root in a workspace of another owner; see actions/runner and git 2.35.2.
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.commitGraph": "true",
    "core.quotePath": "false",
    "core.pager": "cat",
    # Without a limit a git process maps all packs, so its memory grows with the repository.
    "core.packedGitLimit": "32m",
    "core.packedGitWindowSize": "8m",
    "log.showSignature": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}


class GitRunner:
    """Runs git commands on one repository, all with the same hardened environment."""

    def __init__(self, path: Path) -> None:
        """Find the repository of `path`.

        Raises:
            ConfigError: there is none, or no git program.
        """
        self.path = path
        repo = _open_repository(path)
        self.common_dir = Path(repo.common_dir)
        # Not `repo.git`: it runs in the work tree, where git would read attributes.
        self._git = repo.GitCommandWrapperType(repo.git_dir)
        self._git.update_environment(**hardened_environment(os.fspath(repo.git_dir)))

    def call(
        self,
        *args: str,
        feed: Iterable[bytes] = (),
        env: Mapping[str, str] | None = None,
        file: IO[bytes] | None = None,
    ) -> tuple[int, bytes, str]:
        """Run `git ARGS` with `feed` on standard input; return exit code, output, error output.

        *file*: where the output is written instead.
        """
        with _temporary_file(feed) if feed else nullcontext() as stdin:
            return self._git.execute(
                ["git", "--no-pager", *args],
                istream=stdin,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=TIMEOUT_SECONDS,
                env=env,
                output_stream=file,
            )

    def pieces(self, *args: str) -> Iterator[bytes]:
        """Run `git ARGS` and yield its output, which may be large, in pieces that end with a NUL.

        Raises:
            ConfigError: git failed; the message holds the last line of its error output. Or its
                output cannot be written to a temporary file.
        """
        with ExitStack() as stack:
            try:
                file = stack.enter_context(tempfile.TemporaryFile(prefix="batch-action-output-"))
                code, _, stderr = self.call(*args, file=file)
            except OSError as error:
                raise ConfigError(
                    f"The output of git {args[0]} cannot be written to a temporary file: "
                    f"{error.strerror}.",
                    fix=FREE_SPACE,
                ) from error
            if code:
                raise git_error(args, stderr)
            file.seek(0)
            rest = b""
            while data := file.read(PIECE_BYTES):
                records, nul, rest = (rest + data).rpartition(b"\0")
                yield records + nul

    def output(
        self,
        *args: str,
        feed: Iterable[bytes] = (),
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run `git ARGS` and return its output.

        Raises:
            ConfigError: git failed; the message holds the last line of its error output.
        """
        code, out, stderr = self.call(*args, feed=feed, env=env)
        if code:
            raise git_error(args, stderr)
        return out

    @contextmanager
    def stream(
        self, args: Sequence[str], *, feed: Iterable[bytes], env: Mapping[str, str] | None = None
    ) -> Iterator[IO[bytes]]:
        """Run `git ARGS` and yield its output as a stream; the process ends with the block."""
        with _temporary_file(feed) as stdin:
            process = self._git.execute(
                ["git", "--no-pager", *args],
                istream=stdin,
                as_process=True,
                env=env,
            )
            with _drained(process.stderr):
                try:
                    yield process.stdout
                finally:
                    process.stdout.close()
                    # A caller that stops reading early breaks the pipe: that is no failure.
                    if process.proc is not None:
                        process.proc.wait()

    def cat_file(
        self, option: str, ids: Iterable[str]
    ) -> Iterator[tuple[str, list[str], IO[bytes]]]:
        """Run `git cat-file` with `--batch` or `--batch-check`; a missing object is only missing.

        Yield each id with git's words about it, and the stream. With `--batch` the caller must read
        the bytes of the object, and one more, before the next id.

        Raises:
            ConfigError: git stopped early (a damaged object database).
        """
        wanted = list(ids)
        if not wanted:
            return
        command = ["cat-file", option, "--buffer"]
        with (
            self.object_environment() as env,
            self.stream(command, feed=as_lines(wanted), env=env) as stdout,
        ):
            for given in wanted:
                words = stdout.readline().decode("utf-8", "surrogateescape").split()
                if not words:
                    raise git_error(["cat-file"], "the object database ended too early")
                yield given, words, stdout

    @contextmanager
    def open_process(
        self, args: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Run `git ARGS` and yield its input and output; the process ends with the block."""
        process = self._git.execute(
            ["git", "--no-pager", *args], istream=subprocess.PIPE, as_process=True, env=env
        )
        with _drained(process.stderr):
            try:
                yield process.stdin, process.stdout
            finally:
                for stream in (process.stdin, process.stdout):
                    with suppress(BrokenPipeError):
                        stream.close()
                if process.proc is not None:
                    process.proc.wait()

    @contextmanager
    def scratch_repository(self) -> Iterator[dict[str, str]]:
        """Yield the environment of an empty repository that borrows this one's objects.

        What is written (an index, trees) goes there and is deleted with the block; git sees neither
        this repository's configuration nor its `info/attributes` nor a work tree.
        """
        with tempfile.TemporaryDirectory(prefix="batch-action-git-") as name:
            folder = Path(name)
            for part in ("objects", "refs"):
                (folder / part).mkdir()
            (folder / "HEAD").write_text("ref: refs/heads/none\n")
            (folder / "config").write_text(self._scratch_config)
            yield {
                "GIT_DIR": name,
                "GIT_INDEX_FILE": str(folder / "index"),
                "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
                ALTERNATES: self._alternates(self.common_dir / "objects"),
            }

    @cached_property
    def is_partial(self) -> bool:
        """Whether the clone may lack blobs (`--filter`), which git would fetch."""
        return "promisor" in self._config or "partialclone" in self._config

    @cached_property
    def _config(self) -> str:
        """The repository's own configuration, in lower case."""
        try:
            return (self.common_dir / "config").read_text("utf-8", "replace").casefold()
        except OSError:
            return ""

    @contextmanager
    def object_environment(self) -> Iterator[dict[str, str]]:
        """Yield the environment in which a missing object is only missing.

        In a partial clone git ends at the first one that it may not fetch.
        """
        if not self.is_partial:
            yield {}
            return
        with self.scratch_repository() as env:
            yield env

    def extra_objects(self, folder: str) -> AbstractContextManager[None]:
        """Let every call inside the block also read the objects of `folder`."""
        return self._git.custom_environment(**{ALTERNATES: self._alternates(Path(folder))})

    def _alternates(self, folder: Path) -> str:
        return ":".join(filter(None, (_quote(folder), self._git.environment().get(ALTERNATES))))

    @cached_property
    def _scratch_config(self) -> str:
        if _SHA256.search(self._config):
            return (
                "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
                "[extensions]\n\tobjectFormat = sha256\n"
            )
        return "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"


def hardened_environment(git_dir: str) -> dict[str, str]:
    """Return the environment of a call on `git_dir`; it wins over what the process inherited."""
    env = {
        "GIT_DIR": git_dir,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_CONFIG_COUNT": str(len(CONFIG)),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        # Beats `protocol.<name>.allow` in the repository's own configuration; see git(1).
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_PAGER": "cat",
        "GIT_TRACE": "0",
        "LC_ALL": "C",
    }
    # No call needs the network, and a proxy's URL may contain a password.
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        env |= {name: "", name.upper(): ""}
    for number, (key, value) in enumerate(CONFIG.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def _open_repository(path: Path) -> "Repo":
    """Open the repository of `path` or of the nearest folder above it, without a git process.

    So neither `GIT_DIR` of the process nor git's owner check decide which one it is.
    """
    try:
        # GitPython looks for the git program when it is imported and raises if there is none.
        from git.exc import InvalidGitRepositoryError, NoSuchPathError  # noqa: PLC0415
        from git.repo import Repo  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("The program git was not found.", fix="Install git.") from error
    try:
        return Repo(path.absolute(), search_parent_directories=True, expand_vars=False)
    except (InvalidGitRepositoryError, NoSuchPathError):
        fix = advice(
            "Add actions/checkout with `fetch-depth: 0` before this step.",
            "Change to the folder of a clone, or name it with `--repo`.",
        )
        raise ConfigError(f"There is no git repository at {path}.", fix=fix) from None


def git_error(args: Sequence[str], stderr: str) -> ConfigError:
    """Return the error for a git call that failed, with git's last line as the reason."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else "git gave no reason"
    return ConfigError(f"git {args[0]} failed: {reason}.", fix=complete_clone())


def complete_clone() -> str:
    """Return how to get a clone that lacks no object."""
    return advice(
        "Set `fetch-depth: 0` at actions/checkout, and neither `filter` nor `sparse-checkout`.",
        "If objects are missing, clone again without `--filter` and `--depth`.",
    )


def _quote(path: Path) -> str:
    """Return a path in git's C-style quotes: a bare colon would separate two paths."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def as_lines(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield the texts as lines, to feed git."""
    return (f"{text}\n".encode() for text in texts)


@contextmanager
def _drained(stream: IO[bytes]) -> Iterator[None]:
    """Read a stream to its end meanwhile: git would wait once it has filled the pipe."""
    thread = Thread(target=deque, args=(stream, 0), daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        stream.close()


@contextmanager
def _temporary_file(feed: Iterable[bytes]) -> Iterator[BinaryIO]:
    """Yield a rewound temporary file: pipes that are full at both ends would deadlock."""
    with tempfile.TemporaryFile(prefix="batch-action-feed-") as file:
        for piece in feed:
            file.write(piece)
        file.seek(0)
        yield cast("BinaryIO", file)


def parse_raw_diff(output: bytes) -> Iterator[FileChange]:
    """Parse `git diff --raw -z`: `:mode mode blob blob letter`, then one or two paths."""
    fields = iter(output.split(b"\0")[:-1])
    for meta in fields:
        old_mode, mode, old_blob, blob, letter = meta.decode().removeprefix(":").split()
        status = _CHANGE_TYPES.get(letter[0], ChangeType.MODIFIED)
        first_path = os.fsdecode(next(fields))
        has_two_paths = status in (ChangeType.RENAMED, ChangeType.COPIED)
        yield FileChange(
            path=os.fsdecode(next(fields)) if has_two_paths else first_path,
            status=status,
            mode=mode,
            blob=blob,
            old_path=first_path if has_two_paths else None,
            old_blob=old_blob if old_mode in REGULAR_FILE_MODES else None,
        )


def parse_tree(output: bytes, status: ChangeType) -> Iterator[FileChange]:
    """Parse `git ls-tree -r -z`; every entry gets `status`."""
    for entry in _TREE_ENTRY.finditer(output):
        mode, blob, path = entry.groups()
        yield FileChange(
            path=os.fsdecode(path), status=status, mode=mode.decode(), blob=blob.decode()
        )


def parse_attributes(output: bytes) -> dict[str, Mapping[str, str]]:
    """Parse `git check-attr -z` as `{path: {attribute: value}}`, without unspecified values."""
    attributes: dict[str, dict[str, str]] = {}
    fields = iter(output.split(b"\0")[:-1])
    for path, name, value in zip(fields, fields, fields, strict=True):
        if value != b"unspecified":
            values = attributes.setdefault(os.fsdecode(path), {})
            values[name.decode()] = value.decode("utf-8", "replace")
    return dict(attributes)


def parse_messages(output: bytes) -> dict[str, list[str]]:
    r"""Parse the messages and names of `diff-tree -z --format=%x00%B`, newest commit first.

    By path, oldest first. A name is never empty: an empty field begins the next commit. After its
    message comes a line feed.
    """
    found: dict[str, list[str]] = {}
    fields = iter(output.split(b"\0"))
    message, after_message = "", False
    for name in fields:
        if not name:
            message = next(fields, b"").decode("utf-8", "replace").strip()
            after_message = True
            continue
        path = os.fsdecode(name.removeprefix(b"\n") if after_message else name)
        after_message = False
        if message:
            found.setdefault(path, []).append(message)
    return {path: messages[::-1] for path, messages in found.items()}


def parse_numbered_changes(lines: Iterable[bytes]) -> Iterator[tuple[int, list[LineChange]]]:
    """Parse the diff of two trees whose files have numbers for names, as `(number, changes)`.

    The diff has no context lines, so no line of content starts with `@` or `d`.
    """
    stream = iter(lines)
    number, changes = -1, list[LineChange]()
    for line in stream:
        if line.startswith(b"diff --git a/"):
            if changes:
                yield number, changes
            number, changes = int(line.rpartition(b"/")[2]), []
        elif line.startswith(b"@@") and (match := _HUNK.match(line)):
            old_start, old_lines, new_start, new_lines = map(int, match.groups(b"1"))
            hunk = Hunk(
                old_start=old_start,
                old_lines=old_lines,
                new_start=new_start,
                new_lines=new_lines,
            )
            changes.append(_line_change(hunk, stream))
        elif line.startswith(_NO_LINE_END):
            last = changes.pop()
            removed = last.removed if last.added else last.removed.removesuffix(b"\n")
            changes.append(LineChange(last.hunk, removed, last.added.removesuffix(b"\n")))
    if changes:
        yield number, changes


_NO_LINE_END = b"\\ "
"""What git says after a last line that has no end."""


def _line_change(hunk: Hunk, stream: Iterator[bytes]) -> LineChange:
    """Read the lines of a hunk, but not what git says after the last one."""
    removed = b"".join([line[1:] for line in islice(stream, hunk.old_lines)])
    added = list(islice(stream, hunk.new_lines))
    if added and added[0].startswith(_NO_LINE_END):
        removed = removed.removesuffix(b"\n")
        added = [*added[1:], *islice(stream, 1)]
    return LineChange(hunk, removed, b"".join([line[1:] for line in added]))


def may_be_same_text(changes: Sequence[LineChange]) -> bool:
    """Return whether `normalize_line_ends` may make the two texts equal.

    A byte order mark and line ends at the end make one change each.
    """
    return len(changes) <= 2 and all(  # noqa: PLR2004 - the beginning and the end
        normalize_line_ends(change.removed) == normalize_line_ends(change.added)
        for change in changes
    )


def may_be_in_a_tree(path: str) -> bool:
    """Return whether git takes the path: it refuses some that no tree has."""
    return bool(path) and path[0] != "/" and "\0" not in path and ".." not in path.split("/")


def is_commit_id(text: str) -> bool:
    """Return whether a text has the form of a full object id, SHA-1 or SHA-256."""
    return len(text) in (40, 64) and all(char in "0123456789abcdef" for char in text)
