"""Code scanning as a destination: real git, the real client, the sandbox's GitHub."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.findings import (
    BatchAnswers,
    FindingState,
    PublishedState,
    Reconciliation,
    Severity,
)
from batch_action.models.policy import FindingPolicy, VerificationPolicy
from batch_action.models.report import DestinationResult, FileStatuses, RunReport
from batch_action.models.verification import Verification, VerificationResult
from batch_action.publishers.sarif import publisher as sarif
from tests.harness.contexts import context_of
from tests.harness.destinations import (
    BUG,
    FAR,
    NOT_VERIFIED,
    OK,
    TASK,
    reconcile_state,
    review,
    states_of,
)
from tests.harness.sarif_schema import schema_errors
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness

PERMISSIONS = {"contents": "read", "actions": "read", "issues": "write", "security-events": "write"}
BRANCH = "refs/heads/main"


@dataclass
class CodeScanningHarness:
    """A repository, a reviewer that greps, and code scanning."""

    workflow: WorkflowHarness
    token: str
    inputs: dict[str, Any] = field(default_factory=dict)
    runs: int = 0
    heads: list[str] = field(default_factory=list)
    dismissed: frozenset[str] = frozenset()

    @contextmanager
    def ctx(self, token: str | None = None, **inputs: Any) -> Iterator[RunContext]:
        url = self.workflow.sandbox.github_url
        environ = {
            "GITHUB_TOKEN": self.token if token is None else token,
            "GITHUB_REPOSITORY": self.workflow.github_repository.full_name,
            "GITHUB_API_URL": f"{url}/api/v3",
            "GITHUB_GRAPHQL_URL": f"{url}/api/graphql",
            "GITHUB_SERVER_URL": url,
            "GITHUB_REF": BRANCH,
        }
        given = self.inputs | {"report": "sarif"} | inputs
        with context_of(
            self.workflow.repo.path, environ=environ, write_interval=0.0, **given
        ) as ctx:
            yield ctx

    def review(
        self, *paths: str, commit: str | None = None, severity: str = "high"
    ) -> BatchAnswers:
        """The answers of a reviewer that finds every `crash`."""
        with self.ctx() as ctx:
            return review(ctx.git, commit or self.workflow.repo.head(), paths, severity)

    def publish(
        self,
        batch_answers: BatchAnswers,
        *,
        number: int | None = None,
        inputs: dict[str, Any] | None = None,
        token: str | None = None,
        pull_request: int | None = None,
        meanwhile: Any = None,
        verification: VerificationPolicy = NOT_VERIFIED,
        **fields: Any,
    ) -> tuple[Reconciliation, DestinationResult]:
        """Publish a run: read the state, reconcile, publish."""
        self.runs = number or self.runs + 1
        self.workflow.advance(60)
        with self.ctx(token, **(inputs or {})) as ctx:
            publisher = sarif.create_publisher(ctx, self.dismissed, pull=pull_request)
            state = publisher.read_state()
            self.dismissed |= {d.fingerprint for d in state.dismissals}
            batches = (f"msgbatch_{self.runs}",)
            policy = FindingPolicy(
                dismissed=self.dismissed,
                verification=verification,
                republished=not set(state.batches).isdisjoint(batches),
            )
            reconciled = reconcile_state(state, batch_answers, policy, ctx.git)
            report = RunReport(
                task=TASK,
                repository=self.workflow.github_repository.full_name,
                server_url=ctx.github_context.server_url,
                commit=batch_answers.commit,
                run_url=None,
                batch_ids=batches,
                model="m",
                date=f"2026-03-{self.runs:02d}",
                file_statuses=FileStatuses.of(()),
                spending=None,
                ref=f"refs/pull/{pull_request}/head" if pull_request else BRANCH,
                pull_request=pull_request,
                state_key=ctx.settings.state_key,
            )
            if meanwhile is not None:
                meanwhile()
            return reconciled, publisher.publish(reconciled, replace(report, **fields))

    def read_state(self, token: str | None = None, **inputs: Any) -> PublishedState:
        with self.ctx(token, **inputs) as ctx:
            return sarif.create_publisher(ctx, frozenset()).read_state()

    def dismiss(self, number: int, by: str = "octo", comment: str | None = None) -> None:
        """Dismiss an alert as a person."""
        self.workflow.github_repository.alerts[number] |= {
            "state": "dismissed",
            "dismissed_by": {"login": by},
            "dismissed_at": "2026-03-01T00:00:00Z",
            "dismissed_reason": "false positive",
            "dismissed_comment": comment,
        }

    @property
    def alerts(self) -> dict[int, str]:
        """Number to state."""
        return {
            number: alert["state"]
            for number, alert in self.workflow.github_repository.alerts.items()
        }

    @property
    def analyses(self) -> list[str]:
        """The analyzed commits, the oldest first."""
        return [analysis.commit_sha for analysis in self.workflow.github_repository.analyses]

    @property
    def uploads(self) -> int:
        return len(self.workflow.github_repository.uploads)

    def file(self, name: str = f"{TASK}.sarif") -> dict[str, Any]:
        path = self.workflow.repo.path / ".batch-action" / name
        document: dict[str, Any] = json.loads(path.read_bytes())
        assert schema_errors(document) == []
        return document


@pytest.fixture(params=["subset", "complete"])
def harness(request: pytest.FixtureRequest, workflow: WorkflowHarness) -> CodeScanningHarness:
    """GitHub returns a part of an analysis, as documented, or all that was uploaded."""
    return create_harness(workflow, complete=request.param == "complete")


@pytest.fixture
def partial_harness(workflow: WorkflowHarness) -> CodeScanningHarness:
    return create_harness(workflow)


def create_harness(workflow: WorkflowHarness, *, complete: bool = False) -> CodeScanningHarness:
    workflow.github_repository.code_scanning = True
    workflow.github_repository.returns_full_sarif = complete
    workflow.commit({"a.py": BUG + FAR, "b.py": OK})
    return CodeScanningHarness(
        workflow=workflow, token=workflow.open({"permissions": PERMISSIONS}).token
    )


def test_the_life_cycle_of_findings(harness: CodeScanningHarness):
    reconciled, done = harness.publish(harness.review("a.py"))
    assert (done.action, done.new, done.open, states_of(reconciled)) == (
        "created",
        1,
        1,
        [FindingState.NEW],
    )
    assert harness.alerts == {1: "open"}
    assert done.ids == (str(harness.workflow.github_repository.analyses[-1].id),)
    new_finding = reconciled.statuses[0].tracked

    # Another file is reviewed: open findings elsewhere are carried forward, at their new lines.
    harness.workflow.commit(
        {"a.py": "import os\n" + BUG + FAR, "b.py": BUG.replace("bad", "worse")}
    )
    reconciled, done = harness.publish(harness.review("b.py"))
    assert (done.action, done.new, done.open) == ("updated", 1, 2)
    assert harness.alerts == {1: "open", 2: "open"}
    assert (
        harness.workflow.github_repository.alerts[1]["most_recent_instance"]["location"][
            "start_line"
        ]
        == 3
    )
    first = next(s for s in reconciled.statuses if s.tracked.anchor.path == "a.py")
    assert first.tracked.fingerprint == new_finding.fingerprint
    assert first.tracked.opened_on == "2026-03-01"
    assert first.finding is None

    # The code has changed and was not reviewed yet: an upload closes nothing.
    harness.workflow.commit({"a.py": OK + FAR})
    reconciled, done = harness.publish(harness.review())
    assert FindingState.RECHECKING in states_of(reconciled)
    assert harness.alerts == {1: "open", 2: "open"}

    reconciled, done = harness.publish(harness.review("a.py"))
    assert (done.fixed, done.open) == (1, 1)
    assert harness.alerts == {1: "fixed", 2: "open"}

    harness.workflow.commit({"a.py": BUG + FAR})
    reconciled, done = harness.publish(harness.review("a.py"))
    assert sorted(states_of(reconciled)) == [FindingState.BACK, FindingState.OPEN]
    assert harness.alerts == {1: "open", 2: "open"}
    back = next(s for s in reconciled.statuses if s.tracked.state is FindingState.BACK)
    assert back.tracked.fingerprint == new_finding.fingerprint
    # Of two uploads for one commit GitHub uses the later one.
    assert (len(harness.analyses), harness.uploads) == (4, 5)


def test_publishing_the_same_run_twice_changes_nothing(harness: CodeScanningHarness):
    _, first = harness.publish(harness.review("a.py"), number=1)
    before = list(harness.workflow.writes)
    reconciled, second = harness.publish(harness.review("a.py"), number=1)
    assert (second.action, second.ids, second.open) == ("unchanged", first.ids, 1)
    assert harness.workflow.writes == before
    if harness.workflow.github_repository.returns_full_sarif:
        assert states_of(reconciled) == [FindingState.NEW]


def test_a_disputed_alert_keeps_its_level_and_its_reason(harness: CodeScanningHarness):
    def published(batch_answers: BatchAnswers, **known) -> tuple[Reconciliation, str, int]:
        policy = VerificationPolicy(severity=Severity.HIGH, **known)
        reconciled, _ = harness.publish(batch_answers, verification=policy)
        alert = harness.workflow.github_repository.alerts[1]
        assert (alert["state"], alert["rule"]["severity"]) == ("open", "error")
        return reconciled, alert["most_recent_instance"]["message"]["text"], harness.uploads

    reconciled, text, _ = published(harness.review("a.py"))
    name = reconciled.statuses[0].tracked.fingerprint
    assert text.endswith(", unconfirmed)")
    disputed = VerificationResult(
        fingerprint=name, result=Verification.DISPUTED, reason="Nobody passes [x](y) there"
    )
    known = {name: Verification.DISPUTED}
    _, text, _ = published(harness.review(), recorded=known, results={name: disputed})
    assert "Disputed by a second request: Nobody passes [x] (y) there. (Finding" in text
    assert text.endswith(", disputed)")
    harness.workflow.commit({"a.py": "import os\n" + BUG + FAR})
    reconciled, text, uploads = published(harness.review(), recorded=known)
    assert text.count("Nobody passes") == 1
    assert text.endswith(", disputed)")
    assert "Nobody passes" in harness.read_state().blocks[name]
    assert published(harness.review(), recorded=known)[2] == uploads


def test_a_late_older_batch_overwrites_nothing(harness: CodeScanningHarness):
    old = harness.review("a.py", "b.py")
    newer = harness.workflow.commit({"a.py": OK + FAR, "b.py": BUG})
    harness.publish(harness.review("a.py", "b.py"))
    assert harness.alerts == {1: "open"}
    _, done = harness.publish(old)
    assert harness.alerts == {1: "open"}
    assert harness.analyses[-1] == newer
    assert done.open == 1


class TestDismissed:
    def test_by_a_person_is_reported_once_and_stays(self, harness: CodeScanningHarness):
        reconciled, _ = harness.publish(harness.review("a.py"))
        own = reconciled.statuses[0].tracked.fingerprint
        harness.dismiss(1, comment="by design")
        [dismissal] = harness.read_state().dismissals
        assert (dismissal.fingerprint, dismissal.actor) == (own, "octo")
        assert dismissal.reason == "false positive: by design"
        assert dismissal.source.endswith("/security/code-scanning/1")
        reconciled, done = harness.publish(harness.review("a.py"))
        assert (states_of(reconciled), done.open) == ([FindingState.DISMISSED], 0)
        assert harness.alerts == {1: "dismissed"}
        [result] = harness.file()["runs"][0]["results"]
        assert result["suppressions"][0]["kind"] == "external"
        harness.workflow.commit({"a.py": "\n\n" + BUG + FAR})
        for _ in range(2):
            reconciled, _ = harness.publish(harness.review("a.py"))
            assert states_of(reconciled) == [FindingState.DISMISSED]
            assert harness.alerts == {1: "dismissed"}

    @pytest.mark.parametrize("who", ["github-actions[bot]", "stale[bot]", "guest", "nobody", ""])
    def test_by_others_is_ignored(self, partial_harness: CodeScanningHarness, who: str):
        harness = partial_harness
        harness.workflow.sandbox.github.add_user(
            "guest", **{harness.workflow.github_repository.full_name: "read"}
        )
        harness.publish(harness.review("a.py"))
        harness.dismiss(1, by=who)
        assert harness.read_state().dismissals == ()
        reconciled, _ = harness.publish(harness.review("a.py"))
        assert states_of(reconciled) == [FindingState.OPEN]

    def test_in_another_destination_dismisses_the_alert(self, harness: CodeScanningHarness):
        reconciled, _ = harness.publish(harness.review("a.py"))
        harness.dismissed = frozenset({reconciled.statuses[0].tracked.fingerprint})
        reconciled, _ = harness.publish(harness.review("a.py"))
        assert (states_of(reconciled), harness.alerts) == (
            [FindingState.DISMISSED],
            {1: "dismissed"},
        )
        assert (
            harness.workflow.github_repository.alerts[1]["dismissed_by"]["login"]
            == "github-actions[bot]"
        )
        harness.workflow.commit({"c.py": OK})
        reconciled, _ = harness.publish(harness.review("c.py"))
        assert harness.alerts == {1: "dismissed"}
        assert harness.read_state().dismissals == ()

    def test_a_finding_dismissed_before_its_alert_gets_none(self, harness: CodeScanningHarness):
        batch_answers = harness.review("a.py")
        harness.dismissed = frozenset({batch_answers.findings[0].fingerprint})
        reconciled, done = harness.publish(batch_answers)
        assert (states_of(reconciled), done.open, harness.alerts) == (
            [FindingState.DISMISSED],
            0,
            {},
        )

    def test_a_renamed_file_opens_no_new_alert(self, harness: CodeScanningHarness):
        harness.publish(harness.review("a.py"))
        harness.dismiss(1)
        harness.workflow.repo.git("mv", "a.py", "z.py")
        harness.workflow.commit()
        reconciled, _ = harness.publish(harness.review("z.py"))
        assert reconciled.statuses[0].tracked.anchor.path == "z.py"
        assert (states_of(reconciled), harness.alerts) == (
            [FindingState.DISMISSED],
            {1: "dismissed"},
        )


class TestRefused:
    def test_without_the_permission(self, partial_harness: CodeScanningHarness):
        harness = partial_harness
        run = harness.workflow.open({"permissions": PERMISSIONS | {"security-events": "read"}})
        reconciled, done = harness.publish(harness.review("a.py"), token=run.token)
        assert (done.action, done.open, states_of(reconciled)) == ("refused", 1, [FindingState.NEW])
        assert "`security-events: write`" in done.note
        assert ".batch-action/code-review.sarif" in done.note
        assert len(harness.file()["runs"][0]["results"]) == 1

    def test_even_to_dismiss(self, partial_harness: CodeScanningHarness):
        harness = partial_harness
        reconciled, _ = harness.publish(harness.review("a.py"))
        harness.dismissed = frozenset({reconciled.statuses[0].tracked.fingerprint})
        run = harness.workflow.open({"permissions": PERMISSIONS | {"security-events": "read"}})
        _, done = harness.publish(harness.review("a.py"), token=run.token)
        assert done.action == "refused"
        assert "`security-events: write`" in done.note
        assert harness.file()["runs"][0]["results"] == []

    def test_without_read_permission(self, partial_harness: CodeScanningHarness):
        harness = partial_harness
        run = harness.workflow.open({"permissions": {"contents": "read"}})
        _, done = harness.publish(harness.review("a.py"), token=run.token)
        assert done.action == "refused"
        assert "`security-events: read`" in done.note

    def test_where_code_scanning_is_not_enabled(self, partial_harness: CodeScanningHarness):
        harness = partial_harness
        harness.workflow.github_repository.code_scanning = False
        _, done = harness.publish(harness.review("a.py"))
        assert done.action == "refused"
        assert "must be enabled" in done.note
        assert "Turn the feature on" in done.note
        assert harness.file()["runs"][0]["results"]

    def test_a_document_that_github_cannot_process(self, partial_harness: CodeScanningHarness):
        harness = partial_harness
        body = json.dumps({"processing_status": "failed", "errors": ["expected artifact location"]})
        harness.workflow.sandbox.faults.add("status", path="/sarifs/", status=200, body=body)
        _, done = harness.publish(harness.review("a.py"))
        assert done.action == "refused"
        assert "expected artifact location" in done.note

    def test_a_document_that_is_too_large_for_github(self, partial_harness: CodeScanningHarness):
        harness = partial_harness
        harness.workflow.sandbox.faults.add(
            "status", path="/sarifs$", status=413, message="Too large"
        )
        _, done = harness.publish(harness.review("a.py"))
        assert done.action == "refused"


class TestTransientFailures:
    @pytest.mark.parametrize(
        ("kind", "details", "uploads"),
        [
            ("drop-before", {}, 1),
            ("drop-after", {}, 1),
            ("status", {"status": 502}, 1),
        ],
    )
    def test_of_the_upload_are_repaired_by_the_next_run(
        self, harness: CodeScanningHarness, kind: str, details: dict[str, int], uploads: int
    ):
        harness.workflow.sandbox.faults.add(kind, method="POST", path="/sarifs$", **details)
        batch_answers = harness.review("a.py")
        try:
            _, done = harness.publish(batch_answers, number=1)
        except GitHubError:
            assert harness.uploads == 0
            _, done = harness.publish(batch_answers, number=1)
        assert done.action == "created"
        assert harness.alerts == {1: "open"}
        assert (harness.uploads, len(harness.analyses)) == (uploads, 1)

    @pytest.mark.parametrize("call", range(10))
    def test_at_any_call_lose_nothing_and_repeat_nothing(
        self, harness: CodeScanningHarness, call: int
    ):
        harness.publish(harness.review("a.py"))
        harness.workflow.commit({"b.py": BUG, "a.py": OK + FAR})
        batch_answers = harness.review("a.py", "b.py")
        faults = harness.workflow.sandbox.faults
        # Neither retried by the client nor taken for a missing permission.
        faults.add("status", path="code-scanning", status=409, nth=call + 1, times=99)
        try:
            harness.publish(batch_answers, number=2)
        except GitHubError:
            faults.clear()
            harness.publish(batch_answers, number=2)
        finally:
            faults.clear()
        assert harness.alerts == {1: "fixed", 2: "open"}
        assert harness.uploads == 2

    def test_slow_processing_is_checked_by_the_next_run(self, harness: CodeScanningHarness):
        harness.workflow.sandbox.github.scanning_lag = 30.0
        try:
            with pytest.raises(GitHubError, match="still processing"):
                harness.publish(harness.review("a.py"), number=1)
            _, done = harness.publish(harness.review("a.py"), number=1)
        finally:
            harness.workflow.sandbox.github.scanning_lag = 0.0
        assert (done.action, harness.uploads, harness.alerts) == ("unchanged", 1, {1: "open"})

    def test_concurrent_runs_overwrite_nothing(self, harness: CodeScanningHarness):
        other = replace(harness, workflow=harness.workflow)
        harness.workflow.commit({"b.py": BUG})
        with pytest.raises(GitHubError, match="Another run"):
            harness.publish(
                harness.review("a.py"), meanwhile=lambda: other.publish(other.review("b.py"))
            )
        harness.publish(harness.review("a.py"))
        assert harness.alerts == {1: "open", 2: "open"}


class TestSeparate:
    def test_state_keys_and_pull_requests_are_separate(self, harness: CodeScanningHarness):
        harness.publish(harness.review("a.py"))
        harness.workflow.commit({"b.py": BUG})
        harness.publish(harness.review("b.py"), inputs={"state_key": "other"})
        harness.publish(harness.review("b.py"), pull_request=7)
        assert harness.alerts == {1: "open", 2: "open", 3: "open"}
        refs = [
            (analysis.category, analysis.ref)
            for analysis in harness.workflow.github_repository.analyses
        ]
        assert refs == [
            ("batch-action/code-review", BRANCH),
            ("batch-action/code-review-other", BRANCH),
            ("batch-action/code-review", "refs/pull/7/head"),
        ]
        assert len(harness.read_state().tracked) == 1
        assert harness.file("code-review-other.sarif")


@pytest.mark.parametrize(
    "name", ["dir ü/a #1?.py", "c:x/100%25.py", "-- @octocat.py", b"caf\xe9.py"], ids=range(4)
)
def test_files_of_any_name(harness: CodeScanningHarness, name: str | bytes):
    path = os.fsdecode(name)
    harness.workflow.commit({name: BUG})
    reconciled, _ = harness.publish(harness.review(path))
    assert reconciled.statuses[0].tracked.anchor.path == path
    harness.workflow.commit({"c.py": OK})
    reconciled, _ = harness.publish(harness.review("c.py"))
    assert (states_of(reconciled), harness.alerts) == ([FindingState.OPEN], {1: "open"})
    assert reconciled.statuses[0].tracked.anchor.path == path
    harness.dismiss(1)
    reconciled, _ = harness.publish(harness.review("c.py"))
    assert (states_of(reconciled), harness.alerts) == ([FindingState.DISMISSED], {1: "dismissed"})
    assert len(harness.file()["runs"][0]["results"]) == 1


def test_a_run_with_nothing_to_report_uploads_nothing(partial_harness: CodeScanningHarness):
    harness = partial_harness
    _, done = harness.publish(harness.review("b.py"), batch_ids=())
    assert (done.action, harness.uploads) == ("skipped", 0)
    _, done = harness.publish(harness.review("b.py"))
    assert (done.action, done.open, harness.uploads) == ("created", 0, 1)


def test_without_github_the_file_is_written(partial_harness: CodeScanningHarness):
    harness = partial_harness
    reconciled, done = harness.publish(harness.review("a.py"), token="")
    assert (done.action, done.url, states_of(reconciled)) == ("created", None, [FindingState.NEW])
    assert harness.file()["runs"][0]["results"]


def test_a_shallow_clone_keeps_all_findings(harness: CodeScanningHarness):
    harness.publish(harness.review("a.py"))
    harness.workflow.commit({"b.py": BUG})
    complete, shallow = harness.workflow.repo.path, harness.workflow.folder / "shallow"
    harness.workflow.repo.git("clone", "--quiet", "--depth=1", f"file://{complete}", str(shallow))
    harness.workflow.repo.path = shallow
    reconciled, _ = harness.publish(harness.review("b.py"))
    assert sorted(states_of(reconciled)) == [FindingState.NEW, FindingState.OPEN]
    assert harness.alerts == {1: "open", 2: "open"}


def test_blocks_are_passed_to_other_destinations(harness: CodeScanningHarness):
    reconciled, _ = harness.publish(harness.review("a.py"))
    words = harness.read_state().blocks[reconciled.statuses[0].tracked.fingerprint]
    assert "why why" in words


def test_an_unwritable_file_does_not_prevent_the_upload(partial_harness: CodeScanningHarness):
    harness = partial_harness
    (harness.workflow.repo.path / ".batch-action").symlink_to(harness.workflow.folder)
    _, done = harness.publish(harness.review("a.py"))
    assert done.action == "created"


class TestThroughTheAction:
    @pytest.fixture
    def public(self, workflow: WorkflowHarness) -> WorkflowHarness:
        workflow.github_repository.private = False
        workflow.github_repository.code_scanning = True
        workflow.inputs |= {"report": "sarif,summary", "task": "security-scan"}
        workflow.commit({"app.js": BAD})
        return workflow

    def collected(self, workflow: WorkflowHarness):
        sent = workflow.start("submit", {"permissions": PERMISSIONS})
        assert sent.exit == 0, sent.log
        workflow.finish()
        return workflow.start("collect", {"permissions": PERMISSIONS})

    def test_security_findings_of_a_public_repository_are_uploaded(self, public: WorkflowHarness):
        done = self.collected(public)
        assert done.exit == 0, done.log
        alerts = public.github_repository.alerts.values()
        assert {alert["state"] for alert in alerts} == {"open"}
        assert all("security" in alert["rule"]["tags"] for alert in alerts)
        assert any("eval" in alert["most_recent_instance"]["message"]["text"] for alert in alerts)
        assert "eval" not in done.summary
        assert done.outputs["sarif-file"] == ".batch-action/security-scan.sarif"
        document = json.loads((public.repo.path / done.outputs["sarif-file"]).read_bytes())
        assert schema_errors(document) == []
        public.commit({"app.js": GOOD})
        done = self.collected(public)
        assert (done.exit, done.outputs["fixed-findings-count"]) == (0, str(len(alerts)))
        assert {alert["state"] for alert in alerts} == {"fixed"}

    def test_a_run_that_could_not_upload_is_repeated_by_the_next(self, public: WorkflowHarness):
        public.inputs["task"] = "code-review"
        public.commit({"app.js": WORSE})
        assert public.start("submit", {"permissions": PERMISSIONS}).exit == 0
        public.finish()
        public.sandbox.faults.add("status", method="POST", path="/sarifs$", status=503)
        done = public.start("collect", {"permissions": PERMISSIONS})
        assert done.exit == 5
        done = public.start("collect", {"permissions": PERMISSIONS})
        assert done.exit == 0, done.log
        assert len(public.github_repository.alerts) == 2
        assert len(public.github_repository.uploads) == len(public.github_repository.analyses) == 1

    def test_without_a_ledger_the_range_starts_at_the_last_analysis(self, public: WorkflowHarness):
        assert self.collected(public).exit == 0
        commit = public.github_repository.analyses[-1].commit_sha
        public.github_repository.artifacts.clear()
        public.commit({"next.js": GOOD})
        public.commit({"last.js": GOOD})
        sent = public.start("submit", {"permissions": PERMISSIONS})
        assert f"our report names commit {commit[:12]}" in sent.annotations("warning")[0]
        assert public.requested_paths() == ["last.js", "next.js"]
        public.github_repository.artifacts.clear()
        public.github_repository.code_scanning = False
        public.inputs |= {"task": "code-review", "report": "sarif,issue"}
        assert public.start("submit", {"permissions": PERMISSIONS}).exit == 0

    def test_nothing_is_submitted_without_a_readable_destination(self, public: WorkflowHarness):
        for how in ({}, {"permissions": PERMISSIONS | {"security-events": "read"}}):
            done = public.start("submit", how)
            assert done.exit == 2
            assert "`security-events: write`" in done.annotations("error")[0]
        public.github_repository.code_scanning = False
        done = public.start("submit", {"permissions": PERMISSIONS})
        assert done.exit == 2
        assert "must be enabled" in done.annotations("error")[0]
        assert public.batches == []

    def test_with_another_destination_it_is_a_warning(self, public: WorkflowHarness):
        for inputs in ({"allow_public_security_findings": "true"}, {"task": "code-review"}):
            done = public.start("submit", {}, report="sarif,issue", **inputs)
            assert done.exit == 0
            assert "`security-events: write`" in done.annotations("warning")[0]
        assert public.start("submit", {}, dry_run="true").exit == 0

    def test_an_unknown_permission_stops_nothing(self, public: WorkflowHarness):
        public.sandbox.faults.add("status", method="POST", path="/sarifs$", status=500)
        done = public.start("submit", {"permissions": PERMISSIONS})
        assert (done.exit, done.annotations("warning")) == (0, [])

    def test_a_public_repository_without_sarif_gets_a_warning(self, public: WorkflowHarness):
        public.inputs["report"] = "summary"
        done = public.start("submit", {})
        assert done.exit == 0
        assert "add `sarif` to `report`" in done.annotations("warning")[0]


@pytest.mark.parametrize(
    ("report", "sends"),
    [
        ("sarif", False),
        ("sarif, summary", False),
        ("sarif, summary, files, annotations", False),
        ("sarif, issue", True),
        ("issue-per-finding, sarif", True),
        ("issue, summary", True),
    ],
)
@pytest.mark.parametrize("cause", ["disabled", "permission"])
def test_nothing_is_paid_that_no_destination_would_remember(
    workflow: WorkflowHarness, report: str, sends: bool, cause: str
) -> None:
    workflow.github_repository.code_scanning = cause != "disabled"
    level = "read" if cause == "permission" else "write"
    options = {"permissions": PERMISSIONS | {"security-events": level}}
    workflow.commit({"a.js": BAD})
    submitted = workflow.start("submit", options, report=report)
    assert (submitted.exit, len(workflow.batches)) == ((0, 1) if sends else (2, 0)), submitted.log
    assert ("Code scanning" in submitted.log) == ("sarif" in report)
    if sends:
        collected = workflow.start("collect", options, report=report)
        assert (collected.exit, collected.outputs["findings-count"]) == (0, "2"), collected.log
