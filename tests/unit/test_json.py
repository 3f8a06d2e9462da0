"""JSON for files that people open: whole, and in pieces."""

import json

from hypothesis import given
from hypothesis import strategies as st

from batch_action.text import format_json, json_pieces

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(values)
def test_it_says_what_the_value_says(value):
    assert json.loads(format_json(value)) == value


@given(st.dictionaries(st.text(), values), st.lists(scalars))
def test_pieces_are_the_same_text_with_an_iterator_for_a_list(fields, items):
    outer = {"fields": fields, "list": {"items": items}}
    lazy = {"fields": fields, "list": {"items": (json.dumps(item) for item in items)}}
    pieces = list(json_pieces(lazy))
    assert "".join(pieces) == format_json(outer)
    assert len(pieces) > len(items)
