"""The places of secrets in a text that may have some: see `secret_triggers`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from batch_action.clients.secret_triggers import (
    BEGINS,
    COMMANDS,
    LONG_VALUE,
    NAME_WORD,
    SHORT_VALUES,
    SOCKETS,
    TRIGGERS,
    URL_PASSWORD,
    formats,
    has_token,
    long_runs,
)

_WINDOW_CHARS = 4096
"""Longer lines are scanned in windows: some detectors take quadratic time for a line."""
_OVERLAP_CHARS = 1536

_Span = tuple[int, int]

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
_CONNECTION_CHARS = 500
"""Around a password, where the other parts of its connection string are."""

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


_TAIL = re.compile(r"[A-Za-z0-9_\-]*")


def find_spans(text: str, lower: str, *, is_config: bool) -> list[_Span]:
    """Return the start and the end of each secret, in order; *lower*: the text in lower case.

    *is_config*: of a configuration file, assigned literals are secrets as well.
    """
    spans = [*_private_key_spans(text), *_token_spans(text, lower), *_password_spans(text, lower)]
    if is_config:
        spans += _assignment_spans(text, lower)
    return _merge(spans)


def _token_spans(text: str, lower: str) -> Iterator[_Span]:
    runs = long_runs(text)
    has_value = LONG_VALUE.search(runs) is not None
    for _, word, expression, *_ in formats()["patterns"]:
        keyword = word.lower()
        if (has_value or keyword in SHORT_VALUES) and keyword in lower:
            pattern = re.compile(expression, re.ASCII)
            yield from (match.span(pattern.groups) for match in pattern.finditer(text))
    has_trigger = has_token()(runs)
    if has_trigger:
        yield from _spans_with_prefix(text, runs)
    lower_runs = runs.lower()
    for name, (expression, word, word_with_value) in TRIGGERS.items():
        if (
            (word and word in lower)
            or (has_value and word_with_value and word_with_value in lower)
            or (has_trigger and re.search(expression, lower_runs))
        ):
            # Only here: the detectors take long to import.
            from batch_action.clients.secret_detectors import find_secrets  # noqa: PLC0415

            for start, piece in _pieces_with_trigger(text, lower, re.compile(expression)):
                yield from ((start + a, start + b) for a, b in find_secrets(name, piece))


def _spans_with_prefix(text: str, runs: str) -> Iterator[_Span]:
    """Yield the tokens of the formats of which a prefix is in the long runs."""
    for _, prefixes, alphabet, length, *_ in formats()["prefixes"]:
        for prefix in prefixes:
            at = text.find(prefix) if prefix in runs else -1
            while at >= 0:
                end = at + len(prefix)
                begins_word = not at or not text[at - 1].isalnum()
                if begins_word and (match := _rest_of(alphabet, length).match(text, end)):
                    tail = _TAIL.match(text, match.end())
                    yield at, (end := tail.end() if tail else match.end())
                at = text.find(prefix, end)


@cache
def _rest_of(alphabet: str, length: int) -> re.Pattern[str]:
    """Return the expression for what follows the prefix of a token."""
    run = _ALPHABETS[alphabet]
    digit = rf"(?={run}{{0,255}}?\d)" if length >= _DIGIT_LENGTH else ""
    return re.compile(rf"{digit}{run}{{{length},}}", re.ASCII)


def _password_spans(text: str, lower: str) -> Iterator[_Span]:
    """Yield the passwords in URLs and connection strings."""
    if "@" in text and "://" in text:
        yield from _literals(URL_PASSWORD.finditer(text))
    has_password = "passw" in lower or "pwd" in lower
    sockets = SOCKETS if "@" in text else ()
    for match in _connection_passwords(text, lower) if has_password else ():
        start = max(text.rfind("\n", 0, match.start()) + 1, match.start() - _CONNECTION_CHARS)
        before = text[start : match.start() + 1]
        after = text[match.end() : match.end() + _CONNECTION_CHARS].partition("\n")[0]
        if _PART_BEFORE.search(before) or _PART_AFTER.match(after):
            yield from _literals([match])
    if has_password or any(word in lower for word in (*COMMANDS, *sockets)):
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
    for word in NAME_WORD.finditer(lower):
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
    if not any(begin in text for begin in BEGINS):
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
