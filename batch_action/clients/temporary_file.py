"""A temporary file that nobody else can open, for what is too large for memory."""

import os
import tempfile
import weakref
from typing import IO

from batch_action.errors import ConfigError

FREE_SPACE = "Free some space, or set TMPDIR to a folder that has it."
"""What helps when a temporary file cannot be written."""
FREE_SPACE_FOR_ANSWERS = (
    f"{FREE_SPACE.removesuffix('.')}: the answers stay at Anthropic for 29 days, and the next "
    "collect fetches them."
)


class TemporaryFile:
    """Bytes that are written once and read back; threads may read at the same time.

    The file has no name, so that it is gone with this object or the process, whatever ends it. It
    is created by the first write.
    """

    def __init__(self, content: str, fix: str) -> None:
        """Start without a file; an error names the *content* and the *fix*."""
        self._content = content
        self._fix = fix
        self._file: IO[bytes] | None = None
        self._end = 0

    def append(self, data: bytes) -> int:
        """Write the bytes and return their offset.

        Raises ConfigError: they cannot be written, such as when the disk is full.
        """
        offset, rest = self._end, memoryview(data)
        try:
            if self._file is None:
                # It is open as long as this object is needed.
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            while rest:
                written = os.pwrite(self._file.fileno(), rest, self._end)
                rest, self._end = rest[written:], self._end + written
        except OSError as error:
            raise ConfigError(
                f"The {self._content} cannot be written to a temporary file: {error.strerror}.",
                fix=self._fix,
            ) from error
        return offset

    def read(self, offset: int, size: int) -> bytes:
        """Return so many bytes from an offset, or those that there are."""
        pieces = []
        while (
            size
            and self._file is not None
            and (piece := os.pread(self._file.fileno(), size, offset))
        ):
            pieces.append(piece)
            offset, size = offset + len(piece), size - len(piece)
        return b"".join(pieces)
