"""Mask secrets before a text leaves the machine.

Masked are issued secrets (detect-secrets' detectors and `secret_formats.toml`), private keys,
passwords in URLs and connection strings, and in configuration files what a name calls a secret.
"""

import re

from batch_action.clients.secret_triggers import is_configuration, may_have_secret

MASK = "•"
_LOWER = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def mask(text: str, path: str = "") -> tuple[str, int]:
    """Replace every character of each secret by `•`; return the text and the number of secrets.

    Line ends inside a secret stay, so no line changes its number or its length. Masking a masked
    text changes nothing. `path`: of a configuration file, assigned literals are masked as well.
    """
    if not may_have_secret(text, path):
        return text, 0
    # Only here: its expressions take long to compile, and most texts have no secret.
    from batch_action.clients.secret_spans import find_spans  # noqa: PLC0415

    lower = text.lower()
    if len(lower) != len(text):  # some letters become longer, which would shift offsets
        lower = text.translate(_LOWER)
    spans = find_spans(text, lower, is_config=is_configuration(path))
    pieces, at = [], 0
    for start, end in spans:
        pieces += [text[at:start], re.sub(r"[^\r\n]", MASK, text[start:end])]
        at = end
    return "".join((*pieces, text[at:])), len(spans)
