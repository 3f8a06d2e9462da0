"""Read tables, code fences, links and headings of documents, and list the project's files."""

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@cache
def project_files() -> tuple[str, ...]:
    """List the files that git tracks or would add."""
    process = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = sorted(name for name in process.stdout.decode().split("\0") if name)
    return tuple(name for name in names if (ROOT / name).is_file())


def section(text: str, heading: str) -> str:
    """Return the text below `## heading`."""
    match = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert match, f"there is no section {heading}"
    return match[1]


def rows(text: str) -> list[list[str]]:
    """List the cells of every table row, without the header and the delimiter row."""
    cells: list[list[str]] = []
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines):
        next_line = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("|") and not line.startswith("|-") and not next_line.startswith("|-"):
            cells.append([cell.strip() for cell in line.strip("|").split("|")])
    return [row for row in cells if not set("".join(row)) <= set("-: ")]


def fences(text: str, language: str) -> list[str]:
    return [body for name, body in _FENCE.findall(text) if name == language]


def without_fences(text: str) -> str:
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", without_fences(text))


def anchors(text: str) -> set[str]:
    """Return GitHub's anchors of all headings."""
    headings = re.findall(r"^#+ (.+)$", without_fences(text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def plain(text: str) -> str:
    """Remove backticks."""
    return text.replace("`", "")
