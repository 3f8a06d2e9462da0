"""How the door is reached: keys that stay at home, and GitHub's identity instead of a key."""

from collections.abc import Callable
from urllib.parse import urlsplit

import anthropic
import httpx2

from batch_action.errors import ConfigError

HOME = "https://api.anthropic.com"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def keyless(
    *,
    identity: Callable[[], str],
    rule: str,
    organization: str,
    service_account: str | None,
    workspace: str | None,
) -> anthropic.WorkloadIdentityCredentials:
    """Credentials from GitHub's OIDC token; *identity* is called anew for each exchange.

    The tokens are single-use, so they may not be kept (claude-code-action issue 1406).
    """
    return anthropic.WorkloadIdentityCredentials(
        identity_token_provider=identity,
        federation_rule_id=rule,
        organization_id=organization,
        service_account_id=service_account,
        workspace_id=workspace,
    )


def guarded_client(base_url: str) -> httpx2.Client:
    """A client that sends the key to the base URL's origin or api.anthropic.com only.

    The API names an absolute `results_url`, and the SDK follows it with the key.
    """
    home = urlsplit(base_url)
    loopback = home.hostname in LOOPBACK
    if home.scheme != "https" and not loopback:
        raise ConfigError(f"`anthropic-base-url` {base_url!r} must be https.")
    allowed = {(home.scheme, home.hostname, home.port), ("https", "api.anthropic.com", None)}

    def guard(request: httpx2.Request) -> None:
        url = urlsplit(str(request.url))
        local = loopback and url.hostname in LOOPBACK
        if not local and (url.scheme, url.hostname, url.port) not in allowed:
            # The SDK's own class: another one it would wrap and try again.
            raise anthropic.AnthropicError(
                f"its answer points to {url.scheme}://{url.hostname}, which is neither "
                f"{home.hostname} nor api.anthropic.com, and the key goes nowhere else"
            )

    return anthropic.DefaultHttpxClient(event_hooks={"request": [guard]}, base_url=base_url)
