"""What a request says about a change: trailers are dropped, secrets masked, the length bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.requests.descriptions import MAX_CHARS, SEPARATOR, clean, join_messages

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        pytest.param(
            "Fix it\n\nWhy.\n\nSigned-off-by: A <a@x.org>\n", "Fix it\n\nWhy.", id="sign-off"
        ),
        pytest.param("a\r\n\r\nCo-Authored-By: B <b@x>\r\n", "a", id="windows"),
        pytest.param(
            "Squash (#3)\n\n* one\n\n---------\n\nCo-authored-by: B <b@x>\nReviewed-by: C\ncc: D",
            "Squash (#3)\n\n* one",
            id="squash",
        ),
        pytest.param("a\n\n(cherry picked from commit 12ab34)\nChange-Id: I1", "a", id="picked"),
        pytest.param("a\n\nFixes: #3\nNote: by hand", "a\n\nFixes: #3\nNote: by hand", id="kept"),
        pytest.param("Sort by: name", "Sort by: name", id="no-trailer"),
        pytest.param(f"key {TOKEN}", f"key {'•' * len(TOKEN)}", id="secret"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_message_is_shown_without_trailers_and_secrets(message, shown):
    assert clean(message) == shown


def test_a_secret_is_masked_before_the_message_is_cut():
    for before in range(MAX_CHARS - len(TOKEN) - 2, MAX_CHARS + 2):
        text = join_messages([clean(f"{'x ' * (before // 2)}{TOKEN}")])
        assert "ghp_" not in text
        assert len(text) <= MAX_CHARS


def test_of_many_messages_the_last_ones_are_shown():
    messages = [f"commit {number} {'x' * 500}" for number in range(40)]
    shown = join_messages(messages).split(SEPARATOR)
    assert [text.split()[1] for text in shown] == [str(n) for n in range(30, 40)]
    assert join_messages(["a", "b" * 9_000]).startswith(f"a{SEPARATOR}bbb")


@given(st.lists(st.text(min_size=1, max_size=3_000), max_size=60))
def test_messages_are_bounded_and_in_their_order(messages):
    text = join_messages(messages)
    assert len(text) <= MAX_CHARS
    assert text or not messages
    if len(SEPARATOR.join(messages)) <= MAX_CHARS:
        assert text == SEPARATOR.join(messages)
