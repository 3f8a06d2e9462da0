"""Escaping of hostile text, checked with a Markdown renderer like GitHub's."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from batch_action import escape
from batch_action.publishers import markers
from batch_action.publishers.prose import labeled, prose
from tests.harness.hostile_text import TEXTS
from tests.harness.hostile_text import texts as hostile

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
MENTION = re.compile(r"(?:^|[^\w`])@[a-z0-9]", re.IGNORECASE)
REFERENCE = re.compile(r"#\d|\bGH-\d", re.IGNORECASE)
COMMIT = re.compile(r"(?<![a-z0-9_])[0-9a-f]{7,40}(?![a-z0-9_])", re.IGNORECASE)
AUTOLINK = re.compile(r"https?://|www\.|[\w.]+@[\w-]+\.\w", re.IGNORECASE)


def inline_tokens(source: str) -> list:
    (start, body, end) = GFM.parse(source)
    assert (start.type, end.type) == ("paragraph_open", "paragraph_close")
    return body.children


def assert_inert(rendered: str) -> None:
    assert not MENTION.search(rendered), rendered
    assert not REFERENCE.search(rendered), rendered
    assert not AUTOLINK.search(rendered), rendered
    assert not COMMIT.search(rendered), rendered


@given(hostile)
def test_markdown_is_one_paragraph_of_plain_text(text):
    safe = escape.markdown(text)
    if not safe:
        return
    children = inline_tokens(safe)
    assert {token.type for token in children} <= {"text", "text_special"}
    rendered = "".join(token.content for token in children)
    assert_inert(rendered)
    assert rendered.replace("\u200b", "") == escape.plain(text)


@given(hostile, hostile)
def test_markdown_cannot_leave_its_table_cell(one, other):
    rows = f"| a | b |\n|---|---|\n| {escape.markdown(one)} | {escape.inline(other)} |"
    tokens = GFM.parse(rows)
    assert [t.type for t in tokens].count("td_open") == 2
    assert [t.type for t in tokens].count("tr_open") == 2
    assert tokens[-1].type == "table_close"


@given(hostile)
def test_markdown_is_inert_inside_raw_html(text):
    safe = escape.markdown(text)
    assert "<" not in safe
    assert ">" not in safe
    assert_inert(unescape(safe))


@given(hostile)
def test_inline_adds_code_only(text):
    safe = escape.inline(text)
    tags = re.findall(r"<[^>]*>", safe)
    assert set(tags) <= {"<code>", "</code>"}
    assert tags.count("<code>") == tags.count("</code>")
    # GitHub links nothing inside of code.
    assert_inert(unescape(re.sub("<code>.*?</code>", " ", safe)))


PROSE = {
    *("paragraph_open", "paragraph_close", "inline", "fence", "list_item_open", "list_item_close"),
    *("bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close"),
}


@given(hostile)
def test_prose_has_paragraphs_lists_and_code_only(text):
    for token in GFM.parse(prose(text)):
        assert token.type in PROSE, token
        assert token.info not in ("suggestion", "mermaid", "math")
        for child in token.children or ():
            assert child.type in ("text", "text_special", "code_inline"), token.content
            if child.type != "code_inline":
                assert_inert(child.content)


FRAMES = {
    "list": "- {}\n- b",
    "nested list": "1. a\n   - {}\n2. b",
    "fence": "Look:\n```py\n{}\n```\nafter",
    "open fence": "```suggestion\n{}",
    "item with a fence": "- a\n  ~~~\n  {}\n  ~~~",
    "indented": "Look:\n\n    {}\n\nafter",
    "table": "| a | b |\n|---|---|\n| {} | 2 |",
    "heading": "# {}\ntext",
    "quote": "> {}",
    "deep": "- " * 40 + "{}",
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("kind", TEXTS)
def test_hostile_text_in_a_list_or_a_fence_is_inert(frame, kind):
    test_prose_has_paragraphs_lists_and_code_only.hypothesis.inner_test(
        FRAMES[frame].format(TEXTS[kind])
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n\nthree", "one two\n\nthree"),
        ("Steps:\n- open\n- read\n  twice", "Steps:\n\n- open\n- read twice"),
        ("* a\n* b", "- a\n- b"),
        ("3) c\n4) d", "3. c\n4. d"),
        ("1. a\n   - b\n2. c", "1. a\n   - b\n2. c"),
        ("- a\n  2. b", "- a 2. b"),
        ("1. a\n   -\n2. b", "1. a -\n2. b"),
        ("-\n- b", "- b"),
        ("- [ ] box", "- &#91; &#93; box"),
        ("So:\n```py\nx  = 1\n\n# y\n```\nend", "So:\n\n```py\nx  = 1\n\n# y\n```\n\nend"),
        ("```suggestion\nrm\n```", "```\nrm\n```"),
        ("~~~\nnever closed", "```\nnever closed\n```"),
        ("```\n\n```", ""),
        ("- a\n  ```\n  b\n    c\n  ```", "- a\n  ```\n  b\n    c\n  ```"),
        ("See:\n\n    a\n      b\n\nend", "See:\n\n```\na\n  b\n```\n\nend"),
        ("|a|b|\n|-|-|\n|1|2|", "```\n|a|b|\n|-|-|\n|1|2|\n```"),
        ("# Why\nbecause", "&#35; Why\n\nbecause"),
        ("[x]: y\n> z\n---\n<p>", "&#91;x&#93;: y &gt; z --- &lt;p&gt;"),
        ("a `b\nc` d", "a `b c` d"),
        ("first\r\n\r\nsecond", "first\n\nsecond"),
    ],
)
def test_prose_keeps_lists_and_code(text, expected):
    assert prose(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It loops.", "**Why.** It loops."),
        ("- a\n- b", "**Why.**\n\n- a\n- b"),
        ("2. a", "**Why.**\n\n2. a"),
        ("```\na\n```", "**Why.**\n\n```\na\n```"),
        ("-1 is returned", "**Why.** &#45;1 is returned"),
        ("`x` is None", "**Why.** `x` is None"),
        (" \n", ""),
    ],
)
def test_a_label_is_beside_text_and_above_a_list(text, expected):
    assert labeled("Why", text, 100) == expected


@pytest.mark.parametrize(
    ("safe", "expected"),
    [
        ("short words stay", "short words stay"),
        ("<code>src/db.py:10</code>", "<code>src/db.py:10</code>"),
        ("<code>src/store.py:10</code>", "<code>src/<wbr>store.<wbr>py:<wbr>10</code>"),
        ("parseConfiguration &#35;&lt;", "parse<wbr>Configuration &#35;&lt;"),
        ("[a](https://example.com/long_path)", "[a](https://example.com/long_path)"),
        ("00000000_GH-12", "00000000_<wbr>GH-\u200b12"),
        ("`a.very.long.name`", "`a.very.long.name`"),
        ("x" * 30, "x" * 14 + "<wbr>" + "x" * 14 + "<wbr>xx"),
    ],
)
def test_long_words_can_break(safe, expected):
    assert escape.breakable(safe) == expected


@given(hostile)
def test_what_can_break_is_inert_and_says_the_same(text):
    for safe in (escape.inline(text), escape.html_code(text)):
        broken = escape.breakable(safe)
        assert broken.replace("<wbr>", "").replace("\u200b", "") == safe.replace("\u200b", "")
        assert_inert(unescape(re.sub("<code>.*?</code>|<wbr>", " ", broken, flags=re.DOTALL)))


@given(hostile, st.sampled_from(["", "python", "c++", "mermaid", "x\n<img>", "py `"]))
def test_a_fence_is_one_fence(text, language):
    tokens = GFM.parse(escape.fence(text, language))
    assert [t.type for t in tokens] == ["fence"]
    assert tokens[0].content == escape.visible(text).removesuffix("\n") + "\n"
    assert tokens[0].info in ("", "python", "c++")


@given(hostile)
def test_a_code_span_is_one_span(text):
    span = escape.code_span(text)
    if span:
        (token,) = inline_tokens(span)
        assert token.type == "code_inline"


@given(st.text(alphabet=st.characters(codec=None)))
def test_an_attribute_round_trips_and_has_no_delimiter(text):
    value = escape.attribute(text)
    assert escape.unattribute(value) == text
    assert not re.search(r"--|[\s<>=,]", value)


@given(hostile)
def test_no_output_contains_a_marker(text):
    outputs = (
        escape.markdown(text),
        prose(text),
        escape.fence(text),
        escape.code_span(text),
        escape.inline(text),
    )
    for output in outputs:
        assert "<!-- batch-action" not in output.lower()
        assert "<!-- /batch-action" not in output.lower()
        assert list(markers.parse_blocks(output)) == []


@given(hostile)
def test_no_log_line_is_a_command(text):
    for line in re.split(r"\r\n|\r|\n", escape.log(text)):
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


@given(hostile)
def test_annotations_are_one_line_and_their_properties_closed(text):
    assert not re.search(r"[\r\n]|##\[", escape.annotation_data(text))
    assert not re.search(r"[\r\n:,]", escape.annotation_property(text))


@given(hostile)
def test_everything_can_be_encoded(text):
    for safe in (escape.markdown, prose, escape.fence, escape.log, escape.path_url):
        safe(text).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words, snake_case and 50%", "plain words, snake_case and 50%"),
        ("@bob see #12", "@\u200bbob see &#35;\u200b12"),
        ("1. first", "1&#46; first"),
        ("- item", "&#45; item"),
        ("a\n\n# b", "a &#35; b"),
        ("C# and F#", "C&#35; and F&#35;"),
        ("https://x.y", "https:\u200b//x.y"),
        ("<b>&</b>", "&lt;b&gt;&amp;&lt;/b&gt;"),
        ("\u202eabc\u200b", "abc"),
    ],
)
def test_markdown_by_example(text, expected):
    assert escape.markdown(text) == expected


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("src/a b.py", "src/a%20b.py"),
        ("a#b?c(d).py", "a%23b%3Fc%28d%29.py"),
        ("caf\udce9.py", "caf%E9.py"),
        ("日本.md", "%E6%97%A5%E6%9C%AC.md"),
    ],
)
def test_path_url(path, url):
    assert escape.path_url(path) == url


def test_invisible_characters_in_code_become_visible():
    assert escape.visible("a\u202eb\x00\r\nc") == "a\u2039U+202E\u203ab␀\nc"


def test_plain_is_cut():
    assert escape.plain("one two three", 8) == "one two…"


# Titles, Slack, Mermaid, URLs.


@pytest.mark.parametrize("kind", TEXTS)
def test_hostile_text_is_inert_in_every_channel(kind):
    """Each hostile text is inert and still readable."""
    text = TEXTS[kind]
    words = set(re.findall(r"[a-z]{4,}", text, re.IGNORECASE))
    test_markdown_is_one_paragraph_of_plain_text.hypothesis.inner_test(text)
    test_prose_has_paragraphs_lists_and_code_only.hypothesis.inner_test(text)
    test_inline_adds_code_only.hypothesis.inner_test(text)
    for safe in (
        escape.markdown(text),
        prose(text),
        escape.subject(text),
        escape.slack(text),
    ):
        read = unescape(safe).replace("\u200b", "").replace("\u2011", "-")
        assert words <= set(re.findall(r"[a-z]{4,}", read, re.IGNORECASE)), (words, read)


@given(hostile)
def test_a_title_refers_to_nothing_and_skips_nothing(text):
    title = escape.subject(text)
    assert_inert(title)
    assert not re.search(r"\[(skip|no|ci|actions)[ -](ci|actions|skip)\]", title, re.IGNORECASE)
    assert "\n" not in title
    assert title.replace("\u200b", "") == escape.plain(text)


@given(hostile)
def test_slack_gets_plain_text_only(text):
    safe = escape.slack(text)
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", safe)
    assert not re.search(r"[*~]|@\w|#\w|://", safe)
    assert safe.count("`") % 2 == 0
    plain = unescape(safe).replace("\u200b", "")
    same = str.maketrans("*~`", "\u2217\u223c\u02cb")
    bare = re.sub(r"[`\u02cb\s]", "", plain)
    assert bare == re.sub(r"[\u02cb\s]", "", escape.plain(text).translate(same))


@given(hostile)
def test_a_url_is_valid_or_empty(text):
    for url in (text, f"https://github.com/{text}", f"https://{text}"):
        safe = escape.href(url)
        assert not re.search(r"[\s()<>|\"'`\\\[\]*]", safe)
        if safe:
            (start, link, end) = inline_tokens(f"[x]({safe})")[:3]
            assert (start.type, link.content, end.type) == ("link_open", "x", "link_close")
            assert re.match(r"https?://", str(start.attrs["href"]))


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https://a@evil.example/", ""],
)
def test_other_schemes_are_no_link(url):
    assert escape.href(url) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fixes #3 [skip ci]", "fixes #\u200b3 [\u200bskip ci]"),
        ("# heading", "# heading"),
        ("see 0123abcd", "see 0123ab\u200bcd"),
        ("cc @bob", "cc @\u200bbob"),
    ],
)
def test_titles_by_example(text, expected):
    assert escape.subject(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SQL from `name`", "SQL from `name`"),
        ("<!here> & *b*", "&lt;!here&gt; &amp; \u2217b\u2217"),
        ("a ` b", "a \u02cb b"),
        ("`` a ` b ``", "`a \u02cb b`"),
        ("in #general", "in #\u200bgeneral"),
    ],
)
def test_slack_by_example(text, expected):
    assert escape.slack(text) == expected


def test_commit_ids_stay_intact_in_code_and_in_trusted_text():
    assert escape.html_code("0123abcd") == "<code>0123abcd</code>"
    assert escape.markdown_with_commits("fixed in 0123abc") == "fixed in 0123abc"
    assert escape.markdown("fixed in 0123abc") == "fixed in 0123ab\u200bc"


LETTERS = st.characters(categories=["L"])
ONE_LINE = st.text(st.characters(exclude_characters="\n\r\0") | st.sampled_from("`*#-|<@\t  "))


@given(LETTERS, ONE_LINE)
def test_one_line_is_rendered_as_the_parser_would(first, rest):
    # The second paragraph has the parser read both.
    assert prose(f"{first}{rest}\n\nx") == f"{prose(first + rest)}\n\nx"
