"""The door of `serve`: the YAML file and the variables it names become open edges."""

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import SecretStr

from batch_action.cli.anthropic_access import header
from batch_action.cli.bootstrap import MAX_CONFIG, Invocation
from batch_action.cli.options import extra
from batch_action.clients.anthropic.client import HOME, AnthropicApi
from batch_action.clients.github.actions import Actions, Dispatches
from batch_action.clients.github.client import GitHubClient
from batch_action.config.server import RepositoryConfig, ServerConfig, serving_from, variables
from batch_action.errors import ConfigError
from batch_action.server.context import RepositoryClient, ServerContext
from batch_action.server.log import JsonLog
from batch_action.server.signatures import Keys, keys_from
from batch_action.server.store import Store

GITHUB = "https://api.github.com"
SIGNING_KEY = "ANTHROPIC_WEBHOOK_SIGNING_KEY"
"""The SDK's own variable, used where the file names none."""
CALL_SECONDS = 20
BETWEEN_CALLS = 0.1
"""Seconds: all but a rare dispatch is reading, and a limit that is hit is waited for."""
LONGEST_WAIT = 1.0
"""Seconds a rate limit may hold up a call; longer ones are waited for between the calls."""


@click.command()
@click.option("--config", default="serve.yml", show_default=True, help="The repositories to wake.")
@click.option(
    "--store",
    default="batch-action-serve.sqlite3",
    show_default=True,
    help="The file that remembers what was delivered and started.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8930, show_default=True, help="0 for any that is free.")
@click.option("--watch", is_flag=True, help="Ask Anthropic for pending batches: no webhook needed.")
@click.option(
    "--settle-seconds",
    default=120.0,
    show_default=True,
    help="How long a run that was perhaps started is looked for before it is started again.",
)
@click.pass_obj
def serve(
    invocation: Invocation,
    *,
    config: str,
    store: str,
    host: str,
    port: int,
    watch: bool,
    settle_seconds: float,
) -> int:
    """Start the collecting workflow of listed repositories when their batches have ended."""
    story = extra("serve", "server")
    with open_station(
        invocation, config=Path(config), store=Path(store), watch=watch, settle=settle_seconds
    ) as ctx:
        return int(story(ctx, host=host, port=port))


@contextmanager
def open_station(
    invocation: Invocation, *, config: Path, store: Path, watch: bool, settle: float
) -> Iterator[ServerContext]:
    """The service's world; everything is closed at the end. Raises ConfigError."""
    serving = _serving(config)
    secrets = _set(invocation.environ, variables(serving) | {SIGNING_KEY})
    with ExitStack() as stack:
        log = JsonLog(secrets=secrets.values())
        stack.callback(log.close)
        workspaces: dict[str, AnthropicApi] = {}
        for place in serving.repositories if watch else ():
            name = place.anthropic_api_key_env
            if name not in workspaces:
                workspaces[name] = stack.enter_context(_anthropic(invocation, name, secrets))
        posts = tuple(
            _post(invocation, place, secrets, workspaces.get(place.anthropic_api_key_env), stack)
            for place in serving.repositories
        )
        yield ServerContext(
            store=stack.enter_context(Store(store)),
            posts=posts,
            keys=_keys(serving, secrets),
            log=log,
            clock=invocation.clock,
            chance=random.random,
            watch=watch,
            settle=timedelta(seconds=settle),
        )


def _set(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Those of the variables that hold something, without a line break at their end."""
    held = ((name, environ.get(name, "").strip()) for name in names)
    return {name: value for name, value in held if value}


def _serving(path: Path) -> ServerConfig:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The file {path} cannot be read: {error.strerror}.",
            fix="Name it with `--config`; docs/SERVE.md shows one to copy.",
        ) from None
    if len(data) > MAX_CONFIG:
        raise ConfigError(f"{path} is larger than a config file can be.")
    try:
        content: Any = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no valid YAML: {' '.join(str(error).split())}.") from None
    return serving_from(content, path.name)


def _post(
    invocation: Invocation,
    place: RepositoryConfig,
    secrets: Mapping[str, str],
    anthropic: AnthropicApi | None,
    stack: ExitStack,
) -> RepositoryClient:
    client = stack.enter_context(
        GitHubClient(
            header(place.token_env, SecretStr(_secret(place.token_env, secrets, place))),
            api_url=place.api_url or invocation.environ.get("GITHUB_API_URL") or GITHUB,
            repository=place.repository,
            timeout=CALL_SECONDS,
            write_interval=min(invocation.write_interval, BETWEEN_CALLS),
            max_rate_limit_wait=LONGEST_WAIT,
        )
    )
    return RepositoryClient(
        place=place,
        client=client,
        actions=Actions(client),
        dispatches=Dispatches(client),
        anthropic=anthropic,
        state_secret=_perhaps(place.state_secret_env, secrets, place),
        state_secret_previous=_perhaps(place.state_secret_previous_env, secrets, place),
    )


def _anthropic(invocation: Invocation, name: str, secrets: Mapping[str, str]) -> AnthropicApi:
    if name not in secrets:
        raise ConfigError(
            f"`--watch` asks Anthropic, and {name} is not set.",
            fix="Set it to a key of the workspace that the batches are in.",
        )
    return AnthropicApi(
        api_key=header(name, SecretStr(secrets[name])),
        base_url=invocation.environ.get("ANTHROPIC_BASE_URL") or HOME,
    )


def _keys(serving: ServerConfig, secrets: Mapping[str, str]) -> Keys:
    workspace_name = serving.webhook_secret_env
    standard = (
        workspace_name if workspace_name is not None else tuple({SIGNING_KEY} & secrets.keys())
    )
    return keys_from(
        {name: _secret(name, secrets) for name in standard},
        {name: _secret(name, secrets) for name in serving.hex_secret_env},
    )


def _perhaps(
    name: str | None, secrets: Mapping[str, str], place: RepositoryConfig
) -> SecretStr | None:
    return SecretStr(_secret(name, secrets, place)) if name else None


def _secret(name: str, secrets: Mapping[str, str], place: RepositoryConfig | None = None) -> str:
    if name not in secrets:
        where = f" for {place.repository}" if place else ""
        raise ConfigError(
            f"The file names the variable {name}{where}, which is not set.",
            fix="Set it in the environment of `serve`; the secret itself never stands in the file.",
        )
    return secrets[name]
