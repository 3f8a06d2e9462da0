"""A patch that is not applied yet: what the repository would be with it, for as long as we look."""

from collections.abc import Iterator
from contextlib import contextmanager

from batch_action.clients.git.trees import Trees
from batch_action.errors import ConfigError

_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "batch-action"), ("EMAIL", "batch-action@invalid"))
}


class Patching(Trees):
    """Commits that exist only while somebody looks at them."""

    @contextmanager
    def patched(self, commit: str, patch: bytes) -> Iterator[str]:
        """Lend the id of a commit that is `commit` with the patch, seen by every call meanwhile.

        It is made in a throw-away repository: index, work tree and objects of this one stay as they
        are. The same commit and patch give the same id.

        Raises:
            ConfigError: the patch does not apply, or changes nothing.

        """
        with self.scratch() as env:
            self.output("read-tree", f"{commit}^{{tree}}", env=env)
            code, _, complaint = self.call(
                "apply", "--cached", "--whitespace=nowarn", "-", feed=[patch], env=env
            )
            if code:
                raise ConfigError(
                    f"The patch does not apply to {commit[:12]}: {_reason(complaint)}.",
                    fix="Make it from that commit with `git diff --binary`, or set `head`.",
                )
            tree = self.output("write-tree", env=env).decode().strip()
            if tree == self.output("rev-parse", f"{commit}^{{tree}}").decode().strip():
                raise ConfigError("The patch changes nothing.", fix="Give one that does.")
            when = f"{int(self.commit_time(commit).timestamp())} +0000"
            dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
            made = self.output(
                *("commit-tree", tree, "-p", commit, "-m", "Not applied yet"),
                env={**env, **_NOBODY, **dates},
            )
            with self.borrowing(env["GIT_OBJECT_DIRECTORY"]):
                yield made.decode().strip()


def _reason(complaint: str) -> str:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    return lines[0].removeprefix("error: ").rstrip(".") if lines else "git gave no reason"
