"""The inputs about findings: where they go, which are told, and when a run fails for them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from batch_action.config.inputs import Input, Inputs, Lines, SecretAddress, SigningKey, Words, words
from batch_action.models.findings import Confidence, Severity

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
