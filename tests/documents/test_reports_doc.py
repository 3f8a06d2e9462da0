"""docs/REPORTS.md against the code and its pictures."""

import re
from typing import get_args

import pytest

from batch_action.config.inputs import Destination
from tests.documents.texts import ROOT, read
from tests.screenshots import run_scenes

REPORTS = read("docs/REPORTS.md")
MAX_BYTES = 1_500_000


def test_every_destination_has_its_section():
    assert set(re.findall(r"^## `([a-z-]+)`$", REPORTS, re.MULTILINE)) == set(get_args(Destination))


@pytest.mark.parametrize("picture", re.findall(r"\]\((images/[\w-]+\.png)\)", REPORTS))
def test_every_picture_exists(picture: str):
    assert (ROOT / "docs" / picture).read_bytes().startswith(b"\x89PNG\r\n")


def test_the_pictures_are_small_together():
    assert sum(p.stat().st_size for p in (ROOT / "docs" / "images").iterdir()) < MAX_BYTES


def test_the_runs_behind_the_pictures_still_play():
    with run_scenes() as (_, scenes):
        shown = set(re.findall(r"images/([\w-]+)\.png", REPORTS))
        assert {scene.name for scene in scenes} == shown
        assert all(scene.url or "batch-action" in scene.html for scene in scenes)
