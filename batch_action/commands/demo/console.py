"""The console of the demo: numbered steps, indented text, tables and frames."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.markdown import Markdown, MarkdownElement, TableElement
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from batch_action import escape
from batch_action.clients.console import Console, ProgressCallback

WIDTH = 110
"""Columns of output to a file or a pipe."""
MIN_TOTAL_FOR_BAR = 200
POLL_SECONDS = 0.1
INDENT = "    "
MAX_ROWS = 25


class DemoConsole(Console):
    """A console on standard output; it escapes control characters in all texts."""

    indent = INDENT

    def __init__(self, console: RichConsole | None = None) -> None:
        """Print on *console*, standard output by default."""
        drawn = console or RichConsole()
        if not drawn.is_terminal:
            drawn.width = WIDTH
        super().__init__(plain=False, console=drawn)
        self._step = 0

    def chapter(self, title: str) -> None:
        """Print the heading of a chapter."""
        self.console.print()
        self.console.print(Rule(Text(escape.visible(title), "bold"), align="left", style="cyan"))

    def step(self, title: str) -> None:
        """Print the heading of the next numbered step."""
        self._step += 1
        number = f"\n{self._step:>2}  "
        self.console.print(Text.assemble((number, "bold cyan"), (escape.visible(title), "bold")))

    def print(self, text: str = "", *, style: str = "") -> None:
        """Print a text, wrapped and indented below the step's heading."""
        width = self.console.width - len(INDENT)
        for line in Text(escape.visible(text), style).wrap(self.console, width):
            self.console.print(Text.assemble(INDENT, line))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        title: str = "",
        right: Sequence[int] = (),
        paths: Sequence[int] = (),
    ) -> None:
        """Print the first rows of a table."""
        super().table(columns, rows[:MAX_ROWS], title=title, right=right, paths=paths)
        if len(rows) > MAX_ROWS:
            self.print(f"... and {len(rows) - MAX_ROWS:,} more")

    def line(self, text: str, *, style: str = "") -> None:
        """Print a line that is never wrapped: a command, to be copied."""
        self.console.print(Text(INDENT + escape.visible(text), style), soft_wrap=True)

    def panel(self, lines: list[str], title: str) -> None:
        """Print lines in a frame."""
        text = Text("\n".join(escape.visible(line) for line in lines))
        self.console.print(Panel(text, title=escape.plain(title), title_align="left", expand=False))

    def listing(self, text: str, title: str) -> None:
        """Print source code in a frame."""
        code = Text("\n".join(escape.visible(line) for line in text.split("\n")))
        self.console.print(Panel(code, title=escape.plain(title), title_align="left"))

    def markdown(self, text: str, title: str) -> None:
        """Print rendered Markdown in a frame."""
        rendered = _Markdown(escape.visible(text), hyperlinks=False)
        self.console.print(Panel(rendered, title=escape.plain(title), title_align="left"))

    def wait(self, message: str, is_done: Callable[[], bool]) -> float:
        """Wait until *is_done* returns True; return the seconds that took."""
        start = time.monotonic()
        if not self.console.is_terminal:
            self.print(message)
        with self.console.status(Text(f"  {message}")):
            while not is_done():
                time.sleep(POLL_SECONDS)
        return time.monotonic() - start

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[ProgressCallback]:
        """Show a progress bar for long work only."""
        with super().progress(title, total) as advance:
            yield lambda done, total: advance(done, total) if total >= MIN_TOTAL_FOR_BAR else None


class _Table(TableElement):
    """A table of Markdown that cuts no word: rich cuts lines with an emoji by default."""

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            if isinstance(table, Table):
                for column in table.columns:
                    column.overflow = "fold"
            yield table


class _Markdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "table_open": _Table,
    }
