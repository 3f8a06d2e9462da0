"""Compare the requests about real commits with `context: file` and with excerpts.

    python -m benchmarks.excerpts REPOSITORY[:COMMIT,COMMIT…]…

Prints a table of commits: how many of their files were compared, and the tokens of their requests,
instructions included; in the last column of excerpts with related code and commit messages. Only
changed files of at least 300 lines count. Without commits, each repository's newest ones that
change such a file are taken, at most `MAX_COMMITS` of them.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from batch_action.clients.git import GitRepo
from batch_action.clients.secrets import mask
from batch_action.models.files import ChangeType, FileChange, SourceFile
from batch_action.requests import descriptions, excerpt, pricing, prompt
from batch_action.requests.related_code import RelatedCode
from batch_action.selection import content, filters
from batch_action.selection.paths import language_of
from batch_action.selection.patterns import PathRules
from batch_action.selection.reader import SelectionOptions, find_candidates
from batch_action.tasks.registry import all_tasks

MIN_LINES = 300
Mode = Literal["file", "auto", "excerpt"]
MODES: tuple[Mode, ...] = ("file", "auto", "excerpt")
MAX_COMMITS = 30


def main(arguments: list[str]) -> None:
    """Print the table for these repositories."""
    system = len(prompt.system_text(all_tasks()["code-review"], "").encode())
    settings = ("`auto`", "`excerpt`", "`excerpt` and context")
    print("| Repository | Commit | Files | Tokens, `file` |", *(f"{x} | Saved |" for x in settings))
    print(f"|---|---|---:|---:|{'---:|---:|' * len(settings)}")
    totals: list[list[int]] = []
    for argument in arguments:
        path, _, names = argument.partition(":")
        repository = Path(path)
        listed = ["--no-walk", *names.split(",")] if names else ["--no-merges", "HEAD"]
        found = 0
        for commit, parent, subject in _commits(repository, listed):
            row = _compare(repository, parent, commit, system)
            if row[0]:
                found += 1
                totals.append(row)
                _print_row(repository.name, subject, row)
            if not names and found == MAX_COMMITS:
                break
    sums = [sum(column) for column in zip(*totals, strict=True)]
    if sums:
        _print_row("all", f"{len(totals)} commits", sums)


def _print_row(name: str, commit: str, row: list[int]) -> None:
    files, whole, *others = row
    saved = " | ".join(f"{shown:,} | {1 - shown / whole:.0%}" for shown in others)
    print(f"| {name} | {commit} | {files} | {whole:,} | {saved} |", flush=True)


def _commits(repository: Path, listed: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the ids of the commits and of their first parents, and their subjects."""
    command = ["git", "-C", repository, "log", "--format=%H%x09%P%x09%s", *listed]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        commit, parents, subject = line.split("\t")
        if parents:
            yield commit, parents.split()[0], subject.replace("|", " ")


def _compare(repository: Path, base: str, head: str, system: int) -> list[int]:
    """Return the number of files, and the tokens of their requests by each setting of `MODES`.

    The last number is the tokens of excerpts with related code and commit messages.
    """
    repo = GitRepo(repository)
    files = list(_files(repo, base, head))
    tokens = [sum(_tokens(file, mode, system) for file in files) for mode in MODES]
    complete = _with_context(repo, base, head, files) if files else ()
    return [len(files), *tokens, sum(_tokens(file, "excerpt", system) for file in complete)]


def _tokens(file: SourceFile, mode: Mode, system: int) -> int:
    text_of = excerpt.FileText(file, mode, system)
    sizes = (system + len(text_of.render(part)[0].encode()) for part in file.parts)
    return sum(map(pricing.estimate_tokens, sizes))


def _with_context(
    repo: GitRepo, base: str, head: str, files: list[SourceFile]
) -> Iterator[SourceFile]:
    """Yield the files with what a request says besides them."""
    options = SelectionOptions(rules=PathRules(), max_file_bytes=1_000_000, attributes_from=head)
    candidates = find_candidates(repo, head, base, options, backlog={})
    messages = repo.messages_by_path(base, head, descriptions.MAX_COMMITS)
    for file in RelatedCode(repo, candidates).attach(files):
        said = map(descriptions.clean, messages.get(file.path, ()))
        yield replace(file, hints=(("description", descriptions.join_messages(list(said))),))


def _files(repo: GitRepo, base: str, head: str) -> Iterator[SourceFile]:
    changed = [c for c in repo.changes(base, head) if c.status is ChangeType.MODIFIED]
    rules = PathRules()
    pairs = [(c.old_blob or "", c.blob) for c in changed]
    hunks, blobs = repo.hunks_of(pairs), dict(repo.blobs({blob for pair in pairs for blob in pair}))
    for change, pair in zip(changed, pairs, strict=True):
        data = blobs[change.blob]
        text = mask(content.read_text(data), change.path)[0]
        if (
            filters.check_bytes(change.path, data) is None
            and rules.skip(change.path) is None
            and len(content.lines_of(text)) >= MIN_LINES
            and hunks.get(pair)
        ):
            yield _source(change, text, content.read_text(blobs[pair[0]]), hunks[pair])


def _source(change: FileChange, text: str, old: str, hunks: tuple) -> SourceFile:  # type: ignore[type-arg]
    return SourceFile(
        path=change.path,
        status=change.status,
        blob=change.blob,
        old_path=None,
        old_blob=change.old_blob,
        language=language_of(change.path, text),
        parts=content.parts_of(text),
        risk=1.0,
        masked_secrets=0,
        text=text,
        lines=content.lines_of(text),
        diff=content.render_hunks(mask(old, change.path)[0], text, hunks),
        hunks=hunks,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
