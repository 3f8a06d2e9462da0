"""Estimate how risky a changed file is: the riskiest are sent first under the cost cap."""

import math
import re

_RISKY_WORDS = (
    (2.5, r"auth|login|logins|session|sessions|oauth|sso|saml|jwt|permission|permissions|acl|rbac"),
    (2.5, r"crypto|crypt|cipher|password|passwords|secret|secrets|token|tokens|signature|tls|ssl"),
    (2.0, r"payment|payments|billing|invoice|invoices|checkout|wallet|money|price|pricing"),
    (2.0, r"sql|query|queries|database|db|migration|migrations|orm|repository"),
    (2.0, r"security|sanitize|escape|upload|uploads|webhook|webhooks|exec|eval|subprocess|shell"),
    (1.5, r"workflows|dockerfile|terraform|k8s|helm|deploy|deployment|ci|infra|ansible"),
    (1.5, r"api|handler|handlers|controller|controllers|middleware|server|routes|router|admin"),
    (1.3, r"parser|parse|serialize|deserialize|pickle|lock|locks|concurrency|thread|async|cache"),
)
_HARMLESS_WORDS = (
    (0.3, r"test|tests|spec|specs|e2e|fixture|fixtures|mock|mocks|testdata|conftest"),
    (0.2, r"doc|docs|documentation|readme|example|examples|sample|samples|demo|demos|stories"),
)
_DOCS = re.compile(r"\.(?:md|mdx|rst|adoc|txt|tex)$", re.IGNORECASE)
_DATA = re.compile(r"\.(?:json|ya?ml|toml|ini|cfg|xml|html?|s?css|less)$", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def _factors(rows: tuple[tuple[float, str], ...]) -> dict[str, float]:
    """Return the factor of each word."""
    return {word: factor for factor, words in rows for word in words.split("|")}


_RISKY_FACTORS = _factors(_RISKY_WORDS)
_HARMLESS_FACTORS = _factors(_HARMLESS_WORDS)
_TEST_WORDS = frozenset(_HARMLESS_WORDS[0][1].split("|"))


def is_test_path(path: str) -> bool:
    """Return whether a word of the path says that the file belongs to tests."""
    return not _TEST_WORDS.isdisjoint(word.lower() for word in _WORD.findall(path))


def risk(path: str, *, changed: int, churn: int) -> float:
    """Return a score above 0; only the order of scores means something.

    The words of the *path* are looked up in lists of risky and harmless words. *changed*: lines
    added or removed, or all lines in a whole-file review. *churn*: recent commits of the path.
    """
    words = {word.lower() for word in _WORD.findall(path)}
    factor = max((_RISKY_FACTORS.get(word, 1.0) for word in words), default=1.0)
    factor *= min((_HARMLESS_FACTORS.get(word, 1.0) for word in words), default=1.0)
    if _DOCS.search(path):
        factor *= 0.2
    elif _DATA.search(path) and factor <= 1:
        factor *= 0.6
    size = 1 + math.log2(1 + max(changed, 0))
    history = 1 + 0.25 * math.log2(1 + max(churn, 0))
    return round(size * history * factor, 4)
