"""The console: lines, steps, tables and progress for a terminal or a log."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console as RichConsole
from rich.padding import Padding
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


# The columns of the terminal between two columns of a table.
_GAP = 3
_MIN_PATH_WIDTH = 24


class Console:
    """Prints for people. Text of any origin is safe to pass."""

    indent = ""
    """Comes before each line of a table."""

    def __init__(
        self,
        *,
        plain: bool,
        quiet: bool = False,
        console: RichConsole | None = None,
        clock: Callable[[], float] = time.monotonic,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Print on `console` (stderr if not given); `plain`: for job logs and pipes.

        `quiet`: print nothing. `hide`: replaces secrets in each text.
        Plain lines are neither colored, wrapped nor redrawn, and none is a workflow command.
        """
        self.plain = plain
        self.console = console or RichConsole(stderr=True, quiet=quiet)
        self._clock = clock
        self._hide = hide
        self.activity = ""
        """The current activity, to report where an interrupted run stopped."""

    @property
    def line_width(self) -> int | None:
        """The width of the terminal; None for a log or a pipe, which get whole lines."""
        return None if self.plain or not self.console.is_terminal else self.console.width

    def print(self, text: str = "", *, style: str = "") -> None:
        """Print a line, or several."""
        if self.plain:
            self._write_line(escape.log(text))
        else:
            is_terminal = self.console.is_terminal
            self.console.print(self._literal(text), style=style or None, soft_wrap=not is_terminal)

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
        paths: Sequence[int] = (),
    ) -> None:
        """Print a table without the columns that are empty in all rows.

        `right`: the indices of right-aligned columns, from 0; `paths`: those of columns of paths.
        On a terminal that is too narrow, a path loses its beginning and a text is wrapped; numbers
        stay whole. A log or a pipe gets whole lines.
        """
        shown = [n for n in range(len(columns)) if any(row[n] for row in rows)]
        cells = [[self._cell(row[n]) for n in shown] for row in (columns, *rows)]
        if title:
            self.print(title, style="bold")
        if not shown:
            return
        if self.plain or not self.console.is_terminal:
            self._plain_table(cells, [n in right for n in shown])
            return
        path_columns = [n for n, column in enumerate(shown) if column in paths]
        _shorten_paths(cells, path_columns, self.console.width - len(self.indent))
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        for n, width in enumerate(_widths(cells)):
            is_number = shown[n] in right
            table.add_column(
                Text(cells[0][n]),
                justify="right" if is_number else "left",
                overflow="fold",
                min_width=width if is_number else None,
                no_wrap=n in path_columns,
            )
        for row in cells[1:]:
            table.add_row(*map(Text, row))
        self.console.print(Padding(table, (0, 0, 1, len(self.indent)), expand=False))

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

    def _plain_table(self, cells: Sequence[Sequence[str]], is_right: Sequence[bool]) -> None:
        widths = _widths(cells)
        for row in cells:
            line = self.indent
            for cell, width, right in zip(row, widths, is_right, strict=True):
                space = " " * (width - cell_len(cell))
                line += f"{space}{cell}  " if right else f"{cell}{space}  "
            self._write_line(escape.log(line.rstrip()))

    def _cell(self, text: str) -> str:
        """Return the text on one line, without control characters."""
        return escape.plain(self._hide(text))

    def _write_line(self, text: str) -> None:
        """Print without rich's wrapping, which could bring a `::` to the start of a line."""
        if not self.console.quiet:
            self.console.file.write(self._hide(text) + "\n")
            self.console.file.flush()

    def _literal(self, text: str) -> Text:
        """Return text that rich prints as it is, without markup and `:emoji:`."""
        return Text(escape.visible(self._hide(text)))


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*cells, strict=True)]


def _shorten_paths(rows: Sequence[list[str]], columns: Sequence[int], table_width: int) -> None:
    """Cut the beginning of paths, down to the file names, until a table has this width."""
    widths = _widths(rows)
    for done, n in enumerate(columns):
        excess = sum(widths) + _GAP * (len(widths) - 1) - table_width
        names = max(cell_len(row[n].rpartition("/")[2]) for row in rows) + 2
        share = widths[n] - max(excess, 0) // (len(columns) - done)
        widths[n] = min(widths[n], max(share, min(names, table_width // 2), _MIN_PATH_WIDTH))
        for row in rows:
            if cell_len(row[n]) > widths[n]:
                row[n] = "…" + set_cell_size(row[n][::-1], widths[n] - 1)[::-1]
