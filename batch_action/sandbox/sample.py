"""Small repositories whose last commits bring bugs that plain rules can find, one a language."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

PERSON = "Robin Shopkeeper"
MAIL = "robin@corner-shop.example"
SUFFIX = ".txt"
"""The files of the samples end in it, so that nobody takes them for code of this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit of a sample: a folder of files, and when it was made."""

    folder: str
    message: str
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A repository with its history; the last step comes a day later."""

    folder: str
    title: str
    history: tuple[Step, ...]
    mended: Step


SHOP = Sample(
    folder="corner_shop",
    title="a corner shop in Python and JavaScript",
    history=(
        Step(folder="1-orders", message="Take orders", age=timedelta(days=21)),
        Step(folder="2-stock", message="Keep the stock", age=timedelta(days=12)),
        Step(folder="3-search", message="Search the orders of a customer", age=timedelta(hours=9)),
        Step(
            folder="4-export", message="Export the day for the accountant", age=timedelta(hours=6)
        ),
        Step(folder="5-vouchers", message="Vouchers, and what runs low", age=timedelta(hours=4)),
    ),
    mended=Step(
        folder="6-mended",
        message="Mend the order search; remind who has not paid",
        age=timedelta(hours=2),
    ),
)
TEA_HOUSE = Sample(
    folder="tea_house",
    title="a tea house in TypeScript",
    history=(
        Step(folder="1-menu", message="A menu", age=timedelta(days=15)),
        Step(folder="2-orders", message="Tables and their orders", age=timedelta(hours=8)),
    ),
    mended=Step(folder="3-mended", message="Count tips; show the menu", age=timedelta(hours=2)),
)
FERRY = Sample(
    folder="ferry",
    title="a ferry in Go",
    history=(
        Step(folder="1-crossings", message="Cross the river", age=timedelta(days=20)),
        Step(folder="2-tickets", message="Children, tickets, a log book", age=timedelta(hours=7)),
    ),
    mended=Step(folder="3-mended", message="Mend the tickets; mind storms", age=timedelta(hours=2)),
)
MARKET = Sample(
    folder="market",
    title="a market: Python, TypeScript and Go in one repository",
    history=(
        Step(folder="1-stalls", message="Open the market", age=timedelta(days=18)),
        Step(folder="2-stalls", message="Stalls, taxes and labels", age=timedelta(hours=5)),
    ),
    mended=Step(folder="3-mended", message="Mend the stalls; greet people", age=timedelta(hours=2)),
)
SAMPLES: Mapping[str, Sample] = {
    "python": SHOP,
    "typescript": TEA_HOUSE,
    "go": FERRY,
    "monorepo": MARKET,
}


def build(folder: Path, now: datetime, sample: Sample = SHOP) -> None:
    """Make the repository in `folder`, with its history up to a few hours before `now`."""
    folder.mkdir(parents=True)
    _git(folder, now, "init", "--quiet", "--initial-branch=main")
    for step in sample.history:
        commit(folder, step, now, sample)


def commit(folder: Path, step: Step, now: datetime, sample: Sample = SHOP) -> None:
    """Lay the files of one step over the work tree and commit them."""
    _copy(files("batch_action.sandbox") / sample.folder / step.folder, folder)
    when = now - step.age
    _git(folder, when, "add", "--all")
    _git(folder, when, "commit", "--quiet", "--message", step.message)


def _copy(source: Traversable, target: Path) -> None:
    for entry in source.iterdir():
        place = target / entry.name.removesuffix(SUFFIX)
        if entry.is_dir():
            place.mkdir(exist_ok=True)
            _copy(entry, place)
        elif entry.name.endswith(SUFFIX):
            text = entry.read_text(encoding="utf-8").replace("@SECRET@", _secret())
            place.write_text(text, encoding="utf-8")
        else:
            place.write_bytes(entry.read_bytes())


def _secret() -> str:
    """Something in the shape of a payment key: put together here, so that no scanner stops us."""
    return "sk_" + "live_" + hashlib.sha256(b"corner shop").hexdigest()[:24]


def _git(folder: Path, when: datetime, *arguments: str) -> None:
    """Run git without anybody's settings, under a fixed name and at a given time."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for who in ("AUTHOR", "COMMITTER"):
        environ |= {
            f"GIT_{who}_NAME": PERSON,
            f"GIT_{who}_EMAIL": MAIL,
            f"GIT_{who}_DATE": when.isoformat(timespec="seconds"),
        }
    environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        env=environ,
    )
