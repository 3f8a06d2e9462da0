"""The results of one batch in a temporary file that nobody else can open."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from itertools import groupby

from batch_action.clients.anthropic.responses import outcome_of_line, worth
from batch_action.clients.temporary_file import FREE_SPACE_FOR_ANSWERS, TemporaryFile
from batch_action.models.requests import Outcome


class ResultsFile(Mapping[str, Outcome]):
    """Maps the wanted custom ids that have a result to their outcomes, each parsed when it is read.

    In memory are an offset, a length and a worth for each.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        """Start without a result; *wanted*: the custom ids whose results are kept."""
        self._ids = [custom_id for custom_id, _ in groupby(sorted(wanted))]
        self._offsets = array("q", bytes(8 * len(self._ids)))
        self._lengths = array("q", bytes(8 * len(self._ids)))
        self._worths = bytearray(len(self._ids))
        self._foreign: set[str] = set()
        self._file = TemporaryFile("answers", FREE_SPACE_FOR_ANSWERS)

    @property
    def count(self) -> int:
        """The number of custom ids that have a result, those that are not wanted included."""
        return len(self) + len(self._foreign)

    @property
    def is_complete(self) -> bool:
        """Whether every wanted custom id has a result."""
        return all(self._worths)

    def add(self, outcome: Outcome, line: bytes) -> None:
        """Keep a result line, unless one of at least the same worth is kept for its request.

        Raises ConfigError: it cannot be written, such as when the disk is full.
        """
        number = self._find(outcome.custom_id)
        if number is None:
            self._foreign.add(outcome.custom_id)
        elif (value := worth(outcome)) > self._worths[number]:
            self._offsets[number], self._lengths[number] = self._file.append(line), len(line)
            self._worths[number] = value

    def lines(self) -> Iterator[bytes]:
        """Yield the kept lines as they came, in their order."""
        places = zip(self._offsets, self._lengths, self._worths, strict=True)
        for offset, length in sorted((o, n) for o, n, value in places if value):
            yield self._file.read(offset, length)

    def __getitem__(self, custom_id: str) -> Outcome:
        number = self._find(custom_id)
        if number is None or not self._worths[number]:
            raise KeyError(custom_id)
        return outcome_of_line(self._file.read(self._offsets[number], self._lengths[number]))

    def __iter__(self) -> Iterator[str]:
        return (i for i, value in zip(self._ids, self._worths, strict=True) if value)

    def __len__(self) -> int:
        return len(self._worths) - self._worths.count(0)

    def _find(self, custom_id: str) -> int | None:
        number = bisect_left(self._ids, custom_id)
        return number if self._ids[number : number + 1] == [custom_id] else None
