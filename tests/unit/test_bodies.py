"""What may be left out before a grammar reads a text: the definitions stay, on the same lines."""

import random

import pytest

from batch_action.syntax import grammars, treesitter
from batch_action.syntax.bodies import without_bodies

LEFT_OUT = [
    "if (a) {\n  b(c);\n}",
    "const a = {\n  b: 1,\n  c: { d: [2] },\n};",
    "for (const a of b) {\n  if (c) {\n    d();\n  } else {\n    e({ f: 1 });\n  }\n}",
    "try {\n  a();\n} catch (e) {\n  b(`c`);\n} finally {\n  d();\n}",
    "switch (a) {\n  case 1:\n    b();\n    break;\n  default:\n    c();\n}",
    "return [\n  {\n    a: 1,\n    b: 2,\n  },\n];",
]
DEFINING = [
    "const inner = (a) => a;",
    "const a = {\n  a: '}',\n  b: '{',\n};",
    "const inner = (a) => {\n  return a;\n};",
    "const inner =\n  (a) => {\n    return a;\n  };",
    "function inner(a) {\n  return a;\n}",
    "class Inner {\n  method() {\n    return 1;\n  }\n  get x() { return 2; }\n  y = () => 3;\n}",
    "const a = {\n  method(b) {\n    c();\n  },\n  get d() {\n    return 1;\n  },\n};",
    "const a = {\n  async *method(b) { c(); },\n};",
    "describe('a', function () {\n  it('b', () => {\n    c();\n  });\n});",
    "const a = `\n  ${b}\n}\n`;",
    "const a = `${\n  b\n} and ${\n  c\n}`;",
    "const a = '{';\nconst inner = () => {\n  b('}');\n};",
    "/* if (a) {\n  }\n*/\nconst inner = () => 1;",
    "const a = x /\n  y / z;\nconst b = /[{]/;",
]


def around(statements, kind):
    """Return a text with these statements in a definition at the top level."""
    header = {
        "function": "export function outer(a) {",
        "method": "class Outer {\n  method(a) {",
        "call": "outer('x', async (a) => {",
        "object": "module.exports = {\n  method(a) {",
    }[kind]
    indent = "    " if "\n" in header else "  "
    body = "".join(f"{indent}{line}\n" for text in statements for line in text.split("\n"))
    end = {"function": "}", "method": "  }\n}", "call": "});", "object": "  },\n};"}[kind]
    return f"// A comment.\n{header}\n{body}{end}\n\nfunction last() {{\n  a();\n}}\n"


@pytest.fixture
def outline_of_all(monkeypatch):
    """Return the function that reads the outline of a text with all its bodies."""

    def read(text, language):
        with monkeypatch.context() as patched:
            patched.setattr(grammars, "without_bodies", lambda text, _: text)
            return grammars.outline_of(text, language)

    return read


@pytest.mark.parametrize("kind", ["function", "method", "call", "object"])
@pytest.mark.parametrize("statement", LEFT_OUT + DEFINING)
def test_a_body_has_the_same_definitions(statement, kind, outline_of_all):
    text = around([LEFT_OUT[0], statement, "a();"], kind)
    assert treesitter.parse(text, "typescript") is not None
    assert without_bodies(text, "typescript").count("\n") == text.count("\n")
    assert grammars.outline_of(text, "typescript") == outline_of_all(text, "typescript")


@pytest.mark.parametrize("statement", [text for text in LEFT_OUT if "`" not in text])
def test_what_defines_nothing_is_left_out(statement):
    text = around([statement], "function")
    shortened = without_bodies(text, "javascript")
    assert "".join(shortened.split()) == "//Acomment.exportfunctionouter(a){}functionlast(){}"
    assert treesitter.parse(shortened, "javascript") is not None


@pytest.mark.parametrize("seed", range(30))
def test_any_statements_have_the_same_definitions(seed, outline_of_all):
    chosen = random.Random(seed)
    kind = chosen.choice(["function", "method", "call", "object"])
    text = around(chosen.choices(LEFT_OUT + DEFINING, k=6), kind)
    for language in ("javascript", "typescript", "tsx"):
        assert grammars.outline_of(text, language) == outline_of_all(text, language)


def test_go(outline_of_all):
    text = (
        "package a\n\nfunc (b *B) Run() {\n\tif c {\n\t\td()\n\t}\n}\n\n"
        "func Two() {\n\ttype inner struct {\n\t\tx int\n\t}\n\te()\n}\n\n"
        "type Last struct {\n\ty int\n}\n"
    )
    assert "d()" not in without_bodies(text, "go")
    outline = grammars.outline_of(text, "go")
    assert outline == outline_of_all(text, "go")
    names = [name for item in outline.definitions for name in item.names]
    assert names == ["Run", "Two", "inner", "Last"]


@pytest.mark.parametrize(("start", "end"), [("`", "`"), ("/*", "*/")])
def test_what_spans_two_blocks_is_no_definition(start, end, outline_of_all):
    text = f"if (a) {{\n  b = 1 + {start}\n}}\nconst inner = () => {{\n  {end} + 2;\n}}\n"
    outline = grammars.outline_of(text, "javascript")
    assert outline == outline_of_all(text, "javascript")
    assert [item.start for item in outline.definitions] == [1]


def test_a_text_whose_rest_does_not_parse_is_read_whole():
    text = "const a =\n  {\n    b: 1,\n  };\nif (a)\n{\n  b();\n}\nfoo(() =>\n{\n  c;\n});\n"
    assert [item.start for item in grammars.outline_of(text, "javascript").definitions] == [1, 5, 9]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(" " * depth + "a {" for depth in range(500)),
        "a {\n" * 20_000,
        "{" * 100_000,
        "\n" + " " * 100_000 + "a {",
        "a {\n" + " \n" * 50_000,
    ],
)
def test_a_text_of_braces_stays_as_it_is(text):
    assert without_bodies(text, "javascript").count("\n") == text.count("\n")
