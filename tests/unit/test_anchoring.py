"""Anchoring: evidence as models quote it, searched in the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.findings.anchoring import anchor_all
from batch_action.findings.identity import normalize, normalize_lines
from batch_action.findings.lines import scope_of
from batch_action.models.findings import Confidence, Finding, RawFinding, Severity
from tests.harness.cpu import assert_at_most

FILE = """\
import os

def load(path):
    handle = open(path)
    data = handle.read()
    return data

def save(path, data):
    handle = open(path)
    handle.write(data)
    print("saved…", *data)
    token = "••••••••"
    return None
"""


def raw_finding(evidence: str, start: int = 1, end: int | None = None, **fields) -> RawFinding:
    values = {
        "rule": "leak",
        "category": "resources",
        "severity": Severity.MEDIUM,
        "confidence": Confidence.HIGH,
        "title": "t",
        "explanation": "w",
        "remediation": "r",
    }
    return RawFinding(
        start_line=start,
        end_line=end or start,
        evidence=evidence,
        **{**values, **fields},
    )


def place(evidence: str, start: int = 1, end: int | None = None, text: str = FILE):
    found = find(raw_finding(evidence, start, end), text)
    return found and (found.anchor.start_line, found.anchor.end_line)


def find(raw: RawFinding, text: str = FILE) -> Finding | None:
    place = {"path": "a.py", "text": text, "blob": "b" * 40, "commit": "c" * 40}
    return next(iter(anchor_all([[raw]], task="t", **place)[0]), None)


@pytest.mark.parametrize(
    ("evidence", "lines"),
    [
        ("data = handle.read()", (5, 5)),
        ("data=handle . read( )", (5, 5)),
        ("    data = handle.read()\n    return data\n", (5, 6)),
        ("data = handle.read() return data", (5, 6)),
        ("  5| data = handle.read()\n  6| return data", (5, 6)),
        ("5: data = handle.read()", (5, 5)),
        ("L5: data = handle.read()", (5, 5)),
        ("5\t    data = handle.read()", (5, 5)),
        ("+    data = handle.read()\n+    return data", (5, 6)),
        ("-    old = 1\n+    data = handle.read()\n     return data", (5, 6)),
        ("@@ -1 +1 @@\n+    data = handle.read()", (5, 5)),
        ("  5| + data = handle.read()", (5, 5)),
        ("```python\n    data = handle.read()\n```", (5, 5)),
        ("`data = handle.read()`", (5, 5)),
        ('"data = handle.read()"', (5, 5)),
        ("\u201cdata = handle.read()\u201d", (5, 5)),
        ("def load(path):\n    ...\n    return data", (3, 6)),
        ("def load(path):\n    # ... (shortened)\n    return data", (3, 6)),
        ("  3| def load(path):\n  …\n  6|     return data", (3, 6)),
        ("def save(path, ...", (8, 8)),
        ('print("saved…", *data)', (11, 11)),
        ('token = "••••••••"', (12, 12)),
        ('token = "•••"', (12, 12)),
        ("data\u200b = handle.read()", (5, 5)),
        ("data = handle.read()\r\n    return data\r\n", (5, 6)),
        # Line numbers, and files or lines named before the code.
        ("5. data = handle.read()", (5, 5)),
        ("5) data = handle.read()", (5, 5)),
        ("[5] data = handle.read()", (5, 5)),
        ("#5: data = handle.read()", (5, 5)),
        ("005| data = handle.read()", (5, 5)),
        ("5      data = handle.read()\n6      return data", (5, 6)),
        ("a.py:5:    data = handle.read()\na.py:6:    return data", (5, 6)),
        ("src/a.py:5:9: data = handle.read()", (5, 5)),
        ("Line 5: data = handle.read()", (5, 5)),
        ("lines 5-6: data = handle.read()\n    return data", (5, 6)),
        ("L5-L6: data = handle.read()\n    return data", (5, 6)),
        ("a.py: data = handle.read()", (5, 5)),
        # Quotes and fences.
        ("Evidence: `data = handle.read()`", (5, 5)),
        ("`data = handle.read()`\n`return data`", (5, 6)),
        ("> data = handle.read()\n> return data", (5, 6)),
        ("'''data = handle.read()'''", (5, 5)),
        ('"""\ndata = handle.read()\n"""', (5, 5)),
        ("```data = handle.read()```", (5, 5)),
        ("```py\ndata = handle.read()", (5, 5)),
        ("data = handle.read()\n```", (5, 5)),
        ("```py\n5| data = handle.read()\n6| return data\n```", (5, 6)),
        ("<code>data = handle.read()</code>", (5, 5)),
        ("\u201edata = handle.read()\u201c", (5, 5)),
        ("\u2039data = handle.read()\u203a", (5, 5)),
        # Escaped twice, or with similar characters.
        ("data = handle.read()\\n    return data", (5, 6)),
        ('print(\\"saved…\\", *data)', (11, 11)),
        ("print(&quot;saved…&quot;, *data)", (11, 11)),
        ("print(\u201csaved…\u201d, *data)", (11, 11)),
        ("data\u00a0=\u00a0handle.read()", (5, 5)),
        # Elisions.
        ("def load(path):\n    <snip>\n    return data", (3, 6)),
        ("def load(path):\n    [snip]\n    return data", (3, 6)),
        ("def load(path):\n    ⋮\n    return data", (3, 6)),
        ("def load(path):\n    ..\n    return data", (3, 6)),
        ("def load(path):\n    # ... existing code ...\n    return data", (3, 6)),
        ("def load(path): ... return data", (3, 6)),
        ("... data = handle.read()", (5, 5)),
        ("5| data = handle.read()\n...\n13| return None", (5, 13)),
        # Line numbers without a bar, also before the marks of a diff.
        ("5 data = handle.read()", (5, 5)),
        ("5 data = handle.read()\n6 return data", (5, 6)),
        ("5 + data = handle.read()", (5, 5)),
        ("5 +    data = handle.read()\n6 +    return data", (5, 6)),
        ("5 -    data = 1\n5 +    data = handle.read()", (5, 5)),
        # The place on a line of its own.
        ("a.py:5-6\ndata = handle.read()\nreturn data", (5, 6)),
        ("a.py:5\n5| data = handle.read()", (5, 5)),
        ("src/a.py\ndata = handle.read()", (5, 5)),
        ("In `a.py`, lines 5-6:\n    data = handle.read()\n    return data", (5, 6)),
        ("# a.py:5\ndata = handle.read()", (5, 5)),
        ("a.py#L5-L6\ndata = handle.read()\nreturn data", (5, 6)),
        ("Lines 5-6:\ndata = handle.read()\nreturn data", (5, 6)),
        # A whole diff, with its headers.
        (
            (
                "diff --git a/a.py b/a.py\nindex 1234567..89abcde 100644\n--- a/a.py\n+++ b/a.py\n"
                "@@ -3,3 +3,4 @@ def load(path):\n     handle = open(path)\n-    data = 1\n"
                "+    data = handle.read()\n     return data"
            ),
            (4, 6),
        ),
        ("--- a/a.py\n+++ b/a.py\n@@ -5 +5 @@\n+    data = handle.read()", (5, 5)),
        ("new file mode 100644\n--- /dev/null\n+++ b/a.py\n@@ -0,0 +1 @@\n+import os", (1, 1)),
        # Text after the code, and around it.
        ("data = handle.read()\nThe handle is never closed.", (5, 5)),
        ("data = handle.read()\n\nThis reads the whole file into memory.", (5, 5)),
        ("data = handle.read()  # <- never closed", (5, 5)),
        ("data = handle.read()  // leaks", (5, 5)),
        ("data = handle.read() <-- here", (5, 5)),
        ("data = handle.read() (line 5)", (5, 5)),
        ("data = handle.read() \u2014 the handle stays open", (5, 5)),
        ("data = handle.read() is never closed", (5, 5)),
        ("`data = handle.read()` is never closed.", (5, 5)),
        ("The call `data = handle.read()` leaks.", (5, 5)),
        ("Here is the code:\n```python\ndata = handle.read()\nreturn data\n```", (5, 6)),
        # Two snippets.
        ("data = handle.read()\n\nhandle.write(data)", (5, 10)),
        ("5| data = handle.read()\n10| handle.write(data)", (5, 10)),
        ("a.py:5\ndata = handle.read()\na.py:10\nhandle.write(data)", (5, 10)),
        ("`data = handle.read()` and `handle.write(data)`", (5, 10)),
        ("```\ndata = handle.read()\n```\nand\n```\nhandle.write(data)\n```", (5, 10)),
        ("@@ -5 +5 @@\n+    data = handle.read()\n@@ -10 +10 @@\n+    handle.write(data)", (5, 10)),
        ("handle.write(data)\n\ndata = handle.read()", (10, 10)),
        # A snippet that is not there, or a part of a line among other text: nothing is guessed.
        ("data = handle.read()\n\nhandle.close()", None),
        ("5| data = handle.read()\n10| handle.close()", None),
        ("handle.read() is never closed by anybody", None),
        ("data = handle.read()\nhandle.close()", None),
        ("The handle is never closed.", None),
        ("data = handle.read()\nself.close()\nThe handle is closed.", None),
        ("a.py:5", None),
        # Masked secrets, as models write them.
        ('token = "********"', (12, 12)),
        ('token = "[REDACTED]"', (12, 12)),
        ('token = "<masked secret>"', (12, 12)),
        ('other = "********"', None),
        ("5. not in the file", None),
        ("```\nnot in the file\n```", None),
        ("not in the file", None),
        ("def load(path):\n    ...\n    never", None),
        ("", None),
        ("...", None),
        ("••••", None),
    ],
)
def test_quotations(evidence, lines):
    assert place(evidence) == lines


@pytest.mark.parametrize(
    ("claimed", "lines"), [(1, (4, 4)), (4, (4, 4)), (6, (4, 4)), (9, (9, 9)), (999, (9, 9))]
)
def test_the_match_nearest_to_the_claimed_lines(claimed, lines):
    assert place("handle = open(path)", claimed) == lines


def test_short_evidence_must_be_near():
    assert place(")", 5) == (5, 5)
    assert place("*", 1) is None


def test_crlf_tabs_and_composed_letters():
    text = "a = 1\r\n\tcafe\u0301 = 2\r\nb = 3\r\n"
    assert place("    caf\u00e9 = 2", text=text) == (2, 2)
    assert find(raw_finding("a = 1\ncafé = 2"), text).texts.read().evidence == "a = 1\n\tcafé = 2"


def test_a_mask_counts_only_where_something_is_masked():
    text = "token = 'plain'\nother = 1\n"
    assert place("token = '********'", text=text) is None
    assert place("token = '••••'", text=text) == (1, 1)


def test_dashes_change_neither_lines_nor_fingerprint():
    text = "a = 1\nsay('yes \u2013 no')\nb = 2\n"
    assert place("say('yes - no')", text=text) == (2, 2)
    assert (
        find(raw_finding("say('yes - no')"), text).texts.read().evidence == "say('yes \u2013 no')"
    )


def test_whole_file_findings_need_no_evidence():
    found = find(raw_finding("", 7, whole_file=True))
    assert (found.anchor.start_line, found.anchor.end_line, found.texts.read().evidence) == (
        1,
        1,
        "",
    )
    assert scope_of(found.anchor) == (1, 13)


def test_the_evidence_is_the_file_s_lines_not_the_quotation():
    found = find(raw_finding("data=handle.read()"))
    assert found.texts.read().evidence == "    data = handle.read()"
    assert scope_of(found.anchor) == (3, 7)


def test_copies_have_their_own_ordinals_and_fingerprints():
    first, second = (find(raw_finding("handle = open(path)", line)) for line in (4, 9))
    assert first.fingerprint != second.fingerprint
    assert first.evidence_digest == second.evidence_digest
    assert len(first.fingerprint), len(first.evidence_digest) == (16, 12)


def test_lines_above_and_white_space_do_not_change_the_fingerprint():
    before = find(raw_finding("data = handle.read()")).fingerprint
    after = FILE.replace("data = handle", "data  =  handle").replace(
        "import os", "import os\n\nX = 1"
    )
    assert find(raw_finding("data = handle.read()"), after).fingerprint == before


def test_duplicates_are_merged_and_categories_stay_separate():
    raw_findings = [
        raw_finding("data = handle.read()", severity=Severity.LOW),
        raw_finding("data = handle.read()\n    return data", severity=Severity.HIGH),
        raw_finding("data = handle.read()", category="style"),
        raw_finding("gone"),
        raw_finding("return data", category="style", severity=Severity.LOW),
        raw_finding("handle = open(path)\n    data = handle.read()", 4, category="third"),
        raw_finding("handle = open(path)\n    data = handle.read()", 4, category="fourth"),
    ]
    # As two answers about overlapping parts: of what both report, the more severe one stays.
    found, held_back = anchor_all(
        [raw_findings[:1], raw_findings[1:4], raw_findings[4:]],
        task="t",
        path="a.py",
        text=FILE,
        blob="b" * 40,
        commit="c" * 40,
    )
    assert sorted(held.reason for held in held_back) == ["discarded", "repeated"]
    assert [(f.category, f.severity.value) for f in found] == [
        ("fourth", "medium"),
        ("third", "medium"),
        ("resources", "high"),
        ("style", "medium"),
        ("style", "low"),
    ]
    assert len({f.fingerprint for f in found}) == len(found)


def anchored(*answers: list[RawFinding], text: str = FILE):
    return anchor_all(answers, task="t", path="a.py", text=text, blob="b" * 40, commit="c" * 40)


STYLE = "def style(text, *, italic=None):\n    if italic is not None:\n        return 5\n"


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        # Two findings of one answer, whatever they share.
        ({"rule": "tests-underline"}, {"rule": "wrong-code"}, 2),
        (
            {"evidence": "if italic is not None:"},
            {"evidence": "if italic is not None: return 5"},
            2,
        ),
        ({"evidence": "italic is"}, {"evidence": "not None"}, 2),
        ({"category": "style"}, {"category": "bug"}, 2),
        ({"title": "Reads the wrong flag"}, {"title": "Uses the wrong code"}, 1),
        ({"severity": Severity.LOW}, {"severity": Severity.HIGH}, 1),
        ({"evidence": "  2| if italic is not None:"}, {"evidence": "if italic  is not None:"}, 1),
    ],
)
def test_two_findings_of_one_answer_are_one_only_with_one_rule_and_code(first, second, count):
    one, other = (
        raw_finding(fields.pop("evidence", "if italic is not None:"), 2, **fields)
        for fields in ({**first}, {**second})
    )
    found, held_back = anchored([one, other], text=STYLE)
    assert (len(found), [held.reason for held in held_back]) == (count, ["repeated"] * (2 - count))
    assert len({finding.fingerprint for finding in found}) == count
    # The other way round they have the same fingerprints, or another answer would swap them.
    again, _ = anchored([other, one], text=STYLE)
    assert [f.fingerprint for f in again] == [f.fingerprint for f in found]


@pytest.mark.parametrize(("one", "other", "count"), [(1, 1, 1), (2, 1, 2), (1, 3, 3), (2, 2, 2)])
def test_answers_about_overlapping_parts_are_joined_one_to_one(one, other, count):
    answers = [
        [raw_finding("data = handle.read()", rule=f"{answer}-{n}") for n in range(size)]
        for answer, size in enumerate((one, other))
    ]
    found, held_back = anchored(*answers)
    assert (len(found), len(held_back)) == (count, one + other - count)


code = st.lists(
    st.text(alphabet="ab(){}= \t._x1\"'•é", min_size=0, max_size=12), min_size=1, max_size=20
)


@given(code, st.data())
def test_any_run_of_lines_is_found_again_at_its_place(lines, data):
    first = data.draw(st.integers(1, len(lines)))
    last = data.draw(st.integers(first, len(lines)))
    quoted = "\n".join(lines[first - 1 : last])
    solid = "".join(quoted.split()).replace("•", "")
    found = find(raw_finding(quoted, first, last), "\n".join(lines))
    if len(solid) >= 4:
        assert found is not None
        assert first <= found.anchor.end_line
        assert found.anchor.start_line <= last or found.texts.read().evidence == quoted


def numbered(first: int, lines: list[str]) -> list[str]:
    return [f"{first + n:>4}| {line}" for n, line in enumerate(lines)]


ADDITIONS = {
    "numbers": numbered,
    "diff": lambda _, lines: [f"+{line}" for line in lines],
    "compiler": lambda first, lines: [f"src/a.py:{first + n}: {x}" for n, x in enumerate(lines)],
    "blockquote": lambda _, lines: [f"> {line}" for line in lines],
    "one line": lambda _, lines: [" ".join(lines)],
    "tabs": lambda _, lines: [line.replace("    ", "\t") for line in lines],
    "elided": lambda _, lines: [lines[0], "    # ...", lines[-1]] if len(lines) > 2 else lines,
    "cut": lambda _, lines: [*lines[:-1], f"{lines[-1][:-2]}..."],
    "crlf": lambda _, lines: [f"{line}\r" for line in lines],
    "nothing": lambda _, lines: lines,
}
AROUND = {
    "fence": "```python\n{}\n```",
    "quotes": '"{}"',
    "curly": "\u201c{}\u201d",
    "ticks": "`{}`",
    "label": "Lines 3-4: {}",
    "nothing": "{}",
}


@given(
    st.integers(1, 30),
    st.integers(0, 6),
    st.sampled_from([*ADDITIONS]),
    st.sampled_from([*AROUND]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(-40, 40),
)
def test_evidence_is_found_whatever_is_added(first, more, added, around, end, off):
    lines = [f"    größe_{n} = call({n}, 'ü', [{n * 7}])  # {n}" for n in range(1, 37)]
    last = first + more
    quoted = ADDITIONS[added](first, lines[first - 1 : last])
    evidence = AROUND[around].format("\n".join(quoted))
    found = find(raw_finding(evidence, first + off, last + off), end.join(lines) + end)
    assert found is not None
    assert (found.anchor.start_line, found.anchor.end_line) == (first, last)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6, unique=True), st.integers(1, 61))
def test_of_several_matches_the_claimed_one_is_taken(copies, claimed):
    lines = ["twin = broken()" if n in copies else f"other_{n} = {n}" for n in range(61)]
    start, _ = place("twin = broken()", claimed, text="\n".join(lines))
    assert abs(start - claimed) == min(abs(n + 1 - claimed) for n in copies)


@given(st.text(), st.text(), st.integers(-5, 50), st.integers(-5, 50))
def test_nonsense_never_raises_and_stays_in_the_file(evidence, text, start, end):
    found = find(raw_finding(evidence, start, end), text)
    if found is not None:
        count = len(text.removesuffix("\n").split("\n"))
        low, high = scope_of(found.anchor)
        assert 1 <= low <= found.anchor.start_line <= found.anchor.end_line <= high <= count


@pytest.mark.parametrize(
    "evidence",
    [
        "•a" * 5_000,
        "...a" * 3_000,
        "a\n...\n" * 3_000,
        "`" * 20_000,
        " " * 19_000 + "x",
        "1" * 20_000,
        "a.a/" * 5_000,
        ("a" * 199 + ":") * 99,
        '\\"&amp;' * 2_000,
        ('"' + "'" * 100 + "`\n") * 100,
        "> \"'`5| + " * 1_500,
        "[hidden" * 2_500,
        "```\n" * 5_000,
        "a.a:1-1 " * 2_500,
        "a\n\n" * 6_000,
        "`a`b" * 5_000,
        "A a " * 5_000,
        "A " + "a " * 9_000 + "\n",
        "1 -a\n5 +b\n" * 1_800,
        " # a (b) <- c" * 1_500,
    ],
)
def test_hostile_evidence_ends_soon(evidence):
    text = "a" * 200_000 + "\n" + "a \n" * 5_000
    raw = raw_finding(evidence)
    assert_at_most(200, lambda: find(raw, text), floor=lambda: list(map(ord, text)))


SPACES = "".join(char for char in map(chr, range(0x10000)) if not normalize(char))


@given(st.lists(st.text(st.sampled_from(f"{SPACES}••ab\u00e9\ud800").filter("\n".__ne__))))
def test_lines_are_normalized_together_as_one_by_one(lines):
    assert normalize_lines(lines or [""]) == [normalize(line) for line in lines or [""]]
