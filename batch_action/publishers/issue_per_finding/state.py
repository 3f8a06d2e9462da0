"""Read the issues about single findings, and the queue: findings that wait for an issue.

The queue is kept in comments of the oldest issue.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.clients.git import GitRepo
from batch_action.clients.github.issues import Issues
from batch_action.models.findings import Dismissal, FindingState, TrackedFinding
from batch_action.models.github import Issue, IssueComment
from batch_action.publishers import finding_block, markers, user_commands
from batch_action.publishers.finding_block import RenderedBlock
from batch_action.publishers.issue_per_finding import render
from batch_action.publishers.issue_per_finding.render import FindingIssueState
from batch_action.publishers.report_text import render_template
from batch_action.publishers.user_commands import UserCommands
from batch_action.text import plural

MAX_PAGE_CHARS = 50_000
"""The limit of one comment of the queue; GitHub refuses over 65,536 characters."""
MAX_HEADS = 30
MAX_FIXED = 50
_QUEUE_PREFIX = "<!-- batch-action:queue v"
QUEUE_MARKER = f"{_QUEUE_PREFIX}{markers.SCHEMA} -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """One comment of the queue as it is to be written."""

    comment: IssueComment | None
    """The existing comment; None for a new one."""
    text: str
    """Empty when none of its findings is queued any more."""


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
        queue = parse_queue(self.comments)
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
    _, label = render.labels_of(task)
    candidates = issues.find(label, render.identity_of(task, state_key, repository_id))
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


def find_newest_head(finding_issues: FindingIssues, repo: GitRepo) -> str:
    """Find the newest commit among those that the issues were last written for.

    Commits that the clone lacks count only when it lacks all of them; empty without issues.
    """
    newest_first = sorted(
        finding_issues.by_fingerprint.values(), key=lambda i: i.issue.updated_at, reverse=True
    )
    heads = dict.fromkeys(i.state.head for i in newest_first[:MAX_HEADS] if i.state.head)
    present = [head for head in heads if repo.has_commit(head)]
    newest = next(iter(present or heads), "")
    for head in present:
        if repo.is_ancestor(newest, head):
            newest = head
    return newest


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
            pages = [comment for comment in comments if is_queue_page(comment)]
            found += user_commands.read_checkboxes(pages, comments, issues)
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


def is_queue_page(comment: IssueComment) -> bool:
    """Whether a comment is a page of the queue that we wrote."""
    return comment.trusted and comment.body.startswith(_QUEUE_PREFIX)


def find_ticked(finding_issues: FindingIssues) -> frozenset[str]:
    """Find the fingerprints in the queue whose checkboxes are ticked."""
    pages = filter(is_queue_page, finding_issues.comments)
    return frozenset(f for page in pages for f in user_commands.parse_ticked(page.body))


def parse_queue(comments: Sequence[IssueComment]) -> dict[str, tuple[TrackedFinding, str]]:
    """Parse the queued findings and their blocks; the first of two equal ones counts."""
    queue: dict[str, tuple[TrackedFinding, str]] = {}
    for comment in filter(is_queue_page, comments):
        for block in markers.parse_blocks(comment.body):
            text = user_commands.remove_checkbox(block.text)
            queue.setdefault(block.tracked.fingerprint, (block.tracked, text))
    return queue


def build_pages(
    blocks: Sequence[RenderedBlock], comments: Sequence[IssueComment], max_issues: int
) -> list[QueuePage]:
    """Build all pages: a finding stays on its page; a new one goes to the first page it fits on."""
    left = {block.tracked.fingerprint: block for block in blocks}
    pages: list[tuple[IssueComment | None, list[RenderedBlock]]] = []
    for comment in filter(is_queue_page, comments):
        listed = [block.tracked.fingerprint for block in markers.parse_blocks(comment.body)]
        pages.append((comment, [left.pop(f) for f in dict.fromkeys(listed) if f in left]))
    for block in left.values():
        _add_to_page(block, pages)
    return [
        QueuePage(comment=comment, text=_render_page(page, max_issues)) for comment, page in pages
    ]


def _add_to_page(
    block: RenderedBlock, pages: list[tuple[IssueComment | None, list[RenderedBlock]]]
) -> None:
    for _, page in pages:
        if sum(len(b.text) + 2 for b in page) + len(block.text) <= MAX_PAGE_CHARS:
            page.append(block)
            return
    pages.append((None, [block]))


def _render_page(blocks: Sequence[RenderedBlock], max_issues: int) -> str:
    if not blocks:
        return ""
    findings = plural(len(blocks), "more finding")
    return render_template(
        "issue_per_finding/queue.md.j2",
        marker=QUEUE_MARKER,
        waiting=f"{findings} {'waits' if len(blocks) == 1 else 'wait'}",
        max_issues=max_issues,
        blocks=finding_block.join_blocks(blocks),
    )
