"""How much a command prints, and the JSON object that it prints for `--json`."""

from collections.abc import Callable
from dataclasses import dataclass, field

from batch_action.text import format_json


@dataclass(slots=True)
class CommandOutput:
    """What the flags `--json`, `--quiet` and `--verbose` ask for, and what a command reports."""

    command: str = ""
    """The command's name; empty until it is known."""
    as_json: bool = False
    quiet: bool = False
    """Only warnings and errors are printed."""
    verbose: bool = False
    """Each HTTP call is printed, too."""
    data: dict[str, object] = field(default_factory=dict)
    """What the command reports: its own keys of the JSON object."""
    messages: list[tuple[str, str]] = field(default_factory=list)
    """The warnings and errors that were printed: level and text."""

    def render(self, exit_code: int, hide: Callable[[str], str]) -> str:
        """Return the JSON object, as docs/output.schema.json describes it.

        *hide* replaces the secrets in each text. Names that are not UTF-8 are lone surrogates,
        which only ASCII output can escape.
        """
        texts = {
            f"{level}s": [text for each, text in self.messages if each == level]
            for level in ("error", "warning")
        }
        envelope = {"command": self.command, "exit_code": exit_code, **texts}
        return format_json(_hidden(envelope | self.data, hide))


def _hidden(value: object, hide: Callable[[str], str]) -> object:
    match value:
        case str():
            return hide(value)
        case dict():
            return {key: _hidden(item, hide) for key, item in value.items()}
        case list() | tuple():
            return [_hidden(item, hide) for item in value]
        case _:
            return value
