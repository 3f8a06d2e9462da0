"""The jobs of a repository's workflows that run the action: inputs, permissions, triggers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import yaml

from batch_action.clients.git import GitRepo
from batch_action.config.loading import load_settings
from batch_action.config.settings import Settings

FOLDER = ".github/workflows"
MAX_BYTES = 512_000
"""GitHub accepts workflow files up to 500 KB."""
EXPRESSION = "${{"
LEVELS = ("none", "read", "write")
DECIDING_INPUTS = ("mode", "task", "paths", "paths-ignore", "state-key", "config-file", "report")
"""The inputs that decide what a job reviews and where it reports."""


@dataclass(frozen=True)
class ActionJob:
    """One step of a workflow file that runs the action, and its job."""

    path: str
    job: str
    """The job's id."""
    inputs: Mapping[str, str]
    """The `with:` of the step."""
    triggers: frozenset[str]
    permissions: Mapping[str, str] | None
    """Scope to level, `*` for all others; None: nothing is declared, the repository decides."""
    concurrency: str
    """The group that keeps two runs from running at the same time; empty without one."""
    is_matrix: bool
    config: Mapping[str, Any]
    """The repository's config file."""

    @property
    def title(self) -> str:
        """The job and its file, for people."""
        return f"job `{self.job}` of {self.path}"

    @property
    def unknown_inputs(self) -> list[str]:
        """The deciding inputs whose values are known only while the workflow runs."""
        return [name for name in DECIDING_INPUTS if EXPRESSION in self.inputs.get(name, "")]

    @cached_property
    def settings(self) -> Settings:
        """The settings of the step, without inputs that contain expressions. Raises ConfigError."""
        known = {name: text for name, text in self.inputs.items() if EXPRESSION not in text}
        return load_settings(
            flags={},
            action_inputs=known,
            environ={},
            file=self.config,
            file_name="the config file",
        )

    @property
    def mode(self) -> str:
        """The mode of the step; `run` for `doctor`, and for one that is not known."""
        mode = self.inputs.get("mode") or "run"
        return "run" if mode == "doctor" or EXPRESSION in mode else mode

    def has_permission(self, scope: str, level: str) -> bool | None:
        """Return whether the job's token has a permission; None when the file does not say it."""
        if self.permissions is None:
            return None
        granted = self.permissions.get(scope, self.permissions.get("*", "none"))
        return granted in LEVELS[LEVELS.index(level) :]


def jobs_of(
    git: GitRepo, commit: str, config: Mapping[str, Any], action: str
) -> tuple[ActionJob, ...]:
    """Return the jobs of all workflows of a commit that use the action.

    *action*: its repository, if the runner names it; else `…/batch-action`.
    """
    paths = [PurePosixPath(entry.path) for entry in git.tree(commit)]
    files = [p for p in paths if str(p.parent) == FOLDER and p.suffix in (".yml", ".yaml")]
    is_own = b"name: batch-action" in (git.file_at(commit, "action.yml") or b"")
    names = frozenset({action.lower(), *(("./", "$/") if is_own else ())}) - {""}
    contents = ((str(path), _read(git, commit, str(path))) for path in files)
    return tuple(job for item in contents for job in _jobs_of_file(*item, config, names))


def _jobs_of_file(
    path: str, workflow: Mapping[Any, Any], config: Mapping[str, Any], names: frozenset[str]
) -> Iterator[ActionJob]:
    for name, content in _mapping(workflow.get("jobs")).items():
        job = _mapping(content)
        steps = job.get("steps")
        for step in steps if isinstance(steps, list) else ():
            if not _is_action(_text(_mapping(step).get("uses")), names):
                continue
            given = _mapping(_mapping(step).get("with"))
            yield ActionJob(
                path=path,
                job=str(name),
                inputs={str(key): _text(value) for key, value in given.items()},
                triggers=_triggers(workflow),
                permissions=_permissions(workflow, job),
                concurrency=_group(job) or _group(workflow),
                is_matrix="matrix" in _mapping(job.get("strategy")),
                config=config,
            )


def _read(git: GitRepo, commit: str, path: str) -> Mapping[Any, Any]:
    data = git.file_at(commit, path) or b""
    try:
        return _mapping(yaml.safe_load(data[:MAX_BYTES]))
    except (yaml.YAMLError, ValueError, RecursionError):
        # GitHub refuses it as well, and says so.
        return {}


def _is_action(uses: str, names: frozenset[str]) -> bool:
    name = uses.partition("@")[0].lower()
    if name.startswith("docker://"):
        return "/batch-action" in name
    return name.endswith("/batch-action") or name in names


def _triggers(workflow: Mapping[Any, Any]) -> frozenset[str]:
    # YAML 1.1 reads the bare word `on` as true.
    declared = workflow.get("on", workflow.get(True))
    if isinstance(declared, str):
        return frozenset({declared})
    names = declared if isinstance(declared, list | dict) else ()
    return frozenset(name for name in names if isinstance(name, str))


def _permissions(workflow: Mapping[Any, Any], job: Mapping[Any, Any]) -> Mapping[str, str] | None:
    """Return what the job declares, else what the workflow declares for all of its jobs."""
    source = next((item for item in (job, workflow) if "permissions" in item), None)
    if source is None:
        return None
    declared = source["permissions"]
    if declared in ("read-all", "write-all"):
        return {"*": str(declared).removesuffix("-all")}
    return {str(scope): _text(level) for scope, level in _mapping(declared).items()}


def _group(item: Mapping[Any, Any]) -> str:
    concurrency = item.get("concurrency")
    group = _mapping(concurrency).get("group", concurrency)
    return group if isinstance(group, str) else ""


def _text(value: object) -> str:
    """Return a scalar as text; empty for all else: aliases of YAML expand to huge values."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
