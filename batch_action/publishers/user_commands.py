"""What people ask for in comments: `/batch wontfix <id> <reason>` and `/batch recheck <id>`.

A command stands at the start of a line. What a comment quotes, shows as code or hides is none.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique

from batch_action.clients.github.errors import RefusedError
from batch_action.clients.github.issues import Issues
from batch_action.escape import code_span, plain
from batch_action.models.findings import Dismissal, RecheckRequest
from batch_action.models.github import BodyRevision, CommentInfo

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


def reply_text(to: str, problems: Sequence[Understood]) -> str:
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


TEXT = "dismiss this finding for good"

_BOX = r"^[^\S\n]*[-*+] \[([ xX])\] [^\n]*<!-- batch-action:box id=([0-9a-f]{16}) -->[^\n]*"
_LINE = re.compile(_BOX, re.MULTILINE)
_WITH_GAP = re.compile(_BOX + r"(?:\n\n?|\Z)", re.MULTILINE)
_FOLD_END = re.compile(r"(?<=\n)</details>\s*\Z")


def boxed(words: str, fingerprint: str, *, ticked: bool = False) -> str:
    """A block's words with its box: inside the fold if they end with one."""
    box = f"- [{'x' if ticked else ' '}] {TEXT} <!-- batch-action:box id={fingerprint} -->"
    words = words.rstrip("\n")
    end = _FOLD_END.search(words)
    if end is None:
        return f"{words}\n\n{box}"
    return f"{words[: end.start()]}{box}\n\n{words[end.start() :]}"


def unboxed(words: str) -> str:
    """The words alone."""
    return _WITH_GAP.sub("", words).rstrip("\n")


def ticked(text: str) -> frozenset[str]:
    """The fingerprints whose boxes are ticked in a text."""
    found = _LINE.finditer(text.replace("\r\n", "\n"))
    return frozenset(box[2] for box in found if box[1] != " ")


