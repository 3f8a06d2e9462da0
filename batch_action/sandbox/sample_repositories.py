"""Sample repositories, one per language, whose last commits add bugs that the reviewer finds."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

AUTHOR_NAME = "Robin Shopkeeper"
AUTHOR_EMAIL = "robin@corner-shop.example"
SUFFIX = ".txt"
"""Suffix of the sample files, so that no tool treats them as code of this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCommit:
    """One commit of a sample: a folder of files and its age."""

    folder: str
    message: str
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A repository with its history; `fix` is committed a day later."""

    folder: str
    title: str
    history: tuple[SampleCommit, ...]
    fix: SampleCommit


SHOP = Sample(
    folder="corner_shop",
    title="a corner shop in Python and JavaScript",
    history=(
        SampleCommit(folder="1-orders", message="Add orders", age=timedelta(days=21)),
        SampleCommit(folder="2-stock", message="Add the stock", age=timedelta(days=12)),
        SampleCommit(
            folder="3-search", message="Search the orders of a customer", age=timedelta(hours=9)
        ),
        SampleCommit(
            folder="4-export", message="Export the day for the accountant", age=timedelta(hours=6)
        ),
        SampleCommit(
            folder="5-vouchers",
            message="Add vouchers and a list of low stock",
            age=timedelta(hours=4),
        ),
    ),
    fix=SampleCommit(
        folder="6-fixed",
        message="Fix the order search; remind customers of unpaid orders",
        age=timedelta(hours=2),
    ),
)
TEA_HOUSE = Sample(
    folder="tea_house",
    title="a tea house in TypeScript",
    history=(
        SampleCommit(folder="1-menu", message="A menu", age=timedelta(days=15)),
        SampleCommit(folder="2-orders", message="Tables and their orders", age=timedelta(hours=8)),
    ),
    fix=SampleCommit(folder="3-fixed", message="Add tips; show the menu", age=timedelta(hours=2)),
)
FERRY = Sample(
    folder="ferry",
    title="a ferry in Go",
    history=(
        SampleCommit(folder="1-crossings", message="Cross the river", age=timedelta(days=20)),
        SampleCommit(
            folder="2-tickets", message="Children, tickets, a log book", age=timedelta(hours=7)
        ),
    ),
    fix=SampleCommit(
        folder="3-fixed",
        message="Fix the tickets; cancel crossings in storms",
        age=timedelta(hours=2),
    ),
)
MARKET = Sample(
    folder="market",
    title="a market: Python, TypeScript and Go in one repository",
    history=(
        SampleCommit(folder="1-stalls", message="Open the market", age=timedelta(days=18)),
        SampleCommit(folder="2-stalls", message="Stalls, taxes and labels", age=timedelta(hours=5)),
    ),
    fix=SampleCommit(
        folder="3-fixed", message="Fix the stalls; greet visitors", age=timedelta(hours=2)
    ),
)
SAMPLES: Mapping[str, Sample] = {
    "python": SHOP,
    "typescript": TEA_HOUSE,
    "go": FERRY,
    "monorepo": MARKET,
}


def create_repository(folder: Path, now: datetime, sample: Sample = SHOP) -> None:
    """Create the repository in `folder`; its history ends a few hours before `now`."""
    folder.mkdir(parents=True)
    _git(folder, now, "init", "--quiet", "--initial-branch=main")
    for step in sample.history:
        create_commit(folder, step, now, sample)


def create_commit(folder: Path, step: SampleCommit, now: datetime, sample: Sample = SHOP) -> None:
    """Copy the files of a commit into the work tree and commit them."""
    _copy(files("batch_action.sandbox") / sample.folder / step.folder, folder)
    when = now - step.age
    _git(folder, when, "add", "--all")
    _git(folder, when, "commit", "--quiet", "--message", step.message)


def _copy(source: Traversable, target: Path) -> None:
    for entry in source.iterdir():
        path = target / entry.name.removesuffix(SUFFIX)
        if entry.is_dir():
            path.mkdir(exist_ok=True)
            _copy(entry, path)
        elif entry.name.endswith(SUFFIX):
            text = entry.read_text(encoding="utf-8").replace("@SECRET@", _secret())
            path.write_text(text, encoding="utf-8")
        else:
            path.write_bytes(entry.read_bytes())


def _secret() -> str:
    """Return a fake payment key; built at run time, so that no secret scanner reports it."""
    return "sk_" + "live_" + hashlib.sha256(b"corner shop").hexdigest()[:24]


def _git(folder: Path, when: datetime, *arguments: str) -> None:
    """Run git without user settings, with a fixed author and the given time."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for role in ("AUTHOR", "COMMITTER"):
        environ |= {
            f"GIT_{role}_NAME": AUTHOR_NAME,
            f"GIT_{role}_EMAIL": AUTHOR_EMAIL,
            f"GIT_{role}_DATE": when.isoformat(timespec="seconds"),
        }
    environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        env=environ,
    )
