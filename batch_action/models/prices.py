"""Prices of models, and the cost of a usage."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from batch_action.models.ledger import Usage


class Rates(BaseModel):
    """US dollars per million tokens at the interactive price."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    write_5m: float = Field(ge=0)
    write_1h: float = Field(ge=0)
    read: float = Field(ge=0)

    def usd(self, usage: Usage) -> float:
        """Return the cost of this usage at the interactive price."""
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
    """A model's rates, and its rates for long prompts if they differ."""

    long_context: LongRates | None = None
    cache_minimum: int | None = Field(default=None, gt=0)
    """Shorter prefixes (in tokens) are silently not cached; None when unknown."""

    def rates_for(self, usage: Usage) -> Rates:
        """Return the rates for one request with this usage."""
        long_context = self.long_context
        return long_context if long_context and prompt_tokens(usage) > long_context.tokens else self


class Prices(BaseModel):
    """The price table: `prices.yaml`, overridden by the config file's `prices`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: date
    batch_discount: float = Field(gt=0, le=1)
    models: dict[str, ModelRates]


def prompt_tokens(usage: Usage) -> int:
    """Count all input tokens, including cached ones (which `input_tokens` excludes)."""
    return (
        usage.input_tokens
        + usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens
        + usage.cache_read_tokens
    )
