"""The destination `draft-pr`: generated files as one draft pull request a task.

The branch is the reviewed commit with one commit of ours on top, made anew by each run and without
a checkout. Once a person has pushed to it, commits go on top and only untouched files are written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batch_action.clients.github.draft_branches import DraftBranches
from batch_action.clients.github.errors import RefusedError
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.file_results import RefusedFile
from batch_action.models.findings import BatchAnswers, PublishedState, Reconciliation
from batch_action.models.github import DraftPullRequestInfo
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers import markers
from batch_action.publishers.draft_pr import render
from batch_action.publishers.draft_pr.render import DraftPullRequestState
from batch_action.publishers.files.publisher import patch
from batch_action.selection.content import decode
from batch_action.text import plural

DESTINATION = "draft-pr"
WORKFLOWS = ".github/workflows/"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    """Our branch as it stands."""

    head: str
    tree: str
    ours: bool
    """Nobody has pushed to it since our last commit."""


class DraftPullRequestPublisher:
    """The pull request of one task; see `publisher`."""

    def __init__(self, ctx: RunContext, batch_answers: BatchAnswers) -> None:
        self._ctx = ctx
        self._tonight = batch_answers
        github = ctx.require_github()
        self._edge = DraftBranches(github.client)
        self._trusts = github.issues.trusts
        self._name = render.branch(ctx.task.name, ctx.settings.state_key)
        self._pull: DraftPullRequestInfo | None = None

    def read_state(self) -> PublishedState:
        """Read the open pull request; findings are not remembered here."""
        self._pull = self._edge.open_pull(self._name)
        if self._pull is None or not self._trusts(self._pull.author):
            return PublishedState(destination=DESTINATION)
        fields = markers.read_head(self._pull.body) or {}
        batches = tuple(b for b in markers.value(fields, "batches").split(",") if b)
        return PublishedState(destination=DESTINATION, batches=batches)

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:  # noqa: ARG002 - Desk
        """Bring the branch and its pull request to what tonight's files and the older ones say."""
        pull = self._pull
        if pull is not None and not self._trusts(pull.author):
            note = f"pull request #{pull.number} from {self._name} is not ours: close it first"
            return DestinationResult(destination=DESTINATION, action="refused", note=note)
        known = render.remembered(pull.body) if pull else ()
        files, left_out = self._standing(_joined(known, self._tonight))
        if pull is None and not files:
            note = _named(left_out) or "no files to propose"
            return DestinationResult(destination=DESTINATION, action="skipped", note=note)
        try:
            return self._deliver(pull, files, left_out, report)
        except RefusedError as error:
            if not error.lasting:
                raise
            return self._patched(error)

    def _deliver(
        self,
        pull: DraftPullRequestInfo | None,
        files: Sequence[DraftPullRequestState],
        left_out: Sequence[RefusedFile],
        report: RunReport,
    ) -> DestinationResult:
        branch = self._branch() if pull else None
        if pull and not files and (branch is None or branch.ours):
            self._edge.edit(pull.number, state="closed")
            self._edge.drop(self._name)
            return _done("closed", pull, _named(left_out))
        if branch is not None and not branch.ours:
            files, theirs = self._untouched(branch, files)
            left_out = (*left_out, *theirs)
        base = branch if branch and not branch.ours else self._reviewed()
        blobs, wrote = self._write(base, branch, files, report)
        body = render.body(report, files, blobs, left_out)
        return self._propose(pull, body, files, wrote=wrote, note=_named(left_out))

    def _write(
        self,
        base: _Branch,
        before: _Branch | None,
        files: Sequence[DraftPullRequestState],
        report: RunReport,
    ) -> tuple[dict[str, str], bool]:
        """The branch's commit; the blobs of its files, and whether anything changed."""
        modes = self._modes(base.head)
        tree = self._edge.tree(
            base.tree,
            {file.path: file.text for file in files if not file.blob},
            {file.path: file.blob for file in files if file.blob},
            modes,
        )
        fresh = [file for file in files if not file.blob]
        same = before is not None and before.tree == tree
        if not same:
            message = render.message(self._ctx.task.name, fresh or files, tree, report)
            commit = self._edge.make_commit(message, tree, base.head)
            self._edge.point(self._name, commit)
        else:
            commit = before.head if before else base.head
        found = self._edge.blobs(commit, [file.path for file in fresh])
        if missing := [file.path for file in fresh if file.path not in found]:
            raise GitHubError(f"{plural(len(missing), 'file')} of the branch cannot be read back.")
        return {file.path: file.blob or found[file.path] for file in files}, not same

    def _propose(
        self,
        pull: DraftPullRequestInfo | None,
        body: str,
        files: Sequence[DraftPullRequestState],
        *,
        wrote: bool,
        note: str,
    ) -> DestinationResult:
        count = plural(len(files), "file")
        if pull is None:
            into = self._ctx.context.default_branch or self._ctx.context.branch or "main"
            title = render.title(self._ctx.task.name)
            made = self._edge.create(title, body, self._name, into)
            self._edge.label(made.number, ("batch-action", *self._ctx.settings.labels))
            return _done("created", made, " ".join([f"{count}.", note]).strip())
        if body.strip() != pull.body.replace("\r\n", "\n").strip():
            self._edge.edit(pull.number, body=body)
        now = self._edge.pull(pull.number)
        if now.body.replace("\r\n", "\n").strip() != body.strip():
            raise GitHubError(f"Pull request #{pull.number} was written but reads otherwise.")
        return _done("updated" if wrote else "unchanged", now, f"{count}. {note}".strip())

    def _standing(
        self, files: Sequence[DraftPullRequestState]
    ) -> tuple[tuple[DraftPullRequestState, ...], tuple[RefusedFile, ...]]:
        """The files whose source and place read as when they were reviewed; the others, named."""
        if not files:
            return (), ()
        now = self._blobs_now({path for file in files for path in (file.path, file.source)})
        kept, left = [], []
        for file in files:
            reason = _out_of_date(file, now)
            if reason is None:
                kept.append(file)
            elif reason:
                left.append(RefusedFile(path=file.path, source=file.source, reason=reason))
        return tuple(kept), tuple(left)

    def _blobs_now(self, paths: set[str]) -> dict[str, str]:
        """What stands at these paths on the default branch right now."""
        ctx = self._ctx
        branch = ctx.context.default_branch or ctx.context.branch or "main"
        head = self._edge.branch(branch) or self._tonight.commit
        if ctx.git.has_commit(head):
            return ctx.git.tree_blobs(head, paths)
        return self._edge.blobs(head, sorted(paths))

    def _untouched(
        self, branch: _Branch, files: Sequence[DraftPullRequestState]
    ) -> tuple[tuple[DraftPullRequestState, ...], tuple[RefusedFile, ...]]:
        """On a branch with people's commits: the files that nobody but us has changed there."""
        there = self._edge.blobs(branch.head, [file.path for file in files])
        recorded = {
            f.path: f.blob for f in render.remembered(self._pull.body if self._pull else "")
        }
        kept, theirs = [], []
        for file in files:
            now = there.get(file.path)
            if now in (file.replaces, recorded.get(file.path), file.blob or None):
                kept.append(file)
            else:
                reason = "somebody has changed it on this branch"
                theirs.append(RefusedFile(path=file.path, source=file.source, reason=reason))
        return tuple(kept), tuple(theirs)

    def _branch(self) -> _Branch | None:
        head = self._edge.branch(self._name)
        if head is None:
            return None
        commit = self._edge.commit(head)
        ours = render.is_ours(commit.message, commit.tree)
        return _Branch(head=head, tree=commit.tree, ours=ours)

    def _reviewed(self) -> _Branch:
        commit = self._edge.commit(self._tonight.commit)
        return _Branch(head=commit.sha, tree=commit.tree, ours=True)

    def _modes(self, commit: str) -> Mapping[str, str]:
        git = self._ctx.git
        return {e.path: e.mode for e in git.tree(commit)} if git.has_commit(commit) else {}

    def _patched(self, error: RefusedError) -> DestinationResult:
        """What may not be proposed is left as a patch."""
        ctx, files = self._ctx, self._tonight.generated
        old = {file.replaces: file.path for file in files if file.replaces}
        before = {old[blob]: decode(data) for blob, data in ctx.git.blobs(list(old))}
        name = f"{ctx.task.name}.patch"
        where = ctx.runner.write_result(name, patch(files, before).encode("utf-8", "replace"))
        note = f"{error} {plural(len(files), 'file')} stand in {where} instead."
        return DestinationResult(destination=DESTINATION, action="refused", note=note)


