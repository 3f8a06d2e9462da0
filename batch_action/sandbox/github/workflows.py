"""Workflow files: their triggers, inputs and run names."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from batch_action.sandbox.github.git import Git, GitError
from batch_action.sandbox.github.records import Repository

FOLDER = ".github/workflows"
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One workflow file at one commit."""

    path: str
    content: Mapping[Any, Any]

    def trigger(self, event: str) -> Mapping[str, Any] | None:
        """Return the options of `on: <event>`; None if the event is not a trigger."""
        # YAML 1.1 reads the bare word `on` as true.
        declared = self.content.get("on", self.content.get(True))
        if isinstance(declared, str):
            declared = [declared]
        if isinstance(declared, list):
            declared = dict.fromkeys(declared)
        if not isinstance(declared, dict) or event not in declared:
            return None
        options = declared[event]
        return options if isinstance(options, dict) else {}

    def input_error(self, inputs: Mapping[str, Any]) -> str | None:
        """Return GitHub's error message for the inputs of a `workflow_dispatch`; None if valid."""
        trigger = self.trigger("workflow_dispatch")
        if trigger is None:
            return "Workflow does not have 'workflow_dispatch' trigger"
        declared = trigger.get("inputs") or {}
        unknown = [name for name in inputs if name not in declared]
        if unknown:
            return f"Unexpected inputs provided: {json.dumps(unknown)}"
        for name, options in declared.items():
            required = bool(options) and options.get("required") and "default" not in options
            if required and inputs.get(name) in (None, ""):
                return f"Required input '{name}' not provided"
        return None

    def accepts_dispatch(self, kind: str) -> bool:
        """Return whether a `repository_dispatch` of this type triggers the workflow."""
        trigger = self.trigger("repository_dispatch")
        if trigger is None:
            return False
        types = trigger.get("types")
        return types is None or kind in ([types] if isinstance(types, str) else types)

    def title(self, event: str, payload: Mapping[str, Any]) -> str:
        """Return the evaluated `run-name`, or GitHub's default without one."""
        named = str(self.content.get("run-name") or "")
        contexts = {
            "inputs": payload.get("inputs") or {},
            "github": {"event": payload, "event_name": event},
        }
        title = _EXPRESSION.sub(lambda match: _evaluate(match[1], contexts), named).strip()
        if title:
            return title
        if event == "repository_dispatch":
            return str(payload.get("action") or event)
        return str(self.content.get("name") or self.path)


def read_workflow(repository: Repository, ref: str, path: str) -> Workflow | None:
    """Read a workflow file at a branch, tag or commit; None if there is none."""
    if repository.git_dir is None:
        return None
    try:
        data = Git(repository.git_dir).bytes("cat-file", "blob", f"{ref}:{path}")
        content = yaml.safe_load(data)
    except (GitError, yaml.YAMLError):
        return None
    return Workflow(path=path, content=content) if isinstance(content, dict) else None


def workflows_of(repository: Repository) -> Iterator[Workflow]:
    """Yield all workflows of the default branch."""
    if repository.git_dir is None:
        return
    ref = repository.default_branch
    try:
        listed = Git(repository.git_dir).text("ls-tree", "--name-only", ref, f"{FOLDER}/")
    except GitError:
        return
    for path in listed.splitlines():
        if PurePosixPath(path).suffix in {".yml", ".yaml"}:
            workflow = read_workflow(repository, ref, path)
            if workflow is not None:
                yield workflow


def _evaluate(expression: str, contexts: Mapping[str, Any]) -> str:
    """Evaluate `a.b || 'text'` to the first non-empty value; nothing else is supported."""
    for part in expression.split("||"):
        value = _look_up(part.strip(), contexts)
        if value:
            return value
    return ""


def _look_up(part: str, contexts: Mapping[str, Any]) -> str:
    if part.startswith("'") and part.endswith("'"):
        return part[1:-1]
    value: Any = contexts
    for name in part.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
