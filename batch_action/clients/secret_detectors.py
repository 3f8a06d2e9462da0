"""detect-secrets' detectors: only a text with one of their triggers needs the import."""

import re
from collections.abc import Iterator

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

DETECTORS: dict[str, RegexBasedDetector] = {
    "artifactory": ArtifactoryDetector(),
    "aws": AWSKeyDetector(),
    "azure": AzureStorageKeyDetector(),
    "discord": DiscordBotTokenDetector(),
    "github": GitHubTokenDetector(),
    "gitlab": GitLabTokenDetector(),
    "jwt": JwtTokenDetector(),
    "mailchimp": MailchimpDetector(),
    "npm": NpmDetector(),
    "openai": OpenAIDetector(),
    "pypi": PypiTokenDetector(),
    "sendgrid": SendGridDetector(),
    "slack": SlackDetector(),
    "square": SquareOAuthDetector(),
    "stripe": StripeDetector(),
    "telegram": TelegramBotTokenDetector(),
    "twilio": TwilioKeyDetector(),
}
_TAIL = re.compile(r"[A-Za-z0-9_\-]*")
_JWT_TAIL = re.compile(r"[A-Za-z0-9_\-.=]*")


def find_secrets(name: str, line: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each secret that a detector finds in a line."""
    detector = DETECTORS[name]
    jwt = isinstance(detector, JwtTokenDetector)
    # The group is the secret itself for these two, but only its prefix for the others.
    grouped = isinstance(detector, (AWSKeyDetector, NpmDetector))
    for pattern in detector.denylist:
        for match in pattern.finditer(line):
            start, end = match.span(1) if grouped and pattern.groups else match.span()
            if start and line[start - 1].isalnum() and line[start].isalnum():
                continue  # inside a longer word: a hash, not a token
            if jwt and not JwtTokenDetector.is_formally_valid(match[0]):
                continue
            # Detectors end at the shortest valid length, and before a JWT's signature.
            tail = (_JWT_TAIL if jwt else _TAIL).match(line, end)
            yield start, tail.end() if tail else end
