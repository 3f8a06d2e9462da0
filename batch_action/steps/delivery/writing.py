"""How the rolling issue is written: what changed and no more, in an order that loses nothing."""

from dataclasses import dataclass, replace

from batch_action.edges.github_api.issues import Issues
from batch_action.errors import GitHubError
from batch_action.models.github import CommentText, IssueText
from batch_action.models.report import Delivered, IssueDraft, IssueMemory
from batch_action.report import boxes, markers
from batch_action.report import issue as report
from batch_action.steps.delivery.hearing import Ticked

COLOR = "5319e7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The rolling issue as it stands, and what it remembers."""

    issue: IssueText
    memory: IssueMemory
    overflow: dict[int, CommentText]
    """Our comments with further findings, by their number."""
    surplus: tuple[CommentText, ...]
    """Further comments with a number that is taken: deleted after the next write."""
    comments: tuple[CommentText, ...]
    """All comments, other people's too."""
    doubles: tuple[IssueText, ...]
    """Open issues of the same task that a race made; their findings are in `memory`."""

    def told(self, marker: str) -> bool:
        """Whether a comment of ours begins with this marker."""
        return any(c.trusted and c.body.startswith(marker) for c in self.comments)

    @property
    def ticked(self) -> frozenset[str]:
        """The findings whose boxes are ticked, wherever they stand."""
        return frozenset(f for text in self.texts() for f in text.fingerprints)

    def texts(self) -> tuple[Ticked, ...]:
        """Body and overflow with the boxes ticked in them."""
        texts: list[IssueText | CommentText] = [self.issue, *self.overflow.values()]
        return tuple(
            Ticked(node_id=text.node_id, url=text.url, fingerprints=boxes.ticked(text.body))
            for text in texts
        )


def create(draft: IssueDraft, counts: Delivered, edge: Issues) -> Delivered:
    """Open the issue. Raises GitHubError as `update` does."""
    generic, own, *_ = draft.labels
    edge.ensure_label(generic, COLOR, "Nightly upkeep by batch-action")
    edge.ensure_label(own, COLOR, f"The rolling issue of {own.partition(':')[2]}")
    issue = edge.create(draft.title, draft.body, draft.labels, draft.assignees)
    for text in draft.overflow:
        edge.comment(issue.number, text)
    read_back(issue.number, draft, edge)
    return replace(counts, action="created", number=issue.number, url=issue.url, held=draft.held)


def update(remembered: Remembered, draft: IssueDraft, counts: Delivered, edge: Issues) -> Delivered:
    """Bring the issue to its draft. Raises GitHubError when it is not there when read back."""
    issue = remembered.issue
    muted = issue.state == "closed" and issue.state_reason == "not_planned"
    wrote = _write(remembered, draft, edge, silent=muted)
    action = "updated" if wrote else "unchanged"
    action = "muted" if muted else _notify(remembered, draft, edge) or action
    if wrote:
        read_back(issue.number, draft, edge, all_of_it=not muted)
    _close_doubles(remembered, edge)
    return replace(counts, action=action, number=issue.number, url=issue.url)


def _write(remembered: Remembered, draft: IssueDraft, edge: Issues, *, silent: bool) -> bool:
    """Body and overflow; whether anything was written.

    First every comment holds its old and its new findings, then the body is changed, then the
    comments get their final text: no finding is ever in no text. New comments notify, so a muted
    issue gets none.
    """
    number, old = remembered.issue.number, remembered.overflow
    wrote = False
    for n, text in enumerate(draft.overflow, start=1):
        if n not in old:
            if not silent:
                edge.comment(number, text)
                wrote = True
        elif lost := _lost(old[n].body, text):
            edge.edit_comment(old[n].id, f"{text}\n\n{lost}")
            wrote = True
    # The title is the person's to change: it is not written again.
    if not same(draft.body, remembered.issue.body):
        edge.update(number, body=draft.body)
        wrote = True
    for n, comment in old.items():
        if n > len(draft.overflow):
            edge.delete_comment(comment.id)
        elif same(comment.body, draft.overflow[n - 1]):
            continue
        else:
            edge.edit_comment(comment.id, draft.overflow[n - 1])
        wrote = True
    for comment in remembered.surplus:
        edge.delete_comment(comment.id)
    return wrote or bool(remembered.surplus)


def _lost(old: str, new: str) -> str:
    """The blocks that a comment has now and will not have."""
    kept = {block.known.fingerprint for block in markers.blocks(new)}
    gone = [b for b in markers.blocks(old) if b.known.fingerprint not in kept]
    return "\n\n".join(markers.wrap(block.known, block.text) for block in gone)


def differs(draft: IssueDraft, remembered: Remembered) -> bool:
    """Whether there is anything to write."""
    old = {n: comment.body for n, comment in remembered.overflow.items()}
    new = dict(enumerate(draft.overflow, start=1))
    return (
        bool(remembered.surplus)
        or old.keys() != new.keys()
        or not same(draft.body, remembered.issue.body)
        or any(not same(old[n], new[n]) for n in new)
    )


def same(one: str, other: str) -> bool:
    """Whether two texts of a body are one."""
    # GitHub trims, and its editor makes CRLF.
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def _notify(remembered: Remembered, draft: IssueDraft, edge: Issues) -> str | None:
    """Reopens, comments once, closes; the most telling word for it."""
    issue = remembered.issue
    action = None
    if draft.open and issue.state == "closed":
        edge.reopen(issue.number)
        action = "reopened"
    if draft.comment is not None and not remembered.told(draft.comment_marker):
        edge.comment(issue.number, draft.comment)
    if not draft.open and issue.state == "open":
        edge.close(issue.number, "completed")
        action = "closed"
    return action


def _close_doubles(remembered: Remembered, edge: Issues) -> None:
    for double in remembered.doubles:
        edge.comment(double.number, f"Continued in #{remembered.issue.number}.")
        edge.close(double.number, "duplicate")


def read_back(number: int, draft: IssueDraft, edge: Issues, *, all_of_it: bool = True) -> None:
    """Raise GitHubError unless the issue remembers what the draft says."""
    texts = [edge.get(number).body]
    if draft.overflow:
        texts += [c.body for c in edge.comments(number) if c.trusted]
    memory = report.parse(texts[0], texts[1:])
    there = frozenset(memory.blocks) if memory else frozenset()
    missing = draft.fingerprints - there if all_of_it else frozenset()
    if memory is None or missing:
        lack = f"{len(missing)} of {len(draft.fingerprints)} findings are" if memory else "all is"
        raise GitHubError(
            f"Issue #{number} was written, but {lack} not in it when read back.",
            fix="Run collect again; if it stays so, close that issue to start a new one.",
        )
