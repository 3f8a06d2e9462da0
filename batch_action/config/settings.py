"""The settings of a run: every input declared once, with its type, default and help."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from batch_action.config.inputs import (
    Destination,
    Effort,
    Input,
    LicenseIds,
    Lines,
    Secret,
    SecretUrl,
    SigningKey,
    Words,
    check_state_key,
    split_words,
)
from batch_action.config.rules import Rules
from batch_action.models.findings import Confidence, Severity

MIN_SECRET_PATH_CHARS = 16
"""A shorter path of a secret URL hides nothing and is a word that logs need."""


class Settings(BaseModel):
    """All inputs, validated; a field's name is the input's name with underscores."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        hide_input_in_errors=True,
    )

    # Access to Anthropic and GitHub.

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
            help="Federation rule (fdrl_…) for keyless access with GitHub's OIDC token; the job "
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
            help="Base URL of the Anthropic API.",
            file=False,
            env="ANTHROPIC_BASE_URL",
            expected="a URL that begins with https://",
        ),
    ] = "https://api.anthropic.com"
    github_token: Annotated[
        Secret,
        Input(help="Token for artifacts and issues.", action=True, file=False, env="GITHUB_TOKEN"),
    ] = None

    # What to run.

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
            help="What to ask of each file: a task of docs/TASKS.md or your own; several tasks, "
            "separated by commas or line breaks, run in this order.",
            action=True,
        ),
    ] = ("code-review",)
    prompt_file: Annotated[
        str | None,
        Input(
            help="A Markdown file of the repository whose text is asked of each file, instead of "
            "`task`.",
            action=True,
        ),
    ] = None
    rules: Annotated[
        Rules,
        Input(
            help="For a monorepo: a list of `paths` with the `task`, `model`, `effort`, `labels` "
            "and `assignees` of the files they match; the first rule that matches a file applies."
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
    fallback_model: Annotated[
        str | None, Input(help="The model to ask after the first one refused.")
    ] = None
    guidelines: Annotated[
        Words,
        Input(help="Files of the repository whose text is added to the instructions."),
    ] = ("AGENTS.md", "CLAUDE.md", "REVIEW.md")
    config_file: Annotated[
        str,
        Input(help="Path of the config file in the repository.", action=True, file=False),
    ] = ".github/batch-action.yml"
    dry_run: Annotated[
        bool, Input(help="Do everything but send and publish.", action=True, file=False)
    ] = False

    # Which files.

    paths: Annotated[
        Lines,
        Input(
            help="Only these files: gitignore patterns, one per line; `!` excludes.", action=True
        ),
    ] = ()
    paths_ignore: Annotated[
        Lines,
        Input(
            help="Not these files: gitignore patterns, one per line; `!` re-includes, also what "
            "the default patterns ignore.",
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
            help="Commit to compare with, instead of the last one reviewed.",
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
            help="What the first run reviews: `24h`, `7d`, `last-commit`, `all`, `none`, a ref or "
            "a date.",
            action=True,
        ),
    ] = "24h"
    max_file_bytes: Annotated[
        int, Field(ge=1, le=30_000_000), Input(help="Skip larger files as too large.")
    ] = 1_000_000
    recheck: Annotated[
        bool, Input(help="Ask again about files that already have a verdict.", file=False)
    ] = False

    # Budget.

    max_cost_usd: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False),
        Input(
            help="Send no more than can cost this much in the worst case, riskiest files first; "
            "the rest goes to the backlog.",
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
    prices: Annotated[
        dict[str, Any], Input(help="Prices by model id; they override the built-in table.")
    ] = {}

    # Submit and collect.

    min_requests: Annotated[
        int,
        Field(ge=1, le=100_000),
        Input(help="Fewer open requests than this are a small workload."),
    ] = 10
    small_workload: Annotated[
        Literal["submit", "accumulate", "interactive"],
        Input(
            help="What to do with a small workload: `submit` it anyway, `accumulate` until there "
            "are enough requests, or send them one by one at full price (`interactive`)."
        ),
    ] = "submit"
    max_wait_days: Annotated[
        float,
        Field(ge=0, le=60, allow_inf_nan=False),
        Input(help="The longest that `small-workload: accumulate` lets a file wait."),
    ] = 3.0
    prompt_cache: Annotated[
        # YAML reads a bare `off` as false.
        Annotated[Literal["off", "warm"], BeforeValidator(lambda v: "off" if v is False else v)],
        Input(
            help="`warm` sends one request first and the rest after it has ended, so that they "
            "read the shared instructions from the prompt cache; pays off for long guidelines.",
        ),
    ] = "off"
    max_requests_per_batch: Annotated[
        int, Field(ge=1, le=100_000), Input(help="Cut batches smaller than the API's limit.")
    ] = 100_000
    max_attempts: Annotated[
        int, Field(ge=1, le=10), Input(help="How often to send a request that fails.")
    ] = 3
    wait_minutes: Annotated[
        float,
        Field(ge=0, le=1440),
        Input(help="How long `collect` waits for batches to end.", action=True),
    ] = 0.0
    batch_id: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_-]{1,128}$"),
        Input(
            help="Collect this batch only.",
            action=True,
            file=False,
            expected="an id such as `msgbatch_…`",
        ),
    ] = None

    # State: the ledger and where it is trusted.

    state_key: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{0,40}$"),
        AfterValidator(check_state_key),
        Input(
            help="Separates several ledgers of one task (a matrix).",
            action=True,
            expected="at most 40 letters, digits, `_`, `.` or `-`",
        ),
    ] = ""
    state_secret: Annotated[
        Secret,
        Input(help="Signs the ledger; unsigned ledgers are then refused.", action=True, file=False),
    ] = None
    state_secret_previous: Annotated[
        Secret, Input(help="Also accepted while `state-secret` is being rotated.", file=False)
    ] = None
    state_workflows: Annotated[
        Words, Input(help="Trust only ledgers of these workflow files, e.g. `nightly.yml`.")
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
        Input(help="How many days the ledger's artifact is kept.", action=True),
    ] = 90

    # Options of single tasks.

    refactor_description: Annotated[
        str | None,
        Field(max_length=20_000),
        Input(
            help="What a refactoring is meant to do, for `refactor-validation`; the default is the "
            "pull request's text or the commit messages.",
            action=True,
            file=False,
        ),
    ] = None
    patch_file: Annotated[
        str | None,
        Input(
            help="A patch that is not applied yet: `refactor-validation` checks what it would "
            "change and leaves the work tree as it is. Collect with the same file.",
            action=True,
            file=False,
        ),
    ] = None
    test_framework: Annotated[
        Literal["auto", "pytest", "jest", "vitest", "go"],
        Input(
            help="Framework of new tests: `pytest`, `jest`, `vitest` or `go`; `auto` reads it "
            "from `pyproject.toml`, `package.json` and `go.mod`."
        ),
    ] = "auto"
    test_paths: Annotated[
        Lines,
        Input(
            help="Folders of tests, one per line: existing tests are looked for there too, and new "
            "ones go to the first."
        ),
    ] = ()
    license_headers: Annotated[
        Literal["auto", "required", "off"],
        Input(
            help="Whether `license-check` requires a license header in every file; `auto`: where "
            "most files of the same language have one."
        ),
    ] = "auto"
    license_header: Annotated[
        Lines,
        Input(
            help="The lines a license header must have, in order; `{name}` matches anything, "
            "`{year}` a year or a range of years."
        ),
    ] = ()
    allowed_licenses: Annotated[
        LicenseIds, Input(help="SPDX identifiers of licenses that code here may be under.")
    ] = ()
    denied_licenses: Annotated[
        LicenseIds, Input(help="SPDX identifiers of licenses that no code here may be under.")
    ] = ()

    # Reports.

    report: Annotated[
        Annotated[tuple[Destination, ...], BeforeValidator(split_words)],
        Input(
            help="Where findings go: `issue`, `issue-per-finding`, `pr-review`, `draft-pr`, "
            "`sarif`, `summary`, `annotations`, `files`, `slack`, `webhook`.",
            action=True,
        ),
    ] = ("issue", "summary")
    min_severity: Annotated[
        Severity,
        Input(
            help="Suppress new findings that are less severe: `critical`, `high`, `medium`, `low`.",
            action=True,
        ),
    ] = Severity.LOW
    min_confidence: Annotated[
        Confidence,
        Input(
            help="Suppress new findings of which the model is less sure: `high`, `medium`, `low`."
        ),
    ] = Confidence.LOW
    fail_on_severity: Annotated[
        Severity | None,
        Input(
            help="Exit with 1 on a new finding of this severity or a worse one: `critical`, "
            "`high`, `medium`, `low`.",
            action=True,
        ),
    ] = None
    fail_on_verdict: Annotated[
        Literal["invalid", "uncertain"] | None,
        Input(
            help="Exit with 1 when a file's verdict is `invalid`; `uncertain`: or uncertain.",
            action=True,
        ),
    ] = None
    max_findings: Annotated[
        int,
        Field(ge=1, le=500),
        Input(
            help="How many findings the issue's body holds; the others go to comments.", action=True
        ),
    ] = 30
    max_issues: Annotated[
        int,
        Field(ge=1, le=100),
        Input(help="How many issues `issue-per-finding` opens in one run; the others wait."),
    ] = 10
    baseline_file: Annotated[
        str,
        Input(help="Findings in this file of the repository are listed, not reported."),
    ] = ".github/batch-action-baseline.json"
    slack_webhook_url: Annotated[
        SecretUrl,
        Input(
            help="Slack incoming webhook for a brief when there is news; setting it turns "
            "`slack` on.",
            action=True,
            file=False,
        ),
    ] = None
    webhook_url: Annotated[
        SecretUrl,
        Input(
            help="URL that receives the results as JSON; setting it turns `webhook` on.",
            file=False,
        ),
    ] = None
    webhook_secret: Annotated[
        SigningKey,
        Input(
            help="Signs requests to `webhook-url` as Standard Webhooks do (`whsec_…`); nothing is "
            "sent unsigned.",
            file=False,
        ),
    ] = None
    labels: Annotated[Words, Input(help="More labels for the issue.", action=True)] = ()
    assignees: Annotated[
        Words,
        Input(help="Logins to assign a new issue to; GitHub drops those that lack access."),
    ] = ()
    trusted_authors: Annotated[
        Words,
        Input(
            help="Logins whose issues with batch-action's marker are trusted, besides the token's "
            "own; on the command line the workflow's bot is one of them."
        ),
    ] = ()
    propose_from: Annotated[
        str,
        Input(
            help="Folder of generated files that `mode: propose` opens a draft pull request for.",
            file=False,
        ),
    ] = ".batch-action/generated"
    propose_only: Annotated[
        Lines,
        Input(help="Only these of its files, one path per line, e.g. after a check.", file=False),
    ] = ()
    allow_public_security_findings: Annotated[
        bool,
        Input(
            help="Show security findings in issues and summaries of a public repository.",
            action=True,
            file=False,
        ),
    ] = False

    def secrets(self) -> tuple[str, ...]:
        """Return what logs must mask: every secret, and the long paths of secret URLs."""
        values = [getattr(self, name) for name in type(self).model_fields]
        secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        paths = [
            urlsplit(text).path for text in secrets if text.startswith(("http://", "https://"))
        ]
        return (*secrets, *(path for path in paths if len(path) >= MIN_SECRET_PATH_CHARS))
