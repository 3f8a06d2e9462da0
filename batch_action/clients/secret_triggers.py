"""What every text with a secret has: it says quickly that most texts have none."""

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from string import ascii_letters, digits
from typing import Any

from pydantic_core import SchemaValidator, core_schema

# What a secret has in lower case, by detector: within a long run (see `long_runs`), else one of the
# two words, the second one in a text with a value (see `LONG_VALUE`). The detector runs on the
# lines that match.
TRIGGERS: Mapping[str, tuple[str, str, str]] = {
    "artifactory": (r"akc[a-z0-9]{10}", "akc", ""),
    "aws": (r"aws|(?:a3t[a-z0-9]|abia|acca|akia|asia)[0-9a-z]{16}", "", "aws"),
    "azure": (r"accountkey=", "", ""),
    "discord": (r"\.[a-z\d_-]{6}\.[a-z\d_-]{27}", "", ""),
    "github": (r"gh[pousr]_", "", ""),
    "gitlab": (r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|gr1348941", "", ""),
    "jwt": (r"eyj", "eyj", ""),
    "mailchimp": (r"[0-9a-z]-us\d", "", ""),
    "npm": (r":_authtoken=", ":_authtoken=", ""),
    "openai": (r"t3blbkfj", "", ""),
    "pypi": (r"pypi-age", "", ""),
    "sendgrid": (r"sg\.[a-z0-9_-]{22}\.", "", ""),
    "slack": (r"xox[abposr]-|hooks\.slack\.com", "xox", ""),
    "square": (r"sq0csp-", "sq0csp-", ""),
    "stripe": (r"k_live_", "", ""),
    "telegram": (r":aa[0-9a-z_-]{33}", "", ":aa"),
    "twilio": (r"(?:ac|sk)[a-z0-9]{32}", "", ""),
}
_MIN_RUN = 20
"""The shortest token of a format with a prefix, or of a detector without words."""
_LONG_RUN = b"a" * _MIN_RUN
_RUN_CHARS = frozenset(f"{ascii_letters}{digits}_-.+/=$%@~".encode())
"""The characters of prefixes and of what follows them."""
_RUN_CLASSES = bytes(ord("a" if byte in _RUN_CHARS else " ") for byte in range(256))

LONG_VALUE = re.compile(r"[A-Za-z0-9+/%]{20}|[\w@=-]{35}|Q~", re.ASCII)
"""Within the long runs of each text with a secret of an expression of `secret_formats.toml`."""
SHORT_VALUES = ("airtable", "basic ", "bearer ")
"""The words of those whose secrets may be shorter."""

BEGINS = ("PRIVATE KEY", "PuTTY-User-Key-File")
COMMANDS, SOCKETS = ("curl", "wget", "sshpass"), ("@tcp(", "@unix(")
_WORDS = (
    *(begin.lower() for begin in BEGINS),
    *("passw", "pwd", *COMMANDS, *SOCKETS, *SHORT_VALUES),
    *filter(None, (word for _, word, _ in TRIGGERS.values())),
)
"""In lower case, in each text with a private key, a password or a token that may be short."""
_WORDS_WITH_VALUE = tuple(word for _, _, word in TRIGGERS.values() if word)
URL_PASSWORD = re.compile(r"://[^\s:/@\"'`<>]{0,200}:([^\s/\"'`<>]{3,300})@")
_CONFIGURATION = re.compile(
    r"\.env(\..*)?|[._]netrc|\.npmrc|\.pypirc|\.my\.cnf|config|credentials|.*dockerfile.*|.*\.(?:bash|cfg|cnf"
    r"|conf|config|env|hcl|ini|json|json5|jsonc|plist|properties|props|sh|tf|tfvars|toml|xml|ya?ml)",
    re.IGNORECASE,
)
_TRANSLATIONS = re.compile(
    r"(?:^|/)(?:i18n|l10n|lang|langs|languages|locales?|messages|translations?)(?:/|[._-]|$)",
    re.IGNORECASE,
)
NAME_WORD = re.compile(r"pass|pwd|secret|token|credential|key")


def may_have_secret(text: str, path: str = "") -> bool:
    """Return whether `mask` has to be asked: False means that it changes nothing in this text.

    Nor in any other text all of whose lines are among the lines of this one: whatever is looked for
    is on one line.
    """
    lower = text.lower()
    return (
        len(lower) != len(text)
        or _has_word()(lower)
        or ("@" in text and "://" in text and URL_PASSWORD.search(text) is not None)
        or _may_have_token(long_runs(text), lower)
        or (is_configuration(path) and NAME_WORD.search(lower) is not None)
    )


def _may_have_token(runs: str, lower: str) -> bool:
    return bool(runs) and (
        has_token()(runs) or (LONG_VALUE.search(runs) is not None and _has_word_with_value()(lower))
    )


@cache
def has_token() -> Callable[[str], bool]:
    """Return what tells whether long runs have a trigger, or a prefix that begins a word."""
    triggers = "|".join(trigger for trigger, _, _ in TRIGGERS.values())
    prefixes = "|".join(re.escape(prefix) for row in formats()["prefixes"] for prefix in row[1])
    return finder(f"(?i:{triggers})|[^A-Za-z0-9](?:{prefixes})")


@cache
def _has_word() -> Callable[[str], bool]:
    return finder("|".join(map(re.escape, _WORDS)))


@cache
def _has_word_with_value() -> Callable[[str], bool]:
    words = (row[1].lower() for row in formats()["patterns"])
    return finder("|".join(map(re.escape, (*words, *_WORDS_WITH_VALUE))))


def finder(expression: str) -> Callable[[str], bool]:
    """Return what tells whether a text has a match; the expression is one of Rust's.

    The expressions of pydantic look for all words at once: for a dozen of them in a tenth of the
    time that `in` takes, and `re` is slower than that.
    """
    find = SchemaValidator(core_schema.str_schema(pattern=expression)).isinstance_python
    return lambda text: find(text if text.isascii() else text.encode("utf-8", "replace"))


@cache
def formats() -> dict[str, list[Any]]:
    """Return the rows of `secret_formats.toml`, which says what they consist of."""
    file = resources.files("batch_action.clients").joinpath("secret_formats.toml")
    return tomllib.loads(file.read_text("utf-8"))


def long_runs(text: str) -> str:
    """Return the runs of at least `_MIN_RUN` characters that tokens consist of, a line end each.

    They are a small share of a text, and all that has to be searched for most formats.
    """
    data = text.encode("utf-8", "replace")
    classes = data.translate(_RUN_CLASSES)
    runs, at = [b""], classes.find(_LONG_RUN)
    while at >= 0:
        end = classes.find(b" ", at)
        end = len(classes) if end < 0 else end
        runs.append(data[at:end])
        at = classes.find(_LONG_RUN, end)
    return b"\n".join(runs).decode()


def is_configuration(path: str) -> bool:
    """Return whether a file by its name holds settings: neither code nor translations."""
    name = path.rpartition("/")[2]
    return bool(_CONFIGURATION.fullmatch(name)) and not _TRANSLATIONS.search(path)
