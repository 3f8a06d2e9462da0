"""Several destinations on one night: what they know is joined, and none harms another."""

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
from batch_action.models.findings import (
    BatchAnswers,
    Confidence,
    Dismissal,
    FindingState,
    PublishedState,
    RawFinding,
    RecheckRequest,
    Reconciliation,
    ReviewedFile,
    Severity,
)
from batch_action.models.ledger import Dismissed, Ledger, Recheck
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers import pipeline
from tests.harness.contexts import context_of
from tests.harness.git_repositories import Repo

TASK = "code-review"
EMPTY = Ledger(repository="local", task=TASK)
BUG = "def bad(x):\n    crash(x)\n    return x\n"


@dataclass
class Notebook:
    """A destination in memory."""

    remembered: PublishedState = field(
        default_factory=lambda: PublishedState(destination="notebook")
    )
    fails: GitHubError | None = None
    unreadable: GitHubError | None = None
    got: Reconciliation | None = None
    nights: list[RunReport] = field(default_factory=list)

    def read_state(self) -> PublishedState:
        if self.unreadable:
            raise self.unreadable
        return self.remembered

    def publish(self, reconciled: Reconciliation, workflow: RunReport) -> DestinationResult:
        if self.fails:
            raise self.fails
        self.got = reconciled
        self.nights.append(workflow)
        known = tuple(s.tracked for s in reconciled.statuses)
        self.remembered = replace(
            self.remembered, head=reconciled.commit, tracked=known, batches=workflow.batch_ids
        )
        return DestinationResult(destination="notebook", action="updated")


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
    remarks = [
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
    findings, _ = anchor_all(remarks, task=TASK, path="a.py", text=text, blob=blob, commit=commit)
    reviewed = (ReviewedFile(path="a.py", blob=blob, commit=commit),)
    return BatchAnswers(task=TASK, commit=commit, reviewed=reviewed, findings=findings)


def publish(
    ctx: RunContext,
    batch_answers: BatchAnswers,
    publishers: dict[str, Notebook],
    ledger: Ledger = EMPTY,
) -> pipeline.PipelineResult:
    recalled = pipeline.read_states(ctx, batch_answers, publishers)
    return pipeline.publish(ctx, ledger, BatchResults(), batch_answers, recalled)


def states(notebook: Notebook) -> list[FindingState]:
    return [s.tracked.state for s in notebook.got.statuses] if notebook.got else []


def refused(status: int) -> RefusedError:
    return RefusedError("No.", status=status, permanent=status in (403, 404, 410))


def test_all_get_the_same_result(repo: Repo):
    one, two = Notebook(), Notebook()
    with opened(repo) as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"one": one, "two": two})
    assert outcome.problem is None
    assert one.got == two.got
    assert states(one) == [FindingState.NEW]


def test_a_destination_added_later_learns_what_is_known(repo: Repo):
    one, two = Notebook(), Notebook()
    with opened(repo) as ctx:
        publish(ctx, review(repo, "crash(x)"), {"one": one})
        one.remembered = replace(
            one.remembered, blocks={one.remembered.tracked[0].fingerprint: "W"}
        )
        repo.commit({"b.py": "x = 1\n"})
        batch_answers = BatchAnswers(task=TASK, commit=repo.head(), reviewed=(), findings=())
        publish(ctx, batch_answers, {"two": two, "one": one})
    assert states(two) == [FindingState.OPEN]
    assert two.got
    assert list(two.got.blocks.values()) == ["W"]


def test_what_the_newer_one_says_wins(repo: Repo):
    late, current = Notebook(), Notebook()
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


def test_one_that_fails_now_keeps_no_other_from_its_own(repo: Repo):
    bad, good = Notebook(fails=LostResponseError("Gone.")), Notebook()
    with opened(repo) as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"bad": bad, "good": good})
    assert isinstance(outcome.problem, LostResponseError)
    assert states(good) == [FindingState.NEW]
    assert [d.action for d in outcome.published.results] == ["failed", "updated"]


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("where", ["fails", "unreadable"])
def test_one_that_is_refused_for_good_is_named_and_no_problem(repo: Repo, status: int, where: str):
    bad, good = Notebook(**{where: refused(status)}), Notebook()
    with opened(repo) as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"bad": bad, "good": good})
    assert outcome.problem is None
    assert [d.action for d in outcome.published.results] == ["refused", "updated"]
    assert outcome.published.warnings == ("bad: No.",)


def test_an_unreadable_memory_is_not_taken_for_an_empty_one(repo: Repo):
    bad = Notebook(unreadable=refused(500))
    with opened(repo) as ctx, pytest.raises(GitHubError):
        publish(ctx, review(repo, "crash(x)"), {"bad": bad, "good": Notebook()})


def test_findings_that_everybody_refuses_are_never_green(repo: Repo):
    bad = Notebook(fails=refused(403))
    with opened(repo) as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"bad": bad})
        assert outcome.problem
        assert outcome.problem.exit_code == 5
        assert publish(ctx, review(repo), {"bad": bad}).problem is None


def test_a_dry_run_reads_and_writes_nothing(repo: Repo):
    one = Notebook()
    with opened(repo, dry_run="true") as ctx:
        outcome = publish(ctx, review(repo, "crash(x)"), {"one": one})
    assert one.got is None
    assert [s.tracked.state for s in outcome.published.statuses] == [FindingState.NEW]


def test_a_persons_wish_in_one_place_holds_everywhere(repo: Repo):
    one, two = Notebook(), Notebook()
    with opened(repo) as ctx:
        publish(ctx, review(repo, "crash(x)"), {"one": one, "two": two})
        (known,) = one.remembered.tracked
        wish = Dismissal(fingerprint=known.fingerprint, actor="ann", source="https://x/1")
        one.remembered = replace(one.remembered, dismissals=(wish,))
        batch_answers = review(repo, "crash(x)")
        recalled = pipeline.read_states(ctx, batch_answers, {"one": one, "two": two})
        (fact,) = recalled.requested_facts(EMPTY, ctx)
        assert isinstance(fact, Dismissed)
        ledger = EMPTY.model_copy(update={"facts": (fact,)})
        assert recalled.requested_facts(ledger, ctx) == ()
        pipeline.publish(ctx, ledger, BatchResults(), batch_answers, recalled)
        assert states(two) == [FindingState.DISMISSED]
        # And from the ledger alone, should that place be lost.
        publish(ctx, batch_answers, {"three": (three := Notebook())}, ledger)
    assert states(three) == [FindingState.DISMISSED]


def test_a_recheck_names_the_file_and_an_unknown_one_is_passed_over(repo: Repo):
    one = Notebook()
    with opened(repo) as ctx:
        publish(ctx, review(repo, "crash(x)"), {"one": one})
        (known,) = one.remembered.tracked
        wishes = tuple(
            RecheckRequest(fingerprint=f, actor="ann", source="https://x/1")
            for f in (known.fingerprint, "0" * 16)
        )
        one.remembered = replace(one.remembered, rechecks=wishes)
        recalled = pipeline.read_states(ctx, review(repo), {"one": one})
        (fact,) = recalled.requested_facts(EMPTY, ctx)
    assert isinstance(fact, Recheck)
    assert (fact.path, fact.fingerprint) == ("a.py", known.fingerprint)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version":1,"findings":[{}]}'])
def test_a_damaged_baseline_is_an_error_not_an_empty_one(repo: Repo, text: str):
    repo.commit({".github/batch-action-baseline.json": text})
    with opened(repo) as ctx, pytest.raises(Exception, match="baseline file"):
        publish(ctx, review(repo, "crash(x)"), {"one": Notebook()})
