"""Message params for one question: shared instructions first, the file last."""

from collections.abc import Sequence
from html import escape
from typing import Any

from batch_action.models.files import ContextFile, FilePart, SelectedFile
from batch_action.tasks.task import Task

BREAKS = str.maketrans(dict.fromkeys("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", " "))
"""What a reader may take for the end of a line although git does not: shown as a space, so that
no text can step out of its numbered line."""


def system_text(task: Task, guidelines: str, facts: str = "") -> str:
    """The one block all requests of a night share, byte for byte; *facts*: what a task must know.

    Both change the answers and not the question: they are no part of its digest.
    """
    told = f"{task.prompt}\n\n{facts.strip()}" if facts.strip() else task.prompt
    if not guidelines.strip():
        return told
    return (
        f"{told}\n\n## This repository's own rules\n\n"
        "Its maintainers wrote what follows. Where it asks for more care, or says that something "
        f"is fine here, follow it.\n\n{guidelines.strip()}"
    )


def user_text(file: SelectedFile, part: FilePart) -> str:
    """What is said of the file, the changed hunks, its companions, then its numbered lines.

    Every source line starts with its number, every hunk line with its sign and every other line
    with an angle bracket, so that nothing in a file can look like the end of its element.
    """
    change = ""
    if file.change:
        change = (
            f'<change path="{_name(file.path)}" status="{file.status}">\n'
            f"{_plain(file.change).rstrip()}\n</change>\n"
        )
    lines = file.text.split("\n")[part.first - 1 : part.last]
    note = "" if part.of == 1 else f' part="{part.number} of {part.of}"'
    return (
        "".join(_hint(name, text) for name, text in file.hints)
        + change
        + "".join(_companion(one) for one in file.context_files)
        + f'<file path="{_name(file.path)}" language="{escape(file.language)}" '
        f'first-line="{part.first}" last-line="{part.last}"{note}>\n'
        f"{_numbered(lines, part.first)}\n</file>"
    )


def _hint(name: str, text: str) -> str:
    lines = _plain(text).rstrip("\n").split("\n")
    return "\n".join([f"<{name}>", *(f"> {line}" for line in lines), f"</{name}>\n"])


def _companion(one: ContextFile) -> str:
    note = "" if one.complete else ' complete="no"'
    lines = one.text.removesuffix("\n").split("\n")
    return f'<{one.role} path="{_name(one.path)}"{note}>\n{_numbered(lines, 1)}\n</{one.role}>\n'


def _numbered(lines: Sequence[str], first: int) -> str:
    width = len(str(first + len(lines) - 1))
    return "\n".join(
        f"{n:>{width}}| {_plain(x.rstrip(chr(13)))}" for n, x in enumerate(lines, first)
    )


def _name(path: str) -> str:
    return escape(_plain(path.replace("\n", " ")), quote=True)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").translate(BREAKS)


def marked(params: dict[str, Any]) -> dict[str, Any]:
    """The same with a 1 h cache breakpoint at the end of the shared instructions.

    Anthropic's batch-processing page advises that lifetime for batches.
    """
    *others, last = params["system"]
    mark = {"type": "ephemeral", "ttl": "1h"}
    return params | {"system": [*others, last | {"cache_control": mark}]}


def params(
    task: Task,
    system: str,
    file: SelectedFile,
    part: FilePart,
    *,
    model: str,
    effort: str | None,
    max_tokens: int,
) -> dict[str, Any]:
    """Message params: structured output, no tools, no sampling parameters, no prefill."""
    config: dict[str, Any] = {"format": {"type": "json_schema", "schema": task.schema}}
    if effort is not None:
        config["effort"] = effort
    return {
        "model": model,
        "max_tokens": max_tokens,
        "system": [{"type": "text", "text": system}],
        "messages": [{"role": "user", "content": user_text(file, part)}],
        "output_config": config,
    }


def answer_tokens(task: Task, input_tokens: int, doublings: int, limit: int | None) -> int:
    """`max_tokens`: the task's floor and a share of the input, doubled after each truncation.

    *limit* is the model's own maximum, where it is known.
    """
    wanted = min(task.ceiling_tokens, task.floor_tokens + int(task.share * input_tokens))
    return min(wanted << doublings, limit or 128_000)
