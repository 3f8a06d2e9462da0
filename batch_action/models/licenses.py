"""License identifiers as the SPDX list has them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensed:
    """The license of a folder and all below it."""

    folder: str
    """Empty for the whole repository."""
    source: str
    """The file that tells."""
    expression: str | None
    """In SPDX's terms; None when the text is none of the well-known ones."""
    text: str = ""
    """Its beginning, where no identifier stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a repository wants of licenses."""

    licensed: tuple[Licensed, ...] = ()
    """The deepest folder first."""
    headers: frozenset[str] = frozenset()
    """Languages whose files must have a license header."""
    header: tuple[str, ...] = ()
    """The lines it must have; empty: any header will do."""
    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    def license_of(self, path: str) -> Licensed | None:
        """What holds for a file."""
        holding = (
            one for one in self.licensed if not one.folder or path.startswith(f"{one.folder}/")
        )
        return next(holding, None)


def spdx_id(text: str) -> str | None:
    """The identifier (with its exception) as the list writes it; None when it has none such."""
    found = spdx_expression(text)
    return found if found and not any(word in found for word in (" AND ", " OR ")) else None


def spdx_expression(text: str) -> str | None:
    """An expression of identifiers in its normal form; None when it is none."""
    if not text.strip() or len(text) > LONGEST or "licenseref" in text.lower():
        return None
    return _normalised(text.strip())


def satisfied(expression: str, fine: Callable[[str], bool]) -> bool:
    """Whether a valid expression offers a choice of which every license is fine."""
    return _satisfied(_licensing().parse(expression), fine)


def _satisfied(parsed: Any, fine: Callable[[str], bool]) -> bool:
    licensing = _licensing()
    if isinstance(parsed, licensing.OR):
        return any(_satisfied(one, fine) for one in parsed.args)
    if isinstance(parsed, licensing.AND):
        return all(_satisfied(one, fine) for one in parsed.args)
    return fine(parsed.render("{symbol.key}"))


@cache
def _normalised(text: str) -> str | None:
    told = _licensing().validate(text).normalized_expression
    return str(told) if told else None


@cache
def _licensing() -> Any:
    # Importing it takes longer than all other imports, and few runs are about licenses.
    from license_expression import get_spdx_licensing  # noqa: PLC0415

    return get_spdx_licensing()
