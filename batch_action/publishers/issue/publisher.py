"""The publisher of the rolling issue: writes only what changed, in an order that loses nothing."""

from dataclasses import dataclass, field, replace

from batch_action.clients.github.issues import Issues, notify, post_once
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.findings import (
    FindingStatus,
    PublishedState,
    Reconciliation,
)
from batch_action.models.github import Issue, IssueComment
from batch_action.models.report import DestinationResult, IssueDraft, RollingIssueState, RunReport
from batch_action.publishers import explanations, markers, suppressed, user_commands
from batch_action.publishers.base import Publisher, PublisherOptions, options_of
from batch_action.publishers.issue import render
from batch_action.publishers.markers import is_same_text
from batch_action.publishers.results import initial_result
from batch_action.publishers.user_commands import UserCommands

DESTINATION = "issue"
LABEL_COLOR = "5319e7"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingIssue:
    """The rolling issue as it is on GitHub, and the state in it."""

    issue: Issue
    state: RollingIssueState
    overflow: dict[int, IssueComment]
    """Our comments with the findings that do not fit into the body, by their number."""
    surplus_comments: tuple[IssueComment, ...]
    """More comments with the same numbers: deleted after the next write."""
    comments: tuple[IssueComment, ...]
    """All comments, by any author."""
    duplicates: tuple[Issue, ...]
    """Open issues of the same task that concurrent runs created; `state` has their findings."""

    @property
    def ticked(self) -> frozenset[str]:
        """The fingerprints whose checkboxes are ticked, in the body or in a comment."""
        return frozenset(f for t in self.own_texts for f in user_commands.parse_ticked(t.body))

    @property
    def own_texts(self) -> tuple[Issue | IssueComment, ...]:
        """The texts with the findings: the body and the overflow comments."""
        return (self.issue, *self.overflow.values())


def create_issue(draft: IssueDraft, result: DestinationResult, issues: Issues) -> DestinationResult:
    """Open the issue. Raises GitHubError: when it is incomplete when read back."""
    generic, own, *_ = draft.labels
    issues.ensure_label(generic, LABEL_COLOR, "Nightly upkeep by batch-action")
    issues.ensure_label(own, LABEL_COLOR, f"The rolling issue of {own.partition(':')[2]}")
    issue = issues.create(draft.title, draft.body, draft.labels, draft.assignees)
    for text in draft.overflow:
        issues.comment(issue.number, text)
    verify_written(issue.number, draft, issues)
    return replace(
        result, action="created", number=issue.number, url=issue.url, suppressed=draft.suppressed
    )


def update_issue(
    current: RollingIssue,
    draft: IssueDraft,
    result: DestinationResult,
    issues: Issues,
    *,
    body_last: bool = False,
) -> DestinationResult:
    """Update the issue to the draft. Raises GitHubError: when it is incomplete when read back.

    *body_last*: of a run without batches only the body tells that it was published, so a death
    before that is repaired by the next run.
    """
    issue = current.issue
    muted = issue.state == "closed" and issue.state_reason == "not_planned"
    action = "muted" if muted else None
    if body_last and not muted:
        action = _comment_and_set_state(current, draft, issues)
    wrote = _write_texts(current, draft, issues, silent=muted)
    if not (body_last or muted):
        action = _comment_and_set_state(current, draft, issues)
    action = action or ("updated" if wrote else "unchanged")
    if wrote:
        verify_written(issue.number, draft, issues, check_findings=not muted)
    _close_duplicates(current, issues)
    return replace(result, action=action, number=issue.number, url=issue.url)


def _write_texts(current: RollingIssue, draft: IssueDraft, issues: Issues, *, silent: bool) -> bool:
    """Write the body and the overflow comments; return whether anything was written.

    First every comment gets its old and its new findings, then the body is changed, then the
    comments get their final text. So every finding is in some text at any time. *silent*: do not
    add comments, because they notify people.
    """
    number, old = current.issue.number, current.overflow
    wrote = False
    for n, text in enumerate(draft.overflow, start=1):
        if n not in old:
            if not silent:
                issues.comment(number, text)
                wrote = True
        elif removed := _render_removed_blocks(old[n].body, text):
            issues.edit_comment(old[n].id, f"{text}\n\n{removed}")
            wrote = True
    # People may change the title, so it is not written again.
    if not is_same_text(draft.body, current.issue.body):
        issues.update(number, body=draft.body)
        wrote = True
    for n, comment in old.items():
        if n > len(draft.overflow):
            issues.delete_comment(comment.id)
        elif is_same_text(comment.body, draft.overflow[n - 1]):
            continue
        else:
            issues.edit_comment(comment.id, draft.overflow[n - 1])
        wrote = True
    for comment in current.surplus_comments:
        issues.delete_comment(comment.id)
    return wrote or bool(current.surplus_comments)


