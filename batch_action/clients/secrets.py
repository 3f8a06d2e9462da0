"""Mask secrets before a text leaves the machine, with detect-secrets."""

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

_WINDOW_CHARS = 4096
"""Longer lines are scanned in windows: some detectors take quadratic time for a line."""
_OVERLAP_CHARS = 1536

_Span = tuple[int, int]

# A detector runs only on lines that match its trigger, in lower case; most lines match none.
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

# Formats that detect-secrets 1.5 does not detect; each is documented by its issuer.
_ADDITIONAL_FORMATS = re.compile(
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
    """Replace every character of each secret by `•`; return the text and the number of secrets.

    Line ends inside a secret stay, so no line changes its number or its length. Masking a masked
    text changes nothing.
    """
    spans = [*_private_key_spans(text), *_token_spans(text)]
    if not spans:
        return text, 0
    merged = _merge(spans)
    pieces, at = [], 0
    for start, end in merged:
        pieces += [text[at:start], re.sub(r"[^\r\n]", MASK, text[start:end])]
        at = end
    return "".join((*pieces, text[at:])), len(merged)


def _token_spans(text: str) -> Iterator[_Span]:
    yield from (match.span() for match in _ADDITIONAL_FORMATS.finditer(text))
    lower = text.lower()
    if len(lower) != len(
        text
    ):  # some letters become longer in lower case, which would shift offsets
        lower = text.translate(_LOWER)
    for detector, trigger in _DETECTORS:
        for start, piece in _pieces_with_trigger(text, lower, trigger):
            yield from ((start + a, start + b) for a, b in _secret_spans(detector, piece))


def _pieces_with_trigger(
    text: str, lower: str, trigger: re.Pattern[str]
) -> Iterator[tuple[int, str]]:
    """Yield (offset, text) of each line with the trigger, long lines in overlapping windows."""
    end = -1
    for match in trigger.finditer(lower):
        if match.start() < end:
            continue
        start = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.start())
        end = len(text) if end < 0 else end
        for at in range(
            start, max(end - _OVERLAP_CHARS, start + 1), _WINDOW_CHARS - _OVERLAP_CHARS
        ):
            if trigger.search(lower, at, min(at + _WINDOW_CHARS, end)):
                yield at, text[at : min(at + _WINDOW_CHARS, end)]


def _secret_spans(detector: RegexBasedDetector, line: str) -> Iterator[_Span]:
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


def _merge(spans: Sequence[_Span]) -> list[_Span]:
    merged: list[_Span] = []
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
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]+(?: [A-Za-z0-9+/=]+)*")
_HEADER = re.compile(r"[A-Z][A-Za-z-]+: .*")
_MIN_KEY_WORD_CHARS = 16
"""Words of prose are shorter, lines of a key are longer."""
_MIN_KEY_CHARS = 40
"""With fewer characters between BEGIN and END it is a placeholder."""


def _private_key_spans(text: str) -> Iterator[_Span]:
    """Yield the span of each private key, its BEGIN and END lines included."""
    if "PRIVATE KEY" not in text and "PuTTY-User-Key-File" not in text:
        return
    begins = list(_BEGIN.finditer(text))
    limits = [begin.start() for begin in begins[1:]] + [len(text)]
    for begin, limit in zip(begins, limits, strict=True):
        end = _end_of_block(text, begin.end(), limit)
        if end is not None:
            yield begin.start(), end


def _end_of_block(text: str, at: int, limit: int) -> int | None:
    """Return the end of the key block that begins before *at*; None if it is not a key.

    *limit* is where the next block begins, so that the whole text is read only once.
    """
    length, end, first = 0, at, True
    while at < limit:
        line = _LINE.match(text, at, limit)
        if line is None:  # pragma: no cover - the pattern matches anything
            break
        closing = _END.search(text, at, line.end(1))
        body = text[at : closing.start() if closing else line.end(1)].strip(_DECORATION)
        size = _key_chars(body)
        if size is None and not (first and not closing and not body):
            break
        length += size or 0
        if size:
            end = at + len(text[at : line.end(1)].rstrip(_DECORATION))
        if closing:
            return closing.end() if length >= _MIN_KEY_CHARS else None
        at, first = line.end(), False
    return end if length >= _MIN_KEY_CHARS else None


def _key_chars(body: str) -> int | None:
    """Return how many characters of a key a line has; None if it cannot be part of a key."""
    if not body or _HEADER.fullmatch(body):
        return 0
    if not _KEY_LINE.fullmatch(body):
        return None
    words = body.split(" ")
    # The last line of a key may be as short as `A=`; if a line has several words, they are long.
    if len(words) > 1 and any(len(word) < _MIN_KEY_WORD_CHARS for word in words[:-1]):
        return None
    return len(body)
