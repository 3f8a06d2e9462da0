"""The documents as data: tables, fences, links and headings; and the project's files."""

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
    """What is, or is about to be, committed."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = sorted(name for name in done.stdout.decode().split("\0") if name)
    return tuple(name for name in names if (ROOT / name).is_file())


def section(text: str, heading: str) -> str:
    """The text below `## heading`, up to the next one."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"there is no section {heading}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, head and rule left out."""
    found: list[list[str]] = []
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines):
        follows = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("|") and not line.startswith("|-") and not follows.startswith("|-"):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return [row for row in found if not set("".join(row)) <= set("-: ")]


def fences(text: str, language: str) -> list[str]:
    return [body for name, body in _FENCE.findall(text) if name == language]


def without_fences(text: str) -> str:
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", without_fences(text))


def anchors(text: str) -> set[str]:
    """GitHub's anchors of all headings."""
    headings = re.findall(r"^#+ (.+)$", without_fences(text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def plain(text: str) -> str:
    """Without code ticks."""
    return text.replace("`", "")
