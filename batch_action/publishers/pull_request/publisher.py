"""The destination `pr-review`: one review with comments on lines, and one summary edited in place.

What is new goes out as one review. The summary is the memory; each comment on lines carries its
finding's marker too, so that a run that dies between the two repeats nothing. What was told once,
here or there, is only edited afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.git import GitRepo
from batch_action.clients.github.issues import Issues
from batch_action.clients.github.pulls import PullRequests
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    FindingState,
    FindingStatus,
    PublishedState,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.github import CommentInfo, PullRequestInfo, ReviewCommentInfo
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers import markers, user_commands
from batch_action.publishers.issue.publisher import same
from batch_action.publishers.markers import Block
from batch_action.publishers.pull_request import render, review_comments
from batch_action.publishers.user_commands import UserCommands
from batch_action.publishers.visibility import shown

DESTINATION = "pr-review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A comment of ours on lines, and the finding it is about."""

    comment: CommentInfo
    block: Block
    told: str
    """What it says of the finding's state, above its words."""


@dataclass(slots=True, kw_only=True)
class PullRequestPublisher:
    """One pull request on one night; see `Desk`."""

    edge: PullRequests
    issues: Issues
    git: GitRepo
    pull: PullRequestInfo
    identity: str
    summary: CommentInfo | None = None
    doubles: tuple[CommentInfo, ...] = ()
    """Summaries that a race made; their findings are in `session`."""
    session: render.Memory | None = None
    spoken: dict[str, Spoken] = field(default_factory=dict)
    surplus: tuple[CommentInfo, ...] = ()
    """Comments that a race made on findings which have one; nobody has answered them."""
    requested: UserCommands = field(default_factory=UserCommands)
    below: dict[int, UserCommands] = field(default_factory=dict)
    """What people said in the threads of comments on lines, by the comment that began each."""

    def read_state(self) -> PublishedState:
        """What summary and comments remember, and what people ask for there; see `Desk`."""
        comments = self.issues.comments(self.pull.number)
        mine = [c for c in comments if c.trusted and render.is_ours(c.body, self.identity)]
        self.summary, self.doubles = mine[0] if mine else None, tuple(mine[1:])
        self.session = _joined([render.parse(one.body) for one in mine])
        inline = self.edge.comments(self.pull.number)
        self._listen(inline)
        known = self._known()
        self.requested = user_commands.hear(comments, known, self.issues)
        self.below = _threads(inline, self.spoken, known, self.issues)
        both = sum(self.below.values(), self.requested)
        session = self.session
        return PublishedState(
            destination=DESTINATION,
            head=session.head if session else "",
            batches=self._batches(known),
            tracked=tuple(known.values()),
            dismissals=both.dismissals,
            rechecks=both.rechecks,
            blocks=self._words(),
            pending=bool(both.answers or self.doubles or self.surplus) or self._moved(known),
        )

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Review what is new, bring summary and comments up to date, read all back."""
        told = shown(reconciled.statuses, report)
        posted = self._post(told, report)
        for body in user_commands.replies(self.requested):
            self.issues.comment(self.pull.number, body)
        for thread, requested in self.below.items():
            for body in user_commands.replies(requested):
                self.edge.reply(self.pull.number, thread, body)
        wrote = self._summarise(reconciled, report)
        edited = self._update(told)
        self._thank()
        counts = DestinationResult(
            destination=DESTINATION,
            action="skipped",
            number=self.pull.number,
            url=self.summary.url if self.summary else self.pull.url,
            new=sum(s.changed and s.tracked.state is FindingState.NEW for s in told),
            fixed=sum(s.changed and s.tracked.state is FindingState.FIXED for s in told),
            open=sum(s.tracked.state in OPEN_STATES for s in told),
            suppressed=wrote.suppressed,
            ids=tuple(str(one.comment.id) for one in self.spoken.values()),
        )
        if self.summary is None:
            return replace(counts, note="nothing to tell")
        done = wrote.action
        if done == "unchanged" and (posted or edited):
            done = "updated"
        return replace(counts, action=done, ids=(str(self.summary.id), *counts.ids))

    # What is there.

    def _listen(self, inline: Sequence[ReviewCommentInfo]) -> None:
        self.spoken = {}
        answered = {one.reply_to for one in inline}
        surplus = []
        for one in inline:
            parsed = review_comments.parse(one.comment.body) if one.comment.trusted else None
            if parsed is not None and one.reply_to is None:
                block, told = parsed
                found = Spoken(comment=one.comment, block=block, told=told)
                first = self.spoken.setdefault(block.tracked.fingerprint, found)
                if first is not found and one.comment.id not in answered:
                    surplus.append(one.comment)
        self.surplus = tuple(surplus)

    def _known(self) -> dict[str, TrackedFinding]:
        """Every finding that is remembered here; the summary knows better than a comment."""
        known = {name: one.block.tracked for name, one in self.spoken.items()}
        return known | {k.fingerprint: k for k in (self.session.tracked if self.session else ())}

    def _words(self) -> dict[str, str]:
        spoken = {
            name: review_comments.folded(one.block.tracked, one.block.text)
            for name, one in self.spoken.items()
        }
        return spoken | dict(self.session.blocks if self.session else {})

    def _batches(self, known: Mapping[str, TrackedFinding]) -> tuple[str, ...]:
        """The batches that were told; reviews tell of those whose summary was never written."""
        batches = self.session.batches if self.session else ()
        there = {k.fingerprint for k in self.session.tracked} if self.session else set()
        if known.keys() <= there:
            return batches
        nights = [r.body for r in self.edge.reviews(self.pull.number) if r.trusted]
        return (*batches, *(batch for body in nights for batch in markers.read_night(body)))

    def _moved(self, known: Mapping[str, TrackedFinding]) -> bool:
        """Whether the branch has moved on under what is known: some of it may be gone, or back."""
        return bool(known) and (self.session is None or self.session.head != self.pull.head)

    # What is new.

    def _is_fresh(self, standing: FindingStatus) -> bool:
        """Whether it was never told here, and belongs to what this pull request changes."""
        known = standing.tracked
        before = known.fingerprint in self.spoken or known.fingerprint in {
            k.fingerprint for k in (self.session.tracked if self.session else ())
        }
        return not (before or known.pre_existing) and known.state in OPEN_STATES

    def _post(self, told: Sequence[FindingStatus], report: RunReport) -> bool:
        """One review with what is new on lines of the diff; whether any comment of it stands."""
        fresh = [s for s in told if self._is_fresh(s)]
        remarks = review_comments.placed(fresh, self.edge, self.pull.number, self.git)
        if remarks:
            # Another run may be telling the same right now.
            self._listen(self.edge.comments(self.pull.number))
            remarks = [one for one in remarks if one.fingerprint not in self.spoken]
        if not remarks:
            return False
        marker = markers.report(report.batch_ids, report.commit)
        text = f"{marker}\n{render.opening(len(remarks), len(fresh))}"
        stands = review_comments.post(remarks, text, self.edge, self.pull)
        self._listen(self.edge.comments(self.pull.number))
        if missing := stands - self.spoken.keys():
            raise GitHubError(
                f"{len(missing)} of {len(stands)} comments on pull request #{self.pull.number} are "
                "not there when read back.",
                fix="The next run goes on; what stands is not repeated.",
            )
        return bool(stands)

    # What was told before.

    def _summarise(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Write the summary if it changed, and look whether it is there."""
        ids = dict(self.session.comments) if self.session else {}
        ids |= {name: one.comment.id for name, one in self.spoken.items()}
        urls = {name: one.comment.url for name, one in self.spoken.items()}
        comments = render.Comments(urls=urls, ids=ids)
        draft = render.render(report, reconciled, self.session, comments)
        done = DestinationResult(
            destination=DESTINATION, action="unchanged", suppressed=draft.suppressed
        )
        if self.summary is None:
            if not draft.open:
                return done
            self.summary = self.issues.comment(self.pull.number, draft.text)
            done = replace(done, action="created")
        elif not same(self.summary.body, draft.text):
            self.issues.edit_comment(self.summary.id, draft.text)
            done = replace(done, action="updated")
        for double in self.doubles:
            self.issues.delete_comment(double.id)
        if done.action != "unchanged":
            self._read_summary(draft)
        return done

    def _read_summary(self, draft: render.Draft) -> None:
        number = self.pull.number
        bodies = [
            c.body
            for c in self.issues.comments(number)
            if c.trusted and render.is_ours(c.body, self.identity)
        ]
        there = {k.fingerprint for body in bodies for k in render.parse(body).tracked}
        if missing := draft.fingerprints - there:
            raise GitHubError(
                f"The summary of pull request #{number} was written, but {len(missing)} of "
                f"{len(draft.fingerprints)} findings are not in it when read back.",
                fix="Run collect again; if it stays so, delete that comment to start a new one.",
            )

    def _update(self, told: Sequence[FindingStatus]) -> bool:
        """Say in each comment what became of its finding, and fold away what has ended.

        The text is edited last: it says that the rest is done.
        """
        edited = False
        for standing in told:
            one = self.spoken.get(standing.tracked.fingerprint)
            line = review_comments.state_line(standing)
            if one is None or one.told == line:
                continue
            self.edge.fold(one.comment.node_id, review_comments.folded_as(standing) if line else "")
            body = review_comments.comment_body(standing.tracked, one.block.text, line)
            self.edge.edit(one.comment.id, body)
            edited = True
        for comment in self.surplus:
            self.edge.delete(comment.id)
        return edited or bool(self.surplus)

    def _thank(self) -> None:
        for comment, content in user_commands.reactions(self.requested):
            self.issues.react(comment, content)
        for requested in self.below.values():
            for comment, content in user_commands.reactions(requested):
                self.edge.react(comment, content)
        self.requested, self.below = UserCommands(), {}


