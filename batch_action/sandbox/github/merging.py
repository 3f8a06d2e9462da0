"""A pull request's branches as they move: its head, GitHub's test merge of it, and its end."""

from typing import TYPE_CHECKING

from batch_action.sandbox.github import diffs
from batch_action.sandbox.github.git import Git, GitError
from batch_action.sandbox.github.state import Event, Issue, Pull, Repository

if TYPE_CHECKING:
    from batch_action.sandbox.github.instance import GitHubInstance
    from batch_action.sandbox.github.runs import RunOptions

_MERGER = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "GitHub"),
        ("EMAIL", "noreply@github.com"),
        ("DATE", "2026-01-01T00:00:00Z"),
    )
}


def follow(repository: Repository, issue: Issue) -> None:
    """While it is open, a pull request is about whatever its two branches point at."""
    pull = issue.pull
    if pull is None or issue.state != "open" or repository.git_dir is None:
        return
    git = Git(repository.git_dir)
    pull.head_sha = git.resolve(f"refs/heads/{pull.head_ref}") or pull.head_sha
    pull.base_sha = git.resolve(f"refs/heads/{pull.base_ref}") or pull.base_sha


def changes(git: Git, pull: Pull, commit: str | None = None) -> list[diffs.Changed]:
    """What a pull request changes up to one of its commits, from where its branch forked."""
    head = commit or pull.head_sha
    return diffs.between(git, git.text("merge-base", pull.base_sha, head), head)


def holds(git: Git, pull: Pull, sha: str) -> bool:
    """Whether a commit is one of the pull request's own."""
    own = git.text("rev-list", f"{pull.base_sha}..{pull.head_sha}").split()
    return sha in own or sha == pull.merge_commit


def of_event(repository: Repository, how: "RunOptions") -> "RunOptions":
    """A run of the event `pull_request` is about the head of the one that its payload names."""
    issue = repository.issues.get(how.get("payload", {}).get("number", 0))
    if how["event"] != "pull_request" or issue is None or issue.pull is None:
        return how
    follow(repository, issue)
    pull = issue.pull
    told: RunOptions = {
        "event": how["event"],
        "branch": pull.head_ref,
        "head_sha": pull.head_sha,
        "head_repository": pull.head_repository,
    }
    return {**told, **how}


def try_out(repository: Repository, issue: Issue) -> None:
    """Merge head and base into a commit on no branch, which runs of the event check out."""
    follow(repository, issue)
    pull = issue.pull
    if pull is None or issue.state != "open" or repository.git_dir is None:
        return
    git = Git(repository.git_dir)
    parents = ["-p", pull.base_sha, "-p", pull.head_sha]
    try:
        tree = git.text("merge-tree", "--write-tree", pull.base_sha, pull.head_sha).split()[0]
    except GitError:
        pull.merge_commit = None  # they conflict: GitHub starts no run then
        return
    made = git.bytes("commit-tree", tree, *parents, "-m", "Merge", environment=_MERGER)
    pull.merge_commit = made.decode().strip()
    for name, sha in (("merge", pull.merge_commit), ("head", pull.head_sha)):
        git.bytes("update-ref", f"refs/pull/{issue.number}/{name}", sha)


def end(
    instance: "GitHubInstance", repository: Repository, issue: Issue, merged_as: str | None
) -> None:
    """Close it, merged or not, as its owner."""
    if issue.pull is None:
        raise LookupError(f"#{issue.number} is no pull request.")
    follow(repository, issue)
    if merged_as is not None and repository.git_dir is not None:
        issue.pull.base_sha = Git(repository.git_dir).text("rev-parse", f"{merged_as}^1")
    now, owner = instance.now(), instance.users[repository.owner]
    issue.state, issue.closed_at, issue.closed_by = "closed", now, owner
    issue.pull.merge_commit = merged_as
    issue.pull.merged_at = now if merged_as else None
    for name in ("merged", "closed") if merged_as else ("closed",):
        issue.events.append(Event(id=instance.new_id(), name=name, actor=owner, created_at=now))
