"""Search the files of a commit with `git grep`."""

import os
from collections.abc import Iterable, Iterator

from batch_action.clients.git.runner import GitRunner

Line = tuple[str, int, str]
"""Path, number and text."""
MAX_LINE_CHARS = 1_000
"""What is read of a line that matches."""


def can_grep(runner: GitRunner, commit: str) -> bool:
    """Return whether this git can search as `grep` does: some are built without PCRE."""
    code, _, _ = runner.call("grep", "-q", "-P", "-e", "x", commit, "--", ":(top)no such file")
    return code <= 1


def grep(
    runner: GitRunner, commit: str, pattern: str, extensions: Iterable[str], max_bytes: int
) -> tuple[list[Line], bool]:
    """Return the lines of a commit's text files that match, and whether these are all.

    In the order of paths; of a line, its first characters. Nothing where `can_grep` is false.

    Args:
        runner: the repository.
        commit: the commit to search, by its full id.
        pattern: a Perl-compatible regular expression.
        extensions: those of the files to search, each with its dot, in any letter case.
        max_bytes: how much of git's output is read.
    """
    command = ["grep", "-I", "-n", "-z", "--full-name", "--no-color", "--no-column", "-P"]
    command += ["--no-recurse-submodules", "-f", "-", commit, "--"]
    command += [f":(top,icase,glob)**/*{extension}" for extension in extensions]
    # The extensions are patterns of ours.
    env = {"GIT_LITERAL_PATHSPECS": "0"}
    with runner.stream(command, feed=[pattern.encode()], env=env) as output:
        data = output.read(max_bytes)
    return list(_parse(data, f"{commit}:".encode())), len(data) < max_bytes


def _parse(output: bytes, prefix: bytes) -> Iterator[Line]:
    """Parse path, number and text of each line; a last line that is cut off is dropped."""
    at = 0
    while (end := output.find(b"\0", at)) >= 0:
        path = output[at:end].removeprefix(prefix)
        number_end = output.find(b"\0", end + 1)
        line_end = output.find(b"\n", number_end)
        if number_end < 0 or line_end < 0:
            return
        line = output[number_end + 1 : min(line_end, number_end + 1 + MAX_LINE_CHARS)]
        yield os.fsdecode(path), int(output[end + 1 : number_end]), line.decode("utf-8", "replace")
        at = line_end + 1
