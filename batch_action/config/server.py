"""What `serve` is told: the repositories it wakes, from one YAML file; secrets by name only.

The file names environment variables and never holds a token, so it may be committed and shown.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from batch_action.config.inputs import no_pulls_key, words
from batch_action.errors import ConfigError

T = TypeVar("T")
_A_SECRET = re.compile(r"(gh[pousr]_|github_pat_|whsec_|sk-ant-)")


def _variable(name: str) -> str:
    if _A_SECRET.match(name) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise ValueError(
            "must be the name of an environment variable; the secret itself never stands in here"
        )
    return name


def _listed(value: Any) -> Any:
    """One or several: a word, words between commas, or a YAML list."""
    return tuple(value) if isinstance(value, list) else words("" if value is None else value)


def _some(items: tuple[T, ...]) -> tuple[T, ...]:
    # Not `min_length`: pydantic counts only the items that are without a mistake.
    if not items:
        raise ValueError("must not be empty")
    return items


Variable = Annotated[str, AfterValidator(_variable)]
Variables = Annotated[tuple[Variable, ...], BeforeValidator(_listed)]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
Names = Annotated[tuple[Name, ...], BeforeValidator(_listed)]
Key = Annotated[Name, AfterValidator(no_pulls_key)]
Keys = Annotated[tuple[Key, ...], BeforeValidator(_listed)]


class LedgerConfig(NamedTuple):
    """One ledger of a repository."""

    task: str
    key: str
    """Its `state-key`."""
    pulls: bool
    """The ledger of pull requests."""


class _Told(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        hide_input_in_errors=True,
    )


class RepositoryConfig(_Told):
    """One repository to be woken, and how."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    token_env: Variable = "GITHUB_TOKEN"  # noqa: S105 - the name of a variable
    event: Literal["workflow_dispatch", "repository_dispatch"] = "workflow_dispatch"
    """How: `workflow_dispatch` of `workflow`, or the `repository_dispatch` event `batch-ended`."""
    workflow: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.ya?ml$")] = (
        "batch-action.yml"
    )
    """The workflow's file name below `.github/workflows`."""
    ref: Annotated[str, Field(pattern=r"^[^\s~^:?*\[\\-][^\s~^:?*\[\\]*$")] | None = None
    """The branch to run it on; the default branch where none is given."""
    tasks: Annotated[Names, AfterValidator(_some)] = ("code-review",)
    state_key: Keys = ()
    """The `state-key`s of its ledgers, where it has some."""
    pull_requests: bool = False
    """Whether batches of its pull requests are waited for too."""
    state_secret_env: Variable | None = None
    state_secret_previous_env: Variable | None = None
    state_branch: str | None = None
    state_workflows: Words = ()
    anthropic_api_key_env: Variable = "ANTHROPIC_API_KEY"
    """The key of the workspace its batches are in; only the watcher needs it."""
    api_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """GitHub's API, where it is another than GITHUB_API_URL or github.com's."""

    @property
    def ledgers(self) -> tuple[LedgerConfig, ...]:
        """Its ledgers."""
        kinds = (False, True) if self.pull_requests else (False,)
        return tuple(
            LedgerConfig(task, key, pulls)
            for task in self.tasks
            for key in self.state_key or ("",)
            for pulls in kinds
        )

    def ledger_name(self, book: LedgerConfig) -> str:
        """What one of its ledgers is called here."""
        more = [book.key] * bool(book.key) + ["pull-requests"] * book.pulls
        return "/".join([self.repository, book.task, *more])


class ServerConfig(_Told):
    """The whole file."""

    repositories: Annotated[tuple[RepositoryConfig, ...], AfterValidator(_some)]
    webhook_secret_env: Variables | None = None
    """Keys of Standard Webhooks (`whsec_…`); several while a key is changed."""
    hex_secret_env: Variables = ()
    """Secrets of the header `anthropic-signature`; without one that header proves nothing."""


def serving_from(content: Any, file_name: str) -> ServerConfig:
    """The file's content, checked. Raises ConfigError with all mistakes at once."""
    if not isinstance(content, Mapping):
        raise ConfigError(
            f"{file_name} must hold `repositories:` with a list.",
            fix="docs/SERVE.md shows one to copy.",
        )
    try:
        serving = ServerConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError(
            f"{file_name} needs attention:\n"
            + "\n".join(f"- {line}" for line in map(_sentence, error.errors()))
            + "\ndocs/SERVE.md explains every key."
        ) from None
    twice = _twice(
        place.ledger_name(book) for place in serving.repositories for book in place.ledgers
    )
    if twice:
        raise ConfigError(
            f"{file_name} names {', '.join(twice)} twice.", fix="One entry for each ledger."
        )
    return serving


def variables(serving: ServerConfig) -> frozenset[str]:
    """Every environment variable that the file names and that holds a secret."""
    own = [
        (p.token_env, p.state_secret_env, p.state_secret_previous_env, p.anthropic_api_key_env)
        for p in serving.repositories
    ]
    names = chain(*own, serving.webhook_secret_env or (), serving.hex_secret_env)
    return frozenset(name for name in names if name)


def _twice(names: Iterable[str]) -> list[str]:
    counted = Counter(name.lower() for name in names)
    return [name for name, times in counted.items() if times > 1]


def _sentence(error: Mapping[str, Any]) -> str:
    where = ""
    for step in error["loc"]:
        where += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if where else str(step)
    rule = {
        "extra_forbidden": "is no key of this file",
        "missing": "is missing",
        "string_pattern_mismatch": "does not look like one",
    }.get(error["type"], str(error["msg"]).removeprefix("Value error, "))
    return f"`{where}` {rule}."
