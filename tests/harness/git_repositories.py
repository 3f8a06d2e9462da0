"""Real repositories for tests: a commit is a dict of files, dates and names are fixed."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Repo:
    """A repository with a work tree; each commit is an hour after its parent."""

    path: Path
    commits: int = 0
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def init(cls, path: Path, *options: str) -> "Repo":
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path)
        repo.git("init", "--quiet", "--initial-branch=main", *options)
        return repo

    def git(self, *args: str | bytes, stdin: bytes = b"") -> str:
        """Run git and return its output as text, without white space around it."""
        return self.git_bytes(*args, stdin=stdin).decode("utf-8", "surrogateescape").strip()

    def git_bytes(self, *args: str | bytes, stdin: bytes = b"") -> bytes:
        when = f"2026-01-{1 + self.commits // 24:02d}T{self.commits % 24:02d}:00:00+00:00"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        identity = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "A"), ("EMAIL", "a@example.com"), ("DATE", when))
        }
        done = subprocess.run(
            ["git", *_FIXED_CONFIG, *args],
            cwd=self.path,
            env={**inherited, **identity, "GIT_CONFIG_GLOBAL": "/dev/null", **self.env},
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (args, done.stderr.decode())
        return done.stdout

    def write(self, files: Mapping[str | bytes, str | bytes | None]) -> None:
        """Write files of the work tree; None deletes one."""
        for name, content in files.items():
            path = self.path / os.fsdecode(name)
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str | bytes, str | bytes | None] | None = None) -> str:
        """Write the files, commit everything, and return the commit's id."""
        self.commits += 1
        self.write(files or {})
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", f"commit {self.commits}")
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


_FIXED_CONFIG = (
    "-c",
    "commit.gpgsign=false",
    "-c",
    "core.autocrlf=false",
    "-c",
    "protocol.file.allow=always",
    "-c",
    "gc.auto=0",
)
