"""The guide through the demo: numbered steps, short sentences, and waiting that is seen."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from rich.box import SIMPLE
from rich.console import Console as RichConsole
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from batch_action import escape
from batch_action.clients.console import Advance, Console

WIDTH = 110
"""Of the output when it goes to a file or a pipe."""
WORTH_A_BAR = 200
PAUSE = 0.1
INDENT = "    "
MOST_ROWS = 25

Justify = Literal["left", "right"]


class DemoConsole(Console):
    """Prints the demo on standard output; text of any origin is safe to pass."""

    def __init__(self, console: RichConsole | None = None) -> None:
        """Draw on `console`, standard output if not given."""
        drawn = console or RichConsole()
        if not drawn.is_terminal:
            drawn.width = WIDTH
        super().__init__(plain=False, console=drawn)
        self._step = 0

    def chapter(self, title: str) -> None:
        """Begin a night."""
        self.console.print()
        self.console.print(Rule(Text(escape.visible(title), "bold"), align="left", style="cyan"))

    def step(self, title: str) -> None:
        """Announce the next numbered step."""
        self._step += 1
        number = f"\n{self._step:>2}  "
        self.console.print(Text.assemble((number, "bold cyan"), (escape.visible(title), "bold")))

    def say(self, text: str = "", *, style: str = "") -> None:
        """Print a line below the step's title."""
        room = self.console.width - len(INDENT)
        for line in Text(escape.visible(text), style).wrap(self.console, room):
            self.console.print(Text.assemble(INDENT, line))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        title: str = "",
        right: Sequence[int] = (),
    ) -> None:
        """Print a light table; a column that says nothing is left out."""
        if title:
            self.say(title, style="bold")
        told = [n for n in range(len(columns)) if any(row[n] for row in rows)]
        table = Table(box=SIMPLE, show_edge=False, pad_edge=False)
        for n in told:
            justify: Justify = "right" if n in right else "left"
            table.add_column(Text(escape.visible(columns[n])), justify=justify, overflow="fold")
        for row in rows[:MOST_ROWS]:
            table.add_row(*(Text(escape.visible(row[n])) for n in told))
        self.console.print(Padding(table, (0, 0, 0, len(INDENT)), expand=False))
        if len(rows) > MOST_ROWS:
            self.say(f"... and {len(rows) - MOST_ROWS:,} more")
        self.console.print()

    def box(self, lines: list[str], title: str) -> None:
        """Print lines that must not be missed."""
        text = Text("\n".join(escape.visible(line) for line in lines))
        self.console.print(Panel(text, title=escape.plain(title), title_align="left", expand=False))

    def listing(self, text: str, title: str) -> None:
        """Print code as it is, in a frame."""
        shown = Text("\n".join(escape.visible(line) for line in text.split("\n")))
        self.console.print(Panel(shown, title=escape.plain(title), title_align="left"))

    def markdown(self, text: str, title: str) -> None:
        """Print Markdown as it reads, in a frame."""
        shown = Markdown(escape.visible(text), hyperlinks=False)
        self.console.print(Panel(shown, title=escape.plain(title), title_align="left"))

    def wait(self, sentence: str, done: Callable[[], bool]) -> float:
        """Wait until it is done; how many seconds it took."""
        start = time.monotonic()
        if not self.console.is_terminal:
            self.say(sentence)
        with self.console.status(Text(f"  {sentence}")):
            while not done():
                time.sleep(PAUSE)
        return time.monotonic() - start

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        """Show a bar for long work only: the demo is a story, not a log."""
        with super().progress(title, total) as advance:
            yield lambda done, of: advance(done, of) if of >= WORTH_A_BAR else None
