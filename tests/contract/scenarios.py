"""Scenarios: what our clients send to the services, and how they understand the responses.

A scenario runs the same way while it is recorded and while it is replayed; only what it does inside
the sandbox (ending a batch, injecting a fault) is left out on replay.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.clients.artifacts import ArtifactService
from batch_action.clients.github.actions import Actions
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.github.errors import LostResponseError, RefusedError
from batch_action.clients.github.issues import Issues, LabelsDroppedError
from batch_action.clients.github.pulls import PullRequests
from batch_action.errors import AnthropicError, GitHubError, QuotaError, TransientError
from batch_action.models.files import ChangeType
from batch_action.models.github import ReviewCommentDraft
from batch_action.models.requests import OutcomeKind
from batch_action.publishers.sarif.document import GZIP_WBITS
from batch_action.sandbox.server import Sandbox
from tests.harness.batches import WrittenRequests
from tests.harness.git_repositories import Repo

E = TypeVar("E", bound=Exception)

START = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)
"""When each scenario in the sandbox starts, by every clock."""
MODEL = "claude-haiku-5-5"
WRONG_KEY = "sk-ant-invalid"
MARKER = "<!-- batch-action:v1 task=contract -->"
LABEL = "batch-action-contract"
SCHEMA = {
    "type": "object",
    "properties": {"findings": {"type": "array", "items": {"type": "string"}}},
    "required": ["findings"],
    "additionalProperties": False,
}


@dataclass
class Services:
    """The services a scenario uses. On replay there is no `sandbox`, and no token is real."""

    anthropic_url: str
    github_url: str
    repository: str
    folder: Path
    """For downloads."""
    anthropic_key: str = "replayed"
    github_token: str = "replayed"
    runtime_token: str = ""
    server_url: str = "https://github.com"
    commits: tuple[str, str] = ("", "")
    sandbox: Sandbox | None = None
    wait: Callable[[], None] = lambda: None
    """Called between two polls of a batch that has not ended."""
    pause: float = 0.0
    """Seconds between two writes to GitHub."""
    now: datetime = field(default=START)
    cleanups: list[Callable[[], None]] = field(default_factory=list)

    def in_sandbox(self, act: Callable[[Sandbox], Any]) -> None:
        """Do something in the sandbox that no client does."""
        if self.sandbox:
            act(self.sandbox)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def anthropic(self, key: str | None = None) -> AnthropicClient:
        api = AnthropicClient(
            api_key=key or self.anthropic_key,
            base_url=self.anthropic_url,
            sleep=lambda _seconds: None,
        )
        self.cleanups.append(api.close)
        return api

    def github(self, person: str = "", **permissions: str) -> GitHubClient:
        """A client for the owner, another person, or a workflow with these permissions."""
        token = self.github_token
        if self.sandbox and person:
            token = self.sandbox.github.token_for(person)
        if self.sandbox and permissions:
            run = self.sandbox.github.start_run(
                self.repository, event="schedule", permissions=permissions
            )
            token = run.token
        client = GitHubClient(
            token,
            api_url=self.github_url,
            repository=self.repository,
            write_interval=self.pause,
        )
        self.cleanups.append(client.close)
        return client

    def artifacts(self) -> ArtifactService:
        service = ArtifactService(
            self.github_url, self.runtime_token, self.server_url, now=lambda: self.now
        )
        self.cleanups.append(service.close)
        return service


def small_requests(*names: str) -> WrittenRequests:
    """Small requests with every part that ours have."""
    return WrittenRequests({f"contract-{name}": _params(name) for name in names}, cached=True)


def _params(name: str) -> dict[str, Any]:
    text = f'<file path="{name}.js" language="JavaScript" first-line="1" last-line="1">\n'
    return {
        "model": MODEL,
        "max_tokens": 500,
        "system": [],
        "messages": [{"role": "user", "content": f"{text}1| return eval(x);\n</file>"}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
    }


# Anthropic


def model(services: Services) -> None:
    api = services.anthropic()
    capabilities, clock = api.model(MODEL)
    assert capabilities is not None
    assert (capabilities.id, capabilities.lifecycle) == (MODEL, "active")
    assert (capabilities.batch, capabilities.structured_outputs) == (True, True)
    assert (capabilities.max_tokens or 0) >= 64_000
    assert clock.tzinfo is not None
    assert api.model("claude-that-never-was")[0] is None
    if services.sandbox:
        assert clock == services.now


def count_tokens(services: Services) -> None:
    [(_, tokens)] = services.anthropic().count_tokens(small_requests("counted").reads)
    assert 20 < tokens < 2000


def one_batch(services: Services) -> None:
    """A batch of one request, from its creation to its result."""
    api, batch = services.anthropic(), small_requests("alone")
    state = batch.create(api)
    assert (state.status, state.total, state.results_url) == ("in_progress", 1, None)
    assert timedelta(0) < state.expires_at - state.created_at <= timedelta(hours=24)
    while state.status != "ended":
        services.wait()
        again = api.retrieve(state.id)
        # A batch may be unknown for a moment after it was created.
        state = again or state
        assert state.total == 1
    assert state.ended_at is not None
    assert state.results_url
    outcome = api.outcomes(state, batch.ids)["contract-alone"]
    assert outcome.kind in {OutcomeKind.SUCCEEDED, OutcomeKind.TRUNCATED}
    assert outcome.usage.input_tokens + outcome.usage.cache_write_1h_tokens > 0
    assert outcome.usage.output_tokens > 0
    assert list(api.result_ids(state)) == ["contract-alone"]


def outcomes(services: Services) -> None:
    """Every outcome of a request, in the shuffled lines of one batch."""
    kinds = {
        "fine": OutcomeKind.SUCCEEDED,
        "cut": OutcomeKind.TRUNCATED,
        "refused": OutcomeKind.REFUSED,
        "failed": OutcomeKind.ERRORED,
        "expired": OutcomeKind.EXPIRED,
        "canceled": OutcomeKind.CANCELED,
    }
    faults = ("max_tokens", "refused", "errored:api_error", "expired", "canceled")
    for name, fault in zip(list(kinds)[1:], faults, strict=True):
        services.in_sandbox(lambda box, n=name, t=fault: box.faults.add_outcome(t, f"-{n}$"))
    api, requests = services.anthropic(), small_requests(*kinds)
    batch = api.retrieve(requests.create(api).id)
    assert batch is not None
    results = api.outcomes(batch, requests.ids)
    assert {name: results[f"contract-{name}"].kind for name in kinds} == kinds
    assert results["contract-fine"].text.startswith('{"findings"')
    assert results["contract-cut"].text == ""
    assert results["contract-refused"].detail == "cyber"
    assert results["contract-failed"].detail == "api_error"
    assert results["contract-fine"].usage.output_tokens > 0


def created_between(services: Services) -> None:
    """Batches created in a period, among older and newer ones."""
    api = services.anthropic()
    made = []
    for name in ("before", "first", "second", "after"):
        made.append(small_requests(name).create(api))
        services.advance(60)
    found = api.created_between(made[1].created_at, made[2].created_at)
    assert [state.id for state in found] == [made[2].id, made[1].id]


def created_since(services: Services) -> None:
    """The newest batches, back to a moment: what the watcher polls."""
    api = services.anthropic()
    made = []
    for name in ("before", "first", "second"):
        made.append(small_requests(name).create(api))
        services.advance(60)
    found = api.created_since(made[1].created_at)
    assert [(state.id, state.status) for state in found] == [
        (made[2].id, "ended"),
        (made[1].id, "ended"),
    ]


def cancel(services: Services) -> None:
    api = services.anthropic()
    services.in_sandbox(lambda box: setattr(box.anthropic, "hold", True))
    batch = small_requests("unwanted").create(api).id
    state = api.cancel(batch)
    assert state is not None
    assert (state.status, state.canceled) == ("canceling", True)
    state = api.retrieve(batch)
    assert state is not None
    assert state.status == "ended"
    # A batch that has ended is refused with 400, which is no error.
    assert api.cancel(batch) == state


def delete(services: Services) -> None:
    """A batch that has ended is deleted; again is no error."""
    api = services.anthropic()
    batch = small_requests("read").create(api).id
    state = api.retrieve(batch)
    assert state is not None
    assert state.status == "ended"
    api.delete(batch)
    assert api.retrieve(batch) is None
    api.delete(batch)


def unknown_batch(services: Services) -> None:
    api = services.anthropic()
    assert api.retrieve("msgbatch_unknown") is None
    assert api.cancel("msgbatch_unknown") is None


def wrong_key(services: Services) -> None:
    api = services.anthropic(WRONG_KEY)
    problem = error_of(AnthropicError, lambda: api.model(MODEL))
    assert "401" in problem.problem
    assert "anthropic-api-key" in problem.fix


def rate_limits(services: Services) -> None:
    """A rate limit, a used-up quota and an overload are distinguished; no create is sent twice."""
    api, batch = services.anthropic(), small_requests("eager")
    for status, details, kind in (
        (429, {"retry_after": 30}, TransientError),
        (429, {"error_details": {"error_code": "spend_limit_reached"}}, QuotaError),
        (402, {}, QuotaError),
        (529, {}, TransientError),
    ):
        services.in_sandbox(
            lambda box, s=status, d=details: box.faults.add("status", "anthropic", status=s, **d)
        )
        assert type(error_of(AnthropicError, lambda: batch.create(api))) is kind, status


# GitHub


def repository(services: Services) -> None:
    client = services.github()
    info = client.repository_info()
    assert re.fullmatch(r"\d+", info.id)
    assert info.default_branch


def viewer(services: Services) -> None:
    """A person, a workflow, and a server whose GraphQL API does not respond."""
    assert services.github().viewer() == "octo"
    assert services.github(contents="read").viewer() == "github-actions[bot]"
    services.in_sandbox(lambda box: box.faults.add("status", path="graphql", status=404, times=2))
    assert services.github().viewer() == "octo"
    assert services.github(contents="read").viewer() == "github-actions[bot]"


def issue(services: Services) -> None:
    """An issue: opened with a label, found, changed, commented on, closed."""
    issues = Issues(services.github())
    issues.ensure_label(LABEL, "1d76db", "Opened by batch-action")
    before = issues.find(LABEL, MARKER)
    made = issues.create("Contract", f"{MARKER}\nAll is well.", [LABEL])
    assert (made.state, made.labels) == ("open", (LABEL,))
    assert issues.is_trusted(made.author)
    assert [issue.number for issue in issues.find(LABEL, MARKER)] == [
        *(issue.number for issue in before),
        made.number,
    ]
    issues.update(made.number, title="Contract, renamed", body=f"{MARKER}\nNot so well.")
    comment = issues.comment(made.number, "A comment")
    issues.edit_comment(comment.id, "A better comment")
    assert [(c.body, c.trusted) for c in issues.comments(made.number)] == [
        ("A better comment", True)
    ]
    issues.delete_comment(comment.id)
    assert issues.comments(made.number) == []
    issues.close(made.number)
    closed = issues.get(made.number)
    assert (closed.state, closed.state_reason) == ("closed", "completed")
    assert (closed.title, closed.body) == ("Contract, renamed", f"{MARKER}\nNot so well.")
    issues.reopen(made.number)
    assert issues.get(made.number).state_reason == "reopened"
    issues.close(made.number, "not_planned")
    assert issues.get(made.number).state_reason == "not_planned"


def issue_commands(services: Services) -> None:
    """What people do with an issue: who edited, labeled and closed it; our reaction."""
    issues = Issues(services.github())
    made = issues.create("Contract", f"{MARKER}\nAll is well.", [LABEL])
    assert issues.revisions(made.node_id) == []
    issues.update(made.number, body=f"{MARKER}\nNot so well.")
    assert [revision.text for revision in issues.revisions(made.node_id)] == [
        f"{MARKER}\nNot so well.",
        f"{MARKER}\nAll is well.",
    ]
    comment = issues.comment(made.number, "/batch recheck 01234567")
    for _ in range(2):
        issues.react(comment.id, "eyes")
    assert [comment.reactions for comment in issues.comments(made.number)] == [("eyes",)]
    assert issues.labeled_by(made.number, LABEL) == made.author
    issues.close(made.number, "not_planned")
    closed = issues.get(made.number)
    assert (closed.closed_by, closed.comments) == (made.author, 1)


def label_exists(services: Services) -> None:
    """A label that appears between the check and the create is fine."""
    issues = Issues(services.github())
    issues.ensure_label(LABEL, "1d76db", "Opened by batch-action")
    services.in_sandbox(
        lambda box: box.faults.add("status", path="/labels/", method="GET", status=404)
    )
    Issues(services.github()).ensure_label(LABEL, "1d76db", "Opened by batch-action")


def labels_dropped(services: Services) -> None:
    """GitHub silently drops labels of an account that may not set them, and then refuses them."""
    services.in_sandbox(lambda box: box.github.add_user("guest", **{services.repository: "read"}))
    issues = Issues(services.github("guest"))
    dropped = error_of(LabelsDroppedError, lambda: issues.create("Contract", MARKER, [LABEL]))
    assert dropped.issue.labels == ()
    assert LABEL in dropped.problem


def ledger_artifact(services: Services) -> None:
    """A ledger stored by one run and read by another, through a redirect to another host."""
    data, name = zip_of(b"{}"), "batch-action-state-00000000"
    service = services.artifacts()
    number = service.upload(name, data, 7)
    assert [stored.id for stored in service.list_artifacts(name)] == [number]
    actions = Actions(services.github())
    [found] = actions.artifacts(name)
    assert (found.id, found.size, found.expired) == (number, len(data), False)
    run = actions.run(found.run_id)
    assert (run.id, run.event, run.head_branch) == (found.run_id, "schedule", "main")
    assert run.path == ".github/workflows/nightly.yml"
    assert run.head_repository_id == found.head_repository_id == found.repository_id
    assert actions.download(found, 10_000) == data
    assert actions.delete(found.id) is True
    assert actions.delete(found.id) is False
    assert actions.download(found, 10_000) is None
    assert actions.artifacts(name) == []


def compare(services: Services) -> None:
    base, head = services.commits
    client = services.github()
    changed = {change.path: change for change in client.compare(base, head)}
    assert {path: change.status for path, change in changed.items()} == {
        "added.js": ChangeType.ADDED,
        "changed.js": ChangeType.MODIFIED,
        "gone.js": ChangeType.DELETED,
        "new name.js": ChangeType.RENAMED,
    }
    assert changed["new name.js"].old_path == "old name.js"
    assert client.compare(head, head) == []
    problem = error_of(GitHubError, lambda: client.compare(head, base))
    assert "fetch-depth: 0" in problem.fix


def missing_permission(services: Services) -> None:
    """A workflow without the permission: the message names the line to add."""
    client = services.github(contents="read")
    refused = error_of(RefusedError, lambda: Issues(client).create("No", MARKER, []))
    assert refused.status == 403
    assert "Resource not accessible by integration" in refused.message
    assert "`issues: write`" in refused.fix


def dispatch(services: Services) -> None:
    """Workflows are started by both kinds of dispatch."""
    services.in_sandbox(
        lambda box: setattr(box.github.repository(services.repository), "git_dir", None)
    )
    api = Actions(services.github())
    inputs = {"batch-id": "msgbatch_contract"}
    run = api.start_workflow("nightly.yml", "main", inputs)
    assert run is not None
    assert run.url.endswith(f"/{services.repository}/actions/runs/{run.id}")
    api.send_event("batch-ended", inputs)
    refused = error_of(RefusedError, lambda: api.start_workflow("nightly.yml", "", inputs))
    assert (refused.status, refused.wait) == (422, None)
    reader = Actions(services.github(actions="read"))
    forbidden = error_of(RefusedError, lambda: reader.start_workflow("nightly.yml", "main", inputs))
    assert "`actions: write`" in forbidden.fix


def issues_disabled(services: Services) -> None:
    services.in_sandbox(
        lambda box: setattr(box.github.repository(services.repository), "has_issues", False)
    )
    refused = error_of(RefusedError, lambda: Issues(services.github()).create("No", MARKER, []))
    assert refused.status == 410
    assert "Settings > General > Features" in refused.fix


def code_scanning(services: Services) -> None:
    """Findings are uploaded, processed and read back; an alert is dismissed."""
    services.in_sandbox(
        lambda box: setattr(box.github.repository(services.repository), "code_scanning", True)
    )
    service = CodeScanning(services.github(), sleep=lambda _seconds: None)
    branch, category = "refs/heads/main", "batch-action/contract"
    service.check_upload_permission()
    assert service.latest_analysis(branch, category) is None
    assert service.alerts(branch, "open") == []
    packed = zlib.compress(json.dumps(SARIF).encode(), level=0, wbits=GZIP_WBITS)
    upload = service.upload(packed, commit=services.commits[1], ref=branch)
    assert service.wait_for_processing(upload) == ()
    made = service.analysis_of_upload(upload)
    assert made is not None
    assert (made.commit, made.results, made.error) == (services.commits[1], 1, "")
    assert service.latest_analysis(branch, category) == made
    [run] = service.document(made.id)["runs"]
    assert run["results"][0]["partialFingerprints"]["primaryLocationLineHash"] == "0" * 16
    [alert] = service.alerts(branch, "open")
    assert (alert.rule, alert.path, alert.message) == ("bug/contract/low", "added.js", "A finding.")
    services.in_sandbox(
        lambda box: box.faults.add("status", path="/alerts/", method="PATCH", status=502)
    )
    error_of(LostResponseError, lambda: service.dismiss(alert.number, "Only a test."))
    service.dismiss(alert.number, "Only a test.")
    [dismissed] = service.alerts(branch, "dismissed")
    assert (dismissed.number, dismissed.dismissed_by) == (alert.number, "octo")
    assert dismissed.dismissed_reason == "won't fix: Only a test."


def scanning_disabled(services: Services) -> None:
    """A private repository without the license: the message names the fix."""
    services.in_sandbox(
        lambda box: setattr(box.github.repository(services.repository), "code_scanning", False)
    )
    service = CodeScanning(services.github())
    refused = error_of(RefusedError, service.check_upload_permission)
    assert (refused.status, refused.permanent) == (403, True)
    assert "must be enabled" in refused.message
    assert "Turn the feature on" in refused.fix


def review(services: Services) -> None:
    """A pull request is read and reviewed; its comments are edited, minimized and deleted."""
    services.in_sandbox(lambda box: _open_pull_request(box, services))
    client = services.github(**{"pull-requests": "write", "actions": "read", "contents": "read"})
    pulls = PullRequests(client, lambda login: login == "github-actions[bot]")
    pull = pulls.get(1)
    assert (pull.open, pull.merged, pull.merge_commit) == (True, False, "")
    assert (pull.head, pull.head_ref, pull.base_ref) == (services.commits[1], "main", "before")
    assert pulls.numbers_of_commit(services.commits[1]) == {1}
    assert pulls.numbers_of_commit("0" * 40) == frozenset()
    assert pulls.patches(1)["added.js"] == "@@ -0,0 +1 @@\n+six();"
    body = f"{MARKER}\nOne finding."
    inside = ReviewCommentDraft(path="added.js", start_line=1, end_line=1, body="Here.")
    outside = ReviewCommentDraft(path="added.js", start_line=1, end_line=3, body="Not here.")
    refused = error_of(RefusedError, lambda: pulls.review(1, pull.head, body, [inside, outside]))
    assert (refused.status, refused.permanent) == (422, False)
    refused = error_of(RefusedError, lambda: pulls.comment(1, pull.head, outside))
    assert "must be part of the diff" in refused.message
    pulls.review(1, pull.head, body, [inside])
    pulls.comment(1, pull.head, inside)
    [review, *_] = pulls.reviews(1)
    assert (review.body, review.trusted) == (body, True)
    first, second = (item.comment for item in pulls.comments(1))
    assert (first.body, first.trusted, second.body) == ("Here.", True, "Here.")
    pulls.edit(first.id, "Fixed.")
    pulls.react(first.id, "+1")
    assert pulls.set_minimized(first.node_id, "RESOLVED")
    assert pulls.set_minimized(first.node_id, "")
    assert not pulls.set_minimized("PRRC_0", "OUTDATED")
    pulls.reply(1, first.id, "So it is.")
    pulls.delete(second.id)
    pulls.delete(second.id)
    left, reply = pulls.comments(1)
    assert (reply.comment.body, reply.in_reply_to) == ("So it is.", first.id)
    assert (left.comment.body, left.comment.reactions, left.in_reply_to) == (
        "Fixed.",
        ("+1",),
        None,
    )


def _open_pull_request(box: Sandbox, services: Services) -> None:
    """Open a pull request of everything since the first commit."""
    git_dir = box.github.repository(services.repository).git_dir
    assert git_dir
    Repo(git_dir).git("update-ref", "refs/heads/before", services.commits[0])
    box.github.open_pull_request(services.repository, head="main", base="before")


SARIF = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {"driver": {"name": "batch-action", "rules": [{"id": "bug/contract/low"}]}},
            "automationDetails": {"id": "batch-action/contract/"},
            "results": [
                {
                    "ruleId": "bug/contract/low",
                    "level": "note",
                    "message": {"text": "A finding."},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "added.js"},
                                "region": {"startLine": 1},
                            }
                        }
                    ],
                    "partialFingerprints": {"primaryLocationLineHash": "0" * 16},
                }
            ],
        }
    ],
}
"""The smallest document that code scanning turns into an alert."""


Scenario = Callable[[Services], None]
LIVE: tuple[Scenario, ...] = (
    model, count_tokens, one_batch, unknown_batch, wrong_key, repository, issue, issue_commands,
)  # fmt: skip
"""Scenarios that are also recorded from the real services: cheap, and with few side effects."""
SANDBOX: tuple[Scenario, ...] = (
    *LIVE, outcomes, created_between, cancel, delete, rate_limits, viewer, label_exists,
    labels_dropped, ledger_artifact, compare, missing_permission, issues_disabled, code_scanning,
    scanning_disabled, created_since, dispatch, review,
)  # fmt: skip
SCENARIOS = {scenario.__name__.replace("_", "-"): scenario for scenario in SANDBOX}
"""By the name in their cassettes' file names."""


def zip_of(content: bytes) -> bytes:
    """Return an archive whose bytes do not depend on the time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("ledger.json"), content)
    return buffer.getvalue()


def error_of(kind: type[E], act: Callable[[], object]) -> E:
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")
