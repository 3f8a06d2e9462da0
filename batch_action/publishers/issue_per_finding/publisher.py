"""The destination `issue-per-finding`: one issue for each finding, up to a limit of each run.

An issue is found by its label, its marker and its trusted author. Findings that wait for an issue
are listed in comments of the oldest issue, the queue. A change of state is written as a comment,
then to the issue, then to its body: until the body has the new state, the next run repeats the
change, and skips what was already done.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.git import GitRepo
from batch_action.clients.github.issues import Issues, post_once
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.findings import (
    OPEN_STATES,
    Dismissal,
    FindingState,
    FindingStatus,
    PublishedState,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.github import Issue, IssueComment
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers import explanations, finding_block, markers, suppressed, user_commands
from batch_action.publishers.base import Publisher, PublisherOptions, options_of
from batch_action.publishers.finding_block import keep_reported_state, set_dates
from batch_action.publishers.issue.publisher import LABEL_COLOR
from batch_action.publishers.issue_per_finding import render
from batch_action.publishers.issue_per_finding.render import FindingIssueState
from batch_action.publishers.markers import is_same_text
from batch_action.publishers.results import initial_result
from batch_action.publishers.user_commands import UserCommands
from batch_action.text import plural

DESTINATION = "issue-per-finding"
MAX_FIXED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingIssue:
    """An issue about one finding, and the state in it."""

    issue: Issue
    state: FindingIssueState

    @property
    def reported_state(self) -> FindingState | None:
        """The finding's state according to the issue; None when its marker is damaged."""
        return self.state.tracked.state if self.state.tracked else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingIssues:
    """All issues about single findings of one task."""

    by_fingerprint: dict[str, FindingIssue]
    duplicates: tuple[tuple[Issue, int], ...] = ()
    """More open issues about the same finding, each with the number of the first issue."""
    queue_issue: Issue | None = None
    """The oldest issue."""
    comments: tuple[IssueComment, ...] = ()
    """All comments of the queue issue."""

    @property
    def queued(self) -> dict[str, tuple[TrackedFinding, str]]:
        """Fingerprint to the finding and block of each finding that waits for an issue."""
        queue = render.parse_queue(self.comments)
        return {f: entry for f, entry in queue.items() if f not in self.by_fingerprint}

    @property
    def tracked(self) -> tuple[TrackedFinding, ...]:
        """The findings of the issues and the queue; only the last `MAX_FIXED` of the fixed ones."""
        states = [issue.state for issue in self.by_fingerprint.values()]
        tracked = [state.tracked for state in states if state.tracked]
        fixed = [t for t in tracked if t.state is FindingState.FIXED]
        fixed.sort(key=lambda t: t.closed_on, reverse=True)
        others = [t for t in tracked if t.state is not FindingState.FIXED]
        return (*others, *fixed[:MAX_FIXED], *(t for t, _ in self.queued.values()))

    @property
    def blocks(self) -> dict[str, str]:
        """Fingerprint to block, of the issues and the queue."""
        blocks = {f: i.state.block for f, i in self.by_fingerprint.items() if i.state.block}
        return blocks | {f: block for f, (_, block) in self.queued.items()}


def read_finding_issues(
    issues: Issues, task: str, state_key: str, repository_id: str
) -> FindingIssues:
    """Find and read all issues about findings of a task. Raises GitHubError."""
    candidates = markers.find_issues(issues, DESTINATION, task, state_key, repository_id)
    parsed = [(issue, state) for issue in candidates if (state := render.parse(issue.body))]
    # An issue that was closed as a duplicate is used only if there is no other one.
    parsed.sort(key=lambda pair: (pair[0].state_reason == "duplicate", pair[0].number))
    by_fingerprint: dict[str, FindingIssue] = {}
    duplicates = []
    for issue, state in parsed:
        finding_issue = FindingIssue(issue=issue, state=state)
        first = by_fingerprint.setdefault(state.fingerprint, finding_issue)
        if first is not finding_issue and issue.state == "open":
            duplicates.append((issue, first.issue.number))
    queue_issue = min((issue for issue, _ in parsed), key=lambda issue: issue.number, default=None)
    comments = issues.comments(queue_issue.number) if queue_issue and queue_issue.comments else []
    return FindingIssues(
        by_fingerprint=by_fingerprint,
        duplicates=tuple(duplicates),
        queue_issue=queue_issue,
        comments=tuple(comments),
    )


def read_commands(finding_issues: FindingIssues, issues: Issues) -> dict[int, UserCommands]:
    """Read people's commands; maps the number of an issue to its commands. Raises GitHubError."""
    fingerprints = {tracked.fingerprint for tracked in finding_issues.tracked}
    queue_issue = finding_issues.queue_issue
    commands: dict[int, UserCommands] = {}
    for fingerprint, finding_issue in finding_issues.by_fingerprint.items():
        issue = finding_issue.issue
        has_queue = queue_issue is not None and issue.number == queue_issue.number
        comments = finding_issues.comments if has_queue else _read_comments(issue, issues)
        found = user_commands.read_comments(comments, fingerprints, issues, default=fingerprint)
        if has_queue:
            found += user_commands.read_checkboxes(
                [c for c in comments if render.is_queue_page(c)], comments, issues
            )
        dismissals = _read_dismissals(finding_issue, issues)
        commands[issue.number] = found + UserCommands(dismissals=dismissals)
    return commands


