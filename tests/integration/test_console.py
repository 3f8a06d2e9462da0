"""The console on a terminal, in a job log and in a pipe."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console as RichConsole

from batch_action.clients.console import Console


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def console(*, terminal: bool, clock=None, width: int = 60) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    console = RichConsole(file=out, force_terminal=terminal, width=width, legacy_windows=False)
    return Console(plain=not terminal, console=console, clock=clock or Clock()), out


def test_plain_progress_prints_every_tenth():
    plain, out = console(terminal=False)
    with plain.progress("Reading files", 5000) as advance:
        for done in range(1, 5001):
            advance(done, 5000)
    lines = out.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "Reading files: 500 of 5,000"
    assert lines[-1] == "Reading files: 5,000 of 5,000"


def test_plain_progress_of_slow_work_prints_every_ten_seconds():
    clock = Clock()
    plain, out = console(terminal=False, clock=clock)
    with plain.progress("Waiting", 1000) as advance:
        for done in range(30):
            clock.now += 1
            advance(done, 1000)
    assert out.getvalue().splitlines() == [
        "Waiting: 9 of 1,000",
        "Waiting: 19 of 1,000",
        "Waiting: 29 of 1,000",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_over_nothing_and_a_growing_total(terminal):
    any_console, _ = console(terminal=terminal)
    with any_console.progress("Nothing", 0) as advance:
        advance(0, 0)
        advance(1, 0)
        advance(1, 10)


def test_a_terminal_gets_a_bar():
    drawn, out = console(terminal=True)
    with drawn.progress("Reading [files]", 10) as advance:
        advance(5, 10)
        advance(10, 10)
    assert "━" in out.getvalue()
    assert "10/10" in out.getvalue()
    assert "Reading [files]" in out.getvalue()


def test_a_pipe_gets_no_bar_even_when_not_asked_to_be_plain():
    out = io.StringIO()
    piped = Console(plain=False, console=RichConsole(file=out, width=60))
    with piped.progress("Reading", 100) as advance:
        advance(100, 100)
    with piped.progress("A handful", 9) as advance:
        advance(9, 9)
    assert out.getvalue().strip() == "Reading: 100 of 100"


def test_a_pipe_gets_whole_lines():
    out = io.StringIO()
    piped = Console(plain=False, console=RichConsole(file=out, width=60))
    piped.print("word " * 40 + "end")
    assert out.getvalue() == "word " * 40 + "end\n"


HOSTILE = ["::error::x", "a\n  ::add-mask::b", "##[set-output name=a]b", "x" * 57 + " ::error::y"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_no_command_in_a_log(text):
    plain, out = console(terminal=False)
    plain.print(text)
    plain.step(text)
    plain.table([text, "b"], [[text, text]], title=text)
    with plain.progress(text, 1) as advance:
        advance(1, 1)
    lines = re.split(r"[\r\n]", out.getvalue())
    assert not any(line.strip().startswith("::") or "##[" in line for line in lines)


def test_markup_and_control_characters_of_others_are_shown_as_they_are():
    drawn, out = console(terminal=True)
    drawn.print("[bold]x[/bold] :bug: \x1b[2J")
    drawn.step("[red]step[/red]")
    drawn.table(["[b]c[/b]"], [["[/oops]"]], title="[i]t[/i]")
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    for shown in (":bug:", "[bold]x[/bold]", "[red]step[/red]", "[b]c[/b]", "[/oops]", "[i]t[/i]"):
        assert shown in text
    assert "\x1b[2J" not in out.getvalue()


def test_a_plain_table_has_columns():
    plain, out = console(terminal=False)
    plain.table(["file", "lines"], [["a.py", "12"], ["long-name.py", "3"]], right=[1])
    assert out.getvalue() == "file          lines\na.py             12\nlong-name.py      3\n"


def test_human_output_goes_to_stderr_by_default(capsys):
    Console(plain=True).print("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_undecodable_names_can_be_shown():
    for terminal in (True, False):
        any_console, out = console(terminal=terminal)
        any_console.print("\udcff.py")
        assert "\N{REPLACEMENT CHARACTER}.py" in out.getvalue()


LONG = "services/checkout/src/main/java/com/example/payments/gateway/RefundController.java"
TABLE: list[tuple[list[str], list[list[str]], dict[str, list[int]]]] = [
    (
        ["File", "Status", "Cost", "Tokens", ""],
        [
            [LONG, "modified", "$12.3456", "1,234,567", "backlog: over the cost limit"],
            ["a.py", "added", "$0.0001", "1", ""],
        ],
        {"right": [2, 3], "paths": [0]},
    ),
    (
        ["Check", "Result", "Fix"],
        [["token", "fail", "Add `issues: write` to the job's `permissions:` " * 3]],
        {},
    ),
    (
        ["Source", "File", "Requests"],
        [[LONG, f"漢字/{LONG}", "123,456,789"]],
        {"right": [2], "paths": [0, 1]},
    ),
    (["Batch", *"abcdef"], [["msgbatch_" + "0" * 24, *["123,456"] * 6]], {"right": [1, 2, 3, 4]}),
]


@pytest.mark.parametrize(("columns", "rows", "kinds"), TABLE)
@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_the_terminal_and_keeps_numbers_and_file_names(columns, rows, kinds, width):
    drawn, out = console(terminal=True, width=width)
    drawn.table(columns, rows, **kinds)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert all(cell_len(line) <= width for line in shown.splitlines())
    for row in rows:
        assert all(row[n] in shown for n in kinds.get("right", ()))
        names = [row[n].rpartition("/")[2] for n in kinds.get("paths", ())]
        assert all(name in shown for name in names)


@pytest.mark.parametrize(("columns", "rows", "kinds"), TABLE)
def test_a_table_in_a_log_or_a_pipe_is_whole(columns, rows, kinds):
    for plain in (True, False):
        out = io.StringIO()
        piped = Console(plain=plain, console=RichConsole(file=out, width=40))
        piped.table(columns, rows, **kinds)
        lines = out.getvalue().splitlines()
        assert len(lines) == 1 + len(rows)
        for row, line in zip(rows, lines[1:], strict=True):
            assert all(cell.strip() in line for cell in row)
        assert not re.search("[─│━\x1b]", out.getvalue())


def test_empty_columns_and_empty_tables_are_left_out():
    plain, out = console(terminal=False)
    plain.table(["Skipped", "Reason", "Detail"], [["a", "b", ""]])
    plain.table(["Skipped"], [])
    assert out.getvalue() == "Skipped  Reason\na        b\n"
