"""The destination `draft-pr`: generated files as one draft pull request per task.

The branch is the reviewed commit with one commit of ours on top, recreated by each run and without
a checkout. Once a person has pushed to it, commits go on top and only untouched files are written.
"""

from collections.abc import Mapping, Sequence

from batch_action.clients.github.errors import RefusedError
from batch_action.clients.github.pulls import DraftBranches
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.findings import PublishedState, Reconciliation
from batch_action.models.generated import GeneratedFile, RefusedFile
from batch_action.models.github import DraftPullRequest, GitCommit
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers import markers
from batch_action.publishers.draft_pr import render
from batch_action.publishers.draft_pr.render import ProposedFile
from batch_action.publishers.files.publisher import render_patch
from batch_action.publishers.markers import is_same_text
from batch_action.selection.content import decode
from batch_action.text import plural

DESTINATION = "draft-pr"
WORKFLOWS = ".github/workflows/"
MAX_NAMED_FILES = 5


class DraftPullRequestPublisher:
    """The draft pull request of one task; see `Publisher`."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        github = ctx.require_github()
        self._branches = DraftBranches(github.client)
        self._is_trusted = github.issues.is_trusted
        self._branch_name = render.branch_name(ctx.task.name, ctx.settings.state_key)
        self._target = ctx.github_context.default_branch or ctx.github_context.branch or "main"
        self._pull: DraftPullRequest | None = None

    def read_state(self) -> PublishedState:
        """Read the open pull request, which stores no findings."""
        self._pull = self._branches.find_open_pull_request(self._branch_name)
        if self._pull is None or not self._is_trusted(self._pull.author):
            return PublishedState(destination=DESTINATION)
        fields = markers.parse_head(self._pull.body) or {}
        batches = markers.decode_list(fields, "batches")
        return PublishedState(destination=DESTINATION, batches=batches)

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:  # noqa: ARG002 - Publisher
        """Update the branch and its pull request with this run's files and the older ones."""
        pull = self._pull
        if pull is not None and not self._is_trusted(pull.author):
            note = (
                f"pull request #{pull.number} from {self._branch_name} is not ours: close it first"
            )
            return DestinationResult(destination=DESTINATION, action="refused", note=note)
        proposed = render.parse_files(pull.body) if pull else ()
        merged = _merge_files(proposed, report.generated)
        files, left_out = self._select_up_to_date(merged, report.commit)
        if pull is None and not files:
            note = _left_out_note(left_out) or "no files to propose"
            return DestinationResult(destination=DESTINATION, action="skipped", note=note)
        try:
            return self._publish_files(pull, files, left_out, report)
        except RefusedError as error:
            if not error.permanent:
                raise
            return self._write_patch(error, report.generated)

    def _publish_files(
        self,
        pull: DraftPullRequest | None,
        files: Sequence[ProposedFile],
        left_out: Sequence[RefusedFile],
        report: RunReport,
    ) -> DestinationResult:
        branch = self._read_branch() if pull else None
        if pull and not files and (branch is None or render.is_ours(branch)):
            self._branches.edit(pull.number, state="closed")
            self._branches.delete_branch(self._branch_name)
            return _result("closed", pull, _left_out_note(left_out))
        if branch is not None and not render.is_ours(branch):
            files, changed = self._select_untouched(branch, files)
            left_out = (*left_out, *changed)
        keeps_branch = branch is not None and not render.is_ours(branch)
        base = branch if branch and keeps_branch else self._branches.commit(report.commit)
        blobs, has_changed = self._write_branch(base, branch, files, report)
        body = render.body(report, files, blobs, left_out)
        return self._update_pull_request(
            pull, body, files, has_changed=has_changed, note=_left_out_note(left_out)
        )

    def _write_branch(
        self,
        base: GitCommit,
        before: GitCommit | None,
        files: Sequence[ProposedFile],
        report: RunReport,
    ) -> tuple[dict[str, str], bool]:
        """Commit the files to the branch; return their blobs, and whether anything changed."""
        modes = self._modes(base.sha)
        tree = self._branches.create_tree(
            base.tree,
            {file.path: file.text for file in files if not file.blob},
            {file.path: file.blob for file in files if file.blob},
            modes,
        )
        new_files = [file for file in files if not file.blob]
        is_same = before is not None and before.tree == tree
        if not is_same:
            message = render.commit_message(self._ctx.task.name, new_files or files, tree, report)
            commit = self._branches.create_commit(message, tree, base.sha)
            self._branches.set_branch(self._branch_name, commit)
        else:
            commit = before.sha if before else base.sha
        blobs = self._branches.blobs(commit, [file.path for file in new_files])
        if missing := [file.path for file in new_files if file.path not in blobs]:
            raise GitHubError(f"{plural(len(missing), 'file')} of the branch cannot be read back.")
        return {file.path: file.blob or blobs[file.path] for file in files}, not is_same

    def _update_pull_request(
        self,
        pull: DraftPullRequest | None,
        body: str,
        files: Sequence[ProposedFile],
        *,
        has_changed: bool,
        note: str,
    ) -> DestinationResult:
        count = plural(len(files), "file")
        if pull is None:
            title = render.title(self._ctx.task.name)
            created = self._branches.create(title, body, self._branch_name, self._target)
            self._branches.label(created.number, ("batch-action", *self._ctx.settings.labels))
            return _result("created", created, " ".join([f"{count}.", note]).strip())
        if not is_same_text(body, pull.body):
            self._branches.edit(pull.number, body=body)
        updated = self._branches.pull(pull.number)
        if not is_same_text(body, updated.body):
            raise GitHubError(f"Pull request #{pull.number} was written, but its text differs.")
        return _result(
            "updated" if has_changed else "unchanged", updated, f"{count}. {note}".strip()
        )

    def _select_up_to_date(
        self, files: Sequence[ProposedFile], reviewed_commit: str
    ) -> tuple[tuple[ProposedFile, ...], tuple[RefusedFile, ...]]:
        """Return the files whose source and target are as reviewed, and the others with reasons."""
        if not files:
            return (), ()
        paths = {path for file in files for path in (file.path, file.source)}
        blobs = self._current_blobs(paths, reviewed_commit)
        up_to_date, left_out = [], []
        for file in files:
            reason = _outdated_reason(file, blobs)
            if reason is None:
                up_to_date.append(file)
            elif reason:
                left_out.append(RefusedFile(path=file.path, source=file.source, reason=reason))
        return tuple(up_to_date), tuple(left_out)

    def _current_blobs(self, paths: set[str], reviewed_commit: str) -> dict[str, str]:
        """Return the blobs of these paths at the head of the default branch, if it has any."""
        git, head = self._ctx.git, self._branches.head_of(self._target) or reviewed_commit
        if git.has_commit(head):
            return git.tree_blobs(head, paths)
        return self._branches.blobs(head, sorted(paths))

    def _select_untouched(
        self, branch: GitCommit, files: Sequence[ProposedFile]
    ) -> tuple[tuple[ProposedFile, ...], tuple[RefusedFile, ...]]:
        """Split files by whether people have changed them on the branch."""
        blobs = self._branches.blobs(branch.sha, [file.path for file in files])
        recorded = {
            f.path: f.blob for f in render.parse_files(self._pull.body if self._pull else "")
        }
        untouched, changed = [], []
        for file in files:
            blob = blobs.get(file.path)
            if blob in (file.replaces, recorded.get(file.path), file.blob or None):
                untouched.append(file)
            else:
                reason = "somebody has changed it on this branch"
                changed.append(RefusedFile(path=file.path, source=file.source, reason=reason))
        return tuple(untouched), tuple(changed)

    def _read_branch(self) -> GitCommit | None:
        head = self._branches.head_of(self._branch_name)
        return None if head is None else self._branches.commit(head)

    def _modes(self, commit: str) -> Mapping[str, str]:
        git = self._ctx.git
        return {e.path: e.mode for e in git.tree(commit)} if git.has_commit(commit) else {}

    def _write_patch(
        self, error: RefusedError, files: Sequence[GeneratedFile]
    ) -> DestinationResult:
        """Write the files as a patch, because GitHub refuses the pull request."""
        ctx = self._ctx
        paths = {file.replaces: file.path for file in files if file.replaces}
        before = {paths[blob]: decode(data) for blob, data in ctx.git.blobs(list(paths))}
        name = f"{ctx.task.name}.patch"
        patch_path = ctx.runner.write_result(
            name, [render_patch(files, before).encode("utf-8", "replace")]
        )
        note = f"{error} {plural(len(files), 'file')} are in {patch_path} instead."
        return DestinationResult(destination=DESTINATION, action="refused", note=note)


