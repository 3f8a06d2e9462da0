"""How git is called: plumbing only, on the object database only, with nothing of it trusted.

The repository under review is somebody's content, its `.git/config` included. So no call fetches,
runs a hook, a filter, a signature check or an external diff, reads the system's or the user's
configuration, or touches the work tree.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from batch_action.errors import ConfigError

NO_REPOSITORY = "add actions/checkout with fetch-depth: 0 before this step."

CONFIG = {
    # A container runs as root in a workspace of another owner; see actions/runner and git 2.35.2.
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.commitGraph": "true",
    "core.quotePath": "false",
    "core.pager": "cat",
    "log.showSignature": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}


def hardened(git_dir: Path) -> dict[str, str]:
    """Return the environment of a call on `git_dir`; it wins over what the process inherited."""
    env = {
        "GIT_DIR": str(git_dir),
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
    for number, (key, value) in enumerate(CONFIG.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def find_git_dir(path: Path) -> Path:
    """Return the git directory of `path` or of the nearest folder above it.

    Found here and not by git, so that neither `GIT_DIR` of the process nor the owner check decide.

    Raises:
        ConfigError: there is none.

    """
    start = path.absolute()
    for folder in (start, *start.parents):
        marker = folder / ".git"
        if marker.is_dir() and (marker / "HEAD").exists():
            return marker
        if marker.is_file():  # a linked work tree or a submodule: `gitdir: <path>`
            target = marker.read_text("utf-8", "surrogateescape").partition("gitdir:")[2].strip()
            return (folder / target).resolve()
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            return folder
    raise ConfigError(f"There is no git repository at {path}:", fix=NO_REPOSITORY)


def common_dir(git_dir: Path) -> Path:
    """Return where objects and shallow file live: elsewhere for a linked work tree."""
    pointer = git_dir / "commondir"
    if not pointer.is_file():
        return git_dir
    return (git_dir / pointer.read_text("utf-8", "surrogateescape").strip()).resolve()


if TYPE_CHECKING:
    from git.cmd import Git

TIMEOUT = 600.0
"""Seconds for one call that answers at once; a stream has no limit."""


def _command(path: Path) -> "Git":
    try:
        # GitPython looks for the git program when it is imported and raises if there is none.
        from git.cmd import Git  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("The program git was not found.", fix="Install git.") from error
    return Git(path)


class GitRunner:
    """Runs one git command after another on one repository, all in the same hardened way."""

    def __init__(self, path: Path) -> None:
        """Find the repository of `path`; ConfigError when there is none."""
        self.path = path
        self.git_dir = find_git_dir(path)
        self.common_dir = common_dir(self.git_dir)
        self._git = _command(self.git_dir)
        self._env = hardened(self.git_dir)
        self._borrowed: tuple[str, ...] = ()

    def call(
        self,
        *args: str,
        feed: Iterable[bytes] = (),
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, str]:
        """Run `git ARGS` with `feed` on its standard input; exit code, output, complaint."""
        with _file_of(feed) as stdin:
            return self._git.execute(
                ["git", "--no-pager", *args],
                istream=stdin,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=TIMEOUT,
                env={**self._env, **(env or {})},
            )

    def output(
        self,
        *args: str,
        feed: Iterable[bytes] = (),
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run `git ARGS` and return its output.

        Raises:
            ConfigError: git failed; the sentence carries git's own last words.

        """
        code, out, complaint = self.call(*args, feed=feed, env=env)
        if code:
            raise failed(args, complaint)
        return out

    @contextmanager
    def stream(
        self, args: Sequence[str], *, feed: Iterable[bytes], env: Mapping[str, str] | None = None
    ) -> Iterator[IO[bytes]]:
        """Run `git ARGS` and lend its output as a stream; the process ends with the block."""
        with _file_of(feed) as stdin:
            process = self._git.execute(
                ["git", "--no-pager", *args],
                istream=stdin,
                as_process=True,
                env={**self._env, **(env or {})},
            )
            try:
                yield process.stdout
            finally:
                process.stdout.close()
                process.stderr.close()
                # Whoever stopped reading early leaves a process on a broken pipe: not a failure.
                if process.proc is not None:
                    process.proc.wait()

    @contextmanager
    def scratch(self) -> Iterator[dict[str, str]]:
        """Lend the environment of an empty repository that only borrows our objects.

        What is written (an index, trees) lands there and is gone afterwards; neither the
        repository's configuration nor its `info/attributes` nor a work tree is seen by git.
        """
        with tempfile.TemporaryDirectory(prefix="batch-action-git-") as name:
            folder = Path(name)
            for part in ("objects", "refs"):
                (folder / part).mkdir()
            (folder / "HEAD").write_text("ref: refs/heads/none\n")
            (folder / "config").write_text(self._scratch_config())
            yield {
                "GIT_DIR": name,
                "GIT_INDEX_FILE": str(folder / "index"),
                "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(
                    (f'"{_c_quoted(self.common_dir / "objects")}"', *self._borrowed)
                ),
            }

    @contextmanager
    def borrowing(self, objects: str) -> Iterator[None]:
        """Let every call see the objects of that folder, too."""
        env, borrowed = self._env, self._borrowed
        self._borrowed = (*borrowed, f'"{_c_quoted(Path(objects))}"')
        self._env = {**env, "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(self._borrowed)}
        try:
            yield
        finally:
            self._env, self._borrowed = env, borrowed

    def _scratch_config(self) -> str:
        code, out, _ = self.call("rev-parse", "--show-object-format")
        if code == 0 and out.strip() == b"sha256":
            return (
                "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
                "[extensions]\n\tobjectFormat = sha256\n"
            )
        return "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"


def failed(args: Sequence[str], complaint: str) -> ConfigError:
    """Return the error for a git call that went wrong, with git's last line as the reason."""
    words = [line for line in complaint.splitlines() if line.strip()]
    reason = words[-1].strip() if words else "git gave no reason"
    return ConfigError(
        f"git {args[0]} failed: {reason}.",
        fix="Check out the repository with fetch-depth: 0, without filter or sparse objects.",
    )


def _c_quoted(path: Path) -> str:
    """Return a path as git reads it between quotes: a colon would otherwise part two paths."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@contextmanager
def _file_of(feed: Iterable[bytes]) -> Iterator[BinaryIO]:
    """Lend a rewound temporary file: a pipe both ends of which are full would never move."""
    with tempfile.TemporaryFile(prefix="batch-action-feed-") as file:
        for piece in feed:
            file.write(piece)
        file.seek(0)
        yield cast("BinaryIO", file)
