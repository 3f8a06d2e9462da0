"""Mask secrets before a text leaves the machine.

Masked are issued secrets (detect-secrets' detectors and `secret_formats.toml`), private keys,
passwords in URLs and connection strings, and in configuration files what a name calls a secret.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from string import ascii_letters, digits

from batch_action.text import any_of

MASK = "•"

_WINDOW_CHARS = 4096
"""Longer lines are scanned in windows: some detectors take quadratic time for a line."""
_OVERLAP_CHARS = 1536

_Span = tuple[int, int]

# Most texts have no secret, and to see that must be cheap. What a secret has in lower case, by
# detector: within a long run (see `_long_runs`), else one of the two words, the second one in a
# text with a value (see `_LONG_VALUE`). The detector runs on the lines that match.
_TRIGGERS: Mapping[str, tuple[str, str, str]] = {
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
_ANY_TRIGGER = re.compile("|".join(trigger for trigger, _, _ in _TRIGGERS.values()))

_MIN_RUN = 20
"""The shortest token of a format with a prefix, or of a detector without words."""
_LONG_RUN = b"a" * _MIN_RUN
_RUN_CHARS = frozenset(f"{ascii_letters}{digits}_-.+/=$%@~".encode())
"""The characters of prefixes and of what follows them."""
_RUN_CLASSES = bytes(ord("a" if byte in _RUN_CHARS else " ") for byte in range(256))

_LONG_VALUE = re.compile(r"[A-Za-z0-9+/%]{20}|[\w@=-]{35}|Q~", re.ASCII)
"""Within the long runs of each text with a secret of an expression of `secret_formats.toml`."""
_SHORT_VALUES = ("airtable", "basic ", "bearer ")
"""The words of those whose secrets may be shorter."""

_ALPHABETS = {
    "d": "[0-9]",
    "h": "[a-f0-9]",
    "H": "[a-fA-F0-9]",
    "l": "[a-z0-9]",
    "U": "[A-Z0-9]",
    "a": "[A-Za-z0-9]",
    "w": r"[\w-]",
    "j": r"[\w.-]",
    "b": r"[\w+/=-]",
    "$": "[a-z0-9$]",
}
_DIGIT_LENGTH = 28
"""Random characters of this number have a digit; a long name in code often has none."""

_URL_PASSWORD = re.compile(r"://[^\s:/@\"'`<>]{0,200}:([^\s/\"'`<>]{3,300})@")
# `Server=…;Password=…` in any order.
_CONNECTION_PASSWORD = re.compile(
    r"(?:^|[;\"'\s=])(?:password|pwd)\s*=\s*([^;\"'\s]{3,300})", re.IGNORECASE | re.MULTILINE
)
_PASSWORD_WORD = re.compile(r"password|pwd")
_PART = r"\b(?:server|data source|host|uid|user id|user|accountendpoint)\s*="
_PART_BEFORE = re.compile(rf"{_PART}[^;\n]*;", re.IGNORECASE)
_PART_AFTER = re.compile(rf";\s*{_PART}", re.IGNORECASE)
# `host=db user=app password=… dbname=x`, `?user=app&password=…`, `app:…@tcp(db:3306)`, commands.
_OTHER_PASSWORD = re.compile(
    r"\b(?:host|user|dbname|port)=[^\s,;()\"']{1,200}[^\S\n]+password=([^\s,;()\"'\\]{3,300})"
    r"|[?&](?:password|passwd|pwd)=([^&;|\s\"'`<>]{3,300})"
    r"|\b[\w.-]{1,100}:([^\s:@/\"'`]{3,300})@(?:tcp|unix)\("
    r"|\b(?:curl|wget)\b[^\n]{0,300}?[^\S\n](?:-u|--user)[^\S\n=]*[\"']?[\w.@-]{1,100}:"
    r"([^\s:;&|<>\"'`]{3,300})"
    r"|\bsshpass[^\S\n]+-p[^\S\n]*[\"']?([^\s;&|<>\"'`]{3,300})",
    re.IGNORECASE,
)
_OTHER_WORD = re.compile(r"pass(?:word|wd)=|pwd=|@(?:tcp|unix)\(|curl|wget|sshpass")
"""In lower case, on the line of each."""
_COMMANDS, _SOCKETS = ("curl", "wget", "sshpass"), ("@tcp(", "@unix(")
_CONNECTION_CHARS = 500
"""Around a password, where the other parts of its connection string are."""

_CONFIGURATION = re.compile(
    r"\.env(\..*)?|[._]netrc|\.npmrc|\.pypirc|\.my\.cnf|config|credentials|.*dockerfile.*|.*\.(?:bash|cfg|cnf"
    r"|conf|config|env|hcl|ini|json|json5|jsonc|plist|properties|props|sh|tf|tfvars|toml|xml|ya?ml)",
    re.IGNORECASE,
)
_TRANSLATIONS = re.compile(
    r"(?:^|/)(?:i18n|l10n|lang|langs|languages|locales?|messages|translations?)(?:/|[._-]|$)",
    re.IGNORECASE,
)
# Names of what is not the secret itself: `existingSecret: name`, `imagePullSecret: name`.
_NAME = (
    r"(?![\w.-]{0,60}(?:existing|pull)[_-]?secret)[\w.:/@-]{0,60}?(?:passw(?:or)?d|passwd|pwd"
    r"|passphrase|passcode|requirepass|(?<![a-z])pass|secret|token|credentials?|api[_.-]?key"
    r"|(?:access|auth|encryption|license|master|private|secret|shared|signing)[_.-]?key)"
)
_QUOTED = r"(?:\"((?:[^\"\s\\]|\\[^\n]){3,300})\"|'((?:[^'\s]|''){3,300})')"
_VALUE = (
    rf"(?:!!(?:str|binary)[^\S\n]+)?(?:{_QUOTED}|\"\"\"([^\"\s]{{3,300}})\"\"\""
    r"|[|>][+-]?[^\S\n]*\n[^\S\n]+([^\s\"'<>{}\[\]()|&]{3,300})(?=[^\S\n]*$)"
    r"|([^\s\"'#,;<>{}\[\]()|&!][^\s\"';<>{}\[\]()|&]{2,299}?)"
    r"(?=[^\S\n]*(?:[\"']?[,;}]{0,2}[^\S\n]*$|[^\S\n]#)))"
)
# `NAME = value` on a line of its own, in braces, on a command line, and `name: NAME` before
# `value: …`.
_ASSIGNMENT = re.compile(
    r"^[^\S\n]*(?:export |set |local |readonly |ENV |ARG |- )?[\"']?"
    rf"{_NAME}[\"']?[^\S\n]*(?:=>|[=:])[^\S\n]*{_VALUE}"
    rf"|[{{,][^\S\n]*[\"']?{_NAME}[\"']?[^\S\n]*[:=][^\S\n]*"
    rf"(?:{_QUOTED}|([^\s\"',;<>{{}}\[\]()|&]{{3,300}})(?=[^\S\n]*[,}}]))"
    rf"|(?:^|[\s;\"'=])(?:--?)?{_NAME}=(?:{_QUOTED}|([^\s\"',;<>{{}}\[\]()|&#`]{{3,300}})(?=[\s;\"']))"
    rf"|[\s\"']--{_NAME}[\"']?,?[^\S\n]+[\"']?(?=\S{{0,300}}\d)([^\s\"',;=<>{{}}()\[\]|&-]{{3,300}})"
    rf"|^[^\S\n]*ENV[^\S\n]+{_NAME}[^\S\n]+([^\s\"'=]{{3,300}})[^\S\n]*$"
    rf"|\b(?:name|key)[\"']?[=:\s][^\S\n]?[\"']?{_NAME}[\"']?,?\s[^\S\n]*[\"']?value[\"']?[^\S\n]*"
    rf"[=:][^\S\n]*{_VALUE}"
    r"|\blogin[^\S\n]+\S{1,100}\s+password[^\S\n]+(\S{3,300})",
    re.IGNORECASE | re.MULTILINE,
)
_ELEMENT = re.compile(
    rf"<(?:{_NAME}|\w{{1,40}} name=\"{_NAME}\"|key>{_NAME}</key>\s{{0,80}}<string)>"
    r"(?:<!\[CDATA\[)?([^<>\s\[\]]{3,300})(?:\]\]>)?</",
    re.IGNORECASE,
)
_VARIABLE = re.compile(
    rf"\bvariable[^\S\n]+\"{_NAME}\"\s{{0,9}}\{{[^{{}}]{{0,500}}?\bdefault[^\S\n]*=[^\S\n]*{_QUOTED}",
    re.IGNORECASE,
)
_NAME_WORD = re.compile(r"pass|pwd|secret|token|credential|key")
_NUMBER = re.compile(r"[\d_.]+")
_PASSWORD_NAME = re.compile(r"pass[wp]|passcode|pwd", re.IGNORECASE)
# What stands for a secret: a reference, a call, a path, a type or a placeholder.
_REFERENCE = re.compile(
    r"\$[\w({]|.*(?:\$\{|\{\{|\$\(|\w\(|`)|%\(?\w+[%)]?|\{.*\}$|<.*>$|\[.*\]$|\*\w+$|@@?\w+(?:@|[.(])|\w+://"
    r"|(?:~|\.{1,2})?/[\w./-]+$|arn:"
    r"|(?:var|local|data|module|secrets?|env|process\.env|os\.environ|vault|op|ssm|sops|file)[.:/\[]"
    r"|[•*x.\-_#]+$"
    r"|.*(?:your|example|change[-_ ]?(?:me|it)|placeholder|replace|redacted|dummy|insert|todo)"
    r"|(?:none|null|nil|true|false|yes|no|on|off|string|str|text|bool(?:ean)?|int(?:eger)?|number"
    r"|object|array|any|required|optional|undefined|unset|empty|default|read|write|inherit|sensitive"
    r"|(?:[\w-]+[_-])?(?:pass(?:w(?:or)?d|wd)?|pwd|secret|token|key)|apikey|bearer|basic)$",
    re.IGNORECASE,
)


@cache
def _formats() -> tuple[list[tuple[str, re.Pattern[str]]], list[tuple[str, re.Pattern[str]]]]:
    """Return our formats: (prefix, rest), and (text in lower case, expression)."""
    file = resources.files("batch_action.clients").joinpath("secret_formats.toml")
    data = tomllib.loads(file.read_text("utf-8"))
    with_prefix = []
    for _, prefixes, alphabet, length, *_ in data["prefixes"]:
        run = _ALPHABETS[alphabet]
        digit = rf"(?={run}{{0,255}}?\d)" if length >= _DIGIT_LENGTH else ""
        rest = re.compile(rf"{digit}{run}{{{length},}}", re.ASCII)
        with_prefix += [(prefix, rest) for prefix in prefixes]
    patterns = [(row[1].lower(), re.compile(row[2], re.ASCII)) for row in data["patterns"]]
    return with_prefix, patterns


@cache
def _any_prefix() -> re.Pattern[str]:
    """Return what finds the prefix of one of our formats where it begins a word."""
    return re.compile(f"[^A-Za-z0-9](?:{any_of(prefix for prefix, _ in _formats()[0])})")


_WORDS = (*_SHORT_VALUES, *filter(None, (word for _, word, _ in _TRIGGERS.values())))
_WORDS_WITH_VALUE = tuple((word, None) for _, _, word in _TRIGGERS.values() if word)
_LOWER = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_TAIL = re.compile(r"[A-Za-z0-9_\-]*")


def mask(text: str, path: str = "") -> tuple[str, int]:
    """Replace every character of each secret by `•`; return the text and the number of secrets.

    Line ends inside a secret stay, so no line changes its number or its length. Masking a masked
    text changes nothing. `path`: of a configuration file, assigned literals are masked as well.
    """
    if not may_have_secret(text, path):
        return text, 0
    lower = text.lower()
    if len(lower) != len(text):  # some letters become longer, which would shift offsets
        lower = text.translate(_LOWER)
    spans = [*_private_key_spans(text), *_token_spans(text, lower), *_password_spans(text, lower)]
    if is_configuration(path):
        spans += _assignment_spans(text, lower)
    if not spans:
        return text, 0
    merged = _merge(spans)
    pieces, at = [], 0
    for start, end in merged:
        pieces += [text[at:start], re.sub(r"[^\r\n]", MASK, text[start:end])]
        at = end
    return "".join((*pieces, text[at:])), len(merged)


def may_have_secret(text: str, path: str = "") -> bool:
    """Return whether `mask` has to be asked: False means that it changes nothing in this text.

    Nor in any other text all of whose lines are among the lines of this one: whatever is looked for
    is on one line.
    """
    lower = text.lower()
    return (
        len(lower) != len(text)
        or any(begin in text for begin in _BEGINS)
        or _may_have_password(text, lower)
        or _may_have_token(text, lower)
        or (is_configuration(path) and _NAME_WORD.search(lower) is not None)
    )


def _may_have_token(text: str, lower: str) -> bool:
    runs = _long_runs(text)
    return (
        any(word in lower for word in _WORDS)
        or _any_prefix().search(runs) is not None
        or _ANY_TRIGGER.search(runs.lower()) is not None
        or (
            _LONG_VALUE.search(runs) is not None
            and any(word in lower for word, _ in (*_formats()[1], *_WORDS_WITH_VALUE))
        )
    )


def _may_have_password(text: str, lower: str) -> bool:
    has_at = "@" in text
    return (
        "passw" in lower
        or "pwd" in lower
        or any(word in lower for word in _COMMANDS)
        or (has_at and any(word in lower for word in _SOCKETS))
        or (has_at and "://" in text and _URL_PASSWORD.search(text) is not None)
    )


def _token_spans(text: str, lower: str) -> Iterator[_Span]:
    with_prefix, patterns = _formats()
    runs = _long_runs(text)
    if _any_prefix().search(runs):
        yield from _spans_with_prefix(text, runs, with_prefix)
    has_value = _LONG_VALUE.search(runs) is not None
    for keyword, pattern in patterns:
        if (has_value or keyword in _SHORT_VALUES) and keyword in lower:
            yield from (match.span(pattern.groups) for match in pattern.finditer(text))
    lower_runs = runs.lower()
    has_trigger = _ANY_TRIGGER.search(lower_runs) is not None
    for name, (expression, word, word_with_value) in _TRIGGERS.items():
        if (
            (word and word in lower)
            or (has_value and word_with_value and word_with_value in lower)
            or (has_trigger and re.search(expression, lower_runs))
        ):
            # Only here: the detectors take long to import.
            from batch_action.clients.secret_detectors import find_secrets  # noqa: PLC0415

            for start, piece in _pieces_with_trigger(text, lower, re.compile(expression)):
                yield from ((start + a, start + b) for a, b in find_secrets(name, piece))


def _spans_with_prefix(
    text: str, runs: str, formats: Iterable[tuple[str, re.Pattern[str]]]
) -> Iterator[_Span]:
    """Yield the tokens of the formats (prefix, rest) of which a prefix is in the long runs."""
    for prefix, rest in formats:
        at = text.find(prefix) if prefix in runs else -1
        while at >= 0:
            end = at + len(prefix)
            begins_word = not at or not text[at - 1].isalnum()
            if begins_word and (match := rest.match(text, end)):
                tail = _TAIL.match(text, match.end())
                yield at, (end := tail.end() if tail else match.end())
            at = text.find(prefix, end)


def _long_runs(text: str) -> str:
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


def _password_spans(text: str, lower: str) -> Iterator[_Span]:
    """Yield the passwords in URLs and connection strings."""
    if "@" in text and "://" in text:
        yield from _literals(_URL_PASSWORD.finditer(text))
    has_password = "passw" in lower or "pwd" in lower
    sockets = _SOCKETS if "@" in text else ()
    for match in _connection_passwords(text, lower) if has_password else ():
        start = max(text.rfind("\n", 0, match.start()) + 1, match.start() - _CONNECTION_CHARS)
        before = text[start : match.start() + 1]
        after = text[match.end() : match.end() + _CONNECTION_CHARS].partition("\n")[0]
        if _PART_BEFORE.search(before) or _PART_AFTER.match(after):
            yield from _literals([match])
    if has_password or any(word in lower for word in (*_COMMANDS, *sockets)):
        for start, end in _lines_with(_OTHER_WORD, lower):
            yield from _literals(_OTHER_PASSWORD.finditer(text, start, end))


def _connection_passwords(text: str, lower: str) -> Iterator[re.Match[str]]:
    """Yield the matches of `_CONNECTION_PASSWORD`, looked for at its words only."""
    end = 0
    for word in _PASSWORD_WORD.finditer(lower):
        # With the character before it; at the beginning of the text there is none.
        start = max(word.start() - 1, 0)
        if start >= end and (match := _CONNECTION_PASSWORD.match(text, start)):
            yield match
            end = match.end()


def _lines_with(word: re.Pattern[str], lower: str) -> Iterator[_Span]:
    """Yield the start and the end of each line that has a match of *word*."""
    end = -1
    for match in word.finditer(lower):
        if match.start() < end:
            continue
        start = lower.rfind("\n", 0, match.start()) + 1
        end = lower.find("\n", match.start())
        end = len(lower) if end < 0 else end
        yield start, end


def _assignment_spans(text: str, lower: str) -> Iterator[_Span]:
    """Yield the literals of a configuration file that their names call secrets."""
    end = -1
    for word in _NAME_WORD.finditer(lower):
        if word.start() < end:
            continue
        start = text.rfind("\n", 0, word.start()) + 1
        # A value may be on the line after its name.
        end = text.find("\n", text.find("\n", word.end()) + 1)
        end = len(text) if end < 0 else end
        for pattern in (_ASSIGNMENT, _ELEMENT):
            for match in pattern.finditer(text, start, end):
                group = match.lastindex or 0
                name = text[match.start() : match.start(group)]
                if _PASSWORD_NAME.search(name) or not _NUMBER.fullmatch(match[group]):
                    yield from _literals([match])
    if "variable" in lower:
        yield from _literals(_VARIABLE.finditer(text))


def _literals(matches: Iterable[re.Match[str]]) -> Iterator[_Span]:
    """Yield the last group of each match that is no reference and no placeholder."""
    for match in matches:
        group = match.lastindex or 0
        if not _REFERENCE.match(match[group]):
            yield match.span(group)


def _pieces_with_trigger(
    text: str, lower: str, trigger: re.Pattern[str]
) -> Iterator[tuple[int, str]]:
    """Yield (offset, text) of each line with the trigger, long lines in overlapping windows."""
    for start, end in _lines_with(trigger, lower):
        for at in range(
            start, max(end - _OVERLAP_CHARS, start + 1), _WINDOW_CHARS - _OVERLAP_CHARS
        ):
            if trigger.search(lower, at, min(at + _WINDOW_CHARS, end)):
                yield at, text[at : min(at + _WINDOW_CHARS, end)]


def _merge(spans: Sequence[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


_BEGINS = ("PRIVATE KEY", "PuTTY-User-Key-File")
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
    if not any(begin in text for begin in _BEGINS):
        return
    begins = list(_BEGIN.finditer(text))
    limits = [*(begin.start() for begin in begins), len(text)][1:]
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
