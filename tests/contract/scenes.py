"""What our edges say to the services, scene by scene, and what they must make of the answers.

A scene runs the same way while it is recorded and while it is replayed; only what it does behind
the scenes (ending a batch, a fault) is left out on replay.
"""

import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from batch_action.clients.anthropic.client import AnthropicApi
from batch_action.clients.artifacts import ArtifactService
from batch_action.clients.github.actions import Actions, Dispatches
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.clients.github.issues import Issues, LabelsDroppedError
from batch_action.clients.github.pulls import PullRequests
from batch_action.errors import AnthropicError, GitHubError, QuotaError, TransientError
from batch_action.models.files import ChangeType
from batch_action.models.github import ReviewCommentDraft
from batch_action.models.ledger import RequestKey
from batch_action.models.requests import OutcomeKind, Request
from batch_action.requests import packing
from batch_action.sandbox.server import Sandbox
from tests.harness.git_repositories import Repo

E = TypeVar("E", bound=Exception)

START = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)
"""When every scene of the sandbox begins, by everybody's clock."""
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
class Stage:
    """Where a scene plays. On replay there is no `sandbox`, and no token is a real one."""

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
    """Called between two looks at a batch that has not ended."""
    pause: float = 0.0
    """Seconds between two writes to GitHub."""
    moment: datetime = field(default=START)
    closing: list[Callable[[], None]] = field(default_factory=list)

    def behind(self, act: Callable[[Sandbox], Any]) -> None:
        """Do something in the sandbox that no edge does."""
        if self.sandbox:
            act(self.sandbox)

    def later(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def anthropic(self, key: str | None = None) -> AnthropicApi:
        api = AnthropicApi(
            api_key=key or self.anthropic_key,
            base_url=self.anthropic_url,
            sleep=lambda _seconds: None,
        )
        self.closing.append(api.close)
        return api

    def github(self, person: str = "", **permissions: str) -> GitHubClient:
        """As the owner, as another person, or as a workflow that was given these permissions."""
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
        self.closing.append(client.close)
        return client

    def artifacts(self) -> ArtifactService:
        service = ArtifactService(
            self.github_url, self.runtime_token, self.server_url, now=lambda: self.moment
        )
        self.closing.append(service.close)
        return service


def request_key(name: str, max_tokens: int = 500) -> Request:
    """One small request with every part that ours have."""
    text = f'<file path="{name}.js" language="JavaScript" first-line="1" last-line="1">\n'
    params: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": max_tokens,
        "system": [
            {
                "type": "text",
                "text": "List the bugs.",
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            }
        ],
        "messages": [{"role": "user", "content": f"{text}1| return eval(x);\n</file>"}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
    }
    return Request(
        request_key=RequestKey(id=f"contract-{name}", path=f"{name}.js", blob="a" * 40),
        params=params,
        size=packing.size_of(f"contract-{name}", params),
        input_tokens=1,
        max_tokens=max_tokens,
        risk=0.0,
    )


# Anthropic


def models(stage: Stage) -> None:
    api = stage.anthropic()
    facts, clock = api.model(MODEL)
    assert facts is not None
    assert (facts.id, facts.lifecycle) == (MODEL, "active")
    assert (facts.batch, facts.structured_outputs) == (True, True)
    assert (facts.max_tokens or 0) >= 64_000
    assert clock.tzinfo is not None
    assert api.model("claude-that-never-was")[0] is None
    if stage.sandbox:
        assert clock == stage.moment


def counting(stage: Stage) -> None:
    assert 20 < stage.anthropic().count_tokens(request_key("counted").params) < 2000


def one_batch(stage: Stage) -> None:
    """A batch of one request from its creation to its answer."""
    api, asked = stage.anthropic(), request_key("alone")
    state = api.create([asked])
    assert (state.status, state.total, state.results_url) == ("in_progress", 1, None)
    assert timedelta(0) < state.expires_at - state.created_at <= timedelta(hours=24)
    while state.status != "ended":
        stage.wait()
        again = api.retrieve(state.id)
        # A batch may be unknown for a moment after it was created.
        state = again or state
        assert state.total == 1
    assert state.ended_at is not None
    assert state.results_url
    got = api.outcomes(state.id, frozenset({asked.request_key.id}), stage.folder)
    outcome = got[asked.request_key.id]
    assert outcome.kind in {OutcomeKind.SUCCEEDED, OutcomeKind.TRUNCATED}
    assert outcome.usage.input_tokens + outcome.usage.cache_write_1h_tokens > 0
    assert outcome.usage.output_tokens > 0
    assert api.first_id(state.id) == asked.request_key.id
    assert api.ids(state.id, stage.folder) == [asked.request_key.id]


def endings(stage: Stage) -> None:
    """Every way a request can end, in the shuffled lines of one batch."""
    kinds = {
        "fine": OutcomeKind.SUCCEEDED,
        "cut": OutcomeKind.TRUNCATED,
        "refused": OutcomeKind.REFUSED,
        "failed": OutcomeKind.ERRORED,
        "expired": OutcomeKind.EXPIRED,
        "canceled": OutcomeKind.CANCELED,
    }
    twists = ("max_tokens", "refused", "errored:api_error", "expired", "canceled")
    for name, twist in zip(list(kinds)[1:], twists, strict=True):
        stage.behind(lambda box, n=name, t=twist: box.faults.outcome(t, f"-{n}$"))
    api, asked = stage.anthropic(), [request_key(name) for name in kinds]
    batch = api.create(asked).id
    got = api.outcomes(batch, frozenset(r.request_key.id for r in asked), stage.folder)
    assert {name: got[f"contract-{name}"].kind for name in kinds} == kinds
    assert got["contract-fine"].text.startswith('{"findings"')
    assert got["contract-cut"].text == ""
    assert got["contract-refused"].detail == "cyber"
    assert got["contract-failed"].detail == "api_error"
    assert got["contract-fine"].usage.output_tokens > 0


def window(stage: Stage) -> None:
    """Batches created in a period, among older and younger ones."""
    api = stage.anthropic()
    made = []
    for name in ("before", "first", "second", "after"):
        made.append(api.create([request_key(name)]))
        stage.later(60)
    found = api.created_between(made[1].created_at, made[2].created_at)
    assert [state.id for state in found] == [made[2].id, made[1].id]


def since(stage: Stage) -> None:
    """The newest batches, back to a moment: what the watcher asks again and again."""
    api = stage.anthropic()
    made = []
    for name in ("before", "first", "second"):
        made.append(api.create([request_key(name)]))
        stage.later(60)
    found = api.created_since(made[1].created_at)
    assert [(state.id, state.status) for state in found] == [
        (made[2].id, "ended"),
        (made[1].id, "ended"),
    ]


def canceling(stage: Stage) -> None:
    api = stage.anthropic()
    stage.behind(lambda box: setattr(box.claude, "hold", True))
    batch = api.create([request_key("unwanted")]).id
    state = api.cancel(batch)
    assert state is not None
    assert (state.status, state.canceled) == ("canceling", True)
    state = api.retrieve(batch)
    assert state is not None
    assert state.status == "ended"
    # Too late is refused with 400, and that is no error.
    assert api.cancel(batch) == state


def unknown_batch(stage: Stage) -> None:
    api = stage.anthropic()
    assert api.retrieve("msgbatch_unknown") is None
    assert api.cancel("msgbatch_unknown") is None
    problem = _problem(AnthropicError, lambda: api.first_id("msgbatch_unknown"))
    assert "404" in problem.problem


def wrong_key(stage: Stage) -> None:
    api = stage.anthropic(WRONG_KEY)
    problem = _problem(AnthropicError, lambda: api.model(MODEL))
    assert "401" in problem.problem
    assert "anthropic-api-key" in problem.fix


def limited(stage: Stage) -> None:
    """A rate limit, a spent quota and an overload are told apart; no create is sent twice."""
    api, asked = stage.anthropic(), [request_key("eager")]
    for status, details, kind in (
        (429, {"retry_after": 30}, TransientError),
        (429, {"error_details": {"error_code": "spend_limit_reached"}}, QuotaError),
        (402, {}, QuotaError),
        (529, {}, TransientError),
    ):
        stage.behind(
            lambda box, s=status, d=details: box.faults.add("status", "claude", status=s, **d)
        )
        assert type(_problem(AnthropicError, lambda: api.create(asked))) is kind, status


# GitHub


def repository(stage: Stage) -> None:
    client = stage.github()
    facts = client.repository_facts()
    assert re.fullmatch(r"\d+", facts.id)
    assert facts.default_branch
    assert facts.has_issues


def viewers(stage: Stage) -> None:
    """A person, a workflow, and servers whose GraphQL does not answer the question."""
    assert stage.github().viewer() == "octo"
    assert stage.github(contents="read").viewer() == "github-actions[bot]"
    stage.behind(lambda box: box.faults.add("status", path="graphql", status=404, times=2))
    assert stage.github().viewer() == "octo"
    assert stage.github(contents="read").viewer() == "github-actions[bot]"


def issue(stage: Stage) -> None:
    """An issue's whole life: opened under a label, found, changed, discussed, closed."""
    issues = Issues(stage.github())
    issues.ensure_label(LABEL, "1d76db", "Opened by batch-action")
    before = issues.find(LABEL, MARKER)
    made = issues.create("Contract", f"{MARKER}\nAll is well.", [LABEL])
    assert (made.state, made.labels) == ("open", (LABEL,))
    assert issues.trusts(made.author)
    assert [one.number for one in issues.find(LABEL, MARKER)] == [
        *(one.number for one in before),
        made.number,
    ]
    issues.update(made.number, title="Contract, renamed", body=f"{MARKER}\nNot so well.")
    said = issues.comment(made.number, "A remark")
    issues.edit_comment(said.id, "A better remark")
    assert [(c.body, c.trusted) for c in issues.comments(made.number)] == [
        ("A better remark", True)
    ]
    issues.delete_comment(said.id)
    assert issues.comments(made.number) == []
    issues.close(made.number)
    closed = issues.get(made.number)
    assert (closed.state, closed.state_reason) == ("closed", "completed")
    assert (closed.title, closed.body) == ("Contract, renamed", f"{MARKER}\nNot so well.")
    issues.reopen(made.number)
    assert issues.get(made.number).state_reason == "reopened"
    issues.close(made.number, "not_planned")
    assert issues.get(made.number).state_reason == "not_planned"


def asking(stage: Stage) -> None:
    """What people do with an issue: who edited, who labelled, who closed; our reaction."""
    issues = Issues(stage.github())
    made = issues.create("Contract", f"{MARKER}\nAll is well.", [LABEL])
    assert issues.revisions(made.node_id) == []
    issues.update(made.number, body=f"{MARKER}\nNot so well.")
    assert [one.text for one in issues.revisions(made.node_id)] == [
        f"{MARKER}\nNot so well.",
        f"{MARKER}\nAll is well.",
    ]
    said = issues.comment(made.number, "/batch recheck 01234567")
    for _ in range(2):
        issues.react(said.id, "eyes")
    assert [one.reactions for one in issues.comments(made.number)] == [("eyes",)]
    assert issues.labelled_by(made.number, LABEL) == made.author
    issues.close(made.number, "not_planned")
    closed = issues.get(made.number)
    assert (closed.closed_by, closed.comments) == (made.author, 1)


def label_exists(stage: Stage) -> None:
    """A label that appears between our question and our wish is as good as ours."""
    issues = Issues(stage.github())
    issues.ensure_label(LABEL, "1d76db", "Opened by batch-action")
    stage.behind(lambda box: box.faults.add("status", path="/labels/", method="GET", status=404))
    Issues(stage.github()).ensure_label(LABEL, "1d76db", "Opened by batch-action")


def labels_dropped(stage: Stage) -> None:
    """GitHub silently drops the labels of who may not set them; once more they are refused."""
    stage.behind(lambda box: box.github.add_user("guest", **{stage.repository: "read"}))
    issues = Issues(stage.github("guest"))
    dropped = _problem(LabelsDroppedError, lambda: issues.create("Contract", MARKER, [LABEL]))
    assert dropped.issue.labels == ()
    assert LABEL in dropped.problem


def ledger(stage: Stage) -> None:
    """A ledger stored by one run and read by another, over the redirect to another host."""
    data, name = zipped(b"{}"), "batch-action-state-00000000"
    number = stage.artifacts().upload(name, data, 7)
    actions = Actions(stage.github())
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


def compare(stage: Stage) -> None:
    base, head = stage.commits
    client = stage.github()
    changed = {change.path: change for change in client.compare(base, head)}
    assert {path: change.status for path, change in changed.items()} == {
        "added.js": ChangeType.ADDED,
        "changed.js": ChangeType.MODIFIED,
        "gone.js": ChangeType.DELETED,
        "new name.js": ChangeType.RENAMED,
    }
    assert changed["new name.js"].old_path == "old name.js"
    assert client.compare(head, head) == []
    problem = _problem(GitHubError, lambda: client.compare(head, base))
    assert "fetch-depth: 0" in problem.fix


def forbidden(stage: Stage) -> None:
    """A workflow without the permission: the sentence names the line to add."""
    client = stage.github(contents="read")
    refused = _problem(RefusedError, lambda: Issues(client).create("No", MARKER, []))
    assert refused.status == 403
    assert "Resource not accessible by integration" in refused.said
    assert "`issues: write`" in refused.fix


def dispatching(stage: Stage) -> None:
    """Workflows are started in both ways, and their runs found again."""
    stage.behind(lambda box: setattr(box.github.repository(stage.repository), "git_dir", None))
    api = Dispatches(stage.github())
    inputs = {"batch-id": "msgbatch_contract"}
    run = api.workflow("nightly.yml", "main", inputs)
    assert run is not None
    assert run.url.endswith(f"/{stage.repository}/actions/runs/{run.id}")
    api.repository("batch-ended", inputs)
    [found] = api.runs("workflow_dispatch", START, "nightly.yml")
    assert (found.id, found.url) == (run.id, run.url)
    assert api.runs("repository_dispatch", START) == []
    refused = _problem(RefusedError, lambda: api.workflow("nightly.yml", "", inputs))
    assert (refused.status, refused.wait) == (422, None)
    reader = Dispatches(stage.github(actions="read"))
    forbidden = _problem(RefusedError, lambda: reader.workflow("nightly.yml", "main", inputs))
    assert "`actions: write`" in forbidden.fix


def no_issues(stage: Stage) -> None:
    stage.behind(lambda box: setattr(box.github.repository(stage.repository), "has_issues", False))
    refused = _problem(RefusedError, lambda: Issues(stage.github()).create("No", MARKER, []))
    assert refused.status == 410
    assert "Settings > General > Features" in refused.fix


def scanning(stage: Stage) -> None:
    """Findings go up, are waited for and read back; an alert is dismissed."""
    stage.behind(
        lambda box: setattr(box.github.repository(stage.repository), "code_scanning", True)
    )
    service = CodeScanning(stage.github(), sleep=lambda _seconds: None)
    branch, category = "refs/heads/main", "batch-action/contract"
    service.may_upload()
    assert service.latest(branch, category) is None
    assert service.alerts(branch, "open") == []
    packed = gzip.compress(json.dumps(FINDINGS).encode(), compresslevel=0, mtime=0)
    upload = service.upload(packed, commit=stage.commits[1], ref=branch)
    assert service.problems(upload) == ()
    made = service.of_upload(upload)
    assert made is not None
    assert (made.commit, made.results, made.error) == (stage.commits[1], 1, "")
    assert service.latest(branch, category) == made
    [run] = service.document(made.id)["runs"]
    assert run["results"][0]["partialFingerprints"]["primaryLocationLineHash"] == "0" * 16
    [alert] = service.alerts(branch, "open")
    assert (alert.rule, alert.path, alert.text) == ("bug/contract/low", "added.js", "A remark.")
    stage.behind(lambda box: box.faults.add("status", path="/alerts/", method="PATCH", status=502))
    _problem(LostAnswerError, lambda: service.dismiss(alert.number, "Only a test."))
    service.dismiss(alert.number, "Only a test.")
    [dismissed] = service.alerts(branch, "dismissed")
    assert (dismissed.number, dismissed.dismissed_by) == (alert.number, "octo")
    assert dismissed.reason == "won't fix: Only a test."


def no_scanning(stage: Stage) -> None:
    """A private repository without the licence: the sentence names the cure."""
    stage.behind(
        lambda box: setattr(box.github.repository(stage.repository), "code_scanning", False)
    )
    service = CodeScanning(stage.github())
    refused = _problem(RefusedError, service.may_upload)
    assert (refused.status, refused.lasting) == (403, True)
    assert "must be enabled" in refused.said
    assert "Turn the feature on" in refused.fix


def reviewing(stage: Stage) -> None:
    """A pull request is looked at, reviewed, and its comments are edited, folded and deleted."""
    stage.behind(lambda box: _with_pull(box, stage))
    client = stage.github(**{"pull-requests": "write", "actions": "read", "contents": "read"})
    pulls = PullRequests(client, lambda login: login == "github-actions[bot]")
    pull = pulls.get(1)
    assert (pull.open, pull.merged, pull.merge_commit) == (True, False, "")
    assert (pull.head, pull.head_ref, pull.base_ref) == (stage.commits[1], "main", "before")
    assert pulls.of_commit(stage.commits[1]) == {1}
    assert pulls.of_commit("0" * 40) == frozenset()
    assert pulls.patches(1)["added.js"] == "@@ -0,0 +1 @@\n+six();"
    body = f"{MARKER}\nOne finding."
    inside = ReviewCommentDraft(path="added.js", first=1, last=1, body="Here.")
    outside = ReviewCommentDraft(path="added.js", first=1, last=3, body="Not here.")
    refused = _problem(RefusedError, lambda: pulls.review(1, pull.head, body, [inside, outside]))
    assert (refused.status, refused.lasting) == (422, False)
    refused = _problem(RefusedError, lambda: pulls.comment(1, pull.head, outside))
    assert "must be part of the diff" in refused.said
    pulls.review(1, pull.head, body, [inside])
    pulls.comment(1, pull.head, inside)
    [review, *_] = pulls.reviews(1)
    assert (review.body, review.trusted) == (body, True)
    first, second = (one.comment for one in pulls.comments(1))
    assert (first.body, first.trusted, second.body) == ("Here.", True, "Here.")
    pulls.edit(first.id, "Fixed.")
    pulls.react(first.id, "+1")
    assert pulls.fold(first.node_id, "RESOLVED")
    assert pulls.fold(first.node_id, "")
    assert not pulls.fold("PRRC_0", "OUTDATED")
    pulls.reply(1, first.id, "So it is.")
    pulls.delete(second.id)
    pulls.delete(second.id)
    left, reply = pulls.comments(1)
    assert (reply.comment.body, reply.reply_to) == ("So it is.", first.id)
    assert (left.comment.body, left.comment.reactions, left.reply_to) == ("Fixed.", ("+1",), None)


def _with_pull(box: Sandbox, stage: Stage) -> None:
    """Everything since the first commit as a pull request."""
    git_dir = box.github.repository(stage.repository).git_dir
    assert git_dir
    Repo(git_dir).git("update-ref", "refs/heads/before", stage.commits[0])
    box.github.open_pull(stage.repository, head="main", base="before")


FINDINGS = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {"driver": {"name": "batch-action", "rules": [{"id": "bug/contract/low"}]}},
            "automationDetails": {"id": "batch-action/contract/"},
            "results": [
                {
                    "ruleId": "bug/contract/low",
                    "level": "note",
                    "message": {"text": "A remark."},
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
"""As little as code scanning makes an alert of."""


Scene = Callable[[Stage], None]
LIVE: tuple[Scene, ...] = (
    models, counting, one_batch, unknown_batch, wrong_key, repository, issue, asking,
)  # fmt: skip
"""What is also recorded from the real services: it costs next to nothing and leaves little."""
SANDBOX: tuple[Scene, ...] = (
    *LIVE, endings, window, canceling, limited, viewers, label_exists, labels_dropped, ledger,
    compare, forbidden, no_issues, scanning, no_scanning, since, dispatching,
    reviewing,
)  # fmt: skip
SCENES = {scene.__name__.replace("_", "-"): scene for scene in SANDBOX}
"""By the name in the cassettes' names."""


def zipped(content: bytes) -> bytes:
    """An archive whose bytes do not depend on when it was made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("ledger.json"), content)
    return buffer.getvalue()


def _problem(kind: type[E], act: Callable[[], object]) -> E:
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")
