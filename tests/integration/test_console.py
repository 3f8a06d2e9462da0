"""The console on a terminal, in a job log and in a pipe."""

import io
import re

import pytest
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
