"""Render texts of the model as Markdown: its paragraphs, lists and code blocks, nothing else.

A Markdown parser finds the blocks; what is in them is escaped.
"""

import re
from collections.abc import Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from batch_action.escape import fence, paragraph, plain

MAX_DEPTH = 12
"""The parser drops what is nested more deeply than 20 blocks, and a list is two of them."""
CUT = "… (cut: too long for {place})"
_FENCE = re.compile(r" *(`{3,})")


@cache
def _parser() -> MarkdownIt:
    # Without HTML, quotes, rules, links and references: these are text.
    return MarkdownIt("zero").enable(["list", "fence", "code", "table", "heading"])


def prose(text: str, limit: int = 0) -> str:
    """Escape text; paragraphs, lists, code blocks and code in backticks stay what they are.

    A table becomes a code block of the lines it was written in.
    """
    if not text:
        return ""
    if limit and len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    text = text.replace("\r\n", "\n")
    if text[:1].isalpha() and not any(char in text for char in "\n\r\0"):
        # One line that begins with a letter is a paragraph: most texts are, and parsing is slow.
        return paragraph(text.strip())
    tokens = _parser().parse(text)
    if any(token.level > MAX_DEPTH for token in tokens):
        return paragraph(text)
    return _render_blocks(SyntaxTreeNode(tokens).children, text.split("\n"))


def labeled(label: str, text: str, limit: int) -> str:
    """Return prose after a bold label, on its line unless a list or code begins; empty for none."""
    escaped = prose(text, limit)
    space = "\n\n" if re.match(r"```|-|\d+\. ", escaped) else " "
    return f"**{label}.**{space}{escaped}" if escaped else ""


def _render_blocks(nodes: Sequence[SyntaxTreeNode], lines: Sequence[str]) -> str:
    blocks = (_render_block(node, lines) for node in nodes)
    return "\n\n".join(block for block in blocks if block)


def _render_block(node: SyntaxTreeNode, lines: Sequence[str]) -> str:
    match node.type:
        case "bullet_list" | "ordered_list":
            items = (_render_item(item, lines) for item in node.children)
            return "\n".join(item for item in items if item)
        case "fence" | "code_block":
            return _render_code(node.content, node.info)
        case "table":
            first, end = node.map or (0, 0)
            return _render_code("\n".join(line.strip() for line in lines[first:end]))
        case "heading":
            return paragraph(f"{node.markup} {node.children[0].content}")
        case _:
            return paragraph("".join(child.content for child in node.children))


def _render_item(item: SyntaxTreeNode, lines: Sequence[str]) -> str:
    marker = f"{item.info}. " if item.info else "- "
    content = _render_blocks(item.children, lines)
    if any(child.hidden for child in item.children):
        # A tight list stays one: only a list that starts with another number needs the blank line.
        content = re.sub(r"\n\n(?!\d+\. )", "\n", content, count=1)
    content = re.sub(r"\n(?=[^\n])", f"\n{' ' * len(marker)}", content)
    return f"{marker}{content}" if content else ""


def _render_code(code: str, info: str = "") -> str:
    language = info.split(maxsplit=1)[0].lower() if info.strip() else ""
    # GitHub makes a suggestion in a review comment a change that one click commits.
    return fence(code, "" if language == "suggestion" else language) if plain(code) else ""


def cut(text: str, max_chars: int, place: str) -> str:
    """Cut Markdown of ours after a line, and close the code block and the details it was cut in.

    *place*: what the text is too long for.
    """
    if len(text) <= max_chars:
        return text
    note = CUT.format(place=place)
    kept = text[: max(0, max_chars - len(note) - 40)].rpartition("\n")[0]
    open_fence = ""
    for line in kept.split("\n"):
        ticks = match[1] if (match := _FENCE.match(line)) else ""
        if not open_fence:
            open_fence = ticks
        elif ticks.startswith(open_fence) and line.strip() == ticks:
            open_fence = ""
    kept += f"\n{open_fence}" if open_fence else ""
    folded = kept.count("<details") - kept.count("</details>")
    return f"{kept}\n\n{note}" + "\n\n</details>" * max(0, folded)
