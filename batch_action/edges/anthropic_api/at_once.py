"""Several calls side by side, a few at a time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def at_once(
    work: Sequence[Callable[[], T]], *, most: int, go_on: Callable[[], bool]
) -> Iterator[T | None]:
    """What each piece of work came to, in the order in which they end.

    None for what was not begun, because *go_on* said no by then. What a piece raises is raised
    here. The workers are daemons, so that an interrupt need not wait for a call that hangs.
    """
    todo: SimpleQueue[Callable[[], T]] = SimpleQueue()
    done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def worker() -> None:
        while True:
            try:
                act = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((act() if go_on() else None, None))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                done.put((None, error))

    for act in work:
        todo.put(act)
    for _ in range(min(most, len(work))):
        threading.Thread(target=worker, daemon=True).start()
    for _ in work:
        result, error = done.get()
        if error is not None:
            raise error
        yield result
