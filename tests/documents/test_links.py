"""Links and pictures of the documents have a target; the named modules exist."""

import re
import struct
from importlib import import_module

import pytest

from tests.documents.texts import ROOT, anchors, links, project_files, read

DOCUMENTS = [
    name
    for name in project_files()
    if name.endswith(".md") and not name.startswith(("batch_action/", "tests/"))
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_point_to_files_and_headings(name: str):
    folder = (ROOT / name).parent
    for link in links(read(name)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (folder / path).resolve() if path else ROOT / name
        assert target.is_relative_to(ROOT), link
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_the_picture_is_a_sharp_and_small_png():
    data = (ROOT / "docs/images/issue.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) < 300_000
    width, height = struct.unpack(">II", data[16:24])
    assert width >= 1600
    assert height >= 1000


def test_modules_that_the_architecture_names_exist():
    named = re.findall(r"`((?:batch_action|tests)/[\w./]+)`", read("docs/ARCHITECTURE.md"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_calls_of_submit_and_collect_exist():
    text = read("docs/ARCHITECTURE.md")
    steps = text[text.index("## Submit") : text.index("## The ledger")]
    calls = re.findall(r"`((?:\w+\.)+\w+)`", steps)
    assert len(calls) > 20
    for call in calls:
        module, _, function = call.rpartition(".")
        assert callable(getattr(import_module(f"batch_action.{module}"), function)), call


def test_every_package_is_in_the_architecture():
    text = read("docs/ARCHITECTURE.md")
    package = ROOT / "batch_action"
    packages = {p.name for p in package.iterdir() if (p / "__init__.py").is_file()}
    packages |= {p.stem for p in package.glob("*.py") if not p.stem.startswith("__")}
    assert {name for name in packages if name not in text} == set()


@pytest.mark.parametrize("document", ["tests/README.md", ".github/CONTRIBUTING.md"])
def test_files_that_a_document_names_exist(document: str):
    named = re.findall(r"`((?:tests|batch_action)/[\w/]+(?:\.\w+)?)`", read(document))
    assert named
    new = {"publishers/teams.py", "tasks/dead_code.md", "tasks/dead_code.py"}
    missing = {name.removeprefix("batch_action/") for name in named if not (ROOT / name).exists()}
    assert missing <= new, "the files of the examples are the only ones that do not exist"


def test_names_that_contributing_looks_up_exist():
    text = " ".join(read(".github/CONTRIBUTING.md").split())
    places = re.findall(r"`(\w+)` (?:in|of) `(batch_action/[\w/]+\.py)`", text)
    assert len(places) > 3
    for name, path in places:
        assert re.search(rf"^(?:class )?{name}\b", read(path), re.MULTILINE), (name, path)


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "Dockerfile",
        "action.yml",
        "docs/ARCHITECTURE.md",
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-demo.lock",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
        ".github/dependabot.yml",
        ".github/workflows/ci.yml",
        "tests/README.md",
    ],
)
def test_a_project_file_exists(name: str):
    assert (ROOT / name).stat().st_size > 0
