"""Commands of people, such as `/batch wontfix <id> <reason>`, and checkboxes.

A command starts a line of a comment. Quotes, code and HTML comments contain no commands.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from batch_action.clients.github.errors import RefusedError
from batch_action.escape import code_span, plain
from batch_action.models.findings import CommandName, Dismissal, FindingCommand
from batch_action.models.github import BodyRevision, Issue, IssueComment

if TYPE_CHECKING:  # PyGithub takes long to import
    from batch_action.clients.github.issues import Issues

MAX_REASON_CHARS = 300
MAX_LISTED = 5
SHORT_ID_CHARS = 8
"""The length of the id that reports show: the start of the fingerprint."""

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_ID = re.compile(r"[0-9a-f]{6,16}")
_ID_PUNCTUATION = "`'\"<>()[]{}#.,:;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line that begins with `/batch`."""

    name: CommandName | None
    """None when it is unknown."""
    id: str
    """The start of a fingerprint, in lower case; empty when the command has none."""
    reason: str
    text: str
    """The line as plain text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedCommand:
    """A command and the finding that it refers to."""

    command: Command
    fingerprint: str | None = None
    problem: str = ""
    """A Markdown sentence for the author; empty when the finding is clear."""


def parse_commands(comment: str) -> tuple[Command, ...]:
    """Parse the commands of a comment in order; comments with one of our markers have none."""
    text = comment.replace("\r\n", "\n")
    if re.search(r"^<!-- /?batch-action[ :]", text, re.MULTILINE):
        return ()
    return tuple(
        _parse_command(words)
        for line in _visible_lines(text)
        if (words := plain(line).split(" "))[0].lower() == "/batch"
    )


def _visible_lines(text: str) -> Iterator[str]:
    """Yield the lines that are not quoted, not code, and not in an HTML comment."""
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


def _parse_command(words: Sequence[str]) -> Command:
    name = next((n for n in CommandName if words[1:] and words[1].lower() == n.value), None)
    word = words[2].strip(_ID_PUNCTUATION).lower() if len(words) > 2 else ""  # noqa: PLR2004 - /batch, name
    has_id = bool(_ID.fullmatch(word))
    return Command(
        name=name,
        id=word if has_id else "",
        reason=plain(" ".join(words[3 if has_id else 2 :]), MAX_REASON_CHARS),
        text=plain(" ".join(words), MAX_REASON_CHARS),
    )


def resolve(
    command: Command, fingerprints: Collection[str], *, default: str | None = None
) -> ResolvedCommand:
    """Resolve the id of a command to one of the fingerprints.

    *default*: the fingerprint to use without an id, in an issue about one finding.
    """

    def reject(problem: str) -> ResolvedCommand:
        return ResolvedCommand(command=command, problem=problem)

    if command.name is None:
        *others, last = (code_span(f"/batch {usage}") for usage in _USAGES.values())
        return reject(f"Unknown command. Use {', '.join(others)} or {last}.")
    matches = sorted({f for f in fingerprints if command.id and f.startswith(command.id)})
    if default is not None and not matches and (not command.id or command.id.isalpha()):
        # `facade` could be an id, but here it is more likely the first word of the reason.
        reason = f"{command.id} {command.reason}".strip()
        return ResolvedCommand(command=replace(command, id="", reason=reason), fingerprint=default)
    if len(matches) == 1:
        return ResolvedCommand(command=command, fingerprint=matches[0])
    if not command.id:
        usage = code_span(f"/batch {_USAGES[command.name]}")
        return reject(
            f"Which finding? {usage}: the id is the {SHORT_ID_CHARS} characters after its path."
        )
    if not matches:
        return reject(f"No finding here has the id {code_span(command.id)}.")
    named = ", ".join(code_span(f) for f in matches[:MAX_LISTED])
    more = ", …" if len(matches) > MAX_LISTED else ""
    return reject(
        f"{code_span(command.id)} matches {len(matches)} findings: {named}{more}. Which one?"
    )


_USAGES = {
    CommandName.WONTFIX: "wontfix <id> <reason>",
    CommandName.RECHECK: "recheck <id>",
    CommandName.CONFIRM: "confirm <id>",
    CommandName.EXPLAIN: "explain <id>",
}


def format_reply(to: str, problems: Sequence[ResolvedCommand]) -> str:
    """Format the reply to a comment whose commands have problems.

    *to*: the id of the comment. The same problems give the same reply.
    """
    commands = "\n".join(resolved.command.text for resolved in problems)
    lines = "\n".join(
        f"- {code_span(resolved.command.text, 80)}: {resolved.problem}"
        for resolved in problems[:MAX_LISTED]
    )
    return f"{format_reply_marker(to, commands)}\n{lines}"


def format_reply_marker(to: str, subject: str) -> str:
    """Format the first line of a reply, which is posted once for each *to* and *subject*."""
    digest = hashlib.sha256(subject.encode()).hexdigest()[:12]
    return f"<!-- batch-action:reply v1 to={to} about={digest} -->"


def is_posted(reply: str, texts: Collection[str]) -> bool:
    """Whether one of our comments *texts* has the marker of this one, its first line."""
    first = reply.partition("\n")[0]
    return any(text.partition("\n")[0].strip() == first for text in texts)


CHECKBOX_TEXT = "dismiss this finding for good"

_CHECKBOX = (
    r"^[^\S\n]*[-*+] \[([ xX])\] [^\n]*<!-- batch-action:checkbox id=([0-9a-f]{16}) -->[^\n]*"
)
_CHECKBOX_LINE = re.compile(_CHECKBOX, re.MULTILINE)
_CHECKBOX_WITH_GAP = re.compile(_CHECKBOX + r"(?:\n\n?|\Z)", re.MULTILINE)
_DETAILS_END = re.compile(r"(?<=\n)</details>\s*\Z")


def format_checkbox(label: str, name: str, *, ticked: bool) -> str:
    """Format a checkbox; *name*: its id of 16 hex digits."""
    return f"- [{'x' if ticked else ' '}] {label} <!-- batch-action:checkbox id={name} -->"


def add_checkbox(block: str, fingerprint: str, *, ticked: bool = False) -> str:
    """Add the checkbox to a block: inside its `<details>` if the block ends with one."""
    checkbox = format_checkbox(CHECKBOX_TEXT, fingerprint, ticked=ticked)
    block = block.rstrip("\n")
    end = _DETAILS_END.search(block)
    if end is None:
        return f"{block}\n\n{checkbox}"
    return f"{block[: end.start()]}{checkbox}\n\n{block[end.start() :]}"


def remove_checkbox(block: str) -> str:
    """Remove the checkbox from a block."""
    return _CHECKBOX_WITH_GAP.sub("", block).rstrip("\n")


def parse_ticked(text: str) -> frozenset[str]:
    """Parse the fingerprints whose checkboxes are ticked in a text."""
    checkboxes = _CHECKBOX_LINE.finditer(text.replace("\r\n", "\n"))
    return frozenset(match[2] for match in checkboxes if match[1] != " ")


REACTIONS = {
    CommandName.WONTFIX: "+1",
    CommandName.RECHECK: "eyes",
    CommandName.CONFIRM: "+1",
    CommandName.EXPLAIN: "eyes",
}
FORBIDDEN_REACTION = "confused"
MAX_REVISIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCommands:
    """The commands of people with write access in one issue or pull request."""

    dismissals: tuple[Dismissal, ...] = ()
    others: tuple[FindingCommand, ...] = ()
    """The commands that are no dismissals."""
    reactions: tuple[tuple[int, str], ...] = ()
    """(id of the comment, reaction) that are still due."""
    replies: tuple[str, ...] = ()
    """The texts of new comments that are still due."""
    still_ticked: tuple[str, ...] = ()
    """Fingerprints whose checkboxes stay ticked: their newest revision is not readable yet."""

    def __add__(self, other: "UserCommands") -> "UserCommands":
        """Combine the commands of two places."""
        return UserCommands(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    @property
    def has_responses(self) -> bool:
        """Whether a reaction or a reply is still due."""
        return bool(self.reactions or self.replies)


def acknowledge(reactions: Iterable[tuple[int, str]], react: Callable[[int, str], None]) -> str:
    """React to comments; return a warning when GitHub does not let us.

    The findings are written, so that is no reason to fail. Raises GitHubError: it fails for now.
    """
    warning = ""
    for comment, content in reactions:
        try:
            react(comment, content)
        except RefusedError as refused:
            if not refused.permanent:
                raise
            warning = warning or f"Commands are carried out without a reaction to them. {refused}"
    return warning


def read_comments(
    comments: Sequence[IssueComment],
    fingerprints: Collection[str],
    issues: "Issues",
    *,
    default: str | None = None,
) -> UserCommands:
    """Read the commands in all comments of an issue or pull request with these findings.

    Only those of people with write access count. For *default* see `resolve`. Raises GitHubError:
    when the permissions of an author cannot be read.
    """
    own_texts = [comment.body for comment in comments if comment.trusted]
    commands = UserCommands()
    for comment in comments:
        parsed = parse_commands(comment.body)
        if not parsed or comment.author.endswith("[bot]"):
            continue
        if not issues.can_write(comment.author):
            if FORBIDDEN_REACTION not in comment.reactions:
                commands += UserCommands(reactions=((comment.id, FORBIDDEN_REACTION),))
            continue
        resolved = [resolve(command, fingerprints, default=default) for command in parsed]
        commands += _accept(comment, resolved, own_texts)
    return commands


def _accept(
    comment: IssueComment, resolved: Sequence[ResolvedCommand], own_texts: Collection[str]
) -> UserCommands:
    """Turn the resolved commands of one comment into what they ask for and a response."""
    clear = [(r.command, r.fingerprint) for r in resolved if r.fingerprint is not None]
    reactions = dict.fromkeys(REACTIONS[command.name] for command, _ in clear if command.name)
    # After a command was accepted, its finding may have been removed: that is not a problem.
    accepted_before = any(reaction in comment.reactions for reaction in REACTIONS.values())
    problems = [] if accepted_before else [command for command in resolved if command.problem]
    reply = format_reply(str(comment.id), problems) if problems else ""
    return UserCommands(
        dismissals=tuple(
            Dismissal(
                fingerprint=fingerprint,
                actor=comment.author,
                source=comment.url,
                reason=command.reason,
            )
            for command, fingerprint in clear
            if command.name is CommandName.WONTFIX
        ),
        others=tuple(
            FindingCommand(
                name=command.name,
                fingerprint=fingerprint,
                actor=comment.author,
                source=comment.url,
            )
            for command, fingerprint in clear
            if command.name is not None and command.name is not CommandName.WONTFIX
        ),
        reactions=tuple(
            (comment.id, reaction) for reaction in reactions if reaction not in comment.reactions
        ),
        replies=(reply,) if reply and not is_posted(reply, own_texts) else (),
    )


def read_checkboxes(
    texts: Iterable[Issue | IssueComment],
    comments: Sequence[IssueComment],
    issues: "Issues",
    findings: Collection[str] | None = None,
) -> UserCommands:
    """Read the ticked checkboxes in texts of ours as dismissals by the people who ticked them.

    *findings*: the ids of the boxes about findings, if there are others: no command replaces those.
    Where GitHub refuses to show the revisions of a text, its checkboxes do not count.

    Raises:
        GitHubError: when GitHub does not respond.
    """
    own_texts = [comment.body for comment in comments if comment.trusted]
    commands = UserCommands()
    for text in texts:
        ticked = parse_ticked(text.body)
        if not ticked:
            continue
        try:
            revisions = issues.revisions(text.node_id)
        except RefusedError:
            revisions = []
        for fingerprint in sorted(ticked):
            has_command = findings is None or fingerprint in findings
            commands += _read_checkbox(
                fingerprint, text.url, revisions, own_texts, issues, has_command=has_command
            )
    return commands


def _read_checkbox(
    fingerprint: str,
    url: str,
    revisions: Sequence[BodyRevision],
    own_texts: Collection[str],
    issues: "Issues",
    *,
    has_command: bool,
) -> UserCommands:
    newest = revisions[0].text if revisions else None
    if newest is not None and fingerprint not in parse_ticked(newest):
        return UserCommands(still_ticked=(fingerprint,))
    actor = _find_actor(fingerprint, revisions)
    if actor and issues.can_write(actor):
        return UserCommands(
            dismissals=(Dismissal(fingerprint=fingerprint, actor=actor, source=url),)
        )
    reason = (
        "the person who ticked it has no write access"
        if actor
        else "GitHub does not show who ticked it"
    )
    short = fingerprint[:SHORT_ID_CHARS]
    command = code_span(f"/batch wontfix {short} <reason>")
    advice = f" Comment {command} instead." if has_command else ""
    reply = (
        f"{format_reply_marker(f'checkbox-{fingerprint}', actor)}\n"
        f"The tick of {code_span(short)} does not count: {reason}.{advice}"
    )
    return UserCommands(replies=() if is_posted(reply, own_texts) else (reply,))


def _find_actor(fingerprint: str, revisions: Sequence[BodyRevision]) -> str:
    """Find the editor of the revision that ticked the checkbox; empty when unknown."""
    actor = ""
    for revision in revisions:
        if revision.text is None:
            return ""
        if fingerprint not in parse_ticked(revision.text):
            return actor
        actor = revision.editor
    return actor if len(revisions) < MAX_REVISIONS else ""
