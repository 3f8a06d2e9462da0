"""The destination `pr-review`: review comments on lines, and one summary comment.

New findings are posted as one review. The summary comment stores the state; each review comment
also has its finding's marker, so that a run that stops in between posts nothing twice. A finding
that was posted once is only edited later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.git import GitRepo
from batch_action.clients.github.issues import Issues, post_once
from batch_action.clients.github.pulls import PullRequests
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.findings import (
    OPEN_STATES,
    FindingStatus,
    PublishedState,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.github import IssueComment, PullRequest, ReviewComment
from batch_action.models.report import DestinationResult, FileStatuses, RunReport
from batch_action.publishers import explanations, finding_block, markers, user_commands
from batch_action.publishers.markers import Block, is_same_text
from batch_action.publishers.pull_request import render, review_comments
from batch_action.publishers.pull_request.eligibility import DESTINATION
from batch_action.publishers.results import initial_result
from batch_action.publishers.user_commands import UserCommands


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineComment:
    """A review comment of ours, and the finding it is about."""

    comment: IssueComment
    block: Block
    state_line: str
    """The line above the block that reports the finding's state; empty while it is open."""


@dataclass(slots=True, kw_only=True)
class PullRequestPublisher:
    """The review of one pull request in one run; see `Publisher`."""

    pulls: PullRequests
    issues: Issues
    git: GitRepo
    pull: PullRequest
    identity: str
    max_findings: int
    summary: IssueComment | None = None
    pages: dict[int, IssueComment] = field(default_factory=dict)
    """The further comments with findings that do not fit into the summary, by number."""
    duplicate_summaries: tuple[IssueComment, ...] = ()
    """Summaries and pages of concurrent runs; their findings are in `state`."""
    state: render.ReviewState | None = None
    inline_comments: dict[str, InlineComment] = field(default_factory=dict)
    """By fingerprint."""
    duplicate_comments: tuple[IssueComment, ...] = ()
    """Review comments of concurrent runs on the same findings, without replies."""
    commands: UserCommands = field(default_factory=UserCommands)
    """The commands in comments on the pull request."""
    thread_commands: dict[int, UserCommands] = field(default_factory=dict)
    """The commands in the threads of our review comments, by the id of the first comment."""

    def read_state(self) -> PublishedState:
        """Read the summary, the review comments and people's commands; see `Publisher`."""
        comments = self.issues.comments(self.pull.number)
        summaries, pages = self._own_comments(comments)
        self.summary = summaries[0] if summaries else None
        self.pages = dict(reversed(pages))
        kept = {comment.id for comment in self.pages.values()}
        others = (comment for _, comment in pages if comment.id not in kept)
        self.duplicate_summaries = (*summaries[1:], *others)
        parts = (*summaries, *(comment for _, comment in pages))
        self.state = _merge_states([render.parse(part.body) for part in parts])
        review = self.pulls.comments(self.pull.number)
        self._read_inline_comments(review)
        tracked = self._tracked()
        self.commands = user_commands.read_comments(comments, tracked, self.issues)
        self.thread_commands = _read_threads(review, self.inline_comments, tracked, self.issues)
        all_commands = sum(self.thread_commands.values(), self.commands)
        has_duplicates = bool(self.duplicate_summaries or self.duplicate_comments)
        return PublishedState(
            destination=DESTINATION,
            head=self.state.head if self.state else "",
            batches=self._batches(tracked),
            tracked=tuple(tracked.values()),
            dismissals=all_commands.dismissals,
            commands=all_commands.others,
            blocks=self._blocks(),
            has_pending_work=all_commands.has_responses
            or has_duplicates
            or self._has_new_head(tracked),
        )

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Post new findings, update the summary and the review comments, and read all back."""
        visible = reconciled.visible
        has_posted = self._post_review(visible, report)
        for body in self.commands.replies:
            post_once(self.issues, self.pull.number, body)
        for thread, commands in self.thread_commands.items():
            for body in commands.replies:
                self.pulls.reply(self.pull.number, thread, body)
        self._post_explanations(reconciled, report)
        written = self._write_summary(reconciled, report)
        has_edited = self._update_inline_comments(visible)
        result = replace(
            initial_result(DESTINATION, visible, written.suppressed),
            warning=self._react_to_commands(),
            number=self.pull.number,
            url=self.summary.url if self.summary else self.pull.url,
            ids=tuple(str(inline.comment.id) for inline in self.inline_comments.values()),
        )
        if self.summary is None:
            return replace(result, note="nothing to report")
        action = written.action
        if action == "unchanged" and (has_posted or has_edited):
            action = "updated"
        return replace(result, action=action, ids=(str(self.summary.id), *result.ids))

    def is_stale(self, statuses: FileStatuses) -> bool:
        """Return whether the summary names other files as not reviewed than *statuses*."""
        shown = self.state.unreviewed if self.state else ""
        return shown != render.render_unreviewed(statuses)

    # The state on the pull request

    def _own_comments(
        self, comments: Sequence[IssueComment]
    ) -> tuple[list[IssueComment], list[tuple[int, IssueComment]]]:
        """Return our summaries, and our pages with their numbers, oldest first."""
        trusted = [c for c in comments if c.trusted]
        numbered = ((render.page_number(c.body, self.identity), c) for c in trusted)
        pages = [(number, c) for number, c in numbered if number is not None]
        return [c for c in trusted if render.is_ours(c.body, self.identity)], pages

    def _read_inline_comments(self, review: Sequence[ReviewComment]) -> None:
        self.inline_comments = {}
        threads = {item.in_reply_to for item in review}
        duplicates = []
        for item in review:
            comment = item.comment
            parsed = review_comments.parse(comment.body) if comment.trusted else None
            if parsed is not None and item.in_reply_to is None:
                block, state_line = parsed
                inline = InlineComment(comment=comment, block=block, state_line=state_line)
                first = self.inline_comments.setdefault(block.tracked.fingerprint, inline)
                if first is not inline and comment.id not in threads:
                    duplicates.append(comment)
        self.duplicate_comments = tuple(duplicates)

    def _summary_findings(self) -> dict[str, TrackedFinding]:
        return {t.fingerprint: t for t in (self.state.tracked if self.state else ())}

    def _tracked(self) -> dict[str, TrackedFinding]:
        """Return every finding by fingerprint; the summary is newer than a review comment."""
        inline = {name: c.block.tracked for name, c in self.inline_comments.items()}
        return inline | self._summary_findings()

    def _blocks(self) -> dict[str, str]:
        inline = {
            name: review_comments.minimized(c.block.tracked, c.block.text)
            for name, c in self.inline_comments.items()
        }
        return inline | dict(self.state.blocks if self.state else {})

    def _batches(self, tracked: Mapping[str, TrackedFinding]) -> tuple[str, ...]:
        """Return the published batches, also those of reviews without a written summary."""
        batches = self.state.batches if self.state else ()
        if tracked.keys() <= self._summary_findings().keys():
            return batches
        bodies = [review.body for review in self.pulls.reviews(self.pull.number) if review.trusted]
        return (*batches, *(batch for body in bodies for batch in markers.parse_notification(body)))

    def _has_new_head(self, tracked: Mapping[str, TrackedFinding]) -> bool:
        """Return whether there are commits since the last report, which may fix findings."""
        return bool(tracked) and (self.state is None or self.state.head != self.pull.head)

    # New findings

    def _is_unposted(self, status: FindingStatus) -> bool:
        """Return whether an open finding was never posted, and is about this pull request."""
        tracked = status.tracked
        is_posted = (
            tracked.fingerprint in self.inline_comments
            or tracked.fingerprint in self._summary_findings()
        )
        return not (is_posted or tracked.pre_existing) and tracked.counts_as_open

    def _post_review(self, statuses: Sequence[FindingStatus], report: RunReport) -> bool:
        """Post one review with the new findings on lines of the diff; return whether it has any.

        Raises:
            GitHubError: a comment is missing when read back.
        """
        unposted = [status for status in statuses if self._is_unposted(status)]
        comments = review_comments.draft_comments(unposted, self.pulls, self.pull.number, self.git)
        if comments:
            # A concurrent run may have posted the same findings in the meantime.
            self._read_inline_comments(self.pulls.comments(self.pull.number))
            known = self.inline_comments
            comments = {name: draft for name, draft in comments.items() if name not in known}
        if not comments:
            return False
        marker = markers.format_notification(report.batch_ids, report.commit)
        body = f"{marker}\n{render.review_body(len(comments), len(unposted))}"
        posted = review_comments.post(comments, body, self.pulls, self.pull)
        self._read_inline_comments(self.pulls.comments(self.pull.number))
        if missing := posted - self.inline_comments.keys():
            raise GitHubError(
                f"{len(missing)} of {len(posted)} comments on pull request #{self.pull.number} are "
                "missing when read back.",
                fix="The next run goes on, and repeats no comment that is there.",
            )
        return bool(posted)

    # Posted findings

    def _post_explanations(self, reconciled: Reconciliation, report: RunReport) -> None:
        """Post the explanations that people asked for here, each where it was asked for."""
        replies = [
            (source, text)
            for source, text in explanations.due(report, reconciled)
            if explanations.number_of(source) == self.pull.number
        ]
        if not replies:
            return
        comments = self.issues.comments(self.pull.number)
        review = self.pulls.comments(self.pull.number)
        threads = {item.comment.id: item.in_reply_to or item.comment.id for item in review}
        own_texts = [
            comment.body
            for comment in (*comments, *(item.comment for item in review))
            if comment.trusted
        ]
        for source, text in replies:
            thread = threads.get(explanations.thread_comment_of(source) or 0)
            if user_commands.is_posted(text, own_texts):
                continue
            if thread is None:
                post_once(self.issues, self.pull.number, text)
            else:
                self.pulls.reply(self.pull.number, thread, text)

    def _write_summary(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Write the summary if it changed, and check that it was written."""
        ids = dict(self.state.comments) if self.state else {}
        ids |= {name: inline.comment.id for name, inline in self.inline_comments.items()}
        urls = {name: inline.comment.url for name, inline in self.inline_comments.items()}
        comments = render.InlineCommentIndex(urls=urls, ids=ids)
        draft = render.render(report, reconciled, self.state, comments, self.max_findings)
        result = DestinationResult(
            destination=DESTINATION, action="unchanged", suppressed=draft.suppressed
        )
        if self.summary is None and not draft.has_content:
            return result
        outdated = self._post_pages(draft.pages)
        if self.summary is None:
            self.summary = self.issues.comment(self.pull.number, draft.text)
            result = replace(result, action="created")
        elif not is_same_text(self.summary.body, draft.text):
            self.issues.edit_comment(self.summary.id, draft.text)
            result = replace(result, action="updated")
        elif outdated:
            result = replace(result, action="updated")
        for comment in (*outdated, *self.duplicate_summaries):
            self.issues.delete_comment(comment.id)
        if result.action != "unchanged":
            self._verify_summary(draft)
        return result

    def _post_pages(self, texts: Sequence[str]) -> list[IssueComment]:
        """Post the pages that changed; return the comments to delete once the summary is written.

        None is edited: until the summary is written, each finding must be where it was.
        """
        outdated = dict(self.pages)
        for number, text in enumerate(texts, 2):
            page = self.pages.get(number)
            if page is not None and is_same_text(page.body, text):
                del outdated[number]
            else:
                self.issues.comment(self.pull.number, text)
        return list(outdated.values())

    def _verify_summary(self, draft: render.ReviewDraft) -> None:
        number = self.pull.number
        summaries, pages = self._own_comments(self.issues.comments(number))
        bodies = [comment.body for comment in (*summaries, *(page for _, page in pages))]
        written = {t.fingerprint for body in bodies for t in render.parse(body).tracked}
        if missing := draft.fingerprints - written:
            raise GitHubError(
                f"The summary of pull request #{number} was written, but {len(missing)} of "
                f"{len(draft.fingerprints)} findings are missing when read back.",
                fix="Run collect again; if that fails too, delete the comment to start a new one.",
            )

    def _update_inline_comments(self, statuses: Sequence[FindingStatus]) -> bool:
        """Write each finding's state into its comment, and minimize comments of closed findings.

        The text is edited last, because it records that the comment is minimized. Return whether
        anything was changed.
        """
        has_edited = False
        for status in statuses:
            inline = self.inline_comments.get(status.tracked.fingerprint)
            state_line = review_comments.format_state_line(status)
            if inline is None:
                continue
            text = finding_block.add_reason(inline.block.text, status.verified)
            if inline.state_line == state_line and text == inline.block.text:
                continue
            reason = review_comments.minimize_reason(status)
            if reason or inline.block.tracked.state not in OPEN_STATES:
                self.pulls.set_minimized(inline.comment.node_id, reason)
            body = review_comments.comment_body(status.tracked, text, state_line)
            self.pulls.edit(inline.comment.id, body)
            has_edited = True
        for comment in self.duplicate_comments:
            self.pulls.delete(comment.id)
        return has_edited or bool(self.duplicate_comments)

    def _react_to_commands(self) -> str:
        """React to people's commands; return a warning where GitHub does not let us."""
        threads = [each for x in self.thread_commands.values() for each in x.reactions]
        below = user_commands.acknowledge(threads, self.pulls.react)
        warning = user_commands.acknowledge(self.commands.reactions, self.issues.react)
        self.commands, self.thread_commands = UserCommands(), {}
        return warning or below