REACTIONS = {Verb.WONTFIX: "+1", Verb.RECHECK: "eyes"}
NO_RIGHT = "confused"
MOST_REVISIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is still to be said to one comment, or about one box."""

    comment: int | None
    """The comment that gets the reactions."""
    reactions: tuple[str, ...] = ()
    reply: str = ""
    """A comment of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCommands:
    """What people with write access asked for in one place."""

    dismissals: tuple[Dismissal, ...] = ()
    rechecks: tuple[RecheckRequest, ...] = ()
    answers: tuple[Answer, ...] = ()
    kept: frozenset[str] = frozenset()
    """Boxes that stay ticked: GitHub does not know their newest revision yet."""

    def __add__(self, other: "UserCommands") -> "UserCommands":
        """Both together."""
        return UserCommands(
            dismissals=self.dismissals + other.dismissals,
            rechecks=self.rechecks + other.rechecks,
            answers=self.answers + other.answers,
            kept=self.kept | other.kept,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TickedBoxes:
    """A text of ours in which boxes are ticked."""

    node_id: str
    url: str
    fingerprints: frozenset[str]


def hear(
    comments: Sequence[CommentInfo],
    fingerprints: Collection[str],
    edge: Issues,
    *,
    about: str | None = None,
) -> UserCommands:
    """The commands in these comments.

    Args:
        comments: of an issue or a pull request, by anybody.
        fingerprints: of the findings that are known there.
        edge: knows who may write.
        about: the one finding this place is about, if it is: commands need no id there.

    Raises:
        GitHubError: GitHub does not say who may write.

    """
    ours = [comment.body for comment in comments if comment.trusted]
    requested = UserCommands()
    for comment in comments:
        spoken = commands(comment.body)
        if not spoken or comment.author.endswith("[bot]"):
            continue
        if not edge.may_write(comment.author):
            if NO_RIGHT not in comment.reactions:
                requested += UserCommands(
                    answers=(Answer(comment=comment.id, reactions=(NO_RIGHT,)),)
                )
            continue
        meant = [understand(one, fingerprints, about=about) for one in spoken]
        requested += _granted(comment, meant, ours)
    return requested


def _granted(
    comment: CommentInfo, meant: Sequence[Understood], ours: Collection[str]
) -> UserCommands:
    clear = [one for one in meant if one.fingerprint is not None]
    due = dict.fromkeys(REACTIONS[one.command.verb] for one in clear if one.command.verb)
    reactions = tuple(one for one in due if one not in comment.reactions)
    # Once it was answered a finding may be forgotten: that is no problem of the person's.
    before = any(one in comment.reactions for one in REACTIONS.values())
    problems = [] if before else [one for one in meant if one.problem]
    reply = reply_text(str(comment.id), problems) if problems else ""
    if reply and answered(reply, ours):
        reply = ""
    answer = Answer(comment=comment.id, reactions=reactions, reply=reply)
    return UserCommands(
        dismissals=tuple(
            Dismissal(
                fingerprint=str(one.fingerprint),
                by=comment.author,
                where=comment.url,
                reason=one.command.reason,
            )
            for one in clear
            if one.command.verb is Verb.WONTFIX
        ),
        rechecks=tuple(
            RecheckRequest(fingerprint=str(one.fingerprint), by=comment.author, where=comment.url)
            for one in clear
            if one.command.verb is Verb.RECHECK
        ),
        answers=(answer,) if reactions or reply else (),
    )


def see(
    texts: Iterable[TickedBoxes], comments: Sequence[CommentInfo], edge: Issues
) -> UserCommands:
    """The boxes that are ticked in our own texts, and by whom.

    Raises:
        GitHubError: GitHub does not answer; where it only does not tell, no tick counts.

    """
    ours = [comment.body for comment in comments if comment.trusted]
    requested = UserCommands()
    for text in texts:
        if not text.fingerprints:
            continue
        try:
            revisions = edge.revisions(text.node_id)
        except RefusedError:
            revisions = []
        for fingerprint in sorted(text.fingerprints):
            requested += _tick(fingerprint, text, revisions, ours, edge)
    return requested


def _tick(
    fingerprint: str,
    text: TickedBoxes,
    revisions: Sequence[BodyRevision],
    ours: Collection[str],
    edge: Issues,
) -> UserCommands:
    newest = revisions[0].text if revisions else None
    if newest is not None and fingerprint not in ticked(newest):
        return UserCommands(kept=frozenset({fingerprint}))
    by = _who(fingerprint, revisions)
    if by and edge.may_write(by):
        return UserCommands(dismissals=(Dismissal(fingerprint=fingerprint, by=by, where=text.url),))
    short = code_span(fingerprint[:SHORT])
    why = "who ticked it may not write here" if by else "GitHub does not say which person ticked it"
    command = code_span(f"/batch wontfix {fingerprint[:SHORT]} <reason>")
    marker = reply_marker(f"box-{fingerprint}", by)
    reply = f"{marker}\nThe box of {short} does not count: {why}. A comment {command} would."
    answers = () if answered(reply, ours) else (Answer(comment=None, reply=reply),)
    return UserCommands(answers=answers)


def _who(fingerprint: str, revisions: Sequence[BodyRevision]) -> str:
    """Who ticked a box that is ticked now: the editor of the first revision since which it is."""
    by = ""
    for revision in revisions:
        if revision.text is None:
            return ""
        if fingerprint not in ticked(revision.text):
            return by
        by = revision.editor
    return by if len(revisions) < MOST_REVISIONS else ""


def replies(requested: UserCommands) -> Iterator[str]:
    """The comments that are due."""
    return (answer.reply for answer in requested.answers if answer.reply)


def reactions(requested: UserCommands) -> Iterator[tuple[int, str]]:
    """The reactions that are due: a comment's id and the reaction."""
    for answer in requested.answers:
        for content in answer.reactions:
            if answer.comment is not None:
                yield answer.comment, content
