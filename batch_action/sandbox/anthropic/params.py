"""Validate the params of a message as the API does, and estimate their tokens."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from batch_action.sandbox.anthropic import schemas
from batch_action.sandbox.anthropic.models import Model, find_model

Params = Mapping[str, Any]

PARAMETERS = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "system",
        "metadata",
        "stop_sequences",
        "stream",
        "thinking",
        "tools",
        "tool_choice",
        "output_config",
        "service_tier",
        "cache_control",
        "container",
        "inference_geo",
        "diagnostics",
        "speed",
    }
)
SAMPLING = ("temperature", "top_p", "top_k")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
MAX_BREAKPOINTS = 4


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return -(-len(text.encode()) * 10 // 33)


def content_texts(content: object) -> list[str]:
    """List the texts of a content: a string, or the text blocks of a list."""
    if isinstance(content, str):
        return [content]
    blocks = content if isinstance(content, list) else []
    return [str(b.get("text", "")) for b in blocks if isinstance(b, Mapping) and "text" in b]


def estimate_input_tokens(params: Params) -> int:
    """Estimate the input tokens of a message."""
    messages = [t for m in params.get("messages", ()) for t in content_texts(m.get("content"))]
    other = [str(params[key]) for key in ("tools", "output_config") if params.get(key)]
    return 7 + sum(
        estimate_tokens(t) for t in [*content_texts(params.get("system")), *messages, *other]
    )


def validation_error(params: object, *, sampling: bool = True) -> str | None:
    """Return why a message is refused; None when it is valid.

    `sampling`: also check `max_tokens`, which token counting does not accept.
    """
    if not isinstance(params, Mapping):
        return "Input should be a valid dictionary"
    try:
        return _validation_error(params, sampling=sampling)
    except (AttributeError, KeyError, TypeError):
        # The checks below do not handle every wrong type.
        return "params: Input should be valid"


def _validation_error(params: Params, *, sampling: bool) -> str | None:
    model = find_model(params.get("model"))
    if "model" not in params:
        return "model: Field required"
    if model is None or model.retired:
        return f"model: {params['model']}"
    checks: list[Callable[[Params, Model], str | None]] = [
        _extras_error,
        _messages_error,
        _system_error,
        _breakpoints_error,
        _output_error,
        _thinking_error,
    ]
    if sampling:
        checks.append(_max_tokens_error)
    return next((text for check in checks if (text := check(params, model))), None)


def _extras_error(params: Params, model: Model) -> str | None:
    for name in SAMPLING:
        if name in params:
            return f"{name}: Extra inputs are not permitted"
    for name in params:
        if name not in PARAMETERS:
            return f"{name}: Extra inputs are not permitted"
    if params.get("stream"):
        return "stream: streaming is not supported here"
    if params.get("speed") not in (None, "standard"):
        return "speed: fast mode is not supported here"
    choice = (params.get("tool_choice") or {}).get("type")
    if model.modern and choice in ("any", "tool"):
        return f"tool_choice: forced tool use is not supported by {model.id}"
    return None


def _max_tokens_error(params: Params, model: Model) -> str | None:
    max_tokens = params.get("max_tokens")
    if max_tokens is None:
        return "max_tokens: Field required"
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool):
        return "max_tokens: Input should be a valid integer"
    if max_tokens < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    if max_tokens > model.max_tokens:
        return (
            f"max_tokens: {max_tokens} > {model.max_tokens}, which is the maximum allowed number of"
            f" output tokens for {model.id}"
        )
    size = estimate_input_tokens(params)
    if size > model.max_input:
        return f"prompt is too long: {size} tokens > {model.max_input} maximum"
    return None


def _messages_error(params: Params, model: Model) -> str | None:
    messages = params.get("messages")
    if not isinstance(messages, list):
        return "messages: Field required"
    if not messages:
        return "messages: at least one message is required"
    for index, message in enumerate(messages):
        error = _message_error(message)
        if error:
            return f"messages.{index}{error}"
    if messages[0]["role"] != "user":
        return "messages: first message must use the user role"
    if model.modern and messages[-1]["role"] == "assistant":
        return (
            "This model does not support assistant message prefill."
            " The conversation must end with a user message."
        )
    return None


def _message_error(message: object) -> str | None:
    if not isinstance(message, Mapping) or message.get("role") not in ("user", "assistant"):
        return ".role: Input should be 'user' or 'assistant'"
    content = message.get("content")
    if not content:
        return ".content: content must be non-empty"
    if any(not text.strip() for text in content_texts(content)):
        return ".content: text content blocks must be non-empty"
    return None


def _system_error(params: Params, _model: Model) -> str | None:
    system = params.get("system", "")
    if not isinstance(system, (str, list)):
        return "system: Input should be a valid list"
    if isinstance(system, list) and any(not text.strip() for text in content_texts(system)):
        return "system: text content blocks must be non-empty"
    return None


def _breakpoints_error(params: Params, _model: Model) -> str | None:
    marks = list(cache_breakpoints(params))
    if len(marks) > MAX_BREAKPOINTS:
        return f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}."
    for mark in marks:
        if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
            return "cache_control: Input should be ephemeral, with a ttl of '5m' or '1h'"
    return None


def cache_breakpoints(params: Params) -> Iterator[Mapping[str, Any]]:
    """Yield the `cache_control` of every block that has one."""
    contents = [params.get("system"), *(m.get("content") for m in params.get("messages", ()))]
    for content in (*contents, params.get("tools")):
        for block in content if isinstance(content, list) else ():
            if isinstance(block, Mapping) and block.get("cache_control"):
                yield block["cache_control"]


def _output_error(params: Params, model: Model) -> str | None:
    output = params.get("output_config") or {}
    effort = output.get("effort")
    if effort is not None and not model.modern:
        return f"output_config.effort: effort is not supported by {model.id}"
    if effort not in (None, *EFFORTS):
        return f"output_config.effort: Input should be one of {', '.join(EFFORTS)}"
    output_format = output.get("format")
    if output_format is None:
        return None
    if not isinstance(output_format, Mapping) or output_format.get("type") != "json_schema":
        return "output_config.format.type: Input should be 'json_schema'"
    return schemas.schema_error(output_format.get("schema"))


def _thinking_error(params: Params, model: Model) -> str | None:
    thinking = params.get("thinking") or {}
    if model.modern and (thinking.get("type") == "enabled" or "budget_tokens" in thinking):
        return f"thinking.budget_tokens: not supported by {model.id}"
    if thinking.get("type") == "disabled" and model.modern and not model.disables_thinking:
        return f"thinking.type: thinking cannot be disabled on {model.id}"
    return None
