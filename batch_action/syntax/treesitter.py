"""Parse JavaScript, TypeScript and Go with tree-sitter."""

from collections.abc import Iterator
from functools import cache

import tree_sitter_go
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Tree

ATOMS = frozenset(
    {
        *("string", "template_string", "template_literal_type", "regex", "jsx_text"),
        *("interpreted_string_literal", "raw_string_literal", "rune_literal"),
    }
)
"""Nodes in which every character counts, white space too."""
MAX_DEPTH = 1_000

_GRAMMARS = {
    "javascript": tree_sitter_javascript.language,
    "jsx": tree_sitter_javascript.language,
    "typescript": tree_sitter_typescript.language_typescript,
    "tsx": tree_sitter_typescript.language_tsx,
    "go": tree_sitter_go.language,
}
LANGUAGES = frozenset(_GRAMMARS)


@cache
def grammar_of(language: str) -> Language:
    """Return the grammar of one of `LANGUAGES`."""
    return Language(_GRAMMARS[language]())


@cache
def _parser(language: str) -> Parser:
    return Parser(grammar_of(language))


def parse(text: str, language: str) -> Tree | None:
    """Return the syntax tree; None if it has an error."""
    tree = _parser(language).parse(text.encode("utf-8", "replace"))
    return None if tree.root_node.has_error else tree


def nodes(tree: Tree) -> Iterator[tuple[int, Node]]:
    """Yield every node with its depth in the order of the text, but none inside of an atom."""
    cursor = tree.walk()
    depth = 0
    while True:
        node = cursor.node
        if node is None:
            return
        yield depth, node
        if not _is_atomic(node) and depth < MAX_DEPTH and cursor.goto_first_child():
            depth += 1
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            depth -= 1


def _is_atomic(node: Node) -> bool:
    return node.type in ATOMS or node.type == "comment"
