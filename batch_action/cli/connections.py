"""What connections need: certificates, proxies, keys, and GitHub's OIDC token for Anthropic."""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

from pydantic import SecretStr

from batch_action.clients.actions_runner import Runner
from batch_action.clients.anthropic.addresses import AwsWorkspace, checked_base_url
from batch_action.clients.network import network_variables
from batch_action.config.inputs import AWS_REGION_PATTERN
from batch_action.config.settings import Settings
from batch_action.errors import AnthropicError, ConfigError, advice

if TYPE_CHECKING:
    from batch_action.clients.anthropic.client import AnthropicClient

AUDIENCE = "https://api.anthropic.com"


def configure_network(environ: Mapping[str, str]) -> None:
    """Let all HTTP libraries use the certificates and proxies of an environment.

    Call this before any client is opened. Raises ConfigError when they cannot be used.
    """
    os.environ.update(network_variables(environ))


def anthropic_opener(
    environ: Mapping[str, str],
    settings: Settings,
    runner: Runner,
    stack: ExitStack,
    sleep: Callable[[float], None],
) -> "Callable[[], AnthropicClient] | None":
    """Return what opens the client, once, when it is needed; None without key and federation.

    With the key or by workload identity federation. Raises ConfigError.
    """
    aws = aws_workspace(environ, settings)
    base = checked_base_url(settings.anthropic_base_url)
    key = settings.anthropic_api_key
    api_key = None if key is None else header_value("anthropic-api-key", key)
    rule, organization = settings.anthropic_federation_rule_id, settings.anthropic_organization_id
    if api_key is None and not (rule and organization):
        return None
    if api_key is None and aws is not None:
        raise ConfigError(
            "The federation ids are set, but `anthropic-provider: aws` needs an API key.",
            fix="Set `anthropic-api-key` to a key of Claude Platform on AWS.",
        )

    @cache
    def open_client() -> "AnthropicClient":
        # Only here: to import the SDK takes longer than to plan a hundred files.
        from batch_action.clients.anthropic.client import (
            AnthropicClient,
            workload_identity_credentials,
        )

        credentials = None
        if api_key is None and rule and organization:
            credentials = workload_identity_credentials(
                identity=lambda: fetch_identity_token(environ, runner),
                rule=rule,
                organization=organization,
                service_account=settings.anthropic_service_account_id,
                workspace=settings.anthropic_workspace_id,
            )
        return stack.enter_context(
            AnthropicClient(
                api_key=api_key, credentials=credentials, aws=aws, base_url=base, sleep=sleep
            )
        )

    return open_client


def aws_workspace(environ: Mapping[str, str], settings: Settings) -> AwsWorkspace | None:
    """Return the workspace of `anthropic-provider: aws`; None with another provider.

    AWS_REGION and AWS_DEFAULT_REGION are read, as AWS's own tools do. Raises ConfigError: the
    region or the workspace is missing, or belongs to no provider.
    """
    region, workspace = settings.anthropic_aws_region, settings.anthropic_aws_workspace_id
    if settings.anthropic_provider != "aws":
        if region or workspace:
            raise ConfigError(
                "`anthropic-aws-region` and `anthropic-aws-workspace-id` have no effect without "
                "`anthropic-provider: aws`.",
                fix="Set the provider, or remove them.",
            )
        return None
    region = region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    missing = {"anthropic-aws-region": region, "anthropic-aws-workspace-id": workspace}
    if not (region and workspace):
        names = " and ".join(f"`{name}`" for name, value in missing.items() if not value)
        raise ConfigError(
            f"`anthropic-provider: aws` needs {names} too.",
            fix="Set it in the config file or in the environment; the console of Claude Platform "
            "on AWS shows both.",
        )
    if not re.fullmatch(AWS_REGION_PATTERN, region):
        raise ConfigError(
            f"The region in AWS_REGION, {region!r}, is not the name of an AWS region.",
            fix="Set `anthropic-aws-region`, e.g. to us-east-1.",
        )
    return AwsWorkspace(region=region, id=workspace)


def fetch_identity_token(environ: Mapping[str, str], runner: Runner) -> str:
    """Fetch a new OIDC token from GitHub: each can be exchanged once."""
    url = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
    token = environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not (url and token):
        raise ConfigError(
            "The federation ids are set, but no OIDC token can be requested from GitHub here.",
            fix=advice(
                "Add `id-token: write` to the job's permissions.",
                "Only GitHub Actions can: unset them here, and set ANTHROPIC_API_KEY.",
            ),
        )
    import httpx2

    from batch_action.clients.http import LoggedClient

    try:
        # `params=` would replace the query that the URL has already.
        address = httpx2.URL(url).copy_merge_params({"audience": AUDIENCE})
        with LoggedClient() as http:
            response = http.get(address, headers={"Authorization": f"Bearer {token}"})
        problem = f"status {response.status_code}"
        oidc_token = response.json()["value"] if response.is_success else None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        oidc_token, problem = None, type(error).__name__
    except (ValueError, KeyError, TypeError, RecursionError):
        oidc_token, problem = None, "this is no answer of GitHub's: a proxy, or a sign-in page?"
    if not isinstance(oidc_token, str) or not oidc_token.isascii():
        raise AnthropicError(
            f"GitHub's OIDC token could not be fetched: {problem}.",
            fix="The next run goes on; check HTTPS_PROXY and NO_PROXY if it happens again.",
        )
    runner.mask(oidc_token)
    return oidc_token


def find_newest_version(environ: Mapping[str, str], repository: str, major: str) -> tuple[str, str]:
    """Return a repository's newest version of a major version, and its commit, from GitHub.

    Raises GitHubError or ConfigError.
    """
    from batch_action.clients.github.client import GitHubClient

    configure_network(environ)
    token = environ.get("GITHUB_TOKEN")
    with GitHubClient(
        header_value("github-token", SecretStr(token)) if token else None,
        repository=repository,
        api_url=environ.get("GITHUB_API_URL") or "https://api.github.com",
        max_rate_limit_wait=5.0,  # a person is waiting
    ) as client:
        return client.newest_version(major)


def header_value(name: str, secret: SecretStr) -> str:
    """Return a secret as the value of an HTTP header. Raises ConfigError when it cannot be one.

    A library that refuses it later would quote it in its message.
    """
    value = secret.get_secret_value().strip()
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(
            f"`{name}` contains a line break or another character that no key contains.",
            fix=f"{advice('Store the secret', 'Set it')} again: only the key, on one line.",
        )
    return value
