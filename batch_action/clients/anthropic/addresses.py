"""Where the API is: Anthropic's own address, another one that is set, or Claude Platform on AWS."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from batch_action.clients.network import without_user
from batch_action.errors import ConfigError

DEFAULT_BASE_URL = "https://api.anthropic.com"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsWorkspace:
    """A workspace of Claude Platform on AWS, which takes the same calls as Anthropic's own API."""

    region: str
    id: str

    @property
    def base_url(self) -> str:
        """The address of the platform in this region (Anthropic's SDK 2.14)."""
        return f"https://aws-external-anthropic.{self.region}.api.aws"


def checked_base_url(url: str) -> str:
    """Return a base URL as it is. Raises ConfigError: the key or the paths would go wrong."""
    base = urlsplit(url)
    if base.scheme != "https" and base.hostname not in LOOPBACK_HOSTS:
        raise ConfigError(f"`anthropic-base-url` {without_user(url)!r} must be https.")
    if "?" in url or "#" in url:
        raise ConfigError(
            f"`anthropic-base-url` {without_user(url)} has a query or a fragment.",
            fix="Remove the `?…` or `#…`: the paths of the API are appended to it.",
        )
    if found := re.search(r"/v1(?:/(?:messages|models)\b.*)?/*$", base.path):
        raise ConfigError(
            f"`anthropic-base-url` {without_user(url)!r} ends in /v1, which the paths of the API "
            "begin with.",
            fix=f"Remove the {found[0].rstrip('/')}.",
        )
    return url