def create_publisher(
    ctx: RunContext, batch_answers: BatchAnswers, pull: PullRequestInfo
) -> PullRequestPublisher:
    """The review of one pull request."""
    github, settings = ctx.require_github(), ctx.settings
    repository = ctx.context.repository_id
    return PullRequestPublisher(
        edge=github.pulls,
        issues=github.issues,
        git=ctx.git,
        pull=pull,
        identity=render.identity(batch_answers.task, repository, settings.state_key, pull.number),
    )


def _joined(sessions: Sequence[render.Memory]) -> render.Memory | None:
    """The oldest summary's memory with what only the others know."""
    if not sessions:
        return None
    first = sessions[0]
    known = {k.fingerprint: k for session in reversed(sessions) for k in session.tracked}
    words = {n: words for session in reversed(sessions) for n, words in session.blocks.items()}
    comments = {n: number for m in reversed(sessions) for n, number in m.comments.items()}
    return replace(first, tracked=tuple(known.values()), blocks=words, comments=comments)


def _threads(
    inline: Sequence[ReviewCommentInfo],
    spoken: Mapping[str, Spoken],
    known: Mapping[str, TrackedFinding],
    issues: Issues,
) -> dict[int, UserCommands]:
    """What people answered below our comments: there a command needs no id."""
    requested = {}
    for name, one in spoken.items():
        thread = one.comment.id
        answers = [other.comment for other in inline if other.reply_to == thread]
        if answers:
            requested[thread] = user_commands.hear(answers, known, issues, about=name)
    return requested
