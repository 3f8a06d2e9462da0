"""The models of the emulated API."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """One model of the Models API, with the limits of its requests."""

    id: str
    name: str
    line: str
    created: str
    lifecycle: str = "active"
    deprecated: str | None = None
    retires: str | None = None
    max_input: int = 1_000_000
    max_tokens: int = 128_000
    cache_minimum: int = 512
    """Minimum tokens of a cached prefix; shorter ones are not cached, without an error."""
    modern: bool = True
    """Thinks by default, supports `effort`, and refuses prefill and forced tool use."""
    disables_thinking: bool = False

    def info(self) -> dict[str, Any]:
        """Return the model object of the API."""
        return {
            "id": self.id,
            "type": "model",
            "display_name": self.name,
            "created_at": f"{self.created}T00:00:00Z",
            "lifecycle": self.lifecycle,
            "deprecated_at": self.deprecated and f"{self.deprecated}T00:00:00Z",
            "retires_at": self.retires and f"{self.retires}T00:00:00Z",
            "line": self.line,
            "max_input_tokens": self.max_input,
            "max_tokens": self.max_tokens,
            "capabilities": self._capabilities(),
        }

    @property
    def retired(self) -> bool:
        """Whether requests for the model fail; models can outlive their retirement date."""
        return self.lifecycle == "retired"

    def _capabilities(self) -> dict[str, Any]:
        active = {"supported": self.lifecycle != "retired"}
        modern = {"supported": self.modern}
        effort = dict.fromkeys(("low", "medium", "high", "xhigh", "max"), modern)
        thinking = {
            "adaptive": modern,
            "between_tools": active,
            "disabled": {"supported": self.disables_thinking or not self.modern},
            "enabled": {"supported": not self.modern},
        }
        edits = ("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112")
        return {
            "batch": active,
            "citations": active,
            "code_execution": active,
            "context_management": {**active, **dict.fromkeys(edits, active)},
            "effort": {**modern, **effort},
            "image_input": active,
            "pdf_input": active,
            "server_tools": {**active, "code_execution": active, "web_search": active},
            "structured_outputs": active,
            "thinking": {**active, "types": thinking},
        }


MODELS = (
    Model(id="claude-fable-5-2", name="Claude Fable 5.2", line="fable", created="2026-11-09"),
    Model(
        id="claude-haiku-5-5",
        name="Claude Haiku 5.5",
        line="haiku",
        created="2026-10-07",
        max_tokens=64_000,
        disables_thinking=True,
    ),
    Model(id="claude-sonnet-5-5", name="Claude Sonnet 5.5", line="sonnet", created="2026-09-28"),
    Model(id="claude-opus-5-5", name="Claude Opus 5.5", line="opus", created="2026-09-22"),
    Model(
        id="claude-haiku-4-5-20251001",
        name="Claude Haiku 4.5",
        line="haiku",
        created="2025-10-15",
        max_input=200_000,
        max_tokens=64_000,
        cache_minimum=4_096,
        modern=False,
    ),
    Model(
        id="claude-sonnet-4-5-20250929",
        name="Claude Sonnet 4.5",
        line="sonnet",
        created="2025-09-29",
        lifecycle="deprecated",
        deprecated="2026-09-30",
        retires="2026-11-30",
        max_input=200_000,
        max_tokens=64_000,
        cache_minimum=1_024,
        modern=False,
    ),
    Model(
        id="claude-3-5-haiku-20241022",
        name="Claude Haiku 3.5",
        line="haiku",
        created="2024-10-22",
        lifecycle="retired",
        deprecated="2025-12-19",
        retires="2026-02-19",
        max_input=200_000,
        max_tokens=8_192,
        cache_minimum=4_096,
        modern=False,
    ),
)
ALIASES = {
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}


def find_model(name: object) -> Model | None:
    """Find a model by its id or alias."""
    model_id = ALIASES.get(name, name) if isinstance(name, str) else name
    return next((model for model in MODELS if model.id == model_id), None)
