"""What the next run needs of Anthropic, GitHub and Slack; everything is read, nothing is spent."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from batch_action.batches import submit as batch_submit
from batch_action.clients.github.clients import GitHubClients
from batch_action.clients.github.errors import RefusedError
from batch_action.clients.network import without_user
from batch_action.commands.doctor.check import Check, fail, not_checkable, ok, warn
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import AnthropicError, ConfigError, TransientError
from batch_action.ledger.trust import access_of
from batch_action.publishers import markers

NETWORK_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE")
ISSUE_DESTINATIONS = frozenset({"issue", "issue-per-finding"})
_SLACK_PATH = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+")
_SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")


def check_network(environ: Mapping[str, str]) -> Iterator[Check]:
    """Name the proxies and certificates that all connections use."""
    used = []
    for name in NETWORK_VARIABLES:
        value = environ.get(name.lower()) or environ.get(name)
        if value:
            used.append(f"{name}={without_user(value)}")
    yield ok("network", f"Uses {', '.join(used)}." if used else "No proxy, the usual certificates.")


def check_key(ctx: RunContext, environ: Mapping[str, str]) -> Iterator[Check]:
    """Try the key, or the federation rule, with a request that is free."""
    settings = ctx.settings
    is_federated = settings.anthropic_api_key is None and settings.anthropic_federation_rule_id
    if is_federated and not ctx.runner.actions:
        yield not_checkable("key", "Keyless access can be tried in a workflow's job only.")
        return
    if is_federated and not environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        yield fail(
            "key",
            "The federation ids are set, but this job cannot request an OIDC token from GitHub.",
            "Add `id-token: write` to the job's permissions.",
        )
        return
    try:
        ctx.require_anthropic().model(settings.model)
    except TransientError as error:
        yield not_checkable("key", error.problem, error.fix)
    except (AnthropicError, ConfigError) as error:
        yield fail("key", error.problem, error.fix)
    else:
        what = "federation rule" if is_federated else "key"
        yield ok("key", f"Anthropic accepts the {what}.")


def check_model(ctx: RunContext, has_access: bool) -> Iterator[Check]:
    """Check that the models exist, do what is asked of them, have a price, and stay."""
    if not has_access:
        # The price table knows them, too.
        ctx = replace(ctx, anthropic=None)
    try:
        checks = batch_submit.examine_models(ctx)
    except ConfigError as error:
        yield fail("model", error.problem, error.fix)
        return
    except AnthropicError as error:
        yield not_checkable("model", error.problem, error.fix)
        return
    names = [n for n in (ctx.settings.fallback_model, ctx.settings.model) if n]
    unpriced = [name for name in names if name not in ctx.prices.models]
    if unpriced:
        yield fail(
            "model",
            f"{', '.join(unpriced)} has no known price, so `max-cost-usd` cannot be enforced.",
            "Add its price to `prices` in the config file.",
        )
    warnings = [text for check in checks for text in check.warnings]
    for text in warnings:
        yield warn("model", text)
    if not (unpriced or warnings):
        source = "exists at Anthropic" if has_access else "is in the price table"
        yield ok("model", f"{', '.join(reversed(names))} {source} and has a price.")


def check_token(ctx: RunContext) -> Iterator[Check]:
    """Try what every run reads from GitHub."""
    github = ctx.github
    if github is None:
        yield not_checkable(
            "token",
            "There is no GitHub token, so nothing is read from GitHub, the ledger of the "
            "workflow's runs included.",
            "Set GITHUB_TOKEN and GITHUB_REPOSITORY=owner/name.",
        )
        return
    refused = False
    reads = _reads(ctx, github)
    for scope, read in reads.items():
        try:
            read()
        except RefusedError as error:
            refused = True
            yield fail("token", f"`{scope}: read`: {error.problem}", error.fix)
    if not refused:
        yield ok("token", f"Reads {', '.join(reads)}.")


def _reads(ctx: RunContext, github: GitHubClients) -> Mapping[str, Callable[[], object]]:
    """Map the scopes of `permissions:` to a read that needs them."""
    report, client = set(ctx.settings.report), github.client
    one = {"per_page": 1}
    reads: dict[str, Callable[[], object]] = {
        "contents": lambda: github.actions.branch(ctx.github_context.default_branch or "main"),
        "actions": lambda: github.actions.artifacts(access_of(ctx).names[0]),
    }
    if report & ISSUE_DESTINATIONS:
        reads["issues"] = lambda: client.request("GET", "issues", parameters=one)
    if report & {"pr-review", "draft-pr"}:
        reads["pull-requests"] = lambda: client.request("GET", "pulls", parameters=one)
    return reads


def check_labels(ctx: RunContext) -> Iterator[Check]:
    """Check that the labels of the config exist; their length is part of the configuration."""
    if not set(ctx.settings.report) & ISSUE_DESTINATIONS:
        return
    labels = ctx.settings.labels
    if labels and ctx.github is None:
        yield not_checkable("labels", "Without a GitHub token no label can be looked up.")
        return
    missing = [name for name in labels if ctx.github and not ctx.github.issues.has_label(name)]
    if missing:
        yield warn(
            "labels",
            f"{', '.join(missing)} does not exist: GitHub creates it with the first issue.",
            "Check the spelling.",
        )
    else:
        own = ", ".join(markers.labels_of(ctx.task.name))
        more = f", and uses {', '.join(labels)}" if labels else ""
        yield ok("labels", f"batch-action creates {own}{more}.")


def check_code_scanning(ctx: RunContext) -> Iterator[Check]:
    """Check that code scanning is available for `sarif`."""
    if "sarif" not in ctx.settings.report:
        return
    if ctx.github is None:
        yield not_checkable("sarif", "Without a GitHub token code scanning cannot be asked.")
        return
    try:
        ctx.github.scanning.alerts(ctx.github_context.branch_ref, "open", limit=1)
    except RefusedError as error:
        yield fail("sarif", f"Code scanning is not available: {error.problem}", error.fix)
    else:
        yield ok("sarif", "Code scanning is available.")


def check_messages(settings: Settings) -> Iterator[Check]:
    """Check the addresses of `slack` and `webhook` by their form; nothing is sent."""
    url = settings.slack_webhook_url
    if url is None and "slack" in settings.report:
        yield fail(
            "slack",
            "`report` contains `slack`, but `slack-webhook-url` is not set.",
            "Store the webhook's URL as a secret and pass it with `slack-webhook-url`.",
        )
    elif url is not None:
        parts = urlsplit(url.get_secret_value())
        if parts.hostname in _SLACK_HOSTS and _SLACK_PATH.fullmatch(parts.path):
            yield ok("slack", "The URL has the form of an incoming webhook.")
        elif parts.hostname in _SLACK_HOSTS:
            yield fail(
                "slack",
                "The URL is not that of an incoming webhook: /services/T…/B…/….",
                "Copy the webhook URL of a Slack app; a workflow's trigger takes other messages.",
            )
        else:
            yield warn(
                "slack",
                "The URL is not Slack's: it must accept Slack's messages.",
                "For another service use `webhook-url`.",
            )
    if settings.webhook_url is None and "webhook" in settings.report:
        yield fail(
            "webhook",
            "`report` contains `webhook`, but `webhook-url` is not set.",
            "Set BATCH_ACTION_WEBHOOK_URL in the step's `env:`.",
        )
    elif settings.webhook_url is not None and settings.webhook_secret is None:
        yield fail(
            "webhook",
            "`webhook-url` is set without `webhook-secret`: nothing is sent unsigned.",
            "Set BATCH_ACTION_WEBHOOK_SECRET to `whsec_` and a random base64 key.",
        )
