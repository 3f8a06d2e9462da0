"""What rich draws: styled lines, tables and bars on a terminal; the widths of a table's columns."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

# The columns of the terminal between two columns of a table.
_GAP = 3
_MIN_PATH_WIDTH = 24


class Terminal:
    """A terminal, or a pipe, on standard error if no console is given."""

    def __init__(self, console: RichConsole | None = None) -> None:
        self.console = console or RichConsole(stderr=True)

    def print(self, text: str, style: str) -> None:
        """Print text as it is, without markup and `:emoji:`; a pipe gets whole lines."""
        is_wrapped = self.console.is_terminal
        self.console.print(Text(text), style=style or None, soft_wrap=not is_wrapped)

    def step(self, title: str) -> None:
        """Print the title of a step."""
        self.console.print(Text.assemble(("\n▸ ", "bold cyan"), (title, "bold")))

    def table(
        self,
        rows: Sequence[list[str]],
        *,
        numbers: Sequence[bool],
        paths: Sequence[int],
        indent: int,
    ) -> None:
        """Print a table with its head in the first row.

        *numbers*: which columns are right-aligned and stay whole; *paths*: the indices of columns
        whose texts lose their beginning on a narrow terminal.
        """
        _shorten_paths(rows, paths, self.console.width - indent)
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        for n, width in enumerate(_widths(rows)):
            table.add_column(
                Text(rows[0][n]),
                justify="right" if numbers[n] else "left",
                overflow="fold",
                min_width=width if numbers[n] else None,
                no_wrap=n in paths,
            )
        for row in rows[1:]:
            table.add_row(*map(Text, row))
        self.console.print(Padding(table, (0, 0, 1, indent), expand=False))

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Callable[[int, int], None]]:
        """Show a bar; yield what moves it, called with (done, total)."""
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        with bar:
            task = bar.add_task(title, total=total)
            yield lambda done, of: bar.update(task, completed=done, total=of)

    @staticmethod
    def lines(rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> Iterator[str]:
        """Yield the rows as lines; *numbers*: which columns are right-aligned."""
        widths = _widths(rows)
        for row in rows:
            line = ""
            for cell, width, is_number in zip(row, widths, numbers, strict=True):
                space = " " * (width - cell_len(cell))
                line += f"{space}{cell}  " if is_number else f"{cell}{space}  "
            yield line


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
