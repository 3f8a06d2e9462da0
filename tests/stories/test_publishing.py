"""Several destinations on one night: what they know is joined, and none harms another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from batch_action.batches.results import Harvest
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.context import World
from batch_action.errors import GitHubError
from batch_action.findings.anchoring import anchor_all
from batch_action.models.findings import (
    Confidence,
    Dismissal,
    RecheckWish,
    Recollection,
    Reconciled,
    Remark,
    Reviewed,
    Severity,
    State,
    Tonight,
)
from batch_action.models.ledger import Dismissed, Ledger, Recheck
from batch_action.models.report import Delivered, Night
from batch_action.publishers import pipeline
from tests.repos import Repo
from tests.worlds import world_of

TASK = "code-review"
EMPTY = Ledger(repository="local", task=TASK)
BUG = "def bad(x):\n    crash(x)\n    return x\n"


@dataclass
class Notebook:
    """A destination in memory."""

    remembered: Recollection = field(default_factory=lambda: Recollection(destination="notebook"))
    fails: GitHubError | None = None
    unreadable: GitHubError | None = None
    got: Reconciled | None = None
    nights: list[Night] = field(default_factory=list)

    def recall(self) -> Recollection:
        if self.unreadable:
            raise self.unreadable
        return self.remembered

    def deliver(self, reconciled: Reconciled, night: Night) -> Delivered:
        if self.fails:
            raise self.fails
        self.got = reconciled
        self.nights.append(night)
        known = tuple(s.known for s in reconciled.standings)
        self.remembered = replace(
            self.remembered, head=reconciled.commit, known=known, batches=night.batch_ids
        )
        return Delivered(destination="notebook", action="updated")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo.init(tmp_path / "repo")
    repo.commit({"a.py": BUG})
    return repo


@contextmanager
def opened(repo: Repo, **flags: object) -> Iterator[World]:
    with world_of(repo.path, **flags) as world:
        yield world


def review(repo: Repo, *lines: str) -> Tonight:
    commit = repo.head()
    blob = repo.git("rev-parse", "HEAD:a.py")
    text = (repo.path / "a.py").read_text()
    remarks = [
        Remark(
            rule="crash",
            category="bug",
            severity=Severity.HIGH,
            confidence=Confidence.HIGH,
            start_line=1,
            end_line=1,
            evidence=line,
            title="It crashes",
            why="why",
            remedy="check",
        )
        for line in lines
    ]
    findings, _ = anchor_all(remarks, task=TASK, path="a.py", text=text, blob=blob, commit=commit)
    reviewed = (Reviewed(path="a.py", blob=blob, commit=commit),)
    return Tonight(task=TASK, commit=commit, reviewed=reviewed, findings=findings)


def publish(
    world: World, tonight: Tonight, desks: dict[str, Notebook], ledger: Ledger = EMPTY
) -> pipeline.Outcome:
    recalled = pipeline.recall(world, tonight, desks)
    return pipeline.publish(world, ledger, Harvest(), tonight, recalled)


def states(notebook: Notebook) -> list[State]:
    return [s.known.state for s in notebook.got.standings] if notebook.got else []


def refused(status: int) -> RefusedError:
    return RefusedError("No.", status=status, lasting=status in (403, 404, 410))


def test_all_get_the_same_result(repo: Repo):
    one, two = Notebook(), Notebook()
    with opened(repo) as world:
        outcome = publish(world, review(repo, "crash(x)"), {"one": one, "two": two})
    assert outcome.problem is None
    assert one.got == two.got
    assert states(one) == [State.NEW]


def test_a_destination_added_later_learns_what_is_known(repo: Repo):
    one, two = Notebook(), Notebook()
    with opened(repo) as world:
        publish(world, review(repo, "crash(x)"), {"one": one})
        one.remembered = replace(one.remembered, words={one.remembered.known[0].fingerprint: "W"})
        repo.commit({"b.py": "x = 1\n"})
        tonight = Tonight(task=TASK, commit=repo.head(), reviewed=(), findings=())
        publish(world, tonight, {"two": two, "one": one})
    assert states(two) == [State.OPEN]
    assert two.got
    assert list(two.got.words.values()) == ["W"]


def test_what_the_newer_one_says_wins(repo: Repo):
    late, current = Notebook(), Notebook()
    with opened(repo) as world:
        publish(world, review(repo, "crash(x)"), {"late": late, "current": current})
        repo.commit({"a.py": BUG.replace("crash", "check")})
        publish(world, review(repo), {"current": current})
        assert states(current) == [State.FIXED]
        repo.commit({"b.py": "x = 1\n"})
        tonight = Tonight(task=TASK, commit=repo.head(), reviewed=(), findings=())
        for desks in ({"late": late, "current": current}, {"current": current, "late": late}):
            outcome = publish(world, tonight, desks)
            assert states(late) == states(current) == [State.FIXED]
            assert not any(s.changed for s in outcome.published.standings)


def test_one_that_fails_now_keeps_no_other_from_its_own(repo: Repo):
    bad, good = Notebook(fails=LostAnswerError("Gone.")), Notebook()
    with opened(repo) as world:
        outcome = publish(world, review(repo, "crash(x)"), {"bad": bad, "good": good})
    assert isinstance(outcome.problem, LostAnswerError)
    assert states(good) == [State.NEW]
    assert [d.action for d in outcome.published.delivered] == ["failed", "updated"]


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("where", ["fails", "unreadable"])
def test_one_that_is_refused_for_good_is_named_and_no_problem(repo: Repo, status: int, where: str):
    bad, good = Notebook(**{where: refused(status)}), Notebook()
    with opened(repo) as world:
        outcome = publish(world, review(repo, "crash(x)"), {"bad": bad, "good": good})
    assert outcome.problem is None
    assert [d.action for d in outcome.published.delivered] == ["refused", "updated"]
    assert outcome.published.warnings == ("bad: No.",)


def test_an_unreadable_memory_is_not_taken_for_an_empty_one(repo: Repo):
    bad = Notebook(unreadable=refused(500))
    with opened(repo) as world, pytest.raises(GitHubError):
        publish(world, review(repo, "crash(x)"), {"bad": bad, "good": Notebook()})


def test_findings_that_everybody_refuses_are_never_green(repo: Repo):
    bad = Notebook(fails=refused(403))
    with opened(repo) as world:
        outcome = publish(world, review(repo, "crash(x)"), {"bad": bad})
        assert outcome.problem
        assert outcome.problem.exit_code == 5
        assert publish(world, review(repo), {"bad": bad}).problem is None


def test_a_dry_run_reads_and_writes_nothing(repo: Repo):
    one = Notebook()
    with opened(repo, dry_run="true") as world:
        outcome = publish(world, review(repo, "crash(x)"), {"one": one})
    assert one.got is None
    assert [s.known.state for s in outcome.published.standings] == [State.NEW]


def test_a_persons_wish_in_one_place_holds_everywhere(repo: Repo):
    one, two = Notebook(), Notebook()
    with opened(repo) as world:
        publish(world, review(repo, "crash(x)"), {"one": one, "two": two})
        (known,) = one.remembered.known
        wish = Dismissal(fingerprint=known.fingerprint, by="ann", where="https://x/1")
        one.remembered = replace(one.remembered, dismissals=(wish,))
        tonight = review(repo, "crash(x)")
        recalled = pipeline.recall(world, tonight, {"one": one, "two": two})
        (fact,) = recalled.wishes(EMPTY, world)
        assert isinstance(fact, Dismissed)
        ledger = EMPTY.model_copy(update={"facts": (fact,)})
        assert recalled.wishes(ledger, world) == ()
        pipeline.publish(world, ledger, Harvest(), tonight, recalled)
        assert states(two) == [State.DISMISSED]
        # And from the ledger alone, should that place be lost.
        publish(world, tonight, {"three": (three := Notebook())}, ledger)
    assert states(three) == [State.DISMISSED]


def test_a_recheck_names_the_file_and_an_unknown_one_is_passed_over(repo: Repo):
    one = Notebook()
    with opened(repo) as world:
        publish(world, review(repo, "crash(x)"), {"one": one})
        (known,) = one.remembered.known
        wishes = tuple(
            RecheckWish(fingerprint=f, by="ann", where="https://x/1")
            for f in (known.fingerprint, "0" * 16)
        )
        one.remembered = replace(one.remembered, rechecks=wishes)
        recalled = pipeline.recall(world, review(repo), {"one": one})
        (fact,) = recalled.wishes(EMPTY, world)
    assert isinstance(fact, Recheck)
    assert (fact.path, fact.fingerprint) == ("a.py", known.fingerprint)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version":1,"findings":[{}]}'])
def test_a_damaged_baseline_is_an_error_not_an_empty_one(repo: Repo, text: str):
    repo.commit({".github/batch-action-baseline.json": text})
    with opened(repo) as world, pytest.raises(Exception, match="baseline file"):
        publish(world, review(repo, "crash(x)"), {"one": Notebook()})