def _read_comments(issue: Issue, issues: Issues) -> Sequence[IssueComment]:
    """Read the comments of an open issue, or of a closed one that changed since it was closed."""
    unchanged = issue.state == "closed" and issue.updated_at <= issue.closed_at
    return [] if unchanged or not issue.comments else issues.comments(issue.number)


def _read_dismissals(finding_issue: FindingIssue, issues: Issues) -> tuple[Dismissal, ...]:
    """Read whether a person with write access closed the issue as not planned or labeled it."""
    issue, tracked = finding_issue.issue, finding_issue.state.tracked
    if tracked is None or tracked.state is FindingState.DISMISSED:
        return ()
    actor = ""
    if issue.state == "closed" and issue.state_reason == "not_planned":
        actor = closer_of(issue, issues)
    if not (actor and issues.can_write(actor)) and render.WONTFIX_LABEL in map(
        str.casefold, issue.labels
    ):
        actor = issues.labeled_by(issue.number, render.WONTFIX_LABEL)
    if not (actor and issues.can_write(actor)):
        return ()
    return (Dismissal(fingerprint=tracked.fingerprint, actor=actor, source=issue.url),)


def closer_of(issue: Issue, issues: Issues) -> str:
    """Return who closed an issue; lists do not always contain it."""
    return issue.closed_by or issues.get(issue.number).closed_by


def is_closed_by_person(issue: Issue, issues: Issues) -> bool:
    """Whether a person closed the issue, not a bot such as ours or one for stale issues."""
    return not closer_of(issue, issues).endswith("[bot]")


