"""Code scanning as a destination: real git, the real edge, the sandbox's GitHub."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.findings.anchoring import anchor_all
from batch_action.findings.lifecycle import reconcile
from batch_action.models.findings import (
    BatchAnswers,
    Confidence,
    FindingState,
    PublishedState,
    RawFinding,
    Reconciliation,
    ReviewedFile,
    Severity,
)
from batch_action.models.report import DestinationResult, FileStatuses
from batch_action.models.report import RunReport as Circumstances
from batch_action.publishers.positions import resolve
from batch_action.publishers.sarif import publisher as sarif
from tests.harness.contexts import context_of
from tests.harness.sarif_schema import schema_errors
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness

BUG = "def bad(x):\n    crash(x)\n    return x\n"
OK = "def bad(x):\n    check(x)\n    return x\n"
FAR = "".join(f"\n\ndef f{n}():\n    a = {n}\n    return a\n" for n in range(8))
TASK = "code-review"
MAY = {"contents": "read", "actions": "read", "issues": "write", "security-events": "write"}
BRANCH = "refs/heads/main"


@dataclass
class Circle:
    """A repository, its review by grep, and its code scanning."""

    workflow: WorkflowHarness
    token: str
    inputs: dict[str, Any] = field(default_factory=dict)
    nights: int = 0
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
        """What a reviewer says who finds every `crash`."""
        with self.ctx() as ctx:
            commit = commit or self.workflow.repo.head()
            blobs = ctx.git.tree_blobs(commit, paths)
            findings = []
            for path, blob in blobs.items():
                text = next(data for _, data in ctx.git.blobs([blob])).decode()
                remarks = [
                    remark(line, number, severity)
                    for number, line in enumerate(text.splitlines(), start=1)
                    if "crash" in line
                ]
                found, _ = anchor_all(
                    remarks, task=TASK, path=path, text=text, blob=blob, commit=commit
                )
                findings += found
        reviewed = tuple(ReviewedFile(path=p, blob=b, commit=commit) for p, b in blobs.items())
        return BatchAnswers(task=TASK, commit=commit, reviewed=reviewed, findings=tuple(findings))

    def report_error(
        self,
        batch_answers: BatchAnswers,
        *,
        number: int | None = None,
        inputs: dict[str, Any] | None = None,
        token: str | None = None,
        pull: int | None = None,
        meanwhile: Any = None,
        **circumstances: Any,
    ) -> tuple[Reconciliation, DestinationResult]:
        """One night as publishing leads it: recall, reconcile, deliver."""
        self.nights = number or self.nights + 1
        self.workflow.advance(60)
        with self.ctx(token, **(inputs or {})) as ctx:
            publisher = sarif.create_publisher(
                ctx, replace(batch_answers, dismissed=self.dismissed), pull=pull
            )
            held = publisher.read_state()
            self.dismissed |= {d.fingerprint for d in held.dismissals}
            batches = (f"msgbatch_{self.nights}",)
            complete = replace(
                batch_answers,
                dismissed=self.dismissed,
                republished=not set(held.batches).isdisjoint(batches),
            )
            placed = resolve(complete, held.tracked, ctx.git, head=held.head or None)
            settled = replace(reconcile(held.tracked, placed), blocks=dict(held.blocks))
            workflow = Circumstances(
                task=TASK,
                repository=self.workflow.github_repository.full_name,
                server_url=ctx.github_context.server_url,
                commit=batch_answers.commit,
                run_url=None,
                batch_ids=batches,
                model="m",
                date=f"2026-03-{self.nights:02d}",
                file_statuses=FileStatuses(entries=()),
                spending=None,
                discarded=0,
                hides_security=False,
                max_findings=25,
                ref=f"refs/pull/{pull}/head" if pull else BRANCH,
                pull_request=pull,
                state_key=ctx.settings.state_key,
            )
            if meanwhile is not None:
                meanwhile()
            return settled, publisher.publish(settled, replace(workflow, **circumstances))

    def read_state(self, token: str | None = None, **inputs: Any) -> PublishedState:
        with self.ctx(token, **inputs) as ctx:
            return sarif.create_publisher(
                ctx, BatchAnswers(task=TASK, commit="", reviewed=(), findings=())
            ).read_state()

    def dismiss(self, number: int, by: str = "octo", comment: str | None = None) -> None:
        """A person dismisses an alert on its page."""
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
        """The analysed commits, oldest first."""
        return [one.commit_sha for one in self.workflow.github_repository.analyses]

    @property
    def uploads(self) -> int:
        return len(self.workflow.github_repository.uploads)

    def file(self, name: str = f"{TASK}.sarif") -> dict[str, Any]:
        path = self.workflow.repo.path / ".batch-action" / name
        document: dict[str, Any] = json.loads(path.read_bytes())
        assert schema_errors(document) == []
        return document


def remark(line: str, number: int, severity: str = "high") -> RawFinding:
    return RawFinding(
        rule="crash",
        category="bug",
        severity=Severity(severity),
        confidence=Confidence.HIGH,
        start_line=number,
        end_line=number,
        evidence=line,
        title="It crashes",
        explanation="A crash ends the program.",
        remediation="Check first.",
    )


@pytest.fixture(params=["subset", "whole"])
def circle(request: pytest.FixtureRequest, workflow: WorkflowHarness) -> Circle:
    """Twice: GitHub gives an analysis back in part, as documented, or as it was uploaded."""
    return begun(workflow, whole=request.param == "whole")


@pytest.fixture
def one_circle(workflow: WorkflowHarness) -> Circle:
    return begun(workflow)


def begun(workflow: WorkflowHarness, *, whole: bool = False) -> Circle:
    workflow.github_repository.code_scanning = True
    workflow.github_repository.returns_full_sarif = whole
    workflow.commit({"a.py": BUG + FAR, "b.py": OK})
    return Circle(workflow=workflow, token=workflow.open({"permissions": MAY}).token)


def states(settled: Reconciliation) -> list[FindingState]:
    return [s.tracked.state for s in settled.statuses]


def test_a_life_in_code_scanning(circle: Circle):
    settled, done = circle.report_error(circle.review("a.py"))
    assert (done.action, done.new, done.open, states(settled)) == (
        "created",
        1,
        1,
        [FindingState.NEW],
    )
    assert circle.alerts == {1: "open"}
    assert done.ids == (str(circle.workflow.github_repository.analyses[-1].id),)
    born = settled.statuses[0].tracked

    # Another file is reviewed: what is open elsewhere is carried forward, at its new lines.
    circle.workflow.commit({"a.py": "import os\n" + BUG + FAR, "b.py": BUG.replace("bad", "worse")})
    settled, done = circle.report_error(circle.review("b.py"))
    assert (done.action, done.new, done.open) == ("updated", 1, 2)
    assert circle.alerts == {1: "open", 2: "open"}
    assert (
        circle.workflow.github_repository.alerts[1]["most_recent_instance"]["location"][
            "start_line"
        ]
        == 3
    )
    first = next(s for s in settled.statuses if s.tracked.anchor.path == "a.py")
    assert first.tracked.fingerprint == born.fingerprint
    assert first.tracked.opened_on == "2026-03-01"
    assert first.finding is None

    # The code is touched, and no verdict has come: a partial upload closes nothing.
    circle.workflow.commit({"a.py": OK + FAR})
    settled, done = circle.report_error(circle.review())
    assert FindingState.RECHECKING in states(settled)
    assert circle.alerts == {1: "open", 2: "open"}

    settled, done = circle.report_error(circle.review("a.py"))
    assert (done.fixed, done.open) == (1, 1)
    assert circle.alerts == {1: "fixed", 2: "open"}

    circle.workflow.commit({"a.py": BUG + FAR})
    settled, done = circle.report_error(circle.review("a.py"))
    assert sorted(states(settled)) == [FindingState.BACK, FindingState.OPEN]
    assert circle.alerts == {1: "open", 2: "open"}
    back = next(s for s in settled.statuses if s.tracked.state is FindingState.BACK)
    assert back.tracked.fingerprint == born.fingerprint
    # Of two uploads for one commit GitHub keeps the later one.
    assert (len(circle.analyses), circle.uploads) == (4, 5)


def test_the_same_night_twice_writes_nothing_the_second_time(circle: Circle):
    _, first = circle.report_error(circle.review("a.py"), number=1)
    before = list(circle.workflow.writes)
    settled, second = circle.report_error(circle.review("a.py"), number=1)
    assert (second.action, second.ids, second.open) == ("unchanged", first.ids, 1)
    assert circle.workflow.writes == before
    if circle.workflow.github_repository.returns_full_sarif:
        assert states(settled) == [FindingState.NEW]


def test_an_older_batch_that_comes_late_overwrites_nothing_newer(circle: Circle):
    old = circle.review("a.py", "b.py")
    newer = circle.workflow.commit({"a.py": OK + FAR, "b.py": BUG})
    circle.report_error(circle.review("a.py", "b.py"))
    assert circle.alerts == {1: "open"}
    _, done = circle.report_error(old)
    assert circle.alerts == {1: "open"}
    assert circle.analyses[-1] == newer
    assert done.open == 1


class TestDismissed:
    def test_by_a_person_is_told_once_and_stays(self, circle: Circle):
        settled, _ = circle.report_error(circle.review("a.py"))
        own = settled.statuses[0].tracked.fingerprint
        circle.dismiss(1, comment="by design")
        [dismissal] = circle.read_state().dismissals
        assert (dismissal.fingerprint, dismissal.actor) == (own, "octo")
        assert dismissal.reason == "false positive: by design"
        assert dismissal.source.endswith("/security/code-scanning/1")
        settled, done = circle.report_error(circle.review("a.py"))
        assert (states(settled), done.open) == ([FindingState.DISMISSED], 0)
        assert circle.alerts == {1: "dismissed"}
        [result] = circle.file()["runs"][0]["results"]
        assert result["suppressions"][0]["kind"] == "external"
        circle.workflow.commit({"a.py": "\n\n" + BUG + FAR})
        for _ in range(2):
            settled, _ = circle.report_error(circle.review("a.py"))
            assert states(settled) == [FindingState.DISMISSED]
            assert circle.alerts == {1: "dismissed"}

    @pytest.mark.parametrize("who", ["github-actions[bot]", "stale[bot]", "guest", "nobody", ""])
    def test_by_others_counts_for_nothing(self, one_circle: Circle, who: str):
        circle = one_circle
        circle.workflow.sandbox.github.add_user(
            "guest", **{circle.workflow.github_repository.full_name: "read"}
        )
        circle.report_error(circle.review("a.py"))
        circle.dismiss(1, by=who)
        assert circle.read_state().dismissals == ()
        settled, _ = circle.report_error(circle.review("a.py"))
        assert states(settled) == [FindingState.OPEN]

    def test_in_another_place_closes_the_alert_as_dismissed(self, circle: Circle):
        settled, _ = circle.report_error(circle.review("a.py"))
        circle.dismissed = frozenset({settled.statuses[0].tracked.fingerprint})
        settled, _ = circle.report_error(circle.review("a.py"))
        assert (states(settled), circle.alerts) == ([FindingState.DISMISSED], {1: "dismissed"})
        assert (
            circle.workflow.github_repository.alerts[1]["dismissed_by"]["login"]
            == "github-actions[bot]"
        )
        circle.workflow.commit({"c.py": OK})
        settled, _ = circle.report_error(circle.review("c.py"))
        assert circle.alerts == {1: "dismissed"}
        assert circle.read_state().dismissals == ()

    def test_before_it_had_an_alert_it_gets_none(self, circle: Circle):
        batch_answers = circle.review("a.py")
        circle.dismissed = frozenset({batch_answers.findings[0].fingerprint})
        settled, done = circle.report_error(batch_answers)
        assert (states(settled), done.open, circle.alerts) == ([FindingState.DISMISSED], 0, {})

    def test_under_a_new_name_it_opens_no_new_alert(self, circle: Circle):
        circle.report_error(circle.review("a.py"))
        circle.dismiss(1)
        circle.workflow.repo.git("mv", "a.py", "z.py")
        circle.workflow.commit()
        settled, _ = circle.report_error(circle.review("z.py"))
        assert settled.statuses[0].tracked.anchor.path == "z.py"
        assert (states(settled), circle.alerts) == ([FindingState.DISMISSED], {1: "dismissed"})


class TestRefused:
    def test_without_the_permission(self, one_circle: Circle):
        circle = one_circle
        run = circle.workflow.open({"permissions": MAY | {"security-events": "read"}})
        settled, done = circle.report_error(circle.review("a.py"), token=run.token)
        assert (done.action, done.open, states(settled)) == ("refused", 1, [FindingState.NEW])
        assert "`security-events: write`" in done.note
        assert ".batch-action/code-review.sarif" in done.note
        assert len(circle.file()["runs"][0]["results"]) == 1

    def test_even_to_dismiss(self, one_circle: Circle):
        circle = one_circle
        settled, _ = circle.report_error(circle.review("a.py"))
        circle.dismissed = frozenset({settled.statuses[0].tracked.fingerprint})
        run = circle.workflow.open({"permissions": MAY | {"security-events": "read"}})
        _, done = circle.report_error(circle.review("a.py"), token=run.token)
        assert done.action == "refused"
        assert "`security-events: write`" in done.note
        assert circle.file()["runs"][0]["results"] == []

    def test_where_it_may_not_even_be_read(self, one_circle: Circle):
        circle = one_circle
        run = circle.workflow.open({"permissions": {"contents": "read"}})
        _, done = circle.report_error(circle.review("a.py"), token=run.token)
        assert done.action == "refused"
        assert "`security-events: read`" in done.note

    def test_where_it_is_not_enabled(self, one_circle: Circle):
        circle = one_circle
        circle.workflow.github_repository.code_scanning = False
        _, done = circle.report_error(circle.review("a.py"))
        assert done.action == "refused"
        assert "must be enabled" in done.note
        assert "Turn the feature on" in done.note
        assert circle.file()["runs"][0]["results"]

    def test_what_github_cannot_process(self, one_circle: Circle):
        circle = one_circle
        body = json.dumps({"processing_status": "failed", "errors": ["expected artifact location"]})
        circle.workflow.sandbox.faults.add("status", path="/sarifs/", status=200, body=body)
        _, done = circle.report_error(circle.review("a.py"))
        assert done.action == "refused"
        assert "expected artifact location" in done.note

    def test_what_is_too_large_for_github(self, one_circle: Circle):
        circle = one_circle
        circle.workflow.sandbox.faults.add(
            "status", path="/sarifs$", status=413, message="Too large"
        )
        _, done = circle.report_error(circle.review("a.py"))
        assert done.action == "refused"


class TestPassingFailures:
    @pytest.mark.parametrize(
        ("kind", "details", "uploads"),
        [
            ("drop-before", {}, 1),
            ("drop-after", {}, 1),
            ("status", {"status": 502}, 1),
        ],
    )
    def test_of_the_upload_are_finished_by_the_next_run(
        self, circle: Circle, kind: str, details: dict[str, int], uploads: int
    ):
        circle.workflow.sandbox.faults.add(kind, method="POST", path="/sarifs$", **details)
        batch_answers = circle.review("a.py")
        try:
            _, done = circle.report_error(batch_answers, number=1)
        except GitHubError:
            assert circle.uploads == 0
            _, done = circle.report_error(batch_answers, number=1)
        assert done.action == "created"
        assert circle.alerts == {1: "open"}
        assert (circle.uploads, len(circle.analyses)) == (uploads, 1)

    @pytest.mark.parametrize("call", range(10))
    def test_at_any_call_lose_nothing_and_repeat_nothing(self, circle: Circle, call: int):
        circle.report_error(circle.review("a.py"))
        circle.workflow.commit({"b.py": BUG, "a.py": OK + FAR})
        batch_answers = circle.review("a.py", "b.py")
        faults = circle.workflow.sandbox.faults
        # Neither repeated by the client nor taken for a missing permission.
        faults.add("status", path="code-scanning", status=409, nth=call + 1, times=99)
        try:
            circle.report_error(batch_answers, number=2)
        except GitHubError:
            faults.clear()
            circle.report_error(batch_answers, number=2)
        finally:
            faults.clear()
        assert circle.alerts == {1: "fixed", 2: "open"}
        assert circle.uploads == 2

    def test_processing_that_takes_long_is_looked_at_again(self, circle: Circle):
        circle.workflow.sandbox.github.scanning_lag = 30.0
        try:
            with pytest.raises(GitHubError, match="still processing"):
                circle.report_error(circle.review("a.py"), number=1)
            _, done = circle.report_error(circle.review("a.py"), number=1)
        finally:
            circle.workflow.sandbox.github.scanning_lag = 0.0
        assert (done.action, circle.uploads, circle.alerts) == ("unchanged", 1, {1: "open"})

    def test_two_runs_at_once_overwrite_nothing(self, circle: Circle):
        other = replace(circle, workflow=circle.workflow)
        circle.workflow.commit({"b.py": BUG})
        with pytest.raises(GitHubError, match="Another run"):
            circle.report_error(
                circle.review("a.py"), meanwhile=lambda: other.report_error(other.review("b.py"))
            )
        circle.report_error(circle.review("a.py"))
        assert circle.alerts == {1: "open", 2: "open"}


class TestSeparate:
    def test_state_keys_and_pull_requests_close_nothing_of_each_other(self, circle: Circle):
        circle.report_error(circle.review("a.py"))
        circle.workflow.commit({"b.py": BUG})
        circle.report_error(circle.review("b.py"), inputs={"state_key": "other"})
        circle.report_error(circle.review("b.py"), pull=7)
        assert circle.alerts == {1: "open", 2: "open", 3: "open"}
        refs = [(one.category, one.ref) for one in circle.workflow.github_repository.analyses]
        assert refs == [
            ("batch-action/code-review", BRANCH),
            ("batch-action/code-review-other", BRANCH),
            ("batch-action/code-review", "refs/pull/7/head"),
        ]
        assert len(circle.read_state().tracked) == 1
        assert circle.file("code-review-other.sarif")

    def test_a_desk_that_hears_late_of_a_pull_request_reads_its_analysis(self, circle: Circle):
        circle.report_error(circle.review("a.py"))
        _, done = circle.report_error(circle.review("a.py"), ref="refs/pull/7/head")
        assert (done.action, circle.alerts) == ("created", {1: "open", 2: "open"})


@pytest.mark.parametrize(
    "name", ["dir ü/a #1?.py", "c:x/100%25.py", "-- @octocat.py", b"caf\xe9.py"], ids=range(4)
)
def test_files_of_any_name(circle: Circle, name: str | bytes):
    path = os.fsdecode(name)
    circle.workflow.commit({name: BUG})
    settled, _ = circle.report_error(circle.review(path))
    assert settled.statuses[0].tracked.anchor.path == path
    circle.workflow.commit({"c.py": OK})
    settled, _ = circle.report_error(circle.review("c.py"))
    assert (states(settled), circle.alerts) == ([FindingState.OPEN], {1: "open"})
    assert settled.statuses[0].tracked.anchor.path == path
    circle.dismiss(1)
    settled, _ = circle.report_error(circle.review("c.py"))
    assert (states(settled), circle.alerts) == ([FindingState.DISMISSED], {1: "dismissed"})
    assert len(circle.file()["runs"][0]["results"]) == 1


def test_a_quiet_night_with_nothing_to_tell_uploads_nothing(one_circle: Circle):
    circle = one_circle
    _, done = circle.report_error(circle.review("b.py"), commands_only=True)
    assert (done.action, circle.uploads) == ("skipped", 0)
    _, done = circle.report_error(circle.review("b.py"))
    assert (done.action, done.open, circle.uploads) == ("created", 0, 1)


def test_without_github_there_is_the_file(one_circle: Circle):
    circle = one_circle
    settled, done = circle.report_error(circle.review("a.py"), token="")
    assert (done.action, done.url, states(settled)) == ("created", None, [FindingState.NEW])
    assert circle.file()["runs"][0]["results"]


def test_a_shallow_clone_forgets_nothing(circle: Circle):
    circle.report_error(circle.review("a.py"))
    circle.workflow.commit({"b.py": BUG})
    whole, shallow = circle.workflow.repo.path, circle.workflow.folder / "shallow"
    circle.workflow.repo.git("clone", "--quiet", "--depth=1", f"file://{whole}", str(shallow))
    circle.workflow.repo.path = shallow
    settled, _ = circle.report_error(circle.review("b.py"))
    assert sorted(states(settled)) == [FindingState.NEW, FindingState.OPEN]
    assert circle.alerts == {1: "open", 2: "open"}


def test_words_pass_to_other_destinations(circle: Circle):
    settled, _ = circle.report_error(circle.review("a.py"))
    words = circle.read_state().blocks[settled.statuses[0].tracked.fingerprint]
    assert "A crash ends the program." in words


def test_a_link_where_the_file_belongs_keeps_nothing_from_code_scanning(one_circle: Circle):
    circle = one_circle
    (circle.workflow.repo.path / ".batch-action").symlink_to(circle.workflow.folder)
    _, done = circle.report_error(circle.review("a.py"))
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
        sent = workflow.start("submit", {"permissions": MAY})
        assert sent.exit == 0, sent.log
        workflow.finish()
        return workflow.start("collect", {"permissions": MAY})

    def test_security_findings_of_a_public_repository_go_here(self, public: WorkflowHarness):
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
        assert public.start("submit", {"permissions": MAY}).exit == 0
        public.finish()
        public.sandbox.faults.add("status", method="POST", path="/sarifs$", status=503)
        done = public.start("collect", {"permissions": MAY})
        assert done.exit == 5
        done = public.start("collect", {"permissions": MAY})
        assert done.exit == 0, done.log
        assert len(public.github_repository.alerts) == 2
        assert len(public.github_repository.uploads) == len(public.github_repository.analyses) == 1

    def test_without_a_ledger_the_review_goes_on_from_the_last_analysis(
        self, public: WorkflowHarness
    ):
        assert self.collected(public).exit == 0
        analysed = public.github_repository.analyses[-1].commit_sha
        public.github_repository.artifacts.clear()
        public.commit({"next.js": GOOD})
        public.commit({"last.js": GOOD})
        sent = public.start("submit", {"permissions": MAY})
        assert f"our report names commit {analysed[:12]}" in sent.annotations("warning")[0]
        assert public.requested_paths() == ["last.js", "next.js"]
        public.github_repository.artifacts.clear()
        public.github_repository.code_scanning = False
        public.inputs["task"] = "code-review"
        assert public.start("submit", {"permissions": MAY}).exit == 0

    def test_money_is_not_spent_on_what_nobody_could_read(self, public: WorkflowHarness):
        for how in ({}, {"permissions": MAY | {"security-events": "read"}}):
            done = public.start("submit", how)
            assert done.exit == 2
            assert "`security-events: write`" in done.annotations("error")[0]
        public.github_repository.code_scanning = False
        done = public.start("submit", {"permissions": MAY})
        assert done.exit == 2
        assert "must be enabled" in done.annotations("error")[0]
        assert public.batches == []

    def test_where_there_is_another_place_it_is_a_warning(self, public: WorkflowHarness):
        for inputs in ({"allow_public_security_findings": "true"}, {"task": "code-review"}):
            done = public.start("submit", {}, **inputs)
            assert done.exit == 0
            assert "`security-events: write`" in done.annotations("warning")[0]
        assert public.start("submit", {}, dry_run="true").exit == 0

    def test_what_github_does_not_say_stops_nothing(self, public: WorkflowHarness):
        public.sandbox.faults.add("status", method="POST", path="/sarifs$", status=500)
        done = public.start("submit", {"permissions": MAY})
        assert (done.exit, done.annotations("warning")) == (0, [])

    def test_a_public_repository_without_it_hears_of_it(self, public: WorkflowHarness):
        public.inputs["report"] = "summary"
        done = public.start("submit", {})
        assert done.exit == 0
        assert "add `sarif` to `report`" in done.annotations("warning")[0]
