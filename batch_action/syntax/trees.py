"""JavaScript, TypeScript and Go: code without its comments, by tree-sitter's grammars."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_go
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Tree

from batch_action.syntax import directives
from batch_action.syntax.directives import Comment

ATOMS = frozenset(
    {
        *("string", "template_string", "template_literal_type", "regex", "jsx_text"),
        *("interpreted_string_literal", "raw_string_literal", "rune_literal"),
    }
)
"""Every character counts in them, white space too."""
FREE_AFTER = frozenset({"{", ";", ","})
"""Whether the line ends after one of these means nothing; elsewhere it might end a statement."""
DEEPEST = 1_000

_GRAMMARS = {
    "javascript": tree_sitter_javascript.language,
    "jsx": tree_sitter_javascript.language,
    "typescript": tree_sitter_typescript.language_typescript,
    "tsx": tree_sitter_typescript.language_tsx,
    "go": tree_sitter_go.language,
}
LANGUAGES = frozenset(_GRAMMARS)


@dataclass(frozen=True, slots=True)
class _Code:
    """A text taken apart."""

    shape: tuple[tuple[int, str], ...]
    """Depth and kind of every node that is no comment."""
    tokens: tuple[str, ...]
    """What is written, with the line breaks that may end a statement."""
    directives: tuple[Comment, ...]


@cache
def _parser(language: str) -> Parser:
    return Parser(Language(_GRAMMARS[language]()))


def parse(text: str, language: str) -> Tree | None:
    """The syntax tree; None when it has an error."""
    tree = _parser(language).parse(text.encode("utf-8", "replace"))
    return None if tree.root_node.has_error else tree


def changed(old: str, new: str, language: str) -> str | None:
    """Why the new text is more than the old code with other comments; None when it is not."""
    one, other = (_taken_apart(text.replace("\r\n", "\n"), language) for text in (old, new))
    if one is None or other is None:
        return "does not parse"
    if one.tokens != other.tokens or one.shape != other.shape:
        return "changes the code"
    if one.directives != other.directives:
        return "adds, drops or moves a comment that tools read"
    return None


def nodes(tree: Tree) -> Iterator[tuple[int, Node]]:
    """Every node with its depth, in the order of the text; atoms are not entered."""
    cursor = tree.walk()
    depth = 0
    while True:
        node = cursor.node
        if node is None:
            return
        yield depth, node
        if not _whole(node) and depth < DEEPEST and cursor.goto_first_child():
            depth += 1
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            depth -= 1


def _whole(node: Node) -> bool:
    return node.type in ATOMS or node.type == "comment"


def _taken_apart(text: str, language: str) -> _Code | None:
    tree = parse(text, language)
    if tree is None:
        return None
    data = text.encode("utf-8", "replace")
    shape: list[tuple[int, str]] = []
    pieces: list[Node] = []
    comments: list[Comment] = []
    count = foreign = 0
    for depth, node in nodes(tree):
        if depth >= DEEPEST:
            return None
        if node.type == "comment":
            between = data[pieces[-1].end_byte if pieces else 0 : node.start_byte]
            alone = not pieces or b"\n" in between
            comments.append(Comment(count, _written(node, data), alone))
            pieces.append(node)
            continue
        shape.append((depth, node.type))
        if node.type in ATOMS or not node.child_count:
            if comments and pieces[-1].type == "comment":
                leads = b"\n" in data[pieces[-1].end_byte : node.start_byte]
                comments[-1] = comments[-1]._replace(leads=leads)
            pieces.append(node)
            count += 1
        if node.type == "import_spec" and _written(node, data) == '"C"':
            foreign = count
    go = language == "go"
    found = directives.in_go(comments, foreign) if go else directives.in_scripts(comments)
    return _Code(tuple(shape), tuple(_tokens(pieces, data)), tuple(found))


def _tokens(pieces: list[Node], data: bytes) -> Iterator[str]:
    """What is written, with whatever stands between two pieces and may mean something."""
    left, at, between = "", 0, b""
    for node in pieces:
        between += data[at : node.start_byte]
        at = node.end_byte
        if node.type == "comment":
            between += b"\n" * (b"\n" in data[node.start_byte : node.end_byte])
            continue
        told = _written(node, data)
        if between.strip():
            yield between.decode("utf-8", "replace")
        elif left and b"\n" in between and left not in FREE_AFTER and told != "}":
            yield "\n"
        yield told
        left, between = told, b""
    if rest := (between + data[at:]).strip():
        yield rest.decode("utf-8", "replace")


def _written(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")
