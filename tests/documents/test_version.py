"""One version, in pyproject.toml."""

import re
import tomllib
from importlib.metadata import version

from tests.documents.texts import project_files, read

VERSION = tomllib.loads(read("pyproject.toml"))["project"]["version"]


def test_the_installed_package_has_the_version_of_the_project():
    assert version("batch-action") == VERSION, "install it again: make"


def test_no_other_file_has_it():
    own = re.compile(rf"(?<![\w.]){re.escape(VERSION)}(?![\w.])")
    names = [n for n in project_files() if re.match(r"batch_action/.*\.(py|yml|j2)$", n)]
    names += [
        "Dockerfile",
        "Makefile",
        "action.yml",
        *(n for n in project_files() if "/workflows/" in n),
    ]
    assert [name for name in names if own.search(read(name))] == []