def create_publisher(ctx: RunContext, pull: PullRequest) -> PullRequestPublisher:
    """Create the publisher of one pull request's review."""
    github, settings = ctx.require_github(), ctx.settings
    repository = ctx.github_context.repository_id
    return PullRequestPublisher(
        pulls=github.pulls,
        issues=github.issues,
        git=ctx.git,
        pull=pull,
        identity=render.identity(ctx.task.name, repository, settings.state_key, pull.number),
        max_findings=settings.max_findings,
    )


def _merge_states(states: Sequence[render.ReviewState]) -> render.ReviewState | None:
    """Return the oldest summary's state, with what only the others have."""
    if not states:
        return None
    tracked = {t.fingerprint: t for state in reversed(states) for t in state.tracked}
    blocks = {name: text for state in reversed(states) for name, text in state.blocks.items()}
    comments = {name: n for state in reversed(states) for name, n in state.comments.items()}
    return replace(states[0], tracked=tuple(tracked.values()), blocks=blocks, comments=comments)


def _read_threads(
    review: Sequence[ReviewComment],
    inline_comments: Mapping[str, InlineComment],
    tracked: Mapping[str, TrackedFinding],
    issues: Issues,
) -> dict[int, UserCommands]:
    """Return people's commands in the threads of our comments, where a command needs no id."""
    commands = {}
    for name, inline in inline_comments.items():
        thread = inline.comment.id
        replies = [item.comment for item in review if item.in_reply_to == thread]
        if replies:
            commands[thread] = user_commands.read_comments(replies, tracked, issues, default=name)
    return commands
