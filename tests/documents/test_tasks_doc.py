"""docs/TASKS.md against the code: every task is documented, and its example is valid."""

import re

from batch_action.tasks import custom
from batch_action.tasks.registry import all_tasks
from tests.documents.texts import fences, read, rows, section

TEXT = read("docs/TASKS.md")


def test_every_task_is_documented():
    for name in all_tasks():
        assert len(section(TEXT, name)) > 200


def test_the_example_is_a_task_and_all_keys_are_documented():
    (example,) = fences(TEXT, "markdown")
    name = re.search(r"^name: (.+)$", example, re.MULTILINE)
    assert name
    task = custom.parse(custom.path_of(name[1]), example, all_tasks(), name=name[1])
    assert task.default_settings["paths"]
    cells = " ".join(row[0] for row in rows(section(TEXT, "Custom tasks")))
    assert re.findall(r"`(\w+)`", cells) == list(custom.KEYS)
