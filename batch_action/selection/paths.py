"""What a path says about its file: the language, whether it is a test, and how risky a change is.

The riskiest files are sent first under the cost cap.
"""

import math
import re
import tomllib
from collections.abc import Collection
from importlib import resources

_DATA = tomllib.loads((resources.files("batch_action.selection") / "paths.toml").read_text("utf-8"))
_LANGUAGES: dict[str, str] = {
    word: language for language, words in _DATA["languages"].items() for word in words.split()
}
_SHEBANG = re.compile(r"#!\s*(?:\S*/env\s+(?:-S\s*)?)?(?:\S*/)?([A-Za-z]+)")

_DOCS = re.compile(r"\.(?:md|mdx|rst|adoc|txt|tex)$", re.IGNORECASE)
_DATA_FILE = re.compile(r"\.(?:json|ya?ml|toml|ini|cfg|xml|html?|s?css|less)$", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_RISKY_FACTORS, _HARMLESS_FACTORS = (
    {word: factor for factor, words in _DATA[name] for word in words.split()}
    for name in ("risky", "harmless")
)
_TEST_WORDS = frozenset(_DATA["tests"].split())


def is_prose(path: str) -> bool:
    """Return whether the extension is one of texts for people."""
    return language_of(path) in ("markdown", "rst", "asciidoc", "latex", "text")


def language_of(path: str, text: str = "") -> str:
    """Return the language as a lower-case word; empty when name and shebang are unknown."""
    name = path.rpartition("/")[2].lower()
    _, dot, extension = name.rpartition(".")
    language = _LANGUAGES.get(name) or _LANGUAGES.get(dot + extension if dot else "")
    if language == "typescript" and text.startswith(("<?xml", "<!DOCTYPE TS")):
        return "xml"  # Qt's translations.
    if language is not None:
        return language
    if name.startswith(("dockerfile.", "containerfile.")):
        return "dockerfile"
    if name.startswith(".env."):
        return "dotenv"
    match = _SHEBANG.match(text[:200])
    return _LANGUAGES.get(f"#!{match[1].lower()}", "") if match else ""


def extensions_of(languages: Collection[str]) -> set[str]:
    """Return the extensions of files in these languages, each with its dot."""
    return {word for word, name in _LANGUAGES.items() if name in languages and word.startswith(".")}


def is_test_path(path: str) -> bool:
    """Return whether a word of the path says that the file belongs to tests."""
    return not _TEST_WORDS.isdisjoint(word.lower() for word in _WORD.findall(path))


def risk(path: str, *, changed: int, churn: int) -> float:
    """Return a score above 0; only the order of scores means something.

    The words of the *path* are looked up in lists of risky and harmless words. *changed*: lines
    added or removed, or all lines in a whole-file review. *churn*: recent commits of the path.
    """
    words = {word.lower() for word in _WORD.findall(path)}
    factor = max([_RISKY_FACTORS.get(word, 1.0) for word in words], default=1.0)
    factor *= min([_HARMLESS_FACTORS.get(word, 1.0) for word in words], default=1.0)
    if _DOCS.search(path):
        factor *= 0.2
    elif _DATA_FILE.search(path) and factor <= 1:
        factor *= 0.6
    size = 1 + math.log2(1 + max(changed, 0))
    history = 1 + 0.25 * math.log2(1 + max(churn, 0))
    return round(size * history * factor, 4)
