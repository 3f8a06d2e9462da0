"""How Anthropic is reached: by a key, or by the identity that GitHub gives a job."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

import httpx2
from pydantic import SecretStr

from batch_action.clients.actions_runner.commands import Runner
from batch_action.clients.anthropic.client import AnthropicApi, keyless
from batch_action.config.settings import Settings
from batch_action.errors import AnthropicError, ConfigError

AUDIENCE = "https://api.anthropic.com"


def anthropic_api(
    environ: Mapping[str, str],
    settings: Settings,
    runner: Runner,
    stack: ExitStack,
    sleep: Callable[[float], None],
) -> AnthropicApi | None:
    """The edge, by key or by GitHub's identity; None when neither was given."""
    key, base = settings.anthropic_api_key, settings.anthropic_base_url
    if key is not None:
        return stack.enter_context(
            AnthropicApi(api_key=header("anthropic-api-key", key), base_url=base, sleep=sleep)
        )
    rule, organization = settings.anthropic_federation_rule_id, settings.anthropic_organization_id
    if not (rule and organization):
        return None
    credentials = keyless(
        identity=lambda: _identity(environ, runner),
        rule=rule,
        organization=organization,
        service_account=settings.anthropic_service_account_id,
        workspace=settings.anthropic_workspace_id,
    )
    return stack.enter_context(
        AnthropicApi(api_key=None, credentials=credentials, base_url=base, sleep=sleep)
    )


def _identity(environ: Mapping[str, str], runner: Runner) -> str:
    """A fresh GitHub OIDC token: each is good for one exchange."""
    url = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
    token = environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not (url and token):
        raise ConfigError(
            "The federation ids are set, but GitHub gave this job no identity token.",
            fix="Add `id-token: write` to the job's permissions.",
        )
    try:
        answer = httpx2.get(
            url, params={"audience": AUDIENCE}, headers={"Authorization": f"Bearer {token}"}
        ).raise_for_status()
        identity = str(answer.json()["value"])
    except (httpx2.HTTPError, ValueError, KeyError) as error:
        raise AnthropicError(f"GitHub's identity token could not be fetched: {error}.") from None
    runner.mask(identity)
    return identity


def header(name: str, secret: SecretStr) -> str:
    """A key as it may stand in a header; whoever refuses it later would quote it in full."""
    value = secret.get_secret_value().strip()
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(
            f"`{name}` holds a line break or another character that no key has.",
            fix="Store the secret again: the key alone, on one line.",
        )
    return value
