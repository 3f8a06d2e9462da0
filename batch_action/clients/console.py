"""The console: lines, steps, tables and progress for a terminal or a log."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from batch_action import escape

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from batch_action.clients.terminal import Terminal

ProgressCallback = Callable[[int, int], None]
"""Called with (done, total)."""

# A log cannot be redrawn: one line per tenth of the work, or per ten seconds.
_PROGRESS_LINES = 10
_PROGRESS_INTERVAL_SECONDS = 10.0
_MIN_TOTAL_FOR_TENTHS = 50


class Console:
    """Prints for people. Text of any origin is safe to pass."""

    indent = ""
    """Comes before each line of a table."""

    def __init__(
        self,
        *,
        plain: bool,
        quiet: bool = False,
        console: "RichConsole | None" = None,
        clock: Callable[[], float] = time.monotonic,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Print on `console` (stderr if not given); `plain`: for job logs and pipes.

        `quiet`: print nothing. `hide`: replaces secrets in each text.
        Plain lines are neither colored, wrapped nor redrawn, and none is a workflow command.
        """
        self.plain = plain
        self._quiet = quiet
        self._given = console
        self._clock = clock
        self._hide = hide
        self.activity = ""
        """The current activity, to report where an interrupted run stopped."""

    @cached_property
    def _terminal(self) -> "Terminal":
        # Only here: a job log and a quiet run need no rich, which takes long to import.
        from batch_action.clients.terminal import Terminal  # noqa: PLC0415

        return Terminal(self._given)

    @property
    def console(self) -> "RichConsole":
        """What draws on a terminal."""
        return self._terminal.console

    @property
    def _is_drawn(self) -> bool:
        return not (self.plain or self._quiet) and self.console.is_terminal

    @property
    def line_width(self) -> int | None:
        """The width of the terminal; None for a log or a pipe, which get whole lines."""
        return self.console.width if self._is_drawn else None

    def print(self, text: str = "", *, style: str = "") -> None:
        """Print a line, or several."""
        if self.plain:
            self._write_line(escape.log(text))
        elif not self._quiet:
            self._terminal.print(escape.visible(self._hide(text)), style)

    def step(self, title: str) -> None:
        """Announce the next step of the work."""
        if self.plain:
            self._write_line(escape.log(f"== {title}"))
        elif not self._quiet:
            self._terminal.step(escape.visible(self._hide(title)))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        title: str = "",
        right: Sequence[int] = (),
        paths: Sequence[int] = (),
    ) -> None:
        """Print a table without the columns that are empty in all rows.

        `right`: the indices of right-aligned columns, from 0; `paths`: those of columns of paths.
        On a terminal that is too narrow, a path loses its beginning and a text is wrapped; numbers
        stay whole. A log or a pipe gets whole lines.
        """
        if self._quiet:
            return
        shown = [n for n in range(len(columns)) if any(row[n] for row in rows)]
        cells = [[self._cell(row[n]) for n in shown] for row in (columns, *rows)]
        if title:
            self.print(title, style="bold")
        if not shown:
            return
        numbers = [n in right for n in shown]
        if not self._is_drawn:
            for line in self._terminal.lines(cells, numbers):
                self._write_line(escape.log((self.indent + line).rstrip()))
            return
        self._terminal.table(
            cells,
            numbers=numbers,
            paths=[n for n, column in enumerate(shown) if column in paths],
            indent=len(self.indent),
        )

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[ProgressCallback]:
        """Yield a callback that shows progress; `total` may grow meanwhile."""
        self.activity = title[:1].lower() + title[1:]
        if not self._is_drawn:
            yield self._progress_lines(title)
            return
        with self._terminal.progress(escape.plain(self._hide(title)), total) as advance:
            yield advance

    def _progress_lines(self, title: str) -> ProgressCallback:
        reported_tenth = 0
        last = self._clock()

        def advance(done: int, total: int) -> None:
            nonlocal reported_tenth, last
            tenth = _PROGRESS_LINES if total <= 0 else _PROGRESS_LINES * done // total
            now = self._clock()
            is_due = now - last >= _PROGRESS_INTERVAL_SECONDS
            if total < _MIN_TOTAL_FOR_TENTHS and not is_due:
                return
            if tenth > reported_tenth or is_due:
                reported_tenth, last = max(tenth, reported_tenth), now
                self.print(f"{title}: {done:,} of {total:,}")

        return advance

    def _cell(self, text: str) -> str:
        """Return the text on one line, without control characters."""
        return escape.plain(self._hide(text))

    def _write_line(self, text: str) -> None:
        """Print without rich's wrapping, which could bring a `::` to the start of a line."""
        if not self._quiet:
            file = self._given.file if self._given else sys.stderr
            file.write(self._hide(text) + "\n")
            file.flush()
