"""Questions to the real git repository behind the emulated one."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class GitError(Exception):
    """Git said no."""


class Git:
    """One repository, by subprocess; no hook, filter or configuration of it is run."""

    def __init__(self, folder: Path) -> None:
        self._prefix = [
            "git", "-C", str(folder), "-c", "safe.directory=*",
            "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
            "-c", "core.quotepath=off",
        ]  # fmt: skip

    def bytes(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """What a git command printed."""
        settings = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            [*self._prefix, *arguments],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            check=False,
            env=settings | dict(environment or {}),
        )
        if done.returncode:
            raise GitError(done.stderr.decode(errors="replace").strip())
        return done.stdout

    def text(self, *arguments: str) -> str:
        """The same, as text without the last line break."""
        return self.bytes(*arguments).decode(errors="replace").rstrip("\n")

    def resolve(self, name: str, kind: str = "commit") -> str | None:
        """The full id behind a branch, tag or abbreviated id; None if there is none."""
        if name.startswith("-"):
            return None
        try:
            found = self.text("rev-parse", "--verify", "--quiet", f"{name}^{{{kind}}}")
        except GitError:
            return None
        return found or None
