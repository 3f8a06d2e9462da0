"""The console: lines, steps, tables and progress for a terminal or a log."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from batch_action import escape

ProgressCallback = Callable[[int, int], None]
"""Called with (done, total)."""

# A log cannot be redrawn: one line per tenth of the work, or per ten seconds.
_PROGRESS_LINES = 10
_PROGRESS_INTERVAL_SECONDS = 10.0
_MIN_TOTAL_FOR_TENTHS = 50


class Console:
    """Prints for people. Text of any origin is safe to pass."""

    def __init__(
        self,
        *,
        plain: bool,
        console: RichConsole | None = None,
        clock: Callable[[], float] = time.monotonic,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Print on `console` (stderr if not given); `plain`: for job logs and pipes.

        `hide`: replaces secrets in each text.
        Plain lines are neither colored, wrapped nor redrawn, and none is a workflow command.
        """
        self.plain = plain
        self.console = console or RichConsole(stderr=True)
        self._clock = clock
        self._hide = hide
        self.activity = ""
        """The current activity, to report where an interrupted run stopped."""

    def print(self, text: str = "", *, style: str = "") -> None:
        """Print a line, or several."""
        if self.plain:
            self._write_line(escape.log(text))
        else:
            self.console.print(self._literal(text), style=style or None)

    def step(self, title: str) -> None:
        """Announce the next step of the work."""
        if self.plain:
            self._write_line(escape.log(f"== {title}"))
        else:
            self.console.print(
                Text.assemble(("\n▸ ", "bold cyan"), (escape.visible(self._hide(title)), "bold"))
            )

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        title: str = "",
        right: Sequence[int] = (),
    ) -> None:
        """Print a table; `right`: the indices of right-aligned columns, from 0."""
        if self.plain:
            self._plain_table(columns, rows, title, right)
            return
        table = Table(title=self._literal(title) if title else None, title_justify="left")
        for number, column in enumerate(columns):
            table.add_column(
                self._literal(column),
                justify="right" if number in right else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(self._literal(cell) for cell in row))
        self.console.print(table)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[ProgressCallback]:
        """Yield a callback that shows progress; `total` may grow meanwhile."""
        self.activity = title[:1].lower() + title[1:]
        if self.plain or not self.console.is_terminal:
            yield self._progress_lines(title)
            return
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        with bar:
            task = bar.add_task(escape.plain(self._hide(title)), total=total)
            yield lambda done, of: bar.update(task, completed=done, total=of)

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

    def _plain_table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        title: str,
        right: Sequence[int],
    ) -> None:
        lines = [list(columns), *([escape.plain(cell) for cell in row] for row in rows)]
        widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
        if title:
            self.print(title)
        for line in lines:
            cells = [
                cell.rjust(width) if number in right else cell.ljust(width)
                for number, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            self.print("  ".join(cells).rstrip())

    def _write_line(self, text: str) -> None:
        """Print without rich's wrapping, which could bring a `::` to the start of a line."""
        self.console.file.write(self._hide(text) + "\n")
        self.console.file.flush()

    def _literal(self, text: str) -> Text:
        """Return text that rich prints as it is, without markup and `:emoji:`."""
        return Text(escape.visible(self._hide(text)))
