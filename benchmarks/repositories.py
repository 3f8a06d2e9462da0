"""Made-up git repositories: Python, JavaScript and TypeScript, and a commit that changes each file.

The content is the same in each run; it parses, and its words, lines and indentation are those of
ordinary code.
"""

import random
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SIZES = range(2_000, 20_001)
"""Bytes of a file."""
VOCABULARY = (
    "account address amount batch buffer cache client column config count customer data deadline"
    " delta detail element entry error event field file filter format group handler header index"
    " input item key label layout length level limit line list manager message method model name"
    " node number object offset option order output page parent path pattern person position price"
    " query queue range reader record request response result row rule schema score section session"
    " setting shape size source start state status stream style table target task text time title"
    " total type update user value version view width window worker writer"
)
WORDS = VOCABULARY.split()


@dataclass(frozen=True, slots=True)
class SampleRepository:
    """A repository on disk with two commits."""

    folder: Path
    base: str
    head: str


def create(folder: Path, files: int, sizes: range = SIZES, *, config: str = "") -> SampleRepository:
    """Create a bare repository in which the second commit changes all *files* of so many bytes.

    *config*: the text of its config file.
    """
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main")
    command = ["git", "-C", folder, "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.writelines(_stream(files, sizes, config))
    if process.returncode:
        raise RuntimeError(f"git fast-import ended with {process.returncode}")
    base, head = (git(folder, "rev-parse", rev).strip() for rev in ("main~1", "main"))
    return SampleRepository(folder, base, head)


def git(folder: Path, *args: str) -> str:
    """Run git in a folder and return its output."""
    done = subprocess.run(["git", "-C", folder, *args], check=True, capture_output=True, text=True)
    return done.stdout


def paths(files: int) -> Iterator[str]:
    """Yield the paths, in folders of fifty."""
    for number in range(files):
        extension = ("py", "js", "py", "ts")[number % 4]
        yield f"src/package_{number // 50}/{WORDS[number % len(WORDS)]}_{number}.{extension}"


def _stream(files: int, sizes: range, config: str) -> Iterator[bytes]:
    # Each file is made twice rather than kept: with many, memory would not hold them.
    for time, is_changed in ((1_796_000_000, False), (1_796_000_001, True)):
        yield b"commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\n" % time
        yield b"data 6\nSample\n"
        if config:
            yield _file(".github/batch-action.yml", [config])
        for path in paths(files):
            source = random.Random(path)
            lines = list(_lines(path, source.choice(sizes), source))
            yield _file(path, _changed(lines, path, source) if is_changed else lines)


def _file(path: str, lines: Iterable[str]) -> bytes:
    data = "".join(lines).encode()
    return f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"


def _lines(path: str, size: int, source: random.Random) -> Iterator[str]:
    function = _python if path.endswith(".py") else _script
    while size > 0:
        text = function(source)
        size -= len(text)
        yield from text.splitlines(keepends=True)


def _python(source: random.Random) -> str:
    name, first, second = source.sample(WORDS, 3)
    body = "".join(
        f"    if {first}.{source.choice(WORDS)} > {source.randint(0, 99)}:\n"
        f"        {second} = compute_{source.choice(WORDS)}({first}, '{source.choice(WORDS)}')\n"
        for _ in range(source.randint(1, 8))
    )
    return (
        f"def {name}_{source.randint(0, 999)}({first}, {second}=None):\n"
        f'    """Return the {name} of the {first}; see the {source.choice(WORDS)}."""\n'
        f"{body}    return {second}\n\n\n"
    )


def _script(source: random.Random) -> str:
    name, first, second = source.sample(WORDS, 3)
    body = "".join(
        f"  if ({first}.{source.choice(WORDS)} > {source.randint(0, 99)}) {{\n"
        f"    {second} = compute{source.choice(WORDS)}({first}, '{source.choice(WORDS)}');\n  }}\n"
        for _ in range(source.randint(1, 8))
    )
    return (
        f"// The {name} of the {first}; see the {source.choice(WORDS)}.\n"
        f"export function {name}{source.randint(0, 999)}({first}, {second}) {{\n"
        f"{body}  return {second};\n}}\n\n"
    )


def _changed(lines: list[str], path: str, source: random.Random) -> list[str]:
    """Return the lines with two statements replaced by two each, and a function added."""
    is_python = path.endswith(".py")
    function, indent, start = (_python, 8, "def ") if is_python else (_script, 4, "// ")
    inner = [at for at, line in enumerate(lines) if line.startswith(" " * indent)]
    starts = [at for at, line in enumerate(lines) if line.startswith(start)]
    changed, added = list(lines), source.choice(starts)
    for at in sorted([added, *source.sample(inner, 2)], reverse=True):
        if at == added:
            changed[at:at] = function(source).splitlines(keepends=True)
        else:
            changed[at : at + 1] = [lines[other] for other in source.choices(inner, k=2)]
    return changed
