"""Which commits are read: the reviewed one, and the one whose config and rules hold for it."""

from collections.abc import Mapping
from typing import Any

import yaml

from batch_action.edges.git_repo import GitRepo
from batch_action.errors import ConfigError
from batch_action.models.context import Context

MAX_CONFIG = 1_000_000


def rules_of_pull(context: Context, git: GitRepo) -> str | None:
    """The commit by whose rules a pull request is reviewed: the default branch's, never its own."""
    pull = context.pull
    if pull is None or context.fork:
        return None
    name = context.default_branch or git.default_branch_guess() or "main"
    tip = git.branch_tip(name)
    if tip is None and pull.into == name and git.has_commit(pull.base):
        tip = pull.base
    if tip is None:
        raise ConfigError(
            f"The branch {name}, whose config and house rules hold for a pull request, is not in "
            "this shallow clone.",
            fix="Set `fetch-depth: 0` at actions/checkout.",
        )
    return tip


def reviewed(flags: Mapping[str, Any], context: Context, git: GitRepo) -> str:
    """The commit that is reviewed. Raises ConfigError."""
    head = flags.get("head") or context.sha or "HEAD"
    return _commit(git, head, given="head" in flags and bool(flags["head"]))


def _commit(git: GitRepo, rev: str, *, given: bool) -> str:
    try:
        return git.resolve(rev)
    except ConfigError as error:
        if not given:
            raise
        raise ConfigError(f"`head`: {error.problem}", fix=error.fix) from None


def config_file(git: GitRepo, commit: str, name: str) -> Mapping[str, Any]:
    """The config file of a commit, never of the work tree."""
    data = git.file_at(commit, name)
    if data is None:
        return {}
    if len(data) > MAX_CONFIG:
        raise ConfigError(f"{name} is larger than a config file can be.")
    try:
        parsed = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is no valid YAML: {' '.join(str(error).split())}.") from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise ConfigError(f"{name} must hold `input: value` lines.")
    return parsed
