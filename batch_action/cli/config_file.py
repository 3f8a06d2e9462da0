"""The config file: read from a commit, never from the working tree, and how far it counts."""

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from batch_action.clients.actions_runner import Runner
from batch_action.clients.git import GitRepo
from batch_action.config.loading import guard
from batch_action.config.yaml_files import read_yaml
from batch_action.errors import ConfigError
from batch_action.models.github_context import GitHubContext

DEFAULT_NAME = ".github/batch-action.yml"

MISNAMED = (
    ".github/batch-action.yaml",
    "batch-action.yml",
    "batch-action.yaml",
    ".batch-action.yml",
    ".batch-action.yaml",
)


def misnamed_files(git: GitRepo, commit: str, name: str) -> Iterator[str]:
    """Yield a sentence about each file of a commit that looks like the config file *name*."""
    for path in sorted(git.tree_blobs(commit, {*MISNAMED} - {name})):
        yield f"{path} has no effect: the config file is {name}."


def normalize_name(name: str, workspace: Path) -> str:
    """Return the path of a config file as git spells it: from the repository, without `./`."""
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(workspace):
        name = path.relative_to(workspace).as_posix()
    return posixpath.normpath(name)


def read_config_file(git: GitRepo, commit: str, name: str) -> Mapping[str, Any] | None:
    """Return the inputs in the file *name* of a commit; None when there is no such file.

    Raises ConfigError when it is not valid.
    """
    data = git.file_at(commit, name)
    content = {} if data is None else read_yaml(data, name)
    if not isinstance(content, dict | None):
        raise ConfigError(f"{name} must consist of `name: value` lines.")
    return None if data is None else content or {}


def missing_file_error(name: str, commit: str, workspace: Path) -> ConfigError:
    """Return the error that the file named by `config-file` is not in a commit."""
    path = workspace / name
    is_uncommitted = path.is_file() and path.resolve().is_relative_to(workspace)
    return ConfigError(
        f"`config-file` {name} is not in the commit {commit[:12]}.",
        fix="Commit it: the file is read from the commit, not from the working tree."
        if is_uncommitted
        else "Check the path: it is relative to the repository.",
    )


def warn_of_uncommitted_file(git: GitRepo, commit: str, name: str, runner: Runner) -> None:
    """Warn that the working tree has another version of the config file."""
    path = runner.workspace / name
    edited = path.read_bytes() if path.is_file() else None
    if edited is not None and edited != git.file_at(commit, name):
        runner.annotate(
            "warning",
            f"{name} in the working tree is not committed, so it does not count: the file of the "
            f"commit {commit[:12]} is read.",
        )


def guard_config_file(
    file: Mapping[str, Any], name: str, reference: Mapping[str, Any], runner: Runner
) -> Mapping[str, Any]:
    """Return the file of another branch as far as it counts, and warn of what does not."""
    guarded, ignored = guard(file, reference)
    if ignored:
        inputs = ", ".join(f"`{key}`" for key in ignored)
        runner.annotate(
            "warning",
            f"{inputs} in {name} of this commit has no effect: only the file of the default branch "
            "sets it, and a cap can be lowered elsewhere but not raised.",
        )
    return guarded


def reference_commit(
    context: GitHubContext, git: GitRepo, commit: str, *, is_chosen: bool
) -> str | None:
    """Return the commit whose config file sets the guarded inputs of a run on *commit*.

    It is *commit* itself if that is on the default branch, else the tip of the default branch; None
    when this clone does not contain it. *is_chosen*: the user named the commit as `head`.
    """
    name = context.default_branch or git.default_branch_guess() or "main"
    is_own_run = context.event == "schedule" or context.branch == name
    tip = git.branch_tip(name)
    if (is_own_run and not is_chosen) or (tip is not None and git.is_ancestor(commit, tip)):
        return commit
    return tip
