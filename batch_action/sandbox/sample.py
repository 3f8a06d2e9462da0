"""A small shop as a git repository, whose last commits bring bugs that plain rules can find."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

PERSON = "Robin Shopkeeper"
MAIL = "robin@corner-shop.example"
SUFFIX = ".txt"
"""The files of the sample end in it, so that nobody takes them for code of this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit of the sample: a folder of files, and when it was made."""

    folder: str
    message: str
    age: timedelta


HISTORY = (
    Step(folder="1-orders", message="Take orders", age=timedelta(days=21)),
    Step(folder="2-stock", message="Keep the stock", age=timedelta(days=12)),
    Step(folder="3-search", message="Search the orders of a customer", age=timedelta(hours=9)),
    Step(folder="4-export", message="Export the day for the accountant", age=timedelta(hours=6)),
    Step(folder="5-vouchers", message="Vouchers, and what runs low", age=timedelta(hours=4)),
)
MENDED = Step(
    folder="6-mended",
    message="Mend the order search; remind who has not paid",
    age=timedelta(hours=2),
)


def build(folder: Path, now: datetime) -> None:
    """Make the repository in `folder`, with its history up to a few hours before `now`."""
    folder.mkdir(parents=True)
    _git(folder, now, "init", "--quiet", "--initial-branch=main")
    for step in HISTORY:
        commit(folder, step, now)


def commit(folder: Path, step: Step, now: datetime) -> None:
    """Lay the files of one step over the work tree and commit them."""
    _copy(files("batch_action.sandbox") / "corner_shop" / step.folder, folder)
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
