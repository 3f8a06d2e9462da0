"""Our requests to Anthropic, compared with the types of its SDK: no wrong and no unknown field."""

import json
from typing import Any

import pytest
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.messages.batch_create_params import BatchCreateParams
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from batch_action.models.files import ChangeType, SourceFile
from batch_action.requests import prompt
from batch_action.selection.content import lines_of, parts_of
from batch_action.tasks.registry import all_tasks
from batch_action.tasks.task import Task
from tests.contract.cassettes import FOLDER, exchanges
from tests.harness.batches import as_sent

BATCH: TypeAdapter[Any] = TypeAdapter(BatchCreateParams)
COUNT: TypeAdapter[Any] = TypeAdapter(MessageCountTokensParams)
TASKS = list(all_tasks().values())
TEXT = "total = 0.1 + 0.2\n"


def understood(adapter: TypeAdapter[Any], body: Any) -> Any:
    """The body as parsed by the type, which drops unknown fields."""
    return json.loads(adapter.dump_json(adapter.validate_python(body)))


def is_understood(adapter: TypeAdapter[Any], body: Any) -> bool:
    try:
        return bool(understood(adapter, body) == body)
    except (ValidationError, PydanticSerializationError, UserWarning):
        # Lists are looked at when they are written out: what is wrong in one comes wrapped.
        return False


def sent(ending: str) -> list[Any]:
    """The bodies of all recorded requests to a path."""
    return [
        json.loads(request.body)
        for path in sorted(FOLDER.glob("*.yaml"))
        for request, _ in exchanges(path)
        if request.method == "POST" and request.path.endswith(ending)
    ]


def real_params(task: Task, *, cache: bool, effort: str | None) -> dict[str, Any]:
    file = SourceFile(
        path="a.py",
        status=ChangeType.MODIFIED,
        blob="a" * 40,
        old_path=None,
        old_blob="b" * 40,
        text=TEXT,
        lines=lines_of(TEXT),
        diff="",
        language="python",
        parts=parts_of(TEXT),
        risk=1.0,
        masked_secrets=0,
    )
    params = prompt.message_params(
        task,
        prompt.user_text(file, file.parts[0]),
        model="claude-sonnet-5-5",
        effort=effort,
        max_tokens=6_000,
    )
    return as_sent(prompt.system_text(task, "No floats for money."), params, cached=cache)


@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("effort", [None, "low", "medium", "high", "xhigh", "max"])
def test_requests_of_every_task_match_the_sdk(task: Task, cache: bool, effort: str | None):
    params = real_params(task, cache=cache, effort=effort)
    body = {"requests": [{"custom_id": "code-review-a", "params": params}]}
    assert understood(BATCH, body) == body
    counted = {name: value for name, value in params.items() if name != "max_tokens"}
    assert understood(COUNT, counted) == counted


def test_recorded_requests_match_the_sdk():
    batches, counts = sent("/v1/messages/batches"), sent("/count_tokens")
    assert batches
    assert counts
    for body in batches:
        assert understood(BATCH, body) == body
    for body in counts:
        assert understood(COUNT, body) == body


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", "many"),
        ("messages", [{"role": "user"}]),
        ("output_config", {"effort": "little"}),
        ("output_config", {"format": {"type": "json_schema"}}),
        (
            "system",
            [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1d"}}],
        ),
        ("output_format", {"type": "json_schema", "schema": {}}),
    ],
)
def test_a_wrong_field_fails(name: str, value: Any):
    params = real_params(TASKS[0], cache=True, effort="low")
    body = {"requests": [{"custom_id": "a", "params": {**params, name: value}}]}
    assert not is_understood(BATCH, body)
