"""Several destinations in one run: their states are joined, and none affects another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from batch_action.batches.results import BatchResults
from batch_action.clients.github.errors import LostResponseError, RefusedError
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.findings.anchoring import anchor_all
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import (
    BatchAnswers,
    CommandName,
    Confidence,
    Dismissal,
    FindingCommand,
    FindingState,
    PublishedState,
    RawFinding,
    Reconciliation,
    ReviewedFile,
    Severity,
)
from batch_action.models.ledger import Dismissed, Ledger, Recheck
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers import finding_policy, pipeline, run_report
from tests.harness.contexts import context_of
from tests.harness.git_repositories import Repo

TASK = "code-review"
EMPTY = LedgerView(Ledger(repository="local", task=TASK))
BUG = "def bad(x):\n    crash(x)\n    return x\n"


@dataclass
class InMemoryPublisher:
    """A destination in memory."""

    state: PublishedState = field(default_factory=lambda: PublishedState(destination="memory"))
    fails: GitHubError | None = None
    unreadable: GitHubError | None = None
    published: Reconciliation | None = None
    reports: list[RunReport] = field(default_factory=list)

    def read_state(self) -> PublishedState:
        if self.unreadable:
            raise self.unreadable
        return self.state

    def publish(self, reconciled: Reconciliation, workflow: RunReport) -> DestinationResult:
        if self.fails:
            raise self.fails
        self.published = reconciled
        self.reports.append(workflow)
        known = tuple(s.tracked for s in reconciled.statuses)
        self.state = replace(
            self.state, head=reconciled.commit, tracked=known, batches=workflow.batch_ids
        )
        return DestinationResult(destination="memory", action="updated")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo.init(tmp_path / "repo")
    repo.commit({"a.py": BUG})
    return repo


@contextmanager
def opened(repo: Repo, **flags: object) -> Iterator[RunContext]:
    with context_of(repo.path, **flags) as ctx:
        yield ctx


def review(repo: Repo, *lines: str) -> BatchAnswers:
    commit = repo.head()
    blob = repo.git("rev-parse", "HEAD:a.py")
    text = (repo.path / "a.py").read_text()
    raw_findings = [
        RawFinding(
            rule="crash",
            category="bug",
            severity=Severity.HIGH,
            confidence=Confidence.HIGH,
            start_line=1,
            end_line=1,
            evidence=line,
            title="It crashes",
            explanation="why",
            remediation="check",
        )
        for line in lines
    ]
    findings, _ = anchor_all(
        [raw_findings], task=TASK, path="a.py", text=text, blob=blob, commit=commit
    )
    reviewed = (ReviewedFile(path="a.py", blob=blob, commit=commit),)
    return BatchAnswers(task=TASK, commit=commit, reviewed=reviewed, findings=findings)


def publish(
    ctx: RunContext,
    batch_answers: BatchAnswers,
    publishers: dict[str, InMemoryPublisher],
    view: LedgerView = EMPTY,
) -> pipeline.PipelineResult:
    states = pipeline.read_states(ctx, view.dismissed_fingerprints, publishers)
    return publish_to(ctx, batch_answers, states, view)


def publish_to(
    ctx: RunContext,
    answers: BatchAnswers,
    states: pipeline.PublishedStates,
    view: LedgerView,
) -> pipeline.PipelineResult:
    report = run_report.build(ctx, view, BatchResults(), answers)
    policy = finding_policy.build(ctx, view, states, report, reviewed_before=view.reviewed_files)
    reconciliation = pipeline.reconcile_states(ctx.git, report, answers, states, policy)
    return pipeline.publish(report, reconciliation, states, ctx.settings)


def states(publisher: InMemoryPublisher) -> list[FindingState]:
    return [s.tracked.state for s in publisher.published.statuses] if publisher.published else []


def refused(status: int) -> RefusedError:
    return RefusedError("No.", status=status, permanent=status in (403, 404, 410))


def test_all_destinations_get_the_same_result(repo: Repo):
    first, second = InMemoryPublisher(), InMemoryPublisher()
    with opened(repo) as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"first": first, "second": second})
    assert outcome.problem is None
    assert first.published == second.published
    assert states(first) == [FindingState.NEW]


def test_a_destination_added_later_gets_all_open_findings(repo: Repo):
    first, second = InMemoryPublisher(), InMemoryPublisher()
    with opened(repo) as ctx:
        publish(ctx, review(repo, "crash(x)"), {"first": first})
        first.state = replace(first.state, blocks={first.state.tracked[0].fingerprint: "W"})
        repo.commit({"b.py": "x = 1\n"})
        batch_answers = BatchAnswers(task=TASK, commit=repo.head(), reviewed=(), findings=())
        publish(ctx, batch_answers, {"second": second, "first": first})
    assert states(second) == [FindingState.OPEN]
    assert second.published
    assert list(second.published.blocks.values()) == ["W"]


def test_the_newer_state_wins(repo: Repo):
    late, current = InMemoryPublisher(), InMemoryPublisher()
    with opened(repo) as ctx:
        publish(ctx, review(repo, "crash(x)"), {"late": late, "current": current})
        repo.commit({"a.py": BUG.replace("crash", "check")})
        publish(ctx, review(repo), {"current": current})
        assert states(current) == [FindingState.FIXED]
        repo.commit({"b.py": "x = 1\n"})
        batch_answers = BatchAnswers(task=TASK, commit=repo.head(), reviewed=(), findings=())
        for publishers in ({"late": late, "current": current}, {"current": current, "late": late}):
            outcome = publish(ctx, batch_answers, publishers)
            assert states(late) == states(current) == [FindingState.FIXED]
            assert not any(s.changed for s in outcome.published.statuses)


def test_a_failing_destination_does_not_stop_the_others(repo: Repo):
    bad, good = InMemoryPublisher(fails=LostResponseError("Gone.")), InMemoryPublisher()
    with opened(repo) as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"bad": bad, "good": good})
    assert isinstance(outcome.problem, LostResponseError)
    assert states(good) == [FindingState.NEW]
    assert [d.action for d in outcome.published.results] == ["failed", "updated"]


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("where", ["fails", "unreadable"])
def test_a_permanent_refusal_is_named_but_no_problem(repo: Repo, status: int, where: str):
    bad, good = InMemoryPublisher(**{where: refused(status)}), InMemoryPublisher()
    with opened(repo) as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"bad": bad, "good": good})
    assert outcome.problem is None
    assert [d.action for d in outcome.published.results] == ["refused", "updated"]
    assert outcome.published.warnings == ("bad: No.",)


def test_an_unreadable_state_is_not_an_empty_state(repo: Repo):
    bad = InMemoryPublisher(unreadable=refused(500))
    with opened(repo) as ctx, pytest.raises(GitHubError):
        publish(ctx, review(repo, "crash(x)"), {"bad": bad, "good": InMemoryPublisher()})


def test_findings_that_all_destinations_refuse_fail_the_run(repo: Repo):
    bad = InMemoryPublisher(fails=refused(403))
    with opened(repo) as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"bad": bad})
        assert outcome.problem
        assert outcome.problem.exit_code == 5
        assert publish(ctx, review(repo), {"bad": bad}).problem is None


def test_a_dry_run_reads_and_writes_nothing(repo: Repo):
    first = InMemoryPublisher()
    with opened(repo, dry_run="true") as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"first": first})
    assert first.published is None
    assert [s.tracked.state for s in outcome.published.statuses] == [FindingState.NEW]


def test_a_dismissal_in_one_destination_holds_in_all(repo: Repo):
    first, second = InMemoryPublisher(), InMemoryPublisher()
    with opened(repo) as ctx:
        publish(ctx, review(repo, "crash(x)"), {"first": first, "second": second})
        (known,) = first.state.tracked
        dismissal = Dismissal(fingerprint=known.fingerprint, actor="ann", source="https://x/1")
        first.state = replace(first.state, dismissals=(dismissal,))
        batch_answers = review(repo, "crash(x)")
        published_states = pipeline.read_states(ctx, publishers={"first": first, "second": second})
        (fact,) = published_states.requested_facts(EMPTY, ctx.now(), hides_security=False)
        assert isinstance(fact, Dismissed)
        view = LedgerView(EMPTY.ledger.model_copy(update={"facts": (fact,)}))
        assert published_states.requested_facts(view, ctx.now(), hides_security=False) == ()
        publish_to(ctx, batch_answers, published_states, view)
        assert states(second) == [FindingState.DISMISSED]
        # And from the ledger alone, in case the destination is lost.
        publish(ctx, batch_answers, {"three": (three := InMemoryPublisher())}, view)
    assert states(three) == [FindingState.DISMISSED]


def test_a_recheck_of_an_unknown_finding_is_ignored(repo: Repo):
    first = InMemoryPublisher()
    with opened(repo) as ctx:
        publish(ctx, review(repo, "crash(x)"), {"first": first})
        (known,) = first.state.tracked
        commands = tuple(
            FindingCommand(
                name=CommandName.RECHECK, fingerprint=f, actor="ann", source="https://x/1"
            )
            for f in (known.fingerprint, "0" * 16)
        )
        first.state = replace(first.state, commands=commands)
        published_states = pipeline.read_states(ctx, publishers={"first": first})
        (fact,) = published_states.requested_facts(EMPTY, ctx.now(), hides_security=False)
    assert isinstance(fact, Recheck)
    assert (fact.path, fact.fingerprint) == ("a.py", known.fingerprint)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version":1,"findings":[{}]}'])
def test_a_damaged_baseline_is_an_error(repo: Repo, text: str):
    repo.commit({".github/batch-action-baseline.json": text})
    with opened(repo) as ctx, pytest.raises(Exception, match="baseline file"):
        publish(ctx, review(repo, "crash(x)"), {"first": InMemoryPublisher()})
