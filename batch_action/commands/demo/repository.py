"""What the demo reviews: the sample shop, or a repository of the user's that is only read."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from batch_action.clients.git import GitRepo
from batch_action.errors import ConfigError
from batch_action.sandbox.sample import SAMPLES, Sample, build

LOOK_BACK = 5
"""How many commits the first run on somebody's own code looks at, when no base is given."""
_GITHUB = re.compile(r"(?:^|[/@])github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRepository:
    """A repository under review."""

    folder: Path
    git: GitRepo
    name: str
    """Its full name on the sandbox's GitHub."""
    branch: str
    first_run: str
    look_back: str
    """The same in words."""
    base: str | None = None
    keeps: bool = False
    """Whether the next demo goes on where this one ended."""
    on_github: bool = False
    """Whether its name is the one it has on the real GitHub."""
    sample: Sample | None = None
    """The sample it is; None for the user's own."""

    def head(self) -> str:
        """The commit to review."""
        return self.git.resolve("HEAD")


def sampled(folder: Path, now: datetime, name: str) -> DemoRepository:
    """Build one of the samples and describe it."""
    chosen = SAMPLES[name]
    title = chosen.folder.replace("_", "-")
    try:
        build(folder / title, now, chosen)
    except FileNotFoundError:
        raise ConfigError("The program git was not found.", fix="Install git.") from None
    return DemoRepository(
        folder=folder / title,
        git=GitRepo(folder / title),
        name=f"octo/{title}",
        branch="main",
        first_run="24h",
        look_back="the last 24 hours",
        sample=chosen,
    )


def own(repo: str, base: str | None) -> DemoRepository:
    """Describe the user's repository. Raises ConfigError when there is nothing to review."""
    folder = Path(repo).resolve()
    try:
        git = GitRepo(folder)
    except ConfigError as error:
        if "no git repository" not in error.problem:
            raise
        raise ConfigError(
            f"`--repo` {repo} is no git repository.",
            fix="Give the folder of a clone, or leave `--repo` away for the sample repository.",
        ) from None
    commits = _history(git)
    if not commits:
        raise ConfigError(
            f"`--repo` {repo} has no commit yet.", fix="Commit something, then run the demo again."
        )
    if git.is_shallow() and base is None and len(commits) <= LOOK_BACK:
        raise ConfigError(
            f"`--repo` {repo} is a shallow clone: what its last commits changed is not there.",
            fix="Get the history with: git fetch --unshallow",
        )
    known = _name_on_github(git)
    start = commits[LOOK_BACK] if len(commits) > LOOK_BACK else "all"
    return DemoRepository(
        folder=folder,
        git=git,
        name=known or f"you/{re.sub(r'[^A-Za-z0-9_.-]+', '-', folder.name) or 'repository'}",
        branch=git.current_branch() or git.default_branch_guess() or "main",
        first_run=start,
        look_back="all files" if start == "all" else f"the last {LOOK_BACK} commits",
        base=_base(git, base) if base else None,
        keeps=True,
        on_github=known is not None,
    )


def _base(git: GitRepo, base: str) -> str:
    try:
        return git.resolve(base)
    except ConfigError:
        raise ConfigError(
            f"`--base` {base} is no commit of this repository.",
            fix="Give a commit, a branch or a tag; HEAD~5 needs a history of six commits.",
        ) from None


def _history(git: GitRepo) -> list[str]:
    """The last commits of the branch itself, newest first; none in an empty repository."""
    code, out, _ = git.call(
        "rev-list", "--first-parent", f"--max-count={LOOK_BACK + 1}", "HEAD", "--"
    )
    return out.decode("ascii").split() if code == 0 else []


def _name_on_github(git: GitRepo) -> str | None:
    code, out, _ = git.call("config", "--get", "remote.origin.url")
    found = _GITHUB.search(out.decode("utf-8", "replace").strip()) if code == 0 else None
    return found[1] if found else None
