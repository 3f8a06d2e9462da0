"""What a fact of the ledger is: values in a closed format, a key, and lists that may be shortened.

Other runs and later versions read the format, so unknown fields are refused.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from batch_action.models.files import MAX_PATH_CHARS

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
CustomId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
BatchId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
IntentId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Path = Annotated[str, Field(min_length=1, max_length=MAX_PATH_CHARS)]
LineRanges = Annotated[
    str, Field(pattern=r"^([1-9]\d{0,8}-[1-9]\d{0,8}(,|$))*$", max_length=100_000)
]
"""Such as `1-30,45-80`."""
Purpose = Literal["review", "verification", "explanation"]
"""What a request asks for: a review of a file, or something about findings that are reported."""
Rule = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]
Ending = Literal["open", "fixed", "closed", "accepted"]
"""What became of a finding: `closed` without a change of its code, e.g. because another review does
not report it; `accepted` by a comment in the code or the baseline file; `open` again."""
Lines = Annotated[str, Field(pattern=r"^[1-9]\d{0,8}-[1-9]\d{0,8}$")]
"""Such as `10-12`."""
FactDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{14}$")]
MAX_WARM_MINUTES = 50
"""A cache entry lives an hour; the requests that read it need some minutes to start."""

T = TypeVar("T")


def _utc(moment: datetime) -> datetime:
    # Far from both ends of the calendar, so that time spans can be added to it.
    if not 2000 < moment.year < 3000:  # noqa: PLR2004 - a plausible year
        raise ValueError("must be in a year between 2000 and 3000")
    return moment.astimezone(UTC)


Timestamp = Annotated[AwareDatetime, AfterValidator(_utc)]
"""Converted to UTC from any time zone; written with `Z`."""
Count = Annotated[int, Field(ge=0, le=2**53)]
"""Exact as a JSON number in every reader, and in arithmetic with dollars."""
Number = Annotated[int, Field(ge=1, le=2**53)]
Usd = Annotated[float, Field(ge=0, le=1e12)]
"""So that sums stay finite."""
UsdDifference = Annotated[float, Field(ge=-1e12, le=1e12)]


ENTRY_CONFIG = ConfigDict(extra="forbid")
"""Of the entries of facts' lists, which are dataclasses: there are tens of thousands, and as models
they would take several times the memory. They are validated where a ledger is read."""


class LedgerModel(BaseModel):
    """Base of all ledger models: frozen, without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class BaseFact(LedgerModel):
    """A fact: added once, never changed, identified by its key."""

    kind: str
    _key: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, key: tuple[str, ...], **kwargs: Any) -> None:
        """Set the fields that identify a fact among those of its kind."""
        super().__init_subclass__(**kwargs)
        cls._key = key

    def key(self) -> tuple[str, ...]:
        """Return the kind and the values of the fields that identify the fact."""
        values = (getattr(self, name) for name in self._key)
        parts = (v.isoformat() if isinstance(v, datetime) else str(v or "") for v in values)
        return (self.kind, *parts)


class CompactableFact(BaseFact, key=()):
    """A fact from whose lists compaction removes what decides nothing any more.

    All versions of one original have its digest. Of two versions what both still list is the third,
    so a union with a ledger that was not compacted, or was later, brings nothing back.
    """

    compacted: FactDigest | None = None
    """Digest of the original; None: this is it."""
    _lists: ClassVar[frozenset[str]] = frozenset({"compacted"})
    """The fields in which versions of one original may differ."""

    @property
    def origin(self) -> str:
        """The digest of the original. Fields that a later version adds do not change it."""
        if self.compacted:
            return self.compacted
        text = self.model_dump_json(exclude_defaults=True)
        return hashlib.sha256(text.encode()).hexdigest()[:14]

    def rank(self) -> tuple[str, str]:
        """Return what is the same in all versions of one original, and nowhere else."""
        return self.origin, self.model_dump_json(exclude=set(self._lists), exclude_defaults=True)

    def reduce(self, **lists: Any) -> Self:
        """Return the version with these shorter lists; itself if they are not shorter."""
        if all(getattr(self, name) == value for name, value in lists.items()):
            return self
        return self.model_copy(update={**lists, "compacted": self.origin})

    def in_common(self, other: Self) -> Self:
        """Return the version with what this one and another one of the same original list."""
        raise NotImplementedError


def in_both(one: Iterable[T], other: Iterable[T]) -> tuple[T, ...]:
    """Return the items of *one* that *other* has, too, in their order."""
    listed = frozenset(other)
    return tuple(x for x in one if x in listed)
