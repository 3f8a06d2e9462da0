"""Commits: which one a name means, who comes from whom, and when."""

from collections.abc import Sequence
from datetime import UTC, datetime

from batch_action.clients.git.runner import NO_REPOSITORY, GitRunner, failed
from batch_action.errors import ConfigError

CANDIDATES_COUNTED = 32
"""How many incomparable candidates are measured; more than a few means a strange history."""
CHURN_COMMITS = 2000
"""How many commits `churn` looks at: an ordering hint is not worth a minute."""


class History(GitRunner):
    """The commit graph."""

    def resolve(self, rev: str) -> str:
        """Return the full commit id that `rev` means; a branch may exist only as `origin/<rev>`.

        Raises:
            ConfigError: no such commit; the sentence tells an empty repository, a shallow clone
                and a wrong name apart.

        """
        if not rev or rev.startswith("-") or "\0" in rev:
            raise ConfigError(f"{rev!r} is no revision.", fix="Give a commit id, branch or tag.")
        for name in (rev, f"refs/remotes/origin/{rev}"):
            code, out, complaint = self.call(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
            if code == 0:
                return out.decode().strip()
            if "not a git repository" in complaint:
                raise ConfigError(f"There is no git repository at {self.path}:", fix=NO_REPOSITORY)
        raise self._unknown(rev)

    def _unknown(self, rev: str) -> ConfigError:
        if self.call("rev-list", "--max-count=1", "--all")[1] == b"" and not self._has_head():
            return ConfigError(
                f"The repository at {self.path} has no commit yet.", fix="Commit something first."
            )
        if self.is_shallow():
            return ConfigError(
                f"The revision {rev!r} is not in this shallow clone.",
                fix="Set fetch-depth: 0 on actions/checkout.",
            )
        return ConfigError(
            f"The revision {rev!r} is no commit of this repository.",
            fix="Check the spelling, or set fetch-depth: 0 on actions/checkout.",
        )

    def _has_head(self) -> bool:
        return self.call("rev-parse", "--verify", "--quiet", "HEAD^{commit}")[0] == 0

    def is_shallow(self) -> bool:
        """Tell whether history was cut off when it was fetched."""
        shallow = self.common_dir / "shallow"
        return shallow.is_file() and shallow.stat().st_size > 0

    def has_commit(self, sha: str) -> bool:
        """Tell whether the commit with this id, and its tree, are here."""
        if not _is_id(sha):
            return False
        return (
            self.call("cat-file", "-e", f"{sha}^{{commit}}")[0]
            == 0
            == (self.call("cat-file", "-e", f"{sha}^{{tree}}")[0])
        )

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        """Tell whether `newer` comes from `older` (or is it); None when the clone cannot tell.

        In a shallow clone the way between two commits may be missing, so "no" means unknown.
        """
        code, _, complaint = self.call("merge-base", "--is-ancestor", older, newer)
        if code == 0:
            return True
        if self.is_shallow():
            return None
        if code == 1:
            return False
        if not (self.has_commit(older) and self.has_commit(newer)):
            return False
        raise failed(["merge-base"], complaint)

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the commit where two histories part; None when this clone cannot tell."""
        if not (self.has_commit(one) and self.has_commit(other)):
            return None
        code, out, _ = self.call("merge-base", one, other)
        return out.decode().split()[0] if code == 0 else None

    def nearest_ancestor(self, candidates: Sequence[str], head: str) -> str | None:
        """Return the candidate with the fewest commits between it and `head`, or None.

        Two calls narrow any number of candidates down: what `head` lacks is no ancestor, and an
        ancestor that is not on the edge of the rest is older than another one.
        """
        if head in candidates:
            return head
        known = [sha for sha in dict.fromkeys(candidates) if _is_id(sha)]
        here = self._commits_among(known)
        foreign = set(self._walk([f"^{head}", *here]))
        ours = [sha for sha in here if sha not in foreign]
        if not ours:
            return None
        walk = self._walk([head, *(f"^{sha}" for sha in ours)], "--boundary")
        edge = {line[1:] for line in walk if line.startswith("-")}
        nearest = [sha for sha in ours if sha in edge][:CANDIDATES_COUNTED]
        return min(nearest, key=lambda sha: (self._between(sha, head), sha), default=None)

    def _commits_among(self, ids: Sequence[str]) -> list[str]:
        feed = (f"{sha}\n".encode() for sha in ids)
        lines = self.output("cat-file", "--batch-check=%(objectname) %(objecttype)", feed=feed)
        return [line.split()[0] for line in lines.decode().splitlines() if line.endswith(" commit")]

    def _walk(self, tips: Sequence[str], *options: str) -> list[str]:
        feed = (f"{tip}\n".encode() for tip in tips)
        return self.output("rev-list", *options, "--stdin", feed=feed).decode().splitlines()

    def _between(self, older: str, newer: str) -> int:
        return int(self.output("rev-list", "--count", newer, f"^{older}"))

    def ancestors(self, commit: str, most: int) -> list[str]:
        """Return the commit and its first-parent ancestors, newest first, at most so many."""
        return self._walk([commit], "--first-parent", f"--max-count={most}")

    def parent(self, commit: str) -> str | None:
        """Return the first parent; None for a root, and at the edge of a shallow clone."""
        line = self.output("rev-list", "--max-count=1", "--parents", commit).decode().split()
        return line[1] if len(line) > 1 else None

    def commit_before(self, commit: str, when: datetime) -> str | None:
        """Return the newest first-parent ancestor (or itself) committed at or before `when`."""
        found = self.output(
            "rev-list",
            "--max-count=1",
            "--first-parent",
            f"--min-age={max(0, int(when.timestamp()))}",
            commit,
        )
        return found.decode().strip() or None

    def messages(self, base: str | None, head: str, most: int) -> list[str]:
        """Return the messages of the commits that `head` has and `base` has not, oldest first."""
        left_out = [] if base is None or not self.has_commit(base) else [f"^{base}"]
        out = self.output(
            *("rev-list", "--no-merges", "--no-commit-header", "--encoding=UTF-8"),
            *("--format=%B%x00", f"--max-count={most}", head, *left_out),
        )
        texts = out.decode("utf-8", "replace").split("\0")
        return [text.strip() for text in reversed(texts) if text.strip()]

    def commit_time(self, commit: str) -> datetime:
        """Return the committer's time, in UTC."""
        line = self.output("rev-list", "--max-count=1", "--timestamp", commit).decode()
        return datetime.fromtimestamp(int(line.split()[0]), UTC)

    def last_author(self, commit: str, path: str) -> str | None:
        """Return who wrote the last commit, up to this one, that touched a path.

        None when there is none, and in a shallow clone: its oldest commit seems to touch all files.
        """
        if self.is_shallow() or not self.has_commit(commit):
            return None
        code, out, _ = self.call(
            *("rev-list", "--max-count=1", "--no-merges", "--encoding=UTF-8", "--format=%an"),
            *(commit, "--", path),
        )
        lines = out.decode("utf-8", "replace").splitlines()
        return lines[1].strip() or None if code == 0 and len(lines) > 1 else None

    def current_branch(self) -> str | None:
        """Return the branch that is checked out; None when HEAD is detached."""
        return self._symbolic("HEAD", "refs/heads/")

    def branch_tip(self, name: str) -> str | None:
        """Return the newest commit known of a branch, origin's first; never a tag of that name."""
        for ref in (f"refs/remotes/origin/{name}", f"refs/heads/{name}"):
            code, out, _ = self.call("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
            if code == 0:
                return out.decode().strip()
        return None

    def default_branch_guess(self) -> str | None:
        """Return the default branch as far as the clone tells: origin's HEAD, main, master."""
        told = self._symbolic("refs/remotes/origin/HEAD", "refs/remotes/origin/")
        if told:
            return told
        for name in ("main", "master"):
            for prefix in ("refs/remotes/origin/", "refs/heads/"):
                if self.call("show-ref", "--verify", "--quiet", prefix + name)[0] == 0:
                    return name
        return self.current_branch()

    def _symbolic(self, ref: str, prefix: str) -> str | None:
        code, out, _ = self.call("symbolic-ref", "--quiet", ref)
        name = out.decode("utf-8", "surrogateescape").strip()
        return name.removeprefix(prefix) if code == 0 and name.startswith(prefix) else None


def _is_id(text: str) -> bool:
    return len(text) in (40, 64) and all(char in "0123456789abcdef" for char in text)
