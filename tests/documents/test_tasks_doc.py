"""docs/TASKS.md against the code: every task and key is there, and its example is a task."""

import re

from batch_action.tasks import own
from batch_action.tasks.registry import all_tasks
from tests.documents.texts import ROOT, fences, read, rows, section

TEXT = read("docs/TASKS.md")


def test_every_task_has_its_reasons():
    table = {row[0] for row in rows(TEXT.partition("\n## ")[0])}
    for name in all_tasks():
        told = section(TEXT, name)
        assert f"[{name}](#{name})" in table
        assert "*Why so:*" in told
        assert len(told) > 300


def test_what_a_task_answers_with_is_told():
    kinds = {row[0]: row[1] for row in rows(TEXT.partition("\n## ")[0])}
    for name, task in all_tasks().items():
        told = kinds[f"[{name}](#{name})"]
        assert ("files" in told) == task.generates
        assert ("findings" in told) == (not task.generates)


def test_the_example_is_a_task_and_all_keys_are_told():
    (example,) = fences(TEXT, "markdown")
    task = own.parse(own.path_of("no-prints"), example, all_tasks(), name="no-prints")
    assert task.defaults["paths"] == ("src/", "!src/generated/")
    keys = [row[0].strip("`") for row in rows(section(TEXT, "Your own"))]
    assert keys == list(own.KEYS)


def test_named_files_are_there():
    for name in re.findall(r"`((?:batch_action|tests)/[\w./]+)`", TEXT):
        assert (ROOT / name).exists(), name
