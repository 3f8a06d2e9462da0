"""What people ask for where findings stand: commands in comments, ticked boxes.

Only people with write access count. Each is answered once, by a reaction or a short reply; what
was asked is told again each night, because a fact that is known already changes nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from batch_action.edges.github_api.issues import Issues
from batch_action.edges.github_api.refusals import RefusedError
from batch_action.escape import code_span
from batch_action.models.findings import Dismissal, RecheckWish
from batch_action.models.github import CommentText, Revision
from batch_action.report import boxes, wishes
from batch_action.report.wishes import SHORT, Understood, Verb

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
class Heard:
    """What people with write access asked for in one place."""

    dismissals: tuple[Dismissal, ...] = ()
    rechecks: tuple[RecheckWish, ...] = ()
    answers: tuple[Answer, ...] = ()
    kept: frozenset[str] = frozenset()
    """Boxes that stay ticked: GitHub does not know their newest revision yet."""

    def __add__(self, other: "Heard") -> "Heard":
        """Both together."""
        return Heard(
            dismissals=self.dismissals + other.dismissals,
            rechecks=self.rechecks + other.rechecks,
            answers=self.answers + other.answers,
            kept=self.kept | other.kept,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """A text of ours in which boxes are ticked."""

    node_id: str
    url: str
    fingerprints: frozenset[str]


def hear(
    comments: Sequence[CommentText],
    fingerprints: Collection[str],
    edge: Issues,
    *,
    about: str | None = None,
) -> Heard:
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
    heard = Heard()
    for comment in comments:
        spoken = wishes.commands(comment.body)
        if not spoken or comment.author.endswith("[bot]"):
            continue
        if not edge.may_write(comment.author):
            if NO_RIGHT not in comment.reactions:
                heard += Heard(answers=(Answer(comment=comment.id, reactions=(NO_RIGHT,)),))
            continue
        meant = [wishes.understand(one, fingerprints, about=about) for one in spoken]
        heard += _granted(comment, meant, ours)
    return heard


def _granted(comment: CommentText, meant: Sequence[Understood], ours: Collection[str]) -> Heard:
    clear = [one for one in meant if one.fingerprint is not None]
    due = dict.fromkeys(REACTIONS[one.command.verb] for one in clear if one.command.verb)
    reactions = tuple(one for one in due if one not in comment.reactions)
    # Once it was answered a finding may be forgotten: that is no problem of the person's.
    before = any(one in comment.reactions for one in REACTIONS.values())
    problems = [] if before else [one for one in meant if one.problem]
    reply = wishes.reply(str(comment.id), problems) if problems else ""
    if reply and wishes.answered(reply, ours):
        reply = ""
    answer = Answer(comment=comment.id, reactions=reactions, reply=reply)
    return Heard(
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
            RecheckWish(fingerprint=str(one.fingerprint), by=comment.author, where=comment.url)
            for one in clear
            if one.command.verb is Verb.RECHECK
        ),
        answers=(answer,) if reactions or reply else (),
    )


def see(texts: Iterable[Ticked], comments: Sequence[CommentText], edge: Issues) -> Heard:
    """The boxes that are ticked in our own texts, and by whom.

    Raises:
        GitHubError: GitHub does not answer; where it only does not tell, no tick counts.

    """
    ours = [comment.body for comment in comments if comment.trusted]
    heard = Heard()
    for text in texts:
        if not text.fingerprints:
            continue
        try:
            revisions = edge.revisions(text.node_id)
        except RefusedError:
            revisions = []
        for fingerprint in sorted(text.fingerprints):
            heard += _tick(fingerprint, text, revisions, ours, edge)
    return heard


def _tick(
    fingerprint: str,
    text: Ticked,
    revisions: Sequence[Revision],
    ours: Collection[str],
    edge: Issues,
) -> Heard:
    newest = revisions[0].text if revisions else None
    if newest is not None and fingerprint not in boxes.ticked(newest):
        return Heard(kept=frozenset({fingerprint}))
    by = _who(fingerprint, revisions)
    if by and edge.may_write(by):
        return Heard(dismissals=(Dismissal(fingerprint=fingerprint, by=by, where=text.url),))
    short = code_span(fingerprint[:SHORT])
    why = "who ticked it may not write here" if by else "GitHub does not say which person ticked it"
    command = code_span(f"/batch wontfix {fingerprint[:SHORT]} <reason>")
    marker = wishes.reply_marker(f"box-{fingerprint}", by)
    reply = f"{marker}\nThe box of {short} does not count: {why}. A comment {command} would."
    answers = () if wishes.answered(reply, ours) else (Answer(comment=None, reply=reply),)
    return Heard(answers=answers)


def _who(fingerprint: str, revisions: Sequence[Revision]) -> str:
    """Who ticked a box that is ticked now: the editor of the first revision since which it is."""
    by = ""
    for revision in revisions:
        if revision.text is None:
            return ""
        if fingerprint not in boxes.ticked(revision.text):
            return by
        by = revision.editor
    return by if len(revisions) < MOST_REVISIONS else ""


def replies(heard: Heard) -> Iterator[str]:
    """The comments that are due."""
    return (answer.reply for answer in heard.answers if answer.reply)


def reactions(heard: Heard) -> Iterator[tuple[int, str]]:
    """The reactions that are due: a comment's id and the reaction."""
    for answer in heard.answers:
        for content in answer.reactions:
            if answer.comment is not None:
                yield answer.comment, content
