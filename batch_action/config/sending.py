"""The inputs about sending: how batches are cut, what few questions do, and the prompt cache."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from batch_action.config.inputs import Input, Inputs


class Sending(Inputs):
    """When and how what was selected is sent."""

    min_requests: Annotated[
        int,
        Field(ge=1, le=100_000),
        Input(help="Fewer open requests than this are a small workload."),
    ] = 10
    small_workload: Annotated[
        Literal["submit", "accumulate", "interactive"],
        Input(
            help="What becomes of a small workload: `submit` it all the same, `accumulate` it "
            "until there are enough, or ask at once and at full price (`interactive`)."
        ),
    ] = "submit"
    max_wait_days: Annotated[
        float,
        Field(ge=0, le=60, allow_inf_nan=False),
        Input(help="How long `small-workload: accumulate` lets a file wait at most."),
    ] = 3.0
    prompt_cache: Annotated[
        # YAML reads a bare `off` as false.
        Annotated[Literal["off", "warm"], BeforeValidator(lambda v: "off" if v is False else v)],
        Input(
            help="`warm` sends one request first and the rest when it has ended, which then reads "
            "the shared instructions from the prompt cache; pays off for large house rules.",
        ),
    ] = "off"
    max_requests_per_batch: Annotated[
        int, Field(ge=1, le=100_000), Input(help="Cut batches smaller than the API's limit.")
    ] = 100_000
    wait_minutes: Annotated[
        float,
        Field(ge=0, le=1440),
        Input(help="Let `collect` wait this long for batches to end.", action=True),
    ] = 0.0
