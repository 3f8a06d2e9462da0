"""The config file of `serve`: the repositories whose workflows it starts.

The file contains names of environment variables and no secrets, so it may be committed.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from batch_action.config.inputs import (
    AWS_REGION_PATTERN,
    AWS_WORKSPACE_PATTERN,
    check_state_key,
    split_words,
)
from batch_action.config.yaml_files import parse_model
from batch_action.errors import ConfigError

T = TypeVar("T")
_SECRET_PREFIX = re.compile(r"(gh[pousr]_|github_pat_|whsec_|sk-ant-)")


def _check_variable_name(name: str) -> str:
    if _SECRET_PREFIX.match(name) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise ValueError("must be the name of an environment variable, never the secret itself")
    return name


def _split_list(value: Any) -> Any:
    """Split text at commas; turn a YAML list into a tuple."""
    return tuple(value) if isinstance(value, list) else split_words("" if value is None else value)


def _check_not_empty(items: tuple[T, ...]) -> tuple[T, ...]:
    # Not `min_length`: pydantic counts only the valid items.
    if not items:
        raise ValueError("must not be empty")
    return items


Variable = Annotated[str, AfterValidator(_check_variable_name)]
Variables = Annotated[tuple[Variable, ...], BeforeValidator(_split_list)]
Words = Annotated[tuple[str, ...], BeforeValidator(_split_list)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
Names = Annotated[tuple[Name, ...], BeforeValidator(_split_list)]
StateKey = Annotated[Name, AfterValidator(check_state_key)]
StateKeys = Annotated[tuple[StateKey, ...], BeforeValidator(_split_list)]


class LedgerConfig(NamedTuple):
    """One ledger of a repository."""

    name: str
    """`owner/name/task[/state-key][/pull-requests]`."""
    task: str
    state_key: str
    """The input `state-key` of its runs; empty when not set."""
    pull_requests: bool
    """Whether it is the ledger of pull requests."""


class _ConfigModel(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        hide_input_in_errors=True,
    )


class RepositoryConfig(_ConfigModel):
    """A repository, its ledgers, and the workflow to start when one of its batches has ended."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    token_env: Variable = "GITHUB_TOKEN"  # noqa: S105 - the name of a variable
    event: Literal["workflow_dispatch", "repository_dispatch"] = "workflow_dispatch"
    """`workflow_dispatch` of `workflow`, or the `repository_dispatch` event `batch-ended`."""
    workflow: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.ya?ml$")] = (
        "batch-action.yml"
    )
    """The workflow's file name below `.github/workflows`."""
    ref: Annotated[str, Field(pattern=r"^[^\s~^:?*\[\\-][^\s~^:?*\[\\]*$")] | None = None
    """The branch to run it on; None: the default branch."""
    tasks: Annotated[Names, AfterValidator(_check_not_empty)] = ("code-review",)
    state_keys: StateKeys = ()
    """The values of the input `state-key` of its workflows, if they set it."""
    pull_requests: bool = False
    """Whether to watch the batches of its pull requests too."""
    state_secret_env: Variable | None = None
    state_secret_previous_env: Variable | None = None
    state_branch: str | None = None
    state_workflows: Words = ()
    anthropic_api_key_env: Variable = "ANTHROPIC_API_KEY"
    """The key of the workspace of its batches; only the watcher needs it."""
    anthropic_aws_region: Annotated[str, Field(pattern=AWS_REGION_PATTERN)] | None = None
    """The region of that workspace, if it is one of Claude Platform on AWS; with the next key."""
    anthropic_aws_workspace_id: Annotated[str, Field(pattern=AWS_WORKSPACE_PATTERN)] | None = None
    api_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """GitHub's API URL; None: GITHUB_API_URL or github.com's."""

    @model_validator(mode="after")
    def check_aws(self) -> Self:
        """Refuse half of a workspace on AWS."""
        if (self.anthropic_aws_region is None) != (self.anthropic_aws_workspace_id is None):
            raise ValueError(
                "must have both `anthropic_aws_region` and `anthropic_aws_workspace_id`, or neither"
            )
        return self

    @property
    def ledgers(self) -> tuple[LedgerConfig, ...]:
        """One ledger per task, state key and kind (branches, pull requests)."""
        kinds = (False, True) if self.pull_requests else (False,)
        return tuple(
            LedgerConfig(
                "/".join(
                    filter(None, (self.repository, task, key, "pull-requests" if is_pr else ""))
                ),
                task,
                state_key=key,
                pull_requests=is_pr,
            )
            for task in self.tasks
            for key in self.state_keys or ("",)
            for is_pr in kinds
        )


class ServerConfig(_ConfigModel):
    """The config file of `serve`."""

    repositories: Annotated[tuple[RepositoryConfig, ...], AfterValidator(_check_not_empty)]
    webhook_secret_env: Variables | None = None
    """Variables with keys of Standard Webhooks (`whsec_…`); several while a key is rotated."""
    hex_secret_env: Variables = ()
    """Variables with secrets of the header `anthropic-signature`; empty: it is not accepted."""


def parse_server_config(content: Any, file_name: str) -> ServerConfig:
    """Validate the content of the file. Raises ConfigError with all problems."""
    if not isinstance(content, Mapping):
        raise ConfigError(
            f"{file_name} must contain `repositories:` with a list.",
            fix="docs/SERVE.md has an example.",
        )
    config = parse_model(ServerConfig, content, file_name, "docs/SERVE.md")
    names = Counter(
        ledger.name.lower() for repository in config.repositories for ledger in repository.ledgers
    )
    duplicates = [name for name, count in names.items() if count > 1]
    if duplicates:
        raise ConfigError(
            f"{file_name} lists {', '.join(duplicates)} more than once.",
            fix="Keep one entry per ledger.",
        )
    return config


def secret_variables(config: ServerConfig) -> frozenset[str]:
    """Return the names of all environment variables that contain secrets."""
    names = {*(config.webhook_secret_env or ()), *config.hex_secret_env}
    for r in config.repositories:
        names |= {r.token_env, r.anthropic_api_key_env}
        names |= {*filter(None, [r.state_secret_env, r.state_secret_previous_env])}
    return frozenset(names)
