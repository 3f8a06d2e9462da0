"""The commits of a pull request: its head and base, GitHub's test merge, and the final merge."""

from batch_action.sandbox.github import diffs
from batch_action.sandbox.github.git import Git, GitError
from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.records import Event, Issue, Pull, Repository
from batch_action.sandbox.github.runs import RunOptions

_MERGE_ENVIRONMENT = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "GitHub"),
        ("EMAIL", "noreply@github.com"),
        ("DATE", "2026-01-01T00:00:00Z"),
    )
}


def refresh_commits(repository: Repository, issue: Issue) -> None:
    """Set the commits of an open pull request to the tips of its two branches."""
    pull = issue.pull
    if pull is None or issue.state != "open" or repository.git_dir is None:
        return
    git = Git(repository.git_dir)
    pull.head_sha = git.resolve(f"refs/heads/{pull.head_ref}") or pull.head_sha
    pull.base_sha = git.resolve(f"refs/heads/{pull.base_ref}") or pull.base_sha


def changed_files(git: Git, pull: Pull, commit: str | None = None) -> list[diffs.ChangedFile]:
    """List the files changed from the merge base to `commit` (default: the head)."""
    head = commit or pull.head_sha
    return diffs.diff_commits(git, git.text("merge-base", pull.base_sha, head), head)


def contains_commit(git: Git, pull: Pull, sha: str) -> bool:
    """Return whether a commit belongs to the pull request."""
    commits = git.text("rev-list", f"{pull.base_sha}..{pull.head_sha}").split()
    return sha in commits or sha == pull.merge_commit


def with_pull_request_defaults(repository: Repository, options: RunOptions) -> RunOptions:
    """Complete the options of a `pull_request` run with the head that its payload names."""
    issue = repository.issues.get(options.get("payload", {}).get("number", 0))
    if options["event"] != "pull_request" or issue is None or issue.pull is None:
        return options
    refresh_commits(repository, issue)
    pull = issue.pull
    defaults: RunOptions = {
        "event": options["event"],
        "branch": pull.head_ref,
        "head_sha": pull.head_sha,
        "head_repository": pull.head_repository,
    }
    return {**defaults, **options}


def create_test_merge(repository: Repository, issue: Issue) -> None:
    """Create the merge commit of head and base that `pull_request` runs check out."""
    refresh_commits(repository, issue)
    pull = issue.pull
    if pull is None or issue.state != "open" or repository.git_dir is None:
        return
    git = Git(repository.git_dir)
    parents = ["-p", pull.base_sha, "-p", pull.head_sha]
    try:
        tree = git.text("merge-tree", "--write-tree", pull.base_sha, pull.head_sha).split()[0]
    except GitError:
        pull.merge_commit = None  # GitHub starts no run for a pull request with conflicts
        return
    commit = git.bytes("commit-tree", tree, *parents, "-m", "Merge", environment=_MERGE_ENVIRONMENT)
    pull.merge_commit = commit.decode().strip()
    for name, sha in (("merge", pull.merge_commit), ("head", pull.head_sha)):
        git.bytes("update-ref", f"refs/pull/{issue.number}/{name}", sha)


def close_pull_request(
    instance: GitHubInstance, repository: Repository, issue: Issue, merged_as: str | None
) -> None:
    """Close the pull request in the name of its repository's owner.

    `merged_as`: the commit on the base branch that it was merged as; None if it was not merged.

    Raises LookupError: when the issue is not a pull request.
    """
    if issue.pull is None:
        raise LookupError(f"#{issue.number} is not a pull request.")
    refresh_commits(repository, issue)
    if merged_as is not None and repository.git_dir is not None:
        issue.pull.base_sha = Git(repository.git_dir).text("rev-parse", f"{merged_as}^1")
    now, owner = instance.now(), instance.users[repository.owner]
    issue.state, issue.closed_at, issue.closed_by = "closed", now, owner
    issue.pull.merge_commit = merged_as
    issue.pull.merged_at = now if merged_as else None
    for name in ("merged", "closed") if merged_as else ("closed",):
        issue.events.append(Event(id=instance.new_id(), name=name, actor=owner, created_at=now))
