"""The texts of findings in a temporary file that nobody else can open."""

import json
from array import array
from dataclasses import dataclass, fields

from batch_action.clients.temporary_file import TemporaryFile
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

    In memory are an offset and a length for each.
    """

    def __init__(self) -> None:
        """Start without a finding."""
        self._offsets, self._lengths = array("q"), array("q")
        self._unwritten: list[bytes] = []
        self._size = 0
        self._last: tuple[int, FindingTexts] | None = None
        self._file = TemporaryFile(
            "findings",
            "Free some space, or set TMPDIR to a folder that has it: the answers stay at Anthropic "
            "for 29 days, and the next collect fetches them.",
        )

    def keep(self, texts: KeptTexts) -> KeptTexts:
        """Write the texts of a finding, and return what reads them.

        Raises ConfigError: they cannot be written, such as when the disk is full.
        """
        inside = texts.read()
        raw = [getattr(inside.raw, name) for name in _RAW]
        # In ASCII: a path may have bytes that are no text.
        data = json.dumps([raw, *(getattr(inside, name) for name in _LOCATED)]).encode()
        self._offsets.append(self._size)
        self._lengths.append(len(data))
        self._unwritten.append(data)
        self._size += len(data)
        if len(self._unwritten) == WRITTEN_AT_ONCE:
            self._write()
        return _TextsOnDisk(self, len(self._offsets) - 1)

    def _write(self) -> None:
        self._file.append(b"".join(self._unwritten))
        self._unwritten.clear()

    def read(self, number: int) -> FindingTexts:
        """Return the texts that were kept as the n-th; the last ones are at hand."""
        if self._last is None or self._last[0] != number:
            self._last = number, self._parse(number)
        return self._last[1]

    def _parse(self, number: int) -> FindingTexts:
        if self._unwritten:
            self._write()
        raw, *located = json.loads(self._file.read(self._offsets[number], self._lengths[number]))
        values = dict(zip(_RAW, raw, strict=True))
        values |= {
            "severity": Severity(values["severity"]),
            "confidence": Confidence(values["confidence"]),
        }
        return FindingTexts(raw=RawFinding(**values), **dict(zip(_LOCATED, located, strict=True)))


@dataclass(frozen=True, slots=True)
class _TextsOnDisk:
    file: FindingTextsFile
    number: int

    def read(self) -> FindingTexts:
        return self.file.read(self.number)