def _render_removed_blocks(old: str, new: str) -> str:
    """Render the blocks of *old* that *new* does not contain."""
    remaining = {block.tracked.fingerprint for block in markers.parse_blocks(new)}
    removed = [b for b in markers.parse_blocks(old) if b.tracked.fingerprint not in remaining]
    return "\n\n".join(markers.wrap_block(block.tracked, block.text) for block in removed)


def needs_write(draft: IssueDraft, current: RollingIssue) -> bool:
    """Whether the issue differs from the draft."""
    old = {n: comment.body for n, comment in current.overflow.items()}
    new = dict(enumerate(draft.overflow, start=1))
    return (
        bool(current.surplus_comments)
        or old.keys() != new.keys()
        or not is_same_text(draft.body, current.issue.body)
        or any(not is_same_text(old[n], new[n]) for n in new)
    )


def _comment_and_set_state(current: RollingIssue, draft: IssueDraft, issues: Issues) -> str | None:
    """Reopen, notify once and close as needed; return the action, None without one."""
    issue = current.issue
    action = None
    if draft.open and issue.state == "closed":
        issues.reopen(issue.number)
        action = "reopened"
    texts = [comment.body for comment in current.comments if comment.trusted]
    if draft.comment is not None and not user_commands.is_posted(draft.comment, texts):
        notify(issues, issue.number, draft.comment)
    if not draft.open and issue.state == "open":
        issues.close(issue.number, "completed")
        action = "closed"
    return action


def _close_duplicates(current: RollingIssue, issues: Issues) -> None:
    for duplicate in current.duplicates:
        notify(issues, duplicate.number, f"Continued in #{current.issue.number}.")
        issues.close(duplicate.number, "duplicate")


def verify_written(
    number: int, draft: IssueDraft, issues: Issues, *, check_findings: bool = True
) -> None:
    """Read the issue back. Raises GitHubError: when the state or a finding is missing."""
    texts = [issues.get(number).body]
    if draft.overflow:
        texts += [c.body for c in issues.comments(number) if c.trusted]
    state = render.parse(texts[0], texts[1:])
    written = frozenset(state.blocks) if state else frozenset()
    missing = draft.fingerprints - written if check_findings else frozenset()
    if state is None or missing:
        lack = f"{len(missing)} of {len(draft.fingerprints)} findings" if state else "its marker"
        raise GitHubError(
            f"Issue #{number} was written, but lacks {lack} when read back.",
            fix="Run collect again; if that does not help, close the issue to start a new one.",
        )


def read_rolling_issue(
    issues: Issues, task: str, repository_id: str, state_key: str = "", last: int | None = None
) -> RollingIssue | None:
    """Find and read the rolling issue of a task; None when there is none yet.

    *last*: the number of the one that was written last, which counts without its label too.

    Raises:
        GitHubError: when the issues cannot be read, or a later version wrote this one.
    """
    found = markers.find_issues(issues, DESTINATION, task, state_key, repository_id)
    if last is not None and all(issue.number != last for issue in found):
        marker = markers.identity_of(markers.qualify_task(task, state_key), repository_id)
        found = [*filter(None, [issues.find_by_number(last, marker)]), *found]
    candidates = [
        i
        for i in found
        if (i.state == "open" or i.state_reason != "duplicate") and markers.parse_head(i.body)
    ]
    if not candidates:
        return None
    oldest, *others = candidates
    duplicates = tuple(i for i in others if i.state == "open")
    comments = issues.comments(oldest.number)
    trusted = [c for c in comments if c.trusted]
    overflow: dict[int, IssueComment] = {}
    surplus_comments = []
    for comment in trusted:
        number = markers.parse_continuation(comment.body)
        if number is not None and overflow.setdefault(number, comment) is not comment:
            surplus_comments.append(comment)
    texts = [comment.body for comment in trusted]
    for duplicate in duplicates:
        texts.append(duplicate.body)
        texts += [c.body for c in issues.comments(duplicate.number) if c.trusted]
    if (state := render.parse(oldest.body, texts)) is None:
        return None
    return RollingIssue(
        issue=oldest,
        state=state,
        overflow=overflow,
        surplus_comments=tuple(surplus_comments),
        comments=tuple(comments),
        duplicates=duplicates,
    )


