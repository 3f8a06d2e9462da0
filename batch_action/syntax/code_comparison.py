"""Compare JavaScript, TypeScript and Go code without its comments."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from batch_action.syntax import directives
from batch_action.syntax.directives import CodeComment
from batch_action.syntax.treesitter import ATOMS, MAX_DEPTH, nodes, parse

IGNORE_LINE_BREAK_AFTER = frozenset({"{", ";", ","})
"""Tokens after which a line break has no meaning; elsewhere it may end a statement."""


@dataclass(frozen=True, slots=True)
class _ParsedCode:
    """The parts of a text that are compared."""

    structure: tuple[tuple[int, str], ...]
    """Depth and type of every node except comments."""
    tokens: tuple[str, ...]
    """The code, with the line breaks that may end a statement."""
    directives: tuple[CodeComment, ...]
    typed_tags: Counter[tuple[int, str]]
    """Types in the comments of a script, and where they are."""


def find_code_change(old: str, new: str, language: str) -> str | None:
    """Return in what the new text differs besides comments; None if in nothing."""
    before, after = (_parse_code(text.replace("\r\n", "\n"), language) for text in (old, new))
    if before is None or after is None:
        return "does not parse"
    if before.tokens != after.tokens or before.structure != after.structure:
        return "changes the code"
    if before.directives != after.directives:
        return "adds, drops or moves a comment that tools read"
    if before.typed_tags - after.typed_tags:
        return "changes a type or its name in a comment"
    return None


def _parse_code(text: str, language: str) -> _ParsedCode | None:
    tree = parse(text, language)
    if tree is None:
        return None
    data = text.encode("utf-8", "replace")
    structure: list[tuple[int, str]] = []
    leaves: list[Node] = []
    comments: list[CodeComment] = []
    count = cgo_tokens = 0
    for depth, node in nodes(tree):
        if depth >= MAX_DEPTH:
            return None
        if node.type == "comment":
            before = data[leaves[-1].end_byte if leaves else 0 : node.start_byte]
            own_line = not leaves or b"\n" in before
            comments.append(CodeComment(count, _source_text(node, data), own_line))
            leaves.append(node)
            continue
        structure.append((depth, node.type))
        if node.type in ATOMS or not node.child_count:
            if comments and leaves[-1].type == "comment":
                on_next_line = b"\n" in data[leaves[-1].end_byte : node.start_byte]
                comments[-1] = comments[-1]._replace(precedes_code_line=on_next_line)
            leaves.append(node)
            count += 1
        if node.type == "import_spec" and _source_text(node, data) == '"C"':
            cgo_tokens = count
    if language == "go":
        found, tagged = directives.go_directives(comments, cgo_tokens), []
    else:
        found, tagged = directives.script_directives(comments), comments
    return _ParsedCode(
        structure=tuple(structure),
        tokens=tuple(_tokens(leaves, data)),
        directives=tuple(found),
        typed_tags=Counter(tag for comment in tagged for tag in directives.typed_tags(comment)),
    )


def _tokens(leaves: list[Node], data: bytes) -> Iterator[str]:
    """Yield the text of all leaves except comments, and of what is between them if it matters."""
    previous, end, between = "", 0, b""
    for node in leaves:
        between += data[end : node.start_byte]
        end = node.end_byte
        if node.type == "comment":
            between += b"\n" * (b"\n" in data[node.start_byte : node.end_byte])
            continue
        text = _source_text(node, data)
        ignore_line_break = previous in IGNORE_LINE_BREAK_AFTER or text == "}"
        if between.strip():
            yield between.decode("utf-8", "replace")
        elif previous and b"\n" in between and not ignore_line_break:
            yield "\n"
        yield text
        previous, between = text, b""
    if rest := (between + data[end:]).strip():
        yield rest.decode("utf-8", "replace")


def _source_text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")
