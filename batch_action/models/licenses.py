"""SPDX license identifiers and expressions, and a repository's license policy."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

MAX_EXPRESSION_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LicensePolicy:
    """The licenses that code in a repository has, may have and must not have."""

    repository_licenses: tuple[tuple[str, str], ...] = ()
    """The repository's licenses: (file that declares it, normalized expression)."""
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    """The lines that every header must have, with placeholders; empty: any header is valid."""

    def permits(self, expression: str) -> bool:
        """Return whether a choice of a valid expression is allowed.

        Where no license of the repository is known and none is listed, everything is allowed.
        """
        families = {
            license_family(name)
            for _, declared in self.repository_licenses
            for name in licenses_in(declared)
        }
        if not families and not self.allowed:
            return True
        return _is_satisfied(
            expression,
            lambda name: (
                self._is_allowed(name) or license_family(_without_exception(name)) in families
            ),
        )

    def denies(self, expression: str) -> bool:
        """Return whether every choice of a valid expression has a denied license."""
        return not _is_satisfied(expression, lambda name: not self._is_denied(name))

    def _is_allowed(self, name: str) -> bool:
        return name in self.allowed or _without_exception(name) in self.allowed

    def _is_denied(self, name: str) -> bool:
        # An exception does not lift a denied license, unless this combination is allowed.
        return name in self.denied or (
            _without_exception(name) in self.denied and name not in self.allowed
        )


def license_family(name: str) -> str:
    """Return a license without `-only` or `-or-later`: the license text is the same."""
    return name.replace("-or-later", "").replace("-only", "")


def _without_exception(name: str) -> str:
    return name.partition(" WITH ")[0]


def spdx_id(text: str) -> str | None:
    """Return an identifier (with its exception) as the SPDX list spells it; None when unknown."""
    expression = spdx_expression(text)
    if expression is None or " AND " in expression or " OR " in expression:
        return None
    return expression


def spdx_expression(text: str) -> str | None:
    """Return a license expression in its normal form; None when the text is not one."""
    if not text.strip() or len(text) > MAX_EXPRESSION_CHARS or "licenseref" in text.lower():
        return None
    return _normalize(text.strip())


@lru_cache(maxsize=1_000)
def _normalize(text: str) -> str | None:
    try:
        expression = _spdx_licensing().validate(text).normalized_expression
    except (AttributeError, LookupError, TypeError, ValueError):
        # The library fails on some texts that are not expressions, e.g. `MIT AND`.
        return None
    return str(expression) if expression else None


def licenses_in(expression: str) -> frozenset[str]:
    """Return the identifiers in a valid expression, each with its exception."""
    parsed = _spdx_licensing().parse(expression)
    symbols = _spdx_licensing().license_symbols(parsed, decompose=False)
    return frozenset(symbol.render("{symbol.key}") for symbol in symbols)


def _is_satisfied(expression: str, accepts: Callable[[str], bool]) -> bool:
    return _evaluate(_spdx_licensing().parse(expression), accepts)


def _evaluate(node: Any, accepts: Callable[[str], bool]) -> bool:
    licensing = _spdx_licensing()
    if isinstance(node, licensing.OR):
        return any(_evaluate(operand, accepts) for operand in node.args)
    if isinstance(node, licensing.AND):
        return all(_evaluate(operand, accepts) for operand in node.args)
    return accepts(node.render("{symbol.key}"))


@cache
def _spdx_licensing() -> Any:
    # Importing it takes longer than all other imports, and few runs need it.
    from license_expression import get_spdx_licensing  # noqa: PLC0415

    return get_spdx_licensing()