def find_ticked(finding_issues: FindingIssues) -> frozenset[str]:
    """Find the fingerprints in the queue whose checkboxes are ticked."""
    pages = filter(render.is_queue_page, finding_issues.comments)
    return frozenset(f for page in pages for f in user_commands.parse_ticked(page.body))


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
    actions: dict[str, dict[int, Issue]] = field(default_factory=dict)
    """`opened`, `reopened`, `closed`, `updated` to these issues by their numbers."""

    def read_state(self) -> PublishedState:
        """Read the issues, the queue and the commands in them; see `Publisher`."""
        self.current = self._read_issues()
        self.commands = read_commands(self.current, self.issues)
        commands = self.commands.values()
        states = [issue.state for issue in self.current.by_fingerprint.values()]
        return PublishedState(
            destination=DESTINATION,
            head=markers.find_newest_head(
                [known.issue for known in self.current.by_fingerprint.values()], self.repo
            ),
            batches=tuple({batch for issue_state in states for batch in issue_state.batches}),
            tracked=self.current.tracked,
            dismissals=tuple(d for c in commands for d in c.dismissals),
            commands=tuple(other for c in commands for other in c.others),
            blocks=self.current.blocks,
            has_pending_work=any(c.has_responses for c in commands) or bool(self.current.queued),
        )

    def publish(self, reconciliation: Reconciliation, report: RunReport) -> DestinationResult:
        """Open, update and close issues, and read each back; see `Publisher`."""
        statuses = [set_dates(s, report) for s in reconciliation.visible]
        self.actions = {}
        for number, commands in self.commands.items():
            for text in commands.replies:
                post_once(self.issues, number, text)
        existing = self.current.by_fingerprint
        numbers = {known.issue.number for known in existing.values()}
        for source, text in explanations.due(report, reconciliation):
            place = explanations.number_of(source)
            if place is not None and place in numbers:
                post_once(self.issues, place, text)
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
        reactions = [each for commands in self.commands.values() for each in commands.reactions]
        warning = user_commands.acknowledge(reactions, self.issues.react)
        self.commands = {}
        return replace(self._build_result(statuses, queued, reconciliation), warning=warning)

    def _read_issues(self) -> FindingIssues:
        return read_finding_issues(self.issues, self.task, self.state_key, self.repository_id)

    def _update_issue(self, known: FindingIssue, status: FindingStatus, report: RunReport) -> None:
        """Reopen or close the issue of a finding, then update its body."""
        number, is_closed = known.issue.number, known.issue.state == "closed"
        tracked, issue = status.tracked, None
        if tracked.state in OPEN_STATES:
            if is_closed and self._should_reopen(known, status):
                post_once(self.issues, number, render.render_reopened_comment(status, report))
                issue = self._record("reopened", self.issues.reopen(number))
        elif not is_closed and known.reported_state is not tracked.state:
            # An issue that a person reopened after this state was reported stays open.
            if tracked.state is FindingState.FIXED:
                post_once(self.issues, number, render.render_fixed_comment(status, report))
            is_dismissed = tracked.state is FindingState.DISMISSED
            reason = "not_planned" if is_dismissed else "completed"
            issue = self._record("closed", self.issues.close(number, reason))
        if render.update_body(known.issue.body, status, report) != known.issue.body:
            # People may have edited the body since it was read.
            issue = issue or self.issues.get(number)
            self.issues.update(number, body=render.update_body(issue.body, status, report))
            self._verify(number, status)
            self._record("updated", issue)

    def _should_reopen(self, issue: FindingIssue, status: FindingStatus) -> bool:
        """Whether an open finding reopens its closed issue.

        A person who closes an issue as completed claims that the finding is fixed: the issue
        stays closed until the finding is reported again.
        """
        if issue.reported_state not in OPEN_STATES:
            return True
        if not is_closed_by_person(issue.issue, self.issues):
            return True
        return issue.issue.state_reason != "duplicate" and status.finding is not None

    def _open_issues(
        self, statuses: Sequence[FindingStatus], reconciliation: Reconciliation, report: RunReport
    ) -> list[FindingStatus]:
        """Open issues for the worst findings, and return those over the limit."""
        run_key = render.run_key_of(report)
        states = [issue.state for issue in self.current.by_fingerprint.values()]
        opened_before = sum(issue_state.opened_by == run_key for issue_state in states)
        limit = max(0, self.options.max_issues - opened_before)
        ordered = sorted(statuses, key=lambda s: (s.tracked.is_disputed, s.tracked.pre_existing))
        generic, own = markers.labels_of(report.task, "finding:")
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
            self._verify(issue.number, status)
            self._record("opened", issue)
        return ordered[limit:]

    def _update_queue(
        self, queued: Sequence[FindingStatus], reconciliation: Reconciliation, report: RunReport
    ) -> None:
        """Update the comments that list the queued findings."""
        if not queued and not any(map(render.is_queue_page, self.current.comments)):
            return
        processed = find_ticked(self.current) - self._still_ticked()
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
            max_block_chars=render.MAX_PAGE_CHARS,
            ticked=find_ticked(self.current) - processed,
        )
        max_issues = self.options.max_issues
        for page in render.build_pages(blocks, self.current.comments, max_issues):
            self._write_page(page, queue_issue)

    def _write_page(self, page: render.QueuePage, queue_issue: Issue) -> None:
        if page.comment is None:
            self.issues.comment(queue_issue.number, page.text)
        elif not page.text:
            self.issues.delete_comment(page.comment.id)
        elif not is_same_text(page.comment.body, page.text):
            self.issues.edit_comment(page.comment.id, page.text)
        else:
            return
        self._record("updated", queue_issue)

    def _queue_issue(self) -> Issue | None:
        # A list may not contain yet what this run opened.
        opened = self.actions.get("opened", {})
        return self.current.queue_issue or next(iter(opened.values()), None)

    def _still_ticked(self) -> frozenset[str]:
        return frozenset(f for commands in self.commands.values() for f in commands.still_ticked)

    def _close_duplicates(self) -> None:
        for issue, first in self.current.duplicates:
            post_once(self.issues, issue.number, f"Continued in #{first}.")
            self._record("closed", self.issues.close(issue.number, "duplicate"))

    def _verify(self, number: int, status: FindingStatus) -> None:
        """Read an issue back. Raises GitHubError: when it lacks the finding's state."""
        parsed = render.parse(self.issues.get(number).body)
        if not (parsed and parsed.tracked and parsed.tracked.state is status.tracked.state):
            raise GitHubError(
                f"Issue #{number} was written, but lacks the change when read back.",
                fix="Run collect again; if that does not help, close the issue.",
            )

    def _record(self, action: str, issue: Issue) -> Issue:
        return self.actions.setdefault(action, {}).setdefault(issue.number, issue)

    def _build_result(
        self,
        statuses: Sequence[FindingStatus],
        queued: Sequence[FindingStatus],
        reconciliation: Reconciliation,
    ) -> DestinationResult:
        issues = [issue for group in self.actions.values() for issue in group.values()]
        notes = [
            f"{plural(len(self.actions[action]), 'issue')} {action}"
            for action in ("opened", "closed", "reopened")
            if action in self.actions
        ]
        queue_issue = self._queue_issue()
        if queued and queue_issue is not None:
            notes.append(
                f"{plural(len(queued), 'finding')} waiting, listed in #{queue_issue.number}"
            )
        counts = suppressed.count_suppressed(reconciliation, max_issues=len(queued))
        return replace(
            initial_result(DESTINATION, statuses, counts),
            action=_summarize_actions(self.actions, has_issues=bool(self.current.by_fingerprint)),
            number=issues[0].number if issues else None,
            url=issues[0].url if issues else None,
            note=", ".join(notes),
            ids=tuple(dict.fromkeys(str(issue.number) for issue in issues)),
        )


def _summarize_actions(actions: Collection[str], *, has_issues: bool) -> str:
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
