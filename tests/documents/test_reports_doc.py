"""docs/REPORTS.md against the code and its pictures."""

import re
from typing import get_args

import pytest

from batch_action.config.inputs import Destination
from tests.documents.texts import ROOT, read
from tests.screenshots import run_scenes

REPORTS = read("docs/REPORTS.md")
MAX_BYTES = 3_000_000
PICTURE = re.compile(r"images/([\w-]+)\.png")


def test_every_destination_has_its_section():
    assert set(re.findall(r"^## `([a-z-]+)`$", REPORTS, re.MULTILINE)) == set(get_args(Destination))


def pictures(name: str) -> set[str]:
    """Return the pictures that a document shows: each light and dark."""
    return set(PICTURE.findall(read(name)))


@pytest.mark.parametrize("name", ["README.md", "docs/REPORTS.md", "docs/READING-AN-ISSUE.md"])
def test_every_picture_exists_light_and_dark(name: str):
    shown = pictures(name)
    assert {light.removesuffix("-dark") for light in shown} | {
        f"{light.removesuffix('-dark')}-dark" for light in shown
    } == shown
    for picture in shown:
        data = (ROOT / "docs/images" / f"{picture}.png").read_bytes()
        assert data.startswith(b"\x89PNG\r\n")


def test_no_picture_is_left_over():
    shown = pictures("docs/REPORTS.md") | pictures("README.md")
    assert {path.stem for path in (ROOT / "docs/images").iterdir()} == shown


def test_the_pictures_are_small_together():
    assert sum(p.stat().st_size for p in (ROOT / "docs" / "images").iterdir()) < MAX_BYTES


def test_the_runs_behind_the_pictures_still_play():
    with run_scenes() as (_, scenes):
        shown = pictures("docs/REPORTS.md") | pictures("README.md")
        assert {scene.name for scene in scenes} == {n for n in shown if not n.endswith("-dark")}
        assert all(scene.url or "batch-action" in scene.html for scene in scenes)
