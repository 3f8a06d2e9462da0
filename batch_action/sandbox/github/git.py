"""Git commands in the real repository behind an emulated one."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class GitError(Exception):
    """A git command failed."""


class Git:
    """One git repository; its hooks and the system configuration are not used."""

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
        """Run a git command and return its output.

        Raises GitError: when it fails.
        """
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
        """Run a git command and return its output as text without the last line feed."""
        return self.bytes(*arguments).decode(errors="replace").rstrip("\n")

    def resolve(self, name: str, kind: str = "commit") -> str | None:
        """Resolve a branch, tag or abbreviated id to a full id; None if there is none."""
        if name.startswith("-"):
            return None
        try:
            sha = self.text("rev-parse", "--verify", "--quiet", f"{name}^{{{kind}}}")
        except GitError:
            return None
        return sha or None
