"""What an input declares besides its type, the types that inputs share, and rules of a monorepo."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, unique
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from batch_action.models.licenses import spdx_id

MAX_SLUG_WORD_CHARS = 12
AWS_REGION_PATTERN = r"^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$"
"""It becomes part of the host that the key is sent to: no dot, slash or @."""
AWS_WORKSPACE_PATTERN = r"^[A-Za-z0-9_-]{1,128}$"


@unique
class Place(Enum):
    """Where an input can be set, besides its variable and the flags of commands."""

    FILE = (False, True)
    """The config file."""
    ACTION = (True, True)
    """action.yml and the config file."""
    ACTION_ONLY = (True, False)
    """action.yml: keys, tokens, URLs, what guards a secret, and what concerns one run."""
    FLAG = (False, False)
    """Neither."""


@dataclass(frozen=True, slots=True)
class Input:
    """What an input declares besides its type and default."""

    help: str
    """One sentence for action.yml, `--help` and the docs."""
    place: Place = Place.FILE
    expected: str = ""
    """What the field's pattern accepts, in words, for the error message."""
    guarded: bool = False
    """Only the default branch's config file sets it; a cap in another branch's can only lower."""

    @property
    def action(self) -> bool:
        """Whether action.yml declares it."""
        return self.place.value[0]

    @property
    def file(self) -> bool:
        """Whether the config file may contain it."""
        return self.place.value[1]


def split_lines(value: Any) -> Any:
    """Split text into its lines, without blank ones; leave a list as it is."""
    if isinstance(value, str):
        return tuple(item for line in value.splitlines() if (item := line.strip()))
    return value


def split_words(value: Any) -> Any:
    """Split text at commas and line breaks, without blank items; leave a list as it is."""
    if isinstance(value, str):
        return tuple(item for word in re.split(r"[,\n]", value) if (item := word.strip()))
    return value


MAX_ALTERNATIVES = 64
"""Patterns that one pattern with braces may stand for."""


def split_patterns(value: Any) -> Any:
    r"""Return gitignore patterns from what other tools take, too; leave what is no text as it is.

    Commas separate, `{ts,tsx}` stands for both, `\` may separate folders, `./` is the root, quotes
    and a comment after a blank are dropped. Extended globs and regular expressions are refused.
    """
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
        return value
    return tuple(pattern for line in lines for pattern in _patterns_of(line))


def _patterns_of(line: str) -> Iterator[str]:
    text = re.sub(r"(?:^|\s+)#.*", "", line.strip())
    text = re.sub(r"""^(!?)(["'`])(.*)\2$""", r"\1\3", text)
    words = (word.strip() for part in _expand_braces(text) for word in part.split(","))
    for pattern in dict.fromkeys(filter(None, words)):
        if re.search(r"[@+?*]\(|!\([^)]*\||^!?\^|\$$", pattern):
            raise _pattern_error(
                line, "is an extended glob or a regular expression, not gitignore's"
            )
        path = re.sub(r"\\+(?=[\w.*-]|$)", "/", pattern.removeprefix("!"))
        if path.startswith("../"):
            raise _pattern_error(line, "leads out of the repository; patterns begin at its root")
        path = re.sub(r"^(?:\./+)+", "/", path)
        sign = "!" if pattern.startswith("!") else ""
        yield sign + ("**" if path in (".", "/") else path)


def _pattern_error(pattern: str, problem: str) -> PydanticCustomError:
    return PydanticCustomError("pattern", "{text}", {"text": f"{pattern!r} {problem}"})


def _expand_braces(pattern: str) -> list[str]:
    """Return the patterns that `{a,b}` stands for; braces without a comma stay."""
    patterns = [pattern]
    while any(found := [re.search(r"\{([^{}]*,[^{}]*)\}", p) for p in patterns]):
        patterns = [
            p[: match.start()] + word.strip() + p[match.end() :] if match else p
            for p, match in zip(patterns, found, strict=True)
            for word in (match[1].split(",") if match else ("",))
        ]
        if len(patterns) > MAX_ALTERNATIVES:
            raise _pattern_error(pattern, f"stands for more than {MAX_ALTERNATIVES} patterns")
    return patterns


def check_state_key(value: str) -> str:
    """Refuse a `state-key` that would give a ledger the name of the pull requests' ledger."""
    if f"-{value}".endswith("-pr"):
        raise PydanticCustomError("reserved", "`-pr` ends the name of the pull requests' ledger")
    return value


def check_secret_url(value: SecretStr) -> SecretStr:
    """Refuse a URL that is neither https nor http on this machine."""
    url = _parse_url(value.get_secret_value())
    is_local = url is not None and url.hostname in ("localhost", "127.0.0.1", "::1")
    if url is None or not (url.scheme == "https" or (is_local and url.scheme == "http")):
        raise PydanticCustomError("secret_url", "not an https:// URL")
    return value


def _parse_url(text: str) -> SplitResult | None:
    # Blanks and control characters could break a log line or a header.
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return None
    is_clean = text.isascii() and text.isprintable() and " " not in text
    return url if is_clean and url.hostname and not url.username else None


def decode_signing_key(text: str) -> bytes:
    """Decode a key of Standard Webhooks: base64, with or without `whsec_`. Raises ValueError."""
    text = text.removeprefix("whsec_")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def check_signing_key(value: SecretStr) -> SecretStr:
    """Refuse a key that is not base64, with or without the `whsec_` of Standard Webhooks."""
    try:
        key = decode_signing_key(value.get_secret_value())
    except ValueError:
        key = b""
    if not key:
        raise PydanticCustomError("signing_key", "not a signing key")
    return value


