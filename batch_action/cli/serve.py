"""Open the clients of `serve` from its YAML file and variables."""

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import SecretStr

from batch_action.cli.connections import configure_network, header_value
from batch_action.cli.invocation import Invocation
from batch_action.clients.anthropic.addresses import DEFAULT_BASE_URL, AwsWorkspace
from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.clients.github.actions import Actions
from batch_action.clients.github.client import GitHubClient
from batch_action.config.server import (
    RepositoryConfig,
    ServerConfig,
    parse_server_config,
    secret_variables,
)
from batch_action.config.yaml_files import read_yaml
from batch_action.errors import ConfigError
from batch_action.server.context import RepositoryClient, ServerContext
from batch_action.server.log import JsonLog
from batch_action.server.loop import Loop
from batch_action.server.signatures import Keys, keys_from
from batch_action.server.store import Store

GITHUB_API_URL = "https://api.github.com"
SIGNING_KEY = "ANTHROPIC_WEBHOOK_SIGNING_KEY"
"""The variable that the SDK reads; used when the file names none."""
TIMEOUT_SECONDS = 20
WRITE_INTERVAL_SECONDS = 0.1
"""Seconds between two writes: dispatches are rare, and a rate limit is waited for."""
MAX_RATE_LIMIT_WAIT = 1.0
"""Seconds that a call may wait for a rate limit; longer ones are waited for between calls."""

Workspace = tuple[str, AwsWorkspace | None]
"""The variable of its key, and its place on AWS, if it is there."""


@contextmanager
def open_server_context(
    invocation: Invocation, *, config: Path, store: Path, watch: bool
) -> Iterator[ServerContext]:
    """Open the store and the clients, close them at the end. Raises ConfigError."""
    server_config = _load_server_config(config)
    configure_network(invocation.environ)
    names = secret_variables(server_config) | {SIGNING_KEY}
    variables = ((name, invocation.environ.get(name, "").strip()) for name in names)
    secrets = {name: value for name, value in variables if value}
    with ExitStack() as stack:
        log = JsonLog(secrets=secrets.values())
        stack.callback(log.close)
        workspaces: dict[Workspace, AnthropicClient] = {}
        for repository in server_config.repositories if watch else ():
            name, aws = workspace = _workspace_of(repository)
            if workspace not in workspaces:
                key = header_value(name, _secret(secrets, name, "`--watch`"))
                base_url = invocation.environ.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
                client = AnthropicClient(api_key=key, aws=aws, base_url=base_url)
                workspaces[workspace] = stack.enter_context(client)
        repositories = tuple(
            _open_repository_client(invocation, repository, secrets, workspaces, stack)
            for repository in server_config.repositories
        )
        yield ServerContext(
            store=stack.enter_context(Store(store)),
            repositories=repositories,
            keys=_webhook_keys(server_config, secrets),
            log=log,
            clock=invocation.clock,
            jitter=random.random,
            watch=watch,
            dispatching=Loop("dispatcher", log),
            watching=Loop("watcher", log),
        )


def _workspace_of(config: RepositoryConfig) -> Workspace:
    region, workspace = config.anthropic_aws_region, config.anthropic_aws_workspace_id
    aws = AwsWorkspace(region=region, id=workspace) if region and workspace else None
    return config.anthropic_api_key_env, aws


def _load_server_config(path: Path) -> ServerConfig:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The file {path} cannot be read: {error.strerror}.",
            fix="Name it with `--config`; docs/SERVE.md contains an example.",
        ) from None
    return parse_server_config(read_yaml(data, str(path)), path.name)


def _open_repository_client(
    invocation: Invocation,
    config: RepositoryConfig,
    secrets: Mapping[str, str],
    workspaces: Mapping[Workspace, AnthropicClient],
    stack: ExitStack,
) -> RepositoryClient:
    variables = (config.state_secret_env, config.state_secret_previous_env)
    client = GitHubClient(
        header_value(config.token_env, _secret(secrets, config.token_env, config.repository)),
        api_url=config.api_url or invocation.environ.get("GITHUB_API_URL") or GITHUB_API_URL,
        repository=config.repository,
        timeout=TIMEOUT_SECONDS,
        write_interval=min(invocation.write_interval, WRITE_INTERVAL_SECONDS),
        max_rate_limit_wait=MAX_RATE_LIMIT_WAIT,
    )
    stack.enter_context(client)
    return RepositoryClient(
        config=config,
        client=client,
        actions=Actions(client),
        anthropic=workspaces.get(_workspace_of(config)),
        secrets=tuple(
            _secret(secrets, name, config.repository).get_secret_value()
            for name in variables
            if name
        ),
    )


def _webhook_keys(config: ServerConfig, secrets: Mapping[str, str]) -> Keys:
    def values(names: Iterable[str]) -> dict[str, str]:
        return {name: _secret(secrets, name, "The webhook").get_secret_value() for name in names}

    standard = config.webhook_secret_env
    if standard is None:
        standard = (SIGNING_KEY,) if SIGNING_KEY in secrets else ()
    return keys_from(values(standard), values(config.hex_secret_env))


def _secret(secrets: Mapping[str, str], name: str, user: str) -> SecretStr:
    if name not in secrets:
        raise ConfigError(
            f"{user} needs the variable {name}, which is not set.",
            fix="Set it in the environment of `serve`; the file never contains the secret itself.",
        )
    return SecretStr(secrets[name])
