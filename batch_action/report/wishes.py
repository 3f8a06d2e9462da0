"""What people ask for in comments: `/batch wontfix <id> <reason>` and `/batch recheck <id>`.

A command stands at the start of a line. What a comment quotes, shows as code or hides is none.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique

from batch_action.escape import code_span, plain

LONGEST_REASON = 300
MOST_NAMED = 5
SHORT = 8
"""How much of a fingerprint people see."""

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_ID = re.compile(r"[0-9a-f]{6,16}")
_AROUND = "`'\"<>()[]{}#.,:;"
_REPLY = re.compile(r"<!-- batch-action:reply v\d+ to=(\S+) about=([0-9a-f]{12}) -->")


@unique
class Verb(StrEnum):
    """What can be asked for."""

    WONTFIX = "wontfix"
    RECHECK = "recheck"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line that begins with `/batch`."""

    verb: Verb | None
    """None: no word of ours."""
    id: str
    """What of a fingerprint it names, in small letters; empty when it names none."""
    reason: str
    text: str
    """The line as it reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """A command and the finding it means."""

    command: Command
    fingerprint: str | None = None
    problem: str = ""
    """A Markdown sentence for the person; empty when the command is clear."""


def commands(comment: str) -> tuple[Command, ...]:
    """The commands of a comment, in order; none in a comment that carries a marker of ours."""
    text = comment.replace("\r\n", "\n")
    if re.search(r"^<!-- /?batch-action[ :]", text, re.MULTILINE):
        return ()
    return tuple(
        _command(words)
        for line in _spoken(text)
        if (words := plain(line).split(" "))[0].lower() == "/batch"
    )


def _spoken(text: str) -> Iterator[str]:
    """The lines a person says: not quoted, no code, not in an HTML comment."""
    fence = ""
    hidden = False
    for line in re.split(r"[\n\r\u2028\u2029]", text):
        opened = _FENCE.match(line)
        if fence:
            if opened and opened[1].startswith(fence) and not line[opened.end() :].strip():
                fence = ""
        elif hidden:
            hidden = "-->" not in line
        elif opened:
            fence = opened[1]
        elif "<!--" in line:
            hidden = "-->" not in line.rpartition("<!--")[2]
        elif not re.match(r" {0,3}>| {4}| {0,3}\t", line):
            yield line


def _command(words: Sequence[str]) -> Command:
    verb = next((v for v in Verb if words[1:] and words[1].lower() == v.value), None)
    named = words[2].strip(_AROUND).lower() if len(words) > 2 else ""  # noqa: PLR2004 - /batch, verb
    known = bool(_ID.fullmatch(named))
    return Command(
        verb=verb,
        id=named if known else "",
        reason=plain(" ".join(words[3 if known else 2 :]), LONGEST_REASON),
        text=plain(" ".join(words), LONGEST_REASON),
    )


def understand(
    command: Command, fingerprints: Collection[str], *, about: str | None = None
) -> Understood:
    """Which finding a command means.

    Args:
        command: what was said.
        fingerprints: of the findings known where it was said.
        about: the one finding the place is about: meant when no id is given.

    """
    if command.verb is None:
        known = " and ".join(code_span(f"/batch {usage}") for usage in _USAGES.values())
        return Understood(command=command, problem=f"Not understood. What I know is {known}.")
    fitting = sorted({f for f in fingerprints if command.id and f.startswith(command.id)})
    if about is not None and not fitting and (not command.id or command.id.isalpha()):
        # `facade` is a word before it is an id.
        reason = f"{command.id} {command.reason}".strip()
        return Understood(command=replace(command, id="", reason=reason), fingerprint=about)
    if not command.id:
        usage = code_span(f"/batch {_USAGES[command.verb]}")
        problem = f"Which finding? {usage}: the id is the {SHORT} characters beside its path."
        return Understood(command=command, problem=problem)
    if len(fitting) == 1:
        return Understood(command=command, fingerprint=fitting[0])
    if not fitting:
        problem = f"No finding here has the id {code_span(command.id)}."
        return Understood(command=command, problem=problem)
    named = ", ".join(code_span(f) for f in fitting[:MOST_NAMED])
    more = ", …" if len(fitting) > MOST_NAMED else ""
    problem = f"{code_span(command.id)} fits {len(fitting)} findings: {named}{more}. Which one?"
    return Understood(command=command, problem=problem)


_USAGES = {Verb.WONTFIX: "wontfix <id> <reason>", Verb.RECHECK: "recheck <id>"}


def reply(to: str, problems: Sequence[Understood]) -> str:
    """The one reply to a comment that has commands with a problem.

    *to*: the comment's id; the same problems again are the same reply.
    """
    said = "\n".join(one.command.text for one in problems)
    told = "\n".join(
        f"- {code_span(one.command.text, 80)}: {one.problem}" for one in problems[:MOST_NAMED]
    )
    return f"{reply_marker(to, said)}\n{told}"


def reply_marker(to: str, said: str) -> str:
    """The first line of a reply: posted once for what was said."""
    digest = hashlib.sha256(said.encode()).hexdigest()[:12]
    return f"<!-- batch-action:reply v1 to={to} about={digest} -->"


def answered(reply: str, texts: Collection[str]) -> bool:
    """Whether one of these texts is that reply already."""
    first = reply.partition("\n")[0]
    return any(_REPLY.match(text) and text.partition("\n")[0].strip() == first for text in texts)
