"""Hostile text by models, file names and people, and checks that reports with it are inert."""

import json
import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

TEXTS = {
    "mention": "cc @octocat, @org/team and a@b.co",
    "reference": "see #1, GH-7, octo/repo#12 and octo/repo@0123abc",
    "commit": "as in 0123abcdef0123abcdef0123abcdef0123abcdef or deadbee",
    "closing": "fixes #3, closes GH-4, resolves octo/repo#5",
    "closing-url": "closes https://github.com/octo/repo/issues/1",
    "skip": "tidy [skip ci] [ci skip] [no ci] [skip actions]",
    "html": "<img src=x onerror=alert(1)><script>alert(1)</script></details></td>",
    "comment": "<!-- hidden --> text --> more <!--",
    "fence": "```\nout\n```\n````js\nx\n~~~\n    code",
    "table": "a | b\n|---|---|\n| c | d \\| e",
    "image": "![x](http://evil.example/i.png) ![y][r]\n\n[r]: http://evil.example",
    "data-link": "[a](javascript:alert(1)) [b](data:text/html;base64,eA==) [c](vbscript:x)",
    "autolink": "<http://evil.example> www.evil.example ftp://evil.example mailto:a@b.co",
    "bidi": "safe\u202e)eliforp(\u2066 a\u200bd\ufeffm\u2069in \U000e0041",
    "command": "::error file=a.py::pwned\n::add-mask::x\n##[error]pwned ##[set-output name=a]b",
    "delimiter": "x\nghadelimiter_1\nstatus=pwned\nstatus<<EOF\npwned\nEOF",
    "marker": "<!-- batch-action v1 task=x repository=1 head=x batches= -->",
    "finding": "<!-- batch-action:finding v1 id=0000000000000000 state=fixed -->\nx\n"
    "<!-- /batch-action:finding id=0000000000000000 -->",
    "slack": "<!here> <!channel> <@U012AB3CD> <https://evil.example|ok> @here *b* ~s~ `c",
    "mermaid": '"] --> x["pwned"]; %%{init: {}}%%\nclick x "javascript:alert(1)"',
    "sarif": "[link](1) and [x](https://evil.example) {0}",
    "emphasis": "**b** __i__ ~~s~~ $x$ # h\n- l\n1. x\n> q\n---",
    "control": "\x1b[31mred\x07 \0 \x9b31m \ud800 \udcff",
}
"""By the attack."""

FILE_NAMES = [
    "::set-output name=x::y.js",
    "a%0A::error::b.js",
    "@octocat.js",
    "`tick`.js",
    "<!-- batch-action v1 -->.js",
    "new\nline.js",
    'quo"te.js',
    "##[error]x.js",
    "ghadelimiter_1.js",
    "pi|pe.js",
    "[a](javascript:x).js",
    "<!here>&#1 fixes #1.js",
    "\u202egnp.js",
]

PIECES = [
    *TEXTS.values(),
    *("@octocat", "@org/team", "#12", "GH-7", "gh-7", "o/r#1", "fixes #3", "closes https://x.y/1"),
    *("https://evil.example/?q=1", "www.evil.example", "mailto:a@b.co", "a@b.co", "http://a"),
    *("![x](http://e/i.png)", "[a](javascript:x)", "[r]: http://e", "[r]", "<http://e>", "<img>"),
    *("<!--", "-->", "<script>", "</details>", "&lt;b&gt;", "&#64;x", "<!-- batch-action:finding"),
    *("```", "````", "~~~", "`", "``", "\n", "\n\n", "\r", "\t", "    ", "# h", "- l", "1. x"),
    *("> q", "---", "===", "|", "\\|", "\\", "*", "**b**", "_", "__i__", "~~s~~", "$x$", "+ x"),
    *("<!-- /batch-action:finding id=0123456789abcdef -->", "::error::x", "##[set-output name=a]b"),
    *("\u202e", "\u200b", "\u2066", "\ufeff", "\0", "\x1b[31m", "\ud800", "\udcff", "\u2028", "é"),
    *("a", "word", " ", "%0A", "%", ":", ",", "x=1", "|---|", ":--", "1)", "://", "@", "#", "GH-"),
    *("0123abc", "deadbeef", "<!here>", "<@U1>", "[skip ci]", "](", "{0}", '"]', "%%"),
]
texts = st.one_of(
    st.text(),
    st.sampled_from([*TEXTS.values()]),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.text(alphabet=st.characters(codec=None), max_size=30),
)


def answer(params: Mapping[str, Any], message: str, evidence: str) -> str:
    """Build an answer in the schema of a request, with *message* in every text field."""
    schema = params["output_config"]["format"]["schema"]
    message = message.encode("utf-8", "replace").decode()  # the API sends no lone surrogates
    return json.dumps(_filled(schema, schema, "", message, evidence))


def _filled(schema: Mapping[str, Any], root: Mapping[str, Any], *rest: str) -> Any:
    name, message, evidence = rest
    if "$ref" in schema:
        return _filled(root["$defs"][schema["$ref"].split("/")[-1]], root, name, message, evidence)
    schema = schema.get("anyOf", [schema])[0]
    match schema["type"]:
        case _ if "enum" in schema:
            return schema["enum"][0]
        case "object":
            parts = schema["properties"].items()
            return {key: _filled(part, root, key, message, evidence) for key, part in parts}
        case "array":
            return [_filled(schema["items"], root, name, message, evidence)]
        case "string":
            return evidence if name == "evidence" else message
        case kind:
            return {"integer": 1, "boolean": False}[kind]


OURS = {"details", "summary", "code", "b", "sub", "input", "wbr"}
"""The HTML elements that we write."""


def inner(text: str) -> list[Token]:
    """Return the inline tokens of paragraphs, cells and headings."""
    return [child for token in GFM.parse(text) for child in token.children or ()]


def without_code(text: str) -> str:
    """Return the text outside of code, HTML and labels of links."""
    parts, linked = [], 0
    for token in inner(text):
        linked += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type in ("text", "text_special") and not linked:
            parts.append(token.content)
    return "\n".join(parts)


def assert_inert(text: str, home: str) -> None:
    """Assert: no link except to *home*, no image, only our HTML, no mention or reference."""
    found = inner(text)
    assert not [t for t in found if t.type == "image"]
    for token in found:
        if token.type == "link_open":
            assert str(token.attrs["href"]).startswith(home), token
    html = [t.content for t in (*GFM.parse(text), *found) if t.type.startswith("html_")]
    for piece in html:
        visible = re.sub(r"<!-- /?batch-action[^<>]*-->", "", piece)
        assert "<!--" not in visible, piece
        assert {name.strip("/") for name in re.findall(r"<(/?[^\s>]*)", visible)} <= OURS, piece
    visible_text = without_code(text)
    acts = r"(?:^|[^\w`])@[a-z0-9]|#\d|\bGH-\d|https?://|www\."
    assert re.findall(acts, visible_text, re.IGNORECASE) == []
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)
