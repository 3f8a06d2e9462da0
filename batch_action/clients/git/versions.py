"""The contents that files had before."""

from collections.abc import Collection

from batch_action.clients.git.runner import GitRunner, parse_raw_diff

PATHS_PER_CALL = 500
"""A command line takes only so many."""


def versions(
    runner: GitRunner, commit: str, paths: Collection[str], limit: int
) -> dict[str, list[str]]:
    """Return at most *limit* blobs that each path had up to a commit, newest first."""
    found: dict[str, dict[str, None]] = {path: {} for path in paths}
    ordered = sorted(paths)
    for start in range(0, len(ordered), PATHS_PER_CALL):
        some = ordered[start : start + PATHS_PER_CALL]
        commits = runner.output("rev-list", commit, "--", *some)
        out = runner.output(
            *("diff-tree", "--stdin", "--root", "-r", "-m", "-z", "--raw", "--no-abbrev"),
            *("--no-commit-id", "--no-renames", "--no-ext-diff", "--no-textconv", "--", *some),
            feed=[commits],
        )
        for change in parse_raw_diff(out):
            for blob in (change.blob, change.old_blob):
                if blob and blob.strip("0") and len(found[change.path]) < limit:
                    found[change.path][blob] = None
    return {path: list(blobs) for path, blobs in found.items()}
