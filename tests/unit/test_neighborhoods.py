"""Neighborhoods: the lines that a finding is judged by, and what touches them."""

import random
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.syntax.neighborhoods import neighborhood, touched_lines
from tests.unit.test_anchoring import FILE

STDLIB = Path(sysconfig.get_path("stdlib"))
JS = """\
export class Store {
  constructor() {
    this.items = {};
  }

  async get(key) {
    if (key in this.items) {
      return this.items[key];
    }
    return null;
  }
}

const top = 1;
"""
C = """\
static int
add(int a, int b)
{
    return a + b;
}

int main(void) {
    return add(1, 2);
}
"""


@pytest.mark.parametrize(
    ("text", "lines", "scope"),
    [
        (FILE, (4, 4), (3, 7)),
        (FILE, (3, 3), (3, 7)),
        (FILE, (11, 12), (8, 13)),
        (FILE, (1, 1), (1, 11)),
        (JS, (8, 8), (6, 11)),
        (JS, (3, 3), (2, 4)),
        (JS, (2, 5), (2, 5)),
        (JS, (5, 5), (1, 14)),
        (JS, (14, 14), (4, 14)),
        (C, (8, 8), (7, 9)),
        ("x = 1\n" * 50, (30, 30), (20, 40)),
        ("", (1, 1), (1, 1)),
    ],
)
def test_neighborhoods(text, lines, scope):
    assert neighborhood(text.removesuffix("\n").split("\n"), *lines) == scope


CODE = ["x = 1", "y()", ""]
ODD = [
    *("def f():", "class A:", "fn b() {", "function g(", "it('x', () => {", "} else {", "if x:"),
    *("}", "{", "]", ")", "});", ") {", "\tx", "    ", "/* a", "\r"),
]


def touched_one_by_one(lines, changed):
    """Return what `touched_lines` returns, with a search from each line."""
    return {
        number
        for number in range(1, len(lines) + 1)
        for first, last in [neighborhood(lines, number, number)]
        if any(first <= other <= last for other in changed)
    }


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9))
def test_touched_lines_are_those_whose_neighborhood_has_changed(seed):
    dice = random.Random(seed)
    lines = [
        "    " * dice.choice([0, 0, 1, 1, 1, 2, 2, 3]) + dice.choice(dice.choice([CODE, CODE, ODD]))
        for _ in range(dice.randint(1, 300))
    ]
    changed = {dice.randint(1, len(lines)) for _ in range(dice.randint(1, 4))}
    assert touched_lines(lines, changed) == touched_one_by_one(lines, changed)


@pytest.mark.parametrize("name", ["json/decoder.py", "tarfile.py", "http/client.py"])
def test_touched_lines_of_real_files(name):
    lines = (STDLIB / name).read_text("utf-8").removesuffix("\n").split("\n")[:1500]
    every = [neighborhood(lines, number, number) for number in range(1, len(lines) + 1)]
    for changed in range(1, len(lines), max(1, len(lines) // 60)):
        expected = {n for n, (first, last) in enumerate(every, 1) if first <= changed <= last}
        assert touched_lines(lines, [changed]) == expected


def test_nothing_is_touched_without_a_change():
    assert touched_lines(["x"] * 9, []) == set()
