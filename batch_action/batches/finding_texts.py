"""The texts of findings in a temporary file that nobody else can open."""

import json
from array import array
from dataclasses import dataclass, fields

from batch_action.clients.temporary_file import FREE_SPACE_FOR_ANSWERS, TemporaryFile
from batch_action.models.findings import (
    Confidence,
    FindingTexts,
    KeptTexts,
    RawFinding,
    Severity,
)

_RAW = tuple(field.name for field in fields(RawFinding))
_LOCATED = tuple(field.name for field in fields(FindingTexts) if field.name != "raw")
WRITTEN_AT_ONCE = 100


class FindingTextsFile:
    """Writes the texts of each finding once and reads them back.

    In memory are a length and a number for each.
    """

    def __init__(self) -> None:
        """Start without a finding."""
        self._store = _Store(TemporaryFile("findings", FREE_SPACE_FOR_ANSWERS))
        self._block = _Block(self._store, 0)

    def keep(self, texts: KeptTexts) -> KeptTexts:
        """Write the texts of a finding, and return what reads them.

        Raises ConfigError: they cannot be written, such as when the disk is full.
        """
        inside = texts.read()
        raw = [getattr(inside.raw, name) for name in _RAW]
        # In ASCII: a path may have bytes that are no text.
        data = json.dumps([raw, *(getattr(inside, name) for name in _LOCATED)]).encode()
        if self._block.is_written:
            self._block = _Block(self._store, self._block.number + 1)
        return _TextsOnDisk(self._block, self._block.add(data))


@dataclass(slots=True)
class _Store:
    """What all blocks share; it must not refer to one, or the file would outlive its last user."""

    file: TemporaryFile
    last: tuple[int, int, FindingTexts] | None = None
    """What was read last, with the number of its block and its number there."""


class _Block:
    """Texts that are written at once."""

    def __init__(self, store: _Store, number: int) -> None:
        self.number = number
        self._store = store
        self._offset = 0
        self._lengths = array("l")
        self._unwritten: list[bytes] = []

    @property
    def is_written(self) -> bool:
        """Whether it is complete."""
        return len(self._lengths) > len(self._unwritten)

    def add(self, data: bytes) -> int:
        """Return the number under which these texts can be read."""
        self._lengths.append(len(data))
        self._unwritten.append(data)
        number = len(self._lengths) - 1
        if len(self._lengths) == WRITTEN_AT_ONCE:
            self._offset = self._store.file.append(b"".join(self._unwritten))
            self._unwritten.clear()
        return number

    def read(self, number: int) -> FindingTexts:
        """Return the texts of this number; those that were read last are at hand."""
        last = self._store.last
        if last is None or last[:2] != (self.number, number):
            self._store.last = last = self.number, number, _parse(self._data(number))
        return last[2]

    def _data(self, number: int) -> bytes:
        if not self.is_written:
            return self._unwritten[number]
        offset = self._offset + sum(self._lengths[:number])
        return self._store.file.read(offset, self._lengths[number])


def _parse(data: bytes) -> FindingTexts:
    raw, *located = json.loads(data)
    values = dict(zip(_RAW, raw, strict=True))
    values |= {
        "severity": Severity(values["severity"]),
        "confidence": Confidence(values["confidence"]),
    }
    return FindingTexts(raw=RawFinding(**values), **dict(zip(_LOCATED, located, strict=True)))


@dataclass(frozen=True, slots=True)
class _TextsOnDisk:
    block: _Block
    number: int
    """In the block: Python has one object for all equal numbers as small as these."""

    def read(self) -> FindingTexts:
        return self.block.read(self.number)
