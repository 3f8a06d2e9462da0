"""The settings of a run: every input declared once, with its type, default and help."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from batch_action.config.inputs import (
    AWS_REGION_PATTERN,
    AWS_WORKSPACE_PATTERN,
    Destinations,
    Effort,
    Input,
    Labels,
    LicenseIds,
    Limit,
    Lines,
    Patterns,
    Place,
    PromptCache,
    Provider,
    Rules,
    Secret,
    SecretUrl,
    SigningKey,
    Verify,
    Words,
    check_state_key,
    secret_texts,
)
from batch_action.models.fact import MAX_WARM_MINUTES
from batch_action.models.findings import Confidence, Severity

ACTION, ACTION_ONLY, FLAG = Place.ACTION, Place.ACTION_ONLY, Place.FLAG


class Settings(BaseModel):
    """All inputs, validated; a field's name is the input's name with underscores."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        hide_input_in_errors=True,
        defer_build=True,
    )

    # Access to Anthropic and GitHub.

    anthropic_api_key: Annotated[
        Secret, Input("Anthropic API key; not needed with the federation ids.", ACTION_ONLY)
    ] = None
    anthropic_federation_rule_id: Annotated[
        str | None,
        Input(
            "Federation rule (fdrl_…) for keyless access with GitHub's OIDC token; the job needs "
            "`id-token: write`.",
            ACTION_ONLY,
        ),
    ] = None
    anthropic_organization_id: Annotated[
        str | None, Input("Organization id that goes with the federation rule.", ACTION_ONLY)
    ] = None
    anthropic_service_account_id: Annotated[
        str | None,
        Input("Service account (svac_…) of the federation rule, if it needs one.", ACTION_ONLY),
    ] = None
    anthropic_workspace_id: Annotated[
        str | None, Input("Workspace of the federation rule, if there are several.", ACTION_ONLY)
    ] = None
    anthropic_base_url: Annotated[
        str,
        Field(pattern=r"^https?://"),
        Input("Base URL of the Anthropic API.", FLAG, expected="a URL that begins with https://"),
    ] = "https://api.anthropic.com"
    anthropic_provider: Annotated[
        Provider,
        Input(
            "`anthropic`, or `aws` for Claude Platform on AWS with its API key; Amazon Bedrock and "
            "Vertex AI do not have message batches.",
            guarded=True,
        ),
    ] = "anthropic"
    anthropic_aws_region: Annotated[
        str | None,
        Field(pattern=AWS_REGION_PATTERN),
        Input(
            "Region of the workspace with `anthropic-provider: aws`.",
            guarded=True,
            expected="the name of an AWS region, e.g. us-east-1",
        ),
    ] = None
    anthropic_aws_workspace_id: Annotated[
        str | None,
        Field(pattern=AWS_WORKSPACE_PATTERN),
        Input(
            "Id of the workspace with `anthropic-provider: aws`.",
            guarded=True,
            expected="the id of a workspace (wrkspc_…)",
        ),
    ] = None
    github_token: Annotated[Secret, Input("Token for artifacts and issues.", ACTION_ONLY)] = None

    # What to run.

    mode: Annotated[
        Literal["run", "submit", "collect", "plan", "status", "propose", "doctor"],
        Input(
            "What to do: `run` collects what has ended, then submits what is new; `submit`, "
            "`collect`, `plan`, `status` and `propose` do one thing; `doctor` checks what they "
            "need.",
            ACTION_ONLY,
        ),
    ] = "run"
    task: Annotated[
        Annotated[Words, Field(min_length=1)],
        Input(
            "What to ask of each file: a task of docs/TASKS.md or your own; several tasks, "
            "separated by commas or line breaks, run in this order.",
            ACTION,
        ),
    ] = ("code-review",)
    prompt_file: Annotated[
        str | None,
        Input(
            "A Markdown file of the repository whose text is asked of each file, instead of "
            "`task`.",
            ACTION,
        ),
    ] = None
    rules: Annotated[
        Rules,
        Input(
            "For a monorepo: a list of `paths` with the `task`, `model`, `effort`, `labels` and "
            "`assignees` of the files they match; the first rule that matches a file applies."
        ),
    ] = ()
    model: Annotated[str, Input("Anthropic model id.", ACTION)] = "claude-sonnet-5-5"
    effort: Annotated[
        Effort,
        Input(
            "How much the model thinks: low, medium, high, xhigh, max; `none` leaves it to the "
            "model.",
            ACTION,
        ),
    ] = "medium"
    fallback_model: Annotated[
        str | None, Input("The model to ask after the first one refused.")
    ] = None
    guidelines: Annotated[
        Words, Input("Files of the repository whose text is added to the instructions.")
    ] = ("AGENTS.md", "CLAUDE.md", "REVIEW.md")
    config_file: Annotated[
        str, Input("Path of the config file in the repository.", ACTION_ONLY)
    ] = ".github/batch-action.yml"
    dry_run: Annotated[bool, Input("Do everything but send and publish.", ACTION_ONLY)] = False

    # Which files.

    paths: Annotated[
        Patterns, Input("Only these files: gitignore patterns, one per line; `!` excludes.", ACTION)
    ] = ()
    paths_ignore: Annotated[
        Patterns,
        Input(
            "Not these files: gitignore patterns, one per line; `!` re-includes, also what the "
            "default patterns ignore.",
            ACTION,
        ),
    ] = ()
    select: Annotated[
        Literal["changed", "all"], Input("`changed` since the last run, or `all` files.", ACTION)
    ] = "changed"
    base: Annotated[
        str | None, Input("Commit to compare with, instead of the last one reviewed.", ACTION_ONLY)
    ] = None
    head: Annotated[str | None, Input("Commit to review, instead of the run's.", FLAG)] = None
    first_run: Annotated[
        str,
        Input(
            "What the first run reviews: `24h`, `7d`, `last-commit`, `all`, `none`, a ref or a "
            "date.",
            ACTION,
        ),
    ] = "24h"
    max_file_bytes: Annotated[
        int, Field(ge=1, le=30_000_000), Input("Skip larger files as too large.")
    ] = 1_000_000
    context: Annotated[
        Literal["auto", "excerpt", "file"],
        Input(
            "What a task that reviews a change is shown besides the change: the whole `file`; an "
            "`excerpt` of what the change concerns, with the signatures of the rest; `auto`: an "
            "excerpt where it makes a request smaller by a third or more."
        ),
    ] = "auto"
    related_code: Annotated[
        bool, Input("Show reviews lines of other files that call or define what a change touches.")
    ] = True
    recheck: Annotated[bool, Input("Ask again about files with a verdict.", FLAG)] = False

    # Budget.

    max_cost_usd: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False),
        Input(
            "Send no more than can cost this much in the worst case, riskiest files first; the "
            "rest goes to the backlog. The smaller of input and file holds.",
            ACTION,
            guarded=True,
        ),
    ] = 5.0
    monthly_budget_usd: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False),
        Input(
            "A cap for a calendar month (UTC) over all tasks, state keys and pull requests of the "
            "repository, batches in flight included.",
            guarded=True,
        ),
    ] = None
    daily_budget_usd: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False),
        Input("A cap like `monthly-budget-usd` for a day (UTC).", guarded=True),
    ] = None
    on_over_budget: Annotated[
        Literal["fill", "fail"], Input("`fill` up to the cap, or `fail` when not everything fits.")
    ] = "fill"
    prices: Annotated[
        dict[str, Any],
        Input("Prices by model id; they override the built-in table.", guarded=True),
    ] = {}

    # Submit and collect.

    min_requests: Annotated[
        int, Field(ge=1, le=100_000), Input("Fewer open requests than this are a small workload.")
    ] = 10
    small_workload: Annotated[
        Literal["submit", "accumulate", "interactive"],
        Input(
            "What to do with a small workload: `submit` it anyway, `accumulate` until there are "
            "enough requests, or send them one by one at full price (`interactive`)."
        ),
    ] = "submit"
    max_wait_days: Annotated[
        float,
        Field(ge=0, le=60, allow_inf_nan=False),
        Input("The longest that `small-workload: accumulate` lets a file wait."),
    ] = 3.0
    prompt_cache: Annotated[
        PromptCache,
        Input(
            "`warm` sends one request first and the rest after it has ended, so that they read the "
            "shared instructions from the prompt cache; pays off for long guidelines."
        ),
    ] = "off"
    warm_minutes: Annotated[
        float,
        Field(ge=0, le=MAX_WARM_MINUTES, allow_inf_nan=False),
        Input(
            "How long a run with `prompt-cache: warm` waits for its first request; the rest is "
            "then sent without the cache."
        ),
    ] = 10.0
    max_requests_per_batch: Annotated[
        int,
        Field(ge=1, le=100_000),
        Input(
            "Requests of one batch; the API takes 100,000. The answers of each batch are reported "
            "when it has ended."
        ),
    ] = 1_000
    max_attempts: Annotated[
        int, Field(ge=1, le=10), Input("How often to send a request that fails.")
    ] = 3
    delete_batches: Annotated[
        bool, Input("Delete a batch at Anthropic once its answers are saved, not after 29 days.")
    ] = False
    keep_answers: Annotated[
        bool, Input("Write the answers that `collect` fetches to `.batch-action/answers/`, too.")
    ] = False
    wait_minutes: Annotated[
        float, Field(ge=0, le=1440), Input("How long `collect` waits for batches to end.", ACTION)
    ] = 0.0
    batch_id: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_-]{1,128}$"),
        Input("Collect this batch only.", ACTION_ONLY, expected="an id such as `msgbatch_…`"),
    ] = None

    # State: the ledger and where it is trusted.

    state_key: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{0,40}$"),
        AfterValidator(check_state_key),
        Input(
            "Separates several ledgers of one task (a matrix).",
            ACTION,
            expected="at most 40 letters, digits, `_`, `.` or `-`",
        ),
    ] = ""
    state_secret: Annotated[
        Secret, Input("Signs the ledger; unsigned ledgers are then refused.", ACTION_ONLY)
    ] = None
    state_secret_previous: Annotated[
        Secret, Input("Also accepted while `state-secret` is being rotated.", FLAG)
    ] = None
    state_workflows: Annotated[
        Words,
        Input("Trust only ledgers of these workflow files, e.g. `nightly.yml`.", guarded=True),
    ] = ()
    state_branch: Annotated[
        str | None,
        Input("The branch whose ledgers are trusted, instead of the default branch.", guarded=True),
    ] = None
    state_dir: Annotated[
        Path | None, Input("Folder for the ledger where there are no artifacts.", FLAG)
    ] = None
    retention_days: Annotated[
        int, Field(ge=1, le=400), Input("How many days the ledger's artifact is kept.", ACTION)
    ] = 90

    # Options of single tasks.

    refactor_description: Annotated[
        str | None,
        Field(max_length=20_000),
        Input(
            "What a refactoring is meant to do, for `refactor-validation`; the default is the pull "
            "request's text or the commit messages.",
            ACTION_ONLY,
        ),
    ] = None
    patch_file: Annotated[
        str | None,
        Input(
            "A patch that is not applied yet: `refactor-validation` checks what it would change "
            "and leaves the work tree as it is. Collect with the same file.",
            ACTION_ONLY,
        ),
    ] = None
    test_framework: Annotated[
        Literal["auto", "pytest", "jest", "vitest", "mocha", "go"],
        Input(
            "Framework of new tests: `pytest`, `jest`, `vitest`, `mocha` or `go`; `auto` reads it "
            "from `pyproject.toml`, `package.json` and `go.mod`."
        ),
    ] = "auto"
    test_paths: Annotated[
        Patterns,
        Input(
            "Folders of tests, one per line: existing tests are looked for there too, and new ones "
            "go to the first."
        ),
    ] = ()
    documentation_style: Annotated[
        Literal["auto", "complete"],
        Input(
            "`complete`: `documentation` writes every part of each public function, class and type "
            "(`@param`, `@returns`, `@throws`, `@example`; `Args`, `Returns`, `Raises`); `auto`: "
            "what a reader needs."
        ),
    ] = "auto"
    license_headers: Annotated[
        Literal["auto", "required", "off"],
        Input(
            "Whether `license-check` requires a license header in every file; `auto`: where most "
            "files of the same language have one."
        ),
    ] = "auto"
    license_header: Annotated[
        Lines,
        Input(
            "The lines a license header must have, in order; `{name}` matches anything, `{year}` a "
            "year or a range of years."
        ),
    ] = ()
    allowed_licenses: Annotated[
        LicenseIds, Input("SPDX identifiers of licenses that code here may be under.")
    ] = ()
    denied_licenses: Annotated[
        LicenseIds, Input("SPDX identifiers of licenses that no code here may be under.")
    ] = ()

    # Reports.

    pull_requests: Annotated[
        bool,
        Input(
            "`on`: a run on the default branch also sends what open pull requests of this "
            "repository have unanswered, within the same caps; needs `report: pr-review`."
        ),
    ] = False
    report: Annotated[
        Destinations,
        Input(
            "Where findings go: `issue`, `issue-per-finding`, `pr-review`, `draft-pr`, `sarif`, "
            "`summary`, `annotations`, `files`, `slack`, `webhook`.",
            ACTION,
        ),
    ] = ("issue", "summary")
    min_severity: Annotated[
        Severity,
        Input(
            "Suppress new findings that are less severe: `critical`, `high`, `medium`, `low`.",
            ACTION,
        ),
    ] = Severity.LOW
    min_confidence: Annotated[
        Confidence,
        Input("Suppress new findings of which the model is less sure: `high`, `medium`, `low`."),
    ] = Confidence.LOW
    verify: Annotated[
        Verify,
        Input(
            "Try to refute new findings this severe in the next batch: `critical`, `high`, `off`."
        ),
    ] = "off"
    fail_on_severity: Annotated[
        Severity | None,
        Input(
            "Exit with 1 on a new finding of this severity or a worse one: `critical`, `high`, "
            "`medium`, `low`.",
            ACTION,
        ),
    ] = None
    fail_on_verdict: Annotated[
        Literal["invalid", "uncertain"] | None,
        Input("Exit with 1 when a file's verdict is `invalid`; `uncertain`: or uncertain.", ACTION),
    ] = None
    max_findings: Annotated[
        int,
        Field(ge=1, le=500),
        Input("How many findings the issue's body holds; the others go to comments.", ACTION),
    ] = 30
    max_issues: Annotated[
        int,
        Field(ge=1, le=100),
        Input("How many issues `issue-per-finding` opens in one run; the others wait."),
    ] = 10
    first_run_limit: Annotated[
        Limit, Input("Over so many findings the first run reports the worst only; 0: all.")
    ] = 30
    statistics: Annotated[
        bool, Input("In the issue, a line about the last month's findings, and rules to mute.")
    ] = True
    baseline_file: Annotated[
        str, Input("Findings in this file of the repository are listed, not reported.")
    ] = ".github/batch-action-baseline.json"
    slack_webhook_url: Annotated[
        SecretUrl,
        Input(
            "Slack incoming webhook for a brief when there is news; setting it turns `slack` on.",
            ACTION_ONLY,
        ),
    ] = None
    webhook_url: Annotated[
        SecretUrl,
        Input("URL that receives the results as JSON; setting it turns `webhook` on.", FLAG),
    ] = None
    webhook_secret: Annotated[
        SigningKey,
        Input(
            "Signs requests to `webhook-url` as Standard Webhooks do (`whsec_…`); nothing is sent "
            "unsigned.",
            FLAG,
        ),
    ] = None
    labels: Annotated[Labels, Input("More labels for the issue.", ACTION)] = ()
    assignees: Annotated[
        Words, Input("Logins to assign a new issue to; GitHub drops those that lack access.")
    ] = ()
    trusted_authors: Annotated[
        Words,
        Input(
            "Logins whose issues with batch-action's marker are trusted, besides the token's own; "
            "on the command line the workflow's bot is one of them.",
            guarded=True,
        ),
    ] = ()
    propose_from: Annotated[
        str, Input("Folder whose files `mode: propose` puts into a draft pull request.", FLAG)
    ] = ".batch-action/generated"
    propose_only: Annotated[
        Lines, Input("Only these of its files, one path per line, e.g. after a check.", FLAG)
    ] = ()
    allow_public_security_findings: Annotated[
        bool,
        Input(
            "Show security findings in issues and summaries of a public repository.", ACTION_ONLY
        ),
    ] = False

    def secrets(self) -> tuple[str, ...]:
        """Return what logs must mask: every secret, and the long paths of secret URLs."""
        return secret_texts(getattr(self, name) for name in type(self).model_fields)
