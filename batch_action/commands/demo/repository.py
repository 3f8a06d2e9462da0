"""The repository that the demo reviews: a sample, or the user's own, which is only read."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from batch_action.clients.git import GitRepo
from batch_action.errors import ConfigError
from batch_action.sandbox.sample_repositories import SAMPLES, Sample, create_repository

FIRST_RUN_COMMITS = 5
"""Commits that the first run on a user's repository reviews without `--base`."""
GITHUB_REMOTE = re.compile(r"(?:^|[/@])github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRepository:
    """The repository that the demo reviews."""

    folder: Path
    git: GitRepo
    name: str
    """`owner/name` on the sandbox's GitHub."""
    branch: str
    first_run: str
    first_run_text: str
    """A description of `first_run`, such as "the last 24 hours"."""
    base: str | None = None
    saves_state: bool = False
    """Whether the next demo continues from the state of this one."""
    on_github: bool = False
    """Whether `name` is its name on github.com."""
    sample: Sample | None = None
    """The sample; None for the user's repository."""

    def head(self) -> str:
        """Return the commit to review."""
        return self.git.resolve("HEAD")


def create_sample(folder: Path, now: datetime, name: str) -> DemoRepository:
    """Create a sample repository below *folder*."""
    sample = SAMPLES[name]
    repository_name = sample.folder.replace("_", "-")
    try:
        create_repository(folder / repository_name, now, sample)
    except FileNotFoundError:
        raise ConfigError("The program git was not found.", fix="Install git.") from None
    return DemoRepository(
        folder=folder / repository_name,
        git=GitRepo(folder / repository_name),
        name=f"octo/{repository_name}",
        branch="main",
        first_run="24h",
        first_run_text="the last 24 hours",
        sample=sample,
    )


def open_user_repository(repo: str, base: str | None) -> DemoRepository:
    """Open the user's repository. Raises ConfigError when there is nothing to review."""
    folder = Path(repo).resolve()
    try:
        git = GitRepo(folder)
    except ConfigError as error:
        if "no git repository" not in error.problem:
            raise
        raise ConfigError(
            f"`--repo` {repo} is not a git repository.",
            fix="Give the folder of a clone, or omit `--repo` for the sample repository.",
        ) from None
    commits = _last_commits(git)
    if not commits:
        raise ConfigError(
            f"`--repo` {repo} has no commit yet.", fix="Commit something, then run the demo again."
        )
    if git.is_shallow() and base is None and len(commits) <= FIRST_RUN_COMMITS:
        raise ConfigError(
            f"`--repo` {repo} is a shallow clone: the changes of its last commits are missing.",
            fix="Fetch the history with: git fetch --unshallow",
        )
    github_name = _name_on_github(git)
    start = commits[FIRST_RUN_COMMITS] if len(commits) > FIRST_RUN_COMMITS else "all"
    return DemoRepository(
        folder=folder,
        git=git,
        name=github_name or f"you/{re.sub(r'[^A-Za-z0-9_.-]+', '-', folder.name) or 'repository'}",
        branch=git.current_branch() or git.default_branch_guess() or "main",
        first_run=start,
        first_run_text="all files" if start == "all" else f"the last {FIRST_RUN_COMMITS} commits",
        base=_base(git, base) if base else None,
        saves_state=True,
        on_github=github_name is not None,
    )


def _base(git: GitRepo, base: str) -> str:
    try:
        return git.resolve(base)
    except ConfigError:
        raise ConfigError(
            f"`--base` {base} is not a commit of this repository.",
            fix="Give a commit, a branch or a tag; HEAD~5 needs a history of six commits.",
        ) from None


def _last_commits(git: GitRepo) -> list[str]:
    """Return the last commits of the branch, newest first; none in an empty repository."""
    code, out, _ = git.runner.call(
        "rev-list", "--first-parent", f"--max-count={FIRST_RUN_COMMITS + 1}", "HEAD", "--"
    )
    return out.decode("ascii").split() if code == 0 else []


def _name_on_github(git: GitRepo) -> str | None:
    code, out, _ = git.runner.call("config", "--get", "remote.origin.url")
    match = GITHUB_REMOTE.search(out.decode("utf-8", "replace").strip()) if code == 0 else None
    return match[1] if match else None
