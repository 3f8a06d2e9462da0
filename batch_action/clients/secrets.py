"""Secrets are masked before a text leaves the machine, by detect-secrets."""

import re
from collections.abc import Iterator, Sequence

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

MASK = "•"

WINDOW = 4096
"""Longer lines are looked at in windows: some detectors take quadratic time over one line."""
OVERLAP = 1536

Span = tuple[int, int]

# A detector is asked only about lines that hold its trigger, in lower case: most hold none.
_TRIGGERS: tuple[tuple[RegexBasedDetector, str], ...] = (
    (AWSKeyDetector(), r"aws|(?:a3t[a-z0-9]|abia|acca|akia|asia)[0-9a-z]{16}"),
    (ArtifactoryDetector(), r"akc[a-z0-9]{10}"),
    (AzureStorageKeyDetector(), r"accountkey="),
    (DiscordBotTokenDetector(), r"\.[a-z\d_-]{6}\.[a-z\d_-]{27}"),
    (GitHubTokenDetector(), r"gh[pousr]_"),
    (GitLabTokenDetector(), r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|gr1348941"),
    (JwtTokenDetector(), r"eyj"),
    (MailchimpDetector(), r"[0-9a-z]-us\d"),
    (NpmDetector(), r":_authtoken="),
    (OpenAIDetector(), r"t3blbkfj"),
    (PypiTokenDetector(), r"pypi-age"),
    (SendGridDetector(), r"sg\.[a-z0-9_-]{22}\."),
    (SlackDetector(), r"xox[abposr]-|hooks\.slack\.com"),
    (SquareOAuthDetector(), r"sq0csp-"),
    (StripeDetector(), r"k_live_"),
    (TelegramBotTokenDetector(), r":aa[0-9a-z_-]{33}"),
    (TwilioKeyDetector(), r"(?:ac|sk)[a-z0-9]{32}"),
)
_DETECTORS = tuple((detector, re.compile(trigger)) for detector, trigger in _TRIGGERS)

# Formats that detect-secrets 1.5 does not know; each is documented by its issuer.
_MORE = re.compile(
    r"sk-ant-[A-Za-z0-9_-]{20,}"
    r"|sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}"
    r"|github_pat_[A-Za-z0-9_]{50,}"
    r"|npm_[A-Za-z0-9]{36}"
    r"|xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{32,}"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|hf_[A-Za-z]{34}"
    r"|dop_v1_[a-f0-9]{64}"
)

_LOWER = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_TAIL = re.compile(r"[A-Za-z0-9_\-]*")
_JWT_TAIL = re.compile(r"[A-Za-z0-9_\-.=]*")


def mask(text: str) -> tuple[str, int]:
    """Return the text with every secret's characters as `•`, and how many secrets there were.

    Line ends inside a secret stay, so each line keeps its number and its length. Masking a masked
    text changes nothing.
    """
    spans = [*key_spans(text), *_tokens(text)]
    if not spans:
        return text, 0
    merged = _merged(spans)
    pieces, at = [], 0
    for start, end in merged:
        pieces += [text[at:start], re.sub(r"[^\r\n]", MASK, text[start:end])]
        at = end
    return "".join((*pieces, text[at:])), len(merged)


def _tokens(text: str) -> Iterator[Span]:
    yield from (match.span() for match in _MORE.finditer(text))
    low = text.lower()
    if len(low) != len(text):  # some letters grow in lower case, and places must not move
        low = text.translate(_LOWER)
    for detector, trigger in _DETECTORS:
        for start, piece in _pieces(text, low, trigger):
            yield from ((start + a, start + b) for a, b in _found(detector, piece))


def _pieces(text: str, low: str, trigger: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Yield `(offset, line)` of the lines with the trigger; a long line in windows that overlap."""
    end = -1
    for match in trigger.finditer(low):
        if match.start() < end:
            continue
        start = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.start())
        end = len(text) if end < 0 else end
        for at in range(start, max(end - OVERLAP, start + 1), WINDOW - OVERLAP):
            if trigger.search(low, at, min(at + WINDOW, end)):
                yield at, text[at : min(at + WINDOW, end)]


def _found(detector: RegexBasedDetector, line: str) -> Iterator[Span]:
    jwt = isinstance(detector, JwtTokenDetector)
    # A group is the secret itself for these two, and only its prefix for the others.
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


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


_BEGIN = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----"
    r"|PuTTY-User-Key-File-[23]: [^\r\n\\]*"
)
_END = re.compile(
    r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|---- END SSH2 ENCRYPTED PRIVATE KEY ----"
    r"|Private-MAC: [0-9a-f]{40,}"
)
# One line of a block: up to a line end, or to an escaped one.
_LINE = re.compile(r"(.*?)(?:\r?\n|(?:\\r)?\\n|\Z)")
_DECORATION = " \t\"'`+#/*>|,;()\\.\r"
_MATERIAL = re.compile(r"[A-Za-z0-9+/=]+(?: [A-Za-z0-9+/=]+)*")
_HEADER = re.compile(r"[A-Z][A-Za-z-]+: .*")
_LONG_WORD = 16
"""A word of a sentence is shorter, a line of key material longer."""
_ENOUGH = 40
"""Fewer characters than this between BEGIN and END are a placeholder."""


def key_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield `(start, end)` of each block of key material, its BEGIN and END lines included."""
    if "PRIVATE KEY" not in text and "PuTTY-User-Key-File" not in text:
        return
    begins = list(_BEGIN.finditer(text))
    limits = [begin.start() for begin in begins[1:]] + [len(text)]
    for begin, limit in zip(begins, limits, strict=True):
        end = _end_of_block(text, begin.end(), limit)
        if end is not None:
            yield begin.start(), end


def _end_of_block(text: str, at: int, limit: int) -> int | None:
    """Return where the block ends that began before `at`; None if there is no material.

    The next block's BEGIN is the `limit`, so that the whole text is read only once.
    """
    length, end, first = 0, at, True
    while at < limit:
        line = _LINE.match(text, at, limit)
        if line is None:  # pragma: no cover - the pattern matches anything
            break
        closing = _END.search(text, at, line.end(1))
        body = text[at : closing.start() if closing else line.end(1)].strip(_DECORATION)
        size = _material(body)
        if size is None and not (first and not closing and not body):
            break
        length += size or 0
        if size:
            end = at + len(text[at : line.end(1)].rstrip(_DECORATION))
        if closing:
            return closing.end() if length >= _ENOUGH else None
        at, first = line.end(), False
    return end if length >= _ENOUGH else None


def _material(body: str) -> int | None:
    """Return a line's amount of key material, 0 if it is empty or a header; None: it is code."""
    if not body or _HEADER.fullmatch(body):
        return 0
    if not _MATERIAL.fullmatch(body):
        return None
    words = body.split(" ")
    # The last line of a block may be as short as `A=`; several words are long ones.
    if len(words) > 1 and any(len(word) < _LONG_WORD for word in words[:-1]):
        return None
    return len(body)