def normalize_spdx_ids(names: tuple[str, ...]) -> tuple[str, ...]:
    """Spell license identifiers as the SPDX list does; refuse those that it does not have."""
    unknown = [name for name in names if spdx_id(name) is None]
    if unknown:
        raise PydanticCustomError(
            "spdx", "the SPDX list does not have {names}", {"names": ", ".join(map(repr, unknown))}
        )
    return tuple(spdx_id(name) or name for name in names)


MIN_SECRET_PATH_CHARS = 16
"""A shorter path of a secret URL hides nothing and is a word that logs need."""


def secret_texts(values: Iterable[Any]) -> tuple[str, ...]:
    """Return what logs must mask: every secret among the values, and long paths of secret URLs."""
    secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    urls = (urlsplit(text) for text in secrets if text.startswith(("http://", "https://")))
    return (*secrets, *(u.path for u in urls if len(u.path) >= MIN_SECRET_PATH_CHARS))


WITHOUT_BATCHES = frozenset({"bedrock", "vertex", "foundry"})
"""Providers without Anthropic's Message Batches API (its SDK 2.14 refuses batches there)."""


def check_provider(value: Any) -> Any:
    """Refuse the providers that have no message batches by saying so."""
    if isinstance(value, str) and WITHOUT_BATCHES & set(re.findall("[a-z]+", value.lower())):
        raise PydanticCustomError(
            "provider",
            "{name} does not have Anthropic's Message Batches API; use `anthropic`, or `aws` for "
            "Claude Platform on AWS",
            {"name": value},
        )
    return value


Provider = Annotated[Literal["anthropic", "aws"], BeforeValidator(check_provider)]
Limit = Annotated[
    int,
    Field(ge=0, le=100_000),
    # YAML reads a bare `off` as false.
    BeforeValidator(lambda value: 0 if value in ("off", "false", False) else value),
]
"""A limit that 0 or `off` turns off."""
# YAML reads a bare `off` as false.
_FALSE_AS_OFF = BeforeValidator(lambda value: "off" if value is False else value)
PromptCache = Annotated[Literal["off", "warm"], _FALSE_AS_OFF]
Verify = Annotated[Literal["off", "critical", "high"], _FALSE_AS_OFF]
Lines = Annotated[tuple[str, ...], BeforeValidator(split_lines)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(split_patterns)]
Words = Annotated[tuple[str, ...], BeforeValidator(split_words)]
LabelName = Annotated[str, Field(max_length=50)]
"""GitHub refuses a longer label with 422 (seen November 2026)."""
Labels = Annotated[tuple[LabelName, ...], BeforeValidator(split_words)]
LicenseIds = Annotated[Words, AfterValidator(normalize_spdx_ids)]
Secret = SecretStr | None
SecretUrl = Annotated[SecretStr, AfterValidator(check_secret_url)] | None
SigningKey = Annotated[SecretStr, AfterValidator(check_signing_key)] | None
BUILT_IN_TASKS = frozenset(
    {
        "code-review",
        "security-scan",
        "test-generation",
        "documentation",
        "refactor-validation",
        "license-check",
    }
)
"""Other tasks are custom ones."""
Effort = Literal["low", "medium", "high", "xhigh", "max", "none"]
Destination = Literal[
    "issue",
    "issue-per-finding",
    "pr-review",
    "draft-pr",
    "sarif",
    "summary",
    "annotations",
    "files",
    "slack",
    "webhook",
]
Destinations = Annotated[tuple[Destination, ...], BeforeValidator(split_words)]
_EmptyAsNone = BeforeValidator(lambda value: None if value == "" else value)


def _check_name(name: str) -> str:
    # `-pr` ends the name of the pull requests' ledger.
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,19}", name) or re.search(r"(^|-)pr$", name):
        raise PydanticCustomError(
            "rule_name",
            "a rule's name has at most 20 of `a-z`, `0-9`, `_` and `-`, and does not end in `pr`",
        )
    return name


class Rule(BaseModel):
    """Settings for the files that `paths` matches; a key that is not set is as for all files."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )

    name: Annotated[Annotated[str, AfterValidator(_check_name)] | None, _EmptyAsNone] = None
    """Names its ledger and issue, so that its paths may change."""
    paths: Annotated[Patterns, Field(min_length=1)]
    task: Words = ()
    model: Annotated[str | None, _EmptyAsNone] = None
    effort: Annotated[Effort | None, _EmptyAsNone] = None
    labels: Labels | None = None
    assignees: Words | None = None

    @property
    def slug(self) -> str:
        """The name, or one derived from the paths; it does not depend on the rule's position."""
        if self.name is not None:
            return self.name
        words = re.findall(r"[a-z0-9]+", self.paths[0].lower())
        digest = hashlib.sha256("\n".join(self.paths).encode()).hexdigest()[:6]
        return f"{(words[-1] if words else 'rule')[:MAX_SLUG_WORD_CHARS]}-{digest}"


def _check_unique(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Refuse two rules that would share a ledger."""
    numbers: dict[str, int] = {}
    for number, rule in enumerate(rules, 1):
        before = numbers.setdefault(rule.slug, number)
        if before != number:
            field = "name" if rule.name else "paths"
            raise PydanticCustomError(
                "duplicate_rules",
                "rules {before} and {number} have the same {field}",
                {"before": before, "number": number, "field": field},
            )
    return rules


Rules = Annotated[tuple[Rule, ...], AfterValidator(_check_unique)]
