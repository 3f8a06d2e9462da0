"""The destination `issue-per-finding`: one issue for each finding, up to a limit of each run.

An issue is found by its label, its marker and its trusted author. Findings that wait for an issue
are listed in comments of the oldest issue, the queue. A change of state is written as a comment,
then to the issue, then to its body: until the body has the new state, the next run repeats the
change, and skips what was already done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.git import GitRepo
from batch_action.clients.github.issues import Issues
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.findings import (
    OPEN_STATES,
    FindingState,
    FindingStatus,
    PublishedState,
    Reconciliation,
)
from batch_action.models.github import Issue
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers import finding_block, report_text
from batch_action.publishers.base import Publisher, PublisherOptions, options_of
from batch_action.publishers.finding_block import keep_reported_state, set_dates
from batch_action.publishers.issue.publisher import LABEL_COLOR, is_same_text
from batch_action.publishers.issue_per_finding import render, state
from batch_action.publishers.issue_per_finding.state import FindingIssue, FindingIssues
from batch_action.publishers.results import count_findings
from batch_action.publishers.user_commands import UserCommands
from batch_action.text import plural

DESTINATION = "issue-per-finding"


@dataclass(slots=True, kw_only=True)
class IssuePerFindingPublisher:
    """The publisher of the issues about single findings of one task."""

    issues: Issues
    task: str
    repository_id: str
    repo: GitRepo
    state_key: str = ""
    options: PublisherOptions
    current: FindingIssues = field(default_factory=lambda: FindingIssues(by_fingerprint={}))
    commands: dict[int, UserCommands] = field(default_factory=dict)
    """Issue number to the commands in that issue."""
    new_queue_issue: Issue | None = None
    """The first issue that this run opened, which a list may not contain yet."""
    actions: dict[str, list[int]] = field(default_factory=dict)
    """`opened`, `reopened`, `closed`, `updated` to the numbers of these issues."""

    def read_state(self) -> PublishedState:
        """Read the issues, the queue and the commands in them; see `Publisher`."""
        self.current = self._read_issues()
        self.commands = state.read_commands(self.current, self.issues)
        commands = self.commands.values()
        states = [issue.state for issue in self.current.by_fingerprint.values()]
        return PublishedState(
            destination=DESTINATION,
            head=state.find_newest_head(self.current, self.repo),
            batches=tuple({batch for issue_state in states for batch in issue_state.batches}),
            tracked=self.current.tracked,
            dismissals=tuple(d for c in commands for d in c.dismissals),
            rechecks=tuple(r for c in commands for r in c.rechecks),
            blocks=self.current.blocks,
            has_pending_work=any(c.has_responses for c in commands) or bool(self.current.queued),
        )

    def publish(self, reconciliation: Reconciliation, report: RunReport) -> DestinationResult:
        """Open, update and close issues, and read each back; see `Publisher`."""
        statuses = [set_dates(s, report) for s in reconciliation.visible]
        self.actions = {}
        for number, commands in self.commands.items():
            for text in commands.replies:
                self.issues.comment(number, text)
        existing = self.current.by_fingerprint
        for status in statuses:
            if (issue := existing.get(status.tracked.fingerprint)) is not None:
                reported = issue.reported_state if report.commands_only else None
                self._update_issue(issue, keep_reported_state(status, reported), report)
        without_issue = [
            s
            for s in statuses
            if s.tracked.fingerprint not in existing and s.tracked.state in OPEN_STATES
        ]
        queued = self._open_issues(without_issue, reconciliation, report)
        self._update_queue(queued, reconciliation, report)
        self._close_duplicates()
        for commands in self.commands.values():
            for comment_id, content in commands.reactions:
                self.issues.react(comment_id, content)
        self.commands = {}
        return self._build_result(statuses, queued, reconciliation)

    def _read_issues(self) -> FindingIssues:
        return state.read_finding_issues(self.issues, self.task, self.state_key, self.repository_id)

    def _update_issue(self, issue: FindingIssue, status: FindingStatus, report: RunReport) -> None:
        """Reopen or close the issue of a finding, and update its body."""
        number, is_closed = issue.issue.number, issue.issue.state == "closed"
        if status.tracked.state in OPEN_STATES:
            if is_closed and self._should_reopen(issue, status):
                self._comment_once(number, render.render_reopened_comment(status, report))
                self.issues.reopen(number)
                self._verify(number, "open")
                self._record("reopened", number)
        elif not is_closed and issue.reported_state is not status.tracked.state:
            # An issue that a person reopened after this state was reported stays open.
            self._close_issue(number, status, report)
        if render.update_body(issue.issue.body, status, report) != issue.issue.body:
            # People may have edited the body since it was read.
            body = self.issues.get(number).body
            self.issues.update(number, body=render.update_body(body, status, report))
            self._verify(number, status=status)
            self._record("updated", number)

    def _should_reopen(self, issue: FindingIssue, status: FindingStatus) -> bool:
        """Whether an open finding reopens its closed issue.

        A person who closes an issue as completed claims that the finding is fixed: the issue
        stays closed until the finding is reported again.
        """
        if issue.reported_state not in OPEN_STATES:
            return True
        if not state.is_closed_by_person(issue.issue, self.issues):
            return True
        return issue.issue.state_reason != "duplicate" and status.finding is not None

    def _close_issue(self, number: int, status: FindingStatus, report: RunReport) -> None:
        if status.tracked.state is FindingState.FIXED:
            self._comment_once(number, render.render_fixed_comment(status, report))
        is_dismissed = status.tracked.state is FindingState.DISMISSED
        self.issues.close(number, "not_planned" if is_dismissed else "completed")
        self._verify(number, "closed")
        self._record("closed", number)

    def _comment_once(self, number: int, text: str) -> None:
        """Add a comment unless one with the same first line exists."""
        marker = text.partition("\n")[0]
        comments = self.issues.comments(number)
        if not any(c.trusted and c.body.startswith(marker) for c in comments):
            self.issues.comment(number, text)

    def _open_issues(
        self, statuses: Sequence[FindingStatus], reconciliation: Reconciliation, report: RunReport
    ) -> list[FindingStatus]:
        """Open issues for the worst findings, and return those over the limit."""
        run_key = render.run_key_of(report)
        states = [issue.state for issue in self.current.by_fingerprint.values()]
        opened_before = sum(issue_state.opened_by == run_key for issue_state in states)
        limit = max(0, self.options.max_issues - opened_before)
        ordered = sorted(statuses, key=lambda s: s.tracked.pre_existing)
        generic, own = render.labels_of(report.task)
        for status in ordered[:limit]:
            self.issues.ensure_label(generic, LABEL_COLOR, "Nightly upkeep by batch-action")
            self.issues.ensure_label(own, LABEL_COLOR, f"One finding of {report.task}")
            block = reconciliation.blocks.get(status.tracked.fingerprint)
            issue = self.issues.create(
                render.format_title(status.tracked),
                render.render_body(status, block, report),
                tuple(dict.fromkeys((generic, own, *self.options.labels))),
                self.options.assignees,
            )
            self._verify(issue.number, "open", status)
            self._record("opened", issue.number)
            self.new_queue_issue = self.new_queue_issue or issue
        return ordered[limit:]

    def _update_queue(
        self, queued: Sequence[FindingStatus], reconciliation: Reconciliation, report: RunReport
    ) -> None:
        """Update the comments that list the queued findings."""
        if not queued and not any(map(state.is_queue_page, self.current.comments)):
            return
        processed = state.find_ticked(self.current) - self._still_ticked()
        if "opened" in self.actions or self.current.comments:
            # For the issue that was just opened, and for edits and ticks since the last read.
            self.current = self._read_issues()
        queue_issue = self._queue_issue()
        if queue_issue is None:
            return
        blocks = finding_block.render_blocks(
            queued,
            {**reconciliation.blocks, **self.current.blocks},
            report,
            max_block_chars=state.MAX_PAGE_CHARS,
            ticked=state.find_ticked(self.current) - processed,
        )
        max_issues = self.options.max_issues
        for page in state.build_pages(blocks, self.current.comments, max_issues):
            self._write_page(page, queue_issue)

    def _write_page(self, page: state.QueuePage, queue_issue: Issue) -> None:
        if page.comment is None:
            self.issues.comment(queue_issue.number, page.text)
        elif not page.text:
            self.issues.delete_comment(page.comment.id)
        elif not is_same_text(page.comment.body, page.text):
            self.issues.edit_comment(page.comment.id, page.text)
        else:
            return
        self._record("updated", queue_issue.number)

    def _queue_issue(self) -> Issue | None:
        return self.current.queue_issue or self.new_queue_issue

    def _still_ticked(self) -> frozenset[str]:
        return frozenset(f for commands in self.commands.values() for f in commands.still_ticked)

    def _close_duplicates(self) -> None:
        for issue, first in self.current.duplicates:
            self._comment_once(issue.number, f"Continued in #{first}.")
            self.issues.close(issue.number, "duplicate")
            self._record("closed", issue.number)

    def _verify(
        self, number: int, issue_state: str = "", status: FindingStatus | None = None
    ) -> None:
        """Read an issue back. Raises GitHubError: when it lacks what was written."""
        issue = self.issues.get(number)
        parsed = render.parse(issue.body)
        reported = parsed.tracked.state if parsed and parsed.tracked else None
        is_written = status is None or reported is status.tracked.state
        if not is_written or issue_state not in ("", issue.state):
            raise GitHubError(
                f"Issue #{number} was written, but lacks the change when read back.",
                fix="Run collect again; if that does not help, close the issue.",
            )

    def _record(self, action: str, number: int) -> None:
        self.actions.setdefault(action, []).append(number)

    def _build_result(
        self,
        statuses: Sequence[FindingStatus],
        queued: Sequence[FindingStatus],
        reconciliation: Reconciliation,
    ) -> DestinationResult:
        numbers = list(dict.fromkeys(n for group in self.actions.values() for n in group))
        notes = [
            f"{plural(len(set(self.actions[action])), 'issue')} {action}"
            for action in ("opened", "closed", "reopened")
            if action in self.actions
        ]
        queue_issue = self._queue_issue()
        if queued and queue_issue is not None:
            notes.append(
                f"{plural(len(queued), 'finding')} waiting, listed in #{queue_issue.number}"
            )
        counts = count_findings(statuses)
        result = DestinationResult(
            destination=DESTINATION,
            action=_summarize_actions(self.actions, has_issues=bool(self.current.by_fingerprint)),
            new=counts.new,
            fixed=counts.fixed,
            open=counts.open,
            note=", ".join(notes),
            suppressed=report_text.count_suppressed(reconciliation, max_issues=len(queued)),
            ids=tuple(str(number) for number in numbers),
        )
        if not numbers:
            return result
        return replace(result, number=numbers[0], url=self.issues.get(numbers[0]).url)


def _summarize_actions(actions: dict[str, list[int]], *, has_issues: bool) -> str:
    """Name the most important of the actions, as `DestinationResult.action` does."""
    if "opened" in actions:
        return "created"
    for action in ("reopened", "closed", "updated"):
        if action in actions:
            return action
    return "unchanged" if has_issues else "skipped"


def create_publisher(ctx: RunContext) -> Publisher:
    """Create the publisher of the issues of the run's task."""
    return IssuePerFindingPublisher(
        issues=ctx.require_github().issues,
        task=ctx.task.name,
        repository_id=ctx.github_context.repository_id,
        repo=ctx.git,
        state_key=ctx.settings.state_key,
        options=options_of(ctx.settings),
    )
