"""What a person sees: steps, tables, and progress that suits a terminal or a log."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from batch_action import escape

Advance = Callable[[int, int], None]
"""Called with (done, total)."""

# In a log nothing can be drawn over: a line per tenth of the work, or per ten seconds of it.
_SHARE = 10
_SECONDS = 10.0
_WORTH_TELLING = 50


class Console:
    """The one place that prints for people. Text of any origin is safe to pass."""

    def __init__(
        self,
        *,
        plain: bool,
        console: RichConsole | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Draw on `console` (stderr if not given); `plain` for job logs and pipes.

        Plain lines are neither coloured, wrapped nor redrawn, and none of them is a command to the
        runner.
        """
        self.plain = plain
        self.console = console or RichConsole(stderr=True)
        self._clock = clock
        self.doing = ""
        """What is under way, for the person who reads where an interrupted run stopped."""

    def say(self, text: str = "", *, style: str = "") -> None:
        """Print a line, or several."""
        if self.plain:
            self._line(escape.log(text))
        else:
            self.console.print(_shown(text), style=style or None)

    def step(self, title: str) -> None:
        """Announce the next step of the work."""
        if self.plain:
            self._line(escape.log(f"== {title}"))
        else:
            self.console.print(
                Text.assemble(("\n▸ ", "bold cyan"), (escape.visible(title), "bold"))
            )

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        title: str = "",
        right: Sequence[int] = (),
    ) -> None:
        """Print a table; `right` are the numbers of the columns that hold numbers, from 0."""
        if self.plain:
            self._plain_table(columns, rows, title, right)
            return
        table = Table(title=_shown(title) if title else None, title_justify="left")
        for number, column in enumerate(columns):
            table.add_column(
                _shown(column),
                justify="right" if number in right else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(_shown(cell) for cell in row))
        self.console.print(table)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        """Give a callback that shows how far the work is; `total` may grow while it runs."""
        self.doing = title[:1].lower() + title[1:]
        if self.plain or not self.console.is_terminal:
            yield self._sparse(title)
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
            task = bar.add_task(escape.plain(title), total=total)
            yield lambda done, of: bar.update(task, completed=done, total=of)

    def _sparse(self, title: str) -> Advance:
        told = 0
        last = self._clock()

        def advance(done: int, total: int) -> None:
            nonlocal told, last
            tenth = _SHARE if total <= 0 else _SHARE * done // total
            now = self._clock()
            if total < _WORTH_TELLING and now - last < _SECONDS:
                return
            if tenth > told or now - last >= _SECONDS:
                told, last = max(tenth, told), now
                self.say(f"{title}: {done:,} of {total:,}")

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
            self.say(title)
        for line in lines:
            cells = [
                cell.rjust(width) if number in right else cell.ljust(width)
                for number, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            self.say("  ".join(cells).rstrip())

    def _line(self, text: str) -> None:
        """Print without rich's wrapping, which could bring a `::` to the start of a line."""
        self.console.file.write(text + "\n")
        self.console.file.flush()


def _shown(text: str) -> Text:
    """Text as it is: rich would read markup and `:emoji:` out of a plain string."""
    return Text(escape.visible(text))
