"""What the API has against the parameters of one message."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import schemas
from .catalogue import Model, find

Params = Mapping[str, Any]

KNOWN = frozenset(
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


def tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return -(-len(text.encode()) * 10 // 33)


def texts(content: object) -> list[str]:
    """List the texts of a content: a string, or blocks of which only the text ones count."""
    if isinstance(content, str):
        return [content]
    blocks = content if isinstance(content, list) else []
    return [str(b.get("text", "")) for b in blocks if isinstance(b, Mapping) and "text" in b]


def input_tokens(params: Params) -> int:
    """Estimate all that the model reads."""
    said = [t for m in params.get("messages", ()) for t in texts(m.get("content"))]
    shape = [str(params[key]) for key in ("tools", "output_config") if params.get(key)]
    return 7 + sum(tokens(t) for t in [*texts(params.get("system")), *said, *shape])


def complaint(params: object, *, sampling: bool = True) -> str | None:
    """Say why a message is refused; nothing when it is accepted."""
    if not isinstance(params, Mapping):
        return "Input should be a valid dictionary"
    try:
        return _complaint(params, sampling=sampling)
    except (AttributeError, KeyError, TypeError):
        # There is no end of wrong shapes; the checks below need not know them all.
        return "params: Input should be valid"


def _complaint(params: Params, *, sampling: bool) -> str | None:
    model = find(params.get("model"))
    if "model" not in params:
        return "model: Field required"
    if model is None or model.retired:
        return f"model: {params['model']}"
    checks: list[Callable[[Params, Model], str | None]] = [
        _extras,
        _messages,
        _system,
        _breakpoints,
        _output,
        _thinking,
    ]
    if sampling:
        checks.append(_sampling)
    return next((text for check in checks if (text := check(params, model))), None)


def _extras(params: Params, model: Model) -> str | None:
    for name in SAMPLING:
        if name in params:
            return f"{name}: Extra inputs are not permitted"
    for name in params:
        if name not in KNOWN:
            return f"{name}: Extra inputs are not permitted"
    if params.get("stream"):
        return "stream: streaming is not supported here"
    if params.get("speed") not in (None, "standard"):
        return "speed: fast mode is not supported here"
    choice = (params.get("tool_choice") or {}).get("type")
    if model.modern and choice in ("any", "tool"):
        return f"tool_choice: forced tool use is not supported by {model.id}"
    return None


def _sampling(params: Params, model: Model) -> str | None:
    wanted = params.get("max_tokens")
    if wanted is None:
        return "max_tokens: Field required"
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        return "max_tokens: Input should be a valid integer"
    if wanted < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    if wanted > model.max_tokens:
        return (
            f"max_tokens: {wanted} > {model.max_tokens}, which is the maximum allowed number of"
            f" output tokens for {model.id}"
        )
    size = input_tokens(params)
    if size > model.max_input:
        return f"prompt is too long: {size} tokens > {model.max_input} maximum"
    return None


def _messages(params: Params, model: Model) -> str | None:
    messages = params.get("messages")
    if not isinstance(messages, list):
        return "messages: Field required"
    if not messages:
        return "messages: at least one message is required"
    for place, message in enumerate(messages):
        problem = _message(message)
        if problem:
            return f"messages.{place}{problem}"
    if messages[0]["role"] != "user":
        return "messages: first message must use the user role"
    if model.modern and messages[-1]["role"] == "assistant":
        return (
            "This model does not support assistant message prefill."
            " The conversation must end with a user message."
        )
    return None


def _message(message: object) -> str | None:
    if not isinstance(message, Mapping) or message.get("role") not in ("user", "assistant"):
        return ".role: Input should be 'user' or 'assistant'"
    content = message.get("content")
    if not content:
        return ".content: content must be non-empty"
    if any(not text.strip() for text in texts(content)):
        return ".content: text content blocks must be non-empty"
    return None


def _system(params: Params, _model: Model) -> str | None:
    system = params.get("system", "")
    if not isinstance(system, (str, list)):
        return "system: Input should be a valid list"
    if isinstance(system, list) and any(not text.strip() for text in texts(system)):
        return "system: text content blocks must be non-empty"
    return None


def _breakpoints(params: Params, _model: Model) -> str | None:
    marks = list(breakpoints(params))
    if len(marks) > MAX_BREAKPOINTS:
        return f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}."
    for mark in marks:
        if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
            return "cache_control: Input should be ephemeral, with a ttl of '5m' or '1h'"
    return None


def breakpoints(params: Params) -> Iterator[Mapping[str, Any]]:
    """List the cache marks of a message."""
    contents = [params.get("system"), *(m.get("content") for m in params.get("messages", ()))]
    for content in (*contents, params.get("tools")):
        for block in content if isinstance(content, list) else ():
            if isinstance(block, Mapping) and block.get("cache_control"):
                yield block["cache_control"]


def _output(params: Params, model: Model) -> str | None:
    output = params.get("output_config") or {}
    effort = output.get("effort")
    if effort is not None and not model.modern:
        return f"output_config.effort: effort is not supported by {model.id}"
    if effort not in (None, *EFFORTS):
        return f"output_config.effort: Input should be one of {', '.join(EFFORTS)}"
    wanted = output.get("format")
    if wanted is None:
        return None
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return "output_config.format.type: Input should be 'json_schema'"
    return schemas.complaint(wanted.get("schema"))


def _thinking(params: Params, model: Model) -> str | None:
    wanted = params.get("thinking") or {}
    if model.modern and (wanted.get("type") == "enabled" or "budget_tokens" in wanted):
        return f"thinking.budget_tokens: not supported by {model.id}"
    if wanted.get("type") == "disabled" and model.modern and not model.disables_thinking:
        return f"thinking.type: thinking cannot be disabled on {model.id}"
    return None