def create_publisher(ctx: RunContext) -> DraftPullRequestPublisher:
    """Create the publisher of the task's draft pull request."""
    return DraftPullRequestPublisher(ctx)


def _merge_files(
    proposed: Sequence[ProposedFile], generated: Sequence[GeneratedFile]
) -> tuple[ProposedFile, ...]:
    """Return the files of the branch and of this run; this run's version of a path wins."""
    files = {file.path: file for file in proposed}
    for file in generated:
        files[file.path] = ProposedFile(
            path=file.path,
            source=file.source,
            source_blob=file.blob,
            replaces=file.replaces,
            text=file.text,
            summary=file.summary,
        )
    return tuple(files[path] for path in sorted(files))


def _outdated_reason(file: ProposedFile, blobs: Mapping[str, str]) -> str | None:
    """Return why a file cannot be proposed; None when it can, empty when it is merged already."""
    if file.path.casefold().startswith(WORKFLOWS):
        return "workflow files are never touched"
    if any("\ud800" <= c <= "\udfff" for c in file.path):
        return "its name is not UTF-8"
    blob = blobs.get(file.path)
    if file.blob and blob == file.blob:
        return ""
    if blobs.get(file.source) != file.source_blob:
        return "its source has changed since it was reviewed"
    return None if blob == file.replaces else "it has changed since it was reviewed"


def _left_out_note(left_out: Sequence[RefusedFile]) -> str:
    if not left_out:
        return ""
    shown = "; ".join(f"{file.path}: {file.reason}" for file in left_out[:MAX_NAMED_FILES])
    unnamed = len(left_out) - MAX_NAMED_FILES
    more = f" and {unnamed} more" if unnamed > 0 else ""
    return f"Left out: {shown}{more}."


def _result(action: str, pull: DraftPullRequest, note: str) -> DestinationResult:
    return DestinationResult(
        destination=DESTINATION,
        action=action,
        number=pull.number,
        url=pull.url,
        note=note,
        ids=(str(pull.number),),
    )
