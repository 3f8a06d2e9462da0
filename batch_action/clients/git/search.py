"""Search the files of a commit with `git grep`."""

import os
from collections.abc import Iterable, Iterator

from batch_action.clients.git.runner import GitRunner

MAX_LINE_CHARS = 1_000
"""What is read of a line that matches."""


def grep(
    runner: GitRunner, commit: str, pattern: str, extensions: Iterable[str], max_bytes: int
) -> list[tuple[str, int, str]]:
    """Return the lines of a commit's text files that match: path, number and text.

    In the order of paths; of a line, its first characters. Nothing with a git that was built
    without PCRE.

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
        return list(_parse(output.read(max_bytes), f"{commit}:".encode()))


def _parse(output: bytes, prefix: bytes) -> Iterator[tuple[str, int, str]]:
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
