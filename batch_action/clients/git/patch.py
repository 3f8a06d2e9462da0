"""A patch as a temporary commit, in a throw-away repository that borrows the real objects."""

from collections.abc import Iterator
from contextlib import contextmanager

from batch_action.clients.git.runner import GitRunner
from batch_action.errors import ConfigError

_IDENTITY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "batch-action"), ("EMAIL", "batch-action@invalid"))
}


@contextmanager
def commit_patch(runner: GitRunner, commit: str, patch: bytes, timestamp: int) -> Iterator[str]:
    """Yield the id of a temporary commit, which every call of `runner` sees inside the block.

    The index, the work tree and the objects of the repository stay as they are. The same commit,
    patch and `timestamp` (Unix seconds) give the same id.

    Raises:
        ConfigError: the patch does not apply, or changes nothing.

    """
    with runner.scratch_repository() as env:
        runner.output("read-tree", f"{commit}^{{tree}}", env=env)
        code, _, stderr = runner.call(
            "apply", "--cached", "--whitespace=nowarn", "-", feed=[patch], env=env
        )
        if code:
            raise ConfigError(
                f"The patch does not apply to {commit[:12]}: {_reason(stderr)}.",
                fix="Make it from that commit with `git diff --binary`, or set `head`.",
            )
        tree = runner.output("write-tree", env=env).decode().strip()
        if tree == runner.output("rev-parse", f"{commit}^{{tree}}").decode().strip():
            raise ConfigError("The patch changes nothing.", fix="Give a patch that changes a file.")
        date = f"{timestamp} +0000"
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        patched = runner.output(
            *("commit-tree", tree, "-p", commit, "-m", "Not applied yet"),
            env={**env, **_IDENTITY, **dates},
        )
        with runner.extra_objects(env["GIT_OBJECT_DIRECTORY"]):
            yield patched.decode().strip()


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[0].removeprefix("error: ").rstrip(".") if lines else "git gave no reason"
