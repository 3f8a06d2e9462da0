"""The inputs about findings: where they go, which are told, and when a run fails for them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from batch_action.config.inputs import (
    Effort,
    Input,
    Inputs,
    Lines,
    Secret,
    SecretAddress,
    SigningKey,
    Words,
    no_pulls_key,
    words,
)
from batch_action.config.rules import Rules
from batch_action.models.findings import Confidence, Severity
from batch_action.models.licenses import spdx_id

Destination = Literal[
    "issue",
    "issue-per-finding",
    "pr-review",
    "draft-pr",
    "sarif",
    "summary",
    "annotations",
    "files",
    "slack",
    "webhook",
]


class Reporting(Inputs):
    """Where findings go and how many of them."""

    report: Annotated[
        Annotated[tuple[Destination, ...], BeforeValidator(words)],
        Input(
            help="Where findings go: `issue`, `issue-per-finding`, `pr-review`, `draft-pr`, "
            "`sarif`, `summary`, `annotations`, `files`, `slack`, `webhook`.",
            action=True,
        ),
    ] = ("issue", "summary")
    min_severity: Annotated[
        Severity,
        Input(
            help="Hold back new findings that are less severe: `critical`, `high`, `medium`, "
            "`low`.",
            action=True,
        ),
    ] = Severity.LOW
    min_confidence: Annotated[
        Confidence,
        Input(
            help="Hold back new findings of which the model is less sure: `high`, `medium`, `low`."
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
            help="Exit with 1 when a file is judged `invalid` tonight; `uncertain`: or uncertain.",
            action=True,
        ),
    ] = None
    max_findings: Annotated[
        int,
        Field(ge=1, le=500),
        Input(help="How many findings the issue's body holds; more go to comments.", action=True),
    ] = 30
    max_issues: Annotated[
        int,
        Field(ge=1, le=100),
        Input(help="How many issues `issue-per-finding` opens in one run; the rest waits."),
    ] = 10
    baseline_file: Annotated[
        str,
        Input(help="Findings in this file of the repository are listed, not told."),
    ] = ".github/batch-action-baseline.json"
    slack_webhook_url: Annotated[
        SecretAddress,
        Input(
            help="Slack incoming webhook for a brief each morning there is news; setting it turns "
            "`slack` on.",
            action=True,
            file=False,
        ),
    ] = None
    webhook_url: Annotated[
        SecretAddress,
        Input(
            help="Address that gets the results as JSON; setting it turns `webhook` on.",
            file=False,
        ),
    ] = None
    webhook_secret: Annotated[
        SigningKey,
        Input(
            help="Signs what `webhook-url` gets, as Standard Webhooks do (`whsec_…`); nothing is "
            "sent unsigned.",
            file=False,
        ),
    ] = None
    labels: Annotated[Words, Input(help="More labels for the issue.", action=True)] = ()
    assignees: Annotated[
        Words, Input(help="Logins a new issue is assigned to; GitHub leaves out who may not be.")
    ] = ()
    trusted_authors: Annotated[
        Words,
        Input(
            help="Logins whose issues with our marker are ours, besides the token's own; on the "
            "command line the workflow's bot is one of them."
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
        Input(
            help="Only these of its files, one path a line: those that passed a check.", file=False
        ),
    ] = ()
    allow_public_security_findings: Annotated[
        bool,
        Input(
            help="Show security findings in issues and summaries of a public repository.",
            action=True,
            file=False,
        ),
    ] = False


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


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if spdx_id(name) is None]
    if unknown:
        raise PydanticCustomError(
            "spdx", "the SPDX list does not have {names}", {"names": ", ".join(map(repr, unknown))}
        )
    return tuple(spdx_id(name) or name for name in names)


LicenseIds = Annotated[Words, AfterValidator(_known)]


class Tasking(Inputs):
    """What single tasks are told."""

    prompt_file: Annotated[
        str | None,
        Input(
            help="A Markdown file of the repository whose text is asked of each file, instead of "
            "`task`.",
            action=True,
        ),
    ] = None
    refactor_description: Annotated[
        str | None,
        Field(max_length=20_000),
        Input(
            help="What a refactoring is meant to do, for `refactor-validation`; without it the "
            "pull request's text or the commit messages tell.",
            action=True,
            file=False,
        ),
    ] = None
    patch_file: Annotated[
        str | None,
        Input(
            help="A patch that is not applied yet: `refactor-validation` looks at what it would "
            "change; the work tree stays as it is. Collect with the same file.",
            action=True,
            file=False,
        ),
    ] = None
    test_framework: Annotated[
        Literal["auto", "pytest", "jest", "vitest", "go"],
        Input(
            help="What tests are written for: `pytest`, `jest`, `vitest` or `go`; `auto` reads it "
            "from `pyproject.toml`, `package.json` and `go.mod`."
        ),
    ] = "auto"
    test_paths: Annotated[
        Lines,
        Input(
            help="Folders of tests, one a line: existing tests are looked for there too, and new "
            "ones go to the first."
        ),
    ] = ()
    license_headers: Annotated[
        Literal["auto", "required", "off"],
        Input(
            help="Whether `license-check` wants a license header in every file; `auto`: where most "
            "files of the same language have one."
        ),
    ] = "auto"
    license_header: Annotated[
        Lines,
        Input(
            help="The lines a license header must have, in order; `{name}` stands for anything, "
            "`{year}` for a year or a range of years."
        ),
    ] = ()
    allowed_licenses: Annotated[
        LicenseIds, Input(help="SPDX identifiers of licenses that code here may be under.")
    ] = ()
    denied_licenses: Annotated[
        LicenseIds, Input(help="SPDX identifiers of licenses that no code here may be under.")
    ] = ()


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
    guidelines: Annotated[
        Words,
        Input(help="Files of the repository whose text is added to the instructions."),
    ] = ("AGENTS.md", "CLAUDE.md", "REVIEW.md")
    prices: Annotated[
        dict[str, Any], Input(help="Prices by model id, laid over the shipped table.")
    ] = {}  # noqa: RUF012 - pydantic copies it
