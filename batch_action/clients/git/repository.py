"""The repository under review: its commits, trees and blobs."""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from batch_action.clients.git.runner import (
    REGULAR_FILE_MODES,
    GitRunner,
    as_lines,
    complete_clone,
    git_error,
    is_commit_id,
    may_be_in_a_tree,
    may_be_same_text,
    parse_attributes,
    parse_messages,
    parse_numbered_changes,
    parse_raw_diff,
    parse_tree,
)
from batch_action.errors import ConfigError, advice, full_history
from batch_action.models.files import ChangeType, FileChange, Hunk, LineChange
from batch_action.text import normalize_line_ends

MAX_COMPARED_CANDIDATES = 32
"""How many incomparable ancestors `nearest_ancestor` measures the distance of."""
MAX_CHURN_COMMITS = 2000
"""How many commits `churn` reads: a hint for the order of files must stay cheap."""
MAX_NAMED_PATHS = 100
"""Among more paths, the files of a commit are looked for in its whole tree."""
RENAME_LIMIT = 2000
"""Inexact renames are looked for among at most so many added and deleted files."""
ATTRIBUTES = ("linguist-generated", "linguist-vendored", "binary", "diff", "batch-action")
"""The attributes that `attributes` reads."""

_IDENTITY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "batch-action"), ("EMAIL", "batch-action@invalid"))
}


