"""Writing one message as the API would, with the sandbox's reviewer in the model's place."""

from collections.abc import Callable, Mapping
from typing import Any

from . import filling
from .caching import CacheUse
from .catalogue import find
from .errors import new_id
from .params import input_tokens, tokens
from .prompts import read
from .reviewer import review

THINKING_TOKENS = 180
REFUSAL = {
    "type": "refusal",
    "category": "cyber",
    "explanation": "The sandbox was told to refuse this request.",
}

Speaker = Callable[[Mapping[str, Any]], str | None]
"""Gives the answer's text for the params of a message, in the reviewer's place; None leaves it to
the reviewer. Called from several threads."""


def compose(
    params: Mapping[str, Any], use: CacheUse, *, tier: str, twist: str, speaker: Speaker | None
) -> dict[str, Any]:
    """Answer a valid request, perhaps with a twist: refused, max_tokens, or unreadable."""
    said = speaker(params) if speaker else None
    text, thought = _text(params) if said is None else said, _thinks(params)
    spent = tokens(text) + THINKING_TOKENS * thought
    stop = "end_turn"
    if twist == "unreadable":
        text = "Here is my review (sandbox): {not json"
    if twist == "max_tokens" or spent > params["max_tokens"]:
        stop, spent = "max_tokens", params["max_tokens"]
        text = text[: len(text) // 2]
    content: list[dict[str, Any]] = [{"type": "text", "text": text, "citations": None}]
    if thought:
        signature = "c2FuZGJveA=="
        content.insert(0, {"type": "thinking", "thinking": "", "signature": signature})
    if twist == "refused":
        content, stop, spent = [], "refusal", 0
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": REFUSAL if stop == "refusal" else None,
        "usage": _usage(params, use, spent, THINKING_TOKENS * bool(thought and spent), tier),
    }


def _text(params: Mapping[str, Any]) -> str:
    prompt = read(params)
    remarks = review(prompt)
    wanted = (params.get("output_config") or {}).get("format")
    if wanted is None:
        return filling.plain_answer(remarks)
    return filling.answer(wanted["schema"], remarks, prompt)


def _thinks(params: Mapping[str, Any]) -> bool:
    model = find(params["model"])
    wanted = (params.get("thinking") or {}).get("type")
    return wanted != "disabled" and (wanted is not None or bool(model and model.modern))


def _usage(
    params: Mapping[str, Any], use: CacheUse, spent: int, thought: int, tier: str
) -> dict[str, Any]:
    written = sum(use.written.values())
    return {
        "input_tokens": input_tokens(params) - written - use.read,
        "output_tokens": spent,
        "output_tokens_details": {"thinking_tokens": min(thought, spent)},
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": use.read,
        "cache_creation": {
            f"ephemeral_{ttl}_input_tokens": count for ttl, count in use.written.items()
        },
        "server_tool_use": None,
        "service_tier": tier,
        "inference_geo": "global",
    }
