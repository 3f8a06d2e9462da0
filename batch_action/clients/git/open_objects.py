"""Blobs one at a time, as they are asked for, without a git process for each."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any, Protocol, Self

from batch_action.clients.git.runner import GitRunner, git_error


class BlobReader(Protocol):
    """Reads blobs and their sizes: the repository, or its open objects."""

    def sizes(self, ids: Iterable[str], /) -> dict[str, int]:
        """Return the size in bytes of each blob that is in this clone, by id."""

    def blobs(self, ids: list[str], /) -> Iterator[tuple[str, bytes]]:
        """Yield `(id, bytes)` in the given order; skip missing ones."""


def read_small(reader: BlobReader, ids: Iterable[str], max_bytes: int) -> dict[str, bytes]:
    """Return the contents of the blobs that are in the clone and not larger than the limit."""
    chosen = list(dict.fromkeys(ids))
    sizes = reader.sizes(chosen)
    return dict(reader.blobs([x for x in chosen if x in sizes and sizes[x] <= max_bytes]))


class OpenObjects:
    """Reads blobs and their sizes through one git process each, which ends with the block.

    A process is started when it is needed first. Missing objects are only missing.
    """

    def __init__(self, runner: GitRunner) -> None:
        self._runner = runner
        self._stack = ExitStack()
        self._processes: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.clear()
        self._stack.close()

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the size in bytes of each blob that is in this clone, by id."""
        found = ((sha, self._ask("--batch-check", sha)[0]) for sha in ids)
        return {sha: size for sha, size in found if size is not None}

    def blobs(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield `(id, bytes)` in the given order; skip missing ones.

        Raises ConfigError: git stopped early (a damaged object database).
        """
        for sha in ids:
            size, stdout = self._ask("--batch", sha)
            if size is not None:
                content = stdout.read(size)
                stdout.read(1)
                yield sha, content

    def _ask(self, mode: str, sha: str) -> tuple[int | None, IO[bytes]]:
        """Return the size of a blob, None when it is missing, and the stream that follows."""
        if mode not in self._processes:
            env = self._stack.enter_context(self._runner.object_environment())
            process = self._runner.open_process(["cat-file", mode], env=env)
            self._processes[mode] = self._stack.enter_context(process)
        stdin, stdout = self._processes[mode]
        try:
            stdin.write(f"{sha}\n".encode())
            stdin.flush()
        except BrokenPipeError:
            raise git_error(["cat-file"], "the object database ended too early") from None
        words = stdout.readline().split()
        if not words:
            raise git_error(["cat-file"], "the object database ended too early")
        if len(words) != 3:  # noqa: PLR2004 - `<id> missing`
            return None, stdout
        if words[1] != b"blob":
            if mode == "--batch":
                stdout.read(int(words[2]) + 1)
            return None, stdout
        return int(words[2]), stdout