@dataclass(slots=True, kw_only=True)
class IssuePublisher:
    """The publisher of the rolling issue of one task."""

    issues: Issues
    task: str
    repository_id: str
    state_key: str = ""
    last: int | None = None
    """The number of the issue that was written last, as the ledger has it."""
    options: PublisherOptions
    current: RollingIssue | None = None
    commands: UserCommands = field(default_factory=UserCommands)

    def read_state(self) -> PublishedState:
        """Read the issue and the commands in it; see `Publisher`."""
        self._refresh()
        if self.current is None:
            return PublishedState(
                destination=DESTINATION,
                warnings=tuple(
                    f"Issue #{issue.number} by {issue.author} looks like ours, but was written by "
                    "another account: it is not continued. If it was yours, name the account in "
                    f"`trusted-authors: {issue.author}`."
                    for issue in self.issues.foreign
                ),
            )
        state, comments = self.current.state, self.current.comments
        self.commands = user_commands.read_comments(comments, state.blocks, self.issues)
        self.commands += user_commands.read_checkboxes(
            self.current.own_texts, comments, self.issues, state.blocks
        )
        return PublishedState(
            destination=DESTINATION,
            head=state.head,
            batches=state.batches,
            tracked=state.tracked,
            dismissals=self.commands.dismissals,
            commands=self.commands.others,
            blocks=state.blocks,
            has_pending_work=self.commands.has_responses,
        )

    def publish(self, reconciliation: Reconciliation, report: RunReport) -> DestinationResult:
        """Create or update the issue, and read it back; see `Publisher`."""
        result = self._publish_once(reconciliation, report)
        if result.action == "created":
            # A concurrent run may have created one too: the older one gets the findings of both.
            self._refresh()
            if self.current is not None and self.current.duplicates:
                reconciliation = _add_concurrent_findings(reconciliation, self.current.state)
                return self._publish_once(reconciliation, report)
        return result

    def _refresh(self) -> None:
        self.current = read_rolling_issue(
            self.issues, self.task, self.repository_id, self.state_key, self.last
        )

    def _publish_once(self, reconciliation: Reconciliation, report: RunReport) -> DestinationResult:
        counts = suppressed.count_suppressed(reconciliation)
        result = initial_result(DESTINATION, reconciliation.visible, counts)
        if self.current is None:
            draft = render.render(report, reconciliation, None, self.options)
            if not draft.open:
                return replace(result, note="nothing to report")
            return create_issue(draft, result, self.issues)
        number = self.current.issue.number
        # Replies about ignored ticks come before the body resets them; reactions come last.
        own_texts = [comment.body for comment in self.current.comments if comment.trusted]
        explanations_due = explanations.due_in(number, report, reconciliation, own_texts)
        for text in (*self.commands.replies, *explanations_due):
            post_once(self.issues, number, text)
        result = self._update(self.current, reconciliation, report, result)
        warning = user_commands.acknowledge(self.commands.reactions, self.issues.react)
        self.commands = UserCommands()
        return replace(result, warning=warning)

    def _update(
        self,
        current: RollingIssue,
        reconciliation: Reconciliation,
        report: RunReport,
        result: DestinationResult,
    ) -> DestinationResult:
        # A ticked box of a rule is drawn again.
        is_drawn = current.ticked <= {*current.state.blocks, *self.commands.still_ticked}
        unchanged = is_drawn and render.is_unchanged(reconciliation, current.state)
        if report.commands_only and unchanged:
            issue = current.issue
            return replace(result, action="unchanged", number=issue.number, url=issue.url)
        processed = current.ticked.difference(self.commands.still_ticked)
        if needs_write(render.render(report, reconciliation, current.state, self.options), current):
            # People may have edited the issue since it was read.
            self._refresh()
            current = self.current or current
            reconciliation = _add_concurrent_findings(reconciliation, current.state)
        ticked = current.ticked - processed
        draft = render.render(report, reconciliation, current.state, self.options, ticked=ticked)
        result = replace(result, suppressed=draft.suppressed)
        return update_issue(current, draft, result, self.issues, body_last=report.commands_only)


def create_publisher(ctx: RunContext, last: int | None) -> Publisher:
    """Create the publisher of the rolling issue of the run's task; *last*: see `IssuePublisher`."""
    return IssuePublisher(
        issues=ctx.require_github().issues,
        task=ctx.task.name,
        repository_id=ctx.github_context.repository_id,
        state_key=ctx.settings.state_key,
        last=last,
        options=options_of(ctx.settings),
    )


def _add_concurrent_findings(
    reconciliation: Reconciliation, state: RollingIssueState
) -> Reconciliation:
    """Add the findings that a concurrent run has written to the issue since it was read."""
    reconciled_fingerprints = {status.tracked.fingerprint for status in reconciliation.statuses}
    concurrent = [
        FindingStatus(tracked=tracked, finding=None)
        for tracked in state.tracked
        if tracked.fingerprint not in reconciled_fingerprints
    ]
    statuses = (*reconciliation.statuses, *concurrent)
    worst_first = sorted(statuses, key=lambda status: status.tracked.severity.rank)
    return replace(reconciliation, statuses=tuple(worst_first))
