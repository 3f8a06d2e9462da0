"""Every input, declared once: its type, its default, and what the door needs to know of it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from batch_action.config.inputs import Effort, Input, Lines, Secret, Words, no_pulls_key
from batch_action.config.reporting import Reporting
from batch_action.config.rules import Rules
from batch_action.config.sending import Sending
from batch_action.config.tasking import Tasking


class Settings(Tasking, Sending, Reporting):
    """All inputs, validated."""

    anthropic_api_key: Annotated[
        Secret,
        Input(
            help="Anthropic API key; not needed with the federation ids.",
            action=True,
            file=False,
            env="ANTHROPIC_API_KEY",
        ),
    ] = None
    anthropic_federation_rule_id: Annotated[
        str | None,
        Input(
            help="Federation rule (fdrl_…) for keyless access by GitHub's OIDC token; the job "
            "needs `id-token: write`.",
            action=True,
            file=False,
            env="ANTHROPIC_FEDERATION_RULE_ID",
        ),
    ] = None
    anthropic_organization_id: Annotated[
        str | None,
        Input(
            help="Organization id that goes with the federation rule.",
            action=True,
            file=False,
            env="ANTHROPIC_ORGANIZATION_ID",
        ),
    ] = None
    anthropic_service_account_id: Annotated[
        str | None,
        Input(
            help="Service account (svac_…) of the federation rule, if it needs one.",
            action=True,
            file=False,
            env="ANTHROPIC_SERVICE_ACCOUNT_ID",
        ),
    ] = None
    anthropic_workspace_id: Annotated[
        str | None,
        Input(
            help="Workspace of the federation rule, if there are several.",
            action=True,
            file=False,
            env="ANTHROPIC_WORKSPACE_ID",
        ),
    ] = None
    anthropic_base_url: Annotated[
        str,
        Field(pattern=r"^https?://"),
        Input(
            help="Where the Anthropic API is.",
            file=False,
            env="ANTHROPIC_BASE_URL",
            form="an address that begins with https://",
        ),
    ] = "https://api.anthropic.com"
    github_token: Annotated[
        Secret,
        Input(help="Token for artifacts and issues.", action=True, file=False, env="GITHUB_TOKEN"),
    ] = None
    mode: Annotated[
        Literal["run", "submit", "collect", "plan", "status", "propose"],
        Input(
            help="What to do: `run` collects what has ended, then submits what is new; "
            "`submit`, `collect`, `plan`, `status` and `propose` do one thing.",
            action=True,
            file=False,
        ),
    ] = "run"
    task: Annotated[
        Annotated[Words, Field(min_length=1)],
        Input(
            help="What is asked of each file: a task of docs/TASKS.md or your own; several, "
            "between commas or one a line, are done in this order.",
            action=True,
        ),
    ] = ("code-review",)
    rules: Annotated[
        Rules,
        Input(
            help="For a monorepo: a list of `paths` with the `task`, `model`, `effort`, `labels` "
            "and `assignees` of the files they match; the first rule that matches a file has it."
        ),
    ] = ()
    model: Annotated[str, Input(help="Anthropic model id.", action=True)] = "claude-sonnet-5-5"
    effort: Annotated[
        Effort,
        Input(
            help="How much the model thinks: low, medium, high, xhigh, max; `none` leaves it to "
            "the model.",
            action=True,
        ),
    ] = "medium"
    paths: Annotated[
        Lines,
        Input(help="Only these files: gitignore patterns, one a line, `!` excludes.", action=True),
    ] = ()
    paths_ignore: Annotated[
        Lines,
        Input(
            help="Not these files: gitignore patterns, one a line; `!` rescues, also from the "
            "default ignores.",
            action=True,
        ),
    ] = ()
    select: Annotated[
        Literal["changed", "all"],
        Input(help="`changed` since the last run, or `all` files.", action=True),
    ] = "changed"
    base: Annotated[
        str | None,
        Input(
            help="Commit to compare with, instead of the one the ledger knows.",
            action=True,
            file=False,
        ),
    ] = None
    head: Annotated[
        str | None, Input(help="Commit to review, instead of the run's.", file=False)
    ] = None
    first_run: Annotated[
        str,
        Input(
            help="What the first run looks at: `24h`, `7d`, `last-commit`, `all`, `none`, a ref or "
            "a date.",
            action=True,
        ),
    ] = "24h"
    max_cost_usd: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False),
        Input(
            help="Send, by risk, only what can cost this much at the very most; the rest is owed "
            "to the next night.",
            action=True,
        ),
    ] = 5.0
    monthly_budget_usd: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False),
        Input(
            help="A cap like `max-cost-usd` for a calendar month (UTC), batches in flight included."
        ),
    ] = None
    on_over_budget: Annotated[
        Literal["fill", "fail"],
        Input(help="`fill` up to the cap, or `fail` when not everything fits."),
    ] = "fill"
    dry_run: Annotated[
        bool, Input(help="Everything but sending and posting.", action=True, file=False)
    ] = False
    config_file: Annotated[
        str,
        Input(help="The config file's path in the repository.", action=True, file=False),
    ] = ".github/batch-action.yml"
    state_key: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{0,40}$"),
        AfterValidator(no_pulls_key),
        Input(
            help="Keeps several ledgers of one task apart (a matrix).",
            action=True,
            form="at most 40 letters, digits, `_`, `.` or `-`",
        ),
    ] = ""
    state_secret: Annotated[
        Secret,
        Input(help="Signs the ledger; unsigned ledgers are then refused.", action=True, file=False),
    ] = None
    state_secret_previous: Annotated[
        Secret, Input(help="Still accepted while `state-secret` is changed.", file=False)
    ] = None
    state_workflows: Annotated[
        Words, Input(help="Only ledgers of these workflow files are trusted, e.g. `nightly.yml`.")
    ] = ()
    state_branch: Annotated[
        str | None,
        Input(help="The branch whose ledgers are trusted, instead of the default branch."),
    ] = None
    state_dir: Annotated[
        Path | None,
        Input(help="Folder for the ledger where there are no artifacts.", file=False),
    ] = None
    retention_days: Annotated[
        int,
        Field(ge=1, le=400),
        Input(help="How long the ledger's artifact lives.", action=True),
    ] = 90
    batch_id: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_-]{1,128}$"),
        Input(
            help="Collect this batch only.",
            action=True,
            file=False,
            form="an id such as `msgbatch_…`",
        ),
    ] = None
    recheck: Annotated[bool, Input(help="Ask again what already has a verdict.", file=False)] = (
        False
    )
    max_attempts: Annotated[
        int, Field(ge=1, le=10), Input(help="How often a question that fails is asked.")
    ] = 3
    fallback_model: Annotated[
        str | None, Input(help="The model that is asked once the first one has refused.")
    ] = None
    max_file_bytes: Annotated[
        int, Field(ge=1, le=30_000_000), Input(help="Larger files are skipped as too large.")
    ] = 1_000_000
    house_rules: Annotated[
        Words,
        Input(help="Files of the repository whose text is added to the instructions."),
    ] = ("AGENTS.md", "CLAUDE.md", "REVIEW.md")
    prices: Annotated[
        dict[str, Any], Input(help="Prices by model id, laid over the shipped table.")
    ] = {}  # noqa: RUF012 - pydantic copies it
