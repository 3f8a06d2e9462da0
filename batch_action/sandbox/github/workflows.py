"""Workflow files as GitHub reads them: what starts one, with which inputs, by which title."""

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
        """What stands below `on: <event>`; None when the event does not start it."""
        # YAML 1.1 reads the bare word `on` as true.
        declared = self.content.get("on", self.content.get(True))
        if isinstance(declared, str):
            declared = [declared]
        if isinstance(declared, list):
            declared = dict.fromkeys(declared)
        if not isinstance(declared, dict) or event not in declared:
            return None
        found = declared[event]
        return found if isinstance(found, dict) else {}

    def input_error(self, inputs: Mapping[str, Any]) -> str | None:
        """Why a `workflow_dispatch` with these inputs is refused, in GitHub's words."""
        trigger = self.trigger("workflow_dispatch")
        if trigger is None:
            return "Workflow does not have 'workflow_dispatch' trigger"
        declared = trigger.get("inputs") or {}
        foreign = [name for name in inputs if name not in declared]
        if foreign:
            return f"Unexpected inputs provided: {json.dumps(foreign)}"
        for name, one in declared.items():
            wanted = bool(one) and one.get("required") and "default" not in one
            if wanted and inputs.get(name) in (None, ""):
                return f"Required input '{name}' not provided"
        return None

    def accepts_dispatch(self, kind: str) -> bool:
        """Whether a `repository_dispatch` of this type starts it."""
        trigger = self.trigger("repository_dispatch")
        if trigger is None:
            return False
        types = trigger.get("types")
        return types is None or kind in ([types] if isinstance(types, str) else types)

    def title(self, event: str, payload: Mapping[str, Any]) -> str:
        """`run-name` with its expressions filled in, or what GitHub takes where there is none."""
        named = str(self.content.get("run-name") or "")
        contexts = {
            "inputs": payload.get("inputs") or {},
            "github": {"event": payload, "event_name": event},
        }
        told = _EXPRESSION.sub(lambda match: _evaluate(match[1], contexts), named).strip()
        if told:
            return told
        if event == "repository_dispatch":
            return str(payload.get("action") or event)
        return str(self.content.get("name") or self.path)


def read_workflow(repository: Repository, ref: str, path: str) -> Workflow | None:
    """The workflow file of that path at a branch, tag or commit; None where there is none."""
    if repository.git_dir is None:
        return None
    try:
        data = Git(repository.git_dir).bytes("cat-file", "blob", f"{ref}:{path}")
        content = yaml.safe_load(data)
    except (GitError, yaml.YAMLError):
        return None
    return Workflow(path=path, content=content) if isinstance(content, dict) else None


def workflows_of(repository: Repository) -> Iterator[Workflow]:
    """All workflows of the default branch."""
    if repository.git_dir is None:
        return
    ref = repository.default_branch
    try:
        listed = Git(repository.git_dir).text("ls-tree", "--name-only", ref, f"{FOLDER}/")
    except GitError:
        return
    for path in listed.splitlines():
        if PurePosixPath(path).suffix in {".yml", ".yaml"}:
            found = read_workflow(repository, ref, path)
            if found is not None:
                yield found


def _evaluate(expression: str, contexts: Mapping[str, Any]) -> str:
    """`a.b || 'text'`: the first that is not empty, which is as much of the language as we read."""
    for part in expression.split("||"):
        value = _look_up(part.strip(), contexts)
        if value:
            return value
    return ""


def _look_up(part: str, contexts: Mapping[str, Any]) -> str:
    if part.startswith("'") and part.endswith("'"):
        return part[1:-1]
    found: Any = contexts
    for name in part.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return "" if found is None else str(found)
