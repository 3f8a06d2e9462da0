"""What `make demo` installs: its own lock file, little enough, and nothing twice."""

import importlib.metadata
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([\w.-]+)==([^ ;\\]+)", re.MULTILINE)
MAX_BYTES = 200 * 1024**2
BLOCK = 4096
DEVELOPMENT_ONLY = {"pytest", "mypy", "playwright", "pillow", "hypothesis", "zizmor", "vcrpy"}


def pinned(name: str) -> dict[str, str]:
    return dict(PINNED.findall((ROOT / name).read_text("utf-8")))


def disk_bytes(paths: list[Path]) -> int:
    return sum(math.ceil(path.stat().st_size / BLOCK) * BLOCK for path in paths if path.is_file())


def test_the_demo_needs_at_most_200_megabytes():
    sizes = {}
    # pip is part of every environment, setuptools of one of Python 3.11.
    for name in [*pinned("requirements-demo.lock"), "pip", "setuptools"]:
        try:
            files = importlib.metadata.distribution(name).files or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or Python
        sizes[name] = disk_bytes([Path(str(file.locate())) for file in files])
    sizes["batch-action"] = disk_bytes(list((ROOT / "batch_action").rglob("*")))
    assert {"anthropic", "ruff", "uvicorn"} <= sizes.keys()
    assert min(sizes[name] for name in ("anthropic", "ruff")) > 10 * 1024**2
    assert sum(sizes.values()) < MAX_BYTES, sorted(sizes.items(), key=lambda item: -item[1])[:9]


def test_the_tools_of_the_tests_are_added_without_a_second_installation():
    demo, dev = pinned("requirements-demo.lock"), pinned("requirements-dev.lock")
    assert demo.items() <= dev.items()
    assert not DEVELOPMENT_ONLY & demo.keys()
    assert dev.keys() >= DEVELOPMENT_ONLY


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "requirements-demo.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, target: str) -> str:
    done = subprocess.run(
        ["make", "--dry-run", f"PYTHON={sys.executable}", target],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_make_demo_installs_the_demo_only_and_says_so(clone: Path) -> None:
    first = make(clone, "demo")
    assert "requirements-demo.lock" in first
    assert "requirements-dev.lock" not in first
    assert first.index("Installing what the demo needs") < first.index("pip install")
    assert "batch-action demo" in first


@pytest.mark.parametrize(
    ("exists", "target", "installs"),
    [
        ([], "tests", ["requirements-dev.lock"]),
        (["demo-ready"], "demo", []),
        (["demo-ready"], "tests", ["requirements-dev.lock"]),
        (["demo-ready", "ready"], "demo", []),
        (["demo-ready", "ready"], "tests", []),
    ],
)
def test_nothing_is_installed_twice(
    clone: Path, exists: list[str], target: str, installs: list[str]
) -> None:
    for name in exists:
        (clone / ".venv").mkdir(exist_ok=True)
        (clone / ".venv" / name).touch()
    assert re.findall(r"--require-hashes -r (\S+)", make(clone, target)) == installs