def create_publisher(ctx: RunContext, batch_answers: BatchAnswers) -> DraftPullRequestPublisher:
    """The draft pull request of this world's task."""
    return DraftPullRequestPublisher(ctx, batch_answers)


def _joined(
    known: Sequence[DraftPullRequestState], batch_answers: BatchAnswers
) -> tuple[DraftPullRequestState, ...]:
    """What the branch holds and what was written tonight; tonight's version of a path wins."""
    files = {file.path: file for file in known}
    files |= {file.path: render.drafted(file) for file in batch_answers.generated}
    return tuple(replace(files[path]) for path in sorted(files))


def _out_of_date(file: DraftPullRequestState, now: Mapping[str, str]) -> str | None:
    """Why a file cannot be proposed; None when it can, empty when it is merged already."""
    if file.path.casefold().startswith(WORKFLOWS):
        return "workflow files are never touched"
    if any("\ud800" <= c <= "\udfff" for c in file.path):
        return "its name is not UTF-8"
    there = now.get(file.path)
    if file.blob and there == file.blob:
        return ""
    if now.get(file.source) != file.source_blob:
        return "its source has changed since it was reviewed"
    return None if there == file.replaces else "it has changed since it was reviewed"


def _named(left_out: Sequence[RefusedFile]) -> str:
    if not left_out:
        return ""
    shown = "; ".join(f"{one.path}: {one.reason}" for one in left_out[:5])
    more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""  # noqa: PLR2004 - shown
    return f"Left out: {shown}{more}."


def _done(action: str, pull: DraftPullRequestInfo, note: str) -> DestinationResult:
    return DestinationResult(
        destination=DESTINATION,
        action=action,
        number=pull.number,
        url=pull.url,
        note=note,
        ids=(str(pull.number),),
    )
