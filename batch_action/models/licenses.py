"""License identifiers as the SPDX list has them, and what a repository says of its licenses."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensing:
    """Under which licenses the code of a repository is, may be, and must not be."""

    own: tuple[tuple[str, str], ...] = ()
    """The file that says so, and the expression it names, in normal form."""
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    """The lines every header must have, with their placeholders; empty: any header will do."""

    def permits(self, expression: str) -> bool:
        """Whether code under a valid expression may be here: one of its choices is accepted.

        Where nothing is known about the repository's licenses, everything may.
        """
        accepted = {family(name) for _, own in self.own for name in licenses_in(own)}
        known = bool(accepted or self.allowed)
        return not known or _holds(
            expression, lambda name: self._allows(name) or family(_plain(name)) in accepted
        )

    def denies(self, expression: str) -> bool:
        """Whether no choice of a valid expression is without a denied license."""
        return not _holds(expression, lambda name: not self._forbids(name))

    def _allows(self, name: str) -> bool:
        return name in self.allowed or _plain(name) in self.allowed

    def _forbids(self, name: str) -> bool:
        # An exception takes nothing away from the license, unless somebody looked at just this one.
        return name in self.denied or (_plain(name) in self.denied and name not in self.allowed)


def _plain(name: str) -> str:
    """A license without its exception."""
    return name.partition(" WITH ")[0]


def family(name: str) -> str:
    """A license without its `-only` or `-or-later`: the text of the license is the same."""
    return name.replace("-or-later", "").replace("-only", "")


def spdx_id(text: str) -> str | None:
    """The identifier (with its exception) as the list writes it; None when it has none such."""
    found = spdx_expression(text)
    return found if found and not any(word in found for word in (" AND ", " OR ")) else None


def spdx_expression(text: str) -> str | None:
    """An expression of identifiers in its normal form; None when it is none."""
    if not text.strip() or len(text) > LONGEST or "licenseref" in text.lower():
        return None
    return _normalised(text.strip())


def licenses_in(expression: str) -> frozenset[str]:
    """The identifiers of a valid expression, each with its exception."""
    parsed = _licensing().parse(expression)
    symbols = _licensing().license_symbols(parsed, decompose=False)
    return frozenset(symbol.render("{symbol.key}") for symbol in symbols)


def _holds(expression: str, accepts: Callable[[str], bool]) -> bool:
    return _met(_licensing().parse(expression), accepts)


def _met(node: Any, accepts: Callable[[str], bool]) -> bool:
    licensing = _licensing()
    if isinstance(node, licensing.OR):
        return any(_met(one, accepts) for one in node.args)
    if isinstance(node, licensing.AND):
        return all(_met(one, accepts) for one in node.args)
    return accepts(node.render("{symbol.key}"))


@lru_cache(maxsize=1_000)
def _normalised(text: str) -> str | None:
    try:
        told = _licensing().validate(text).normalized_expression
    except (AttributeError, LookupError, TypeError, ValueError):
        # The library stumbles over some texts that are no expressions, e.g. `MIT AND`.
        return None
    return str(told) if told else None


@cache
def _licensing() -> Any:
    # Importing it takes longer than all other imports, and few runs are about licenses.
    from license_expression import get_spdx_licensing  # noqa: PLC0415

    return get_spdx_licensing()
