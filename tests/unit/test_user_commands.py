"""Commands in comments: what is one, and which finding it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from batch_action.models.findings import CommandName
from batch_action.publishers.user_commands import (
    MAX_REASON_CHARS,
    format_reply,
    is_posted,
    parse_commands,
    resolve,
)

A, B, C = "a1b2c3d4e5f60718", "a1b2c3d4ffffffff", "0123456789abcdef"
DO = "/batch wontfix a1b2c3d4"


@pytest.mark.parametrize(
    ("comment", "name", "id", "reason"),
    [
        (DO, CommandName.WONTFIX, "a1b2c3d4", ""),
        (f"{DO} known, see the docs", CommandName.WONTFIX, "a1b2c3d4", "known, see the docs"),
        (f"{DO}\r\nand more\r\n", CommandName.WONTFIX, "a1b2c3d4", ""),
        ("/batch recheck a1b2c3", CommandName.RECHECK, "a1b2c3", ""),
        (f"/batch recheck {A}", CommandName.RECHECK, A, ""),
        ("/batch explain a1b2c3d4", CommandName.EXPLAIN, "a1b2c3d4", ""),
        ("/batch confirm a1b2c3d4 seen", CommandName.CONFIRM, "a1b2c3d4", "seen"),
        (
            f"I looked.\n\n   {DO}  twice\tas  long ",
            CommandName.WONTFIX,
            "a1b2c3d4",
            "twice as long",
        ),
        ("/Batch WontFix `A1B2C3D4`: no", CommandName.WONTFIX, "a1b2c3d4", "no"),
        ("\ufeff/batch\u00a0wontfix\u2003a1b2\u200bc3d4 é", CommandName.WONTFIX, "a1b2c3d4", "é"),
        ("/batch wontfix (a1b2c3d4).", CommandName.WONTFIX, "a1b2c3d4", ""),
        ("/batch wontfix a1b2c", CommandName.WONTFIX, "", "a1b2c"),
        ("/batch wontfix false positive", CommandName.WONTFIX, "", "false positive"),
        ("/batch wontfix", CommandName.WONTFIX, "", ""),
        (
            "/batch wontfix \u0430\u0431\u0441\u0434e5f6",
            CommandName.WONTFIX,
            "",
            "\u0430\u0431\u0441\u0434e5f6",
        ),
        (f"/batch wontfix {A}0", CommandName.WONTFIX, "", f"{A}0"),
        (f"```\nx\n```\n{DO}", CommandName.WONTFIX, "a1b2c3d4", ""),
        (f"> quoted\n\n{DO}", CommandName.WONTFIX, "a1b2c3d4", ""),
        (f"<!-- a hint -->\n{DO}", CommandName.WONTFIX, "a1b2c3d4", ""),
        ("/batch wontfx a1b2c3d4", None, "a1b2c3d4", ""),
        ("/batch", None, "", ""),
    ],
)
def test_one_command(comment, name, id, reason):
    (found,) = parse_commands(comment)
    assert (found.name, found.id, found.reason) == (name, id, reason)


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "nothing",
        f"> {DO}",
        f"   > {DO}",
        f">> {DO}\n> {DO}",
        f"`{DO}`",
        f"please {DO}",
        f"- {DO}",
        f"    {DO}",
        f"\t{DO}",
        f"  \t{DO}",
        f"```\n{DO}\n```",
        f"```sh\n{DO}\n~~~\n{DO}\n```",
        f"~~~~\n{DO}\n~~~\n{DO}\n~~~~",
        f"```\n{DO}",
        f"<!-- {DO} -->",
        f"<!--\n{DO}\n-->",
        f"<!-- open\n{DO}",
        f"<!-- batch-action:reply v1 to=5 about=0 -->\n{DO}",
        "/batches wontfix a1b2c3d4",
        "/batch-action wontfix a1b2c3d4",
        "\uff0fbatch wontfix a1b2c3d4",
    ],
)
def test_no_command(comment):
    assert parse_commands(comment) == ()


def test_several_in_one_comment():
    found = parse_commands(f"{DO} one\n> {DO} two\n/batch recheck {C}\n")
    assert [(c.name, c.id) for c in found] == [
        (CommandName.WONTFIX, "a1b2c3d4"),
        (CommandName.RECHECK, C),
    ]


@given(st.text(max_size=200))
def test_whatever_is_written_is_read(text):
    for command in parse_commands(f"/batch wontfix {text}"):
        assert "\n" not in command.text
        assert len(command.reason) <= MAX_REASON_CHARS
        assert command.id == "" or set(command.id) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("comment", "default", "fingerprint", "problem"),
    [
        ("/batch recheck 012345", None, C, ""),
        (f"/batch recheck {A}", None, A, ""),
        ("/batch recheck a1b2c3", None, None, f"matches 2 findings: `{A}`, `{B}`. Which one?"),
        ("/batch recheck a1b2c3d4e", None, A, ""),
        ("/batch recheck 999999", None, None, "No finding here has the id `999999`."),
        ("/batch recheck 999999", A, None, "No finding here has the id `999999`."),
        ("/batch wontfix", None, None, "Which finding? `/batch wontfix <id> <reason>`"),
        ("/batch wontfix", A, A, ""),
        ("/batch confirm", A, A, ""),
        ("/batch confirm", None, None, "Which finding? `/batch confirm <id>`"),
        ("/batch wontfix not a bug", A, A, ""),
        ("/batch wontfix facade is fine", A, A, ""),
        ("/batch wontfix 012345 see there", A, C, ""),
        (
            "/batch fixed",
            A,
            None,
            "Use `/batch wontfix <id> <reason>`, `/batch recheck <id>`, `/batch confirm <id>` or",
        ),
    ],
)
def test_which_finding_is_meant(comment, default, fingerprint, problem):
    (command,) = parse_commands(comment)
    found = resolve(command, [A, B, C], default=default)
    assert found.fingerprint == fingerprint
    assert problem in found.problem
    assert bool(found.problem) == (fingerprint is None)


def test_the_reason_keeps_a_word_that_looks_like_an_id():
    (command,) = parse_commands("/batch wontfix facade is fine")
    assert resolve(command, [A], default=A).command.reason == "facade is fine"


def test_a_reply_is_recognized_and_contains_only_text():
    (command,) = parse_commands("/batch wontfix @octo `x` <img src=x> #1")
    problem = resolve(command, [A])
    text = format_reply("77", [problem])
    assert is_posted(text, ["other", f"{text}\n"])
    assert not is_posted(format_reply("78", [problem]), [text])
    (other,) = parse_commands("/batch recheck 999999")
    assert not is_posted(format_reply("77", [resolve(other, [A])]), [text])
    assert parse_commands(text) == ()
    html = MarkdownIt("commonmark").render(text)
    assert "<img" not in html
    assert "<code>/batch wontfix @octo `x` &lt;img src=x&gt; #1</code>" in html
