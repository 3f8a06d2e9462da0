"""Patterns match as pathspec's do, in a number of steps that no pattern and no path can blow up."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from batch_action.selection.patterns import Patterns, without_backtracking

PIECES = st.sampled_from(["*", "**", "/", "/**/", "a", "b", "ab", "?", "[ab]", ".", "\\*", "[!a]"])
PATTERNS = st.lists(PIECES, min_size=1, max_size=9).map("".join)
PATHS = st.lists(st.text("ab./*", min_size=1, max_size=6), min_size=1, max_size=5).map("/".join)


@settings(max_examples=600)
@given(PATTERNS, PATHS)
@example("*a*b", "aab/b")
@example("**/a/**/b*a/**/c", "a/a/b/baa/x/c")
@example("a/**/b/**/a", "a/b/x/b/a/b/a")
@example("*[!a]*?", "*/a")
@example("[!a]b", "x//b")
def test_it_matches_what_pathspec_matches(pattern: str, path: str) -> None:
    try:
        spec = GitIgnoreSpec.from_lines([pattern])
    except ValueError:
        return
    for compiled in spec.patterns:
        # pathspec lets `[!a]` match the `/` before a name; git does not.
        compiled.regex = compiled.regex and re.compile(
            compiled.regex.pattern.replace("[^a]", "[^/a]")
        )
    assert Patterns("paths", [pattern]).match(path)[0] == spec.check_file(path).include


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 60 + "b", "a" * 255),
        ("x*" + "a*" * 60 + "b", "x" + "a" * 4000),
        ("**/a/" * 40 + "b", "a/" * 2000 + "c"),
        ("/a/**/" + "*a*a*/**/" * 30 + "b", "aaaa/" * 800 + "c"),
        ("**/*a*a*a*a*a*a*b/**/*a*a*a*c", "/".join(["a" * 200] * 20)),
        ("a" + "**" * 50 + "b", "a" * 255),
        ("[ab]*" * 60 + "c", "ab" * 2000),
    ],
    ids=range(7),
)
def test_a_hostile_pattern_ends(pattern: str, path: str) -> None:
    """With backtracking over all combinations, each of these takes longer than anybody waits."""
    assert Patterns("paths", [pattern]).match(path)[0] is None


def test_what_needs_no_backtracking_stays_as_it_is() -> None:
    for pattern in ("src/**", "*.py", "foo/", "/docs/*.md"):
        regex = GitIgnoreSpec.from_lines([pattern]).patterns[0].regex.pattern
        assert without_backtracking(regex) == regex
