"""Prices of models, and what a usage costs by them."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from batch_action.models.ledger import Usage


class Rates(BaseModel):
    """US dollars per million tokens, interactive."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    write_5m: float = Field(ge=0)
    write_1h: float = Field(ge=0)
    read: float = Field(ge=0)

    def usd(self, usage: Usage) -> float:
        """What this usage costs interactively."""
        return (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_write_5m_tokens * self.write_5m
            + usage.cache_write_1h_tokens * self.write_1h
            + usage.cache_read_tokens * self.read
        ) / 1e6


class LongRates(Rates):
    """The rates of a request whose prompt is longer than `tokens`."""

    tokens: int = Field(gt=0)


class ModelRates(Rates):
    """A model's rates, and its other rates for long prompts if it has any."""

    over: LongRates | None = None
    cache_minimum: int | None = Field(default=None, gt=0)
    """Tokens below which a prefix is silently not cached; None where it is not known."""

    def of(self, usage: Usage) -> Rates:
        """The rates that apply to one request of this usage."""
        return self.over if self.over and prompt_tokens(usage) > self.over.tokens else self


class Prices(BaseModel):
    """The price table: `prices.yaml`, with the config file's `prices` laid over it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: date
    batch_discount: float = Field(gt=0, le=1)
    models: dict[str, ModelRates]


def prompt_tokens(usage: Usage) -> int:
    """All input tokens of a request, cached ones included (`input_tokens` excludes them)."""
    return (
        usage.input_tokens
        + usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens
        + usage.cache_read_tokens
    )