class GitRepo:
    """A repository on disk: its commit graph, its trees and its blobs.

    Paths are text as `os.fsdecode` makes it of git's bytes. Every method may raise `ConfigError`
    with the last line of git's error output.
    """

    def __init__(self, path: Path) -> None:
        """Open the repository of `path`.

        Raises:
            ConfigError: there is none, or no git program.
        """
        self.runner = GitRunner(path)
        self._present: set[str] = set()
        """Commits that were found in this clone, with their trees."""

    # Commits

    def resolve(self, rev: str) -> str:
        """Return the full commit id that `rev` means; a branch may exist only as `origin/<rev>`.

        Raises:
            ConfigError: there is no such commit; the message tells an empty repository, a shallow
                clone and a wrong name apart.
        """
        if not rev or rev.startswith("-") or "\0" in rev:
            raise ConfigError(f"{rev!r} is no revision.", fix="Give a commit id, branch or tag.")
        if rev in self._present:
            return rev
        for name in (rev, f"refs/remotes/origin/{rev}"):
            if commit := self._find_commit(name):
                return commit
        raise self._unknown_revision(rev)

    def _find_commit(self, rev: str) -> str | None:
        code, out, _ = self.runner.call(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"
        )
        return out.decode().strip() if code == 0 else None

    def _unknown_revision(self, rev: str) -> ConfigError:
        refs_are_empty = self.runner.output("rev-list", "--max-count=1", "--all") == b""
        if refs_are_empty and not self._find_commit("HEAD"):
            problem = f"The repository at {self.runner.path} has no commit yet."
            return ConfigError(problem, fix="Commit something first.")
        if self.is_shallow():
            problem = f"The revision {rev!r} is not in this shallow clone."
            return ConfigError(problem, fix=full_history())
        problem = f"The revision {rev!r} is no commit of this repository."
        fetch = advice("set `fetch-depth: 0` at actions/checkout", "fetch it with `git fetch`")
        return ConfigError(problem, fix=f"Check the spelling, or {fetch}.")

    def is_shallow(self) -> bool:
        """Return whether history was cut off when it was fetched."""
        shallow = self.runner.common_dir / "shallow"
        return shallow.is_file() and shallow.stat().st_size > 0

    def has_commit(self, sha: str) -> bool:
        """Return whether the commit with this id, and its tree, are in this clone."""
        if sha in self._present:
            return True
        if not is_commit_id(sha):
            return False
        # A missing one is named as such, or, in a partial clone, ends the call.
        kinds = ("commit", "tree")
        feed = as_lines(f"{sha}^{{{kind}}}" for kind in kinds)
        _, out, _ = self.runner.call("cat-file", "--batch-check=%(objecttype)", feed=feed)
        if is_present := tuple(out.decode("utf-8", "replace").split()) == kinds:
            self._present.add(sha)
        return is_present

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        """Return whether `newer` descends from `older` (or is it); None when the clone cannot tell.

        In a shallow clone commits between the two may be missing, so "no" means unknown.
        """
        code, _, stderr = self.runner.call("merge-base", "--is-ancestor", older, newer)
        if code == 0:
            return True
        if self.is_shallow():
            return None
        if code == 1:
            return False
        if not (self.has_commit(older) and self.has_commit(newer)):
            return False
        raise git_error(["merge-base"], stderr)

    def merge_base(self, first: str, second: str) -> str | None:
        """Return the best common ancestor of two commits; None when this clone has none."""
        if not (self.has_commit(first) and self.has_commit(second)):
            return None
        code, out, _ = self.runner.call("merge-base", first, second)
        return out.decode().split()[0] if code == 0 else None

    def nearest_ancestor(self, candidates: Sequence[str], head: str) -> str | None:
        """Return the candidate with the fewest commits between it and `head`, or None.

        Two calls narrow any number of candidates down: what `head` lacks is no ancestor, and an
        ancestor that is not on the boundary of the rest is older than another one.
        """
        if head in candidates:
            return head
        ids = [sha for sha in dict.fromkeys(candidates) if is_commit_id(sha)]
        present = self._commits_among(ids)
        unreachable = set(self._rev_list(tips=[f"^{head}", *present]))
        ancestors = [sha for sha in present if sha not in unreachable]
        if not ancestors:
            return None
        lines = self._rev_list("--boundary", tips=[head, *(f"^{sha}" for sha in ancestors)])
        boundary = {line[1:] for line in lines if line.startswith("-")}
        nearest = [sha for sha in ancestors if sha in boundary][:MAX_COMPARED_CANDIDATES]
        return min(nearest, key=lambda sha: (self._distance(sha, head), sha), default=None)

    def _commits_among(self, ids: Sequence[str]) -> list[str]:
        check = "--batch-check=%(objectname) %(objecttype)"
        lines = self.runner.output("cat-file", check, feed=as_lines(ids)).decode().splitlines()
        return [line.split()[0] for line in lines if line.endswith(" commit")]

    def _rev_list(self, *options: str, tips: Iterable[str]) -> list[str]:
        out = self.runner.output("rev-list", *options, "--stdin", feed=as_lines(tips))
        return out.decode().splitlines()

    def _distance(self, older: str, newer: str) -> int:
        return int(self._rev_list("--count", tips=[newer, f"^{older}"])[0])

    def ancestors(self, commit: str, limit: int) -> list[str]:
        """Return the commit and its first-parent ancestors, newest first, at most `limit`."""
        return self._rev_list("--first-parent", f"--max-count={limit}", tips=[commit])

    def parent(self, commit: str) -> str | None:
        """Return the first parent; None for a root and at the boundary of a shallow clone."""
        _, *parents = self._rev_list("--max-count=1", "--parents", tips=[commit])[0].split()
        return next(iter(parents), None)

    def commit_before(self, commit: str, moment: datetime) -> str | None:
        """Return the newest first-parent ancestor (or itself) committed at or before `moment`."""
        age = f"--min-age={max(0, int(moment.timestamp()))}"
        return next(
            iter(self._rev_list("--max-count=1", "--first-parent", age, tips=[commit])), None
        )

    def messages_by_path(self, base: str, head: str, limit: int) -> dict[str, list[str]]:
        """Return by path the messages of the commits that touched it, oldest first.

        Read are the newest `limit` commits of `head` that are not in `base`, without merges; none
        where `base` is not in this clone. A root, and the boundary of a shallow clone, touches no
        path.
        """
        if not self.has_commit(base):
            return {}
        commits = self.runner.output(
            "rev-list", "--no-merges", f"--max-count={limit}", head, f"^{base}"
        )
        out = self.runner.output(
            *("diff-tree", "--stdin", "-r", "-z", "--name-only", "--no-renames"),
            *("--ignore-submodules=none", "--no-ext-diff", "--no-textconv"),
            *("--encoding=UTF-8", "--format=%x00%B"),
            feed=[commits],
        )
        return parse_messages(out)

    def commit_time(self, commit: str) -> datetime:
        """Return the committer's time, in UTC."""
        [line] = self._rev_list("--max-count=1", "--timestamp", tips=[commit])
        return datetime.fromtimestamp(int(line.split()[0]), UTC)

    def last_author(self, commit: str, path: str) -> str | None:
        """Return who wrote the last commit, up to this one, that touched a path.

        None when there is none, and in a shallow clone: its oldest commit seems to touch all files.
        """
        if self.is_shallow() or not self.has_commit(commit):
            return None
        code, out, _ = self.runner.call(
            *("rev-list", "--max-count=1", "--no-merges", "--encoding=UTF-8", "--format=%an"),
            *(commit, "--", path),
        )
        lines = out.decode("utf-8", "replace").splitlines()
        return lines[1].strip() or None if code == 0 and len(lines) > 1 else None

    # Branches

    def current_branch(self) -> str | None:
        """Return the branch that is checked out; None when HEAD is detached."""
        return self._symbolic_ref("HEAD", "refs/heads/")

    def branch_tip(self, name: str) -> str | None:
        """Return the newest known commit of a branch, origin's first; never a tag of that name."""
        refs = (f"refs/remotes/origin/{name}", f"refs/heads/{name}")
        return next(filter(None, map(self._find_commit, refs)), None)

    def default_branch_guess(self) -> str | None:
        """Return the default branch as far as the clone knows: origin's HEAD, main, master."""
        origin_head = self._symbolic_ref("refs/remotes/origin/HEAD", "refs/remotes/origin/")
        if origin_head:
            return origin_head
        return next(filter(self.branch_tip, ("main", "master")), None) or self.current_branch()

    def _symbolic_ref(self, ref: str, prefix: str) -> str | None:
        code, out, _ = self.runner.call("symbolic-ref", "--quiet", ref)
        name = out.decode("utf-8", "surrogateescape").strip()
        return name.removeprefix(prefix) if code == 0 and name.startswith(prefix) else None

    # Trees

    def changes(self, base: str | None, head: str) -> list[FileChange]:
        """Return the differences between the trees of two commits; without `base`, all is added.

        Merge commits need no special case: only the two ends are compared. Renames are detected,
        copies are not. An `old_blob` is only ever a file's.

        Raises:
            ConfigError: an object of either side is missing.
        """
        if base is None:
            return list(self._tree(head, ChangeType.ADDED))
        if not self.has_commit(base):
            raise ConfigError(
                f"The base commit {base[:12]} is not in this clone: cut off, or rewritten.",
                fix=complete_clone()
                if self.runner.is_partial
                else full_history(", or choose another base"),
            )
        command = [
            *("diff-tree", "-r", "-z", "--raw", "--no-abbrev", f"-l{RENAME_LIMIT}"),
            *("--ignore-submodules=none", "--no-ext-diff", "--no-textconv"),
        ]
        try:
            out = self.runner.output(*command, "-M", base, head)
        except ConfigError:
            if not self.runner.is_partial:
                raise
            # Contents to compare are missing, but equal ones have equal names.
            out = self.runner.output(*command, "-M100%", base, head)
        self._present.add(head)
        return list(parse_raw_diff(out))

    def tree(self, commit: str) -> list[FileChange]:
        """Return every entry of a commit's tree, as unchanged."""
        return list(self._tree(commit, ChangeType.UNCHANGED))

    def _tree(
        self, commit: str, status: ChangeType, paths: Iterable[str] = ()
    ) -> Iterator[FileChange]:
        command = ["ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths]
        for out in self.runner.pieces(*command):
            yield from parse_tree(out, status)

    def tree_blobs(self, commit: str, paths: Collection[str]) -> dict[str, str]:
        """Return the blob of each path that is a file of the commit, not a link or submodule."""
        own = {path: path for path in paths if may_be_in_a_tree(path)}
        if not own:
            return {}
        named = sorted(own) if len(own) <= MAX_NAMED_PATHS else ()
        tree = self._tree(commit, ChangeType.UNCHANGED, named)
        return {own[e.path]: e.blob for e in tree if e.path in own and e.mode in REGULAR_FILE_MODES}

    def files_at(self, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the bytes of those paths that are regular files of a commit, not links."""
        blobs = self.tree_blobs(commit, set(paths))
        data = dict(self.blobs(set(blobs.values())))
        return {path: data[blob] for path, blob in blobs.items() if blob in data}

    def file_at(self, commit: str, path: str) -> bytes | None:
        """Return a regular file's bytes at a commit; None if there is none (or it is a link)."""
        return self.files_at(commit, [path]).get(path)

    def renames(self, old_commit: str, new_commit: str) -> dict[str, str]:
        """Return `{old path: new path}` of the files that were renamed between two commits."""
        return {
            change.old_path: change.path
            for change in self.changes(old_commit, new_commit)
            if change.status is ChangeType.RENAMED and change.old_path is not None
        }

    def attributes(self, commit: str, paths: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """Return `{path: {attribute: value}}` from the commit's own `.gitattributes`.

        Values are git's words: `set`, `unset` or the value; unspecified ones are absent. Git 2.39
        cannot read attributes from a commit, so a throw-away index does.
        """
        feed = [os.fsencode(path) + b"\0" for path in paths]
        if not feed:
            return {}
        with self.runner.scratch_repository() as env:
            self.runner.output("read-tree", f"{commit}^{{tree}}", env=env)
            out = self.runner.output(
                *("check-attr", "--cached", "-z", "--stdin", *ATTRIBUTES), feed=feed, env=env
            )
        return parse_attributes(out)

    def churn(self, head: str, days: int = 90) -> dict[str, int]:
        """Return how many commits touched each path in the `days` before the head's own time."""
        since = self.commit_time(head) - timedelta(days=days)
        commits = self.runner.output(
            *("rev-list", "--no-merges", f"--max-count={MAX_CHURN_COMMITS}"),
            *(f"--max-age={int(since.timestamp())}", head),
        )
        out = self.runner.output(
            *("diff-tree", "--stdin", "-r", "-z", "--name-only", "--no-commit-id", "--no-renames"),
            *("--ignore-submodules=none", "--no-ext-diff", "--no-textconv"),
            feed=[commits],
        )
        return dict(Counter(os.fsdecode(path) for path in out.split(b"\0")[:-1]))

    @contextmanager
    def patched(self, commit: str, patch: bytes) -> Iterator[str]:
        """Open a block in which a temporary commit, `commit` with the patch, exists; yield its id.

        The index, the work tree and the objects of the repository stay as they are. The same commit
        and patch give the same id.

        Raises:
            ConfigError: on entering, when the patch does not apply or changes nothing.
        """
        with self.runner.scratch_repository() as env:
            self.runner.output("read-tree", f"{commit}^{{tree}}", env=env)
            code, _, stderr = self.runner.call(
                "apply", "--cached", "--whitespace=nowarn", "-", feed=[patch], env=env
            )
            if code:
                raise ConfigError(
                    f"The patch does not apply to {commit[:12]}: {_reason(stderr)}.",
                    fix="Make it from that commit with `git diff --binary`, or set `head`.",
                )
            tree = self.runner.output("write-tree", env=env).decode().strip()
            if tree == self.runner.output("rev-parse", f"{commit}^{{tree}}").decode().strip():
                raise ConfigError(
                    "The patch changes nothing.", fix="Give a patch that changes a file."
                )
            date = f"{int(self.commit_time(commit).timestamp())} +0000"
            dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
            patched = self.runner.output(
                *("commit-tree", tree, "-p", commit, "-m", "Not applied yet"),
                env={**env, **_IDENTITY, **dates},
            )
            name = patched.decode().strip()
            with self.runner.extra_objects(env["GIT_OBJECT_DIRECTORY"]):
                yield name
            self._present.discard(name)

    # Blobs

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the size in bytes of each blob that is in this clone, by id."""
        return {
            # The keys are the given strings, not equal ones, to save memory.
            given if given == words[0] else words[0]: int(words[2])
            for given, words, _ in self.runner.cat_file("--batch-check", dict.fromkeys(ids))
            if words[1:2] == ["blob"]
        }

    def missing_blobs(self, ids: Iterable[str]) -> frozenset[str]:
        """Return those ids that are no blob of this clone; of the others nothing is kept."""
        answers = self.runner.cat_file("--batch-check", ids)
        return frozenset(given for given, words, _ in answers if words[1:2] != ["blob"])

    def blobs(self, ids: Iterable[str]) -> Generator[tuple[str, bytes]]:
        """Yield `(id, bytes)` in the given order, one blob in memory at a time; skip missing ones.

        Raises:
            ConfigError: git stopped early (a damaged object database).
        """
        for _, words, stdout in self.runner.cat_file("--batch", ids):
            if len(words) == 3:  # noqa: PLR2004 - id, type, size; else `<id> missing`
                content = stdout.read(int(words[2]))
                stdout.read(1)
                if words[1] == "blob":
                    yield words[0], content

    def line_changes(
        self, pairs: Sequence[tuple[str, str]], *, ignore_space: bool = False
    ) -> Generator[tuple[int, list[LineChange]]]:
        r"""Yield the index of each pair `(old blob, new blob)` that differs, in order, and where.

        As `git diff -U0` counts; all blobs must be in this clone. `\r\n` for `\n` is no change,
        nor, with *ignore_space*, is white space. Two throw-away trees hold the old and the new
        blobs under the same numbers, so that one diff of the trees serves all pairs.
        """
        if all(old == new for old, new in pairs):
            return
        command = (*_DIFF_COMMAND, "--ignore-all-space") if ignore_space else _DIFF_COMMAND
        with self.runner.scratch_repository() as env:
            old, new = zip(*pairs, strict=True)
            feed = chain(_tree_entries(old), [b"\0"], _tree_entries(new))
            trees = self.runner.output("mktree", "-z", "--batch", feed=feed, env=env)
            pair_line = b" ".join(trees.split()) + b"\n"
            with self.runner.stream(command, feed=[pair_line], env=env) as stdout:
                # Git repeats the ids first, even if only line endings differ and no hunk follows.
                if stdout.readline() != pair_line:
                    raise git_error(command, "it could not read the blobs")
                yield from parse_numbered_changes(stdout)

    def hunks_of(
        self, pairs: Sequence[tuple[str, str]], *, ignore_space: bool = False
    ) -> dict[tuple[str, str], tuple[Hunk, ...]]:
        """Return the hunks of many pairs `(old blob, new blob)`, as `line_changes` yields them.

        A pair of which a blob is missing is absent. What `normalize_line_ends` removes is no
        change.
        """
        present = self.sizes({sha for pair in pairs for sha in pair})
        complete = [
            pair for pair in dict.fromkeys(pairs) if pair[0] in present and pair[1] in present
        ]
        hunks: dict[tuple[str, str], tuple[Hunk, ...]] = dict.fromkeys(complete, ())
        alike: set[tuple[str, str]] = set()
        for number, changes in self.line_changes(complete, ignore_space=ignore_space):
            hunks[complete[number]] = tuple(change.hunk for change in changes)
            if may_be_same_text(changes):
                alike.add(complete[number])
        texts = {
            sha: hashlib.sha256(normalize_line_ends(data)).digest()
            for sha, data in self.blobs({sha for pair in alike for sha in pair})
        }
        return hunks | {pair: () for pair in alike if texts[pair[0]] == texts[pair[1]]}


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[0].removeprefix("error: ").rstrip(".") if lines else "git gave no reason"


def _tree_entries(blobs: Iterable[str]) -> Iterator[bytes]:
    for number, sha in enumerate(blobs):
        yield f"100644 blob {sha}\t{number:08d}\0".encode()


_DIFF_COMMAND = (
    *("diff-tree", "--stdin", "-r", "-p", "-U0", "--text", "--no-renames", "--no-color"),
    *("--full-index", "--ignore-cr-at-eol"),
    *("--no-ext-diff", "--no-textconv", "--diff-algorithm=histogram"),
    *("--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/"),
)
