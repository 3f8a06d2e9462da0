"""Related code of changed files among 2,000 over `git grep` for the same names: `make bench`.

Whole processes; ours also starts Python and reads the changed files.
"""

import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from batch_action.clients.git import GitRepo
from batch_action.models.files import SourceFile
from batch_action.requests.related_code import RelatedCode, names_of
from batch_action.selection.patterns import PathRules
from batch_action.selection.reader import SelectionOptions, find_candidates, read_files
from benchmarks import harness, repositories
from benchmarks.harness import Row

FILES, CHANGED_FILES = 2_000, 6
QUICK_FILES, QUICK_CHANGED_FILES = 240, 4
BOUND = 3.0


def rows(*, quick: bool = False) -> list[Row]:
    """Measure all rows; *quick*: with few files, to see that they can be measured."""
    files, changed = (QUICK_FILES, QUICK_CHANGED_FILES) if quick else (FILES, CHANGED_FILES)
    rounds = 1 if quick else harness.ROUNDS
    with tempfile.TemporaryDirectory(prefix="batch-action-bench-") as temp:
        folder, names_file = Path(temp) / "repository", Path(temp) / "names"
        repositories.create(folder, files)
        names = {
            name for f in read(GitRepo(folder), changed)[1] for each in names_of(f) for name in each
        }
        add_callers(folder, sorted(names))
        names_file.write_text("".join(f"{name}\n" for name in sorted(names)))
        floor = ["git", "-C", folder, "grep", "-I", "-n", "-w", "-F", "-f", names_file, "main"]
        ours = harness.python("-m", "benchmarks.related_code", folder, str(changed))
        ratio, note = harness.ratio(ours, floor, rounds)
    name = (
        f"related code of {changed} of {files:,} files, over `git grep` for its {len(names)} names"
    )
    return [Row(name, ratio, BOUND, note=note)]


def add_callers(folder: Path, names: list[str]) -> None:
    """Commit a file for each name that calls it, before all others: output of git is limited."""
    stream = "commit refs/heads/main\ncommitter Ada <ada@example.org> 1796000002 +0000\ndata 0\n"
    stream += "from refs/heads/main^0\n"
    for number, name in enumerate(names):
        text = f"def use_{number}(item):\n    return {name}(item)\n"
        stream += f"M 100644 inline callers/use_{number}.py\ndata {len(text)}\n{text}\n"
    command = ["git", "-C", folder, "fast-import", "--quiet"]
    subprocess.run(command, input=stream.encode(), check=True)


def read(git: GitRepo, count: int) -> tuple[RelatedCode, list[SourceFile]]:
    """Read the first *count* files that the second commit changed, without the callers."""
    head = git.resolve("main")
    base = git.ancestors(head, 3)[-1]
    options = SelectionOptions(rules=PathRules(), max_file_bytes=1_000_000, attributes_from=head)
    candidates = find_candidates(git, head, base, options, backlog={})
    chunks = read_files(git, candidates, lambda _done, _total: None)
    sources = (file for file in chain.from_iterable(chunks) if isinstance(file, SourceFile))
    files = (file for file in sources if file.path.startswith("src/"))
    chosen = list(islice(files, count))
    paths = {file.path for file in chosen}
    # As if only these had changed: with many changed files related code is not looked for.
    changes = tuple(change for change in candidates.changes if change.path in paths)
    return RelatedCode(git, replace(candidates, changes=changes)), chosen


def main(folder: str, count: str) -> None:
    """Find the related code of changed files."""
    finder, files = read(GitRepo(Path(folder)), int(count))
    if not any(file.related for file in finder.attach(files)):
        raise SystemExit("no related code was found")


if __name__ == "__main__":
    main(*sys.argv[1:])
