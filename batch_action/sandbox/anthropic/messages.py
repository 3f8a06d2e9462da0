"""Create messages as the API does, with the offline reviewer in place of a model."""

from collections.abc import Callable, Mapping
from typing import Any

from batch_action.sandbox.anthropic.errors import new_id
from batch_action.sandbox.anthropic.models import find_model
from batch_action.sandbox.anthropic.params import estimate_input_tokens, estimate_tokens
from batch_action.sandbox.anthropic.prompt_cache import CacheUse
from batch_action.sandbox.reviewer.answers import answer_by_rules

THINKING_TOKENS = 180
REFUSAL = {
    "type": "refusal",
    "category": "cyber",
    "explanation": "The sandbox was configured to refuse this request.",
}

AnswerFunction = Callable[[Mapping[str, Any]], str | None]
"""Returns the text of an answer for the params of a message, or None to use the reviewer's.

Called from several threads.
"""


def create_message(
    params: Mapping[str, Any],
    use: CacheUse,
    *,
    tier: str,
    variant: str,
    answer_function: AnswerFunction | None,
) -> dict[str, Any]:
    """Answer a valid request; `variant`: `refused`, `max_tokens`, `unreadable`, or empty."""
    given = answer_function(params) if answer_function else None
    text, thinking = answer_by_rules(params) if given is None else given, _uses_thinking(params)
    output_tokens = estimate_tokens(text) + THINKING_TOKENS * thinking
    stop = "end_turn"
    if variant == "unreadable":
        text = "Here is my review (sandbox): {not json"
    if variant == "max_tokens" or output_tokens > params["max_tokens"]:
        stop, output_tokens = "max_tokens", params["max_tokens"]
        text = text[: len(text) // 2]
    content: list[dict[str, Any]] = [{"type": "text", "text": text, "citations": None}]
    if thinking:
        signature = "c2FuZGJveA=="
        content.insert(0, {"type": "thinking", "thinking": "", "signature": signature})
    if variant == "refused":
        content, stop, output_tokens = [], "refusal", 0
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": REFUSAL if stop == "refusal" else None,
        "usage": _usage(
            params, use, output_tokens, THINKING_TOKENS * bool(thinking and output_tokens), tier
        ),
    }


def _uses_thinking(params: Mapping[str, Any]) -> bool:
    model = find_model(params["model"])
    mode = (params.get("thinking") or {}).get("type")
    return mode != "disabled" and (mode is not None or bool(model and model.modern))


def _usage(
    params: Mapping[str, Any], use: CacheUse, output_tokens: int, thinking_tokens: int, tier: str
) -> dict[str, Any]:
    written = sum(use.written.values())
    return {
        "input_tokens": estimate_input_tokens(params) - written - use.read,
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": min(thinking_tokens, output_tokens)},
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": use.read,
        "cache_creation": {
            f"ephemeral_{ttl}_input_tokens": count for ttl, count in use.written.items()
        },
        "server_tool_use": None,
        "service_tier": tier,
        "inference_geo": "global",
    }
