"""License identifiers as the SPDX list has them."""

from functools import cache
from typing import Any

LONGEST = 200


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


@cache
def _normalised(text: str) -> str | None:
    told = _licensing().validate(text).normalized_expression
    return str(told) if told else None


@cache
def _licensing() -> Any:
    # Importing it takes longer than all other imports, and few runs are about licenses.
    from license_expression import get_spdx_licensing  # noqa: PLC0415

    return get_spdx_licensing()
